package memfs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"sync/atomic"

	"lessor/vfs"
)

// file is an open file or named stream.
type file struct {
	// Immutable after construction.
	ino  *inode
	st   *stream
	mode vfs.OpenMode

	// Atomic.
	closed atomic.Bool
}

var _ vfs.Handle = (*file)(nil)

// Close gives the Handle back.
func (h *file) Close() error { return h.ino.close(&h.closed) }

// Fd returns no descriptor.
func (h *file) Fd() (uintptr, bool) { return 0, false }

// readable tells whether the Handle may read.
func (h *file) readable() error {
	switch {
	case h.closed.Load():
		return fs.ErrClosed
	case !h.mode.Read:
		return fs.ErrPermission
	default:
		return nil
	}
}

// writable tells whether the Handle may write.
func (h *file) writable() error {
	switch {
	case h.closed.Load():
		return fs.ErrClosed
	case !h.mode.Write:
		return fs.ErrPermission
	default:
		return nil
	}
}

// ReadAt reads until p is full or the file ends.
func (h *file) ReadAt(p []byte, off int64) (int, error) {
	if err := h.readable(); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, fs.ErrInvalid
	}
	h.ino.mu.RLock()
	defer h.ino.mu.RUnlock()
	if h.st.gone {
		return 0, vfs.ErrStale
	}
	n := h.st.data.read(p, off)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// locked runs fn, which may change the data, under the lock.
func (h *file) locked(fn func(d *data, sp *space) error) error {
	h.ino.mu.Lock()
	defer h.ino.mu.Unlock()
	if h.st.gone {
		return vfs.ErrStale
	}
	return fn(&h.st.data, &h.ino.fs.space)
}

// change is locked and moves the time of modification unless fn fails.
func (h *file) change(fn func(d *data, sp *space) error) error {
	return h.locked(func(d *data, sp *space) error {
		err := fn(d, sp)
		if err == nil {
			h.ino.modifiedLocked()
		}
		return err
	})
}

// WriteAt writes all of p or nothing.
func (h *file) WriteAt(p []byte, off int64) (int, error) {
	if err := h.writable(); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, fs.ErrInvalid
	}
	if len(p) == 0 {
		return 0, nil
	}
	if err := h.change(func(d *data, sp *space) error { return d.write(sp, p, off) }); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Truncate sets the end of file.
func (h *file) Truncate(size int64) error {
	if err := h.writable(); err != nil {
		return err
	}
	if size < 0 {
		return fs.ErrInvalid
	}
	return h.change(func(d *data, sp *space) error { return d.truncate(sp, size) })
}

// Sync has nothing to do: nothing is more stable than the rest.
func (h *file) Sync(context.Context) error {
	if h.closed.Load() {
		return fs.ErrClosed
	}
	return nil
}

// WriteError knows of nothing: what was written is there.
func (h *file) WriteError() error {
	if h.closed.Load() {
		return fs.ErrClosed
	}
	return nil
}

// Alloc reserves, zeroes or frees a span.
func (h *file) Alloc(_ context.Context, off, n int64, mode vfs.AllocMode) error {
	if off < 0 || n < 0 || off+n < 0 {
		return fs.ErrInvalid
	}
	if err := h.writable(); err != nil || n == 0 {
		return err
	}
	switch mode {
	case vfs.AllocReserve:
		return h.locked(func(d *data, sp *space) error { return d.reserve(sp, off, n) })
	case vfs.AllocZero, vfs.AllocPunch:
		return h.change(func(d *data, sp *space) error { return d.zero(sp, off, n, mode == vfs.AllocPunch) })
	default:
		return fs.ErrInvalid
	}
}

// AllocatedRanges tells the spans that are not holes. Reserved storage is not a
// hole.
func (h *file) AllocatedRanges(_ context.Context, off, n int64, buf []vfs.Range) (int, error) {
	switch {
	case off < 0 || n < 0:
		return 0, fs.ErrInvalid
	case h.closed.Load():
		return 0, fs.ErrClosed
	case !h.mode.Read && !h.mode.Write:
		return 0, fs.ErrPermission
	}
	h.ino.mu.RLock()
	defer h.ino.mu.RUnlock()
	if h.st.gone {
		return 0, vfs.ErrStale
	}
	return h.st.data.ranges(off, n, buf), nil
}

// Lease answers errors.ErrUnsupported, for the same reason as LockRange.
func (h *file) Lease(func()) (func(), error) { return nil, errors.ErrUnsupported }

// LockRange answers errors.ErrUnsupported: nobody outside of the process could
// see a lock.
func (h *file) LockRange(context.Context, int64, int64, vfs.LockMode) error {
	return errors.ErrUnsupported
}

// ReadDir answers vfs.ErrNotDir.
func (h *file) ReadDir(context.Context, *vfs.Cred, []vfs.DirEntry) (int, error) {
	return 0, vfs.ErrNotDir
}

// Rewind answers vfs.ErrNotDir.
func (h *file) Rewind() error { return vfs.ErrNotDir }

// EntryAttr answers vfs.ErrNotDir.
func (h *file) EntryAttr(context.Context, *vfs.Cred, *vfs.DirEntry) (vfs.Attr, error) {
	return vfs.Attr{}, vfs.ErrNotDir
}
