package protocol

import (
	"context"
	"fmt"
	"testing"
	"time"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// parked is one waiting request of each kind, on one tree.
type parked struct {
	lock   *client.Call[struct{}]
	notify *client.Call[[]wire.FileNotifyInformation]
	create *client.Call[*client.File] // waits for cached
	rename *client.Call[struct{}]     // so does this

	// cached are the opens of another client, whose breaks wait for it.
	cached []*client.File
}

// park makes one waiting request of each kind; holder is another client, which is in
// their way.
func park(t *testing.T, tree, holder *client.Tree, name string) *parked {
	t.Helper()
	ctx := t.Context()
	p := new(parked)
	check(t, open(t, holder, client.CreateArgs{Name: name}).Lock(ctx, client.Exclusive(0, 10)))
	p.lock = waitingLock(open(t, tree, client.CreateArgs{Name: name}))
	must(p.lock.Interim(ctx))(t)

	check(t, tree.Mkdir(ctx, name+" dir"))
	dir := open(t, tree, client.CreateArgs{Name: name + " dir", Directory: true, Access: client.ListDirectory})
	p.notify = dir.StartChangeNotify(wire.NotifyChangeFileName, false)
	must(p.notify.Interim(ctx))(t)

	hold := func(name string, state wire.LeaseState) {
		p.cached = append(p.cached, open(t, holder, client.CreateArgs{Name: name, Lease: lease(state)}))
	}
	hold(name+" create", client.RWH)
	p.create = tree.StartCreate(client.CreateArgs{Name: name + " create"})
	must(p.create.Interim(ctx))(t)

	// To rename, handle caching of others has to end.
	hold(name+" rename", client.RH)
	f := open(t, tree, client.CreateArgs{Name: name + " rename"})
	p.rename = f.StartSet(wire.FileInfoRename, &wire.FileRenameInformation{FileName: name + " renamed"})
	must(p.rename.Interim(ctx))(t)
	return p
}

// release lets everything go on that waits for the other client.
func (p *parked) release(t *testing.T) {
	t.Helper()
	for _, f := range p.cached {
		check(t, f.AckLease(t.Context(), client.R))
	}
}

func TestSessionEndsWithRequestsWaiting(t *testing.T) {
	s := start(t, "")
	endings := []struct {
		name string
		end  func(*testing.T, *client.Tree)
		// gone is what a request hears that comes too late for what has ended.
		gone ntstatus.Status
	}{
		{"logoff", func(t *testing.T, tree *client.Tree) { check(t, tree.Session.Logoff(t.Context())) }, ntstatus.UserSessionDeleted},
		{"tree disconnect", func(t *testing.T, tree *client.Tree) { check(t, tree.Disconnect(t.Context())) }, ntstatus.NetworkNameDeleted},
		{"another session in its place", func(t *testing.T, tree *client.Tree) {
			c := s.dial(t)
			must(c.SessionSetupAs(t.Context(), client.Login{User: s.User, Password: s.Password, PreviousSession: tree.Session.ID}))(t)
		}, ntstatus.UserSessionDeleted},
		{"another user's proof that fails", func(t *testing.T, tree *client.Tree) {
			wantStatus(t, tree.Session.Reauthenticate(t.Context(), client.Login{User: s.User, Password: "wrong"}), ntstatus.LogonFailure)
		}, ntstatus.UserSessionDeleted},
	}
	for _, e := range endings {
		s.run(t, e.name, func(t *testing.T) {
			ctx := t.Context()
			tree, holder := s.connect(t), s.connect(t)
			p := park(t, tree, holder, e.name)
			s.wantMetric(t, "lessor_smb_waiting_requests", 4)
			e.end(t, tree)
			_, err := p.lock.Wait(ctx)
			wantStatus(t, err, ntstatus.RangeNotLocked)
			_, err = p.notify.Wait(ctx)
			wantStatus(t, err, ntstatus.NotifyCleanup)
			p.release(t)
			_, err = p.create.Wait(ctx)
			wantStatus(t, err, e.gone)
			if _, err = p.rename.Wait(ctx); err == nil {
				t.Error("renamed by a handle that was closed")
			}
			// Only what the other client has open is left.
			s.wantMetric(t, "lessor_smb_opens", 3)
			s.wantMetric(t, "lessor_registered_opens", 3)
			s.wantMetric(t, "lessor_smb_waiting_requests", 0)
			_, err = tree.Create(ctx, client.CreateArgs{Name: "late"})
			wantStatus(t, err, e.gone)
			check(t, tree.Session.Conn.Echo(ctx))
		})
	}
}

func TestConnectionEndsWithRequestsWaiting(t *testing.T) {
	s := start(t, "")
	s.run(t, "hang-up", func(t *testing.T) {
		tree, holder := s.connect(t), s.connect(t)
		p := park(t, tree, holder, "hang-up")
		tree.Session.Conn.Close()
		// Nobody has acknowledged anything yet.
		s.wantMetric(t, "lessor_smb_waiting_requests", 0)
		s.wantMetric(t, "lessor_smb_opens", 3)
		s.wantMetric(t, "lessor_smb_connections", 1)
		s.wantMetric(t, "lessor_byte_range_lock_waiters", 0)
		p.release(t)
		check(t, holder.Session.Conn.Echo(t.Context()))
		s.wantMetric(t, "lessor_smb_opens", 3)
	})
	s.run(t, "the holder hangs up", func(t *testing.T) {
		ctx := t.Context()
		tree, holder := s.connect(t), s.connect(t)
		p := park(t, tree, holder, "holder")
		holder.Session.Conn.Close()
		must(p.lock.Wait(ctx))(t)
		must(p.create.Wait(ctx))(t)
		must(p.rename.Wait(ctx))(t)
	})
	s.run(t, "protocol error", func(t *testing.T) {
		tree, holder := s.connect(t), s.connect(t)
		park(t, tree, holder, "error")
		check(t, tree.Session.Conn.SendFrame([]byte("this is no message")))
		wantCut(t, tree.Session.Conn)
		s.wantMetric(t, "lessor_smb_waiting_requests", 0)
	})
	s.run(t, "many", func(t *testing.T) {
		holder := s.connect(t)
		var trees []*client.Tree
		for i := range 25 {
			tree := s.connect(t)
			park(t, tree, holder, fmt.Sprint("many ", i))
			trees = append(trees, tree)
		}
		s.wantMetric(t, "lessor_smb_waiting_requests", 100)
		for _, tree := range trees {
			go tree.Session.Conn.Close()
		}
		s.wantMetric(t, "lessor_smb_waiting_requests", 0)
		s.wantMetric(t, "lessor_smb_connections", 1)
	})
}

// A server that is stopped does not wait for those who wait.
func TestServerStopsWithRequestsWaiting(t *testing.T) {
	s := start(t, "")
	tree, holder := s.connect(t), s.connect(t)
	park(t, tree, holder, "stop")
	check(t, s.Stop())
	wantCut(t, tree.Session.Conn)
	wantCut(t, holder.Session.Conn)
}

// In the bubble not one goroutine may be left, nor a timer that keeps it alive.
func TestNothingIsLeft(t *testing.T) {
	for name, end := range map[string]func(*bubble, *client.Tree, *client.Tree){
		"both hang up":         func(_ *bubble, tree, holder *client.Tree) { tree.Session.Conn.Close(); holder.Session.Conn.Close() },
		"the holder first":     func(_ *bubble, tree, holder *client.Tree) { holder.Session.Conn.Close(); tree.Session.Conn.Close() },
		"the server is closed": func(b *bubble, _, _ *client.Tree) { b.Server.Close() },
		"the server is shut down": func(b *bubble, _, _ *client.Tree) {
			_ = b.Server.Shutdown(context.Background())
		},
		"nobody answers": func(b *bubble, _, _ *client.Tree) { b.pass(2 * time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bubble) {
				tree, holder := b.connect(t), b.connect(t)
				park(t, tree, holder, "bubble")
				end(b, tree, holder)
			})
		})
	}
}

