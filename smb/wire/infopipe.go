package wire

// Values of FilePipeInformation (MS-FSCC 2.4).
const (
	PipeByteStreamMode    uint32 = 0x00000000
	PipeMessageMode       uint32 = 0x00000001
	PipeQueueOperation    uint32 = 0x00000000
	PipeCompleteOperation uint32 = 0x00000001
)

// Values of FilePipeLocalInformation and of FsctlPipePeek (MS-FSCC 2.3, 2.4).
const (
	PipeTypeByteStream uint32 = 0x00000000
	PipeTypeMessage    uint32 = 0x00000001

	PipeInbound    uint32 = 0x00000000
	PipeOutbound   uint32 = 0x00000001
	PipeFullDuplex uint32 = 0x00000002

	PipeDisconnected uint32 = 0x00000001
	PipeListening    uint32 = 0x00000002
	PipeConnected    uint32 = 0x00000003
	PipeClosing      uint32 = 0x00000004

	PipeClientEnd uint32 = 0x00000000
	PipeServerEnd uint32 = 0x00000001
)

// FilePipeInformation is the mode of one end of a pipe (MS-FSCC 2.4).
type FilePipeInformation struct {
	ReadMode       uint32
	CompletionMode uint32
}

// Decode reads the structure.
func (i *FilePipeInformation) Decode(b []byte) error {
	r := NewReader(b, 0)
	i.ReadMode = r.U32()
	i.CompletionMode = r.U32()
	return r.Err()
}

// Append appends the 8 bytes of the structure.
func (i *FilePipeInformation) Append(dst []byte) []byte {
	return AppendU32(AppendU32(dst, i.ReadMode), i.CompletionMode)
}

// FilePipeLocalInformation is the state of a pipe (MS-FSCC 2.4). Quotas and
// data are in bytes.
type FilePipeLocalInformation struct {
	NamedPipeType          uint32
	NamedPipeConfiguration uint32
	MaximumInstances       uint32
	CurrentInstances       uint32
	InboundQuota           uint32
	ReadDataAvailable      uint32
	OutboundQuota          uint32
	WriteQuotaAvailable    uint32
	NamedPipeState         uint32
	NamedPipeEnd           uint32
}

// Decode reads the structure.
func (i *FilePipeLocalInformation) Decode(b []byte) error {
	r := NewReader(b, 0)
	i.NamedPipeType = r.U32()
	i.NamedPipeConfiguration = r.U32()
	i.MaximumInstances = r.U32()
	i.CurrentInstances = r.U32()
	i.InboundQuota = r.U32()
	i.ReadDataAvailable = r.U32()
	i.OutboundQuota = r.U32()
	i.WriteQuotaAvailable = r.U32()
	i.NamedPipeState = r.U32()
	i.NamedPipeEnd = r.U32()
	return r.Err()
}

// Append appends the 40 bytes of the structure.
func (i *FilePipeLocalInformation) Append(dst []byte) []byte {
	for _, v := range [...]uint32{
		i.NamedPipeType, i.NamedPipeConfiguration, i.MaximumInstances, i.CurrentInstances,
		i.InboundQuota, i.ReadDataAvailable, i.OutboundQuota, i.WriteQuotaAvailable,
		i.NamedPipeState, i.NamedPipeEnd,
	} {
		dst = AppendU32(dst, v)
	}
	return dst
}
