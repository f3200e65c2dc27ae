package crypt

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"lessor/smb/crypt/aesgcm"
)

// TransformHeaderSize is the length in bytes of the header that stands before a
// sealed message (MS-SMB2 2.2.41).
const TransformHeaderSize = transformSize

// TailRoom is how many bytes of spare capacity behind a message let SealInPlace
// and OpenInPlace work without moving it.
const TailRoom = tagSize

// Layout of the transform header.
const (
	transformSize    = 52
	transformTag     = 4
	transformAAD     = 20 // the nonce begins here, and so does what the tag covers
	transformLength  = 36
	transformFlags   = 42
	transformSession = 44

	transformEncrypted = 0x0001
	tagSize            = 16
	gcmNonceSize       = 12
)

var transformProtocol = [4]byte{0xfd, 'S', 'M', 'B'}

// Sealer encrypts and decrypts messages with one key (MS-SMB2 3.1.4.3 and
// 3.1.5.3). It is safe for use by many goroutines at once, on different buffers.
//
// All goroutines and channels of a session must share the one Sealer of each
// direction: the nonce is unique per Sealer.
type Sealer struct {
	// Immutable after construction. Exactly one of gcm and ccm is set; wide is gcm, if
	// that is ours.
	gcm    cipher.AEAD
	wide   aesgcm.AEAD
	ccm    ccm
	prefix [4]byte

	// Atomic.
	counter atomic.Uint64
}

// NewSealer returns a Sealer for one of the Cipher constants. The key must have
// the length that CipherKeySize tells. It returns ErrAlgorithm or ErrKeySize,
// wrapped.
func NewSealer(cipherID uint16, key []byte) (*Sealer, error) {
	want := CipherKeySize(cipherID)
	if want == 0 {
		return nil, fmt.Errorf("%w: cipher 0x%04x", ErrAlgorithm, cipherID)
	}
	if len(key) != want {
		return nil, fmt.Errorf("%w: %s with %d bytes", ErrKeySize, CipherName(cipherID), len(key))
	}
	s := &Sealer{}
	var err error
	if cipherID == CipherAES128CCM || cipherID == CipherAES256CCM {
		s.ccm, err = newCCM(key)
	} else {
		s.gcm, err = newGCM(key)
		s.wide, _ = s.gcm.(aesgcm.AEAD)
	}
	if err != nil {
		return nil, fmt.Errorf("crypt: %s: %w", CipherName(cipherID), err)
	}

	// The key is new for each session; a random start guards the nonce even if
	// it were not. crypto/rand.Read does not fail.
	var seed [12]byte
	_, _ = rand.Read(seed[:])
	copy(s.prefix[:], seed[:4])
	s.counter.Store(binary.LittleEndian.Uint64(seed[4:]))
	return s, nil
}

