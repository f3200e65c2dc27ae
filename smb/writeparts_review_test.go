package smb_test

import (
	"context"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"lessor/smb"
	"lessor/smb/ntstatus"
	"lessor/test/client"
	"lessor/vfs/errfs"
)

// bufferMemory is what the server counts as memory of long requests and replies.
func bufferMemory(t *testing.T, reg *prometheus.Registry) int {
	t.Helper()
	list, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		if f.GetName() == "lessor_smb_buffer_memory_bytes" {
			return int(f.Metric[0].GetGauge().GetValue())
		}
	}
	t.Fatal("no such metric")
	return 0
}

// TestWritePartsThatWaitAreCounted: the rest of a WRITE that waits for a part is memory like any
// long request.
func TestWritePartsThatWaitAreCounted(t *testing.T) {
	reg := prometheus.NewRegistry()
	s := newSliding(t, func(c *smb.Config, _ *smb.Share) { c.Metrics = reg })
	c := s.slide(t)
	ctx, data := t.Context(), pattern(3<<20)

	gate := make(chan struct{})
	began := make(chan struct{}, 1)
	s.fs.Add(errfs.Rule{Op: errfs.OpWriteAt, Path: "slow", Nth: 1, Gate: gate, Hook: func(context.Context, errfs.Call) error {
		began <- struct{}{}
		return nil
	}})
	slow := create(t, c.Tree, client.CreateArgs{Name: "slow"})
	call := c.start(slow, 0, data, early)
	<-began
	c.mustOpen(t)
	mustBe(t, "echo", c.Session.Conn.Echo(ctx), ntstatus.Success)
	unanswered(t, call)
	if n := bufferMemory(t, reg); n < len(data)-early {
		t.Errorf("%d bytes are counted while the storage is at work", n)
	}
	close(gate)
	if n, err := call.Wait(ctx); n != len(data) || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	eventually(t, "no memory is counted", func() bool { return bufferMemory(t, reg) == 0 })
	s.holds(t, "slow", data)
	c.lives(t)
}
