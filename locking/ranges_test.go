package locking

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

const maxOff = math.MaxUint64

func (e *env) lock(o *Open, off, n uint64, excl bool) {
	e.t.Helper()
	if err := o.Lock([]Range{{off, n, excl}}, false); err != nil {
		e.t.Fatalf("lock %d+%d: %v", off, n, err)
	}
}

func (e *env) unlock(o *Open, off, n uint64) {
	e.t.Helper()
	if err := o.Unlock([]Range{{Offset: off, Length: n}}); err != nil {
		e.t.Fatalf("unlock %d+%d: %v", off, n, err)
	}
}

// MS-FSA 2.1.5.7: where ranges of length zero stand, by the same and by
// another open.
func TestZeroLengthRanges(t *testing.T) {
	for _, tt := range []struct {
		a, b Range
		err  error
	}{
		{Range{10, 0, true}, Range{10, 0, true}, nil},
		{Range{10, 0, true}, Range{9, 1, true}, nil},
		{Range{10, 0, true}, Range{10, 1, true}, nil},
		{Range{10, 0, true}, Range{11, 1, true}, nil},
		{Range{10, 0, true}, Range{9, 2, true}, ErrLockNotGranted},
		{Range{10, 0, true}, Range{10, 2, true}, nil},
		{Range{10, 0, true}, Range{9, 3, true}, ErrLockNotGranted},
		{Range{0, 0, true}, Range{0, 0, true}, nil},
		{Range{maxOff, 0, true}, Range{maxOff, 1, true}, nil},
		{Range{maxOff, 0, true}, Range{maxOff - 1, 2, true}, ErrLockNotGranted},
	} {
		for _, swap := range []bool{false, true} {
			a, b := tt.a, tt.b
			if swap {
				a, b = b, a
			}
			e := newEnv(t, Options{})
			o1, _ := e.open(fileA, 0)
			o2, _ := e.open(fileA, 0)
			for _, o := range []*Open{o1, o2} {
				e.lock(o1, a.Offset, a.Length, true)
				if err := o.Lock([]Range{b}, false); !errors.Is(err, tt.err) {
					t.Errorf("%v then %v: %v, want %v", a, b, err, tt.err)
				} else if err == nil {
					e.unlock(o, b.Offset, b.Length)
				}
				e.unlock(o1, a.Offset, a.Length)
			}
		}
	}
}

// MS-FSA 2.1.5.7: ranges end at the last possible byte.
func TestRangeLimits(t *testing.T) {
	e := newEnv(t, Options{MaxLocksPerOpen: 3})
	o1, _ := e.open(fileA, 0)
	o2, _ := e.open(fileA, 0)
	wantErr(t, o1.Lock([]Range{{maxOff, 2, true}}, false), ErrInvalidRange)
	wantErr(t, o1.Lock([]Range{{maxOff, maxOff, true}}, true), ErrInvalidRange)
	e.lock(o1, maxOff, 1, true)
	wantErr(t, o2.Lock([]Range{{maxOff, 1, true}}, false), ErrLockNotGranted)
	e.lock(o2, 0, maxOff, true)
	wantErr(t, o1.Lock([]Range{{5, 1, true}}, false), ErrLockNotGranted)
	e.unlock(o2, 0, maxOff)
	wantErr(t, o1.Lock([]Range{{1, 1, true}, {2, 1, true}, {3, 1, true}}, false), ErrTooManyLocks)
	e.close(o1, o2)
	e.idle()
}

