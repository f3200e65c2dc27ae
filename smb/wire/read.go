package wire

// Flags of a READ request (MS-SMB2 2.2.19).
const (
	ReadFlagReadUnbuffered    uint8 = 0x01
	ReadFlagRequestCompressed uint8 = 0x02
)

// Channel of a READ or WRITE request (MS-SMB2 2.2.19).
const (
	ChannelNone             uint32 = 0x00000000
	ChannelRDMAV1           uint32 = 0x00000001
	ChannelRDMAV1Invalidate uint32 = 0x00000002
	ChannelRDMATransform    uint32 = 0x00000003
)

// ReadResponseFlagRDMATransform in the Flags of a READ response says that the
// buffer holds RDMA transforms (MS-SMB2 2.2.20).
const ReadResponseFlagRDMATransform uint32 = 0x00000001

const (
	readRequestSize  = 49
	readResponseSize = 17
)

// ReadResponseHeaderSize is the length in bytes of the body of a READ response
// before its data.
const ReadResponseHeaderSize = readResponseSize - 1

// ReadRequest is the SMB2 READ request (MS-SMB2 2.2.19).
type ReadRequest struct {
	// Padding is where the client would like the data of the response to
	// begin, counted from its header. A server need not heed it.
	Padding uint8
	Flags   uint8
	// Length is the number of bytes wanted, at most MaxReadSize.
	Length uint32
	Offset uint64
	FileID FileID
	// MinimumCount is the number of bytes below which the read fails with
	// STATUS_END_OF_FILE.
	MinimumCount   uint32
	Channel        uint32
	RemainingBytes uint32
	// ChannelInfo aliases the message. It is empty with ChannelNone, where the
	// offset and the length on the wire mean nothing.
	ChannelInfo []byte
}

// Decode reads the message msg, header included, and does not allocate.
func (m *ReadRequest) Decode(msg []byte) error {
	r := NewReader(msg, HeaderSize)
	r.StructureSize(readRequestSize)
	m.Padding = r.U8()
	m.Flags = r.U8()
	m.Length = r.U32()
	m.Offset = r.U64()
	m.FileID = r.FileID()
	m.MinimumCount = r.U32()
	m.Channel = r.U32()
	m.RemainingBytes = r.U32()
	m.ChannelInfo = r.channelInfo(m.Channel)
	return r.Err()
}

// Append appends the body of the message.
func (m *ReadRequest) Append(dst []byte) []byte {
	body := len(dst)
	dst = AppendU16(dst, readRequestSize)
	dst = append(dst, m.Padding, m.Flags)
	dst = AppendU32(dst, m.Length)
	dst = AppendU64(dst, m.Offset)
	dst = AppendFileID(dst, m.FileID)
	dst = AppendU32(dst, m.MinimumCount)
	dst = AppendU32(dst, m.Channel)
	dst = AppendU32(dst, m.RemainingBytes)
	if len(m.ChannelInfo) == 0 {
		// The structure size counts one byte of a buffer that is never empty.
		return AppendZeros(dst, 5)
	}
	dst = AppendU16(dst, uint16(bodyOffset(dst, body)+4))
	dst = AppendU16(dst, uint16(len(m.ChannelInfo)))
	return append(dst, m.ChannelInfo...)
}

// channelInfo reads offset and length of the channel information of a READ or
// WRITE and returns it. Without a channel they are ignored (MS-SMB2 3.3.5.12).
func (r *Reader) channelInfo(channel uint32) []byte {
	offset, length := int(r.U16()), int(r.U16())
	if channel == ChannelNone {
		return nil
	}
	return r.At(offset, length)
}

// ReadResponse is the SMB2 READ response (MS-SMB2 2.2.20). A server that reads
// straight into the outgoing buffer uses AppendReadResponseHeader instead.
type ReadResponse struct {
	// Data aliases the message.
	Data          []byte
	DataRemaining uint32
	// Flags is reserved, and 0, before dialect 3.1.1.
	Flags uint32
}

// Decode reads the message msg, header included.
func (m *ReadResponse) Decode(msg []byte) error {
	r := NewReader(msg, HeaderSize)
	r.StructureSize(readResponseSize)
	dataOffset := uint32(r.U8())
	r.Skip(1)
	dataLength := r.U32()
	m.DataRemaining = r.U32()
	m.Flags = r.U32()
	m.Data = r.At32(dataOffset, dataLength)
	return r.Err()
}

// Append appends the body of the message.
func (m *ReadResponse) Append(dst []byte) []byte {
	dst = AppendU16(dst, readResponseSize)
	dst = append(dst, HeaderSize+ReadResponseHeaderSize, 0)
	dst = AppendU32(dst, uint32(len(m.Data)))
	dst = AppendU32(dst, m.DataRemaining)
	dst = AppendU32(dst, m.Flags)
	return append(dst, m.Data...)
}

// AppendReadResponseHeader appends the ReadResponseHeaderSize bytes of a READ
// response that precede its dataLen bytes of data, which the caller puts right
// behind them.
func AppendReadResponseHeader(dst []byte, dataLen int) []byte {
	dst = AppendU16(dst, readResponseSize)
	dst = append(dst, HeaderSize+ReadResponseHeaderSize, 0)
	dst = AppendU32(dst, uint32(dataLen))
	return AppendU64(dst, 0)
}

// PatchReadResponse sets the length of the data to n in a body begun by
// AppendReadResponseHeader, when the file gave less than was asked for.
func PatchReadResponse(body []byte, n int) { putU32(body[4:], uint32(n)) }
