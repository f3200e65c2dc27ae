//go:build linux

package localfs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"lessor/vfs"
	"lessor/vfs/localwatch"
)

// elsewhere changes files from another process.
func elsewhere(t testing.TB, dir, script string) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-e", "-c", script)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", script, err, out)
	}
}

// listener is a watch and what it has told.
type listener struct {
	vfs.Watch
	f   *FS
	dir string

	mu   sync.Mutex
	got  []vfs.Change
	more chan struct{}
}

// noVolumes is a group without the privilege to mark volumes.
type noVolumes struct{ localwatch.Group }

func (noVolumes) MarkVolume(int) error { return localwatch.ErrNoVolumes }

// eachWay runs a test for every way of listening that the machine has.
func eachWay(t *testing.T, fn func(t *testing.T, l *listener)) {
	real := newGroup
	for _, c := range []struct {
		name string
		way  localwatch.Way
		new  func(localwatch.Way, int) (localwatch.Group, error)
	}{
		{"fanotify", localwatch.Fanotify, real},
		{"fanotify without privileges", localwatch.Fanotify, func(w localwatch.Way, fd int) (localwatch.Group, error) {
			g, err := real(w, fd)
			return noVolumes{g}, err
		}},
		{"inotify", localwatch.Inotify, real},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			newGroup = c.new
			defer func() { newGroup = real }()
			f, dir := newLocal(t, Options{Watch: c.way})
			l := &listener{f: f, dir: dir, more: make(chan struct{}, 1)}
			w, err := f.Watch(l.tell)
			if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(c.name, w.Means()) {
				t.Error(w.Means())
			}
			l.Watch = w
			defer func() {
				if err := w.Close(); err != nil {
					t.Error(err)
				}
			}()
			fn(t, l)
		})
	}
}

func (l *listener) tell(list []vfs.Change) {
	l.mu.Lock()
	l.got = append(l.got, list...)
	l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
}

// wait waits for a change and returns it with all that came before it.
func (l *listener) wait(t *testing.T, what string) []vfs.Change {
	t.Helper()
	late := time.After(time.Minute)
	for {
		l.mu.Lock()
		at := slices.IndexFunc(l.got, func(c vfs.Change) bool { return describe(&c) == what })
		if at >= 0 {
			list := l.got[:at+1]
			l.got = l.got[at+1:]
			l.mu.Unlock()
			return list
		}
		l.mu.Unlock()
		select {
		case <-l.more:
		case <-late:
			t.Fatalf("%s was not told; %v", what, l.all())
		}
	}
}

func (l *listener) all() (list []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.got {
		list = append(list, describe(&l.got[i]))
	}
	return list
}

func describe(c *vfs.Change) string {
	s := c.Kind.String()
	if c.IsDir {
		s += "/"
	}
	if c.OldPath != "" {
		s += " " + c.OldPath
	}
	return s + " " + c.Path
}

// expect changes files from elsewhere and sees what is told of it, changes of
// attributes aside.
func (l *listener) expect(t *testing.T, script string, want ...string) []vfs.Change {
	t.Helper()
	l.mu.Lock()
	l.got = nil
	l.mu.Unlock()
	elsewhere(t, l.dir, script)
	list := l.wait(t, want[len(want)-1])
	list = slices.DeleteFunc(list, func(c vfs.Change) bool { return c.Kind == vfs.ChangeAttributes })
	var got []string
	for i := range list {
		got = append(got, describe(&list[i]))
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%s:\n got %q\nwant %q", script, got, want)
	}
	return list
}

// node opens a node by its path.
func (l *listener) node(t *testing.T, path string) vfs.Node {
	t.Helper()
	n, _, err := l.f.root.Lookup(context.Background(), nil, path, vfs.LookupOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Release)
	return n
}

// add asks for changes until the test ends.
func (l *listener) add(t *testing.T, path string, tree bool) vfs.Watched {
	t.Helper()
	what, _, err := l.Add(l.node(t, path), tree)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(what.Stop)
	return what
}

