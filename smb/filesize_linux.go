package smb

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"lessor/vfs"
)

// sizeOf returns the length of an open file if its descriptor tells, which is
// the cheapest way to know. It is out of date as soon as it is known.
func sizeOf(f vfs.Handle) (int64, bool) {
	fd, ok := f.Fd()
	if !ok {
		return 0, false
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(fd), &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return 0, false
	}
	return st.Size, true
}

// inMemory reports whether n bytes of an open file from off on, more than none, can be read without
// a disk, as far as the last of them tells. If not, the kernel begins to read them in the
// background, so that the disk is at work on several requests of a client at the same time
// however few goroutines wait for it.
func inMemory(f vfs.Handle, off int64, n int) bool {
	fd, ok := f.Fd()
	if !ok {
		return true
	}
	var last [1]byte
	iov := unix.Iovec{Base: &last[0]}
	iov.SetLen(len(last))
	// RWF_NOWAIT waits for no data, but to note the time of access in the journal the kernel may
	// wait for a disk nevertheless; so the scheduler hears of it.
	_, _, errno := unix.Syscall6(unix.SYS_PREADV2, fd, uintptr(unsafe.Pointer(&iov)), 1,
		uintptr(off)+uintptr(n)-1, 0, unix.RWF_NOWAIT)
	if errno != unix.EAGAIN {
		return true // or a file system that is memory, or cannot tell
	}
	_ = unix.Fadvise(int(fd), off, int64(n), unix.FADV_WILLNEED)
	return false
}
