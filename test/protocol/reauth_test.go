package protocol

import (
	"testing"
	"time"

	"lessor/smb"
	"lessor/smb/auth"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/vfs/memfs"
)

// The client proves who it is again, or that it is somebody else, while requests wait:
// these go on as if nothing had happened (MS-SMB2 3.3.5.5.3).
func TestReauthenticationWithRequestsWaiting(t *testing.T) {
	for _, m := range modes {
		for _, who := range []string{"alice", "bob"} {
			t.Run(m.name+" as "+who, func(t *testing.T) {
				inBubble(t, func(t *testing.T, b *bubble) {
					ctx := t.Context()
					tree, holder := b.connect(t, m.tweak), b.connect(t)
					mine := open(t, tree, client.CreateArgs{Name: "mine"})
					p := park(t, tree, holder, "f")
					login := client.Login{User: who, Password: "secret"}
					for range 3 {
						check(t, tree.Session.Reauthenticate(ctx, login))
						for _, w := range []unanswered{p.lock, p.notify, p.create, p.rename} {
							pendingNow(t, w)
						}
					}
					if sessions := b.Status().Sessions; len(sessions) != 2 || sessions[0].User != who && sessions[1].User != who {
						t.Errorf("sessions %+v", sessions)
					}
					must(mine.Write(ctx, 0, []byte("still open")))(t)
					check(t, p.notify.Cancel())
					_, err := p.notify.Wait(ctx)
					wantStatus(t, err, ntstatus.Cancelled)
					p.release(t)
					must(must(p.create.Wait(ctx))(t).Write(ctx, 0, []byte("done")))(t)
					must(p.rename.Wait(ctx))(t)
					holder.Session.Conn.Close()
					must(p.lock.Wait(ctx))(t)
				}, encrypts)
			})
		}
	}
}

// What is begun is done as who the session belongs to when it is done: who may read only
// gets nothing more out of a CREATE that somebody else has begun.
func TestReauthenticationTakesRightsAway(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		ctx := t.Context()
		check(t, b.SetShares([]smb.Share{{
			Name: "share", FS: memfs.New(memfs.Options{}), DefaultAccess: smb.AccessWrite,
			Access: map[string]smb.Access{"bob": smb.AccessRead},
		}}))
		tree, holder := b.connect(t), b.connect(t)
		mine := open(t, tree, client.CreateArgs{Name: "mine"})
		f := open(t, holder, client.CreateArgs{Name: "f", Lease: lease(client.RWH)})
		writes, reads := tree.StartCreate(client.CreateArgs{Name: "f"}), tree.StartCreate(client.CreateArgs{Name: "f", Access: wire.AccessReadData})
		must(writes.Interim(ctx))(t)
		must(reads.Interim(ctx))(t)
		check(t, tree.Session.Reauthenticate(ctx, client.Login{User: "bob", Password: "secret"}))
		check(t, f.AckLease(ctx, client.R))
		_, err := writes.Wait(ctx)
		wantStatus(t, err, ntstatus.AccessDenied)
		must(reads.Wait(ctx))(t)
		_, err = tree.Create(ctx, client.CreateArgs{Name: "new"})
		wantStatus(t, err, ntstatus.AccessDenied)
		// What is open stays what it is.
		must(mine.Write(ctx, 0, []byte("still open")))(t)
		check(t, tree.Session.Reauthenticate(ctx, client.Login{User: "alice", Password: "secret"}))
		check(t, tree.WriteFile(ctx, "new", nil))
	})
}

