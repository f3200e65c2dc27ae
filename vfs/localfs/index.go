//go:build linux

package localfs

import (
	"cmp"
	"container/list"
	"hash/maphash"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lessor/vfs"
	"lessor/vfs/names"
)

// index finds names without regard to case or to their form in Unicode. It holds, for
// the directories used last, a map from what such names have in common (names.Key) to
// stored names. The map of a directory holds while
// the directory has the change time it had when the map was made. Our own
// changes enter the map and move that time, so that filling a directory with
// a hundred thousand files lists it once and not once per file.
//
// A foreign change that falls between the look at the time and our own change
// would be hidden by the move. While the FS is watched (watch.go) the kernel tells
// of it, some milliseconds later. Besides, a map whose time was moved is not
// trusted for ever: a name that it lacks makes it anew after a while (see stale).
// The kernel, which is asked for the exact name first, is never wrong; what can
// be missed for that while is a variant of a name that a local process made.
type index struct {
	*indexes
	self uint64 // tells the FS from others, which may export the same directories
}

// indexes are those of one FS, or of several with the same bounds.
type indexes struct {
	maxDirs  int // immutable
	maxNames int // immutable
	seed     maphash.Seed

	mu    sync.Mutex // leaf, no I/O; guards the rest, and users, elem and size of every dirIndex
	seq   uint64     // of dirIndex
	owner uint64     // the last self that was given to an FS
	dirs  map[dirKey]*dirIndex
	lru   list.List // of *dirIndex, the last used in front
	names int       // sum of size
}

// dirKey is a directory of an FS.
type dirKey struct {
	self uint64
	id   vfs.NodeID
}

// dirIndex is the index of one directory.
type dirIndex struct {
	key dirKey // immutable
	seq uint64 // immutable; the order in which two are locked

	users int // guarded by indexes.mu: those who hold a pointer
	size  int // guarded by indexes.mu: names as last counted
	elem  *list.Element

	mu      sync.Mutex // guards the rest; held across system calls on the directory
	built   bool
	stamp   stamp         // times of the directory for which names holds
	guessed bool          // stamp could hide a foreign change
	builtAt time.Time     // when the directory was listed
	cost    time.Duration // how long that took
	count   int
	names   map[uint64]string   // hash of the key of a name -> stored name
	more    map[uint64][]string // further names with that hash
	// watched tells of foreign changes, if the FS is watched, and seen is how
	// many it had counted before the directory was listed.
	watched *watchedDir
	seen    uint64
}

// stamp is what changes in a directory's attributes when an entry does.
type stamp struct{ change, modify unix.StatxTimestamp }

// newIndexes sets the bounds; 0 means the defaults.
func newIndexes(maxDirs, maxNames int) *indexes {
	x := &indexes{maxDirs: maxDirs, maxNames: maxNames, seed: maphash.MakeSeed(), dirs: make(map[dirKey]*dirIndex)}
	if x.maxDirs <= 0 {
		x.maxDirs = 1024
	}
	if x.maxNames <= 0 {
		x.maxNames = 2_500_000
	}
	return x
}

// of is the index of an FS.
func (x *indexes) of() index {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.owner++
	return index{x, x.owner}
}

// close forgets what nobody uses of an FS that is closed. What somebody uses is forgotten in
// its turn.
func (x *index) close() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for key, d := range x.dirs {
		if key.self == x.self && d.users == 0 {
			x.dropLocked(d)
		}
	}
}

// dropLocked forgets an index.
func (x *indexes) dropLocked(d *dirIndex) {
	x.lru.Remove(d.elem)
	delete(x.dirs, d.key)
	x.names -= d.size
}

// get returns the index of a directory, which the caller must put back. With
// create it is made if there is none; else nil may come.
func (x *index) get(id vfs.NodeID, create bool) *dirIndex {
	key := dirKey{x.self, id}
	x.mu.Lock()
	defer x.mu.Unlock()
	d := x.dirs[key]
	if d == nil {
		if !create {
			return nil
		}
		x.seq++
		d = &dirIndex{key: key, seq: x.seq}
		d.elem = x.lru.PushFront(d)
		x.dirs[key] = d
	} else {
		x.lru.MoveToFront(d.elem)
	}
	d.users++
	return d
}

// put gives a dirIndex back, with its present number of names, and drops those
// used longest ago until the bounds are met. One in use is never dropped, for
// its mutex is what makes concurrent creators of one name see each other.
func (x *indexes) put(d *dirIndex, count int) {
	for _, old := range x.putAndTrim(d, count) {
		if old.watched != nil {
			old.watched.Stop()
		}
	}
}

