package locking

import (
	"testing"
	"testing/synctest"
	"time"
)

// MS-FSA 2.1.5.18: what of a requested combination a file gets when it is
// alone.
func TestGrantCombinations(t *testing.T) {
	for _, tt := range []struct{ want, got string }{
		{"", ""}, {"R", "R"}, {"H", ""}, {"W", ""}, {"RH", "RH"}, {"RW", "RW"}, {"HW", ""}, {"RWH", "RWH"},
	} {
		e := newEnv(t, Options{})
		o, g := e.open(fileA, 0, lease(1, state(t, tt.want)))
		if g.Lease != state(t, tt.got) || g.Oplock != OplockLease || g.Version != 2 {
			t.Errorf("asked %q: got %+v", tt.want, g)
		}
		wantEpoch := uint16(0x10)
		if tt.got != "" {
			wantEpoch++
		}
		if g.Epoch != wantEpoch {
			t.Errorf("asked %q: epoch 0x%x, want 0x%x", tt.want, g.Epoch, wantEpoch)
		}
		o.Close()
		e.idle()
	}
}

// A lease is raised only by a strict superset of what it has.
func TestLeaseUpgradeAlone(t *testing.T) {
	states := []string{"", "R", "RH", "RW", "RWH"}
	for _, first := range states {
		for _, second := range states {
			a, b := state(t, first), state(t, second)
			want := a
			if a&b == a {
				want = b
			}
			e := newEnv(t, Options{})
			o1, g1 := e.open(fileA, 0, lease(1, a))
			o2, g2 := e.open(fileA, 0, lease(1, b))
			if g2.Lease != want {
				t.Errorf("%q then %q: got %v, want %v", first, second, g2.Lease, want)
			}
			if changed := g2.Epoch != g1.Epoch; changed != (want != a) {
				t.Errorf("%q then %q: epoch %d then %d", first, second, g1.Epoch, g2.Epoch)
			}
			e.close(o1, o2)
			e.idle()
		}
	}
}

// A lease is raised only when all that is asked for can be granted.
func TestLeaseUpgradeBesideAnother(t *testing.T) {
	for _, tt := range [][4]string{
		{"R", "R", "", "R"}, {"R", "R", "R", "R"}, {"R", "R", "RW", "R"}, {"R", "R", "RH", "RH"}, {"R", "R", "RWH", "R"},
		{"R", "RH", "", "R"}, {"R", "RH", "R", "R"}, {"R", "RH", "RW", "R"}, {"R", "RH", "RH", "RH"}, {"R", "RH", "RWH", "R"},
		{"RH", "R", "", "RH"}, {"RH", "R", "RW", "RH"}, {"RH", "R", "RH", "RH"}, {"RH", "R", "RWH", "RH"},
		{"RH", "RH", "R", "RH"}, {"RH", "RH", "RW", "RH"}, {"RH", "RH", "RWH", "RH"},
	} {
		e := newEnv(t, Options{})
		e.open(fileA, 0, lease(1, state(t, tt[0])))
		_, g := e.open(fileA, 0, lease(2, state(t, tt[1])))
		if g.Lease != state(t, tt[1]) {
			t.Errorf("%v: second holder got %v", tt, g.Lease)
		}
		if _, g = e.open(fileA, 0, lease(1, state(t, tt[2]))); g.Lease != state(t, tt[3]) {
			t.Errorf("%v: got %v", tt, g.Lease)
		}
		wantNone(t, e.c[0])
	}
}

