package transport

import (
	"encoding/binary"
	"net"
	"runtime"
	"testing"

	"lessor/test/leaks"
)

func TestMain(m *testing.M) { leaks.VerifyTestMain(m) }

// tcpPair returns the two ends of a loopback connection.
func tcpPair(tb testing.TB) (server, client *net.TCPConn) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	// The backlog of the kernel completes the connection before Accept.
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		tb.Fatal(err)
	}
	return s.(*net.TCPConn), c.(*net.TCPConn)
}

// pairs are the kinds of connection that tests run over.
var pairs = []struct {
	name string
	open func(tb testing.TB) (server, client net.Conn)
}{
	{"tcp", func(tb testing.TB) (net.Conn, net.Conn) { s, c := tcpPair(tb); return s, c }},
	{"pipe", func(testing.TB) (net.Conn, net.Conn) { return net.Pipe() }},
}

// noLeak fails the test if buffers are alive at its end that were not at its
// start.
func noLeak(tb testing.TB) {
	tb.Helper()
	base := LiveBuffers()
	tb.Cleanup(func() {
		eventually(tb, "all buffers back", func() bool { return LiveBuffers() == base })
	})
}

// eventually waits for what another goroutine is about to do. It counts instead
// of looking at the clock, which stands still in a bubble of synctest.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for range 20_000_000 {
		if ok() {
			return
		}
		runtime.Gosched()
	}
	tb.Fatalf("still waiting for: %s", what)
}

// framed returns the messages as they go over the wire.
func framed(msgs ...[]byte) []byte {
	var out []byte
	for _, m := range msgs {
		out = binary.BigEndian.AppendUint32(out, uint32(len(m)))
		out = append(out, m...)
	}
	return out
}

// pattern returns n bytes that tell where they belong.
func pattern(seed, n int) []byte {
	p := make([]byte, n)
	x := uint32(seed)*2654435761 + 1
	for i := range p {
		x = x*1664525 + 1013904223
		p[i] = byte(x >> 24)
	}
	return p
}

// packet returns a packet with a message of its own in a pooled buffer.
func packet(msg []byte) Packet {
	b := Get(prefixSize + len(msg))
	copy(b.B[prefixSize:], msg)
	return Packet{Buf: b, Head: b.B}
}
