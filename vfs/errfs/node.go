package errfs

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"lessor/vfs"
)

// node wraps a Node.
type node struct {
	vfs.Node // the inner one
	// Immutable after construction.
	fs   *FS
	path string
}

var _ vfs.Node = (*node)(nil)

// innerNode returns what a Node wraps, or the Node itself if it is not one of
// this package.
func innerNode(n vfs.Node) vfs.Node {
	if w, ok := n.(*node); ok {
		return w.Node
	}
	return n
}

// join appends a name or path to a path.
func join(dir, name string) string {
	if dir == "" || name == "" {
		return dir + name
	}
	return dir + "/" + name
}

// pathOf returns how a Node is called.
func pathOf(n vfs.Node) string {
	if w, ok := n.(*node); ok {
		return w.path
	}
	return "?"
}

// self is a call whose object is the node.
func (n *node) self(op Op) Call { return Call{Op: op, Path: n.path} }

// below is a call whose object is a name or path in the node.
func (n *node) below(op Op, name string) Call { return Call{Op: op, Path: join(n.path, name)} }

// streamPath is the path of a named stream.
func (n *node) streamPath(name string) string { return n.path + ":" + name }

// Attr wraps Node.Attr.
func (n *node) Attr(ctx context.Context, cred *vfs.Cred) (vfs.Attr, error) {
	return get(ctx, n.fs, n.self(OpAttr), func() (vfs.Attr, error) { return n.Node.Attr(ctx, cred) })
}

// SetAttr wraps Node.SetAttr.
func (n *node) SetAttr(ctx context.Context, cred *vfs.Cred, set *vfs.SetAttr) error {
	return n.fs.run(ctx, n.self(OpSetAttr), func() error { return n.Node.SetAttr(ctx, cred, set) })
}

// Security wraps Node.Security.
func (n *node) Security(ctx context.Context, cred *vfs.Cred) ([]byte, error) {
	return get(ctx, n.fs, n.self(OpSecurity), func() ([]byte, error) { return n.Node.Security(ctx, cred) })
}

// SetSecurity wraps Node.SetSecurity.
func (n *node) SetSecurity(ctx context.Context, cred *vfs.Cred, sd []byte) error {
	return n.fs.run(ctx, n.self(OpSetSecurity), func() error { return n.Node.SetSecurity(ctx, cred, sd) })
}

// PosixACL wraps Node.PosixACL.
func (n *node) PosixACL(ctx context.Context, cred *vfs.Cred) ([]vfs.ACLEntry, error) {
	return get(ctx, n.fs, n.self(OpPosixACL), func() ([]vfs.ACLEntry, error) { return n.Node.PosixACL(ctx, cred) })
}

// SetReparse wraps Node.SetReparse.
func (n *node) SetReparse(ctx context.Context, cred *vfs.Cred, data []byte) error {
	return n.fs.run(ctx, n.self(OpSetReparse), func() error { return n.Node.SetReparse(ctx, cred, data) })
}

// ObjectID wraps Node.ObjectID.
func (n *node) ObjectID(ctx context.Context, cred *vfs.Cred) ([]byte, error) {
	return get(ctx, n.fs, n.self(OpObjectID), func() ([]byte, error) { return n.Node.ObjectID(ctx, cred) })
}

// SetObjectID wraps Node.SetObjectID.
func (n *node) SetObjectID(ctx context.Context, cred *vfs.Cred, id []byte, replace bool) error {
	return n.fs.run(ctx, n.self(OpSetObjectID), func() error { return n.Node.SetObjectID(ctx, cred, id, replace) })
}

// Xattr wraps Node.Xattr.
func (n *node) Xattr(ctx context.Context, cred *vfs.Cred, name string) ([]byte, error) {
	c := Call{Op: OpXattr, Path: n.path, Name: name}
	return get(ctx, n.fs, c, func() ([]byte, error) { return n.Node.Xattr(ctx, cred, name) })
}

// SetXattr wraps Node.SetXattr.
func (n *node) SetXattr(ctx context.Context, cred *vfs.Cred, name string, value []byte) error {
	c := Call{Op: OpSetXattr, Path: n.path, Name: name}
	return n.fs.run(ctx, c, func() error { return n.Node.SetXattr(ctx, cred, name, value) })
}

// ListXattr wraps Node.ListXattr.
func (n *node) ListXattr(ctx context.Context, cred *vfs.Cred) ([]string, error) {
	return get(ctx, n.fs, n.self(OpListXattr), func() ([]string, error) { return n.Node.ListXattr(ctx, cred) })
}

// Streams wraps Node.Streams.
func (n *node) Streams(ctx context.Context, cred *vfs.Cred) ([]vfs.StreamInfo, error) {
	return get(ctx, n.fs, n.self(OpStreams), func() ([]vfs.StreamInfo, error) { return n.Node.Streams(ctx, cred) })
}

