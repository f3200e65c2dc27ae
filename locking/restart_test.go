package locking_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lessor/locking"
	"lessor/locking/boltstore"
)

// host is a machine on which one server runs after another, each killed while it
// works: the next one gets the file of the store as it is at that moment.
type host struct {
	t     *testing.T
	dir   string
	boots int
	s     *boltstore.Store
	m     *locking.OplockManager
	next  uint64 // of open ids of this run
	ended chan ended
}

// ended is a call of OnPurge.
type ended struct {
	id locking.OpenID
	locking.Closed
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{t: t, dir: t.TempDir()}
	h.boot(0)
	t.Cleanup(h.halt)
	return h
}

func (h *host) file() string { return filepath.Join(h.dir, fmt.Sprint("locks.", h.boots)) }

// boot starts a server, which must find a number of opens.
func (h *host) boot(want int) {
	h.t.Helper()
	var err error
	if h.s, err = boltstore.Open(h.file(), boltstore.Options{}); err != nil {
		h.t.Fatal(err)
	}
	epoch, err := h.s.NextServerEpoch()
	if err != nil {
		h.t.Fatal(err)
	}
	h.next = epoch << 40
	h.ended = make(chan ended, 10)
	h.m = locking.New(locking.Options{Store: h.s, KeepDurable: true, OnPurge: func(id locking.OpenID, _ any, c locking.Closed) {
		h.ended <- ended{id, c}
	}})
	if n, err := h.m.Restore(); err != nil || n != want {
		h.t.Fatalf("Restore: %d, %v; want %d", n, err, want)
	}
}

func (h *host) halt() {
	if err := errors.Join(h.m.Close(), h.s.Close()); err != nil {
		h.t.Error(err)
	}
}

// kill ends the server as it stands and starts the next one.
func (h *host) kill(want int) {
	h.t.Helper()
	image, err := os.ReadFile(h.file())
	if err != nil {
		h.t.Fatal(err)
	}
	h.halt() // of no effect on the image
	h.boots++
	if err := os.WriteFile(h.file(), image, 0o600); err != nil {
		h.t.Fatal(err)
	}
	h.boot(want)
}

// request is one of c for everything on a file.
func (h *host) request(c *client, change ...func(*locking.OpenRequest)) *locking.OpenRequest {
	h.next++
	r := &locking.OpenRequest{
		Client: c, Owner: locking.Owner{ClientID: c.id, SessionID: 1, OpenID: locking.OpenID(h.next)},
		Path: "d/f", Volume: 3, Access: 0x1f01ff, Share: 7,
	}
	for _, f := range change {
		f(r)
	}
	return r
}

func (h *host) open(c *client, change ...func(*locking.OpenRequest)) *locking.Open {
	h.t.Helper()
	o, _, err := h.m.Open(key, "", h.request(c, change...))
	if err != nil {
		h.t.Fatal(err)
	}
	return o
}

func leased(state locking.LeaseState) func(*locking.OpenRequest) {
	return func(r *locking.OpenRequest) {
		r.Oplock = locking.OplockLease
		r.Lease = &locking.LeaseRequest{Key: lkey, State: state, Version: 2, Epoch: 5}
	}
}

func batch(r *locking.OpenRequest)    { r.Oplock = locking.OplockBatch }
func shareNot(r *locking.OpenRequest) { r.Share = 0 }

func guidOf(o *locking.Open) [16]byte { return [16]byte{byte(o.ID()), byte(o.ID() >> 40), 1} }

func (h *host) durable(o *locking.Open, persistent bool, timeout time.Duration) {
	h.t.Helper()
	g, err := o.Durable(locking.DurableRequest{
		V2: true, Persistent: persistent, CreateGuid: guidOf(o), User: "u", Share: "s", Timeout: timeout, Extra: []byte("x"),
	})
	if err != nil || !g.Granted || g.Persistent != persistent {
		h.t.Fatalf("Durable: %+v, %v", g, err)
	}
}

// claim is that of an open with or without a lease.
func claim(c *client, o *locking.Open, persistent, lease bool) locking.Claim {
	cl := locking.Claim{
		Client: c, SessionID: 2, User: "u", Share: "s", V2: true, CreateGuid: guidOf(o), Persistent: persistent, Path: "d/f",
	}
	if lease {
		cl.HasLease, cl.LeaseKey, cl.LeaseVersion = true, lkey, 2
	}
	return cl
}

func (h *host) reclaim(c *client, o *locking.Open, persistent, lease bool) *locking.Open {
	h.t.Helper()
	got, rec, err := h.m.Reclaim(o.ID(), claim(c, o, persistent, lease))
	if err != nil {
		h.t.Fatalf("Reclaim of %x: %v", o.ID(), err)
	}
	if string(rec.Extra) != "x" {
		h.t.Errorf("record %+v", rec)
	}
	return got
}

