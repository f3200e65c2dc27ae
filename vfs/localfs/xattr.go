//go:build linux

package localfs

import (
	"bytes"
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

// getXattrAt reads a value of a name in a directory, not following a link.
func getXattrAt(dirfd int, entry string, name xname, buf []byte) (int, syscall.Errno) {
	var p procPath
	if !p.setName(dirfd, entry) {
		return 0, syscall.ENAMETOOLONG
	}
	n, _, e := syscall.Syscall6(unix.SYS_LGETXATTR, uintptr(unsafe.Pointer(&p[0])), uintptr(unsafe.Pointer(&name[0])),
		uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(len(buf)), 0, 0)
	return int(n), e
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
