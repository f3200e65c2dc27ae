//go:build linux

package localfs

import (
	"bytes"
	"runtime"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxXattr is the largest value that Linux takes, XATTR_SIZE_MAX.
const maxXattr = 64 << 10

// xname is the NUL-terminated name of an extended attribute.
type xname []byte

// newXname makes an xname from the parts of a name.
func newXname(parts ...string) xname {
	var x xname
	for _, p := range parts {
		x = append(x, p...)
	}
	return append(x, 0)
}

// String returns the name.
func (x xname) String() string { return string(bytes.TrimSuffix(x, []byte{0})) }

// getxattrat and listxattrat of Linux 6.13, the same on all machines. They spare
// the way through /proc, which costs more than the rest of the call. They do not
// take O_PATH descriptors without a name.
const (
	sysGetXattrAt  = 464
	sysListXattrAt = 465
)

// xattrArgs is struct xattr_args.
type xattrArgs struct {
	value uint64
	size  uint32
	flags uint32
}

// noGetXattrAt is set once the kernel turned out not to have the calls, or a
// sandbox to forbid them.
var noGetXattrAt atomic.Bool

// getXattr reads a value into buf and returns its length. The descriptor may
// be O_PATH; path then says so. With an empty buf it returns the length alone.
func getXattr(fd int, path bool, name xname, buf []byte) (int, syscall.Errno) {
	if !path {
		n, _, e := syscall.Syscall6(unix.SYS_FGETXATTR, uintptr(fd), uintptr(unsafe.Pointer(&name[0])),
			uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(len(buf)), 0, 0)
		return int(n), e
	}
	var p procPath
	p.set(fd)
	n, _, e := syscall.Syscall6(unix.SYS_GETXATTR, uintptr(unsafe.Pointer(&p[0])), uintptr(unsafe.Pointer(&name[0])),
		uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(len(buf)), 0, 0)
	return int(n), e
}

// getXattrAt reads a value of a name in a directory, not following a link. buf
// must be on the heap, where it has one address for ever: inside a struct the
// kernel gets the address as a number.
func getXattrAt(dirfd int, entry string, name xname, buf []byte) (int, syscall.Errno) {
	if !noGetXattrAt.Load() {
		var stack [pathOnStack]byte
		p := cstring(stack[:], entry)
		if n, e, known := getXattrAt6(dirfd, &p[0], name, buf); known {
			return n, e
		}
	}
	var p procPath
	if !p.setName(dirfd, entry) {
		return 0, syscall.ENAMETOOLONG
	}
	n, _, e := syscall.Syscall6(unix.SYS_LGETXATTR, uintptr(unsafe.Pointer(&p[0])), uintptr(unsafe.Pointer(&name[0])),
		uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(len(buf)), 0, 0)
	return int(n), e
}

// getXattrAt6 is getxattrat; known is false if there is no such call.
func getXattrAt6(dirfd int, path *byte, name xname, buf []byte) (n int, e syscall.Errno, known bool) {
	args := xattrArgs{value: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(buf)))), size: uint32(len(buf))}
	r, _, e := syscall.Syscall6(sysGetXattrAt, uintptr(dirfd), uintptr(unsafe.Pointer(path)), unix.AT_SYMLINK_NOFOLLOW,
		uintptr(unsafe.Pointer(&name[0])), uintptr(unsafe.Pointer(&args)), unsafe.Sizeof(args))
	runtime.KeepAlive(buf)
	if e == syscall.ENOSYS || e == syscall.EPERM {
		noGetXattrAt.Store(true)
		return 0, 0, false
	}
	return int(r), e, true
}

// setXattr stores a value; flags are XATTR_CREATE or XATTR_REPLACE or 0.
func setXattr(fd int, path bool, name xname, value []byte, flags int) syscall.Errno {
	if !path {
		_, _, e := syscall.Syscall6(unix.SYS_FSETXATTR, uintptr(fd), uintptr(unsafe.Pointer(&name[0])),
			uintptr(unsafe.Pointer(unsafe.SliceData(value))), uintptr(len(value)), uintptr(flags), 0)
		return e
	}
	var p procPath
	p.set(fd)
	_, _, e := syscall.Syscall6(unix.SYS_SETXATTR, uintptr(unsafe.Pointer(&p[0])), uintptr(unsafe.Pointer(&name[0])),
		uintptr(unsafe.Pointer(unsafe.SliceData(value))), uintptr(len(value)), uintptr(flags), 0)
	return e
}

