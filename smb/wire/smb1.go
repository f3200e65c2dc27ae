package wire

import "bytes"

// The dialect strings of an SMB1 NEGOTIATE by which a client asks for SMB2
// (MS-SMB2 3.3.5.3).
const (
	SMB1Dialect2002     = "SMB 2.002"
	SMB1DialectWildcard = "SMB 2.???"
)

const (
	smb1HeaderSize   = 32
	smb1CmdNegotiate = 0x72
	smb1DialectEntry = 0x02
	// smb1MaxDialects bounds what one message makes us keep. Real clients send
	// about a dozen.
	smb1MaxDialects = 64
)

// SMB1NegotiateRequest is the SMB_COM_NEGOTIATE request (MS-CIFS 2.2.4.52.1),
// with which old clients and scanners open a conversation. It is a whole frame:
// its header is that of SMB1, and nothing of it but the command is of interest.
type SMB1NegotiateRequest struct {
	Dialects []string
}

// Decode reads a whole SMB1 frame. Another command, a list that is not well
// formed or one of more than 64 dialects is ErrMalformed.
func (m *SMB1NegotiateRequest) Decode(frame []byte) error {
	m.Dialects = nil
	r := NewReader(frame, 0)
	if ProtocolID(r.U32()) != ProtocolSMB1 || r.U8() != smb1CmdNegotiate {
		r.Fail(ErrMalformed)
	}
	r.Skip(smb1HeaderSize - 5)
	if r.U8() != 0 { // WordCount
		r.Fail(ErrMalformed)
	}
	list := r.Bytes(int(r.U16()))
	if r.Err() != nil {
		return r.Err()
	}
	for len(list) > 0 {
		end := bytes.IndexByte(list, 0)
		if list[0] != smb1DialectEntry || end < 0 || len(m.Dialects) == smb1MaxDialects {
			return ErrMalformed
		}
		m.Dialects = append(m.Dialects, string(list[1:end]))
		list = list[end+1:]
	}
	return nil
}

// Append appends the whole frame.
func (m *SMB1NegotiateRequest) Append(dst []byte) []byte {
	const flags, flags2 = 0x18, 0xc853 // what clients customarily send
	dst = AppendU32(dst, uint32(ProtocolSMB1))
	dst = append(dst, smb1CmdNegotiate, 0, 0, 0, 0, flags)
	dst = AppendU16(dst, flags2)
	dst = AppendZeros(dst, 20)
	dst = append(dst, 0)
	size := len(dst)
	dst = AppendU16(dst, 0)
	for _, d := range m.Dialects {
		dst = append(dst, smb1DialectEntry)
		dst = append(dst, d...)
		dst = append(dst, 0)
	}
	putU16(dst[size:], uint16(len(dst)-size-2))
	return dst
}

// Has reports whether the client listed the dialect.
func (m *SMB1NegotiateRequest) Has(dialect string) bool {
	for _, d := range m.Dialects {
		if d == dialect {
			return true
		}
	}
	return false
}
