//go:build linux

package localfs

import (
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lessor/vfs"
	"lessor/vfs/localwatch"
)

// watchRest is how long the reader rests after it has looked into the queue. It
// bounds what a stream of our own changes costs, most of which the kernel then
// puts together in the queue, and how late others' are told.
const watchRest = 10 * time.Millisecond

// deletedMark is what the kernel puts behind the path of what is gone.
const deletedMark = " (deleted)"

// run is the goroutine that reads the queue.
func (w *watch) run() {
	defer func() {
		for len(w.quiet.files) > 0 {
			w.heed()
		}
	}()
	for !w.ended.Load() {
		if err := w.group.Wait(w.patience()); err != nil {
			w.tell([]vfs.Change{{Kind: vfs.ChangeLost}})
		}
		if w.ended.Load() {
			return
		}
		w.look()
		_ = w.group.Pause(watchRest)
	}
}

// look reads what is in the queue and tells it.
func (w *watch) look() {
	w.own.look()
	lost := false
	for more := true; more && !w.ended.Load(); {
		b := batch{w: w, places: make(map[localwatch.Key]*place)}
		var over bool
		var err error
		more, over, err = w.group.Read(b.take)
		lost = lost || over || err != nil
		if b.dirsGone {
			w.trim()
		}
		w.tell(b.changes())
		b.close()
	}
	w.settle()
	if lost {
		w.lost()
	}
}

// lost says that events are missing.
func (w *watch) lost() {
	w.mu.Lock()
	for _, d := range w.byID {
		d.changes.Add(1)
	}
	for t := range w.trees {
		if !t.volume {
			t.walkLocked(t.root.node, "", false)
		}
	}
	w.mu.Unlock()
	w.tell([]vfs.Change{{Kind: vfs.ChangeLost}})
}

// tell passes changes on.
func (w *watch) tell(list []vfs.Change) {
	if len(list) == 0 {
		return
	}
	w.telling.Lock()
	defer w.telling.Unlock()
	if !w.ended.Load() {
		w.fn(list)
	}
}

// batch is the events of one reading of the queue.
type batch struct {
	w        *watch
	events   []rawEvent
	places   map[localwatch.Key]*place
	root     string // the path of the root, with a '/' behind it
	dirsGone bool   // a directory was removed
}

// rawEvent is a localwatch.Event that is kept.
type rawEvent struct {
	op            localwatch.Op
	isDir         bool
	dir, newDir   *place
	name, newName string
}

// place is a directory in which something has happened.
type place struct {
	node   *node       // holds a reference
	dir    *watchedDir // nil if only its volume is marked
	path   string      // relative to the root; with a '/' behind it, unless it is the root
	known  bool        // path has been asked for
	inside bool        // it lies in the export
}

// close gives the directories back.
func (b *batch) close() {
	for _, p := range b.places {
		if p != nil {
			p.node.Release()
		}
	}
}

// take keeps an event, unless it is our own.
func (b *batch) take(ev *localwatch.Event) {
	growing := ev.IsDir && ev.Op&localwatch.Entries != 0 && b.w.grows.Load() > 0
	moving := ev.IsDir && ev.Op&localwatch.Rename != 0
	b.dirsGone = b.dirsGone || ev.IsDir && ev.Op&localwatch.Delete != 0
	if ev.Own && !growing && !moving {
		if ev.Op == localwatch.Modify {
			b.wrote(ev)
		}
		return
	}
	dir, newDir := b.place(ev.Dir), b.place(ev.NewDir)
	if moving && dir != nil && dir.dir != nil {
		b.w.climbAgain(dir.dir)
	}
	if growing {
		b.grow(ev, dir, newDir)
	}
	if ev.Own || dir == nil && newDir == nil {
		return
	}
	r := rawEvent{op: ev.Op, isDir: ev.IsDir, dir: dir, newDir: newDir, name: string(ev.Name), newName: string(ev.NewName)}
	if b.w.isOwnEntry(&r) {
		return
	}
	if r.op&localwatch.Entries != 0 {
		dir.changed()
		newDir.changed()
	}
	if n := len(b.events); n > 0 && b.events[n-1] == r {
		return
	}
	b.events = append(b.events, r)
}

// changed counts a change of entries, for the index.
func (p *place) changed() {
	if p != nil && p.dir != nil {
		p.dir.changes.Add(1)
	}
}

// isOwnEntry reports whether this process has made, removed or moved the name,
// where the kernel does not know it.
func (w *watch) isOwnEntry(r *rawEvent) bool {
	if w.own == nil || r.op&localwatch.Entries == 0 {
		return false
	}
	return r.dir != nil && w.own.has(r.dir.node.id, r.name) || r.newDir != nil && w.own.has(r.newDir.node.id, r.newName)
}

// place finds the directory of an event. nil is one that nobody knows any more,
// or that cannot be found.
func (b *batch) place(key []byte) *place {
	if len(key) == 0 {
		return nil
	}
	if p, ok := b.places[localwatch.Key(key)]; ok {
		return p
	}
	var p *place
	b.w.mu.Lock()
	if d := b.w.byKey[localwatch.Key(key)]; d != nil {
		d.node.refs.Add(1)
		p = &place{node: d.node, dir: d}
	}
	b.w.mu.Unlock()
	if p == nil {
		if fd, err := b.w.group.Open(key, b.w.fs.root.fd); err == nil {
			if n, err := b.w.fs.adopt(fd, fdPath); err == nil {
				p = &place{node: n}
			}
		}
	}
	b.places[localwatch.Key(key)] = p
	return p
}

