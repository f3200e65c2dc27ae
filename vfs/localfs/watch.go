//go:build linux

package localfs

import (
	"cmp"
	"container/list"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lessor/vfs"
	"lessor/vfs/localwatch"
	"lessor/vfs/names"
)

// The bounds of a watch. The system has its own: fs.fanotify.max_user_marks or
// fs.inotify.max_user_watches.
const (
	// maxWatched is how many directories are marked at most; each costs a
	// descriptor and about a kilobyte of the kernel's memory. Where few
	// descriptors may be open it is a quarter of them.
	maxWatched = 8192
	// maxIdle is how many of those that nobody needs stay marked, for the next
	// open in them.
	maxIdle = 64
)

// freshFor is for how long a mark counts as new. Who asked for it and who came just
// after may both have looked at the object before it was there.
const freshFor = time.Second

// watch listens for what others do in the export (vfs.Watch). Marks are put on
// directories, when somebody asks for them: a file is covered by the mark of the
// directory that it lies in.
type watch struct {
	// Immutable after construction.
	fs    *FS
	fn    func([]vfs.Change)
	group localwatch.Group
	own   *ownOps // nil if the group knows what is our own
	limit int
	wg    sync.WaitGroup // the reader, and the walkers of trees
	quiet quiet          // belongs to the reader

	// Atomic.
	ended atomic.Bool
	grows atomic.Int32 // trees that must hear of our own new directories

	// telling is held while fn runs; nothing else is held then. It is the
	// outermost mutex of a watch.
	telling sync.Mutex

	mu      sync.Mutex // guards the rest; held across the marking of directories, and a leaf otherwise
	byID    map[vfs.NodeID]*watchedDir
	byKey   map[localwatch.Key]*watchedDir
	byPath  map[string]*watchedDir // by the path that it had; a hint
	idle    list.List              // of *watchedDir without users, the last used in front
	trees   map[*watchedTree]struct{}
	volumes int // trees that are covered by the mark of the volume
}

// watchedDir is a directory with a mark. It is what vfs.Watch.Add returns for
// directories and files.
type watchedDir struct {
	// Immutable after construction.
	w    *watch
	node *node // holds a reference
	key  localwatch.Key

	// changes counts what others did to the entries. Atomic.
	changes atomic.Uint64

	// Guarded by w.mu.
	full  bool      // not only the entries are of interest
	since time.Time // of the mark
	users int
	up    *watchedDir   // the directory above, in use for this one; nil if it is not watched
	elem  *list.Element // in idle
	path  string        // its place in byPath
	trees map[*watchedTree]struct{}
}

// newGroup is localwatch.New, but in tests.
var newGroup = localwatch.New

// Watch listens for changes by other processes.
func (f *FS) Watch(fn func([]vfs.Change)) (vfs.Watch, error) {
	f.watching.Lock()
	defer f.watching.Unlock()
	if f.watch.Load() != nil {
		return nil, vfs.ErrBusy
	}
	group, err := newGroup(f.opts.Watch, f.root.fd)
	if err != nil {
		if f.opts.Watch == localwatch.Auto {
			err = fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
		}
		return nil, fmt.Errorf("watch: %w", err)
	}
	w := &watch{
		fs: f, fn: fn, group: group, limit: watchLimit(),
		byID:   make(map[vfs.NodeID]*watchedDir),
		byKey:  make(map[localwatch.Key]*watchedDir),
		byPath: make(map[string]*watchedDir),
		trees:  make(map[*watchedTree]struct{}),
	}
	if !group.KnowsOwn() {
		w.own = newOwnOps()
		f.own.Store(w.own)
	}
	f.watch.Store(w)
	w.wg.Go(w.run)
	return w, nil
}

// watchLimit is how many directories a watch may mark.
func watchLimit() int {
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &r) != nil || r.Cur/4 > maxWatched {
		return maxWatched
	}
	return max(int(r.Cur/4), 1)
}

// Means names the way of listening.
func (w *watch) Means() string { return w.group.Way().String() }

// Close ends the watch.
func (w *watch) Close() error {
	f := w.fs
	f.watching.Lock()
	defer f.watching.Unlock()
	if w.ended.Swap(true) {
		return nil
	}
	f.watch.Store(nil)
	f.own.Store(nil)
	w.group.Wake()
	w.mu.Lock() // who has not seen ended has started its goroutine
	//nolint:staticcheck,gocritic // there is nothing to do in between
	w.mu.Unlock()
	w.wg.Wait()
	w.mu.Lock()
	for _, d := range w.byID {
		d.node.Release()
	}
	w.byID, w.byKey, w.byPath, w.trees = nil, nil, nil, nil
	w.mu.Unlock()
	return w.group.Close()
}