var bob = &client{id: locking.ClientID{2}}

// list is what a manager knows, in a comparable order and without what a restart
// changes.
func list(m *locking.OplockManager) []locking.EnhancedLock {
	l := m.List(locking.LockQuery{})
	for i := range l {
		l[i].AcquiredAt = l[i].AcquiredAt.UTC().Round(0)
		if l[i].Lease != nil {
			l[i].ID, l[i].Owner.OpenID = 0, 0 // of the open that came last
		}
	}
	slices.SortFunc(l, func(a, b locking.EnhancedLock) int { return int(a.Offset) - int(b.Offset) })
	return l
}

// DESIGN section 10, MS-SMB2 3.3.5.9.12: after a restart everything is there:
// opens that share a lease, with their byte-range locks; nobody else gets what they
// hold; and no id is used again.
func TestRestart(t *testing.T) {
	h := newHost(t)
	o1 := h.open(alice, leased(locking.LeaseRWH))
	o2 := h.open(alice, leased(locking.LeaseRWH))
	h.durable(o1, true, 0)
	h.durable(o2, true, 0)
	for i, o := range []*locking.Open{o1, o2, o1} {
		if err := o.Lock([]locking.Range{{Offset: uint64(10 * i), Length: 5, Exclusive: i != 1}, {Offset: uint64(10*i + 5), Length: 1}}, false); err != nil {
			t.Fatal(err)
		}
	}
	want := list(h.m)
	ids := map[uint64]bool{}
	for round := range 3 {
		for _, l := range h.m.List(locking.LockQuery{}) {
			ids[l.ID] = true
		}
		h.kill(2)
		if d := cmp.Diff(want, list(h.m)); d != "" {
			t.Fatalf("round %d (-want +got):\n%s", round, d)
		}
		if s := h.m.Stats(); s.DurableHeld != 2 || s.Opens != 2 || s.Ranges != 6 {
			t.Errorf("stats %+v", s)
		}
		// Nobody gets in who would disturb, not even with a look at the data.
		_, _, err := h.m.Open(key, "", h.request(bob, leased(locking.LeaseRead)))
		if !errors.Is(err, locking.ErrNotAvailable) {
			t.Errorf("open beside: %v", err)
		}
		if _, ok := h.m.OpenByCreateGuid(alice.id, guidOf(o1)); !ok {
			t.Error("not found by its create GUID")
		}
	}
	o1, o2 = h.reclaim(alice, o1, true, true), h.reclaim(alice, o2, true, true)
	if err := o2.CheckIO(0, 1, false); !errors.Is(err, locking.ErrLocked) {
		t.Errorf("read in a locked range: %v", err)
	}
	if err := o2.CheckIO(10, 1, false); err != nil {
		t.Errorf("read in an own range: %v", err)
	}
	if err := o2.Lock([]locking.Range{{Offset: 0, Length: 1, Exclusive: true}}, false); !errors.Is(err, locking.ErrLockNotGranted) {
		t.Errorf("a lock was granted twice: %v", err)
	}
	if err := o1.Unlock([]locking.Range{{Offset: 20, Length: 5}}); err != nil {
		t.Error(err)
	}
	if err := o2.Lock([]locking.Range{{Offset: 20, Length: 5, Exclusive: true}}, false); err != nil {
		t.Error(err)
	}
	for _, l := range h.m.List(locking.LockQuery{IsLease: new(bool)}) {
		if l.Offset == 20 && ids[l.ID] {
			t.Errorf("id %x was used again", l.ID)
		}
	}
	// What has changed hands stays there.
	h.kill(2)
	o1, o2 = h.reclaim(alice, o1, true, true), h.reclaim(alice, o2, true, true)
	if err := o1.Unlock([]locking.Range{{Offset: 20, Length: 5}}); !errors.Is(err, locking.ErrRangeNotLocked) {
		t.Errorf("a lock was kept that was given back: %v", err)
	}
	if err := o2.Unlock([]locking.Range{{Offset: 20, Length: 5}}); err != nil {
		t.Error(err)
	}
	o1.Close()
	o2.Close()
	h.m.Flush()
	h.kill(0)
}

