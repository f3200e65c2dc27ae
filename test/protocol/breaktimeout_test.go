package protocol

import (
	"testing"
	"testing/synctest"
	"time"

	"lessor/smb"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// A break that nobody acknowledges ends after 35 s (MS-SMB2 3.3.2.1): the holder has
// nothing any more, and who waited gets what it asked for.
func TestBreakTimesOut(t *testing.T) {
	holders := map[string]func(*client.CreateArgs){
		"lease": func(a *client.CreateArgs) { a.Lease = &client.Lease{Key: client.NewGUID(), State: client.RWH} },
		"batch": func(a *client.CreateArgs) { a.Oplock = wire.OplockBatch },
	}
	for name, hold := range holders {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bubble) {
				ctx := t.Context()
				holder, other := b.connect(t), b.connect(t)
				args := client.CreateArgs{Name: "f"}
				hold(&args)
				f := must(holder.Create(ctx, args))(t)
				begin := time.Now()
				p := other.StartCreate(client.CreateArgs{Name: "f", Lease: &client.Lease{Key: client.NewGUID(), State: client.RWH}})
				must(p.Interim(ctx))(t)
				time.Sleep(34*time.Second + 999*time.Millisecond)
				synctest.Wait()
				pendingNow(t, p)
				got := must(p.Wait(ctx))(t)
				if took := time.Since(begin); took < 35*time.Second || took > 35*time.Second+100*time.Millisecond {
					t.Errorf("answered after %v", took)
				}
				if got.LeaseState() != client.RH {
					t.Errorf("granted %s beside another open", client.LeaseString(got.LeaseState()))
				}
				if f.Lease != nil {
					wantStatus(t, f.AckLease(ctx, client.RH), ntstatus.Unsuccessful)
				} else {
					wantStatus(t, f.AckOplock(ctx, wire.OplockII), ntstatus.InvalidOplockProtocol)
				}
				must(f.Write(ctx, 0, []byte("x")))(t) // the handle is still good
			})
		})
	}
}

// The time begins anew with each break of a chain, and the acknowledgement of the
// last moment counts.
func TestBreakAcknowledgedInTime(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		ctx := t.Context()
		holder, other := b.connect(t), b.connect(t)
		f := must(holder.Create(ctx, client.CreateArgs{Name: "f", Lease: &client.Lease{Key: client.NewGUID(), State: client.RWH}}))(t)
		p := other.StartCreate(client.CreateArgs{Name: "f"})
		must(p.Interim(ctx))(t)
		over := other.StartCreate(client.CreateArgs{Name: "f", Disposition: client.Overwrite})
		must(over.Interim(ctx))(t)
		time.Sleep(34 * time.Second)
		check(t, f.AckLease(ctx, client.RH))
		time.Sleep(34 * time.Second)
		synctest.Wait()
		pendingNow(t, p)
		pendingNow(t, over)
		check(t, f.AckLease(ctx, client.R))
		must(p.Wait(ctx))(t)
		must(over.Wait(ctx))(t)
	})
}

// A connection that is gone is not waited for.
func TestBreakOfALostClient(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		ctx := t.Context()
		holder, other := b.connect(t), b.connect(t)
		must(holder.Create(ctx, client.CreateArgs{Name: "f", Lease: &client.Lease{Key: client.NewGUID(), State: client.RWH}}))(t)
		p := other.StartCreate(client.CreateArgs{Name: "f"})
		must(p.Interim(ctx))(t)
		begin := time.Now()
		holder.Session.Conn.Close()
		must(p.Wait(ctx))(t)
		if took := time.Since(begin); took > time.Second {
			t.Errorf("answered after %v", took)
		}
	})
}

// Nobody has to wait for a durable open either, if its client is not there to answer.
func TestDurableOpenExpires(t *testing.T) {
	short := func(c *smb.Config) { c.DurableTimeout = 90 * time.Second }
	inBubble(t, func(t *testing.T, b *bubble) {
		ctx, guid := t.Context(), client.NewGUID()
		reconnect := func(f *client.File) (*client.File, error) {
			return b.connect(t, isClient(guid)).Create(ctx, f.ReconnectArgs())
		}
		lost := func(d client.Durable) *client.File {
			tree := b.connect(t, isClient(guid))
			f := must(tree.Create(ctx, client.CreateArgs{
				Name: "f", Lease: &client.Lease{Key: client.NewGUID(), State: client.RWH}, Durable: &d,
			}))(t)
			if !f.Durable() {
				t.Fatal("not durable")
			}
			tree.Session.Conn.Close()
			synctest.Wait()
			return f
		}
		f := lost(client.Durable{})
		if got := f.DurableV2.Timeout; got != 90_000 {
			t.Errorf("time-out of %d ms granted", got)
		}
		time.Sleep(89 * time.Second)
		again := must(reconnect(f))(t)
		check(t, again.Close(ctx))

		f = lost(client.Durable{})
		time.Sleep(90*time.Second + time.Millisecond)
		_, err := reconnect(f)
		wantStatus(t, err, ntstatus.ObjectNameNotFound)

		f = lost(client.Durable{Timeout: 10 * time.Minute})
		if got := f.DurableV2.Timeout; got != 300_000 {
			t.Errorf("time-out of %d ms granted, 300 s are the most", got)
		}
		time.Sleep(300*time.Second + time.Millisecond)
		_, err = reconnect(f)
		wantStatus(t, err, ntstatus.ObjectNameNotFound)
	}, short)
}
