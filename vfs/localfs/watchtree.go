//go:build linux

package localfs

import (
	"golang.org/x/sys/unix"

	"lessor/vfs"
)

// watchedTree is a directory with everything below it. Where the kernel can mark
// the whole volume that is all there is to do; what lies elsewhere on it is
// dropped by the reader. Else every directory is marked, by a walk, and new ones
// when they are made.
//
//	walking --no job is left--> at rest --a directory was made--> walking
type watchedTree struct {
	// Immutable after construction.
	w      *watch
	root   *watchedDir
	volume bool // the mark of the volume covers it

	// Guarded by w.mu.
	dirs    map[*watchedDir]struct{} // below root, and root itself, as walked
	jobs    []walkJob
	walking bool // there is a goroutine
	stopped bool
	blind   bool // a directory could not be marked, which was told
}

// walkJob is a directory to be walked: name in dir or, without a name, dir.
type walkJob struct {
	dir      *node // holds a reference
	name     string
	announce bool // what is in it may have come before the mark and is told
}

// addTree covers a tree.
func (w *watch) addTree(n *node) (vfs.Watched, bool, error) {
	root, fresh, err := w.hold(n, true)
	if err != nil {
		return nil, false, err
	}
	t := &watchedTree{w: w, root: root, dirs: make(map[*watchedDir]struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended.Load() {
		return nil, false, vfs.ErrStale
	}
	w.trees[t] = struct{}{}
	if n.id.Volume == w.fs.root.id.Volume && (w.volumes > 0 || w.group.MarkVolume(w.fs.root.fd) == nil) {
		t.volume = true
		w.volumes++
		return t, fresh, nil
	}
	w.grows.Add(1)
	t.walkLocked(root.node, "", false)
	return t, fresh, nil
}

// Stop gives the tree back.
func (t *watchedTree) Stop() {
	w := t.w
	w.mu.Lock()
	defer w.mu.Unlock()
	t.stopped = true
	if w.byID == nil {
		return
	}
	delete(w.trees, t)
	for d := range t.dirs {
		t.dropLocked(d)
	}
	t.root.stopLocked()
	if !t.volume {
		w.grows.Add(-1)
		return
	}
	w.volumes--
	if w.volumes == 0 {
		_ = w.group.UnmarkVolume(w.fs.root.fd)
	}
}

// dropLocked gives a directory of the tree back.
func (t *watchedTree) dropLocked(d *watchedDir) {
	delete(t.dirs, d)
	delete(d.trees, t)
	d.stopLocked()
}

// trim gives the directories back that do not exist any more.
func (w *watch) trim() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for t := range w.trees {
		for d := range t.dirs {
			if d != t.root && d.node.isGone() {
				t.dropLocked(d)
			}
		}
	}
	// With one that goes, those above it may become idle.
	for again := true; again; {
		again = false
		for e := w.idle.Front(); e != nil; {
			d, _ := e.Value.(*watchedDir)
			e = e.Next()
			if d.node.isGone() {
				d.discardLocked()
				again = true
				break
			}
		}
	}
}

// walkLocked has a directory walked.
func (t *watchedTree) walkLocked(dir *node, name string, announce bool) {
	if t.stopped || t.w.ended.Load() {
		return
	}
	dir.refs.Add(1)
	t.jobs = append(t.jobs, walkJob{dir, name, announce})
	if !t.walking {
		t.walking = true
		t.w.wg.Go(t.walk)
	}
}

// walk does what there is to do and ends.
func (t *watchedTree) walk() {
	for {
		job, ok := t.nextJob()
		if !ok {
			return
		}
		t.visit(&job)
		job.dir.Release()
	}
}

// nextJob takes a job, or ends the walking.
func (t *watchedTree) nextJob() (job walkJob, ok bool) {
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	if t.stopped || t.w.ended.Load() {
		for _, job := range t.jobs {
			job.dir.Release()
		}
		t.jobs = nil
	}
	if len(t.jobs) == 0 {
		t.walking = false
		return walkJob{}, false
	}
	job, t.jobs = t.jobs[0], t.jobs[1:]
	return job, true
}

// visit walks the directory of a job.
func (t *watchedTree) visit(job *walkJob) {
	if job.name == "" {
		t.walkDir(job.dir, job.announce)
		return
	}
	if n := t.w.fs.openSub(job.dir, job.name); n != nil {
		t.walkDir(n, job.announce)
		n.Release()
	}
}

// openSub opens a directory in a directory; nil is what is not there or is not a
// directory.
func (f *FS) openSub(dir *node, name string) *node {
	fd, e := openat2(dir.fd, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS)
	if e != 0 {
		return nil
	}
	n, err := f.adopt(fd, fdPath)
	if err != nil {
		return nil
	}
	return n
}

// walkDir marks a directory, then lists it, so that nothing is missed, and goes on
// with those in it. There is one descriptor open for each level.
func (t *watchedTree) walkDir(n *node, announce bool) {
	if !t.markDir(n) {
		return
	}
	subs, changes := t.list(n, announce)
	t.w.tell(changes)
	for _, name := range subs {
		if sub := t.w.fs.openSub(n, name); sub != nil {
			t.walkDir(sub, announce)
			sub.Release()
		}
	}
}

// markDir takes a directory into the tree. It reports false if the tree has ended
// or the directory cannot be marked.
func (t *watchedTree) markDir(n *node) bool {
	w := t.w
	w.mu.Lock()
	if t.stopped || w.ended.Load() {
		w.mu.Unlock()
		return false
	}
	d, _, err := w.holdLocked(n, true)
	if err != nil {
		first := !t.blind
		t.blind = true
		w.mu.Unlock()
		if first {
			b := batch{w: w}
			p := place{node: n}
			if b.find(&p) {
				w.tell([]vfs.Change{{Kind: vfs.ChangeBlind, IsDir: true, Path: trimSlash(p.path), Dir: n.id, Node: n.id}})
			}
		}
		return false
	}
	defer w.mu.Unlock()
	if _, known := t.dirs[d]; known {
		d.stopLocked()
		return true
	}
	t.dirs[d] = struct{}{}
	if d.trees == nil {
		d.trees = make(map[*watchedTree]struct{})
	}
	d.trees[t] = struct{}{}
	return true
}

// list returns the directories in a directory and, if it is to be announced, what
// it holds as changes.
func (t *watchedTree) list(n *node, announce bool) (subs []string, changes []vfs.Change) {
	fd, e := openat2(n.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0, unix.RESOLVE_BENEATH)
	if e != 0 {
		return nil, nil
	}
	defer func() { _ = closeFD(fd) }()
	s := scanner{fd: fd}
	defer s.reset()
	b := batch{w: t.w}
	p := place{node: n}
	announce = announce && b.find(&p)
	for {
		entries, err := s.next(scanBatch)
		if err != nil || len(entries) == 0 {
			return subs, changes
		}
		for i := range entries {
			e := &entries[i]
			if e.Type == vfs.TypeUnknown {
				var st unix.Statx_t
				if statName(n.fd, e.Name, &st) == 0 {
					e.Type = typeOf(st.Mode)
				}
			}
			if e.Type == vfs.TypeDirectory {
				subs = append(subs, e.Name)
			}
			if announce {
				c := b.at(&p, e.Name, e.Type == vfs.TypeDirectory)
				c.Kind = vfs.ChangeCreated
				changes = append(changes, c)
			}
		}
	}
}
