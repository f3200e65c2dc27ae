package abuse

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
	"lessor/test/leaks"
	"lessor/vfs/memfs"
)

func TestMain(m *testing.M) { leaks.VerifyTestMain(m) }

// must returns the value, or ends the test on an error.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		check(t, err)
		return v
	}
}

// check ends the test on an error.
func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// server is one in this process, with a share "share" in memory and the users alice
// and bob, whose password is "secret".
type server struct {
	*smb.Server
	metrics *prometheus.Registry
	conns   sync.WaitGroup // calls of ServeConn
}

func newServer(t testing.TB, tweaks ...func(*smb.Config)) *server {
	t.Helper()
	var list []auth.User
	for _, name := range []string{"alice", "bob"} {
		list = append(list, auth.User{Name: name, NTHash: auth.NTHash("secret")})
	}
	users := must(auth.NewUsers(list...))(t)
	ntlm := must(auth.NewNTLM(auth.NTLMConfig{Computer: "LESSOR", Accounts: users}))(t)
	// Everything below an error is what an attack brings about.
	log := zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.ErrorLevel)
	s := &server{metrics: prometheus.NewRegistry()}
	cfg := smb.Config{
		Auth: auth.NewNegotiator(ntlm), Log: &log, Metrics: s.metrics,
		Encryption: smb.EncryptionEnabled, Throttle: smb.Throttle{Failures: -1},
	}
	for _, tweak := range tweaks {
		tweak(&cfg)
	}
	s.Server = must(smb.New(cfg))(t)
	check(t, s.SetShares([]smb.Share{{
		Name: "share", DefaultAccess: smb.AccessWrite, FS: memfs.New(memfs.Options{Size: 256 << 20}),
	}}))
	return s
}

// inBubble runs a test with a server of its own under a fake clock. In the end the
// server must hold nothing, and none of its goroutines may be left.
func inBubble(t *testing.T, test func(*testing.T, *server), tweaks ...func(*smb.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, tweaks...)
		defer s.conns.Wait()
		defer s.Close()
		test(t, s)
		// Longer than a durable open waits for its client.
		time.Sleep(time.Hour)
		synctest.Wait()
		s.wantRest(t)
		check(t, s.Close())
	})
}

// pipe returns the client's end of a new connection to the server.
func (s *server) pipe() net.Conn {
	mine, theirs := net.Pipe()
	s.conns.Go(func() { s.ServeConn(theirs) })
	return mine
}

// settle lets everything happen that is under way: a connection that has ended may be
// watched for two milliseconds more.
func (*server) settle() {
	time.Sleep(time.Second)
	synctest.Wait()
}

// options are those of alice, with the tweaks.
func options(tweaks ...func(*client.Options)) client.Options {
	o := client.Options{User: "alice", Password: "secret", Timeout: 10 * time.Second}
	for _, tweak := range tweaks {
		tweak(&o)
	}
	return o
}

// wantRest fails the test if the server holds anything, or if a handler has panicked.
func (s *server) wantRest(t testing.TB) {
	t.Helper()
	st := s.Status()
	if n := len(st.Connections) + len(st.Sessions) + len(st.Opens) + len(st.Waiting); n > 0 || st.Locks != (locking.Stats{}) {
		t.Errorf("the server still holds %+v", st)
	}
	families, err := s.metrics.Gather()
	check(t, err)
	for _, f := range families {
		for _, m := range f.Metric {
			if g := m.GetGauge(); g != nil && g.GetValue() != 0 {
				t.Errorf("%s is %v", f.GetName(), g.GetValue())
			}
			if f.GetName() == "lessor_smb_panics_total" && m.GetCounter().GetValue() != 0 {
				t.Errorf("%v requests have panicked", m.GetCounter().GetValue())
			}
		}
	}
}
