// Package storetest is the conformance suite of locking.LockStore: every
// store calls Run from a test of its own.
//
// It knows only the interface. A store is opened, closed and opened again
// through the function that the caller gives, over the same content.
package storetest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"lessor/locking"
)

// Reopen opens a store over the content that the previous one has left. It is
// called only when no store is open.
type Reopen func() (locking.LockStore, error)

// Run runs the suite. fresh is called once per test and returns a function
// that opens stores over one content, which is empty at first.
func Run(t *testing.T, fresh func(testing.TB) Reopen) {
	t.Helper()
	tests := []struct {
		name string
		run  func(*testing.T, Reopen)
	}{
		{"Empty", testEmpty},
		{"RoundTrip", testRoundTrip},
		{"Replace", testReplace},
		{"DeleteOpenTakesItsLocks", testDeleteOpen},
		{"QueryIsMatchesLock", testQuery},
		{"ErrorEndsTheWalk", testWalkError},
		{"Reopen", testReopen},
		{"Epoch", testEpoch},
		{"GUID", testGUID},
		{"Closed", testClosed},
		{"Concurrent", testConcurrent},
		{"Model", testModel},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, fresh(t)) })
	}
}

// open opens a store that is closed at the end of the test, unless the test
// has closed it.
func open(t testing.TB, r Reopen) locking.LockStore {
	t.Helper()
	s, err := r()
	if err != nil {
		t.Fatalf("open store: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, locking.ErrStoreClosed) {
			t.Errorf("close store: %v", err)
		}
	})
	return s
}

// content is everything in a store.
type content struct {
	Locks []*locking.PersistedLock
	Opens []*locking.PersistedOpen
}

func load(t testing.TB, s locking.LockStore, q locking.LockQuery) content {
	t.Helper()
	var c content
	if err := s.Load(q, func(p *locking.PersistedLock) error {
		c.Locks = append(c.Locks, p)
		return nil
	}); err != nil {
		t.Fatalf("Load: %v", err)
	}
	if err := s.LoadOpens(func(p *locking.PersistedOpen) error {
		c.Opens = append(c.Opens, p)
		return nil
	}); err != nil {
		t.Fatalf("LoadOpens: %v", err)
	}
	return c
}

func commit(t testing.TB, s locking.LockStore, changes ...locking.Change) {
	t.Helper()
	if err := s.Commit(changes); err != nil {
		t.Fatalf("Commit: %v", err)
	}
}

func diff(t testing.TB, want, got content) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("content differs (-want +got):\n%s", d)
	}
}

// Lock makes a lock with every field set, different for each id.
func Lock(id uint64, open locking.OpenID, lease bool) *locking.PersistedLock {
	l := &locking.EnhancedLock{
		ID:         id,
		Owner:      locking.Owner{ClientID: locking.ClientID{byte(id), 1}, SessionID: math.MaxUint64 - id, OpenID: open},
		Key:        locking.Key{byte(id % 3), 0xff},
		Stream:     []string{"", "STREAM", "ÄÖ:\x00\ufffd"}[id%3],
		Type:       locking.LockExclusive,
		Offset:     math.MaxUint64 - id,
		Length:     id,
		AcquiredAt: time.Unix(1, 123456789).UTC(),
	}
	if lease {
		l.Lease = &locking.LeaseInfo{
			LeaseKey:       locking.LeaseKey{byte(id), 2},
			LeaseState:     locking.LeaseRWH,
			BreakToState:   locking.LeaseRH,
			Breaking:       true,
			Epoch:          math.MaxUint16,
			ParentLeaseKey: locking.LeaseKey{byte(id), 3},
			Version:        2,
			IsDirectory:    true,
		}
	}
	return locking.ToPersistedLock(l)
}

