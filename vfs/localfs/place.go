//go:build linux

package localfs

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// IsAt reports whether a path leads to the exported directory. It does not if the directory
// was renamed, or something was mounted over it, or it was unmounted. Errors: what keeps the
// path from being looked at. On a network file system that is away the call may wait for long.
func (f *FS) IsAt(path string) (bool, error) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_NO_AUTOMOUNT, statxMask, &st)
	if err != nil {
		return false, err
	}
	id := f.root.id
	return devOf(&st) == f.rootDev && st.Ino == id.Inode && generation(&st) == id.Generation, nil
}

// Abandon is Close for an FS that somebody may still be using: it is closed when the last
// Node, Handle and request has let go of it.
func (f *FS) Abandon() {
	runtime.AddCleanup(f, func(fd int) { _ = closeFD(fd) }, f.root.fd)
	runtime.AddCleanup(f, closeBig, f.big)
}

// IsMount reports whether something is mounted at a path. Kernels before 5.8 do not tell;
// then it is taken for one.
func IsMount(path string) bool {
	var st unix.Statx_t
	if unix.Statx(unix.AT_FDCWD, path, unix.AT_NO_AUTOMOUNT, unix.STATX_BASIC_STATS, &st) != nil {
		return false
	}
	return st.Attributes_mask&unix.STATX_ATTR_MOUNT_ROOT == 0 || st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
}
