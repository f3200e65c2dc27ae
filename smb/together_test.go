package smb_test

import (
	"context"
	"testing"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/vfs/errfs"
)

// TestShutdownAndWaiting: a server that shuts down answers a request that had to wait for a break and is at
// work again, and does not wait for one that waits.
func TestShutdownAndWaiting(t *testing.T) {
	s := newSliding(t)
	ctx := t.Context()
	one, two := s.connect(t), s.connect(t)
	f := create(t, one, client.CreateArgs{Name: "f", Lease: &client.Lease{Key: wire.GUID{1}, State: client.RWH}})
	gate, began := make(chan struct{}), make(chan struct{})
	p := two.StartCreate(client.CreateArgs{Name: "f", Disposition: client.Overwrite})
	b, err := one.Session.Conn.NextBreak(ctx)
	mustBe(t, "break", err, ntstatus.Success)
	// What comes next on the file is what had waited.
	s.fs.Add(errfs.Rule{Op: errfs.OpAny, Path: "f", Nth: 1, Gate: gate, Hook: func(context.Context, errfs.Call) error {
		close(began)
		return nil
	}})
	mustBe(t, "acknowledge", f.AckLease(ctx, b.Lease.NewLeaseState), ntstatus.Success)
	select {
	case <-began:
	case <-p.Done():
		t.Fatal("it did nothing with the file after the break")
	}
	done := s.shutDown(t)
	close(gate)
	if _, err := p.Wait(ctx); err != nil {
		t.Error("the request that had waited:", err)
	}
	mustEnd(t, done)

	s = newSliding(t)
	dir := create(t, s.connect(t), client.CreateArgs{Directory: true})
	notify := dir.StartChangeNotify(wire.NotifyChangeFileName, false)
	if _, err := notify.Interim(ctx); err != nil {
		t.Fatal(err)
	}
	mustEnd(t, s.shutDown(t))
	if _, err := notify.Wait(ctx); err == nil {
		t.Error("a wait has an end that nobody made")
	}
}

// hold keeps everything back that is sent from now on, until open.
func (v *valve) hold() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.holding = true
}

// TestReplyWaitsForNoSlowRequest: replies to requests that come together leave together, but not if
// that would make the first ones wait for a disk.
func TestReplyWaitsForNoSlowRequest(t *testing.T) {
	s := newSliding(t)
	c := s.slide(t)
	ctx := t.Context()
	f := create(t, c.Tree, client.CreateArgs{Name: "f"})
	gate := make(chan struct{})
	remove := s.fs.Add(errfs.Rule{Op: errfs.OpSync, Gate: gate})
	defer remove()

	c.hold()
	echo := c.Session.Conn.Start(&client.Request{Body: &wire.EchoRequest{}})
	flush := c.Session.Conn.Start(f.Request(&wire.FlushRequest{FileID: f.ID}))
	c.mustOpen(t) // in one segment
	resp, err := echo.Wait(ctx)
	if err != nil {
		t.Fatal("the reply before the slow one:", err)
	}
	mustBe(t, "echo", resp.Err(), ntstatus.Success)
	select {
	case <-flush.Done():
		t.Fatal("FLUSH is answered before anything is stable")
	default:
	}
	close(gate)
	if resp, err = flush.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	mustBe(t, "flush", resp.Err(), ntstatus.Success)
}
