//go:build amd64 && !purego

package aesgcm

import "crypto/cipher"

// wideGCM has the assembly serve messages of any length.
type wideGCM struct{ *aead }

func (w wideGCM) Seal(dst, nonce, plaintext, additionalData []byte) []byte {
	return w.seal(dst, nonce, plaintext, additionalData)
}

func (w wideGCM) Open(dst, nonce, ciphertext, additionalData []byte) ([]byte, error) {
	return w.open(dst, nonce, ciphertext, additionalData)
}

func wide(key []byte) cipher.AEAD {
	if !supported {
		return nil
	}
	return wideGCM{newWide(key, nil)}
}
