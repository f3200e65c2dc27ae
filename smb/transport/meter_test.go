package transport

import (
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// The meter of two connections follows what waits on both, and comes back to nothing,
// whether it was written or dropped.
func TestMeter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m Meter
		var less atomic.Int32
		open := func() (*Conn, net.Conn) {
			mine, theirs := net.Pipe()
			return NewConn(mine, Options{Meter: &m, OnLess: func() { less.Add(1) }}), theirs
		}
		queue := func(c *Conn, n int) {
			b := Get(n)
			c.Queue(Packet{Buf: b, Head: b.B})
		}
		a, readA := open()
		b, readB := open()
		queue(a, 100)
		if m.Bytes() != 0 || a.Memory() != 4<<10 {
			t.Errorf("little: %d, %d of the connection", m.Bytes(), a.Memory())
		}
		queue(a, 100_000)
		queue(b, 1<<20)
		if m.Bytes() != 128<<10+1<<20 || a.Memory() != 132<<10 || b.Memory() != 1<<20 {
			t.Errorf("%d: %d and %d", m.Bytes(), a.Memory(), b.Memory())
		}
		b.Kick()
		synctest.Wait()
		if b.Taken() != 0 || less.Load() != 0 {
			t.Errorf("%d bytes taken, %d times less", b.Taken(), less.Load())
		}
		go func() { _, _ = io.Copy(io.Discard, readB) }()
		synctest.Wait()
		if m.Bytes() != 128<<10 || b.Memory() != 0 || b.Taken() != 1<<20 || less.Load() == 0 {
			t.Errorf("written: %d, %d, %d", m.Bytes(), b.Memory(), b.Taken())
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		queue(a, 1<<20) // too late
		if m.Bytes() != 0 || a.Memory() != 0 {
			t.Errorf("dropped: %d, %d", m.Bytes(), a.Memory())
		}
		_ = b.Close()
		_, _ = readA.Close(), readB.Close()
		a.Wait()
		b.Wait()
	})
}