// Stream wraps Node.Stream.
func (n *node) Stream(ctx context.Context, cred *vfs.Cred, name string, create bool) (vfs.Node, error) {
	c := Call{Op: OpStream, Path: n.streamPath(name)}
	return n.fs.getNode(ctx, c, func() (vfs.Node, error) { return n.Node.Stream(ctx, cred, name, create) })
}

// RemoveStream wraps Node.RemoveStream.
func (n *node) RemoveStream(ctx context.Context, cred *vfs.Cred, name string) error {
	c := Call{Op: OpRemoveStream, Path: n.streamPath(name)}
	return n.fs.run(ctx, c, func() error { return n.Node.RemoveStream(ctx, cred, name) })
}

// RenameStream wraps Node.RenameStream.
func (n *node) RenameStream(ctx context.Context, cred *vfs.Cred, oldName, newName string, replace bool) error {
	c := Call{Op: OpRenameStream, Path: n.streamPath(oldName), To: n.streamPath(newName)}
	return n.fs.run(ctx, c, func() error { return n.Node.RenameStream(ctx, cred, oldName, newName, replace) })
}

// Lookup wraps Node.Lookup. What is found is called by its stored path.
func (n *node) Lookup(ctx context.Context, cred *vfs.Cred, path string, opts vfs.LookupOptions) (vfs.Node, string, error) {
	v := n.fs.begin(ctx, n.below(OpLookup, path))
	if err := v.stop(); err != nil {
		return nil, "", err
	}
	found, actual, err := n.Node.Lookup(ctx, cred, path, opts)
	if v.after {
		if found != nil {
			found.Release()
		}
		return nil, "", v.err
	}
	if found == nil {
		return nil, actual, err
	}
	full := join(n.path, actual)
	if errors.Is(err, fs.ErrNotExist) {
		// It is the parent of what is missing.
		full = full[:max(strings.LastIndexByte(full, '/'), 0)]
	}
	return n.fs.wrap(found, full), actual, err
}

// Create wraps Node.Create.
func (n *node) Create(ctx context.Context, cred *vfs.Cred, name string, opts vfs.CreateOptions) (vfs.Node, error) {
	return n.fs.getNode(ctx, n.below(OpCreate, name), func() (vfs.Node, error) { return n.Node.Create(ctx, cred, name, opts) })
}

// Link wraps Node.Link.
func (n *node) Link(ctx context.Context, cred *vfs.Cred, target vfs.Node, name string, replace bool) error {
	return n.fs.run(ctx, n.below(OpLink, name), func() error {
		return n.Node.Link(ctx, cred, innerNode(target), name, replace)
	})
}

// Rename wraps Node.Rename.
func (n *node) Rename(ctx context.Context, cred *vfs.Cred, oldName string, newDir vfs.Node, newName string, replace bool) error {
	c := n.below(OpRename, oldName)
	c.To = join(pathOf(newDir), newName)
	return n.fs.run(ctx, c, func() error {
		return n.Node.Rename(ctx, cred, oldName, innerNode(newDir), newName, replace)
	})
}

// Remove wraps Node.Remove.
func (n *node) Remove(ctx context.Context, cred *vfs.Cred, name string) error {
	return n.fs.run(ctx, n.below(OpRemove, name), func() error { return n.Node.Remove(ctx, cred, name) })
}

// Symlink wraps Node.Symlink.
func (n *node) Symlink(ctx context.Context, cred *vfs.Cred, name, target string) (vfs.Node, error) {
	return n.fs.getNode(ctx, n.below(OpSymlink, name), func() (vfs.Node, error) { return n.Node.Symlink(ctx, cred, name, target) })
}

// Readlink wraps Node.Readlink.
func (n *node) Readlink(ctx context.Context, cred *vfs.Cred) (string, error) {
	return get(ctx, n.fs, n.self(OpReadlink), func() (string, error) { return n.Node.Readlink(ctx, cred) })
}

// Access wraps Node.Access.
func (n *node) Access(ctx context.Context, cred *vfs.Cred, want vfs.Access) error {
	return n.fs.run(ctx, n.self(OpAccess), func() error { return n.Node.Access(ctx, cred, want) })
}

// Open wraps Node.Open.
func (n *node) Open(ctx context.Context, cred *vfs.Cred, mode vfs.OpenMode) (vfs.Handle, error) {
	v := n.fs.begin(ctx, n.self(OpOpen))
	if err := v.stop(); err != nil {
		return nil, err
	}
	h, err := n.Node.Open(ctx, cred, mode)
	if v.after && err == nil {
		// Its answer is lost, so is that of giving it back.
		_ = h.Close()
	}
	if err = v.final(err); err != nil {
		return nil, err
	}
	return &handle{Handle: h, fs: n.fs, path: n.path}, nil
}

// Release wraps Node.Release.
func (n *node) Release() {
	n.fs.begin(context.Background(), n.self(OpRelease))
	n.Node.Release()
}
