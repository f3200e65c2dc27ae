package vfs

import (
	"encoding/binary"
	"time"
)

// NodeID identifies a file for as long as it exists, across renames and, where
// Caps has CapPersistentIDs, across restarts of the server. A new file never
// has the ID of an earlier one: a reused inode number differs in Generation.
// The zero value denotes no file. A stream has the ID of its file.
type NodeID struct {
	Volume     uint64 // storage volume; several may lie below one FS root
	Inode      uint64 // number within the volume; the FileId shown to clients
	Generation uint64 // tells successive users of one inode number apart
}

// Key returns the ID as 24 opaque bytes, equal exactly when the IDs are equal.
func (id NodeID) Key() [24]byte {
	var k [24]byte
	binary.LittleEndian.PutUint64(k[0:], id.Volume)
	binary.LittleEndian.PutUint64(k[8:], id.Inode)
	binary.LittleEndian.PutUint64(k[16:], id.Generation)
	return k
}

// IsZero reports whether the ID denotes no file.
func (id NodeID) IsZero() bool { return id == NodeID{} }

// Cred says for whom a call is made. A nil *Cred is the server itself, which
// may do whatever the operating system lets the process do. A Cred is
// immutable once it was passed to a call.
type Cred struct {
	UID    uint32
	GID    uint32
	Groups []uint32 // supplementary groups
	SIDs   []string // the user's SID first, then those of its groups
}

// FileType is the kind of a Node or directory entry.
type FileType uint8

// The kinds of Node. TypeUnknown occurs only in a DirEntry.
const (
	TypeUnknown   FileType = iota // a directory entry that needs EntryAttr
	TypeRegular                   // a file with data
	TypeDirectory                 // a directory
	TypeSymlink                   // a symbolic link, from Lookup with NoFollow
	TypeStream                    // a named data stream of a file or directory
	TypeOther                     // a device, FIFO or socket: never opened
)

// String names the type for logs and test failures.
func (t FileType) String() string {
	switch t {
	case TypeRegular:
		return "regular"
	case TypeDirectory:
		return "directory"
	case TypeSymlink:
		return "symlink"
	case TypeStream:
		return "stream"
	case TypeOther:
		return "other"
	default:
		return "unknown"
	}
}

// MinReparse and MaxReparse bound the length of a reparse point in bytes.
const (
	MinReparse = 8
	MaxReparse = 16384
)

// ObjectIDSize is the length of an object id with what belongs to it, in bytes (MS-FSCC
// 2.1.3.1).
const ObjectIDSize = 64

// SpecialType says what a TypeOther is.
type SpecialType uint8

// The values of SpecialType. Its zero value belongs to every other type.
const (
	SpecialNone SpecialType = iota
	SpecialFIFO
	SpecialSocket
	SpecialCharDevice
	SpecialBlockDevice
)

// The stored attribute bits of Attr.DOS and SetAttr.DOS, with the values of
// MS-FSCC 2.6. FILE_ATTRIBUTE_DIRECTORY, _NORMAL and _REPARSE_POINT are derived
// by the caller and never stored.
const (
	DOSReadOnly   uint32 = 0x00000001
	DOSHidden     uint32 = 0x00000002
	DOSSystem     uint32 = 0x00000004
	DOSArchive    uint32 = 0x00000020
	DOSTemporary  uint32 = 0x00000100
	DOSSparse     uint32 = 0x00000200
	DOSCompressed uint32 = 0x00000800
	DOSOffline    uint32 = 0x00001000
	DOSNotIndexed uint32 = 0x00002000

	// DOSMask is the set of bits that a file system stores.
	DOSMask = DOSReadOnly | DOSHidden | DOSSystem | DOSArchive | DOSTemporary |
		DOSSparse | DOSCompressed | DOSOffline | DOSNotIndexed
)

