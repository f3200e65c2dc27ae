package auth

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/rc4"
	"encoding/binary"
	"fmt"

	"github.com/oiweiwei/gokrb5.fork/v9/crypto"
	"github.com/oiweiwei/gokrb5.fork/v9/iana/etypeID"
	"github.com/oiweiwei/gokrb5.fork/v9/iana/keyusage"
	"github.com/oiweiwei/gokrb5.fork/v9/types"
)

// micKeys are the keys of a context and what else its signatures need. Both sides
// use it.
type micKeys struct {
	initiator types.EncryptionKey // the subkey of the initiator, or that of the ticket
	acceptor  types.EncryptionKey // the subkey of the acceptor; empty if there is none
	sequence  uint64              // of the next signature made here
}

// best is the key of the context.
func (m *micKeys) best() types.EncryptionKey {
	if len(m.acceptor.KeyValue) > 0 {
		return m.acceptor
	}
	return m.initiator
}

// newKey returns a random key of a type.
func newKey(encType int32) (types.EncryptionKey, error) {
	key := types.EncryptionKey{KeyType: encType, KeyValue: make([]byte, keySize(encType))}
	if _, err := rand.Read(key.KeyValue); err != nil {
		return key, fmt.Errorf("auth: Kerberos: random source: %w", err)
	}
	return key, nil
}

// sequenceNumber returns a random number to count from. It stays below 2^30, as
// some implementations take it for signed.
func sequenceNumber() (int64, error) {
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		return 0, fmt.Errorf("auth: Kerberos: random source: %w", err)
	}
	return int64(binary.BigEndian.Uint32(b[:]) >> 2), nil
}

// Flags of tokens (RFC 4121 section 4.2.2).
const (
	micFromAcceptor   = 0x01
	micAcceptorSubkey = 0x04
)

// micHeader is the length of a token before its checksum (RFC 4121 section 4.2.6.1).
const micHeader = 16

// sign returns the MIC token over data (GSS_GetMIC), or nil if there are no keys
// yet.
func (m *micKeys) sign(data []byte, acceptor bool) []byte {
	key := m.best()
	if len(key.KeyValue) == 0 {
		return nil
	}
	seq := m.sequence
	m.sequence++
	if key.KeyType == etypeID.RC4_HMAC {
		return rc4MIC(key.KeyValue, uint32(seq), data, acceptor)
	}
	var flags byte
	if acceptor {
		flags |= micFromAcceptor
	}
	if len(m.acceptor.KeyValue) > 0 {
		flags |= micAcceptorSubkey
	}
	header := append([]byte{4, 4, flags}, 0xff, 0xff, 0xff, 0xff, 0xff)
	header = binary.BigEndian.AppendUint64(header, seq)
	sum, err := checksum(key, data, header, acceptor)
	if err != nil {
		return nil
	}
	return append(header, sum...)
}

// verify checks a MIC token over data that the other side made (GSS_VerifyMIC). Its
// sequence number is not looked at: a context has but one such token.
func (m *micKeys) verify(data, mic []byte, acceptor bool) bool {
	key := m.best()
	if len(key.KeyValue) == 0 {
		return false
	}
	if key.KeyType == etypeID.RC4_HMAC {
		return verifyRC4MIC(key.KeyValue, data, mic, !acceptor)
	}
	if len(mic) < micHeader || mic[0] != 4 || mic[1] != 4 || (mic[2]&micFromAcceptor != 0) == acceptor {
		return false
	}
	if mic[2]&micAcceptorSubkey == 0 {
		key = m.initiator
	} else if len(m.acceptor.KeyValue) == 0 {
		return false
	}
	want, err := checksum(key, data, mic[:micHeader], !acceptor)
	return err == nil && hmac.Equal(want, mic[micHeader:])
}

// checksum is that of a MIC token: over the data and the header behind it.
func checksum(key types.EncryptionKey, data, header []byte, acceptor bool) ([]byte, error) {
	et, err := crypto.GetEtype(key.KeyType)
	if err != nil {
		return nil, err
	}
	usage := uint32(keyusage.GSSAPI_INITIATOR_SIGN)
	if acceptor {
		usage = keyusage.GSSAPI_ACCEPTOR_SIGN
	}
	text := make([]byte, 0, len(data)+len(header))
	return et.GetChecksumHash(key.KeyValue, append(append(text, data...), header...), usage)
}

// rc4MICKind begins a MIC token of RFC 4757 section 7.2: kind, algorithm, filler.
const rc4MICKind = "\x01\x01\x11\x00\xff\xff\xff\xff"

// rc4MIC returns a MIC token as RFC 4757 section 7.2 has it.
func rc4MIC(key []byte, seq uint32, data []byte, acceptor bool) []byte {
	sum := rc4Checksum(key, data)
	body := append([]byte(rc4MICKind), rc4Sequence(key, sum, seq, acceptor)...)
	return tlv(tagApplication0, tlv(tagOID, []byte(OIDKerberos)), append(body, sum...))
}

func verifyRC4MIC(key, data, mic []byte, acceptor bool) bool {
	body, err := unframe(mic, rc4MICKind)
	if err != nil || len(body) != 16 {
		return false
	}
	sum := rc4Checksum(key, data)
	if !hmac.Equal(sum, body[8:]) {
		return false
	}
	// The direction stands, encrypted, behind the sequence number.
	plain := rc4Crypt(key, sum, body[:8])
	return [4]byte(plain[4:]) == rc4Direction(acceptor)
}

func rc4Direction(acceptor bool) [4]byte {
	if acceptor {
		return [4]byte{0xff, 0xff, 0xff, 0xff}
	}
	return [4]byte{}
}

// rc4Checksum is SGN_CKSUM. 15 is the "message type" of a MIC.
func rc4Checksum(key, data []byte) []byte {
	sign := hmacMD5(key, []byte("signaturekey\x00"))
	digest := md5.New()
	digest.Write([]byte{15, 0, 0, 0})
	digest.Write([]byte(rc4MICKind))
	digest.Write(data)
	sum := hmacMD5(sign[:], digest.Sum(nil))
	return sum[:8]
}

// rc4Sequence is SND_SEQ.
func rc4Sequence(key, sum []byte, seq uint32, acceptor bool) []byte {
	direction := rc4Direction(acceptor)
	return rc4Crypt(key, sum, append(binary.BigEndian.AppendUint32(nil, seq), direction[:]...))
}

func rc4Crypt(key, sum, data []byte) []byte {
	k := hmacMD5(key, []byte{0, 0, 0, 0})
	k = hmacMD5(k[:], sum)
	c, err := rc4.NewCipher(k[:])
	if err != nil {
		return make([]byte, len(data)) // a key of 16 bytes is never refused
	}
	out := make([]byte, len(data))
	c.XORKeyStream(out, data)
	return out
}
