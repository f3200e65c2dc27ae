package locking_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lessor/locking"
	"lessor/locking/memstore"
)

// What a client was told of a persistent open, besides its lease and its locks, and
// what it may do again without harm because it was not told.

func (h *host) persistent(c *client, change ...func(*locking.OpenRequest)) *locking.Open {
	h.t.Helper()
	o := h.open(c, change...)
	h.durable(o, true, 0)
	return o
}

// lockOnce sends a LOCK with a sequence, as the server carries it out.
func lockOnce(t *testing.T, o *locking.Open, index uint32, number uint8, unlock bool, ranges ...locking.Range) (replay bool, err error) {
	t.Helper()
	q := locking.Sequence{Index: index, Number: number}
	if replay, err = o.LockSequence(q); replay || err != nil {
		return replay, err
	}
	if unlock {
		err = o.UnlockOnce(ranges, q)
	} else {
		err = o.LockOnce(ranges, false, q)
	}
	return false, errors.Join(err, o.LockSequenceDone(q, err == nil))
}

func exclusive(off uint64) locking.Range {
	return locking.Range{Offset: off, Length: 1, Exclusive: true}
}

// MS-SMB2 3.3.5.14: a LOCK whose answer was lost with the server is sent again, and
// was carried out before.
func TestLockSequencesSurvive(t *testing.T) {
	h := newHost(t)
	o := h.persistent(alice)
	send := func(index uint32, number uint8, unlock, wantReplay bool, want error, ranges ...locking.Range) {
		t.Helper()
		replay, err := lockOnce(t, o, index, number, unlock, ranges...)
		if replay != wantReplay || !errors.Is(err, want) {
			t.Fatalf("bucket %d, number %d: replay %v, %v; want %v, %v", index, number, replay, err, wantReplay, want)
		}
	}
	kill := func() {
		t.Helper()
		h.kill(1)
		o = h.reclaim(alice, o, true, false)
	}
	send(1, 5, false, false, nil, exclusive(0), exclusive(1))
	send(64, 0, false, false, nil, exclusive(2))
	kill()
	send(1, 5, false, true, nil, exclusive(0), exclusive(1))
	send(64, 0, false, true, nil, exclusive(2))
	send(1, 6, true, false, nil, exclusive(0), exclusive(1))
	kill()
	send(1, 6, true, true, nil, exclusive(0), exclusive(1))
	send(2, 6, true, false, locking.ErrRangeNotLocked, exclusive(0))
	// One that fails is no replay, and its bucket has no number any more.
	send(1, 7, false, false, locking.ErrLockNotGranted, exclusive(2))
	send(3, 1, false, false, nil, exclusive(3)) // by then that is stored
	kill()
	send(1, 6, false, false, nil, exclusive(0))
	send(3, 1, false, true, nil, exclusive(3))

	// One that had to wait is remembered when it is granted.
	p := h.persistent(bob)
	q := locking.Sequence{Index: 9, Number: 9}
	if replay, err := p.LockSequence(q); replay || err != nil {
		t.Fatal(replay, err)
	}
	var b *locking.Blocked
	if err := p.LockOnce([]locking.Range{exclusive(3)}, true, q); !errors.As(err, &b) {
		t.Fatal(err)
	}
	send(3, 2, true, false, nil, exclusive(3))
	<-b.Wait
	if err := b.Result(); err != nil {
		t.Fatal(err)
	}
	h.kill(2)
	p = h.reclaim(bob, p, true, false)
	if replay, err := p.LockSequence(q); !replay || err != nil {
		t.Errorf("granted later: replay %v, %v", replay, err)
	}
	if err := p.Unlock([]locking.Range{exclusive(3)}); err != nil {
		t.Error(err)
	}
}

// Where programs outside have a say, the sequence comes after the locks.
func TestLockSequenceDoneIsStored(t *testing.T) {
	h := newHost(t)
	o := h.persistent(alice)
	q := locking.Sequence{Index: 1, Number: 1}
	if err := o.LockSequenceDone(q, true); err != nil {
		t.Fatal(err)
	}
	h.kill(1)
	o = h.reclaim(alice, o, true, false)
	if replay, err := o.LockSequence(q); !replay || err != nil {
		t.Error(replay, err)
	}
}

// switchable is a store that can be made to fail.
type switchable struct {
	locking.LockStore
	fail atomic.Bool
}

func (s *switchable) Commit(ch []locking.Change) error {
	if s.fail.Load() {
		return errors.New("disk full")
	}
	return s.LockStore.Commit(ch)
}

