package locking

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// errFull is what a full disk answers.
var errFull = errors.New("disk full")

// fakeStore is a store in memory that can be stopped and made to fail. Of a
// LockStore it has what the committer needs.
type fakeStore struct {
	LockStore
	gate chan struct{} // each transaction takes one token; nil: none needed

	mu      sync.Mutex // guards what follows
	fail    error      // the answer to every transaction
	apply   bool       // a transaction that fails is carried out nevertheless
	during  func()     // called within each transaction
	after   func()     // called at the end of each
	commits int
	largest int // changes in one transaction
	epoch   uint64
	content
}

// content is what a store holds.
type content struct {
	Opens map[OpenID]PersistedOpen
	Locks map[uint64]PersistedLock
}

func newContent() content {
	return content{make(map[OpenID]PersistedOpen), make(map[uint64]PersistedLock)}
}

func (c *content) clone() content {
	return content{maps.Clone(c.Opens), maps.Clone(c.Locks)}
}

// apply carries out one change.
func (c *content) change(ch Change) {
	switch {
	case ch.PutOpen != nil:
		c.Opens[ch.PutOpen.Owner.OpenID] = *ch.PutOpen
	case ch.PutLock != nil:
		c.Locks[ch.PutLock.ID] = *ch.PutLock
	case ch.DeleteOpen != 0:
		delete(c.Opens, ch.DeleteOpen)
		maps.DeleteFunc(c.Locks, func(_ uint64, l PersistedLock) bool { return l.Owner.OpenID == ch.DeleteOpen })
	default:
		delete(c.Locks, ch.DeleteLock)
	}
}

func newFakeStore() *fakeStore { return &fakeStore{content: newContent()} }

func (s *fakeStore) setFail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

func (s *fakeStore) snapshot() content {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clone()
}

func (s *fakeStore) Commit(changes []Change) error {
	if s.gate != nil {
		<-s.gate
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.during != nil {
		s.during()
	}
	s.commits++
	s.largest = max(s.largest, len(changes))
	if s.fail == nil || s.apply {
		for _, c := range changes {
			s.change(c)
		}
	}
	if s.after != nil {
		s.after()
	}
	return s.fail
}

// Those who come while a transaction runs share the next one.
func TestWaitersAreGrouped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		s.gate = make(chan struct{})
		e := newEnv(t, Options{Store: s})
		var wg sync.WaitGroup
		for range 50 {
			o, _ := e.open(Key{byte(e.next)}, 0, oplock(OplockBatch))
			wg.Go(func() {
				if g, err := o.Durable(DurableRequest{Persistent: true}); err != nil || !g.Persistent {
					t.Errorf("Durable: %+v, %v", g, err)
				}
			})
			if e.next == 1 {
				synctest.Wait() // its transaction runs
			}
		}
		synctest.Wait() // everybody waits
		close(s.gate)
		wg.Wait()
		if s.commits != 2 || s.largest != 49*2 || len(s.Opens) != 50 {
			t.Errorf("%d transactions, the largest of %d changes, %d opens; want 2, 98 and 50", s.commits, s.largest, len(s.Opens))
		}
	})
}

