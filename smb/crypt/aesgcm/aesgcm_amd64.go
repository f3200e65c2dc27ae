//go:build amd64 && !purego

package aesgcm

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/subtle"
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/cpu"

	"lessor/smb/crypt/aeskey"
)

// supported says whether the processor has all instructions that are used.
var supported = cpu.X86.HasAES && cpu.X86.HasPCLMULQDQ && cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW &&
	cpu.X86.HasAVX512VL && cpu.X86.HasAVX512VAES && cpu.X86.HasAVX512VPCLMULQDQ

// ctr is counter mode over n groups: dst = src XOR AES(counter), AES(counter+1), ...
// The last 4 bytes of counter are a little-endian number, unlike in GCM's blocks; it
// goes on by 16 for each group. dst and src are the same, or do not overlap.
//
//go:noescape
func ctr(keys *aeskey.Schedule, rounds int, counter *[blockSize]byte, dst, src *byte, n int)

// ghash adds n groups to y, in the form that mul takes.
//
//go:noescape
func ghash(y *element, powers *[16]element, p *byte, n int)

// mul is a = a*b/x in the field of GHASH.
//
//go:noescape
func mul(a, b *element)

// element is an element of the field of GHASH: the bits of a block in reverse order,
// the lower half first.
type element [2]uint64

// aead is an AES key with what follows from it. It is immutable.
type aead struct {
	keys   aeskey.Schedule
	rounds int
	// powers are x*H^16 to x*H^1.
	powers [16]element
	// small is for messages that are too short for groups to pay.
	small cipher.AEAD
}

// New returns AES-GCM with a key of 16 or 32 bytes, nil if the processor lacks the
// instructions, the key has another length, or the program is to use validated
// cryptography alone (GODEBUG=fips140=on).
// What it returns may be used by many goroutines at once, and does not allocate where
// dst has room. Additional data and text may have any length up to 2^32 blocks.
func New(key []byte) AEAD {
	if !supported || len(key) != 16 && len(key) != 32 || fips140.Enabled() {
		return nil
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil
	}
	small, err := cipher.NewGCM(block)
	if err != nil {
		return nil
	}
	return newWide(key, small)
}

func newWide(key []byte, small cipher.AEAD) *aead {
	a := &aead{small: small}
	a.rounds = a.keys.Expand(key)

	var counter, h [blockSize]byte
	a.block(&counter, &h)
	// x*H: multiplications need a shift by one bit less for it.
	e := elementOf(&h)
	carry := -(e[1] >> 63)
	e = element{e[0]<<1 ^ carry&1, e[1]<<1 | e[0]>>63}
	e[1] ^= carry & (0xc2 << 56)
	p := e
	for i := len(a.powers) - 1; i >= 0; i-- {
		a.powers[i] = p
		mul(&p, &e)
	}
	return a
}

func elementOf(b *[blockSize]byte) element {
	return element{binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[:])}
}

// block encrypts one block with the cipher itself; counter is as ctr wants it.
func (a *aead) block(counter, dst *[blockSize]byte) {
	var buf [group]byte
	c := *counter
	ctr(&a.keys, a.rounds, &c, &buf[0], &buf[0], 1)
	copy(dst[:], buf[:])
}

func (a *aead) NonceSize() int { return nonceSize }
func (a *aead) Overhead() int  { return tagSize }

// start returns the counter of the first block of text, and what masks the tag.
func (a *aead) start(nonce []byte) (counter, mask [blockSize]byte) {
	if len(nonce) != nonceSize {
		panic("aesgcm: nonce has a wrong length")
	}
	copy(counter[:], nonce)
	binary.LittleEndian.PutUint32(counter[nonceSize:], 1)
	a.block(&counter, &mask)
	binary.LittleEndian.PutUint32(counter[nonceSize:], 2)
	return counter, mask
}

// absorb adds p to y, with zeros behind it up to a whole block.
func (a *aead) absorb(y *element, p []byte) {
	if n := len(p) / group; n > 0 {
		ghash(y, &a.powers, &p[0], n)
		p = p[n*group:]
	}
	if len(p) == 0 {
		return
	}
	var buf [group]byte
	first := group - (len(p)+blockSize-1)/blockSize*blockSize
	copy(buf[first:], p)
	subtle.XORBytes(buf[first:first+blockSize], buf[first:first+blockSize], y.bytes())
	*y = element{}
	ghash(y, &a.powers, &buf[0], 1)
}

// bytes returns the block that e stands for.
func (e *element) bytes() []byte {
	var b [blockSize]byte
	binary.BigEndian.PutUint64(b[:], e[1])
	binary.BigEndian.PutUint64(b[8:], e[0])
	return b[:]
}