// newGCM returns AES-GCM, with four blocks an instruction where the processor can.
func newGCM(key []byte) (cipher.AEAD, error) {
	if aead := aesgcm.New(key); aead != nil {
		return aead, nil
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// SealInPlace seals buf, which holds 52 bytes of any content and then the
// plaintext: the transform header is filled in and the plaintext replaced by
// ciphertext of the same length. A buffer shorter than the header, or longer
// than 4 GiB, gives ErrMalformed.
//
// Bytes between len(buf) and cap(buf) may be used as scratch and are restored:
// pass buf[:n:n] if another goroutine may touch them. With less than TailRoom
// bytes there, GCM has to move the message twice, which costs time but no memory.
func (s *Sealer) SealInPlace(buf []byte, sessionID uint64) error {
	if len(buf) < transformSize || uint64(len(buf)-transformSize) > math.MaxUint32 {
		return fmt.Errorf("%w: sealing %d bytes", ErrMalformed, len(buf))
	}
	hdr := buf[:transformSize]
	clear(hdr)
	copy(hdr, transformProtocol[:])
	s.nonce(hdr[transformAAD:])
	binary.LittleEndian.PutUint32(hdr[transformLength:], uint32(len(buf)-transformSize))
	binary.LittleEndian.PutUint16(hdr[transformFlags:], transformEncrypted)
	binary.LittleEndian.PutUint64(hdr[transformSession:], sessionID)

	tag := hdr[transformTag:transformAAD]
	if s.ccm != nil {
		nonce := hdr[transformAAD : transformAAD+ccmNonceSize]
		s.ccm.seal(tag, nonce, hdr[transformAAD:], buf[transformSize:])
		return nil
	}
	if cap(buf)-len(buf) < tagSize {
		s.sealMoving(buf)
		return nil
	}
	tail := buf[len(buf) : len(buf)+tagSize]
	saved := [tagSize]byte(tail)
	text := buf[transformSize:]
	s.gcm.Seal(text[:0], hdr[transformAAD:transformAAD+gcmNonceSize], text, hdr[transformAAD:])
	copy(tag, tail)
	copy(tail, saved[:])
	return nil
}

// nonce writes the next nonce. In CCM and GCM alike the last 8 bytes count; what
// is before them (3 or 4 bytes) is random per Sealer, what is behind is zero.
func (s *Sealer) nonce(dst []byte) {
	n := gcmNonceSize - 8
	if s.ccm != nil {
		n = ccmNonceSize - 8
	}
	copy(dst[:n], s.prefix[:])
	binary.LittleEndian.PutUint64(dst[n:], s.counter.Add(1))
}

var aadStates = sync.Pool{New: func() any { return new([transformSize - transformAAD]byte) }}

// sealMoving is SealInPlace with GCM for buffers without room for a tag behind
// the text: the text goes 16 bytes forward, over the header, and comes back.
func (s *Sealer) sealMoving(buf []byte) {
	aad := aadStates.Get().(*[transformSize - transformAAD]byte)
	copy(aad[:], buf[transformAAD:transformSize])
	n := copy(buf[transformSize-tagSize:], buf[transformSize:])
	text := buf[transformSize-tagSize:][:n]
	s.gcm.Seal(text[:0], aad[:gcmNonceSize], text, aad[:])
	tag := [tagSize]byte(buf[len(buf)-tagSize:])
	copy(buf[transformSize:], text)
	copy(buf[transformTag:], tag[:])
	copy(buf[transformAAD:transformSize], aad[:])
	aadStates.Put(aad)
}

// TransformSession reads the session id of a sealed message, which the caller
// needs to find the Sealer. It reports false if buf does not begin with a
// transform header.
func TransformSession(buf []byte) (uint64, bool) {
	if len(buf) < transformSize || [4]byte(buf) != transformProtocol {
		return 0, false
	}
	return binary.LittleEndian.Uint64(buf[transformSession:]), true
}

// OpenInPlace decrypts buf, one transform header with the message that follows
// it, and returns the plaintext, a part of buf. The error is ErrMalformed if buf
// is not exactly one sealed message, or ErrTampered. After an error and after
// success alike the former content of buf is gone.
//
// Bytes between len(buf) and cap(buf) may be used as scratch and are restored:
// pass buf[:n:n] if another goroutine may touch them. With less than TailRoom
// bytes there, GCM of the standard library has to move the message, so the plaintext begins at
// another offset than 52.
func (s *Sealer) OpenInPlace(buf []byte) ([]byte, error) {
	if err := checkTransform(buf); err != nil {
		return nil, err
	}
	hdr := buf[:transformSize]
	text := buf[transformSize:]
	if s.ccm != nil {
		nonce := hdr[transformAAD : transformAAD+ccmNonceSize]
		if !s.ccm.open(hdr[transformTag:transformAAD], nonce, hdr[transformAAD:], text) {
			return nil, ErrTampered
		}
		return text, nil
	}

	if s.wide != nil && len(text) >= aesgcm.Least {
		nonce := hdr[transformAAD : transformAAD+gcmNonceSize]
		if !s.wide.OpenDetached(text, nonce, hdr[transformTag:transformAAD], hdr[transformAAD:]) {
			return nil, ErrTampered
		}
		return text, nil
	}
	aad := aadStates.Get().(*[transformSize - transformAAD]byte)
	defer aadStates.Put(aad)
	copy(aad[:], hdr[transformAAD:])
	tag := [tagSize]byte(hdr[transformTag:])
	var saved [tagSize]byte
	moved := cap(buf)-len(buf) < tagSize
	if moved {
		n := copy(buf[transformSize-tagSize:], text)
		text = buf[transformSize-tagSize:][:n]
	}
	tail := text[len(text) : len(text)+tagSize]
	copy(saved[:], tail)
	copy(tail, tag[:])
	plain, err := s.gcm.Open(text[:0], aad[:gcmNonceSize], text[:len(text)+tagSize], aad[:])
	if !moved {
		copy(tail, saved[:])
	}
	if err != nil {
		return nil, ErrTampered
	}
	return plain, nil
}

// checkTransform carries out the checks of MS-SMB2 3.3.5.2.1.1 that need no
// session.
func checkTransform(buf []byte) error {
	switch {
	case len(buf) < transformSize:
		return fmt.Errorf("%w: %d bytes", ErrMalformed, len(buf))
	case subtle.ConstantTimeCompare(buf[:4], transformProtocol[:]) != 1:
		return fmt.Errorf("%w: protocol id", ErrMalformed)
	case binary.LittleEndian.Uint16(buf[transformFlags:]) != transformEncrypted:
		return fmt.Errorf("%w: flags", ErrMalformed)
	case uint64(binary.LittleEndian.Uint32(buf[transformLength:])) != uint64(len(buf)-transformSize):
		return fmt.Errorf("%w: length", ErrMalformed)
	}
	return nil
}
