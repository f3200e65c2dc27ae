//go:build linux

package localfs

import (
	"context"
	"syscall"

	"golang.org/x/sys/unix"

	"lessor/vfs"
	"lessor/vfs/asuser"
)

// With a Cred, the calls that follow a path, open, make, link, rename or remove
// something, or change owner, permission bits or size by name are made as that user, so
// that the kernel decides and new files belong to him. What Lessor keeps with a file
// (attribute bits, descriptors, streams, extended attributes) is read and written as the
// server, which may have to be allowed more for it, after the kernel was asked what the
// user may do with the file. See docs/identity.md for the list.

// as makes a system call as the user of cred, or as the server if there is none. In do
// there must be nothing but system calls.
func as(cred *vfs.Cred, do func() syscall.Errno) syscall.Errno {
	if cred == nil {
		return do()
	}
	e := syscall.EACCES
	if err := asuser.Do(cred, func() { e = do() }); err != nil {
		return syscall.EACCES
	}
	return e
}

// asRetry is as for calls that a signal may interrupt.
func asRetry(cred *vfs.Cred, do func() error) syscall.Errno {
	if cred == nil {
		return retry(do)
	}
	return as(cred, func() syscall.Errno { return retry(do) })
}

// Access asks the kernel.
func (n *node) Access(_ context.Context, cred *vfs.Cred, want vfs.Access) error {
	return errnoErr(n.may(cred, want))
}

// may asks the kernel what a user may do with the object; the server may all.
func (n *node) may(cred *vfs.Cred, want vfs.Access) syscall.Errno {
	if cred == nil {
		return 0
	}
	var mode uint32
	for _, bit := range []struct {
		have vfs.Access
		mode uint32
	}{{vfs.AccessRead, unix.R_OK}, {vfs.AccessWrite, unix.W_OK}, {vfs.AccessSearch, unix.X_OK}} {
		if want&bit.have != 0 {
			mode |= bit.mode
		}
	}
	// AT_EACCESS: the identity for files counts, not that of the process.
	return asRetry(cred, func() error {
		return unix.Faccessat2(n.fd, "", mode, unix.AT_EMPTY_PATH|unix.AT_EACCESS)
	})
}

// mayWrite asks whether a user may write to the object, which is what it takes to
// change what is kept with it.
func (n *node) mayWrite(cred *vfs.Cred) error {
	if cred == nil {
		return nil
	}
	return errnoErr(n.may(cred, vfs.AccessWrite))
}

// mayRead asks whether a user may read the object.
func (n *node) mayRead(cred *vfs.Cred) error {
	if cred == nil {
		return nil
	}
	return errnoErr(n.may(cred, vfs.AccessRead))
}

// mayTouch asks whether a user may set times and attribute bits: the owner may, and who
// may write to the file, as on Windows.
func (n *node) mayTouch(cred *vfs.Cred) error {
	if cred == nil {
		return nil
	}
	var st unix.Statx_t
	if e := statFD(n.fd, &st); e == 0 && st.Uid == cred.UID {
		return nil
	}
	return n.mayWrite(cred)
}

// giveGroup makes a new object one of a group, unless the directory passes on its own.
func (n *node) giveGroup(dir *node, gid uint32) error {
	var st unix.Statx_t
	if e := statFD(dir.fd, &st); e != 0 {
		return errnoErr(e)
	}
	if st.Mode&unix.S_ISGID != 0 {
		return nil
	}
	return n.setOwner(nil, &vfs.SetAttr{Mask: vfs.SetGID, GID: gid})
}
