//go:build amd64 && !purego

#include "textflag.h"

// Reverses the bytes of a block.
DATA reverse<>+0(SB)/8, $0x08090a0b0c0d0e0f
DATA reverse<>+8(SB)/8, $0x0001020304050607
GLOBL reverse<>(SB), RODATA|NOPTR, $16

// Reverses the last four bytes of a block: the counter.
DATA counter<>+0(SB)/8, $0x0706050403020100
DATA counter<>+8(SB)/8, $0x0c0d0e0f0b0a0908
GLOBL counter<>(SB), RODATA|NOPTR, $16

// What the counters of four blocks are ahead of the first.
DATA ahead<>+0(SB)/8, $0
DATA ahead<>+8(SB)/8, $0x0000000000000000
DATA ahead<>+16(SB)/8, $0
DATA ahead<>+24(SB)/8, $0x0000000100000000
DATA ahead<>+32(SB)/8, $0
DATA ahead<>+40(SB)/8, $0x0000000200000000
DATA ahead<>+48(SB)/8, $0
DATA ahead<>+56(SB)/8, $0x0000000300000000
GLOBL ahead<>(SB), RODATA|NOPTR, $64

DATA four<>+0(SB)/8, $0
DATA four<>+8(SB)/8, $0x0000000400000000
GLOBL four<>(SB), RODATA|NOPTR, $16

// The polynomial of GHASH, bits in reverse order, without its highest term.
DATA poly<>+0(SB)/8, $0x0000000000000001
DATA poly<>+8(SB)/8, $0xc200000000000000
GLOBL poly<>(SB), RODATA|NOPTR, $16

// One round on the 16 blocks in Z0 to Z3.
#define ROUND(key) \
	VAESENC key, Z0, Z0 \
	VAESENC key, Z1, Z1 \
	VAESENC key, Z2, Z2 \
	VAESENC key, Z3, Z3

// func ctr(keys *aeskey.Schedule, rounds int, counter *[16]byte, dst, src *byte, n int)
// Z4 to Z7 are the counters of the 16 blocks, Z8 the step to the next ones,
// Z9 the order of the bytes, Z16 to Z29 the round keys, Z30 the last one.
TEXT ·ctr(SB), NOSPLIT, $0-48
	MOVQ keys+0(FP), AX
	MOVQ rounds+8(FP), BX
	MOVQ counter+16(FP), R8
	MOVQ dst+24(FP), DI
	MOVQ src+32(FP), SI
	MOVQ n+40(FP), CX

	VBROADCASTI32X4 four<>(SB), Z8
	VBROADCASTI32X4 counter<>(SB), Z9
	VBROADCASTI32X4 (R8), Z4
	VPADDD ahead<>(SB), Z4, Z4
	VPADDD Z8, Z4, Z5
	VPADDD Z8, Z5, Z6
	VPADDD Z8, Z6, Z7
	VPADDD Z8, Z8, Z8
	VPADDD Z8, Z8, Z8

	VBROADCASTI32X4 0(AX), Z16
	VBROADCASTI32X4 16(AX), Z17
	VBROADCASTI32X4 32(AX), Z18
	VBROADCASTI32X4 48(AX), Z19
	VBROADCASTI32X4 64(AX), Z20
	VBROADCASTI32X4 80(AX), Z21
	VBROADCASTI32X4 96(AX), Z22
	VBROADCASTI32X4 112(AX), Z23
	VBROADCASTI32X4 128(AX), Z24
	VBROADCASTI32X4 144(AX), Z25
	VBROADCASTI32X4 160(AX), Z26
	VBROADCASTI32X4 176(AX), Z27
	VBROADCASTI32X4 192(AX), Z28
	VBROADCASTI32X4 208(AX), Z29
	MOVQ BX, DX
	SHLQ $4, DX
	VBROADCASTI32X4 (AX)(DX*1), Z30

loop:
	VPSHUFB Z9, Z4, Z0
	VPSHUFB Z9, Z5, Z1
	VPSHUFB Z9, Z6, Z2
	VPSHUFB Z9, Z7, Z3
	VPADDD Z8, Z4, Z4
	VPADDD Z8, Z5, Z5
	VPADDD Z8, Z6, Z6
	VPADDD Z8, Z7, Z7
	VPXORQ Z16, Z0, Z0
	VPXORQ Z16, Z1, Z1
	VPXORQ Z16, Z2, Z2
	VPXORQ Z16, Z3, Z3
	ROUND(Z17)
	ROUND(Z18)
	ROUND(Z19)
	ROUND(Z20)
	ROUND(Z21)
	ROUND(Z22)
	ROUND(Z23)
	ROUND(Z24)
	ROUND(Z25)
	CMPQ BX, $10
	JEQ last
	ROUND(Z26)
	ROUND(Z27)
	ROUND(Z28)
	ROUND(Z29)
