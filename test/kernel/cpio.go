package kernel

import (
	"bytes"
	"fmt"
)

// Modes of the entries of an archive: type and permissions as in stat(2).
const (
	modeDir     = 0o040755
	modeFile    = 0o100644
	modeProgram = 0o100755
	modeLink    = 0o120777
	modeChar    = 0o020600
)

// archive is a cpio archive in the "newc" format, which the kernel unpacks as its
// first file system. Several of them, one behind the other, are one file system.
type archive struct {
	buf   bytes.Buffer
	inode int
}

// add appends an entry. Directories must come before what is in them.
func (a *archive) add(name string, mode int, data []byte) { a.entry(name, mode, 0, 0, data) }

// device appends a character device.
func (a *archive) device(name string, major, minor int) { a.entry(name, modeChar, major, minor, nil) }

// bytes ends the archive and returns it.
func (a *archive) bytes() []byte {
	a.entry("TRAILER!!!", 0, 0, 0, nil)
	return a.buf.Bytes()
}

func (a *archive) entry(name string, mode, major, minor int, data []byte) {
	a.inode++
	// inode, mode, uid, gid, links, mtime, size, device (2), device of the node
	// (2), length of the name with its NUL, checksum.
	fmt.Fprintf(&a.buf, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		a.inode, mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(name)+1, 0)
	a.buf.WriteString(name)
	a.buf.WriteByte(0)
	a.pad()
	a.buf.Write(data)
	a.pad()
}

// pad fills up to a multiple of four bytes.
func (a *archive) pad() { a.buf.Write(make([]byte, -a.buf.Len()&3)) }