// removeXattr deletes a value.
func removeXattr(fd int, path bool, name xname) syscall.Errno {
	if !path {
		_, _, e := syscall.Syscall(unix.SYS_FREMOVEXATTR, uintptr(fd), uintptr(unsafe.Pointer(&name[0])), 0)
		return e
	}
	var p procPath
	p.set(fd)
	_, _, e := syscall.Syscall(unix.SYS_REMOVEXATTR, uintptr(unsafe.Pointer(&p[0])), uintptr(unsafe.Pointer(&name[0])), 0)
	return e
}

// listXattrAt lists the names of a file in a directory, not following a link, as
// far as they fit into buf; ERANGE says that there are more.
func listXattrAt(dirfd int, entry string, buf []byte) (int, syscall.Errno) {
	if !noGetXattrAt.Load() {
		var stack [pathOnStack]byte
		p := cstring(stack[:], entry)
		n, _, e := syscall.Syscall6(sysListXattrAt, uintptr(dirfd), uintptr(unsafe.Pointer(&p[0])), unix.AT_SYMLINK_NOFOLLOW,
			uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), 0)
		if e != syscall.ENOSYS && e != syscall.EPERM {
			return int(n), e
		}
		noGetXattrAt.Store(true)
	}
	var p procPath
	if !p.setName(dirfd, entry) {
		return 0, syscall.ENAMETOOLONG
	}
	n, _, e := syscall.Syscall(unix.SYS_LLISTXATTR, uintptr(unsafe.Pointer(&p[0])), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)))
	return int(n), e
}

// listXattr returns all names, each ended by NUL.
func listXattr(fd int, path bool) ([]byte, syscall.Errno) {
	buf := make([]byte, 1024)
	for {
		n, e := listXattrInto(fd, path, buf)
		if e == syscall.ERANGE {
			// XATTR_LIST_MAX is 64 KiB.
			if len(buf) > 64<<10 {
				return nil, syscall.E2BIG
			}
			buf = make([]byte, 4*len(buf))
			continue
		}
		if e != 0 {
			return nil, e
		}
		return buf[:n], 0
	}
}

// listXattrInto is the system call behind listXattr.
func listXattrInto(fd int, path bool, buf []byte) (int, syscall.Errno) {
	if !path {
		n, _, e := syscall.Syscall(unix.SYS_FLISTXATTR, uintptr(fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)))
		return int(n), e
	}
	var p procPath
	p.set(fd)
	n, _, e := syscall.Syscall(unix.SYS_LISTXATTR, uintptr(unsafe.Pointer(&p[0])), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)))
	return int(n), e
}

// readXattr returns a whole value on the heap.
func readXattr(fd int, path bool, name xname) ([]byte, syscall.Errno) {
	var small [512]byte
	n, e := getXattr(fd, path, name, small[:])
	if e == 0 {
		return bytes.Clone(small[:n]), 0
	}
	if e != syscall.ERANGE {
		return nil, e
	}
	buf := make([]byte, maxXattr)
	n, e = getXattr(fd, path, name, buf)
	if e != 0 {
		return nil, e
	}
	return bytes.Clone(buf[:n]), 0
}

// readXattrAt is readXattr of a name in a directory, not following a link.
func readXattrAt(dirfd int, entry string, name xname) ([]byte, syscall.Errno) {
	buf := make([]byte, 512)
	n, e := getXattrAt(dirfd, entry, name, buf)
	if e == syscall.ERANGE {
		buf = make([]byte, maxXattr)
		n, e = getXattrAt(dirfd, entry, name, buf)
	}
	if e != 0 {
		return nil, e
	}
	return buf[:n], 0
}
