package smb

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"math"
	"slices"
	"sync"
	"time"

	"lessor/locking"
	"lessor/vfs"
)

// Byte-range locks as programs outside of the server see them (Share.PosixLocks).
//
// Package locking alone decides between clients. What it has granted to an open
// is then shown to others by the Handle of the open (vfs.Handle.LockRange), who
// may have locked the range themselves: then the manager's lock is taken back. Of
// locks of one open that lie on one another, for which the storage knows no count,
// it is the strongest that is shown, byte by byte.
//
// What ends is hidden first and released by the manager then. So whoever gets a
// lock from the manager never meets, in the storage, one that another open has
// given back.

// outsideLocks is what a grip shows of its locks.
type outsideLocks struct {
	// mu is level 0 of the lock order: it is held across calls of package locking
	// and of vfs, so that what is shown is what the open holds, and never across
	// await. It guards what follows, and only locks and unlocks of one open compete
	// for it.
	mu sync.Mutex
	// off says that nothing is shown any more: the storage cannot, or the open is
	// being closed.
	off bool
}

// showsLocks reports whether byte-range locks of the open concern programs outside.
func (o *open) showsLocks() bool { return o.grip.share.PosixLocks && o.grip.stream == "" }

const (
	// firstRetry and lastRetry bound how long a LOCK waits before it looks again
	// whether a program outside has given a range back, which nobody tells us.
	firstRetry = 10 * time.Millisecond
	lastRetry  = 500 * time.Millisecond
)

// showRanges lets programs outside see what the manager has just granted, with
// wait as soon as they let it. When it fails, nothing of the ranges is left.
func (r *request) showRanges(o *open, ranges []locking.Range, wait bool) error {
	for delay := firstRetry; ; delay = min(2*delay, lastRetry) {
		err := o.show(r.ctx(), ranges)
		if !wait || !errors.Is(err, vfs.ErrRangeBusy) {
			return err
		}
		if err := r.awaitRetry(o, delay); err != nil {
			return err
		}
		// Others were served meanwhile, and the open may have been closed.
		if err := r.grantRanges(o, ranges, true, locking.Sequence{}); err != nil {
			return err
		}
	}
}

// show lets programs outside see what the manager has just granted. When it
// fails, nothing of the ranges is left. Errors: vfs.ErrRangeBusy.
func (o *open) show(ctx context.Context, ranges []locking.Range) error {
	g := &o.grip.outside
	g.mu.Lock()
	defer g.mu.Unlock()
	var err error
	for _, w := range ranges {
		if err = o.showLocked(ctx, w, o.overlapping(w)); err != nil {
			break
		}
	}
	if err == nil {
		return nil
	}
	// One after the other, as they may overlap each other and older ones.
	for _, w := range slices.Backward(ranges) {
		held := o.overlapping(w)
		if i := slices.Index(held, w); i >= 0 {
			held = slices.Delete(held, i, i+1)
		}
		_ = o.showLocked(context.Background(), w, held) // what others hold is none of ours
		if werr := o.lock.Withdraw([]locking.Range{w}); werr != nil {
			err = werr
		}
	}
	return err
}

// hide releases locks one by one (MS-SMB2 3.3.5.14.1), before programs outside and
// in the manager.
func (o *open) hide(ranges []locking.Range) error {
	g := &o.grip.outside
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, w := range ranges {
		held := o.overlapping(w)
		// Of equal locks the exclusive ones go first, and come first here as well.
		at := slices.IndexFunc(held, func(h locking.Range) bool { return h.Offset == w.Offset && h.Length == w.Length })
		if at >= 0 {
			held = slices.Delete(held, at, at+1)
			if err := o.showLocked(context.Background(), w, held); err != nil {
				o.noteLocks(err)
			}
		}
		if err := o.lock.Unlock(ranges[i : i+1]); err != nil {
			return err
		}
	}
	return nil
}

// showAgain shows all locks of an open whose Handle is a new one, after a restart
// of the server. Its client holds them: a program that has been faster cannot
// change that.
func (o *open) showAgain(ctx context.Context) {
	if !o.showsLocks() || o.grip.dir {
		return
	}
	g := &o.grip.outside
	g.mu.Lock()
	defer g.mu.Unlock()
	all := locking.Range{Length: math.MaxUint64}
	if held := o.overlapping(all); len(held) > 0 {
		if err := o.showLocked(ctx, all, held); err != nil {
			o.noteLocks(err)
		}
	}
}

// hideAll gives back what a grip shows, before its open is closed; nothing is
// shown by it afterwards.
func (g *grip) hideAll() {
	if !g.share.PosixLocks {
		return
	}
	g.outside.mu.Lock()
	defer g.outside.mu.Unlock()
	if g.outside.off {
		return
	}
	g.outside.off = true
	g.mu.Lock()
	h := g.handle
	g.mu.Unlock()
	if h != nil && !g.dir {
		_ = h.LockRange(context.Background(), 0, math.MaxInt64, vfs.LockNone) // closing it does the same
	}
}

