package smb

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"lessor/locking"
	"lessor/vfs"
	"lessor/vfs/names"
)

// What others than this server do in a shared directory comes in here: programs on
// the machine itself, other servers of the same files. It has happened already, so
// all that is left is to tell those who remember something else: leases and
// oplocks break, and nobody waits for the acknowledgement; directory leases end;
// who waits for changes hears of them; the opens of what was renamed learn its new
// name. The file system tells what it was asked for, which is what clients cache or
// watch (share.listen), and never what the server has done through it.

// localChanges hears of one file system (vfs.Watcher) for all shares that have it.
type localChanges struct {
	// Immutable after construction.
	srv   *Server
	fs    vfs.FS
	watch vfs.Watch

	shares []*share // guarded by localTable.mu
}

// localTable has the file systems that are listened to.
type localTable struct {
	starting sync.Mutex // held while the list of shares is replaced; outermost

	mu   sync.Mutex // leaf; guards what follows
	byFS map[vfs.FS]*localChanges
	// closed says that the server has ended.
	closed bool
}

// listenTo begins to listen to the file systems of new shares, and gives the shares
// what they listen by. The error is that of a file system which was told to listen
// in a way that it cannot; nothing is begun then. finish makes the change good once
// the shares are in force. The caller holds starting.
func (s *Server) listenTo(list []*share) (finish func(), err error) {
	wanted := make(map[vfs.FS]*localChanges)
	var begun []*localChanges
	for _, sh := range list {
		w, ok := sh.FS.(vfs.Watcher)
		if !ok || sh.NoLocalChanges {
			continue
		}
		l := wanted[sh.FS]
		if l == nil {
			if l, err = s.hear(w, sh, &begun); err != nil {
				for _, l := range begun {
					l.close()
				}
				return nil, err
			}
			if l == nil {
				continue
			}
			wanted[sh.FS] = l
		}
		sh.local = l
	}
	return func() { s.local.replace(wanted, list) }, nil
}

// hear returns what listens to the file system of a share, which may be there
// already; nil if that is not possible.
func (s *Server) hear(w vfs.Watcher, sh *share, begun *[]*localChanges) (*localChanges, error) {
	s.local.mu.Lock()
	l, closed := s.local.byFS[sh.FS], s.local.closed
	s.local.mu.Unlock()
	if l != nil || closed {
		return l, nil
	}
	l = &localChanges{srv: s, fs: sh.FS}
	var err error
	l.watch, err = w.Watch(l.changed)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		s.log.Warn().Err(err).Str("share", sh.Name).Msg("changes by local programs will not be noticed")
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("smb: share %q: %w", sh.Name, err)
	}
	s.log.Debug().Str("share", sh.Name).Str("means", l.watch.Means()).Msg("listening for changes by local programs")
	*begun = append(*begun, l)
	return l, nil
}

// replace puts another table in force and ends what is not in it.
func (t *localTable) replace(wanted map[vfs.FS]*localChanges, list []*share) {
	t.mu.Lock()
	old := t.byFS
	if t.closed {
		old, wanted = wanted, nil // the server has ended meanwhile
	}
	t.byFS = wanted
	for _, l := range wanted {
		l.shares = nil
	}
	for _, sh := range list {
		if l := wanted[sh.FS]; l != nil && sh.local == l {
			l.shares = append(l.shares, sh)
		}
	}
	t.mu.Unlock()
	for fs, l := range old {
		if wanted[fs] != l {
			l.close()
		}
	}
}

// close ends all listening.
func (t *localTable) close() {
	t.mu.Lock()
	old := t.byFS
	t.byFS, t.closed = nil, true
	t.mu.Unlock()
	for _, l := range old {
		l.close()
	}
}

func (l *localChanges) close() {
	if err := l.watch.Close(); err != nil {
		l.srv.log.Warn().Err(err).Msg("listening for changes by local programs")
	}
}

// served returns the shares that have the file system now.
func (l *localChanges) served() []*share {
	l.srv.local.mu.Lock()
	defer l.srv.local.mu.Unlock()
	return l.shares
}

