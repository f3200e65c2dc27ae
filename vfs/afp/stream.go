package afp

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"

	"lessor/vfs"
)

// Rules are those of this package, and perhaps more.
type Rules struct {
	// NoEmpty: no stream exists that is empty, whatever it is called. That is how macOS
	// wants it.
	NoEmpty bool
}

// applies reports whether anything holds for streams of a kind.
func (r Rules) applies(k kind) bool { return k != other || r.NoEmpty }

// Stream is vfs.Node.Stream under the rules.
func (r Rules) Stream(ctx context.Context, base vfs.Node, cred *vfs.Cred, name string, create bool) (vfs.Node, error) {
	k := kindOf(name)
	if !r.applies(k) {
		return base.Stream(ctx, cred, name, create)
	}
	n, err := base.Stream(ctx, cred, name, false)
	switch {
	case errors.Is(err, fs.ErrNotExist) && create:
		n, err = base.Stream(ctx, cred, name, true)
		if err != nil {
			return nil, err
		}
		return wrap(n, k), nil
	case err != nil:
		return nil, err
	}
	there, err := exists(ctx, n, cred, k)
	switch {
	case err != nil:
	case there && create:
		err = fs.ErrExist
	case !there && !create:
		err = fs.ErrNotExist
	case !there && k == info:
		err = cutRubbish(ctx, n, cred)
	}
	if err != nil {
		n.Release()
		return nil, err
	}
	return wrap(n, k), nil
}

// cutRubbish empties an AFP_AfpInfo that a program without these rules has made longer than
// it can be. No other stream is touched: who has it open may have written to it just now.
func cutRubbish(ctx context.Context, n vfs.Node, cred *vfs.Cred) error {
	at, err := n.Attr(ctx, cred)
	if err != nil || at.Size <= InfoSize {
		return err
	}
	return n.SetAttr(ctx, cred, &vfs.SetAttr{Mask: vfs.SetSize})
}

func wrap(n vfs.Node, k kind) vfs.Node {
	if k == info {
		return &infoNode{Node: n}
	}
	return n
}

// exists reports whether a stored stream exists for clients.
func exists(ctx context.Context, n vfs.Node, cred *vfs.Cred, k kind) (bool, error) {
	if k != info {
		at, err := n.Attr(ctx, cred)
		return err == nil && at.Size > 0, err
	}
	f, err := readInfo(ctx, n, cred)
	return err == nil && !f.Empty(), err
}

// readInfo reads a stored AFP_AfpInfo; one that is none counts as empty.
func readInfo(ctx context.Context, n vfs.Node, cred *vfs.Cred) (FinderInfo, error) {
	h, err := n.Open(ctx, cred, vfs.OpenMode{Read: true})
	if err != nil {
		return FinderInfo{}, err
	}
	defer func() { _ = h.Close() }()
	return finderOf(h)
}

func finderOf(h vfs.Handle) (FinderInfo, error) {
	var b [InfoSize]byte
	got, err := h.ReadAt(b[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return FinderInfo{}, err
	}
	f, _ := DecodeInfo(b[:got])
	return f, nil
}

// Streams is vfs.Node.Streams under the rules.
func (r Rules) Streams(ctx context.Context, base vfs.Node, cred *vfs.Cred) ([]vfs.StreamInfo, error) {
	list, err := base.Streams(ctx, cred)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(s vfs.StreamInfo) bool {
		if s.Name == unfinished {
			return true
		}
		k := kindOf(s.Name)
		if k != info {
			return r.applies(k) && s.Size == 0
		}
		if s.Size < InfoSize {
			return true
		}
		f, err := Finder(ctx, base, cred)
		return err == nil && f.Empty() // who copies a file is to hear of what cannot be read
	}), nil
}

// Finder returns the information of the Finder that is stored with a file; empty if
// there is none.
func Finder(ctx context.Context, base vfs.Node, cred *vfs.Cred) (FinderInfo, error) {
	n, err := base.Stream(ctx, cred, InfoStream, false)
	if errors.Is(err, fs.ErrNotExist) {
		return FinderInfo{}, nil
	}
	if err != nil {
		return FinderInfo{}, err
	}
	defer n.Release()
	return readInfo(ctx, n, cred)
}

// Meta is what a listing shows of a file to clients of Apple.
type Meta struct {
	Finder   FinderInfo
	Resource int64 // bytes of the resource fork
}

// MetaOf returns it.
func MetaOf(ctx context.Context, base vfs.Node, cred *vfs.Cred) (m Meta, err error) {
	list, err := base.Streams(ctx, cred)
	for i := range list {
		switch kindOf(list[i].Name) {
		case resource:
			m.Resource = list[i].Size
		case info:
			if m.Finder, err = Finder(ctx, base, cred); err != nil {
				return Meta{}, err
			}
		}
	}
	return m, err
}

// infoNode is AFP_AfpInfo.
type infoNode struct{ vfs.Node }

