package service

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quic-go/quic-go"

	"lessor/smb/ntstatus"
	"lessor/smb/transport/smbquic"
	"lessor/smb/wire"
	"lessor/test/certs"
	"lessor/test/client"
	"lessor/test/harness"
)

// quicServer is a server with an address for QUIC, and what a client needs to know.
type quicServer struct {
	*harness.Server
	ca   *certs.Authority
	addr string
	dir  string // of the certificate
}

// startQUIC starts a server with a certificate; more is added to the settings of
// quic, and config to the file.
func startQUIC(t *testing.T, more, config string) *quicServer {
	t.Helper()
	q := &quicServer{ca: certs.NewAuthority(t, "CA"), dir: t.TempDir()}
	cert, key := q.ca.Issue("server").Write(t, q.dir, "server")
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	q.addr = socket.LocalAddr().String()
	socket.Close()
	q.Server = harness.Run(t, harness.Options{
		Config: fmt.Sprintf("server: {%s quic: {listen: [%q], certificate: %s, key: %s%s}}\n", config, q.addr, cert, key, more),
	})
	return q
}

// options of a client of the server, which trusts ca.
func (q *quicServer) options(ca *certs.Authority, cert *certs.Pair) client.Options {
	return client.Options{User: q.User, Password: q.Password, Dial: func(ctx context.Context, addr string) (net.Conn, error) {
		c := &tls.Config{RootCAs: ca.Pool()}
		if cert != nil {
			c.Certificates = []tls.Certificate{cert.TLS}
		}
		return smbquic.Dial(ctx, addr, c)
	}}
}

func (q *quicServer) connect(t *testing.T, o client.Options) *client.Tree {
	t.Helper()
	tree, err := client.Connect(t.Context(), q.addr, "share", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tree.Session.Conn.Close() })
	return tree
}

func TestQUICTransfer(t *testing.T) {
	q := startQUIC(t, "", "")
	o := q.options(q.ca, nil)
	tree := q.connect(t, o)
	size := 64 << 20
	if testing.Short() {
		size = 8 << 20
	}
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data)
	if err := tree.WriteFile(t.Context(), "big", data); err != nil {
		t.Fatal(err)
	}
	stored, err := os.ReadFile(q.Path("share", "big"))
	if err != nil || sha256.Sum256(stored) != sha256.Sum256(data) {
		t.Fatalf("%d bytes on disk, %v", len(stored), err)
	}
	got, err := tree.ReadFile(t.Context(), "big")
	if err != nil || sha256.Sum256(got) != sha256.Sum256(data) {
		t.Fatalf("%d bytes read, %v", len(got), err)
	}
	// TCP is served beside it, from the same files.
	if got, err := connect(t, q.Server, "share").ReadFile(t.Context(), "big"); err != nil || len(got) != size {
		t.Errorf("over TCP: %d bytes, %v", len(got), err)
	}
}

// TestQUICBreaksAndReconnect has a lease broken over QUIC, and a durable handle found
// again after the connection was lost.
func TestQUICBreaksAndReconnect(t *testing.T) {
	q := startQUIC(t, "", "")
	ctx := t.Context()
	o := q.options(q.ca, nil)
	o.ClientGuid = client.NewGUID()
	tree := q.connect(t, o)
	key := client.NewGUID()
	args := client.CreateArgs{
		Name: "f", Lease: &client.Lease{Key: key, State: client.RWH},
		Durable: &client.Durable{CreateGuid: client.NewGUID()},
	}
	f, err := tree.Create(ctx, args)
	if err != nil || f.LeaseState() != client.RWH || !f.Durable() {
		t.Fatalf("%v, lease %v, durable %v", err, f.LeaseState(), f.Durable())
	}
	if _, err := f.Write(ctx, 0, []byte("kept")); err != nil {
		t.Fatal(err)
	}
	_ = tree.Session.Conn.Close()
	tree = q.connect(t, o)
	again := f.ReconnectArgs()
	eventually(t, "the handle is there again", func() bool {
		f, err = tree.Create(ctx, again)
		return err == nil
	})
	if data, err := f.Read(ctx, 0, 10); err != nil || string(data) != "kept" {
		t.Errorf("%q, %v", data, err)
	}
	// Somebody else, over TCP.
	other := connect(t, q.Server, "share")
	opening := other.StartCreate(client.CreateArgs{Name: "f"})
	b, err := tree.Session.Conn.NextBreak(ctx)
	if err != nil || b.Lease == nil || b.Lease.LeaseKey != key {
		t.Fatalf("%v, %v", b, err)
	}
	if err := f.AckLease(ctx, client.RH); err != nil {
		t.Error(err)
	}
	if _, err := opening.Wait(ctx); err != nil {
		t.Error(err)
	}
}

