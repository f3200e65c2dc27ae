package wire

// PipeWaitRequest is the input of FsctlPipeWait (MS-FSCC 2.3).
type PipeWaitRequest struct {
	// Timeout counts intervals of 100 nanoseconds. It holds if
	// TimeoutSpecified; else the server has a default.
	Timeout          int64
	TimeoutSpecified bool
	// Name of the pipe, without a leading backslash or "pipe".
	Name string
}

// Decode reads the input buffer of the IOCTL.
func (m *PipeWaitRequest) Decode(b []byte) error {
	r := NewReader(b, 0)
	m.Timeout = int64(r.U64())
	nameLen := r.U32()
	m.TimeoutSpecified = r.boolean()
	r.Skip(1)
	if uint64(nameLen) > uint64(r.Len()) {
		return ErrTruncated
	}
	m.Name = r.UTF16(int(nameLen))
	return r.Err()
}

// Append appends the input buffer of the IOCTL.
func (m *PipeWaitRequest) Append(dst []byte) []byte {
	dst = AppendU64(dst, uint64(m.Timeout))
	dst = AppendU32(dst, uint32(UTF16Len(m.Name)))
	dst = append(appendBoolean(dst, m.TimeoutSpecified), 0)
	return AppendUTF16(dst, m.Name)
}

// PipePeekResponse is the output of FsctlPipePeek (MS-FSCC 2.3). A server
// answers STATUS_BUFFER_OVERFLOW when Data is not all of the first message.
type PipePeekResponse struct {
	// NamedPipeState is PipeConnected or PipeClosing.
	NamedPipeState uint32
	// ReadDataAvailable and MessageLength, that of the first message, are in
	// bytes.
	ReadDataAvailable uint32
	NumberOfMessages  uint32
	MessageLength     uint32
	// Data aliases the message.
	Data []byte
}

// Decode reads the output buffer of the IOCTL.
func (m *PipePeekResponse) Decode(b []byte) error {
	r := NewReader(b, 0)
	m.NamedPipeState = r.U32()
	m.ReadDataAvailable = r.U32()
	m.NumberOfMessages = r.U32()
	m.MessageLength = r.U32()
	m.Data = r.Bytes(r.Len())
	return r.Err()
}

// Append appends the output buffer of the IOCTL.
func (m *PipePeekResponse) Append(dst []byte) []byte {
	dst = AppendU32(dst, m.NamedPipeState)
	dst = AppendU32(dst, m.ReadDataAvailable)
	dst = AppendU32(dst, m.NumberOfMessages)
	dst = AppendU32(dst, m.MessageLength)
	return append(dst, m.Data...)
}