// Attr says that there are 60 bytes.
func (n *infoNode) Attr(ctx context.Context, cred *vfs.Cred) (vfs.Attr, error) {
	at, err := n.Node.Attr(ctx, cred)
	at.Size = InfoSize
	return at, err
}

// SetAttr leaves the size as it is: see infoHandle.Truncate.
func (n *infoNode) SetAttr(ctx context.Context, cred *vfs.Cred, set *vfs.SetAttr) error {
	if set.Mask&vfs.SetSize == 0 {
		return n.Node.SetAttr(ctx, cred, set)
	}
	if err := checkSize(set.Size); err != nil {
		return err
	}
	rest := *set
	rest.Mask &^= vfs.SetSize
	if rest.Mask == 0 {
		return nil
	}
	return n.Node.SetAttr(ctx, cred, &rest)
}

// Open opens it.
func (n *infoNode) Open(ctx context.Context, cred *vfs.Cred, mode vfs.OpenMode) (vfs.Handle, error) {
	mode.Read = mode.Read || mode.Write // a write changes part of what is there
	h, err := n.Node.Open(ctx, cred, mode)
	if err != nil {
		return nil, err
	}
	return &infoHandle{h}, nil
}

// infoHandle is an open AFP_AfpInfo.
type infoHandle struct{ vfs.Handle }

// ReadAt reads the 60 bytes; of what is not stored, those that say nothing. Every offset
// up to 60 means the beginning, as macOS has it.
func (h *infoHandle) ReadAt(p []byte, off int64) (int, error) {
	switch {
	case off < 0:
		return 0, fs.ErrInvalid
	case off > InfoSize:
		return 0, io.EOF
	}
	b, err := h.content()
	if err != nil {
		return 0, err
	}
	n := copy(p, b)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (h *infoHandle) content() ([]byte, error) {
	b := make([]byte, InfoSize)
	got, err := h.Handle.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if _, ok := DecodeInfo(b[:got]); !ok {
		b = AppendInfo(b[:0], &FinderInfo{})
	}
	return b, nil
}

// WriteAt replaces the beginning, which is what every write is about: one of all 60
// bytes may say any offset. What does not begin as AFP_AfpInfo does is refused with
// fs.ErrInvalid, and what is beyond 60 bytes is left out.
func (h *infoHandle) WriteAt(p []byte, off int64) (int, error) {
	if len(p) < leastInfo || off != 0 && len(p) < InfoSize || string(p[:min(len(p), lookAtInfo)]) != infoMagic[:min(len(p), lookAtInfo)] {
		return 0, fs.ErrInvalid
	}
	b, err := h.content()
	if err != nil {
		return 0, err
	}
	copy(b, p)
	if f, ok := DecodeInfo(b); !ok || f.Empty() {
		return len(p), h.Handle.Truncate(0)
	}
	if _, err := h.Handle.WriteAt(b, 0); err != nil {
		return 0, err
	}
	return len(p), nil
}

// checkSize is what setting a size answers.
func checkSize(size int64) error {
	switch {
	case size < 0:
		return fs.ErrInvalid
	case size > InfoSize:
		return ErrTooMuch
	}
	return nil
}

// ErrTooMuch says that AFP_AfpInfo cannot have more than its 60 bytes.
var ErrTooMuch = errors.New("AFP_AfpInfo has 60 bytes")

// Truncate changes nothing: it has 60 bytes. Errors: ErrTooMuch; fs.ErrInvalid.
func (h *infoHandle) Truncate(size int64) error { return checkSize(size) }

// Alloc changes nothing.
func (h *infoHandle) Alloc(context.Context, int64, int64, vfs.AllocMode) error {
	return errors.ErrUnsupported
}

// AllocatedRanges says that there is data everywhere.
func (h *infoHandle) AllocatedRanges(_ context.Context, off, n int64, buf []vfs.Range) (int, error) {
	if off < 0 || n < 0 {
		return 0, fs.ErrInvalid
	}
	end := min(InfoSize, off+min(n, InfoSize))
	if len(buf) == 0 || off >= end {
		return 0, nil
	}
	buf[0] = vfs.Range{Off: off, Len: end - off}
	return 1, nil
}

// CopyFrom copies from another file what WriteAt takes.
func (h *infoHandle) CopyFrom(_ context.Context, src vfs.Handle, srcOff, dstOff, n int64) (int64, error) {
	b := make([]byte, min(max(n, 0), InfoSize))
	got, err := src.ReadAt(b, srcOff)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	if got == 0 {
		return 0, nil
	}
	put, err := h.WriteAt(b[:got], dstOff)
	return int64(put), err
}

// CloneFrom is not there.
func (h *infoHandle) CloneFrom(context.Context, vfs.Handle, int64, int64, int64) error {
	return errors.ErrUnsupported
}

// Fd returns none: what is read is not always what is stored.
func (h *infoHandle) Fd() (uintptr, bool) { return 0, false }
