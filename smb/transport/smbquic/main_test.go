package smbquic

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"testing"
	"time"

	"lessor/test/certs"
	"lessor/test/leaks"
)

func TestMain(m *testing.M) {
	_ = os.Setenv("QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING", "true")
	leaks.VerifyTestMain(m)
}

// fixture is a listener with what clients need to reach it.
type fixture struct {
	*Listener
	ca   *certs.Authority
	dir  string
	addr string
}

// start makes a listener on loopback that ends with the test.
func start(t *testing.T, change func(*fixture, *Config)) *fixture {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return startOn(t, socket, change)
}

// startOn is start with a socket of the caller's.
func startOn(t *testing.T, socket net.PacketConn, change func(*fixture, *Config)) *fixture {
	t.Helper()
	f := &fixture{ca: certs.NewAuthority(t, "Server CA"), dir: t.TempDir()}
	var cfg Config
	cfg.Certificate, cfg.Key = f.ca.Issue("server").Write(t, f.dir, "server")
	if change != nil {
		change(f, &cfg)
	}
	f.addr = socket.LocalAddr().String()
	var err error
	if f.Listener, err = Listen(socket, cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.Close()
		f.Wait()
	})
	return f
}

func (f *fixture) tls() *tls.Config { return &tls.Config{RootCAs: f.ca.Pool()} }

// dial connects as a client; the test fails if that takes a minute.
func (f *fixture) dial(t *testing.T, c *tls.Config) (net.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	nc, err := Dial(ctx, f.addr, c)
	if err == nil {
		t.Cleanup(func() { nc.Close() })
	}
	return nc, err
}

// pair returns both ends of a connection.
func (f *fixture) pair(t *testing.T, c *tls.Config) (server, client net.Conn) {
	t.Helper()
	client, err := f.dial(t, c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Write([]byte{0}); err != nil { // the stream comes with its first byte
		t.Fatal(err)
	}
	if server, err = f.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	var b [1]byte
	if _, err := server.Read(b[:]); err != nil {
		t.Fatal(err)
	}
	return server, client
}

// eventually waits for what another goroutine is about to do.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("%s: not within a minute", what)
		}
	}
}
