package aesgcm

import (
	"crypto/cipher"
	"errors"
)

const (
	blockSize = 16
	nonceSize = 12
	tagSize   = 16
	// group is how many bytes the assembly takes at a time.
	group = 16 * blockSize
	// piece is how many bytes go through both passes before the next ones.
	piece = 8 << 10
)

var errOpen = errors.New("aesgcm: message authentication failed")

// AEAD is AES-GCM, and can be given a tag that does not lie behind the text.
type AEAD interface {
	cipher.AEAD
	// OpenDetached decrypts text in place. It reports false if tag, of 16 bytes, is not that of
	// the text and the additional data; of the text nothing is left then. Text has
	// at least Least bytes.
	OpenDetached(text, nonce, tag, additionalData []byte) bool
}

// Least is from how many bytes on a message is not left to the standard library.
const Least = 512
