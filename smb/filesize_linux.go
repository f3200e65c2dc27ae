package smb

import (
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
