package smb

import (
	"errors"
	"io/fs"

	"lessor/locking"
	"lessor/smb/ntstatus"
	"lessor/vfs"
	"lessor/vfs/names"
)

// renameStream gives a named stream another name, ":name" or ":name:$DATA" (MS-FSA
// 2.1.5.15.11). A full path with a stream in it is refused as Windows does, which
// finds the file of the path in use.
func (r *request) renameStream(n *naming, name string) error {
	o := n.o
	if name[0] != ':' {
		p, err := names.Parse(name)
		if err != nil {
			return err
		}
		if p.Stream != "" {
			return ntstatus.SharingViolation
		}
		return ntstatus.InvalidParameter
	}
	if o.grip.stream == "" {
		return ntstatus.InvalidParameter
	}
	to, err := names.ParseStream(name)
	if err != nil {
		return err
	}
	to = names.ToDisk(to)
	r.audit.newPath = o.path() + ":" + to
	for {
		err := r.tryStream(n, to)
		var b *locking.Blocked
		if !errors.As(err, &b) {
			return err
		}
		if err := r.awaitBreak(b); err != nil {
			return err
		}
	}
}

// tryStream renames the stream once, under the gate of the file's name, which
// keeps streams of the file from being opened meanwhile.
func (r *request) tryStream(n *naming, to string) error {
	o, sh := n.o, n.o.share()
	path := o.path()
	leave := sh.gate(r.locks(), path)
	defer leave()
	if err := o.lock.Break(locking.CauseRename); err != nil {
		return err
	}
	from := o.streamStored()
	if to == "" {
		return r.becomeDefault(n, from, path)
	}
	if err := o.lock.StreamRenamed(names.Fold(to)); err != nil {
		return err
	}
	if err := o.grip.base.RenameStream(r.ctx(), o.cred(), from, to, n.replace); err != nil {
		_ = o.lock.StreamRenamed(names.Fold(from))
		return err
	}
	o.grip.renamed.Store(&to)
	sh.streamMoved(path, from, to)
	return nil
}

// streamMoved tells the watchers about a stream with another name.
func (sh *share) streamMoved(path, from, to string) {
	if !sh.hub.Watched() {
		return
	}
	sh.notify(
		vfs.Event{Path: path + ":" + from, Action: vfs.ActionRemovedStream, Filter: vfs.FilterStreamName},
		vfs.Event{Path: path + ":" + to, Action: vfs.ActionAddedStream, Filter: vfs.FilterStreamName},
	)
}

// becomeDefault makes the stream the data of the file. There is no such move in a
// file system, so the data is copied; the open goes on with a stream that is gone.
func (r *request) becomeDefault(n *naming, from, path string) error {
	o := n.o
	ctx, cred := r.ctx(), o.cred()
	switch {
	case o.grip.base.Type() == vfs.TypeDirectory:
		return ntstatus.InvalidParameter
	case !n.replace:
		return ntstatus.ObjectNameCollision
	case o.lock.OtherStreamsOpen():
		return ntstatus.AccessDenied
	}
	at, err := o.attr(ctx)
	if err != nil {
		return err
	}
	src, err := o.grip.node.Open(ctx, cred, vfs.OpenMode{Read: true})
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }()
	dst, err := o.grip.base.Open(ctx, cred, vfs.OpenMode{Write: true})
	if err != nil {
		return err
	}
	defer func() { _ = dst.Close() }()
	if err := dst.Truncate(0); err != nil {
		return err
	}
	for done := int64(0); done < at.Size; {
		moved, err := dst.CopyFrom(ctx, src, done, done, at.Size-done)
		if err != nil {
			return err
		}
		if moved == 0 {
			break
		}
		done += moved
	}
	if err := o.grip.base.RemoveStream(ctx, cred, from); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	o.share().changed(path+":"+from, vfs.ActionRemovedStream, vfs.FilterStreamName)
	o.share().changed(path, vfs.ActionModified, vfs.FilterSize|vfs.FilterLastWrite)
	return nil
}

// streamStored is the name of the open stream as it is stored now. Another open may
// have renamed it.
func (o *open) streamStored() string {
	g := o.grip
	if g.stream == "" {
		return ""
	}
	return g.streamCalled(o.lock.Stream())
}

// streamCalled is the stored name of a stream with this folded name, as far as the
// grip knows.
func (g *grip) streamCalled(folded string) string {
	if names.Fold(g.stream) == folded {
		return g.stream
	}
	if now := g.renamed.Load(); now != nil && names.Fold(*now) == folded {
		return *now
	}
	return folded
}
