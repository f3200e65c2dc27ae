package crypt

import (
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"hash"
	"sync"
)

// Signer signs and verifies messages with one key (MS-SMB2 3.1.4.1 and 3.1.5.1).
//
// A message is everything from the SMB2 header to the end of that message: one
// link of a compound chain with its padding, not the chain. The signature field
// (bytes 48 to 63) counts as zero whatever it holds. Neither method looks at or
// changes SMB2_FLAGS_SIGNED; that is the caller's business.
//
// All methods may be called from many goroutines at once, for different
// messages.
type Signer interface {
	// Sign writes the signature into bytes 48 to 63 of msg. A msg shorter than a
	// header is left alone.
	Sign(msg []byte)
	// Verify reports whether the signature in msg is right. It may clear the
	// signature field while it works, and restores it before it returns. A msg
	// shorter than a header is never right.
	Verify(msg []byte) bool
}

// NewSigner returns a Signer for one of the Signing constants. The key must have
// 16 bytes (see [DeriveKeys], whose Signing key always has). It returns
// ErrAlgorithm or ErrKeySize, wrapped.
func NewSigner(alg uint16, key []byte) (Signer, error) {
	if len(key) != 16 {
		return nil, fmt.Errorf("%w: signing with %d bytes", ErrKeySize, len(key))
	}
	switch alg {
	case SigningHMACSHA256:
		return newHMACSigner(key), nil
	case SigningAESCMAC:
		c, err := newCMAC(key)
		if err != nil {
			return nil, err
		}
		return &cmacSigner{mac: c}, nil
	case SigningAESGMAC:
		return newGMACSigner(key)
	}
	return nil, fmt.Errorf("%w: signing 0x%04x", ErrAlgorithm, alg)
}

// hmacSigner is HMAC-SHA256 truncated to 16 bytes, for dialects 2.0.2 and 2.1.
type hmacSigner struct {
	states sync.Pool // of *hmacState
}

// hmacState is one keyed hash and the buffers that an interface call would
// otherwise move to the heap on every call.
type hmacState struct {
	mac hash.Hash
	hdr [headerSize]byte
	sum [sha256.Size]byte
}

func newHMACSigner(key []byte) *hmacSigner {
	own := append([]byte(nil), key...)
	s := &hmacSigner{}
	s.states.New = func() any { return &hmacState{mac: hmac.New(sha256.New, own)} }
	return s
}

func (s *hmacSigner) compute(tag *[signatureSize]byte, msg []byte) {
	st := s.states.Get().(*hmacState)
	st.hdr = [headerSize]byte(msg)
	clear(st.hdr[offSignature:])
	st.mac.Reset()
	st.mac.Write(st.hdr[:])
	st.mac.Write(msg[headerSize:])
	copy(tag[:], st.mac.Sum(st.sum[:0]))
	s.states.Put(st)
}

func (s *hmacSigner) Sign(msg []byte) {
	if len(msg) < headerSize {
		return
	}
	var tag [signatureSize]byte
	s.compute(&tag, msg)
	copy(msg[offSignature:], tag[:])
}

func (s *hmacSigner) Verify(msg []byte) bool {
	if len(msg) < headerSize {
		return false
	}
	var tag [signatureSize]byte
	s.compute(&tag, msg)
	return subtle.ConstantTimeCompare(tag[:], msg[offSignature:headerSize]) == 1
}

// cmacSigner is AES-128-CMAC, for dialects 3.0, 3.0.2 and, negotiated, 3.1.1.
type cmacSigner struct {
	mac *cmac
}

func (s *cmacSigner) compute(tag *[signatureSize]byte, msg []byte) {
	hdr := [headerSize]byte(msg)
	clear(hdr[offSignature:])
	s.mac.sum(tag, &hdr, msg[headerSize:])
}

func (s *cmacSigner) Sign(msg []byte) {
	if len(msg) < headerSize {
		return
	}
	var tag [signatureSize]byte
	s.compute(&tag, msg)
	copy(msg[offSignature:], tag[:])
}

func (s *cmacSigner) Verify(msg []byte) bool {
	if len(msg) < headerSize {
		return false
	}
	var tag [signatureSize]byte
	s.compute(&tag, msg)
	return subtle.ConstantTimeCompare(tag[:], msg[offSignature:headerSize]) == 1
}

// gmacSigner is AES-128-GMAC: GCM over no plaintext with the message as
// additional data.
type gmacSigner struct {
	aead cipher.AEAD
}

// gmacState holds what crosses the cipher.AEAD interface, so that it need not be
// allocated on each call. It does not depend on the key: one pool serves all.
type gmacState struct {
	nonce [12]byte
	tag   [signatureSize]byte
}

var gmacStates = sync.Pool{New: func() any { return new(gmacState) }}

func newGMACSigner(key []byte) (*gmacSigner, error) {
	aead, err := newGCM(key)
	if err != nil {
		return nil, fmt.Errorf("crypt: GMAC: %w", err)
	}
	return &gmacSigner{aead: aead}, nil
}

// gmacNonce is unique per key because a message id is used once per direction,
// and CANCEL, which repeats the id of its victim, has a bit of its own
// (MS-SMB2 3.1.4.1).
func gmacNonce(nonce *[12]byte, msg []byte) {
	copy(nonce[:8], msg[offMessageID:])
	role := binary.LittleEndian.Uint32(msg[offFlags:]) & flagServerReply
	if binary.LittleEndian.Uint16(msg[offCommand:]) == commandCancel {
		role |= 2
	}
	binary.LittleEndian.PutUint32(nonce[8:], role)
}

// compute expects the signature field of msg to be zero.
func (s *gmacSigner) compute(tag *[signatureSize]byte, msg []byte) {
	st := gmacStates.Get().(*gmacState)
	gmacNonce(&st.nonce, msg)
	s.aead.Seal(st.tag[:0], st.nonce[:], nil, msg)
	*tag = st.tag
	gmacStates.Put(st)
}

func (s *gmacSigner) Sign(msg []byte) {
	if len(msg) < headerSize {
		return
	}
	var tag [signatureSize]byte
	clear(msg[offSignature:headerSize])
	s.compute(&tag, msg)
	copy(msg[offSignature:], tag[:])
}

func (s *gmacSigner) Verify(msg []byte) bool {
	if len(msg) < headerSize {
		return false
	}
	var tag [signatureSize]byte
	sent := [signatureSize]byte(msg[offSignature:headerSize])
	clear(msg[offSignature:headerSize])
	s.compute(&tag, msg)
	copy(msg[offSignature:], sent[:])
	return subtle.ConstantTimeCompare(tag[:], sent[:]) == 1
}