// Attr is what a file system knows about a Node without opening it.
type Attr struct {
	ID    NodeID
	Type  FileType
	Size  int64  // bytes up to the end of file; 0 for directories
	Alloc int64  // bytes of storage in use
	NLink uint32 // number of names
	UID   uint32
	GID   uint32
	Mode  uint32 // POSIX permission bits and setuid, setgid, sticky: 07777
	Rdev  uint64 // device number of a TypeOther device, as makedev gives it
	// Special says what a TypeOther is.
	Special SpecialType
	// Reparse is the reparse point that somebody stored with a regular file or a directory
	// (see Node.SetReparse), empty if there is none.
	Reparse string
	Birth   time.Time
	Access  time.Time
	Modify  time.Time
	Change  time.Time // last change of data or metadata
	DOS     uint32    // stored attribute bits, a subset of DOSMask; valid if DOSSet
	DOSSet  bool      // somebody stored attribute bits; else derive them from Mode
	// Compressed says that the storage compresses what is written to the file, or that
	// of a directory, to the files that are made in it.
	Compressed bool
	// HasXattr, from Handle.EntryAttr, says that the file has extended attributes,
	// so that a listing that shows their size need not look for them in vain. It
	// means nothing elsewhere.
	HasXattr bool
	// Lacks, from Handle.EntryAttr, is what the file is known not to have, so that a
	// listing need not look for it. It is empty elsewhere, and where nothing is known.
	Lacks Extras
}

// Extras is a set of what may be stored with a file beside its data and attributes.
type Extras uint8

// The bits of Extras.
const (
	ExtraStreams  Extras = 1 << iota // named streams
	ExtraSecurity                    // a security descriptor
	ExtraPosixACL                    // an access ACL beside the permission bits
)

// Has reports whether all of want are in the set.
func (e Extras) Has(want Extras) bool { return e&want == want }

// AttrMask says which fields of a SetAttr are to be applied.
type AttrMask uint32

// The bits of AttrMask.
const (
	SetSize AttrMask = 1 << iota
	SetMode
	SetUID
	SetGID
	SetBirth
	SetAccess
	SetModify
	SetChange // ignored without error by an FS that lacks CapChangeTime
	SetDOS
	SetCompressed // regular files and directories, with CapCompression
)

// SetAttr is a change of attributes; only the fields named by Mask count.
type SetAttr struct {
	Mask   AttrMask
	Size   int64  // new end of file, >= 0; regular files and streams only
	Mode   uint32 // POSIX permission bits: 07777
	UID    uint32
	GID    uint32
	Birth  time.Time
	Access time.Time
	Modify time.Time
	Change time.Time
	DOS    uint32 // replaces all stored attribute bits; bits outside DOSMask are dropped
	// Compressed has new data compressed from now on, or no longer; what is stored
	// already may stay as it is.
	Compressed bool
}

// Caps is the set of abilities of an FS. A missing ability answers
// errors.ErrUnsupported.
type Caps uint32

// The bits of Caps.
const (
	CapStreams       Caps = 1 << iota // named data streams
	CapXattr                          // extended attributes
	CapSecurity                       // security descriptors are stored
	CapDOS                            // DOS attributes and birth time are stored
	CapReflink                        // Handle.CloneFrom
	CapSparse                         // holes: AllocPunch and AllocatedRanges
	CapHardLinks                      // Node.Link
	CapSymlinks                       // Node.Symlink, Node.Readlink
	CapPersistentIDs                  // NodeIDs hold across restarts
	CapByID                           // FS.ByID
	CapCaseSensitive                  // names that differ in case alone can coexist
	CapChangeTime                     // SetChange is applied
	CapSubsecond                      // times are kept to 100 ns or better
	CapRangeLocks                     // Handle.LockRange, of regular files
	CapLeases                         // Handle.Lease, of regular files
	CapReparse                        // Node.SetReparse, of regular files and directories
	CapCompression                    // SetCompressed
	CapObjectID                       // Node.ObjectID, Node.SetObjectID
)

// Has reports whether all abilities of want are present.
func (c Caps) Has(want Caps) bool { return c&want == want }

// FSInfo describes a volume and how full it is.
type FSInfo struct {
	VolumeID  uint64 // NodeID.Volume of the root
	Label     string // volume label, may be empty
	Type      string // name of the file system, such as "ext4"
	BlockSize uint32 // bytes per block, the unit of the next three; never 0
	Blocks    uint64 // size of the volume
	Free      uint64 // blocks not in use
	Avail     uint64 // blocks which the caller may use
	Files     uint64 // how many files the volume can hold, 0 if unlimited
	FilesFree uint64
	MaxName   int // longest name in bytes
	ReadOnly  bool
	Created   time.Time // birth of the root directory
}

