package smb

import (
	"slices"
	"sync"

	"lessor/locking"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/vfs"
)

// maxNotifyBuffer bounds what is kept of the changes in a directory between two
// requests of its client, in bytes on the wire: what Windows allows over the
// network.
const maxNotifyBuffer = 64 << 10

// watch is the subscription of an open directory to changes, a ChangeNotifyEntry
// of MS-FSA 2.1.1.5. The first request fixes what it wants; it lasts as long as
// the open, so that no change between two requests is lost.
//
//	collecting --change while requests wait--> the first of them gets all changes
//	collecting --more than fits--> overflown: the next request is told to list anew
type watch struct {
	// Immutable after construction.
	open   *open
	tree   bool
	filter vfs.Filter
	limit  int // bytes on the wire that are kept

	// mu is a leaf; it is taken by the Hub, under its own lock.
	mu       sync.Mutex
	path     string      // that was subscribed to
	unwatch  func()      // ends the subscription
	local    vfs.Watched // changes by others that are listened for, or nil
	changes  []change
	size     int // of changes on the wire
	overflow bool
	waiters  []*notifyWait // requests in the order of their arrival
	stopped  bool
	removed  bool // by somebody else than the server
}

// change is one change; the name is relative to the directory, as stored.
type change struct {
	action vfs.Action
	name   string
}

// notifyWait is a CHANGE_NOTIFY that waits for changes. What follows ready is
// written before it is closed, and read after.
type notifyWait struct {
	ready    chan struct{}
	changes  []change
	overflow bool
	status   error
}

// changeNotify carries out CHANGE_NOTIFY (MS-SMB2 3.3.5.19).
func (r *request) changeNotify(q *wire.ChangeNotifyRequest) error {
	if q.OutputBufferLength > r.conn.neg.Load().maxTrans {
		return ntstatus.InvalidParameter
	}
	room := int(q.OutputBufferLength)
	if err := r.checkCharge(room); err != nil {
		return err
	}
	o, err := r.file(q.FileID)
	if err != nil {
		return err
	}
	if o.isPipe() || !o.grip.dir {
		return ntstatus.InvalidParameter
	}
	if o.share().NoNotify {
		return ntstatus.NotImplemented
	}
	if err := o.can(wire.AccessListDirectory); err != nil {
		return err
	}
	w, isNew := o.watching(q)
	if w == nil {
		return ntstatus.NotifyCleanup // closed at the same time
	}
	if isNew {
		w.listen()
	}
	wait := w.join()
	if o.lock.DeletePending() {
		w.wake(ntstatus.DeletePending)
	}
	r.unframe()
	if err := r.await(wait.ready, waitNotify); err != nil && !w.leave(wait) {
		return err
	}
	switch {
	case wait.status != nil:
		return wait.status
	case wait.overflow || !r.tellChanges(o.share(), wait.changes, room):
		return ntstatus.NotifyEnumDir
	}
	return nil
}

// tellChanges makes the reply, unless the changes do not fit.
func (r *request) tellChanges(sh *share, list []change, room int) bool {
	r.out.b = wire.AppendBufferResponseHeader(r.out.b)
	out := wire.NewEntryList(r.out.b, room, wire.NotifyAlign)
	for i := range list {
		name := sh.clientEvent(list[i].name, list[i].action)
		if !out.AppendNotify(uint32(list[i].action), name) {
			return false
		}
	}
	r.out.b = out.Bytes
	wire.PatchBufferResponse(r.out.body(), out.Len())
	return true
}

// watching returns the subscription of the open, which the first request makes,
// or nil if the open is closed.
func (o *open) watching(q *wire.ChangeNotifyRequest) (w *watch, isNew bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil, false
	}
	if o.watch == nil {
		w := &watch{
			open: o, tree: q.Flags&wire.ChangeNotifyWatchTree != 0,
			filter: vfs.Filter(q.CompletionFilter) & vfs.FilterAll,
			limit:  int(min(q.OutputBufferLength, maxNotifyBuffer)),
		}
		o.sess.srv.watches.add(w)
		w.follow()
		o.watch, isNew = w, true
	}
	return o.watch, isNew
}

// follow subscribes to the path that the directory has. It looks again afterwards,
// because a rename may have come between.
func (w *watch) follow() {
	for {
		path := w.open.path()
		w.mu.Lock()
		there := w.unwatch != nil && w.path == path
		w.mu.Unlock()
		if there {
			return
		}
		w.subscribe(path)
	}
}

// subscribe watches a path instead of the one before.
func (w *watch) subscribe(path string) {
	unwatch := w.open.share().hub.Watch(path, w.tree, w.filter, w.changed)
	w.mu.Lock()
	before := w.unwatch
	w.unwatch, w.path = unwatch, path
	stopped := w.stopped
	w.mu.Unlock()
	if before != nil {
		before()
	}
	if stopped {
		unwatch()
	}
}

