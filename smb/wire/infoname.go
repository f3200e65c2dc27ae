package wire

// FileNameInformation is a name. It serves the classes FileInfoName,
// FileInfoNormalizedName and FileInfoAlternateName (MS-FSCC 2.4).
type FileNameInformation struct {
	FileName string
}

// Decode reads the structure.
func (i *FileNameInformation) Decode(b []byte) error {
	r := NewReader(b, 0)
	i.FileName = r.UTF16(r.len32())
	return r.Err()
}

// Append appends the structure: four bytes and the name.
func (i *FileNameInformation) Append(dst []byte) []byte { return appendCounted(dst, i.FileName) }

// appendCounted appends the length of s in bytes and s.
func appendCounted(dst []byte, s string) []byte {
	at := len(dst)
	dst = AppendUTF16(AppendU32(dst, 0), s)
	putU32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

// FileAllInformation is eight classes and the name in one (MS-FSCC 2.4.2).
type FileAllInformation struct {
	Basic     FileBasicInformation
	Standard  FileStandardInformation
	Internal  FileInternalInformation
	Ea        FileEaInformation
	Access    FileAccessInformation
	Position  FilePositionInformation
	Mode      FileModeInformation
	Alignment FileAlignmentInformation
	// Name comes last, so that a server may cut it to what the client takes.
	Name FileNameInformation
}

// FileAllInformationSize is the length in bytes of a FileAllInformation without
// its name. A buffer below it is STATUS_INFO_LENGTH_MISMATCH, above it a name
// that does not fit is cut with STATUS_BUFFER_OVERFLOW (MS-FSA, query of
// FileAllInformation).
const FileAllInformationSize = 100

// Decode reads the structure.
func (i *FileAllInformation) Decode(b []byte) error {
	r := NewReader(b, 0)
	i.Basic.read(&r)
	r.Skip(4)
	i.Standard.read(&r)
	i.Internal.IndexNumber = r.U64()
	i.Ea.EaSize = r.U32()
	i.Access.AccessFlags = r.U32()
	i.Position.CurrentByteOffset = int64(r.U64())
	i.Mode.Mode = r.U32()
	i.Alignment.AlignmentRequirement = r.U32()
	i.Name.FileName = r.UTF16(r.len32())
	return r.Err()
}

// Append appends the structure.
func (i *FileAllInformation) Append(dst []byte) []byte {
	dst = i.Basic.Append(dst)
	dst = i.Standard.Append(dst)
	dst = i.Internal.Append(dst)
	dst = i.Ea.Append(dst)
	dst = i.Access.Append(dst)
	dst = i.Position.Append(dst)
	dst = i.Mode.Append(dst)
	dst = i.Alignment.Append(dst)
	return i.Name.Append(dst)
}

// FileRenameInformation renames a file, in the form of SMB2 (MS-FSCC 2.4).
type FileRenameInformation struct {
	ReplaceIfExists bool
	// RootDirectory must be 0 over SMB2; the caller checks it.
	RootDirectory uint64
	// FileName is relative to the share, with backslashes, or begins with a
	// colon and renames a stream.
	FileName string
}

// Decode reads the structure. Bytes behind the name are ignored: clients pad.
func (i *FileRenameInformation) Decode(b []byte) (err error) {
	i.ReplaceIfExists, i.RootDirectory, i.FileName, err = decodeRename(b)
	return err
}

// Append appends the structure.
func (i *FileRenameInformation) Append(dst []byte) []byte {
	return appendRename(dst, i.ReplaceIfExists, i.RootDirectory, i.FileName)
}

// FileLinkInformation makes a hard link, in the form of SMB2 (MS-FSCC 2.4).
type FileLinkInformation struct {
	ReplaceIfExists bool
	// RootDirectory must be 0 over SMB2; the caller checks it.
	RootDirectory uint64
	// FileName is relative to the share, with backslashes.
	FileName string
}

// Decode reads the structure. Bytes behind the name are ignored: clients pad.
func (i *FileLinkInformation) Decode(b []byte) (err error) {
	i.ReplaceIfExists, i.RootDirectory, i.FileName, err = decodeRename(b)
	return err
}

// Append appends the structure.
func (i *FileLinkInformation) Append(dst []byte) []byte {
	return appendRename(dst, i.ReplaceIfExists, i.RootDirectory, i.FileName)
}

func decodeRename(b []byte) (replace bool, root uint64, name string, err error) {
	r := NewReader(b, 0)
	replace = r.boolean()
	r.Skip(7)
	root = r.U64()
	name = r.UTF16(r.len32())
	return replace, root, name, r.Err()
}

func appendRename(dst []byte, replace bool, root uint64, name string) []byte {
	dst = AppendZeros(appendBoolean(dst, replace), 7)
	return appendCounted(AppendU64(dst, root), name)
}

// Bits of a FileRenameInformationEx (MS-FSCC 2.4). Those of the same name
// hold for FileInfoLinkEx, whose structure is the same.
const (
	RenameReplaceIfExists             uint32 = 0x00000001
	RenamePosixSemantics              uint32 = 0x00000002
	RenameSuppressPinStateInheritance uint32 = 0x00000004
	RenameSuppressStorageReserve      uint32 = 0x00000008
	RenameNoIncreaseAvailableSpace    uint32 = 0x00000010
	RenameNoDecreaseAvailableSpace    uint32 = 0x00000020
	RenameIgnoreReadonlyAttribute     uint32 = 0x00000040
	RenameForceResizeTargetStorage    uint32 = 0x00000080
	RenameForceResizeSourceStorage    uint32 = 0x00000100
	RenamePreserveAvailableSpace             = RenameNoIncreaseAvailableSpace | RenameNoDecreaseAvailableSpace
	RenameForceResizeStorage                 = RenameForceResizeTargetStorage | RenameForceResizeSourceStorage
)

// FileRenameInformationEx renames a file, with flags (MS-FSCC 2.4).
type FileRenameInformationEx struct {
	Flags uint32
	// RootDirectory must be 0 over SMB2; the caller checks it.
	RootDirectory uint64
	// FileName is as in FileRenameInformation.
	FileName string
}

// Decode reads the structure. Bytes behind the name are ignored: clients pad.
func (i *FileRenameInformationEx) Decode(b []byte) error {
	r := NewReader(b, 0)
	i.Flags = r.U32()
	r.Skip(4)
	i.RootDirectory = r.U64()
	i.FileName = r.UTF16(r.len32())
	return r.Err()
}

// Append appends the structure.
func (i *FileRenameInformationEx) Append(dst []byte) []byte {
	dst = AppendU32(AppendU32(dst, i.Flags), 0)
	return appendCounted(AppendU64(dst, i.RootDirectory), i.FileName)
}
