package locking

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// collect keeps what an iteration tells, in the order of some key.
func collect[T any](seq func(func(*T) bool), less func(a, b T) int) []T {
	var list []T
	seq(func(v *T) bool {
		list = append(list, *v)
		return true
	})
	slices.SortFunc(list, less)
	return list
}

func (e *env) opens() []OpenInfo {
	return collect(e.m.Opens(), func(a, b OpenInfo) int { return int(a.Owner.OpenID) - int(b.Owner.OpenID) })
}

// ranges are those of one stream in the order in which they are told.
func (e *env) ranges() []RangeInfo {
	return collect(e.m.Ranges(), func(_, _ RangeInfo) int { return 0 })
}

func TestOpensTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t, Options{})
		a, _ := e.open(fileA, 1, lease(1, LeaseRWH))
		e.open(fileA, 1, lease(1, LeaseRWH))
		if g, err := a.Durable(DurableRequest{V2: true, CreateGuid: [16]byte{7}, Timeout: 90 * time.Second, User: "u", Share: "s"}); err != nil || !g.Granted {
			t.Fatalf("durable: %+v, %v", g, err)
		}
		a.SetPayload("mine")
		if err := a.Lock([]Range{{0, 10, true}, {20, 5, false}}, false); err != nil {
			t.Fatal(err)
		}
		e.openStream(fileB, "named", 2, oplock(OplockBatch), access(accessRead), share(shareRead))
		start := time.Now()
		e.blocked(fileA, e.req(3))

		l := &EnhancedLock{
			Owner: a.Owner(), Key: fileA, Type: LockExclusive, AcquiredAt: start,
			Lease: &LeaseInfo{
				LeaseKey: keyOf[1], LeaseState: LeaseRWH, BreakToState: LeaseRH, Breaking: true, BreakStarted: start,
				Epoch: 0x12, Version: 2,
			},
		}
		l.Owner.OpenID = 2 // that of the open that asked last
		o := &EnhancedLock{
			Owner: Owner{e.c[2].id, 102, 3}, Key: fileB, Stream: "named", Type: LockExclusive, AcquiredAt: start,
			Lease: &LeaseInfo{LeaseState: LeaseRWH},
		}
		durable := &DurableInfo{V2: true, CreateGuid: [16]byte{7}, Timeout: 90 * time.Second}
		want := []OpenInfo{
			{
				OpenRef: OpenRef{Owner: Owner{e.c[1].id, 101, 1}, Key: fileA, Path: "dir/file", Payload: "mine", User: "u", Share: "s"},
				Access:  accessAll, ShareMode: shareAll, Ranges: 2, Oplock: OplockLease, Held: l, Sharers: 2, Durable: durable,
			},
			{
				OpenRef: OpenRef{Owner: Owner{e.c[1].id, 101, 2}, Key: fileA, Path: "dir/file"},
				Access:  accessAll, ShareMode: shareAll, Oplock: OplockLease, Held: l, Sharers: 2,
			},
			{
				OpenRef: OpenRef{Owner: Owner{e.c[2].id, 102, 3}, Key: fileB, Stream: "named", Path: "dir/file"},
				Access:  accessRead, ShareMode: shareRead, Oplock: OplockBatch, Held: o, Sharers: 1,
			},
		}
		ids := cmpopts.IgnoreFields(EnhancedLock{}, "ID")
		got := e.opens()
		if d := cmp.Diff(want, got, ids); d != "" {
			t.Fatal(d)
		}
		if got[0].Held.ID != got[1].Held.ID || got[0].Held.ID == got[2].Held.ID {
			t.Errorf("ids of the leases: %d, %d, %d", got[0].Held.ID, got[1].Held.ID, got[2].Held.ID)
		}

		// The break is over; the client hangs up and is expected back.
		if _, err := e.m.Ack(e.c[1].id, keyOf[1], LeaseRH); err != nil {
			t.Fatal(err)
		}
		if err := a.SetDelete(true); err != nil {
			t.Fatal(err)
		}
		if _, ok := e.m.Disconnected(a.ID()); ok {
			t.Error("a connected open is found as disconnected")
		}
		if !a.Disconnect() {
			t.Fatal("not kept")
		}
		time.Sleep(30 * time.Second)
		l.Lease.LeaseState, l.Lease.Breaking, l.Lease.BreakToState, l.Lease.BreakStarted = LeaseRH, false, 0, time.Time{}
		l.Type = LockShared
		durable.Expires = start.Add(90 * time.Second)
		want[0].Disconnected, want[0].DeletePending, want[1].DeletePending = true, true, true
		if d := cmp.Diff(want, e.opens(), ids); d != "" {
			t.Error(d)
		}
		if o, ok := e.m.Disconnected(a.ID()); !ok || o != a {
			t.Error("the disconnected open is not found")
		}
	})
}