// listen asks for what others do to an object of the share that a client is going
// to cache or watch; with tree, also to what is below it. The result, which may be
// nil, is given back by Stop. fresh says that what was found out about the object
// before may be out of date already.
func (sh *share) listen(n vfs.Node, tree bool) (what vfs.Watched, fresh bool) {
	if sh.local == nil {
		return nil, false
	}
	what, fresh, err := sh.local.watch.Add(n, tree)
	if err != nil {
		if !errors.Is(err, vfs.ErrStale) { // of what is gone nobody hears anything
			sh.local.blind(sh.Name, err.Error())
		}
		return nil, false
	}
	return what, fresh
}

// listen asks for what others do to the object that is opened, because the client
// may cache it from now on. What the reply says of it holds from then on.
func (g *grip) listen(r *request, res *created) {
	var fresh bool
	g.watched, fresh = g.share.listen(g.base, false)
	if !fresh {
		return
	}
	if at, err := g.node.Attr(r.ctx(), r.cred()); err == nil {
		res.attr = at
	}
}

// listen asks for what others do to the directory that is watched, or below it.
func (w *watch) listen() {
	local, _ := w.open.share().listen(w.open.grip.base, w.tree)
	if local == nil {
		return
	}
	w.mu.Lock()
	stopped := w.stopped
	if !stopped {
		w.local = local
	}
	w.mu.Unlock()
	if stopped {
		local.Stop()
	}
}

// blind says that somebody will not hear of changes.
func (l *localChanges) blind(where, why string) {
	l.srv.metrics.localBlind.Inc()
	if dropped, ok := l.srv.strangers.allow("local changes"); ok {
		l.srv.log.Warn().Str("where", where).Str("reason", why).Int("similar", dropped).
			Msg("changes by local programs will not be noticed")
	}
}

// changed takes changes in. The file system calls it, on a goroutine of its own.
func (l *localChanges) changed(list []vfs.Change) {
	l.srv.metrics.localChanges.Add(float64(len(list)))
	shares := l.served()
	if len(shares) == 0 {
		return
	}
	gone := make(map[string]bool) // folded names that mean something else now
	for i := range list {
		c := &list[i]
		switch c.Kind {
		case vfs.ChangeLost:
			l.lost(shares)
			continue
		case vfs.ChangeBlind:
			l.blind(c.Path, "a directory below a watched one is beyond the limit")
			continue
		case vfs.ChangeModified:
			_, _ = l.srv.locks.BreakFile(locking.Key(c.Node.Key()), locking.CauseWrite, locking.ClientID{}, locking.LeaseKey{}, false)
		case vfs.ChangeRenamed:
			l.renamed(shares[0], c)
			gone[foldedBase(c.OldPath)] = true
			gone[foldedBase(c.Path)] = true
		case vfs.ChangeCreated, vfs.ChangeRemoved:
			gone[foldedBase(c.Path)] = true
		}
		l.dirChanged(c)
		for _, sh := range shares {
			if sh.hub.Watched() {
				sh.notify(localEvents(c)...)
			}
		}
	}
	if len(gone) > 0 {
		l.lookAfter(shares[0], gone)
	}
}

// foldedBase is the last name of a path, whatever its case.
func foldedBase(path string) string {
	_, base := names.Split(path)
	return names.Fold(base)
}

// dirChanged ends the directory leases that a change has made untrue (MS-FSA
// 2.1.4.12, MS-SMB2 3.3.1.4).
func (l *localChanges) dirChanged(c *vfs.Change) {
	locks := l.srv.locks
	if !locks.HasDirectoryLeases() {
		return
	}
	locks.Changed(locking.Key(c.Dir.Key()), locking.LeaseKey{}, false, locking.ClientID{})
	if c.Kind == vfs.ChangeRenamed && c.OldDir != c.Dir {
		locks.Changed(locking.Key(c.OldDir.Key()), locking.LeaseKey{}, false, locking.ClientID{})
	}
}

