package smb

import (
	"context"
	"errors"
	"io/fs"

	"github.com/rs/zerolog"

	"lessor/locking"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/vfs"
	"lessor/vfs/names"
)

// close carries out CLOSE (MS-SMB2 3.3.5.10).
func (r *request) close(q *wire.CloseRequest, a *wire.CloseResponse) error {
	o, err := r.file(q.FileID)
	if err != nil {
		return err
	}
	if !o.isPipe() {
		if err := o.awaitDelete(r); err != nil {
			return err
		}
		o.lateUsed()
		if q.Flags&wire.CloseFlagPostQueryAttrib != 0 {
			o.closeAttributes(r.ctx(), a)
		}
	}
	if !r.sess.takeOpen(o) {
		return ntstatus.FileClosed
	}
	// Whatever is wrong with what was written, the open is closed: as with close(2), the
	// status is about the data.
	err = o.writeError()
	o.shut()
	r.prev.hasFile = false
	r.prev.failed = ntstatus.FileClosed
	return err
}

// writeError is what the storage knows to have gone wrong with what was written through
// the open and was not told to its client. It costs nothing where nothing was written, and
// does not matter where all of it is going to be deleted.
func (o *open) writeError() error {
	if !o.wrote.Load() {
		return nil
	}
	o.grip.mu.Lock()
	h := o.grip.handle
	o.grip.mu.Unlock()
	if h == nil {
		return nil
	}
	if err := h.WriteError(); err != nil && !o.unlink.Load() && !o.lock.DeletePending() {
		return err
	}
	return nil
}

// awaitDelete lets the handle caching of others end before an open with
// FILE_DELETE_ON_CLOSE is closed, so that its deletion is not kept waiting by
// handles that nobody uses (MS-FSA 2.1.5.5).
func (o *open) awaitDelete(r *request) error {
	if o.options&wire.OptionDeleteOnClose == 0 {
		return nil
	}
	for {
		err := o.lock.Break(locking.CauseDelete)
		var b *locking.Blocked
		if !errors.As(err, &b) {
			return nil // that the open is closed already is found out by takeOpen
		}
		if err := r.awaitBreak(b); err != nil {
			return err
		}
	}
}

// closeAttributes fills in the attributes that a client asks for with CLOSE.
func (o *open) closeAttributes(ctx context.Context, a *wire.CloseResponse) {
	at, err := o.attr(ctx)
	if err != nil {
		return
	}
	a.Flags = wire.CloseFlagPostQueryAttrib
	b := o.basic(&at)
	a.CreationTime, a.LastAccessTime, a.LastWriteTime, a.ChangeTime = b.CreationTime, b.LastAccessTime, b.LastWriteTime, b.ChangeTime
	a.FileAttributes = b.FileAttributes
	a.AllocationSize, a.EndofFile = uint64(allocationSize(&at)), uint64(at.Size)
}

// end closes an open that was taken out of its session's table because the
// session or the tree has ended. With keep, a durable open waits for its client
// instead.
func (o *open) end(keep bool) {
	if keep && o.lock != nil {
		o.finish()
		if o.lock.Disconnect() {
			// The table's reference stays: it belongs to whoever reclaims the open,
			// or to purged.
			return
		}
	}
	if !o.isPipe() {
		o.share().closed(o.writeError())
	}
	o.shut()
}

// finish wakes who waits for something on the open and ends what it watches.
func (o *open) finish() {
	o.mu.Lock()
	o.closed = true
	w := o.watch
	o.watch = nil
	for a := range o.alarms {
		a.ring()
	}
	o.mu.Unlock()
	if w != nil {
		w.stop()
	}
}

// shut closes an open that was taken out of its session's table.
func (o *open) shut() {
	o.finish()
	if o.isPipe() {
		o.pipe.Close()
		o.unpin()
		return
	}
	o.mu.Lock()
	frozen := o.frozen
	o.mu.Unlock()
	o.grip.lateClosed(frozen)
	o.tellWritten()
	if !o.app.id.IsZero() {
		o.sess.srv.apps.remove(o)
	}
	o.unlinkNow()
	if o.grip.dir && o.options&wire.OptionDeleteOnClose != 0 {
		o.sess.srv.dirDeleted(o.lock.Key())
	}
	o.grip.hideAll()
	o.auditClosed()
	o.sess.srv.remove(o.grip, o.lock.Close(), o.sess)
	o.unpin()
}