// The proof runs out while requests wait: what was begun before is done, what comes now
// needs a new one (MS-SMB2 3.3.5.2.9).
func TestSessionExpiresWithRequestsWaiting(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			inMortalBubble(t, func(t *testing.T, b *bubble) {
				ctx := t.Context()
				tree, holder := b.connect(t, m.tweak), b.connect(t)
				b.pass(10*time.Minute - 10*time.Second)
				check(t, holder.Session.Reauthenticate(ctx, holder.Session.Login()))
				p := park(t, tree, holder, "f")
				b.pass(20 * time.Second)
				_, err := tree.Create(ctx, client.CreateArgs{Name: "late"})
				wantStatus(t, err, ntstatus.NetworkSessionExpired)
				for _, w := range []unanswered{p.lock, p.notify, p.create, p.rename} {
					pendingNow(t, w)
				}
				p.release(t)
				f := must(p.create.Wait(ctx))(t)
				must(p.rename.Wait(ctx))(t)
				holder.Session.Conn.Close()
				must(p.lock.Wait(ctx))(t)
				_, err = f.Write(ctx, 0, []byte("x"))
				wantStatus(t, err, ntstatus.NetworkSessionExpired)
				check(t, tree.Session.Reauthenticate(ctx, tree.Session.Login()))
				must(f.Write(ctx, 0, []byte("x")))(t)
				check(t, p.notify.Cancel())
				_, err = p.notify.Wait(ctx)
				wantStatus(t, err, ntstatus.Cancelled)
			})
		})
	}
}

// A new session takes the place of one that the client has lost, if the user is the same
// (MS-SMB2 3.3.5.5.3).
func TestPreviousSession(t *testing.T) {
	// replace logs on with the id of another session, on a connection of its own.
	replace := func(t *testing.T, b *bubble, guid wire.GUID, user string, id uint64) *client.Tree {
		t.Helper()
		c := must(client.NewConn(t.Context(), b.pipe(), client.Options{User: user, Password: "secret", ClientGuid: guid}))(t)
		t.Cleanup(func() { c.Close() })
		session := must(c.SessionSetupAs(t.Context(), client.Login{User: user, Password: "secret", PreviousSession: id}))(t)
		tree := must(session.TreeConnect(t.Context(), "share"))(t)
		b.trees = append(b.trees, tree)
		return tree
	}
	alive := func(t *testing.T, tree *client.Tree, want ntstatus.Status) {
		t.Helper()
		_, err := tree.Stat(t.Context(), "")
		if want == ntstatus.Success {
			check(t, err)
			return
		}
		wantStatus(t, err, want)
	}
	guid := client.NewGUID()
	t.Run("the same user", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bubble) {
			ctx := t.Context()
			old := b.connect(t, isClient(guid))
			beside := must(must(old.Session.Conn.SessionSetup(ctx))(t).TreeConnect(ctx, "share"))(t)
			plain := open(t, old, client.CreateArgs{Name: "plain"})
			kept := open(t, old, client.CreateArgs{Name: "kept", Lease: lease(client.RWH), Durable: &client.Durable{}})
			gone := open(t, old, client.CreateArgs{Name: "gone", Options: wire.OptionDeleteOnClose})
			now := replace(t, b, guid, "alice", old.Session.ID)
			alive(t, old, ntstatus.UserSessionDeleted)
			alive(t, beside, ntstatus.Success)
			alive(t, now, ntstatus.Success)
			_, err := now.Stat(ctx, "gone")
			wantStatus(t, err, ntstatus.ObjectNameNotFound)
			for _, f := range []*client.File{plain, gone} {
				_, err = f.On(now.Session).Read(ctx, 0, 1)
				wantStatus(t, err, ntstatus.FileClosed)
			}
			// What is durable waits for its client, and no longer.
			check(t, must(now.Create(ctx, kept.ReconnectArgs()))(t).Close(ctx))
		})
	})
	t.Run("another user", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bubble) {
			old := b.connect(t, isClient(guid))
			f := open(t, old, client.CreateArgs{Name: "f", Lease: lease(client.RWH), Durable: &client.Durable{}})
			now := replace(t, b, guid, "bob", old.Session.ID)
			alive(t, now, ntstatus.Success)
			alive(t, old, ntstatus.Success)
			must(f.Write(t.Context(), 0, []byte("mine")))(t)
			check(t, f.Close(t.Context()))
		})
	})
	t.Run("another client of the same user", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bubble) {
			old := b.connect(t, isClient(guid))
			replace(t, b, client.NewGUID(), "alice", old.Session.ID)
			alive(t, old, ntstatus.UserSessionDeleted)
		})
	})
	t.Run("of all its channels", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bubble) {
			old := b.connect(t, isClient(guid))
			c := must(client.NewConn(t.Context(), b.pipe(), old.Session.Conn.Options()))(t)
			defer c.Close()
			second := old.On(must(c.Bind(t.Context(), old.Session))(t))
			replace(t, b, guid, "alice", old.Session.ID)
			alive(t, old, ntstatus.UserSessionDeleted)
			alive(t, second, ntstatus.UserSessionDeleted)
		})
	})
	t.Run("on the same connection", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bubble) {
			old := b.connect(t)
			login := client.Login{User: "alice", Password: "secret", PreviousSession: old.Session.ID}
			now := must(old.Session.Conn.SessionSetupAs(t.Context(), login))(t)
			alive(t, old, ntstatus.UserSessionDeleted)
			alive(t, must(now.TreeConnect(t.Context(), "share"))(t), ntstatus.Success)
		})
	})
	t.Run("itself", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bubble) {
			tree := b.connect(t)
			check(t, tree.Session.Reauthenticate(t.Context(), client.Login{User: "alice", Password: "secret", PreviousSession: tree.Session.ID}))
			alive(t, tree, ntstatus.Success)
		})
	})
	t.Run("none that there is", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bubble) {
			alive(t, replace(t, b, guid, "alice", 12345), ntstatus.Success)
		})
	})
	t.Run("by a proof that fails", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bubble) {
			old := b.connect(t)
			login := client.Login{User: "alice", Password: "wrong", PreviousSession: old.Session.ID}
			_, err := old.Session.Conn.SessionSetupAs(t.Context(), login)
			wantStatus(t, err, ntstatus.LogonFailure)
			alive(t, old, ntstatus.Success)
		})
	})
}