// MS-FSA 2.1.5.1.2: an open breaks write caching of others; what it gets
// beside them. Held, asked, broken to, granted.
func TestOpenBreaksLease(t *testing.T) {
	for _, tt := range [][4]string{
		{"R", "R", "R", "R"}, {"R", "RH", "R", "RH"}, {"R", "RW", "R", "R"}, {"R", "RWH", "R", "RH"},
		{"RH", "R", "RH", "R"}, {"RH", "RH", "RH", "RH"}, {"RH", "RW", "RH", "R"}, {"RH", "RWH", "RH", "RH"},
		{"RW", "R", "R", "R"}, {"RW", "RH", "R", "RH"}, {"RW", "RW", "R", "R"}, {"RW", "RWH", "R", "RH"},
		{"RWH", "R", "RH", "R"}, {"RWH", "RH", "RH", "RH"}, {"RWH", "RW", "RH", "R"}, {"RWH", "RWH", "RH", "RH"},
	} {
		e := newEnv(t, Options{})
		held, to := state(t, tt[0]), state(t, tt[2])
		e.open(fileA, 0, lease(1, held))
		r := e.req(1, lease(2, state(t, tt[1])))
		_, g, err := e.try(fileA, "", r)
		if held != to {
			b := isBlocked(t, err)
			br := wantLeaseBreak(t, e.c[0], 1, held, to, true)
			if br.Epoch != 0x12 {
				t.Errorf("%v: epoch 0x%x", tt, br.Epoch)
			}
			e.ack(0, 1, to)
			_, g = e.retry(b, fileA, r)
		} else {
			wantErr(t, err, nil)
			wantNone(t, e.c[0])
		}
		if g.Lease != state(t, tt[3]) {
			t.Errorf("%v: granted %v", tt, g.Lease)
		}
		// Raising the first one breaks nothing and gives nothing.
		if _, g = e.open(fileA, 0, lease(1, LeaseRWH)); g.Lease != to {
			t.Errorf("%v: first holder has %v", tt, g.Lease)
		}
		wantNone(t, e.c[0])
		wantNone(t, e.c[1])
	}
}

// Oplocks against leases: held lease, asked level, broken to, granted.
func TestOplockBesideLease(t *testing.T) {
	for _, tt := range [][4]string{
		{"R", "s", "R", "s"}, {"R", "x", "R", "s"}, {"R", "b", "R", "s"},
		{"RH", "s", "RH", ""}, {"RH", "x", "RH", ""}, {"RH", "b", "RH", ""},
		{"RW", "s", "R", "s"}, {"RW", "x", "R", "s"}, {"RW", "b", "R", "s"},
		{"RWH", "s", "RH", ""}, {"RWH", "x", "RH", ""}, {"RWH", "b", "RH", ""},
	} {
		e := newEnv(t, Options{})
		held, to := state(t, tt[0]), state(t, tt[2])
		e.open(fileA, 0, lease(1, held))
		r := e.req(1, oplock(level(t, tt[1])))
		_, g, err := e.try(fileA, "", r)
		if held != to {
			b := isBlocked(t, err)
			wantLeaseBreak(t, e.c[0], 1, held, to, true)
			e.ack(0, 1, to)
			_, g = e.retry(b, fileA, r)
		}
		wantNone(t, e.c[0])
		if g.Oplock != level(t, tt[3]) {
			t.Errorf("%v: granted %v", tt, g.Oplock)
		}
	}
}

// Leases against oplocks: held level, asked lease, broken to, granted.
func TestLeaseBesideOplock(t *testing.T) {
	for _, tt := range [][4]string{
		{"s", "R", "s", "R"}, {"s", "RH", "s", "R"}, {"s", "RW", "s", "R"}, {"s", "RWH", "s", "R"},
		{"x", "R", "s", "R"}, {"x", "RH", "s", "R"}, {"x", "RW", "s", "R"}, {"x", "RWH", "s", "R"},
		{"b", "R", "s", "R"}, {"b", "RH", "s", "R"}, {"b", "RW", "s", "R"}, {"b", "RWH", "s", "R"},
	} {
		e := newEnv(t, Options{})
		o, _ := e.open(fileA, 0, oplock(level(t, tt[0])))
		r := e.req(1, lease(1, state(t, tt[1])))
		_, g, err := e.try(fileA, "", r)
		if tt[0] != tt[2] {
			b := isBlocked(t, err)
			wantOplockBreak(t, e.c[0], o, OplockII, true)
			if l, err := o.AckOplock(OplockII); err != nil || l != OplockII {
				t.Fatalf("AckOplock: %v, %v", l, err)
			}
			_, g = e.retry(b, fileA, r)
		}
		wantNone(t, e.c[0])
		if g.Lease != state(t, tt[3]) {
			t.Errorf("%v: granted %v", tt, g.Lease)
		}
	}
}

