package memfs

import (
	"context"
	"io"
	"io/fs"
	"sync/atomic"

	"lessor/vfs"
)

// dir is an open directory.
type dir struct {
	// Immutable after construction.
	ino  *inode
	mode vfs.OpenMode

	// Atomic.
	closed atomic.Bool

	// The rest belongs to whoever calls ReadDir and Rewind. A scan ends with
	// what was there when it began, so that one who renames what he is shown
	// comes to an end.
	scanning bool
	last     uint64 // seq of the last entry that was given
	upTo     uint64 // seq of the last entry of the scan
}

var _ vfs.Handle = (*dir)(nil)

// listable tells whether the Handle may list.
func (h *dir) listable() error {
	switch {
	case h.closed.Load():
		return fs.ErrClosed
	case !h.mode.Read:
		return fs.ErrPermission
	default:
		return nil
	}
}

// ReadDir fills buf with the next entries, in the order in which they were made.
func (h *dir) ReadDir(_ context.Context, _ *vfs.Cred, buf []vfs.DirEntry) (n int, err error) {
	if err := h.listable(); err != nil {
		return 0, err
	}
	if len(buf) == 0 {
		return 0, fs.ErrInvalid
	}
	h.ino.fs.tree.RLock()
	defer h.ino.fs.tree.RUnlock()
	d := h.ino.dir
	if !h.scanning {
		h.scanning, h.last, h.upTo = true, 0, d.seq
	}
	n, h.last = d.list(h.last, h.upTo, buf)
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Rewind starts the listing anew.
func (h *dir) Rewind() error {
	if err := h.listable(); err != nil {
		return err
	}
	h.scanning = false
	return nil
}

// EntryAttr returns the attributes of an entry.
func (h *dir) EntryAttr(_ context.Context, _ *vfs.Cred, e *vfs.DirEntry) (vfs.Attr, error) {
	if h.closed.Load() {
		return vfs.Attr{}, fs.ErrClosed
	}
	if err := checkName(e.Name); err != nil {
		return vfs.Attr{}, err
	}
	h.ino.fs.tree.RLock()
	defer h.ino.fs.tree.RUnlock()
	entry := h.ino.dir.exact[e.Name]
	if entry == nil {
		return vfs.Attr{}, fs.ErrNotExist
	}
	return entry.ino.attr(&entry.ino.main)
}

// Sync has nothing to do.
func (h *dir) Sync(context.Context) error {
	if h.closed.Load() {
		return fs.ErrClosed
	}
	return nil
}

// WriteError knows of nothing: what was written is there.
func (h *dir) WriteError() error {
	if h.closed.Load() {
		return fs.ErrClosed
	}
	return nil
}

// Close gives the Handle back.
func (h *dir) Close() error { return h.ino.close(&h.closed) }

// ReadAt answers vfs.ErrIsDir.
func (h *dir) ReadAt([]byte, int64) (int, error) { return 0, vfs.ErrIsDir }

// WriteAt answers vfs.ErrIsDir.
func (h *dir) WriteAt([]byte, int64) (int, error) { return 0, vfs.ErrIsDir }

// Truncate answers vfs.ErrIsDir.
func (h *dir) Truncate(int64) error { return vfs.ErrIsDir }

// Alloc answers vfs.ErrIsDir.
func (h *dir) Alloc(context.Context, int64, int64, vfs.AllocMode) error { return vfs.ErrIsDir }

// AllocatedRanges answers vfs.ErrIsDir.
func (h *dir) AllocatedRanges(context.Context, int64, int64, []vfs.Range) (int, error) {
	return 0, vfs.ErrIsDir
}

// CopyFrom answers vfs.ErrIsDir.
func (h *dir) CopyFrom(context.Context, vfs.Handle, int64, int64, int64) (int64, error) {
	return 0, vfs.ErrIsDir
}

// CloneFrom answers vfs.ErrIsDir.
func (h *dir) CloneFrom(context.Context, vfs.Handle, int64, int64, int64) error {
	return vfs.ErrIsDir
}

// Lease answers vfs.ErrIsDir.
func (h *dir) Lease(func()) (func(), error) { return nil, vfs.ErrIsDir }

// LockRange answers vfs.ErrIsDir.
func (h *dir) LockRange(context.Context, int64, int64, vfs.LockMode) error { return vfs.ErrIsDir }

// Fd returns no descriptor.
func (h *dir) Fd() (uintptr, bool) { return 0, false }
