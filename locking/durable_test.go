package locking

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// purges records OnPurge calls.
type purges struct {
	mu  sync.Mutex
	got []string
}

func (p *purges) on(id OpenID, payload any, c Closed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = append(p.got, fmt.Sprint(id, " ", payload, " ", c.Delete))
}

func (p *purges) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.got
	p.got = nil
	return g
}

var guid = [16]byte{0xaa}

func (e *env) durable(o *Open, change ...func(*DurableRequest)) DurableGrant {
	e.t.Helper()
	r := DurableRequest{V2: true, CreateGuid: guid, User: "u", Share: "s"}
	for _, f := range change {
		f(&r)
	}
	g, err := o.Durable(r)
	if err != nil {
		e.t.Fatalf("Durable: %v", err)
	}
	return g
}

func (e *env) claim(c int, change ...func(*Claim)) Claim {
	cl := Claim{Client: e.c[c], SessionID: 999, User: "u", Share: "s", V2: true, CreateGuid: guid}
	for _, f := range change {
		f(&cl)
	}
	return cl
}

func withLease(key int) func(*Claim) {
	return func(c *Claim) { c.HasLease, c.LeaseKey, c.LeaseVersion = true, keyOf[key], 2 }
}

// MS-SMB2 3.3.5.9.6, 3.3.5.9.10: only handle caching makes durable.
func TestDurableNeedsHandleCaching(t *testing.T) {
	for _, tt := range []struct {
		name string
		ask  func(*OpenRequest)
		want bool
	}{
		{"none", oplock(OplockNone), false}, {"II", oplock(OplockII), false}, {"exclusive", oplock(OplockExclusive), false},
		{"batch", oplock(OplockBatch), true},
		{"R", lease(1, LeaseRead), false}, {"RW", lease(1, LeaseRW), false}, {"RH", lease(1, LeaseRH), true}, {"RWH", lease(1, LeaseRWH), true},
		{"stat", func(r *OpenRequest) { lease(1, LeaseRH)(r); r.Access = accessReadAttr }, true},
		{"directory", func(r *OpenRequest) { lease(1, LeaseRH)(r); r.IsDirectory = true }, false},
	} {
		e := newEnv(t, Options{})
		o, _ := e.open(fileA, 0, tt.ask)
		if g := e.durable(o); g.Granted != tt.want || g.Persistent {
			t.Errorf("%s: %+v", tt.name, g)
		}
		if o.Disconnect() != tt.want {
			t.Errorf("%s: kept is not %v", tt.name, tt.want)
		}
		o.Close()
		e.idle()
	}
	e := newEnv(t, Options{})
	o, _ := e.open(fileA, 0)
	if g := e.durable(o, func(r *DurableRequest) { r.Resilient = true }); !g.Granted || !o.Disconnect() {
		t.Errorf("resilient: %+v", g)
	}
	o, _ = e.open(fileB, 0, oplock(OplockBatch))
	if o.Disconnect() {
		t.Error("kept without having asked")
	}
}

func TestDurableTimeout(t *testing.T) {
	e := newEnv(t, Options{DurableTimeout: time.Minute, MaxDurableTimeout: 5 * time.Minute})
	o, _ := e.open(fileA, 0, oplock(OplockBatch))
	for ask, want := range map[time.Duration]time.Duration{
		0: time.Minute, time.Second: time.Second, time.Hour: 5 * time.Minute,
	} {
		if g := e.durable(o, func(r *DurableRequest) { r.Timeout = ask }); g.Timeout != want {
			t.Errorf("asked %v, got %v", ask, g.Timeout)
		}
	}
	o.Close()
	e.idle()
}

