package errfs

import (
	"context"
	"errors"
	"io"

	"lessor/vfs"
)

// handle wraps a Handle.
type handle struct {
	vfs.Handle // the inner one
	// Immutable after construction.
	fs   *FS
	path string
}

var _ vfs.Handle = (*handle)(nil)

// innerHandle returns what a Handle wraps, or the Handle itself if it is not
// one of this package.
func innerHandle(h vfs.Handle) vfs.Handle {
	if w, ok := h.(*handle); ok {
		return w.Handle
	}
	return h
}

// on is a call on the whole of the handle.
func (h *handle) on(op Op) Call { return Call{Op: op, Path: h.path} }

// span is a call on n bytes from off on.
func (h *handle) span(op Op, off, n int64) Call { return Call{Op: op, Path: h.path, Off: off, Len: n} }

// transfer carries out a read or write, a short one with lack as its error if
// the rule has none.
func (h *handle) transfer(op Op, p []byte, off int64, lack error, do func(p []byte) (int, error)) (int, error) {
	v := h.fs.begin(context.Background(), h.span(op, off, int64(len(p))))
	if err := v.stop(); err != nil {
		return 0, err
	}
	most, less := v.clip(int64(len(p)))
	n, err := do(p[:most])
	if less && err == nil {
		if err = v.err; err == nil {
			err = lack
		}
	}
	if v.after {
		return 0, v.err
	}
	return n, err
}

// ReadAt wraps Handle.ReadAt.
func (h *handle) ReadAt(p []byte, off int64) (int, error) {
	return h.transfer(OpReadAt, p, off, io.ErrUnexpectedEOF, func(p []byte) (int, error) { return h.Handle.ReadAt(p, off) })
}

// WriteAt wraps Handle.WriteAt.
func (h *handle) WriteAt(p []byte, off int64) (int, error) {
	return h.transfer(OpWriteAt, p, off, io.ErrShortWrite, func(p []byte) (int, error) { return h.Handle.WriteAt(p, off) })
}

// Truncate wraps Handle.Truncate.
func (h *handle) Truncate(size int64) error {
	return h.fs.run(context.Background(), h.span(OpTruncate, size, 0), func() error { return h.Handle.Truncate(size) })
}

// Sync wraps Handle.Sync.
func (h *handle) Sync(ctx context.Context) error {
	return h.fs.run(ctx, h.on(OpSync), func() error { return h.Handle.Sync(ctx) })
}

// WriteError wraps Handle.WriteError.
func (h *handle) WriteError() error {
	return h.fs.run(context.Background(), h.on(OpWriteError), h.Handle.WriteError)
}

// Alloc wraps Handle.Alloc.
func (h *handle) Alloc(ctx context.Context, off, n int64, mode vfs.AllocMode) error {
	return h.fs.run(ctx, h.span(OpAlloc, off, n), func() error { return h.Handle.Alloc(ctx, off, n, mode) })
}

// AllocatedRanges wraps Handle.AllocatedRanges.
func (h *handle) AllocatedRanges(ctx context.Context, off, n int64, buf []vfs.Range) (int, error) {
	c := h.span(OpAllocatedRanges, off, n)
	return get(ctx, h.fs, c, func() (int, error) { return h.Handle.AllocatedRanges(ctx, off, n, buf) })
}

// CopyFrom wraps Handle.CopyFrom.
func (h *handle) CopyFrom(ctx context.Context, src vfs.Handle, srcOff, dstOff, n int64) (int64, error) {
	v := h.fs.begin(ctx, h.span(OpCopyFrom, dstOff, n))
	if err := v.stop(); err != nil {
		return 0, err
	}
	most, less := v.clip(n)
	done, err := h.Handle.CopyFrom(ctx, innerHandle(src), srcOff, dstOff, most)
	if less && err == nil {
		err = v.err
	}
	if v.after {
		return 0, v.err
	}
	return done, err
}

// CloneFrom wraps Handle.CloneFrom.
func (h *handle) CloneFrom(ctx context.Context, src vfs.Handle, srcOff, dstOff, n int64) error {
	return h.fs.run(ctx, h.span(OpCloneFrom, dstOff, n), func() error {
		return h.Handle.CloneFrom(ctx, innerHandle(src), srcOff, dstOff, n)
	})
}

// LockRange wraps Handle.LockRange.
func (h *handle) LockRange(ctx context.Context, off, n int64, mode vfs.LockMode) error {
	return h.fs.run(ctx, h.span(OpLockRange, off, n), func() error { return h.Handle.LockRange(ctx, off, n, mode) })
}

// Lease wraps Handle.Lease.
func (h *handle) Lease(broken func()) (func(), error) {
	return get(context.Background(), h.fs, h.on(OpLease), func() (func(), error) { return h.Handle.Lease(broken) })
}

// ReadDir wraps Handle.ReadDir.
func (h *handle) ReadDir(ctx context.Context, cred *vfs.Cred, buf []vfs.DirEntry) (int, error) {
	v := h.fs.begin(ctx, h.on(OpReadDir))
	if err := v.stop(); err != nil {
		return 0, err
	}
	most, less := v.clip(int64(len(buf)))
	n, err := h.Handle.ReadDir(ctx, cred, buf[:most])
	if less && err == nil {
		err = v.err
	}
	if v.after {
		return 0, v.err
	}
	return n, err
}

// Rewind wraps Handle.Rewind.
func (h *handle) Rewind() error {
	return h.fs.run(context.Background(), h.on(OpRewind), h.Handle.Rewind)
}

// EntryAttr wraps Handle.EntryAttr.
func (h *handle) EntryAttr(ctx context.Context, cred *vfs.Cred, e *vfs.DirEntry) (vfs.Attr, error) {
	c := Call{Op: OpEntryAttr, Path: join(h.path, e.Name)}
	return get(ctx, h.fs, c, func() (vfs.Attr, error) { return h.Handle.EntryAttr(ctx, cred, e) })
}

// Fd wraps Handle.Fd.
func (h *handle) Fd() (uintptr, bool) {
	v := h.fs.begin(context.Background(), h.on(OpFd))
	if v.err != nil {
		return 0, false
	}
	return h.Handle.Fd()
}

// Close wraps Handle.Close.
func (h *handle) Close() error {
	v := h.fs.begin(context.Background(), h.on(OpClose))
	return errors.Join(v.err, h.Handle.Close())
}