// MS-SMB2 3.3.5.9.8: a lease key belongs to one stream of one file.
func TestLeaseKeyIsForOneStream(t *testing.T) {
	e := newEnv(t, Options{})
	a, _ := e.open(fileA, 0, lease(1, LeaseRWH))
	for _, tt := range []struct {
		key    Key
		stream string
	}{{fileB, ""}, {fileA, "S"}} {
		_, _, err := e.try(tt.key, tt.stream, e.req(0, lease(1, LeaseRWH)))
		wantErr(t, err, ErrLeaseKeyInUse)
	}
	b, g := e.openStream(fileA, "S", 0, lease(2, LeaseRWH))
	if g.Lease != LeaseRWH {
		t.Errorf("stream got %v", g.Lease)
	}
	// Another client may use the same key.
	c, _ := e.open(fileB, 1, lease(1, LeaseRWH))
	e.close(a, b, c)
	e.idle()
	// The key is free again.
	e.open(fileB, 0, lease(1, LeaseRWH))
}

// The version of a lease is that of its first open.
func TestLeaseVersionIsFixed(t *testing.T) {
	v1 := func(s LeaseState) func(*OpenRequest) {
		return func(r *OpenRequest) { lease(1, s)(r); r.Lease.Version, r.Lease.Epoch = 1, 0 }
	}
	e := newEnv(t, Options{})
	e.open(fileA, 0, lease(1, LeaseRead))
	if _, g := e.open(fileA, 0, v1(LeaseRH)); g.Version != 2 || g.Lease != LeaseRH || g.Epoch != 0x12 {
		t.Errorf("version 1 request on version 2 lease: %+v", g)
	}
	e.open(fileB, 1, v1(LeaseRead))
	if _, g := e.open(fileB, 1, lease(1, LeaseRWH)); g.Version != 1 || g.Lease != LeaseRWH {
		t.Errorf("version 2 request on version 1 lease: %+v", g)
	}
	e.blocked(fileB, e.req(2))
	if b := wantLeaseBreak(t, e.c[1], 1, LeaseRWH, LeaseRH, true); b.Epoch != 0 {
		t.Errorf("break of a version 1 lease has epoch %d", b.Epoch)
	}
}

// While a lease breaks, its own client may open; it learns of the break.
func TestBreakingFlag(t *testing.T) {
	e := newEnv(t, Options{})
	e.open(fileA, 0, lease(1, LeaseRWH))
	r := e.req(1)
	b := e.blocked(fileA, r)
	wantLeaseBreak(t, e.c[0], 1, LeaseRWH, LeaseRH, true)
	o, g := e.open(fileA, 0, lease(1, LeaseRWH))
	if !g.Breaking || g.Lease != LeaseRWH || g.Epoch != 0x12 {
		t.Errorf("grant while breaking: %+v", g)
	}
	o.Close()
	if ready(b) {
		// A close wakes, but the break still stands in the way.
		b = e.blocked(fileA, r)
	}
	wantNone(t, e.c[0])
	e.ack(0, 1, LeaseRH)
	e.retry(b, fileA, r)
	wantNone(t, e.c[0])
}

// MS-SMB2 3.3.5.22.2: an acknowledgement within the offer, once.
func TestAckErrors(t *testing.T) {
	e := newEnv(t, Options{})
	_, err := e.m.Ack(e.c[0].id, keyOf[1], 0)
	wantErr(t, err, ErrNotFound)
	e.open(fileA, 0, lease(1, LeaseRWH))
	_, err = e.m.Ack(e.c[0].id, keyOf[1], 0)
	wantErr(t, err, ErrNotBreaking)
	r := e.req(1, overwrite)
	b := e.blocked(fileA, r)
	wantLeaseBreak(t, e.c[0], 1, LeaseRWH, 0, true)
	for s := LeaseRWH; s > 0; s-- {
		_, err = e.m.Ack(e.c[0].id, keyOf[1], s)
		wantErr(t, err, ErrBadAck)
	}
	e.ack(0, 1, 0)
	_, err = e.m.Ack(e.c[0].id, keyOf[1], 0)
	wantErr(t, err, ErrNotBreaking)
	e.retry(b, fileA, r)
	if _, g := e.open(fileA, 0, lease(1, 0)); g.Lease != 0 || g.Breaking {
		t.Errorf("after the break: %+v", g)
	}
}

// The holder may give more back than it was asked for.
func TestAckMore(t *testing.T) {
	e := newEnv(t, Options{})
	e.open(fileA, 0, lease(1, LeaseRWH))
	r := e.req(1)
	b := e.blocked(fileA, r)
	wantLeaseBreak(t, e.c[0], 1, LeaseRWH, LeaseRH, true)
	e.ack(0, 1, 0)
	e.retry(b, fileA, r)
	wantNone(t, e.c[0])
}