// MS-SMB2 3.3.5.9.7: an open that is reclaimed is what it was, locks included.
func TestReclaim(t *testing.T) {
	p := &purges{}
	e := newEnv(t, Options{OnPurge: p.on})
	o, _ := e.open(fileA, 0, oplock(OplockBatch), share(0))
	e.durable(o)
	o.SetPayload("payload")
	e.lock(o, 0, 1, true)
	_, _, err := e.m.Reclaim(o.ID(), e.claim(0))
	wantErr(t, err, ErrNotReclaimable)
	if !o.Disconnect() || !o.Disconnect() {
		t.Fatal("not kept")
	}
	if n := e.m.Stats().DurableHeld; n != 1 {
		t.Errorf("%d held", n)
	}
	// Whoever only looks at attributes does not disturb it.
	st, _ := e.open(fileA, 2, access(accessReadAttr))
	st.Close()
	// An oplock goes with the handle: another client may claim it.
	got, rec, err := e.m.Reclaim(o.ID(), e.claim(1))
	if err != nil || got != o || got.Payload() != "payload" {
		t.Fatalf("Reclaim: %v, %v", got, err)
	}
	if rec.Grant.Oplock != OplockBatch || rec.Path != "dir/file" || rec.Access != accessAll || rec.Owner != (Owner{e.c[1].id, 999, o.ID()}) || o.Owner() != rec.Owner {
		t.Errorf("record %+v", rec)
	}
	if _, ok := e.m.OpenByCreateGuid(e.c[0].id, guid); ok {
		t.Error("old client still finds it")
	}
	if x, ok := e.m.OpenByCreateGuid(e.c[1].id, guid); !ok || x != o {
		t.Error("new client does not find it")
	}
	e.unlock(o, 0, 1)
	// Breaks go to the new client.
	e.blocked(fileA, e.req(2))
	wantNone(t, e.c[0])
	wantOplockBreak(t, e.c[1], o, OplockII, true)
	// While it breaks it is not durable.
	if o.Disconnect() {
		t.Error("kept while breaking")
	}
	o.Close()
	_, _, err = e.m.Reclaim(o.ID(), e.claim(1))
	wantErr(t, err, ErrNotReclaimable)
	if _, ok := e.m.OpenByCreateGuid(e.c[1].id, guid); ok {
		t.Error("found after close")
	}
	if g := p.take(); len(g) != 0 {
		t.Errorf("purged: %v", g)
	}
	e.idle()
}

// MS-SMB2 3.3.5.9.7, 3.3.5.9.12: what a claim must repeat.
func TestClaimChecks(t *testing.T) {
	other := func(c *Claim) { c.CreateGuid = [16]byte{1} }
	v1 := func(c *Claim) { c.V2, c.CreateGuid = false, [16]byte{} }
	for _, tt := range []struct {
		name   string
		lease  bool
		v1     bool // the open is of version 1
		client int
		change []func(*Claim)
		err    error
	}{
		{"ok", false, false, 0, nil, nil},
		{"guid", false, false, 0, []func(*Claim){other}, ErrNotReclaimable},
		{"v1 claim of v2", false, false, 0, []func(*Claim){v1}, nil},
		{"v2 claim of v1", false, true, 0, nil, ErrNotReclaimable},
		{"v1 claim of v1", false, true, 0, []func(*Claim){v1}, nil},
		{"user", false, false, 0, []func(*Claim){func(c *Claim) { c.User = "x" }}, ErrClaimDenied},
		{"share", false, false, 0, []func(*Claim){func(c *Claim) { c.Share = "x" }}, ErrNotReclaimable},
		{"persistent", false, false, 0, []func(*Claim){func(c *Claim) { c.Persistent = true }}, ErrNotReclaimable},
		{"no client", false, false, 0, []func(*Claim){func(c *Claim) { c.Client = nil }}, ErrInvalidRequest},
		{"path of an oplock", false, false, 0, []func(*Claim){func(c *Claim) { c.Path = "x" }}, nil},
		{"unwanted lease", false, false, 0, []func(*Claim){withLease(1)}, ErrNotReclaimable},
		{"lease ok", true, false, 0, []func(*Claim){withLease(1), func(c *Claim) { c.Path = "DIR/file" }}, nil},
		{"lease missing", true, false, 0, []func(*Claim){func(c *Claim) { c.Path = "x" }}, ErrNotReclaimable},
		{"lease key", true, false, 0, []func(*Claim){withLease(2)}, ErrNotReclaimable},
		{"lease version", true, false, 0, []func(*Claim){withLease(1), func(c *Claim) { c.LeaseVersion = 1 }}, ErrNotReclaimable},
		{"lease of another client", true, false, 1, []func(*Claim){withLease(1)}, ErrNotReclaimable},
		{"lease path", true, false, 0, []func(*Claim){withLease(1), func(c *Claim) { c.Path = "x" }}, ErrClaimMismatch},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newEnv(t, Options{})
			ask := oplock(OplockBatch)
			if tt.lease {
				ask = lease(1, LeaseRWH)
			}
			o, _ := e.open(fileA, 0, ask)
			e.durable(o, func(r *DurableRequest) {
				if tt.v1 {
					r.V2, r.CreateGuid = false, [16]byte{}
				}
			})
			if !o.Disconnect() {
				t.Fatal("not kept")
			}
			_, rec, err := e.m.Reclaim(o.ID(), e.claim(tt.client, tt.change...))
			wantErr(t, err, tt.err)
			if err == nil && rec.Grant.Lease != LeaseRWH {
				t.Errorf("grant %+v", rec.Grant)
			}
		})
	}
}

