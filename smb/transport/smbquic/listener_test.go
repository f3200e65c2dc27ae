package smbquic

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"lessor/smb/transport"
	"lessor/test/certs"
)

func TestFrames(t *testing.T) {
	f := start(t, nil)
	server, client := f.pair(t, f.tls())
	a, b := transport.NewConn(server, transport.Options{FrameTimeout: time.Minute, WriteTimeout: time.Minute}), transport.NewConn(client, transport.Options{})
	defer a.Close()
	defer b.Close()
	for _, n := range []int{0, 1, 5000, 64 << 10, 8 << 20} {
		data := make([]byte, n)
		rand.Read(data)
		for _, way := range [][2]*transport.Conn{{a, b}, {b, a}} {
			buf := transport.Get(4 + n)
			copy(buf.B[4:], data)
			done := make(chan error, 1)
			go func() {
				way[0].Queue(transport.Packet{Buf: buf, Head: buf.B})
				done <- way[0].Flush()
			}()
			got, err := way[1].ReadFrame()
			if err != nil || !bytes.Equal(got.Data, data) {
				t.Fatalf("%d bytes: %d, %v", n, len(got.Data), err)
			}
			got.Release()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
	}
	if !server.(interface{ TransportSecured() bool }).TransportSecured() {
		t.Error("the connection does not say that it is secure")
	}
}

func TestEnds(t *testing.T) {
	f := start(t, nil)
	t.Run("the client closes", func(t *testing.T) {
		server, client := f.pair(t, f.tls())
		client.Close()
		if n, err := server.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("read %d, %v", n, err)
		}
		if !server.(*conn).HungUp() {
			t.Error("nobody noticed")
		}
	})
	t.Run("Close ends Read and Write", func(t *testing.T) {
		server, _ := f.pair(t, f.tls())
		read, write := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := server.Read(make([]byte, 1))
			read <- err
		}()
		go func() {
			var err error
			for err == nil { // until the window of the client is full
				_, err = server.Write(make([]byte, 1<<20))
			}
			write <- err
		}()
		server.Close()
		if err := <-read; err != net.ErrClosed {
			t.Errorf("Read: %v", err)
		}
		if err := <-write; err != net.ErrClosed {
			t.Errorf("Write: %v", err)
		}
	})
	t.Run("deadlines", func(t *testing.T) {
		server, _ := f.pair(t, f.tls())
		_ = server.SetReadDeadline(time.Now())
		if _, err := server.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read: %v", err)
		}
	})
	t.Run("the listener closes, connections go on", func(t *testing.T) {
		f := start(t, nil)
		server, client := f.pair(t, f.tls())
		f.Close()
		if _, err := f.Accept(); err != net.ErrClosed {
			t.Errorf("Accept: %v", err)
		}
		if _, err := server.Write([]byte("x")); err != nil {
			t.Error(err)
		}
		if _, err := client.Read(make([]byte, 1)); err != nil {
			t.Error(err)
		}
		server.Close()
		client.Close()
		f.Wait()
	})
}

func TestOneStream(t *testing.T) {
	f := start(t, nil)
	_, client := f.pair(t, f.tls())
	qc := client.(*clientConn).qc
	if _, err := qc.OpenStream(); err == nil {
		t.Error("a second stream was opened")
	}
	if _, err := qc.OpenUniStream(); err == nil {
		t.Error("a unidirectional stream was opened")
	}
	if qc.ConnectionState().Used0RTT || qc.ConnectionState().TLS.DidResume {
		t.Error("resumed")
	}
}

func TestNotSMB(t *testing.T) {
	f := start(t, nil)
	c := f.tls()
	c.NextProtos = []string{"h3"}
	qc, err := quic.DialAddr(t.Context(), f.addr, c, nil)
	if err == nil {
		_ = qc.CloseWithError(0, "")
		t.Fatal("a client that wants HTTP was let in")
	}
	var e *quic.TransportError
	if !errors.As(err, &e) || !e.ErrorCode.IsCryptoError() {
		t.Errorf("refused with %v", err)
	}
}

