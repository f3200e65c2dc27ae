package vfs

import (
	"context"
	"errors"
)

// UnimplementedFS answers every call of FS with the least there is. Embed it
// to write only the methods that an implementation has.
type UnimplementedFS struct{}

var _ FS = UnimplementedFS{}

// Root returns a Node that can do nothing.
func (UnimplementedFS) Root() Node { return UnimplementedNode{} }

// ByID answers errors.ErrUnsupported.
func (UnimplementedFS) ByID(context.Context, NodeID) (Node, error) {
	return nil, errors.ErrUnsupported
}

// Info answers errors.ErrUnsupported.
func (UnimplementedFS) Info(context.Context) (FSInfo, error) {
	return FSInfo{}, errors.ErrUnsupported
}

// Caps returns the empty set.
func (UnimplementedFS) Caps() Caps { return 0 }

// Close does nothing.
func (UnimplementedFS) Close() error { return nil }

// UnimplementedNode answers every call of Node with errors.ErrUnsupported. Its
// listings of streams and attributes are empty, and it has no descriptor.
type UnimplementedNode struct{}

var _ Node = UnimplementedNode{}

// ID returns the zero ID.
func (UnimplementedNode) ID() NodeID { return NodeID{} }

// Type returns TypeOther.
func (UnimplementedNode) Type() FileType { return TypeOther }

// Attr answers errors.ErrUnsupported.
func (UnimplementedNode) Attr(context.Context, *Cred) (Attr, error) {
	return Attr{}, errors.ErrUnsupported
}

// SetAttr answers errors.ErrUnsupported.
func (UnimplementedNode) SetAttr(context.Context, *Cred, *SetAttr) error {
	return errors.ErrUnsupported
}

// Security returns no descriptor.
func (UnimplementedNode) Security(context.Context, *Cred) ([]byte, error) { return nil, nil }

// SetSecurity answers errors.ErrUnsupported.
func (UnimplementedNode) SetSecurity(context.Context, *Cred, []byte) error {
	return errors.ErrUnsupported
}

// PosixACL returns no ACL.
func (UnimplementedNode) PosixACL(context.Context, *Cred) ([]ACLEntry, error) { return nil, nil }

// SetReparse answers errors.ErrUnsupported.
func (UnimplementedNode) SetReparse(context.Context, *Cred, []byte) error {
	return errors.ErrUnsupported
}

// ObjectID returns no id.
func (UnimplementedNode) ObjectID(context.Context, *Cred) ([]byte, error) { return nil, nil }

// SetObjectID answers errors.ErrUnsupported.
func (UnimplementedNode) SetObjectID(context.Context, *Cred, []byte, bool) error {
	return errors.ErrUnsupported
}

// Xattr answers errors.ErrUnsupported.
func (UnimplementedNode) Xattr(context.Context, *Cred, string) ([]byte, error) {
	return nil, errors.ErrUnsupported
}

// SetXattr answers errors.ErrUnsupported.
func (UnimplementedNode) SetXattr(context.Context, *Cred, string, []byte) error {
	return errors.ErrUnsupported
}

// ListXattr returns no names.
func (UnimplementedNode) ListXattr(context.Context, *Cred) ([]string, error) { return nil, nil }

// Streams returns no streams.
func (UnimplementedNode) Streams(context.Context, *Cred) ([]StreamInfo, error) { return nil, nil }

// Stream answers errors.ErrUnsupported.
func (UnimplementedNode) Stream(context.Context, *Cred, string, bool) (Node, error) {
	return nil, errors.ErrUnsupported
}

// RemoveStream answers errors.ErrUnsupported.
func (UnimplementedNode) RemoveStream(context.Context, *Cred, string) error {
	return errors.ErrUnsupported
}

// RenameStream answers errors.ErrUnsupported.
func (UnimplementedNode) RenameStream(context.Context, *Cred, string, string, bool) error {
	return errors.ErrUnsupported
}

// Lookup answers errors.ErrUnsupported.
func (UnimplementedNode) Lookup(context.Context, *Cred, string, LookupOptions) (Node, string, error) {
	return nil, "", errors.ErrUnsupported
}

