package smb_test

import (
	"context"
	"net"
	"os"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"lessor/smb"
	"lessor/smb/auth"
	"lessor/smb/ntstatus"
	"lessor/test/client"
	"lessor/test/leaks"
	"lessor/vfs"
	"lessor/vfs/memfs"
)

func TestMain(m *testing.M) { leaks.VerifyTestMain(m) }

// testServer is a server in this process, with a share "data" in memory and the
// users alice and bob, whose password is "secret".
type testServer struct {
	*smb.Server
	fs   vfs.FS
	addr string // of a listener on the loopback interface
}

// newTestServer starts a server that ends with the test. A tweak may change its
// settings and its share.
func newTestServer(t *testing.T, tweaks ...func(*smb.Config, *smb.Share)) *testServer {
	t.Helper()
	var list []auth.User
	for _, name := range []string{"alice", "bob"} {
		list = append(list, auth.User{Name: name, NTHash: auth.NTHash("secret")})
	}
	users, err := auth.NewUsers(list...)
	if err != nil {
		t.Fatal(err)
	}
	ntlm, err := auth.NewNTLM(auth.NTLMConfig{Computer: "LESSOR", Accounts: users})
	if err != nil {
		t.Fatal(err)
	}
	log := zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.WarnLevel)
	cfg := smb.Config{Auth: auth.NewNegotiator(ntlm), Log: &log}
	share := smb.Share{Name: "data", DefaultAccess: smb.AccessWrite}
	for _, tweak := range tweaks {
		tweak(&cfg, &share)
	}
	if share.FS == nil {
		share.FS = memfs.New(memfs.Options{})
	}
	srv, err := smb.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.SetShares([]smb.Share{share}); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error("close:", err)
		}
		if err := <-served; err != smb.ErrServerClosed {
			t.Error("serve:", err)
		}
	})
	return &testServer{Server: srv, fs: share.FS, addr: l.Addr().String()}
}

// connect returns a tree on the share, as alice unless a tweak says otherwise. Its
// connection ends with the test.
func (s *testServer) connect(t *testing.T, tweaks ...func(*client.Options)) *client.Tree {
	t.Helper()
	return s.connectTo(t, "data", tweaks...)
}

// connectTo is connect for another share.
func (s *testServer) connectTo(t *testing.T, share string, tweaks ...func(*client.Options)) *client.Tree {
	t.Helper()
	o := client.Options{User: "alice", Password: "secret", Timeout: 20 * time.Second}
	if os.Getenv("LESSOR_TRACE") != "" {
		o.Trace = t.Output()
	}
	for _, tweak := range tweaks {
		tweak(&o)
	}
	tree, err := client.Connect(t.Context(), s.addr, share, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tree.Session.Conn.Close() })
	return tree
}

// create opens or makes a file, or fails the test.
func create(t *testing.T, tree *client.Tree, a client.CreateArgs) *client.File {
	t.Helper()
	f, err := tree.Create(t.Context(), a)
	if err != nil {
		t.Fatalf("create %q: %v", a.Name, err)
	}
	return f
}

// mustBe fails the test unless err is the status that is wanted; Success stands
// for nil.
func mustBe(t *testing.T, what string, err error, want ntstatus.Status) {
	t.Helper()
	got, ok := client.StatusOf(err)
	if !ok || got != want {
		t.Fatalf("%s: %v, want %v", what, err, want)
	}
}

// eventually waits for a condition that another goroutine makes true soon.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}
