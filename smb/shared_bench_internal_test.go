package smb

import (
	"net/netip"
	"testing"
	"time"

	"lessor/smb/wire"
)

// What requests of several connections share. "go test -cpu 1,2" says how it scales.

// BenchmarkPinOpen finds opens of one session, as requests of its channels do, and
// gives them back.
func BenchmarkPinOpen(b *testing.B) {
	s := &session{opens: make(map[uint64]*open)}
	for id := range uint64(1000) {
		o := &open{}
		o.refs.Store(1)
		s.opens[id] = o
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := uint64(0); pb.Next(); i++ {
			o := s.pinOpen(wire.FileID{Persistent: i % 1000, Volatile: i % 1000})
			if o == nil {
				b.Error("an open is not found")
				return
			}
			o.refs.Add(-1)
		}
	})
}

// BenchmarkThrottle asks whether a logon has to wait, each goroutine for a user of its
// own.
func BenchmarkThrottle(b *testing.B) {
	t := newThrottle()
	at, now := netip.MustParseAddr("192.0.2.1"), time.Unix(1e9, 0)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, _, ok := t.reserve(at, "alice", now); !ok {
				b.Error("refused")
				return
			}
		}
	})
}
