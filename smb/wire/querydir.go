package wire

// Flags of a QUERY_DIRECTORY request (MS-SMB2 2.2.33).
const (
	QueryDirectoryRestartScans      uint8 = 0x01
	QueryDirectoryReturnSingleEntry uint8 = 0x02
	QueryDirectoryIndexSpecified    uint8 = 0x04
	QueryDirectoryReopen            uint8 = 0x10
)

const queryDirectoryRequestSize = 33

// QueryDirectoryRequest is the SMB2 QUERY_DIRECTORY request (MS-SMB2 2.2.33).
type QueryDirectoryRequest struct {
	// FileInformationClass is one of the classes that DirEntrySize knows.
	FileInformationClass uint8
	Flags                uint8
	FileIndex            uint32
	FileID               FileID
	// FileName is the pattern; empty stands for everything or for the pattern
	// of the scan under way.
	FileName string
	// OutputBufferLength is the most bytes that the response may carry.
	OutputBufferLength uint32
}

// Decode reads the message msg, header included. Its only allocation is
// FileName.
func (m *QueryDirectoryRequest) Decode(msg []byte) error {
	r := NewReader(msg, HeaderSize)
	r.StructureSize(queryDirectoryRequestSize)
	m.FileInformationClass = r.U8()
	m.Flags = r.U8()
	m.FileIndex = r.U32()
	m.FileID = r.FileID()
	nameOffset, nameLength := int(r.U16()), int(r.U16())
	m.OutputBufferLength = r.U32()
	m.FileName = r.UTF16At(nameOffset, nameLength)
	return r.Err()
}

// Append appends the body of the message. FileName must be shorter than 32 Ki
// code units.
func (m *QueryDirectoryRequest) Append(dst []byte) []byte {
	dst = AppendU16(dst, queryDirectoryRequestSize)
	dst = append(dst, m.FileInformationClass, m.Flags)
	dst = AppendU32(dst, m.FileIndex)
	dst = AppendFileID(dst, m.FileID)
	dst = AppendU16(dst, HeaderSize+queryDirectoryRequestSize-1)
	dst = AppendU16(dst, uint16(UTF16Len(m.FileName)))
	dst = AppendU32(dst, m.OutputBufferLength)
	return AppendUTF16(dst, m.FileName)
}

// QueryDirectoryResponse is the SMB2 QUERY_DIRECTORY response (MS-SMB2 2.2.34).
type QueryDirectoryResponse struct {
	// Buffer is a list of entries, for DecodeDirEntries. It aliases the message
	// when decoded.
	Buffer []byte
}

// Decode reads the message msg, header included.
func (m *QueryDirectoryResponse) Decode(msg []byte) (err error) {
	m.Buffer, err = decodeBuffer(msg)
	return err
}

// Append appends the body of the message.
func (m *QueryDirectoryResponse) Append(dst []byte) []byte { return appendBuffer(dst, m.Buffer) }
