package memfs

import (
	"context"
	"errors"
	"io/fs"
	"sync/atomic"

	"lessor/vfs"
)

// node is a reference to a file, directory, symbolic link or named stream.
type node struct {
	// Immutable after construction.
	ino *inode
	st  *stream // the named stream that it is, or nil

	// Atomic.
	released atomic.Bool
}

var _ vfs.Node = (*node)(nil)

// ID returns the identity of the file.
func (n *node) ID() vfs.NodeID { return n.ino.id }

// Type returns the kind of the object.
func (n *node) Type() vfs.FileType {
	if n.st != nil {
		return vfs.TypeStream
	}
	return n.ino.typ
}

// Release gives the reference back.
func (n *node) Release() { n.ino.drop(&n.released) }

// stream returns the data that the node stands for.
func (n *node) stream() *stream {
	if n.st != nil {
		return n.st
	}
	return &n.ino.main
}

// Attr returns the attributes.
func (n *node) Attr(context.Context, *vfs.Cred) (vfs.Attr, error) { return n.ino.attr(n.stream()) }

// SetAttr applies a change of attributes. Only the size can be refused, so the
// change is made wholly or not at all.
func (n *node) SetAttr(_ context.Context, _ *vfs.Cred, set *vfs.SetAttr) error {
	ino, st := n.ino, n.stream()
	ino.mu.Lock()
	defer ino.mu.Unlock()
	if st.gone {
		return vfs.ErrStale
	}
	if set.Mask&vfs.SetSize != 0 {
		if err := n.setSizeLocked(st, set.Size); err != nil {
			return err
		}
	}
	if set.Mask != 0 {
		ino.change = timeNow()
	}
	if set.Mask&vfs.SetUID != 0 {
		ino.uid = set.UID
	}
	if set.Mask&vfs.SetGID != 0 {
		ino.gid = set.GID
	}
	if set.Mask&vfs.SetMode != 0 {
		ino.mode = set.Mode & 0o7777
	}
	if set.Mask&vfs.SetDOS != 0 {
		ino.dos, ino.dosSet = set.DOS&vfs.DOSMask, true
	}
	if set.Mask&vfs.SetBirth != 0 {
		ino.birth = set.Birth
	}
	if set.Mask&vfs.SetAccess != 0 {
		ino.access = set.Access
	}
	if set.Mask&vfs.SetModify != 0 {
		ino.modify = set.Modify
	}
	if set.Mask&vfs.SetChange != 0 {
		ino.change = set.Change
	}
	return nil
}

// setSizeLocked sets the end of file. The caller holds mu.
func (n *node) setSizeLocked(st *stream, size int64) error {
	switch {
	case size < 0:
		return fs.ErrInvalid
	case n.Type() == vfs.TypeDirectory:
		return vfs.ErrIsDir
	case n.Type() == vfs.TypeSymlink:
		return errors.ErrUnsupported
	}
	if err := st.data.truncate(&n.ino.fs.space, size); err != nil {
		return err
	}
	n.ino.modifiedLocked()
	return nil
}

// Readlink returns the target of a symbolic link.
func (n *node) Readlink(context.Context, *vfs.Cred) (string, error) {
	if n.Type() != vfs.TypeSymlink {
		return "", fs.ErrInvalid
	}
	return n.ino.target, nil
}

// Open returns a Handle.
func (n *node) Open(_ context.Context, _ *vfs.Cred, mode vfs.OpenMode) (vfs.Handle, error) {
	switch n.Type() {
	case vfs.TypeDirectory:
		if mode.Write {
			return nil, vfs.ErrIsDir
		}
		n.ino.hold()
		return &dir{ino: n.ino, mode: mode}, nil
	case vfs.TypeRegular, vfs.TypeStream:
		st := n.stream()
		n.ino.mu.RLock()
		gone := st.gone
		n.ino.mu.RUnlock()
		if gone {
			return nil, vfs.ErrStale
		}
		n.ino.hold()
		return &file{ino: n.ino, st: st, mode: mode}, nil
	default:
		return nil, errors.ErrUnsupported
	}
}
