package auth

import (
	"bytes"
	"encoding/binary"
)

// Negotiate flags (MS-NLMP 2.2.2.5).
const (
	flagUnicode       uint32 = 0x00000001
	flagOEM           uint32 = 0x00000002
	flagRequestTarget uint32 = 0x00000004
	flagSign          uint32 = 0x00000010
	flagSeal          uint32 = 0x00000020
	flagNTLM          uint32 = 0x00000200
	flagAnonymous     uint32 = 0x00000800
	flagAlwaysSign    uint32 = 0x00008000
	flagTargetServer  uint32 = 0x00020000
	flagESS           uint32 = 0x00080000 // extended session security
	flagTargetInfo    uint32 = 0x00800000
	flagVersion       uint32 = 0x02000000
	flag128           uint32 = 0x20000000
	flagKeyExchange   uint32 = 0x40000000
	flag56            uint32 = 0x80000000
)

// AV pair ids (MS-NLMP 2.2.2.1).
const (
	avEOL         uint16 = 0
	avNbComputer  uint16 = 1
	avNbDomain    uint16 = 2
	avDNSComputer uint16 = 3
	avDNSDomain   uint16 = 4
	avFlags       uint16 = 6
	avTimestamp   uint16 = 7
	avTargetName  uint16 = 9

	avFlagMIC uint32 = 0x2
)

// Message types and layout (MS-NLMP 2.2.1).
const (
	typeNegotiate    = 1
	typeChallenge    = 2
	typeAuthenticate = 3

	negotiateMin    = 16 // signature, type, flags; the rest is optional
	challengeHeader = 56 // with version
	challengeMin    = 48
	authHeader      = 88 // with version and MIC
	authMin         = 64 // without
	authMICOffset   = 72
	micSize         = 16

	// maxName bounds a name in bytes of UTF-16; Windows stops at 256 characters.
	maxName = 1024
)

// ntlmVersion is the VERSION structure (MS-NLMP 2.2.2.10): Windows 6.1, NTLM
// revision 15. It is for debugging only, says the specification.
var ntlmVersion = [8]byte{6, 1, 0, 0, 0, 0, 0, 15}

// ntlmType returns the message type, or 0 for what is not an NTLM message.
func ntlmType(b []byte) uint32 {
	if len(b) < 12 || !bytes.HasPrefix(b, []byte(ntlmSignature)) {
		return 0
	}
	return binary.LittleEndian.Uint32(b[8:])
}

// parseNegotiate returns the flags of a NEGOTIATE message; nothing else in it
// matters to a server.
func parseNegotiate(b []byte) (uint32, error) {
	if ntlmType(b) != typeNegotiate || len(b) < negotiateMin {
		return 0, malformed("NTLM NEGOTIATE")
	}
	return binary.LittleEndian.Uint32(b[12:]), nil
}

func appendNegotiate(flags uint32) []byte {
	b := append([]byte(ntlmSignature), typeNegotiate, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, flags)
	b = append(b, make([]byte, 16)...) // no domain, no workstation
	return append(b, ntlmVersion[:]...)
}

// payload reads the field whose length and offset stand at pos in an NTLM
// message (MS-NLMP 2.2.1: Len, MaxLen, BufferOffset). It aliases b. A field must
// lie behind the fixed part of the message.
func payload(b []byte, pos, fixed int) ([]byte, bool) {
	n := int(binary.LittleEndian.Uint16(b[pos:]))
	if n == 0 {
		return nil, true
	}
	off := uint64(binary.LittleEndian.Uint32(b[pos+4:]))
	if off < uint64(fixed) || off+uint64(n) > uint64(len(b)) {
		return nil, false
	}
	return b[off : off+uint64(n) : off+uint64(n)], true
}

// putPayload appends data to a message and describes it at pos.
func putPayload(b []byte, pos int, data []byte) []byte {
	binary.LittleEndian.PutUint16(b[pos:], uint16(len(data)))
	binary.LittleEndian.PutUint16(b[pos+2:], uint16(len(data)))
	binary.LittleEndian.PutUint32(b[pos+4:], uint32(len(b)))
	return append(b, data...)
}

// challengeMsg is a CHALLENGE (MS-NLMP 2.2.1.2). Parsed fields alias the message.
type challengeMsg struct {
	flags      uint32
	challenge  [8]byte
	targetName []byte // in the negotiated encoding
	targetInfo []byte // AV pairs
}

func (m *challengeMsg) append() []byte {
	b := make([]byte, challengeHeader, challengeHeader+len(m.targetName)+len(m.targetInfo))
	copy(b, ntlmSignature)
	b[8] = typeChallenge
	binary.LittleEndian.PutUint32(b[20:], m.flags)
	copy(b[24:], m.challenge[:])
	if m.flags&flagVersion != 0 {
		copy(b[48:], ntlmVersion[:])
	}
	b = putPayload(b, 12, m.targetName)
	return putPayload(b, 40, m.targetInfo)
}