// All opens of a client together have a bound, which who has waited counts against as well.
func TestRangeLimitOfAll(t *testing.T) {
	e := newEnv(t, Options{MaxLocks: 12})
	o1, _ := e.open(fileA, 0)
	o2, _ := e.open(fileB, 0)
	o3, _ := e.open(fileA, 0)
	e.lock(o1, 0, 1, true)
	e.lock(o2, 0, 1, true)
	wantErr(t, o2.Lock([]Range{{1, 1, true}, {2, 1, true}}, false), ErrTooManyLocks)
	e.lock(o2, 1, 1, true)
	wantErr(t, o1.Lock([]Range{{1, 1, true}}, false), ErrTooManyLocks)
	e.unlock(o1, 0, 1)
	e.lock(o1, 0, 1, true)
	e.unlock(o2, 1, 1)
	var b *Blocked
	if err := o3.Lock([]Range{{0, 1, true}}, true); !errors.As(err, &b) {
		t.Fatal(err)
	}
	e.lock(o2, 1, 1, true)
	e.close(o1)
	wantErr(t, b.Result(), nil)
	wantErr(t, o2.Lock([]Range{{2, 1, true}}, false), ErrTooManyLocks)
	e.close(o2, o3)
	e.idle()
}

// MS-FSA 2.1.5.7, 2.1.5.8: what stacks on what, and in which order it goes.
func TestStacking(t *testing.T) {
	e := newEnv(t, Options{})
	o1, _ := e.open(fileA, 0)
	o2, _ := e.open(fileA, 0)
	sh, ex := []Range{{10, 10, false}}, []Range{{10, 10, true}}
	// Shared on shared, shared on exclusive of the same open.
	wantErr(t, o1.Lock(sh, false), nil)
	wantErr(t, o1.Lock(sh, false), nil)
	wantErr(t, o1.Lock(ex, false), ErrLockNotGranted)
	wantErr(t, o2.Lock(sh, false), nil)
	e.unlock(o2, 10, 10)
	e.unlock(o1, 10, 10)
	e.unlock(o1, 10, 10)
	wantErr(t, o1.Unlock(sh), ErrRangeNotLocked)
	wantErr(t, o1.Lock(ex, false), nil)
	wantErr(t, o1.Lock(ex, false), ErrLockNotGranted)
	wantErr(t, o1.Lock(sh, false), nil)
	wantErr(t, o1.Lock(sh, false), nil)
	wantErr(t, o2.Lock(sh, false), ErrLockNotGranted)
	// The exclusive one goes first.
	e.unlock(o1, 10, 10)
	wantErr(t, o2.Lock([]Range{{5, 10, true}}, false), ErrLockNotGranted)
	wantErr(t, o2.Lock([]Range{{5, 10, false}}, false), nil)
	wantErr(t, o1.Unlock([]Range{{Offset: 10, Length: 9}}), ErrRangeNotLocked)
	e.unlock(o1, 10, 10)
	e.unlock(o1, 10, 10)
	e.unlock(o2, 5, 10)
	if s := e.m.Stats(); s.Ranges != 0 {
		t.Errorf("%d ranges left", s.Ranges)
	}
}

// MS-SMB2 3.3.5.14.1, .2: a list of locks is all or nothing, a list of
// unlocks goes as far as it can.
func TestRangeLists(t *testing.T) {
	e := newEnv(t, Options{})
	o, _ := e.open(fileA, 0)
	e.lock(o, 10, 10, true)
	wantErr(t, o.Lock([]Range{{0, 10, true}, {10, 10, true}}, false), ErrLockNotGranted)
	wantErr(t, o.Unlock([]Range{{Offset: 0, Length: 10}, {Offset: 10, Length: 10}}), ErrRangeNotLocked)
	if n := e.m.Stats().Ranges; n != 1 {
		t.Errorf("%d ranges", n)
	}
	wantErr(t, o.Unlock([]Range{{Offset: 10, Length: 10}, {Offset: 0, Length: 10}}), ErrRangeNotLocked)
	if n := e.m.Stats().Ranges; n != 0 {
		t.Errorf("%d ranges", n)
	}
	wantErr(t, o.Lock([]Range{{0, 10, true}, {10, 10, true}}, false), nil)
}