// A store that takes no changes does not let memory grow: what comes and goes
// meanwhile leaves nothing behind.
func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		s.gate = make(chan struct{})
		e := newEnv(t, Options{Store: s, KeepDurable: true})
		live, _ := e.open(fileA, 0, oplock(OplockBatch))
		e.durable(live)
		synctest.Wait() // the transaction with live runs, and goes on running
		for i := range 2000 {
			live.Renamed(fmt.Sprint("f", i))
			o, _ := e.open(fileB, 1, lease(1, LeaseRWH))
			e.lock(o, 5, 1, true)
			e.durable(o)
			o.Close()
		}
		// One of live remains: its last path.
		if q := e.m.commits.queue.opens; len(q) != 1 || len(q.changes()) != 1 {
			t.Errorf("queue of %d opens and %d changes", len(q), len(q.changes()))
		}
		// What exists has one change for each record.
		var opens []*Open
		for i := range 100 {
			o, _ := e.open(Key{9, byte(i)}, 1, oplock(OplockBatch))
			e.lock(o, 5, 1, true)
			e.durable(o)
			o.Renamed("g")
			e.durable(o)
			opens = append(opens, o)
		}
		if q := e.m.commits.queue.opens; len(q.changes()) != 1+100*3 {
			t.Errorf("queue of %d changes for 101 opens and 100 oplocks and locks", len(q.changes()))
		}
		e.close(opens...)
		// What the running transaction may have made must be removed.
		live.Close()
		if q := e.m.commits.queue.opens; len(q.changes()) != 1 {
			t.Errorf("queue of %d changes after the close", len(q.changes()))
		}
		close(s.gate)
		synctest.Wait()
		if d := cmp.Diff(newContent(), s.snapshot()); d != "" {
			t.Errorf("store (-want +got):\n%s", d)
		}
	})
}

// A failing store is tried again, with pauses, until it works or the end comes.
func TestFailingStoreIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		s.fail = errFull
		e := newEnv(t, Options{Store: s, KeepDurable: true})
		o, _ := e.open(fileA, 0, oplock(OplockBatch))
		e.durable(o) // nobody waits for it
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if s.commits < 10 || s.commits > 20 {
			t.Errorf("%d attempts in 10 s", s.commits)
		}
		s.setFail(nil)
		time.Sleep(maxRetry)
		synctest.Wait()
		if c := s.snapshot(); len(c.Opens) != 1 || len(c.Locks) != 1 {
			t.Errorf("store: %+v", c)
		}
		n := s.commits
		time.Sleep(time.Hour)
		if s.commits != n {
			t.Error("tried again without need")
		}
		// What went wrong and was made up for is no error in the end.
		if err := e.m.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

func TestCloseTellsWhatIsNotStored(t *testing.T) {
	s := newFakeStore()
	s.fail = errFull
	m := New(Options{Store: s, KeepDurable: true})
	c := &testClient{id: ClientID{1}}
	o, _, err := m.Open(fileA, "", &OpenRequest{Client: c, Owner: Owner{ClientID: c.id, OpenID: 1}, Oplock: OplockBatch})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.Durable(DurableRequest{}); err != nil {
		t.Error(err)
	}
	if err := m.Close(); !errors.Is(err, errFull) {
		t.Errorf("Close: %v", err)
	}
	m.Flush() // in vain, but not for ever
	// Too late for promises.
	if g, err := o.Durable(DurableRequest{Persistent: true}); !errors.Is(err, ErrClosed) {
		t.Errorf("Durable after Close: %+v, %v", g, err)
	}
	if err := m.commits.add().wait(); !errors.Is(err, ErrClosed) {
		t.Errorf("add after close: %v", err)
	}
}