// find finds out what the directory is called now, and reports whether it lies in
// the export.
func (b *batch) find(p *place) bool {
	if p == nil {
		return false
	}
	if p.known {
		return p.inside
	}
	p.known = true
	var buf [unix.PathMax]byte
	if b.root == "" {
		root, e := readLinkFD(b.w.fs.root.fd, buf[:])
		if e != 0 {
			return false
		}
		b.root = strings.TrimSuffix(string(root), "/") + "/"
	}
	link, e := readLinkFD(p.node.fd, buf[:])
	if e != 0 {
		return false
	}
	path := string(link)
	if gone, ok := strings.CutSuffix(path, deletedMark); ok && p.node.isGone() {
		path = gone
	}
	path, p.inside = strings.CutPrefix(path+"/", b.root)
	p.path = path
	return p.inside
}

// changes makes changes of the events.
func (b *batch) changes() []vfs.Change {
	var list []vfs.Change
	for i := range b.events {
		r := &b.events[i]
		switch {
		case r.op&localwatch.Rename != 0:
			list = b.renamed(list, r)
		case !b.find(r.dir):
		case r.name == ".":
			list = b.self(list, r)
		default:
			list = b.entry(list, r)
		}
	}
	return list
}

// at fills in what a change of a name has in common with others.
func (b *batch) at(p *place, name string, isDir bool) vfs.Change {
	c := vfs.Change{IsDir: isDir, Dir: p.node.id, Path: p.path + name}
	var st unix.Statx_t
	if statName(p.node.fd, name, &st) == 0 {
		c.Node = b.w.fs.entryID(p.node.fd, name, &st)
	}
	return c
}

// renamed is a name that was moved. Where only one end of it lies in the export
// something has come or gone.
func (b *batch) renamed(list []vfs.Change, r *rawEvent) []vfs.Change {
	from, to := b.find(r.dir), b.find(r.newDir)
	var c vfs.Change
	switch {
	case from && to:
		c = b.at(r.newDir, r.newName, r.isDir)
		c.Kind, c.OldDir, c.OldPath = vfs.ChangeRenamed, r.dir.node.id, r.dir.path+r.name
	case to:
		c = b.at(r.newDir, r.newName, r.isDir)
		c.Kind = vfs.ChangeCreated
	case from:
		c = b.at(r.dir, r.name, r.isDir)
		c.Kind = vfs.ChangeRemoved
	default:
		return list
	}
	return append(list, c)
}

// self is a change of a marked directory itself, which has an entry in the one
// above it.
func (b *batch) self(list []vfs.Change, r *rawEvent) []vfs.Change {
	path := trimSlash(r.dir.path)
	if r.op&localwatch.Attrib == 0 || path == "" || b.w.own.has(r.dir.node.id, "") {
		return list
	}
	var st unix.Statx_t
	if statName(r.dir.node.fd, "..", &st) != 0 {
		return list
	}
	return append(list, vfs.Change{
		Kind: vfs.ChangeAttributes, IsDir: true, Path: path, Node: r.dir.node.id, Dir: b.w.fs.entryID(r.dir.node.fd, "..", &st),
	})
}

// entry is what has happened to one name. If it both came and went, that it is
// there or not tells what was last.
func (b *batch) entry(list []vfs.Change, r *rawEvent) []vfs.Change {
	c := b.at(r.dir, r.name, r.isDir)
	add := func(kind vfs.ChangeKind) {
		c.Kind = kind
		list = append(list, c)
	}
	exists := !c.Node.IsZero()
	const both = localwatch.Create | localwatch.Delete
	switch {
	case r.op&both == both && exists:
		add(vfs.ChangeRemoved)
		add(vfs.ChangeCreated)
	case r.op&both == both:
		add(vfs.ChangeCreated)
		add(vfs.ChangeRemoved)
	case r.op&localwatch.Create != 0:
		add(vfs.ChangeCreated)
	case r.op&localwatch.Delete != 0:
		add(vfs.ChangeRemoved)
	}
	if !exists || b.w.own.has(c.Node, "") {
		return list
	}
	if r.op&localwatch.Modify != 0 {
		add(vfs.ChangeModified)
	}
	if r.op&localwatch.Attrib != 0 {
		add(vfs.ChangeAttributes)
	}
	return list
}

// grow has new directories of a tree walked.
func (b *batch) grow(ev *localwatch.Event, dir, newDir *place) {
	to, name := dir, ev.Name
	if ev.Op&localwatch.Rename != 0 {
		to, name = newDir, ev.NewName
	}
	if to == nil || to.dir == nil || ev.Op&(localwatch.Create|localwatch.Rename) == 0 {
		return
	}
	own := ev.Own || b.w.own.has(to.node.id, string(name))
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	for t := range to.dir.trees {
		t.walkLocked(to.node, string(name), !own)
	}
}

// trimSlash turns the path of a place into that of the directory.
func trimSlash(path string) string { return strings.TrimSuffix(path, "/") }
