package protocol

import (
	"fmt"
	"testing"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// second returns a further channel of the tree's session, and the tree by way of it.
// Its connection ends with the test.
func (s *server) second(t *testing.T, tree *client.Tree) *client.Tree {
	t.Helper()
	o := tree.Session.Conn.Options()
	c := s.dial(t, func(mine *client.Options) { *mine = o })
	return tree.On(must(c.Bind(t.Context(), tree.Session))(t))
}

func TestChannels(t *testing.T) {
	s := start(t, "")
	for _, d := range []wire.Dialect{wire.Dialect300, wire.Dialect302, wire.Dialect311} {
		for _, m := range modes {
			mode := func(o *client.Options) { m.tweak(o); o.Dialects = []wire.Dialect{d} }
			s.run(t, fmt.Sprintf("%v %s", d, m.name), func(t *testing.T) {
				ctx := t.Context()
				one := s.connect(t, mode)
				two := s.second(t, one)
				f := open(t, one, client.CreateArgs{Name: "f"})
				must(f.On(two.Session).Write(ctx, 0, []byte("by the second")))(t)
				if got := must(f.Read(ctx, 0, 100))(t); string(got) != "by the second" {
					t.Errorf("read %q", got)
				}
				g := open(t, two, client.CreateArgs{Name: "g"})
				must(g.On(one.Session).Write(ctx, 0, []byte("by the first")))(t)
				// Signing keys are of one channel.
				wrong := f.On(two.Session).With(func(r *client.Request) { r.Sign, r.Seal = client.Broken, client.Off })
				_, err := wrong.Write(ctx, 0, []byte("x"))
				wantStatus(t, err, ntstatus.AccessDenied)
				// The first one goes; session, tree and opens stay.
				one.Session.Conn.Close()
				s.wantMetric(t, "lessor_smb_connections", 1)
				must(f.On(two.Session).Write(ctx, 0, []byte("still there")))(t)
				check(t, g.Close(ctx))
				check(t, two.WriteFile(ctx, "h", nil))
				// The last one goes, and with it everything.
			})
		}
	}
}

// The break of a lease or an oplock goes over a channel that lives.
func TestBreakOverTheSurvivingChannel(t *testing.T) {
	s := start(t, "")
	for _, m := range modes {
		for name, hold := range map[string]func(*client.CreateArgs){
			"lease":  func(a *client.CreateArgs) { a.Lease = lease(client.RWH) },
			"oplock": func(a *client.CreateArgs) { a.Oplock = wire.OplockBatch },
		} {
			s.run(t, name+" "+m.name, func(t *testing.T) {
				ctx := t.Context()
				one, other := s.connect(t, m.tweak), s.connect(t)
				two := s.second(t, one)
				args := client.CreateArgs{Name: name + m.name}
				hold(&args)
				f := open(t, one, args)
				one.Session.Conn.Close()
				s.wantMetric(t, "lessor_smb_connections", 2)
				f = f.On(two.Session)
				p := other.StartCreate(client.CreateArgs{Name: args.Name})
				if args.Lease != nil {
					wantBreak(t, two.Session.Conn, args.Lease.Key, client.RWH, client.RH, true)
					must(p.Interim(ctx))(t)
					check(t, f.AckLease(ctx, client.RH))
				} else {
					wantOplockBreak(t, f, wire.OplockII)
					must(p.Interim(ctx))(t)
					check(t, f.AckOplock(ctx, wire.OplockII))
				}
				must(p.Wait(ctx))(t)
			})
		}
	}
	// The channel is lost while the break is on its way over it: the client may
	// acknowledge it over another one.
	s.run(t, "lost behind the break", func(t *testing.T) {
		ctx := t.Context()
		one, other := s.connect(t), s.connect(t)
		two := s.second(t, one)
		f := open(t, one, client.CreateArgs{Name: "lost", Lease: lease(client.RWH)})
		p := other.StartCreate(client.CreateArgs{Name: "lost"})
		wantBreak(t, one.Session.Conn, f.Lease.LeaseKey, client.RWH, client.RH, true)
		must(p.Interim(ctx))(t)
		one.Session.Conn.Close()
		pendingNow(t, p)
		check(t, f.On(two.Session).AckLease(ctx, client.RH))
		must(p.Wait(ctx))(t)
	})
}

// Requests that wait on a channel end with it; the rest of the session does not.
func TestWaitingOnAChannel(t *testing.T) {
	s := start(t, "")
	s.run(t, "lock", func(t *testing.T) {
		ctx := t.Context()
		one := s.connect(t)
		two := s.second(t, one)
		holder, other := locked(t, one, "f")
		p := waitingLock(other)
		must(p.Interim(ctx))(t)
		q := waitingLock(other.On(two.Session))
		must(q.Interim(ctx))(t)
		one.Session.Conn.Close()
		s.wantMetric(t, "lessor_smb_waiting_requests", 1)
		pendingNow(t, q)
		check(t, holder.On(two.Session).Lock(ctx, client.Unlock(0, 10)))
		must(q.Wait(ctx))(t)
	})
	s.run(t, "logoff on one, waiting on the other", func(t *testing.T) {
		ctx := t.Context()
		one := s.connect(t)
		two := s.second(t, one)
		dir := open(t, two, client.CreateArgs{Name: "", Directory: true, Access: client.ListDirectory})
		p := dir.StartChangeNotify(wire.NotifyChangeEA, false)
		must(p.Interim(ctx))(t)
		check(t, one.Session.Logoff(ctx))
		_, err := p.Wait(ctx)
		wantStatus(t, err, ntstatus.NotifyCleanup)
		_, err = two.Create(ctx, client.CreateArgs{Name: "f"})
		wantStatus(t, err, ntstatus.UserSessionDeleted)
		check(t, two.Session.Conn.Echo(ctx))
	})
}

func TestBindingIsRefused(t *testing.T) {
	s := start(t, "", "default_access: write")
	check(t, s.AddUser("bob", "hunter2"))
	// bind tries to bind the session of a tree on a new connection.
	bind := func(t *testing.T, session *client.Session, login client.Login, tweaks ...func(*client.Options)) error {
		t.Helper()
		c := s.dial(t, append(tweaks, isClient(session.Conn.Options().ClientGuid))...)
		if login.User == "" {
			login.User, login.Password = s.User, s.Password
		}
		_, err := c.BindAs(t.Context(), session, login)
		return err
	}
	s.run(t, "another user", func(t *testing.T) {
		tree := s.connect(t)
		wantStatus(t, bind(t, tree.Session, client.Login{User: "bob", Password: "hunter2"}), ntstatus.AccessDenied)
		check(t, tree.Session.Echo(t.Context()))
	})
	s.run(t, "wrong password", func(t *testing.T) {
		tree := s.connect(t)
		wantStatus(t, bind(t, tree.Session, client.Login{User: s.User, Password: "wrong"}), ntstatus.LogonFailure)
		check(t, tree.WriteFile(t.Context(), "f", nil)) // a failed binding costs the session nothing
	})
	s.run(t, "another dialect", func(t *testing.T) {
		tree := s.connect(t, speaks(wire.Dialect300))
		wantStatus(t, bind(t, tree.Session, client.Login{}, speaks(wire.Dialect302)), ntstatus.InvalidParameter)
	})
	s.run(t, "another signing algorithm", func(t *testing.T) {
		tree := s.connect(t, speaks(wire.Dialect311))
		wantStatus(t, bind(t, tree.Session, client.Login{}, speaks(wire.Dialect302)), ntstatus.RequestOutOfSequence)
	})
	s.run(t, "another cipher", func(t *testing.T) {
		tree := s.connect(t, func(o *client.Options) { o.Ciphers = []wire.Cipher{wire.CipherAES128GCM} })
		err := bind(t, tree.Session, client.Login{}, func(o *client.Options) { o.Ciphers = []wire.Cipher{wire.CipherAES256GCM} })
		wantStatus(t, err, ntstatus.InvalidParameter)
	})
	s.run(t, "2.1 has no channels", func(t *testing.T) {
		tree := s.connect(t, speaks(wire.Dialect210))
		wantStatus(t, bind(t, tree.Session, client.Login{}, speaks(wire.Dialect210)), ntstatus.RequestNotAccepted)
	})
	s.run(t, "unsigned", func(t *testing.T) {
		tree := s.connect(t)
		login := client.Login{Tweak: func(r *client.Request) { r.Sign = client.Off }}
		wantStatus(t, bind(t, tree.Session, login), ntstatus.InvalidParameter)
	})
	s.run(t, "no such session", func(t *testing.T) {
		tree := s.connect(t)
		login := client.Login{Tweak: func(r *client.Request) {
			before := r.Header
			r.Header = func(h *wire.Header) { before(h); h.SessionID ^= 0x5555 }
		}}
		wantStatus(t, bind(t, tree.Session, login), ntstatus.UserSessionDeleted)
	})
	s.run(t, "twice", func(t *testing.T) {
		tree := s.connect(t)
		two := s.second(t, tree)
		_, err := two.Session.Conn.Bind(t.Context(), tree.Session)
		wantStatus(t, err, ntstatus.RequestNotAccepted)
	})
	s.run(t, "more than 32", func(t *testing.T) {
		tree := s.connect(t)
		for range 31 {
			s.second(t, tree)
		}
		wantStatus(t, bind(t, tree.Session, client.Login{}), ntstatus.InsufficientResources)
	})
}

// A request of before the loss of a channel comes late, by another way: it must not
// undo what the client has done since (MS-SMB2 3.3.5.2.10).
func TestChannelSequence(t *testing.T) {
	s := start(t, "")
	s.run(t, "late", func(t *testing.T) {
		ctx := t.Context()
		tree := s.connect(t)
		f := open(t, tree, client.CreateArgs{Name: "f"})
		at := func(seq uint16) *client.File { return f.With(client.ChannelSequence(seq)) }
		must(at(0).Write(ctx, 0, []byte("zero")))(t)
		must(at(2).Write(ctx, 0, []byte("two")))(t)
		for name, try := range map[string]func(*client.File) error{
			"write":    func(f *client.File) error { _, err := f.Write(ctx, 0, []byte("late")); return err },
			"set info": func(f *client.File) error { return f.Truncate(ctx, 1) },
			"ioctl":    func(f *client.File) error { _, err := f.Ioctl(ctx, wire.FsctlSetSparse, nil, 0); return err },
		} {
			if st, _ := client.StatusOf(try(at(1))); st != ntstatus.FileNotAvailable {
				t.Errorf("late %s: %v", name, st)
			}
		}
		// Reading does no harm.
		if got := must(at(1).Read(ctx, 0, 100))(t); string(got) != "twoo" {
			t.Errorf("read %q", got)
		}
		must(at(2).Write(ctx, 0, []byte("TWO")))(t)
		// The numbers go round: up to half of the way ahead is later, the rest is before.
		must(at(0x8001).Write(ctx, 0, []byte("far")))(t)
		_, err := at(2).Write(ctx, 0, []byte("x"))
		wantStatus(t, err, ntstatus.FileNotAvailable)
		must(at(0).Write(ctx, 0, []byte("round")))(t)
		check(t, f.With(client.ChannelSequence(0)).Close(ctx)) // closing is no change
	})
	s.run(t, "no such thing in 2.1", func(t *testing.T) {
		ctx := t.Context()
		tree := s.connect(t, speaks(wire.Dialect210))
		f := open(t, tree, client.CreateArgs{Name: "g"})
		must(f.With(client.ChannelSequence(2)).Write(ctx, 0, []byte("two")))(t)
		must(f.With(client.ChannelSequence(1)).Write(ctx, 0, []byte("one")))(t)
	})
}
