//go:build linux

package localfs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math"

	"golang.org/x/sys/unix"

	"lessor/vfs"
)

// streamNode is a reference to a named stream. What it does not do itself is
// what no stream can do.
type streamNode struct {
	vfs.UnimplementedNode
	base *node // holds a reference
	s    *stream
}

var _ vfs.Node = (*streamNode)(nil)

// ID returns the identity of the file.
func (n *streamNode) ID() vfs.NodeID { return n.base.id }

// Type returns vfs.TypeStream.
func (n *streamNode) Type() vfs.FileType { return vfs.TypeStream }

// Release gives the reference back.
func (n *streamNode) Release() { _ = n.s.drop(n.base) }

// Attr returns the attributes of the file with the size of the stream.
func (n *streamNode) Attr(ctx context.Context, cred *vfs.Cred) (vfs.Attr, error) {
	size, err := n.s.size(n.base)
	if err != nil {
		return vfs.Attr{}, err
	}
	a, err := n.base.Attr(ctx, cred)
	if err != nil {
		return vfs.Attr{}, err
	}
	a.Type, a.Size, a.Alloc = vfs.TypeStream, size, size
	f, err := n.s.bigFile(n.base, vfs.OpenMode{})
	if err != nil || f == nil {
		return a, err
	}
	defer func() { _ = f.Close() }()
	var st unix.Statx_t
	if e := statFD(f.fd, &st); e != 0 {
		return vfs.Attr{}, errnoErr(e)
	}
	a.Size, a.Alloc = int64(st.Size), int64(st.Blocks)*512
	if changed := statxTime(st.Ctime); changed.After(a.Change) {
		a.Change = changed
	}
	return a, nil
}

// SetAttr sets the size of the stream and all else of the file.
func (n *streamNode) SetAttr(ctx context.Context, cred *vfs.Cred, set *vfs.SetAttr) error {
	if set.Mask&vfs.SetSize != 0 {
		if err := n.base.mayWrite(cred); err != nil {
			return err
		}
		if err := n.s.setSize(n.base, set.Size); err != nil {
			return err
		}
	}
	rest := *set
	rest.Mask &^= vfs.SetSize
	if rest.Mask == 0 {
		return nil
	}
	return n.base.SetAttr(ctx, cred, &rest)
}

// Security returns the descriptor of the file.
func (n *streamNode) Security(ctx context.Context, cred *vfs.Cred) ([]byte, error) {
	return n.base.Security(ctx, cred)
}

// PosixACL returns the ACL of the file.
func (n *streamNode) PosixACL(ctx context.Context, cred *vfs.Cred) ([]vfs.ACLEntry, error) {
	return n.base.PosixACL(ctx, cred)
}

// Access asks about the file.
func (n *streamNode) Access(ctx context.Context, cred *vfs.Cred, want vfs.Access) error {
	return n.base.Access(ctx, cred, want)
}

// SetSecurity stores the descriptor of the file.
func (n *streamNode) SetSecurity(ctx context.Context, cred *vfs.Cred, sd []byte) error {
	return n.base.SetSecurity(ctx, cred, sd)
}

// ObjectID returns the object id of the file.
func (n *streamNode) ObjectID(ctx context.Context, cred *vfs.Cred) ([]byte, error) {
	return n.base.ObjectID(ctx, cred)
}

// SetObjectID stores the object id of the file.
func (n *streamNode) SetObjectID(ctx context.Context, cred *vfs.Cred, id []byte, replace bool) error {
	return n.base.SetObjectID(ctx, cred, id, replace)
}

// Xattr returns an extended attribute of the file.
func (n *streamNode) Xattr(ctx context.Context, cred *vfs.Cred, name string) ([]byte, error) {
	return n.base.Xattr(ctx, cred, name)
}

// SetXattr stores an extended attribute of the file.
func (n *streamNode) SetXattr(ctx context.Context, cred *vfs.Cred, name string, value []byte) error {
	return n.base.SetXattr(ctx, cred, name, value)
}

// ListXattr lists the extended attributes of the file.
func (n *streamNode) ListXattr(ctx context.Context, cred *vfs.Cred) ([]string, error) {
	return n.base.ListXattr(ctx, cred)
}

