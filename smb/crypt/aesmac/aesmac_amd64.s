//go:build amd64 && !purego

#include "textflag.h"

// Reverses the last four bytes of a block: the counter.
DATA counter<>+0(SB)/8, $0x0706050403020100
DATA counter<>+8(SB)/8, $0x0c0d0e0f0b0a0908
GLOBL counter<>(SB), RODATA|NOPTR, $16

// The counters 0, 1 to 8 in the last four bytes of a block.
DATA count<>+0(SB)/8, $0
DATA count<>+8(SB)/8, $0x0000000100000000
DATA count<>+16(SB)/8, $0
DATA count<>+24(SB)/8, $0x0000000200000000
DATA count<>+32(SB)/8, $0
DATA count<>+40(SB)/8, $0x0000000300000000
DATA count<>+48(SB)/8, $0
DATA count<>+56(SB)/8, $0x0000000400000000
DATA count<>+64(SB)/8, $0
DATA count<>+72(SB)/8, $0x0000000500000000
DATA count<>+80(SB)/8, $0
DATA count<>+88(SB)/8, $0x0000000600000000
DATA count<>+96(SB)/8, $0
DATA count<>+104(SB)/8, $0x0000000700000000
DATA count<>+112(SB)/8, $0
DATA count<>+120(SB)/8, $0x0000000800000000
GLOBL count<>(SB), RODATA|NOPTR, $128

// What all functions do with the state x of a chain: at the beginning of the loop it is
//	x XOR k0 XOR m
// where k0 is the first round key and m the block that comes in. The last round XORs
// not its key k but k XOR k0 XOR (the next m), which was made meanwhile: so nothing
// but the rounds themselves is in the chain from one block to the next.

// func chain(keys *aeskey.Schedule, rounds int, mac *[16]byte, p *byte, n int)
// X0 is the state, X1 to X13 are the round keys between the first and the last, X14 is
// what the last round XORs, X15 the first round key XOR the last one.
TEXT ·chain(SB), NOSPLIT, $0-40
	MOVQ keys+0(FP), AX
	MOVQ rounds+8(FP), BX
	MOVQ mac+16(FP), DI
	MOVQ p+24(FP), SI
	MOVQ n+32(FP), CX
	MOVQ BX, DX
	SHLQ $4, DX

	VMOVDQU (AX), X15
	VPXOR (DI), X15, X0
	VPXOR (SI), X0, X0
	VPXOR (AX)(DX*1), X15, X15
	VMOVDQU 16(AX), X1
	VMOVDQU 32(AX), X2
	VMOVDQU 48(AX), X3
	VMOVDQU 64(AX), X4
	VMOVDQU 80(AX), X5
	VMOVDQU 96(AX), X6
	VMOVDQU 112(AX), X7
	VMOVDQU 128(AX), X8
	VMOVDQU 144(AX), X9
	VMOVDQU 160(AX), X10
	VMOVDQU 176(AX), X11
	VMOVDQU 192(AX), X12
	VMOVDQU 208(AX), X13

next:
	DECQ CX
	JZ final
	VPXOR 16(SI), X15, X14
	ADDQ $16, SI
block:
	VAESENC X1, X0, X0
	VAESENC X2, X0, X0
	VAESENC X3, X0, X0
	VAESENC X4, X0, X0
	VAESENC X5, X0, X0
	VAESENC X6, X0, X0
	VAESENC X7, X0, X0
	VAESENC X8, X0, X0
	VAESENC X9, X0, X0
	CMPQ BX, $10
	JEQ last
	VAESENC X10, X0, X0
	VAESENC X11, X0, X0
	VAESENC X12, X0, X0
	VAESENC X13, X0, X0
last:
	VAESENCLAST X14, X0, X0
	TESTQ CX, CX
	JNZ next
	VMOVDQU X0, (DI)
	RET
final:
	VMOVDQU (AX)(DX*1), X14
	JMP block

// One round of four chains with the round key at an offset.
#define ROUND4(at) \
	VMOVDQU at(AX), X8 \
	VAESENC X8, X0, X0 \
	VAESENC X8, X1, X1 \
	VAESENC X8, X2, X2 \
	VAESENC X8, X3, X3