// Add asks for the changes of a file or directory.
func (w *watch) Add(what vfs.Node, tree bool) (vfs.Watched, bool, error) {
	n, err := w.local(what)
	switch {
	case err != nil:
		return nil, false, err
	case n.typ != vfs.TypeDirectory:
		return watched(w.holdParent(n))
	case tree:
		return w.addTree(n)
	}
	return watched(w.hold(n, true))
}

// watched keeps a nil pointer out of an interface.
func watched(d *watchedDir, fresh bool, err error) (vfs.Watched, bool, error) {
	if err != nil {
		return nil, false, err
	}
	return d, fresh, nil
}

// local returns the file or directory behind a Node, which must be of this FS.
func (w *watch) local(what vfs.Node) (*node, error) {
	if s, ok := what.(*streamNode); ok {
		what = s.base
	}
	n, ok := what.(*node)
	if !ok || n.fs != w.fs {
		return nil, vfs.ErrCrossDevice
	}
	return n, nil
}

// hold marks a directory, if it is not marked yet, and takes it into use. fresh
// says that it was not.
func (w *watch) hold(n *node, full bool) (d *watchedDir, fresh bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.holdLocked(n, full)
}

func (w *watch) holdLocked(n *node, full bool) (d *watchedDir, fresh bool, err error) {
	if w.ended.Load() {
		return nil, false, vfs.ErrStale
	}
	if d = w.byID[n.id]; d != nil {
		if full && !d.full {
			if _, err := w.group.Mark(d.node.fd, true); err != nil {
				return nil, false, markErr(err)
			}
			d.full, d.since = true, time.Now()
			d.climbLocked()
		}
		d.useLocked()
		return d, time.Since(d.since) < freshFor, nil
	}
	if len(w.byID) >= w.limit && !w.dropIdleLocked() {
		return nil, false, fmt.Errorf("watch: %w: %d directories are watched", vfs.ErrTooManyOpen, len(w.byID))
	}
	key, err := w.group.Mark(n.fd, full)
	if err != nil && w.dropIdleLocked() {
		key, err = w.group.Mark(n.fd, full)
	}
	if err != nil {
		return nil, false, markErr(err)
	}
	n.refs.Add(1)
	d = &watchedDir{w: w, node: n, key: key, full: full, since: time.Now(), users: 1}
	w.byID[n.id], w.byKey[key] = d, d
	if full {
		d.climbLocked()
	}
	return d, true, nil
}

// climbLocked marks the directories above one, as far up as the root, so that its
// path can be followed when one of them is renamed. It is not asked for but goes
// with what was, so where a limit is reached it is left out.
func (d *watchedDir) climbLocked() {
	w := d.w
	if d.node.id == w.fs.root.id {
		return
	}
	fd, e := openat2(d.node.fd, "..", unix.O_PATH|unix.O_DIRECTORY, 0, 0)
	if e != 0 {
		return
	}
	n, err := w.fs.adopt(fd, fdPath)
	if err != nil {
		return
	}
	defer n.Release()
	if d.up != nil && d.up.node.id == n.id {
		return
	}
	if d.up != nil {
		d.up.stopLocked()
		d.up = nil
	}
	if w.byID[n.id] == nil && (len(w.byID) >= w.limit || !w.fs.contains(n)) {
		return
	}
	up, _, err := w.holdLocked(n, false)
	if err != nil {
		return
	}
	d.up = up
	if up.up == nil {
		up.climbLocked()
	}
}

// contains reports whether a directory is the root or lies below it.
func (f *FS) contains(dir *node) bool {
	var buf [unix.PathMax]byte
	path, e := readLinkFD(dir.fd, buf[:])
	if e != 0 {
		return false
	}
	_, ok := f.relative(string(path))
	return ok
}

// climbAgain follows the directories that lay in one when something in it was
// moved.
func (w *watch) climbAgain(from *watchedDir) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var children []*watchedDir
	for _, d := range w.byID {
		if d.up == from {
			children = append(children, d)
		}
	}
	for _, d := range children {
		d.climbLocked()
	}
}

// markErr translates the error of a mark.
func markErr(err error) error {
	switch e := errnoOf(err); e {
	case syscall.ENOSPC:
		return fmt.Errorf("watch: %w: the limit of the user for marks is reached", vfs.ErrTooManyOpen)
	case 0:
		return err
	default:
		return fmt.Errorf("watch: %w", errnoErr(e))
	}
}

// useLocked takes a directory into use.
func (d *watchedDir) useLocked() {
	d.users++
	if d.elem != nil {
		d.w.idle.Remove(d.elem)
		d.elem = nil
	}
}