func TestOneAddressKeepsNobodyOut(t *testing.T) {
	f := start(t, func(_ *fixture, c *Config) {
		c.Handshakes, c.HandshakeTimeout = 32, time.Minute // 4 for each address
	})
	var held []net.Conn
	for range 4 {
		nc, err := f.dial(t, f.tls())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, nc)
	}
	if _, err := f.dial(t, f.tls()); err == nil {
		t.Fatal("one more was let in")
	}
	other := dialFrom(t, f, "127.0.0.9")
	_ = other.CloseWithError(0, "")
	for _, nc := range held {
		nc.Close()
	}
	eventually(t, "room for one more", func() bool {
		nc, err := f.dial(t, f.tls())
		return err == nil && nc.Close() == nil
	})
}

// dialFrom connects from an address of loopback.
func dialFrom(t *testing.T, f *fixture, from string) *quic.Conn {
	t.Helper()
	socket, err := net.ListenPacket("udp", from+":0")
	if err != nil {
		t.Skip("loopback has one address here")
	}
	tr := &quic.Transport{Conn: socket}
	t.Cleanup(func() {
		tr.Close()
		socket.Close()
	})
	addr, _ := net.ResolveUDPAddr("udp", f.addr)
	c := f.tls()
	c.NextProtos, c.ServerName = []string{ALPN}, "localhost"
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	qc, err := tr.Dial(ctx, addr, c, nil)
	if err != nil {
		t.Fatal(err)
	}
	return qc
}

// TestFlood sends first packets of handshakes that go no further, from many
// addresses, none of which would answer.
func TestFlood(t *testing.T) {
	f := start(t, func(_ *fixture, c *Config) { c.Handshakes, c.HandshakeTimeout = 128, time.Minute })
	addr, _ := net.ResolveUDPAddr("udp", f.addr)
	for i := range 200 {
		from := &net.UDPAddr{IP: net.IPv4(127, 0, 1, byte(1+i))}
		socket, err := net.DialUDP("udp", from, addr)
		if err != nil {
			t.Skip("loopback has one address here")
		}
		for range 10 {
			if _, err := socket.Write(initial()); err != nil {
				t.Fatal(err)
			}
		}
		socket.Close()
	}
	nc, err := f.dial(t, f.tls()) // behind all of these, and by way of a Retry
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
	f.gate.mu.Lock()
	defer f.gate.mu.Unlock()
	// 8 at the gate, and then everybody has to show an address.
	if f.gate.waiting > 8+1 {
		t.Errorf("%d connections under way", f.gate.waiting)
	}
	if f.gate.waiting == 0 {
		t.Error("the flood did not arrive")
	}
}

// initial is the first packet of a handshake as far as anybody can tell who has not
// decrypted it (RFC 9000 17.2.2).
func initial() []byte {
	p := make([]byte, 1200)
	rand.Read(p)
	p[0] = 0xc3
	binary.BigEndian.PutUint32(p[1:], 1)
	p[5], p[14], p[23] = 8, 8, 0 // ids and no token
	binary.BigEndian.PutUint16(p[24:], 0x4000|uint16(len(p)-26))
	return p
}

func TestGate(t *testing.T) {
	g := newGate(16, 3)
	addr := func(s string) net.Addr { a, _ := net.ResolveUDPAddr("udp", s); return a }
	enter := func(s string, ok bool) *visitor {
		t.Helper()
		v, err := g.enter(addr(s))
		if (err == nil) != ok {
			t.Fatalf("%s: %v", s, err)
		}
		return v
	}
	if g.busy() {
		t.Error("busy with nobody there")
	}
	a := enter("[2001:db8::1]:1", true)
	b := enter("[2001:db8::2]:1", true)
	enter("[2001:db8::3]:1", false) // a network of 64 bits is one client
	if !g.busy() {
		t.Error("not busy with two of 16")
	}
	a.settle()
	c := enter("[2001:db8::3]:1", true)
	enter("192.0.2.1:1", false) // three in all
	a.leave()
	b.leave()
	c.settle()
	c.leave()
	if g.total != 0 || g.waiting != 0 || len(g.from) != 0 {
		t.Errorf("left over: %d, %d, %v", g.total, g.waiting, g.from)
	}
}