// A store that keeps nothing: the LOCK has failed, and so does its replay.
func TestLockSequenceWithoutStore(t *testing.T) {
	s := &switchable{LockStore: memstore.New()}
	m := newManager(t, s, false)
	o := openLeased(t, m, 1)
	if g, err := o.Durable(locking.DurableRequest{Persistent: true}); err != nil || !g.Persistent {
		t.Fatal(g, err)
	}
	s.fail.Store(true)
	for range 2 {
		if replay, err := lockOnce(t, o, 1, 1, false, exclusive(0)); replay || err == nil {
			t.Errorf("replay %v, %v", replay, err)
		}
		if err := o.SetDelete(true); err == nil || o.DeletePending() {
			t.Errorf("mark: %v, %v", err, o.DeletePending())
		}
	}
	s.fail.Store(false)
	if replay, err := lockOnce(t, o, 1, 1, false, exclusive(0)); replay || err != nil {
		t.Errorf("replay %v, %v", replay, err)
	}
	if err := o.SetDelete(true); err != nil || !o.DeletePending() {
		t.Errorf("mark: %v, %v", err, o.DeletePending())
	}
	if c := o.Close(); !c.Delete {
		t.Errorf("closed: %+v", c)
	} else {
		c.Deleted()
	}
}

// MS-FSA 2.1.5.15.3: a file or stream that is marked for deletion is deleted at its
// last close, whoever has been killed in between.
func TestDeletionSurvives(t *testing.T) {
	for _, c := range []struct {
		name   string
		stream string
		mark   func(h *host, o *locking.Open)
		want   bool
		path   string
	}{
		{"not marked", "", func(*host, *locking.Open) {}, false, "d/f"},
		{"marked", "", func(h *host, o *locking.Open) { h.mark(o, true) }, true, "d/f"},
		{"taken back", "", func(h *host, o *locking.Open) { h.mark(o, true); h.mark(o, false) }, false, "d/f"},
		{"by another open", "", func(h *host, _ *locking.Open) { h.mark(h.open(bob), true) }, true, "d/f"},
		{"by the close of another", "", func(h *host, _ *locking.Open) {
			h.open(bob, deleteAtClose).Close()
			h.m.Flush()
		}, true, "d/f"},
		{"and renamed", "", func(h *host, o *locking.Open) { h.mark(o, true); o.Renamed("d/g") }, true, "d/g"},
		{"below a renamed directory", "", func(h *host, o *locking.Open) {
			h.mark(o, true)
			h.m.RenamedUnder(3, "d", "e")
		}, true, "e/f"},
		{"while it is renamed", "", func(h *host, o *locking.Open) { h.mark(o, true); o.Renaming("d/g") }, true, "d/f"},
		{"a stream", "s", func(h *host, o *locking.Open) { h.mark(o, true) }, true, "d/f"},
		{"the file of a stream", "s", func(h *host, _ *locking.Open) { h.mark(h.open(bob), true) }, true, "d/f"},
		{"made for it", "", nil, true, "d/f"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost(t)
			var change []func(*locking.OpenRequest)
			if c.mark == nil {
				change = append(change, deleteAtClose)
			}
			o, _, err := h.m.Open(key, c.stream, h.request(alice, change...))
			if err != nil {
				t.Fatal(err)
			}
			h.durable(o, true, 0)
			if c.mark != nil {
				c.mark(h, o)
			}
			for range 2 {
				h.kill(1)
				cl := claim(alice, o, true, false)
				if o, _, err = h.m.Reclaim(o.ID(), cl); err != nil {
					t.Fatal(err)
				}
				if c.mark != nil && o.DeletePending() != c.want || o.Path() != c.path {
					t.Fatalf("%q, marked: %v", o.Path(), o.DeletePending())
				}
			}
			if c.mark != nil && c.want {
				r := h.request(bob)
				r.Path = c.path
				if _, _, err := h.m.Open(key, c.stream, r); !errors.Is(err, locking.ErrDeletePending) {
					t.Errorf("open: %v", err)
				}
			}
			cl := o.Close()
			if cl.Delete != c.want || c.want && (cl.DeletePath != c.path || c.name == "a stream" && cl.DeleteStream != c.stream) {
				t.Fatalf("closed: %+v", cl)
			}
			if cl.Delete {
				// Until it is deleted, the close has not taken place.
				h.m.Flush()
				h.kill(1)
				if o, _, err = h.m.Reclaim(o.ID(), claim(alice, o, true, false)); err != nil {
					t.Fatal(err)
				}
				if cl = o.Close(); !cl.Delete {
					t.Fatalf("closed again: %+v", cl)
				}
				cl.Deleted()
			}
			h.m.Flush()
			h.kill(0)
		})
	}
}