// crypt is counter mode on any number of bytes. Only the last call for a message
// may have a number that is no multiple of group.
func (a *aead) crypt(counter *[blockSize]byte, dst, src []byte) {
	if n := len(src) / group; n > 0 {
		ctr(&a.keys, a.rounds, counter, &dst[0], &src[0], n)
		dst, src = dst[n*group:], src[n*group:]
	}
	if len(src) == 0 {
		return
	}
	var buf [group]byte
	copy(buf[:], src)
	ctr(&a.keys, a.rounds, counter, &buf[0], &buf[0], 1)
	copy(dst, buf[:len(src)])
}

// sum ends the hash and makes the tag of it.
func (a *aead) sum(y *element, mask *[blockSize]byte, aad, text int) (tag [tagSize]byte) {
	var lengths [blockSize]byte
	binary.BigEndian.PutUint64(lengths[:], uint64(aad)*8)
	binary.BigEndian.PutUint64(lengths[8:], uint64(text)*8)
	a.absorb(y, lengths[:])
	subtle.XORBytes(tag[:], mask[:], y.bytes())
	return tag
}

// Seal implements cipher.AEAD.
func (a *aead) Seal(dst, nonce, plaintext, additionalData []byte) []byte {
	if len(plaintext)+len(additionalData) < Least {
		return a.small.Seal(dst, nonce, plaintext, additionalData)
	}
	return a.seal(dst, nonce, plaintext, additionalData)
}

func (a *aead) seal(dst, nonce, plaintext, additionalData []byte) []byte {
	counter, mask := a.start(nonce)
	ret, out := extend(dst, len(plaintext)+tagSize)
	checkOverlap(out[:len(plaintext)], plaintext)
	var y element
	a.absorb(&y, additionalData)
	rest, to := plaintext, out
	for len(rest) > 0 {
		n := min(len(rest), piece)
		a.crypt(&counter, to[:n], rest[:n])
		a.absorb(&y, to[:n])
		rest, to = rest[n:], to[n:]
	}
	tag := a.sum(&y, &mask, len(additionalData), len(plaintext))
	copy(to, tag[:])
	return ret
}

// Open implements cipher.AEAD.
func (a *aead) Open(dst, nonce, ciphertext, additionalData []byte) ([]byte, error) {
	if len(ciphertext)+len(additionalData) < Least {
		return a.small.Open(dst, nonce, ciphertext, additionalData)
	}
	return a.open(dst, nonce, ciphertext, additionalData)
}

func (a *aead) open(dst, nonce, ciphertext, additionalData []byte) ([]byte, error) {
	if len(ciphertext) < tagSize {
		return nil, errOpen
	}
	text, tag := ciphertext[:len(ciphertext)-tagSize], ciphertext[len(ciphertext)-tagSize:]
	ret, out := extend(dst, len(text))
	checkOverlap(out, text)
	sent := [tagSize]byte(tag) // out may reach there
	if !a.openTo(out, text, nonce, &sent, additionalData) {
		return nil, errOpen
	}
	return ret, nil
}

// OpenDetached implements AEAD.
func (a *aead) OpenDetached(text, nonce, tag, additionalData []byte) bool {
	return a.openTo(text, text, nonce, (*[tagSize]byte)(tag), additionalData)
}

// openTo decrypts text to out, which is as long and the same or elsewhere. With a wrong
// tag it clears out and reports false.
func (a *aead) openTo(out, text, nonce []byte, sent *[tagSize]byte, additionalData []byte) bool {
	counter, mask := a.start(nonce)
	var y element
	a.absorb(&y, additionalData)
	rest, to := text, out
	for len(rest) > 0 {
		n := min(len(rest), piece)
		a.absorb(&y, rest[:n])
		a.crypt(&counter, to[:n], rest[:n])
		rest, to = rest[n:], to[n:]
	}
	tag := a.sum(&y, &mask, len(additionalData), len(text))
	if subtle.ConstantTimeCompare(tag[:], sent[:]) != 1 {
		clear(out)
		return false
	}
	return true
}

// extend returns dst with n bytes more, and these.
func extend(dst []byte, n int) (whole, more []byte) {
	end := len(dst) + n
	if end <= cap(dst) {
		whole = dst[:end]
	} else {
		whole = make([]byte, end)
		copy(whole, dst)
	}
	return whole, whole[len(dst):]
}

// checkOverlap panics if two slices of the same length share memory without being the
// same, as cipher.AEAD has it.
func checkOverlap(x, y []byte) {
	if len(x) == 0 || &x[0] == &y[0] {
		return
	}
	a, b := uintptr(unsafe.Pointer(&x[0])), uintptr(unsafe.Pointer(&y[0]))
	if a < b+uintptr(len(y)) && b < a+uintptr(len(x)) {
		panic("aesgcm: buffers overlap")
	}
}
