package protocol

import (
	"fmt"
	"slices"
	"testing"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// waitingLock is a LOCK that waits for all of the file.
func waitingLock(f *client.File) *client.Call[struct{}] {
	return f.StartLock(client.Waiting(client.Exclusive(0, 10)))
}

// locked opens a file twice, by the same client; the first open has it locked.
func locked(t *testing.T, tree *client.Tree, name string) (holder, other *client.File) {
	t.Helper()
	holder = open(t, tree, client.CreateArgs{Name: name})
	other = open(t, tree, client.CreateArgs{Name: name})
	check(t, holder.Lock(t.Context(), client.Exclusive(0, 10)))
	return holder, other
}

func TestLockWaits(t *testing.T) {
	s := start(t, "")
	s.run(t, "granted by an unlock", func(t *testing.T) {
		ctx := t.Context()
		holder, other := locked(t, s.connect(t), "unlock")
		p := waitingLock(other)
		must(p.Interim(ctx))(t)
		pendingNow(t, p)
		check(t, holder.Lock(ctx, client.Unlock(0, 10)))
		must(p.Wait(ctx))(t)
		wantStatus(t, holder.Lock(ctx, client.Shared(9, 1)), ntstatus.LockNotGranted)
	})
	s.run(t, "granted by a close", func(t *testing.T) {
		ctx := t.Context()
		holder, other := locked(t, s.connect(t), "close")
		p := waitingLock(other)
		must(p.Interim(ctx))(t)
		check(t, holder.Close(ctx))
		must(p.Wait(ctx))(t)
	})
	s.run(t, "granted by a hang-up", func(t *testing.T) {
		ctx := t.Context()
		holder, _ := locked(t, s.connect(t), "hang-up")
		p := waitingLock(open(t, s.connect(t), client.CreateArgs{Name: "hang-up"}))
		must(p.Interim(ctx))(t)
		holder.Tree.Session.Conn.Close()
		must(p.Wait(ctx))(t)
	})
	s.run(t, "in the order of arrival", func(t *testing.T) {
		ctx := t.Context()
		holder, _ := locked(t, s.connect(t), "order")
		tree := s.connect(t)
		var files []*client.File
		var waits []*client.Call[struct{}]
		for range 5 {
			f := open(t, tree, client.CreateArgs{Name: "order"})
			p := waitingLock(f)
			must(p.Interim(ctx))(t)
			files, waits = append(files, f), append(waits, p)
		}
		check(t, holder.Close(ctx))
		for i, p := range waits {
			must(p.Wait(ctx))(t)
			for _, later := range waits[i+1:] {
				pendingNow(t, later)
			}
			check(t, files[i].Lock(ctx, client.Unlock(0, 10)))
		}
	})
	s.run(t, "cancelled", func(t *testing.T) {
		ctx := t.Context()
		holder, other := locked(t, s.connect(t), "cancelled")
		p := waitingLock(other)
		must(p.Interim(ctx))(t)
		check(t, p.Cancel())
		_, err := p.Wait(ctx)
		wantStatus(t, err, ntstatus.Cancelled)
		check(t, holder.Lock(ctx, client.Unlock(0, 10)))
		check(t, holder.Lock(ctx, client.Exclusive(0, 10))) // the one that was cancelled has nothing
	})
	s.run(t, "ended by its own close", func(t *testing.T) {
		ctx := t.Context()
		_, other := locked(t, s.connect(t), "own close")
		p := waitingLock(other)
		must(p.Interim(ctx))(t)
		check(t, other.Close(ctx))
		_, err := p.Wait(ctx)
		wantStatus(t, err, ntstatus.RangeNotLocked)
	})
	s.run(t, "for one range only", func(t *testing.T) {
		_, other := locked(t, s.connect(t), "several")
		wantStatus(t, other.Lock(t.Context(), client.Waiting(client.Exclusive(20, 1)), client.Waiting(client.Exclusive(0, 10))),
			ntstatus.InvalidParameter)
	})
}

func TestNotifyWaits(t *testing.T) {
	s := start(t, "")
	// watch opens a new directory and asks for the names in it.
	watch := func(t *testing.T, tree *client.Tree, name string) (*client.File, *client.Call[[]wire.FileNotifyInformation]) {
		t.Helper()
		check(t, tree.Mkdir(t.Context(), name))
		dir := open(t, tree, client.CreateArgs{Name: name, Directory: true, Access: client.ListDirectory})
		p := dir.StartChangeNotify(wire.NotifyChangeFileName, true)
		must(p.Interim(t.Context()))(t)
		return dir, p
	}
	s.run(t, "cancel", func(t *testing.T) {
		ctx := t.Context()
		dir, p := watch(t, s.connect(t), "cancel")
		check(t, p.Cancel())
		_, err := p.Wait(ctx)
		wantStatus(t, err, ntstatus.Cancelled)
		// The subscription goes on: what happens meanwhile is told to the next request.
		check(t, dir.Tree.WriteFile(ctx, `cancel\new`, nil))
		got := must(dir.StartChangeNotify(wire.NotifyChangeFileName, true).Wait(ctx))(t)
		wantEvents(t, got, wire.FileNotifyInformation{Action: wire.ActionAdded, FileName: "new"})
	})
	s.run(t, "close", func(t *testing.T) {
		dir, p := watch(t, s.connect(t), "close")
		check(t, dir.Close(t.Context()))
		_, err := p.Wait(t.Context())
		wantStatus(t, err, ntstatus.NotifyCleanup)
	})
	s.run(t, "several events", func(t *testing.T) {
		ctx := t.Context()
		dir, p := watch(t, s.connect(t), "several")
		other := s.connect(t)
		check(t, other.WriteFile(ctx, `several\a`, nil))
		wantEvents(t, must(p.Wait(ctx))(t), wire.FileNotifyInformation{Action: wire.ActionAdded, FileName: "a"})
		check(t, other.Mkdir(ctx, `several\sub`))
		check(t, other.WriteFile(ctx, `several\sub\b`, nil))
		check(t, other.RenameFile(ctx, `several\a`, `several\sub\c`, false))
		check(t, other.RenameFile(ctx, `several\sub\b`, `several\sub\d`, false))
		check(t, other.Remove(ctx, `several\sub\c`))
		// All that happened between two requests comes with the second.
		got := must(dir.StartChangeNotify(wire.NotifyChangeFileName, true).Wait(ctx))(t)
		wantEvents(t, got,
			wire.FileNotifyInformation{Action: wire.ActionAdded, FileName: `sub\b`},
			wire.FileNotifyInformation{Action: wire.ActionRenamedOldName, FileName: `sub\b`},
			wire.FileNotifyInformation{Action: wire.ActionRenamedNewName, FileName: `sub\d`},
			wire.FileNotifyInformation{Action: wire.ActionRemoved, FileName: `sub\c`},
		)
	})
	s.run(t, "more than fits", func(t *testing.T) {
		ctx := t.Context()
		dir, p := watch(t, s.connect(t), "overflow")
		other := s.connect(t)
		for i := range 3000 {
			f := open(t, other, client.CreateArgs{Name: fmt.Sprintf(`overflow\file with a long name %d`, i), Options: wire.OptionDeleteOnClose})
			check(t, f.Close(ctx))
		}
		must(p.Wait(ctx))(t)
		_, err := dir.StartChangeNotify(wire.NotifyChangeFileName, true).Wait(ctx)
		wantStatus(t, err, ntstatus.NotifyEnumDir)
	})
	s.run(t, "the directory is deleted", func(t *testing.T) {
		ctx := t.Context()
		_, p := watch(t, s.connect(t), "deleted")
		check(t, s.connect(t).Remove(ctx, "deleted"))
		_, err := p.Wait(ctx)
		wantStatus(t, err, ntstatus.DeletePending)
	})
	s.run(t, "served in turn", func(t *testing.T) {
		ctx := t.Context()
		dir, first := watch(t, s.connect(t), "turn")
		second := dir.StartChangeNotify(wire.NotifyChangeFileName, true)
		must(second.Interim(ctx))(t)
		other := s.connect(t)
		check(t, other.WriteFile(ctx, `turn\a`, nil))
		wantEvents(t, must(first.Wait(ctx))(t), wire.FileNotifyInformation{Action: wire.ActionAdded, FileName: "a"})
		pendingNow(t, second)
		check(t, other.WriteFile(ctx, `turn\b`, nil))
		wantEvents(t, must(second.Wait(ctx))(t), wire.FileNotifyInformation{Action: wire.ActionAdded, FileName: "b"})
	})
}

// wantEvents fails the test unless the wanted events are among those that came, in
// this order; there may be others between them.
func wantEvents(t *testing.T, got []wire.FileNotifyInformation, want ...wire.FileNotifyInformation) {
	t.Helper()
	rest := got
	for _, w := range want {
		i := slices.Index(rest, w)
		if i < 0 {
			t.Fatalf("events %+v; want %+v in this order", got, want)
		}
		rest = rest[i+1:]
	}
}

// cancelFrame is a CANCEL for a request that has not been answered yet, as a frame.
func cancelFrame(t *testing.T, tree *client.Tree, id uint64) []byte {
	t.Helper()
	// As the session signs, so must this be signed (MS-SMB2 3.2.4.24).
	frame, _, err := tree.Session.Conn.Prepare(false, &client.Request{Tree: tree, Body: &wire.CancelRequest{}, MessageID: &id})
	check(t, err)
	return frame
}

// A CANCEL may be read before the request that it cancels has got as far as to wait:
// they come in one segment.
func TestCancelBeatsItsRequest(t *testing.T) {
	s := start(t, "")
	s.run(t, "in one segment", func(t *testing.T) {
		ctx := t.Context()
		tree := s.connect(t)
		_, other := locked(t, tree, "f")
		for range 200 {
			lock := other.Request(&wire.LockRequest{FileID: other.ID, Locks: []wire.LockElement{client.Waiting(client.Exclusive(0, 10))}})
			frame, ps, err := tree.Session.Conn.Prepare(false, lock)
			check(t, err)
			check(t, tree.Session.Conn.WriteRaw(append(frame, cancelFrame(t, tree, ps[0].MessageID())...)))
			wantStatus(t, must(ps[0].Wait(ctx))(t).Status, ntstatus.Cancelled)
		}
	})
	// The LOCK stands behind a CREATE that waits, in the same chain: nobody has
	// looked at it when its CANCEL comes.
	s.run(t, "behind another one in its chain", func(t *testing.T) {
		ctx := t.Context()
		tree, holder := s.connect(t), s.connect(t)
		_, other := locked(t, tree, "g")
		cached := open(t, holder, client.CreateArgs{Name: "h", Lease: lease(client.RWH)})
		args := client.CreateArgs{Name: "h"}
		conn := tree.Session.Conn
		ps := conn.StartCompound(false,
			tree.Request(args.Body(conn.Dialect())),
			other.Request(&wire.LockRequest{FileID: other.ID, Locks: []wire.LockElement{client.Waiting(client.Exclusive(0, 10))}}))
		wantBreak(t, holder.Session.Conn, cached.Lease.LeaseKey, client.RWH, client.RH, true)
		check(t, ps[1].Cancel())
		pendingNow(t, ps[1])
		check(t, cached.AckLease(ctx, client.RH))
		check(t, must(ps[0].Wait(ctx))(t).Err())
		wantStatus(t, must(ps[1].Wait(ctx))(t).Status, ntstatus.Cancelled)
	})
	s.run(t, "of nothing", func(t *testing.T) {
		tree := s.connect(t)
		conn := tree.Session.Conn
		check(t, conn.WriteRaw(cancelFrame(t, tree, 1)))             // long answered
		check(t, conn.WriteRaw(cancelFrame(t, tree, 1<<40)))         // never granted
		check(t, conn.WriteRaw(cancelFrame(t, tree, conn.NextID()))) // about to come
		holder, other := locked(t, tree, "k")
		check(t, conn.Echo(t.Context()))
		p := waitingLock(other)
		must(p.Interim(t.Context()))(t)
		check(t, holder.Close(t.Context()))
		must(p.Wait(t.Context()))(t)
	})
	// A CANCEL is not answered, so the chain that it ends has one reply less.
	s.run(t, "at the end of a chain", func(t *testing.T) {
		ctx := t.Context()
		tree := s.connect(t)
		conn := tree.Session.Conn
		_, other := locked(t, tree, "m")
		for range 20 {
			p := waitingLock(other)
			must(p.Interim(ctx))(t)
			id := p.MessageID()
			frame, ps, err := conn.Prepare(false, tree.Session.Request(&wire.EchoRequest{}),
				&client.Request{Tree: tree, Body: &wire.CancelRequest{}, MessageID: &id})
			check(t, err)
			check(t, conn.WriteRaw(frame))
			check(t, must(ps[0].Wait(ctx))(t).Err())
			_, err = p.Wait(ctx)
			wantStatus(t, err, ntstatus.Cancelled)
		}
	})
	// The reply of the cancelled request goes ahead of the next one's, which is there
	// at the same time as the CANCEL.
	s.run(t, "and goes ahead of what follows", func(t *testing.T) {
		ctx := t.Context()
		order := make(chan wire.Command, 4)
		tree := s.connect(t, func(o *client.Options) {
			o.OnMessage = func(h *wire.Header, _ []byte) {
				if h.Status != uint32(ntstatus.Pending) && (h.Command == wire.CmdLock || h.Command == wire.CmdEcho) {
					order <- h.Command
				}
			}
		})
		conn := tree.Session.Conn
		_, other := locked(t, tree, "n")
		<-order // the LOCK that holds it
		for range 200 {
			p := waitingLock(other)
			must(p.Interim(ctx))(t)
			echo, ps, err := conn.Prepare(false, tree.Session.Request(&wire.EchoRequest{}))
			check(t, err)
			check(t, conn.WriteRaw(append(cancelFrame(t, tree, p.MessageID()), echo...)))
			check(t, must(ps[0].Wait(ctx))(t).Err())
			_, err = p.Wait(ctx)
			wantStatus(t, err, ntstatus.Cancelled)
			if first, next := <-order, <-order; first != wire.CmdLock || next != wire.CmdEcho {
				t.Fatalf("%v was answered first, then %v", first, next)
			}
		}
	})
	s.run(t, "of another connection", func(t *testing.T) {
		ctx := t.Context()
		tree, stranger := s.connect(t), s.connect(t)
		holder, other := locked(t, tree, "l")
		p := waitingLock(other)
		id := must(p.Interim(ctx))(t)
		check(t, stranger.Session.Conn.WriteRaw(cancelFrame(t, stranger, p.MessageID())))
		h := wire.Header{Command: wire.CmdCancel, Flags: wire.FlagAsync, AsyncID: id, SessionID: stranger.Session.ID}
		check(t, stranger.Session.Conn.SendFrame((&wire.CancelRequest{}).Append(h.Append(nil))))
		check(t, stranger.Session.Conn.Echo(ctx))
		pendingNow(t, p)
		check(t, holder.Close(ctx))
		must(p.Wait(ctx))(t)
	})
}

// The number of requests that may wait is limited; those that do wait keep nobody
// else from being answered.
func TestWaitingIsLimited(t *testing.T) {
	const limit = 50
	s := start(t, fmt.Sprintf("server:\n  limits:\n    waiting_per_connection: %d\n", limit))
	s.run(t, "limit", func(t *testing.T) {
		ctx := t.Context()
		tree := s.connect(t)
		holder, other := locked(t, tree, "f")
		dir := open(t, tree, client.CreateArgs{Name: "", Directory: true, Access: client.ListDirectory})
		var locks []*client.Call[struct{}]
		var watches []*client.Call[[]wire.FileNotifyInformation]
		for range limit / 2 {
			locks = append(locks, other.StartLock(client.Waiting(client.Shared(0, 10))))
			watches = append(watches, dir.StartChangeNotify(wire.NotifyChangeDirName, false))
		}
		for i := range locks {
			must(locks[i].Interim(ctx))(t)
			must(watches[i].Interim(ctx))(t)
		}
		s.wantMetric(t, "lessor_smb_waiting_requests", limit)
		_, err := waitingLock(other).Wait(ctx)
		wantStatus(t, err, ntstatus.InsufficientResources)
		_, err = dir.StartChangeNotify(wire.NotifyChangeDirName, false).Wait(ctx)
		wantStatus(t, err, ntstatus.InsufficientResources)

		// The connection is as good as ever, and so is another one.
		for range 100 {
			must(holder.Write(ctx, 0, []byte("x")))(t)
		}
		check(t, s.connect(t).WriteFile(ctx, "elsewhere", []byte("x")))

		// One that has ended makes room for another.
		check(t, watches[0].Cancel())
		_, err = watches[0].Wait(ctx)
		wantStatus(t, err, ntstatus.Cancelled)
		p := waitingLock(other)
		must(p.Interim(ctx))(t)

		check(t, holder.Lock(ctx, client.Unlock(0, 10)))
		for _, l := range locks {
			must(l.Wait(ctx))(t)
		}
		check(t, other.Close(ctx))
		_, err = p.Wait(ctx)
		wantStatus(t, err, ntstatus.RangeNotLocked)
		check(t, dir.Close(ctx))
		for _, w := range watches[1:] {
			_, err := w.Wait(ctx)
			wantStatus(t, err, ntstatus.NotifyCleanup)
		}
	})
}
