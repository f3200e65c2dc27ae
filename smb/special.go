package smb

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"lessor/smb/wire"
	"lessor/vfs"
)

// Special files: FIFOs, sockets and devices. Those that the storage has are shown as
// reparse points of the NFS server of Windows (MS-FSCC 2.1.2.6). Those that clients make
// are files that have a reparse point stored, of that kind or of WSL's.

// specialFile is what a kind of special file is called.
type specialFile struct {
	posix uint32 // type in the mode of the POSIX extensions
	nfs   uint64 // type in a reparse point of NFS
}

// specialFiles has them by their name in the storage.
var specialFiles = [...]specialFile{
	vfs.SpecialNone:        {posix: posixFile},
	vfs.SpecialFIFO:        {posixFIFO, wire.NfsSpecialFifo},
	vfs.SpecialSocket:      {posixSocket, wire.NfsSpecialSock},
	vfs.SpecialCharDevice:  {posixCharDevice, wire.NfsSpecialChr},
	vfs.SpecialBlockDevice: {posixBlockDevice, wire.NfsSpecialBlk},
}

// wslFiles are the types that tags of WSL stand for (MS-FSCC 2.1.2.1).
var wslFiles = map[uint32]uint32{
	wire.ReparseTagAFUnix: posixSocket,
	wire.ReparseTagLxFifo: posixFIFO,
	wire.ReparseTagLxChr:  posixCharDevice,
	wire.ReparseTagLxBlk:  posixBlockDevice,
}

// storedTag is the tag of a stored reparse point, which has at least a header.
func storedTag(reparse string) uint32 { return binary.LittleEndian.Uint32([]byte(reparse[:4])) }

// storedType is the type, in terms of the POSIX extensions, of a file with this reparse
// point. What means nothing to them is a file.
func storedType(reparse string) uint32 {
	tag := storedTag(reparse)
	if tag != wire.ReparseTagNFS {
		return wslFiles[tag]
	}
	var nfs wire.NfsReparse
	if nfs.Decode([]byte(reparse)) == nil {
		for _, f := range specialFiles[vfs.SpecialFIFO:] {
			if f.nfs == nfs.Type {
				return f.posix
			}
		}
	}
	return posixFile
}

// specialReparse is the reparse point as which a special file of the storage is shown.
func specialReparse(at *vfs.Attr) *wire.NfsReparse {
	p := &wire.NfsReparse{Type: specialFiles[at.Special].nfs}
	if at.Special == vfs.SpecialCharDevice || at.Special == vfs.SpecialBlockDevice {
		p.Major, p.Minor = unix.Major(at.Rdev), unix.Minor(at.Rdev)
	}
	return p
}

// isReparsePoint reports whether what has these attributes is a reparse point, and
// not what it stands for.
func isReparsePoint(at *vfs.Attr) bool { return reparseTag(at) != 0 }
