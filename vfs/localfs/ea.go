//go:build linux

package localfs

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lessor/vfs"
	"lessor/vfs/names"
)

// maxXattrName is the longest name of an attribute that Linux takes.
const maxXattrName = 255

// needEA is the attribute in which package smb keeps which others a file cannot be
// understood without. It is an ordinary one here.
const needEA = "LESSOR.NEEDEA"

// reservedEA reports whether a name without "user." belongs to us or to Samba.
func reservedEA(name string) bool {
	upper := foldName(name)
	if upper == needEA {
		return false
	}
	for _, own := range []string{"DOSATTRIB", "SMBREPARSE", "DOSATTRIBS", "DOSSTREAMS", "DOSEAS", "SAMBA_PAI"} {
		if upper == own {
			return true
		}
	}
	return strings.HasPrefix(upper, "DOSSTREAM.") || strings.HasPrefix(upper, "DOSSTREAMEXT") ||
		strings.HasPrefix(upper, "LESSOR.")
}

// eachXattr calls fn with the names of all attributes that begin with prefix,
// the prefix cut off.
func (n *node) eachXattr(prefix string, fn func(name string)) error {
	if !n.keepsXattr() {
		return nil
	}
	list, e := listXattr(n.fd, n.isPath())
	if e == syscall.EOPNOTSUPP {
		return nil
	}
	if e != 0 {
		return errnoErr(e)
	}
	for name := range bytes.SplitSeq(list, []byte{0}) {
		if len(name) > len(prefix) && strings.EqualFold(string(name[:len(prefix)]), prefix) {
			fn(string(name[len(prefix):]))
		}
	}
	return nil
}

// ListXattr returns the names of the extended attributes.
func (n *node) ListXattr(context.Context, *vfs.Cred) ([]string, error) {
	var out []string
	err := n.eachXattr(eaPrefix, func(name string) {
		if !reservedEA(name) {
			out = append(out, name)
		}
	})
	slices.Sort(out)
	return out, err
}

// eaName returns the name under which an attribute is stored, in the case of
// one that exists.
func (n *node) eaName(name string) (x xname, exists bool, err error) {
	exact := newXname(eaPrefix, name)
	_, e := getXattr(n.fd, n.isPath(), exact, nil)
	if e == 0 {
		return exact, true, nil
	}
	if e != syscall.ENODATA {
		return nil, false, errnoErr(e)
	}
	x = exact
	err = n.eachXattr(eaPrefix, func(other string) {
		if !exists && names.EqualFold(other, name) {
			x, exists = newXname(eaPrefix, other), true
		}
	})
	return x, exists, err
}

// Xattr returns the value of an extended attribute.
func (n *node) Xattr(_ context.Context, cred *vfs.Cred, name string) ([]byte, error) {
	if err := n.mayRead(cred); err != nil {
		return nil, err
	}
	if reservedEA(name) || checkEAName(name) != nil || !n.keepsXattr() {
		return nil, fs.ErrNotExist
	}
	value, e := readXattr(n.fd, n.isPath(), newXname(eaPrefix, name))
	if e != syscall.ENODATA {
		return value, errnoErr(e)
	}
	x, exists, err := n.eaName(name)
	if err != nil {
		return nil, err
	}
	if !exists {
		return nil, fs.ErrNotExist
	}
	value, e = readXattr(n.fd, n.isPath(), x)
	return value, errnoErr(e)
}

// checkEAName tells whether an attribute can have the name.
func checkEAName(name string) error {
	if name == "" || strings.IndexByte(name, 0) >= 0 {
		return vfs.ErrInvalidName
	}
	if len(eaPrefix)+len(name) > maxXattrName {
		return vfs.ErrNameTooLong
	}
	return nil
}

