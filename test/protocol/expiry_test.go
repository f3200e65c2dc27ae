package protocol

import (
	"testing"
	"time"

	"lessor/smb"
	"lessor/smb/auth"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// mortal is an Authenticator whose proofs are good for some time, as with tickets.
type mortal struct {
	auth.Authenticator
	life time.Duration
}

func (m mortal) NewExchange() auth.Exchange {
	return mortalExchange{m.Authenticator.NewExchange(), m.life}
}

type mortalExchange struct {
	auth.Exchange
	life time.Duration
}

func (x mortalExchange) Step(token []byte) ([]byte, *auth.Identity, error) {
	reply, id, err := x.Exchange.Step(token)
	if id != nil {
		id.Expires = time.Now().Add(x.life)
	}
	return reply, id, err
}

// inMortalBubble is inBubble with sessions that expire after ten minutes.
func inMortalBubble(t *testing.T, test func(*testing.T, *bubble)) {
	t.Helper()
	inBubble(t, test, func(c *smb.Config) {
		c.Auth, c.Encryption = mortal{c.Auth, 10 * time.Minute}, smb.EncryptionEnabled
	})
}

// An expired session closes, gives locks back and logs off; all else has to wait
// for a new proof (MS-SMB2 3.3.5.2.9), and then goes on where it was.
func TestExpiredSession(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			inMortalBubble(t, func(t *testing.T, b *bubble) {
				ctx := t.Context()
				tree := b.connect(t, m.tweak)
				f := open(t, tree, client.CreateArgs{Name: "f"})
				must(f.Write(ctx, 0, []byte("data")))(t)
				lock := wire.LockElement{Length: 1, Flags: wire.LockFlagExclusiveLock | wire.LockFlagFailImmediately}
				unlock := wire.LockElement{Length: 1, Flags: wire.LockFlagUnlock}
				check(t, f.Lock(ctx, lock))

				b.pass(10*time.Minute - time.Second)
				must(f.Read(ctx, 0, 4))(t)
				b.pass(2 * time.Second)

				refused := func() {
					t.Helper()
					_, err := f.Read(ctx, 0, 4)
					wantStatus(t, err, ntstatus.NetworkSessionExpired)
					_, err = f.Write(ctx, 0, []byte("x"))
					wantStatus(t, err, ntstatus.NetworkSessionExpired)
					wantStatus(t, f.Flush(ctx), ntstatus.NetworkSessionExpired)
					_, err = tree.Create(ctx, client.CreateArgs{Name: "g"})
					wantStatus(t, err, ntstatus.NetworkSessionExpired)
					_, err = tree.Session.TreeConnect(ctx, "share")
					wantStatus(t, err, ntstatus.NetworkSessionExpired)
					wantStatus(t, f.Lock(ctx, lock), ntstatus.NetworkSessionExpired)
					_, err = f.Basic(ctx)
					wantStatus(t, err, ntstatus.NetworkSessionExpired)
				}
				refused()
				check(t, tree.Session.Echo(ctx))
				check(t, f.Lock(ctx, unlock))
				wantStatus(t, f.Lock(ctx, unlock), ntstatus.RangeNotLocked)
				if n := len(b.Status().Sessions); n != 1 {
					t.Errorf("%d sessions are shown", n)
				}

				check(t, tree.Session.Reauthenticate(ctx, tree.Session.Login()))
				if got := must(f.Read(ctx, 0, 4))(t); string(got) != "data" {
					t.Errorf("read %q", got)
				}
				check(t, f.Lock(ctx, lock))

				// A proof before the end moves the end.
				b.pass(9 * time.Minute)
				check(t, tree.Session.Reauthenticate(ctx, tree.Session.Login()))
				b.pass(9 * time.Minute)
				must(f.Read(ctx, 0, 4))(t)
				b.pass(time.Minute + time.Second)
				refused()
				check(t, f.Close(ctx))
				check(t, tree.Session.Logoff(ctx))
			})
		})
	}
}

// A request that waits does so beyond the end of the session, and can be cancelled;
// a new channel needs a valid session.
func TestExpiredSessionWaits(t *testing.T) {
	inMortalBubble(t, func(t *testing.T, b *bubble) {
		ctx := t.Context()
		tree := b.connect(t)
		check(t, tree.Mkdir(ctx, "d"))
		one := open(t, tree, client.CreateArgs{Directory: true, Access: client.ListDirectory}).StartChangeNotify(wire.NotifyChangeFileName, false)
		two := open(t, tree, client.CreateArgs{Name: "d", Directory: true, Access: client.ListDirectory}).StartChangeNotify(wire.NotifyChangeFileName, false)
		must(one.Interim(ctx))(t)
		must(two.Interim(ctx))(t)
		b.pass(11 * time.Minute)
		check(t, one.Cancel())
		_, err := one.Wait(ctx)
		wantStatus(t, err, ntstatus.Cancelled)

		o := tree.Session.Conn.Options()
		c := must(client.NewConn(ctx, b.pipe(), o))(t)
		defer c.Close()
		_, err = c.Bind(ctx, tree.Session)
		wantStatus(t, err, ntstatus.NetworkSessionExpired)

		other := b.connect(t, func(o *client.Options) { o.User = "bob" })
		check(t, other.WriteFile(ctx, `d\new`, nil))
		wantEvents(t, must(two.Wait(ctx))(t), wire.FileNotifyInformation{Action: wire.ActionAdded, FileName: "new"})
	})
}

// Who fails to prove again who he is loses the session.
func TestExpiredSessionOfSomebodyElse(t *testing.T) {
	inMortalBubble(t, func(t *testing.T, b *bubble) {
		ctx := t.Context()
		tree := b.connect(t)
		b.pass(11 * time.Minute)
		login := tree.Session.Login()
		login.Password = "wrong"
		wantStatus(t, tree.Session.Reauthenticate(ctx, login), ntstatus.LogonFailure)
		_, err := tree.Create(ctx, client.CreateArgs{Name: "g"})
		wantStatus(t, err, ntstatus.UserSessionDeleted)
	})
}