// A second operation that needs more waits for the running break; the rest
// goes in steps, with one epoch.
func TestBreakChain(t *testing.T) {
	e := newEnv(t, Options{})
	e.open(fileA, 0, lease(1, LeaseRWH))
	r2, r3 := e.req(1), e.req(2, overwrite)
	b2 := e.blocked(fileA, r2)
	wantLeaseBreak(t, e.c[0], 1, LeaseRWH, LeaseRH, true)
	b3 := e.blocked(fileA, r3)
	wantNone(t, e.c[0])
	e.ack(0, 1, LeaseRH)
	if br := wantLeaseBreak(t, e.c[0], 1, LeaseRH, LeaseRead, true); br.Epoch != 0x12 {
		t.Errorf("epoch 0x%x in the second step", br.Epoch)
	}
	_, g := e.open(fileA, 0, lease(1, LeaseRWH))
	if !g.Breaking || g.Lease != LeaseRH {
		t.Errorf("between the steps: %+v", g)
	}
	// Both were woken, and both still have to wait.
	if !ready(b2) || !ready(b3) {
		t.Fatal("not woken by the acknowledgement")
	}
	b2, b3 = e.blocked(fileA, r2), e.blocked(fileA, r3)
	wantNone(t, e.c[0])
	e.ack(0, 1, LeaseRead)
	if br := wantLeaseBreak(t, e.c[0], 1, LeaseRead, 0, false); br.Epoch != 0x12 {
		t.Errorf("epoch 0x%x in the last step", br.Epoch)
	}
	e.retry(b2, fileA, r2)
	e.retry(b3, fileA, r3)
	wantNone(t, e.c[0])
}

// Losing read and handle caching by an overwrite needs an acknowledgement,
// but the overwrite does not wait for it.
func TestOverwriteDoesNotWaitForHandleCaching(t *testing.T) {
	e := newEnv(t, Options{})
	e.open(fileA, 0, lease(1, LeaseRH))
	o, _ := e.open(fileA, 1, overwrite)
	wantLeaseBreak(t, e.c[0], 1, LeaseRH, 0, true)
	o.Close()
	o, _ = e.open(fileA, 1, overwrite)
	wantNone(t, e.c[0])
	if _, g := e.open(fileA, 0, lease(1, 0)); !g.Breaking || g.Lease != LeaseRH {
		t.Errorf("while breaking: %+v", g)
	}
	e.ack(0, 1, 0)
	wantNone(t, e.c[0])
	o.Close()
	// Read caching alone goes without acknowledgement.
	e.open(fileB, 0, lease(2, LeaseRead))
	e.open(fileB, 1, overwrite)
	wantLeaseBreak(t, e.c[0], 2, LeaseRead, 0, false)
	if _, g := e.open(fileB, 0, lease(2, 0)); g.Breaking || g.Lease != 0 {
		t.Errorf("after losing R: %+v", g)
	}
	_, err := e.m.Ack(e.c[0].id, keyOf[2], 0)
	wantErr(t, err, ErrNotBreaking)
}

// MS-FSA 2.1.5.1.2.2: with a sharing violation handle caching breaks first.
func TestSharingViolationBreaksHandleCaching(t *testing.T) {
	e := newEnv(t, Options{})
	e.open(fileA, 0, lease(1, LeaseRWH))
	r := e.req(0, lease(2, LeaseRWH), share(shareRead))
	b := e.blocked(fileA, r)
	wantLeaseBreak(t, e.c[0], 1, LeaseRWH, LeaseRW, true)
	e.ack(0, 1, LeaseRW)
	if !ready(b) {
		t.Fatal("not woken")
	}
	_, _, err := e.try(fileA, "", r)
	wantErr(t, err, ErrSharing)
	r = e.req(0, lease(2, LeaseRWH))
	b = e.blocked(fileA, r)
	if br := wantLeaseBreak(t, e.c[0], 1, LeaseRW, LeaseRead, true); br.Epoch != 0x13 {
		t.Errorf("epoch 0x%x", br.Epoch)
	}
	e.ack(0, 1, LeaseRead)
	if _, g := e.retry(b, fileA, r); g.Lease != LeaseRH {
		t.Errorf("granted %v", g.Lease)
	}
}

