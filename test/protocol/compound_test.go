package protocol

import (
	"bytes"
	"fmt"
	"testing"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// modes are ways to protect what is said.
var modes = []struct {
	name  string
	tweak func(*client.Options)
}{
	{"signed", func(o *client.Options) { o.SignRequired = true }},
	{"sealed", func(o *client.Options) { o.Encrypt = true }},
}

// chain sends requests as one chain and returns the replies. All of them must be as
// well protected as the requests, and padded (MS-SMB2 3.3.4.1.3).
func chain(t *testing.T, related bool, rs ...*client.Request) []*client.Response {
	t.Helper()
	conn := rs[0].Session.Conn
	resps := must(conn.DoCompound(t.Context(), related, rs...))(t)
	for i, r := range resps {
		if len(r.Msg)%8 != 0 {
			t.Errorf("reply %d of the chain has %d bytes", i, len(r.Msg))
		}
		if rs[i].Session != nil && r.Sealed != rs[i].Session.Sealing() {
			t.Errorf("reply %d of the chain: sealed %v", i, r.Sealed)
		}
		if related && i > 0 && !r.Header.IsRelated() {
			t.Errorf("reply %d of the chain is not marked as related", i)
		}
	}
	return resps
}

// wantStatuses fails the test unless the replies have these statuses.
func wantStatuses(t *testing.T, resps []*client.Response, want ...ntstatus.Status) {
	t.Helper()
	for i, r := range resps {
		if r.Status != want[i] {
			t.Errorf("reply %d of the chain: %v, want %v", i, r.Status, want[i])
		}
	}
}

// create is a CREATE as a request.
func create(tree *client.Tree, a client.CreateArgs) *client.Request {
	return tree.Request(a.Body(tree.Session.Conn.Dialect()))
}

// The requests of a related chain that mean the file before them.
var (
	relatedClose = &wire.CloseRequest{FileID: wire.RelatedFileID}
	relatedQuery = &wire.QueryInfoRequest{
		FileID: wire.RelatedFileID, InfoType: wire.InfoTypeFile, FileInfoClass: wire.FileInfoStandard, OutputBufferLength: 100,
	}
)

func TestChains(t *testing.T) {
	s := start(t, "")
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) { chains(t, s, m.tweak) })
	}
}

