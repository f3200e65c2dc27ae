package wire

// The information classes of one number.

// FileInternalInformation is the 64-bit identity of a file (MS-FSCC 2.4).
type FileInternalInformation struct {
	IndexNumber uint64
}

// Decode reads the structure.
func (i *FileInternalInformation) Decode(b []byte) error { return decode64(b, &i.IndexNumber) }

// Append appends the 8 bytes of the structure.
func (i *FileInternalInformation) Append(dst []byte) []byte { return AppendU64(dst, i.IndexNumber) }

// FileEaInformation is the size of the extended attributes (MS-FSCC 2.4.13).
type FileEaInformation struct {
	// EaSize is in bytes, as the entries of a FileFullEaInformation, or 0.
	EaSize uint32
}

// Decode reads the structure.
func (i *FileEaInformation) Decode(b []byte) error { return decode32(b, &i.EaSize) }

// Append appends the 4 bytes of the structure.
func (i *FileEaInformation) Append(dst []byte) []byte { return AppendU32(dst, i.EaSize) }

// FileAccessInformation is the access that an open was granted (MS-FSCC 2.4.1).
type FileAccessInformation struct {
	AccessFlags uint32
}

// Decode reads the structure.
func (i *FileAccessInformation) Decode(b []byte) error { return decode32(b, &i.AccessFlags) }

// Append appends the 4 bytes of the structure.
func (i *FileAccessInformation) Append(dst []byte) []byte { return AppendU32(dst, i.AccessFlags) }

// FilePositionInformation is the file pointer of an open (MS-FSCC 2.4).
type FilePositionInformation struct {
	// CurrentByteOffset is in bytes; a client may send a negative one.
	CurrentByteOffset int64
}

// Decode reads the structure.
func (i *FilePositionInformation) Decode(b []byte) error { return decodeInt(b, &i.CurrentByteOffset) }

// Append appends the 8 bytes of the structure.
func (i *FilePositionInformation) Append(dst []byte) []byte {
	return AppendU64(dst, uint64(i.CurrentByteOffset))
}

// Bits of a FileModeInformation: those of the create options that a caller may
// change later (MS-FSCC 2.4). They have the values of the Option constants.
const FileModeMask = OptionWriteThrough | OptionSequentialOnly | OptionNoIntermediateBuffering |
	OptionSynchronousIOAlert | OptionSynchronousIONonalert

// FileModeInformation is the mode of an open (MS-FSCC 2.4).
type FileModeInformation struct {
	Mode uint32
}

// Decode reads the structure.
func (i *FileModeInformation) Decode(b []byte) error { return decode32(b, &i.Mode) }

// Append appends the 4 bytes of the structure.
func (i *FileModeInformation) Append(dst []byte) []byte { return AppendU32(dst, i.Mode) }

// FileAlignmentInformation is the alignment of buffers that the device wants
// (MS-FSCC 2.4.3).
type FileAlignmentInformation struct {
	// AlignmentRequirement is a power of two less one; 0 is byte alignment.
	AlignmentRequirement uint32
}

// Decode reads the structure.
func (i *FileAlignmentInformation) Decode(b []byte) error {
	return decode32(b, &i.AlignmentRequirement)
}

// Append appends the 4 bytes of the structure.
func (i *FileAlignmentInformation) Append(dst []byte) []byte {
	return AppendU32(dst, i.AlignmentRequirement)
}

// FileAllocationInformation sets the allocated size (MS-FSCC 2.4.4).
type FileAllocationInformation struct {
	// AllocationSize is in bytes; a client may send a negative one.
	AllocationSize int64
}

// Decode reads the structure.
func (i *FileAllocationInformation) Decode(b []byte) error { return decodeInt(b, &i.AllocationSize) }

// Append appends the 8 bytes of the structure.
func (i *FileAllocationInformation) Append(dst []byte) []byte {
	return AppendU64(dst, uint64(i.AllocationSize))
}

// FileEndOfFileInformation sets the size (MS-FSCC 2.4.14).
type FileEndOfFileInformation struct {
	// EndOfFile is in bytes; a client may send a negative one.
	EndOfFile int64
}

// Decode reads the structure.
func (i *FileEndOfFileInformation) Decode(b []byte) error { return decodeInt(b, &i.EndOfFile) }

// Append appends the 8 bytes of the structure.
func (i *FileEndOfFileInformation) Append(dst []byte) []byte {
	return AppendU64(dst, uint64(i.EndOfFile))
}

// FileValidDataLengthInformation sets the valid data length (MS-FSCC 2.4).
type FileValidDataLengthInformation struct {
	// ValidDataLength is in bytes; a client may send a negative one.
	ValidDataLength int64
}

// Decode reads the structure.
func (i *FileValidDataLengthInformation) Decode(b []byte) error {
	return decodeInt(b, &i.ValidDataLength)
}

// Append appends the 8 bytes of the structure.
func (i *FileValidDataLengthInformation) Append(dst []byte) []byte {
	return AppendU64(dst, uint64(i.ValidDataLength))
}

// FileDispositionInformation marks a file for deletion (MS-FSCC 2.4.11).
type FileDispositionInformation struct {
	DeletePending bool
}

// Decode reads the structure.
func (i *FileDispositionInformation) Decode(b []byte) error {
	r := NewReader(b, 0)
	i.DeletePending = r.boolean()
	return r.Err()
}

// Append appends the byte of the structure.
func (i *FileDispositionInformation) Append(dst []byte) []byte {
	return appendBoolean(dst, i.DeletePending)
}

// Bits of a FileDispositionInformationEx (MS-FSCC 2.4.12).
const (
	DispositionExDelete                  uint32 = 0x00000001
	DispositionExPosixSemantics          uint32 = 0x00000002
	DispositionExForceImageSectionCheck  uint32 = 0x00000004
	DispositionExOnClose                 uint32 = 0x00000008
	DispositionExIgnoreReadonlyAttribute uint32 = 0x00000010
)

// FileDispositionInformationEx says how a file is to be deleted (MS-FSCC
// 2.4.12).
type FileDispositionInformationEx struct {
	Flags uint32
}

// Decode reads the structure.
func (i *FileDispositionInformationEx) Decode(b []byte) error { return decode32(b, &i.Flags) }

// Append appends the 4 bytes of the structure.
func (i *FileDispositionInformationEx) Append(dst []byte) []byte { return AppendU32(dst, i.Flags) }

// CaseSensitiveDir in the Flags of a FileCaseSensitiveInformation says that
// names in the directory differ by case.
const CaseSensitiveDir uint32 = 0x00000001

// FileCaseSensitiveInformation says whether a directory heeds the case of
// names.
type FileCaseSensitiveInformation struct {
	Flags uint32
}

// Decode reads the structure.
func (i *FileCaseSensitiveInformation) Decode(b []byte) error { return decode32(b, &i.Flags) }

// Append appends the 4 bytes of the structure.
func (i *FileCaseSensitiveInformation) Append(dst []byte) []byte { return AppendU32(dst, i.Flags) }

func decode32(b []byte, v *uint32) error {
	r := NewReader(b, 0)
	*v = r.U32()
	return r.Err()
}

func decode64(b []byte, v *uint64) error {
	r := NewReader(b, 0)
	*v = r.U64()
	return r.Err()
}

func decodeInt(b []byte, v *int64) error {
	r := NewReader(b, 0)
	*v = int64(r.U64())
	return r.Err()
}