// func chain4(keys *aeskey.Schedule, rounds int, macs *[8][16]byte, p *[8]*byte, n int)
// X0 to X3 are the states, DX is how far behind the four pointers the next blocks stand.
TEXT ·chain4(SB), NOSPLIT, $0-40
	MOVQ keys+0(FP), AX
	MOVQ rounds+8(FP), BX
	MOVQ macs+16(FP), DI
	MOVQ p+24(FP), DX
	MOVQ n+32(FP), CX
	MOVQ 0(DX), R8
	MOVQ 8(DX), R9
	MOVQ 16(DX), R10
	MOVQ 24(DX), R11
	MOVQ BX, SI
	SHLQ $4, SI

	VMOVDQU (AX), X15
	VPXOR 0(DI), X15, X0
	VPXOR 16(DI), X15, X1
	VPXOR 32(DI), X15, X2
	VPXOR 48(DI), X15, X3
	VPXOR (R8), X0, X0
	VPXOR (R9), X1, X1
	VPXOR (R10), X2, X2
	VPXOR (R11), X3, X3
	VPXOR (AX)(SI*1), X15, X15
	MOVQ $16, DX

next4:
	DECQ CX
	JZ final4
	VPXOR (R8)(DX*1), X15, X10
	VPXOR (R9)(DX*1), X15, X11
	VPXOR (R10)(DX*1), X15, X12
	VPXOR (R11)(DX*1), X15, X13
	ADDQ $16, DX
block4:
	ROUND4(16)
	ROUND4(32)
	ROUND4(48)
	ROUND4(64)
	ROUND4(80)
	ROUND4(96)
	ROUND4(112)
	ROUND4(128)
	ROUND4(144)
	CMPQ BX, $10
	JEQ last4
	ROUND4(160)
	ROUND4(176)
	ROUND4(192)
	ROUND4(208)
last4:
	VAESENCLAST X10, X0, X0
	VAESENCLAST X11, X1, X1
	VAESENCLAST X12, X2, X2
	VAESENCLAST X13, X3, X3
	TESTQ CX, CX
	JNZ next4
	VMOVDQU X0, 0(DI)
	VMOVDQU X1, 16(DI)
	VMOVDQU X2, 32(DI)
	VMOVDQU X3, 48(DI)
	RET
final4:
	VMOVDQU (AX)(SI*1), X10
	VMOVDQA X10, X11
	VMOVDQA X10, X12
	VMOVDQA X10, X13
	JMP block4

// One round of eight chains, or of eight blocks of counter mode.
#define ROUND8(at) \
	ROUND4(at) \
	VAESENC X8, X4, X4 \
	VAESENC X8, X5, X5 \
	VAESENC X8, X6, X6 \
	VAESENC X8, X7, X7

// What the last round of a chain XORs is made just before, as there are not enough
// registers to keep it: that is not in the chain either.
#define LAST8(p, x) \
	VPXOR (p)(DX*1), X15, X9 \
	VAESENCLAST X9, x, x

// func chain8(keys *aeskey.Schedule, rounds int, macs *[8][16]byte, p *[8]*byte, n int)
TEXT ·chain8(SB), NOSPLIT, $0-40
	MOVQ keys+0(FP), AX
	MOVQ rounds+8(FP), BX
	MOVQ macs+16(FP), SI
	MOVQ p+24(FP), DX
	MOVQ n+32(FP), CX
	MOVQ 0(DX), R8
	MOVQ 8(DX), R9
	MOVQ 16(DX), R10
	MOVQ 24(DX), R11
	MOVQ 32(DX), R12
	MOVQ 40(DX), R13
	MOVQ 48(DX), DI
	MOVQ 56(DX), DX
	VMOVDQU (AX), X15
	VPXOR 0(SI), X15, X0
	VPXOR 16(SI), X15, X1
	VPXOR 32(SI), X15, X2
	VPXOR 48(SI), X15, X3
	VPXOR 64(SI), X15, X4
	VPXOR 80(SI), X15, X5
	VPXOR 96(SI), X15, X6
	VPXOR 112(SI), X15, X7
	VPXOR (R8), X0, X0
	VPXOR (R9), X1, X1
	VPXOR (R10), X2, X2
	VPXOR (R11), X3, X3
	VPXOR (R12), X4, X4
	VPXOR (R13), X5, X5
	VPXOR (DI), X6, X6
	VPXOR (DX), X7, X7
	MOVQ DX, SI
	MOVQ BX, DX
	SHLQ $4, DX
	VPXOR (AX)(DX*1), X15, X15
	MOVQ $16, DX