// What cannot be stored is not granted, and nothing of it is left, neither here nor
// in the store once it works again.
func TestStoreFailsUnderPersistentOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		e := newEnv(t, Options{Store: s})
		persistent := func(r *DurableRequest) { r.Persistent = true }
		o, _ := e.open(fileA, 0, oplock(OplockBatch))
		e.durable(o, persistent)
		e.lock(o, 100, 1, true)
		want := s.snapshot()
		s.setFail(errFull)

		bad, _ := e.open(fileB, 0, lease(1, LeaseRWH))
		if g, err := bad.Durable(DurableRequest{V2: true, Persistent: true, CreateGuid: [16]byte{5}}); !errors.Is(err, errFull) || g.Granted {
			t.Errorf("Durable: %+v, %v", g, err)
		}
		if bad.Disconnect() {
			t.Error("an open that is not durable was kept")
		}
		wantErr(t, o.Lock([]Range{{0, 1, true}, {1, 1, true}}, false), errFull)
		if l := e.m.List(LockQuery{IsLease: new(bool)}); len(l) != 1 || l[0].Offset != 100 {
			t.Errorf("locks: %+v", l)
		}
		// The same for a lock that was waited for.
		o2, _ := e.open(fileB, 0, lease(1, LeaseRWH))
		e.lock(bad, 0, 1, true)
		s.setFail(nil)
		e.durable(o2, persistent)
		b := isBlocked(t, o2.Lock([]Range{{0, 1, true}}, true))
		s.setFail(errFull)
		e.unlock(bad, 0, 1)
		<-b.Wait
		wantErr(t, b.Result(), errFull)
		wantErr(t, b.Result(), errFull)
		e.lock(bad, 0, 1, true)

		s.setFail(nil)
		e.close(bad, o2)
		time.Sleep(maxRetry)
		synctest.Wait()
		if d := cmp.Diff(want, s.snapshot()); d != "" {
			t.Errorf("store (-want +got):\n%s", d)
		}
		// And an open that was durable stays what it was.
		s.setFail(errFull)
		if _, err := o.Durable(DurableRequest{Persistent: true, User: "x"}); !errors.Is(err, errFull) {
			t.Errorf("Durable: %v", err)
		}
		s.setFail(nil)
		if !o.Disconnect() {
			t.Fatal("not kept")
		}
		time.Sleep(maxRetry)
		synctest.Wait()
		if d := cmp.Diff(want, s.snapshot()); d != "" {
			t.Errorf("store (-want +got):\n%s", d)
		}
		o.Close()
		e.idle()
	})
}

// An open that leaves the store and comes back while its departure fails loses what
// it had there.
func TestOpenComesBack(t *testing.T) {
	older, q := make(queue), make(queue)
	older.add(change{Change: Change{DeleteOpen: 1}, open: 1})
	open := Change{PutOpen: &PersistedOpen{Owner: Owner{OpenID: 1}}}
	q.add(change{open, 1, true})
	q.addOlder(older)
	if d := cmp.Diff([]Change{{DeleteOpen: 1}, open}, q.changes()); d != "" {
		t.Errorf("queue (-want +got):\n%s", d)
	}
}

// queueModel is a committer with its store, and what is true.
type queueModel struct {
	s     *fakeStore
	c     *committer
	truth content
	known map[OpenID]bool // opens that were put and not deleted
	put   map[uint64]bool // the same of locks
}

// change queues a random change of one of three opens with three locks each.
func (m *queueModel) change(t *rapid.T) {
	open := OpenID(rapid.Uint64Range(1, 3).Draw(t, "open"))
	lock := 10*uint64(open) + rapid.Uint64Range(0, 2).Draw(t, "lock")
	value := strconv.Itoa(rapid.IntRange(0, 9).Draw(t, "value"))
	ch := change{open: open}
	switch rapid.SampledFrom([]string{"open", "close", "lock", "unlock"}).Draw(t, "kind") {
	case "open":
		ch = change{Change{PutOpen: &PersistedOpen{Owner: Owner{OpenID: open}, Path: value}}, open, !m.known[open]}
		m.known[open] = true
	case "close":
		if !m.known[open] {
			return
		}
		ch.DeleteOpen = open
		delete(m.known, open)
		for i := range uint64(3) {
			delete(m.put, 10*uint64(open)+i)
		}
	case "lock":
		if !m.known[open] {
			return
		}
		ch = change{Change{PutLock: &PersistedLock{ID: lock, Owner: Owner{OpenID: open}, Stream: value}}, open, !m.put[lock]}
		m.put[lock] = true
	case "unlock":
		if !m.put[lock] {
			return
		}
		ch.DeleteLock = lock
		delete(m.put, lock)
	}
	m.c.add(ch)
	m.truth.change(ch.Change)
}

