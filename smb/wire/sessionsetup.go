package wire

// SessionFlagBinding in the Flags of a request binds an existing session to
// the connection (MS-SMB2 2.2.5).
const SessionFlagBinding uint8 = 0x01

// SessionFlags of a response (MS-SMB2 2.2.6).
const (
	SessionFlagIsGuest     uint16 = 0x0001
	SessionFlagIsNull      uint16 = 0x0002
	SessionFlagEncryptData uint16 = 0x0004
)

const (
	sessionSetupRequestSize  = 25
	sessionSetupResponseSize = 9
)

// SessionSetupRequest is the SMB2 SESSION_SETUP request (MS-SMB2 2.2.5).
type SessionSetupRequest struct {
	// Flags is 0 or SessionFlagBinding.
	Flags uint8
	// SecurityMode has the bits NegotiateSigningEnabled and ...Required.
	SecurityMode uint8
	Capabilities uint32
	// PreviousSessionID is the session that the client replaces, or 0.
	PreviousSessionID uint64
	// Buffer is the security token; it aliases the message.
	Buffer []byte
}

// Decode reads the message msg, header included.
func (m *SessionSetupRequest) Decode(msg []byte) error {
	r := NewReader(msg, HeaderSize)
	r.StructureSize(sessionSetupRequestSize)
	m.Flags = r.U8()
	m.SecurityMode = r.U8()
	m.Capabilities = r.U32()
	r.Skip(4)
	offset, length := int(r.U16()), int(r.U16())
	m.PreviousSessionID = r.U64()
	m.Buffer = r.At(offset, length)
	return r.Err()
}

// Append appends the body of the message. Buffer must be shorter than 64 KiB.
func (m *SessionSetupRequest) Append(dst []byte) []byte {
	dst = AppendU16(dst, sessionSetupRequestSize)
	dst = append(dst, m.Flags, m.SecurityMode)
	dst = AppendU32(dst, m.Capabilities)
	dst = AppendU32(dst, 0)
	dst = AppendU16(dst, HeaderSize+sessionSetupRequestSize-1)
	dst = AppendU16(dst, uint16(len(m.Buffer)))
	dst = AppendU64(dst, m.PreviousSessionID)
	return append(dst, m.Buffer...)
}

// SessionSetupResponse is the SMB2 SESSION_SETUP response (MS-SMB2 2.2.6). It
// is sent with STATUS_SUCCESS and STATUS_MORE_PROCESSING_REQUIRED alike.
type SessionSetupResponse struct {
	SessionFlags uint16
	// Buffer is the security token; it aliases the message.
	Buffer []byte
}

// Decode reads the message msg, header included.
func (m *SessionSetupResponse) Decode(msg []byte) error {
	r := NewReader(msg, HeaderSize)
	r.StructureSize(sessionSetupResponseSize)
	m.SessionFlags = r.U16()
	offset, length := int(r.U16()), int(r.U16())
	m.Buffer = r.At(offset, length)
	return r.Err()
}

// Append appends the body of the message. Buffer must be shorter than 64 KiB.
func (m *SessionSetupResponse) Append(dst []byte) []byte {
	dst = AppendU16(dst, sessionSetupResponseSize)
	dst = AppendU16(dst, m.SessionFlags)
	dst = AppendU16(dst, HeaderSize+sessionSetupResponseSize-1)
	dst = AppendU16(dst, uint16(len(m.Buffer)))
	return append(dst, m.Buffer...)
}
