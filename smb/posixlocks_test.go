//go:build linux

package smb_test

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"lessor/smb"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/vfs"
	"lessor/vfs/errfs"
	"lessor/vfs/localfs"
)

// lockedShare is a share with POSIX locks, a directory on the disk, and a program
// of this machine that locks the file "f" there by a descriptor of its own.
type lockedShare struct {
	*testServer
	t     *testing.T
	rules *errfs.FS
	prog  *os.File
}

func newLockedShare(t *testing.T, tweaks ...func(*smb.Config, *smb.Share)) *lockedShare {
	t.Helper()
	dir := t.TempDir()
	prog, err := os.Create(filepath.Join(dir, "f"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = prog.Close() })
	local, err := localfs.New(dir, localfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = local.Close() })
	s := &lockedShare{t: t, rules: errfs.New(local), prog: prog}
	s.testServer = newTestServer(t, append(tweaks, func(_ *smb.Config, sh *smb.Share) {
		sh.FS, sh.PosixLocks = s.rules, true
	})...)
	return s
}

// open opens the file on a connection of its own.
func (s *lockedShare) open() *client.File {
	s.t.Helper()
	return create(s.t, s.connect(s.t), client.CreateArgs{Name: "f"})
}

// program makes the program lock a range, or unlock it. A classic lock would end
// whenever the server, which is in the same process here, closes the file.
func (s *lockedShare) program(typ int16, off, n int64) error {
	return unix.FcntlFlock(s.prog.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: typ, Start: off, Len: n})
}

// must makes the program lock a range, which has to work.
func (s *lockedShare) must(typ int16, off, n int64) {
	s.t.Helper()
	if err := s.program(typ, off, n); err != nil {
		s.t.Fatal(err)
	}
}

// shown is what the program sees of the first n bytes: '.' unlocked, 's' locked
// shared, 'x' exclusively.
func (s *lockedShare) shown(n int64) string {
	s.t.Helper()
	var b []byte
	for off := range n {
		lk := unix.Flock_t{Type: unix.F_WRLCK, Start: off, Len: 1}
		if err := unix.FcntlFlock(s.prog.Fd(), unix.F_OFD_GETLK, &lk); err != nil {
			s.t.Fatal(err)
		}
		b = append(b, map[int16]byte{unix.F_UNLCK: '.', unix.F_RDLCK: 's', unix.F_WRLCK: 'x'}[lk.Type])
	}
	return string(b)
}