// A holder that closes instead of acknowledging removes the violation.
func TestSharingViolationEndsByClose(t *testing.T) {
	e := newEnv(t, Options{})
	o, _ := e.open(fileA, 0, lease(1, LeaseRWH), share(0))
	r := e.req(1, lease(2, LeaseRWH), share(0))
	b := e.blocked(fileA, r)
	wantLeaseBreak(t, e.c[0], 1, LeaseRWH, LeaseRW, true)
	o.Close()
	if _, g := e.retry(b, fileA, r); g.Lease != LeaseRWH {
		t.Errorf("granted %v", g.Lease)
	}
}

// MS-FSA 2.1.5.3: a write ends read caching of others, not of its own lease.
func TestWriteBreaksReadCaching(t *testing.T) {
	e := newEnv(t, Options{})
	o1, _ := e.open(fileA, 0, lease(1, LeaseRead))
	o2, _ := e.open(fileA, 0, lease(2, LeaseRead))
	wantErr(t, o1.Break(CauseWrite), nil)
	wantLeaseBreak(t, e.c[0], 2, LeaseRead, 0, false)
	wantErr(t, o1.Break(CauseWrite), nil)
	wantNone(t, e.c[0])
	if _, g := e.open(fileA, 0, lease(2, LeaseRead)); g.Lease != LeaseRead {
		t.Errorf("raised again: %v", g.Lease)
	}
	wantErr(t, o2.Break(CauseTruncate), nil)
	wantLeaseBreak(t, e.c[0], 1, LeaseRead, 0, false)
	// RH needs an acknowledgement, but the write does not wait.
	o3, _ := e.open(fileB, 1, lease(3, LeaseRH))
	o4, _ := e.open(fileB, 2)
	wantErr(t, o4.Break(CauseZeroData), nil)
	wantLeaseBreak(t, e.c[1], 3, LeaseRH, 0, true)
	wantErr(t, o4.Break(CauseAllocation), nil)
	wantNone(t, e.c[1])
	e.ack(1, 3, 0)
	o4.Close()
	wantErr(t, o4.Break(CauseWrite), nil) // nothing is cached: not even looked at
	e.open(fileB, 1, lease(3, LeaseRWH))
	wantErr(t, o4.Break(CauseWrite), ErrClosed)
	o3.Close()
}

// MS-FSA 2.1.5.7: so does a byte-range lock; and new caching is not granted
// while ranges are locked.
func TestLockBreaksReadCaching(t *testing.T) {
	e := newEnv(t, Options{})
	o1, _ := e.open(fileA, 0, lease(1, LeaseRH))
	e.open(fileA, 0, lease(2, LeaseRH))
	o3, _ := e.open(fileA, 1, lease(3, LeaseRH))
	wantErr(t, o1.Lock([]Range{{0, 1, true}}, false), nil)
	wantLeaseBreak(t, e.c[0], 2, LeaseRH, 0, true)
	wantLeaseBreak(t, e.c[1], 3, LeaseRH, 0, true)
	e.ack(0, 2, 0)
	e.ack(1, 3, 0)
	if g := o1.Grant(); g.Lease != LeaseRH {
		t.Errorf("own lease: %v", g.Lease)
	}
	wantErr(t, o3.Lock([]Range{{100, 1, true}}, false), nil)
	wantLeaseBreak(t, e.c[0], 1, LeaseRH, 0, true)
	e.ack(0, 1, 0)
	if _, g := e.open(fileA, 0, lease(1, LeaseRH)); g.Lease != 0 {
		t.Errorf("granted %v beside locks", g.Lease)
	}
	if _, g := e.open(fileA, 2, oplock(OplockII)); g.Oplock != OplockNone {
		t.Errorf("granted %v beside locks", g.Oplock)
	}
}

// MS-FSA 2.1.5.15.11: rename, link and deletion end handle caching of others
// and wait for it.
func TestRenameBreaksHandleCaching(t *testing.T) {
	for _, cause := range []Cause{CauseRename, CauseLink, CauseDelete} {
		e := newEnv(t, Options{})
		o1, _ := e.open(fileA, 0, lease(1, LeaseRH))
		e.open(fileA, 0, lease(2, LeaseRH))
		b := isBlocked(t, o1.Break(cause))
		wantLeaseBreak(t, e.c[0], 2, LeaseRH, LeaseRead, true)
		e.ack(0, 2, LeaseRead)
		if !ready(b) {
			t.Fatal("not woken")
		}
		wantErr(t, o1.Break(cause), nil)
		wantNone(t, e.c[0])
	}
}