// MS-FSA 2.1.4.10: reads and writes beside locks.
func TestCheckIO(t *testing.T) {
	e := newEnv(t, Options{})
	o1, _ := e.open(fileA, 0)
	o2, _ := e.open(fileA, 0)
	e.lock(o1, 100, 10, true)
	e.lock(o1, 200, 10, false)
	e.lock(o1, 300, 0, true)
	for _, tt := range []struct {
		o      *Open
		off, n uint64
		write  bool
		err    error
	}{
		{o1, 105, 1, false, nil}, {o1, 105, 1, true, nil},
		{o2, 105, 1, false, ErrLocked}, {o2, 105, 1, true, ErrLocked},
		{o2, 0, 100, true, nil}, {o2, 0, 101, true, ErrLocked}, {o2, 109, 1, false, ErrLocked}, {o2, 110, 1, true, nil},
		{o1, 205, 1, false, nil}, {o1, 205, 1, true, ErrLocked},
		{o2, 205, 1, false, nil}, {o2, 205, 1, true, ErrLocked},
		{o2, 105, 0, true, nil}, {o2, 299, 2, false, ErrLocked}, {o2, 300, 5, true, nil},
		{o2, 250, maxOff, true, ErrLocked},
	} {
		if err := tt.o.CheckIO(tt.off, tt.n, tt.write); !errors.Is(err, tt.err) {
			t.Errorf("%+v: %v", tt, err)
		}
	}
	// Another stream is another place.
	s, _ := e.openStream(fileA, "S", 0)
	wantErr(t, s.CheckIO(105, 1, true), nil)
	o1.Close()
	wantErr(t, o2.CheckIO(0, 1000, true), nil)
}

// Waiters are served in order; one that still conflicts holds up nobody.
func TestLockQueue(t *testing.T) {
	e := newEnv(t, Options{})
	o := make([]*Open, 5)
	for i := range o {
		o[i], _ = e.open(fileA, 0)
	}
	e.lock(o[0], 0, 10, true)
	e.lock(o[0], 10, 10, true)
	wait := func(i int, off, n uint64) *Blocked {
		return isBlocked(t, o[i].Lock([]Range{{off, n, true}}, true))
	}
	both, first, second, again := wait(1, 0, 20), wait(2, 0, 10), wait(3, 10, 10), wait(4, 10, 10)
	if n := e.m.Stats().RangeWaiters; n != 4 {
		t.Errorf("%d waiters", n)
	}
	e.unlock(o[0], 10, 10)
	if ready(both) || ready(first) || !ready(second) || ready(again) {
		t.Fatal("wrong waiters served")
	}
	wantErr(t, second.Result(), nil)
	if second.Cancel() {
		t.Error("a granted wait was canceled")
	}
	// Cancel: nothing is held, and it can be called twice.
	if !again.Cancel() || !again.Cancel() {
		t.Error("Cancel of a running wait")
	}
	wantErr(t, again.Result(), ErrCanceled)
	e.unlock(o[0], 0, 10)
	if ready(both) || !ready(first) {
		t.Fatal("wrong waiters served")
	}
	// Closing a holder serves the queue too.
	o[3].Close()
	o[2].Close()
	if !ready(both) {
		t.Fatal("not served")
	}
	// Closing the waiter ends its wait.
	last := wait(0, 5, 1)
	o[0].Close()
	wantErr(t, last.Result(), ErrRangeNotLocked)
	if !ready(last) {
		t.Fatal("not ended")
	}
	e.close(o[1], o[4])
	e.idle()
}

// A client loses a channel on which its LOCK waits, and sends it again over another one
// before the server knows: it is carried out once, and both are answered.
func TestLockIsSentAgainWhileItWaits(t *testing.T) {
	for _, exclusive := range []bool{false, true} {
		e := newEnv(t, Options{})
		holder, _ := e.open(fileA, 0)
		o, _ := e.open(fileA, 0)
		wantErr(t, holder.Lock([]Range{{0, 1, true}}, false), nil)
		q := Sequence{1, 1}
		var waits []*Blocked
		for range 3 {
			replay, err := o.LockSequence(q)
			if replay || err != nil {
				t.Fatalf("replay %v, %v", replay, err)
			}
			var b *Blocked
			if err := o.LockOnce([]Range{{0, 1, exclusive}}, true, q); !errors.As(err, &b) {
				t.Fatal(err)
			}
			waits = append(waits, b)
		}
		if !waits[0].Cancel() {
			t.Fatal("not cancelled")
		}
		wantErr(t, holder.Unlock([]Range{{0, 1, true}}), nil)
		for _, b := range waits[1:] {
			if !ready(b) {
				t.Fatal("not served")
			}
			wantErr(t, b.Result(), nil)
		}
		wantErr(t, o.LockOnce([]Range{{0, 1, exclusive}}, true, q), nil)
		q.Number++
		for range 2 {
			wantErr(t, o.UnlockOnce([]Range{{0, 1, exclusive}}, q), nil)
		}
		wantErr(t, o.Unlock([]Range{{0, 1, exclusive}}), ErrRangeNotLocked)
		e.close(holder, o)
		e.idle()
	}
}

