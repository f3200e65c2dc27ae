//go:build linux

package localfs

import (
	"math"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"lessor/vfs"
)

// fsIocFiemap is FS_IOC_FIEMAP.
const fsIocFiemap = 0xc020660b

// fiemap is struct fiemap with room for a few extents.
type fiemap struct {
	start, length        uint64
	flags, mapped, count uint32
	reserved             uint32
	extents              [16]struct {
		logical, physical, length uint64
		reserved                  [2]uint64
		flags                     uint32
		reserved32                [3]uint32
	}
}

// maxExtents bounds what extentsOf looks at.
const maxExtents = 1024

// extentsOf tells where a file has storage, ascending, behind its end, too. known is false
// where nobody can tell, or where it is much.
func extentsOf(fd int) (out []vfs.Range, known bool) {
	var m fiemap
	for next := uint64(0); len(out) < maxExtents; {
		m = fiemap{start: next, length: 1<<64 - 1 - next, count: uint32(len(m.extents))}
		_, _, e := syscall.Syscall(unix.SYS_IOCTL, uintptr(fd), fsIocFiemap, uintptr(unsafe.Pointer(&m)))
		if e != 0 {
			return nil, false
		}
		for i := range min(m.mapped, m.count) {
			x := &m.extents[i]
			if next = x.logical + x.length; next < x.logical || next > math.MaxInt64 {
				return nil, false
			}
			out = append(out, vfs.Range{Off: int64(x.logical), Len: int64(x.length)})
		}
		if m.mapped < m.count || m.extents[m.count-1].flags&extentLast != 0 {
			return out, true
		}
	}
	return nil, false
}

// extentLast is FIEMAP_EXTENT_LAST.
const extentLast = 1

// reserved is how many bytes of storage a file without data has. The file system may
// count the block of its extended attributes as well, as ext4 does; that is not storage
// of the file for a client. known is false where nobody can tell, or where it is much.
func reserved(fd int) (n int64, known bool) {
	var m fiemap
	m.length = 1<<64 - 1
	m.count = uint32(len(m.extents))
	_, _, e := syscall.Syscall(unix.SYS_IOCTL, uintptr(fd), fsIocFiemap, uintptr(unsafe.Pointer(&m)))
	if e != 0 || m.mapped >= m.count {
		return 0, false
	}
	for i := range m.mapped {
		n += int64(m.extents[i].length)
	}
	return n, true
}