// MS-SMB2 3.3.5.9.12: the client of a persistent open may have missed its FileId;
// then the create GUID finds it. It must say that it wants a persistent one.
func TestReclaimByCreateGuid(t *testing.T) {
	h := newHost(t)
	o := h.open(alice, batch)
	h.durable(o, true, 0)
	h.kill(1)
	for _, c := range []locking.Claim{claim(alice, o, false, false), claim(bob, o, true, false)} {
		if _, _, err := h.m.Reclaim(7, c); !errors.Is(err, locking.ErrNotReclaimable) {
			t.Errorf("claim %+v: %v", c, err)
		}
	}
	if _, _, err := h.m.Reclaim(o.ID(), claim(alice, o, false, false)); !errors.Is(err, locking.ErrNotReclaimable) {
		t.Errorf("claim without the flag: %v", err)
	}
	got, _, err := h.m.Reclaim(7, claim(alice, o, true, false))
	if err != nil || got.ID() != o.ID() {
		t.Fatalf("Reclaim: %v", err)
	}
}

// The time of a disconnected open begins anew with the server, within the limits of
// the settings, and then it is gone for good.
func TestRestartedTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		short := h.open(alice, batch)
		h.durable(short, true, 10*time.Second)
		if !short.Disconnect() {
			t.Fatal("not kept")
		}
		time.Sleep(9 * time.Second)
		h.kill(1)
		time.Sleep(9 * time.Second)
		o := h.reclaim(alice, short, true, false)
		if !o.Disconnect() {
			t.Fatal("not kept")
		}
		time.Sleep(9 * time.Second)
		h.kill(1)
		select {
		case e := <-h.ended:
			t.Fatalf("ended too early: %+v", e)
		case <-time.After(10*time.Second - 1):
		}
		if e := <-h.ended; e.id != short.ID() || !e.LastOnFile || e.Delete || e.Key != key {
			t.Errorf("ended: %+v", e)
		}
		if _, _, err := h.m.Reclaim(short.ID(), claim(alice, short, true, false)); !errors.Is(err, locking.ErrNotReclaimable) {
			t.Errorf("Reclaim: %v", err)
		}
		h.open(bob, shareNot).Close()
		h.kill(0)
	})
}

// A durable open that is not persistent gives way to others after a restart as
// before, and does not come back by another one.
func TestRestartedDurableGivesWay(t *testing.T) {
	h := newHost(t)
	o := h.open(alice, leased(locking.LeaseRWH), func(r *locking.OpenRequest) { r.DeleteOnClose = true })
	h.durable(o, false, 0)
	h.m.Flush()
	h.kill(1)
	// It is in the way of nobody, but the file is to be deleted first.
	var b *locking.Blocked
	_, _, err := h.m.Open(key, "", h.request(bob))
	if !errors.As(err, &b) {
		t.Fatalf("open: %v", err)
	}
	if e := <-h.ended; e.id != o.ID() || !e.Delete || e.DeletePath != "d/f" || e.Volume != 3 || e.Key != key {
		t.Errorf("ended: %+v", e)
	}
	<-b.Wait
	h.open(bob)
	h.kill(0)
	if _, _, err := h.m.Reclaim(o.ID(), claim(alice, o, false, true)); !errors.Is(err, locking.ErrNotReclaimable) {
		t.Errorf("Reclaim: %v", err)
	}
}

// MS-SMB2 3.3.7.1 for the loss of all connections at once: an open that would not
// have been kept is not brought back.
func TestRestartKeepsWhatIsKept(t *testing.T) {
	h := newHost(t)
	// This one loses its handle caching, and with it its place in the store.
	o := h.open(alice, leased(locking.LeaseRH))
	h.durable(o, false, 0)
	h.m.Flush()
	if _, opens := records(t, h.s); len(opens) != 1 {
		t.Fatalf("store has %+v", opens)
	}
	p := h.open(bob, func(r *locking.OpenRequest) { r.Access = 1 })
	var b *locking.Blocked
	if err := p.Break(locking.CauseRename); !errors.As(err, &b) {
		t.Fatal(err)
	}
	h.m.Flush()
	// While the break runs, a crash ends it.
	h.kill(0)
	if e := <-h.ended; e.id != o.ID() {
		t.Errorf("ended: %+v", e)
	}
	h.m.Flush()
	if locks, opens := records(t, h.s); len(locks) != 0 || len(opens) != 0 {
		t.Errorf("store has %+v %+v", locks, opens)
	}

	o = h.open(alice, leased(locking.LeaseRH))
	h.durable(o, false, 0)
	p = h.open(bob, func(r *locking.OpenRequest) { r.Access = 1 })
	if err := p.Break(locking.CauseRename); !errors.As(err, &b) {
		t.Fatal(err)
	}
	if _, err := h.m.Ack(alice.id, lkey, locking.LeaseRead); err != nil {
		t.Fatal(err)
	}
	h.m.Flush()
	if locks, opens := records(t, h.s); len(locks) != 0 || len(opens) != 0 {
		t.Errorf("store has %+v %+v", locks, opens)
	}
	h.kill(0)
}