// OpenRecord makes an open with every field set, different for each id.
func OpenRecord(id locking.OpenID) *locking.PersistedOpen {
	return &locking.PersistedOpen{
		Version:       locking.PersistedVersion,
		Owner:         locking.Owner{ClientID: locking.ClientID{byte(id)}, SessionID: math.MaxUint64, OpenID: id},
		Key:           locking.Key{byte(id), 7},
		Stream:        "S",
		Volume:        math.MaxUint64,
		Path:          "Dir/ü \\ \"x\".txt",
		NextPath:      "Dir/y",
		Share:         "share",
		User:          "S-1-5-21-1",
		Access:        math.MaxUint32,
		ShareAccess:   7,
		DeleteOnClose: true,
		IsDirectory:   true,
		V2:            true,
		Persistent:    true,
		CreateGuid:    [16]byte{byte(id), 9},
		Timeout:       time.Duration(math.MaxInt64),
		Oplock:        locking.OplockBatch,
		Sequences:     []byte{0, 16, 1},
		DeletePending: true,
		StreamDeleted: true,
		Extra:         []byte{0, 1, 255},
	}
}

func testEmpty(t *testing.T, r Reopen) {
	s := open(t, r)
	diff(t, content{}, load(t, s, locking.LockQuery{}))
	commit(t, s)
	commit(t, s, locking.Change{DeleteOpen: 1}, locking.Change{DeleteLock: 1})
	diff(t, content{}, load(t, s, locking.LockQuery{}))
}

func testRoundTrip(t *testing.T, r Reopen) {
	s := open(t, r)
	// Ids are chosen so that an order by text or by little-endian bytes would
	// show.
	commit(t, s,
		locking.Change{PutLock: Lock(256, 10, true)},
		locking.Change{PutLock: Lock(2, 9, false)},
		locking.Change{PutLock: Lock(10, 9, true)},
		locking.Change{PutOpen: OpenRecord(300)},
		locking.Change{PutOpen: OpenRecord(9)},
		locking.Change{PutOpen: OpenRecord(10)},
	)
	diff(t, content{
		Locks: []*locking.PersistedLock{Lock(2, 9, false), Lock(10, 9, true), Lock(256, 10, true)},
		Opens: []*locking.PersistedOpen{OpenRecord(9), OpenRecord(10), OpenRecord(300)},
	}, load(t, s, locking.LockQuery{}))
}

func testReplace(t *testing.T, r Reopen) {
	s := open(t, r)
	a, b := Lock(1, 1, false), Lock(1, 2, true)
	o := OpenRecord(1)
	o.Path = "other"
	// The later change of one commit wins, and a lock may change its owner.
	commit(t, s, locking.Change{PutLock: a}, locking.Change{PutLock: b},
		locking.Change{PutOpen: OpenRecord(1)}, locking.Change{PutOpen: o})
	commit(t, s, locking.Change{DeleteOpen: 7}, locking.Change{DeleteLock: 7})
	want := content{Locks: []*locking.PersistedLock{Lock(1, 2, true)}, Opens: []*locking.PersistedOpen{OpenRecord(1)}}
	want.Opens[0].Path = "other"
	diff(t, want, load(t, s, locking.LockQuery{}))
	// The old owner has nothing any more.
	commit(t, s, locking.Change{DeleteOpen: 1})
	want.Opens = nil
	diff(t, want, load(t, s, locking.LockQuery{}))
}

func testDeleteOpen(t *testing.T, r Reopen) {
	s := open(t, r)
	commit(t, s,
		locking.Change{PutOpen: OpenRecord(1)}, locking.Change{PutOpen: OpenRecord(2)},
		locking.Change{PutLock: Lock(1, 1, true)}, locking.Change{PutLock: Lock(2, 1, false)},
		locking.Change{PutLock: Lock(3, 2, true)}, locking.Change{PutLock: Lock(4, 2, false)},
	)
	commit(t, s, locking.Change{DeleteOpen: 1}, locking.Change{DeleteLock: 4})
	diff(t, content{
		Locks: []*locking.PersistedLock{Lock(3, 2, true)},
		Opens: []*locking.PersistedOpen{OpenRecord(2)},
	}, load(t, s, locking.LockQuery{}))
}

