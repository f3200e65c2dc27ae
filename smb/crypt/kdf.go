package crypt

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
)

// Keys are the keys that belong to one session, seen from the server
// (MS-SMB2 3.3.5.5.3). A channel that is bound to an existing session has its
// own Signing key and shares the rest.
type Keys struct {
	Signing     []byte // 16 bytes, for NewSigner
	ServerIn    []byte // decrypts what the client sealed; nil below 3.0
	ServerOut   []byte // seals what the server sends; nil below 3.0
	Application []byte // 16 bytes, for protocols inside named pipes
}

// DeriveKeys derives the keys of a session from its session key, as
// authentication gave it. For 3.1.1, preauthHash is the value of the session's
// PreauthHash; other dialects ignore it. The cipher decides how long ServerIn
// and ServerOut are: 16 bytes, or 32 for the 256-bit ciphers of 3.1.1.
//
// Below 3.0 the signing key is the session key itself. A session key is cut or
// padded with zeros to 16 bytes, except that the sealing keys of 256-bit ciphers
// are made from all of it.
func DeriveKeys(dialect uint16, sessionKey, preauthHash []byte, cipher uint16) Keys {
	short := make([]byte, 16)
	copy(short, sessionKey)

	if dialect < dialect300 {
		return Keys{Signing: short, Application: short}
	}
	if dialect < dialect311 {
		return Keys{
			Signing:     kdf(short, "SMB2AESCMAC\x00", []byte("SmbSign\x00"), 16),
			ServerIn:    kdf(short, "SMB2AESCCM\x00", []byte("ServerIn \x00"), 16),
			ServerOut:   kdf(short, "SMB2AESCCM\x00", []byte("ServerOut\x00"), 16),
			Application: kdf(short, "SMB2APP\x00", []byte("SmbRpc\x00"), 16),
		}
	}
	secret, size := short, 16
	if CipherKeySize(cipher) == 32 {
		size = 32
		if len(sessionKey) > len(short) {
			secret = sessionKey
		}
	}
	return Keys{
		Signing:     kdf(short, "SMBSigningKey\x00", preauthHash, 16),
		ServerIn:    kdf(secret, "SMBC2SCipherKey\x00", preauthHash, size),
		ServerOut:   kdf(secret, "SMBS2CCipherKey\x00", preauthHash, size),
		Application: kdf(short, "SMBAppKey\x00", preauthHash, 16),
	}
}

// kdf is the counter-mode function of NIST SP 800-108 with HMAC-SHA256, a
// 32-bit counter and a 32-bit length (MS-SMB2 3.1.4.2). At most one round is
// needed for the sizes in use, 16 and 32 bytes.
func kdf(key []byte, label string, context []byte, size int) []byte {
	mac := hmac.New(sha256.New, key)
	buf := make([]byte, 0, 4+len(label)+1+len(context)+4)
	buf = binary.BigEndian.AppendUint32(buf, 1)
	buf = append(buf, label...)
	buf = append(buf, 0)
	buf = append(buf, context...)
	buf = binary.BigEndian.AppendUint32(buf, uint32(size)*8)
	mac.Write(buf)
	return mac.Sum(nil)[:size]
}

// PreauthHash is the running SHA-512 over the messages that set up a connection,
// and then a session, in dialect 3.1.1 (MS-SMB2 3.1.4.4.1). Its zero value is the
// start. It is a plain value: a session begins with a copy of its connection's.
type PreauthHash [sha512.Size]byte

// Update mixes in one message: from its SMB2 header to its end, without the
// transport's length prefix, exactly as it goes over the wire.
func (h *PreauthHash) Update(msg []byte) {
	d := sha512.New()
	d.Write(h[:])
	d.Write(msg)
	d.Sum(h[:0])
}
