package wire

import "slices"

// NegotiateRequest is the SMB2 NEGOTIATE request (MS-SMB2 2.2.3).
type NegotiateRequest struct {
	SecurityMode uint16
	// Capabilities is meaningful for clients of dialect 3.x only.
	Capabilities uint32
	ClientGuid   GUID
	// Dialects as the client listed them; it may be empty, which the caller
	// refuses.
	Dialects []Dialect
	// Contexts is read and written only when Dialects contains Dialect311, as
	// older clients put a start time where its offset stands.
	Contexts []NegotiateContext
}

const (
	negotiateRequestSize  = 36
	negotiateResponseSize = 65
)

// Decode reads the message msg, header included. Data of the contexts aliases
// msg.
func (m *NegotiateRequest) Decode(msg []byte) error {
	r := NewReader(msg, HeaderSize)
	r.StructureSize(negotiateRequestSize)
	dialects := int(r.U16())
	m.SecurityMode = r.U16()
	r.Skip(2)
	m.Capabilities = r.U32()
	m.ClientGuid = r.GUID()
	contextOffset, contextCount := r.U32(), int(r.U16())
	r.Skip(2)
	m.Dialects = readIDs[Dialect](&r, dialects)
	m.Contexts = nil
	if slices.Contains(m.Dialects, Dialect311) {
		m.Contexts = readNegotiateContexts(&r, contextOffset, contextCount)
	}
	return r.Err()
}

// Append appends the body of the message.
func (m *NegotiateRequest) Append(dst []byte) []byte {
	body := len(dst)
	dst = AppendU16(dst, negotiateRequestSize)
	dst = AppendU16(dst, uint16(len(m.Dialects)))
	dst = AppendU16(dst, m.SecurityMode)
	dst = AppendU16(dst, 0)
	dst = AppendU32(dst, m.Capabilities)
	dst = append(dst, m.ClientGuid[:]...)
	patch := len(dst)
	dst = AppendZeros(dst, 8)
	dst = appendIDs(dst, m.Dialects)
	if len(m.Contexts) > 0 && slices.Contains(m.Dialects, Dialect311) {
		dst = Pad(dst, body, 8)
		putU32(dst[patch:], uint32(bodyOffset(dst, body)))
		putU16(dst[patch+4:], uint16(len(m.Contexts)))
		dst = appendNegotiateContexts(dst, m.Contexts)
	}
	return dst
}

// NegotiateResponse is the SMB2 NEGOTIATE response (MS-SMB2 2.2.4).
type NegotiateResponse struct {
	SecurityMode    uint16
	DialectRevision Dialect
	ServerGuid      GUID
	Capabilities    uint32
	// MaxTransactSize, MaxReadSize and MaxWriteSize are in bytes.
	MaxTransactSize uint32
	MaxReadSize     uint32
	MaxWriteSize    uint32
	SystemTime      Filetime
	// ServerStartTime is 0 in what a current server sends.
	ServerStartTime Filetime
	// Buffer is the security blob, an SPNEGO NegTokenInit2 or empty.
	Buffer []byte
	// Contexts is read and written for DialectRevision Dialect311 only.
	Contexts []NegotiateContext
}

// Decode reads the message msg, header included. Buffer and the data of the
// contexts alias msg.
func (m *NegotiateResponse) Decode(msg []byte) error {
	r := NewReader(msg, HeaderSize)
	r.StructureSize(negotiateResponseSize)
	m.SecurityMode = r.U16()
	m.DialectRevision = Dialect(r.U16())
	contextCount := int(r.U16())
	m.ServerGuid = r.GUID()
	m.Capabilities = r.U32()
	m.MaxTransactSize = r.U32()
	m.MaxReadSize = r.U32()
	m.MaxWriteSize = r.U32()
	m.SystemTime = r.Filetime()
	m.ServerStartTime = r.Filetime()
	bufferOffset, bufferLength := int(r.U16()), int(r.U16())
	contextOffset := r.U32()
	m.Buffer = r.At(bufferOffset, bufferLength)
	m.Contexts = nil
	if m.DialectRevision == Dialect311 {
		m.Contexts = readNegotiateContexts(&r, contextOffset, contextCount)
	}
	return r.Err()
}

// Append appends the body of the message. Buffer must be shorter than 64 KiB.
func (m *NegotiateResponse) Append(dst []byte) []byte {
	body := len(dst)
	dst = AppendU16(dst, negotiateResponseSize)
	dst = AppendU16(dst, m.SecurityMode)
	dst = AppendU16(dst, uint16(m.DialectRevision))
	countAt := len(dst)
	dst = AppendU16(dst, 0)
	dst = append(dst, m.ServerGuid[:]...)
	dst = AppendU32(dst, m.Capabilities)
	dst = AppendU32(dst, m.MaxTransactSize)
	dst = AppendU32(dst, m.MaxReadSize)
	dst = AppendU32(dst, m.MaxWriteSize)
	dst = AppendFiletime(dst, m.SystemTime)
	dst = AppendFiletime(dst, m.ServerStartTime)
	dst = AppendU16(dst, HeaderSize+negotiateResponseSize-1)
	dst = AppendU16(dst, uint16(len(m.Buffer)))
	offsetAt := len(dst)
	dst = AppendU32(dst, 0)
	dst = append(dst, m.Buffer...)
	if len(m.Contexts) > 0 && m.DialectRevision == Dialect311 {
		dst = Pad(dst, body, 8)
		putU16(dst[countAt:], uint16(len(m.Contexts)))
		putU32(dst[offsetAt:], uint32(bodyOffset(dst, body)))
		dst = appendNegotiateContexts(dst, m.Contexts)
	}
	return dst
}
