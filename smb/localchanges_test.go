//go:build linux

package smb_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"lessor/smb"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/vfs"
	"lessor/vfs/errfs"
	"lessor/vfs/localfs"
	"lessor/vfs/localwatch"
	"lessor/vfs/memfs"
)

// local is a server whose share is a directory of this machine.
type local struct {
	*testServer
	dir string
}

// eachWay runs a test for every way of listening that the machine has.
func eachWay(t *testing.T, fn func(t *testing.T, s *local)) {
	for _, way := range []localwatch.Way{localwatch.Fanotify, localwatch.Inotify} {
		t.Run(way.String(), func(t *testing.T) {
			dir := t.TempDir()
			f, err := localfs.New(dir, localfs.Options{Watch: way})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = f.Close() })
			w, err := f.Watch(func([]vfs.Change) {})
			if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSYS) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			fn(t, &local{newTestServer(t, onShare(f)), dir})
		})
	}
}

// onShare puts a file system behind the share.
func onShare(f vfs.FS) func(*smb.Config, *smb.Share) {
	return func(_ *smb.Config, s *smb.Share) { s.FS = f }
}

// shell changes the shared directory from another process.
func (s *local) shell(t *testing.T, script string) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-e", "-c", script)
	cmd.Dir = s.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", script, err, out)
	}
}

// leased opens a file or directory with a lease of its own.
func leased(t *testing.T, tree *client.Tree, name string, state wire.LeaseState, dir bool) *client.File {
	t.Helper()
	f := create(t, tree, client.CreateArgs{
		Name: name, Directory: dir, Disposition: client.Open, Lease: &client.Lease{Key: client.NewGUID(), State: state},
	})
	if f.LeaseState() != state {
		t.Fatalf("%s: granted %s", name, client.LeaseString(f.LeaseState()))
	}
	return f
}

