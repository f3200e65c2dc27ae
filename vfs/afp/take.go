package afp

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"sync"

	"lessor/vfs"
)

// Importer takes over what other servers have stored beside or with a file. No file is
// worked on by two at a time: who comes second would count what is half done as done, and
// the first could still fail. The zero value is good.
type Importer struct {
	mu   sync.Mutex // leaf; guards busy
	busy map[vfs.NodeID]struct{}
}

// begin claims a file, unless somebody has it.
func (im *Importer) begin(id vfs.NodeID) bool {
	im.mu.Lock()
	defer im.mu.Unlock()
	if _, taken := im.busy[id]; taken {
		return false
	}
	if im.busy == nil {
		im.busy = make(map[vfs.NodeID]struct{})
	}
	im.busy[id] = struct{}{}
	return true
}

// end gives a file back.
func (im *Importer) end(id vfs.NodeID) {
	im.mu.Lock()
	defer im.mu.Unlock()
	delete(im.busy, id)
}

// netatalk is the extended attribute in which Netatalk, and Samba by default, keep
// the information of the Finder.
const netatalk = "org.netatalk.Metadata"

// TakeAttr makes AFP_AfpInfo of what Netatalk has stored with a file, which goes
// away. A file that has AFP_AfpInfo keeps that. Nothing is done while somebody else is at it.
func (im *Importer) TakeAttr(ctx context.Context, base vfs.Node, cred *vfs.Cred) error {
	if !im.begin(base.ID()) {
		return nil
	}
	defer im.end(base.ID())
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

// unfinished is the stream that is being written. No client can say its name, with a
// backslash, and none is shown it: what was left of an earlier one is removed, and nothing of
// theirs may be.
const unfinished = `\lessor.import`

// giveStream makes a stream where there is none. It is written under another name until it
// is whole and on the disk: half of it, should the server be killed, would count as taken
// over, and what it is made of is removed then.
func giveStream(ctx context.Context, base vfs.Node, cred *vfs.Cred, name string, fill func(h vfs.Handle) error) error {
	if there, err := has(ctx, base, cred, name); there || err != nil {
		return err
	}
	if err := base.RemoveStream(ctx, cred, unfinished); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// Information of the Finder is as a rule an attribute and comes from one, which go to the
	// disk in their order; a listing must not wait for the disk with each of its files.
	err := writeStream(ctx, base, cred, name != InfoStream, fill)
	there := false
	if err == nil {
		err = base.RenameStream(ctx, cred, unfinished, name, false)
		if errors.Is(err, fs.ErrExist) {
			// A client has made one meanwhile, or there is one that does not exist for clients.
			if there, err = has(ctx, base, cred, name); err == nil && !there {
				err = base.RenameStream(ctx, cred, unfinished, name, true)
			}
		}
	}
	if there || err != nil {
		_ = base.RemoveStream(ctx, cred, unfinished)
	}
	return err
}

// has reports whether a stream exists for clients.
func has(ctx context.Context, base vfs.Node, cred *vfs.Cred, name string) (bool, error) {
	n, err := Rules{}.Stream(ctx, base, cred, name, false)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return false, err
	}
	n.Release()
	return true, nil
}

// writeStream makes the stream unfinished, and sees to it that it is on the disk if stable.
func writeStream(ctx context.Context, base vfs.Node, cred *vfs.Cred, stable bool, fill func(h vfs.Handle) error) error {
	n, err := base.Stream(ctx, cred, unfinished, true)
	if err != nil {
		return err
	}
	defer n.Release()
	h, err := n.Open(ctx, cred, vfs.OpenMode{Read: true, Write: true})
	if err != nil {
		return err
	}
	if err = fill(h); err == nil && stable {
		err = h.Sync(ctx)
	}
	return errors.Join(err, h.Close())
}

// TakeDouble makes streams of what the AppleDouble file of name in dir says about
// base, the file of that name, and removes it then. Streams that the file has are
// kept. done is false if there is nothing to take over: no such file, or one that is
// something else, or somebody else is at it. After an error, ErrAttrs among others, the
// file is still there.
func (im *Importer) TakeDouble(ctx context.Context, dir, base vfs.Node, cred *vfs.Cred, name string) (done bool, err error) {
	if !im.begin(base.ID()) {
		return false, nil
	}
	defer im.end(base.ID())
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
		name := streamOf(a.Name)
		if Special(name) {
			continue // what those hold stands elsewhere
		}
		err := giveStream(ctx, base, cred, name, func(h vfs.Handle) error {
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
