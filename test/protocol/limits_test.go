package protocol

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// What clients may make the server hold is limited; what they give back may be taken
// again, and nobody else is the worse for it.
func TestLimits(t *testing.T) {
	s := start(t, `server:
  limits:
    connections: 10
    sessions_per_connection: 5
    trees_per_session: 7
    opens_per_session: 20
`)
	s.run(t, "connections", func(t *testing.T) {
		var conns []*client.Conn
		for range 10 {
			conns = append(conns, s.connect(t).Session.Conn)
		}
		if c, err := client.Dial(t.Context(), s.Addr, s.options()); err == nil {
			c.Close()
			t.Error("one more than may be")
		}
		check(t, conns[9].Echo(t.Context()))
		conns[0].Close()
		s.wantMetric(t, "lessor_smb_connections", 9)
		s.connect(t)
	})
	s.run(t, "sessions", func(t *testing.T) {
		ctx := t.Context()
		c := s.dial(t)
		var sessions []*client.Session
		for range 5 {
			sessions = append(sessions, must(c.SessionSetup(ctx))(t))
		}
		_, err := c.SessionSetup(ctx)
		wantStatus(t, err, ntstatus.RequestNotAccepted)
		check(t, sessions[4].Echo(ctx))
		check(t, sessions[0].Logoff(ctx))
		must(must(c.SessionSetup(ctx))(t).TreeConnect(ctx, "share"))(t)
		// A logon that fails takes no place.
		c = s.dial(t)
		for range 10 {
			login := client.Login{User: s.User, Password: "wrong"}
			_, err := c.SessionSetupAs(ctx, login)
			wantStatus(t, err, ntstatus.LogonFailure)
		}
		must(c.SessionSetup(ctx))(t)
	})
	s.run(t, "trees", func(t *testing.T) {
		ctx := t.Context()
		tree := s.connect(t)
		var trees []*client.Tree
		for range 6 {
			trees = append(trees, must(tree.Session.TreeConnect(ctx, "share"))(t))
		}
		_, err := tree.Session.TreeConnect(ctx, "share")
		wantStatus(t, err, ntstatus.InsufficientResources)
		check(t, trees[0].Disconnect(ctx))
		must(tree.Session.TreeConnect(ctx, "IPC$"))(t)
	})
	s.run(t, "opens", func(t *testing.T) {
		ctx := t.Context()
		tree := s.connect(t)
		var files []*client.File
		for i := range 20 {
			files = append(files, open(t, tree, client.CreateArgs{Name: fmt.Sprint("f", i)}))
		}
		// What was made for an open that is refused is taken back.
		_, err := tree.Create(ctx, client.CreateArgs{Name: "one more", Disposition: client.Create})
		wantStatus(t, err, ntstatus.TooManyOpenedFiles)
		_, err = tree.Create(ctx, client.CreateArgs{Name: "temporary", Options: wire.OptionDeleteOnClose, Lease: lease(client.RWH)})
		wantStatus(t, err, ntstatus.TooManyOpenedFiles)
		s.wantMetric(t, "lessor_registered_opens", 20)
		check(t, files[0].Close(ctx))
		f := open(t, tree, client.CreateArgs{Name: "one more", Disposition: client.Create})
		check(t, f.Close(ctx))
		open(t, tree, client.CreateArgs{Name: "temporary", Disposition: client.Create})
	})
}