// A disconnected open is pushed out by whoever would have broken its caching,
// and by nobody else.
func TestDisconnectedOpenIsPushedOut(t *testing.T) {
	for _, tt := range []struct {
		name  string
		have  []func(*OpenRequest)
		come  []func(*OpenRequest)
		after func(t *testing.T, o *Open) // what the newcomer does
		grant LeaseState
		kept  bool
	}{
		{"RH, stat", []func(*OpenRequest){lease(1, LeaseRH)}, []func(*OpenRequest){access(accessReadAttr)}, nil, 0, true},
		{"RWH, stat", []func(*OpenRequest){lease(1, LeaseRWH)}, []func(*OpenRequest){access(accessReadAttr)}, nil, 0, true},
		{"RH, RH", []func(*OpenRequest){lease(1, LeaseRH)}, []func(*OpenRequest){lease(2, LeaseRH)}, nil, LeaseRH, true},
		{"RH, RWH", []func(*OpenRequest){lease(1, LeaseRH)}, []func(*OpenRequest){lease(2, LeaseRWH)}, nil, LeaseRH, true},
		{"RWH, RWH", []func(*OpenRequest){lease(1, LeaseRWH)}, []func(*OpenRequest){lease(2, LeaseRWH)}, nil, LeaseRWH, false},
		{"RWH, RH", []func(*OpenRequest){lease(1, LeaseRWH)}, []func(*OpenRequest){lease(2, LeaseRH)}, nil, LeaseRH, false},
		{"RH, share none", []func(*OpenRequest){lease(1, LeaseRH)}, []func(*OpenRequest){lease(2, LeaseRWH), share(0)}, nil, LeaseRWH, false},
		{"share none, open", []func(*OpenRequest){lease(1, LeaseRH), share(0)}, nil, nil, 0, false},
		{"batch, open", []func(*OpenRequest){oplock(OplockBatch)}, nil, nil, 0, false},
		{"RH, overwrite", []func(*OpenRequest){lease(1, LeaseRH)}, []func(*OpenRequest){overwrite}, nil, 0, false},
		{"RH, write", []func(*OpenRequest){lease(1, LeaseRH)}, []func(*OpenRequest){lease(2, LeaseRH)},
			func(t *testing.T, o *Open) { wantErr(t, o.Break(CauseWrite), nil) }, LeaseRH, false},
		{"RH, rename", []func(*OpenRequest){lease(1, LeaseRH)}, []func(*OpenRequest){lease(2, LeaseRH)},
			func(t *testing.T, o *Open) { wantErr(t, o.Break(CauseRename), nil) }, LeaseRH, false},
		{"RH, lock", []func(*OpenRequest){lease(1, LeaseRH)}, []func(*OpenRequest){lease(2, LeaseRH)},
			func(t *testing.T, o *Open) { wantErr(t, o.Lock([]Range{{0, 1, true}}, false), nil) }, LeaseRH, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &purges{}
				e := newEnv(t, Options{OnPurge: p.on})
				o, _ := e.open(fileA, 0, tt.have...)
				o.SetPayload("p")
				e.durable(o)
				if !o.Disconnect() {
					t.Fatal("not kept")
				}
				o2, g := e.open(fileA, 1, tt.come...)
				if g.Lease != tt.grant {
					t.Errorf("newcomer got %v", g.Lease)
				}
				if tt.after != nil {
					tt.after(t, o2)
				}
				synctest.Wait()
				purged := p.take()
				if (len(purged) == 0) != tt.kept {
					t.Errorf("purged %v, want kept %v", purged, tt.kept)
				}
				if !tt.kept && (len(purged) != 1 || purged[0] != fmt.Sprint(o.ID(), " p false")) {
					t.Errorf("purged %v", purged)
				}
				cl := e.claim(0)
				if o.Grant().Oplock == OplockLease {
					withLease(1)(&cl)
				}
				_, _, err := e.m.Reclaim(o.ID(), cl)
				if (err == nil) != tt.kept {
					t.Errorf("Reclaim: %v, want kept %v", err, tt.kept)
				}
				e.close(o, o2)
				e.idle()
				wantNone(t, e.c[0])
			})
		})
	}
}

