package smb_test

import (
	"bytes"
	"context"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"lessor/smb"
	"lessor/smb/auth"
	"lessor/smb/ntstatus"
	"lessor/smb/secdesc"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/vfs/memfs"
)

// logBuffer is a log that a test reads.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// says reports how many lines contain a text.
func (l *logBuffer) says(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

// accessServer is a server whose users are alice (in the groups Staff and Heads), bob
// (in Staff) and carol.
type accessServer struct {
	*testServer
	log     *logBuffer
	metrics *prometheus.Registry
}

// newAccessServer starts one with these shares, which need no FS.
func newAccessServer(t *testing.T, tweak func(*smb.Config, *auth.NTLMConfig), shares ...smb.Share) *accessServer {
	t.Helper()
	hash := auth.NTHash("secret")
	users, err := auth.NewUsers(
		auth.User{Name: "alice", NTHash: hash, Groups: []string{"Staff", "Heads"}},
		auth.User{Name: "bob", NTHash: hash, Groups: []string{"staff"}},
		auth.User{Name: "carol", NTHash: hash},
	)
	if err != nil {
		t.Fatal(err)
	}
	s := &accessServer{log: &logBuffer{}, metrics: prometheus.NewRegistry()}
	s.testServer = newTestServer(t, func(c *smb.Config, _ *smb.Share) {
		log := zerolog.New(s.log)
		c.Log, c.Metrics = &log, s.metrics
		n := auth.NTLMConfig{Computer: "LESSOR", Accounts: users}
		if tweak != nil {
			tweak(c, &n)
		}
		ntlm, err := auth.NewNTLM(n)
		if err != nil {
			t.Fatal(err)
		}
		c.Auth = auth.NewNegotiator(ntlm)
	})
	s.share(t, shares...)
	return s
}

// share replaces the shares.
func (s *accessServer) share(t *testing.T, shares ...smb.Share) {
	t.Helper()
	for i := range shares {
		if shares[i].FS == nil {
			shares[i].FS = memfs.New(memfs.Options{})
		}
	}
	if err := s.SetShares(shares); err != nil {
		t.Fatal(err)
	}
}

// metric is the value of a series, whose labels are given by their values.
func (s *accessServer) metric(t *testing.T, name string, labels ...string) float64 {
	t.Helper()
	families, err := s.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.Metric {
			var have []string
			for _, l := range m.Label {
				have = append(have, l.GetValue())
			}
			if slices.Equal(have, labels) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return 0
}

// session logs on; without a user, anonymously.
func (s *accessServer) session(t *testing.T, user, password string, tweaks ...func(*client.Options)) (*client.Session, error) {
	t.Helper()
	o := client.Options{User: user, Password: password, Timeout: 20 * time.Second}
	for _, tweak := range tweaks {
		tweak(&o)
	}
	c, err := client.Dial(t.Context(), s.addr, o)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.SessionSetup(t.Context())
}

// as is session that must succeed.
func (s *accessServer) as(t *testing.T, user string, tweaks ...func(*client.Options)) *client.Session {
	t.Helper()
	sess, err := s.session(t, user, "secret", tweaks...)
	if err != nil {
		t.Fatalf("%s: %v", user, err)
	}
	return sess
}

// from dials from another address of the loopback network.
func (s *accessServer) from(t *testing.T, addr, user, password string) (*client.Session, error) {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)}}
	nc, err := d.DialContext(t.Context(), "tcp", s.addr)
	if err != nil {
		t.Skip("no second address of the loopback interface:", err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	c, err := client.NewConn(t.Context(), nc, client.Options{User: user, Password: password, Timeout: 20 * time.Second})
	if err != nil {
		return nil, err
	}
	return c.SessionSetup(t.Context())
}

func TestHosts(t *testing.T) {
	second := netip.MustParsePrefix("127.0.0.2/32")
	loopback := netip.MustParsePrefix("127.0.0.0/8")
	s := newAccessServer(t, func(c *smb.Config, _ *auth.NTLMConfig) {
		c.Hosts = smb.HostRules{Allow: []netip.Prefix{loopback}, Deny: []netip.Prefix{second}}
	},
		smb.Share{Name: "data", DefaultAccess: smb.AccessWrite},
		smb.Share{Name: "near", DefaultAccess: smb.AccessWrite, Hosts: smb.HostRules{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}})
	if _, err := s.from(t, "127.0.0.2", "alice", "secret"); err == nil {
		t.Fatal("a denied address has come in")
	}
	if n := s.metric(t, "lessor_smb_hosts_refused_total", "server"); n != 1 || s.log.says("address not allowed") != 1 {
		t.Errorf("%v refusals counted", n)
	}
	here := s.as(t, "alice")
	there, err := s.from(t, "127.0.0.3", "alice", "secret")
	if err != nil {
		t.Fatal("an allowed address:", err)
	}
	for share, sessions := range map[string]map[*client.Session]ntstatus.Status{
		"data": {here: ntstatus.Success, there: ntstatus.Success},
		"near": {here: ntstatus.Success, there: ntstatus.AccessDenied},
		"IPC$": {there: ntstatus.Success},
	} {
		for sess, want := range sessions {
			_, err := sess.TreeConnect(t.Context(), share)
			mustBe(t, share, err, want)
		}
	}
	if n := s.metric(t, "lessor_smb_hosts_refused_total", "share"); n != 1 || s.log.says("access to share denied: address not allowed") != 1 {
		t.Errorf("%v refusals counted", n)
	}
	// New rules hold for those who are in.
	s.SetHosts(smb.HostRules{Deny: []netip.Prefix{netip.MustParsePrefix("127.0.0.3/32")}})
	eventually(t, "the connection is cut", func() bool { return there.Echo(t.Context()) != nil })
	if err := here.Echo(t.Context()); err != nil {
		t.Error("the other one as well:", err)
	}
	if _, err := s.from(t, "127.0.0.2", "alice", "secret"); err != nil {
		t.Error("no longer denied:", err)
	}
}

func TestShareAccess(t *testing.T) {
	s := newAccessServer(t, nil,
		smb.Share{Name: "staff", Access: map[string]smb.Access{"@staff": smb.AccessRead, "@heads": smb.AccessWrite}},
		smb.Share{Name: "denied", DefaultAccess: smb.AccessWrite, Access: map[string]smb.Access{"@heads": smb.AccessNone, "alice": smb.AccessWrite}},
		smb.Share{Name: "frozen", DefaultAccess: smb.AccessWrite, ReadOnly: true},
	)
	const (
		none  = uint32(0)
		read  = wire.AccessReadData | wire.AccessReadEA | wire.AccessExecute | wire.AccessReadAttributes | wire.AccessReadControl | wire.AccessSynchronize
		write = wire.AccessAll
	)
	for _, tc := range []struct {
		user, share string
		want        uint32
	}{
		{"alice", "staff", write}, {"bob", "staff", read}, {"carol", "staff", none},
		{"alice", "denied", none}, {"bob", "denied", write}, {"carol", "denied", write},
		{"alice", "frozen", read},
	} {
		tree, err := s.as(t, tc.user).TreeConnect(t.Context(), tc.share)
		if tc.want == none {
			mustBe(t, tc.user+" "+tc.share, err, ntstatus.AccessDenied)
			continue
		}
		mustBe(t, tc.user+" "+tc.share, err, ntstatus.Success)
		if got := tree.Response.MaximalAccess; got != tc.want {
			t.Errorf("%s on %s: %#x, want %#x", tc.user, tc.share, got, tc.want)
		}
		want := ntstatus.Success
		if tc.want == read {
			want = ntstatus.AccessDenied
		}
		_, err = tree.Create(t.Context(), client.CreateArgs{Name: tc.user, Disposition: client.OpenIf, Access: wire.AccessWriteData})
		mustBe(t, tc.user+" writes on "+tc.share, err, want)
	}
	if s.log.says("access to share denied") == 0 {
		t.Error("the log does not say who was refused")
	}
}

// A session that becomes somebody else's has his access from then on, on the trees
// that it has already.
func TestAccessOfNewUser(t *testing.T) {
	s := newAccessServer(t, func(c *smb.Config, n *auth.NTLMConfig) { c.Anonymous, n.AllowAnonymous = true, true },
		smb.Share{Name: "data", Access: map[string]smb.Access{"alice": smb.AccessWrite, "bob": smb.AccessRead}})
	ctx := t.Context()
	sess := s.as(t, "alice")
	tree, err := sess.TreeConnect(ctx, "data")
	mustBe(t, "connect", err, ntstatus.Success)
	f := create(t, tree, client.CreateArgs{Name: "f"})
	write := func() error {
		_, err := tree.Create(ctx, client.CreateArgs{Name: "f", Access: wire.AccessWriteData})
		return err
	}
	for _, step := range []struct {
		login       client.Login
		read, write ntstatus.Status
	}{
		{client.Login{User: "bob", Password: "secret"}, ntstatus.Success, ntstatus.AccessDenied},
		{client.Login{}, ntstatus.AccessDenied, ntstatus.AccessDenied},
		{client.Login{User: "carol", Password: "secret"}, ntstatus.AccessDenied, ntstatus.AccessDenied},
		{client.Login{User: "alice", Password: "secret"}, ntstatus.Success, ntstatus.Success},
	} {
		mustBe(t, "as "+step.login.User, sess.Reauthenticate(ctx, step.login), ntstatus.Success)
		_, err := tree.Create(ctx, client.CreateArgs{Name: "f", Access: wire.AccessReadData})
		mustBe(t, "read as "+step.login.User, err, step.read)
		mustBe(t, "write as "+step.login.User, write(), step.write)
		if _, err := f.Write(ctx, 0, []byte("x")); err != nil {
			t.Errorf("what is open as %q: %v", step.login.User, err)
		}
	}
}

// guests lets unknown users in.
func guests(c *smb.Config, n *auth.NTLMConfig) {
	n.Guest = func(string, string) (string, bool) { return "Guest", true }
}

func TestGuests(t *testing.T) {
	for _, optional := range []bool{false, true} {
		s := newAccessServer(t, func(c *smb.Config, n *auth.NTLMConfig) {
			c.SigningOptional = optional
			c.Admins = []string{"guest", "@staff"}
			guests(c, n)
		},
			smb.Share{Name: "open", DefaultAccess: smb.AccessRead, Guest: true, Access: map[string]smb.Access{"guest": smb.AccessWrite}},
			smb.Share{Name: "closed", DefaultAccess: smb.AccessWrite},
			smb.Share{Name: "sealed", DefaultAccess: smb.AccessRead, Guest: true, Encryption: smb.EncryptionRequired})
		sess := s.as(t, "stranger")
		if sess.Flags != wire.SessionFlagIsGuest || sess.Key != nil {
			t.Errorf("flags %#x", sess.Flags)
		}
		if s.log.says("Windows 11") != 1 {
			t.Error("the log does not tell who will refuse it")
		}
		tree, err := sess.TreeConnect(t.Context(), "open")
		mustBe(t, "a share for guests", err, ntstatus.Success)
		if tree.Response.MaximalAccess&wire.AccessWriteData != 0 {
			t.Error("a guest may write because somebody is called like him")
		}
		for _, share := range []string{"closed", "sealed"} {
			_, err := sess.TreeConnect(t.Context(), share)
			mustBe(t, share, err, ntstatus.AccessDenied)
		}
		if s.log.says("it is not for guests") != 1 {
			t.Error("the log does not say why")
		}
		// A wrong password does not make a guest, and a guest no user.
		_, err = s.session(t, "alice", "wrong")
		mustBe(t, "wrong password", err, ntstatus.LogonFailure)
		err = sess.Reauthenticate(t.Context(), client.Login{User: "alice", Password: "secret"})
		mustBe(t, "a user in the session of a guest", err, ntstatus.AccessDenied)
		tree, err = s.as(t, "carol").TreeConnect(t.Context(), "open")
		mustBe(t, "a user", err, ntstatus.Success)
		if tree.Session.Flags != 0 {
			t.Errorf("a user has flags %#x", tree.Session.Flags)
		}
	}
}

func TestNoGuestsByDefault(t *testing.T) {
	s := newAccessServer(t, nil, smb.Share{Name: "open", DefaultAccess: smb.AccessRead, Guest: true})
	_, err := s.session(t, "stranger", "secret")
	mustBe(t, "a stranger", err, ntstatus.LogonFailure)
	_, err = s.session(t, "", "")
	mustBe(t, "nobody", err, ntstatus.AccessDenied)
	// What the server does not want counts, whatever the authenticator says.
	s = newAccessServer(t, func(_ *smb.Config, n *auth.NTLMConfig) { n.AllowAnonymous = true })
	_, err = s.session(t, "", "")
	mustBe(t, "nobody", err, ntstatus.AccessDenied)
}

func TestAnonymous(t *testing.T) {
	s := newAccessServer(t, func(c *smb.Config, n *auth.NTLMConfig) { c.Anonymous, n.AllowAnonymous = true, true },
		smb.Share{Name: "open", DefaultAccess: smb.AccessWrite, Guest: true})
	sess := s.as(t, "")
	if sess.Flags != wire.SessionFlagIsNull {
		t.Errorf("flags %#x", sess.Flags)
	}
	_, err := sess.TreeConnect(t.Context(), "IPC$")
	mustBe(t, "IPC$", err, ntstatus.Success)
	_, err = sess.TreeConnect(t.Context(), "open")
	mustBe(t, "a share", err, ntstatus.AccessDenied)
	if s.log.says("anonymous sessions have IPC$ alone") != 1 {
		t.Error("the log does not say why")
	}
}

func TestAccessBasedEnumeration(t *testing.T) {
	s := newAccessServer(t, nil, smb.Share{Name: "data", DefaultAccess: smb.AccessWrite, AccessBased: true},
		smb.Share{Name: "plain", DefaultAccess: smb.AccessWrite})
	ctx := t.Context()
	for _, share := range []string{"data", "plain"} {
		tree, err := s.as(t, "alice").TreeConnect(ctx, share)
		mustBe(t, "connect", err, ntstatus.Success)
		abe := tree.Response.ShareFlags&wire.ShareFlagAccessBasedDirectoryEnum != 0
		if abe != (share == "data") {
			t.Errorf("%s: flags %#x", share, tree.Response.ShareFlags)
		}
		const read = secdesc.FileGenericRead
		want := map[string]bool{".": true, "..": true}
		for name, mask := range map[string]uint32{
			"all": secdesc.FileAllAccess, "read": read, "unnamed": 0,
			"no data": read &^ secdesc.FileReadData, "no attributes": read &^ secdesc.FileReadAttributes, "no EA": read &^ secdesc.FileReadEA,
		} {
			f := create(t, tree, client.CreateArgs{Name: name, Directory: name == "read", Access: wire.AccessWriteDAC | wire.AccessReadControl})
			if mask != 0 {
				d := &secdesc.Descriptor{Control: secdesc.SelfRelative | secdesc.DACLPresent,
					DACL: secdesc.NewACL(secdesc.Allow(secdesc.AuthenticatedUsers, mask, 0))}
				b, err := d.Append(nil)
				if err != nil {
					t.Fatal(err)
				}
				if err := f.SetSecurity(ctx, wire.DaclSecurityInformation, b); err != nil {
					t.Fatal(err)
				}
			}
			want[name] = !abe || mask == 0 || mask&read == read
			if err := f.Close(ctx); err != nil {
				t.Fatal(err)
			}
		}
		list, err := tree.ReadDir(ctx, "")
		mustBe(t, "list", err, ntstatus.Success)
		got := make(map[string]bool)
		for name := range want {
			got[name] = slices.ContainsFunc(list, func(e wire.DirEntry) bool { return e.FileName == name })
		}
		got["."], got[".."] = true, true // ReadDir leaves them out
		if !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", share, got, want)
		}
		dir := create(t, tree, client.CreateArgs{Name: "", Directory: true, Access: client.ListDirectory})
		_, err = dir.QueryDirectory(ctx, client.DirQuery{Pattern: "no data"})
		status := ntstatus.Success
		if abe {
			status = ntstatus.NoSuchFile
		}
		mustBe(t, "asked for by name", err, status)
	}
}

