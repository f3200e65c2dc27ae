package boltstore

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"lessor/locking"
	"lessor/locking/storetest"
)

// BenchmarkCommit is one transaction with one or many opens with their leases,
// beside a thousand others.
func BenchmarkCommit(b *testing.B) {
	for _, n := range []int{1, 64} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s, err := Open(filepath.Join(b.TempDir(), "locks.db"), Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			var id atomic.Uint64
			batch := func(n int) []locking.Change {
				var c []locking.Change
				for range n {
					i := id.Add(1)
					o := locking.OpenID(i)
					c = append(c, locking.Change{PutOpen: storetest.OpenRecord(o)}, locking.Change{PutLock: storetest.Lock(i, o, true)})
					if i > 1000 {
						c = append(c, locking.Change{DeleteOpen: o - 1000})
					}
				}
				return c
			}
			if err := s.Commit(batch(1000)); err != nil {
				b.Fatal(err)
			}
			b.ResetTimer()
			for b.Loop() {
				if err := s.Commit(batch(n)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "us/open")
		})
	}
}