// purged is what package locking calls when a disconnected open has ended
// without its client (Options.OnPurge).
func (s *Server) purged(_ locking.OpenID, payload any, result locking.Closed) {
	if o, ok := payload.(*open); ok {
		o.grip.hideAll()
		if !o.app.id.IsZero() {
			s.apps.remove(o)
		}
		o.auditClosed()
		s.remove(o.grip, result, o.sess)
		o.unpin()
		return
	}
	// The open is from before a restart: only its path is known.
	if !result.Delete {
		return
	}
	for _, sh := range s.shares.Load().list {
		if sh.space == result.Volume {
			if err := s.removePath(sh, nil, result, nil); err == nil {
				return
			}
		}
	}
}

// remove deletes what the closing of an open of a session has left to delete.
func (s *Server) remove(g *grip, c locking.Closed, by *session) {
	if !c.Delete {
		return
	}
	defer c.Deleted()
	if err := s.removePath(g.share, g, c, by); err != nil {
		s.noteDeletion(g.share, c.DeletePath, err)
	}
}

// noteDeletion logs a deletion that failed. That a directory was filled after it
// was marked is the doing of clients and nobody's concern.
func (s *Server) noteDeletion(sh *share, path string, err error) {
	level := zerolog.WarnLevel
	if errors.Is(err, vfs.ErrNotEmpty) {
		level = zerolog.DebugLevel
	}
	s.log.WithLevel(level).Err(err).Str("share", sh.Name).Str("path", path).Msg("deletion failed")
}

// removePath deletes a file, an empty directory or a stream by the path of its
// last open, under the name gate (MS-FSA 2.1.5.5). Nothing else that has taken
// over the name is touched. Without a grip, the open is from before a restart: it
// may have been closed before that, and its file be gone. by is whose open was the last
// one, nil if nobody knows any more.
func (s *Server) removePath(sh *share, g *grip, c locking.Closed, by *session) error {
	if c.DeleteStream == "" || g == nil {
		bin, done, err := s.removeName(sh, g, &c, by)
		if done || err != nil {
			sh.auditDeletion(by, &c, bin, err)
		}
		return err
	}
	stream := g.streamCalled(c.DeleteStream)
	if sh.keepsResource(stream) {
		return nil
	}
	err := g.base.RemoveStream(context.Background(), nil, stream)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	c.DeleteStream = stream
	sh.auditDeletion(by, &c, "", err)
	if err == nil {
		sh.changed(c.DeletePath+":"+stream, vfs.ActionRemovedStream, vfs.FilterStreamName)
	}
	return err
}

// removeName is removePath for what has to be looked up. bin is where the file was moved to
// instead; done says that anything has happened.
func (s *Server) removeName(sh *share, g *grip, c *locking.Closed, by *session) (bin string, done bool, err error) {
	ctx := context.Background()
	leave := sh.gate(s.locks, c.DeletePath)
	defer leave()
	dir, base := names.Split(c.DeletePath)
	root := sh.FS.Root()
	defer root.Release()
	parent, stored, err := root.Lookup(ctx, nil, dir, sh.named(vfs.LookupOptions{}))
	if err != nil {
		return "", false, err
	}
	defer parent.Release()
	key := locking.Key(parent.ID().Key())
	node, actual, err := parent.Lookup(ctx, nil, base, sh.named(vfs.LookupOptions{NoFollow: true}))
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil // somebody on the machine itself was faster
	}
	if err != nil {
		return "", false, err
	}
	defer node.Release()
	if locking.Key(node.ID().Key()) != c.Key && !g.isOf(node) {
		return "", false, nil
	}
	if c.DeleteStream != "" {
		if sh.keepsResource(c.DeleteStream) {
			return "", true, nil
		}
		if err := node.RemoveStream(ctx, nil, c.DeleteStream); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", false, err
		}
		sh.changed(names.Join(stored, actual)+":"+c.DeleteStream, vfs.ActionRemovedStream, vfs.FilterStreamName)
		return "", true, nil
	}
	if bin, err = s.recycle(sh, parent, node, names.Join(stored, actual), actual, by); err == nil && bin == "" {
		err = sh.removeDirectory(ctx, parent, node, actual, func() bool { return s.locks.HasOpensUnder(sh.space, names.Join(stored, actual)) })
	}
	if err != nil {
		return "", false, err
	}
	lease, has, client := locking.LeaseKey{}, false, locking.ClientID{}
	if g != nil {
		_, lease, has = g.parentOf()
		client = g.client
	}
	s.locks.Changed(key, lease, has, client)
	sh.changed(names.Join(stored, actual), vfs.ActionRemoved, nameFilter(node.Type() == vfs.TypeDirectory))
	return bin, true, nil
}