func TestWatchDirectory(t *testing.T) {
	eachWay(t, func(t *testing.T, l *listener) {
		elsewhere(t, l.dir, "mkdir d other")
		l.add(t, "d", false)
		d := l.node(t, "d").ID()
		list := l.expect(t, "echo x > d/a", "created d/a", "modified d/a")
		a := l.node(t, "d/a").ID()
		for _, c := range list {
			if c.Dir != d || c.Node != a {
				t.Errorf("%+v", c)
			}
		}
		c := l.expect(t, "mv d/a d/b", "renamed d/a d/b")[0]
		if c.OldDir != d || c.Dir != d || c.Node != a {
			t.Errorf("%+v", c)
		}
		l.expect(t, "echo y >> d/b", "modified d/b")
		elsewhere(t, l.dir, "chmod 600 d/b")
		l.wait(t, "attributes d/b")
		l.expect(t, "mv d/b other/; touch other/x; mkdir d/sub", "removed d/b", "created/ d/sub")
		l.expect(t, "mv other/b d/c", "created d/c")
		c = l.expect(t, "rm d/c", "removed d/c")[0]
		if !c.Node.IsZero() || c.Dir != d {
			t.Errorf("%+v", c)
		}
		l.expect(t, "rmdir d/sub", "removed/ d/sub")
		l.expect(t, "mv d moved; touch moved/y", "renamed/ d moved", "created moved/y")
		l.expect(t, "rm -r moved", "removed moved/y", "removed/ moved")
	})
}

// A file is watched by way of its directory, wherever that is by now.
func TestWatchFile(t *testing.T) {
	eachWay(t, func(t *testing.T, l *listener) {
		elsewhere(t, l.dir, "mkdir d; touch d/f")
		n := l.node(t, "d/f")
		what, fresh, err := l.Add(n, false)
		if err != nil || !fresh {
			t.Fatal(err, fresh)
		}
		defer what.Stop()
		if c := l.expect(t, "echo x >> d/f", "modified d/f"); c[0].Node != n.ID() {
			t.Errorf("%+v", c)
		}
		// Another directory takes the place of the first.
		l.expect(t, "mv d e; mkdir d; touch d/f", "renamed/ d e", "created/ d")
		other := l.node(t, "d/f")
		l.add(t, "d/f", false)
		l.add(t, "e/f", false)
		if c := l.expect(t, "echo x >> d/f", "modified d/f"); c[0].Node != other.ID() {
			t.Errorf("%+v", c)
		}
		if c := l.expect(t, "echo x >> e/f", "modified e/f"); c[0].Node != n.ID() {
			t.Errorf("%+v", c)
		}
		l.expect(t, "rm d/f; touch d/f", "removed d/f", "created d/f")
		if _, _, err := l.Add(other, false); !errors.Is(err, vfs.ErrStale) {
			t.Error("a file that is gone:", err)
		}
		// The top directory, and a named stream.
		l.expect(t, "touch top", "created top")
		top := l.node(t, "top")
		stream, err := top.Stream(t.Context(), nil, "s", true)
		if err != nil {
			t.Fatal(err)
		}
		defer stream.Release()
		what, _, err = l.Add(stream, false)
		if err != nil {
			t.Fatal(err)
		}
		what.Stop()
		l.forgetOwn(t)
		l.expect(t, "truncate -s 5 top", "modified top")
	})
}

