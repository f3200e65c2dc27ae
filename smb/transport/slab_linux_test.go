package transport

import (
	"bytes"
	"io"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// readAll reads frames of a connection, two long ones of which have come already, and compares
// them. It returns how many slabs they lie in, buffers of their own not counted.
func readAll(t *testing.T, c *Conn, client *net.TCPConn, msgs ...[]byte) (slabs, owned int) {
	t.Helper()
	sent := framed(msgs...)
	go func() { _, _ = client.Write(sent) }()
	eventually(t, "the bytes to have come", func() bool {
		var n int
		if err := c.raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) }); err != nil {
			t.Fatal(err)
		}
		return n+c.rd.w-c.rd.r >= min(len(sent), 2*(64<<10+112+prefixSize))
	})
	in := map[*Buffer]bool{}
	var frames []Frame
	for i, m := range msgs {
		f, err := c.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(f.Data, m) {
			t.Errorf("message %d differs", i)
		}
		if f.Owned() {
			owned++
		} else {
			in[f.buf] = true
		}
		frames = append(frames, f)
	}
	for i := range frames {
		frames[i].Release()
	}
	return len(in), owned
}

// writes are messages as WRITEs of 64 KiB are, fewer bytes together than the kernel
// buffers without being asked.
func writes(n int) (msgs [][]byte) {
	for i := range n {
		msgs = append(msgs, pattern(i, 64<<10+112))
	}
	return msgs
}

func slabConn(t *testing.T) (*Conn, *net.TCPConn) {
	t.Helper()
	noLeak(t)
	server, client := tcpPair(t)
	// Two long requests fit into what the receiver buffers; every system allows that much.
	if err := server.SetReadBuffer(208 << 10); err != nil {
		t.Fatal(err)
	}
	c := NewConn(server, Options{})
	t.Cleanup(func() {
		c.Close()
		client.Close()
	})
	return c, client
}

// TestLongRequestsShareASlab: a client that sends much gets slabs in which several
// requests of 64 KiB lie side by side.
func TestLongRequestsShareASlab(t *testing.T) {
	c, client := slabConn(t)
	readAll(t, c, client, writes(2)...)
	if !c.rd.bulk {
		t.Fatal("the client is not known for sending much")
	}
	if slabs, owned := readAll(t, c, client, writes(2)...); slabs != 1 || owned != 0 {
		t.Errorf("2 requests lie in %d slabs and %d buffers of their own", slabs, owned)
	}
	// Longer ones have buffers of their own, wherever they begin.
	msgs := [][]byte{pattern(9, 300), pattern(10, 120<<10), pattern(11, 10)}
	readAll(t, c, client, msgs...)
	if _, owned := readAll(t, c, client, pattern(12, 300<<10)); owned != 1 {
		t.Errorf("%d requests have buffers of their own", owned)
	}
}

// TestSlabsBecomeSmallAgain: who sends little is given little.
func TestSlabsBecomeSmallAgain(t *testing.T) {
	c, client := slabConn(t)
	readAll(t, c, client, writes(2)...)
	done := make(chan error, 1)
	for range 3 {
		go func() { // the reader waits now, so that it gives its slab back
			f, err := c.ReadFrame()
			f.Release()
			done <- err
		}()
		eventually(t, "the reader to wait", func() bool { return isParked(c) })
		sendBytes(t, client, frameOf(100))
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if n := len(c.rd.slab.B); n != socketSlab {
		t.Errorf("a request of 100 bytes lies in a slab of %d", n)
	}
}

// TestSlabsOfStrangersAreSmall: a client without a session gets no more memory for
// sending much.
func TestSlabsOfStrangersAreSmall(t *testing.T) {
	c, client := slabConn(t)
	c.SetMaxFrame(80 << 10)
	for range 2 {
		readAll(t, c, client, writes(2)...)
		if c.rd.slab != nil && len(c.rd.slab.B) != socketSlab {
			t.Fatalf("a slab of %d bytes", len(c.rd.slab.B))
		}
	}
}

// TestEndInALongRequest: what is missing is told, whatever slab it lies in.
func TestEndInALongRequest(t *testing.T) {
	for _, n := range []int{2, 1000, 70 << 10} {
		c, client := slabConn(t)
		readAll(t, c, client, writes(2)...)
		sendBytes(t, client, frameOf(1 << 20)[:n])
		client.Close()
		if _, err := c.ReadFrame(); err != io.ErrUnexpectedEOF {
			t.Errorf("after %d bytes of a request: %v", n, err)
		}
	}
}
