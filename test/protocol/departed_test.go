package protocol

import (
	"testing"
	"time"

	"lessor/smb"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// sealed is a tweak: everything is encrypted.
func sealed(o *client.Options) { o.Encrypt = true }

// encrypts is a tweak: the server encrypts for clients who want it.
func encrypts(c *smb.Config) { c.Encryption = smb.EncryptionEnabled }

// What comes sealed for a session that has ended is answered as what comes signed
// (MS-SMB2 3.3.5.2.9), so that nobody else on the connection suffers.
func TestSealedForAnEndedSession(t *testing.T) {
	// beside returns a second session of the tree's connection.
	beside := func(t *testing.T, tree *client.Tree) *client.Tree {
		t.Helper()
		return must(must(tree.Session.Conn.SessionSetup(t.Context()))(t).TreeConnect(t.Context(), "share"))(t)
	}
	for name, end := range map[string]func(*testing.T, *bubble, *client.Tree){
		"administrator": func(_ *testing.T, b *bubble, tree *client.Tree) { b.CloseSession(tree.Session.ID) },
		"replaced": func(t *testing.T, b *bubble, tree *client.Tree) {
			t.Helper()
			o := tree.Session.Conn.Options()
			c := must(client.NewConn(t.Context(), b.pipe(), o))(t)
			must(c.SessionSetupAs(t.Context(), client.Login{User: "alice", Password: "secret", PreviousSession: tree.Session.ID}))(t)
			check(t, c.Close())
		},
		"logged off": func(t *testing.T, _ *bubble, tree *client.Tree) {
			t.Helper()
			must(tree.Session.Conn.Do(t.Context(), tree.Session.Request(&wire.LogoffRequest{})))(t)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bubble) {
				ctx := t.Context()
				tree := b.connect(t, sealed)
				other := beside(t, tree)
				end(t, b, tree)
				for range 3 {
					_, err := tree.Create(ctx, client.CreateArgs{Name: "f"})
					wantStatus(t, err, ntstatus.UserSessionDeleted)
					// Not even with a session of its own on the connection.
					_, err = tree.Session.Conn.BindAs(ctx, tree.Session, client.Login{User: "alice", Password: "secret"})
					wantStatus(t, err, ntstatus.UserSessionDeleted)
					tree.Session.Conn.Pretend(tree.Session)
				}
				check(t, other.WriteFile(ctx, "f", nil))
				b.pass(3 * time.Minute)
				check(t, other.WriteFile(ctx, "f", nil))
				if _, err := tree.Create(ctx, client.CreateArgs{Name: "f"}); err == nil {
					t.Error("answered after three minutes")
				}
				wantCut(t, tree.Session.Conn)
			}, encrypts)
		})
	}
	t.Run("the last sixteen", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bubble) {
			tree := b.connect(t, sealed)
			var list []*client.Tree
			for range 17 {
				list = append(list, beside(t, tree))
				b.CloseSession(list[len(list)-1].Session.ID)
			}
			for _, ended := range list[1:] {
				_, err := ended.Create(t.Context(), client.CreateArgs{Name: "f"})
				wantStatus(t, err, ntstatus.UserSessionDeleted)
			}
			check(t, tree.WriteFile(t.Context(), "f", nil))
			if _, err := list[0].Create(t.Context(), client.CreateArgs{Name: "f"}); err == nil {
				t.Error("the first of seventeen is answered")
			}
			wantCut(t, tree.Session.Conn)
		}, encrypts)
	})
	// Who has failed to prove who it is gets no answer: Windows cuts the connection.
	t.Run("disproved", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bubble) {
			tree := b.connect(t, sealed)
			wantStatus(t, tree.Session.Reauthenticate(t.Context(), client.Login{User: "alice", Password: "wrong"}), ntstatus.LogonFailure)
			if _, err := tree.Create(t.Context(), client.CreateArgs{Name: "f"}); err == nil {
				t.Error("answered")
			}
			wantCut(t, tree.Session.Conn)
		}, encrypts)
	})
}

// A session that is not bound to the connection is none there: the client is told so if
// it is its own, and knows the keys.
func TestSealedForASessionElsewhere(t *testing.T) {
	connectAs := func(t *testing.T, b *bubble, guid wire.GUID) (mine, elsewhere *client.Tree) {
		t.Helper()
		tree := b.connect(t, sealed)
		c := b.connect(t, func(o *client.Options) { *o = tree.Session.Conn.Options(); o.ClientGuid = guid })
		return c, tree.On(c.Session.Conn.Pretend(tree.Session))
	}
	own := client.NewGUID()
	t.Run("the same client", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bubble) {
			ctx := t.Context()
			tree := b.connect(t, sealed, isClient(own))
			c := b.connect(t, sealed, isClient(own))
			for _, f := range []func(*client.Tree) error{
				func(tree *client.Tree) error { return tree.WriteFile(ctx, "f", nil) },
				func(tree *client.Tree) error { return tree.Disconnect(ctx) },
				func(tree *client.Tree) error { return tree.Session.Logoff(ctx) },
			} {
				elsewhere := tree.On(c.Session.Conn.Pretend(tree.Session))
				wantStatus(t, f(elsewhere), ntstatus.UserSessionDeleted)
			}
			check(t, tree.WriteFile(ctx, "f", nil))
			check(t, c.WriteFile(ctx, "f", nil))
		}, encrypts)
	})
	t.Run("another client", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bubble) {
			mine, elsewhere := connectAs(t, b, own)
			if err := elsewhere.WriteFile(t.Context(), "f", nil); err == nil {
				t.Error("done")
			}
			wantCut(t, mine.Session.Conn)
		}, encrypts)
	})
	// To bind a session takes its key. That of another one does not do.
	t.Run("bound by another session", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bubble) {
			ctx := t.Context()
			tree := b.connect(t, sealed, isClient(own))
			c := b.connect(t, sealed, isClient(own))
			login := client.Login{User: "alice", Password: "secret", Tweak: func(r *client.Request) {
				r.Session, r.Seal, r.Sign = c.Session, client.On, client.Off
			}}
			if _, err := c.Session.Conn.BindAs(ctx, tree.Session, login); err == nil {
				t.Error("bound")
			}
			wantCut(t, c.Session.Conn)
			check(t, tree.WriteFile(ctx, "f", nil))
		}, encrypts)
	})
	// Nor does sealing: a binding is signed (MS-SMB2 3.3.5.5).
	t.Run("bound by sealing", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bubble) {
			ctx := t.Context()
			tree := b.connect(t, sealed, isClient(own))
			c := b.connect(t, sealed, isClient(own))
			login := client.Login{User: "alice", Password: "secret"}
			there := c.Session.Conn.Pretend(tree.Session)
			login.Tweak = func(r *client.Request) { r.Session, r.Seal, r.Sign = there, client.On, client.Off }
			_, err := c.Session.Conn.BindAs(ctx, tree.Session, login)
			wantStatus(t, err, ntstatus.InvalidParameter)
			check(t, c.WriteFile(ctx, "f", nil))
			check(t, tree.WriteFile(ctx, "f", nil))
		}, encrypts)
	})
}
