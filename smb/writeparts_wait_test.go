package smb_test

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/vfs/errfs"
)

// sentFor is how much of a WRITE has to be sent for its nth part to be carried out: all of it,
// unless it is the first one. What has taken long makes the next part the last one.
func sentFor(nth int, data []byte) int {
	if nth == 1 {
		return early
	}
	return 2 * len(data)
}

// TestWritePartsDoNotBlock: while a part waits for the storage, the rest and what comes behind
// it is read and answered.
func TestWritePartsDoNotBlock(t *testing.T) {
	for _, nth := range []int{1, 2} {
		t.Run(fmt.Sprint("part ", nth), func(t *testing.T) {
			s := newSliding(t)
			c := s.slide(t)
			ctx, data := t.Context(), pattern(3<<20+7)
			mustBe(t, "put", c.WriteFile(ctx, "read", data[:99]), ntstatus.Success)
			read := create(t, c.Tree, client.CreateArgs{Name: "read"})
			slow := create(t, c.Tree, client.CreateArgs{Name: "slow"})
			swift := create(t, c.Tree, client.CreateArgs{Name: "swift"})
			log, gate := logWrites(s.fs, "slow"), make(chan struct{})
			var at atomic.Int64
			s.fs.Add(errfs.Rule{Op: errfs.OpWriteAt, Path: "slow", Nth: nth, Gate: gate, Hook: func(_ context.Context, w errfs.Call) error {
				at.Store(w.Off + 1)
				return nil
			}})
			call := c.start(slow, 0, data, sentFor(nth, data))
			eventually(t, "the part", func() bool { return at.Load() > 0 })
			c.mustOpen(t)
			mustBe(t, "echo", c.Session.Conn.Echo(ctx), ntstatus.Success)
			for range 3 {
				if n, err := swift.Write(ctx, 5, data); n != len(data) || err != nil {
					t.Fatalf("WRITE behind it: %d, %v", n, err)
				}
				if got, err := read.Read(ctx, 0, 99); err != nil || !bytes.Equal(got, data[:99]) {
					t.Fatalf("READ behind it: %v", err)
				}
			}
			unanswered(t, call)
			other := s.connect(t)
			if got, err := other.ReadFile(ctx, "slow"); err != nil || int64(len(got)) != at.Load()-1 {
				t.Errorf("%d bytes before the part at %d, %v", len(got), at.Load()-1, err)
			}
			close(gate)
			if n, err := call.Wait(ctx); n != len(data) || err != nil {
				t.Fatalf("%d, %v", n, err)
			}
			s.holds(t, "slow", data)
			s.holds(t, "swift", append(make([]byte, 5), data...))
			inPages(t, "slow", log.take(), 0, len(data))
			if n := c.answers.Load(); n != 5 {
				t.Errorf("%d answers", n)
			}
		})
	}
}

// TestWritePartsBlockedAtTheEnd: the connection and the server end while a part waits for the
// storage, and its rest for the part.
func TestWritePartsBlockedAtTheEnd(t *testing.T) {
	for _, k := range []struct {
		nth      int
		complete bool
	}{{1, false}, {1, true}, {2, true}} {
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			s := newSliding(t)
			c := s.slide(t)
			gate := make(chan struct{})
			var began atomic.Bool
			s.fs.Add(errfs.Rule{Op: errfs.OpWriteAt, Nth: k.nth, Gate: gate, Hook: func(context.Context, errfs.Call) error {
				began.Store(true)
				return nil
			}})
			f := create(t, c.Tree, client.CreateArgs{Name: "f"})
			data := pattern(1 << 20)
			call := c.start(f, 0, data, sentFor(k.nth, data))
			eventually(t, "the part", began.Load)
			if k.complete {
				c.mustOpen(t)
				mustBe(t, "echo", c.Session.Conn.Echo(t.Context()), ntstatus.Success)
			}
			unanswered(t, call)
			_ = c.Session.Conn.Close()
			eventually(t, "the open is gone", func() bool { _, ok := s.FindOpen(f.ID.Volatile); return !ok })
			close(gate)
			eventually(t, "the connection is gone", func() bool { return len(s.Status().Connections) == 0 })
			got, err := s.connect(t).ReadFile(t.Context(), "f")
			if err != nil || !bytes.Equal(got, data[:len(got)]) || len(got) == 0 && k.nth > 1 {
				t.Errorf("%d bytes are in the file, %v", len(got), err)
			}
			mustClose(t, s)
		})
	}
}