// TestQUICEncryption: where the policy demands encryption, QUIC's is enough for
// those who say so, and for no others.
func TestQUICEncryption(t *testing.T) {
	q := startQUIC(t, "", "encryption: required,")
	trusting := func(o client.Options) client.Options {
		o.Contexts = func(list []wire.NegotiateContext) []wire.NegotiateContext {
			return append(list, wire.NewNegotiateContext(wire.ContextTransport, &wire.TransportCapabilities{Flags: wire.TransportLevelSecurity}))
		}
		return o
	}
	quicOptions := q.options(q.ca, nil)
	tcp := client.Options{User: q.User, Password: q.Password}
	for name, tt := range map[string]struct {
		addr    string
		o       client.Options
		trusted bool
	}{
		"QUIC, trusted":      {q.addr, trusting(quicOptions), true},
		"QUIC, not trusted":  {q.addr, quicOptions, false},
		"TCP, not trusted":   {q.Addr, tcp, false},
		"TCP, claims it all": {q.Addr, trusting(tcp), false},
	} {
		t.Run(name, func(t *testing.T) {
			tree, err := client.Connect(t.Context(), tt.addr, "share", tt.o)
			if err != nil {
				t.Fatal(err)
			}
			defer tree.Session.Conn.Close()
			var caps wire.TransportCapabilities
			data, ok := wire.FindNegotiateContext(tree.Session.Conn.Negotiated().Response.Contexts, wire.ContextTransport)
			if ok {
				if err := caps.Decode(data); err != nil {
					t.Fatal(err)
				}
			}
			if (caps.Flags == wire.TransportLevelSecurity) != tt.trusted {
				t.Errorf("the server answers %v, %v", ok, caps.Flags)
			}
			if sealed := tree.Session.Sealing(); sealed == tt.trusted {
				t.Errorf("messages are sealed: %v", sealed)
			}
			if err := tree.WriteFile(t.Context(), "f", []byte("x")); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("a channel of the other kind", func(t *testing.T) {
		// The session began over QUIC without sealing; over TCP it must seal.
		o := trusting(quicOptions)
		o.ClientGuid = client.NewGUID()
		tree := q.connect(t, o)
		p := trusting(tcp)
		p.ClientGuid = o.ClientGuid
		c, err := client.Dial(t.Context(), q.Addr, p)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		bound, err := c.Bind(t.Context(), tree.Session)
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.On(bound).WriteFile(t.Context(), "g", []byte("x")); err != nil && err != ntstatus.AccessDenied {
			t.Errorf("over TCP: %v", err)
		} else if err == nil && !bound.Sealing() {
			t.Error("over TCP nothing is sealed, and the server is content")
		}
	})
}

func TestQUICCertificates(t *testing.T) {
	clients := certs.NewAuthority(t, "Clients")
	dir := t.TempDir()
	ca := filepath.Join(dir, "clients.pem")
	if err := os.WriteFile(ca, clients.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	q := startQUIC(t, fmt.Sprintf(", client_ca: %s, client_allow: [\"name:alice\"]", ca), "")
	alice, bob := clients.Issue("alice"), clients.Issue("bob")
	tree := q.connect(t, q.options(q.ca, &alice))
	for name, cert := range map[string]*certs.Pair{"none": nil, "bob": &bob} {
		_, err := client.Connect(t.Context(), q.addr, "share", q.options(q.ca, cert))
		var e *quic.TransportError
		if !errors.As(err, &e) || !e.ErrorCode.IsCryptoError() {
			t.Errorf("certificate of %s: %v", name, err)
		}
	}
	// A new certificate of another authority, in the sandbox as the server is.
	next := certs.NewAuthority(t, "Next")
	next.Issue("server").Write(t, q.dir, "server")
	q.connect(t, q.options(next, &alice))
	if err := tree.Mkdir(t.Context(), "d"); err != nil {
		t.Errorf("the connection of before: %v", err)
	}
	t.Run("outside of the sandbox", func(t *testing.T) {
		needLandlock(t)
		// The server runs as root, or as who owns the files: only the sandbox keeps it
		// from what the link points to.
		outside := t.TempDir()
		cert, key := q.ca.Issue("server").Write(t, outside, "server")
		for _, f := range []string{cert, key} {
			link := filepath.Join(q.dir, filepath.Base(f))
			if err := os.Symlink(f, link+".new"); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(link+".new", link); err != nil {
				t.Fatal(err)
			}
		}
		q.connect(t, q.options(next, &alice)) // the last good one
		if !strings.Contains(q.Log(), "permission denied") {
			t.Errorf("the link was followed:\n%s", q.Log())
		}
	})
}