func parseChallenge(b []byte) (*challengeMsg, error) {
	if ntlmType(b) != typeChallenge || len(b) < challengeMin {
		return nil, malformed("NTLM CHALLENGE")
	}
	m := &challengeMsg{
		flags:     binary.LittleEndian.Uint32(b[20:]),
		challenge: [8]byte(b[24:]),
	}
	var ok1, ok2 bool
	m.targetName, ok1 = payload(b, 12, challengeMin)
	m.targetInfo, ok2 = payload(b, 40, challengeMin)
	if !ok1 || !ok2 {
		return nil, malformed("NTLM CHALLENGE: field outside the message")
	}
	return m, nil
}

// authenticateMsg is an AUTHENTICATE (MS-NLMP 2.2.1.3). Parsed fields alias the
// message.
type authenticateMsg struct {
	lm, nt       []byte
	domain, user []byte // UTF-16LE
	workstation  []byte
	sessionKey   []byte // encrypted
	flags        uint32
}

// parseAuthenticate accepts messages without version and MIC, whose fixed part
// ends at byte 64. Names in the OEM character set are accepted as far as they are
// ASCII, and turned into UTF-16.
func parseAuthenticate(b []byte) (*authenticateMsg, error) {
	if ntlmType(b) != typeAuthenticate || len(b) < authMin {
		return nil, malformed("NTLM AUTHENTICATE")
	}
	m := &authenticateMsg{flags: binary.LittleEndian.Uint32(b[60:])}
	for i, f := range []*[]byte{&m.lm, &m.nt, &m.domain, &m.user, &m.workstation, &m.sessionKey} {
		var ok bool
		if *f, ok = payload(b, 12+8*i, authMin); !ok {
			return nil, malformed("NTLM AUTHENTICATE: field %d outside the message", i)
		}
	}
	for _, f := range []*[]byte{&m.domain, &m.user, &m.workstation} {
		if m.flags&flagUnicode == 0 {
			wide := make([]byte, 0, 2*len(*f))
			for _, c := range *f {
				if c >= 0x80 {
					return nil, malformed("NTLM AUTHENTICATE: name in an OEM character set")
				}
				wide = append(wide, c, 0)
			}
			*f = wide
		}
		if len(*f) > maxName || len(*f)%2 != 0 {
			return nil, malformed("NTLM AUTHENTICATE: name of %d bytes", len(*f))
		}
	}
	return m, nil
}

// anonymous reports whether the message claims no identity (MS-NLMP 3.2.5.1.2).
func (m *authenticateMsg) anonymous() bool {
	return len(m.user) == 0 && len(m.nt) == 0 && (len(m.lm) == 0 || len(m.lm) == 1 && m.lm[0] == 0)
}

// append writes the full form, with version and room for the MIC at
// authMICOffset.
func (m *authenticateMsg) append() []byte {
	b := make([]byte, authHeader, authHeader+len(m.nt)+512)
	copy(b, ntlmSignature)
	b[8] = typeAuthenticate
	binary.LittleEndian.PutUint32(b[60:], m.flags)
	copy(b[64:], ntlmVersion[:])
	for i, f := range [][]byte{m.lm, m.nt, m.domain, m.user, m.workstation, m.sessionKey} {
		b = putPayload(b, 12+8*i, f)
	}
	return b
}

// ntlmv2Response is the fixed part of an NTLMv2_CLIENT_CHALLENGE behind the proof
// (MS-NLMP 2.2.2.7).
const (
	proofSize      = 16
	ntlmv1Size     = 24
	clientBlobSize = 28 // up to the AV pairs
)

// avPairs splits the AV pairs of b and calls f for each before the end mark,
// which must be there.
func avPairs(b []byte, f func(id uint16, value []byte)) bool {
	for len(b) >= 4 {
		id, n := binary.LittleEndian.Uint16(b), int(binary.LittleEndian.Uint16(b[2:]))
		b = b[4:]
		if id == avEOL {
			return true
		}
		if n > len(b) {
			return false
		}
		f(id, b[:n])
		b = b[n:]
	}
	return false
}

// avOverrun reports whether one of the AV pairs of b says that it is longer than what
// is left of b. A missing end mark is none of its business.
func avOverrun(b []byte) bool {
	for len(b) >= 4 {
		id, n := binary.LittleEndian.Uint16(b), int(binary.LittleEndian.Uint16(b[2:]))
		b = b[4:]
		switch {
		case id == avEOL:
			return false
		case n > len(b):
			return true
		}
		b = b[n:]
	}
	return false
}

func appendAV(b []byte, id uint16, value []byte) []byte {
	b = binary.LittleEndian.AppendUint16(b, id)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
	return append(b, value...)
}
