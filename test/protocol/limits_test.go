package protocol

import (
	"fmt"
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
