//go:build linux

package localfs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"syscall"

	"golang.org/x/sys/unix"

	"lessor/vfs"
)

// Ranges are locked by open file description locks (F_OFD_SETLK), the only kind
// that belongs to a descriptor and not to the whole process. They and the POSIX
// locks of other programs, and of the kernel's NFS server, refuse each other.

// locker is the open file description whose locks are those of one Handle. All
// locks of a Handle are on one, because those on two would refuse each other.
type locker struct {
	fd     int
	kind   fdKind // the kernel wants to read for a shared lock, to write for an exclusive one
	shared bool   // fd is the node's: the locks have to be given back one day
	own    bool   // fd is to be closed
}

// LockRange locks by the open file description of the Handle.
func (f *file) LockRange(_ context.Context, off, n int64, mode vfs.LockMode) error {
	if off < 0 || n < 0 || mode > vfs.LockExclusive {
		return fs.ErrInvalid
	}
	if n == 0 {
		return nil
	}
	f.lockMu.Lock()
	defer f.lockMu.Unlock()
	if mode == vfs.LockNone {
		if f.locker == nil {
			return nil
		}
		return lockErr(setLock(f.locker.fd, unix.F_UNLCK, off, n))
	}
	if f.locker == nil {
		l, err := f.newLocker()
		if err != nil {
			return err
		}
		f.locker = l
	}
	typ, need := int16(unix.F_RDLCK), fdRead
	if mode == vfs.LockExclusive {
		typ, need = unix.F_WRLCK, fdWrite
	}
	if f.locker.kind&need == 0 {
		return fs.ErrPermission
	}
	return lockErr(setLock(f.locker.fd, typ, off, n))
}

// newLocker finds a description that no other Handle locks with and that can take
// locks of both kinds: the Handle's or the node's own, or else a new one, which a
// Handle that only reads needs too. Where the file may not be opened for writing,
// it is one with the access of the Handle.
func (f *file) newLocker() (*locker, error) {
	const both = fdRead | fdWrite
	if f.own && wanted(f.mode)&both == both {
		return &locker{fd: f.fd, kind: both}, nil
	}
	if f.node.kind&both == both && f.node.locked.CompareAndSwap(false, true) {
		return &locker{fd: f.node.fd, kind: both, shared: true}, nil
	}
	fd, e := reopen(f.node.fd, both.flags())
	kind := both
	switch e {
	case syscall.EACCES, syscall.EPERM, syscall.EROFS, syscall.ETXTBSY, syscall.EAGAIN:
		if kind = wanted(f.mode) & both; kind == fdPath {
			kind = fdRead
		}
		fd, e = reopen(f.node.fd, kind.flags())
	}
	if e != 0 {
		return nil, errnoErr(e)
	}
	return &locker{fd: fd, kind: kind, own: true}, nil
}

// endLocks gives back what the end of the Handle does not give back by itself.
func (f *file) endLocks() {
	switch l := f.locker; {
	case l == nil:
	case l.own:
		_ = closeFD(l.fd)
	case l.shared:
		_ = setLock(l.fd, unix.F_UNLCK, 0, math.MaxInt64)
		f.node.locked.Store(false)
	}
}

// setLock is the system call. For the kernel, too, a length of 0 is no end.
func setLock(fd int, typ int16, off, n int64) syscall.Errno {
	if n >= math.MaxInt64-off {
		n = 0
	}
	lk := unix.Flock_t{Type: typ, Whence: io.SeekStart, Start: off, Len: n}
	return retry(func() error { return unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &lk) })
}

// lockErr translates the errno of a lock.
func lockErr(e syscall.Errno) error {
	switch e {
	case syscall.EAGAIN, syscall.EACCES:
		return vfs.ErrRangeBusy
	case syscall.ENOLCK:
		return vfs.ErrNoLocks
	case syscall.EINVAL:
		return errors.ErrUnsupported // a file system that knows no locks
	default:
		return errnoErr(e)
	}
}
