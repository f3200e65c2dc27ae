package wire

// IoctlIsFsctl in the Flags of an IOCTL request says that CtlCode is an FSCTL,
// the only kind that servers carry out (MS-SMB2 2.2.31).
const IoctlIsFsctl uint32 = 0x00000001

const (
	ioctlRequestSize  = 57
	ioctlResponseSize = 49

	ioctlRequestBuffer  = HeaderSize + ioctlRequestSize - 1
	ioctlResponseBuffer = HeaderSize + ioctlResponseSize - 1
)

// IoctlRequest is the SMB2 IOCTL request (MS-SMB2 2.2.31).
type IoctlRequest struct {
	// CtlCode is one of the Fsctl constants.
	CtlCode uint32
	// FileID has all bits set where the code needs no open.
	FileID FileID
	// Input and Output alias the message. Output is empty but for codes that
	// nobody uses.
	Input  []byte
	Output []byte
	// MaxInputResponse and MaxOutputResponse limit the buffers of the response,
	// in bytes.
	MaxInputResponse  uint32
	MaxOutputResponse uint32
	Flags             uint32
}

// Decode reads the message msg, header included, and does not allocate.
func (m *IoctlRequest) Decode(msg []byte) error {
	r := NewReader(msg, HeaderSize)
	r.StructureSize(ioctlRequestSize)
	r.Skip(2)
	m.CtlCode = r.U32()
	m.FileID = r.FileID()
	inputOffset, inputCount := r.U32(), r.U32()
	m.MaxInputResponse = r.U32()
	outputOffset, outputCount := r.U32(), r.U32()
	m.MaxOutputResponse = r.U32()
	m.Flags = r.U32()
	r.Skip(4)
	m.Input = r.At32(inputOffset, inputCount)
	m.Output = r.At32(outputOffset, outputCount)
	return r.Err()
}

// Append appends the body of the message.
func (m *IoctlRequest) Append(dst []byte) []byte {
	body := len(dst)
	dst = AppendU16(dst, ioctlRequestSize)
	dst = AppendU16(dst, 0)
	dst = AppendU32(dst, m.CtlCode)
	dst = AppendFileID(dst, m.FileID)
	dst = AppendU32(dst, ioctlRequestBuffer)
	dst = AppendU32(dst, uint32(len(m.Input)))
	dst = AppendU32(dst, m.MaxInputResponse)
	if len(m.Output) == 0 {
		// MS-SMB2 2.2.31 wants 0. Samba refuses an offset behind the message, even of
		// nothing.
		dst = AppendU32(dst, 0)
	} else {
		dst = AppendU32(dst, ioctlOutputOffset(ioctlRequestBuffer, m.Input))
	}
	dst = AppendU32(dst, uint32(len(m.Output)))
	dst = AppendU32(dst, m.MaxOutputResponse)
	dst = AppendU32(dst, m.Flags)
	dst = AppendU32(dst, 0)
	return appendIoctlBuffers(dst, body, m.Input, m.Output)
}

// IoctlResponse is the SMB2 IOCTL response (MS-SMB2 2.2.32). A server that
// encodes its output in place uses AppendIoctlResponseHeader instead.
type IoctlResponse struct {
	// CtlCode and FileID repeat those of the request.
	CtlCode uint32
	FileID  FileID
	// Input and Output alias the message when decoded. Input is empty but for
	// codes that nobody uses.
	Input  []byte
	Output []byte
}

// Decode reads the message msg, header included.
func (m *IoctlResponse) Decode(msg []byte) error {
	r := NewReader(msg, HeaderSize)
	r.StructureSize(ioctlResponseSize)
	r.Skip(2)
	m.CtlCode = r.U32()
	m.FileID = r.FileID()
	inputOffset, inputCount := r.U32(), r.U32()
	outputOffset, outputCount := r.U32(), r.U32()
	r.Skip(8)
	m.Input = r.At32(inputOffset, inputCount)
	m.Output = r.At32(outputOffset, outputCount)
	return r.Err()
}

// Append appends the body of the message.
func (m *IoctlResponse) Append(dst []byte) []byte {
	body := len(dst)
	dst = AppendU16(dst, ioctlResponseSize)
	dst = AppendU16(dst, 0)
	dst = AppendU32(dst, m.CtlCode)
	dst = AppendFileID(dst, m.FileID)
	dst = AppendU32(dst, ioctlResponseBuffer)
	dst = AppendU32(dst, uint32(len(m.Input)))
	dst = AppendU32(dst, ioctlOutputOffset(ioctlResponseBuffer, m.Input))
	dst = AppendU32(dst, uint32(len(m.Output)))
	dst = AppendU64(dst, 0)
	return appendIoctlBuffers(dst, body, m.Input, m.Output)
}

// AppendIoctlResponseHeader appends the part of an IOCTL response before its
// output, which the caller puts right behind it; PatchIoctlResponse then says
// how long that is.
func AppendIoctlResponseHeader(dst []byte, ctlCode uint32, id FileID) []byte {
	m := IoctlResponse{CtlCode: ctlCode, FileID: id}
	return m.Append(dst)
}

// PatchIoctlResponse sets the length of the output to n in a body begun by
// AppendIoctlResponseHeader.
func PatchIoctlResponse(body []byte, n int) { putU32(body[36:], uint32(n)) }

// ioctlOutputOffset is where the output stands: behind the input, at a multiple
// of 8 (MS-SMB2 2.2.31).
func ioctlOutputOffset(buffer int, input []byte) uint32 {
	return uint32(buffer + (len(input)+7)&^7)
}

func appendIoctlBuffers(dst []byte, body int, input, output []byte) []byte {
	dst = append(dst, input...)
	if len(output) == 0 {
		return dst
	}
	return append(Pad(dst, body, 8), output...)
}
