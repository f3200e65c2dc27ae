package protocol

import (
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"lessor/locking"
	"lessor/smb"
	"lessor/smb/auth"
	"lessor/test/client"
	"lessor/vfs/memfs"
)

// bubble is a server in this process, under the fake clock, with a share "share" in
// memory and the users alice and bob, whose password is "secret".
type bubble struct {
	*smb.Server
	metrics *prometheus.Registry

	conns sync.WaitGroup // calls of ServeConn
	trees []*client.Tree
}

// inBubble runs a test with a server in a bubble of its own. Behind the test the
// clients hang up, and the server must hold nothing any more; durable opens that
// are kept count as something.
func inBubble(t *testing.T, test func(*testing.T, *bubble), tweaks ...func(*smb.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, tweaks...)
		defer b.end(t)
		test(t, b)
		for _, tree := range b.trees {
			tree.Session.Conn.Close()
		}
		// A connection may be watched for two milliseconds more.
		time.Sleep(time.Second)
		synctest.Wait()
		b.wantRest(t)
	})
}

// pass lets the bubble's clock go on.
func (*bubble) pass(d time.Duration) { time.Sleep(d) }

func newBubble(t *testing.T, tweaks ...func(*smb.Config)) *bubble {
	t.Helper()
	var list []auth.User
	for _, name := range []string{"alice", "bob"} {
		list = append(list, auth.User{Name: name, NTHash: auth.NTHash("secret")})
	}
	users := must(auth.NewUsers(list...))(t)
	ntlm := must(auth.NewNTLM(auth.NTLMConfig{Computer: "LESSOR", Accounts: users}))(t)
	log := zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.WarnLevel)
	b := &bubble{metrics: prometheus.NewRegistry()}
	cfg := smb.Config{Auth: auth.NewNegotiator(ntlm), Log: &log, Metrics: b.metrics}
	for _, tweak := range tweaks {
		tweak(&cfg)
	}
	b.Server = must(smb.New(cfg))(t)
	check(t, b.SetShares([]smb.Share{{Name: "share", DefaultAccess: smb.AccessWrite, FS: memfs.New(memfs.Options{})}}))
	return b
}

// end closes the server and waits for its goroutines.
func (b *bubble) end(t *testing.T) {
	for _, tree := range b.trees {
		tree.Session.Conn.Close()
	}
	if err := b.Close(); err != nil {
		t.Error("close:", err)
	}
	b.conns.Wait()
}

// pipe returns the client's end of a new connection to the server.
func (b *bubble) pipe() net.Conn {
	mine, theirs := net.Pipe()
	b.conns.Go(func() { b.ServeConn(theirs) })
	return mine
}

// connect returns a tree on the share, as alice unless a tweak says otherwise.
func (b *bubble) connect(t *testing.T, tweaks ...func(*client.Options)) *client.Tree {
	t.Helper()
	o := client.Options{User: "alice", Password: "secret", Timeout: time.Hour}
	for _, tweak := range tweaks {
		tweak(&o)
	}
	trace(t, &o)
	c := must(client.NewConn(t.Context(), b.pipe(), o))(t)
	s := must(c.SessionSetup(t.Context()))(t)
	tree := must(s.TreeConnect(t.Context(), "share"))(t)
	b.trees = append(b.trees, tree)
	return tree
}

// wantRest fails the test if the server holds anything.
func (b *bubble) wantRest(t *testing.T) {
	t.Helper()
	st := b.Status()
	if n := len(st.Connections) + len(st.Sessions) + len(st.Opens); n > 0 || st.Locks != (locking.Stats{}) {
		t.Errorf("the server still holds %+v", st)
	}
	families, err := b.metrics.Gather()
	check(t, err)
	for _, f := range families {
		for _, m := range f.Metric {
			if g := m.GetGauge(); g != nil && g.GetValue() != 0 {
				t.Errorf("%s is %v", f.GetName(), g.GetValue())
			}
		}
	}
}