// A CANCEL whose signature is wrong or missing cancels nothing.
func TestCancelIsVerified(t *testing.T) {
	s := newAccessServer(t, nil, smb.Share{Name: "data", DefaultAccess: smb.AccessWrite})
	ctx := t.Context()
	sess := s.as(t, "alice")
	tree, err := sess.TreeConnect(ctx, "data")
	mustBe(t, "connect", err, ntstatus.Success)
	dir := create(t, tree, client.CreateArgs{Name: "", Directory: true, Access: client.ListDirectory})
	for _, how := range []client.Protection{client.Broken, client.Off, client.Auto} {
		p := dir.StartChangeNotify(wire.NotifyChangeEA, false)
		id, err := p.Interim(ctx)
		if err != nil {
			t.Fatal(err)
		}
		r := tree.Request(nil)
		r.Bytes, r.Command, r.Sign, r.MessageID = []byte{4, 0, 0, 0}, wire.CmdCancel, how, new(uint64)
		r.Header = func(h *wire.Header) {
			h.Flags, h.AsyncID, h.Credits, h.CreditCharge = h.Flags|wire.FlagAsync, id, 0, 0
		}
		sess.Conn.Start(r)
		if how == client.Auto {
			_, err = p.Wait(ctx)
			mustBe(t, "cancelled", err, ntstatus.Cancelled)
			continue
		}
		if err := sess.Echo(ctx); err != nil { // it has been read
			t.Fatal(err)
		}
		short, stop := context.WithTimeout(ctx, time.Millisecond)
		if _, err := p.Wait(short); err == nil || short.Err() == nil {
			t.Fatal("a forged CANCEL is heeded")
		}
		stop()
		if n := s.metric(t, "lessor_smb_bad_signatures_total"); n != 1 {
			t.Errorf("%v bad signatures counted", n)
		}
		if err := p.Cancel(); err != nil {
			t.Fatal(err)
		}
		_, err = p.Wait(ctx)
		mustBe(t, "by its owner", err, ntstatus.Cancelled)
	}
}

