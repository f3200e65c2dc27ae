package wire

// DirEntry is one entry of a directory listing, with the fields of all classes
// together (MS-FSCC 2.4). A class carries those that it has; the others are
// ignored on the way out and 0 on the way in.
type DirEntry struct {
	FileIndex      uint32
	CreationTime   Filetime
	LastAccessTime Filetime
	LastWriteTime  Filetime
	ChangeTime     Filetime
	// EndOfFile and AllocationSize are in bytes.
	EndOfFile      int64
	AllocationSize int64
	FileAttributes uint32
	// EaSize and ReparseTag share a field in the older classes, where the
	// attribute FileAttributeReparsePoint says which it is.
	EaSize     uint32
	ReparseTag uint32
	FileID     uint64
	FileID128  [16]byte
	// ShortName is the 8.3 name, of 12 code units at most, or empty.
	ShortName string
	FileName  string

	// Mac replaces EaSize and ShortName in FileInfoIDBothDirectory; nil: it does not. It is
	// not read, as nothing in an entry says that it is there.
	Mac *MacEntry

	// The following are those of FileInfoPosix alone, which takes the inode
	// number from FileID.
	DeviceID uint32
	Links    uint32
	// Mode has the permission bits and the file type, as PosixCreateResponse.
	Mode uint32
	// Owner and Group are SIDs in binary form.
	Owner []byte
	Group []byte
}

// dirParts says of what an entry consists: the parts follow the common fields
// in the order of the constants.
type dirParts uint16

const (
	dirNames    dirParts = 1 << iota // only index and name, nothing common
	dirCommon                        // times, sizes, attributes, length of the name
	dirEa                            // EaSize
	dirPad4                          // four reserved bytes
	dirTag                           // ReparsePointTag
	dirID                            // FileId of 64 bits
	dirID128                         // FileId of 128 bits
	dirShort                         // length, reserved byte and 24 bytes of ShortName
	dirPaddedID                      // two reserved bytes and FileId
	dirPosix                         // the layout of the POSIX extensions
)

// dirClasses has the parts of every class that QUERY_DIRECTORY may ask for.
var dirClasses = [256]dirParts{
	FileInfoDirectory:             dirCommon,
	FileInfoFullDirectory:         dirCommon | dirEa,
	FileInfoIDFullDirectory:       dirCommon | dirEa | dirPad4 | dirID,
	FileInfoBothDirectory:         dirCommon | dirEa | dirShort,
	FileInfoIDBothDirectory:       dirCommon | dirEa | dirShort | dirPaddedID,
	FileInfoNames:                 dirNames,
	FileInfoIDExtdDirectory:       dirCommon | dirEa | dirTag | dirID128,
	FileInfoIDExtdBothDirectory:   dirCommon | dirEa | dirTag | dirID128 | dirShort,
	FileInfoID64ExtdDirectory:     dirCommon | dirEa | dirTag | dirID,
	FileInfoID64ExtdBothDirectory: dirCommon | dirEa | dirTag | dirID | dirShort,
	FileInfoIDAllExtdDirectory:    dirCommon | dirEa | dirTag | dirID | dirID128,
	FileInfoIDAllExtdBothDir:      dirCommon | dirEa | dirTag | dirID | dirID128 | dirShort,
	FileInfoPosix:                 dirPosix,
}

// shortNameSize is the room for a short name in bytes.
const shortNameSize = 24

// dirSizes has the length of an entry of every class without its name and SIDs.
var dirSizes = func() (sizes [256]int) {
	parts := [...]struct {
		part dirParts
		size int
	}{
		{dirNames, 12}, {dirCommon, 64}, {dirEa, 4}, {dirPad4, 4}, {dirTag, 4}, {dirID, 8},
		{dirID128, 16}, {dirShort, 2 + shortNameSize}, {dirPaddedID, 10}, {dirPosix, 92},
	}
	for class, p := range dirClasses {
		for _, part := range parts {
			if p&part.part != 0 {
				sizes[class] += part.size
			}
		}
	}
	return sizes
}()

// DirEntrySize is the length in bytes of an entry of class whose name takes
// nameBytes in UTF-16; the SIDs of FileInfoPosix come on top. It is 0 when
// QUERY_DIRECTORY has no such class.
func DirEntrySize(class uint8, nameBytes int) int {
	if dirClasses[class] == 0 {
		return 0
	}
	return dirSizes[class] + nameBytes
}

