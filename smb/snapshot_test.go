package smb_test

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"lessor/smb"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

func as(user string) func(*client.Options) { return func(o *client.Options) { o.User = user } }

func withGUID(g wire.GUID) func(*client.Options) { return func(o *client.Options) { o.ClientGuid = g } }

// addressOf is the address of a client as its server sees it.
func addressOf(tree *client.Tree) string { return tree.Session.Conn.LocalAddr().String() }

// interim waits until the server has told that a request waits.
func interim(t *testing.T, p *client.Pending) {
	t.Helper()
	if _, err := p.Interim(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// busy is a server on which something of everything happens.
type busy struct {
	*testServer
	alice, bob  *client.Tree
	guid        wire.GUID // of alice
	lost        string    // address of the client of the durable open
	leased      *client.File
	locked      *client.File
	wantsFile   *client.Call[*client.File]
	wantsLock   *client.Call[struct{}]
	wantsChange *client.Call[[]wire.FileNotifyInformation]
}

var (
	leaseKey  = wire.GUID{1, 2, 3, 0xff}
	parentKey = wire.GUID{4}
	lostGUID  = wire.GUID{9}
	openGUID  = wire.GUID{8}
)

func newBusy(t *testing.T) *busy {
	t.Helper()
	b := &busy{testServer: newTestServer(t), guid: client.NewGUID()}
	b.alice, b.bob = b.connect(t, withGUID(b.guid)), b.connect(t, as("bob"))
	dir := create(t, b.alice, client.CreateArgs{Name: "dir", Directory: true})
	b.wantsChange = dir.StartChangeNotify(wire.NotifyChangeSecurity, false)
	interim(t, b.wantsChange.Pending)

	b.leased = create(t, b.alice, client.CreateArgs{
		Name: `dir\Leased`, Lease: &client.Lease{Key: leaseKey, State: client.RWH, Parent: parentKey, Epoch: 5},
	})
	create(t, b.alice, client.CreateArgs{Name: `dir\Leased`, Lease: &client.Lease{Key: leaseKey, State: client.RWH, Parent: parentKey}})
	b.wantsFile = b.bob.StartCreate(client.CreateArgs{Name: `dir\leased`})
	interim(t, b.wantsFile.Pending)

	b.locked = create(t, b.alice, client.CreateArgs{Name: "locked"})
	mustBe(t, "lock", b.locked.Lock(t.Context(), client.Exclusive(10, 5)), ntstatus.Success)
	f := create(t, b.bob, client.CreateArgs{Name: "locked"})
	b.wantsLock = f.StartLock(client.Waiting(client.Shared(0, 100)))
	interim(t, b.wantsLock.Pending)

	gone := b.connect(t, withGUID(lostGUID))
	b.lost = addressOf(gone)
	held := create(t, gone, client.CreateArgs{
		Name: "held:stream", Lease: &client.Lease{Key: wire.GUID{7}, State: client.RH},
		Durable: &client.Durable{CreateGuid: openGUID, Timeout: 100 * time.Second},
	})
	if !held.Durable() {
		t.Fatal("the open is not durable")
	}
	_ = gone.Session.Conn.Close()
	eventually(t, "the open waits for its client", func() bool {
		return b.Status().Totals.Durable == 1 && b.Status().Totals.Connections == 2
	})
	return b
}

// unlike leaves out what differs from run to run.
var unlike = cmpopts.IgnoreFields

func TestStatusTellsEverything(t *testing.T) {
	before := time.Now()
	b := newBusy(t)
	st := b.Status()
	alice, bob := addressOf(b.alice), addressOf(b.bob)
	if diff := cmp.Diff(smb.Totals{
		Connections: 2, Sessions: 2, Opens: 5, Files: 4, Leases: 2, Breaks: 1, Locks: 1, Durable: 1, Waiting: 3,
	}, st.Totals); diff != "" {
		t.Error(diff)
	}
	now := time.Now()
	recent := func(what string, at time.Time) {
		if at.Before(before) || at.After(now) {
			t.Errorf("%s: since %v, want between %v and %v", what, at, before, now)
		}
	}

	if diff := cmp.Diff([]smb.SessionStatus{
		{User: "alice", Client: alice, ClientGUID: b.guid.String(), Dialect: "3.1.1", Channels: 1, Signed: true, Shares: []string{"data"}, Opens: 4},
		{User: "bob", Client: bob, Dialect: "3.1.1", Channels: 1, Signed: true, Shares: []string{"data"}, Opens: 1},
	}, st.Sessions, unlike(smb.SessionStatus{}, "ID", "Since"), cmp.FilterPath(func(p cmp.Path) bool {
		return p.String() == "ClientGUID" && p.Index(-2) != nil
	}, cmp.Comparer(func(a, b string) bool { return a == b || a == "" || b == "" }))); diff != "" {
		t.Error(diff)
	}

	key := "010203ff000000000000000000000000"
	open := func(path string) smb.OpenStatus {
		return smb.OpenStatus{User: "alice", Client: alice, Share: "data", Path: path, Access: 0x13019f, ShareMode: 7, Caching: "none"}
	}
	dir, leased, locked := open("dir"), open("dir/Leased"), open("locked")
	dir.Directory, dir.Access = true, 0x130089
	leased.Caching, leased.LeaseKey, leased.Breaking = "lease RWH", key, true
	locked.Locks = 1
	bobs := locked
	bobs.User, bobs.Client, bobs.Locks = "bob", bob, 0
	if diff := cmp.Diff([]smb.OpenStatus{dir, leased, leased, locked, bobs}, st.Opens,
		unlike(smb.OpenStatus{}, "ID", "Session")); diff != "" {
		t.Error(diff)
	}

	if diff := cmp.Diff([]smb.LeaseStatus{
		{
			Key: key, State: "RWH", Share: "data", Path: "dir/Leased", User: "alice", Client: alice, ClientGUID: b.guid.String(),
			Opens: 2, Open: b.leased.ID.Volatile, Version: 2, Epoch: b.leased.Lease.Epoch + 1, ParentKey: "04000000000000000000000000000000",
			Breaking: true, BreakTo: "RH",
		},
		{
			Key: "07000000000000000000000000000000", State: "RH", Share: "data", Path: "held:stream", User: "alice", Client: b.lost,
			ClientGUID: lostGUID.String(), Opens: 1, Version: 2, Epoch: 1,
		},
	}, st.Leases, unlike(smb.LeaseStatus{}, "Since", "BreakSince"), cmp.FilterPath(func(p cmp.Path) bool {
		return p.Last().String() == ".Open"
	}, cmp.Comparer(func(a, b uint64) bool { return a == b || a == 0 || b == 0 }))); diff != "" {
		t.Error(diff)
	}
	recent("lease", st.Leases[0].Since)
	recent("break", st.Leases[0].BreakSince)

	if diff := cmp.Diff([]smb.RangeStatus{
		{Share: "data", Path: "locked", Offset: 0, Length: 100, Waiting: true, User: "bob", Client: bob},
		{Share: "data", Path: "locked", Offset: 10, Length: 5, Exclusive: true, User: "alice", Client: alice, Open: b.locked.ID.Volatile},
	}, st.Ranges, unlike(smb.RangeStatus{}, "Since"), cmp.FilterPath(func(p cmp.Path) bool {
		return p.Last().String() == ".Open"
	}, cmp.Comparer(func(a, b uint64) bool { return a == b || a == 0 || b == 0 }))); diff != "" {
		t.Error(diff)
	}
	recent("lock", st.Ranges[0].Since)

	if diff := cmp.Diff([]smb.DurableStatus{{
		Share: "data", Path: "held:stream", User: "alice", Client: b.lost, ClientGUID: lostGUID.String(),
		CreateGUID: openGUID.String(), Caching: "lease RH",
	}}, st.Durable, unlike(smb.DurableStatus{}, "ID", "Since", "Expires")); diff != "" {
		t.Fatal(diff)
	}
	recent("disconnect", st.Durable[0].Since)
	if d := st.Durable[0].Expires.Sub(st.Durable[0].Since); d != 100*time.Second {
		t.Errorf("the open is kept for %v", d)
	}

	if diff := cmp.Diff([]smb.WaitingStatus{
		{Command: "CHANGE_NOTIFY", For: "notify", Share: "data", Path: "dir", Open: st.Opens[0].ID, Session: st.Sessions[0].ID, User: "alice", Client: alice},
		{Command: "CREATE", For: "break", Share: "data", Path: "dir/leased", Session: st.Sessions[1].ID, User: "bob", Client: bob},
		{Command: "LOCK", For: "lock", Share: "data", Path: "locked", Open: st.Opens[4].ID, Session: st.Sessions[1].ID, User: "bob", Client: bob},
	}, st.Waiting, unlike(smb.WaitingStatus{}, "Since")); diff != "" {
		t.Error(diff)
	}
	recent("request", st.Waiting[0].Since)
}

// A request is on the list as long as it waits.
func TestWaitingEnds(t *testing.T) {
	b := newBusy(t)
	ctx := t.Context()
	mustBe(t, "unlock", b.locked.Lock(ctx, client.Unlock(10, 5)), ntstatus.Success)
	_, err := b.wantsLock.Wait(ctx)
	mustBe(t, "the lock", err, ntstatus.Success)
	mustBe(t, "answer to the break", b.leased.AckLease(ctx, client.RH), ntstatus.Success)
	if _, err := b.wantsFile.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if err := b.wantsChange.Cancel(); err != nil {
		t.Fatal(err)
	}
	_, err = b.wantsChange.Wait(ctx)
	mustBe(t, "cancel", err, ntstatus.Cancelled)
	st := b.Status()
	if len(st.Waiting) != 0 || st.Totals.Waiting != 0 || st.Totals.Breaks != 0 {
		t.Errorf("waiting: %+v, totals %+v", st.Waiting, st.Totals)
	}
	if st.Leases[0].Breaking || st.Leases[0].State != "RH" {
		t.Errorf("the lease: %+v", st.Leases[0])
	}
}

func TestStatusQuery(t *testing.T) {
	b := newBusy(t)
	alice, bob := addressOf(b.alice), addressOf(b.bob)
	for _, c := range []struct {
		q    smb.StatusQuery
		want string // numbers of connections, sessions, opens, leases, locks, durable, waiting; - is nil
	}{
		{smb.StatusQuery{}, "2 2 5 2 2 1 3"},
		{smb.StatusQuery{Parts: smb.PartSessions}, "2 2 - - - - -"},
		{smb.StatusQuery{Parts: smb.PartOpens}, "- - 5 - - - -"},
		{smb.StatusQuery{Parts: smb.PartLeases | smb.PartWaiting}, "- - - 2 - - 3"},
		{smb.StatusQuery{Parts: smb.PartLocks | smb.PartDurable}, "- - - - 2 1 -"},
		{smb.StatusQuery{User: "ALICE"}, "1 1 4 2 1 1 1"},
		{smb.StatusQuery{User: "bob"}, "1 1 1 0 1 0 2"},
		{smb.StatusQuery{User: "nobody"}, "0 0 0 0 0 0 0"},
		{smb.StatusQuery{Client: alice}, "1 1 4 1 1 0 1"},
		{smb.StatusQuery{Client: "127.0.0.1"}, "2 2 5 2 2 1 3"},
		{smb.StatusQuery{Client: "127.0.0.2"}, "0 0 0 0 0 0 0"},
		{smb.StatusQuery{Client: strings.ToUpper(b.guid.String())}, "1 1 4 1 1 0 1"},
		{smb.StatusQuery{Client: lostGUID.String()}, "0 0 0 1 0 1 0"},
		{smb.StatusQuery{Client: b.lost}, "0 0 0 1 0 1 0"},
		{smb.StatusQuery{Path: "DIR/lea"}, "2 2 2 1 0 0 1"},
		{smb.StatusQuery{Path: `\dir`}, "2 2 3 1 0 0 2"},
		{smb.StatusQuery{Path: "locked", Client: bob}, "1 1 1 0 1 0 1"},
		{smb.StatusQuery{Path: "held:S"}, "2 2 0 1 0 1 0"},
	} {
		st := b.StatusOf(c.q)
		got := fmt.Sprintf("%s %s %s %s %s %s %s", count(st.Connections), count(st.Sessions), count(st.Opens), count(st.Leases),
			count(st.Ranges), count(st.Durable), count(st.Waiting))
		if got != c.want {
			t.Errorf("%+v: %s, want %s", c.q, got, c.want)
		}
		if st.Totals.Opens != 5 || st.Totals.Waiting != 3 {
			t.Errorf("%+v: totals %+v", c.q, st.Totals)
		}
	}
}

func count[T any](list []T) string {
	if list == nil {
		return "-"
	}
	return fmt.Sprint(len(list))
}

func TestCloseFile(t *testing.T) {
	b := newBusy(t)
	ctx := t.Context()
	if _, ok := b.CloseFile("none", "locked"); ok {
		t.Error("a share that is not there")
	}
	if closed, ok := b.CloseFile("data", "nothing"); !ok || len(closed) != 0 {
		t.Errorf("closed %+v, %v", closed, ok)
	}
	closed, ok := b.CloseFile("DATA", `\Dir\leased`)
	if !ok || len(closed) != 2 || closed[0].ID != b.leased.ID.Volatile || closed[0].User != "alice" || closed[0].Path != "dir/Leased" {
		t.Fatalf("closed %+v, %v", closed, ok)
	}
	// The lease is gone with its opens, so nobody waits for its break.
	if _, err := b.wantsFile.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	_, err := b.leased.Read(ctx, 0, 1)
	mustBe(t, "read of the holder", err, ntstatus.FileClosed)
	create(t, b.bob, client.CreateArgs{Name: `dir\leased`})

	// Who waits for a lock gets it, before his own open is closed as well.
	if closed, _ = b.CloseFile("data", "locked"); len(closed) != 2 {
		t.Fatalf("closed %+v", closed)
	}
	_, err = b.wantsLock.Wait(ctx)
	mustBe(t, "the lock that was waited for", err, ntstatus.Success)
	mustBe(t, "close", b.locked.Close(ctx), ntstatus.FileClosed)
	if st := b.StatusOf(smb.StatusQuery{Path: "locked"}); len(st.Opens) != 0 || len(st.Ranges) != 0 {
		t.Errorf("left: %+v, %+v", st.Opens, st.Ranges)
	}

	// So is one that waits for its client, by the name of the file or of the stream.
	if closed, _ = b.CloseFile("data", "held"); len(closed) != 1 || closed[0].Path != "held:stream" {
		t.Fatalf("closed %+v", closed)
	}
	if st := b.Status(); st.Totals.Durable != 0 || st.Totals.Leases != 0 {
		t.Errorf("totals %+v", st.Totals)
	}
	back := b.connect(t, withGUID(lostGUID))
	_, err = back.Create(ctx, client.CreateArgs{
		Name: "held:stream", Lease: &client.Lease{Key: wire.GUID{7}, State: client.RH}, Disposition: client.Open,
		Reconnect: &client.Reconnect{CreateGuid: openGUID},
	})
	mustBe(t, "reconnect", err, ntstatus.ObjectNameNotFound)
}

func TestCloseOpen(t *testing.T) {
	b := newBusy(t)
	st := b.Status()
	held := st.Durable[0].ID
	if o, ok := b.FindOpen(held); !ok || o.ID != held || o.User != "alice" || o.Client != b.lost || o.Path != "held:stream" {
		t.Errorf("found %+v, %v", o, ok)
	}
	if o, ok := b.FindOpen(b.locked.ID.Volatile); !ok || o.Path != "locked" || o.Client != addressOf(b.alice) {
		t.Errorf("found %+v, %v", o, ok)
	}
	if o, ok := b.FindOpen(1); ok {
		t.Errorf("found %+v", o)
	}
	if !b.CloseOpen(held) || b.CloseOpen(held) || b.CloseOpen(1) {
		t.Error("an open that waits for its client is closed once")
	}
	if !b.CloseOpen(b.locked.ID.Volatile) || b.CloseOpen(b.locked.ID.Volatile) {
		t.Error("an open is closed once")
	}
	_, err := b.wantsLock.Wait(t.Context())
	mustBe(t, "the lock that was waited for", err, ntstatus.Success)
	mustBe(t, "close", b.locked.Close(t.Context()), ntstatus.FileClosed)
}

// An open that waits for its client and has to delete its file does so when it is
// closed from outside.
func TestCloseOpenDeletes(t *testing.T) {
	s := newTestServer(t)
	tree := s.connect(t)
	f := create(t, tree, client.CreateArgs{
		Name: "f", Lease: &client.Lease{Key: leaseKey, State: client.RWH}, Durable: &client.Durable{},
		Options: wire.OptionDeleteOnClose,
	})
	_ = tree.Session.Conn.Close()
	eventually(t, "the open waits for its client", func() bool { return s.Status().Locks.DurableHeld == 1 })
	if !s.CloseOpen(f.ID.Volatile) {
		t.Fatal("not closed")
	}
	_, err := s.connect(t).Create(t.Context(), client.CreateArgs{Name: "f", Disposition: client.Open})
	mustBe(t, "open", err, ntstatus.ObjectNameNotFound)
}

func TestDisconnect(t *testing.T) {
	for _, c := range []struct {
		name string
		who  func(*busy) string
		want string // numbers of connections, sessions, durable opens
		left string // numbers of sessions and durable opens that are left
	}{
		{"nobody", func(*busy) string { return "" }, "- - -", "2 1"},
		{"unknown", func(*busy) string { return "carol" }, "- - -", "2 1"},
		{"session", func(b *busy) string { return fmt.Sprint(b.Status().Sessions[1].ID) }, "- 1 -", "1 1"},
		{"durable open", func(b *busy) string { return fmt.Sprint(b.Status().Durable[0].ID) }, "- - 1", "2 0"},
		{"user", func(*busy) string { return "Alice" }, "- 1 1", "1 0"},
		{"address", func(b *busy) string { return addressOf(b.bob) }, "1 1 -", "1 1"},
		{"host", func(*busy) string { return "127.0.0.1" }, "2 2 1", "0 0"},
		{"GUID", func(b *busy) string { return b.guid.String() }, "1 1 -", "1 1"},
		{"GUID of one that is gone", func(*busy) string { return lostGUID.String() }, "- - 1", "2 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBusy(t)
			e := b.Disconnect(c.who(b))
			if got := fmt.Sprintf("%s %s %s", count(e.Connections), count(e.Sessions), count(e.Durable)); got != c.want {
				t.Errorf("ended %s, want %s", got, c.want)
			}
			st := b.Status()
			if got := fmt.Sprintf("%d %d", len(st.Sessions), len(st.Durable)); got != c.left {
				t.Errorf("left %s, want %s", got, c.left)
			}
			for _, tree := range []*client.Tree{b.alice, b.bob} {
				there := false
				for _, s := range st.Sessions {
					there = there || s.Client == addressOf(tree)
				}
				_, err := tree.Create(t.Context(), client.CreateArgs{Name: "new"})
				status, answered := client.StatusOf(err)
				switch {
				case there && err != nil:
					t.Errorf("who is left gets %v", err)
				case !there && len(e.Connections) == 0 && status != ntstatus.UserSessionDeleted:
					t.Errorf("who was ended gets %v", err)
				case !there && len(e.Connections) > 0 && answered:
					t.Errorf("who was cut off gets %v", err)
				}
			}
		})
	}
}

// A look at many opens is complete, and work goes on meanwhile.
func TestStatusOfManyOpens(t *testing.T) {
	const sessions = 4
	each := 5000
	if raceEnabled {
		each = 1000
	}
	s := newTestServer(t)
	worker := create(t, s.connect(t), client.CreateArgs{Name: "busy"})
	var wg sync.WaitGroup
	for i := range sessions {
		tree := s.connect(t, func(o *client.Options) { o.Credits = 512 })
		wg.Go(func() {
			var calls []*client.Call[*client.File]
			for j := range each {
				// Half of them are of one file.
				name := "common"
				if j%2 == 0 {
					name = fmt.Sprintf("f%d-%d", i, j)
				}
				calls = append(calls, tree.StartCreate(client.CreateArgs{Name: name}))
				if len(calls) == 100 {
					for _, c := range calls {
						if _, err := c.Wait(t.Context()); err != nil {
							t.Error(err)
						}
					}
					calls = calls[:0]
				}
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	var stop atomic.Bool
	done := make(chan int)
	go func() {
		n := 0
		for ; !stop.Load(); n++ {
			if _, err := worker.Write(t.Context(), 0, []byte("x")); err != nil {
				t.Error(err)
				break
			}
		}
		done <- n
	}()
	start := time.Now()
	st := s.Status()
	took := time.Since(start)
	stop.Store(true)
	writes := <-done
	t.Logf("%d opens in %v, beside %d writes", len(st.Opens), took, writes)
	seen := make(map[uint64]bool)
	for i := range st.Opens {
		seen[st.Opens[i].ID] = true
	}
	if want := sessions*each + 1; len(st.Opens) != want || len(seen) != want || st.Totals.Opens != int64(want) {
		t.Errorf("%d opens, %d of them different, %d in total, want %d", len(st.Opens), len(seen), st.Totals.Opens, want)
	}
	if writes < 2 {
		t.Errorf("only %d writes went on", writes)
	}
	if net.ParseIP(strings.Split(st.Opens[0].Client, ":")[0]) == nil {
		t.Errorf("client %q", st.Opens[0].Client)
	}
}

// Who looks on and who ends things gets along with those who work.
func TestStatusDuringWork(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	var workers, onlookers sync.WaitGroup
	var over atomic.Bool
	for i := range 4 {
		tree := s.connect(t)
		workers.Go(func() {
			for j := range 60 {
				args := client.CreateArgs{Name: "shared", Lease: &client.Lease{Key: wire.GUID{byte(i + 1)}, State: client.R}}
				if j%3 == 0 {
					args = client.CreateArgs{Name: fmt.Sprintf("own%d:stream", i), Oplock: wire.OplockBatch}
				}
				f, err := tree.Create(ctx, args)
				if err != nil {
					t.Error(err)
					return
				}
				// It may be closed at any time.
				for _, err := range []error{
					f.Lock(ctx, client.Waiting(client.Exclusive(0, 1))),
					f.Rename(ctx, args.Name, true),
					f.Close(ctx),
				} {
					if _, answered := client.StatusOf(err); !answered {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	for _, look := range []func(){
		func() { s.Status() },
		func() { s.CloseFile("data", "shared") },
		func() {
			for _, o := range s.StatusOf(smb.StatusQuery{Parts: smb.PartOpens, Path: "own"}).Opens {
				s.CloseOpen(o.ID)
			}
		},
	} {
		onlookers.Go(func() {
			for !over.Load() {
				look()
			}
		})
	}
	workers.Wait()
	over.Store(true)
	onlookers.Wait()
	if st := s.Status(); st.Totals.Opens != 0 || st.Totals.Leases != 0 || st.Totals.Locks != 0 || st.Totals.Waiting != 0 || len(st.Opens) != 0 {
		t.Errorf("left: %+v", st.Totals)
	}
}
