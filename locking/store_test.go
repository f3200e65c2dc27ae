package locking_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"lessor/locking"
	"lessor/locking/memstore"
)

// client takes every break.
type client struct {
	id     locking.ClientID
	mu     sync.Mutex
	breaks []locking.Break
}

func (c *client) ID() locking.ClientID { return c.id }

func (c *client) Break(b locking.Break) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.breaks = append(c.breaks, b)
	return true
}

// take returns the breaks since the last call.
func (c *client) take() []locking.Break {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.breaks
	c.breaks = nil
	return b
}

var (
	alice = &client{id: locking.ClientID{1}}
	key   = locking.Key{7}
	lkey  = locking.LeaseKey{8}
	cguid = [16]byte{9}
)

func newManager(t *testing.T, s locking.LockStore, keep bool) *locking.OplockManager {
	t.Helper()
	m := locking.New(locking.Options{Store: s, KeepDurable: keep})
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return m
}

func openLeased(t *testing.T, m *locking.OplockManager, id locking.OpenID) *locking.Open {
	t.Helper()
	o, _, err := m.Open(key, "", &locking.OpenRequest{
		Client: alice, Owner: locking.Owner{ClientID: alice.id, SessionID: 1, OpenID: id},
		Path: "d/f", Volume: 3, Access: 0x1f01ff, Share: 7,
		Oplock: locking.OplockLease,
		Lease:  &locking.LeaseRequest{Key: lkey, State: locking.LeaseRWH, Version: 2, Epoch: 5},
	})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func records(t *testing.T, s locking.LockStore) (locks []*locking.PersistedLock, opens []*locking.PersistedOpen) {
	t.Helper()
	if err := s.Load(locking.LockQuery{}, func(p *locking.PersistedLock) error {
		locks = append(locks, p)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.LoadOpens(func(p *locking.PersistedOpen) error {
		opens = append(opens, p)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return locks, opens
}

// A persistent open is in the store when it is granted, and follows what
// becomes of it; a restart brings it back.
func TestPersistentOpen(t *testing.T) {
	state := memstore.NewState()
	s := memstore.Open(state)
	m := newManager(t, s, false)
	o := openLeased(t, m, 42)
	g, err := o.Durable(locking.DurableRequest{V2: true, Persistent: true, CreateGuid: cguid, User: "u", Share: "s", Extra: []byte("x")})
	if err != nil || !g.Persistent || !g.Granted {
		t.Fatalf("Durable: %+v, %v", g, err)
	}
	if locks, opens := records(t, s); len(locks) != 1 || len(opens) != 1 || locks[0].Lease.LeaseState != locking.LeaseRWH {
		t.Fatalf("store has %+v %+v", locks, opens)
	}
	if err := o.Lock([]locking.Range{{Offset: 1, Length: 2, Exclusive: true}, {Offset: 9, Length: 2}}, false); err != nil {
		t.Fatal(err)
	}
	if err := o.Unlock([]locking.Range{{Offset: 9, Length: 2}}); err != nil {
		t.Fatal(err)
	}
	if locks, _ := records(t, s); len(locks) != 2 {
		t.Fatalf("store has %+v", locks)
	}
	o.Renamed("d/g")
	// A break starts, and the server stops.
	var b *locking.Blocked
	_, _, err = m.Open(key, "", &locking.OpenRequest{Client: alice, Owner: locking.Owner{ClientID: alice.id, OpenID: 43}, Access: 1, Share: 7})
	if !errors.As(err, &b) {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	<-b.Wait
	if _, _, err := m.Open(key, "", &locking.OpenRequest{Client: alice, Owner: locking.Owner{ClientID: alice.id, OpenID: 44}}); !errors.Is(err, locking.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	wantLocks, wantOpens := records(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = memstore.Open(state)
	if _, err := s.NextServerEpoch(); err != nil {
		t.Fatal(err)
	}
	m = newManager(t, s, false)
	if n, err := m.Restore(); n != 1 || err != nil {
		t.Fatalf("Restore: %d, %v", n, err)
	}
	// It is kept for its owner.
	_, _, err = m.Open(key, "", &locking.OpenRequest{Client: alice, Owner: locking.Owner{ClientID: alice.id, OpenID: 45}, Access: 1, Share: 7})
	if !errors.Is(err, locking.ErrNotAvailable) {
		t.Fatalf("open beside a persistent one: %v", err)
	}
	if !m.HasOpensUnder(3, "D") {
		t.Error("path is lost")
	}
	alice.take()
	got, rec, err := m.Reclaim(42, locking.Claim{
		Client: alice, SessionID: 2, User: "u", Share: "s", V2: true, Persistent: true, CreateGuid: cguid,
		HasLease: true, LeaseKey: lkey, LeaseVersion: 2, Path: "d/g",
	})
	if err != nil {
		t.Fatalf("Reclaim: %v", err)
	}
	if rec.Grant.Lease != locking.LeaseRWH || !rec.Grant.Breaking || string(rec.Extra) != "x" || rec.Path != "d/g" || rec.Grant.Epoch != 7 {
		t.Errorf("record %+v", rec)
	}
	if b := alice.take(); len(b) != 1 || b[0].To != locking.LeaseRH || b[0].Epoch != 7 {
		t.Errorf("break is not announced again: %+v", b)
	}
	if l := m.List(locking.LockQuery{}); len(l) != 2 {
		t.Errorf("List: %+v", l)
	} else if i := slices.IndexFunc(l, func(x locking.EnhancedLock) bool { return x.IsLease() }); i < 0 || l[i].Lease.BreakStarted.IsZero() || !l[i].Lease.Breaking {
		t.Errorf("lease record %+v", l)
	}
	if err := got.CheckIO(1, 1, true); err != nil {
		t.Errorf("own lock: %v", err)
	}
	if _, err := m.Ack(alice.id, lkey, locking.LeaseRH); err != nil {
		t.Fatal(err)
	}
	// Only the session, the break and the new lease have changed.
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	locks, opens := records(t, s)
	wantOpens[0].Owner.SessionID = 2
	for _, l := range wantLocks {
		l.Owner.SessionID = 2
		if l.Lease != nil {
			l.Lease.LeaseState, l.Lease.Breaking, l.Lease.BreakToState = locking.LeaseRH, false, 0
			l.Type = locking.LockShared // it caches no writes any more
		}
	}
	if d := cmp.Diff(wantOpens, opens); d != "" {
		t.Errorf("opens (-want +got):\n%s", d)
	}
	if d := cmp.Diff(wantLocks, locks); d != "" {
		t.Errorf("locks (-want +got):\n%s", d)
	}
}

// A durable open is stored when the settings say so, and leaves with its
// close.
func TestKeepDurable(t *testing.T) {
	for _, keep := range []bool{false, true} {
		s := memstore.New()
		m := newManager(t, s, keep)
		o1, o2 := openLeased(t, m, 1), openLeased(t, m, 2)
		for _, o := range []*locking.Open{o1, o2} {
			if g, err := o.Durable(locking.DurableRequest{}); err != nil || !g.Granted || g.Persistent {
				t.Fatalf("Durable: %+v, %v", g, err)
			}
		}
		o2.Close()
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		locks, opens := records(t, s)
		want := 0
		if keep {
			want = 1
		}
		if len(locks) != want || len(opens) != want {
			t.Errorf("keep %v: %d locks, %d opens", keep, len(locks), len(opens))
		}
	}
}

// failing is a store that cannot commit.
type failing struct{ locking.LockStore }

func (failing) Commit([]locking.Change) error { return errors.New("disk full") }

func TestStoreFails(t *testing.T) {
	m := locking.New(locking.Options{Store: failing{memstore.New()}})
	o := openLeased(t, m, 1)
	if g, err := o.Durable(locking.DurableRequest{Persistent: true}); err == nil || g.Granted {
		t.Errorf("Durable: %+v, %v", g, err)
	}
	if err := o.Lock([]locking.Range{{Length: 1}}, false); err != nil {
		t.Errorf("lock of an open that is not persistent: %v", err)
	}
	if err := m.Close(); err == nil {
		t.Error("Close hides the error of the store")
	}
}

// Changes that are queued while a transaction runs share the next one.
func TestGroupCommit(t *testing.T) {
	c := &counting{LockStore: memstore.New(), gate: make(chan struct{})}
	m := newManager(t, c, false)
	var wg sync.WaitGroup
	for id := locking.OpenID(1); id <= 50; id++ {
		o := openLeased(t, m, id)
		wg.Go(func() {
			if _, err := o.Durable(locking.DurableRequest{Persistent: true}); err != nil {
				t.Error(err)
			}
		})
	}
	close(c.gate)
	wg.Wait()
	if _, opens := records(t, c); len(opens) != 50 {
		t.Errorf("%d opens", len(opens))
	}
}

type counting struct {
	locking.LockStore
	gate chan struct{}
}

func (c *counting) Commit(ch []locking.Change) error {
	<-c.gate
	return c.LockStore.Commit(ch)
}

// The stored form loses nothing but BreakStarted.
func TestPersistedLockRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := &locking.EnhancedLock{
			ID:     rapid.Uint64().Draw(t, "id"),
			Owner:  locking.Owner{SessionID: rapid.Uint64().Draw(t, "session"), OpenID: locking.OpenID(rapid.Uint64().Draw(t, "open"))},
			Stream: rapid.String().Draw(t, "stream"),
			Type:   locking.LockType(rapid.IntRange(0, 1).Draw(t, "type")),
			Offset: rapid.Uint64().Draw(t, "off"),
			Length: rapid.Uint64().Draw(t, "len"),
		}
		copy(l.Key[:], rapid.SliceOfN(rapid.Byte(), 24, 24).Draw(t, "key"))
		if rapid.Bool().Draw(t, "time") {
			l.AcquiredAt = time.Unix(0, rapid.Int64Range(math.MinInt64+1, math.MaxInt64).Draw(t, "at")).UTC()
		}
		if rapid.Bool().Draw(t, "lease") {
			l.Lease = &locking.LeaseInfo{
				LeaseState:   locking.LeaseState(rapid.Uint32Range(0, 7).Draw(t, "state")),
				BreakToState: locking.LeaseState(rapid.Uint32Range(0, 7).Draw(t, "to")),
				Breaking:     rapid.Bool().Draw(t, "breaking"),
				BreakStarted: time.Unix(1, 1),
				Epoch:        rapid.Uint16().Draw(t, "epoch"),
				Version:      rapid.Uint8().Draw(t, "version"),
				IsDirectory:  rapid.Bool().Draw(t, "dir"),
			}
			copy(l.Lease.LeaseKey[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "lease key"))
			copy(l.Lease.ParentLeaseKey[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "parent key"))
		}
		b, err := locking.EncodeLock(locking.ToPersistedLock(l))
		if err != nil {
			t.Fatal(err)
		}
		p, err := locking.DecodeLock(b)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(l, locking.FromPersistedLock(p), cmpopts.IgnoreFields(locking.LeaseInfo{}, "BreakStarted")); d != "" {
			t.Fatalf("(-want +got):\n%s", d)
		}
		if p.Lease != nil && !locking.FromPersistedLock(p).Lease.BreakStarted.IsZero() {
			t.Fatal("BreakStarted was stored")
		}
		if d := cmp.Diff(l, l.Clone()); d != "" {
			t.Fatalf("Clone (-want +got):\n%s", d)
		}
	})
}

func TestDecodeRefuses(t *testing.T) {
	for _, s := range []string{"", "null", "{}", `{"version":2}`, `{"version":1,"key":"00"}`, `{"version":1,"key":"zz"}`, "[1]"} {
		if _, err := locking.DecodeLock([]byte(s)); err == nil {
			t.Errorf("lock %q accepted", s)
		}
		if _, err := locking.DecodeOpen([]byte(s)); err == nil {
			t.Errorf("open %q accepted", s)
		}
	}
	b, err := locking.EncodeLock(&locking.PersistedLock{Version: 1})
	if err != nil {
		t.Fatal(err)
	}
	// A reader sees the version first.
	d := json.NewDecoder(bytes.NewReader(b))
	for i, want := range []any{json.Delim('{'), "version", 1.0} {
		if tok, err := d.Token(); err != nil || tok != want {
			t.Errorf("token %d is %v, %v", i, tok, err)
		}
	}
}

func TestLeaseStates(t *testing.T) {
	for s := locking.LeaseState(0); s < 16; s++ {
		file := s == 0 || s == 1 || s == 3 || s == 5 || s == 7
		dir := s == 0 || s == 1 || s == 3
		if locking.IsValidFileLeaseState(s) != file || locking.IsValidDirectoryLeaseState(s) != dir {
			t.Errorf("state %v", s)
		}
	}
	for s, want := range map[locking.LeaseState]string{0: "-", locking.LeaseRWH: "RWH", locking.LeaseRH: "RH", 8: "LeaseState(0x8)"} {
		if s.String() != want {
			t.Errorf("%d is %q", uint32(s), s)
		}
	}
}
