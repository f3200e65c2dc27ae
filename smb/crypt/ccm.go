package crypt

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"sync"
)

const (
	ccmNonceSize = 11
	ccmAADSize   = transformSize - transformAAD
	// ccmCounterFlags is the flags byte of a counter block: a length field of 4
	// bytes (RFC 3610 section 2.3).
	ccmCounterFlags = 4 - 1
	// ccmFirstFlags is the flags byte of the first MAC block: additional data,
	// a tag of 16 bytes, a length field of 4 (RFC 3610 section 2.2).
	ccmFirstFlags = 0x40 | (tagSize-2)/2<<3 | (4 - 1)
)

// ccm is AES-CCM (RFC 3610) as SMB uses it: nonce of 11 bytes, tag of 16,
// additional data of 32.
type ccm interface {
	// seal encrypts text in place and writes the tag.
	seal(tag, nonce, aad, text []byte)
	// open decrypts text in place and reports whether the tag fits. If not, text is
	// cleared.
	open(tag, nonce, aad, text []byte) bool
}

func newCCM(key []byte) (ccm, error) {
	if c := newFastCCM(key); c != nil {
		return c, nil
	}
	return newStandardCCM(key)
}

// standardCCM is CCM out of what the standard library has.
//
// The counter blocks of CCM with an 11-byte nonce are the flags byte, the nonce
// and a 32-bit counter. That is also the shape of the counter blocks of GCM with
// a 12-byte nonce, if the flags byte is taken for its first byte, and GCM starts
// to encrypt at counter 2. So the bulk of a message, from its second block on,
// goes through the standard library's GCM, whose tag is thrown away: that runs
// several times faster than single blocks, and unlike cipher.NewCTR it does not
// allocate.
type standardCCM struct {
	block cipher.Block
	ctr   cipher.AEAD
	cbc   cbcPool
}

// ccmStart is what stands before the text in the chain (RFC 3610 section 2.2).
type ccmStart struct {
	first [aes.BlockSize]byte     // B_0
	aad   [3 * aes.BlockSize]byte // length, additional data, padding
}

// begin fills it in. The length field has 32 bits; what arrives in one SMB frame is
// shorter than 2^24 bytes.
func (s *ccmStart) begin(nonce, aad []byte, text int) {
	s.first[0] = ccmFirstFlags
	copy(s.first[1:], nonce)
	binary.BigEndian.PutUint32(s.first[12:], uint32(text))
	binary.BigEndian.PutUint16(s.aad[:], ccmAADSize)
	copy(s.aad[2:2+ccmAADSize], aad)
}

// ccmState holds the blocks that cross an interface.
type ccmState struct {
	ccmStart
	counter [aes.BlockSize]byte // A_i
	key     [aes.BlockSize]byte // S_i
	mac     [aes.BlockSize]byte
	saved   [aes.BlockSize]byte
}

var ccmStates = sync.Pool{New: func() any { return new(ccmState) }}

func newStandardCCM(key []byte) (*standardCCM, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := newGCM(key)
	if err != nil {
		return nil, err
	}
	return &standardCCM{block: block, ctr: gcm, cbc: cbcPool{block: block}}, nil
}

func (c *standardCCM) seal(tag, nonce, aad, text []byte) {
	st := ccmStates.Get().(*ccmState)
	c.mac(st, nonce, aad, text)
	c.keyStream(st, nonce, 0)
	subtle.XORBytes(tag, st.mac[:], st.key[:])
	c.crypt(st, nonce, text)
	ccmStates.Put(st)
}

func (c *standardCCM) open(tag, nonce, aad, text []byte) bool {
	st := ccmStates.Get().(*ccmState)
	c.crypt(st, nonce, text)
	c.mac(st, nonce, aad, text)
	c.keyStream(st, nonce, 0)
	subtle.XORBytes(st.mac[:], st.mac[:], st.key[:])
	ok := subtle.ConstantTimeCompare(st.mac[:], tag) == 1
	ccmStates.Put(st)
	if !ok {
		clear(text)
	}
	return ok
}

// mac computes the CBC-MAC of RFC 3610 section 2.2 into st.mac.
func (c *standardCCM) mac(st *ccmState, nonce, aad, text []byte) {
	m := c.cbc.get()
	s := scratches.Get().(*scratch)

	st.begin(nonce, aad, len(text))
	absorb(m, s, st.first[:])
	out := absorb(m, s, st.aad[:])

	whole := len(text) / aes.BlockSize * aes.BlockSize
	if whole > 0 {
		out = absorb(m, s, text[:whole])
	}
	if rest := text[whole:]; len(rest) > 0 {
		block := s[:aes.BlockSize]
		clear(block)
		copy(block, rest)
		out = absorb(m, s, block)
	}
	copy(st.mac[:], out)

	scratches.Put(s)
	c.cbc.put(m)
}

// keyStream computes key block i into st.key.
func (c *standardCCM) keyStream(st *ccmState, nonce []byte, i uint32) {
	st.counter[0] = ccmCounterFlags
	copy(st.counter[1:12], nonce)
	binary.BigEndian.PutUint32(st.counter[12:], i)
	c.block.Encrypt(st.key[:], st.counter[:])
}

// crypt encrypts or decrypts text in place; the two are the same.
func (c *standardCCM) crypt(st *ccmState, nonce, text []byte) {
	const bulk = 8 * aes.BlockSize // below this, single blocks are cheaper
	if len(text) < bulk {
		c.cryptBlocks(st, nonce, text, 0)
		return
	}
	c.cryptBlocks(st, nonce, text[:aes.BlockSize], 0)

	// GCM puts its tag behind the bulk: that is the last bytes of text, which are
	// kept aside meanwhile and come last.
	end := len(text) - tagSize
	end -= end % aes.BlockSize
	tail := text[end:]
	copy(st.saved[:], tail)
	st.counter[0] = ccmCounterFlags
	copy(st.counter[1:12], nonce)
	body := text[aes.BlockSize:end]
	c.ctr.Seal(body[:0], st.counter[:12], body, nil)
	copy(tail, st.saved[:])
	c.cryptBlocks(st, nonce, tail, uint32(end/aes.BlockSize))
}

// cryptBlocks does the same block by block; text begins at the given block of
// the message.
func (c *standardCCM) cryptBlocks(st *ccmState, nonce, text []byte, block uint32) {
	for len(text) > 0 {
		block++
		c.keyStream(st, nonce, block)
		n := subtle.XORBytes(text, text, st.key[:])
		text = text[n:]
	}
}
