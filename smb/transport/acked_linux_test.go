package transport

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What the peer's machine has taken is acknowledged whether or not anybody reads it,
// and what it never gets is not.
func TestAcked(t *testing.T) {
	noLeak(t)
	server, client := tcpPair(t)
	c, peer := NewConn(server, Options{}), NewConn(client, Options{})
	defer peer.Close()
	defer c.Close()
	send := func() {
		b := Get(prefixSize + 128)
		c.Queue(Packet{Buf: b, Head: b.B})
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	acked := func() uint64 {
		n, rto, ok := c.Acked()
		if !ok || rto <= 0 {
			t.Fatalf("acked %d, again after %v, known %v", n, rto, ok)
		}
		return n
	}
	send()
	if c.Position() != prefixSize+128 {
		t.Errorf("position %d", c.Position())
	}
	for deadline := time.Now().Add(10 * time.Second); acked() < c.Position(); {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d bytes acknowledged", acked(), c.Position())
		}
	}
	// The machine of the peer throws away what arrives.
	deaf := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K}}
	err := peer.raw.Control(func(fd uintptr) {
		prog := unix.SockFprog{Len: 1, Filter: &deaf[0]}
		if err := unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	before := acked()
	send()
	if n := acked(); n != before || n >= c.Position() {
		t.Errorf("%d of %d bytes acknowledged", n, c.Position())
	}
	server2, client2 := net.Pipe()
	defer client2.Close()
	other := NewConn(server2, Options{})
	defer other.Close()
	if _, _, ok := other.Acked(); ok {
		t.Error("a pipe tells what was acknowledged")
	}
}
