package wire

const flushRequestSize = 24

// FlushFullSync in Reserved1 of a FLUSH asks for the medium itself to be
// synchronised, as F_FULLFSYNC does on macOS. Only clients of Apple send it,
// to servers that announce full sync in the AAPL context.
const FlushFullSync uint16 = 0xffff

// FlushRequest is the SMB2 FLUSH request (MS-SMB2 2.2.17).
type FlushRequest struct {
	// Reserved1 is 0 or FlushFullSync.
	Reserved1 uint16
	FileID    FileID
}

// Decode reads the message msg, header included.
func (m *FlushRequest) Decode(msg []byte) error {
	r := NewReader(msg, HeaderSize)
	r.StructureSize(flushRequestSize)
	m.Reserved1 = r.U16()
	r.Skip(4)
	m.FileID = r.FileID()
	return r.Err()
}

// Append appends the body of the message.
func (m *FlushRequest) Append(dst []byte) []byte {
	dst = AppendU16(dst, flushRequestSize)
	dst = AppendU16(dst, m.Reserved1)
	dst = AppendU32(dst, 0)
	return AppendFileID(dst, m.FileID)
}

// FlushResponse is the SMB2 FLUSH response (MS-SMB2 2.2.18). It has no fields.
type FlushResponse struct{}

// Decode checks the message msg, header included.
func (*FlushResponse) Decode(msg []byte) error { return decodeEmpty(msg) }

// Append appends the body of the message.
func (*FlushResponse) Append(dst []byte) []byte { return appendEmpty(dst) }
