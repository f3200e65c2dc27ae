package locking

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// The name gate lets one in at a time, per name.
func TestNameGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t, Options{})
		leave := e.m.Enter(dirD, "A")
		other := e.m.Enter(dirD, "B")
		other()
		var in atomic.Int32
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				l := e.m.Enter(dirD, "A")
				defer l()
				if in.Add(1) != 1 {
					t.Error("two inside")
				}
				time.Sleep(time.Second)
				in.Add(-1)
			})
		}
		synctest.Wait()
		if in.Load() != 0 {
			t.Error("somebody inside a held gate")
		}
		leave()
		wg.Wait()
		for i := range e.m.gates {
			if n := len(e.m.gates[i].gates); n != 0 {
				t.Errorf("%d gates left", n)
			}
		}
	})
}

func TestNameGateDoesNotAllocate(t *testing.T) {
	e := newEnv(t, Options{})
	e.m.Enter(dirD, "A")()
	if n := testing.AllocsPerRun(100, func() { e.m.Enter(dirD, "A")() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Close releases everybody who waits.
func TestCloseReleasesWaiters(t *testing.T) {
	e := newEnv(t, Options{})
	o, _ := e.open(fileA, 0, oplock(OplockBatch))
	e.lock(o, 0, 1, true)
	b1 := e.blocked(fileA, e.req(1))
	o2, _ := e.open(fileB, 0, lease(1, LeaseRWH))
	o3, _ := e.open(fileB, 0, lease(1, LeaseRWH))
	e.lock(o2, 0, 1, true)
	b2 := isBlocked(t, o3.Lock([]Range{{0, 1, true}}, true))
	e.durable(o2)
	if !o2.Disconnect() {
		t.Fatal("not kept")
	}
	if err := e.m.Close(); err != nil {
		t.Fatal(err)
	}
	if !ready(b1) || !ready(b2) {
		t.Error("still waiting")
	}
	wantErr(t, b2.Result(), ErrClosed)
	_, _, err := e.try(fileA, "", e.req(1))
	wantErr(t, err, ErrClosed)
	if o2.Disconnect() {
		t.Error("kept by a closed manager")
	}
	e.close(o, o2, o3)
	e.idle()
}

// List shows what is there, by MatchesLock.
func TestList(t *testing.T) {
	e := newEnv(t, Options{})
	o1, _ := e.open(fileA, 0, lease(1, LeaseRH))
	e.open(fileB, 1, oplock(OplockBatch))
	e.lock(o1, 5, 6, true)
	e.lock(o1, 50, 6, false)
	yes, no := true, false
	for _, tt := range []struct {
		q    LockQuery
		want int
	}{
		{LockQuery{}, 4}, {LockQuery{IsLease: &yes}, 2}, {LockQuery{IsLease: &no}, 2},
		{LockQuery{Key: &fileB}, 1}, {LockQuery{LeaseKey: &keyOf[1]}, 1}, {LockQuery{ClientID: &e.c[0].id}, 3},
		{LockQuery{Key: &dirD}, 0},
	} {
		if got := e.m.List(tt.q); len(got) != tt.want {
			t.Errorf("%+v: %+v", tt.q, got)
		}
	}
	for _, l := range e.m.List(LockQuery{Key: &fileB}) {
		if l.Lease.LeaseState != LeaseRWH || l.Lease.Version != 0 || l.Type != LockExclusive || l.Owner.ClientID != e.c[1].id {
			t.Errorf("oplock record %+v", l)
		}
	}
	s := e.m.Stats()
	if s.Files != 2 || s.Opens != 2 || s.Leases[LeaseRH] != 1 || s.OplocksBatch != 1 || s.Ranges != 2 {
		t.Errorf("stats %+v", s)
	}
}

// counter is an Observer.
type counter struct {
	nopObserver
	granted, sent, acked, timedOut, closed atomic.Int64
	took                                   atomic.Int64
}

func (c *counter) Granted(OplockLevel, LeaseState)        { c.granted.Add(1) }
func (c *counter) BreakSent(bool, LeaseState, LeaseState) { c.sent.Add(1) }
func (c *counter) BreakEnded(_ bool, how BreakEnd, took time.Duration) {
	c.took.Add(int64(took))
	switch how {
	case BreakAcked:
		c.acked.Add(1)
	case BreakTimedOut:
		c.timedOut.Add(1)
	case BreakClosed:
		c.closed.Add(1)
	}
}

func TestObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counter{}
		e := newEnv(t, Options{Observer: c, BreakTimeout: time.Minute})
		o, _ := e.open(fileA, 0, lease(1, LeaseRWH))
		e.blocked(fileA, e.req(1))
		if n := e.m.Stats().Breaking; n != 1 {
			t.Errorf("%d breaking", n)
		}
		time.Sleep(time.Second)
		e.ack(0, 1, LeaseRH)
		e.blocked(fileA, e.req(1, share(0)))
		time.Sleep(time.Minute)
		synctest.Wait()
		o.Close()
		o, _ = e.open(fileA, 0, oplock(OplockBatch))
		e.blocked(fileA, e.req(1))
		o.Close()
		if c.granted.Load() != 2 || c.sent.Load() != 3 || c.acked.Load() != 1 || c.timedOut.Load() != 1 || c.closed.Load() != 1 ||
			time.Duration(c.took.Load()) != time.Minute+time.Second {
			t.Errorf("counted %+v", c)
		}
		e.idle()
	})
}

