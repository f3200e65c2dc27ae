package smb

import (
	"testing"

	"pgregory.net/rapid"
)

// TestWindowAgainstModel compares the window with a set of ids.
func TestWindowAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 100).Draw(t, "limit")
		w := newWindow(limit)
		granted := map[uint64]bool{0: true} // id -> not used yet
		next := uint64(1)
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "grant") {
				ask := rapid.IntRange(0, 2*limit).Draw(t, "ask")
				unused := 0
				for _, free := range granted {
					if free {
						unused++
					}
				}
				n := w.grant(ask)
				if n > max(1, ask) || unused+n > limit {
					t.Fatalf("grant(%d) with %d unused of %d gave %d", ask, unused, limit, n)
				}
				if unused == 0 && w.high-w.low < w.size() && n == 0 {
					t.Fatalf("grant(%d) leaves the client without a credit", ask)
				}
				for range n {
					granted[next] = true
					next++
				}
				continue
			}
			id := rapid.Uint64Range(0, next+2).Draw(t, "id")
			if got := w.offers(id); got != granted[id] {
				t.Fatalf("offers(%d) = %v, want %v", id, got, granted[id])
			}
			n := rapid.IntRange(1, 4).Draw(t, "charge")
			want := true
			for i := range uint64(n) {
				want = want && granted[id+i]
			}
			if got := w.use(id, n); got != want {
				t.Fatalf("use(%d, %d) = %v, want %v", id, n, got, want)
			}
			if want {
				for i := range uint64(n) {
					granted[id+i] = false
				}
			}
		}
	})
}

func TestWindowRefusesWrapAround(t *testing.T) {
	w := newWindow(8)
	if w.use(^uint64(0), 2) {
		t.Error("took ids beyond 2^64")
	}
}

// TestSkippedID is a client that never uses one of its ids: it may go on until
// the ring is full, and costs nothing more than its connection.
func TestSkippedID(t *testing.T) {
	w := newWindow(4)
	w.grant(3) // 1, 2, 3
	id := uint64(1)
	for w.use(id, 1) {
		id++
		w.grant(1)
		if id > 10*w.size() {
			t.Fatal("the window grows without bound")
		}
	}
	if w.high-w.low > w.size() {
		t.Errorf("window of %d ids in a ring of %d", w.high-w.low, w.size())
	}
}