// TestWritePartsAndLeases: a part ends the caching of others, who may acknowledge behind the
// rest of the message.
func TestWritePartsAndLeases(t *testing.T) {
	for _, state := range []wire.LeaseState{client.R, client.RH} {
		for _, own := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, same connection %v", client.LeaseString(state), own), func(t *testing.T) {
				s := newSliding(t)
				c := s.slide(t)
				f := create(t, c.Tree, client.CreateArgs{Name: "f"})
				holder := c.Tree
				if !own {
					holder = s.connect(t)
				}
				lease := leased(t, holder, "f", state, false)
				data := pattern(1 << 20)
				call := c.start(f, 0, data, early)
				b, err := holder.Session.Conn.NextBreak(t.Context())
				if err != nil || b.Lease == nil || b.Lease.NewLeaseState != 0 {
					t.Fatalf("%v, %v", b, err)
				}
				unanswered(t, call)
				if own {
					c.mustOpen(t)
				}
				if b.AckRequired() {
					mustBe(t, "acknowledgement", lease.AckLease(t.Context(), 0), ntstatus.Success)
				}
				if !own {
					c.mustOpen(t)
				}
				if n, err := call.Wait(t.Context()); n != len(data) || err != nil {
					t.Fatalf("%d, %v", n, err)
				}
				s.holds(t, "f", data)
				c.lives(t)
			})
		}
	}
}

// TestWritePartsWriteThrough: what is to be on stable storage is brought there once, when
// it is complete.
func TestWritePartsWriteThrough(t *testing.T) {
	s := newSliding(t)
	c := s.slide(t)
	log := logWrites(s.fs, "f")
	const size = 1<<20 + 1
	through := create(t, c.Tree, client.CreateArgs{Name: "f", Options: wire.OptionWriteThrough})
	plain := create(t, c.Tree, client.CreateArgs{Name: "f"})
	var syncs atomic.Int64
	s.fs.Add(errfs.Rule{Op: errfs.OpSync, Hook: func(context.Context, errfs.Call) error {
		if n := log.total.Load(); n != size {
			t.Errorf("a sync behind %d bytes", n)
		}
		syncs.Add(1)
		return nil
	}})
	for _, k := range []struct {
		f     *client.File
		flags uint32
		want  int64
	}{{plain, wire.WriteFlagWriteThrough, 1}, {through, 0, 1}, {plain, 0, 0}} {
		q := k.f.Request(&wire.WriteRequest{FileID: k.f.ID, Data: pattern(size), Flags: k.flags})
		c.arm(early)
		p := c.Session.Conn.Start(q)
		eventually(t, "the first part", func() bool { return log.total.Load() > 0 })
		c.mustOpen(t)
		resp, err := p.Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		mustBe(t, "write", resp.Err(), ntstatus.Success)
		if n := syncs.Swap(0); n != k.want {
			t.Errorf("%d syncs, want %d", n, k.want)
		}
		inPages(t, "f", log.take(), 0, size)
	}
}

// TestWritePartsPanic: a bug that shows in a part costs the request and nothing else.
func TestWritePartsPanic(t *testing.T) {
	if invariantsOn {
		t.Skip("a panic ends everything")
	}
	for _, nth := range []int{1, 2} {
		s := newSliding(t)
		c := s.slide(t)
		f := create(t, c.Tree, client.CreateArgs{Name: "f"})
		var calls atomic.Int64
		s.fs.Add(errfs.Rule{Op: errfs.OpWriteAt, Path: "f", Hook: func(context.Context, errfs.Call) error {
			if calls.Add(1) == int64(nth) {
				panic("this is a test")
			}
			return nil
		}})
		data := pattern(3 << 20)
		call := c.start(f, 0, data, sentFor(nth, data))
		eventually(t, "the part", func() bool { return calls.Load() == int64(nth) })
		if nth == 1 {
			unanswered(t, call)
		}
		c.mustOpen(t)
		_, err := call.Wait(t.Context())
		mustBe(t, "write", err, ntstatus.InternalError)
		c.lives(t)
		if n, total := c.answers.Load(), calls.Load(); n != 2 || total != int64(nth) {
			t.Errorf("part %d: %d answers, %d writes", nth, n, total)
		}
	}
}

// slideOp is a step of TestWritePartsModel: some WRITEs that do not overlap, sent one after the other
// and then waited for.
type slideOp struct {
	offs, sizes []int
	cut         int   // so much of the first long one passes; 0: all
	pieces      []int // in which the rest follows
}

// slideRun is what a client does.
type slideRun struct {
	ops []slideOp
	end int // a last WRITE, of which so much is sent before the connection is cut; 0: none
}

