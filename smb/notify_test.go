package smb_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

const names = wire.NotifyChangeFileName | wire.NotifyChangeDirName

// watched opens a new directory in which changes are to be watched.
func watched(t *testing.T, tree *client.Tree, name string) *client.File {
	t.Helper()
	return create(t, tree, client.CreateArgs{Name: name, Directory: true, Access: client.ListDirectory})
}

// waiting starts a request and sees that it waits.
func waiting(t *testing.T, dir *client.File, filter uint32, tree bool) *client.Call[[]wire.FileNotifyInformation] {
	t.Helper()
	call := dir.StartChangeNotify(filter, tree)
	if _, err := call.Interim(t.Context()); err != nil {
		t.Fatal(err)
	}
	return call
}

// subscribe makes the server collect changes.
func subscribe(t *testing.T, dir *client.File, filter uint32, tree bool) {
	t.Helper()
	call := waiting(t, dir, filter, tree)
	if err := call.Cancel(); err != nil {
		t.Fatal(err)
	}
	_, err := call.Wait(t.Context())
	mustBe(t, "cancelled", err, ntstatus.Cancelled)
}

// expect waits for changes, each written as its action and its name.
func expect(t *testing.T, call *client.Call[[]wire.FileNotifyInformation], want ...string) {
	t.Helper()
	list, err := call.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range list {
		got = append(got, fmt.Sprintf("%d %s", e.Action, e.FileName))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
}

func touch(t *testing.T, tree *client.Tree, name string) {
	t.Helper()
	if err := tree.WriteFile(t.Context(), name, nil); err != nil {
		t.Fatal(err)
	}
}

// A request that waits is answered by the first change; what happens between two
// requests is kept.
func TestNotifyChanges(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	tree, other := s.connect(t), s.connect(t)
	dir := watched(t, tree, "d")
	call := waiting(t, dir, names, false)
	touch(t, other, `d\a`)
	expect(t, call, `1 a`)

	if err := other.Mkdir(ctx, `d\sub`); err != nil {
		t.Fatal(err)
	}
	touch(t, other, `d\sub\deep`) // not asked for
	if err := other.RenameFile(ctx, `d\a`, `d\b`, false); err != nil {
		t.Fatal(err)
	}
	if err := other.RenameFile(ctx, `d\b`, `d\sub\b`, false); err != nil {
		t.Fatal(err)
	}
	if err := other.Remove(ctx, `d\sub\b`); err != nil {
		t.Fatal(err)
	}
	expect(t, dir.StartChangeNotify(names, false), `1 sub`, `4 a`, `5 b`, `2 b`)
}

// Both names of a rename come in one reply.
func TestNotifyRename(t *testing.T) {
	s := newTestServer(t)
	tree, other := s.connect(t), s.connect(t)
	dir := watched(t, tree, "d")
	touch(t, other, `d\a`)
	call := waiting(t, dir, names, false)
	if err := other.RenameFile(t.Context(), `d\a`, `d\b`, false); err != nil {
		t.Fatal(err)
	}
	expect(t, call, `4 a`, `5 b`)
}

// The first request decides what is watched.
func TestNotifyFirstRequestCounts(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	tree, other := s.connect(t), s.connect(t)
	dir := watched(t, tree, "d")
	if err := other.Mkdir(ctx, `d\sub`); err != nil {
		t.Fatal(err)
	}
	subscribe(t, dir, wire.NotifyChangeAttributes, true)
	call := waiting(t, dir, names, false)
	touch(t, other, `d\sub\f`)
	f := create(t, other, client.CreateArgs{Name: `d\sub\f`})
	if err := f.Set(ctx, wire.FileInfoBasic, &wire.FileBasicInformation{FileAttributes: wire.FileAttributeHidden}); err != nil {
		t.Fatal(err)
	}
	expect(t, call, `3 sub\f`)
}

// Several requests are served in the order in which they came.
func TestNotifyOrder(t *testing.T) {
	s := newTestServer(t)
	tree, other := s.connect(t), s.connect(t)
	dir := watched(t, tree, "d")
	first, second, third := waiting(t, dir, names, false), waiting(t, dir, names, false), waiting(t, dir, names, false)
	if err := second.Cancel(); err != nil {
		t.Fatal(err)
	}
	_, err := second.Wait(t.Context())
	mustBe(t, "cancelled", err, ntstatus.Cancelled)
	touch(t, other, `d\a`)
	expect(t, first, `1 a`)
	touch(t, other, `d\b`)
	expect(t, third, `1 b`)
}

// Changes that do not fit are told as STATUS_NOTIFY_ENUM_DIR, once.
func TestNotifyOverflow(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	tree, other := s.connect(t), s.connect(t)
	dir := watched(t, tree, "d")
	small := func(n uint32) *client.Call[[]wire.FileNotifyInformation] {
		return dir.StartChangeNotifyWith(&wire.ChangeNotifyRequest{OutputBufferLength: n, CompletionFilter: names})
	}
	call := small(64)
	if _, err := call.Interim(ctx); err != nil {
		t.Fatal(err)
	}
	touch(t, other, `d\first`)
	expect(t, call, `1 first`)
	for i := range 10 {
		touch(t, other, fmt.Sprintf(`d\file%d`, i))
	}
	_, err := small(64).Wait(ctx)
	mustBe(t, "overflow", err, ntstatus.NotifyEnumDir)
	// A request with less room than the changes need.
	touch(t, other, `d\another`)
	_, err = small(8).Wait(ctx)
	mustBe(t, "no room", err, ntstatus.NotifyEnumDir)
	call = small(64)
	if _, err := call.Interim(ctx); err != nil {
		t.Fatal("what was told is gone:", err)
	}
	touch(t, other, `d\last`)
	expect(t, call, `1 last`)
	// Long names are too long for the buffer of the first request for ever.
	touch(t, other, `d\`+strings.Repeat("x", 100))
	_, err = small(4096).Wait(ctx)
	mustBe(t, "overflow", err, ntstatus.NotifyEnumDir)
}

// What ends the directory ends the wait.
func TestNotifyEnds(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	for _, c := range []struct {
		name   string
		end    func(t *testing.T, dir *client.File, other *client.Tree)
		status ntstatus.Status
	}{
		{"close", func(t *testing.T, dir *client.File, _ *client.Tree) {
			mustBe(t, "close", dir.Close(ctx), ntstatus.Success)
		}, ntstatus.NotifyCleanup},
		{"tree disconnect", func(t *testing.T, dir *client.File, _ *client.Tree) {
			mustBe(t, "disconnect", dir.Tree.Disconnect(ctx), ntstatus.Success)
		}, ntstatus.NotifyCleanup},
		{"logoff", func(t *testing.T, dir *client.File, _ *client.Tree) {
			mustBe(t, "logoff", dir.Tree.Session.Logoff(ctx), ntstatus.Success)
		}, ntstatus.NotifyCleanup},
		{"deletion", func(t *testing.T, _ *client.File, other *client.Tree) {
			mustBe(t, "remove", other.Remove(ctx, "d"), ntstatus.Success)
		}, ntstatus.DeletePending},
		{"deletion at close", func(t *testing.T, _ *client.File, other *client.Tree) {
			f := create(t, other, client.CreateArgs{
				Name: "d", Access: client.DeleteAccess, Disposition: client.Open, Options: wire.OptionDeleteOnClose,
			})
			mustBe(t, "close", f.Close(ctx), ntstatus.Success)
		}, ntstatus.DeletePending},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := watched(t, s.connect(t), "d")
			call := waiting(t, dir, names, false)
			c.end(t, dir, s.connect(t))
			_, err := call.Wait(ctx)
			mustBe(t, "the request", err, c.status)
			if c.status == ntstatus.DeletePending {
				_, err := dir.ChangeNotify(ctx, names, false)
				mustBe(t, "another request", err, ntstatus.DeletePending)
				mustBe(t, "close", dir.Close(ctx), ntstatus.Success)
			}
		})
	}
}

// A directory that is renamed, or one above it, is still watched.
func TestNotifyRenamedDirectory(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	tree, other := s.connect(t), s.connect(t)
	dir := create(t, tree, client.CreateArgs{Name: "d", Directory: true, Access: client.ListDirectory | wire.AccessDelete})
	call := waiting(t, dir, names, true)
	mustBe(t, "rename", dir.Rename(ctx, "e", false), ntstatus.Success)
	touch(t, other, `e\f`)
	expect(t, call, `1 f`)
	if err := other.Mkdir(ctx, "d"); err != nil {
		t.Fatal(err)
	}
	call = waiting(t, dir, names, true)
	touch(t, other, `d\not here`)
	touch(t, other, `e\here`)
	expect(t, call, `1 here`)
}

// The attributes of a file that was renamed are told at its close.
func TestNotifyRenameAttributes(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	tree, other := s.connect(t), s.connect(t)
	dir := watched(t, tree, "d")
	touch(t, other, `d\a`)
	subscribe(t, dir, names|wire.NotifyChangeAttributes, false)
	f := create(t, other, client.CreateArgs{Name: `d\a`, Disposition: client.Open})
	mustBe(t, "rename", f.Rename(ctx, `d\b`, false), ntstatus.Success)
	expect(t, dir.StartChangeNotify(names, false), `4 a`, `5 b`)
	mustBe(t, "close", f.Close(ctx), ntstatus.Success)
	expect(t, dir.StartChangeNotify(names, false), `3 b`)
}

func TestNotifyRefused(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	tree := s.connect(t)
	f := create(t, tree, client.CreateArgs{Name: "f"})
	_, err := f.ChangeNotify(ctx, names, false)
	mustBe(t, "a file", err, ntstatus.InvalidParameter)
	blind := create(t, tree, client.CreateArgs{Name: "d", Directory: true, Access: wire.AccessReadAttributes})
	_, err = blind.ChangeNotify(ctx, names, false)
	mustBe(t, "without the right", err, ntstatus.AccessDenied)
	dir := watched(t, tree, "d")
	limit := tree.Session.Conn.Negotiated().Response.MaxTransactSize
	_, err = dir.StartChangeNotifyWith(&wire.ChangeNotifyRequest{OutputBufferLength: limit + 1, CompletionFilter: names}).Wait(ctx)
	mustBe(t, "more than MaxTransactSize", err, ntstatus.InvalidParameter)
	// In the middle of a chain nobody waits.
	request := func() *client.Request {
		return dir.Request(&wire.ChangeNotifyRequest{FileID: dir.ID, OutputBufferLength: 1000, CompletionFilter: names})
	}
	resps, err := tree.Session.Conn.DoCompound(ctx, false, request(), dir.Request(&wire.EchoRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	mustBe(t, "in a chain", resps[0].Err(), ntstatus.InternalError)
}

// Many requests that wait cost their client no other one, and a lost connection
// ends them all.
func TestNotifyLostConnection(t *testing.T) {
	s := newTestServer(t)
	tree := s.connect(t)
	var calls []*client.Call[[]wire.FileNotifyInformation]
	for i := range 50 {
		dir := watched(t, tree, fmt.Sprintf("d%d", i))
		calls = append(calls, waiting(t, dir, names, true))
	}
	touch(t, tree, "works")
	_ = tree.Session.Conn.Close()
	for _, call := range calls {
		if _, err := call.Wait(context.WithoutCancel(t.Context())); !errors.Is(err, client.ErrClosed) {
			t.Fatal(err)
		}
	}
	eventually(t, "the opens are gone", func() bool { return len(s.Status().Opens) == 0 })
}
