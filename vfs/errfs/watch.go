package errfs

import (
	"context"
	"errors"

	"lessor/vfs"
)

var _ vfs.Watcher = (*FS)(nil)

// watch wraps a vfs.Watch.
type watch struct {
	vfs.Watch // the inner one
	fs        *FS
}

// Watch wraps that of the inner FS, if it has one. What is told is not changed.
func (f *FS) Watch(fn func([]vfs.Change)) (vfs.Watch, error) {
	v := f.begin(context.Background(), Call{Op: OpWatch})
	if err := v.stop(); err != nil {
		return nil, err
	}
	inner, ok := f.FS.(vfs.Watcher)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	w, err := inner.Watch(fn)
	if err == nil && v.after {
		err = errors.Join(v.err, w.Close())
	}
	if err != nil {
		return nil, err
	}
	return &watch{Watch: w, fs: f}, nil
}

// Add wraps Watch.Add.
func (w *watch) Add(node vfs.Node, tree bool) (vfs.Watched, bool, error) {
	v := w.fs.begin(context.Background(), Call{Op: OpWatchAdd, Path: pathOf(node)})
	if err := v.stop(); err != nil {
		return nil, false, err
	}
	what, fresh, err := w.Watch.Add(innerNode(node), tree)
	if err == nil && v.after {
		what.Stop()
		return nil, false, v.err
	}
	return what, fresh, err
}
