package smb_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"lessor/locking/boltstore"
	"lessor/smb"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/vfs"
	"lessor/vfs/memfs"
)

// mortal is a machine whose server is killed and started again: the next one gets
// the store as it is at that moment, and the files.
type mortal struct {
	*testServer
	dir   string
	boots int
	files vfs.FS
}

func newMortal(t *testing.T) *mortal {
	t.Helper()
	m := &mortal{dir: t.TempDir(), files: memfs.New(memfs.Options{})}
	m.boot(t, 0)
	return m
}

func (m *mortal) image() string { return filepath.Join(m.dir, fmt.Sprint("locks.", m.boots)) }

// boot starts a server, which must find a number of opens.
func (m *mortal) boot(t *testing.T, want int) {
	t.Helper()
	store, err := boltstore.Open(m.image(), boltstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	m.testServer = newTestServer(t, func(cfg *smb.Config, share *smb.Share) {
		cfg.Store = store
		share.ContinuousAvailability, share.FS = true, m.files
	})
	if n, err := m.Restore(); err != nil || n != want {
		t.Fatalf("Restore: %d, %v; want %d", n, err, want)
	}
}

// kill starts the next server on what the one that runs has stored. That lives on
// until the test ends, and has nothing to say any more.
func (m *mortal) kill(t *testing.T, want int) {
	t.Helper()
	b, err := os.ReadFile(m.image())
	if err != nil {
		t.Fatal(err)
	}
	m.boots++
	if err := os.WriteFile(m.image(), b, 0o600); err != nil {
		t.Fatal(err)
	}
	m.boot(t, want)
}

func persistent() *client.Durable {
	return &client.Durable{Persistent: true, CreateGuid: client.NewGUID()}
}

func isClient(guid wire.GUID) func(*client.Options) {
	return func(o *client.Options) { o.ClientGuid = guid }
}

// MS-SMB2 3.3.5.14: the answer to a LOCK is lost with the server. What was carried
// out is not carried out twice, and the client is told that it was.
func TestLockIsReplayedAfterKill(t *testing.T) {
	m := newMortal(t)
	ctx, guid := t.Context(), client.NewGUID()
	send := func(f *client.File, number uint32, e ...wire.LockElement) error {
		t.Helper()
		resp, err := f.Tree.Session.Conn.Do(ctx, f.Request(&wire.LockRequest{FileID: f.ID, LockSequence: 3<<4 | number, Locks: e}))
		if err != nil {
			t.Fatal(err)
		}
		return resp.Err()
	}
	f := create(t, m.connect(t, isClient(guid)), client.CreateArgs{Name: "f", Durable: persistent()})
	a, b := client.Exclusive(0, 10), client.Exclusive(20, 10)
	free := []wire.LockElement{client.Unlock(0, 10), client.Unlock(20, 10)}
	for round := range uint32(3) {
		mustBe(t, "lock", send(f, 2*round, a, b), ntstatus.Success)
		m.kill(t, 1)
		f = create(t, m.connect(t, isClient(guid)), f.ReconnectArgs())
		mustBe(t, "replay of the lock", send(f, 2*round, a, b), ntstatus.Success)
		mustBe(t, "unlock", send(f, 2*round+1, free...), ntstatus.Success)
		m.kill(t, 1)
		f = create(t, m.connect(t, isClient(guid)), f.ReconnectArgs())
		mustBe(t, "replay of the unlock", send(f, 2*round+1, free...), ntstatus.Success)
		mustBe(t, "unlock once more", f.Lock(ctx, free...), ntstatus.RangeNotLocked)
	}
}

// MS-FSA 2.1.5.15.3: what a client has marked for deletion is deleted when its
// persistent open is closed, though the server was killed in between.
func TestDeletionAfterKill(t *testing.T) {
	for _, c := range []struct {
		name string
		args client.CreateArgs
		mark bool
		gone bool
	}{
		{"marked", client.CreateArgs{}, true, true},
		{"marked, with a lease", client.CreateArgs{Lease: &client.Lease{Key: client.NewGUID(), State: client.RWH}}, true, true},
		{"deleted on close", client.CreateArgs{Options: wire.OptionDeleteOnClose}, false, true},
		{"neither", client.CreateArgs{}, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMortal(t)
			ctx, guid := t.Context(), client.NewGUID()
			a := c.args
			a.Name, a.Durable = "f", persistent()
			f := create(t, m.connect(t, isClient(guid)), a)
			if c.mark {
				mustBe(t, "mark", f.SetDelete(ctx, true), ntstatus.Success)
			}
			m.kill(t, 1)
			f = create(t, m.connect(t, isClient(guid)), f.ReconnectArgs())
			if s, err := f.Standard(ctx); err != nil || s.DeletePending != c.mark {
				t.Errorf("%+v, %v", s, err)
			}
			other := m.connect(t)
			if c.mark {
				_, err := other.Create(ctx, client.CreateArgs{Name: "f", Disposition: client.Open})
				mustBe(t, "open", err, ntstatus.DeletePending)
			}
			mustBe(t, "close", f.Close(ctx), ntstatus.Success)
			_, err := other.Create(ctx, client.CreateArgs{Name: "f", Disposition: client.Open})
			want := ntstatus.Success
			if c.gone {
				want = ntstatus.ObjectNameNotFound
			}
			mustBe(t, "open after the close", err, want)
		})
	}
}