// AppendDirEntry appends e in the form of class, one for which DirEntrySize is
// not 0, to a list made with DirEntryAlign. It returns false, and leaves the
// list as it was, when the entry does not fit.
func (l *EntryList) AppendDirEntry(class uint8, e *DirEntry) bool {
	p := dirClasses[class]
	nameLen := UTF16Len(e.FileName)
	size := dirSizes[class] + nameLen
	if p&dirPosix != 0 {
		size += len(e.Owner) + len(e.Group)
	}
	if p == 0 || !l.begin(size) {
		return false
	}
	b := AppendU32(l.Bytes, 0)
	b = AppendU32(b, e.FileIndex)
	switch {
	case p&dirPosix != 0:
		b = e.appendPosix(b)
		b = AppendU32(b, uint32(nameLen))
	case p&dirNames != 0:
		b = AppendU32(b, uint32(nameLen))
	default:
		b = e.appendTimesAndSizes(b)
		b = AppendU32(b, uint32(nameLen))
		b = e.appendParts(b, p)
	}
	l.Bytes = AppendUTF16(b, e.FileName)
	return true
}

func (e *DirEntry) appendTimesAndSizes(b []byte) []byte {
	b = AppendFiletime(b, e.CreationTime)
	b = AppendFiletime(b, e.LastAccessTime)
	b = AppendFiletime(b, e.LastWriteTime)
	b = AppendFiletime(b, e.ChangeTime)
	b = AppendU64(b, uint64(e.EndOfFile))
	b = AppendU64(b, uint64(e.AllocationSize))
	return AppendU32(b, e.FileAttributes)
}

func (e *DirEntry) appendParts(b []byte, p dirParts) []byte {
	if p&dirPaddedID != 0 && e.Mac != nil {
		return e.Mac.append(b, e.FileID)
	}
	if p&dirEa != 0 {
		v := e.EaSize
		if p&dirTag == 0 && e.FileAttributes&FileAttributeReparsePoint != 0 {
			v = e.ReparseTag
		}
		b = AppendU32(b, v)
	}
	if p&dirPad4 != 0 {
		b = AppendU32(b, 0)
	}
	if p&dirTag != 0 {
		b = AppendU32(b, e.ReparseTag)
	}
	if p&dirID != 0 {
		b = AppendU64(b, e.FileID)
	}
	if p&dirID128 != 0 {
		b = append(b, e.FileID128[:]...)
	}
	if p&dirShort != 0 {
		b = appendShortName(b, e.ShortName)
	}
	if p&dirPaddedID != 0 {
		b = AppendU64(AppendU16(b, 0), e.FileID)
	}
	return b
}

// MacEntry is what clients of Apple find in an entry of FileInfoIDBothDirectory, if
// client and server have agreed on AAPLSupportsReadDirAttr.
type MacEntry struct {
	MaxAccess    uint32   // rights of the user, in the place of EaSize
	ResourceSize uint64   // bytes of the resource fork
	Finder       [16]byte // the essence of the Finder's information
	Mode         uint16   // st_mode, with AAPLUnixBased
}

func (m *MacEntry) append(b []byte, id uint64) []byte {
	b = append(AppendU32(b, m.MaxAccess), shortNameSize, 0)
	b = append(AppendU64(b, m.ResourceSize), m.Finder[:]...)
	return AppendU64(AppendU16(b, m.Mode), id)
}

// appendShortName appends the length, a reserved byte and the room of a short
// name. A name that is too long for it is none.
func appendShortName(b []byte, name string) []byte {
	n := UTF16Len(name)
	if n > shortNameSize {
		n, name = 0, ""
	}
	b = AppendUTF16(append(b, byte(n), 0), name)
	return AppendZeros(b, shortNameSize-n)
}

// appendPosix appends what stands between FileIndex and the length of the name
// in the POSIX extensions, which is also the whole of FilePosixInformation.
func (e *DirEntry) appendPosix(b []byte) []byte {
	b = e.appendTimesAndSizes(b)
	b = AppendU64(b, e.FileID)
	b = AppendU32(b, e.DeviceID)
	b = AppendU32(b, 0)
	b = AppendU32(b, e.Links)
	b = AppendU32(b, e.ReparseTag)
	b = AppendU32(b, e.Mode)
	b = append(b, e.Owner...)
	return append(b, e.Group...)
}

// DecodeDirEntries reads the buffer of a QUERY_DIRECTORY response. The SIDs
// alias b. An unknown class is ErrMalformed.
func DecodeDirEntries(b []byte, class uint8) ([]DirEntry, error) {
	p := dirClasses[class]
	if p == 0 {
		return nil, ErrMalformed
	}
	var list []DirEntry
	it := entries(b, DirEntryAlign)
	for it.next() {
		r := NewReader(it.entry, 4)
		var e DirEntry
		e.read(&r, p)
		if r.Err() != nil {
			return nil, r.Err()
		}
		list = append(list, e)
	}
	return list, it.err
}