// shows fails the test unless the program sees this.
func (s *lockedShare) shows(what, want string) {
	s.t.Helper()
	if got := s.shown(int64(len(want))); got != want {
		s.t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// lock sends a LOCK that has to end with a status.
func (s *lockedShare) lock(f *client.File, want ntstatus.Status, ranges ...wire.LockElement) {
	s.t.Helper()
	mustBe(s.t, "lock", f.Lock(s.t.Context(), ranges...), want)
}

// wait sends a LOCK and waits until it waits.
func (s *lockedShare) wait(f *client.File, e wire.LockElement) *client.Call[struct{}] {
	s.t.Helper()
	call := f.StartLock(client.Waiting(e))
	if _, err := call.Interim(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	return call
}

// ends fails the test unless a LOCK that waits ends with a status.
func (s *lockedShare) ends(what string, call *client.Call[struct{}], want ntstatus.Status) {
	s.t.Helper()
	_, err := call.Wait(s.t.Context())
	mustBe(s.t, what, err, want)
}

// What a client locks, a program sees, until it is unlocked or its open ends.
func TestPosixLocksAreShown(t *testing.T) {
	s := newLockedShare(t)
	ctx := t.Context()
	f, g := s.open(), s.open()
	s.lock(f, ntstatus.Success, client.Exclusive(1, 2), client.Shared(4, 2))
	s.lock(g, ntstatus.Success, client.Shared(5, 2))
	s.shows("of both", ".xx.sss.")
	if err := s.program(unix.F_WRLCK, 0, 2); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("the program on a client's lock: %v", err)
	}
	s.lock(f, ntstatus.Success, client.Unlock(1, 2), client.Unlock(4, 2))
	s.shows("of one", ".....ss.")
	s.lock(f, ntstatus.Success, client.Exclusive(0, 1))
	mustBe(t, "close", f.Close(ctx), ntstatus.Success)
	s.shows("after the close", ".....ss.")
	_ = g.Tree.Session.Conn.Close()
	eventually(t, "the connection is gone", func() bool { return s.shown(8) == "........" })

	// Opens that can only read, only write, or neither.
	for _, access := range []uint32{wire.AccessReadData, wire.AccessWriteData, wire.AccessReadAttributes} {
		f := create(t, s.connect(t), client.CreateArgs{Name: "f", Access: access})
		s.lock(f, ntstatus.Success, client.Exclusive(0, 2), client.Shared(2, 2))
		s.shows("with access "+strconv.Itoa(int(access)), "xxss.")
		mustBe(t, "close", f.Close(ctx), ntstatus.Success)
		s.shows("after the close", ".....")
	}

	// Places that no file has are between clients.
	f, g = s.open(), s.open()
	s.lock(f, ntstatus.Success, client.Exclusive(math.MaxInt64, 10), client.Exclusive(1<<63+100, 1<<62), client.Exclusive(3, 0))
	s.shows("beyond", "......")
	s.lock(g, ntstatus.LockNotGranted, client.Exclusive(1<<63, 1))
	s.lock(g, ntstatus.Success, client.Exclusive(4, math.MaxInt64-4))
	s.shows("up to the end", "....xx")
	lk := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(s.prog.Fd(), unix.F_OFD_GETLK, &lk); err != nil || lk.Start != 4 || lk.Len != 0 {
		t.Errorf("up to the end: %+v, %v", lk, err)
	}
	s.lock(g, ntstatus.Success, client.Unlock(4, math.MaxInt64-4))
	s.shows("afterwards", "......")
}

// What a program has locked is refused to clients, who then hold nothing of their
// request.
func TestPosixLocksOfPrograms(t *testing.T) {
	s := newLockedShare(t)
	f, g := s.open(), s.open()
	s.must(unix.F_WRLCK, 10, 10)
	s.must(unix.F_RDLCK, 20, 10)
	s.lock(f, ntstatus.LockNotGranted, client.Shared(19, 1))
	s.lock(f, ntstatus.Success, client.Shared(20, 1))
	s.lock(f, ntstatus.LockNotGranted, client.Exclusive(29, 1))
	s.lock(f, ntstatus.Success, client.Exclusive(30, 1))

	// Several at once, on others of the same open, of which none may get lost.
	s.lock(f, ntstatus.Success, client.Exclusive(0, 2), client.Shared(4, 2), client.Shared(5, 3))
	before := "xx..ssss"
	s.shows("before", before)
	s.lock(f, ntstatus.LockNotGranted, client.Shared(0, 2), client.Shared(4, 2), client.Exclusive(2, 1), client.Shared(3, 4), client.Shared(8, 5))
	s.shows("nothing of the request", before)
	s.lock(g, ntstatus.Success, client.Exclusive(2, 2))
	s.lock(g, ntstatus.LockNotGranted, client.Shared(0, 2))
	s.lock(g, ntstatus.LockNotGranted, client.Exclusive(7, 1))
	s.shows("of both", "xxxxssss")
	s.lock(f, ntstatus.Success, client.Unlock(0, 2))
	s.lock(f, ntstatus.RangeNotLocked, client.Unlock(0, 2))
	s.lock(f, ntstatus.RangeNotLocked, client.Unlock(4, 2), client.Unlock(4, 2), client.Unlock(5, 3))
	s.lock(f, ntstatus.Success, client.Unlock(5, 3))

	// They are advice: clients read and write.
	ctx := t.Context()
	_, err := f.Write(ctx, 10, []byte("written"))
	mustBe(t, "write", err, ntstatus.Success)
	_, err = g.Read(ctx, 10, 7)
	mustBe(t, "read", err, ntstatus.Success)

	s.must(unix.F_UNLCK, 0, 0)
	s.lock(g, ntstatus.Success, client.Exclusive(10, 10))
}

// Locks of one open lie on each other: the strongest is shown, and what is left
// when one of them ends.
func TestPosixLocksStack(t *testing.T) {
	s := newLockedShare(t)
	f := s.open()
	s.lock(f, ntstatus.Success, client.Exclusive(2, 4))
	s.lock(f, ntstatus.Success, client.Shared(0, 8))
	s.shows("shared on exclusive", "ssxxxxss.")
	s.lock(f, ntstatus.Success, client.Shared(3, 1), client.Shared(3, 1))
	s.lock(f, ntstatus.Success, client.Unlock(0, 8))
	s.shows("without the wide one", "..xxxx...")
	s.lock(f, ntstatus.Success, client.Unlock(2, 4))
	s.shows("without the exclusive one", "...s.....")
	s.lock(f, ntstatus.Success, client.Unlock(3, 1))
	s.shows("one of two equal ones", "...s.....")
	s.lock(f, ntstatus.Success, client.Unlock(3, 1))
	s.shows("none", ".........")

	// At one place, the exclusive one goes first.
	s.lock(f, ntstatus.Success, client.Exclusive(1, 2), client.Shared(1, 2))
	s.shows("both", ".xx.")
	s.lock(f, ntstatus.Success, client.Unlock(1, 2))
	s.shows("one", ".ss.")
	s.lock(f, ntstatus.RangeNotLocked, client.Unlock(1, 2), client.Unlock(1, 2))
	s.shows("none", "....")

	// Overlapping, and touching.
	s.lock(f, ntstatus.Success, client.Shared(0, 4), client.Shared(2, 4), client.Exclusive(6, 2))
	s.shows("three", "ssssssxx.")
	s.lock(f, ntstatus.Success, client.Unlock(2, 4))
	s.shows("two", "ssss..xx.")
}

// A LOCK that waits is granted when the program gives the range back, whether a
// client or the program is in the way first.
func TestPosixLocksWait(t *testing.T) {
	s := newLockedShare(t)
	ctx := t.Context()
	f, g := s.open(), s.open()
	s.must(unix.F_WRLCK, 0, 10)
	call := s.wait(f, client.Exclusive(5, 10))
	// While it waits it is in nobody's way.
	s.lock(g, ntstatus.Success, client.Exclusive(12, 1))
	_, err := g.Write(ctx, 5, []byte("x"))
	mustBe(t, "write", err, ntstatus.Success)
	s.must(unix.F_UNLCK, 0, 0)
	s.must(unix.F_WRLCK, 0, 5)
	s.lock(g, ntstatus.Success, client.Unlock(12, 1))
	s.ends("when it is free", call, ntstatus.Success)
	s.shows("the client's", ".....xxxxxxxxxx.")
	s.must(unix.F_UNLCK, 0, 0)

	// From one client to the next, for which programs are not asked in between.
	call = s.wait(g, client.Exclusive(5, 10))
	s.lock(f, ntstatus.Success, client.Unlock(5, 10))
	s.ends("from client to client", call, ntstatus.Success)
	call = s.wait(f, client.Shared(14, 1))
	mustBe(t, "close", g.Close(ctx), ntstatus.Success)
	s.ends("after a close", call, ntstatus.Success)
	s.shows("the last", ".............."+"s.")
}

// A wait for a program ends by CANCEL, by the close of the open, by the end of the
// tree and of the connection, and leaves nothing behind.
func TestPosixLocksWaitEnds(t *testing.T) {
	s := newLockedShare(t)
	ctx := t.Context()
	s.must(unix.F_WRLCK, 0, 10)
	all := client.Exclusive(0, 100)

	f := s.open()
	call := s.wait(f, all)
	if err := call.Cancel(); err != nil {
		t.Fatal(err)
	}
	s.ends("cancelled", call, ntstatus.Cancelled)

	call = s.wait(f, all)
	mustBe(t, "close", f.Close(ctx), ntstatus.Success)
	s.ends("closed", call, ntstatus.RangeNotLocked)

	f = s.open()
	call = s.wait(f, all)
	mustBe(t, "disconnect", f.Tree.Disconnect(ctx), ntstatus.Success)
	s.ends("without its tree", call, ntstatus.RangeNotLocked)

	f = s.open()
	s.wait(f, all)
	_ = f.Tree.Session.Conn.Close()

	// In the middle of a chain nothing can be answered later.
	f = s.open()
	lock := f.Request(&wire.LockRequest{FileID: f.ID, Locks: []wire.LockElement{client.Waiting(all)}})
	read := f.Request(&wire.ReadRequest{FileID: f.ID})
	resps, err := f.Tree.Session.Conn.DoCompound(ctx, false, lock, read)
	if err != nil {
		t.Fatal(err)
	}
	mustBe(t, "in the middle", resps[0].Err(), ntstatus.InternalError)
	mustBe(t, "behind it", resps[1].Err(), ntstatus.Success)

	s.must(unix.F_UNLCK, 0, 0)
	s.lock(s.open(), ntstatus.Success, all)
	s.shows("of nobody else", "xx")
}

// A durable open keeps what it shows while it waits for its client; what it shows
// ends with it.
func TestPosixLocksOfDurableOpens(t *testing.T) {
	s := newLockedShare(t)
	ctx := t.Context()
	guid := client.NewGUID()
	again := func(o *client.Options) { o.ClientGuid = guid }
	args := client.CreateArgs{
		Name: "f", Lease: &client.Lease{Key: client.NewGUID(), State: client.RWH}, Durable: &client.Durable{},
	}
	f := create(t, s.connect(t, again), args)
	s.lock(f, ntstatus.Success, client.Exclusive(0, 2), client.Shared(1, 2))
	_ = f.Tree.Session.Conn.Close()
	s.shows("disconnected", "xxs.")
	var back *client.File
	eventually(t, "reconnected", func() bool {
		g, err := s.connect(t, again).Create(ctx, f.ReconnectArgs())
		back = g
		return err == nil
	})
	s.shows("reconnected", "xxs.")
	s.lock(back, ntstatus.Success, client.Unlock(0, 2))
	s.shows("unlocked", ".ss.")
	s.lock(back, ntstatus.Success, client.Exclusive(3, 1))
	_ = back.Tree.Session.Conn.Close()

	// Somebody else gets the file, and the range at once.
	eventually(t, "another one", func() bool {
		g, err := s.connect(t).Create(ctx, client.CreateArgs{Name: "f"})
		if err != nil {
			return false
		}
		s.lock(g, ntstatus.Success, client.Shared(1, 1))
		return true
	})
	eventually(t, "given up", func() bool { return s.shown(4) == ".s.." })
}

// What an open shows ends with its CLOSE, not when the last request on it has
// ended.
func TestPosixLocksEndWithClose(t *testing.T) {
	s := newLockedShare(t)
	ctx := t.Context()
	f, g := s.open(), s.open()
	_, err := f.Write(ctx, 0, []byte("data"))
	mustBe(t, "write", err, ntstatus.Success)
	s.lock(f, ntstatus.Success, client.Exclusive(0, 1))
	gate := make(chan struct{})
	pass := sync.OnceFunc(func() { close(gate) })
	defer pass()
	defer s.rules.Add(errfs.Rule{Op: errfs.OpReadAt, Gate: gate})()
	read := f.StartRead(0, 4)
	eventually(t, "the read is under way", func() bool { return s.rules.Calls(errfs.OpReadAt) == 1 })
	mustBe(t, "close", f.Close(ctx), ntstatus.Success)
	s.shows("closed", ".")
	s.lock(g, ntstatus.Success, client.Exclusive(0, 1))
	pass()
	_, err = read.Wait(ctx)
	mustBe(t, "read", err, ntstatus.Success)
	s.shows("of the other", "x")
}

// Storage that has no locks for an object, or not of that kind, or no room for
// one, and streams, of which nobody outside can see a lock.
func TestPosixLocksThatCannotBeShown(t *testing.T) {
	s := newLockedShare(t)
	st := create(t, s.connect(t), client.CreateArgs{Name: "f:stream"})
	s.lock(st, ntstatus.Success, client.Exclusive(0, 1))
	s.shows("of a stream", "..")

	f := s.open()
	remove := s.rules.Add(errfs.Rule{Op: errfs.OpLockRange, Err: vfs.ErrNoLocks})
	s.lock(f, ntstatus.InsufficientResources, client.Exclusive(0, 1))
	remove()
	s.lock(f, ntstatus.Success, client.Exclusive(0, 1))
	s.shows("with room", "x")

	g := s.open()
	remove = s.rules.Add(errfs.Rule{Op: errfs.OpLockRange, Every: 1, Err: os.ErrPermission})
	s.lock(g, ntstatus.Success, client.Exclusive(1, 1))
	remove()
	s.shows("of a kind that is not there", "x.")
	s.lock(g, ntstatus.Success, client.Unlock(1, 1))
	remove = s.rules.Add(errfs.Rule{Op: errfs.OpLockRange, Nth: 1, Err: os.ErrPermission})
	s.lock(g, ntstatus.Success, client.Exclusive(1, 1))
	remove()
	s.shows("as strong as can be", "xs")

	h := s.open()
	remove = s.rules.Add(errfs.Rule{Op: errfs.OpLockRange, Err: errors.ErrUnsupported})
	s.lock(h, ntstatus.Success, client.Exclusive(2, 1))
	remove()
	s.lock(h, ntstatus.Success, client.Exclusive(3, 1))
	s.shows("of what has none", "xs..")
	s.lock(f, ntstatus.LockNotGranted, client.Exclusive(2, 1))
}

// Without the setting programs and clients know nothing of each other, and a share
// that cannot have it is refused.
func TestPosixLocksOff(t *testing.T) {
	s := newLockedShare(t)
	if err := s.SetShares([]smb.Share{{Name: "data", FS: s.rules, DefaultAccess: smb.AccessWrite}}); err != nil {
		t.Fatal(err)
	}
	f := s.open()
	s.must(unix.F_WRLCK, 0, 10)
	s.lock(f, ntstatus.Success, client.Exclusive(5, 10))
	s.must(unix.F_WRLCK, 0, 100)
	if n := s.rules.Calls(errfs.OpLockRange); n != 0 {
		t.Errorf("%d locks of the storage", n)
	}
	if err := s.SetShares([]smb.Share{{Name: "data", FS: newTestServer(t).fs, PosixLocks: true}}); err == nil {
		t.Error("POSIX locks in memory")
	}
}

// Clients that fight for a few ranges meet no locks of each other in the storage
// that the manager does not know of, and leave none behind.
func TestPosixLocksOfManyClients(t *testing.T) {
	s := newLockedShare(t)
	ctx := t.Context()
	var owner [4]sync.Mutex
	var all sync.WaitGroup
	for i := range 6 {
		f := s.open()
		all.Go(func() {
			for j := range 60 {
				at := (i + j*j) % len(owner)
				e := client.Exclusive(uint64(at), 1)
				if j%3 > 0 {
					e = client.Waiting(e)
				}
				err := f.Lock(ctx, e)
				if st, _ := client.StatusOf(err); st == ntstatus.LockNotGranted && j%3 == 0 {
					continue
				} else if st != ntstatus.Success {
					t.Errorf("lock: %v", err)
					return
				}
				o := &owner[at]
				if !o.TryLock() {
					t.Error("two have it")
					return
				}
				runtime.Gosched()
				o.Unlock()
				if err := f.Lock(ctx, client.Unlock(uint64(at), 1)); err != nil {
					t.Errorf("unlock: %v", err)
				}
			}
		})
	}
	all.Wait()
	s.shows("afterwards", ".....")
}
