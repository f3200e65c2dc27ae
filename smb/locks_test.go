package smb_test

import (
	"math"
	"testing"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// element is a range of a LOCK with these flags.
func element(off, n uint64, flags uint32) wire.LockElement {
	return wire.LockElement{Offset: off, Length: n, Flags: flags}
}

// MS-SMB2 3.3.5.14: which elements may stand together, and what they are
// answered with.
func TestLockElements(t *testing.T) {
	const (
		shared    = wire.LockFlagSharedLock
		exclusive = wire.LockFlagExclusiveLock
		unlock    = wire.LockFlagUnlock
		now       = wire.LockFlagFailImmediately
	)
	s := newTestServer(t)
	tree := s.connect(t)
	f := create(t, tree, client.CreateArgs{Name: "f"})
	for _, c := range []struct {
		name   string
		list   []wire.LockElement
		status ntstatus.Status
	}{
		{"none", nil, ntstatus.InvalidParameter},
		{"no flags", []wire.LockElement{element(0, 1, 0)}, ntstatus.InvalidParameter},
		{"unknown flag", []wire.LockElement{element(0, 1, shared|0x100)}, ntstatus.InvalidParameter},
		{"shared and exclusive", []wire.LockElement{element(0, 1, shared|exclusive|now)}, ntstatus.InvalidParameter},
		{"unlock and exclusive", []wire.LockElement{element(0, 1, unlock|exclusive)}, ntstatus.InvalidParameter},
		{"unlock at once", []wire.LockElement{element(0, 1, unlock|now)}, ntstatus.InvalidParameter},
		{"two that may wait", []wire.LockElement{element(0, 1, shared), element(1, 1, shared)}, ntstatus.InvalidParameter},
		{"one of two may wait", []wire.LockElement{element(0, 1, shared|now), element(1, 1, shared)}, ntstatus.InvalidParameter},
		{"lock, then unlock", []wire.LockElement{element(0, 1, shared|now), element(0, 1, unlock)}, ntstatus.InvalidParameter},
		{"unlock of nothing", []wire.LockElement{element(0, 1, unlock)}, ntstatus.RangeNotLocked},
		{"unlock of nothing, then nonsense", []wire.LockElement{element(0, 1, unlock), element(0, 1, 0)}, ntstatus.RangeNotLocked},
		{"beyond 2^64", []wire.LockElement{element(math.MaxUint64, math.MaxUint64, exclusive|now)}, ntstatus.InvalidLockRange},
		{"the last byte of all", []wire.LockElement{element(math.MaxUint64, 1, exclusive|now)}, ntstatus.Success},
		{"and back", []wire.LockElement{element(math.MaxUint64, 1, unlock)}, ntstatus.Success},
		{"zero length", []wire.LockElement{element(7, 0, exclusive|now)}, ntstatus.Success},
		{"zero length back", []wire.LockElement{element(7, 0, unlock)}, ntstatus.Success},
		{"two at once", []wire.LockElement{element(0, 10, exclusive|now), element(10, 10, shared|now)}, ntstatus.Success},
		{"both back", []wire.LockElement{element(0, 10, unlock), element(10, 10, unlock)}, ntstatus.Success},
		{"two that overlap", []wire.LockElement{element(0, 10, exclusive|now), element(5, 10, exclusive|now)}, ntstatus.LockNotGranted},
		{"of which none is left", []wire.LockElement{element(0, 10, unlock)}, ntstatus.RangeNotLocked},
	} {
		t.Run(c.name, func(t *testing.T) {
			mustBe(t, "lock", f.Lock(t.Context(), c.list...), c.status)
		})
	}
	// The first is released although the second is nonsense.
	ctx := t.Context()
	mustBe(t, "lock", f.Lock(ctx, client.Exclusive(0, 10)), ntstatus.Success)
	mustBe(t, "unlock and nonsense", f.Lock(ctx, client.Unlock(0, 10), element(0, 1, 0)), ntstatus.InvalidParameter)
	mustBe(t, "unlock again", f.Lock(ctx, client.Unlock(0, 10)), ntstatus.RangeNotLocked)

	dir := create(t, tree, client.CreateArgs{Name: "d", Directory: true})
	mustBe(t, "a directory", dir.Lock(ctx, client.Shared(0, 1)), ntstatus.InvalidParameter)
}

// Locks keep others from reading and writing, and end with their open.
func TestLockAgainstIO(t *testing.T) {
	s := newTestServer(t)
	tree := s.connect(t)
	ctx := t.Context()
	f := create(t, tree, client.CreateArgs{Name: "f"})
	g := create(t, s.connect(t), client.CreateArgs{Name: "f"})
	if err := f.WriteAll(ctx, 0, pattern(100)); err != nil {
		t.Fatal(err)
	}
	mustBe(t, "lock", f.Lock(ctx, client.Exclusive(10, 10)), ntstatus.Success)
	_, err := g.Read(ctx, 5, 5)
	mustBe(t, "read before", err, ntstatus.Success)
	_, err = g.Read(ctx, 5, 6)
	mustBe(t, "read into", err, ntstatus.FileLockConflict)
	_, err = g.Write(ctx, 19, []byte("x"))
	mustBe(t, "write into", err, ntstatus.FileLockConflict)
	_, err = g.Read(ctx, 15, 0)
	mustBe(t, "read nothing", err, ntstatus.Success)
	_, err = f.Write(ctx, 10, []byte("x"))
	mustBe(t, "write of the owner", err, ntstatus.Success)
	mustBe(t, "close", f.Close(ctx), ntstatus.Success)
	_, err = g.Write(ctx, 19, []byte("x"))
	mustBe(t, "write afterwards", err, ntstatus.Success)
}

// A lock that has to wait is granted when the range is free, and gives the wait
// up on CANCEL and when its open is closed.
func TestLockWaits(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	one, two := s.connect(t), s.connect(t)
	holder := create(t, one, client.CreateArgs{Name: "f"})
	open := func() *client.File { return create(t, two, client.CreateArgs{Name: "f"}) }
	mustBe(t, "lock", holder.Lock(ctx, client.Exclusive(0, 10)), ntstatus.Success)
	wait := func(f *client.File) *client.Call[struct{}] {
		t.Helper()
		call := f.StartLock(client.Waiting(client.Exclusive(5, 10)))
		if _, err := call.Interim(ctx); err != nil {
			t.Fatal(err)
		}
		return call
	}

	cancelled := open()
	call := wait(cancelled)
	if err := call.Cancel(); err != nil {
		t.Fatal(err)
	}
	_, err := call.Wait(ctx)
	mustBe(t, "cancelled", err, ntstatus.Cancelled)

	closed := open()
	call = wait(closed)
	mustBe(t, "close", closed.Close(ctx), ntstatus.Success)
	_, err = call.Wait(ctx)
	mustBe(t, "closed", err, ntstatus.RangeNotLocked)

	granted := open()
	call = wait(granted)
	mustBe(t, "unlock", holder.Lock(ctx, client.Unlock(0, 10)), ntstatus.Success)
	_, err = call.Wait(ctx)
	mustBe(t, "granted", err, ntstatus.Success)
	mustBe(t, "lock again", holder.Lock(ctx, client.Exclusive(14, 1)), ntstatus.LockNotGranted)

	// What was cancelled and closed holds nothing.
	mustBe(t, "unlock", granted.Lock(ctx, client.Unlock(5, 10)), ntstatus.Success)
	mustBe(t, "lock all", holder.Lock(ctx, client.Exclusive(0, 100)), ntstatus.Success)

	// A lost connection gives the wait up, too.
	lost := create(t, s.connect(t), client.CreateArgs{Name: "f"})
	wait(lost)
	_ = lost.Tree.Session.Conn.Close()
	mustBe(t, "unlock all", holder.Lock(ctx, client.Unlock(0, 100)), ntstatus.Success)
	eventually(t, "the range is free", func() bool { return holder.Lock(ctx, client.Exclusive(0, 100)) == nil })
}

// A lock in the middle of a chain cannot be answered later (MS-SMB2 3.3.5.2.7);
// the last one can.
func TestLockInChain(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	one, two := s.connect(t), s.connect(t)
	holder := create(t, one, client.CreateArgs{Name: "f"})
	mustBe(t, "lock", holder.Lock(ctx, client.Exclusive(0, 10)), ntstatus.Success)
	f := create(t, two, client.CreateArgs{Name: "f"})
	lock := func() *client.Request {
		return f.Request(&wire.LockRequest{FileID: f.ID, Locks: []wire.LockElement{client.Waiting(client.Exclusive(0, 1))}})
	}
	read := func() *client.Request { return f.Request(&wire.ReadRequest{FileID: f.ID, Offset: 50, Length: 0}) }
	resps, err := two.Session.Conn.DoCompound(ctx, false, lock(), read())
	if err != nil {
		t.Fatal(err)
	}
	mustBe(t, "in the middle", resps[0].Err(), ntstatus.InternalError)
	mustBe(t, "behind it", resps[1].Err(), ntstatus.Success)

	calls := two.Session.Conn.StartCompound(false, read(), lock())
	if _, err := calls[1].Interim(ctx); err != nil {
		t.Fatal(err)
	}
	resp, err := calls[0].Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	mustBe(t, "before it", resp.Err(), ntstatus.Success)
	mustBe(t, "unlock", holder.Lock(ctx, client.Unlock(0, 10)), ntstatus.Success)
	resp, err = calls[1].Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	mustBe(t, "the last one", resp.Err(), ntstatus.Success)
}

// MS-SMB2 3.3.5.14: a request with the sequence of one that succeeded is answered
// and not carried out.
func TestLockSequence(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	send := func(f *client.File, index, number uint32, e wire.LockElement) error {
		t.Helper()
		resp, err := f.Tree.Session.Conn.Do(ctx, f.Request(&wire.LockRequest{
			FileID: f.ID, LockSequence: index<<4 | number, Locks: []wire.LockElement{e},
		}))
		if err != nil {
			t.Fatal(err)
		}
		return resp.Err()
	}
	lock, unlock := client.Exclusive(0, 10), client.Unlock(0, 10)
	// A client with several channels.
	f := create(t, s.connect(t), client.CreateArgs{Name: "f"})
	mustBe(t, "lock", send(f, 1, 5, lock), ntstatus.Success)
	mustBe(t, "replay", send(f, 1, 5, lock), ntstatus.Success)
	mustBe(t, "replay of something else", send(f, 1, 5, unlock), ntstatus.Success)
	mustBe(t, "still locked", send(f, 2, 5, lock), ntstatus.LockNotGranted)
	mustBe(t, "a failure is no replay", send(f, 2, 5, lock), ntstatus.LockNotGranted)
	mustBe(t, "bucket 65 does not exist", send(f, 65, 5, unlock), ntstatus.Success)
	mustBe(t, "so there is no replay", send(f, 65, 5, unlock), ntstatus.RangeNotLocked)
	mustBe(t, "nor in bucket 0", send(f, 0, 5, lock), ntstatus.Success)
	mustBe(t, "once more", send(f, 0, 5, lock), ntstatus.LockNotGranted)
	// One that can have only one, and an open that ends with its connection.
	g := create(t, s.connect(t, func(o *client.Options) { o.Without = wire.GlobalCapMultiChannel }), client.CreateArgs{Name: "g"})
	mustBe(t, "lock", send(g, 1, 5, lock), ntstatus.Success)
	mustBe(t, "the same again", send(g, 1, 5, lock), ntstatus.LockNotGranted)
	// The same, made resilient.
	_, err := g.Ioctl(ctx, wire.FsctlLmrRequestResiliency, (&wire.NetworkResiliencyRequest{Timeout: 1000}).Append(nil), 0)
	mustBe(t, "resiliency", err, ntstatus.Success)
	mustBe(t, "unlock", send(g, 1, 6, unlock), ntstatus.Success)
	mustBe(t, "replay", send(g, 1, 6, unlock), ntstatus.Success)
}
