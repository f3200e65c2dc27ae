package protocol

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// worker does one kind of thing through the lanes of a stream, over and over, and knows
// what must have come of it.
type worker struct {
	*stream
	t    *testing.T
	ctx  context.Context
	r    *rand.Rand
	tree *client.Tree
	name string // begins the names of its files
}

// do is insist for the requests of an open.
func (w *worker) do(f *client.File, try func(*client.File) error) error {
	return w.insist(w.ctx, w.r, func(lane *client.Session, tweak func(*client.Request)) error {
		return try(f.On(lane).With(tweak))
	})
}

// open opens the worker's file.
func (w *worker) open(name string) *client.File {
	w.t.Helper()
	return open(w.t, w.tree, client.CreateArgs{Name: w.name + name})
}

// path is where a file of the worker is.
func (w *worker) path(name string) string { return filepath.Join(w.s.Path("share"), w.name+name) }

// kinds are the kinds of workers. Each prepares itself, and returns a step, and what
// finds out in the end whether all steps were carried out once and in order.
var kinds = map[string]func(*worker) (step func(n int) error, verify func(t *testing.T)){
	"create": (*worker).creates, "truncate": (*worker).truncates, "rename": (*worker).renames,
	"copy": (*worker).copies, "sparse": (*worker).sparses, "lock": (*worker).locks,
}

// creates makes files, writes to them and closes them.
func (w *worker) creates() (func(int) error, func(*testing.T)) {
	made := map[string]string{}
	step := func(n int) error {
		name, text := fmt.Sprintf("%s-%d", w.name, n), fmt.Sprint(n)
		args := client.CreateArgs{Name: name, Disposition: client.Create, Durable: &client.Durable{CreateGuid: client.NewGUID()}}
		if args.Lease = lease(client.RWH); n%2 == 0 {
			args.Lease, args.Oplock = nil, wire.OplockBatch
		}
		var f *client.File
		err := w.insist(w.ctx, w.r, func(lane *client.Session, tweak func(*client.Request)) (err error) {
			f, err = w.tree.On(lane).With(tweak).Create(w.ctx, args)
			return err
		})
		if err != nil {
			return err
		}
		made[name] = text
		err = w.do(f, func(f *client.File) error { _, err := f.Write(w.ctx, 0, []byte(text)); return err })
		if err != nil {
			return err
		}
		tries := 0
		return w.do(f, func(f *client.File) error {
			tries++
			err := f.Close(w.ctx)
			if st, _ := client.StatusOf(err); tries > 1 && st == ntstatus.FileClosed {
				return nil // by the first one, whose answer was lost
			}
			return err
		})
	}
	return step, func(t *testing.T) {
		t.Helper()
		found := 0
		for _, e := range must(os.ReadDir(w.s.Path("share")))(t) {
			if strings.HasPrefix(e.Name(), w.name) {
				found++
			}
		}
		if found != len(made) {
			t.Errorf("%d files, want %d", found, len(made))
		}
		for name, text := range made {
			if got, err := os.ReadFile(filepath.Join(w.s.Path("share"), name)); err != nil || string(got) != text {
				t.Errorf("%s holds %q, %v; want %q", name, got, err, text)
			}
		}
	}
}

// truncates changes the size of a file.
func (w *worker) truncates() (func(int) error, func(*testing.T)) {
	f := w.open("")
	size := int64(0)
	step := func(int) error {
		size = w.r.Int64N(1 << 20)
		return w.do(f, func(f *client.File) error { return f.Truncate(w.ctx, size) })
	}
	return step, func(t *testing.T) {
		t.Helper()
		if st := must(os.Stat(w.path("")))(t); st.Size() != size {
			t.Errorf("%d bytes, want %d", st.Size(), size)
		}
	}
}

// renames moves a file from name to name.
func (w *worker) renames() (func(int) error, func(*testing.T)) {
	f := w.open("-0")
	last := w.name + "-0"
	step := func(n int) error {
		last = fmt.Sprintf("%s-%d", w.name, n)
		return w.do(f, func(f *client.File) error { return f.Rename(w.ctx, last, false) })
	}
	return step, func(t *testing.T) {
		t.Helper()
		if names := must(filepath.Glob(w.path("-*")))(t); len(names) != 1 || filepath.Base(names[0]) != last {
			t.Errorf("the file is called %q, want %q", names, last)
		}
	}
}

// copies copies parts of one file to another on the server.
func (w *worker) copies() (func(int) error, func(*testing.T)) {
	const n = 8
	from, to := w.open("-from"), w.open("-to")
	for i := range n {
		must(from.Write(w.t.Context(), uint64(i*slotSize), slot(uint32(i+1))))(w.t)
	}
	var holds [n]uint32
	step := func(int) error {
		src, dst := w.r.IntN(n), w.r.IntN(n)
		holds[dst] = uint32(src + 1)
		chunk := wire.SrvCopychunk{SourceOffset: uint64(src * slotSize), TargetOffset: uint64(dst * slotSize), Length: slotSize}
		return w.insist(w.ctx, w.r, func(lane *client.Session, tweak func(*client.Request)) error {
			_, err := to.On(lane).With(tweak).CopyFrom(w.ctx, from.On(lane).With(tweak), chunk)
			return err
		})
	}
	return step, func(t *testing.T) {
		t.Helper()
		got := must(os.ReadFile(w.path("-to")))(t)
		for i, round := range holds {
			if round != 0 && !bytes.Equal(got[i*slotSize:min((i+1)*slotSize, len(got))], slot(round)) {
				t.Errorf("slot %d does not hold slot %d of the source", i, round-1)
			}
		}
	}
}