// MS-SMB2 3.3.5.9.10: a client that never had the answer to the CREATE of a
// persistent open, and so no FileId to reconnect with, replays the CREATE.
func TestCreateIsReplayedAfterKill(t *testing.T) {
	for _, c := range []struct {
		name string
		args client.CreateArgs
	}{
		{"lease", client.CreateArgs{Lease: &client.Lease{Key: client.NewGUID(), State: client.RWH}}},
		{"oplock", client.CreateArgs{Oplock: wire.OplockBatch}},
		{"nothing", client.CreateArgs{}},
	} {
		for _, killed := range []bool{true, false} {
			t.Run(fmt.Sprint(c.name, ", killed: ", killed), func(t *testing.T) {
				m := newMortal(t)
				ctx, guid := t.Context(), client.NewGUID()
				a := c.args
				a.Name, a.Durable, a.Disposition = "f", persistent(), client.Create
				conn := m.connect(t, isClient(guid))
				lost := create(t, conn, a)
				if killed {
					m.kill(t, 1)
				} else {
					mustBe(t, "write", lost.SetDelete(ctx, false), ntstatus.Success) // it may have been used, too
					_ = conn.Session.Conn.Close()
					held := func() bool { return m.Status().Totals.Durable == 1 }
					eventually(t, "the open is kept", held)
				}
				tree := m.connect(t, isClient(guid))
				refused := func(what string, tree *client.Tree, want ntstatus.Status, tweak func(*client.CreateArgs)) {
					t.Helper()
					b := a
					if tweak != nil {
						tweak(&b)
					}
					_, err := tree.Create(ctx, b)
					mustBe(t, what, err, want)
				}
				again := tree.With(client.Replay)
				refused("no replay", tree, ntstatus.DuplicateObjectid, nil)
				refused("of another client", m.connect(t).With(client.Replay), ntstatus.FileNotAvailable, func(b *client.CreateArgs) {
					b.Disposition = client.Open
				})
				refused("not persistent", again, ntstatus.AccessDenied, func(b *client.CreateArgs) {
					b.Durable = &client.Durable{CreateGuid: a.Durable.CreateGuid}
				})
				refused("with another lease", again, ntstatus.AccessDenied, func(b *client.CreateArgs) {
					b.Lease = &client.Lease{Key: client.NewGUID(), State: client.RH}
				})
				bob := func(o *client.Options) { o.User = "bob" }
				refused("of another user", m.connect(t, isClient(guid), bob).With(client.Replay), ntstatus.AccessDenied, nil)

				for range 2 {
					f := create(t, again, a)
					if f.ID != lost.ID || !f.Persistent() || f.LeaseState() != lost.LeaseState() ||
						f.Response.OplockLevel != lost.Response.OplockLevel || f.Response.CreateAction != wire.FileCreated {
						t.Fatalf("first %x %+v, then %x %+v", lost.ID, lost.Response, f.ID, f.Response)
					}
					if _, err := f.Write(ctx, 0, []byte("x")); err != nil {
						t.Fatal(err)
					}
				}
				// And as often as servers are killed.
				m.kill(t, 1)
				f := create(t, m.connect(t, isClient(guid)).With(client.Replay), a)
				mustBe(t, "close", f.Close(ctx), ntstatus.Success)
			})
		}
	}
}