// mark sets the mark for deletion or takes it away.
func (h *host) mark(o *locking.Open, del bool) {
	h.t.Helper()
	if err := o.SetDelete(del); err != nil {
		h.t.Fatal(err)
	}
}

func deleteAtClose(r *locking.OpenRequest) { r.DeleteOnClose = true }

// A client that does not come back leaves its deletion to the server, which forgets
// the open only when that is done.
func TestDeletionOfOneWhoStaysAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		o := h.persistent(alice)
		h.mark(o, true)
		h.kill(1)
		time.Sleep(locking.DefaultDurableTimeout)
		if e := <-h.ended; e.id != o.ID() || !e.Delete || e.DeletePath != "d/f" || e.Key != key {
			t.Errorf("ended: %+v", e)
		}
		synctest.Wait()
		h.kill(0)
		h.open(bob).Close()
	})
}

// A record that knows nothing of sequences and marks.
func TestRecordOfBefore(t *testing.T) {
	p, err := locking.DecodeOpen([]byte(`{"version":1,"volume":3,"path":"d/f","share":"s","user":"u","access":2032127,` +
		`"share_access":7,"v2":true,"persistent":true,"timeout":1000000000,"oplock":0}`))
	if err != nil {
		t.Fatal(err)
	}
	if p.Sequences != nil || p.DeletePending || p.StreamDeleted || p.Path != "d/f" || !p.Persistent {
		t.Errorf("%+v", p)
	}
}

// Of a file with two links one is deleted, by the close of its last open. What that had
// locked, those who came by the other link get, and it does not come back.
func TestDeletedLinkGivesItsLocksBack(t *testing.T) {
	h := newHost(t)
	o := h.persistent(alice)
	h.mark(o, true)
	if err := o.Lock([]locking.Range{exclusive(0)}, false); err != nil {
		t.Fatal(err)
	}
	other := h.persistent(bob, func(r *locking.OpenRequest) { r.Path = "d/link" })
	c := o.Close()
	if !c.Delete || c.LastOnStream {
		t.Fatalf("closed: %+v", c)
	}
	if err := other.Lock([]locking.Range{exclusive(0)}, false); err != nil {
		t.Fatal(err)
	}
	h.kill(1)
	if l := list(h.m); len(l) != 1 || l[0].Owner.OpenID != other.ID() {
		t.Errorf("after the crash: %+v", l)
	}
}

// An open that is not kept ends when all of its file are back: it is not the last one
// then, whatever it does with the file at its end.
func TestRestoredFileIsNotDeletedTooEarly(t *testing.T) {
	h := newHost(t)
	short := h.open(alice, leased(locking.LeaseRH), deleteAtClose)
	h.durable(short, false, 0)
	long := h.persistent(bob, func(r *locking.OpenRequest) { r.Overwrite = true }) // breaks the lease
	h.m.Flush()
	h.kill(1)
	if e := <-h.ended; e.id != short.ID() || e.Delete || e.LastOnFile {
		t.Errorf("ended: %+v", e)
	}
	long = h.reclaim(bob, long, true, false)
	if !long.DeletePending() {
		t.Error("not marked")
	}
	c := long.Close()
	if !c.Delete {
		t.Fatalf("closed: %+v", c)
	}
	c.Deleted()
	h.kill(0)
}

// A durable open that comes back after it has lost its handle caching does not come
// back to the store.
func TestDurableWithoutHandleIsNotStored(t *testing.T) {
	h := newHost(t)
	o := h.open(alice, leased(locking.LeaseRH))
	h.durable(o, false, 0)
	o2 := h.open(alice, leased(locking.LeaseNone))
	if !o.Disconnect() {
		t.Fatal("not kept")
	}
	var b *locking.Blocked
	if err := h.open(bob).Break(locking.CauseRename); !errors.As(err, &b) {
		t.Fatal(err)
	}
	if _, err := h.m.Ack(alice.id, lkey, locking.LeaseNone); err != nil {
		t.Fatal(err)
	}
	h.reclaim(alice, o, false, true)
	h.m.Flush()
	if locks, opens := records(t, h.s); len(locks)+len(opens) > 0 {
		t.Errorf("stored: %+v %+v", locks, opens)
	}
	o2.Close()
	h.kill(0)
}
