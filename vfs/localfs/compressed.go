//go:build linux

package localfs

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"

	"lessor/vfs"
)

// compressFlag is FS_COMPR_FL, what "chattr +c" sets. The kernel hands it on from a
// directory to what is made in it.
const compressFlag = 0x00000004

// setCompressed has the file system compress what is written from now on, or no
// longer. A descriptor of the right kind is needed, one without I/O does not do.
func (n *node) setCompressed(on bool) error {
	if !n.keepsXattr() || !n.fs.caps.Has(vfs.CapCompression) {
		return errors.ErrUnsupported
	}
	fd := n.fd
	if n.isPath() {
		again, e := reopen(n.fd, fdRead.flags())
		if e != 0 {
			return errnoErr(e)
		}
		defer func() { _ = closeFD(again) }()
		fd = again
	}
	s := n.fs.stripeOf(n.id)
	s.Lock()
	defer s.Unlock()
	var flags uint32
	e := retry(func() (err error) { flags, err = unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS); return err })
	if e != 0 {
		return errnoErr(e)
	}
	want := flags &^ compressFlag
	if on {
		want |= compressFlag
	}
	if want == flags {
		return nil
	}
	e = retry(func() error { return unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(want)) })
	if e == syscall.ENOTTY || e == syscall.EOPNOTSUPP {
		return errors.ErrUnsupported
	}
	return errnoErr(e)
}
