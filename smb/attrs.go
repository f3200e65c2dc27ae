package smb

import (
	"encoding/binary"

	"lessor/smb/wire"
	"lessor/vfs"
	"lessor/vfs/names"
)

// What clients see of the attributes that a file system keeps (MS-FSCC 2.4, 2.6).

// basic is the times and attributes of what is open (MS-FSCC 2.4.7).
func (o *open) basic(at *vfs.Attr) wire.FileBasicInformation {
	_, base := names.Split(o.path())
	return wire.FileBasicInformation{
		CreationTime:   wire.FiletimeOf(at.Birth),
		LastAccessTime: wire.FiletimeOf(at.Access),
		LastWriteTime:  wire.FiletimeOf(o.share().writeTime(at)),
		ChangeTime:     wire.FiletimeOf(at.Change),
		FileAttributes: o.share().attributes(at, base),
	}
}

// dosAttributes is the attributes of a file of that name. Bits that somebody
// stored count. Where nobody has, a file is to be archived, as that is what a new
// one gets (see defaultDOS); it is read-only if nobody may write it, and hidden if
// its name has a leading dot and hideDots is set.
func dosAttributes(at *vfs.Attr, name string, hideDots bool) uint32 {
	a := at.DOS & vfs.DOSMask
	if !at.DOSSet {
		a = 0
		if at.Type == vfs.TypeRegular || at.Type == vfs.TypeStream {
			a = wire.FileAttributeArchive
			if at.Mode&0o222 == 0 {
				a |= wire.FileAttributeReadonly
			}
		}
		if hideDots && len(name) > 1 && name[0] == '.' && name != ".." {
			a |= wire.FileAttributeHidden
		}
	}
	if a &^= wire.FileAttributeCompressed; at.Compressed {
		a |= wire.FileAttributeCompressed // what was stored about it says nothing
	}
	if at.Type == vfs.TypeDirectory {
		a |= wire.FileAttributeDirectory
	}
	if isReparsePoint(at) {
		a |= wire.FileAttributeReparsePoint
	}
	if a == 0 {
		a = wire.FileAttributeNormal
	}
	return a
}

// reparseTag is the tag of what has FILE_ATTRIBUTE_REPARSE_POINT, else 0. Devices,
// FIFOs and sockets have that of the NFS server of Windows (MS-FSCC 2.1.2.6).
func reparseTag(at *vfs.Attr) uint32 {
	switch {
	case at.Type == vfs.TypeSymlink:
		return wire.ReparseTagSymlink
	case at.Type == vfs.TypeOther:
		return wire.ReparseTagNFS
	case at.Reparse != "":
		return storedTag(at.Reparse)
	default:
		return 0
	}
}

// allocationSize is the storage in use in bytes; directories show none.
func allocationSize(at *vfs.Attr) int64 {
	if at.Type == vfs.TypeDirectory {
		return 0
	}
	return at.Alloc
}

// endOfFile is the size in bytes; directories show none.
func endOfFile(at *vfs.Attr) int64 {
	if at.Type == vfs.TypeDirectory {
		return 0
	}
	return at.Size
}

// indexNumber is the 64-bit identity of a file on its share (MS-FSCC 2.1.9).
func indexNumber(at *vfs.Attr) uint64 { return at.ID.Inode }

// fileID128 is the 128-bit identity of a file (MS-FSCC 2.1.10): the 64-bit one,
// as NTFS does it, since clients compare the two.
func fileID128(at *vfs.Attr) (id [16]byte) {
	binary.LittleEndian.PutUint64(id[:], at.ID.Inode)
	return id
}

// linkCount is NumberOfLinks: that of a directory is 1, and a name that is about
// to be deleted does not count (MS-FSA 2.1.5.12.27).
func linkCount(at *vfs.Attr, deletePending bool) uint32 {
	n := at.NLink
	if at.Type == vfs.TypeDirectory {
		n = 1
	}
	if deletePending && n > 0 {
		n--
	}
	return n
}