// broken waits for the break of a lease and acknowledges it.
func broken(t *testing.T, f *client.File, from, to wire.LeaseState) {
	t.Helper()
	b, err := f.Tree.Session.Conn.NextBreak(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if b.Lease == nil || b.Lease.CurrentLeaseState != from || b.Lease.NewLeaseState != to {
		t.Fatalf("%v, want %s to %s", b, client.LeaseString(from), client.LeaseString(to))
	}
	if b.AckRequired() {
		mustBe(t, "acknowledgement", f.AckLease(t.Context(), to), ntstatus.Success)
	}
}

// A program that writes ends all caching; nothing less tells the client that what
// it knows is old.
func TestLocalWriteBreaksLeases(t *testing.T) {
	eachWay(t, func(t *testing.T, s *local) {
		s.shell(t, "mkdir d; echo 1 > d/f; echo 1 > g")
		for _, name := range []string{`d\f`, "g"} {
			for _, state := range []wire.LeaseState{client.RWH, client.RW, client.RH, client.R} {
				f := leased(t, s.connect(t), name, state, false)
				s.shell(t, "echo 2 >> "+strings.ReplaceAll(name, `\`, "/"))
				broken(t, f, state, 0)
				s.noMore(t, f)
				mustBe(t, "close", f.Close(t.Context()), ntstatus.Success)
			}
		}
		f := leased(t, s.connect(t), "g", client.RWH, false)
		s.shell(t, "truncate -s 0 g")
		broken(t, f, client.RWH, 0)
		f = leased(t, s.connect(t), `d\f`, client.RH, false)
		other := leased(t, s.connect(t), `d\f`, client.RH, false)
		s.shell(t, "ln d/f elsewhere; echo 3 >> elsewhere; rm elsewhere; echo 3 >> d/f")
		broken(t, f, client.RH, 0)
		broken(t, other, client.RH, 0)
	})
}

// noMore sees that no break is on its way, by a change that is told after it.
func (s *local) noMore(t *testing.T, f *client.File) {
	t.Helper()
	tree := s.connect(t)
	top := create(t, tree, client.CreateArgs{Directory: true, Access: client.ListDirectory})
	call := waiting(t, top, names, false)
	s.shell(t, "touch marker; rm marker")
	if _, err := call.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustBe(t, "close", top.Close(t.Context()), ntstatus.Success)
	if err := f.Tree.Session.Conn.NoBreak(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestLocalWriteBreaksOplocks(t *testing.T) {
	eachWay(t, func(t *testing.T, s *local) {
		s.shell(t, "touch f")
		tree := s.connect(t)
		f := create(t, tree, client.CreateArgs{Name: "f", Disposition: client.Open, Oplock: wire.OplockBatch})
		s.shell(t, "echo x > f")
		b, err := tree.Session.Conn.NextBreak(t.Context())
		if err != nil || b.Oplock == nil || b.Oplock.OplockLevel != wire.OplockNone {
			t.Fatal(b, err)
		}
		mustBe(t, "acknowledgement", f.AckOplock(t.Context(), wire.OplockNone), ntstatus.Success)
	})
}

// What a client does itself costs it nothing, nor do the attributes of a file.
func TestLocalChangesAreNotOurs(t *testing.T) {
	eachWay(t, func(t *testing.T, s *local) {
		ctx := t.Context()
		s.shell(t, "mkdir d; touch d/f")
		tree := s.connect(t)
		dirKey := client.NewGUID()
		dir := create(t, tree, client.CreateArgs{
			Name: "d", Directory: true, Disposition: client.Open, Lease: &client.Lease{Key: dirKey, State: client.RH},
		})
		f := create(t, tree, client.CreateArgs{
			Name: `d\f`, Disposition: client.Open,
			Lease: &client.Lease{Key: client.NewGUID(), State: client.RWH, Parent: dirKey},
		})
		top := create(t, s.connect(t), client.CreateArgs{Directory: true, Access: client.ListDirectory})
		subscribe(t, top, names|wire.NotifyChangeSize|wire.NotifyChangeLastWrite, true)
		if _, err := f.Write(ctx, 0, []byte("data")); err != nil {
			t.Fatal(err)
		}
		mustBe(t, "size", f.Truncate(ctx, 2), ntstatus.Success)
		mustBe(t, "close", f.Close(ctx), ntstatus.Success)
		s.noMore(t, dir)
		// Every change is told once: by the server, not by the kernel as well.
		list, err := top.ChangeNotify(ctx, names, true)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range list {
			if e.FileName != "marker" {
				got = append(got, fmt.Sprintf("%d %s", e.Action, e.FileName))
			}
		}
		if !slices.Equal(got, []string{`3 d\f`}) {
			t.Error(got)
		}
	})
}

func TestLocalChangesBreakDirectoryLeases(t *testing.T) {
	eachWay(t, func(t *testing.T, s *local) {
		s.shell(t, "mkdir -p d/sub other")
		for _, script := range []string{
			"touch d/a", "echo x >> d/a", "chmod 600 d/a", "mv d/a d/b", "mv d/b other/", "mv other/b d/", "rm d/b", "rmdir d/sub", "mkdir d/sub",
		} {
			dir := leased(t, s.connect(t), "d", client.RH, true)
			s.shell(t, script)
			broken(t, dir, client.RH, 0)
			mustBe(t, "close", dir.Close(t.Context()), ntstatus.Success)
		}
		dir := leased(t, s.connect(t), "d", client.RH, true)
		s.shell(t, "touch d/sub/f; touch other/f")
		s.noMore(t, dir)
	})
}

func TestLocalChangesAreTold(t *testing.T) {
	eachWay(t, func(t *testing.T, s *local) {
		s.shell(t, "mkdir -p d/sub")
		tree := s.connect(t)
		dir := create(t, tree, client.CreateArgs{Name: "d", Directory: true, Access: client.ListDirectory})
		filter := names | wire.NotifyChangeSize
		tell := func(script string, want ...string) {
			t.Helper()
			var got []string
			call := waiting(t, dir, filter, false)
			s.shell(t, script)
			for len(got) < len(want) {
				list, err := call.Wait(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range list {
					got = append(got, fmt.Sprintf("%d %s", e.Action, e.FileName))
				}
				if len(got) < len(want) {
					call = dir.StartChangeNotify(filter, false)
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%s: %q, want %q", script, got, want)
			}
		}
		tell("touch d/a", "1 a")
		tell("echo x >> d/a", "3 a")
		tell("mv d/a d/b", "4 a", "5 b")
		tell("mv d/b d/sub/; touch d/end", "2 b", "1 end")
		tell("mv d/sub/b d/", "1 b")
		tell("rm d/b", "2 b")
		tell("mkdir d/n", "1 n")
		tell("rmdir d/n", "2 n")
	})
}

// Below a watched directory everything is told, in directories that are new as
// well.
func TestLocalChangesInTree(t *testing.T) {
	eachWay(t, func(t *testing.T, s *local) {
		s.shell(t, "mkdir -p d/a/b")
		dir := create(t, s.connect(t), client.CreateArgs{Name: "d", Directory: true, Access: client.ListDirectory})
		call := waiting(t, dir, names, true)
		seen := make(map[string]bool)
		until := func(what string, again func(i int)) {
			t.Helper()
			for i := 0; !seen[what]; i++ {
				again(i)
				list, err := call.Wait(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range list {
					seen[fmt.Sprintf("%d %s", e.Action, e.FileName)] = true
				}
				call = dir.StartChangeNotify(names, true)
			}
		}
		// The tree is being walked yet: the top of it is certain.
		until(`1 a\b\f`, func(i int) { s.shell(t, fmt.Sprintf("rm -f d/a/b/f; touch d/a/b/f d/%d", i)) })
		until(`1 new\deep\f`, func(i int) {
			if i == 0 {
				s.shell(t, "mkdir -p d/new/deep; touch d/new/deep/f")
			}
		})
		until(`2 new`, func(i int) {
			if i == 0 {
				s.shell(t, "rm -r d/new")
			}
		})
	})
}

// A file that a program renames or replaces is still the one that is open; its
// client learns that the name may mean something else.
func TestLocalRenameOfOpenFile(t *testing.T) {
	eachWay(t, func(t *testing.T, s *local) {
		ctx := t.Context()
		s.shell(t, "mkdir d e; echo data > d/f")
		tree := s.connect(t)
		f := leased(t, tree, `d\f`, client.RWH, false)
		s.shell(t, "mv d/f d/g")
		broken(t, f, client.RWH, client.RW)
		eventually(t, "the open has the new path", func() bool { return s.hasOpen(`d/g`) })
		dir := leased(t, s.connect(t), "d", client.RH, true)
		s.shell(t, "mv d moved")
		eventually(t, "the open has the path below the new one", func() bool { return s.hasOpen(`moved/g`) })
		broken(t, dir, client.RH, client.R)
		// The mark for deletion finds it there.
		mustBe(t, "mark", f.SetDelete(ctx, true), ntstatus.Success)
		mustBe(t, "close", f.Close(ctx), ntstatus.Success)
		s.shell(t, "test ! -e moved/g")

		s.shell(t, "echo old > f; echo new > tmp")
		f = leased(t, tree, "f", client.RH, false)
		s.shell(t, "mv tmp f")
		broken(t, f, client.RH, client.R)
		mustBe(t, "close", f.Close(ctx), ntstatus.Success)

		f = leased(t, tree, "f", client.RH, false)
		s.shell(t, "rm f")
		broken(t, f, client.RH, client.R)
		if b, err := f.ReadAll(ctx); err != nil || string(b) != "new\n" {
			t.Errorf("%q, %v", b, err)
		}
		mustBe(t, "mark", f.SetDelete(ctx, true), ntstatus.Success)
		s.shell(t, "echo another > f")
		mustBe(t, "close", f.Close(ctx), ntstatus.Success)
		s.shell(t, "grep -q another f")
	})
}

// hasOpen reports whether something is open under a path.
func (s *local) hasOpen(path string) bool {
	for _, o := range s.Status().Opens {
		if strings.ReplaceAll(o.Path, `\`, "/") == path {
			return true
		}
	}
	return false
}

// Who waits for changes in a directory that a program removes waits no longer; in
// one that it renames he goes on.
func TestLocalChangesOfWatchedDirectory(t *testing.T) {
	eachWay(t, func(t *testing.T, s *local) {
		s.shell(t, "mkdir -p a/b")
		top := create(t, s.connect(t), client.CreateArgs{Directory: true, Access: client.ListDirectory})
		subscribe(t, top, names, false) // that it is marked is certain
		a := create(t, s.connect(t), client.CreateArgs{Name: "a", Directory: true, Access: client.ListDirectory})
		b := create(t, s.connect(t), client.CreateArgs{Name: `a\b`, Directory: true, Access: client.ListDirectory})
		inA, inB := waiting(t, a, names, false), waiting(t, b, names, false)
		s.shell(t, "mv a c")
		eventually(t, "the open has the new path", func() bool { return s.hasOpen(`c/b`) })
		s.shell(t, "touch c/b/f")
		expect(t, inB, "1 f")
		inB = b.StartChangeNotify(names, false)
		s.shell(t, "rm -r c/b")
		for {
			if _, err := inB.Wait(t.Context()); err != nil {
				mustBe(t, "in what was removed", err, ntstatus.DeletePending)
				break
			}
			inB = b.StartChangeNotify(names, false)
		}
		expect(t, inA, "2 b")
	})
}

// fake is a file system that can be told what others have done to it.
type fake struct {
	vfs.FS
	err error

	mu     sync.Mutex
	fn     func([]vfs.Change)
	begun  int
	closes int
	stops  int
	adds   int
}

func (f *fake) Watch(fn func([]vfs.Change)) (vfs.Watch, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, f.err
	}
	f.begun++
	f.fn = fn
	return (*fakeWatch)(f), nil
}

type fakeWatch fake

func (w *fakeWatch) Add(vfs.Node, bool) (vfs.Watched, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.adds++
	return w, true, nil
}
func (w *fakeWatch) Stop()         { w.mu.Lock(); defer w.mu.Unlock(); w.stops++ }
func (w *fakeWatch) Means() string { return "a test" }
func (w *fakeWatch) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closes++
	return nil
}

// counted is what a test wants to know of a fake.
func (f *fake) counted() (begun, closes, adds, stops int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.begun, f.closes, f.adds, f.stops
}

// When changes were lost nobody may go on with what he knows.
func TestLocalChangesLost(t *testing.T) {
	reg := prometheus.NewRegistry()
	f := &fake{FS: memfs.New(memfs.Options{})}
	s := newTestServer(t, onShare(f), func(c *smb.Config, _ *smb.Share) { c.Metrics = reg })
	ctx := t.Context()
	tree := s.connect(t)
	if err := tree.Mkdir(ctx, "d"); err != nil {
		t.Fatal(err)
	}
	touch(t, tree, "f")
	file := leased(t, tree, "f", client.RWH, false)
	dirTree := s.connect(t)
	dir := leased(t, dirTree, "d", client.RH, true)
	watching := create(t, s.connect(t), client.CreateArgs{Directory: true, Access: client.ListDirectory})
	call := waiting(t, watching, wire.NotifyChangeFileName, true)
	f.fn([]vfs.Change{{Kind: vfs.ChangeLost}, {Kind: vfs.ChangeBlind, Path: "d"}})
	broken(t, file, client.RWH, 0)
	broken(t, dir, client.RH, 0)
	_, err := call.Wait(ctx)
	mustBe(t, "the request", err, ntstatus.NotifyEnumDir)
	// It is told once.
	call = waiting(t, watching, wire.NotifyChangeFileName, true)
	touch(t, tree, "new")
	expect(t, call, "1 new")
	if n := counterOf(t, reg, "lessor_smb_local_changes_lost_total"); n != 1 {
		t.Error(n)
	}
	if n := counterOf(t, reg, "lessor_smb_local_changes_total"); n != 2 {
		t.Error(n)
	}
	if n := counterOf(t, reg, "lessor_smb_local_changes_blind_total"); n != 1 {
		t.Error(n)
	}
	for _, file := range []*client.File{file, dir, watching} {
		mustBe(t, "close", file.Close(ctx), ntstatus.Success)
	}
	if _, _, adds, stops := f.counted(); adds != 3 || stops != 3 {
		t.Errorf("asked for %d, given back %d", adds, stops)
	}
}

func counterOf(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	list, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		if m.GetName() == name {
			return m.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatal("no ", name)
	return 0
}

// Listening begins and ends with the shares.
func TestLocalChangesFollowShares(t *testing.T) {
	one, two := &fake{FS: memfs.New(memfs.Options{})}, &fake{FS: memfs.New(memfs.Options{})}
	s := newTestServer(t, onShare(one))
	share := func(name string, f vfs.FS) smb.Share {
		return smb.Share{Name: name, FS: f, DefaultAccess: smb.AccessWrite}
	}
	is := func(f *fake, begun, closes int) {
		t.Helper()
		if b, c, _, _ := f.counted(); b != begun || c != closes {
			t.Errorf("begun %d, ended %d; want %d, %d", b, c, begun, closes)
		}
	}
	set := func(list ...smb.Share) {
		t.Helper()
		if err := s.SetShares(list); err != nil {
			t.Fatal(err)
		}
	}
	is(one, 1, 0)
	set(share("data", one), share("again", one), share("two", two))
	is(one, 1, 0)
	is(two, 1, 0)
	off := share("two", two)
	off.NoLocalChanges = true
	set(share("data", one), off)
	is(two, 1, 1)
	// One that fails lets nothing begin.
	broken := &fake{FS: memfs.New(memfs.Options{}), err: syscall.EPERM}
	if err := s.SetShares([]smb.Share{share("two", two), share("broken", broken)}); !errors.Is(err, syscall.EPERM) {
		t.Error(err)
	}
	is(one, 1, 0)
	is(two, 2, 2)
	// One that cannot listen is shared all the same.
	broken.err = errors.ErrUnsupported
	set(share("broken", broken))
	is(one, 1, 1)
	s.connectTo(t, "broken")
	set(share("two", two))
	is(two, 3, 2)
	two.fn([]vfs.Change{{Kind: vfs.ChangeCreated, Path: "x"}})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	is(two, 3, 3)
	if err := s.SetShares([]smb.Share{share("data", one)}); err != nil {
		t.Error(err)
	}
	is(one, 1, 1)
}

// Where a limit is reached clients are served as if nobody else were there.
func TestLocalChangesBeyondLimit(t *testing.T) {
	reg := prometheus.NewRegistry()
	inner := &fake{FS: memfs.New(memfs.Options{})}
	f := errfs.New(inner)
	f.Add(errfs.Rule{Op: errfs.OpWatchAdd, Err: vfs.ErrTooManyOpen})
	s := newTestServer(t, onShare(f), func(c *smb.Config, _ *smb.Share) { c.Metrics = reg })
	tree := s.connect(t)
	touch(t, tree, "f")
	file := leased(t, tree, "f", client.RWH, false)
	top := create(t, tree, client.CreateArgs{Directory: true, Access: client.ListDirectory})
	call := waiting(t, top, names, false)
	touch(t, tree, "g")
	expect(t, call, "1 g")
	mustBe(t, "close", file.Close(t.Context()), ntstatus.Success)
	if n := counterOf(t, reg, "lessor_smb_local_changes_blind_total"); n != 2 {
		t.Error(n)
	}
}

// What a CREATE says of a file holds from the moment on from which changes are
// heard of.
func TestLocalChangesBeforeTheMark(t *testing.T) {
	inner := &fake{FS: memfs.New(memfs.Options{})}
	f := errfs.New(inner)
	s := newTestServer(t, onShare(f))
	tree := s.connect(t)
	touch(t, tree, "f")
	f.Add(errfs.Rule{Op: errfs.OpWatchAdd, Hook: func(context.Context, errfs.Call) error {
		n, _, err := inner.FS.Root().Lookup(context.Background(), nil, "f", vfs.LookupOptions{})
		if err != nil {
			return err
		}
		defer n.Release()
		return n.SetAttr(context.Background(), nil, &vfs.SetAttr{Mask: vfs.SetSize, Size: 1234})
	}})
	file := create(t, tree, client.CreateArgs{Name: "f", Lease: &client.Lease{Key: client.NewGUID(), State: client.R}})
	if file.Response.EndofFile != 1234 {
		t.Error(file.Response.EndofFile)
	}
}

// Local changes do not hold up a client, nor the other way round, whatever happens
// at the same time.
func TestLocalChangesInParallel(t *testing.T) {
	eachWay(t, func(t *testing.T, s *local) {
		s.shell(t, "mkdir d; touch d/f")
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 3 {
			tree := s.connect(t, func(o *client.Options) { o.OnBreak = func(*client.Break) {} })
			wg.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					f, err := tree.Create(context.Background(), client.CreateArgs{
						Name: []string{`d\f`, `d\g`, "f"}[i%3], Lease: &client.Lease{Key: client.NewGUID(), State: client.R},
					})
					if err != nil {
						continue
					}
					_, _ = f.Write(context.Background(), 0, []byte("x"))
					_ = f.Close(context.Background())
				}
			})
		}
		s.shell(t, "i=0; while [ $i -lt 100 ]; do echo x >> d/f; mv d/f d/h; mv d e; mv e d; mv d/h d/f; i=$((i+1)); done")
		close(stop)
		wg.Wait()
	})
}
