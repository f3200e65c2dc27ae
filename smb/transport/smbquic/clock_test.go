package smbquic

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/testutils/simnet"
)

// The tests of this file are about how long something takes, and have a clock and a
// network of their own.

// machine is the one of a client.
type machine struct {
	tr   *quic.Transport
	lost atomic.Bool // none of its packets arrive
}

// send is the socket of the machine: what it sends is lost with it.
func (m *machine) send(c net.PacketConn) net.PacketConn { return &sending{PacketConn: c, m: m} }

type sending struct {
	net.PacketConn
	m *machine
}

func (s *sending) WriteTo(p []byte, a net.Addr) (int, error) {
	if s.m.lost.Load() {
		return len(p), nil
	}
	return s.PacketConn.WriteTo(p, a)
}

// inBubble runs a test with a listener and the machine of a client.
func inBubble(t *testing.T, change func(*fixture, *Config), test func(*testing.T, *fixture, *machine)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		network := new(simnet.PerfectRouter)
		f := startOn(t, simnet.NewBlockingSimConn(&net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443}, network), change)
		socket := simnet.NewBlockingSimConn(&net.UDPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 50000}, network)
		m := new(machine)
		m.tr = &quic.Transport{Conn: m.send(socket)}
		t.Cleanup(func() {
			_ = m.tr.Close()
			_ = socket.Close()
		})
		test(t, f, m)
	})
}

// dial connects a client that asks in every second whether the server is there.
func (m *machine) dial(t *testing.T, f *fixture) net.Conn {
	t.Helper()
	addr, err := net.ResolveUDPAddr("udp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	c := f.tls()
	c.NextProtos, c.ServerName = []string{ALPN}, "localhost"
	qc, err := m.tr.Dial(t.Context(), addr, c, &quic.Config{KeepAlivePeriod: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	str, err := qc.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	return &clientConn{newConn(qc, str)}
}

// pair returns both ends of a connection.
func (m *machine) pair(t *testing.T, f *fixture) (server, client net.Conn) {
	t.Helper()
	client = m.dial(t, f)
	t.Cleanup(func() { client.Close() })
	if _, err := client.Write([]byte{0}); err != nil { // the stream comes with its first byte
		t.Fatal(err)
	}
	server, err := f.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	if _, err := server.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return server, client
}

// TestDeadClient has the machine of a client vanish: all of its packets are lost.
func TestDeadClient(t *testing.T) {
	const idle = 10 * time.Second
	inBubble(t, func(_ *fixture, c *Config) { c.IdleTimeout = idle }, func(t *testing.T, f *fixture, m *machine) {
		server, _ := m.pair(t, f)
		// As long as the client answers, an idle connection stays.
		_ = server.SetReadDeadline(time.Now().Add(5 * idle))
		if _, err := server.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("an idle connection ended: %v", err)
		}
		_ = server.SetReadDeadline(time.Time{})
		m.lost.Store(true)
		begin := time.Now()
		var over *quic.IdleTimeoutError
		if _, err := server.Read(make([]byte, 1)); !errors.As(err, &over) {
			t.Errorf("the connection ended with %v", err)
		}
		if took := time.Since(begin); took < idle/2 || took > 2*idle {
			t.Errorf("it ended after %v", took)
		}
	})
}

// TestSilentClient does not get as far as a stream.
func TestSilentClient(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, f *fixture, m *machine) {
		begin := time.Now()
		nc := m.dial(t, f)
		if _, err := nc.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("ended with %v", err)
		}
		if took := time.Since(begin); took < 10*time.Second || took > 11*time.Second {
			t.Errorf("it ended after %v", took)
		}
		nc.Close()
	})
}

// TestCloseLingers: what was written before Close arrives at who takes it.
func TestCloseLingers(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, f *fixture, m *machine) {
		server, client := m.pair(t, f)
		want := bytes.Repeat([]byte("bye"), 20000)
		if _, err := server.Write(want); err != nil {
			t.Fatal(err)
		}
		server.Close()
		got, err := io.ReadAll(client)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d of %d bytes, %v", len(got), len(want), err)
		}
	})
	inBubble(t, nil, func(t *testing.T, f *fixture, m *machine) {
		server, client := m.pair(t, f)
		if _, err := server.Write([]byte("bye")); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		server.Close()
		<-client.(*clientConn).qc.Context().Done() // who takes nothing is cut
		if took := time.Since(begin); took < lingerTime || took > 2*lingerTime {
			t.Errorf("cut after %v", took)
		}
	})
}
