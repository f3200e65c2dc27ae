package protocol

import (
	"testing"
	"time"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// lease is a request for a lease with a key of its own.
func lease(state wire.LeaseState) *client.Lease {
	return &client.Lease{Key: client.NewGUID(), State: state}
}

// again is a request for a lease of the same key.
func again(l *client.Lease, state wire.LeaseState) *client.Lease {
	return &client.Lease{Key: l.Key, State: state, Version: l.Version, Epoch: l.Epoch}
}

// open is Tree.Create for which the test cannot go on without.
func open(t *testing.T, tree *client.Tree, a client.CreateArgs) *client.File {
	t.Helper()
	f, err := tree.Create(t.Context(), a)
	if err != nil {
		t.Fatalf("open %q: %v", a.Name, err)
	}
	return f
}

// wantLease fails the test unless the open has been granted a lease in this state.
func wantLease(t *testing.T, f *client.File, state wire.LeaseState) {
	t.Helper()
	if f.Lease == nil || f.LeaseState() != state {
		t.Fatalf("granted %s, want %s", client.LeaseString(f.LeaseState()), client.LeaseString(state))
	}
}

// wantBreak takes the next break of the connection and fails the test unless it is
// one of this lease, from one state to another.
func wantBreak(t *testing.T, c *client.Conn, key wire.GUID, from, to wire.LeaseState, ack bool) *client.Break {
	t.Helper()
	b := must(c.NextBreak(t.Context()))(t)
	l := b.Lease
	if l == nil || l.LeaseKey != key || l.CurrentLeaseState != from || l.NewLeaseState != to || b.AckRequired() != ack {
		t.Fatalf("%v; want %s to %s of %v, acknowledgement %v", b, client.LeaseString(from), client.LeaseString(to), key, ack)
	}
	// MS-SMB2 3.3.4.7.
	if h := b.Header; h.SessionID != 0 || h.TreeID != 0 || h.IsSigned() || h.IsAsync() || h.Credits != 0 {
		t.Errorf("notification with header %+v", h)
	}
	return b
}

// leaseDialects are those with leases of version 1 and of version 2.
var leaseDialects = []wire.Dialect{wire.Dialect210, wire.Dialect300, wire.Dialect311}

func TestLeaseIsBroken(t *testing.T) {
	s := start(t, "")
	for _, d := range leaseDialects {
		s.run(t, d.String(), func(t *testing.T) {
			ctx := t.Context()
			a, b := s.connect(t, speaks(d)), s.connect(t, speaks(d))
			mine, theirs := lease(client.RWH), lease(client.RWH)
			mine.Epoch, theirs.Epoch = 0x100, 0x200
			fa := open(t, a, client.CreateArgs{Name: "broken " + d.String(), Lease: mine})
			wantLease(t, fa, client.RWH)

			p := b.StartCreate(client.CreateArgs{Name: fa.Name, Lease: theirs})
			brk := wantBreak(t, a.Session.Conn, mine.Key, client.RWH, client.RH, true)
			if id := must(p.Interim(ctx))(t); id == 0 {
				t.Error("interim reply without an AsyncId")
			}
			pendingNow(t, p)
			check(t, fa.AckLease(ctx, client.RH))
			fb := must(p.Wait(ctx))(t)
			wantLease(t, fb, client.RH)
			if d >= wire.Dialect300 {
				// MS-SMB2 3.3.5.9.11 and 3.3.4.7: one more with each change.
				if fa.Lease.Epoch != 0x101 || brk.Lease.NewEpoch != 0x102 || fb.Lease.Epoch != 0x201 {
					t.Errorf("epochs %#x, break %#x, other %#x", fa.Lease.Epoch, brk.Lease.NewEpoch, fb.Lease.Epoch)
				}
			} else if brk.Lease.NewEpoch != 0 {
				t.Errorf("epoch %#x in the break of a lease of version 1", brk.Lease.NewEpoch)
			}
			resp := must(p.Pending.Wait(ctx))(t)
			if !resp.Header.IsAsync() || resp.Header.AsyncID != resp.Interim.AsyncID || resp.Header.Credits != 0 {
				t.Errorf("final reply %+v behind the interim reply %+v", resp.Header, resp.Interim)
			}
			check(t, a.Session.Conn.NoBreak(ctx))

			// What is written by one cannot be cached by the other; nobody waits for that.
			must(fa.Write(ctx, 0, []byte("x")))(t)
			wantBreak(t, b.Session.Conn, theirs.Key, client.RH, 0, true)
			check(t, a.Session.Conn.NoBreak(ctx))
			check(t, fb.AckLease(ctx, 0))
		})
	}
}

// What breaks a lease of a holder who has it all, and whether it is waited for
// (MS-FSA 2.1.5.1.2.2 and 2.1.4.12).
func TestLeaseAndTheSecondOpen(t *testing.T) {
	s := start(t, "")
	cases := []struct {
		name     string
		state    wire.LeaseState // what the first one holds
		share    client.ShareMode
		second   client.CreateArgs
		to       wire.LeaseState // what is left of it
		ack      bool            // it has to be acknowledged
		waits    bool            // the second one waits for that
		expected ntstatus.Status
	}{
		{"read", client.RWH, 0, client.CreateArgs{Access: client.ReadAccess, Disposition: client.Open}, client.RH, true, true, ntstatus.Success},
		{"overwrite", client.RWH, 0, client.CreateArgs{Disposition: client.Overwrite}, 0, true, true, ntstatus.Success},
		{"supersede", client.RWH, 0, client.CreateArgs{Disposition: client.Supersede}, 0, true, true, ntstatus.Success},
		{"attributes only", client.RWH, 0, client.CreateArgs{Access: client.AttributesOnly}, client.RWH, false, false, ntstatus.Success},
		{"sharing violation", client.RWH, client.ShareRead, client.CreateArgs{Access: client.ReadWrite}, client.RW, true, true, ntstatus.SharingViolation},
		{"read beside RH", client.RH, 0, client.CreateArgs{}, client.RH, false, false, ntstatus.Success},
		{"overwrite beside RH", client.RH, 0, client.CreateArgs{Disposition: client.Overwrite}, 0, true, false, ntstatus.Success},
		{"overwrite beside R", client.R, 0, client.CreateArgs{Disposition: client.Overwrite}, 0, false, false, ntstatus.Success},
		{"sharing violation beside R", client.R, client.ShareRead, client.CreateArgs{Access: client.ReadWrite}, client.R, false, false, ntstatus.SharingViolation},
		{"sharing violation beside RH", client.RH, client.ShareRead, client.CreateArgs{Access: client.ReadWrite}, client.R, true, true, ntstatus.SharingViolation},
	}
	for _, c := range cases {
		s.run(t, c.name, func(t *testing.T) {
			ctx := t.Context()
			a, b := s.connect(t), s.connect(t)
			l := lease(c.state)
			f := open(t, a, client.CreateArgs{Name: c.name, Lease: l, Share: c.share})
			wantLease(t, f, c.state)
			c.second.Name = c.name
			p := b.StartCreate(c.second)
			if c.to != c.state {
				wantBreak(t, a.Session.Conn, l.Key, c.state, c.to, c.ack)
			}
			if c.waits {
				must(p.Interim(ctx))(t)
				pendingNow(t, p)
				check(t, f.AckLease(ctx, c.to))
			}
			_, err := p.Wait(ctx)
			wantStatus(t, err, c.expected)
			check(t, a.Session.Conn.NoBreak(ctx))
			if !c.waits && c.ack {
				check(t, f.AckLease(ctx, c.to))
			}
			if resp := must(p.Pending.Wait(ctx))(t); (resp.Interim != nil) != c.waits {
				t.Errorf("interim reply %+v", resp.Interim)
			}
			wantLease(t, open(t, a, client.CreateArgs{Name: c.name, Access: client.AttributesOnly, Lease: again(l, 0)}), c.to)
		})
	}
}

// The holder may close the file in place of an acknowledgement; a sharing violation
// may be gone with it.
func TestLeaseClosedInPlaceOfAcknowledged(t *testing.T) {
	s := start(t, "")
	s.run(t, "close", func(t *testing.T) {
		a, b := s.connect(t), s.connect(t)
		l := lease(client.RWH)
		f := open(t, a, client.CreateArgs{Name: "f", Lease: l, Share: client.ShareNone})
		p := b.StartCreate(client.CreateArgs{Name: "f", Lease: lease(client.RWH)})
		wantBreak(t, a.Session.Conn, l.Key, client.RWH, client.RW, true)
		must(p.Interim(t.Context()))(t)
		check(t, f.Close(t.Context()))
		wantLease(t, must(p.Wait(t.Context()))(t), client.RWH)
		wantStatus(t, f.AckLease(t.Context(), client.RW), ntstatus.ObjectNameNotFound)
	})
}

func TestLeaseOfSeveralOpens(t *testing.T) {
	s := start(t, "")
	s.run(t, "one break for all", func(t *testing.T) {
		ctx := t.Context()
		a, b := s.connect(t), s.connect(t)
		l := lease(client.RWH)
		f1 := open(t, a, client.CreateArgs{Name: "f", Lease: l})
		f2 := open(t, a, client.CreateArgs{Name: "f", Lease: again(l, client.RWH)})
		f3 := open(t, a, client.CreateArgs{Name: "f", Lease: again(l, 0)})
		wantLease(t, f2, client.RWH)
		wantLease(t, f3, client.RWH)
		if f1.Lease.Epoch != f2.Lease.Epoch || f1.Lease.Epoch != f3.Lease.Epoch {
			t.Errorf("epochs %d, %d, %d", f1.Lease.Epoch, f2.Lease.Epoch, f3.Lease.Epoch)
		}
		check(t, f1.Close(ctx))
		p := b.StartCreate(client.CreateArgs{Name: "f"})
		wantBreak(t, a.Session.Conn, l.Key, client.RWH, client.RH, true)
		must(p.Interim(ctx))(t)
		check(t, a.Session.Conn.NoBreak(ctx))

		// Who joins meanwhile learns that it is breaking (MS-SMB2 3.3.5.9.8).
		f4 := open(t, a, client.CreateArgs{Name: "f", Lease: again(l, client.RWH)})
		wantLease(t, f4, client.RWH)
		if f4.Lease.LeaseFlags&wire.LeaseFlagBreakInProgress == 0 {
			t.Error("the lease is breaking and the reply does not say so")
		}
		pendingNow(t, p)
		check(t, f2.AckLease(ctx, client.RH))
		must(p.Wait(ctx))(t)
		for _, f := range []*client.File{f2, f3} {
			check(t, f.Close(ctx))
		}
		f5 := open(t, a, client.CreateArgs{Name: "f", Lease: again(l, client.RWH)})
		wantLease(t, f5, client.RH) // not W beside another one's open
		if f5.Lease.LeaseFlags&wire.LeaseFlagBreakInProgress != 0 {
			t.Error("the break is over and the reply says that it runs")
		}
	})
	s.run(t, "a key of another file", func(t *testing.T) {
		a := s.connect(t)
		l := lease(client.RWH)
		open(t, a, client.CreateArgs{Name: "f", Lease: l})
		_, err := a.Create(t.Context(), client.CreateArgs{Name: "g", Lease: again(l, client.RWH)})
		wantStatus(t, err, ntstatus.InvalidParameter)
		// A key belongs to its client: another one may use the same.
		b := s.connect(t)
		wantLease(t, open(t, b, client.CreateArgs{Name: "g", Lease: again(l, client.RWH)}), client.RWH)
	})
}

func TestLeaseUpgrade(t *testing.T) {
	s := start(t, "")
	cases := []struct {
		name         string
		first, then  wire.LeaseState
		got          wire.LeaseState
		besideOthers bool
		grows        bool
	}{
		{"R to RH", client.R, client.RH, client.RH, false, true},
		{"R to RWH", client.R, client.RWH, client.RWH, false, true},
		{"RH to RWH", client.RH, client.RWH, client.RWH, false, true},
		{"nothing to R", 0, client.R, client.R, false, true},
		{"less asked for", client.RWH, client.R, client.RWH, false, false},
		{"something else asked for", client.RH, client.RW, client.RH, false, false},
		{"RH to RWH beside another open", client.RH, client.RWH, client.RH, true, false},
		{"R to RH beside another open", client.R, client.RH, client.RH, true, true},
	}
	for _, c := range cases {
		s.run(t, c.name, func(t *testing.T) {
			a := s.connect(t)
			if c.besideOthers {
				open(t, s.connect(t), client.CreateArgs{Name: c.name})
			}
			l := lease(c.first)
			f := open(t, a, client.CreateArgs{Name: c.name, Lease: l})
			wantLease(t, f, c.first)
			more := open(t, a, client.CreateArgs{Name: c.name, Lease: again(l, c.then)})
			wantLease(t, more, c.got)
			if grew := more.Lease.Epoch - f.Lease.Epoch; grew > 1 || (grew == 1) != c.grows {
				t.Errorf("epoch went from %d to %d", f.Lease.Epoch, more.Lease.Epoch)
			}
		})
	}
}

func TestLeaseAcknowledgements(t *testing.T) {
	s := start(t, "")
	// broken returns a lease that is breaking from RWH to RH, and who waits for it.
	broken := func(t *testing.T, name string) (*client.File, *client.Call[*client.File]) {
		a, b := s.connect(t), s.connect(t)
		f := open(t, a, client.CreateArgs{Name: name, Lease: lease(client.RWH)})
		p := b.StartCreate(client.CreateArgs{Name: name, Lease: lease(client.RWH)})
		wantBreak(t, a.Session.Conn, f.Lease.LeaseKey, client.RWH, client.RH, true)
		must(p.Interim(t.Context()))(t)
		return f, p
	}
	s.run(t, "more than is left", func(t *testing.T) {
		f, p := broken(t, "superset")
		wantStatus(t, f.AckLease(t.Context(), client.RWH), ntstatus.RequestNotAccepted)
		wantStatus(t, f.AckLease(t.Context(), client.RW), ntstatus.RequestNotAccepted)
		pendingNow(t, p)
		check(t, f.AckLease(t.Context(), client.RH)) // the break still runs
		must(p.Wait(t.Context()))(t)
	})
	s.run(t, "less than is left", func(t *testing.T) {
		f, p := broken(t, "less")
		check(t, f.AckLease(t.Context(), 0))
		wantLease(t, must(p.Wait(t.Context()))(t), client.RH)
		wantStatus(t, f.AckLease(t.Context(), 0), ntstatus.Unsuccessful)
	})
	s.run(t, "twice", func(t *testing.T) {
		f, p := broken(t, "twice")
		check(t, f.AckLease(t.Context(), client.RH))
		must(p.Wait(t.Context()))(t)
		wantStatus(t, f.AckLease(t.Context(), client.RH), ntstatus.Unsuccessful)
	})
	s.run(t, "of another client's lease", func(t *testing.T) {
		f, p := broken(t, "foreign")
		wantStatus(t, s.connect(t).Session.AckLease(t.Context(), f.Lease.LeaseKey, client.RH), ntstatus.ObjectNameNotFound)
		pendingNow(t, p)
		check(t, f.AckLease(t.Context(), client.RH))
		must(p.Wait(t.Context()))(t)
	})
	s.run(t, "without a break", func(t *testing.T) {
		f := open(t, s.connect(t), client.CreateArgs{Name: "idle", Lease: lease(client.RWH)})
		wantStatus(t, f.AckLease(t.Context(), client.RH), ntstatus.Unsuccessful)
	})
	s.run(t, "of no lease", func(t *testing.T) {
		wantStatus(t, s.connect(t).Session.AckLease(t.Context(), client.NewGUID(), client.RH), ntstatus.ObjectNameNotFound)
	})
	s.run(t, "of an oplock on an open with a lease", func(t *testing.T) {
		f, p := broken(t, "mixed")
		wantStatus(t, f.AckOplock(t.Context(), wire.OplockII), ntstatus.InvalidParameter)
		check(t, f.AckLease(t.Context(), client.RH))
		must(p.Wait(t.Context()))(t)
	})
}

// Who needs more than the break that runs has asked for gets it by a second one.
func TestLeaseBreakInSteps(t *testing.T) {
	s := start(t, "")
	s.run(t, "steps", func(t *testing.T) {
		ctx := t.Context()
		a, b, c := s.connect(t), s.connect(t), s.connect(t)
		f := open(t, a, client.CreateArgs{Name: "f", Lease: lease(client.RWH)})
		key := f.Lease.LeaseKey
		reader := b.StartCreate(client.CreateArgs{Name: "f"})
		wantBreak(t, a.Session.Conn, key, client.RWH, client.RH, true)
		must(reader.Interim(ctx))(t)
		truncater := c.StartCreate(client.CreateArgs{Name: "f", Disposition: client.Overwrite})
		must(truncater.Interim(ctx))(t)
		check(t, a.Session.Conn.NoBreak(ctx))
		check(t, f.AckLease(ctx, client.RH))
		wantBreak(t, a.Session.Conn, key, client.RH, client.R, true)
		pendingNow(t, truncater)
		check(t, f.AckLease(ctx, client.R))
		wantBreak(t, a.Session.Conn, key, client.R, 0, false)
		must(reader.Wait(ctx))(t)
		must(truncater.Wait(ctx))(t)
		check(t, a.Session.Conn.NoBreak(ctx))
	})
}

// A client has one lease with each key, however many connections it has; the break
// goes over one that lives (MS-SMB2 3.3.4.7).
func TestLeaseOfAClientWithSeveralConnections(t *testing.T) {
	s := start(t, "")
	guid := client.NewGUID()
	s.run(t, "shared", func(t *testing.T) {
		ctx := t.Context()
		a1, a2, b := s.connect(t, isClient(guid)), s.connect(t, isClient(guid)), s.connect(t)
		l := lease(client.RWH)
		f1 := open(t, a1, client.CreateArgs{Name: "f", Lease: l})
		f2 := open(t, a2, client.CreateArgs{Name: "f", Lease: again(l, client.RWH)})
		wantLease(t, f2, client.RWH)
		if f1.Lease.Epoch != f2.Lease.Epoch {
			t.Errorf("epochs %d and %d", f1.Lease.Epoch, f2.Lease.Epoch)
		}
		a1.Session.Conn.Close()
		s.wantMetric(t, "lessor_registered_opens", 1)
		p := b.StartCreate(client.CreateArgs{Name: "f"})
		wantBreak(t, a2.Session.Conn, l.Key, client.RWH, client.RH, true)
		must(p.Interim(ctx))(t)
		check(t, f2.AckLease(ctx, client.RH))
		must(p.Wait(ctx))(t)
	})
	s.run(t, "acknowledged elsewhere", func(t *testing.T) {
		ctx := t.Context()
		a1, a2, b := s.connect(t, isClient(guid)), s.connect(t, isClient(guid)), s.connect(t)
		f := open(t, a1, client.CreateArgs{Name: "g", Lease: lease(client.RWH)})
		p := b.StartCreate(client.CreateArgs{Name: "g"})
		wantBreak(t, a1.Session.Conn, f.Lease.LeaseKey, client.RWH, client.RH, true)
		must(p.Interim(ctx))(t)
		check(t, a2.Session.AckLease(ctx, f.Lease.LeaseKey, client.RH))
		must(p.Wait(ctx))(t)
	})
}

// With a break time-out of 2 s in the configuration a client that does not answer
// costs the next one that much.
func TestLeaseBreakTimesOutAsConfigured(t *testing.T) {
	s := start(t, "locking:\n  break_timeout: 2s\n")
	s.run(t, "silent holder", func(t *testing.T) {
		ctx := t.Context()
		a, b := s.connect(t), s.connect(t)
		f := open(t, a, client.CreateArgs{Name: "f", Lease: lease(client.RWH)})
		begin := time.Now()
		p := b.StartCreate(client.CreateArgs{Name: "f", Lease: lease(client.RWH)})
		wantBreak(t, a.Session.Conn, f.Lease.LeaseKey, client.RWH, client.RH, true)
		must(p.Interim(ctx))(t)
		must(p.Wait(ctx))(t)
		if took := time.Since(begin); took < 2*time.Second {
			t.Errorf("answered after %v", took)
		}
		wantStatus(t, f.AckLease(ctx, client.RH), ntstatus.Unsuccessful)
		wantLease(t, open(t, a, client.CreateArgs{Name: "f", Access: client.AttributesOnly, Lease: again(f.Args.Lease, 0)}), 0)
		if n := s.metrics(t)[`lessor_breaks_ended_total{how="timed_out",kind="lease"}`]; n != 1 {
			t.Errorf("%v breaks have timed out by the metrics", n)
		}
	})
}

// Dialects and levels that know no leases get none.
func TestLeaseNotGranted(t *testing.T) {
	s := start(t, "server:\n  dialects:\n    min: \"2.0.2\"\n")
	s.run(t, "2.0.2", func(t *testing.T) {
		f := open(t, s.connect(t, speaks(wire.Dialect202)), client.CreateArgs{Name: "f", Lease: lease(client.RWH)})
		if f.Lease != nil || f.Response.OplockLevel != wire.OplockNone {
			t.Errorf("level %#x, lease %+v", f.Response.OplockLevel, f.Lease)
		}
	})
	for name, state := range map[string]wire.LeaseState{"H": wire.LeaseHandle, "W": wire.LeaseWrite, "WH": wire.LeaseWrite | wire.LeaseHandle} {
		s.run(t, name, func(t *testing.T) {
			wantLease(t, open(t, s.connect(t), client.CreateArgs{Name: "f", Lease: lease(state)}), 0)
		})
	}
	s.run(t, "a context without the level", func(t *testing.T) {
		tree := s.connect(t)
		args := client.CreateArgs{Name: "f", Lease: lease(client.RWH)}
		body := args.Body(tree.Session.Conn.Dialect())
		body.RequestedOplockLevel = wire.OplockBatch
		f := must(tree.Opened(args, must(tree.Session.Conn.Do(t.Context(), tree.Request(body)))(t)))(t)
		if f.Lease != nil || f.Response.OplockLevel != wire.OplockBatch {
			t.Errorf("level %#x, lease %+v", f.Response.OplockLevel, f.Lease)
		}
	})
	s.run(t, "the level without a context", func(t *testing.T) {
		f := open(t, s.connect(t), client.CreateArgs{Name: "f", Oplock: wire.OplockLease})
		if f.Lease != nil || f.Response.OplockLevel != wire.OplockNone {
			t.Errorf("level %#x, lease %+v", f.Response.OplockLevel, f.Lease)
		}
	})
}