next8:
	ROUND8(16)
	ROUND8(32)
	ROUND8(48)
	ROUND8(64)
	ROUND8(80)
	ROUND8(96)
	ROUND8(112)
	ROUND8(128)
	ROUND8(144)
	CMPQ BX, $10
	JEQ last8
	ROUND8(160)
	ROUND8(176)
	ROUND8(192)
	ROUND8(208)
last8:
	DECQ CX
	JZ final8
	LAST8(R8, X0)
	LAST8(R9, X1)
	LAST8(R10, X2)
	LAST8(R11, X3)
	LAST8(R12, X4)
	LAST8(R13, X5)
	LAST8(DI, X6)
	LAST8(SI, X7)
	ADDQ $16, DX
	JMP next8
final8:
	MOVQ macs+16(FP), SI
	SHLQ $4, BX
	VMOVDQU (AX)(BX*1), X9
	VAESENCLAST X9, X0, X0
	VAESENCLAST X9, X1, X1
	VAESENCLAST X9, X2, X2
	VAESENCLAST X9, X3, X3
	VAESENCLAST X9, X4, X4
	VAESENCLAST X9, X5, X5
	VAESENCLAST X9, X6, X6
	VAESENCLAST X9, X7, X7
	VMOVDQU X0, 0(SI)
	VMOVDQU X1, 16(SI)
	VMOVDQU X2, 32(SI)
	VMOVDQU X3, 48(SI)
	VMOVDQU X4, 64(SI)
	VMOVDQU X5, 80(SI)
	VMOVDQU X6, 96(SI)
	VMOVDQU X7, 112(SI)
	RET

// A block of counter mode out of the counter in X11, which goes on. The last round
// XORs the text as well.
#define COUNTER(x) \
	VPSHUFB X13, X11, x \
	VPXOR X10, x, x \
	VPADDD X12, X11, X11

// One round of a chain, X0, and a block of counter mode, X1.
#define ROUND2(at) \
	VMOVDQU at(AX), X8 \
	VAESENC X8, X0, X0 \
	VAESENC X8, X1, X1

#define ROUNDS2(to) \
	ROUND2(16) \
	ROUND2(32) \
	ROUND2(48) \
	ROUND2(64) \
	ROUND2(80) \
	ROUND2(96) \
	ROUND2(112) \
	ROUND2(128) \
	ROUND2(144) \
	CMPQ BX, $10 \
	JEQ to \
	ROUND2(160) \
	ROUND2(176) \
	ROUND2(192) \
	ROUND2(208)

// The registers of seal and open: X9 is the last round key, X10 the first one, X15 both,
// X11 the counter, X12 what it goes on by, X13 the order of its bytes.
#define START \
	MOVQ BX, DX \
	SHLQ $4, DX \
	VMOVDQU (AX), X10 \
	VMOVDQU (AX)(DX*1), X9 \
	VPXOR X9, X10, X15 \
	VMOVDQU (R8), X11 \
	VMOVDQU count<>(SB), X12 \
	VMOVDQU counter<>(SB), X13

// func seal(keys *aeskey.Schedule, rounds int, mac, ctr *[16]byte, p *byte, n int)
TEXT ·seal(SB), NOSPLIT, $0-48
	MOVQ keys+0(FP), AX
	MOVQ rounds+8(FP), BX
	MOVQ mac+16(FP), DI
	MOVQ ctr+24(FP), R8
	MOVQ p+32(FP), SI
	MOVQ n+40(FP), CX
	START
	VMOVDQU (SI), X2
	VPXOR (DI), X10, X0
	VPXOR X2, X0, X0

nextSeal:
	COUNTER(X1)
	VPXOR X2, X9, X3
	VMOVDQA X9, X4
	DECQ CX
	JZ blockSeal
	VMOVDQU 16(SI), X2
	VPXOR X2, X15, X4
