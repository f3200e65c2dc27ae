package smb

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"lessor/locking"
	"lessor/vfs"
)

// The parts of a range are the whole of it in order, each as strong as the
// strongest lock on every one of its bytes, and no two of a kind meet.
func TestLockRuns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.SampledFrom([]uint64{0, lastOffset - 12, lastOffset - 3, lastOffset + 1, math.MaxUint64 - 20}).Draw(t, "base")
		draw := func(what string) locking.Range {
			return locking.Range{
				Offset:    base + rapid.Uint64Range(0, 10).Draw(t, what+" at"),
				Length:    rapid.Uint64Range(1, 10).Draw(t, what+" length"),
				Exclusive: rapid.Bool().Draw(t, what+" exclusive"),
			}
		}
		w := draw("window")
		var held []locking.Range
		for range rapid.IntRange(0, 6).Draw(t, "locks") {
			held = append(held, draw("lock"))
		}
		at, last := w.Offset, min(w.Offset+w.Length-1, lastOffset)
		before := vfs.LockMode(math.MaxUint8)
		for _, run := range lockRuns(w, held) {
			if uint64(run.off) != at || run.n <= 0 || run.mode == before {
				t.Fatalf("%+v at %d behind mode %d", run, at, before)
			}
			before = run.mode
			for range run.n {
				want := vfs.LockNone
				for _, h := range held {
					switch {
					case h.Offset > at || at-h.Offset >= h.Length:
					case h.Exclusive:
						want = vfs.LockExclusive
					default:
						want = max(want, vfs.LockShared)
					}
				}
				if run.mode != want {
					t.Fatalf("%+v: want mode %d at %d", run, want, at)
				}
				at++
			}
		}
		if w.Offset <= lastOffset && at != last+1 {
			t.Fatalf("up to %d of %d", at, last)
		}
	})
	all := lockRuns(locking.Range{Length: math.MaxUint64}, []locking.Range{{Length: math.MaxUint64}})
	if len(all) != 1 || all[0] != (lockRun{0, math.MaxInt64, vfs.LockShared}) {
		t.Errorf("everything: %+v", all)
	}
	if none := lockRuns(locking.Range{Offset: 5}, nil); none != nil {
		t.Errorf("nothing: %+v", none)
	}
}