// putAndTrim is put; it returns what was dropped, which nobody else knows.
func (x *indexes) putAndTrim(d *dirIndex, count int) (dropped []*dirIndex) {
	x.mu.Lock()
	defer x.mu.Unlock()
	d.users--
	x.names += count - d.size
	d.size = count
	for e := x.lru.Back(); e != nil && (x.lru.Len() > x.maxDirs || x.names > x.maxNames); {
		old, _ := e.Value.(*dirIndex)
		e = e.Prev()
		if old.users == 0 {
			x.dropLocked(old)
			dropped = append(dropped, old)
		}
	}
	return dropped
}

// find returns the stored name that is one with name by a rule, of several the closest.
// A directory that may not be listed has no matches.
func (x *index) find(dir *node, name string, rule names.Rule) (actual string, ok bool, err error) {
	d := x.get(dir.id, true)
	d.mu.Lock()
	actual, ok, err = d.findLocked(x, dir, name, rule)
	count := d.count
	d.mu.Unlock()
	x.put(d, count)
	return actual, ok, err
}

// findLocked is find with d.mu held.
func (d *dirIndex) findLocked(x *index, dir *node, name string, rule names.Rule) (actual string, ok bool, err error) {
	if !d.validLocked(dir) {
		if err := d.buildLocked(x, dir); err != nil {
			return "", false, err
		}
	}
	h := x.hash(name)
	actual, ok = d.matchLocked(h, name, rule)
	if !ok && d.staleLocked() {
		if err := d.buildLocked(x, dir); err != nil {
			return "", false, err
		}
		actual, ok = d.matchLocked(h, name, rule)
	}
	return actual, ok, nil
}

// hash hashes what a name has in common with those that could be one with it.
func (x *index) hash(name string) uint64 { return maphash.String(x.seed, names.Key(name)) }

// matchLocked looks into the maps for the closest name that is one with name.
func (d *dirIndex) matchLocked(h uint64, name string, rule names.Rule) (actual string, ok bool) {
	first, any := d.names[h]
	if !any {
		return "", false
	}
	if rule.Same(first, name) {
		actual, ok = first, true
	}
	for _, other := range d.more[h] {
		if rule.Same(other, name) && (!ok || rule.Closer(other, actual, name)) {
			actual, ok = other, true
		}
	}
	return actual, ok
}

// staleLocked reports whether a miss should make the map anew: if the stamp
// might hide something, and listing would take no more than a twentieth of the
// time since the last.
func (d *dirIndex) staleLocked() bool {
	return d.guessed && time.Since(d.builtAt) > max(time.Second, 20*d.cost)
}

// stampOf reads the times of a directory.
func stampOf(dir *node) (stamp, bool) {
	var st unix.Statx_t
	if statFD(dir.fd, &st) != 0 {
		return stamp{}, false
	}
	return stamp{st.Ctime, st.Mtime}, true
}

// validLocked reports whether the map holds for the directory as it is now.
func (d *dirIndex) validLocked(dir *node) bool {
	if !d.built {
		return false
	}
	if d.watched != nil && d.watched.changes.Load() != d.seen {
		return false
	}
	now, ok := stampOf(dir)
	return ok && now == d.stamp
}

// listenLocked sees to it that foreign changes from now on are heard of, if
// somebody watches the FS. Where that fails the stamp has to do.
func (d *dirIndex) listenLocked(dir *node) {
	w := dir.fs.watch.Load()
	if d.watched != nil && d.watched.w != w {
		d.watched.Stop()
		d.watched = nil
	}
	if d.watched == nil && w != nil {
		d.watched, _, _ = w.hold(dir, false)
	}
	if d.watched != nil {
		d.seen = d.watched.changes.Load()
	}
}

// buildLocked lists the directory.
func (d *dirIndex) buildLocked(x *index, dir *node) error {
	d.built, d.count, d.names, d.more = false, 0, make(map[uint64]string), nil
	d.listenLocked(dir)
	before, ok := stampOf(dir)
	if !ok {
		return vfs.ErrStale
	}
	start := time.Now()
	fd, e := openat2(dir.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0, unix.RESOLVE_BENEATH)
	switch e {
	case 0:
	case syscall.EACCES, syscall.EPERM, syscall.ENOENT:
		return nil
	default:
		return errnoErr(e)
	}
	defer func() { _ = closeFD(fd) }()
	s := scanner{fd: fd}
	defer s.reset()
	for {
		batch, err := s.next(scanBatch)
		if err != nil {
			return err
		}
		if len(batch) == 0 {
			break
		}
		for i := range batch {
			d.addLocked(x, batch[i].Name)
		}
	}
	d.built, d.stamp, d.builtAt, d.cost = true, before, start, time.Since(start)
	d.guessed = !settledAt(before.change, start)
	return nil
}

