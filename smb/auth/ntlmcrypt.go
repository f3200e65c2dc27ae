package auth

import (
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // MS-NLMP is defined in terms of MD5 and RC4.
	"crypto/rc4" //nolint:gosec // see above
	"crypto/subtle"
	"encoding/binary"
)

// The functions of MS-NLMP 3.3.2 (NTLMv2) and 3.4 (session security).

func hmacMD5(key []byte, parts ...[]byte) [16]byte {
	h := hmac.New(md5.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	return [16]byte(h.Sum(nil))
}

// rc4K encrypts or decrypts data with a fresh RC4 state. The key has 16 bytes.
func rc4K(key [16]byte, data []byte) []byte {
	c, err := rc4.NewCipher(key[:])
	if err != nil {
		return nil // only for a key of no bytes, or of more than 256
	}
	out := make([]byte, len(data))
	c.XORKeyStream(out, data)
	return out
}

// ntowfv2 is ResponseKeyNT. The user and domain are UTF-16LE as the client sent
// them; the user's case is folded here.
func ntowfv2(ntHash [16]byte, user, domain []byte) [16]byte {
	return hmacMD5(ntHash[:], upcaseUTF16(user), domain)
}

// upcaseUTF16 returns a copy of UTF-16LE in upper case; surrogates stay.
func upcaseUTF16(b []byte) []byte {
	out := make([]byte, len(b))
	copy(out, b)
	for i := 0; i+1 < len(out); i += 2 {
		unit := binary.LittleEndian.Uint16(out[i:])
		if unit < 0xd800 || unit > 0xdfff {
			binary.LittleEndian.PutUint16(out[i:], uint16(upcase(rune(unit))))
		}
	}
	return out
}

// ntProof is NTProofStr: the first 16 bytes of an NTLMv2 response, over the
// server's challenge and the rest of the response.
func ntProof(responseKey [16]byte, challenge [8]byte, blob []byte) [16]byte {
	return hmacMD5(responseKey[:], challenge[:], blob)
}

// Which side's keys are meant.
const (
	fromClient = true
	fromServer = false
)

// signKey is SIGNKEY of MS-NLMP 3.4.5.2, for extended session security.
func signKey(exported [16]byte, client bool) [16]byte {
	magic := "session key to server-to-client signing key magic constant\x00"
	if client {
		magic = "session key to client-to-server signing key magic constant\x00"
	}
	return md5.Sum(append(exported[:], magic...)) //nolint:gosec // see above
}

// sealKey is SEALKEY of MS-NLMP 3.4.5.3, for extended session security.
func sealKey(exported [16]byte, flags uint32, client bool) [16]byte {
	n := 5
	switch {
	case flags&flag128 != 0:
		n = 16
	case flags&flag56 != 0:
		n = 7
	}
	magic := "session key to server-to-client sealing key magic constant\x00"
	if client {
		magic = "session key to client-to-server sealing key magic constant\x00"
	}
	return md5.Sum(append(exported[:n:n], magic...)) //nolint:gosec // see above
}

// ntlmMAC is the signature of the first message of one side, sequence number 0,
// with extended session security (MS-NLMP 3.4.4.2).
func ntlmMAC(exported [16]byte, flags uint32, client bool, data []byte) [16]byte {
	var seq [4]byte
	key := signKey(exported, client)
	sum := hmacMD5(key[:], seq[:], data)
	checksum := sum[:8]
	if flags&flagKeyExchange != 0 {
		checksum = rc4K(sealKey(exported, flags, client), checksum)
	}
	out := [16]byte{1} // version
	copy(out[4:12], checksum)
	copy(out[12:], seq[:])
	return out
}

func equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