// Lookup finds the stream itself and nothing below it.
func (n *streamNode) Lookup(_ context.Context, _ *vfs.Cred, path string, _ vfs.LookupOptions) (vfs.Node, string, error) {
	if path != "" {
		return nil, "", vfs.ErrNotDir
	}
	n.s.hold(n.base)
	return &streamNode{base: n.base, s: n.s}, "", nil
}

// Open returns a Handle of the stream.
func (n *streamNode) Open(_ context.Context, cred *vfs.Cred, mode vfs.OpenMode) (vfs.Handle, error) {
	var want vfs.Access
	if mode.Read {
		want |= vfs.AccessRead
	}
	if mode.Write {
		want |= vfs.AccessWrite
	}
	if e := n.base.may(cred, want); e != 0 {
		return nil, errnoErr(e)
	}
	if _, err := n.s.size(n.base); err != nil {
		return nil, err
	}
	if mode.Write { // what is written to a file of the server nobody would check
		path := n.base.path()
		if e := retry(func() error { return unix.Faccessat(unix.AT_FDCWD, path, unix.W_OK, unix.AT_EACCESS) }); e != 0 {
			return nil, errnoErr(e)
		}
	}
	n.s.hold(n.base)
	return &streamHandle{base: n.base, s: n.s, mode: mode}, nil
}

// streamHandle is an open stream.
type streamHandle struct {
	base *node // holds a reference
	s    *stream
	mode vfs.OpenMode
}

var _ vfs.Handle = (*streamHandle)(nil)

// Close gives the Handle back.
func (h *streamHandle) Close() error { return h.s.drop(h.base) }

// Fd returns no descriptor.
func (h *streamHandle) Fd() (uintptr, bool) { return 0, false }

// asFile has do work on the stream if it is a file; done says whether it is.
func (h *streamHandle) asFile(do func(*file) error) (done bool, err error) {
	f, err := h.s.bigFile(h.base, h.mode)
	if err != nil || f == nil {
		return err != nil, err
	}
	defer func() { _ = f.Close() }()
	return true, h.s.whyNot(h.base, do(f))
}

