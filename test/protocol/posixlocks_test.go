//go:build linux

package protocol

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"lessor/smb/ntstatus"
	"lessor/test/client"
)

// program is a local program with a file of the share open: this process, which is
// not the server's, with the locks that every program uses.
type program struct{ *os.File }

// newProgram makes a file on the share.
func (s *server) newProgram(t *testing.T, name string) program {
	t.Helper()
	f := must(os.Create(s.Path("share", name)))(t)
	t.Cleanup(func() { f.Close() })
	return program{f}
}

// set locks n bytes from off on, or unlocks them; 0 is no end.
func (p program) set(typ int16, off, n int64) error {
	return unix.FcntlFlock(p.Fd(), unix.F_SETLK, &unix.Flock_t{Type: typ, Start: off, Len: n})
}

// meets is the first lock that keeps the program from the whole file; its type is
// F_UNLCK if there is none.
func (p program) meets(t *testing.T) unix.Flock_t {
	t.Helper()
	lk := unix.Flock_t{Type: unix.F_WRLCK}
	check(t, unix.FcntlFlock(p.Fd(), unix.F_GETLK, &lk))
	return lk
}

// wantMeets fails the test unless that is this lock.
func (p program) wantMeets(t *testing.T, typ int16, off, n int64) {
	t.Helper()
	if lk := p.meets(t); lk.Type != typ || typ != unix.F_UNLCK && (lk.Start != off || lk.Len != n) {
		t.Errorf("the program meets %+v, want type %d at %d, length %d", lk, typ, off, n)
	}
}

func TestPosixLocks(t *testing.T) {
	s := start(t, "", "posix_locks: true")
	s.run(t, "of a client", func(t *testing.T) {
		ctx := t.Context()
		p := s.newProgram(t, "client")
		f := open(t, s.connect(t), client.CreateArgs{Name: "client"})
		check(t, f.Lock(ctx, client.Exclusive(10, 20), client.Shared(15, 30)))
		p.wantMeets(t, unix.F_WRLCK, 10, 20)
		if err := p.set(unix.F_WRLCK, 44, 1); !errors.Is(err, unix.EAGAIN) {
			t.Errorf("the program's lock: %v", err)
		}
		check(t, p.set(unix.F_RDLCK, 30, 15))
		check(t, f.Lock(ctx, client.Unlock(10, 20)))
		p.wantMeets(t, unix.F_RDLCK, 15, 30)
		check(t, f.Close(ctx))
		check(t, p.set(unix.F_WRLCK, 0, 0))
	})
	s.run(t, "of a program", func(t *testing.T) {
		ctx := t.Context()
		p := s.newProgram(t, "program")
		f := open(t, s.connect(t), client.CreateArgs{Name: "program"})
		check(t, p.set(unix.F_WRLCK, 0, 100))
		wantStatus(t, f.Lock(ctx, client.Shared(99, 2)), ntstatus.LockNotGranted)
		wait := f.StartLock(client.Waiting(client.Exclusive(50, 100)))
		must(wait.Interim(ctx))(t)
		pendingNow(t, wait)
		check(t, p.set(unix.F_UNLCK, 0, 100))
		must(wait.Wait(ctx))(t)
		p.wantMeets(t, unix.F_WRLCK, 50, 100)
		// The end of the program gives its locks back.
		check(t, p.set(unix.F_WRLCK, 0, 50))
		wait = f.StartLock(client.Waiting(client.Shared(0, 1)))
		must(wait.Interim(ctx))(t)
		check(t, p.Close())
		must(wait.Wait(ctx))(t)
	})
	s.run(t, "of a connection that ends", func(t *testing.T) {
		ctx := t.Context()
		p := s.newProgram(t, "lost")
		f := open(t, s.connect(t), client.CreateArgs{Name: "lost"})
		check(t, f.Lock(ctx, client.Exclusive(0, 10)))
		p.wantMeets(t, unix.F_WRLCK, 0, 10)
		f.Tree.Session.Conn.Close()
		eventually(t, "the lock is gone", func() bool { return p.meets(t).Type == unix.F_UNLCK })
	})
}

// What a client holds is shown again when it has reclaimed its open from a server
// that was started again, but for what a program was faster to take.
func TestPosixLocksSurviveTheServer(t *testing.T) {
	s := start(t, "", "posix_locks: true", "continuous_availability: true")
	ctx, guid := t.Context(), client.NewGUID()
	p := s.newProgram(t, "f")
	f := open(t, s.connect(t, isClient(guid)), client.CreateArgs{Name: "f", Durable: &client.Durable{Persistent: true}})
	if !f.Persistent() {
		t.Fatal("not persistent")
	}
	check(t, f.Lock(ctx, client.Exclusive(0, 10), client.Exclusive(20, 10), client.Shared(25, 10)))
	check(t, s.Kill())
	wantCut(t, f.Tree.Session.Conn)
	p.wantMeets(t, unix.F_UNLCK, 0, 0)
	check(t, p.set(unix.F_RDLCK, 5, 1))

	check(t, s.Start())
	again := must(s.reclaim(t, guid, f.ReconnectArgs()))(t)
	p.wantMeets(t, unix.F_WRLCK, 20, 10)
	other := open(t, s.connect(t), client.CreateArgs{Name: "f"})
	wantStatus(t, other.Lock(ctx, client.Exclusive(0, 1)), ntstatus.LockNotGranted)
	check(t, again.Lock(ctx, client.Unlock(0, 10), client.Unlock(20, 10)))
	p.wantMeets(t, unix.F_RDLCK, 25, 10)
	check(t, again.Close(ctx))
	p.wantMeets(t, unix.F_UNLCK, 0, 0)
	again.Tree.Session.Conn.Close()
	other.Tree.Session.Conn.Close()
	s.run(t, "at rest", func(*testing.T) {})
}
