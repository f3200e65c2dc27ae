//go:build linux

package localfs

import (
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"lessor/vfs"
)

// The wrappers of golang.org/x/sys/unix copy every path to the heap; these use
// the stack for paths of ordinary length, since they run several times for
// every request. All repeat a call that a signal interrupted.

// pathOnStack is the length below which a path needs no allocation.
const pathOnStack = 512

// procFD is where the kernel shows the descriptors of this process.
const procFD = "/proc/self/fd/"

// procPath holds the NUL-terminated /proc path of a descriptor, optionally
// with a name below it.
type procPath [len(procFD) + 20 + 1 + 256]byte

// set writes the path of fd.
func (p *procPath) set(fd int) {
	b := append(p[:0], procFD...)
	b = strconv.AppendInt(b, int64(fd), 10)
	p[len(b)] = 0
}

// setName writes the path of a name below fd; it reports false if the name is
// too long to exist.
func (p *procPath) setName(fd int, name string) bool {
	if len(name) > 255 {
		return false
	}
	b := append(p[:0], procFD...)
	b = strconv.AppendInt(b, int64(fd), 10)
	b = append(b, '/')
	b = append(b, name...)
	p[len(b)] = 0
	return true
}

// cstring copies s with a NUL behind it, into buf if it fits.
func cstring(buf []byte, s string) []byte {
	if len(s) >= len(buf) {
		buf = make([]byte, len(s)+1)
	}
	n := copy(buf, s)
	buf[n] = 0
	return buf[:n+1]
}

// openat2 opens path relative to dirfd under the RESOLVE_* rules of resolve.
func openat2(dirfd int, path string, flags, mode, resolve uint64) (int, syscall.Errno) {
	var stack [pathOnStack]byte
	p := cstring(stack[:], path)
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Mode: mode, Resolve: resolve}
	// With RESOLVE_BENEATH the kernel answers EAGAIN if something was renamed
	// while it climbed a ".." of a symbolic link.
	for again := 0; ; {
		fd, _, e := syscall.Syscall6(unix.SYS_OPENAT2, uintptr(dirfd), uintptr(unsafe.Pointer(&p[0])),
			uintptr(unsafe.Pointer(&how)), unsafe.Sizeof(how), 0, 0)
		if e == syscall.EINTR {
			continue
		}
		if e == syscall.EAGAIN && flags&unix.O_NONBLOCK == 0 && again < 32 {
			again++
			continue
		}
		return int(fd), e
	}
}

// reopen opens the object behind fd anew with other flags.
func reopen(fd int, flags uint64) (int, syscall.Errno) {
	var p procPath
	p.set(fd)
	for {
		r, _, e := syscall.Syscall6(unix.SYS_OPENAT, atFDCWD, uintptr(unsafe.Pointer(&p[0])),
			uintptr(flags|unix.O_CLOEXEC), 0, 0, 0)
		if e != syscall.EINTR {
			return int(r), e
		}
	}
}

// reopenAs is reopen as a user.
func reopenAs(cred *vfs.Cred, fd int, flags uint64) (again int, e syscall.Errno) {
	e = as(cred, func() (e syscall.Errno) { again, e = reopen(fd, flags); return e })
	return again, e
}

// atFDCWD is AT_FDCWD as the kernel takes it.
const atFDCWD = ^uintptr(99)

// closeFD closes a descriptor; after an error it is gone all the same.
func closeFD(fd int) error {
	if err := syscall.Close(fd); err != nil && err != syscall.EINTR {
		return err
	}
	return nil
}

// statxMask is what every statx asks for.
const statxMask = unix.STATX_BASIC_STATS | unix.STATX_BTIME

// statFD fills st from a descriptor of any kind.
func statFD(fd int, st *unix.Statx_t) syscall.Errno {
	var empty [1]byte
	return statx(fd, &empty[0], unix.AT_EMPTY_PATH, st)
}

// statName fills st from a name in a directory, not following a link.
func statName(dirfd int, name string, st *unix.Statx_t) syscall.Errno {
	var stack [pathOnStack]byte
	p := cstring(stack[:], name)
	return statx(dirfd, &p[0], unix.AT_SYMLINK_NOFOLLOW, st)
}

// statx is the system call.
func statx(dirfd int, path *byte, flags uintptr, st *unix.Statx_t) syscall.Errno {
	for {
		_, _, e := syscall.Syscall6(unix.SYS_STATX, uintptr(dirfd), uintptr(unsafe.Pointer(path)),
			flags|unix.AT_NO_AUTOMOUNT, statxMask, uintptr(unsafe.Pointer(st)), 0)
		if e != syscall.EINTR {
			return e
		}
	}
}

// pread reads at an offset without moving the descriptor's own.
func pread(fd int, p []byte, off int64) (int, syscall.Errno) {
	for {
		n, _, e := syscall.Syscall6(unix.SYS_PREAD64, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
			uintptr(len(p)), uintptr(off), 0, 0)
		if e != syscall.EINTR {
			return int(n), e
		}
	}
}

// pwrite writes at an offset without moving the descriptor's own.
func pwrite(fd int, p []byte, off int64) (int, syscall.Errno) {
	for {
		n, _, e := syscall.Syscall6(unix.SYS_PWRITE64, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
			uintptr(len(p)), uintptr(off), 0, 0)
		if e != syscall.EINTR {
			return int(n), e
		}
	}
}

// getdents fills buf with directory records and returns their length.
func getdents(fd int, buf []byte) (int, syscall.Errno) {
	for {
		n, _, e := syscall.Syscall(unix.SYS_GETDENTS64, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(buf))),
			uintptr(len(buf)))
		if e != syscall.EINTR {
			return int(n), e
		}
	}
}

// readLinkFD reads into buf the path by which the kernel knows the object behind
// a descriptor. Behind that of an object that is gone it puts " (deleted)".
func readLinkFD(fd int, buf []byte) ([]byte, syscall.Errno) {
	var p procPath
	p.set(fd)
	for {
		n, _, e := syscall.Syscall6(unix.SYS_READLINKAT, atFDCWD, uintptr(unsafe.Pointer(&p[0])),
			uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(len(buf)), 0, 0)
		if e == syscall.EINTR {
			continue
		}
		if e != 0 {
			return nil, e
		}
		return buf[:n], 0
	}
}

// errnoOf returns the errno inside an error of package unix.
func errnoOf(err error) syscall.Errno {
	if e, ok := err.(syscall.Errno); ok { //nolint:errorlint // package unix wraps nothing, and errors.As allocates
		return e
	}
	return 0
}

// retry repeats a call that a signal interrupted.
func retry(f func() error) syscall.Errno {
	for {
		if e := errnoOf(f()); e != syscall.EINTR {
			return e
		}
	}
}