last:
	VAESENCLAST Z30, Z0, Z0
	VAESENCLAST Z30, Z1, Z1
	VAESENCLAST Z30, Z2, Z2
	VAESENCLAST Z30, Z3, Z3
	VPXORQ 0(SI), Z0, Z0
	VPXORQ 64(SI), Z1, Z1
	VPXORQ 128(SI), Z2, Z2
	VPXORQ 192(SI), Z3, Z3
	VMOVDQU64 Z0, 0(DI)
	VMOVDQU64 Z1, 64(DI)
	VMOVDQU64 Z2, 128(DI)
	VMOVDQU64 Z3, 192(DI)
	ADDQ $256, SI
	ADDQ $256, DI
	DECQ CX
	JNZ loop

	VMOVDQU X4, (R8)
	VZEROUPPER
	RET

// Products of four blocks with four powers: the low, the high and the two mixed halves.
#define PRODUCTS(data, power, lo, hi, m0, m1) \
	VPCLMULQDQ $0x00, power, data, lo \
	VPCLMULQDQ $0x11, power, data, hi \
	VPCLMULQDQ $0x01, power, data, m0 \
	VPCLMULQDQ $0x10, power, data, m1

// Half of the reduction of x by the polynomial in p.
#define REDUCE(p, x, t) \
	VPCLMULQDQ $0x10, p, x, t \
	VPSHUFD $0x4e, x, x \
	VPXOR t, x, x

// func ghash(y *element, powers *[16]element, p *byte, n int)
TEXT ·ghash(SB), NOSPLIT, $0-32
	MOVQ y+0(FP), DI
	MOVQ powers+8(FP), AX
	MOVQ p+16(FP), SI
	MOVQ n+24(FP), CX
	VBROADCASTI32X4 reverse<>(SB), Z31
	VMOVDQU poly<>(SB), X15
	VMOVDQU64 0(AX), Z16
	VMOVDQU64 64(AX), Z17
	VMOVDQU64 128(AX), Z18
	VMOVDQU64 192(AX), Z19
	VMOVDQU (DI), X0

next:
	VMOVDQU64 0(SI), Z1
	VMOVDQU64 64(SI), Z2
	VMOVDQU64 128(SI), Z3
	VMOVDQU64 192(SI), Z4
	VPSHUFB Z31, Z1, Z1
	VPSHUFB Z31, Z2, Z2
	VPSHUFB Z31, Z3, Z3
	VPSHUFB Z31, Z4, Z4
	VPXORQ Z0, Z1, Z1
	PRODUCTS(Z2, Z17, Z9, Z10, Z11, Z12)
	PRODUCTS(Z3, Z18, Z20, Z21, Z22, Z23)
	PRODUCTS(Z4, Z19, Z24, Z25, Z26, Z27)
	PRODUCTS(Z1, Z16, Z5, Z6, Z7, Z8)
	VPTERNLOGQ $0x96, Z20, Z24, Z9
	VPTERNLOGQ $0x96, Z21, Z25, Z10
	VPTERNLOGQ $0x96, Z11, Z22, Z12
	VPTERNLOGQ $0x96, Z23, Z26, Z27
	VPXORQ Z12, Z27, Z27
	VPXORQ Z9, Z5, Z5
	VPXORQ Z10, Z6, Z6
	VPTERNLOGQ $0x96, Z8, Z27, Z7

	// The mixed products belong to the high half of the low ones and the low half of
	// the high ones.
	VPSLLDQ $8, Z7, Z8
	VPSRLDQ $8, Z7, Z7
	VPXORQ Z8, Z5, Z5
	VPXORQ Z7, Z6, Z6

	// The sum of the four lanes.
	VEXTRACTI64X4 $1, Z5, Y8
	VEXTRACTI64X4 $1, Z6, Y7
	VPXOR Y8, Y5, Y5
	VPXOR Y7, Y6, Y6
	VEXTRACTI128 $1, Y5, X8
	VEXTRACTI128 $1, Y6, X7
	VPXOR X8, X5, X5
	VPXOR X7, X6, X6

	REDUCE(X15, X5, X8)
	REDUCE(X15, X5, X8)
	VPXOR X6, X5, X0
	ADDQ $256, SI
	DECQ CX
	JNZ next

	VMOVDQU X0, (DI)
	VZEROUPPER
	RET

// func mul(a, b *element)
TEXT ·mul(SB), NOSPLIT, $0-16
	MOVQ a+0(FP), DI
	MOVQ b+8(FP), SI
	VMOVDQU poly<>(SB), X15
	VMOVDQU (DI), X0
	VMOVDQU (SI), X1
	PRODUCTS(X0, X1, X2, X3, X4, X5)
	VPXOR X5, X4, X4
	VPSLLDQ $8, X4, X5
	VPSRLDQ $8, X4, X4
	VPXOR X5, X2, X2
	VPXOR X4, X3, X3
	REDUCE(X15, X2, X5)
	REDUCE(X15, X2, X5)
	VPXOR X3, X2, X2
	VMOVDQU X2, (DI)
	VZEROUPPER
	RET
