package protocol

import (
	"fmt"
	"testing"
	"time"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// lose opens a file as the arguments say, which must make it durable, and drops the
// connection. It returns when the server has noticed.
func (s *server) lose(t *testing.T, guid wire.GUID, a client.CreateArgs, tweaks ...func(*client.Options)) *client.File {
	t.Helper()
	tree := s.connect(t, append(tweaks, isClient(guid))...)
	f := open(t, tree, a)
	if !f.Durable() {
		t.Fatalf("not durable: level %#x, lease %s", f.Response.OplockLevel, client.LeaseString(f.LeaseState()))
	}
	s.drop(t, f)
	return f
}

// drop drops the connection of a durable open and returns when it is kept.
func (s *server) drop(t *testing.T, f *client.File) {
	t.Helper()
	before := s.metrics(t)["lessor_durable_handles_held"]
	f.Tree.Session.Conn.Close()
	s.wantMetric(t, "lessor_durable_handles_held", before+1)
}

// reclaim is the reconnect of an open that was lost, with a new connection.
func (s *server) reclaim(t *testing.T, guid wire.GUID, a client.CreateArgs, tweaks ...func(*client.Options)) (*client.File, error) {
	t.Helper()
	return s.connect(t, append(tweaks, isClient(guid))...).Create(t.Context(), a)
}

// openBeside opens the file of f once more, and acknowledges the break that this
// costs f, if it caches writes.
func openBeside(t *testing.T, tree *client.Tree, f *client.File) *client.File {
	t.Helper()
	p := tree.StartCreate(client.CreateArgs{Name: f.Name, Disposition: client.Open})
	switch {
	case f.LeaseState() == client.RWH:
		wantBreak(t, f.Tree.Session.Conn, f.Lease.LeaseKey, client.RWH, client.RH, true)
		check(t, f.AckLease(t.Context(), client.RH))
	case f.Response.OplockLevel == wire.OplockBatch:
		wantOplockBreak(t, f, wire.OplockII)
		check(t, f.AckOplock(t.Context(), wire.OplockII))
	}
	return must(p.Wait(t.Context()))(t)
}

// ways are the ways to make an open durable.
var ways = []struct {
	name    string
	dialect wire.Dialect
	args    func() client.CreateArgs
}{
	{"version 1, lease", wire.Dialect210, func() client.CreateArgs {
		return client.CreateArgs{Lease: lease(client.RWH), Durable: &client.Durable{}}
	}},
	{"version 1, batch oplock", wire.Dialect210, func() client.CreateArgs {
		return client.CreateArgs{Oplock: wire.OplockBatch, Durable: &client.Durable{}}
	}},
	{"version 1 in 3.1.1", wire.Dialect311, func() client.CreateArgs {
		return client.CreateArgs{Lease: lease(client.RWH), Durable: &client.Durable{Version: 1}}
	}},
	{"version 2, lease", wire.Dialect311, func() client.CreateArgs {
		return client.CreateArgs{Lease: lease(client.RWH), Durable: &client.Durable{}}
	}},
	{"version 2, RH lease", wire.Dialect302, func() client.CreateArgs {
		return client.CreateArgs{Lease: lease(client.RH), Durable: &client.Durable{}}
	}},
	{"version 2, batch oplock", wire.Dialect300, func() client.CreateArgs {
		return client.CreateArgs{Oplock: wire.OplockBatch, Durable: &client.Durable{}}
	}},
}

func TestDurableOpenIsReclaimed(t *testing.T) {
	s := start(t, "")
	for _, w := range ways {
		s.run(t, w.name, func(t *testing.T) {
			ctx, guid := t.Context(), client.NewGUID()
			a := w.args()
			a.Name = w.name
			tree := s.connect(t, isClient(guid), speaks(w.dialect))
			f := open(t, tree, a)
			must(f.Write(ctx, 0, []byte("written before")))(t)
			check(t, f.Lock(ctx, client.Exclusive(0, 5)))
			s.drop(t, f)

			again := must(s.reclaim(t, guid, f.ReconnectArgs(), speaks(w.dialect)))(t)
			if again.ID.Persistent != f.ID.Persistent || again.LeaseState() != f.LeaseState() || again.Response.OplockLevel != f.Response.OplockLevel {
				t.Errorf("before %x %s %#x, now %x %s %#x", f.ID, client.LeaseString(f.LeaseState()), f.Response.OplockLevel,
					again.ID, client.LeaseString(again.LeaseState()), again.Response.OplockLevel)
			}
			if got := must(again.Read(ctx, 0, 100))(t); string(got) != "written before" {
				t.Errorf("read %q", got)
			}
			must(again.Write(ctx, 0, []byte("written again ")))(t)
			// The lock is still there.
			other := openBeside(t, s.connect(t), again)
			_, err := other.Read(ctx, 0, 5)
			wantStatus(t, err, ntstatus.FileLockConflict)
			check(t, again.Lock(ctx, client.Unlock(0, 5)))
			must(other.Read(ctx, 0, 5))(t)
			wantStatus(t, again.Lock(ctx, client.Unlock(0, 5)), ntstatus.RangeNotLocked)
			check(t, again.Close(ctx))
			_, err = s.reclaim(t, guid, f.ReconnectArgs(), speaks(w.dialect))
			wantStatus(t, err, ntstatus.ObjectNameNotFound)
		})
	}
	s.run(t, "time and again", func(t *testing.T) {
		guid := client.NewGUID()
		f := s.lose(t, guid, client.CreateArgs{Name: "often", Lease: lease(client.RWH), Durable: &client.Durable{}})
		for i := range 5 {
			again := must(s.reclaim(t, guid, f.ReconnectArgs()))(t)
			must(again.Write(t.Context(), 0, []byte(fmt.Sprint(i))))(t)
			s.drop(t, again)
		}
		check(t, must(s.reclaim(t, guid, f.ReconnectArgs()))(t).Close(t.Context()))
	})
	// The client is back before the server has noticed that it was gone.
	s.run(t, "at once", func(t *testing.T) {
		guid := client.NewGUID()
		for range 20 {
			tree := s.connect(t, isClient(guid))
			f := open(t, tree, client.CreateArgs{Name: "fast", Lease: lease(client.RWH), Durable: &client.Durable{}})
			c := s.dial(t, isClient(guid))
			tree.Session.Conn.Close()
			session := must(c.SessionSetupAs(t.Context(), client.Login{User: s.User, Password: s.Password, PreviousSession: tree.Session.ID}))(t)
			again := must(must(session.TreeConnect(t.Context(), "share"))(t).Create(t.Context(), f.ReconnectArgs()))(t)
			check(t, again.Close(t.Context()))
			c.Close()
		}
	})
}

func TestDurableOpenIsNotReclaimed(t *testing.T) {
	s := start(t, "", "default_access: write")
	check(t, s.AddUser("bob", "hunter2"))
	missing := ntstatus.ObjectNameNotFound
	asBob := func(o *client.Options) { o.User, o.Password = "bob", "hunter2" }
	cases := []struct {
		name  string
		way   int // of ways
		spoil func(*client.CreateArgs)
		as    func(*client.Options)
		want  ntstatus.Status
	}{
		{"by another user", 3, nil, asBob, ntstatus.AccessDenied},
		{"by another user, version 1", 0, nil, asBob, ntstatus.AccessDenied},
		{"by another client", 3, nil, isClient(client.NewGUID()), missing},
		{"with another create GUID", 3, func(a *client.CreateArgs) { a.Reconnect.CreateGuid[0] ^= 1 }, nil, missing},
		{"with another lease key", 3, func(a *client.CreateArgs) { a.Lease = lease(client.RWH) }, nil, missing},
		{"with another lease key, version 1", 0, func(a *client.CreateArgs) { a.Lease = lease(client.RWH) }, nil, missing},
		{"without the lease", 3, func(a *client.CreateArgs) { a.Lease = nil }, nil, missing},
		{"with a lease in place of the oplock", 5, func(a *client.CreateArgs) { a.Lease = lease(client.RWH) }, nil, missing},
		{"by another id", 3, func(a *client.CreateArgs) { a.Reconnect.FileID.Persistent++ }, nil, missing},
		{"by no id", 3, func(a *client.CreateArgs) { a.Reconnect.FileID = wire.FileID{} }, nil, missing},
		{"as persistent", 3, func(a *client.CreateArgs) { a.Reconnect.Persistent = true }, nil, missing},
		{"under another name", 3, func(a *client.CreateArgs) { a.Name = "something else" }, nil, ntstatus.InvalidParameter},
	}
	for _, c := range cases {
		s.run(t, c.name, func(t *testing.T) {
			guid, w := client.NewGUID(), ways[c.way]
			a := w.args()
			a.Name = c.name
			f := s.lose(t, guid, a, speaks(w.dialect))
			args := f.ReconnectArgs()
			if args.Lease != nil {
				own := *args.Lease
				args.Lease = &own
			}
			if c.spoil != nil {
				c.spoil(&args)
			}
			tweaks := []func(*client.Options){speaks(w.dialect), isClient(guid)}
			if c.as != nil {
				tweaks = append(tweaks, c.as)
			}
			_, err := s.connect(t, tweaks...).Create(t.Context(), args)
			wantStatus(t, err, c.want)
			// Whoever is entitled to it still gets it.
			again := must(s.reclaim(t, guid, f.ReconnectArgs(), speaks(w.dialect)))(t)
			check(t, again.Close(t.Context()))
		})
	}
	s.run(t, "while it is connected", func(t *testing.T) {
		guid := client.NewGUID()
		f := open(t, s.connect(t, isClient(guid)), client.CreateArgs{Name: "connected", Lease: lease(client.RWH), Durable: &client.Durable{}})
		_, err := s.reclaim(t, guid, f.ReconnectArgs())
		wantStatus(t, err, missing)
		check(t, f.Close(t.Context()))
	})
	s.run(t, "when its time is up", func(t *testing.T) {
		guid := client.NewGUID()
		begin := time.Now()
		f := s.lose(t, guid, client.CreateArgs{Name: "late", Lease: lease(client.RWH), Durable: &client.Durable{Timeout: 300 * time.Millisecond}})
		s.wantMetric(t, "lessor_durable_handles_held", 0)
		if took := time.Since(begin); took < 300*time.Millisecond {
			t.Errorf("gone after %v", took)
		}
		_, err := s.reclaim(t, guid, f.ReconnectArgs())
		wantStatus(t, err, missing)
	})
	// MS-SMB2 3.3.5.9.6, 3.3.5.9.10: durability rests on handle caching.
	for name, a := range map[string]client.CreateArgs{
		"without an oplock":          {},
		"with an exclusive oplock":   {Oplock: wire.OplockExclusive},
		"with a lease without H":     {Lease: lease(client.RW)},
		"of a directory":             {Directory: true, Lease: lease(client.RH)},
		"beside another one's lease": {Oplock: wire.OplockII},
	} {
		s.run(t, "granted "+name, func(t *testing.T) {
			a.Name, a.Durable = "not durable "+name, &client.Durable{}
			if f := open(t, s.connect(t), a); f.Durable() {
				t.Error("durable")
			}
		})
	}
}

// What somebody else needs is not kept for a client that is not there.
func TestDurableOpenIsPushedOut(t *testing.T) {
	s := start(t, "")
	cases := []struct {
		name   string
		state  wire.LeaseState
		share  client.ShareMode
		second client.CreateArgs
		kept   bool
	}{
		{"write caching by an open", client.RWH, 0, client.CreateArgs{}, false},
		{"handle caching by a sharing violation", client.RH, client.ShareRead, client.CreateArgs{Access: client.ReadWrite}, false},
		{"read caching by an overwrite", client.RH, 0, client.CreateArgs{Disposition: client.Overwrite}, false},
		{"nothing by a compatible open", client.RH, 0, client.CreateArgs{}, true},
		{"nothing by a look at the attributes", client.RWH, 0, client.CreateArgs{Access: client.AttributesOnly}, true},
	}
	for _, c := range cases {
		s.run(t, c.name, func(t *testing.T) {
			guid := client.NewGUID()
			f := s.lose(t, guid, client.CreateArgs{Name: c.name, Lease: lease(c.state), Share: c.share, Durable: &client.Durable{}})
			c.second.Name = c.name
			p := s.connect(t).StartCreate(c.second)
			must(p.Wait(t.Context()))(t)
			again, err := s.reclaim(t, guid, f.ReconnectArgs())
			if c.kept {
				check(t, err)
				wantLease(t, again, c.state)
				check(t, again.Close(t.Context()))
				return
			}
			wantStatus(t, err, ntstatus.ObjectNameNotFound)
			s.wantMetric(t, "lessor_durable_handles_held", 0)
		})
	}
	s.run(t, "delete on close", func(t *testing.T) {
		ctx, guid := t.Context(), client.NewGUID()
		s.lose(t, guid, client.CreateArgs{Name: "temporary", Lease: lease(client.RWH), Options: wire.OptionDeleteOnClose, Durable: &client.Durable{}})
		other := s.connect(t)
		_, err := other.Create(ctx, client.CreateArgs{Name: "temporary", Disposition: client.Open})
		wantStatus(t, err, ntstatus.ObjectNameNotFound)
		check(t, other.WriteFile(ctx, "temporary", nil)) // nothing blocks the name
	})
}

// Locks of an open that is kept are kept, until somebody else needs to lock.
func TestLocksOfALostClient(t *testing.T) {
	s := start(t, "")
	s.run(t, "locks", func(t *testing.T) {
		ctx, guid := t.Context(), client.NewGUID()
		other := open(t, s.connect(t), client.CreateArgs{Name: "f"})
		tree := s.connect(t, isClient(guid))
		f := open(t, tree, client.CreateArgs{Name: "f", Lease: lease(client.RH), Durable: &client.Durable{}})
		check(t, f.Lock(ctx, client.Exclusive(0, 10), client.Shared(100, 10)))
		for range 2 {
			_, err := other.Read(ctx, 0, 10)
			wantStatus(t, err, ntstatus.FileLockConflict)
			_, err = other.Read(ctx, 100, 10) // a shared lock
			wantStatus(t, err, ntstatus.EndOfFile)
			wantStatus(t, other.Lock(ctx, client.Exclusive(5, 1)), ntstatus.LockNotGranted)
			s.drop(t, f)
			_, err = other.Read(ctx, 0, 10)
			wantStatus(t, err, ntstatus.FileLockConflict)
			f = must(s.reclaim(t, guid, f.ReconnectArgs()))(t)
		}
		s.drop(t, f)
		// To lock breaks the read caching of others, which a lost client cannot
		// acknowledge.
		check(t, other.Lock(ctx, client.Waiting(client.Exclusive(0, 10))))
		_, err := s.reclaim(t, guid, f.ReconnectArgs())
		wantStatus(t, err, ntstatus.ObjectNameNotFound)
	})
}

// A server that is killed gives its clients back what was durable: the open, its
// lease and its locks.
func TestDurableOpenSurvivesTheServer(t *testing.T) {
	s := start(t, "")
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			ctx, guid := t.Context(), client.NewGUID()
			a := w.args()
			a.Name = w.name
			f := open(t, s.connect(t, isClient(guid), speaks(w.dialect)), a)
			must(f.Write(ctx, 0, []byte("written before")))(t)
			check(t, f.Lock(ctx, client.Exclusive(3, 4)))
			check(t, f.Flush(ctx))
			s.wantStored(t)
			check(t, s.Kill())
			wantCut(t, f.Tree.Session.Conn)
			check(t, s.Start())
			s.wantMetric(t, "lessor_durable_handles_held", 1)
			again := must(s.reclaim(t, guid, f.ReconnectArgs(), speaks(w.dialect)))(t)
			if again.ID.Persistent != f.ID.Persistent || again.LeaseState() != f.LeaseState() {
				t.Errorf("before %x %s, now %x %s", f.ID, client.LeaseString(f.LeaseState()), again.ID, client.LeaseString(again.LeaseState()))
			}
			if got := must(again.Read(ctx, 0, 100))(t); string(got) != "written before" {
				t.Errorf("read %q", got)
			}
			other := openBeside(t, s.connect(t), again)
			_, err := other.Read(ctx, 0, 5)
			wantStatus(t, err, ntstatus.FileLockConflict)
			check(t, again.Lock(ctx, client.Unlock(3, 4)))
			check(t, again.Close(ctx))
		})
	}
	s.run(t, "at rest", func(*testing.T) {})
}

// wantStored waits until the lock store has nothing more to do: what is not
// persistent goes to it behind the back of its client.
func (s *server) wantStored(t *testing.T) {
	t.Helper()
	last := -1.0
	eventually(t, "the lock store at rest", func() bool {
		before := last
		last = s.metrics(t)["lessor_store_changes_total"]
		return last > 0 && last == before
	})
}
