package locking

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"
)

// What each lock is worth beside others. All of these run in parallel: "go test -cpu
// 1,2" says how they scale.

// BenchmarkLease grants a lease to the first open of a file and releases it with the
// last, each goroutine on files of its own, or all on one.
func BenchmarkLease(b *testing.B) {
	for _, c := range []struct {
		name string
		own  bool
	}{{"OwnFile", true}, {"OneFile", false}} {
		b.Run(c.name, func(b *testing.B) {
			e := newEnv(b, Options{})
			var ids atomic.Uint64
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				n := ids.Add(1 << 32)
				key, id := Key{9}, OpenID(n)
				client := &testClient{id: ClientID{byte(n >> 32), byte(n >> 40)}}
				if c.own {
					key = Key{9, byte(n >> 32), byte(n >> 40)}
				}
				r := &OpenRequest{
					Client: client, Path: "p", Access: accessRead, Share: shareAll, Oplock: OplockLease,
					Lease: &LeaseRequest{Key: LeaseKey(client.id), State: LeaseRH, Version: 2},
				}
				for pb.Next() {
					id++
					r.Owner = Owner{ClientID: client.id, OpenID: id}
					o, g, err := e.m.Open(key, "", r)
					if err != nil || g.Lease != LeaseRH {
						b.Errorf("%+v, %v", g, err)
						return
					}
					o.Close()
				}
			})
		})
	}
}

// BenchmarkRanges100k works on a file with 100,000 locks: looks whether reads and
// writes are allowed, and locks and unlocks between them.
func BenchmarkRanges100k(b *testing.B) {
	e := newEnv(b, Options{})
	o, _ := e.open(fileA, 0)
	const n = 100_000
	for i := range uint64(n) {
		e.lock(o, i*10, 5, i%2 == 0)
	}
	var ids atomic.Uint64
	parallel := func(b *testing.B, fn func(o *Open, i, slot uint64) error) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			slot := ids.Add(1)
			own, _, err := e.m.Open(fileA, "", &OpenRequest{
				Client: e.c[1], Owner: Owner{ClientID: e.c[1].id, OpenID: OpenID(1000 + slot)}, Access: accessAll, Share: shareAll,
			})
			if err != nil {
				b.Error(err)
				return
			}
			defer own.Close()
			r := rand.New(rand.NewPCG(slot, 1))
			for pb.Next() {
				if err := fn(own, r.Uint64N(n), slot); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	b.Run("CheckIO", func(b *testing.B) {
		parallel(b, func(o *Open, i, _ uint64) error { return o.CheckIO(i*10+5, 5, i%2 == 0) })
	})
	b.Run("Conflict", func(b *testing.B) {
		parallel(b, func(o *Open, i, _ uint64) error {
			if o.CheckIO(i/2*20, 5, true) == nil {
				return ErrInvalidRange // there is a lock
			}
			return nil
		})
	})
	b.Run("LockUnlock", func(b *testing.B) {
		parallel(b, func(o *Open, i, slot uint64) error {
			r := [1]Range{{i*10 + 5 + slot%5, 1, true}}
			if err := o.Lock(r[:], false); err != nil {
				return nil // another one was faster
			}
			return o.Unlock(r[:])
		})
	})
}
