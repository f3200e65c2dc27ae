package locking

import (
	"testing"
	"testing/synctest"
	"time"
)

// MS-FSA 2.1.5.18: levels alone on a file.
func TestOplockAlone(t *testing.T) {
	for _, l := range []OplockLevel{OplockNone, OplockII, OplockExclusive, OplockBatch} {
		e := newEnv(t, Options{})
		o, g := e.open(fileA, 0, oplock(l))
		if g.Oplock != l {
			t.Errorf("asked %v, got %v", l, g.Oplock)
		}
		o.Close()
		e.idle()
	}
}

// MS-FSA 2.1.5.1.2: held, broken to by an open, by an overwrite.
func TestOpenBreaksOplock(t *testing.T) {
	for _, tt := range []struct {
		held      OplockLevel
		overwrite bool
		to        OplockLevel
		ack       bool
	}{
		{OplockExclusive, false, OplockII, true},
		{OplockBatch, false, OplockII, true},
		{OplockExclusive, true, OplockNone, true},
		{OplockBatch, true, OplockNone, true},
		{OplockII, true, OplockNone, false},
	} {
		e := newEnv(t, Options{})
		o, _ := e.open(fileA, 0, oplock(tt.held))
		r := e.req(1, oplock(OplockBatch), func(r *OpenRequest) { r.Overwrite = tt.overwrite })
		_, g, err := e.try(fileA, "", r)
		wantOplockBreak(t, e.c[0], o, tt.to, tt.ack)
		if tt.ack {
			b := isBlocked(t, err)
			if l, err := o.AckOplock(tt.to); err != nil || l != tt.to {
				t.Fatalf("%+v: AckOplock: %v, %v", tt, l, err)
			}
			_, g = e.retry(b, fileA, r)
		} else {
			wantErr(t, err, nil)
		}
		if g.Oplock != OplockII {
			t.Errorf("%+v: granted %v", tt, g.Oplock)
		}
		if have := o.Grant().Oplock; have != tt.to {
			t.Errorf("%+v: holder has %v", tt, have)
		}
		wantNone(t, e.c[0])
	}
}

// MS-FSA 2.1.5.1.2.2: a sharing violation breaks batch, not exclusive.
func TestSharingViolationBesideOplock(t *testing.T) {
	e := newEnv(t, Options{})
	e.open(fileA, 0, oplock(OplockExclusive), share(0))
	_, _, err := e.try(fileA, "", e.req(1))
	wantErr(t, err, ErrSharing)
	wantNone(t, e.c[0])

	o, _ := e.open(fileB, 0, oplock(OplockBatch), share(0))
	r := e.req(1)
	b := e.blocked(fileB, r)
	wantOplockBreak(t, e.c[0], o, OplockII, true)
	if _, err := o.AckOplock(OplockII); err != nil {
		t.Fatal(err)
	}
	if !ready(b) {
		t.Fatal("not woken")
	}
	_, _, err = e.try(fileB, "", r)
	wantErr(t, err, ErrSharing)
	_, _, err = e.try(fileB, "", e.req(1))
	wantErr(t, err, ErrSharing)
	wantNone(t, e.c[0])
	// A write ends level II even of the writer itself.
	wantErr(t, o.Break(CauseWrite), nil)
	wantOplockBreak(t, e.c[0], o, OplockNone, false)
}

// Closing instead of acknowledging lets the waiter have everything.
func TestCloseInsteadOfAck(t *testing.T) {
	e := newEnv(t, Options{})
	o, _ := e.open(fileA, 0, oplock(OplockBatch), share(0))
	r := e.req(1, oplock(OplockBatch), share(0))
	b := e.blocked(fileA, r)
	wantOplockBreak(t, e.c[0], o, OplockII, true)
	if c := o.Close(); c.Delete || !c.LastOnFile || !c.LastOnStream {
		t.Errorf("Close: %+v", c)
	}
	if _, g := e.retry(b, fileA, r); g.Oplock != OplockBatch {
		t.Errorf("granted %v", g.Oplock)
	}
}

// Attribute-only opens beside a batch oplock: no break, and no oplock.
func TestStatOpenBesideBatch(t *testing.T) {
	e := newEnv(t, Options{})
	e.open(fileA, 0, oplock(OplockBatch), share(0))
	if _, g := e.open(fileA, 1, oplock(OplockBatch), access(accessStat)); g.Oplock != OplockNone {
		t.Errorf("granted %v", g.Oplock)
	}
	wantNone(t, e.c[0])
	// Overwriting is writing, whatever the handle may do.
	o, _ := e.open(fileB, 0, oplock(OplockBatch), access(accessStat))
	if _, g := e.open(fileB, 1, oplock(OplockBatch), access(accessStat)); g.Oplock != OplockNone {
		t.Errorf("granted %v", g.Oplock)
	}
	e.blocked(fileB, e.req(1, access(accessStat), overwrite))
	wantOplockBreak(t, e.c[0], o, OplockNone, true)
}

// MS-FSA 2.1.5.3: a write ends all level II oplocks, and none of an
// exclusive holder.
func TestWriteBreaksLevelII(t *testing.T) {
	e := newEnv(t, Options{})
	o1, _ := e.open(fileA, 0, oplock(OplockII))
	o2, _ := e.open(fileA, 1, oplock(OplockII))
	wantErr(t, o1.Break(CauseWrite), nil)
	wantOplockBreak(t, e.c[0], o1, OplockNone, false)
	wantOplockBreak(t, e.c[1], o2, OplockNone, false)
	_, err := o1.AckOplock(OplockNone)
	wantErr(t, err, ErrInvalidOplockProtocol)
	o3, _ := e.open(fileB, 0, oplock(OplockBatch))
	wantErr(t, o3.Break(CauseWrite), nil)
	wantErr(t, o3.Lock([]Range{{0, 4, true}}, false), nil)
	wantNone(t, e.c[0])
}

