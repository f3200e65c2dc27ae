package crypt

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"fmt"
	"sync"

	"lessor/smb/crypt/aesmac"
)

// crewMin is from how many bytes on messages that are there at the same time share the
// processor: it takes some ten microseconds to sign so much.
const crewMin = 32 << 10

// run has the crew, which is for the same key and mode, do what is long, and the key alone
// what is not.
func run(key *aesmac.Key, crew *aesmac.Crew, mode aesmac.Mode, mac, counter *[aes.BlockSize]byte, text []byte) {
	if len(text) >= crewMin {
		crew.Run(mac, counter, text)
	} else {
		key.Run(mode, mac, counter, text)
	}
}

// scratchSize is how much CBC output is produced before it is overwritten: small
// enough to stay in the first-level cache, large enough to hide the call.
const scratchSize = 4096

// scratch receives CBC output that nobody reads but for its last block.
type scratch [scratchSize]byte

var scratches = sync.Pool{New: func() any { return new(scratch) }}

var zeroBlock [aes.BlockSize]byte

// cbcMAC is a resettable CBC encrypter. The standard library's AES has SetIV;
// the interface is spelled out here because its type is not exported.
type cbcMAC interface {
	cipher.BlockMode
	SetIV(iv []byte)
}

// cbcPool hands out CBC encrypters of one key, each with a zero IV.
type cbcPool struct {
	block cipher.Block
	pool  sync.Pool // of cbcMAC
}

func (p *cbcPool) get() cipher.BlockMode {
	if m, ok := p.pool.Get().(cbcMAC); ok {
		m.SetIV(zeroBlock[:])
		return m
	}
	return cipher.NewCBCEncrypter(p.block, zeroBlock[:])
}

func (p *cbcPool) put(m cipher.BlockMode) {
	if r, ok := m.(cbcMAC); ok {
		p.pool.Put(r)
	}
}

// absorb runs whole blocks of data through the CBC encrypter and leaves the last
// cipher block in the returned slice, which lies in s. Data must not be empty.
func absorb(m cipher.BlockMode, s *scratch, data []byte) []byte {
	for {
		n := min(len(data), scratchSize)
		m.CryptBlocks(s[:n], data[:n])
		data = data[n:]
		if len(data) == 0 {
			return s[n-aes.BlockSize : n]
		}
	}
}

// cmac is AES-CMAC (RFC 4493, NIST SP 800-38B) with one key.
type cmac struct {
	k1, k2 [aes.BlockSize]byte
	cbc    cbcPool
	// fast and crew are nil where the standard library has to do it.
	fast *aesmac.Key
	crew *aesmac.Crew
}

func newCMAC(key []byte) (*cmac, error) {
	c, err := newStandardCMAC(key)
	if err != nil {
		return nil, err
	}
	if c.fast = aesmac.New(key); c.fast != nil {
		c.crew = aesmac.NewCrew(c.fast, aesmac.MAC)
	}
	return c, nil
}

// newStandardCMAC rests on the standard library alone.
func newStandardCMAC(key []byte) (*cmac, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("crypt: CMAC: %w", err)
	}
	c := &cmac{cbc: cbcPool{block: block}}
	block.Encrypt(c.k1[:], zeroBlock[:])
	double(&c.k1)
	c.k2 = c.k1
	double(&c.k2)
	return c, nil
}

// double multiplies by x in GF(2^128), RFC 4493 section 2.3.
func double(b *[aes.BlockSize]byte) {
	carry := b[0] >> 7
	for i := 0; i < len(b)-1; i++ {
		b[i] = b[i]<<1 | b[i+1]>>7
	}
	b[15] = b[15]<<1 ^ carry*0x87
}

// sum computes the MAC over head followed by tail; a nil head counts as empty.
func (c *cmac) sum(tag *[aes.BlockSize]byte, head *[headerSize]byte, tail []byte) {
	if c.fast != nil {
		c.sumFast(tag, head, tail)
		return
	}
	m := c.cbc.get()
	s := scratches.Get().(*scratch)

	// The last block, whole or not, is set apart: it is masked before it goes
	// through the cipher.
	last := tail
	if len(tail) == 0 && head != nil {
		absorbHead(m, s, head[:headerSize-aes.BlockSize])
		last = head[headerSize-aes.BlockSize:]
	} else {
		if head != nil {
			absorbHead(m, s, head[:])
		}
		if n := len(tail); n > aes.BlockSize {
			n = (n - 1) / aes.BlockSize * aes.BlockSize
			absorb(m, s, tail[:n])
			last = tail[n:]
		}
	}
	block := (*[aes.BlockSize]byte)(s[:])
	c.mask(block, last)
	m.CryptBlocks(block[:], block[:])
	*tag = *block

	scratches.Put(s)
	c.cbc.put(m)
}

// absorbHead copies the head into the scratch first, so that the caller's array
// may stay on its stack.
func absorbHead(m cipher.BlockMode, s *scratch, head []byte) {
	n := copy(s[:], head)
	m.CryptBlocks(s[:n], s[:n])
}

// mask makes the block that ends the chain of the last bytes of a message, a whole block
// or less.
func (c *cmac) mask(block *[aes.BlockSize]byte, last []byte) {
	clear(block[:])
	copy(block[:], last)
	if len(last) == aes.BlockSize {
		subtle.XORBytes(block[:], block[:], c.k1[:])
	} else {
		block[len(last)] = 0x80
		subtle.XORBytes(block[:], block[:], c.k2[:])
	}
}

// sumFast is sum with the assembly of aesmac.
func (c *cmac) sumFast(tag *[aes.BlockSize]byte, head *[headerSize]byte, tail []byte) {
	var mac, block [aes.BlockSize]byte
	switch {
	case head == nil:
	case len(tail) > 0:
		c.fast.Run(aesmac.MAC, &mac, nil, head[:])
	default:
		const n = headerSize - aes.BlockSize
		c.fast.Run(aesmac.MAC, &mac, nil, head[:n])
		c.mask(&block, head[n:])
	}
	if len(tail) > 0 || head == nil {
		n := max(0, len(tail)-1) / aes.BlockSize * aes.BlockSize
		run(c.fast, c.crew, aesmac.MAC, &mac, nil, tail[:n])
		c.mask(&block, tail[n:])
	}
	c.fast.Run(aesmac.MAC, &mac, nil, block[:])
	*tag = mac
}
