package locking_test

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"lessor/locking"
	"lessor/locking/boltstore"
)

// BenchmarkPersistent is what a persistent open costs with a store on disk: it is
// made, waited for, and closed, by so many clients at once.
func BenchmarkPersistent(b *testing.B) {
	for _, clients := range []int{1, 64} {
		b.Run(fmt.Sprint(clients), func(b *testing.B) {
			s, err := boltstore.Open(filepath.Join(b.TempDir(), "locks.db"), boltstore.Options{})
			if err != nil {
				b.Fatal(err)
			}
			var seen transactions
			m := locking.New(locking.Options{Store: s, Observer: &seen})
			var id atomic.Uint64
			work := func(n int) {
				for range n {
					i := id.Add(1)
					k := locking.Key{byte(i), byte(i >> 8), byte(i >> 16)}
					o, _, err := m.Open(k, "", &locking.OpenRequest{
						Client: alice, Owner: locking.Owner{ClientID: alice.id, OpenID: locking.OpenID(i)},
						Path: "some/directory/file.txt", Access: 0x1f01ff, Share: 7, Oplock: locking.OplockBatch,
					})
					if err != nil {
						b.Error(err)
						return
					}
					if g, err := o.Durable(locking.DurableRequest{V2: true, Persistent: true, CreateGuid: [16]byte{byte(i), byte(i >> 8), byte(i >> 16)}}); err != nil || !g.Persistent {
						b.Errorf("%+v, %v", g, err)
						return
					}
					o.Close()
				}
			}
			b.ResetTimer()
			done := make(chan struct{})
			for range clients {
				go func() {
					work((b.N + clients - 1) / clients)
					done <- struct{}{}
				}()
			}
			for range clients {
				<-done
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N)/float64(max(seen.n.Load(), 1)), "opens/transaction")
			if err := m.Close(); err != nil {
				b.Error(err)
			}
			if err := s.Close(); err != nil {
				b.Error(err)
			}
		})
	}
}

// transactions counts them.
type transactions struct{ n atomic.Int64 }

func (*transactions) Granted(locking.OplockLevel, locking.LeaseState)        {}
func (*transactions) BreakSent(bool, locking.LeaseState, locking.LeaseState) {}
func (*transactions) BreakEnded(bool, locking.BreakEnd, time.Duration)       {}
func (*transactions) DurableEnded(locking.DurableEnd)                        {}
func (t *transactions) Committed(int, time.Duration, error)                  { t.n.Add(1) }