// OpenMode says how a Node is opened. The zero value, as a hint, means that no
// open is expected; for Open it means neither reading nor writing, which still
// yields a Handle good for Sync and Fd.
type OpenMode struct {
	Read  bool // read data, or list a directory
	Write bool // write data, truncate, allocate; not for directories
	Sync  bool // every write is on stable storage before it returns
}

// LookupOptions refine Node.Lookup.
type LookupOptions struct {
	// Fold matches names without regard to case where no exact match exists.
	Fold bool
	// Form matches names that have the same normal form C of Unicode where no exact
	// match exists; with Fold, without regard to case besides, what differs in its form
	// alone going first.
	Form bool
	// NoFollow yields the symbolic link itself if the last component is one.
	NoFollow bool
	// Parent asks for the directory if the last component alone is missing: the
	// Node then is that directory, to be released by the caller, the actual
	// path is the directory's stored path, a '/' if that is not empty, and the
	// last name as given, and the error is fs.ErrNotExist.
	Parent bool
	// Hint is the mode in which the caller will probably Open the Node, so that
	// an implementation may do both in one step. It never makes Lookup fail: a
	// node that cannot be opened so is still found.
	Hint OpenMode
}

// CreateOptions describe the new object of Node.Create.
type CreateOptions struct {
	// Type is TypeRegular or TypeDirectory.
	Type FileType
	// Mode holds permission bits; 0 means the default of the file system, unless
	// ModeSet says that the object is to have exactly these, whatever the umask of the
	// process. A directory that passes its group on does so nevertheless.
	Mode    uint32
	ModeSet bool
	// Group is the group of the new object if GroupSet, unless the directory passes its own
	// on. By default it is that of the Cred.
	Group    uint32
	GroupSet bool
	// Fold refuses with fs.ErrExist if a name that differs in case alone
	// exists. Of concurrent creators of one folded name exactly one succeeds.
	Fold bool
	// Form does so for a name that has the same normal form C of Unicode; with Fold,
	// without regard to case besides.
	Form bool
	// DOS holds the stored attribute bits of the new object if DOSSet.
	DOS    uint32
	DOSSet bool
	// Birth overrides the time of birth unless it is zero.
	Birth time.Time
	// Hint is the mode in which the caller will probably Open the Node.
	Hint OpenMode
}

// StreamInfo describes a named data stream.
type StreamInfo struct {
	Name  string // without colons or type, as stored
	Size  int64  // bytes
	Alloc int64  // bytes of storage in use
}

// DirEntry is one entry of a directory listing.
type DirEntry struct {
	Name  string   // as stored
	Type  FileType // TypeUnknown if only EntryAttr can tell
	Inode uint64   // NodeID.Inode, or 0 if unknown
}

// Range is a span of a file in bytes.
type Range struct {
	Off int64
	Len int64
}

// AllocMode says what Handle.Alloc does to a span.
type AllocMode uint8

// The modes of Handle.Alloc.
const (
	// AllocReserve provides storage for the span; size and data stay.
	AllocReserve AllocMode = iota
	// AllocZero makes the span read as zeros; it stops at the end of file.
	AllocZero
	// AllocPunch as AllocZero, and frees the storage if it can.
	AllocPunch
)

// Access is a set of what Node.Access is asked about.
type Access uint8

// The bits of Access.
const (
	AccessRead   Access = 1 << iota // read data, or list a directory
	AccessWrite                     // write data, or change the names of a directory
	AccessSearch                    // use the names of a directory
)

// LockMode is what Handle.LockRange makes of a range.
type LockMode uint8

// The modes of Handle.LockRange.
const (
	// LockNone gives back what the Handle holds in the range.
	LockNone LockMode = iota
	// LockShared keeps others from locking the range exclusively.
	LockShared
	// LockExclusive keeps others from locking the range.
	LockExclusive
)
