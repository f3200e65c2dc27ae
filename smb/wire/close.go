package wire

// CloseFlagPostQueryAttrib in the Flags of a CLOSE asks for the attributes of
// the file in the response (MS-SMB2 2.2.15).
const CloseFlagPostQueryAttrib uint16 = 0x0001

const (
	closeRequestSize  = 24
	closeResponseSize = 60
)

// CloseRequest is the SMB2 CLOSE request (MS-SMB2 2.2.15).
type CloseRequest struct {
	Flags  uint16
	FileID FileID
}

// Decode reads the message msg, header included.
func (m *CloseRequest) Decode(msg []byte) error {
	r := NewReader(msg, HeaderSize)
	r.StructureSize(closeRequestSize)
	m.Flags = r.U16()
	r.Skip(4)
	m.FileID = r.FileID()
	return r.Err()
}

// Append appends the body of the message.
func (m *CloseRequest) Append(dst []byte) []byte {
	dst = AppendU16(dst, closeRequestSize)
	dst = AppendU16(dst, m.Flags)
	dst = AppendU32(dst, 0)
	return AppendFileID(dst, m.FileID)
}

// CloseResponse is the SMB2 CLOSE response (MS-SMB2 2.2.16). Everything behind
// Flags is 0 unless Flags has CloseFlagPostQueryAttrib.
type CloseResponse struct {
	Flags          uint16
	CreationTime   Filetime
	LastAccessTime Filetime
	LastWriteTime  Filetime
	ChangeTime     Filetime
	// AllocationSize and EndofFile are in bytes.
	AllocationSize uint64
	EndofFile      uint64
	FileAttributes uint32
}

// Decode reads the message msg, header included.
func (m *CloseResponse) Decode(msg []byte) error {
	r := NewReader(msg, HeaderSize)
	r.StructureSize(closeResponseSize)
	m.Flags = r.U16()
	r.Skip(4)
	m.CreationTime = r.Filetime()
	m.LastAccessTime = r.Filetime()
	m.LastWriteTime = r.Filetime()
	m.ChangeTime = r.Filetime()
	m.AllocationSize = r.U64()
	m.EndofFile = r.U64()
	m.FileAttributes = r.U32()
	return r.Err()
}

// Append appends the body of the message.
func (m *CloseResponse) Append(dst []byte) []byte {
	dst = AppendU16(dst, closeResponseSize)
	dst = AppendU16(dst, m.Flags)
	dst = AppendU32(dst, 0)
	dst = AppendFiletime(dst, m.CreationTime)
	dst = AppendFiletime(dst, m.LastAccessTime)
	dst = AppendFiletime(dst, m.LastWriteTime)
	dst = AppendFiletime(dst, m.ChangeTime)
	dst = AppendU64(dst, m.AllocationSize)
	dst = AppendU64(dst, m.EndofFile)
	return AppendU32(dst, m.FileAttributes)
}