// busy sends many requests of several kinds without waiting for any reply.
func busy(tree *client.Tree, f *client.File, n int) []*client.Pending {
	conn := tree.Session.Conn
	data := make([]byte, 8<<10)
	var ps []*client.Pending
	for i := range n {
		args := client.CreateArgs{Name: fmt.Sprintf("busy %d", i), Options: wire.OptionDeleteOnClose, Lease: lease(client.RWH)}
		ps = append(ps,
			conn.Start(f.Request(&wire.WriteRequest{FileID: f.ID, Offset: uint64(i) * 4096, Data: data})),
			conn.Start(f.Request(&wire.ReadRequest{FileID: f.ID, Length: 8 << 10})),
			conn.Start(tree.Request(args.Body(conn.Dialect()))),
			conn.Start(f.Request(&wire.LockRequest{FileID: f.ID, Locks: []wire.LockElement{client.Exclusive(uint64(i), 1)}})),
			conn.Start(f.Request(&wire.QueryInfoRequest{FileID: f.ID, InfoType: wire.InfoTypeFile, FileInfoClass: wire.FileInfoAll, OutputBufferLength: 4096})))
		more := client.CreateArgs{Name: args.Name, Disposition: client.Open}
		ps = append(ps, conn.StartCompound(true,
			tree.Request(more.Body(conn.Dialect())),
			tree.Request(&wire.CloseRequest{FileID: wire.RelatedFileID}))...)
	}
	return ps
}

// The session, the tree or the connection ends while hundreds of requests are at
// work. Every reply is a good one (the client checks its form and signature), and
// nothing is left behind.
func TestEndInTheMiddleOfWork(t *testing.T) {
	s := start(t, "")
	endings := []struct {
		name string
		end  func(*client.Tree)
		cut  bool
	}{
		{"logoff", func(tree *client.Tree) { tree.Session.Conn.Start(tree.Session.Request(&wire.LogoffRequest{})) }, false},
		{"tree disconnect", func(tree *client.Tree) { tree.Session.Conn.Start(tree.Request(&wire.TreeDisconnectRequest{})) }, false},
		{"hang-up", func(tree *client.Tree) { tree.Session.Conn.Close() }, true},
	}
	for _, e := range endings {
		for _, encrypt := range []bool{false, true} {
			s.run(t, fmt.Sprintf("%s sealed=%v", e.name, encrypt), func(t *testing.T) {
				for range 10 {
					tree := s.connect(t, func(o *client.Options) { o.Encrypt = encrypt })
					f := open(t, tree, client.CreateArgs{Name: "f", Share: client.ShareAll})
					check(t, tree.Session.Conn.WaitCredits(t.Context(), 100))
					ps := busy(tree, f, 10)
					e.end(tree)
					if e.cut {
						continue
					}
					for i, p := range append(ps, busy(tree, f, 2)...) {
						_, err := p.Wait(t.Context())
						if err != nil {
							t.Fatalf("request %d: %v", i, err)
						}
					}
					tree.Session.Conn.Close()
				}
			})
		}
	}
}