// Create answers errors.ErrUnsupported.
func (UnimplementedNode) Create(context.Context, *Cred, string, CreateOptions) (Node, error) {
	return nil, errors.ErrUnsupported
}

// Link answers errors.ErrUnsupported.
func (UnimplementedNode) Link(context.Context, *Cred, Node, string, bool) error {
	return errors.ErrUnsupported
}

// Rename answers errors.ErrUnsupported.
func (UnimplementedNode) Rename(context.Context, *Cred, string, Node, string, bool) error {
	return errors.ErrUnsupported
}

// Remove answers errors.ErrUnsupported.
func (UnimplementedNode) Remove(context.Context, *Cred, string) error {
	return errors.ErrUnsupported
}

// Symlink answers errors.ErrUnsupported.
func (UnimplementedNode) Symlink(context.Context, *Cred, string, string) (Node, error) {
	return nil, errors.ErrUnsupported
}

// Readlink answers errors.ErrUnsupported.
func (UnimplementedNode) Readlink(context.Context, *Cred) (string, error) {
	return "", errors.ErrUnsupported
}

// Access refuses nothing.
func (UnimplementedNode) Access(context.Context, *Cred, Access) error { return nil }

// Open answers errors.ErrUnsupported.
func (UnimplementedNode) Open(context.Context, *Cred, OpenMode) (Handle, error) {
	return nil, errors.ErrUnsupported
}

// Release does nothing.
func (UnimplementedNode) Release() {}

// UnimplementedHandle answers every call of Handle with errors.ErrUnsupported.
type UnimplementedHandle struct{}

var _ Handle = UnimplementedHandle{}

// ReadAt answers errors.ErrUnsupported.
func (UnimplementedHandle) ReadAt([]byte, int64) (int, error) { return 0, errors.ErrUnsupported }

// WriteAt answers errors.ErrUnsupported.
func (UnimplementedHandle) WriteAt([]byte, int64) (int, error) { return 0, errors.ErrUnsupported }

// Truncate answers errors.ErrUnsupported.
func (UnimplementedHandle) Truncate(int64) error { return errors.ErrUnsupported }

// Sync does nothing: what cannot be written is always stable.
func (UnimplementedHandle) Sync(context.Context) error { return nil }

// WriteError knows of nothing.
func (UnimplementedHandle) WriteError() error { return nil }

// Alloc answers errors.ErrUnsupported.
func (UnimplementedHandle) Alloc(context.Context, int64, int64, AllocMode) error {
	return errors.ErrUnsupported
}

// AllocatedRanges answers errors.ErrUnsupported.
func (UnimplementedHandle) AllocatedRanges(context.Context, int64, int64, []Range) (int, error) {
	return 0, errors.ErrUnsupported
}

// CopyFrom answers errors.ErrUnsupported; CopyData does it by hand.
func (UnimplementedHandle) CopyFrom(context.Context, Handle, int64, int64, int64) (int64, error) {
	return 0, errors.ErrUnsupported
}

// CloneFrom answers errors.ErrUnsupported.
func (UnimplementedHandle) CloneFrom(context.Context, Handle, int64, int64, int64) error {
	return errors.ErrUnsupported
}

// LockRange answers errors.ErrUnsupported.
func (UnimplementedHandle) LockRange(context.Context, int64, int64, LockMode) error {
	return errors.ErrUnsupported
}

// Lease answers errors.ErrUnsupported.
func (UnimplementedHandle) Lease(func()) (func(), error) { return nil, errors.ErrUnsupported }

// ReadDir answers errors.ErrUnsupported.
func (UnimplementedHandle) ReadDir(context.Context, *Cred, []DirEntry) (int, error) {
	return 0, errors.ErrUnsupported
}

// Rewind answers errors.ErrUnsupported.
func (UnimplementedHandle) Rewind() error { return errors.ErrUnsupported }

// EntryAttr answers errors.ErrUnsupported.
func (UnimplementedHandle) EntryAttr(context.Context, *Cred, *DirEntry) (Attr, error) {
	return Attr{}, errors.ErrUnsupported
}

// Fd returns no descriptor.
func (UnimplementedHandle) Fd() (uintptr, bool) { return 0, false }

// Close does nothing.
func (UnimplementedHandle) Close() error { return nil }