// Stop gives a directory back.
func (d *watchedDir) Stop() {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	d.stopLocked()
}

func (d *watchedDir) stopLocked() {
	w := d.w
	d.users--
	if d.users > 0 || w.byID == nil {
		return
	}
	d.elem = w.idle.PushFront(d)
	if w.idle.Len() > maxIdle {
		w.dropIdleLocked()
	}
}

// isGone reports whether a directory was removed.
func (n *node) isGone() bool {
	var st unix.Statx_t
	return statFD(n.fd, &st) == 0 && st.Nlink == 0
}

// dropIdleLocked takes away the mark that nobody has needed for the longest time.
func (w *watch) dropIdleLocked() bool {
	e := w.idle.Back()
	if e == nil {
		return false
	}
	d, _ := e.Value.(*watchedDir)
	d.discardLocked()
	return true
}

// discardLocked takes the mark of an idle directory away.
func (d *watchedDir) discardLocked() {
	w := d.w
	w.idle.Remove(d.elem)
	d.elem = nil
	delete(w.byID, d.node.id)
	delete(w.byKey, d.key)
	if w.byPath[d.path] == d {
		delete(w.byPath, d.path)
	}
	_ = w.group.Unmark(d.node.fd, d.key)
	d.node.Release()
	if d.up != nil {
		d.up.stopLocked()
	}
}

// holdParent marks the directory in which a file lies.
func (w *watch) holdParent(n *node) (d *watchedDir, fresh bool, err error) {
	if d, fresh := w.holdFound(n); d != nil {
		return d, fresh, nil
	}
	var buf [unix.PathMax]byte
	// The file may be moved meanwhile, and another time by bad luck.
	for range 4 {
		link, e := readLinkFD(n.fd, buf[:])
		if e != 0 {
			return nil, false, errnoErr(e)
		}
		path, ok := w.fs.relative(string(link))
		if !ok || path == "" {
			return nil, false, vfs.ErrStale
		}
		dir, base := names.Split(path)
		if d, fresh, err = w.holdPath(dir); err != nil {
			return nil, false, err
		}
		if n.isCalled(d.node, base) {
			return d, fresh, nil
		}
		d.Stop()
	}
	return nil, false, vfs.ErrStale
}

// holdFound takes the directory into use in which a file was found, if that is
// marked and the file is still there.
func (w *watch) holdFound(n *node) (d *watchedDir, fresh bool) {
	dir, base := names.Split(n.found)
	if base == "" {
		return nil, false
	}
	w.mu.Lock()
	if n.madeIn.IsZero() {
		d = w.byPath[dir]
	} else {
		d = w.byID[n.madeIn]
	}
	if d == nil || !d.full {
		w.mu.Unlock()
		return nil, false
	}
	d.useLocked()
	fresh = time.Since(d.since) < freshFor
	w.mu.Unlock()
	if n.isCalled(d.node, base) {
		return d, fresh
	}
	d.Stop()
	return nil, false
}

// holdPath marks a directory by its path relative to the root.
func (w *watch) holdPath(dir string) (*watchedDir, bool, error) {
	fd, e := openat2(w.fs.root.fd, cmp.Or(dir, "."), unix.O_PATH|unix.O_DIRECTORY, 0, w.fs.resolve|unix.RESOLVE_NO_SYMLINKS)
	if e != 0 {
		return nil, false, vfs.ErrStale
	}
	n, err := w.fs.adopt(fd, fdPath)
	if err != nil {
		return nil, false, err
	}
	defer n.Release()
	w.mu.Lock()
	defer w.mu.Unlock()
	d, fresh, err := w.holdLocked(n, true)
	if err != nil {
		return nil, false, err
	}
	if w.byPath[d.path] == d {
		delete(w.byPath, d.path)
	}
	d.path = dir
	w.byPath[dir] = d
	return d, fresh, nil
}

// isCalled reports whether a name in a directory is this file.
func (n *node) isCalled(dir *node, name string) bool {
	var st unix.Statx_t
	return statName(dir.fd, name, &st) == 0 && st.Ino == n.id.Inode && generation(&st) == n.id.Generation
}

// relative turns a path as the kernel knows it into one relative to the root. It
// reports false for what lies outside.
func (f *FS) relative(path string) (below string, ok bool) {
	var buf [unix.PathMax]byte
	root, e := readLinkFD(f.root.fd, buf[:])
	if e != 0 {
		return "", false
	}
	below, ok = strings.CutPrefix(path, strings.TrimSuffix(string(root), "/"))
	if !ok || below == "" {
		return "", ok
	}
	return strings.CutPrefix(below, "/")
}