// MS-FSA 2.1.5.1.2: attribute-only opens break nothing; reading the security
// descriptor is harmless to leases but not to oplocks.
func TestStatOpen(t *testing.T) {
	for _, tt := range []struct {
		access       uint32
		lease, plock bool // breaks
	}{
		{accessReadData, true, true}, {accessWriteData, true, true}, {0x8, true, true}, {0x10, true, true},
		{accessExecute, true, true}, {accessReadAttr, false, false}, {accessWriteAttr, false, false},
		{accessDelete, true, true}, {accessReadCtrl, false, true}, {0x40000, true, true}, {0x80000, true, true},
		{accessSync, false, false},
	} {
		e := newEnv(t, Options{})
		e.open(fileA, 0, lease(1, LeaseRWH))
		e.open(fileB, 0, oplock(OplockBatch))
		_, _, err := e.try(fileA, "", e.req(1, access(tt.access)))
		if (err != nil) != tt.lease {
			t.Errorf("access 0x%x beside a lease: %v", tt.access, err)
		}
		_, _, err = e.try(fileB, "", e.req(1, access(tt.access)))
		if (err != nil) != tt.plock {
			t.Errorf("access 0x%x beside an oplock: %v", tt.access, err)
		}
	}
}

// Attribute-only opens without caching do not keep others from caching
// writes; those with a lease do.
func TestStatOpenBesideWriteCaching(t *testing.T) {
	e := newEnv(t, Options{})
	e.open(fileA, 0, access(accessReadAttr))
	if _, g := e.open(fileA, 0, lease(1, LeaseRWH)); g.Lease != LeaseRWH {
		t.Errorf("beside a stat open: %v", g.Lease)
	}
	e.open(fileB, 0, access(accessReadAttr), share(0), lease(2, LeaseRWH))
	if _, g := e.open(fileB, 0, lease(2, 0)); g.Lease != LeaseRWH {
		t.Errorf("same lease: %v", g.Lease)
	}
	r := e.req(1, lease(3, LeaseRWH))
	b := e.blocked(fileB, r)
	wantLeaseBreak(t, e.c[0], 2, LeaseRWH, LeaseRH, true)
	e.ack(0, 2, LeaseRH)
	if _, g := e.retry(b, fileB, r); g.Lease != LeaseRH {
		t.Errorf("beside a leased stat open: %v", g.Lease)
	}
}

// MS-SMB2 3.3.6.4: the time-out takes everything; a late acknowledgement
// finds nothing to acknowledge.
func TestLeaseBreakTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t, Options{})
		o, _ := e.open(fileA, 0, lease(1, LeaseRWH))
		r := e.req(1, lease(2, LeaseRWH))
		b := e.blocked(fileA, r)
		wantLeaseBreak(t, e.c[0], 1, LeaseRWH, LeaseRH, true)
		start := time.Now()
		<-b.Wait
		if d := time.Since(start); d != DefaultBreakTimeout {
			t.Errorf("waited %v", d)
		}
		if _, g := e.retry(b, fileA, r); g.Lease != LeaseRH {
			t.Errorf("granted %v", g.Lease)
		}
		_, err := e.m.Ack(e.c[0].id, keyOf[1], LeaseRH)
		wantErr(t, err, ErrNotBreaking)
		if g := o.Grant(); g.Lease != 0 {
			t.Errorf("holder has %v", g.Lease)
		}
		wantErr(t, o.Break(CauseWrite), nil)
		wantLeaseBreak(t, e.c[1], 2, LeaseRH, 0, true)
	})
}

// A notification that cannot be delivered settles the break at once.
func TestUndeliverableBreak(t *testing.T) {
	e := newEnv(t, Options{})
	o, _ := e.open(fileA, 0, lease(1, LeaseRWH))
	e.c[0].dead = true
	if _, g := e.open(fileA, 1, lease(2, LeaseRWH)); g.Lease != LeaseRH {
		t.Errorf("granted %v", g.Lease)
	}
	if g := o.Grant(); g.Lease != 0 || g.Breaking {
		t.Errorf("holder has %+v", g)
	}
}

