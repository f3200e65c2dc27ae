package wire

// Times in a FileBasicInformation that is set have two special values
// (MS-FSCC 2.4.7). 0 leaves the time as it is, too.
const (
	// TimeFreeze: keep this time, and do not update it for what is done
	// through this open.
	TimeFreeze Filetime = -1
	// TimeThaw: take TimeFreeze back.
	TimeThaw Filetime = -2
)

// FileBasicInformation has times and attributes (MS-FSCC 2.4.7).
type FileBasicInformation struct {
	CreationTime   Filetime
	LastAccessTime Filetime
	LastWriteTime  Filetime
	ChangeTime     Filetime
	FileAttributes uint32
}

// Decode reads the structure. Its last four bytes, reserved, may be missing.
func (i *FileBasicInformation) Decode(b []byte) error {
	r := NewReader(b, 0)
	i.read(&r)
	return r.Err()
}

func (i *FileBasicInformation) read(r *Reader) {
	i.CreationTime = r.Filetime()
	i.LastAccessTime = r.Filetime()
	i.LastWriteTime = r.Filetime()
	i.ChangeTime = r.Filetime()
	i.FileAttributes = r.U32()
}

// Append appends the 40 bytes of the structure.
func (i *FileBasicInformation) Append(dst []byte) []byte {
	dst = AppendFiletime(dst, i.CreationTime)
	dst = AppendFiletime(dst, i.LastAccessTime)
	dst = AppendFiletime(dst, i.LastWriteTime)
	dst = AppendFiletime(dst, i.ChangeTime)
	dst = AppendU32(dst, i.FileAttributes)
	return AppendU32(dst, 0)
}

// FileStandardInformation has sizes and the link count (MS-FSCC 2.4).
type FileStandardInformation struct {
	// AllocationSize and EndOfFile are in bytes.
	AllocationSize int64
	EndOfFile      int64
	NumberOfLinks  uint32
	DeletePending  bool
	Directory      bool
}

// Decode reads the structure.
func (i *FileStandardInformation) Decode(b []byte) error {
	r := NewReader(b, 0)
	i.read(&r)
	return r.Err()
}

func (i *FileStandardInformation) read(r *Reader) {
	i.AllocationSize = int64(r.U64())
	i.EndOfFile = int64(r.U64())
	i.NumberOfLinks = r.U32()
	i.DeletePending = r.boolean()
	i.Directory = r.boolean()
	r.Skip(2)
}

// Append appends the 24 bytes of the structure.
func (i *FileStandardInformation) Append(dst []byte) []byte {
	dst = AppendU64(dst, uint64(i.AllocationSize))
	dst = AppendU64(dst, uint64(i.EndOfFile))
	dst = AppendU32(dst, i.NumberOfLinks)
	dst = appendBoolean(dst, i.DeletePending)
	dst = appendBoolean(dst, i.Directory)
	return AppendU16(dst, 0)
}

// FileStandardLinkInformation has the link counts (MS-FSCC 2.4).
type FileStandardLinkInformation struct {
	NumberOfAccessibleLinks uint32
	TotalNumberOfLinks      uint32
	DeletePending           bool
	Directory               bool
}

// Decode reads the structure.
func (i *FileStandardLinkInformation) Decode(b []byte) error {
	r := NewReader(b, 0)
	i.NumberOfAccessibleLinks = r.U32()
	i.TotalNumberOfLinks = r.U32()
	i.DeletePending = r.boolean()
	i.Directory = r.boolean()
	r.Skip(2)
	return r.Err()
}

// Append appends the 12 bytes of the structure.
func (i *FileStandardLinkInformation) Append(dst []byte) []byte {
	dst = AppendU32(dst, i.NumberOfAccessibleLinks)
	dst = AppendU32(dst, i.TotalNumberOfLinks)
	dst = appendBoolean(dst, i.DeletePending)
	dst = appendBoolean(dst, i.Directory)
	return AppendU16(dst, 0)
}

// FileNetworkOpenInformation is what a client wants to know on opening
// (MS-FSCC 2.4).
type FileNetworkOpenInformation struct {
	CreationTime   Filetime
	LastAccessTime Filetime
	LastWriteTime  Filetime
	ChangeTime     Filetime
	// AllocationSize and EndOfFile are in bytes.
	AllocationSize int64
	EndOfFile      int64
	FileAttributes uint32
}

// Decode reads the structure.
func (i *FileNetworkOpenInformation) Decode(b []byte) error {
	r := NewReader(b, 0)
	i.CreationTime = r.Filetime()
	i.LastAccessTime = r.Filetime()
	i.LastWriteTime = r.Filetime()
	i.ChangeTime = r.Filetime()
	i.AllocationSize = int64(r.U64())
	i.EndOfFile = int64(r.U64())
	i.FileAttributes = r.U32()
	r.Skip(4)
	return r.Err()
}

// Append appends the 56 bytes of the structure.
func (i *FileNetworkOpenInformation) Append(dst []byte) []byte {
	dst = AppendFiletime(dst, i.CreationTime)
	dst = AppendFiletime(dst, i.LastAccessTime)
	dst = AppendFiletime(dst, i.LastWriteTime)
	dst = AppendFiletime(dst, i.ChangeTime)
	dst = AppendU64(dst, uint64(i.AllocationSize))
	dst = AppendU64(dst, uint64(i.EndOfFile))
	dst = AppendU32(dst, i.FileAttributes)
	return AppendU32(dst, 0)
}

// FileAttributeTagInformation has the attributes and the reparse tag (MS-FSCC
// 2.4.6).
type FileAttributeTagInformation struct {
	FileAttributes uint32
	ReparseTag     uint32
}

// Decode reads the structure.
func (i *FileAttributeTagInformation) Decode(b []byte) error {
	r := NewReader(b, 0)
	i.FileAttributes = r.U32()
	i.ReparseTag = r.U32()
	return r.Err()
}

// Append appends the 8 bytes of the structure.
func (i *FileAttributeTagInformation) Append(dst []byte) []byte {
	return AppendU32(AppendU32(dst, i.FileAttributes), i.ReparseTag)
}

// FileIDInformation is the identity of a file (MS-FSCC 2.4).
type FileIDInformation struct {
	VolumeSerialNumber uint64
	FileID             [16]byte
}

// Decode reads the structure.
func (i *FileIDInformation) Decode(b []byte) error {
	r := NewReader(b, 0)
	i.VolumeSerialNumber = r.U64()
	r.Copy(i.FileID[:])
	return r.Err()
}

// Append appends the 24 bytes of the structure.
func (i *FileIDInformation) Append(dst []byte) []byte {
	return append(AppendU64(dst, i.VolumeSerialNumber), i.FileID[:]...)
}

// boolean reads one byte, of which every value but 0 is true.
func (r *Reader) boolean() bool { return r.U8() != 0 }

func appendBoolean(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}