// changed takes a change in. It is called by the Hub.
func (w *watch) changed(e vfs.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.Action == vfs.ActionLost {
		w.overflow, w.changes, w.size = true, nil, 0
		w.serveLocked()
		return
	}
	w.addLocked(change{e.Action, e.Rel})
	if e.Action != vfs.ActionRenamedOld { // its other half follows at once
		w.serveLocked()
	}
}

// addLocked keeps a change. One that only repeats the last one tells nothing new.
func (w *watch) addLocked(c change) {
	if n := len(w.changes); w.overflow || n > 0 && w.changes[n-1] == c {
		return
	}
	const fixed = 12
	size := (w.size+wire.NotifyAlign-1)&^(wire.NotifyAlign-1) + fixed + wire.UTF16Len(c.name)
	if size > w.limit {
		w.overflow, w.changes, w.size = true, nil, 0
		return
	}
	w.changes, w.size = append(w.changes, c), size
}

// serveLocked gives what has been kept to the request that came first.
func (w *watch) serveLocked() {
	if len(w.waiters) == 0 || len(w.changes) == 0 && !w.overflow {
		return
	}
	first := w.waiters[0]
	w.waiters = slices.Delete(w.waiters, 0, 1)
	first.changes, first.overflow = w.changes, w.overflow
	w.changes, w.size, w.overflow = nil, 0, false
	close(first.ready)
}

// join puts a request at the end of the queue.
func (w *watch) join() *notifyWait {
	wait := &notifyWait{ready: make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.stopped:
		wait.status = ntstatus.NotifyCleanup
	case w.removed:
		wait.status = ntstatus.DeletePending
	}
	if wait.status != nil {
		close(wait.ready)
		return wait
	}
	w.waiters = append(w.waiters, wait)
	w.serveLocked()
	return wait
}

// leave takes a request that was cancelled off the queue. It reports true if the
// request was served at the same time, and has its answer.
func (w *watch) leave(wait *notifyWait) (served bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.Index(w.waiters, wait)
	if i >= 0 {
		w.waiters = slices.Delete(w.waiters, i, i+1)
	}
	return i < 0
}

// wake ends all requests that wait with a status.
func (w *watch) wake(status error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, wait := range w.waiters {
		wait.status = status
		close(wait.ready)
	}
	w.waiters = nil
}

// remove says that somebody else than the server has removed the directory.
func (w *watch) remove() {
	w.mu.Lock()
	w.removed = true
	w.mu.Unlock()
	w.wake(ntstatus.DeletePending)
}

// stop ends the subscription because the open is closed (MS-SMB2 3.3.5.10).
func (w *watch) stop() {
	w.open.sess.srv.watches.remove(w)
	w.mu.Lock()
	w.stopped = true
	unwatch, local := w.unwatch, w.local
	w.changes = nil
	w.mu.Unlock()
	unwatch()
	if local != nil {
		local.Stop()
	}
	w.wake(ntstatus.NotifyCleanup)
}

// watchTable has the subscriptions of all opens by directory, for what happens
// to a watched directory itself.
type watchTable struct {
	mu    sync.Mutex // leaf; guards byKey
	byKey map[locking.Key][]*watch
}

func (t *watchTable) add(w *watch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byKey == nil {
		t.byKey = make(map[locking.Key][]*watch)
	}
	key := w.open.lock.Key()
	t.byKey[key] = append(t.byKey[key], w)
}

func (t *watchTable) remove(w *watch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := w.open.lock.Key()
	list := slices.DeleteFunc(t.byKey[key], func(o *watch) bool { return o == w })
	if len(list) == 0 {
		delete(t.byKey, key)
		return
	}
	t.byKey[key] = list
}

// all returns the subscriptions of all opens.
func (t *watchTable) all() (list []*watch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range t.byKey {
		list = append(list, l...)
	}
	return list
}

// dirDeleted says that a directory is going to be deleted: who waits for changes
// in it waits in vain (MS-FSA 2.1.5.15.3).
func (s *Server) dirDeleted(key locking.Key) {
	s.watches.mu.Lock()
	list := slices.Clone(s.watches.byKey[key])
	s.watches.mu.Unlock()
	for _, w := range list {
		w.wake(ntstatus.DeletePending)
	}
}

// dirMoved says that a directory of the share has another path, and what is below
// it: subscriptions follow. It is called when the opens know their new paths.
func (s *Server) dirMoved(sh *share) {
	if !sh.hub.Watched() {
		return
	}
	s.watches.mu.Lock()
	var list []*watch
	for _, l := range s.watches.byKey {
		for _, w := range l {
			if w.open.share().hub == sh.hub {
				list = append(list, w)
			}
		}
	}
	s.watches.mu.Unlock()
	for _, w := range list {
		w.follow()
	}
}