// changeAll makes every kind of change through the FS.
func changeAll(t *testing.T, f *FS, dir string) {
	t.Helper()
	ctx := context.Background()
	d, _, err := f.root.Lookup(ctx, nil, dir, vfs.LookupOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Release()
	n, err := d.Create(ctx, nil, "mine", vfs.CreateOptions{Type: vfs.TypeRegular, Fold: true, DOS: vfs.DOSHidden, DOSSet: true})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Release()
	h, err := n.Open(ctx, nil, vfs.OpenMode{Read: true, Write: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = h.Close() }()
	other, err := d.Create(ctx, nil, "other", vfs.CreateOptions{Type: vfs.TypeRegular})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Release()
	from, err := other.Open(ctx, nil, vfs.OpenMode{Read: true, Write: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = from.Close() }()
	stream, err := n.Stream(ctx, nil, "s", true)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Release()
	sh, err := stream.Open(ctx, nil, vfs.OpenMode{Write: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sh.Close() }()
	_, e1 := h.WriteAt([]byte("data"), 0)
	_, e2 := from.CopyFrom(ctx, h, 0, 0, 4)
	_, e3 := sh.WriteAt([]byte("stream"), 0)
	link, e4 := d.Symlink(ctx, nil, "link", "mine")
	if e4 == nil {
		link.Release()
	}
	sub, e5 := d.Create(ctx, nil, "sub", vfs.CreateOptions{Type: vfs.TypeDirectory})
	if e5 == nil {
		sub.Release()
	}
	for i, err := range []error{
		e1, e2, e3, e4, e5,
		h.Truncate(2), h.Alloc(ctx, 0, 100, vfs.AllocReserve),
		n.SetAttr(ctx, nil, &vfs.SetAttr{Mask: vfs.SetModify | vfs.SetMode | vfs.SetSize, Modify: time.Now(), Mode: 0o600}),
		n.SetXattr(ctx, nil, "user.ea", []byte("x")),
		n.RenameStream(ctx, nil, "s", "t", false), n.RemoveStream(ctx, nil, "t"),
		d.Link(ctx, nil, n, "hard", false), d.Link(ctx, nil, n, "other", true),
		d.Rename(ctx, nil, "hard", d, "harder", false),
		d.Remove(ctx, nil, "harder"), d.Remove(ctx, nil, "mine"), d.Remove(ctx, nil, "other"),
		d.Remove(ctx, nil, "link"), d.Remove(ctx, nil, "sub"),
	} {
		if err != nil {
			t.Fatal(i, err)
		}
	}
}

// What is done through the FS itself is not told.
func TestWatchOwnChanges(t *testing.T) {
	eachWay(t, func(t *testing.T, l *listener) {
		elsewhere(t, l.dir, "mkdir d")
		l.add(t, "d", false)
		l.add(t, "", true)
		for i := range 20 {
			changeAll(t, l.f, "d")
			theirs := fmt.Sprintf("d/theirs%d", i)
			elsewhere(t, l.dir, "mkdir "+theirs)
			if list := l.wait(t, "created/ "+theirs); len(list) != 1 {
				t.Fatalf("%+v", list)
			}
		}
	})
}

// Where the kernel does not know who did it, changes by others at the same time as
// our own may be lost; those after it may not.
func TestWatchAfterOwnChange(t *testing.T) {
	eachWay(t, func(t *testing.T, l *listener) {
		elsewhere(t, l.dir, "touch f")
		l.add(t, "f", false)
		h, err := l.node(t, "f").Open(t.Context(), nil, vfs.OpenMode{Write: true})
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		if _, err := h.WriteAt([]byte("x"), 0); err != nil {
			t.Fatal(err)
		}
		l.forgetOwn(t)
		l.expect(t, "echo y >> f", "modified f")
	})
}

// forgetOwn lets what was done through the FS be forgotten by two looks into the
// queue.
func (l *listener) forgetOwn(t *testing.T) {
	t.Helper()
	l.expect(t, "touch one", "created one")
	l.expect(t, "touch two", "created two")
}

func TestWatchTree(t *testing.T) {
	eachWay(t, func(t *testing.T, l *listener) {
		elsewhere(t, l.dir, "mkdir -p t/a/b/c outside; touch outside/x")
		l.add(t, "t", true)
		// A walk needs some time, and there is no telling when it is done but by its
		// success.
		for i := 0; ; i++ {
			elsewhere(t, l.dir, fmt.Sprintf("touch t/a/b/c/%d", i))
			if slices.Contains(l.soon(), fmt.Sprintf("created t/a/b/c/%d", i)) {
				break
			}
		}
		l.expect(t, "echo x > t/a/b/f", "created t/a/b/f", "modified t/a/b/f")
		l.expect(t, "mv t/a/b/f t/a/f", "renamed t/a/b/f t/a/f")
		// What is made at once in a new directory is told, perhaps twice.
		elsewhere(t, l.dir, "mkdir -p t/n/e/w; touch t/n/e/w/file")
		l.wait(t, "created t/n/e/w/file")
		elsewhere(t, l.dir, "mkdir outside/sub; touch outside/sub/y; mv outside t/in")
		for i := 0; ; i++ {
			elsewhere(t, l.dir, fmt.Sprintf("touch t/in/sub/%d", i))
			if slices.Contains(l.soon(), fmt.Sprintf("created t/in/sub/%d", i)) {
				break
			}
		}
		// And so is what others do in our own.
		d, err := l.f.root.Create(t.Context(), nil, "ignored", vfs.CreateOptions{Type: vfs.TypeDirectory})
		if err != nil {
			t.Fatal(err)
		}
		d.Release()
		d, err = l.node(t, "t").Create(t.Context(), nil, "own", vfs.CreateOptions{Type: vfs.TypeDirectory})
		if err != nil {
			t.Fatal(err)
		}
		d.Release()
		for i := 0; ; i++ {
			elsewhere(t, l.dir, fmt.Sprintf("touch t/own/%d", i))
			if slices.Contains(l.soon(), fmt.Sprintf("created t/own/%d", i)) {
				break
			}
		}
		elsewhere(t, l.dir, "rm -r t/a t/n t/in")
		l.wait(t, "removed/ t/a")
		l.wait(t, "removed/ t/in")
	})
}

// soon returns what is told up to the next pause.
func (l *listener) soon() []string {
	select {
	case <-l.more:
	case <-time.After(10 * watchRest):
	}
	return l.all()
}

// The directories of a tree are given back when they are removed.
func TestWatchTreeForgets(t *testing.T) {
	eachWay(t, func(t *testing.T, l *listener) {
		w := l.Watch.(*watch)
		if l.Means() == "inotify" || func() bool { _, no := w.group.(noVolumes); return no }() {
			l.add(t, "", true)
			for i := range 20 {
				elsewhere(t, l.dir, "mkdir -p a/b/c")
				for !l.marked(4) {
					l.soon()
				}
				elsewhere(t, l.dir, fmt.Sprintf("rm -r a; touch end%d", i))
				l.wait(t, fmt.Sprintf("created end%d", i))
				for !l.marked(1) {
					l.soon()
				}
			}
		}
	})
}

// marked reports whether so many directories are in use.
func (l *listener) marked(n int) bool {
	w, _ := l.Watch.(*watch)
	w.mu.Lock()
	defer w.mu.Unlock()
	used := 0
	for _, d := range w.byID {
		if d.users > 0 {
			used++
		}
	}
	return used == n
}

// A foreign change that the stamp of a directory hides is seen by the index.
func TestWatchKeepsTheIndexTrue(t *testing.T) {
	eachWay(t, func(t *testing.T, l *listener) {
		find(t, l.f, "nothing")
		elsewhere(t, l.dir, "touch Hidden")
		// As if it had slipped in just before a change of our own, so short ago that
		// the stamp is not doubted.
		d := l.f.index.get(l.f.root.id, false)
		d.mu.Lock()
		d.settleLocked(l.f.root)
		d.builtAt = time.Now().Add(time.Hour)
		d.mu.Unlock()
		l.f.index.put(d, d.count)
		late := time.Now().Add(time.Minute)
		for {
			if actual, ok := find(t, l.f, "HIDDEN"); ok {
				if actual != "Hidden" {
					t.Error(actual)
				}
				break
			}
			if time.Now().After(late) {
				t.Fatal("not found")
			}
			l.soon()
		}
		// Our own changes do not make it list again.
		d = l.f.index.get(l.f.root.id, false)
		built := d.builtAt
		d.cost = time.Hour
		for i := range 50 {
			name := fmt.Sprintf("f%d", i)
			newFile(t, l.f, name)
			find(t, l.f, strings.ToUpper(name))
			l.soonFor(time.Millisecond)
		}
		if d.builtAt != built {
			t.Error("listed again")
		}
		l.f.index.put(d, d.count)
	})
}

// soonFor gives the reader a chance to see what was done.
func (l *listener) soonFor(d time.Duration) {
	select {
	case <-l.more:
	case <-time.After(d):
	}
}

// Directories leave the index with their marks.
func TestWatchIndexIsBounded(t *testing.T) {
	f, dir := newLocal(t, Options{IndexDirs: 4})
	w, err := f.Watch(func([]vfs.Change) {})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	l := listener{Watch: w}
	for i := range 2 * maxIdle {
		name := fmt.Sprint("d", i)
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		find(t, f, name+"/X")
	}
	if !l.marked(4) {
		t.Error("marks are left")
	}
	if n := len(w.(*watch).byID); n > 4+maxIdle {
		t.Error(n)
	}
}

// When events are lost that is told, and nothing is taken for known any more.
func TestWatchLost(t *testing.T) {
	if testing.Short() {
		t.Skip("fills the queue of the kernel")
	}
	for _, way := range []localwatch.Way{localwatch.Fanotify, localwatch.Inotify} {
		t.Run(way.String(), func(t *testing.T) {
			f, dir := newLocal(t, Options{Watch: way})
			entered, leave, lost := make(chan struct{}), make(chan struct{}), make(chan struct{})
			var once sync.Once
			w, err := f.Watch(func(list []vfs.Change) {
				once.Do(func() { close(entered); <-leave })
				for i := range list {
					if list[i].Kind == vfs.ChangeLost {
						close(lost)
					}
				}
			})
			if err != nil {
				t.Skip(err)
			}
			defer w.Close()
			find(t, f, "x")
			elsewhere(t, dir, "touch first")
			<-entered
			limit := 16384
			if b, err := os.ReadFile("/proc/sys/fs/" + way.String() + "/max_queued_events"); err == nil {
				_, _ = fmt.Sscan(string(b), &limit)
			}
			if limit > 1<<20 {
				t.Skip("the queue is too long to be filled")
			}
			for i := range limit + 10 {
				if err := unix.Symlinkat("x", f.root.fd, fmt.Sprint(i)); err != nil {
					t.Fatal(err)
				}
			}
			d := f.index.get(f.root.id, false)
			before := d.watched.changes.Load()
			close(leave)
			<-lost
			if d.watched.changes.Load() == before {
				t.Error("the index is trusted")
			}
			f.index.put(d, d.count)
		})
	}
}

// What lies above is followed when it is renamed, by others or by us.
func TestWatchAncestors(t *testing.T) {
	eachWay(t, func(t *testing.T, l *listener) {
		elsewhere(t, l.dir, "mkdir -p a/b/c x/y; touch a/b/c/f")
		l.add(t, "a/b/c/f", false)
		l.expect(t, "mv a/b a/B", "renamed/ a/b a/B")
		l.expect(t, "mv a A; echo x >> A/B/c/f", "renamed/ a A", "modified A/B/c/f")
		l.expect(t, "mv A/B x/y/B; touch end", "removed/ A/B", "created end")
		// x and x/y are above it now.
		l.expect(t, "mv x X", "renamed/ x X")
		if err := l.node(t, "X/y").Rename(t.Context(), nil, "B", l.f.root, "top", false); err != nil {
			t.Fatal(err)
		}
		l.forgetOwn(t)
		l.expect(t, "mv top TOP", "renamed/ top TOP")
		l.expect(t, "echo x >> TOP/c/f", "modified TOP/c/f")
		l.expect(t, "mv TOP ../outside; touch end2", "removed/ TOP", "created end2")
		elsewhere(t, l.dir, "echo x >> ../outside/c/f; rm -r ../outside")
		l.expect(t, "touch end3", "created end3")
	})
}

func TestWatchLimit(t *testing.T) {
	eachWay(t, func(t *testing.T, l *listener) {
		w := l.Watch.(*watch)
		w.limit = 3 // one of them for the root, which lies above all
		elsewhere(t, l.dir, "mkdir -p a b c/d e; touch c/f")
		a, _, err := l.Add(l.node(t, "a"), false)
		if err != nil {
			t.Fatal(err)
		}
		l.add(t, "b", false)
		if _, _, err := l.Add(l.node(t, "c"), false); !errors.Is(err, vfs.ErrTooManyOpen) {
			t.Error(err)
		}
		if _, _, err := l.Add(l.node(t, "c/f"), false); !errors.Is(err, vfs.ErrTooManyOpen) {
			t.Error(err)
		}
		a.Stop() // a is idle now, and makes room
		l.add(t, "c/f", false)
		if _, _, err := l.Add(l.node(t, "a"), false); !errors.Is(err, vfs.ErrTooManyOpen) {
			t.Error(err)
		}
		what, _, err := l.Add(l.node(t, "c"), true)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(what.Stop)
		if !what.(*watchedTree).volume {
			l.wait(t, "blind/ c/d")
		}
	})
}

// limited is a group at the limit of the user.
type limited struct {
	localwatch.Group
	full *bool
}

func (g limited) Mark(fd int, full bool) (localwatch.Key, error) {
	if *g.full {
		return "", unix.ENOSPC
	}
	return g.Group.Mark(fd, full)
}

func TestWatchLimitOfUser(t *testing.T) {
	real, full := newGroup, false
	newGroup = func(way localwatch.Way, fd int) (localwatch.Group, error) {
		g, err := real(way, fd)
		return limited{g, &full}, err
	}
	defer func() { newGroup = real }()
	f, _ := newLocal(t, Options{})
	w, err := f.Watch(func([]vfs.Change) {})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	full = true
	if _, _, err := w.Add(f.root, false); !errors.Is(err, vfs.ErrTooManyOpen) {
		t.Error(err)
	}
	if _, ok := find(t, f, "x"); ok { // the index does without
		t.Error("found")
	}
}

func TestWatchRefused(t *testing.T) {
	f, _ := newLocal(t, Options{})
	w, err := f.Watch(func([]vfs.Change) {})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Watch(nil); !errors.Is(err, vfs.ErrBusy) {
		t.Error(err)
	}
	other, _ := newLocal(t, Options{})
	if _, _, err := w.Add(other.root, false); !errors.Is(err, vfs.ErrCrossDevice) {
		t.Error(err)
	}
	if _, _, err := w.Add(vfs.UnimplementedNode{}, false); !errors.Is(err, vfs.ErrCrossDevice) {
		t.Error(err)
	}
	kept, _, err := w.Add(f.root, false)
	if err != nil {
		t.Fatal(err)
	}
	tree, _, err := w.Add(f.root, true)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
	kept.Stop()
	tree.Stop()
	for _, tree := range []bool{false, true} {
		if _, _, err := w.Add(f.root, tree); !errors.Is(err, vfs.ErrStale) {
			t.Error(err)
		}
	}
	again, err := f.Watch(func([]vfs.Change) {})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	newGroup = func(localwatch.Way, int) (localwatch.Group, error) { return nil, unix.ENOSYS }
	defer func() { newGroup = localwatch.New }()
	if _, err := f.Watch(nil); !errors.Is(err, errors.ErrUnsupported) || !errors.Is(err, unix.ENOSYS) {
		t.Error(err)
	}
	f.opts.Watch = localwatch.Fanotify
	if _, err := f.Watch(nil); !errors.Is(err, unix.ENOSYS) {
		t.Error(err)
	}
}

// Whatever is asked for and given back while others change everything, nothing is
// left behind.
func TestWatchInParallel(t *testing.T) {
	openList := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	openList()
	before := openList()
	eachWay(t, func(t *testing.T, l *listener) {
		elsewhere(t, l.dir, "mkdir a b; touch a/f b/f")
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				for k := 0; ; k++ {
					select {
					case <-stop:
						return
					default:
					}
					n, _, err := l.f.root.Lookup(context.Background(), nil, []string{"a", "b", "a/f", "b/f", ""}[k%5], vfs.LookupOptions{Fold: true})
					if err != nil {
						continue
					}
					if what, _, err := l.Add(n, k%2 == i%2); err == nil {
						what.Stop()
					}
					n.Release()
				}
			})
		}
		elsewhere(t, l.dir, "for i in 1 2 3 4 5 6 7 8 9; do mv a x; mv b a; mv x b; mkdir -p a/s/$i; touch a/s/$i/f; mv a/f b/g; mv b/f a/f; mv b/g b/f; rm -r a/s; done")
		close(stop)
		wg.Wait()
	})
	if after := openList(); after != before {
		t.Errorf("%d descriptors are left", after-before)
	}
}

func TestOwnOpsForget(t *testing.T) {
	own := newOwnOps()
	f := &FS{}
	f.own.Store(own)
	id := vfs.NodeID{Inode: 1}
	op := f.touching(id, "a")
	for range 3 {
		own.look()
		if !own.has(id, "a") {
			t.Fatal("forgotten while it runs")
		}
	}
	op.done()
	own.look()
	if !own.has(id, "a") || own.has(id, "b") {
		t.Fatal("its event may be in the queue")
	}
	own.look()
	if own.has(id, "a") {
		t.Fatal("remembered for ever")
	}
	// Nobody looks: what is old goes when there is too much.
	for i := range 2 * minOwnOps {
		f.touching(id, fmt.Sprint(i)).done()
	}
	if len(own.ops) != 2*minOwnOps {
		t.Fatal("new ones are forgotten")
	}
	for k, s := range own.ops {
		s.at = time.Now().Add(-2 * ownOpsAge)
		own.ops[k] = s
	}
	own.purge = 0
	f.touching(id, "last").done()
	if len(own.ops) != 1 {
		t.Error(len(own.ops))
	}
}

// observed is a group that tells what is left out.
type observed struct {
	localwatch.Group
	ignored, heeded chan struct{}
}

func (g observed) Ignore(fd int) error {
	err := g.Group.Ignore(fd)
	g.ignored <- struct{}{}
	return err
}

func (g observed) Heed(fd int) error {
	err := g.Group.Heed(fd)
	g.heeded <- struct{}{}
	return err
}

// A stream of our own writes is left out after a while, and then heard of again.
// Others that write meanwhile are heard of all the same.
func TestWatchQuiet(t *testing.T) {
	real := newGroup
	o := observed{ignored: make(chan struct{}, 100), heeded: make(chan struct{}, 100)}
	newGroup = func(way localwatch.Way, fd int) (localwatch.Group, error) {
		g, err := real(way, fd)
		o.Group = g
		return o, err
	}
	defer func() { newGroup = real }()
	f, dir := newLocal(t, Options{Watch: localwatch.Fanotify})
	l := &listener{f: f, dir: dir, more: make(chan struct{}, 1)}
	w, err := f.Watch(l.tell)
	if err != nil {
		t.Skip(err)
	}
	defer func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}()
	l.Watch = w
	elsewhere(t, dir, "touch f")
	l.add(t, "f", false)
	h, err := l.node(t, "f").Open(t.Context(), nil, vfs.OpenMode{Write: true})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	until := func(what <-chan struct{}) {
		for {
			select {
			case <-what:
				return
			default:
				if _, err := h.WriteAt([]byte("x"), 0); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	until(o.ignored)
	l.expect(t, "echo x >> f; touch g", "modified f", "created g")
	select {
	case <-o.heeded:
		t.Skip("the machine is too slow to see what happens within a second")
	default:
	}
	<-o.heeded
	l.expect(t, "exec 3>>f; echo x >&3; touch h", "modified f", "created h")
	until(o.ignored)
}
