package transport

import (
	"runtime/debug"
	"testing"
	"time"
)

// noAllocs checks that f allocates nothing once it is warm.
func noAllocs(t *testing.T, f func()) {
	t.Helper()
	if raceEnabled {
		t.Skip("pools forget at random under the race detector")
	}
	// A collection in between would empty the pools.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for range 50 {
		f()
	}
	if n := testing.AllocsPerRun(500, f); n != 0 {
		t.Errorf("%v allocations per run", n)
	}
}

func TestSmallFramesAllocateNothing(t *testing.T) {
	noLeak(t)
	for _, depth := range []int{1, 32} {
		server, client := tcpPair(t)
		o := Options{FrameTimeout: time.Minute, WriteTimeout: time.Minute}
		c, peer := NewConn(server, o), NewConn(client, o)
		done := func() {}
		var frames [32]Frame
		noAllocs(t, func() {
			for range depth {
				b := Get(prefixSize + 128)
				c.Queue(Packet{Buf: b, Head: b.B, Done: done})
			}
			if err := c.Flush(); err != nil {
				t.Fatal(err)
			}
			for i := range depth {
				var err error
				if frames[i], err = peer.ReadFrame(); err != nil {
					t.Fatal(err)
				}
			}
			for i := range depth {
				frames[i].Release()
			}
		})
		c.Close()
		peer.Close()
	}
}

// TestWaitingReaderAllocatesNothing includes the wait and the hand-over to
// another goroutine, and Kick.
func TestWaitingReaderAllocatesNothing(t *testing.T) {
	noLeak(t)
	server, client := tcpPair(t)
	o := Options{FrameTimeout: time.Minute, WriteTimeout: time.Minute}
	c, peer := NewConn(server, o), NewConn(client, o)
	echoed := make(chan struct{})
	go func() {
		defer close(echoed)
		for {
			f, err := peer.ReadFrame()
			if err != nil {
				return
			}
			b := Get(prefixSize + len(f.Data))
			copy(b.B[prefixSize:], f.Data)
			f.Release()
			peer.Queue(Packet{Buf: b, Head: b.B})
			peer.Kick()
		}
	}()
	noAllocs(t, func() {
		b := Get(prefixSize + 128)
		c.Queue(Packet{Buf: b, Head: b.B})
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		f, err := c.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		f.Release()
	})
	c.Close()
	<-echoed
	peer.Close()
	peer.Wait()
}

func TestLargeFramesAndFilesAllocateNothing(t *testing.T) {
	noLeak(t)
	server, client := tcpPair(t)
	o := Options{FrameTimeout: time.Minute, WriteTimeout: time.Minute}
	c, peer := NewConn(server, o), NewConn(client, o)
	file := FileSender(diskFile(t, make([]byte, 1<<20)))
	noAllocs(t, func() {
		b := Get(prefixSize + 80)
		c.Queue(Packet{Buf: b, Head: b.B, File: file, N: 1 << 20})
		c.Kick()
		f, err := peer.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		f.Release()
	})
	noAllocs(t, func() {
		for i := range 8 { // gathered
			b := Get(prefixSize + 80)
			c.Queue(Packet{Buf: b, Head: b.B, File: file, Off: int64(i) << 16, N: 64 << 10})
		}
		c.Kick()
		for range 8 {
			f, err := peer.ReadFrame()
			if err != nil {
				t.Fatal(err)
			}
			f.Release()
		}
	})
	c.Wait()
	c.Close()
	peer.Close()
}
