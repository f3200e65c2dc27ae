package crypt

import (
	"crypto/aes"
	"crypto/subtle"

	"lessor/smb/crypt/aesmac"
)

// fastCCM is CCM with the assembly of aesmac: one pass, whose price is that of the MAC.
type fastCCM struct {
	key     *aesmac.Key
	sealing *aesmac.Crew
	opening *aesmac.Crew
}

// newFastCCM returns nil where the standard library has to do it.
func newFastCCM(key []byte) *fastCCM {
	k := aesmac.New(key)
	if k == nil {
		return nil
	}
	return &fastCCM{k, aesmac.NewCrew(k, aesmac.Seal), aesmac.NewCrew(k, aesmac.Open)}
}

// start takes what stands before the text into the chain. It returns the chain, what
// masks the tag, and the counter of the first block of text.
func (c *fastCCM) start(nonce, aad []byte, text int) (mac, mask, counter [aes.BlockSize]byte) {
	var s ccmStart
	s.begin(nonce, aad, text)
	c.key.Run(aesmac.MAC, &mac, nil, s.first[:])
	c.key.Run(aesmac.MAC, &mac, nil, s.aad[:])

	// The cipher itself is the chain of one block. Key block 0 masks the tag; the next
	// counter is 1, the other way round for aesmac.
	counter[0] = ccmCounterFlags
	copy(counter[1:12], nonce)
	c.key.Run(aesmac.MAC, &mask, nil, counter[:])
	counter[12] = 1
	return mac, mask, counter
}

func (c *fastCCM) seal(tag, nonce, aad, text []byte) {
	mac, mask, counter := c.start(nonce, aad, len(text))
	whole := len(text) / aes.BlockSize * aes.BlockSize
	run(c.key, c.sealing, aesmac.Seal, &mac, &counter, text[:whole])
	if rest := text[whole:]; len(rest) > 0 {
		var block [aes.BlockSize]byte
		copy(block[:], rest)
		c.key.Run(aesmac.Seal, &mac, &counter, block[:])
		copy(rest, block[:])
	}
	subtle.XORBytes(tag, mac[:], mask[:])
}

func (c *fastCCM) open(tag, nonce, aad, text []byte) bool {
	mac, mask, counter := c.start(nonce, aad, len(text))
	whole := len(text) / aes.BlockSize * aes.BlockSize
	run(c.key, c.opening, aesmac.Open, &mac, &counter, text[:whole])
	if rest := text[whole:]; len(rest) > 0 {
		// The MAC is of the plaintext with zeros behind it: not of what the counter
		// makes of them.
		var block, other [aes.BlockSize]byte
		copy(block[:], rest)
		c.key.Run(aesmac.Open, &other, &counter, block[:])
		copy(rest, block[:])
		clear(block[len(rest):])
		c.key.Run(aesmac.MAC, &mac, nil, block[:])
	}
	subtle.XORBytes(mac[:], mac[:], mask[:])
	if subtle.ConstantTimeCompare(mac[:], tag) != 1 {
		clear(text)
		return false
	}
	return true
}