func chains(t *testing.T, s *server, mode func(*client.Options)) {
	ok := ntstatus.Success
	s.run(t, "related", func(t *testing.T) {
		tree := s.connect(t, mode)
		data := bytes.Repeat([]byte("data"), 1001) // no multiple of 8
		resps := chain(t, true,
			create(tree, client.CreateArgs{Name: "related"}),
			tree.Request(&wire.WriteRequest{FileID: wire.RelatedFileID, Data: data}),
			tree.Request(&wire.ReadRequest{FileID: wire.RelatedFileID, Length: 5000}),
			tree.Request(relatedQuery),
			tree.Request(&wire.FlushRequest{FileID: wire.RelatedFileID}),
			tree.Request(relatedClose))
		wantStatuses(t, resps, ok, ok, ok, ok, ok, ok)
		var read wire.ReadResponse
		check(t, resps[2].Decode(&read))
		if !bytes.Equal(read.Data, data) {
			t.Errorf("read %d other bytes", len(read.Data))
		}
	})
	s.run(t, "related ones take over session, tree and file", func(t *testing.T) {
		tree := s.connect(t, mode)
		other := open(t, tree, client.CreateArgs{Name: "another file"})
		query := *relatedQuery
		query.FileID = other.ID // does not count (MS-SMB2 3.3.5.2.7.2)
		strange := tree.Request(&query)
		strange.Header = func(h *wire.Header) { h.TreeID = 0xfffffff0 }
		if !tree.Session.Sealing() {
			strange.Header = func(h *wire.Header) { h.SessionID, h.TreeID = 0x4242, 0xfffffff0 }
		}
		resps := chain(t, true,
			create(tree, client.CreateArgs{Name: "taken over"}),
			tree.Request(&wire.WriteRequest{FileID: wire.RelatedFileID, Data: make([]byte, 1234)}),
			strange,
			tree.Request(relatedClose))
		wantStatuses(t, resps, ok, ok, ok, ok)
		var info wire.FileStandardInformation
		var q wire.QueryInfoResponse
		check(t, resps[2].Decode(&q))
		check(t, info.Decode(q.Buffer))
		if info.EndOfFile != 1234 {
			t.Errorf("%+v; want that of the file of the chain", info)
		}
		if h := resps[2].Header; h.SessionID != tree.Session.ID || h.TreeID != tree.ID {
			t.Errorf("answered for session %#x, tree %#x", h.SessionID, h.TreeID)
		}
	})
	s.run(t, "a CREATE that fails", func(t *testing.T) {
		tree := s.connect(t, mode)
		missing := client.CreateArgs{Name: "missing", Disposition: client.Open}
		resps := chain(t, true, create(tree, missing), tree.Request(relatedQuery), tree.Request(relatedClose))
		wantStatuses(t, resps, ntstatus.ObjectNameNotFound, ntstatus.ObjectNameNotFound, ntstatus.ObjectNameNotFound)
		// Who does not depend on it is carried out.
		resps = chain(t, false, create(tree, missing), tree.Session.Request(&wire.EchoRequest{}), create(tree, client.CreateArgs{Name: ""}))
		wantStatuses(t, resps, ntstatus.ObjectNameNotFound, ok, ok)
	})
	s.run(t, "another request that fails", func(t *testing.T) {
		tree := s.connect(t, mode)
		bad := *relatedQuery
		bad.FileInfoClass = 255
		resps := chain(t, true, create(tree, client.CreateArgs{Name: "failing"}), tree.Request(&bad), tree.Request(relatedQuery), tree.Request(relatedClose))
		wantStatuses(t, resps, ok, ntstatus.InvalidInfoClass, ok, ok)
	})
	s.run(t, "behind a CLOSE", func(t *testing.T) {
		tree := s.connect(t, mode)
		resps := chain(t, true, create(tree, client.CreateArgs{Name: "closed"}), tree.Request(relatedClose), tree.Request(relatedQuery))
		wantStatuses(t, resps, ok, ok, ntstatus.FileClosed)
	})
	s.run(t, "related to nothing", func(t *testing.T) {
		tree := s.connect(t, mode)
		first := create(tree, client.CreateArgs{Name: ""})
		first.Header = func(h *wire.Header) { h.Flags |= wire.FlagRelated }
		resps := chain(t, false, first, tree.Session.Request(&wire.EchoRequest{}))
		wantStatuses(t, resps, ntstatus.InvalidParameter, ok)
		resps = chain(t, true, tree.Session.Request(&wire.EchoRequest{}), tree.Request(relatedQuery))
		wantStatuses(t, resps, ok, ntstatus.NetworkNameDeleted) // an ECHO has no tree
	})
	s.run(t, "of a session that is not there", func(t *testing.T) {
		tree := s.connect(t, func(o *client.Options) { o.NoVerify = true }) // unprotected
		first := create(tree, client.CreateArgs{Name: ""})
		first.Header = func(h *wire.Header) { h.SessionID = 0x1234567890 }
		resps := must(tree.Session.Conn.DoCompound(t.Context(), true, first, tree.Request(relatedClose)))(t)
		wantStatuses(t, resps, ntstatus.UserSessionDeleted, ntstatus.InvalidParameter)
	})
	s.run(t, "of two shares", func(t *testing.T) {
		tree := s.connect(t, mode)
		ipc := must(tree.Session.TreeConnect(t.Context(), "IPC$"))(t)
		resps := chain(t, false, create(tree, client.CreateArgs{Name: "on a share"}), create(ipc, client.CreateArgs{Name: "srvsvc"}))
		wantStatuses(t, resps, ok, ok)
	})
	s.run(t, "credits", func(t *testing.T) {
		tree := s.connect(t, mode)
		before := tree.Session.Conn.Credits()
		ask := func(r *client.Request, n uint16) *client.Request {
			r.Header = func(h *wire.Header) { h.Credits = n }
			return r
		}
		resps := chain(t, true, ask(create(tree, client.CreateArgs{Name: "credits"}), 10), ask(tree.Request(relatedQuery), 20), ask(tree.Request(relatedClose), 30))
		got := 0
		for _, r := range resps {
			got += int(r.Header.Credits)
		}
		if got != 60 || tree.Session.Conn.Credits() != before-3+60 {
			t.Errorf("granted %d, from %d to %d", got, before, tree.Session.Conn.Credits())
		}
	})
	chainsThatWait(t, s, mode)
}

