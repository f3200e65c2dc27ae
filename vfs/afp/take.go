package afp

import (
	"context"
	"errors"
	"io"
	"io/fs"

	"lessor/vfs"
)

// netatalk is the extended attribute in which Netatalk, and Samba by default, keep
// the information of the Finder.
const netatalk = "org.netatalk.Metadata"

// TakeAttr makes AFP_AfpInfo of what Netatalk has stored with a file, which goes
// away. A file that has AFP_AfpInfo keeps that.
func TakeAttr(ctx context.Context, base vfs.Node, cred *vfs.Cred) error {
	b, err := base.Xattr(ctx, cred, netatalk)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	if err != nil {
		return err
	}
	var d Double
	switch err := d.Decode(b[:min(len(b), MaxHeader)]); {
	case errors.Is(err, ErrNotDouble):
		return nil // somebody else's
	case err != nil:
		return err
	}
	if err := giveFinder(ctx, base, cred, &d.Finder); err != nil {
		return err
	}
	return base.SetXattr(ctx, cred, netatalk, nil)
}

// giveFinder stores AFP_AfpInfo where there is none.
func giveFinder(ctx context.Context, base vfs.Node, cred *vfs.Cred, f *FinderInfo) error {
	if f.Empty() {
		return nil
	}
	return giveStream(ctx, base, cred, InfoStream, func(h vfs.Handle) error {
		_, err := h.WriteAt(AppendInfo(nil, f), 0)
		return err
	})
}

// giveStream makes a stream where there is none.
func giveStream(ctx context.Context, base vfs.Node, cred *vfs.Cred, name string, fill func(h vfs.Handle) error) error {
	n, err := Rules{}.Stream(ctx, base, cred, name, true)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer n.Release()
	h, err := n.Open(ctx, cred, vfs.OpenMode{Read: true, Write: true})
	if err != nil {
		return err
	}
	err = fill(h)
	if err = errors.Join(err, h.Close()); err != nil {
		// Half of it would keep the rest from being taken over later.
		_ = base.RemoveStream(ctx, cred, name)
	}
	return err
}

// TakeDouble makes streams of what the AppleDouble file of name in dir says about
// base, the file of that name, and removes it then. Streams that the file has are
// kept. done is false if there is nothing to take over: no such file, or one that is
// something else. After an error, ErrAttrs among others, the file is still there.
func TakeDouble(ctx context.Context, dir, base vfs.Node, cred *vfs.Cred, name string) (done bool, err error) {
	n, actual, err := dir.Lookup(ctx, cred, DoublePrefix+name, vfs.LookupOptions{NoFollow: true, Hint: vfs.OpenMode{Read: true}})
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, vfs.ErrNameTooLong) || errors.Is(err, vfs.ErrInvalidName) {
			return false, nil
		}
		return false, err
	}
	defer n.Release()
	if n.Type() != vfs.TypeRegular {
		return false, nil
	}
	h, err := n.Open(ctx, cred, vfs.OpenMode{Read: true})
	if err != nil {
		return false, err
	}
	defer func() { _ = h.Close() }()
	at, err := n.Attr(ctx, cred)
	if err != nil {
		return false, err
	}
	head := make([]byte, min(at.Size, MaxHeader))
	got, err := h.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	var d Double
	switch err := d.Decode(head[:got]); {
	case errors.Is(err, ErrNotDouble) || d.ResourceOffset+d.ResourceSize > at.Size:
		return false, nil
	case err != nil:
		return false, err
	}
	if err := d.give(ctx, base, cred, h); err != nil {
		return false, err
	}
	return true, dir.Remove(ctx, cred, actual)
}

// give stores what an AppleDouble file says.
func (d *Double) give(ctx context.Context, base vfs.Node, cred *vfs.Cred, from vfs.Handle) error {
	if err := giveFinder(ctx, base, cred, &d.Finder); err != nil {
		return err
	}
	for _, a := range d.Attrs {
		err := giveStream(ctx, base, cred, streamOf(a.Name), func(h vfs.Handle) error {
			_, err := h.WriteAt(a.Value, 0)
			return err
		})
		if err != nil {
			return err
		}
	}
	if empty, err := d.noResource(from); empty || err != nil {
		return err
	}
	return giveStream(ctx, base, cred, ResourceStream, func(h vfs.Handle) error {
		for done := int64(0); done < d.ResourceSize; {
			n, err := h.CopyFrom(ctx, from, d.ResourceOffset+done, done, d.ResourceSize-done)
			if err != nil {
				return err
			}
			if n == 0 {
				return io.ErrUnexpectedEOF
			}
			done += n
		}
		return nil
	})
}

// noResource reports whether there is no resource fork, or the one that stands for none.
func (d *Double) noResource(from vfs.Handle) (bool, error) {
	if d.ResourceSize != emptyFork {
		return d.ResourceSize == 0, nil
	}
	b := make([]byte, len(blank))
	if _, err := from.ReadAt(b, d.ResourceOffset+16); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return string(b) == blank, nil
}