blockSeal:
	ROUNDS2(lastSeal)
lastSeal:
	VAESENCLAST X4, X0, X0
	VAESENCLAST X3, X1, X1
	VMOVDQU X1, (SI)
	ADDQ $16, SI
	TESTQ CX, CX
	JNZ nextSeal
	VMOVDQU X0, (DI)
	VMOVDQU X11, (R8)
	RET

// func open(keys *aeskey.Schedule, rounds int, mac, ctr *[16]byte, p *byte, n int)
// Counter mode is one block ahead. The first block has it alone, with a chain in X0 that
// nobody wants; the last one in the chain has a counter block that nobody wants.
TEXT ·open(SB), NOSPLIT, $0-48
	MOVQ keys+0(FP), AX
	MOVQ rounds+8(FP), BX
	MOVQ mac+16(FP), DI
	MOVQ ctr+24(FP), R8
	MOVQ p+32(FP), SI
	MOVQ n+40(FP), CX
	START
	COUNTER(X1)
	ROUNDS2(firstOpen)
firstOpen:
	VPXOR (SI), X9, X3
	VAESENCLAST X3, X1, X1
	VMOVDQU X1, (SI)
	VPXOR (DI), X10, X0
	VPXOR X1, X0, X0

nextOpen:
	DECQ CX
	JZ finalOpen
	COUNTER(X1)
	VPXOR 16(SI), X9, X3
	ADDQ $16, SI
	ROUNDS2(lastOpen)
lastOpen:
	VAESENCLAST X3, X1, X1
	VMOVDQU X1, (SI)
	VPXOR X1, X15, X4
	VAESENCLAST X4, X0, X0
	JMP nextOpen
finalOpen:
	ROUNDS2(endOpen)
endOpen:
	VAESENCLAST X9, X0, X0
	VMOVDQU X0, (DI)
	VMOVDQU X11, (R8)
	RET

// A counter block that is so many blocks ahead.
#define AHEAD(n, x) \
	VPADDD count<>+(16*n-16)(SB), X11, x \
	VPSHUFB X13, x, x \
	VPXOR X10, x, x

// One block of text.
#define TEXT8(at, x) \
	VPXOR at(SI), X9, X14 \
	VAESENCLAST X14, x, x \
	VMOVDQU x, at(SI)

// func ctr8(keys *aeskey.Schedule, rounds int, ctr *[16]byte, p *byte, n int)
TEXT ·ctr8(SB), NOSPLIT, $0-40
	MOVQ keys+0(FP), AX
	MOVQ rounds+8(FP), BX
	MOVQ ctr+16(FP), R8
	MOVQ p+24(FP), SI
	MOVQ n+32(FP), CX
	MOVQ BX, DX
	SHLQ $4, DX
	VMOVDQU (AX), X10
	VMOVDQU (AX)(DX*1), X9
	VMOVDQU (R8), X11
	VMOVDQU counter<>(SB), X13

nextCtr:
	VPSHUFB X13, X11, X0
	VPXOR X10, X0, X0
	AHEAD(1, X1)
	AHEAD(2, X2)
	AHEAD(3, X3)
	AHEAD(4, X4)
	AHEAD(5, X5)
	AHEAD(6, X6)
	AHEAD(7, X7)
	VPADDD count<>+112(SB), X11, X11
	ROUND8(16)
	ROUND8(32)
	ROUND8(48)
	ROUND8(64)
	ROUND8(80)
	ROUND8(96)
	ROUND8(112)
	ROUND8(128)
	ROUND8(144)
	CMPQ BX, $10
	JEQ lastCtr
	ROUND8(160)
	ROUND8(176)
	ROUND8(192)
	ROUND8(208)
lastCtr:
	TEXT8(0, X0)
	TEXT8(16, X1)
	TEXT8(32, X2)
	TEXT8(48, X3)
	TEXT8(64, X4)
	TEXT8(80, X5)
	TEXT8(96, X6)
	TEXT8(112, X7)
	ADDQ $128, SI
	DECQ CX
	JNZ nextCtr
	VMOVDQU X11, (R8)
	RET