// nameFilter is the kind of change that the name of a file or directory is.
func nameFilter(dir bool) vfs.Filter {
	if dir {
		return vfs.FilterDirName
	}
	return vfs.FilterFileName
}

// changed tells the watchers of the share about a change.
func (sh *share) changed(path string, action vfs.Action, filter vfs.Filter) {
	if sh.hub.Watched() {
		sh.notify(vfs.Event{Path: path, Action: action, Filter: filter})
	}
}

// streamFilters are the kinds of change that are of a stream, and not of its file.
const streamFilters = vfs.FilterStreamName | vfs.FilterStreamSize | vfs.FilterStreamWrite

// touched tells the watchers that something about an existing object has
// changed, and those who cache the listing of its directory.
func (o *open) touched(filter vfs.Filter) {
	sh := o.share()
	action := vfs.ActionModified
	if sh.hub.Watched() {
		path := o.path()
		if o.grip.stream != "" && filter&streamFilters != 0 { // the rest is the file's
			path += ":" + o.streamStored()
			action = vfs.ActionModifiedStream
		}
		sh.notify(vfs.Event{Path: path, Action: action, Filter: filter})
	}
	if !o.sess.srv.locks.HasDirectoryLeases() {
		return
	}
	if dir, lease, has, ok := o.parent(); ok {
		o.sess.srv.locks.Changed(dir, lease, has, o.sess.client.id)
	}
}

// parent returns the directory of the object and the lease of the client on it.
// The directory is looked for when it is first needed, as most opens never need
// it; ok is false if it is gone.
func (o *open) parent() (dir locking.Key, lease locking.LeaseKey, has, ok bool) {
	dir, lease, has = o.grip.parentOf()
	if dir != (locking.Key{}) {
		return dir, lease, has, true
	}
	sh := o.share()
	path, base := names.Split(o.path())
	if base == "" {
		return dir, lease, has, false
	}
	root := sh.FS.Root()
	defer root.Release()
	n, _, err := root.Lookup(context.Background(), nil, path, vfs.LookupOptions{})
	if err != nil {
		return dir, lease, has, false
	}
	defer n.Release()
	dir = locking.Key(n.ID().Key())
	o.grip.movedTo(dir)
	return dir, lease, has, true
}

// tellWritten tells watchers and directory leases once, at the close, that data
// was written through the open: to do so for every WRITE would break the leases
// of those who list the directory again and again while a file grows. It is also
// at the close that Windows tells watchers of the attributes of a file that was
// renamed.
func (o *open) tellWritten() {
	var renamed vfs.Filter
	if o.renamed.Swap(false) {
		renamed = vfs.FilterAttributes | vfs.FilterCreation
	}
	switch wrote := o.wrote.Swap(false); {
	case wrote && o.grip.stream != "":
		o.touched(vfs.FilterStreamSize | vfs.FilterStreamWrite)
	case wrote:
		o.touched(vfs.FilterSize | vfs.FilterLastWrite | renamed)
	case renamed != 0:
		o.share().changed(o.path(), vfs.ActionModified, renamed)
	}
}
