package vfs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"sync"
)

// copyChunk is how much CopyData moves at a time.
const copyChunk = 256 << 10

// copyBuffers holds the buffers of CopyData.
var copyBuffers = sync.Pool{New: func() any { return new([copyChunk]byte) }}

// CopyData carries out the contract of Handle.CopyFrom with ReadAt and WriteAt
// alone, for implementations to fall back on. It copies through holes as if
// they were zeros, and looks at ctx between chunks of 256 KiB.
func CopyData(ctx context.Context, dst, src Handle, srcOff, dstOff, n int64) (int64, error) {
	if srcOff < 0 || dstOff < 0 || n < 0 {
		return 0, fs.ErrInvalid
	}
	buf, _ := copyBuffers.Get().(*[copyChunk]byte)
	defer copyBuffers.Put(buf)
	var done int64
	for done < n {
		if err := ctx.Err(); err != nil {
			return done, err
		}
		p := buf[:min(int64(copyChunk), n-done)]
		got, rerr := src.ReadAt(p, srcOff+done)
		if got > 0 {
			put, err := dst.WriteAt(p[:got], dstOff+done)
			done += int64(put)
			if err != nil {
				return done, err
			}
		}
		if errors.Is(rerr, io.EOF) {
			return done, nil
		}
		if rerr != nil {
			return done, rerr
		}
	}
	return done, nil
}

// Source returns what a Handle reads from, if it says so by a method Source() Handle, and
// otherwise the Handle itself. A wrapper that does not change data has this method, so that the
// storage can copy from what it wraps without moving the data.
func Source(h Handle) Handle {
	if w, ok := h.(interface{ Source() Handle }); ok {
		return w.Source()
	}
	return h
}

// CheckName tells whether name is one path component: it returns
// ErrInvalidName if it is empty, "." or "..", or holds a '/' or NUL.
func CheckName(name string) error {
	if name == "" || name == "." || name == ".." {
		return ErrInvalidName
	}
	if strings.IndexByte(name, '/') >= 0 || strings.IndexByte(name, 0) >= 0 {
		return ErrInvalidName
	}
	return nil
}

// CheckPath tells whether path is fit for Node.Lookup: empty, or components
// that pass CheckName joined by single slashes. It does not allocate.
func CheckPath(path string) error {
	if path == "" {
		return nil
	}
	for {
		name, rest, more := strings.Cut(path, "/")
		if err := CheckName(name); err != nil {
			return err
		}
		if !more {
			return nil
		}
		path = rest
	}
}
