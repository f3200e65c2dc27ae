package wire

// OffloadTokenSize is the length of a token in bytes (MS-FSCC 2.1.11).
const OffloadTokenSize = 512

// OffloadToken stands for a range of a file as it was (MS-FSCC 2.1.11). Its numbers are
// big-endian.
type OffloadToken [OffloadTokenSize]byte

// offloadIDSize is the room for the id of a token.
const offloadIDSize = OffloadTokenSize - 8

// Types of tokens. All but the two that are known to everybody are the server's own.
const (
	offloadTypeZero      uint32 = 0xffff0001
	offloadTypeWellKnown uint32 = 0xffffffff
	offloadPatternZero   uint16 = 0x0001 // the first of the id of a well-known token
)

// NewOffloadToken makes a token of a type of the server's own.
func NewOffloadToken(kind uint32, id []byte) (t OffloadToken) {
	t.set(kind)
	copy(t[8:], id)
	return t
}

// ZeroOffloadToken makes the token that stands for zeros.
func ZeroOffloadToken() (t OffloadToken) {
	t.set(offloadTypeZero)
	return t
}

func (t *OffloadToken) set(kind uint32) {
	copy(t[:], []byte{byte(kind >> 24), byte(kind >> 16), byte(kind >> 8), byte(kind)})
	t[6], t[7] = offloadIDSize>>8, offloadIDSize&0xff
}

// Type is the type of the token.
func (t *OffloadToken) Type() uint32 {
	return uint32(t[0])<<24 | uint32(t[1])<<16 | uint32(t[2])<<8 | uint32(t[3])
}

// IsZero reports whether the token stands for zeros.
func (t *OffloadToken) IsZero() bool {
	return t.Type() == offloadTypeZero ||
		t.Type() == offloadTypeWellKnown && uint16(t[8])<<8|uint16(t[9]) == offloadPatternZero
}

// ID is what a server has put into the token, with zeros behind it. It aliases t.
func (t *OffloadToken) ID() []byte { return t[8:] }

// OffloadReadInput is the input of FsctlOffloadRead (MS-FSCC 2.3.41).
type OffloadReadInput struct {
	Flags uint32
	// TokenTimeToLive is in milliseconds; 0 leaves it to the server.
	TokenTimeToLive uint32
	FileOffset      uint64
	CopyLength      uint64
}

// OffloadReadInputSize is the length of an OffloadReadInput in bytes.
const OffloadReadInputSize = 32

// Decode reads the input buffer of the IOCTL.
func (m *OffloadReadInput) Decode(b []byte) error {
	r := NewReader(b, 0)
	size := r.U32()
	m.Flags = r.U32()
	m.TokenTimeToLive = r.U32()
	r.Skip(4)
	m.FileOffset = r.U64()
	m.CopyLength = r.U64()
	if size != OffloadReadInputSize {
		r.Fail(ErrMalformed)
	}
	return r.Err()
}

// Append appends the 32 bytes of the input buffer.
func (m *OffloadReadInput) Append(dst []byte) []byte {
	dst = AppendU32(AppendU32(dst, OffloadReadInputSize), m.Flags)
	dst = AppendU32(AppendU32(dst, m.TokenTimeToLive), 0)
	return AppendU64(AppendU64(dst, m.FileOffset), m.CopyLength)
}

// OffloadReadOutputSize is the length of an OffloadReadOutput in bytes.
const OffloadReadOutputSize = 528

// OffloadAllZeroBeyond, a flag of OffloadReadOutput: from the end of what the token
// stands for up to that of the file there are only zeros.
const OffloadAllZeroBeyond uint32 = 0x00000001

// OffloadReadOutput is the output of FsctlOffloadRead (MS-FSCC 2.3.42).
type OffloadReadOutput struct {
	Flags uint32
	// TransferLength is how many bytes the token stands for.
	TransferLength uint64
	Token          OffloadToken
}

// Decode reads the output buffer of the IOCTL.
func (m *OffloadReadOutput) Decode(b []byte) error {
	r := NewReader(b, 0)
	if r.U32() != OffloadReadOutputSize {
		r.Fail(ErrMalformed)
	}
	m.Flags = r.U32()
	m.TransferLength = r.U64()
	r.Copy(m.Token[:])
	return r.Err()
}

// Append appends the 528 bytes of the output buffer.
func (m *OffloadReadOutput) Append(dst []byte) []byte {
	dst = AppendU32(AppendU32(dst, OffloadReadOutputSize), m.Flags)
	return append(AppendU64(dst, m.TransferLength), m.Token[:]...)
}

// OffloadWriteInputSize is the length of an OffloadWriteInput in bytes.
const OffloadWriteInputSize = 544

// OffloadWriteInput is the input of FsctlOffloadWrite (MS-FSCC 2.3.43).
type OffloadWriteInput struct {
	Flags      uint32
	FileOffset uint64
	CopyLength uint64
	// TransferOffset is where in the data of the token to begin.
	TransferOffset uint64
	Token          OffloadToken
}

// Decode reads the input buffer of the IOCTL.
func (m *OffloadWriteInput) Decode(b []byte) error {
	r := NewReader(b, 0)
	if r.U32() != OffloadWriteInputSize {
		r.Fail(ErrMalformed)
	}
	m.Flags = r.U32()
	m.FileOffset = r.U64()
	m.CopyLength = r.U64()
	m.TransferOffset = r.U64()
	r.Copy(m.Token[:])
	return r.Err()
}

// Append appends the 544 bytes of the input buffer.
func (m *OffloadWriteInput) Append(dst []byte) []byte {
	dst = AppendU32(AppendU32(dst, OffloadWriteInputSize), m.Flags)
	dst = AppendU64(AppendU64(dst, m.FileOffset), m.CopyLength)
	return append(AppendU64(dst, m.TransferOffset), m.Token[:]...)
}

// OffloadWriteOutputSize is the length of an OffloadWriteOutput in bytes.
const OffloadWriteOutputSize = 16

// OffloadWriteOutput is the output of FsctlOffloadWrite (MS-FSCC 2.3.44).
type OffloadWriteOutput struct {
	Flags         uint32
	LengthWritten uint64
}

// Decode reads the output buffer of the IOCTL.
func (m *OffloadWriteOutput) Decode(b []byte) error {
	r := NewReader(b, 0)
	if r.U32() != OffloadWriteOutputSize {
		r.Fail(ErrMalformed)
	}
	m.Flags = r.U32()
	m.LengthWritten = r.U64()
	return r.Err()
}

// Append appends the 16 bytes of the output buffer.
func (m *OffloadWriteOutput) Append(dst []byte) []byte {
	dst = AppendU32(AppendU32(dst, OffloadWriteOutputSize), m.Flags)
	return AppendU64(dst, m.LengthWritten)
}
