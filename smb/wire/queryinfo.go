package wire

// InfoType of a QUERY_INFO or SET_INFO request (MS-SMB2 2.2.37).
const (
	InfoTypeFile       uint8 = 0x01
	InfoTypeFileSystem uint8 = 0x02
	InfoTypeSecurity   uint8 = 0x03
	InfoTypeQuota      uint8 = 0x04
)

// Flags of a QUERY_INFO request for extended attributes (MS-SMB2 2.2.37).
const (
	QueryInfoRestartScan       uint32 = 0x00000001
	QueryInfoReturnSingleEntry uint32 = 0x00000002
	QueryInfoIndexSpecified    uint32 = 0x00000004
)

// Bits of AdditionalInformation in a QUERY_INFO or SET_INFO of a security
// descriptor: which parts of it (MS-SMB2 2.2.37, MS-DTYP 2.4.7).
const (
	OwnerSecurityInformation           uint32 = 0x00000001
	GroupSecurityInformation           uint32 = 0x00000002
	DaclSecurityInformation            uint32 = 0x00000004
	SaclSecurityInformation            uint32 = 0x00000008
	LabelSecurityInformation           uint32 = 0x00000010
	AttributeSecurityInformation       uint32 = 0x00000020
	ScopeSecurityInformation           uint32 = 0x00000040
	BackupSecurityInformation          uint32 = 0x00010000
	UnprotectedSaclSecurityInformation uint32 = 0x10000000
	UnprotectedDaclSecurityInformation uint32 = 0x20000000
	ProtectedSaclSecurityInformation   uint32 = 0x40000000
	ProtectedDaclSecurityInformation   uint32 = 0x80000000
)

const queryInfoRequestSize = 41

// QueryInfoRequest is the SMB2 QUERY_INFO request (MS-SMB2 2.2.37).
type QueryInfoRequest struct {
	InfoType uint8
	// FileInfoClass is a FileInfo or an FsInfo constant, or 0, by InfoType.
	FileInfoClass uint8
	// OutputBufferLength is the most bytes that the response may carry.
	OutputBufferLength uint32
	// Input aliases the message: an EaNameList or a quota query, else empty.
	Input []byte
	// AdditionalInformation is a set of security information bits, or the
	// index of an extended attribute.
	AdditionalInformation uint32
	Flags                 uint32
	FileID                FileID
}

// Decode reads the message msg, header included, and does not allocate.
func (m *QueryInfoRequest) Decode(msg []byte) error {
	r := NewReader(msg, HeaderSize)
	r.StructureSize(queryInfoRequestSize)
	m.InfoType = r.U8()
	m.FileInfoClass = r.U8()
	m.OutputBufferLength = r.U32()
	inputOffset := uint32(r.U16())
	r.Skip(2)
	inputLength := r.U32()
	m.AdditionalInformation = r.U32()
	m.Flags = r.U32()
	m.FileID = r.FileID()
	m.Input = r.At32(inputOffset, inputLength)
	return r.Err()
}

// Append appends the body of the message.
func (m *QueryInfoRequest) Append(dst []byte) []byte {
	inputOffset := uint16(0)
	if len(m.Input) > 0 {
		inputOffset = HeaderSize + queryInfoRequestSize - 1
	}
	dst = AppendU16(dst, queryInfoRequestSize)
	dst = append(dst, m.InfoType, m.FileInfoClass)
	dst = AppendU32(dst, m.OutputBufferLength)
	dst = AppendU16(dst, inputOffset)
	dst = AppendU16(dst, 0)
	dst = AppendU32(dst, uint32(len(m.Input)))
	dst = AppendU32(dst, m.AdditionalInformation)
	dst = AppendU32(dst, m.Flags)
	dst = AppendFileID(dst, m.FileID)
	return append(dst, m.Input...)
}

// QueryInfoResponse is the SMB2 QUERY_INFO response (MS-SMB2 2.2.38). A server
// that encodes in place uses AppendBufferResponseHeader instead.
type QueryInfoResponse struct {
	// Buffer is the information. It aliases the message when decoded.
	Buffer []byte
}

// Decode reads the message msg, header included.
func (m *QueryInfoResponse) Decode(msg []byte) (err error) {
	m.Buffer, err = decodeBuffer(msg)
	return err
}

// Append appends the body of the message.
func (m *QueryInfoResponse) Append(dst []byte) []byte { return appendBuffer(dst, m.Buffer) }