// A session is bound to a connection of another ClientGuid: when its first connection
// is gone, breaks come there.
func TestBreaksThroughForeignChannel(t *testing.T) {
	s := newAccessServer(t, nil, smb.Share{Name: "data", DefaultAccess: smb.AccessWrite})
	ctx := t.Context()
	one, err := s.as(t, "alice").TreeConnect(ctx, "data")
	mustBe(t, "connect", err, ntstatus.Success)
	o := one.Session.Conn.Options()
	o.ClientGuid = client.NewGUID()
	c, err := client.Dial(ctx, s.addr, o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	sess, err := c.Bind(ctx, one.Session)
	mustBe(t, "bind", err, ntstatus.Success)
	two := one.On(sess)
	leased := create(t, two, client.CreateArgs{Name: "leased", Lease: &client.Lease{Key: wire.GUID{1}, State: client.RWH}})
	oplock := create(t, two, client.CreateArgs{Name: "oplock", Oplock: wire.OplockBatch})
	if err := one.Session.Conn.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "one connection is left", func() bool { return len(s.Status().Connections) == 1 })
	other, err := s.as(t, "bob").TreeConnect(ctx, "data")
	mustBe(t, "connect", err, ntstatus.Success)
	for _, f := range []*client.File{leased, oplock} {
		p := other.StartCreate(client.CreateArgs{Name: f.Name})
		b, err := c.NextBreak(ctx)
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		if b.Lease != nil {
			err = f.AckLease(ctx, client.RH)
		} else {
			err = f.AckOplock(ctx, wire.OplockII)
		}
		mustBe(t, "acknowledge", err, ntstatus.Success)
		if _, err := p.Wait(ctx); err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
	}
}