func testQuery(t *testing.T, r Reopen) {
	s := open(t, r)
	all := make([]*locking.PersistedLock, 0, 12)
	for id := uint64(1); id <= 12; id++ {
		l := Lock(id, locking.OpenID(id%4), id%2 == 0)
		all = append(all, l)
		commit(t, s, locking.Change{PutLock: Lock(id, locking.OpenID(id%4), id%2 == 0)})
	}
	yes, no, empty, openID := true, false, "", locking.OpenID(3)
	for i, q := range []locking.LockQuery{
		{}, {IsLease: &yes}, {IsLease: &no}, {Stream: &empty}, {OpenID: &openID},
		{Key: &all[1].Key}, {ClientID: &all[2].Owner.ClientID}, {SessionID: &all[3].Owner.SessionID},
		{LeaseKey: &all[3].Lease.LeaseKey}, {Key: &all[1].Key, IsLease: &no}, {LeaseKey: &locking.LeaseKey{9, 9}},
	} {
		var want content
		for _, l := range all {
			if q.MatchesLock(l) {
				want.Locks = append(want.Locks, l)
			}
		}
		t.Run(fmt.Sprint(i), func(t *testing.T) { diff(t, want, load(t, s, q)) })
	}
}

func testWalkError(t *testing.T, r Reopen) {
	s := open(t, r)
	commit(t, s, locking.Change{PutLock: Lock(1, 1, true)}, locking.Change{PutLock: Lock(2, 1, true)},
		locking.Change{PutOpen: OpenRecord(1)}, locking.Change{PutOpen: OpenRecord(2)})
	stop := errors.New("stop")
	calls := 0
	if err := s.Load(locking.LockQuery{}, func(*locking.PersistedLock) error { calls++; return stop }); !errors.Is(err, stop) {
		t.Errorf("Load: %v, want %v", err, stop)
	}
	if err := s.LoadOpens(func(*locking.PersistedOpen) error { calls++; return stop }); !errors.Is(err, stop) {
		t.Errorf("LoadOpens: %v, want %v", err, stop)
	}
	if calls != 2 {
		t.Errorf("%d calls, want 2", calls)
	}
}