func TestCertificateReload(t *testing.T) {
	f := start(t, nil)
	other := certs.NewAuthority(t, "Next CA")
	if _, err := f.dial(t, f.tls()); err != nil {
		t.Fatal(err)
	}
	server, client := f.pair(t, f.tls())
	next := other.Issue("server")
	// The certificate comes before its key: the old pair stays.
	half := certs.Pair{Cert: next.Cert, Key: mustRead(t, f.dir+"/server.key")}
	half.Write(t, f.dir, "server")
	if _, err := f.dial(t, f.tls()); err != nil {
		t.Errorf("with half of a new pair: %v", err)
	}
	next.Write(t, f.dir, "server")
	if _, err := f.dial(t, &tls.Config{RootCAs: other.Pool()}); err != nil {
		t.Errorf("with a new pair: %v", err)
	}
	if _, err := f.dial(t, f.tls()); err == nil {
		t.Error("the old certificate is still in use")
	}
	if err := os.Remove(f.dir + "/server.key"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.dial(t, &tls.Config{RootCAs: other.Pool()}); err != nil {
		t.Errorf("without a key: %v", err)
	}
	// Who is there stays.
	if _, err := server.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	if _, err := client.Read(make([]byte, 1)); err != nil {
		t.Error(err)
	}
}

func mustRead(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestClientCertificates(t *testing.T) {
	clients, strangers := certs.NewAuthority(t, "Clients"), certs.NewAuthority(t, "Strangers")
	alice, bob, eve := clients.Issue("alice"), clients.Issue("bob"), strangers.Issue("alice")
	self := certs.SelfSigned(t, "laptop")
	tests := []struct {
		name  string
		ca    bool
		allow []string
		yes   []certs.Pair
		no    []certs.Pair
	}{
		{"all of the authority", true, nil, []certs.Pair{alice, bob}, []certs.Pair{eve, self}},
		{"by name", true, []string{"name:ALICE"}, []certs.Pair{alice}, []certs.Pair{bob, eve}},
		{"by subject or fingerprint", true, []string{"subject:alice", "sha256:" + bob.Fingerprint()}, []certs.Pair{alice, bob}, []certs.Pair{eve, self}},
		{"by issuer", true, []string{"issuer:clients"}, []certs.Pair{alice, bob}, []certs.Pair{eve}},
		{"pinned", false, []string{"SHA256:" + self.Fingerprint()}, []certs.Pair{self}, []certs.Pair{alice}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := start(t, func(f *fixture, c *Config) {
				c.AllowClients = tt.allow
				if tt.ca {
					c.ClientCA = f.dir + "/clients.pem"
					if err := os.WriteFile(c.ClientCA, clients.PEM(), 0o600); err != nil {
						t.Fatal(err)
					}
				}
			})
			for i, p := range append(append([]certs.Pair{{}}, tt.yes...), tt.no...) {
				c := f.tls()
				if p.Leaf != nil {
					// Whatever the server asks for.
					c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &p.TLS, nil }
				}
				want := i > 0 && i <= len(tt.yes)
				nc, err := f.dial(t, c)
				if err == nil { // the client is done before the server has seen its certificate
					_, _ = nc.Write([]byte{0})
					if want {
						server, e := f.Accept()
						if e != nil {
							t.Fatal(e)
						}
						if name := server.(*conn).PeerCertificate(); name != p.Leaf.Subject.String() {
							t.Errorf("the server says that %q is there", name)
						}
						server.Close()
						continue
					}
					_, err = nc.Read(make([]byte, 1))
				}
				var e *quic.TransportError
				if want || !errors.As(err, &e) || !e.ErrorCode.IsCryptoError() {
					t.Errorf("client %d: %v", i, err)
				}
			}
		})
	}
}

func TestListenErrors(t *testing.T) {
	dir := t.TempDir()
	cert, key := certs.SelfSigned(t, "server").Write(t, dir, "server")
	_, otherKey := certs.SelfSigned(t, "other").Write(t, dir, "other")
	for name, c := range map[string]Config{
		"no certificate":    {Certificate: dir + "/none", Key: key},
		"wrong key":         {Certificate: cert, Key: otherKey},
		"no authority":      {Certificate: cert, Key: key, ClientCA: key},
		"bad rule":          {Certificate: cert, Key: key, AllowClients: []string{"alice"}},
		"bad fingerprint":   {Certificate: cert, Key: key, AllowClients: []string{"sha256:12"}},
		"name without a CA": {Certificate: cert, Key: key, AllowClients: []string{"name:alice"}},
	} {
		socket, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if l, err := Listen(socket, c); err == nil {
			l.Close()
			t.Errorf("%s: no error", name)
		} else if socket.Close() == nil {
			t.Errorf("%s: the socket is left open", name)
		}
	}
}