// A disconnected open that deletes on close does so when it is pushed out,
// before the newcomer looks again.
func TestPushedOutDeletes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e *env
		deleted := false
		e = newEnv(t, Options{OnPurge: func(_ OpenID, _ any, c Closed) {
			leave := e.m.Enter(dirD, "F")
			defer leave()
			deleted = c.Delete && c.DeletePath == "dir/file"
		}})
		o, _ := e.open(fileA, 0, oplock(OplockBatch), deleteOnClose)
		e.durable(o)
		if !o.Disconnect() {
			t.Fatal("not kept")
		}
		r := e.req(1)
		leave := e.m.Enter(dirD, "F")
		b := e.blocked(fileA, r)
		leave()
		<-b.Wait
		if !deleted {
			t.Error("woken before the deletion")
		}
		synctest.Wait()
		e.idle()
	})
}

// MS-SMB2 3.3.6.2: the time of a disconnected open is up.
func TestDurableExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &purges{}
		e := newEnv(t, Options{OnPurge: p.on})
		o, _ := e.open(fileA, 0, oplock(OplockBatch))
		e.durable(o, func(r *DurableRequest) { r.Timeout = 10 * time.Second })
		e.lock(o, 0, 1, true)
		for range 3 {
			if !o.Disconnect() {
				t.Fatal("not kept")
			}
			time.Sleep(9 * time.Second)
			if _, _, err := e.m.Reclaim(o.ID(), e.claim(0)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		if g := p.take(); len(g) != 0 {
			t.Fatalf("purged %v", g)
		}
		if !o.Disconnect() {
			t.Fatal("not kept")
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if g := p.take(); len(g) != 1 {
			t.Fatalf("purged %v", g)
		}
		e.idle()
	})
}

// Of a lease with several opens only what is disconnected is pushed out, and
// only when nobody is left to answer.
func TestPartlyDisconnectedLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &purges{}
		e := newEnv(t, Options{OnPurge: p.on})
		o1, _ := e.open(fileA, 0, lease(1, LeaseRWH))
		o2, _ := e.open(fileA, 0, lease(1, LeaseRWH))
		e.durable(o1)
		if !o1.Disconnect() {
			t.Fatal("not kept")
		}
		r := e.req(1)
		b := e.blocked(fileA, r)
		wantLeaseBreak(t, e.c[0], 1, LeaseRWH, LeaseRH, true)
		o2.Close()
		<-b.Wait
		o3, _ := e.retry(b, fileA, r)
		synctest.Wait()
		if g := p.take(); len(g) != 1 {
			t.Errorf("purged %v", g)
		}
		o3.Close()
		e.idle()
	})
}

// Waiting for a byte-range lock ends with the connection.
func TestDisconnectEndsLockWaits(t *testing.T) {
	e := newEnv(t, Options{})
	o1, _ := e.open(fileA, 0, lease(1, LeaseRWH))
	o2, _ := e.open(fileA, 0, lease(1, LeaseRWH))
	e.durable(o2)
	e.lock(o1, 0, 1, true)
	b := isBlocked(t, o2.Lock([]Range{{0, 1, true}}, true))
	if !o2.Disconnect() {
		t.Fatal("not kept")
	}
	if !ready(b) {
		t.Fatal("still waiting")
	}
	wantErr(t, b.Result(), ErrRangeNotLocked)
}

func TestCloseDisconnected(t *testing.T) {
	e := newEnv(t, Options{})
	o, _ := e.open(fileA, 0, oplock(OplockBatch))
	if _, ok := o.CloseDisconnected(); ok {
		t.Error("closed an open that is connected")
	}
	e.durable(o)
	if !o.Disconnect() {
		t.Fatal("the open is not durable")
	}
	if c, ok := o.CloseDisconnected(); !ok || !c.LastOnFile {
		t.Errorf("CloseDisconnected = %+v, %v; want the last open of the file", c, ok)
	}
	if _, ok := o.CloseDisconnected(); ok {
		t.Error("closed twice")
	}
	_, _, err := e.m.Reclaim(o.ID(), e.claim(0))
	wantErr(t, err, ErrNotReclaimable)
	e.idle()
}

