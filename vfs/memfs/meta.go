package memfs

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"lessor/vfs"
	"lessor/vfs/names"
)

const (
	// maxXattrName and maxXattr bound the name and value of an extended
	// attribute, as Linux does.
	maxXattrName = 255
	maxXattr     = 64 << 10
	// maxSecurity bounds a security descriptor: an access control list cannot be
	// longer than 64 KiB, and there are two (MS-DTYP 2.4.5).
	maxSecurity = 192 << 10
	// sdHeader is the length of a descriptor without what its offsets point to
	// (MS-DTYP 2.4.6).
	sdHeader = 20
)

// decorated reports whether the object can have attributes and streams of its
// own, which a symbolic link cannot.
func (n *node) decorated() bool { return n.ino.typ != vfs.TypeSymlink }

// payLocked changes what the file pays for all but pages by as much as the
// difference of two costs. The caller holds mu.
func (ino *inode) payLocked(before, now int64) error {
	if err := ino.fs.space.exchange(before, now); err != nil {
		return err
	}
	ino.meta += now - before
	return nil
}

// validSD tells whether a self-relative descriptor keeps within itself.
func validSD(sd []byte) bool {
	if len(sd) < sdHeader || sd[0] != 1 {
		return false
	}
	// Owner, group, system and discretionary list; 0 is none.
	for at := 4; at < sdHeader; at += 4 {
		off := binary.LittleEndian.Uint32(sd[at:])
		if off != 0 && (off < sdHeader || uint64(off) > uint64(len(sd))) {
			return false
		}
	}
	return true
}

// Security returns the stored security descriptor.
func (n *node) Security(context.Context, *vfs.Cred) ([]byte, error) {
	n.ino.mu.RLock()
	defer n.ino.mu.RUnlock()
	return bytes.Clone(n.ino.security), nil
}

// SetSecurity stores or removes the security descriptor.
func (n *node) SetSecurity(_ context.Context, _ *vfs.Cred, sd []byte) error {
	switch {
	case !n.decorated():
		return errors.ErrUnsupported
	case len(sd) > maxSecurity:
		return vfs.ErrTooLarge
	case sd != nil && !validSD(sd):
		return fs.ErrInvalid
	}
	ino := n.ino
	ino.mu.Lock()
	defer ino.mu.Unlock()
	if ino.freed {
		return vfs.ErrStale
	}
	if err := ino.payLocked(int64(len(ino.security)), int64(len(sd))); err != nil {
		return err
	}
	ino.security = bytes.Clone(sd)
	ino.change = timeNow()
	return nil
}

// Access refuses nothing.
func (n *node) Access(context.Context, *vfs.Cred, vfs.Access) error { return nil }

// PosixACL returns none: nobody could have set any.
func (n *node) PosixACL(context.Context, *vfs.Cred) ([]vfs.ACLEntry, error) { return nil, nil }

// SetReparse stores or removes the reparse point.
func (n *node) SetReparse(_ context.Context, _ *vfs.Cred, data []byte) error {
	switch {
	case n.Type() != vfs.TypeRegular && n.Type() != vfs.TypeDirectory:
		return errors.ErrUnsupported
	case len(data) > vfs.MaxReparse:
		return vfs.ErrTooLarge
	case data != nil && len(data) < vfs.MinReparse:
		return fs.ErrInvalid
	}
	ino := n.ino
	ino.mu.Lock()
	defer ino.mu.Unlock()
	if ino.freed {
		return vfs.ErrStale
	}
	if err := ino.payLocked(int64(len(ino.reparse)), int64(len(data))); err != nil {
		return err
	}
	ino.reparse = string(data)
	ino.change = timeNow()
	return nil
}

// ObjectID returns the object id, nil if there is none.
func (n *node) ObjectID(context.Context, *vfs.Cred) ([]byte, error) {
	n.ino.mu.RLock()
	defer n.ino.mu.RUnlock()
	return bytes.Clone(n.ino.objectID), nil
}

// SetObjectID stores or removes the object id.
func (n *node) SetObjectID(_ context.Context, _ *vfs.Cred, id []byte, replace bool) error {
	switch {
	case !n.decorated():
		return errors.ErrUnsupported
	case id != nil && len(id) != vfs.ObjectIDSize:
		return fs.ErrInvalid
	}
	ino := n.ino
	ino.mu.Lock()
	defer ino.mu.Unlock()
	switch {
	case ino.freed:
		return vfs.ErrStale
	case id != nil && ino.objectID != nil && !replace:
		return fs.ErrExist
	case id == nil && ino.objectID == nil:
		return nil
	}
	if err := ino.payLocked(int64(len(ino.objectID)), int64(len(id))); err != nil {
		return err
	}
	ino.objectID = bytes.Clone(id)
	ino.change = timeNow()
	return nil
}

// cost returns what an attribute costs; one that does not exist has no name.
func (x *xattr) cost() int64 {
	if x.name == "" {
		return 0
	}
	return pairCost + 2*int64(len(x.name)) + int64(len(x.value))
}

// Xattr returns the value of an extended attribute.
func (n *node) Xattr(_ context.Context, _ *vfs.Cred, name string) ([]byte, error) {
	n.ino.mu.RLock()
	defer n.ino.mu.RUnlock()
	x, ok := n.ino.xattrs[names.Fold(name)]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return bytes.Clone(x.value), nil
}

// SetXattr stores or removes an extended attribute.
func (n *node) SetXattr(_ context.Context, _ *vfs.Cred, name string, value []byte) error {
	switch {
	case name == "" || strings.IndexByte(name, 0) >= 0:
		return vfs.ErrInvalidName
	case len(name) > maxXattrName:
		return vfs.ErrNameTooLong
	case !n.decorated():
		return errors.ErrUnsupported
	case len(value) > maxXattr:
		return vfs.ErrTooLarge
	}
	ino, folded := n.ino, names.Fold(name)
	ino.mu.Lock()
	defer ino.mu.Unlock()
	if ino.freed {
		return vfs.ErrStale
	}
	old := ino.xattrs[folded]
	if value == nil {
		if old.name == "" {
			return nil
		}
		delete(ino.xattrs, folded)
		ino.change = timeNow()
		return ino.payLocked(old.cost(), 0)
	}
	x := xattr{name: name, value: append([]byte{}, value...)}
	if old.name != "" {
		x.name = old.name
	}
	if err := ino.payLocked(old.cost(), x.cost()); err != nil {
		return err
	}
	if ino.xattrs == nil {
		ino.xattrs = make(map[string]xattr)
	}
	ino.xattrs[folded] = x
	ino.change = timeNow()
	return nil
}

// ListXattr returns the names of the extended attributes.
func (n *node) ListXattr(context.Context, *vfs.Cred) ([]string, error) {
	n.ino.mu.RLock()
	defer n.ino.mu.RUnlock()
	var out []string
	for _, x := range n.ino.xattrs {
		out = append(out, x.name)
	}
	slices.Sort(out)
	return out, nil
}