// The same for the server as a whole, and for an address.
func TestLimitsOfTheServer(t *testing.T) {
	s := start(t, `server:
  limits:
    connections_per_address: 8
    sessions: 6
    opens: 30
    waiting: 5
`)
	reached := func(t *testing.T, limit string) {
		t.Helper()
		name := fmt.Sprintf("lessor_smb_limits_reached_total{limit=%q}", limit)
		if n := s.metrics(t)[name]; n < 1 {
			t.Errorf("%s is %v", name, n)
		}
		if !strings.Contains(s.LogFrom(0), fmt.Sprintf("\"limit\":%q", limit)) {
			t.Errorf("the log does not tell of %s", limit)
		}
	}
	s.run(t, "connections of an address", func(t *testing.T) {
		var conns []*client.Conn
		for range 8 {
			conns = append(conns, s.dial(t))
		}
		if c, err := client.Dial(t.Context(), s.Addr, s.options()); err == nil {
			c.Close()
			t.Error("one more than may be")
		}
		reached(t, "connections_per_address")
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
		if nc, err := d.DialContext(t.Context(), "tcp", s.Addr); err != nil {
			t.Log("no second address of the loopback interface:", err)
		} else {
			c := must(client.NewConn(t.Context(), nc, s.options()))(t)
			c.Close()
		}
		conns[0].Close()
		s.wantMetric(t, "lessor_smb_connections", 7)
		s.dial(t)
	})
	s.run(t, "sessions", func(t *testing.T) {
		ctx := t.Context()
		var sessions []*client.Session
		for range 6 {
			sessions = append(sessions, must(s.dial(t).SessionSetup(ctx))(t))
		}
		c := s.dial(t)
		_, err := c.SessionSetup(ctx)
		wantStatus(t, err, ntstatus.RequestNotAccepted)
		reached(t, "sessions")
		check(t, sessions[5].Echo(ctx))
		check(t, sessions[0].Logoff(ctx))
		must(must(c.SessionSetup(ctx))(t).TreeConnect(ctx, "share"))(t)
	})
	s.run(t, "opens", func(t *testing.T) {
		ctx := t.Context()
		one, two := s.connect(t), s.connect(t)
		var files []*client.File
		for i := range 30 {
			tree, a := one, client.CreateArgs{Name: fmt.Sprint("f", i)}
			if i%2 == 0 {
				tree, a.Durable, a.Oplock = two, &client.Durable{}, wire.OplockBatch
			}
			files = append(files, open(t, tree, a))
		}
		_, err := one.Create(ctx, client.CreateArgs{Name: "one more", Disposition: client.Create})
		wantStatus(t, err, ntstatus.TooManyOpenedFiles)
		reached(t, "opens")
		check(t, files[0].Close(ctx))
		f := open(t, one, client.CreateArgs{Name: "one more", Disposition: client.Create})
		check(t, f.Close(ctx))
		// Those that wait for their client count as well.
		two.Session.Conn.Close()
		s.wantMetric(t, "lessor_durable_handles_held", 14)
		for i := range 2 {
			if _, err = one.Create(ctx, client.CreateArgs{Name: fmt.Sprint("more", i)}); err != nil {
				break
			}
		}
		wantStatus(t, err, ntstatus.TooManyOpenedFiles)
		two = s.connect(t, isClient(two.Session.Conn.Options().ClientGuid))
		for i := 2; i < 30; i += 2 {
			check(t, must(two.Create(ctx, files[i].ReconnectArgs()))(t).Close(ctx))
		}
	})
	s.run(t, "waiting requests", func(t *testing.T) {
		ctx := t.Context()
		var waits []*client.Call[[]wire.FileNotifyInformation]
		for range 5 {
			dir := open(t, s.connect(t), client.CreateArgs{Name: "", Directory: true, Access: client.ListDirectory})
			p := dir.StartChangeNotify(wire.NotifyChangeEA, false)
			must(p.Interim(ctx))(t)
			waits = append(waits, p)
		}
		dir := open(t, s.connect(t), client.CreateArgs{Name: "", Directory: true, Access: client.ListDirectory})
		_, err := dir.StartChangeNotify(wire.NotifyChangeEA, false).Wait(ctx)
		wantStatus(t, err, ntstatus.InsufficientResources)
		reached(t, "waiting")
		check(t, waits[0].Cancel())
		_, err = waits[0].Wait(ctx)
		wantStatus(t, err, ntstatus.Cancelled)
		p := dir.StartChangeNotify(wire.NotifyChangeEA, false)
		must(p.Interim(ctx))(t)
		check(t, p.Cancel())
	})
}