func chainsThatWait(t *testing.T, s *server, mode func(*client.Options)) {
	ok := ntstatus.Success
	s.run(t, "the last one waits", func(t *testing.T) {
		ctx := t.Context()
		tree := s.connect(t, mode)
		check(t, tree.Mkdir(ctx, "watched"))
		conn := tree.Session.Conn
		ps := conn.StartCompound(true,
			create(tree, client.CreateArgs{Name: "watched", Directory: true, Access: client.ListDirectory}),
			tree.Request(&wire.ChangeNotifyRequest{FileID: wire.RelatedFileID, OutputBufferLength: 4096, CompletionFilter: wire.NotifyChangeFileName}))
		// What is finished does not wait for it.
		check(t, must(ps[0].Wait(ctx))(t).Err())
		must(ps[1].Interim(ctx))(t)
		check(t, tree.WriteFile(ctx, `watched\new`, nil))
		resp := must(ps[1].Wait(ctx))(t)
		check(t, resp.Err())
		if first := must(ps[0].Wait(ctx))(t); first.Arrival > resp.Arrival {
			t.Error("replies out of order")
		}
		check(t, tree.RemoveAll(ctx, "watched"))
	})
	s.run(t, "one in the middle would wait", func(t *testing.T) {
		tree := s.connect(t, mode)
		_, other := locked(t, tree, "middle")
		lock := &wire.LockRequest{FileID: other.ID, Locks: []wire.LockElement{client.Waiting(client.Exclusive(0, 10))}}
		resps := chain(t, false, other.Request(lock), tree.Session.Request(&wire.EchoRequest{}))
		wantStatuses(t, resps, ntstatus.InternalError, ok) // MS-SMB2 3.3.5.2.7 and its note
		resps = chain(t, true,
			create(tree, client.CreateArgs{Name: "", Directory: true, Access: client.ListDirectory}),
			tree.Request(&wire.ChangeNotifyRequest{FileID: wire.RelatedFileID, OutputBufferLength: 4096, CompletionFilter: wire.NotifyChangeFileName}),
			tree.Request(relatedClose))
		wantStatuses(t, resps, ok, ntstatus.InternalError, ok)
	})
	// The Linux client opens, looks and closes in one chain.
	s.run(t, "a CREATE behind a break, in the middle", func(t *testing.T) {
		ctx := t.Context()
		tree, holder := s.connect(t, mode), s.connect(t)
		f := open(t, holder, client.CreateArgs{Name: "broken middle", Lease: lease(client.RWH)})
		ps := tree.Session.Conn.StartCompound(true,
			create(tree, client.CreateArgs{Name: "first"}),
			create(tree, client.CreateArgs{Name: f.Name}),
			tree.Request(relatedQuery),
			tree.Request(relatedClose))
		wantBreak(t, holder.Session.Conn, f.Lease.LeaseKey, client.RWH, client.RH, true)
		for _, p := range ps[1:] {
			pendingNow(t, p)
		}
		check(t, tree.WriteFile(ctx, "meanwhile", nil))
		check(t, f.AckLease(ctx, client.RH))
		var last uint64
		for i, p := range ps {
			resp := must(p.Wait(ctx))(t)
			if resp.Err() != nil || resp.Arrival < last {
				t.Errorf("reply %d: %v, number %d after %d", i, resp.Status, resp.Arrival, last)
			}
			last = resp.Arrival
		}
	})
	s.run(t, "a CREATE behind a break, at the end", func(t *testing.T) {
		ctx := t.Context()
		tree, holder := s.connect(t, mode), s.connect(t)
		f := open(t, holder, client.CreateArgs{Name: "broken end", Lease: lease(client.RWH)})
		ps := tree.Session.Conn.StartCompound(false,
			tree.Session.Request(&wire.EchoRequest{}),
			create(tree, client.CreateArgs{Name: f.Name}))
		wantBreak(t, holder.Session.Conn, f.Lease.LeaseKey, client.RWH, client.RH, true)
		check(t, must(ps[0].Wait(ctx))(t).Err())
		must(ps[1].Interim(ctx))(t)
		check(t, f.AckLease(ctx, client.RH))
		check(t, must(ps[1].Wait(ctx))(t).Err())
	})
	s.run(t, "its client hangs up behind a break", func(t *testing.T) {
		tree, holder := s.connect(t, mode), s.connect(t)
		f := open(t, holder, client.CreateArgs{Name: "broken and gone", Lease: lease(client.RWH)})
		tree.Session.Conn.StartCompound(true, create(tree, client.CreateArgs{Name: f.Name}), tree.Request(relatedClose))
		wantBreak(t, holder.Session.Conn, f.Lease.LeaseKey, client.RWH, client.RH, true)
		tree.Session.Conn.Close()
		s.wantMetric(t, "lessor_smb_connections", 1)
	})
}

// Two sessions of one connection in one chain: each message counts for itself.
func TestChainOfTwoUsers(t *testing.T) {
	s := start(t, "", "default_access: read")
	check(t, s.AddUser("bob", "hunter2"))
	s.run(t, "alice and bob", func(t *testing.T) {
		ctx := t.Context()
		tree := s.connect(t)
		bob := must(must(tree.Session.Conn.SessionSetupAs(ctx, client.Login{User: "bob", Password: "hunter2"}))(t).TreeConnect(ctx, "share"))(t)
		for i := range 10 {
			name := fmt.Sprint("f", i)
			resps := chain(t, false,
				create(bob, client.CreateArgs{Name: name}),
				create(tree, client.CreateArgs{Name: name}),
				create(bob, client.CreateArgs{Name: name, Access: client.ReadAccess}),
				create(bob, client.CreateArgs{Name: name, Access: client.WriteAccess}))
			wantStatuses(t, resps, ntstatus.AccessDenied, ntstatus.Success, ntstatus.Success, ntstatus.AccessDenied)
		}
	})
}
