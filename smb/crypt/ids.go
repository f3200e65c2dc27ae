package crypt

import "errors"

// Signing algorithms as they stand in SMB2_SIGNING_CAPABILITIES
// (MS-SMB2 2.2.3.1.7). Dialects 2.0.2 and 2.1 use HMAC-SHA256; 3.0 and 3.0.2 use
// AES-CMAC; 3.1.1 negotiates.
const (
	SigningHMACSHA256 uint16 = 0x0000
	SigningAESCMAC    uint16 = 0x0001
	SigningAESGMAC    uint16 = 0x0002
)

// Ciphers as they stand in SMB2_ENCRYPTION_CAPABILITIES (MS-SMB2 2.2.3.1.2).
// Dialects 3.0 and 3.0.2 use AES-128-CCM; 3.1.1 negotiates. CipherNone is what a
// server answers when the two sides have no cipher in common.
const (
	CipherNone      uint16 = 0x0000
	CipherAES128CCM uint16 = 0x0001
	CipherAES128GCM uint16 = 0x0002
	CipherAES256CCM uint16 = 0x0003
	CipherAES256GCM uint16 = 0x0004
)

// HashSHA512 is the only hash of SMB2_PREAUTH_INTEGRITY_CAPABILITIES
// (MS-SMB2 2.2.3.1.1).
const HashSHA512 uint16 = 0x0001

// Dialect revisions that decide how keys are derived (MS-SMB2 2.2.3).
const (
	dialect300 uint16 = 0x0300
	dialect311 uint16 = 0x0311
)

// What the package reads and writes in the SMB2 header (MS-SMB2 2.2.1).
const (
	headerSize      = 64
	offCommand      = 12
	offFlags        = 16
	offMessageID    = 24
	offSignature    = 48
	signatureSize   = 16
	commandCancel   = 0x000c
	flagServerReply = 0x00000001
)

var (
	// ErrAlgorithm reports an algorithm id that the package does not know.
	ErrAlgorithm = errors.New("crypt: unknown algorithm")
	// ErrKeySize reports a key whose length does not fit the algorithm.
	ErrKeySize = errors.New("crypt: wrong key size")
	// ErrMalformed reports a sealed message whose transform header is not one,
	// or whose length disagrees with it.
	ErrMalformed = errors.New("crypt: malformed transform header")
	// ErrTampered reports a sealed message that was not sealed with this key, or
	// was changed on its way.
	ErrTampered = errors.New("crypt: message authentication failed")
)

// CipherKeySize returns the key length in bytes of a cipher: 16, 32, or 0 for an
// id that is not a cipher.
func CipherKeySize(cipher uint16) int {
	switch cipher {
	case CipherAES128CCM, CipherAES128GCM:
		return 16
	case CipherAES256CCM, CipherAES256GCM:
		return 32
	}
	return 0
}

// SigningName returns the common name of a signing algorithm for logs and status
// output, or "unknown".
func SigningName(alg uint16) string {
	switch alg {
	case SigningHMACSHA256:
		return "HMAC-SHA256"
	case SigningAESCMAC:
		return "AES-128-CMAC"
	case SigningAESGMAC:
		return "AES-128-GMAC"
	}
	return "unknown"
}

// CipherName returns the common name of a cipher for logs and status output,
// "none" for CipherNone, or "unknown".
func CipherName(cipher uint16) string {
	switch cipher {
	case CipherNone:
		return "none"
	case CipherAES128CCM:
		return "AES-128-CCM"
	case CipherAES128GCM:
		return "AES-128-GCM"
	case CipherAES256CCM:
		return "AES-256-CCM"
	case CipherAES256GCM:
		return "AES-256-GCM"
	}
	return "unknown"
}