// ReadAt reads a part of the attribute, or of the file.
func (h *streamHandle) ReadAt(p []byte, off int64) (n int, err error) {
	if !h.mode.Read {
		return 0, fs.ErrPermission
	}
	if off < 0 {
		return 0, fs.ErrInvalid
	}
	done, err := h.asFile(func(f *file) (err error) { n, err = f.ReadAt(p, off); return err })
	if done {
		return n, err
	}
	err = h.s.view(h.base, func(data []byte) {
		if off < int64(len(data)) {
			n = copy(p, data[off:])
		}
	})
	if errors.Is(err, errSpilled) { // just now
		return h.ReadAt(p, off)
	}
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// WriteAt rewrites the attribute, or writes to the file.
func (h *streamHandle) WriteAt(p []byte, off int64) (int, error) {
	if !h.mode.Write {
		return 0, fs.ErrPermission
	}
	if off < 0 {
		return 0, fs.ErrInvalid
	}
	if len(p) == 0 {
		return 0, nil
	}
	if off > math.MaxInt64-int64(len(p)) {
		return 0, vfs.ErrTooLarge
	}
	err := h.s.edit(h.base, off+int64(len(p)), func(data []byte) []byte {
		if end := int(off) + len(p); end > len(data) {
			data = resize(data, end)
		}
		copy(data[off:], p)
		return data
	})
	if errors.Is(err, errSpilled) {
		var n int
		_, err = h.asFile(func(f *file) (err error) { n, err = f.WriteAt(p, off); return err })
		if err == nil && h.mode.Sync {
			err = h.Sync(context.Background())
		}
		return n, err
	}
	if err != nil {
		return 0, err
	}
	if h.mode.Sync {
		if err := h.base.sync(); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// Truncate sets the length.
func (h *streamHandle) Truncate(size int64) error {
	if !h.mode.Write {
		return fs.ErrPermission
	}
	return h.s.setSize(h.base, size)
}

// Sync makes the file with all its attributes stable.
func (h *streamHandle) Sync(ctx context.Context) error {
	if _, err := h.asFile(func(f *file) error { return f.Sync(ctx) }); err != nil && !errors.Is(err, vfs.ErrStale) {
		return err
	}
	return h.base.sync()
}

// WriteError asks for that of the file, if the stream is one: attributes go the way
// of the file's metadata, of which the kernel keeps no errors.
func (h *streamHandle) WriteError() error {
	if _, err := h.asFile((*file).WriteError); err != nil && !errors.Is(err, vfs.ErrStale) {
		return err
	}
	return nil
}

// Alloc reserves nothing, but zeroes what it is told to.
func (h *streamHandle) Alloc(ctx context.Context, off, n int64, mode vfs.AllocMode) error {
	switch {
	case off < 0 || n < 0 || off+n < 0:
		return fs.ErrInvalid
	case !h.mode.Write:
		return fs.ErrPermission
	}
	done, err := h.asFile(func(f *file) error { return f.Alloc(ctx, off, n, mode) })
	switch {
	case done:
		return err
	case mode == vfs.AllocReserve && off+n <= maxStream:
		return nil
	}
	need := int64(0)
	if mode == vfs.AllocReserve {
		need = off + n
	}
	err = h.s.edit(h.base, need, func(data []byte) []byte {
		if off < int64(len(data)) {
			clear(data[off:min(off+n, int64(len(data)))])
		}
		return data
	})
	if errors.Is(err, errSpilled) {
		_, err = h.asFile(func(f *file) error { return f.Alloc(ctx, off, n, mode) })
	}
	return err
}

// AllocatedRanges says that all of it is data.
func (h *streamHandle) AllocatedRanges(ctx context.Context, off, n int64, buf []vfs.Range) (int, error) {
	if off < 0 || n < 0 {
		return 0, fs.ErrInvalid
	}
	var got int
	done, err := h.asFile(func(f *file) (err error) { got, err = f.AllocatedRanges(ctx, off, n, buf); return err })
	if done {
		return got, err
	}
	size, err := h.s.size(h.base)
	if err != nil {
		return 0, err
	}
	if n = min(n, size-off); n <= 0 || len(buf) == 0 {
		return 0, nil
	}
	buf[0] = vfs.Range{Off: off, Len: n}
	return 1, nil
}

// CopyFrom copies by hand, or from file to file.
func (h *streamHandle) CopyFrom(ctx context.Context, src vfs.Handle, srcOff, dstOff, n int64) (int64, error) {
	if !h.mode.Write {
		return 0, fs.ErrPermission
	}
	if s, ok := src.(*streamHandle); ok && s.s == h.s && max(srcOff, dstOff)-min(srcOff, dstOff) < n {
		return 0, fs.ErrInvalid
	}
	var got int64
	done, err := h.asFile(func(f *file) (err error) { got, err = f.CopyFrom(ctx, src, srcOff, dstOff, n); return err })
	if done {
		return got, err
	}
	return vfs.CopyData(ctx, h, src, srcOff, dstOff, n)
}

// CloneFrom answers errors.ErrUnsupported.
func (h *streamHandle) CloneFrom(context.Context, vfs.Handle, int64, int64, int64) error {
	return errors.ErrUnsupported
}

// Lease answers errors.ErrUnsupported: nobody opens an attribute.
func (h *streamHandle) Lease(func()) (func(), error) { return nil, errors.ErrUnsupported }

// LockRange answers errors.ErrUnsupported: the kernel locks no attributes.
func (h *streamHandle) LockRange(context.Context, int64, int64, vfs.LockMode) error {
	return errors.ErrUnsupported
}

// ReadDir answers vfs.ErrNotDir.
func (h *streamHandle) ReadDir(context.Context, *vfs.Cred, []vfs.DirEntry) (int, error) {
	return 0, vfs.ErrNotDir
}

// Rewind answers vfs.ErrNotDir.
func (h *streamHandle) Rewind() error { return vfs.ErrNotDir }

// EntryAttr answers vfs.ErrNotDir.
func (h *streamHandle) EntryAttr(context.Context, *vfs.Cred, *vfs.DirEntry) (vfs.Attr, error) {
	return vfs.Attr{}, vfs.ErrNotDir
}