// commit runs a transaction, which may fail, while changes are queued.
func (m *queueModel) commit(t *rapid.T) {
	m.s.fail = nil
	if rapid.Bool().Draw(t, "fail") {
		m.s.fail = errFull
	}
	before, truth := m.s.clone(), m.truth.clone()
	m.s.during = func() {
		for range rapid.IntRange(0, 3).Draw(t, "meanwhile") {
			m.change(t)
		}
	}
	want := truth
	if err := m.c.step(); err != nil && !m.s.apply {
		want = before
	}
	if d := cmp.Diff(want, m.s.content); d != "" {
		t.Fatalf("after a transaction (-want +got):\n%s", d)
	}
}

// Whatever is queued, in whatever order, and however often the store fails: after
// a transaction the store holds exactly what was true when it began.
func TestQueueModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newFakeStore()
		s.apply = rapid.Bool().Draw(t, "a failure leaves its changes behind")
		m := &queueModel{
			s: s, c: &committer{store: s, observer: nopObserver{}, wake: make(chan struct{}, 1)},
			truth: newContent(), known: make(map[OpenID]bool), put: make(map[uint64]bool),
		}
		for range rapid.IntRange(20, 40).Draw(t, "steps") {
			if rapid.IntRange(0, 3).Draw(t, "step") == 0 {
				m.commit(t)
			} else {
				m.change(t)
			}
			if q := m.c.queue; q != nil && len(q.opens.changes()) > 3*(1+1+3) {
				t.Fatalf("%d changes for 3 opens with 3 locks each", len(q.opens.changes()))
			}
		}
	})
}

// Locks and the sequence that stands for them are one transaction, however many
// locks there are: a crash leaves both or neither.
func TestSequenceGoesWithItsLocks(t *testing.T) {
	s := newFakeStore()
	e := newEnv(t, Options{Store: s})
	o, _ := e.open(fileA, 0)
	if _, err := o.Durable(DurableRequest{Persistent: true}); err != nil {
		t.Fatal(err)
	}
	var ranges []Range
	for i := range uint64(5) {
		ranges = append(ranges, Range{i, 1, true})
	}
	s.mu.Lock()
	s.after = func() {
		for _, p := range s.Opens {
			locked := len(p.Sequences) == 1 && p.Sequences[0]%2 == 0
			if n := len(s.Locks); locked && n != len(ranges) || !locked && n != 0 {
				t.Errorf("sequences %v beside %d locks", p.Sequences, n)
			}
		}
	}
	s.mu.Unlock()
	for i := range uint8(100) {
		q := Sequence{1, 1 + i%8*2}
		wantErr(t, o.LockOnce(ranges, false, q), nil)
		q.Number++
		wantErr(t, o.UnlockOnce(ranges, q), nil)
	}
}

// A durable open leaves the store with its handle caching, which its client gives up
// itself. That is waited for all the same as soon as its client loses more: it would
// have its lease back as it was.
func TestWhatHasLeftTheStoreIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		s.gate = make(chan struct{})
		e := newEnv(t, Options{Store: s, KeepDurable: true})
		o, _ := e.open(fileA, 0, lease(1, LeaseRWH))
		e.durable(o)
		s.gate <- struct{}{}
		synctest.Wait()
		e.blocked(fileA, e.req(1))
		wantLeaseBreak(t, e.c[0], 1, LeaseRWH, LeaseRH, true)
		b := e.blocked(fileA, e.req(1, overwrite))
		e.ack(0, 1, LeaseRH)
		wantLeaseBreak(t, e.c[0], 1, LeaseRH, LeaseRead, true)
		s.gate <- struct{}{}
		e.ack(0, 1, LeaseRead)
		wantLeaseBreak(t, e.c[0], 1, LeaseRead, LeaseNone, false)
		// Nobody knows that the last notification has reached the client.
		done := make(chan struct{})
		go func() {
			defer close(done)
			e.retry(b, fileA, e.req(1, overwrite))
			if c := s.snapshot(); len(c.Opens)+len(c.Locks) > 0 {
				t.Errorf("stored: %+v", c)
			}
		}()
		synctest.Wait()
		close(s.gate)
		<-done
	})
}
