package protocol

import (
	"testing"
	"time"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// wantOplock fails the test unless the open has been granted this level.
func wantOplock(t *testing.T, f *client.File, level wire.OplockLevel) {
	t.Helper()
	if f.Response.OplockLevel != level {
		t.Fatalf("granted level %#x, want %#x", f.Response.OplockLevel, level)
	}
}

// wantOplockBreak takes the next break of the connection of an open and fails the
// test unless it is that of its oplock, to this level.
func wantOplockBreak(t *testing.T, f *client.File, to wire.OplockLevel) {
	t.Helper()
	b := must(f.Tree.Session.Conn.NextBreak(t.Context()))(t)
	if b.Oplock == nil || b.Oplock.FileID != f.ID || b.Oplock.OplockLevel != to {
		t.Fatalf("%v; want that of %x to %#x", b, f.ID, to)
	}
	if h := b.Header; h.TreeID != 0 || h.IsSigned() || h.IsAsync() || h.Credits != 0 {
		t.Errorf("notification with header %+v", h)
	}
}

func TestOplockIsBroken(t *testing.T) {
	s := start(t, "")
	cases := []struct {
		name   string
		level  wire.OplockLevel // of the holder
		second client.CreateArgs
		to     wire.OplockLevel
		waits  bool
		got    wire.OplockLevel // by the second one, which asks for a batch oplock
	}{
		{"batch", wire.OplockBatch, client.CreateArgs{}, wire.OplockII, true, wire.OplockII},
		{"exclusive", wire.OplockExclusive, client.CreateArgs{}, wire.OplockII, true, wire.OplockII},
		{"batch, overwritten", wire.OplockBatch, client.CreateArgs{Disposition: client.Overwrite}, wire.OplockNone, true, wire.OplockII},
		{"exclusive, overwritten", wire.OplockExclusive, client.CreateArgs{Disposition: client.Overwrite}, wire.OplockNone, true, wire.OplockII},
		{"level II", wire.OplockII, client.CreateArgs{}, wire.OplockII, false, wire.OplockII},
		{"level II, overwritten", wire.OplockII, client.CreateArgs{Disposition: client.Overwrite}, wire.OplockNone, false, wire.OplockII},
		{"batch, attributes only", wire.OplockBatch, client.CreateArgs{Access: client.AttributesOnly}, wire.OplockBatch, false, wire.OplockNone},
	}
	for _, d := range []wire.Dialect{wire.Dialect210, wire.Dialect311} {
		for _, c := range cases {
			s.run(t, d.String()+" "+c.name, func(t *testing.T) {
				ctx, name := t.Context(), d.String()+" "+c.name
				a, b := s.connect(t, speaks(d)), s.connect(t, speaks(d))
				f := open(t, a, client.CreateArgs{Name: name, Oplock: c.level})
				wantOplock(t, f, c.level)
				c.second.Name, c.second.Oplock = name, wire.OplockBatch
				p := b.StartCreate(c.second)
				if c.to != c.level {
					wantOplockBreak(t, f, c.to)
				}
				if c.waits {
					must(p.Interim(ctx))(t)
					pendingNow(t, p)
					check(t, f.AckOplock(ctx, c.to))
				}
				second := must(p.Wait(ctx))(t)
				wantOplock(t, second, c.got)
				check(t, a.Session.Conn.NoBreak(ctx))
				check(t, b.Session.Conn.NoBreak(ctx))
			})
		}
	}
}

// Who caches reads loses that when somebody writes, and even by its own write: an
// oplock does not know who writes.
func TestOplockOfLevelIIAndWrites(t *testing.T) {
	s := start(t, "")
	s.run(t, "write", func(t *testing.T) {
		ctx := t.Context()
		a, b := s.connect(t), s.connect(t)
		fa := open(t, a, client.CreateArgs{Name: "f", Oplock: wire.OplockII})
		fb := open(t, b, client.CreateArgs{Name: "f", Oplock: wire.OplockII})
		wantOplock(t, fa, wire.OplockII)
		wantOplock(t, fb, wire.OplockII)
		must(fa.Write(ctx, 0, []byte("x")))(t)
		wantOplockBreak(t, fa, wire.OplockNone)
		wantOplockBreak(t, fb, wire.OplockNone)
		// Nobody is to acknowledge that (MS-SMB2 3.3.4.6).
		wantStatus(t, fb.AckOplock(ctx, wire.OplockNone), ntstatus.InvalidOplockProtocol)
		must(fa.Write(ctx, 0, []byte("y")))(t)
		check(t, a.Session.Conn.NoBreak(ctx))
		check(t, b.Session.Conn.NoBreak(ctx))
	})
	s.run(t, "lock", func(t *testing.T) {
		a, b := s.connect(t), s.connect(t)
		fa := open(t, a, client.CreateArgs{Name: "g", Oplock: wire.OplockII})
		fb := open(t, b, client.CreateArgs{Name: "g"})
		check(t, fb.Lock(t.Context(), client.Exclusive(0, 1)))
		wantOplockBreak(t, fa, wire.OplockNone)
	})
}

func TestOplockAcknowledgements(t *testing.T) {
	s := start(t, "")
	// broken returns an open whose batch oplock is breaking to level II, and who
	// waits for it.
	broken := func(t *testing.T, name string) (*client.File, *client.Call[*client.File]) {
		a, b := s.connect(t), s.connect(t)
		f := open(t, a, client.CreateArgs{Name: name, Oplock: wire.OplockBatch})
		p := b.StartCreate(client.CreateArgs{Name: name, Oplock: wire.OplockBatch})
		wantOplockBreak(t, f, wire.OplockII)
		must(p.Interim(t.Context()))(t)
		return f, p
	}
	for _, c := range []struct {
		name  string
		level wire.OplockLevel
		want  ntstatus.Status
	}{
		{"none", wire.OplockNone, ntstatus.Success},
		{"exclusive", wire.OplockExclusive, ntstatus.InvalidOplockProtocol},
		{"batch", wire.OplockBatch, ntstatus.InvalidOplockProtocol},
		{"lease", wire.OplockLease, ntstatus.InvalidParameter},
		{"of no meaning", 0x42, ntstatus.InvalidParameter},
	} {
		s.run(t, c.name, func(t *testing.T) {
			f, p := broken(t, c.name)
			wantStatus(t, f.AckOplock(t.Context(), c.level), c.want)
			if c.level == wire.OplockLease || c.level == 0x42 {
				pendingNow(t, p) // it was no acknowledgement
				check(t, f.AckOplock(t.Context(), wire.OplockII))
			}
			must(p.Wait(t.Context()))(t)
			wantStatus(t, f.AckOplock(t.Context(), wire.OplockNone), ntstatus.InvalidOplockProtocol)
		})
	}
	s.run(t, "close", func(t *testing.T) {
		f, p := broken(t, "closed")
		check(t, f.Close(t.Context()))
		wantOplock(t, must(p.Wait(t.Context()))(t), wire.OplockBatch)
		wantStatus(t, f.AckOplock(t.Context(), wire.OplockII), ntstatus.FileClosed)
	})
	s.run(t, "hang up", func(t *testing.T) {
		f, p := broken(t, "hung up")
		f.Tree.Session.Conn.Close()
		wantOplock(t, must(p.Wait(t.Context()))(t), wire.OplockBatch)
	})
	s.run(t, "without a break", func(t *testing.T) {
		f := open(t, s.connect(t), client.CreateArgs{Name: "idle", Oplock: wire.OplockBatch})
		wantStatus(t, f.AckOplock(t.Context(), wire.OplockII), ntstatus.InvalidOplockProtocol)
	})
	s.run(t, "without an oplock", func(t *testing.T) {
		f := open(t, s.connect(t), client.CreateArgs{Name: "bare"})
		wantStatus(t, f.AckOplock(t.Context(), wire.OplockNone), ntstatus.InvalidOplockProtocol)
	})
	s.run(t, "of a lease on an open with an oplock", func(t *testing.T) {
		f, p := broken(t, "mixed")
		wantStatus(t, f.Tree.Session.AckLease(t.Context(), client.NewGUID(), client.R), ntstatus.ObjectNameNotFound)
		check(t, f.AckOplock(t.Context(), wire.OplockII))
		must(p.Wait(t.Context()))(t)
	})
}

// Oplocks belong to an open, not to a client: its own second open breaks the first.
func TestOplockOfOneClient(t *testing.T) {
	s := start(t, "")
	s.run(t, "itself", func(t *testing.T) {
		ctx := t.Context()
		tree := s.connect(t)
		f := open(t, tree, client.CreateArgs{Name: "f", Oplock: wire.OplockBatch})
		p := tree.StartCreate(client.CreateArgs{Name: "f"})
		wantOplockBreak(t, f, wire.OplockII)
		must(p.Interim(ctx))(t)
		check(t, f.AckOplock(ctx, wire.OplockII))
		must(p.Wait(ctx))(t)
	})
	s.run(t, "lease beside oplock", func(t *testing.T) {
		ctx := t.Context()
		a, b := s.connect(t), s.connect(t)
		f := open(t, a, client.CreateArgs{Name: "g", Oplock: wire.OplockBatch})
		p := b.StartCreate(client.CreateArgs{Name: "g", Lease: lease(client.RWH)})
		wantOplockBreak(t, f, wire.OplockII)
		must(p.Interim(ctx))(t)
		check(t, f.AckOplock(ctx, wire.OplockII))
		wantLease(t, must(p.Wait(ctx))(t), client.R) // level II goes with read caching only
	})
}

func TestOplockBreakTimesOutAsConfigured(t *testing.T) {
	s := start(t, "locking:\n  break_timeout: 2s\n")
	s.run(t, "silent holder", func(t *testing.T) {
		ctx := t.Context()
		a, b := s.connect(t), s.connect(t)
		f := open(t, a, client.CreateArgs{Name: "f", Oplock: wire.OplockExclusive})
		begin := time.Now()
		p := b.StartCreate(client.CreateArgs{Name: "f"})
		wantOplockBreak(t, f, wire.OplockII)
		must(p.Interim(ctx))(t)
		must(p.Wait(ctx))(t)
		if took := time.Since(begin); took < 2*time.Second {
			t.Errorf("answered after %v", took)
		}
		wantStatus(t, f.AckOplock(ctx, wire.OplockII), ntstatus.InvalidOplockProtocol)
		check(t, a.Session.Conn.NoBreak(ctx))
	})
}