// Many clients at once, for the race detector; in the end nothing is left.
func TestConcurrentUse(t *testing.T) {
	e := newEnv(t, Options{BreakTimeout: time.Millisecond})
	var ids atomic.Uint64
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			c := e.c[w%len(e.c)]
			for i := range 200 {
				r := &OpenRequest{
					Client: c, Owner: Owner{ClientID: c.id, OpenID: OpenID(ids.Add(1))},
					Path: "p", Access: accessAll, Share: shareAll, Overwrite: i%5 == 0, DeleteOnClose: i%7 == 0,
				}
				if i%2 == 0 {
					lease(1, LeaseRWH)(r)
				} else {
					r.Oplock = OplockBatch
				}
				key := []Key{fileA, fileB}[i%2]
				leave := e.m.Enter(dirD, "x")
				o, _, err := e.m.Open(key, "", r)
				leave()
				if b, ok := err.(*Blocked); ok {
					<-b.Wait
					continue
				}
				if err != nil {
					continue
				}
				useOpen(t, e, o, i)
			}
		})
	}
	wg.Wait()
	e.idle()
}

// useOpen does a bit of everything with an open.
func useOpen(t *testing.T, e *env, o *Open, i int) {
	if b, ok := o.Break(CauseWrite).(*Blocked); ok {
		<-b.Wait
	}
	switch err := o.Lock([]Range{{uint64(i % 3), 2, true}}, i%4 == 0); err := err.(type) {
	case nil:
		if err := o.Unlock([]Range{{uint64(i % 3), 2, true}}); err != nil {
			t.Error(err)
		}
	case *Blocked:
		if !err.Cancel() && err.Result() != nil {
			t.Error("neither canceled nor granted")
		}
	}
	if o.CheckIO(0, 10, true) != nil && i%4 != 0 {
		_ = o.Path()
	}
	e.m.List(LockQuery{})
	e.m.HasOpensUnder(0, "d")
	e.m.Changed(fileA, LeaseKey{}, false, ClientID{})
	if _, err := e.m.Ack(o.Owner().ClientID, keyOf[1], LeaseRead); err == nil {
		_ = o.Grant()
	}
	if c := o.Close(); c.Delete {
		c.Deleted()
	}
}

func BenchmarkOpenClose(b *testing.B) {
	for name, same := range map[string]bool{"OneFile": true, "ManyFiles": false} {
		b.Run(name, func(b *testing.B) {
			e := newEnv(b, Options{})
			var ids atomic.Uint64
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				key := Key{9}
				if !same {
					key[1] = byte(ids.Add(1))
				}
				r := &OpenRequest{Client: e.c[0], Path: "p", Access: accessAll, Share: shareAll}
				for pb.Next() {
					r.Owner = Owner{ClientID: e.c[0].id, OpenID: OpenID(ids.Add(1))}
					o, _, err := e.m.Open(key, "", r)
					if err != nil {
						b.Error(err)
						return
					}
					o.Close()
				}
			})
		})
	}
}