// sparses makes a file sparse, and not.
func (w *worker) sparses() (func(int) error, func(*testing.T)) {
	f := w.open("")
	var on byte
	step := func(int) error {
		on ^= 1
		return w.do(f, func(f *client.File) error {
			_, err := f.Ioctl(w.ctx, wire.FsctlSetSparse, []byte{on}, 0)
			return err
		})
	}
	return step, func(t *testing.T) {
		t.Helper()
		info := must(w.tree.Stat(t.Context(), w.name))(t)
		if got := info.FileAttributes&wire.FileAttributeSparseFile != 0; got != (on != 0) {
			t.Errorf("sparse: %v", got)
		}
	}
}

const (
	// lockBuckets are the lock sequences of an open (MS-SMB2 3.3.1.10).
	lockBuckets = 64
	// locksPerCut keeps a sequence from being used again before the request that used it
	// last can have come late.
	locksPerCut = lockBuckets/2 - 2
	lockRanges  = 4
)

// locks takes shared locks and gives them back, while somebody else takes exclusive ones
// of the same ranges, so that it often has to wait.
func (w *worker) locks() (func(int) error, func(*testing.T)) {
	f := w.open("")
	rival := w.rival(f.Args.Name)
	var held [lockRanges]int
	var epoch uint32
	budget := locksPerCut
	step := func(n int) error {
		if e := w.sequence.Load(); e != epoch {
			epoch, budget = e, locksPerCut
		}
		if budget == 0 {
			// Others go on until the next cut.
			w.done.Add(1)
			return w.do(f, func(f *client.File) error { _, err := f.Read(w.ctx, 0, 1); return ignore(err, ntstatus.EndOfFile) })
		}
		budget--
		at := w.r.IntN(lockRanges)
		e := client.Waiting(client.Shared(uint64(at), 1))
		if held[at] > 1 || held[at] > 0 && w.r.IntN(2) > 0 {
			e = client.Unlock(uint64(at), 1)
			held[at]--
		} else {
			held[at]++
		}
		q := &wire.LockRequest{FileID: f.ID, LockSequence: uint32(n%lockBuckets+1)<<4 | uint32(n/lockBuckets%16), Locks: []wire.LockElement{e}}
		return w.insist(w.ctx, w.r, func(lane *client.Session, tweak func(*client.Request)) error {
			own := f.On(lane).With(tweak)
			resp, err := lane.Conn.Do(w.ctx, own.Request(q))
			if err != nil {
				return err
			}
			return resp.Err()
		})
	}
	return step, func(t *testing.T) {
		t.Helper()
		rival()
		for at, n := range held {
			for range n {
				if err := f.Lock(t.Context(), client.Unlock(uint64(at), 1)); err != nil {
					t.Errorf("range %d is not held %d times: %v", at, n, err)
				}
			}
			if err := f.Lock(t.Context(), client.Unlock(uint64(at), 1)); !errors.Is(err, ntstatus.RangeNotLocked) {
				t.Errorf("range %d is held more than %d times: %v", at, n, err)
			}
		}
	}
}

func ignore(err error, st ntstatus.Status) error {
	if errors.Is(err, st) {
		return nil
	}
	return err
}

// rival is somebody else who takes exclusive locks of the same file, until the function
// that it returns is called.
func (w *worker) rival(name string) (stop func()) {
	tree := w.s.connect(w.t)
	f := open(w.t, tree, client.CreateArgs{Name: name, Disposition: client.Open})
	quit := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		r := rand.New(rand.NewPCG(7, 7))
		for {
			select {
			case <-quit:
				return
			default:
			}
			at := uint64(r.IntN(lockRanges))
			err := f.Lock(w.ctx, client.Exclusive(at, 1))
			if err == nil {
				err = f.Lock(w.ctx, client.Unlock(at, 1))
			}
			if err != nil && !errors.Is(err, ntstatus.LockNotGranted) {
				w.t.Errorf("rival: %v", err)
				return
			}
		}
	})
	return func() {
		close(quit)
		wg.Wait()
		check(w.t, f.Close(w.t.Context()))
	}
}

// A client changes files in all ways through two channels, one of which is cut over and
// over: nothing is lost, nothing is done twice, and what comes late does no harm (MS-SMB2
// 3.3.5.2.10, 3.3.5.9.10, 3.3.5.14).
func TestChangesWhileChannelsAreCut(t *testing.T) {
	s := start(t, "")
	for _, m := range modes {
		s.run(t, m.name, func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r := rand.New(rand.NewPCG(seed, 0))
			tree := s.connect(t, m.tweak)
			st := &stream{s: s, keep: 500}
			st.connect(t, r, 0, tree)
			st.connect(t, r, 1, tree)
			var workers sync.WaitGroup
			var stop atomic.Bool
			verify := map[string]func(*testing.T){}
			names := slices.Sorted(maps.Keys(kinds))
			for i, kind := range names {
				w := &worker{
					stream: st, t: t, ctx: ctx, r: rand.New(rand.NewPCG(seed, uint64(i+1))), tree: tree,
					name: m.name + " " + kind,
				}
				step, v := kinds[kind](w)
				verify[kind] = v
				workers.Go(func() {
					for n := 1; !stop.Load() && !t.Failed(); n++ {
						if err := step(n); err != nil {
							t.Errorf("%s, step %d: %v", kind, n, err)
						}
					}
				})
			}
			st.cut(t, r, tree, cuts, 60)
			stop.Store(true)
			workers.Wait()
			for _, kind := range names {
				t.Run(kind, verify[kind])
			}
			t.Logf("%d requests, %d replays, %d refused as out of date", st.done.Load(), st.replays.Load(), st.late.Load())
			if st.replays.Load() < cuts/2 {
				t.Errorf("%d replays after %d cuts", st.replays.Load(), cuts)
			}
			st.end()
		})
	}
}
