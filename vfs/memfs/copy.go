package memfs

import (
	"context"
	"io/fs"

	"lessor/vfs"
)

// copyStep is how many bytes a copy moves under one hold of the locks.
const copyStep = 4 << 20

// from checks the arguments of a copy or clone, and whether src is a Handle of
// this FS.
func (h *file) from(src vfs.Handle, srcOff, dstOff, n int64) (s *file, local bool, err error) {
	if srcOff < 0 || dstOff < 0 || n < 0 || srcOff+n < 0 || dstOff+n < 0 {
		return nil, false, fs.ErrInvalid
	}
	if err := h.writable(); err != nil {
		return nil, false, err
	}
	s, local = src.(*file)
	if !local || s.ino.fs != h.ino.fs {
		return nil, false, nil
	}
	if err := s.readable(); err != nil {
		return nil, true, err
	}
	if s.st == h.st && max(srcOff, dstOff)-min(srcOff, dstOff) < n {
		return nil, true, fs.ErrInvalid
	}
	return s, true, nil
}

// lockedWith runs fn, which may change the data and the shares of src's pages,
// under both locks.
func (h *file) lockedWith(src *file, fn func(d, from *data, sp *space) error) error {
	mine, other := h.ino.id.Inode, src.ino.id.Inode
	if other < mine {
		src.ino.mu.Lock()
		defer src.ino.mu.Unlock()
	}
	return h.locked(func(d *data, sp *space) error {
		if other > mine {
			src.ino.mu.Lock()
			defer src.ino.mu.Unlock()
		}
		if src.st.gone {
			return vfs.ErrStale
		}
		return fn(d, &src.st.data, sp)
	})
}

// CopyFrom shares whole pages where both offsets lie alike within a page,
// leaves holes, and copies the rest.
func (h *file) CopyFrom(ctx context.Context, src vfs.Handle, srcOff, dstOff, n int64) (int64, error) {
	s, local, err := h.from(src, srcOff, dstOff, n)
	if err != nil {
		return 0, err
	}
	if !local {
		return vfs.CopyData(ctx, h, src, srcOff, dstOff, n)
	}
	done := int64(0)
	for done < n {
		if err := ctx.Err(); err != nil {
			return done, err
		}
		var moved int64
		err := h.lockedWith(s, func(d, from *data, sp *space) (err error) {
			moved, err = d.copyStep(sp, from, srcOff+done, dstOff+done, n-done)
			if moved > 0 && err == nil {
				h.ino.modifiedLocked()
			}
			return err
		})
		if err != nil || moved == 0 {
			return done, err
		}
		done += moved
	}
	return done, nil
}

// copyStep copies the first of n bytes, as many as can be treated alike, and
// returns how many: 0 at the end of src. With an error nothing was copied.
func (d *data) copyStep(sp *space, src *data, srcOff, dstOff, n int64) (int64, error) {
	n = min(n, src.size-srcOff, copyStep)
	if n <= 0 {
		return 0, nil
	}
	var first [1]vfs.Range
	hole := n
	if src.ranges(srcOff, n, first[:]) > 0 {
		hole = first[0].Off - srcOff
	}
	if hole > 0 {
		return hole, d.skip(sp, dstOff, hole)
	}
	n = first[0].Len
	if at, _ := cut(srcOff, n); at == dstOff&(pageSize-1) {
		if at == 0 && n >= pageSize {
			n &^= pageSize - 1
			if dstOff > maxSize-n {
				return 0, vfs.ErrTooLarge
			}
			return n, d.clone(sp, src, srcOff, dstOff, n)
		}
		_, n = cut(srcOff, n)
	}
	return n, d.copyFrom(sp, src, srcOff, dstOff, n)
}

// CloneFrom shares pages. What lies behind the end of src in its last page may
// be shared only where it stays behind the end.
func (h *file) CloneFrom(_ context.Context, src vfs.Handle, srcOff, dstOff, n int64) error {
	s, local, err := h.from(src, srcOff, dstOff, n)
	if err != nil || n == 0 {
		return err
	}
	if !local {
		return vfs.ErrCrossDevice
	}
	if (srcOff|dstOff)&(pageSize-1) != 0 {
		return fs.ErrInvalid
	}
	if dstOff > maxSize-n {
		return vfs.ErrTooLarge
	}
	return h.lockedWith(s, func(d, from *data, sp *space) error {
		if srcOff+n > from.size {
			return fs.ErrInvalid
		}
		if n&(pageSize-1) != 0 && (srcOff+n < from.size || dstOff+n < d.size) {
			return fs.ErrInvalid
		}
		err := d.clone(sp, from, srcOff, dstOff, n)
		if err == nil {
			h.ino.modifiedLocked()
		}
		return err
	})
}
