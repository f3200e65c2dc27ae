package locking

import (
	"errors"
	"sync"
	"testing"
)

// fill takes locks with an open until no more are granted and returns how many it has got.
func fill(t *testing.T, o *Open, from uint64) (n uint64) {
	t.Helper()
	for {
		err := o.Lock([]Range{{Offset: from + n, Length: 1, Exclusive: true}}, false)
		if errors.Is(err, ErrTooManyLocks) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
}

// One client that takes all it can get, by however many opens, leaves room for others, and
// so do all of those together.
func TestFairShareOfRanges(t *testing.T) {
	e := newEnv(t, Options{MaxLocks: 1600, MaxLocksPerOpen: 300})
	first, _ := e.open(fileA, 0)
	second, _ := e.open(fileA, 0)
	if a, b := fill(t, first, 0), fill(t, second, 1000); a != 300 || b != 100 {
		t.Errorf("the first client has got %d and %d", a, b)
	}
	other, _ := e.open(fileB, 1)
	if n := fill(t, other, 0); n != 300 {
		t.Errorf("the second client has got %d", n)
	}
	third, _ := e.open(fileB, 2)
	if n := fill(t, third, 1000); n != 225 {
		t.Errorf("the third client has got %d", n)
	}
	fourth, _ := e.open(fileA, 3)
	if n := fill(t, fourth, 5000); n != 168 {
		t.Errorf("the fourth client has got %d", n)
	}

	// What the first one gives back is not for itself, as long as it has more than its share.
	e.close(second)
	if n := fill(t, first, 1000); n != 0 {
		t.Errorf("the open with most locks has got %d more", n)
	}
	again, _ := e.open(fileA, 0)
	if n := fill(t, again, 2000); n != 0 {
		t.Errorf("the first client has got %d more", n)
	}
	if n := fill(t, fourth, 6000); n != 25 {
		t.Errorf("the fourth client has got %d more", n)
	}
	e.close(first, again, other, third, fourth)
	e.idle()
	if n := e.counters(); n != 0 {
		t.Errorf("%d counters are left", n)
	}
}

// A lock of an open that another client has reclaimed counts against that one.
func TestFairShareOfReclaimed(t *testing.T) {
	e := newEnv(t, Options{MaxLocks: 40})
	o, _ := e.open(fileA, 0, oplock(OplockBatch))
	if g, err := o.Durable(DurableRequest{User: "u", Share: "s"}); err != nil || !g.Granted {
		t.Fatal(g, err)
	}
	if n := fill(t, o, 0); n != 10 {
		t.Fatalf("got %d", n)
	}
	if !o.Disconnect() {
		t.Fatal("not kept")
	}
	if _, _, err := e.m.Reclaim(o.ID(), Claim{Client: e.c[1], SessionID: 7, User: "u", Share: "s"}); err != nil {
		t.Fatal(err)
	}
	mine, _ := e.open(fileB, 0)
	if n := fill(t, mine, 0); n != 7 {
		t.Errorf("the client that has lost its locks has got %d", n)
	}
	theirs, _ := e.open(fileB, 1)
	wantErr(t, theirs.Lock([]Range{{100, 1, true}}, false), ErrTooManyLocks)
	e.close(o, mine, theirs)
	e.idle()
	if n := e.counters(); n != 0 {
		t.Errorf("%d counters are left", n)
	}
}

// Clients that lock and unlock at once are counted right.
func TestFairShareAtOnce(t *testing.T) {
	e := newEnv(t, Options{})
	var opens []*Open
	var all sync.WaitGroup
	for i := range 8 {
		o, _ := e.open(Key{byte(i)}, i%2)
		opens = append(opens, o)
		all.Go(func() {
			for n := range uint64(500) {
				if err := o.Lock([]Range{{n, 1, true}, {n + 1000, 1, false}}, false); err != nil {
					t.Error(err)
				}
				if err := o.Unlock([]Range{{n, 1, true}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	for i := range 2 {
		c := e.m.rangesOf(e.c[i].id)
		if n := c.held.Load(); n != 4*500 {
			t.Errorf("client %d is said to have %d", i, n)
		}
		e.m.dropRanges(c)
	}
	e.close(opens...)
	e.idle()
	if n := e.counters(); n != 0 {
		t.Errorf("%d counters are left", n)
	}
}

// counters is how many clients have locked ranges with opens that are there.
func (e *env) counters() (n int) {
	for i := range e.m.clientShards {
		sh := &e.m.clientShards[i]
		sh.mu.Lock()
		n += len(sh.clients)
		sh.mu.Unlock()
	}
	return n
}
