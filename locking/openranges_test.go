package locking

import (
	"cmp"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Overlapping and Withdraw against a plain list, with another open that has locks
// at the same places.
func TestRangesOfAnOpen(t *testing.T) {
	type held struct {
		o *Open
		r Range
	}
	rapid.Check(t, func(rt *rapid.T) {
		e := newEnv(t, Options{})
		one, _ := e.open(fileA, 0)
		two, _ := e.open(fileA, 0)
		opens := []*Open{one, two}
		var model []held
		ends := []uint64{0, 1, 2, 3, 5, 8, 13, maxOff - 2, maxOff - 1, maxOff}
		span := func() (off, n uint64) {
			a, b := rapid.SampledFrom(ends).Draw(rt, "from"), rapid.SampledFrom(ends).Draw(rt, "to")
			return min(a, b), max(a, b) - min(a, b) + rapid.Uint64Range(0, 1).Draw(rt, "last byte")
		}
		order := func(a, b Range) int {
			kind := func(r Range) int {
				if r.Exclusive {
					return 0
				}
				return 1
			}
			return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Length, b.Length), cmp.Compare(kind(a), kind(b)))
		}
		for range 40 {
			o := opens[rapid.IntRange(0, 1).Draw(rt, "open")]
			off, n := span()
			r := Range{off, n, rapid.Bool().Draw(rt, "exclusive")}
			at := func(exact bool) int {
				// An unlock means exclusive ones first.
				i := slices.Index(model, held{o, Range{off, n, r.Exclusive || !exact}})
				if i < 0 && !exact {
					i = slices.Index(model, held{o, Range{off, n, false}})
				}
				return i
			}
			switch rapid.IntRange(0, 3).Draw(rt, "do") {
			case 0, 1:
				if o.Lock([]Range{r}, false) == nil {
					model = append(model, held{o, r})
				}
			case 2:
				i := at(true)
				if err := o.Withdraw([]Range{r}); err != nil {
					rt.Fatal(err)
				}
				if i >= 0 {
					model = slices.Delete(model, i, i+1)
				}
			case 3:
				i := at(false)
				if err := o.Unlock([]Range{r}); (err == nil) != (i >= 0) {
					rt.Fatalf("unlock %v: %v", r, err)
				}
				if i >= 0 {
					model = slices.Delete(model, i, i+1)
				}
			}
			off, n = span()
			var want []Range
			for _, h := range model {
				last := h.r.Offset + h.r.Length - 1
				if h.o == o && n > 0 && h.r.Length > 0 && h.r.Offset <= off+n-1 && last >= off {
					want = append(want, h.r)
				}
			}
			slices.SortFunc(want, order)
			if got := o.Overlapping(nil, off, n); !slices.Equal(got, want) {
				rt.Fatalf("in %d+%d: %v, want %v", off, n, got, want)
			}
		}
		for _, o := range opens {
			o.Close()
			if got := o.Overlapping(nil, 0, maxOff); got != nil {
				rt.Fatalf("closed, with %v", got)
			}
			if err := o.Withdraw([]Range{{0, 1, true}}); err != nil {
				rt.Fatalf("closed: %v", err)
			}
		}
	})
}

// What is withdrawn goes to who waits for it.
func TestWithdrawServesWaiters(t *testing.T) {
	e := newEnv(t, Options{})
	one, _ := e.open(fileA, 0)
	two, _ := e.open(fileA, 0)
	e.lock(one, 0, 10, true)
	e.lock(one, 20, 10, true)
	b := isBlocked(t, two.Lock([]Range{{5, 1, true}}, true))
	if err := one.Withdraw([]Range{{20, 10, true}, {0, 10, false}, {0, 10, true}, {0, 10, true}}); err != nil {
		t.Fatal(err)
	}
	<-b.Wait
	if err := b.Result(); err != nil {
		t.Fatal(err)
	}
	if got, want := e.m.List(LockQuery{IsLease: new(bool)}), 1; len(got) != want {
		t.Errorf("%d locks, want %d", len(got), want)
	}
}