func (e *DirEntry) read(r *Reader, p dirParts) {
	e.FileIndex = r.U32()
	var nameLen uint32
	switch {
	case p&dirPosix != 0:
		e.readPosix(r)
		nameLen = r.U32()
	case p&dirNames != 0:
		nameLen = r.U32()
	default:
		e.readTimesAndSizes(r)
		nameLen = r.U32()
		e.readParts(r, p)
	}
	if uint64(nameLen) > uint64(r.Len()) {
		r.Fail(ErrTruncated)
		return
	}
	e.FileName = r.UTF16(int(nameLen))
}

func (e *DirEntry) readTimesAndSizes(r *Reader) {
	e.CreationTime = r.Filetime()
	e.LastAccessTime = r.Filetime()
	e.LastWriteTime = r.Filetime()
	e.ChangeTime = r.Filetime()
	e.EndOfFile = int64(r.U64())
	e.AllocationSize = int64(r.U64())
	e.FileAttributes = r.U32()
}

func (e *DirEntry) readParts(r *Reader, p dirParts) {
	if p&dirEa != 0 {
		e.EaSize = r.U32()
		if p&dirTag == 0 && e.FileAttributes&FileAttributeReparsePoint != 0 {
			e.EaSize, e.ReparseTag = 0, e.EaSize
		}
	}
	if p&dirPad4 != 0 {
		r.Skip(4)
	}
	if p&dirTag != 0 {
		e.ReparseTag = r.U32()
	}
	if p&dirID != 0 {
		e.FileID = r.U64()
	}
	if p&dirID128 != 0 {
		r.Copy(e.FileID128[:])
	}
	if p&dirShort != 0 {
		n := int(r.U8())
		r.Skip(1)
		at := r.Offset()
		r.Skip(shortNameSize)
		if n > shortNameSize {
			r.Fail(ErrMalformed)
			return
		}
		e.ShortName = r.UTF16At(at, n)
	}
	if p&dirPaddedID != 0 {
		r.Skip(2)
		e.FileID = r.U64()
	}
}

func (e *DirEntry) readPosix(r *Reader) {
	e.readTimesAndSizes(r)
	e.FileID = r.U64()
	e.DeviceID = r.U32()
	r.Skip(4)
	e.Links = r.U32()
	e.ReparseTag = r.U32()
	e.Mode = r.U32()
	e.Owner = r.SID()
	e.Group = r.SID()
}

// FilePosixInformation answers a QUERY_INFO of FileInfoPosix: everything that
// stat tells, in one piece. The POSIX extensions of SMB 3.1.1 define it; a
// listing of the same class has a name in addition, see DirEntry.
type FilePosixInformation struct {
	CreationTime   Filetime
	LastAccessTime Filetime
	LastWriteTime  Filetime
	ChangeTime     Filetime
	// EndOfFile and AllocationSize are in bytes.
	EndOfFile      int64
	AllocationSize int64
	FileAttributes uint32
	// Inode and DeviceID are st_ino and st_dev.
	Inode    uint64
	DeviceID uint32
	// Posix is the rest, which is also the answer to the create context.
	Posix PosixCreateResponse
}

// Decode reads the structure.
func (i *FilePosixInformation) Decode(b []byte) error {
	r := NewReader(b, 0)
	var e DirEntry
	e.readPosix(&r)
	*i = FilePosixInformation{
		CreationTime: e.CreationTime, LastAccessTime: e.LastAccessTime,
		LastWriteTime: e.LastWriteTime, ChangeTime: e.ChangeTime,
		EndOfFile: e.EndOfFile, AllocationSize: e.AllocationSize, FileAttributes: e.FileAttributes,
		Inode: e.FileID, DeviceID: e.DeviceID,
		Posix: PosixCreateResponse{
			Links: e.Links, ReparseTag: e.ReparseTag, Mode: e.Mode, Owner: e.Owner, Group: e.Group,
		},
	}
	return r.Err()
}

// Append appends the structure: 80 bytes and two SIDs.
func (i *FilePosixInformation) Append(dst []byte) []byte {
	e := DirEntry{
		CreationTime: i.CreationTime, LastAccessTime: i.LastAccessTime,
		LastWriteTime: i.LastWriteTime, ChangeTime: i.ChangeTime,
		EndOfFile: i.EndOfFile, AllocationSize: i.AllocationSize, FileAttributes: i.FileAttributes,
		FileID: i.Inode, DeviceID: i.DeviceID,
		Links: i.Posix.Links, ReparseTag: i.Posix.ReparseTag, Mode: i.Posix.Mode,
		Owner: i.Posix.Owner, Group: i.Posix.Group,
	}
	return e.appendPosix(dst)
}