// localEvents is what watchers are told of a change.
func localEvents(c *vfs.Change) []vfs.Event {
	name := nameFilter(c.IsDir)
	switch c.Kind {
	case vfs.ChangeCreated:
		return []vfs.Event{{Path: c.Path, Action: vfs.ActionAdded, Filter: name}}
	case vfs.ChangeRemoved:
		return []vfs.Event{{Path: c.Path, Action: vfs.ActionRemoved, Filter: name}}
	case vfs.ChangeRenamed:
		return renameEvents(c.OldPath, c.Path, c.OldDir == c.Dir, c.IsDir)
	case vfs.ChangeModified:
		return []vfs.Event{{Path: c.Path, Action: vfs.ActionModified, Filter: vfs.FilterSize | vfs.FilterLastWrite}}
	case vfs.ChangeAttributes:
		// Which of them has changed nobody knows.
		const some = vfs.FilterAttributes | vfs.FilterLastWrite | vfs.FilterLastAccess | vfs.FilterCreation |
			vfs.FilterEA | vfs.FilterSecurity
		return []vfs.Event{{Path: c.Path, Action: vfs.ActionModified, Filter: some}}
	}
	return nil
}

// renamed lets the opens of what was renamed, and of what is below it, know their
// new paths. Handle caching ends, as it does before a rename by a client (MS-FSA
// 2.1.4.12).
func (l *localChanges) renamed(sh *share, c *vfs.Change) {
	locks := l.srv.locks
	moved := func(path string) (rest string, ok bool) {
		rest, ok = strings.CutPrefix(path, c.OldPath)
		return rest, ok && (rest == "" || c.IsDir && rest[0] == '/')
	}
	for _, n := range locks.FindOpens(sh.space, false, func(path string) bool { _, ok := moved(path); return ok }) {
		rest, _ := moved(n.Path)
		to := c.Path + rest
		if !l.leadsTo(sh, to, n.Key) {
			continue
		}
		cause := locking.CauseRename
		if rest != "" {
			cause = locking.CauseParentRename
		}
		_, _ = locks.BreakFile(n.Key, cause, locking.ClientID{}, locking.LeaseKey{}, false)
		locks.RenamedFile(n.Key, sh.space, n.Path, to)
	}
	if c.IsDir {
		for _, sh := range l.served() {
			l.srv.dirMoved(sh)
		}
	}
}

// lookAfter ends handle caching of what is open under names that have gone or been
// given to something else: a client must not keep a handle open for an application
// that would open another file by now. Directories that are gone are not watched
// any more.
func (l *localChanges) lookAfter(sh *share, gone map[string]bool) {
	locks := l.srv.locks
	sel := func(path string) bool { return gone[foldedBase(path)] }
	for _, n := range locks.FindOpens(sh.space, true, sel) {
		if !l.leadsTo(sh, n.Path, n.Key) {
			_, _ = locks.BreakFile(n.Key, locking.CauseDelete, locking.ClientID{}, locking.LeaseKey{}, false)
		}
	}
	for _, w := range l.srv.watches.all() {
		if o := w.open; o.share().FS == l.fs && sel(o.path()) && !l.leadsTo(sh, o.path(), o.lock.Key()) {
			w.remove()
		}
	}
}

// leadsTo reports whether a path means a file, or a symbolic link that does.
func (l *localChanges) leadsTo(sh *share, path string, key locking.Key) bool {
	root := sh.FS.Root()
	defer root.Release()
	for _, noFollow := range []bool{false, true} {
		n, _, err := root.Lookup(context.Background(), nil, path, vfs.LookupOptions{NoFollow: noFollow})
		if err != nil {
			continue
		}
		id := n.ID()
		n.Release()
		if locking.Key(id.Key()) == key {
			return true
		}
	}
	return false
}

// lost ends all caching, because nobody knows what has changed, and lets everybody
// list anew.
func (l *localChanges) lost(shares []*share) {
	l.srv.metrics.localLost.Inc()
	if dropped, ok := l.srv.strangers.allow("local changes lost"); ok {
		l.srv.log.Warn().Str("share", shares[0].Name).Int("similar", dropped).
			Msg("local programs change more than can be followed: all leases of the share end")
	}
	locks := l.srv.locks
	for _, n := range locks.FindOpens(shares[0].space, true, func(string) bool { return true }) {
		if n.IsDirectory {
			locks.Changed(n.Key, locking.LeaseKey{}, false, locking.ClientID{})
		} else {
			_, _ = locks.BreakFile(n.Key, locking.CauseWrite, locking.ClientID{}, locking.LeaseKey{}, false)
		}
	}
	for _, sh := range shares {
		sh.hub.Lost()
	}
}
