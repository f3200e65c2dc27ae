//go:build linux

package localfs

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"syscall"

	"lessor/vfs"
)

// An object id stands in user.lessor.ObjectID, with the inode number and the generation
// of the file behind it. A program that copies a file with its attributes copies the
// attribute too; the id does not count then, as it belongs to the other file.

// objectIDName is the attribute that holds an object id.
const objectIDName = "user.lessor.ObjectID"

var xObjectID = newXname(objectIDName)

// storedObjectID is the length of the attribute.
const storedObjectID = vfs.ObjectIDSize + 16

// appendOwner appends what tells the file from all others of its file system.
func appendOwner(b []byte, id vfs.NodeID) []byte {
	b = binary.LittleEndian.AppendUint64(b, id.Inode)
	return binary.LittleEndian.AppendUint64(b, id.Generation)
}

// ObjectID returns the object id, nil if there is none.
func (n *node) ObjectID(context.Context, *vfs.Cred) ([]byte, error) {
	if !n.keepsXattr() {
		return nil, nil
	}
	b, e := readXattr(n.fd, n.isPath(), xObjectID)
	switch {
	case e == syscall.ENODATA || e == syscall.EOPNOTSUPP:
		return nil, nil
	case e != 0:
		return nil, errnoErr(e)
	case len(b) != storedObjectID || string(b[vfs.ObjectIDSize:]) != string(appendOwner(nil, n.id)):
		return nil, nil
	}
	return b[:vfs.ObjectIDSize], nil
}

// SetObjectID stores or removes the object id.
func (n *node) SetObjectID(ctx context.Context, cred *vfs.Cred, id []byte, replace bool) error {
	if err := n.mayTouch(cred); err != nil {
		return err
	}
	switch {
	case !n.keepsXattr() || !n.fs.caps.Has(vfs.CapObjectID):
		return errors.ErrUnsupported
	case id != nil && len(id) != vfs.ObjectIDSize:
		return fs.ErrInvalid
	}
	s := n.fs.stripeOf(n.id)
	s.Lock()
	defer s.Unlock()
	op := n.fs.touching(n.id, "")
	defer op.done()
	if id == nil {
		if e := removeXattr(n.fd, n.isPath(), xObjectID); e != syscall.ENODATA {
			return errnoErr(e)
		}
		return nil
	}
	if !replace {
		there, err := n.ObjectID(ctx, cred)
		if err != nil {
			return err
		}
		if there != nil {
			return fs.ErrExist
		}
	}
	b := appendOwner(append(make([]byte, 0, storedObjectID), id...), n.id)
	return xattrSetErr(setXattr(n.fd, n.isPath(), xObjectID, b, 0))
}