// A persistent open stays when its oplock goes, and comes back without.
func TestRestartWithoutOplock(t *testing.T) {
	h := newHost(t)
	o := h.open(alice, batch)
	h.durable(o, true, 0)
	var b *locking.Blocked
	if _, _, err := h.m.Open(key, "", h.request(bob)); !errors.As(err, &b) {
		t.Fatal(err)
	}
	if _, err := o.AckOplock(locking.OplockNone); err != nil {
		t.Fatal(err)
	}
	h.m.Flush()
	h.kill(1)
	got, rec, err := h.m.Reclaim(o.ID(), claim(alice, o, true, false))
	if err != nil || rec.Grant.Oplock != locking.OplockNone {
		t.Fatalf("Reclaim: %+v, %v", rec, err)
	}
	if s := h.m.Stats(); s.OplocksBatch+s.OplocksII+s.OplocksExclusive != 0 {
		t.Errorf("stats %+v", s)
	}
	h.open(bob).Close()
	got.Close()
}

// A break that was running is announced to whoever comes back for the lease first,
// be it by another open.
func TestRestartedBreakIsAnnouncedToNewOpens(t *testing.T) {
	h := newHost(t)
	o := h.open(alice, leased(locking.LeaseRWH))
	h.durable(o, true, 0)
	var b *locking.Blocked
	if _, _, err := h.m.Open(key, "", h.request(bob)); !errors.As(err, &b) {
		t.Fatal(err)
	}
	h.m.Flush()
	h.kill(1)
	alice.take()
	h.open(alice, leased(locking.LeaseRWH))
	if got := alice.take(); len(got) != 1 || got[0].To != locking.LeaseRH || !got[0].AckRequired {
		t.Errorf("breaks %+v", got)
	}
	h.reclaim(alice, o, true, true)
	if got := alice.take(); len(got) != 0 {
		t.Errorf("breaks %+v", got)
	}
	if _, err := h.m.Ack(alice.id, lkey, locking.LeaseRH); err != nil {
		t.Fatal(err)
	}
	h.open(bob, func(r *locking.OpenRequest) { r.Access = 1 })
}

// A rename of a persistent open is stored when it is done.
func TestRestartAfterRename(t *testing.T) {
	h := newHost(t)
	o := h.open(alice, leased(locking.LeaseRWH))
	h.durable(o, true, 0)
	o.Renamed("d/g")
	h.kill(1)
	if !h.m.HasOpensUnder(3, "D") {
		t.Error("the path is lost")
	}
	h.m.RenamedUnder(3, "d", "e")
	h.kill(1)
	c := claim(alice, o, true, true)
	if _, _, err := h.m.Reclaim(o.ID(), c); !errors.Is(err, locking.ErrClaimMismatch) {
		t.Errorf("claim with the old path: %v", err)
	}
	c.Path = "E/g"
	if _, rec, err := h.m.Reclaim(o.ID(), c); err != nil || rec.Path != "e/g" {
		t.Errorf("Reclaim: %+v, %v", rec, err)
	}
}

// A rename that was under way is found again under either path.
func TestRestartDuringRename(t *testing.T) {
	h := newHost(t)
	o := h.open(alice)
	h.durable(o, true, 0)
	other := h.open(alice, func(r *locking.OpenRequest) { r.Path = "other" })
	h.durable(other, true, 0)
	path := func(path, next string) {
		t.Helper()
		h.kill(2)
		_, opens := records(t, h.s)
		if opens[0].Path != path || opens[0].NextPath != next || opens[1].Path != "other" || opens[1].NextPath != "" {
			t.Errorf("stored as %q, %q and %q, %q; want %q, %q", opens[0].Path, opens[0].NextPath, opens[1].Path, opens[1].NextPath, path, next)
		}
		var rec locking.Record
		var err error
		if o, rec, err = h.m.Reclaim(o.ID(), claim(alice, o, true, false)); err != nil || rec.Path != path || rec.NextPath != next {
			t.Fatalf("Reclaim: %+v, %v", rec, err)
		}
	}
	o.Renaming("d/g")
	path("d/f", "d/g")
	o.Renaming("")
	path("d/f", "")
	o.Renaming("d/g")
	path("d/f", "d/g")
	o.Renamed("d/g")
	path("d/g", "")
}

// Records that nobody can use do not stay for ever.
func TestRestartTidiesUp(t *testing.T) {
	h := newHost(t)
	if err := h.s.Commit([]locking.Change{{PutLock: &locking.PersistedLock{
		Version: locking.PersistedVersion, ID: 5, Owner: locking.Owner{OpenID: 77}, Key: key, Length: 1,
	}}}); err != nil {
		t.Fatal(err)
	}
	h.kill(0)
	h.m.Flush()
	if locks, _ := records(t, h.s); len(locks) != 0 {
		t.Errorf("store has %+v", locks)
	}
}