// noteLocks logs that programs outside do not see locks as they are.
func (o *open) noteLocks(err error) {
	o.sess.srv.log.Warn().Err(err).Str("share", o.grip.share.Name).Str("path", o.path()).
		Msg("local programs do not see all locks of a client")
}

// overlapping returns what the open holds within a range.
func (o *open) overlapping(w locking.Range) []locking.Range {
	return o.lock.Overlapping(nil, w.Offset, w.Length)
}

// showLocked makes the storage show held and nothing else within a range. It does
// all it can and returns the first error.
func (o *open) showLocked(ctx context.Context, w locking.Range, held []locking.Range) error {
	g := o.grip
	if g.outside.off {
		return nil
	}
	var first error
	for _, run := range lockRuns(w, held) {
		h, err := o.file(ctx)
		if err == nil {
			err = showRun(ctx, h, run)
		}
		if errors.Is(err, errors.ErrUnsupported) {
			g.outside.off = true
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// showRun sets one lock, or the strongest that the storage lets the server have.
func showRun(ctx context.Context, h vfs.Handle, run lockRun) error {
	err := h.LockRange(ctx, run.off, run.n, run.mode)
	if run.mode == vfs.LockExclusive && errors.Is(err, fs.ErrPermission) {
		err = h.LockRange(ctx, run.off, run.n, vfs.LockShared)
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}

// lockRun is a part of a range and what it is locked as.
type lockRun struct {
	off, n int64
	mode   vfs.LockMode
}

// lastOffset is the last byte that a file can have. Locks beyond it are between
// clients.
const lastOffset = math.MaxInt64 - 1

// lockEdge is where a lock begins (step 1) or has ended (step -1).
type lockEdge struct {
	at        uint64
	step      int
	exclusive bool
}

// lockEdges returns the edges of locks between two bytes, in ascending order.
func lockEdges(held []locking.Range, first, last uint64) []lockEdge {
	edges := make([]lockEdge, 0, 2*len(held))
	for _, h := range held {
		from, to := max(h.Offset, first), min(h.Offset+(h.Length-1), last)
		if from <= to {
			edges = append(edges, lockEdge{from, 1, h.Exclusive}, lockEdge{to + 1, -1, h.Exclusive})
		}
	}
	slices.SortFunc(edges, func(a, b lockEdge) int { return cmp.Compare(a.at, b.at) })
	return edges
}

// lockRuns cuts a range into parts by what held makes of them, in ascending order
// and all of it, as far as files reach. Of held, none is of no bytes.
func lockRuns(w locking.Range, held []locking.Range) []lockRun {
	if w.Length == 0 || w.Offset > lastOffset {
		return nil
	}
	last := min(w.Offset+(w.Length-1), lastOffset)
	edges := lockEdges(held, w.Offset, last)
	var runs []lockRun
	locks := make(map[bool]int, 2) // how many there are at this place, by exclusive
	for at := w.Offset; at <= last; {
		for len(edges) > 0 && edges[0].at == at {
			locks[edges[0].exclusive] += edges[0].step
			edges = edges[1:]
		}
		next := last + 1
		if len(edges) > 0 {
			next = edges[0].at
		}
		mode := vfs.LockNone
		switch {
		case locks[true] > 0:
			mode = vfs.LockExclusive
		case locks[false] > 0:
			mode = vfs.LockShared
		}
		if n := len(runs); n > 0 && runs[n-1].mode == mode {
			runs[n-1].n += int64(next - at)
		} else {
			runs = append(runs, lockRun{int64(at), int64(next - at), mode})
		}
		at = next
	}
	return runs
}

// alarm wakes a LOCK that waits for a program outside.
type alarm struct {
	ch   chan struct{}
	once sync.Once
}

func (a *alarm) ring() { a.once.Do(func() { close(a.ch) }) }

// awaitRetry waits until it is time to look again, or the open is closed:
// locking.ErrRangeNotLocked, as for those who wait for another client.
func (r *request) awaitRetry(o *open, delay time.Duration) error {
	a := &alarm{ch: make(chan struct{})}
	o.mu.Lock()
	if o.alarms == nil {
		o.alarms = make(map[*alarm]struct{})
	}
	o.alarms[a] = struct{}{}
	closed := o.closed
	o.mu.Unlock()
	if closed {
		a.ring()
	}
	timer := time.AfterFunc(delay, a.ring)
	defer timer.Stop()
	r.unframe()
	err := r.await(a.ch, waitLock)
	o.mu.Lock()
	delete(o.alarms, a)
	closed = o.closed
	o.mu.Unlock()
	if err == nil && closed {
		return locking.ErrRangeNotLocked
	}
	return err
}
