package snapdir

import (
	"context"
	"errors"

	"lessor/vfs"
)

// ReadOnly is inner without any change: what would be one answers vfs.ErrReadOnly. The ids of
// files differ from those of inner by salt, so that they can be told from the files of which
// inner is a snapshot; 0 leaves them. A file can be opened for writing, and is not written to.
func ReadOnly(inner vfs.FS, salt uint64) vfs.FS { return &readOnly{FS: inner, salt: salt} }

// readOnly wraps an FS.
type readOnly struct {
	vfs.FS
	salt uint64
}

func (f *readOnly) wrap(n vfs.Node) vfs.Node {
	if n == nil {
		return nil
	}
	return &node{Node: n, fs: f}
}

func (f *readOnly) id(id vfs.NodeID) vfs.NodeID {
	id.Volume ^= f.salt
	id.Inode ^= f.salt
	return id
}

// Root wraps the inner one.
func (f *readOnly) Root() vfs.Node { return f.wrap(f.FS.Root()) }

// ByID finds a file by an id that was given out by this FS.
func (f *readOnly) ByID(ctx context.Context, id vfs.NodeID) (vfs.Node, error) {
	n, err := f.FS.ByID(ctx, f.id(id))
	if err != nil {
		return nil, err
	}
	return f.wrap(n), nil
}

// Info describes the volume, which is full.
func (f *readOnly) Info(ctx context.Context) (vfs.FSInfo, error) {
	info, err := f.FS.Info(ctx)
	info.VolumeID ^= f.salt
	info.ReadOnly, info.Free, info.Avail, info.FilesFree = true, 0, 0, 0
	return info, err
}

// Caps are those that have a meaning without changes.
func (f *readOnly) Caps() vfs.Caps { return f.FS.Caps() &^ (vfs.CapRangeLocks | vfs.CapLeases) }

// node wraps a Node.
type node struct {
	vfs.Node
	fs *readOnly
}

func (n *node) ID() vfs.NodeID { return n.fs.id(n.Node.ID()) }

func (n *node) Attr(ctx context.Context, cred *vfs.Cred) (vfs.Attr, error) {
	at, err := n.Node.Attr(ctx, cred)
	at.ID = n.fs.id(at.ID)
	return at, err
}

func (n *node) Lookup(ctx context.Context, cred *vfs.Cred, path string, opts vfs.LookupOptions) (vfs.Node, string, error) {
	opts.Hint.Write = false
	found, actual, err := n.Node.Lookup(ctx, cred, path, opts)
	return n.fs.wrap(found), actual, err
}

func (n *node) Stream(ctx context.Context, cred *vfs.Cred, name string, create bool) (vfs.Node, error) {
	if create {
		return nil, vfs.ErrReadOnly
	}
	s, err := n.Node.Stream(ctx, cred, name, false)
	if err != nil {
		return nil, err
	}
	return n.fs.wrap(s), nil
}

func (n *node) Open(ctx context.Context, cred *vfs.Cred, mode vfs.OpenMode) (vfs.Handle, error) {
	if mode.Write {
		mode.Read, mode.Write = true, false
	}
	h, err := n.Node.Open(ctx, cred, mode)
	if err != nil {
		return nil, err
	}
	return &handle{Handle: h, fs: n.fs}, nil
}

func (*node) SetAttr(context.Context, *vfs.Cred, *vfs.SetAttr) error    { return vfs.ErrReadOnly }
func (*node) SetSecurity(context.Context, *vfs.Cred, []byte) error      { return vfs.ErrReadOnly }
func (*node) SetReparse(context.Context, *vfs.Cred, []byte) error       { return vfs.ErrReadOnly }
func (*node) SetXattr(context.Context, *vfs.Cred, string, []byte) error { return vfs.ErrReadOnly }
func (*node) SetObjectID(context.Context, *vfs.Cred, []byte, bool) error {
	return vfs.ErrReadOnly
}
func (*node) RemoveStream(context.Context, *vfs.Cred, string) error { return vfs.ErrReadOnly }
func (*node) RenameStream(context.Context, *vfs.Cred, string, string, bool) error {
	return vfs.ErrReadOnly
}
func (*node) Create(context.Context, *vfs.Cred, string, vfs.CreateOptions) (vfs.Node, error) {
	return nil, vfs.ErrReadOnly
}
func (*node) Link(context.Context, *vfs.Cred, vfs.Node, string, bool) error { return vfs.ErrReadOnly }
func (*node) Rename(context.Context, *vfs.Cred, string, vfs.Node, string, bool) error {
	return vfs.ErrReadOnly
}
func (*node) Remove(context.Context, *vfs.Cred, string) error { return vfs.ErrReadOnly }
func (*node) Symlink(context.Context, *vfs.Cred, string, string) (vfs.Node, error) {
	return nil, vfs.ErrReadOnly
}

// handle wraps a Handle.
type handle struct {
	vfs.Handle
	fs *readOnly
}

// Source is the Handle that a copy can be made of without going through this one (see
// vfs.Source).
func (h *handle) Source() vfs.Handle { return h.Handle }

func (*handle) WriteAt([]byte, int64) (int, error) { return 0, vfs.ErrReadOnly }
func (*handle) Truncate(int64) error               { return vfs.ErrReadOnly }
func (*handle) Sync(context.Context) error         { return nil }
func (*handle) WriteError() error                  { return nil }
func (*handle) Alloc(context.Context, int64, int64, vfs.AllocMode) error {
	return vfs.ErrReadOnly
}
func (*handle) CopyFrom(context.Context, vfs.Handle, int64, int64, int64) (int64, error) {
	return 0, vfs.ErrReadOnly
}
func (*handle) CloneFrom(context.Context, vfs.Handle, int64, int64, int64) error {
	return vfs.ErrReadOnly
}
func (*handle) LockRange(context.Context, int64, int64, vfs.LockMode) error {
	return errors.ErrUnsupported
}
func (*handle) Lease(func()) (func(), error) { return nil, errors.ErrUnsupported }

func (h *handle) ReadDir(ctx context.Context, cred *vfs.Cred, buf []vfs.DirEntry) (int, error) {
	n, err := h.Handle.ReadDir(ctx, cred, buf)
	for i := range buf[:n] {
		h.mask(&buf[i])
	}
	return n, err
}

func (h *handle) EntryAttr(ctx context.Context, cred *vfs.Cred, e *vfs.DirEntry) (vfs.Attr, error) {
	h.mask(e)
	at, err := h.Handle.EntryAttr(ctx, cred, e)
	h.mask(e)
	at.ID = h.fs.id(at.ID)
	return at, err
}

// mask changes the inode number of an entry to that of this FS, and back.
func (h *handle) mask(e *vfs.DirEntry) {
	if e.Inode != 0 {
		e.Inode ^= h.fs.salt
	}
}