// SetXattr stores or removes an extended attribute.
func (n *node) SetXattr(_ context.Context, cred *vfs.Cred, name string, value []byte) error {
	if err := n.mayWrite(cred); err != nil {
		return err
	}
	if err := checkEAName(name); err != nil {
		return err
	}
	switch {
	case reservedEA(name):
		return vfs.ErrInvalidName
	case !n.keepsXattr():
		return errors.ErrUnsupported
	case len(value) > maxXattr:
		return vfs.ErrTooLarge
	}
	s := n.fs.stripeOf(n.id)
	s.Lock()
	defer s.Unlock()
	x, exists, err := n.eaName(name)
	if err != nil {
		return err
	}
	op := n.fs.touching(n.id, "")
	defer op.done()
	if value == nil {
		if !exists {
			return nil
		}
		return errnoErr(removeXattr(n.fd, n.isPath(), x))
	}
	return xattrSetErr(setXattr(n.fd, n.isPath(), x, value, 0))
}

// xattrSetErr translates the errno of setxattr, which says ERANGE for a name or
// value that is too long.
func xattrSetErr(e syscall.Errno) error {
	if e == syscall.ERANGE {
		return vfs.ErrTooLarge
	}
	return errnoErr(e)
}

// Security returns the stored security descriptor.
func (n *node) Security(context.Context, *vfs.Cred) ([]byte, error) {
	if !n.keepsXattr() {
		return nil, nil
	}
	// What is in the user namespace can be written by anybody who may write the
	// file, so a server that can use the other one never looks there.
	if n.fs.ownACL.Load() {
		if sd, err := n.readACL(xOwnACL); sd != nil || err != nil {
			return sd, err
		}
	}
	return n.readACL(xNTACL)
}

// readACL reads one of the attributes that hold a descriptor; nil if it is not
// there, or if with Options.HeedModes somebody has changed since what it was stored
// beside.
func (n *node) readACL(x xname) ([]byte, error) {
	b, e := readXattr(n.fd, n.isPath(), x)
	if e == syscall.ENODATA || e == syscall.EOPNOTSUPP {
		return nil, nil
	}
	if e != 0 {
		return nil, errnoErr(e)
	}
	sd, state, err := unwrapACL(b)
	if err != nil || state == nil || !n.fs.opts.HeedModes {
		return sd, err
	}
	now, err := n.aclState()
	if err != nil || !bytes.Equal(state, now[:]) {
		return nil, err
	}
	return sd, nil
}

// SetSecurity stores or removes the security descriptor.
func (n *node) SetSecurity(_ context.Context, _ *vfs.Cred, sd []byte) error {
	if !n.keepsXattr() {
		return errors.ErrUnsupported
	}
	if sd != nil && !validSD(sd) {
		return fs.ErrInvalid
	}
	value, err := n.wrapped(sd)
	if err != nil {
		return err
	}
	op := n.fs.touching(n.id, "")
	defer op.done()
	if !n.fs.ownACL.Load() {
		e := n.writeACL(xNTACL, value)
		if e != syscall.EPERM {
			return xattrSetErr(e)
		}
		// A container may have the capability without its effect.
		n.fs.ownACL.Store(true)
	}
	return xattrSetErr(n.writeACL(xOwnACL, value))
}

// wrapped is the value in which a descriptor is stored; nil stays nil.
func (n *node) wrapped(sd []byte) ([]byte, error) {
	switch {
	case sd == nil:
		return nil, nil
	case !n.fs.opts.HeedModes:
		return wrapACL(sd), nil
	}
	state, err := n.aclState()
	if err != nil {
		return nil, err
	}
	return wrapACLState(sd, state, time.Now()), nil
}

// writeACL stores or removes one of the attributes that hold a descriptor.
func (n *node) writeACL(x xname, value []byte) syscall.Errno {
	var e syscall.Errno
	if value == nil {
		if e = removeXattr(n.fd, n.isPath(), x); e == unix.ENODATA {
			e = 0
		}
		return e
	}
	return setXattr(n.fd, n.isPath(), x, value, 0)
}