// MS-SMB2 3.3.5.14: lock sequences.
func TestLockSequence(t *testing.T) {
	e := newEnv(t, Options{})
	o, _ := e.open(fileA, 0)
	replay := func(index uint32, number uint8) bool {
		t.Helper()
		r, err := o.LockSequence(Sequence{index, number})
		wantErr(t, err, nil)
		return r
	}
	done := func(index uint32, number uint8, ok bool) {
		t.Helper()
		wantErr(t, o.LockSequenceDone(Sequence{index, number}, ok), nil)
	}
	if replay(1, 1) {
		t.Error("replay of nothing")
	}
	done(1, 1, true)
	done(64, 0, true)
	done(3, 0, false)
	if !replay(1, 1) || !replay(64, 0) || replay(2, 1) || replay(3, 0) {
		t.Error("replay not recognised")
	}
	if replay(1, 2) || replay(1, 1) {
		t.Error("another number must invalidate the bucket")
	}
	for _, i := range []uint32{0, 65, math.MaxUint32} {
		done(i, 1, true)
		if replay(i, 1) {
			t.Errorf("bucket %d is valid", i)
		}
	}
}

// naive is the model of the byte-range locks of a stream: a list.
type naive []naiveLock

type naiveLock struct {
	open int
	Range
}

func (n naive) conflict(open int, r Range, want rangeAccess) bool {
	for _, l := range n {
		over := l.Length > 0 && r.Length > 0 && l.Offset <= r.Offset+(r.Length-1) && r.Offset <= l.Offset+(l.Length-1) ||
			l.Length == 0 && r.Length > 0 && r.Offset < l.Offset && l.Offset <= r.Offset+(r.Length-1) ||
			r.Length == 0 && l.Length > 0 && l.Offset < r.Offset && r.Offset <= l.Offset+(l.Length-1)
		if !over {
			continue
		}
		own := l.open == open
		switch want {
		case lockExclusive:
			return true
		case ioWrite:
			if !own || !l.Exclusive {
				return true
			}
		default:
			if l.Exclusive && !own {
				return true
			}
		}
	}
	return false
}

func (n *naive) lock(open int, rs []Range) bool {
	try := slices.Clone(*n)
	for _, r := range rs {
		want := lockShared
		if r.Exclusive {
			want = lockExclusive
		}
		if try.conflict(open, r, want) {
			return false
		}
		try = append(try, naiveLock{open, r})
	}
	*n = try
	return true
}

func (n *naive) unlock(open int, r Range) bool {
	best := -1
	for i, l := range *n {
		if l.open == open && l.Offset == r.Offset && l.Length == r.Length && (best < 0 || l.Exclusive && !(*n)[best].Exclusive) {
			best = i
		}
	}
	if best < 0 {
		return false
	}
	*n = slices.Delete(slices.Clone(*n), best, best+1)
	return true
}

