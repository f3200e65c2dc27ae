package wire

const (
	setInfoRequestSize  = 33
	setInfoResponseSize = 2
)

// SetInfoRequest is the SMB2 SET_INFO request (MS-SMB2 2.2.39).
type SetInfoRequest struct {
	InfoType uint8
	// FileInfoClass is a FileInfo or an FsInfo constant, or 0, by InfoType.
	FileInfoClass uint8
	// Buffer is the information, aliasing the message.
	Buffer []byte
	// AdditionalInformation is a set of security information bits, or 0.
	AdditionalInformation uint32
	FileID                FileID
}

// Decode reads the message msg, header included, and does not allocate.
func (m *SetInfoRequest) Decode(msg []byte) error {
	r := NewReader(msg, HeaderSize)
	r.StructureSize(setInfoRequestSize)
	m.InfoType = r.U8()
	m.FileInfoClass = r.U8()
	length, offset := r.U32(), uint32(r.U16())
	r.Skip(2)
	m.AdditionalInformation = r.U32()
	m.FileID = r.FileID()
	m.Buffer = r.At32(offset, length)
	return r.Err()
}

// Append appends the body of the message.
func (m *SetInfoRequest) Append(dst []byte) []byte {
	dst = AppendU16(dst, setInfoRequestSize)
	dst = append(dst, m.InfoType, m.FileInfoClass)
	dst = AppendU32(dst, uint32(len(m.Buffer)))
	dst = AppendU16(dst, HeaderSize+setInfoRequestSize-1)
	dst = AppendU16(dst, 0)
	dst = AppendU32(dst, m.AdditionalInformation)
	dst = AppendFileID(dst, m.FileID)
	return append(dst, m.Buffer...)
}

// SetInfoResponse is the SMB2 SET_INFO response (MS-SMB2 2.2.40): two bytes
// that say how long it is.
type SetInfoResponse struct{}

// Decode checks the message msg, header included.
func (*SetInfoResponse) Decode(msg []byte) error {
	r := NewReader(msg, HeaderSize)
	r.StructureSize(setInfoResponseSize)
	return r.Err()
}

// Append appends the body of the message.
func (*SetInfoResponse) Append(dst []byte) []byte { return AppendU16(dst, setInfoResponseSize) }