func TestRangesTold(t *testing.T) {
	e := newEnv(t, Options{})
	a, _ := e.open(fileA, 1)
	b, _ := e.open(fileA, 2, path("other"))
	if err := a.Lock([]Range{{100, 1, false}, {0, 10, true}}, false); err != nil {
		t.Fatal(err)
	}
	isBlocked(t, b.Lock([]Range{{5, 1, true}}, true))
	refA := OpenRef{Owner: a.Owner(), Key: fileA, Path: "dir/file"}
	want := []RangeInfo{
		{OpenRef: refA, Offset: 0, Length: 10, Exclusive: true},
		{OpenRef: refA, Offset: 100, Length: 1},
		{OpenRef: OpenRef{Owner: b.Owner(), Key: fileA, Path: "other"}, Offset: 5, Length: 1, Exclusive: true, Waiting: true},
	}
	got := e.ranges()
	for i := range got {
		if got[i].Since.IsZero() || got[i].ID == 0 != got[i].Waiting {
			t.Errorf("since %v, id %d", got[i].Since, got[i].ID)
		}
	}
	if d := cmp.Diff(want, got, cmpopts.IgnoreFields(RangeInfo{}, "ID", "Since")); d != "" {
		t.Error(d)
	}
}

// What is told of a file of which there is much to tell is complete, whatever the
// size of a page, and nothing is locked meanwhile: the loop itself opens, locks and
// closes.
func TestMuchIsToldInPages(t *testing.T) {
	for _, n := range []int{1, inspectPage - 1, inspectPage, inspectPage + 1, 3*inspectPage + 5} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			e := newEnv(t, Options{})
			opens := make(map[OpenID]*Open)
			var first *Open
			for i := range n {
				o, _ := e.open(fileA, i%3)
				if first == nil {
					first = o
				}
				opens[o.ID()] = o
				if err := first.Lock([]Range{{uint64(i) * 2, 1, i%2 == 0}}, false); err != nil {
					t.Fatal(err)
				}
			}
			next := uint64(0)
			for r := range e.m.Ranges() {
				if r.Offset != next || r.Exclusive != (r.Offset%4 == 0) {
					t.Fatalf("lock at %d, want %d", r.Offset, next)
				}
				next += 2
				if err := first.Unlock([]Range{{Offset: r.Offset, Length: 1}}); err != nil {
					t.Fatal(err)
				}
			}
			if next != uint64(n)*2 {
				t.Errorf("%d locks were told of, want %d", next/2, n)
			}
			told := 0
			for info := range e.m.Opens() {
				o := opens[info.Owner.OpenID]
				if o == nil {
					t.Fatalf("open %d is told of twice or was never there", info.Owner.OpenID)
				}
				o.Close()
				delete(opens, info.Owner.OpenID)
				told++
			}
			if told != n {
				t.Errorf("%d opens were told of, want %d", told, n)
			}
		})
	}
}

// Who has seen enough stops.
func TestTellingEnds(t *testing.T) {
	e := newEnv(t, Options{})
	for i := range 2 * inspectPage {
		o, _ := e.open(fileA, 1)
		if err := o.Lock([]Range{{uint64(i), 1, true}}, false); err != nil {
			t.Fatal(err)
		}
	}
	for range e.m.Opens() {
		break
	}
	for range e.m.Ranges() {
		break
	}
}

// TestDurableEnds: each open that waits for its client is counted once, for what it
// waits no more.
func TestDurableEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ends := make(map[string]int)
		e := newEnv(t, Options{Observer: endCounter{mu: new(sync.Mutex), ends: ends}})
		held := func(key Key, k int) *Open {
			o, _ := e.open(key, 1, lease(k, LeaseRH))
			if g, err := o.Durable(DurableRequest{Timeout: time.Minute, User: "u"}); err != nil || !g.Granted || !o.Disconnect() {
				t.Fatalf("durable: %+v, %v", g, err)
			}
			return o
		}
		back := held(fileA, 1)
		if _, _, err := e.m.Reclaim(back.ID(), Claim{Client: e.c[1], User: "u", HasLease: true, LeaseKey: keyOf[1]}); err != nil {
			t.Fatal(err)
		}
		back.Close()
		if _, ok := held(fileA, 2).CloseDisconnected(); !ok {
			t.Fatal("not closed")
		}
		held(fileA, 3)
		if _, err := e.m.BreakFile(fileA, CauseDelete, ClientID{}, LeaseKey{}, false); err != nil {
			t.Fatal(err)
		}
		held(fileB, 4)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		want := map[string]int{"reclaimed": 1, "closed": 1, "pushed_out": 1, "expired": 1}
		if d := cmp.Diff(want, ends); d != "" {
			t.Error(d)
		}
	})
}

// endCounter counts the ends of durable opens.
type endCounter struct {
	nopObserver
	mu   *sync.Mutex
	ends map[string]int
}

func (c endCounter) DurableEnded(how DurableEnd) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ends[how.String()]++
}