// TestRangesModel compares random histories with the list.
func TestRangesModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := New(Options{})
		defer func() {
			if err := m.Close(); err != nil {
				rt.Fatal(err)
			}
		}()
		e := &env{t: t, m: m}
		for i := range e.c {
			e.c[i] = &testClient{id: ClientID{byte(i + 1)}}
		}
		var opens [3]*Open
		for i := range opens {
			opens[i], _ = e.open(fileA, i)
		}
		var model naive
		base := rapid.SampledFrom([]uint64{0, 1 << 40, maxOff - 40}).Draw(rt, "base")
		rng := func(t *rapid.T) Range {
			return Range{base + rapid.Uint64Range(0, 20).Draw(t, "off"), rapid.Uint64Range(0, 12).Draw(t, "len"), rapid.Bool().Draw(t, "excl")}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"lock": func(t *rapid.T) {
				i := rapid.IntRange(0, 2).Draw(t, "open")
				rs := rapid.SliceOfN(rapid.Custom(rng), 1, 3).Draw(t, "ranges")
				want := model.lock(i, rs)
				if err := opens[i].Lock(rs, false); (err == nil) != want {
					t.Fatalf("lock: %v, want %v", err, want)
				}
			},
			"unlock": func(t *rapid.T) {
				i, r := rapid.IntRange(0, 2).Draw(t, "open"), rng(t)
				if len(model) > 0 && rapid.Bool().Draw(t, "held") {
					l := rapid.SampledFrom(model).Draw(t, "lock")
					i, r = l.open, l.Range
				}
				want := model.unlock(i, r)
				if err := opens[i].Unlock([]Range{r}); (err == nil) != want {
					t.Fatalf("unlock: %v, want %v", err, want)
				}
			},
			"close": func(t *rapid.T) {
				i := rapid.IntRange(0, 2).Draw(t, "open")
				opens[i].Close()
				model = slices.DeleteFunc(slices.Clone(model), func(l naiveLock) bool { return l.open == i })
				opens[i], _ = e.open(fileA, i)
			},
			"io": func(t *rapid.T) {
				i, r := rapid.IntRange(0, 2).Draw(t, "open"), rng(t)
				want := ioRead
				if r.Exclusive {
					want = ioWrite
				}
				bad := r.Length > 0 && model.conflict(i, r, want)
				if err := opens[i].CheckIO(r.Offset, r.Length, r.Exclusive); (err != nil) != bad {
					t.Fatalf("io: %v, want conflict %v", err, bad)
				}
			},
			"": func(t *rapid.T) {
				if n := m.Stats().Ranges; n != int64(len(model)) {
					t.Fatalf("%d ranges, want %d", n, len(model))
				}
				checkTree(t, opens[0].stream.ranges.root)
			},
		})
	})
}

// checkTree verifies order, heap and augmentation.
func checkTree(t *rapid.T, n *rangeNode) {
	if n == nil {
		return
	}
	was := [3]any{n.maxEnd, n.maxExclEnd, n.hasExcl}
	if n.update(); was != [3]any{n.maxEnd, n.maxExclEnd, n.hasExcl} {
		t.Fatalf("augmentation of %d+%d was %v", n.off, n.length, was)
	}
	if n.left != nil && (n.left.order(n) >= 0 || n.left.prio > n.prio) ||
		n.right != nil && (n.right.order(n) <= 0 || n.right.prio > n.prio) {
		t.Fatal("order of the tree is broken")
	}
	checkTree(t, n.left)
	checkTree(t, n.right)
}

// The pure predicate and the tree say the same about pairs of ranges.
func TestConflictPredicateAgreesWithTree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gen := func(name string) *EnhancedLock {
			return &EnhancedLock{
				Owner:  Owner{OpenID: OpenID(rapid.Uint64Range(1, 2).Draw(t, name+" open"))},
				Type:   LockType(rapid.IntRange(0, 1).Draw(t, name+" type")),
				Offset: rapid.Uint64Range(0, 6).Draw(t, name+" off"),
				Length: rapid.Uint64Range(0, 4).Draw(t, name+" len"),
			}
		}
		a, b := gen("a"), gen("b")
		opens := map[OpenID]*Open{1: {id: 1}, 2: {id: 2}}
		conflicts := func(a, b *EnhancedLock) bool {
			var tree rangeTree
			tree.insert(&rangeNode{off: a.Offset, length: a.Length, exclusive: a.Type == LockExclusive, owner: opens[a.Owner.OpenID]})
			want := lockShared
			if b.Type == LockExclusive {
				want = lockExclusive
			}
			return tree.conflict(opens[b.Owner.OpenID], b.Offset, b.Length, want) != nil
		}
		// In the order that can stack, if there is one.
		tree := conflicts(a, b) && conflicts(b, a)
		if IsEnhancedLockConflicting(a, b) != tree || IsEnhancedLockConflicting(b, a) != tree {
			t.Fatalf("%+v and %+v: predicate %v, tree %v", a, b, IsEnhancedLockConflicting(a, b), tree)
		}
	})
}