// MS-SMB2 3.3.1.4: directory leases break when somebody else changes the
// directory.
func TestDirectoryLease(t *testing.T) {
	e := newEnv(t, Options{})
	_, g := e.open(dirD, 0, directory, lease(1, LeaseRWH), access(accessRead))
	if g.Lease != LeaseRH {
		t.Fatalf("granted %v", g.Lease)
	}
	if _, g := e.open(dirD, 1, directory, oplock(OplockBatch), access(accessRead)); g.Oplock != OplockNone {
		t.Errorf("directory got oplock %v", g.Oplock)
	}
	e.m.Changed(dirD, keyOf[1], true, e.c[0].id)
	wantNone(t, e.c[0])
	e.m.Changed(fileA, LeaseKey{}, false, ClientID{})
	e.m.Changed(dirD, keyOf[1], true, e.c[1].id) // same key, other client
	wantLeaseBreak(t, e.c[0], 1, LeaseRH, 0, true)
	e.m.Changed(dirD, LeaseKey{}, false, e.c[0].id)
	wantNone(t, e.c[0])
	e.ack(0, 1, 0)
	if _, g := e.open(dirD, 0, directory, lease(1, LeaseRWH), access(accessRead)); g.Lease != LeaseRH || g.Epoch != 0x13 {
		t.Errorf("taken again: %+v", g)
	}
}

// Share policy clips what is granted.
func TestMaxState(t *testing.T) {
	e := newEnv(t, Options{})
	_, g := e.open(fileA, 0, lease(1, LeaseRWH), func(r *OpenRequest) { r.MaxState = LeaseRead })
	if g.Lease != LeaseRead {
		t.Errorf("granted %v", g.Lease)
	}
	_, g = e.open(fileB, 0, oplock(OplockBatch), func(r *OpenRequest) { r.NoCaching = true })
	if g.Oplock != OplockNone {
		t.Errorf("granted %v", g.Oplock)
	}
}

// A notification does not overtake the answer that grants the lease.
func TestHoldBreaks(t *testing.T) {
	hold := func(r *OpenRequest) { r.HoldBreaks = true }
	e := newEnv(t, Options{})
	o, _ := e.open(fileA, 0, lease(1, LeaseRWH), hold)
	// One that joins later does not hold anything back.
	o2, _ := e.open(fileA, 0, lease(1, LeaseRWH), hold)
	r := e.req(1)
	b := e.blocked(fileA, r)
	wantNone(t, e.c[0])
	o2.Announced()
	wantNone(t, e.c[0])
	o.Announced()
	wantLeaseBreak(t, e.c[0], 1, LeaseRWH, LeaseRH, true)
	o.Announced()
	wantNone(t, e.c[0])
	e.ack(0, 1, LeaseRH)
	e.retry(b, fileA, r)
	// An oplock that is gone before it was announced.
	o, _ = e.open(fileB, 0, oplock(OplockII), hold)
	e.open(fileB, 1, overwrite)
	wantNone(t, e.c[0])
	o.Announced()
	wantOplockBreak(t, e.c[0], o, OplockNone, false)
	// Nobody there to be told.
	o, _ = e.open(dirD, 0, oplock(OplockBatch), hold)
	b = e.blocked(dirD, e.req(1))
	e.c[0].dead = true
	o.Announced()
	if !ready(b) || o.Grant().Oplock != OplockNone {
		t.Error("undeliverable break was not settled")
	}
}

// A lease outlives the open that joined it last; its breaks go where an open
// is left.
func TestBreakGoesToLivingOpen(t *testing.T) {
	e := newEnv(t, Options{})
	e.open(fileA, 0, lease(1, LeaseRWH))
	second := &testClient{id: e.c[0].id}
	o, _ := e.open(fileA, 0, lease(1, LeaseRWH), func(r *OpenRequest) { r.Client = second })
	o.Close()
	e.blocked(fileA, e.req(1))
	wantNone(t, second)
	wantLeaseBreak(t, e.c[0], 1, LeaseRWH, LeaseRH, true)
}

func TestHasDirectoryLeases(t *testing.T) {
	e := newEnv(t, Options{})
	file, _ := e.open(fileA, 0, lease(1, LeaseRWH))
	if e.m.HasDirectoryLeases() {
		t.Error("a lease on a file counts as one on a directory")
	}
	dir, _ := e.open(dirD, 0, directory, lease(2, LeaseRH))
	if !e.m.HasDirectoryLeases() {
		t.Error("a lease on a directory does not count")
	}
	e.m.Changed(dirD, LeaseKey{}, false, ClientID{})
	e.ack(0, 2, LeaseNone)
	if e.m.HasDirectoryLeases() {
		t.Error("a lease that lost all its rights counts")
	}
	e.close(dir, file)
}