// Anybody can be a guest, and must not end the sessions of others by guessing their ids.
func TestPreviousSessionOfAGuest(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		ctx := t.Context()
		check(t, b.SetShares([]smb.Share{{Name: "share", FS: memfs.New(memfs.Options{}), DefaultAccess: smb.AccessWrite, Guest: true}}))
		mine := client.NewGUID()
		guest := func(guid wire.GUID, previous uint64) *client.Tree {
			t.Helper()
			c := must(client.NewConn(ctx, b.pipe(), client.Options{ClientGuid: guid, NoVerify: true}))(t)
			t.Cleanup(func() { c.Close() })
			s := must(c.SessionSetupAs(ctx, client.Login{User: "nobody", Password: "x", PreviousSession: previous}))(t)
			tree := must(s.TreeConnect(ctx, "share"))(t)
			b.trees = append(b.trees, tree)
			return tree
		}
		old := guest(mine, 0)
		guest(client.NewGUID(), old.Session.ID)
		must(old.Stat(ctx, ""))(t)
		guest(mine, old.Session.ID)
		_, err := old.Stat(ctx, "")
		wantStatus(t, err, ntstatus.UserSessionDeleted)
	}, func(c *smb.Config) {
		users := must(auth.NewUsers())(t)
		ntlm := must(auth.NewNTLM(auth.NTLMConfig{
			Computer: "LESSOR", Accounts: users, Guest: func(string, string) (string, bool) { return "guest", true },
		}))(t)
		c.Auth, c.SigningOptional = auth.NewNegotiator(ntlm), true
	})
}

// A client that comes back after a restart names its old session. That must be nobody
// else's now.
func TestSessionIDsAreNotUsedAgain(t *testing.T) {
	s := start(t, "")
	seen := map[uint64]int{}
	for run := range 4 {
		tree := s.connect(t)
		for range 60 {
			session := must(tree.Session.Conn.SessionSetup(t.Context()))(t)
			if before, twice := seen[session.ID]; twice {
				t.Errorf("session id %#x of run %d is there again in run %d", session.ID, before, run)
			}
			seen[session.ID] = run
		}
		tree.Session.Conn.Close()
		check(t, s.Kill())
		check(t, s.Start())
	}
	runs := map[uint64]map[int]bool{}
	for id, run := range seen {
		if runs[id>>24] == nil {
			runs[id>>24] = map[int]bool{}
		}
		runs[id>>24][run] = true
	}
	for bits, of := range runs {
		if len(of) != 1 {
			t.Errorf("ids that begin with %#x are of runs %v", bits, of)
		}
	}
	if len(runs) != 4 {
		t.Errorf("%d beginnings in 4 runs", len(runs))
	}
}
