package smb

import (
	"testing"
	"testing/synctest"
)

// One READ is let through, however large; together they stay within the limit.
func TestBulk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bulk
		b.take(bulkLimit + 1)
		const waiting = 10
		done := make(chan struct{}, waiting)
		for range waiting {
			go func() {
				b.take(bulkLimit / 4)
				done <- struct{}{}
			}()
		}
		synctest.Wait()
		if len(done) != 0 {
			t.Fatalf("%d were let through beside too large a one", len(done))
		}
		b.give(bulkLimit + 1)
		synctest.Wait()
		if len(done) != 4 || b.held != bulkLimit {
			t.Fatalf("%d hold %d bytes", len(done), b.held)
		}
		b.give(bulkLimit / 4)
		synctest.Wait()
		if len(done) != 5 || b.held != bulkLimit {
			t.Fatalf("%d hold %d bytes", len(done), b.held)
		}
		for range waiting - 1 {
			b.give(bulkLimit / 4)
			synctest.Wait()
		}
		if len(done) != waiting || b.held != 0 {
			t.Fatalf("%d were let through, %d bytes are held", len(done), b.held)
		}
	})
}
