package transport

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// markOf returns the low-water mark that the kernel has for a connection.
func markOf(t *testing.T, c *Conn) int {
	t.Helper()
	var n int
	var err error
	if e := c.raw.Control(func(fd uintptr) {
		n, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT)
	}); e != nil || err != nil {
		t.Fatal(e, err)
	}
	return n
}

// frames reads frames and passes their lengths on until the connection ends.
func frames(c *Conn) <-chan int {
	got := make(chan int, 100)
	go func() {
		defer close(got)
		for {
			f, err := c.ReadFrame()
			if err != nil {
				return
			}
			got <- len(f.Data)
			f.Release()
		}
	}()
	return got
}

func frameOf(n int) []byte {
	b := make([]byte, prefixSize+n)
	b[1], b[2], b[3] = byte(n>>16), byte(n>>8), byte(n)
	return b
}

func receivedFrame(t *testing.T, got <-chan int, want int) {
	t.Helper()
	select {
	case n := <-got:
		if n != want {
			t.Fatalf("a frame of %d bytes came, not of %d", n, want)
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("a frame of %d bytes did not come", want)
	}
}

func sendBytes(t *testing.T, c net.Conn, p []byte) {
	t.Helper()
	if _, err := c.Write(p); err != nil {
		t.Fatal(err)
	}
}

// TestSmallFramesAfterLongOnes: whatever the mark was, a reader that waits for a new frame
// hears of its first byte, and one in the middle of a long frame of its end.
func TestSmallFramesAfterLongOnes(t *testing.T) {
	noLeak(t)
	server, client := tcpPair(t)
	c := NewConn(server, Options{})
	got := frames(c)
	for _, n := range []int{100, 1 << 20, 100, 1, 5 << 20, 100, 300 << 10, 10} {
		frame := frameOf(n)
		sendBytes(t, client, frame[:len(frame)-1])
		// The reader waits for the last byte now, or soon.
		eventually(t, "the reader to wait", func() bool { return isParked(c) })
		sendBytes(t, client, frame[len(frame)-1:])
		receivedFrame(t, got, n)
		eventually(t, "the reader to wait for a frame", func() bool { return isParked(c) && markOf(t, c) == 1 })
	}
	c.Close()
	for range got {
	}
}

func isParked(c *Conn) bool {
	c.low.mu.Lock()
	defer c.low.mu.Unlock()
	return c.low.parked
}

// TestBurstsRaiseTheMark: what a client sends unasked, and what is long, is not told
// of while the reader is at work.
func TestBurstsRaiseTheMark(t *testing.T) {
	noLeak(t)
	server, client := tcpPair(t)
	c := NewConn(server, Options{})
	t.Cleanup(func() { c.Close() })
	sendBytes(t, client, append(frameOf(50), frameOf(50)[:20]...))
	readOne := func(want int) {
		t.Helper()
		f, err := c.ReadFrame()
		if err != nil || len(f.Data) != want {
			t.Fatal(len(f.Data), err)
		}
		f.Release()
	}
	readOne(50)
	sent := make(chan error, 1)
	go func() { // the kernel need not have room for all of it
		_, err := client.Write(append(frameOf(50)[20:], frameOf(1<<20)...))
		sent <- err
	}()
	readOne(50)
	readOne(1 << 20)
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if n := markOf(t, c); n < lowatBytes {
		t.Errorf("after a long frame the mark is %d", n)
	}
	// Nobody reads now. A frame that is shorter than the mark is found all the same.
	sendBytes(t, client, frameOf(70))
	eventually(t, "the frame to have come", func() bool {
		var n int
		if err := c.raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) }); err != nil {
			t.Fatal(err)
		}
		return n >= 74
	})
	readOne(70)
}

// TestReaderThatWaitsHearsDuringLongReplies: the writer leaves the mark of a reader alone that
// waits meanwhile.
func TestReaderThatWaitsHearsDuringLongReplies(t *testing.T) {
	noLeak(t)
	server, client := tcpPair(t)
	c := NewConn(server, Options{})
	got := frames(c)
	eventually(t, "the reader to wait", func() bool { return isParked(c) })
	for range 8 { // more than the kernel buffers
		c.Queue(packet(make([]byte, 4<<20)))
	}
	c.Kick()
	eventually(t, "the writer to wait", func() bool { return c.QueuedBytes() < 32<<20-1<<20 })
	if n := markOf(t, c); n != 1 {
		t.Errorf("the mark is %d", n)
	}
	sendBytes(t, client, frameOf(10))
	receivedFrame(t, got, 10)
	c.Close()
	c.Wait()
	for range got {
	}
}

// TestEndIsToldBelowTheMark: the end of the stream wakes a reader that waits for more.
func TestEndIsToldBelowTheMark(t *testing.T) {
	noLeak(t)
	server, client := tcpPair(t)
	c := NewConn(server, Options{})
	t.Cleanup(func() { c.Close() })
	got := frames(c)
	sendBytes(t, client, frameOf(2 << 20)[:1<<20])
	eventually(t, "the reader to wait for the rest", func() bool { return isParked(c) && markOf(t, c) > 1 })
	client.Close()
	select {
	case _, ok := <-got:
		if ok {
			t.Error("a frame came")
		}
	case <-time.After(30 * time.Second):
		t.Error("the end was not told")
	}
}