func drawSlide(t *rapid.T) (r slideRun) {
	size := rapid.OneOf(rapid.IntRange(1, 70000), rapid.IntRange(longWrite-200, longWrite+200), rapid.IntRange(longWrite, 1<<20))
	for range rapid.IntRange(1, 4).Draw(t, "steps") {
		var op slideOp
		at := rapid.OneOf(rapid.IntRange(0, 5000), rapid.IntRange(0, 1<<20)).Draw(t, "offset")
		for range rapid.SampledFrom([]int{1, 1, 1, 2, 3}).Draw(t, "depth") {
			n := size.Draw(t, "size")
			op.offs, op.sizes = append(op.offs, at), append(op.sizes, n)
			at += n + rapid.IntRange(0, 5000).Draw(t, "gap")
		}
		if rapid.Bool().Draw(t, "held back") {
			op.cut = rapid.IntRange(1, longWrite+100).Draw(t, "cut")
			op.pieces = rapid.SliceOfN(rapid.IntRange(1, 300<<10), 0, 4).Draw(t, "pieces")
		}
		r.ops = append(r.ops, op)
	}
	if rapid.Bool().Draw(t, "cut off") {
		r.end = rapid.IntRange(1, longWrite).Draw(t, "last bytes")
	}
	return r
}

// run carries a client's part out on a file of its own, and returns what it must hold.
func (r *slideRun) run(ctx context.Context, s *slider, name string, all, last []byte) (model []byte, err error) {
	f, err := s.Create(ctx, client.CreateArgs{Name: name, Disposition: client.OverwriteIf})
	if err != nil {
		return nil, err
	}
	for i, op := range r.ops {
		s.arm(op.cut)
		var calls []*client.Call[int]
		for k, off := range op.offs {
			data := all[i*1000+k*77:][:op.sizes[k]]
			model = append(model, make([]byte, max(0, off+len(data)-len(model)))...)
			copy(model[off:], data)
			calls = append(calls, f.StartWrite(uint64(off), data))
		}
		for _, n := range op.pieces {
			if err := s.pass(n); err != nil {
				return nil, err
			}
		}
		s.arm(0)
		if err := s.open(); err != nil {
			return nil, err
		}
		for k, call := range calls {
			if n, err := call.Wait(ctx); err != nil || n != op.sizes[k] {
				return nil, fmt.Errorf("step %d, WRITE %d: %d, %w", i, k, n, err)
			}
		}
		off := op.offs[0]
		n := min(op.sizes[0], 1<<20)
		if got, err := f.Read(ctx, uint64(off), n); err != nil || !bytes.Equal(got, model[off:off+n]) {
			return nil, fmt.Errorf("step %d: READ differs: %w", i, err)
		}
	}
	if r.end > 0 {
		s.arm(r.end)
		f.StartWrite(0, last)
	}
	return model, s.Session.Conn.Close()
}

// TestWritePartsModel: files hold what was written, however it came in.
func TestWritePartsModel(t *testing.T) {
	s := newSliding(t)
	all, last := pattern(2<<20), bytes.Repeat([]byte{0xee}, longWrite)
	check := s.connect(t)
	rapid.Check(t, func(rt *rapid.T) {
		runs := make([]slideRun, rapid.IntRange(1, 3).Draw(rt, "clients"))
		models, errs := make([][]byte, len(runs)), make(chan error, len(runs))
		for i := range runs {
			runs[i] = drawSlide(rt)
		}
		for i := range runs {
			c := s.slide(t)
			go func() {
				var err error
				models[i], err = runs[i].run(t.Context(), c, fmt.Sprint("f", i), all, last)
				errs <- err
			}()
		}
		for range runs {
			if err := <-errs; err != nil {
				rt.Error(err)
			}
		}
		if rt.Failed() {
			return
		}
		eventually(t, "the connections are gone", func() bool { return len(s.Status().Connections) == 1 })
		for i := range runs {
			got, err := check.ReadFile(t.Context(), fmt.Sprint("f", i))
			if err != nil {
				rt.Fatal(err)
			}
			want := models[i]
			if runs[i].end > 0 {
				// What follows may begin like the data by chance.
				n := 0
				for n < len(got) && got[n] == last[0] {
					n++
				}
				n = n / page * page
				if n > runs[i].end {
					rt.Errorf("client %d: %d bytes of a WRITE of which %d were sent", i, n, runs[i].end)
				}
				want = append(bytes.Clone(last[:n]), want[min(n, len(want)):]...)
			}
			if !bytes.Equal(got, want) {
				rt.Errorf("client %d: the file differs: %d bytes, want %d", i, len(got), len(want))
			}
		}
	})
}
