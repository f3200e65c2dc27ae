package smb

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"

	"lessor/vfs"
	"lessor/vfs/errfs"
	"lessor/vfs/memfs"
)

func TestAddBands(t *testing.T) {
	for _, c := range []struct{ total, n, size, want uint64 }{
		{0, 0, 8 << 20, 0},
		{5, 3, 8 << 20, 5 + 24<<20},
		{0, 1 << 20, 999_999_999_999_999, math.MaxUint64},
		{math.MaxUint64 - 10, 1, 10, math.MaxUint64},
		{math.MaxUint64 - 10, 1, 11, math.MaxUint64},
		{math.MaxUint64, 1, 1, math.MaxUint64},
	} {
		if got := addBands(c.total, c.n, c.size); got != c.want {
			t.Errorf("%d and %d times %d: %d, want %d", c.total, c.n, c.size, got, c.want)
		}
	}
}

// Many who ask at once cause one look at the disk, and one who has gone does not wait for it.
func TestBackupsAreCountedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		faulty := errfs.New(memfs.New(memfs.Options{}))
		gate := make(chan struct{})
		faulty.Add(errfs.Rule{Op: errfs.OpReadDir, Nth: 1, Gate: gate})
		b := &backups{}
		ask := func(ctx context.Context) <-chan error {
			done := make(chan error, 1)
			go func() {
				_, err := b.used(ctx, faulty)
				done <- err
			}()
			synctest.Wait()
			return done
		}
		var all []<-chan error
		for range 10 {
			all = append(all, ask(t.Context()))
		}
		ctx, cancel := context.WithCancel(t.Context())
		gone := ask(ctx)
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Error("who has gone:", err)
		}
		close(gate)
		for _, done := range all {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if n := faulty.Calls(errfs.OpOpen); n != 1 {
			t.Errorf("%d looks", n)
		}
		if err := <-ask(t.Context()); err != nil || faulty.Calls(errfs.OpOpen) != 2 {
			t.Errorf("%v, %d looks", err, faulty.Calls(errfs.OpOpen))
		}
	})
}

// When the client of the request that looks goes away, another one looks.
func TestBackupsAreCountedByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		faulty := errfs.New(memfs.New(memfs.Options{}))
		faulty.Add(errfs.Rule{Op: errfs.OpReadDir, Nth: 1, Gate: make(chan struct{})})
		b := &backups{}
		ctx, cancel := context.WithCancel(t.Context())
		first, second := make(chan error, 1), make(chan error, 1)
		used := func(ctx context.Context, fs vfs.FS, done chan<- error) {
			_, err := b.used(ctx, fs)
			done <- err
		}
		go used(ctx, faulty, first)
		synctest.Wait()
		go used(t.Context(), faulty, second)
		synctest.Wait()
		cancel()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if err := <-second; err != nil {
			t.Error(err)
		}
	})
}