// MS-FSA 2.1.5.7: a byte-range lock ends level II of its own open too.
func TestLockBreaksLevelII(t *testing.T) {
	e := newEnv(t, Options{})
	o, _ := e.open(fileA, 0, oplock(OplockBatch))
	r := e.req(1)
	b := e.blocked(fileA, r)
	e.c[0].take()
	if _, err := o.AckOplock(OplockII); err != nil {
		t.Fatal(err)
	}
	e.retry(b, fileA, r)
	wantErr(t, o.Lock([]Range{{0, 4, true}}, false), nil)
	wantOplockBreak(t, e.c[0], o, OplockNone, false)
	wantErr(t, o.Lock([]Range{{2, 4, true}}, false), ErrLockNotGranted)
	wantNone(t, e.c[0])
}

// MS-SMB2 3.3.5.22.1: what an acknowledgement may say.
func TestOplockAckErrors(t *testing.T) {
	for _, tt := range []struct {
		ack  OplockLevel
		err  error
		have OplockLevel
	}{
		{OplockNone, nil, OplockNone}, {OplockII, nil, OplockII},
		{OplockExclusive, ErrInvalidOplockProtocol, OplockNone},
		{OplockBatch, ErrInvalidOplockProtocol, OplockNone},
		{OplockLease, ErrInvalidOplockLevel, OplockNone},
	} {
		e := newEnv(t, Options{})
		o, _ := e.open(fileA, 0, oplock(OplockBatch))
		_, err := o.AckOplock(OplockII)
		wantErr(t, err, ErrInvalidOplockProtocol)
		b := e.blocked(fileA, e.req(1))
		_, err = o.AckOplock(tt.ack)
		wantErr(t, err, tt.err)
		if !ready(b) {
			t.Errorf("%v: waiter not woken", tt.ack)
		}
		if have := o.Grant().Oplock; have != tt.have {
			t.Errorf("%v: holder has %v, want %v", tt.ack, have, tt.have)
		}
	}
	// Level II is not offered by a break to none.
	e := newEnv(t, Options{})
	o, _ := e.open(fileA, 0, oplock(OplockBatch))
	e.blocked(fileA, e.req(1, overwrite))
	if l, err := o.AckOplock(OplockII); err != nil || l != OplockNone {
		t.Errorf("level II after a break to none: %v, %v", l, err)
	}
}

// MS-SMB2 3.3.6.1: the time-out takes the oplock away.
func TestOplockBreakTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t, Options{BreakTimeout: 7 * time.Second})
		o, _ := e.open(fileA, 0, oplock(OplockBatch))
		r := e.req(1, oplock(OplockBatch))
		b := e.blocked(fileA, r)
		start := time.Now()
		<-b.Wait
		if d := time.Since(start); d != 7*time.Second {
			t.Errorf("waited %v", d)
		}
		if _, g := e.retry(b, fileA, r); g.Oplock != OplockII {
			t.Errorf("granted %v", g.Oplock)
		}
		if g := o.Grant(); g.Oplock != OplockNone {
			t.Errorf("holder has %v", g.Oplock)
		}
	})
}

// Each stream has oplocks of its own.
func TestOplocksOfStreams(t *testing.T) {
	e := newEnv(t, Options{})
	base, _ := e.open(fileA, 0, oplock(OplockBatch))
	s1, g := e.openStream(fileA, "S", 0, oplock(OplockBatch))
	if g.Oplock != OplockBatch {
		t.Errorf("stream got %v", g.Oplock)
	}
	_, _, err := e.try(fileA, "S", e.req(1))
	isBlocked(t, err)
	wantOplockBreak(t, e.c[0], s1, OplockII, true)
	if g := base.Grant(); g.Oplock != OplockBatch || g.Breaking {
		t.Errorf("base: %+v", g)
	}
	e.close(base, s1)
	e.idle()
}

// Somebody without an open: a rename onto the file, a local process.
func TestBreakFile(t *testing.T) {
	e := newEnv(t, Options{})
	if n, err := e.m.BreakFile(fileA, CauseOverwrite, ClientID{}, LeaseKey{}, false); n != 0 || err != nil {
		t.Errorf("closed file: %d, %v", n, err)
	}
	o1, _ := e.open(fileA, 0, lease(1, LeaseRH))
	o2, _ := e.openStream(fileA, "S", 0, lease(2, LeaseRH))
	n, err := e.m.BreakFile(fileA, CauseOverwrite, e.c[0].id, keyOf[1], true)
	b := isBlocked(t, err)
	if n != 2 {
		t.Errorf("%d opens", n)
	}
	wantLeaseBreak(t, e.c[0], 2, LeaseRH, LeaseRead, true)
	o2.Close()
	if !ready(b) {
		t.Fatal("not woken")
	}
	if n, err = e.m.BreakFile(fileA, CauseOverwrite, e.c[0].id, keyOf[1], true); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n, err = e.m.BreakFile(fileA, CauseWrite, ClientID{}, LeaseKey{}, false); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	wantLeaseBreak(t, e.c[0], 1, LeaseRH, 0, true)
	o1.Close()
	e.idle()
}
