//go:build linux

package localfs

import (
	"errors"
	"io/fs"
	"syscall"

	"lessor/vfs"
)

// errnoErr translates an errno to the errors of package vfs. It does not
// allocate for those that occur in ordinary operation.
func errnoErr(e syscall.Errno) error {
	switch e {
	case 0:
		return nil
	case syscall.ENOENT, syscall.ENODATA, syscall.ELOOP:
		return fs.ErrNotExist
	case syscall.EEXIST:
		return fs.ErrExist
	case syscall.EACCES, syscall.EPERM:
		return fs.ErrPermission
	case syscall.EINVAL:
		return fs.ErrInvalid
	case syscall.EBADF:
		return fs.ErrClosed
	case syscall.EOPNOTSUPP, syscall.ENOSYS, syscall.ENOTTY, syscall.ENXIO, syscall.ENODEV:
		return errors.ErrUnsupported
	default:
		return storageErr(e)
	}
}

// storageErr is the part of errnoErr that concerns the state of the storage.
func storageErr(e syscall.Errno) error {
	switch e {
	case syscall.ENOTDIR:
		return vfs.ErrNotDir
	case syscall.EISDIR:
		return vfs.ErrIsDir
	case syscall.ENOTEMPTY:
		return vfs.ErrNotEmpty
	case syscall.ENOSPC:
		return vfs.ErrNoSpace
	case syscall.EDQUOT:
		return vfs.ErrQuota
	case syscall.EROFS:
		return vfs.ErrReadOnly
	case syscall.ENAMETOOLONG:
		return vfs.ErrNameTooLong
	case syscall.ESTALE:
		return vfs.ErrStale
	case syscall.EBUSY, syscall.ETXTBSY:
		return vfs.ErrBusy
	case syscall.EAGAIN:
		return vfs.ErrLeased // nothing else makes an open with O_NONBLOCK wait
	case syscall.EILSEQ:
		return vfs.ErrInvalidName
	case syscall.EXDEV:
		return vfs.ErrCrossDevice
	case syscall.EFBIG, syscall.E2BIG, syscall.EOVERFLOW:
		return vfs.ErrTooLarge
	case syscall.EMLINK:
		return vfs.ErrTooManyLinks
	case syscall.EMFILE, syscall.ENFILE:
		return vfs.ErrTooManyOpen
	case syscall.EIO:
		return vfs.ErrIO
	case syscall.EUCLEAN, syscall.EBADMSG, syscall.EREMOTEIO, syscall.ENOMEDIUM, syscall.ENOLINK,
		syscall.ENOTCONN, syscall.ECONNABORTED, syscall.ESHUTDOWN, syscall.ETIMEDOUT, syscall.EHOSTDOWN, syscall.EHOSTUNREACH:
		return deviceError(e)
	default:
		return e
	}
}

// deviceError is vfs.ErrIO with what the kernel says of it: what is on the disk is damaged,
// the disk or the server behind a mount is away.
type deviceError syscall.Errno

func (e deviceError) Error() string { return vfs.ErrIO.Error() + ": " + syscall.Errno(e).Error() }

// Is makes it vfs.ErrIO.
func (e deviceError) Is(target error) bool { return target == vfs.ErrIO }