// addLocked enters a stored name.
func (d *dirIndex) addLocked(x *index, name string) {
	h := x.hash(name)
	d.count++
	if _, taken := d.names[h]; !taken {
		d.names[h] = name
		return
	}
	if d.more == nil {
		d.more = make(map[uint64][]string)
	}
	d.more[h] = append(d.more[h], name)
}

// dropLocked removes a stored name.
func (d *dirIndex) dropLocked(x *index, name string) {
	h := x.hash(name)
	others := d.more[h]
	switch at := slices.Index(others, name); {
	case at >= 0:
		others = slices.Delete(others, at, at+1)
	case d.names[h] == name && len(others) > 0:
		d.names[h], others = others[0], others[1:]
	case d.names[h] == name:
		delete(d.names, h)
	default:
		return
	}
	d.count--
	if len(others) == 0 {
		delete(d.more, h)
	} else {
		d.more[h] = others
	}
}

// settleLocked notes that a change of our own, made while the map was valid, is
// in it.
func (d *dirIndex) settleLocked(dir *node) {
	now, ok := stampOf(dir)
	d.built = ok
	d.stamp, d.guessed = now, true
}

// change carries out do, a change of one entry of dir, and enters it: the name
// drop goes and the name add comes, "" standing for none. Directories without
// an index cost nothing.
func (x *index) change(dir *node, drop, add string, do func() error) error {
	d := x.get(dir.id, false)
	if d == nil {
		return do()
	}
	d.mu.Lock()
	err := d.changeLocked(x, dir, drop, add, do)
	count := d.count
	d.mu.Unlock()
	x.put(d, count)
	return err
}

// changeLocked is change with d.mu held.
func (d *dirIndex) changeLocked(x *index, dir *node, drop, add string, do func() error) error {
	valid := d.validLocked(dir)
	if err := do(); err != nil {
		return err
	}
	if valid {
		d.enterLocked(x, dir, drop, add)
	}
	return nil
}

// enterLocked enters a change of our own into a map that was valid before it.
func (d *dirIndex) enterLocked(x *index, dir *node, drop, add string) {
	if drop != "" {
		d.dropLocked(x, drop)
	}
	if add != "" {
		// A name that was replaced is there already.
		d.dropLocked(x, add)
		d.addLocked(x, add)
	}
	d.settleLocked(dir)
}

// createApart carries out do, which makes name in dir, unless a name exists
// that is one with it by a rule: then it reports taken. The directory's mutex
// makes concurrent creators take turns.
func (x *index) createApart(dir *node, name string, rule names.Rule, do func() error) (taken bool, err error) {
	d := x.get(dir.id, true)
	d.mu.Lock()
	_, taken, err = d.findLocked(x, dir, name, rule)
	if err == nil && !taken {
		if err = do(); err == nil && d.built {
			d.enterLocked(x, dir, "", name)
		}
	}
	count := d.count
	d.mu.Unlock()
	x.put(d, count)
	return taken, err
}

// rename carries out do, which moves a name from one directory to another.
func (x *index) rename(from *node, oldName string, to *node, newName string, do func() error) error {
	if from.id == to.id {
		return x.change(from, oldName, newName, do)
	}
	a, b := x.get(from.id, false), x.get(to.id, false)
	pair := make([]*dirIndex, 0, 2)
	for _, d := range []*dirIndex{a, b} {
		if d != nil {
			pair = append(pair, d)
		}
	}
	slices.SortFunc(pair, func(p, q *dirIndex) int { return cmp.Compare(p.seq, q.seq) })
	for _, d := range pair {
		d.mu.Lock()
	}
	err := renameLocked(x, a, b, from, oldName, to, newName, do)
	for _, d := range pair {
		count := d.count
		d.mu.Unlock()
		x.put(d, count)
	}
	return err
}

// renameLocked is rename with the mutexes of a and b held, where they are not
// nil.
func renameLocked(x *index, a, b *dirIndex, from *node, oldName string, to *node, newName string, do func() error) error {
	validA := a != nil && a.validLocked(from)
	validB := b != nil && b.validLocked(to)
	if err := do(); err != nil {
		return err
	}
	if validA {
		a.enterLocked(x, from, oldName, "")
	}
	if validB {
		b.enterLocked(x, to, "", newName)
	}
	return nil
}