func testReopen(t *testing.T, r Reopen) {
	s := open(t, r)
	commit(t, s, locking.Change{PutLock: Lock(1, 1, true)}, locking.Change{PutOpen: OpenRecord(1)})
	want := load(t, s, locking.LockQuery{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	diff(t, want, load(t, open(t, r), locking.LockQuery{}))
}

func testEpoch(t *testing.T, r Reopen) {
	s := open(t, r)
	for i := uint64(0); i < 3; i++ {
		if e, err := s.ServerEpoch(); err != nil || e != i {
			t.Fatalf("ServerEpoch: %d, %v; want %d", e, err, i)
		}
		if e, err := s.NextServerEpoch(); err != nil || e != i+1 {
			t.Fatalf("NextServerEpoch: %d, %v; want %d", e, err, i+1)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, r)
	}
}

func testGUID(t *testing.T, r Reopen) {
	s := open(t, r)
	a, err := s.ServerGUID()
	if err != nil || a == ([16]byte{}) {
		t.Fatalf("ServerGUID: %x, %v", a, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if b, err := open(t, r).ServerGUID(); err != nil || a != b {
		t.Fatalf("ServerGUID after reopening: %x, %v; want %x", b, err, a)
	}
}

func testClosed(t *testing.T, r Reopen) {
	s := open(t, r)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, epochErr := s.ServerEpoch()
	_, nextErr := s.NextServerEpoch()
	_, guidErr := s.ServerGUID()
	for name, err := range map[string]error{
		"Load":            s.Load(locking.LockQuery{}, func(*locking.PersistedLock) error { return nil }),
		"LoadOpens":       s.LoadOpens(func(*locking.PersistedOpen) error { return nil }),
		"Commit":          s.Commit([]locking.Change{{DeleteLock: 1}}),
		"ServerEpoch":     epochErr,
		"NextServerEpoch": nextErr,
		"ServerGUID":      guidErr,
		"Close":           s.Close(),
	} {
		if !errors.Is(err, locking.ErrStoreClosed) {
			t.Errorf("%s after Close: %v, want ErrStoreClosed", name, err)
		}
	}
}

func testConcurrent(t *testing.T, r Reopen) {
	s := open(t, r)
	const writers, each = 8, 20
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				id := uint64(w*each + i + 1)
				if err := s.Commit([]locking.Change{
					{PutOpen: OpenRecord(locking.OpenID(id))},
					{PutLock: Lock(id, locking.OpenID(id), false)},
				}); err != nil {
					t.Errorf("Commit: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	if c := load(t, s, locking.LockQuery{}); len(c.Locks) != writers*each || len(c.Opens) != writers*each {
		t.Errorf("%d locks and %d opens, want %d of each", len(c.Locks), len(c.Opens), writers*each)
	}
}

// testModel compares random histories, with reopenings, with two maps.
func testModel(t *testing.T, r Reopen) {
	var s locking.LockStore
	defer func() {
		if s != nil && s.Close() != nil {
			t.Error("close failed")
		}
	}()
	rapid.Check(t, func(t *rapid.T) {
		if s != nil {
			// The content of the previous history goes.
			for _, l := range loadRapid(t, s).Locks {
				mustCommit(t, s, locking.Change{DeleteLock: l.ID})
			}
			for _, o := range loadRapid(t, s).Opens {
				mustCommit(t, s, locking.Change{DeleteOpen: o.Owner.OpenID})
			}
		} else {
			s = mustOpen(t, r)
		}
		locks := map[uint64]*locking.PersistedLock{}
		opens := map[locking.OpenID]*locking.PersistedOpen{}
		t.Repeat(map[string]func(*rapid.T){
			"commit": func(t *rapid.T) {
				changes := rapid.SliceOfN(rapid.Custom(genChange), 1, 5).Draw(t, "changes")
				for _, c := range changes {
					apply(locks, opens, c)
				}
				mustCommit(t, s, changes...)
			},
			"reopen": func(t *rapid.T) {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = mustOpen(t, r)
			},
			"": func(t *rapid.T) {
				want := content{Locks: sorted(locks), Opens: sorted(opens)}
				if d := cmp.Diff(want, loadRapid(t, s)); d != "" {
					t.Fatalf("content differs (-want +got):\n%s", d)
				}
			},
		})
	})
}

func genChange(t *rapid.T) locking.Change {
	open := locking.OpenID(rapid.Uint64Range(1, 4).Draw(t, "open"))
	lock := rapid.Uint64Range(1, 8).Draw(t, "lock")
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		return locking.Change{PutOpen: OpenRecord(open)}
	case 1:
		return locking.Change{DeleteOpen: open}
	case 2:
		return locking.Change{PutLock: Lock(lock, open, rapid.Bool().Draw(t, "lease"))}
	default:
		return locking.Change{DeleteLock: lock}
	}
}

// apply is the model of one change.
func apply(locks map[uint64]*locking.PersistedLock, opens map[locking.OpenID]*locking.PersistedOpen, c locking.Change) {
	switch {
	case c.PutOpen != nil:
		o := *c.PutOpen
		opens[o.Owner.OpenID] = &o
	case c.PutLock != nil:
		l := *c.PutLock
		locks[l.ID] = &l
	case c.DeleteOpen != 0:
		delete(opens, c.DeleteOpen)
		for id, l := range locks {
			if l.Owner.OpenID == c.DeleteOpen {
				delete(locks, id)
			}
		}
	default:
		delete(locks, c.DeleteLock)
	}
}

func sorted[K uint64 | locking.OpenID, V any](m map[K]V) []V {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var vs []V
	for _, k := range keys {
		vs = append(vs, m[k])
	}
	return vs
}

func mustOpen(t *rapid.T, r Reopen) locking.LockStore {
	s, err := r()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustCommit(t *rapid.T, s locking.LockStore, changes ...locking.Change) {
	if err := s.Commit(changes); err != nil {
		t.Fatalf("Commit: %v", err)
	}
}

func loadRapid(t *rapid.T, s locking.LockStore) (c content) {
	if err := s.Load(locking.LockQuery{}, func(p *locking.PersistedLock) error {
		c.Locks = append(c.Locks, p)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.LoadOpens(func(p *locking.PersistedOpen) error {
		c.Opens = append(c.Opens, p)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return c
}
