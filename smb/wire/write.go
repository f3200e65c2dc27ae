package wire

// Flags of a WRITE request (MS-SMB2 2.2.21).
const (
	WriteFlagWriteThrough    uint32 = 0x00000001
	WriteFlagWriteUnbuffered uint32 = 0x00000002
)

const (
	writeRequestSize  = 49
	writeResponseSize = 17

	writeDataOffset = HeaderSize + writeRequestSize - 1
	// maxWriteDataOffset is what MS-SMB2 3.3.5.13 tolerates.
	maxWriteDataOffset = 0x100
)

// WriteRequest is the SMB2 WRITE request (MS-SMB2 2.2.21).
type WriteRequest struct {
	Offset         uint64
	FileID         FileID
	Channel        uint32
	RemainingBytes uint32
	// ChannelInfo aliases the message and is empty with ChannelNone.
	ChannelInfo []byte
	Flags       uint32
	// Data aliases the message. With an RDMA channel it is empty.
	Data []byte
	// Missing is how many bytes belong behind Data that have not come yet; see
	// DecodePart. Append does not know it.
	Missing int
}

// Decode reads the message msg, header included, and does not allocate. Data
// that begins inside of the fixed part or more than 256 bytes from the header
// is ErrMalformed (MS-SMB2 3.3.5.13).
func (m *WriteRequest) Decode(msg []byte) error { return m.DecodePart(msg, 0) }

// DecodePart reads the beginning of a message of which the last missing bytes have
// not come yet. If there are any they all belong to the data, which ends the message and has no
// channel information; anything else is ErrMalformed.
func (m *WriteRequest) DecodePart(msg []byte, missing int) error {
	r := NewReader(msg, HeaderSize)
	r.StructureSize(writeRequestSize)
	dataOffset := uint32(r.U16())
	dataLength := r.U32()
	m.Offset = r.U64()
	m.FileID = r.FileID()
	m.Channel = r.U32()
	m.RemainingBytes = r.U32()
	m.ChannelInfo = r.channelInfo(m.Channel)
	m.Flags = r.U32()
	if dataOffset > maxWriteDataOffset || dataLength > 0 && dataOffset < writeDataOffset {
		r.Fail(ErrMalformed)
	}
	m.Missing = missing
	if missing > 0 {
		here := uint64(dataLength) - uint64(missing)
		if uint64(dataLength) < uint64(missing) || uint64(dataOffset)+here != uint64(len(msg)) || len(m.ChannelInfo) > 0 {
			r.Fail(ErrMalformed)
		}
		dataLength = uint32(here)
	}
	m.Data = r.At32(dataOffset, dataLength)
	return r.Err()
}

// Append appends the body of the message.
func (m *WriteRequest) Append(dst []byte) []byte {
	dst = AppendU16(dst, writeRequestSize)
	dst = AppendU16(dst, writeDataOffset)
	dst = AppendU32(dst, uint32(len(m.Data)))
	dst = AppendU64(dst, m.Offset)
	dst = AppendFileID(dst, m.FileID)
	dst = AppendU32(dst, m.Channel)
	dst = AppendU32(dst, m.RemainingBytes)
	if len(m.ChannelInfo) == 0 {
		dst = AppendU32(dst, 0)
	} else {
		dst = AppendU16(dst, uint16(writeDataOffset+len(m.Data)))
		dst = AppendU16(dst, uint16(len(m.ChannelInfo)))
	}
	dst = AppendU32(dst, m.Flags)
	dst = append(dst, m.Data...)
	dst = append(dst, m.ChannelInfo...)
	if len(m.Data)+len(m.ChannelInfo) == 0 {
		// The structure size counts one byte of a buffer that is never empty.
		dst = append(dst, 0)
	}
	return dst
}

// WriteResponse is the SMB2 WRITE response (MS-SMB2 2.2.22). Its remaining
// fields are reserved.
type WriteResponse struct {
	// Count is the number of bytes written.
	Count uint32
}

// Decode reads the message msg, header included.
func (m *WriteResponse) Decode(msg []byte) error {
	r := NewReader(msg, HeaderSize)
	r.StructureSize(writeResponseSize)
	r.Skip(2)
	m.Count = r.U32()
	r.Skip(8)
	return r.Err()
}

// Append appends the body of the message. The byte that the structure size
// counts for an empty buffer is left out, as Windows does.
func (m *WriteResponse) Append(dst []byte) []byte {
	dst = AppendU16(dst, writeResponseSize)
	dst = AppendU16(dst, 0)
	dst = AppendU32(dst, m.Count)
	return AppendU64(dst, 0)
}