func TestConflictPredicateForLeases(t *testing.T) {
	mk := func(s LeaseState, version uint8, client byte, open OpenID) *EnhancedLock {
		return &EnhancedLock{
			Owner: Owner{ClientID: ClientID{client}, OpenID: open},
			Lease: &LeaseInfo{LeaseState: s, Version: version, LeaseKey: LeaseKey{7}},
		}
	}
	rng := &EnhancedLock{Owner: Owner{ClientID: ClientID{1}, OpenID: 1}, Length: 1}
	for i, tt := range []struct {
		a, b *EnhancedLock
		want bool
	}{
		{mk(LeaseRWH, 2, 1, 1), mk(LeaseRWH, 2, 1, 2), false}, // one lease
		{mk(LeaseRWH, 2, 1, 1), mk(LeaseRead, 2, 2, 2), true},
		{mk(LeaseRWH, 2, 1, 1), mk(LeaseNone, 2, 2, 2), false},
		{mk(LeaseRH, 2, 1, 1), mk(LeaseRH, 2, 2, 2), false},
		{mk(LeaseRW, 0, 1, 1), mk(LeaseRead, 0, 1, 2), true}, // two oplocks
		{mk(LeaseRW, 0, 1, 1), mk(LeaseRW, 0, 1, 1), false},
		{mk(LeaseRead, 0, 1, 1), mk(LeaseRead, 2, 1, 1), false},
		{mk(LeaseRead, 2, 1, 9), rng, false},
		{mk(LeaseRead, 2, 2, 9), rng, true},
		{mk(LeaseNone, 2, 2, 9), rng, false},
		{mk(LeaseRead, 0, 1, 1), rng, false},
		{mk(LeaseRead, 0, 1, 2), rng, true},
		{nil, rng, false},
	} {
		if IsEnhancedLockConflicting(tt.a, tt.b) != tt.want || IsEnhancedLockConflicting(tt.b, tt.a) != tt.want {
			t.Errorf("case %d: want %v", i, tt.want)
		}
	}
	other := mk(LeaseRWH, 2, 2, 2)
	other.Stream = "S"
	if IsEnhancedLockConflicting(mk(LeaseRWH, 2, 1, 1), other) {
		t.Error("streams conflict")
	}
	if !IsEnhancedLockConflicting(&EnhancedLock{Owner: Owner{OpenID: 1}, Offset: 5, Length: maxOff, Type: LockExclusive},
		&EnhancedLock{Owner: Owner{OpenID: 2}, Offset: maxOff, Length: 1}) {
		t.Error("a range that would wrap must end at the last byte")
	}
}

func BenchmarkCheckIO(b *testing.B) {
	for _, locks := range []int{0, 1} {
		b.Run(fmt.Sprintf("%dlocks", locks), func(b *testing.B) {
			e := newEnv(b, Options{})
			o, _ := e.open(fileA, 0)
			for i := range locks {
				e.lock(o, uint64(i)<<40, 1, true)
			}
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := o.CheckIO(4096, 4096, true); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

func TestCheckIODoesNotAllocate(t *testing.T) {
	e := newEnv(t, Options{})
	o, _ := e.open(fileA, 0, oplock(OplockBatch))
	if n := testing.AllocsPerRun(100, func() {
		if o.CheckIO(0, 4096, true) != nil || o.Break(CauseWrite) != nil {
			t.Error("refused")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	e.lock(o, 0, 10, true)
	if n := testing.AllocsPerRun(100, func() {
		if o.CheckIO(0, 4096, true) != nil {
			t.Error("refused")
		}
	}); n != 0 {
		t.Errorf("%v allocations beside a lock", n)
	}
}
