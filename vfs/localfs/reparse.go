//go:build linux

package localfs

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"

	"lessor/vfs"
)

// A reparse point is a regular file or a directory with the structure of MS-FSCC 2.1.2.2 in
// user.SmbReparse and the attribute of a reparse point in user.DOSATTRIB, as Samba
// has it. What has the attribute alone is none.

// specialOf converts the type bits of a mode.
func specialOf(mode uint16) vfs.SpecialType {
	switch mode & unix.S_IFMT {
	case unix.S_IFIFO:
		return vfs.SpecialFIFO
	case unix.S_IFSOCK:
		return vfs.SpecialSocket
	case unix.S_IFCHR:
		return vfs.SpecialCharDevice
	case unix.S_IFBLK:
		return vfs.SpecialBlockDevice
	default:
		return vfs.SpecialNone
	}
}

// setReparse takes in what a read of user.SmbReparse has brought.
func (d *dosInfo) setReparse(b []byte, e syscall.Errno) {
	if e == 0 && len(b) >= vfs.MinReparse && len(b) <= vfs.MaxReparse {
		d.reparse = string(b)
	}
}

// SetReparse stores or removes the reparse point.
func (n *node) SetReparse(_ context.Context, cred *vfs.Cred, data []byte) error {
	if err := n.mayTouch(cred); err != nil {
		return err
	}
	switch {
	case !n.keepsXattr() || !n.fs.caps.Has(vfs.CapReparse):
		return errors.ErrUnsupported
	case len(data) > vfs.MaxReparse:
		return vfs.ErrTooLarge
	case data != nil && len(data) < vfs.MinReparse:
		return fs.ErrInvalid
	}
	s := n.fs.stripeOf(n.id)
	s.Lock()
	defer s.Unlock()
	op := n.fs.touching(n.id, "")
	defer op.done()
	d := n.readDOS()
	if data == nil {
		return n.dropReparse(d)
	}
	// The attribute comes last, so that it is never there alone.
	if e := setXattr(n.fd, n.isPath(), xReparse, data, 0); e != 0 {
		return xattrSetErr(e)
	}
	d.reparsed = true
	if !d.hasAttr {
		// The attributes are stored together; this is what a file has that has none.
		if d.hasAttr = true; n.typ != vfs.TypeDirectory {
			d.attrs = vfs.DOSArchive
		}
	}
	return n.writeDOS(d)
}

// dropReparse makes the file one without a reparse point.
func (n *node) dropReparse(d dosInfo) error {
	if d.reparsed {
		d.reparsed = false
		if err := n.writeDOS(d); err != nil {
			return err
		}
	}
	if e := removeXattr(n.fd, n.isPath(), xReparse); e != syscall.ENODATA {
		return errnoErr(e)
	}
	return nil
}