// While the client of a persistent open is away, a break that was running rests:
// nobody gets what it was for, and the client is told of it when it is back, as the
// first notification may never have reached it.
func TestBreakRestsWhilePersistentIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t, Options{Store: newFakeStore()})
		o, _ := e.open(fileA, 0, lease(1, LeaseRWH))
		e.durable(o, func(r *DurableRequest) { r.Persistent = true })
		plain, _ := e.open(fileA, 0, lease(1, LeaseRWH))
		r := e.req(1)
		b := e.blocked(fileA, r)
		wantLeaseBreak(t, e.c[0], 1, LeaseRWH, LeaseRH, true)
		if !o.Disconnect() {
			t.Fatal("not kept")
		}
		if ready(b) {
			t.Error("woken although an open of the lease is connected")
		}
		plain.Close()
		<-b.Wait
		_, _, err := e.try(fileA, "", r)
		wantErr(t, err, ErrNotAvailable)
		time.Sleep(DefaultBreakTimeout + time.Second)
		cl := e.claim(0, withLease(1))
		cl.Persistent = true
		_, rec, err := e.m.Reclaim(o.ID(), cl)
		wantErr(t, err, nil)
		if rec.Grant.Lease != LeaseRWH || !rec.Grant.Breaking {
			t.Errorf("grant %+v", rec.Grant)
		}
		wantLeaseBreak(t, e.c[0], 1, LeaseRWH, LeaseRH, true)
		// From now on it is like any other.
		b = e.blocked(fileA, r)
		if !o.Disconnect() {
			t.Fatal("not kept")
		}
		<-b.Wait
		if _, _, err := e.m.Reclaim(o.ID(), cl); err != nil {
			t.Fatal(err)
		}
		wantLeaseBreak(t, e.c[0], 1, LeaseRWH, LeaseRH, true)
		b = e.blocked(fileA, r)
		if _, err := e.m.Ack(e.c[0].id, keyOf[1], LeaseRH); err != nil {
			t.Fatal(err)
		}
		o2, _ := e.retry(b, fileA, r)
		e.close(o, o2)
		e.idle()
	})
}

// A resilient open keeps its oplock while a break runs; its client hears of the
// break again when it is back in time.
func TestBreakIsAnnouncedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t, Options{})
		o, _ := e.open(fileA, 0, oplock(OplockBatch))
		e.durable(o, func(r *DurableRequest) { r.Resilient = true })
		r := e.req(1)
		b := e.blocked(fileA, r)
		wantOplockBreak(t, e.c[0], o, OplockII, true)
		time.Sleep(DefaultBreakTimeout - time.Second)
		if !o.Disconnect() {
			t.Fatal("not kept")
		}
		if _, _, err := e.m.Reclaim(o.ID(), e.claim(0)); err != nil {
			t.Fatal(err)
		}
		wantOplockBreak(t, e.c[0], o, OplockII, true)
		time.Sleep(DefaultBreakTimeout - time.Second)
		if ready(b) {
			t.Error("the clock was not started again")
		}
		if _, err := o.AckOplock(OplockII); err != nil {
			t.Fatal(err)
		}
		o2, _ := e.retry(b, fileA, r)
		e.close(o, o2)
		e.idle()
	})
}

// Directories are never persistent (MS-SMB2 3.3.5.9.10).
func TestDirectoriesAreNotPersistent(t *testing.T) {
	e := newEnv(t, Options{Store: newFakeStore()})
	o, _ := e.open(dirD, 0, directory, lease(1, LeaseRH))
	if g := e.durable(o, func(r *DurableRequest) { r.Persistent = true }); g.Granted || g.Persistent {
		t.Errorf("granted %+v", g)
	}
}

func TestEachDisconnected(t *testing.T) {
	e := newEnv(t, Options{})
	kept, _ := e.open(fileA, 0, oplock(OplockBatch))
	there, _ := e.open(fileB, 0, oplock(OplockBatch))
	for o, payload := range map[*Open]string{kept: "kept", there: "there"} {
		e.durable(o)
		o.SetPayload(payload)
	}
	kept.Disconnect()
	var got []any
	e.m.EachDisconnected(func(p any) { got = append(got, p) })
	if len(got) != 1 || got[0] != "kept" {
		t.Errorf("payloads of disconnected opens: %v", got)
	}
}
