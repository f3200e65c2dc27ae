package locking

import (
	"cmp"
	"errors"
	"math"
	"math/rand/v2"
	"time"
)

// rangeNode is one byte-range lock, and a node of the tree of its stream and
// of the list of its open. Guarded by file.mu.
type rangeNode struct {
	off, length uint64
	end         uint64 // last byte, or off for an empty range
	owner       *Open
	exclusive   bool
	held        bool // in the tree
	stored      bool // in the store
	id          uint64
	granted     time.Time

	left, right *rangeNode
	prio        uint32
	// maxEnd and maxExclEnd are the largest end in the subtree, of all locks
	// and of the exclusive ones; the latter is valid when hasExcl.
	maxEnd, maxExclEnd uint64
	hasExcl            bool

	prev, next *rangeNode // locks of the same open
}

// rangeTree is a treap of the byte-range locks of a stream, ordered by
// offset and augmented as an interval tree.
type rangeTree struct {
	root *rangeNode
	n    int
}

// order compares two nodes: by place, then by owner, exclusive ones first so
// that an unlock meets them first, then by age.
func (a *rangeNode) order(b *rangeNode) int {
	if c := cmp.Compare(a.off, b.off); c != 0 {
		return c
	}
	if c := cmp.Compare(a.length, b.length); c != 0 {
		return c
	}
	if c := cmp.Compare(a.owner.id, b.owner.id); c != 0 {
		return c
	}
	if a.exclusive != b.exclusive {
		if a.exclusive {
			return -1
		}
		return 1
	}
	return cmp.Compare(a.id, b.id)
}

// update recomputes the augmentation of a node from its children.
func (a *rangeNode) update() {
	a.maxEnd, a.hasExcl, a.maxExclEnd = a.end, a.exclusive, 0
	if a.exclusive {
		a.maxExclEnd = a.end
	}
	for _, c := range [2]*rangeNode{a.left, a.right} {
		if c == nil {
			continue
		}
		a.maxEnd = max(a.maxEnd, c.maxEnd)
		if c.hasExcl {
			a.hasExcl = true
			a.maxExclEnd = max(a.maxExclEnd, c.maxExclEnd)
		}
	}
}

// split cuts a subtree into the nodes before x and those after it.
func split(t, x *rangeNode) (l, r *rangeNode) {
	if t == nil {
		return nil, nil
	}
	if t.order(x) < 0 {
		t.right, r = split(t.right, x)
		t.update()
		return t, r
	}
	l, t.left = split(t.left, x)
	t.update()
	return l, t
}

// merge joins two subtrees, all of l before all of r.
func merge(l, r *rangeNode) *rangeNode {
	switch {
	case l == nil:
		return r
	case r == nil:
		return l
	case l.prio > r.prio:
		l.right = merge(l.right, r)
		l.update()
		return l
	default:
		r.left = merge(l, r.left)
		r.update()
		return r
	}
}

// insert adds a node.
func (t *rangeTree) insert(x *rangeNode) {
	x.left, x.right = nil, nil
	x.prio = rand.Uint32()
	x.end = x.off
	if x.length > 0 {
		x.end = lastByte(x.off, x.length)
	}
	t.root = insertNode(t.root, x)
	t.n++
}

func insertNode(t, x *rangeNode) *rangeNode {
	if t == nil {
		x.update()
		return x
	}
	if x.prio > t.prio {
		x.left, x.right = split(t, x)
		x.update()
		return x
	}
	if x.order(t) < 0 {
		t.left = insertNode(t.left, x)
	} else {
		t.right = insertNode(t.right, x)
	}
	t.update()
	return t
}

// remove takes a node out that is in the tree.
func (t *rangeTree) remove(x *rangeNode) {
	t.root = removeNode(t.root, x)
	t.n--
}

func removeNode(t, x *rangeNode) *rangeNode {
	if t == nil {
		return nil
	}
	if t == x {
		return merge(t.left, t.right)
	}
	if x.order(t) < 0 {
		t.left = removeNode(t.left, x)
	} else {
		t.right = removeNode(t.right, x)
	}
	t.update()
	return t
}

// find returns a lock of the owner with exactly this place, an exclusive one
// if there is one.
func (t *rangeTree) find(owner *Open, off, length uint64) *rangeNode {
	probe := rangeNode{off: off, length: length, owner: owner, exclusive: true}
	var best *rangeNode
	for n := t.root; n != nil; {
		if n.order(&probe) >= 0 {
			best, n = n, n.left
		} else {
			n = n.right
		}
	}
	if best == nil || best.off != off || best.length != length || best.owner != owner {
		return nil
	}
	return best
}

// access is what somebody wants to do with a range.
type rangeAccess uint8

const (
	lockShared    rangeAccess = iota // conflicts with exclusive locks of others
	lockExclusive                    // conflicts with all locks, own ones too
	ioRead                           // as lockShared
	ioWrite                          // conflicts with shared locks and exclusive ones of others
)

// forbids reports whether a lock that overlaps keeps o from the access
// (MS-FSA 2.1.4.10, 2.1.5.7): a shared lock can be stacked on an exclusive
// one of the same open, nothing else can; and a shared lock stops the writes
// of its own holder too.
func (a *rangeNode) forbids(o *Open, want rangeAccess) bool {
	switch want {
	case lockExclusive:
		return true
	case ioWrite:
		return !a.exclusive || a.owner != o
	default:
		return a.exclusive && a.owner != o
	}
}

// conflict finds a lock that keeps o from the access to a range, or nil.
func (t *rangeTree) conflict(o *Open, off, length uint64, want rangeAccess) *rangeNode {
	end := off
	if length > 0 {
		end = lastByte(off, length)
	}
	return conflictNode(t.root, o, off, length, end, want)
}

func conflictNode(n *rangeNode, o *Open, off, length, end uint64, want rangeAccess) *rangeNode {
	exclusiveOnly := want == lockShared || want == ioRead
	for n != nil {
		if n.maxEnd < off || exclusiveOnly && (!n.hasExcl || n.maxExclEnd < off) {
			return nil
		}
		if c := conflictNode(n.left, o, off, length, end, want); c != nil {
			return c
		}
		if n.off > end {
			return nil
		}
		if n.forbids(o, want) && rangesOverlap(n.off, n.length, off, length) {
			return n
		}
		n = n.right
	}
	return nil
}

// lockWaiter is a request that waits for byte-range locks. Guarded by
// file.mu, but for done.
type lockWaiter struct {
	open   *Open
	ranges []Range
	seq    Sequence
	since  time.Time
	done   chan struct{}
	ended  bool
	err    error
	// promise is what must be stored before the locks count as held, which are
	// taken then.
	promise promise
	taken   []*rangeNode
}

// checkRanges refuses what cannot be a list of ranges.
func checkRanges(ranges []Range) error {
	for _, r := range ranges {
		if r.Length > 0 && r.Length-1 > math.MaxUint64-r.Offset {
			return ErrInvalidRange
		}
	}
	return nil
}

// lockRanges carries out Open.Lock and Open.LockOnce (MS-FSA 2.1.5.7).
func (o *Open) lockRanges(ranges []Range, wait bool, seq Sequence) error {
	if err := checkRanges(ranges); err != nil || len(ranges) == 0 {
		return err
	}
	f, s := o.file, o.stream
	f.mu.Lock()
	if o.closed || wait && o.m.closed.Load() {
		f.mu.Unlock()
		return ErrClosed
	}
	if o.carriedOutLocked(seq) {
		p := o.promiseLocked()
		f.mu.Unlock()
		return p.wait()
	}
	holder, err := o.takeLocked(ranges, seq)
	var p promise
	var taken []*rangeNode
	switch {
	case err == nil:
		p = o.promiseLocked()
		taken = o.takenLocked(p, len(ranges))
		if seq.Index != 0 {
			s.retryWaitersLocked() // one may be the same request
		}
		o.breakOthersLocked(CauseLock)
	case wait && holder != nil:
		// In this order: who cannot answer the break is pushed out with its locks, which
		// may be what is waited for.
		blocked := s.waitLocked(o, ranges, seq)
		if !holder.disconnected {
			blocked.Owner = holder.owner
		}
		err = blocked
		o.breakOthersLocked(CauseLock)
	case holder != nil:
		err = refuse(err, holder)
	}
	f.unlockNoWait()
	if err != nil {
		return err
	}
	if err := p.wait(); err != nil {
		o.giveBack(taken, seq)
		return err
	}
	f.awaitDue()
	return nil
}

// takenLocked returns the n locks that were taken last, if they are to be given back
// when the promise cannot be given.
func (o *Open) takenLocked(p promise, n int) []*rangeNode {
	if !p.firm {
		return nil
	}
	taken := make([]*rangeNode, 0, n)
	for x := o.locks; len(taken) < n; x = x.next {
		taken = append(taken, x)
	}
	return taken
}

// giveBack releases locks that could not be stored, those that are still there.
func (o *Open) giveBack(taken []*rangeNode, seq Sequence) {
	f := o.file
	f.mu.Lock()
	defer f.unlockNoWait()
	o.forgetSequenceLocked(seq)
	o.storeRecordLocked()
	freed := false
	for _, n := range taken {
		if n.held {
			o.freeLocked(n)
			freed = true
		}
	}
	if freed {
		o.stream.retryWaitersLocked()
	}
}

// takeLocked takes all ranges or none. With ErrLockNotGranted it returns the open that
// has one of them.
func (o *Open) takeLocked(ranges []Range, seq Sequence) (holder *Open, err error) {
	if !o.mayTakeLocked(len(ranges)) {
		return nil, ErrTooManyLocks
	}
	for i, r := range ranges {
		want := lockShared
		if r.Exclusive {
			want = lockExclusive
		}
		if n := o.stream.ranges.conflict(o, r.Offset, r.Length, want); n != nil {
			for j := i - 1; j >= 0; j-- {
				o.freeLocked(o.locks)
			}
			return n.owner, ErrLockNotGranted
		}
		o.grantRangeLocked(r)
	}
	o.sequenceLocked(seq)
	o.storeRangesLocked(len(ranges))
	return nil, nil
}

// grantRangeLocked enters one new lock.
func (o *Open) grantRangeLocked(r Range) {
	n := &rangeNode{
		off:       r.Offset,
		length:    r.Length,
		exclusive: r.Exclusive,
		owner:     o,
		id:        o.m.nextLockID.Add(1),
		granted:   time.Now(),
	}
	o.linkRangeLocked(n)
}

// linkRangeLocked puts a lock into the tree and at the head of the open's
// list.
func (o *Open) linkRangeLocked(n *rangeNode) {
	n.next = o.locks
	if o.locks != nil {
		o.locks.prev = n
	}
	o.locks = n
	n.held = true
	o.nlocks++
	o.stream.ranges.insert(n)
	o.stream.locked.Add(1)
	o.m.stats.ranges.Add(1)
	o.counterLocked().held.Add(1)
}

// freeLocked removes one lock, from the store as well.
func (o *Open) freeLocked(n *rangeNode) {
	o.unlinkRangeLocked(n)
	if c, ok := o.unstoredRangeLocked(n); ok {
		o.queueLocked(c)
	}
}

// unlinkRangeLocked takes a lock out of the tree and off the open's list.
func (o *Open) unlinkRangeLocked(n *rangeNode) {
	if n.prev != nil {
		n.prev.next = n.next
	} else {
		o.locks = n.next
	}
	if n.next != nil {
		n.next.prev = n.prev
	}
	n.prev, n.next = nil, nil
	n.held = false
	o.nlocks--
	o.stream.ranges.remove(n)
	o.stream.locked.Add(-1)
	o.m.stats.ranges.Add(-1)
	o.counterLocked().held.Add(-1)
}

// unlockRanges carries out Open.Unlock and Open.UnlockOnce (MS-FSA 2.1.5.8).
func (o *Open) unlockRanges(ranges []Range, seq Sequence) error {
	f, s := o.file, o.stream
	f.mu.Lock()
	if o.closed {
		f.mu.Unlock()
		return ErrClosed
	}
	if o.carriedOutLocked(seq) {
		p := o.promiseLocked()
		f.mu.Unlock()
		return p.wait()
	}
	var err error
	var changes []change
	freed := false
	for _, r := range ranges {
		n := s.ranges.find(o, r.Offset, r.Length)
		if n == nil {
			err = ErrRangeNotLocked
			break
		}
		o.unlinkRangeLocked(n)
		if c, ok := o.unstoredRangeLocked(n); ok {
			changes = append(changes, c)
		}
		freed = true
	}
	if err == nil {
		o.sequenceLocked(seq)
	}
	// What is given back and the sequence that says so go together.
	o.queueLocked(o.withSequencesLocked(changes)...)
	var p promise
	if freed {
		p = o.promiseLocked()
		s.retryWaitersLocked()
	}
	f.unlockNoWait()
	if perr := p.wait(); err == nil {
		err = perr
	}
	return err
}

// waitLocked queues a request for locks.
func (s *stream) waitLocked(o *Open, ranges []Range, seq Sequence) *Blocked {
	w := &lockWaiter{open: o, ranges: append([]Range(nil), ranges...), seq: seq, since: time.Now(), done: make(chan struct{})}
	s.waiters = append(s.waiters, w)
	f := s.file
	f.m.stats.rangeWaiters.Add(1)
	return &Blocked{
		Wait: w.done,
		cancel: func() bool {
			f.mu.Lock()
			defer f.mu.Unlock()
			if w.ended {
				return w.err != nil
			}
			s.dropWaiterLocked(w)
			w.endLocked(ErrCanceled)
			return true
		},
		result: func() error {
			f.mu.Lock()
			err, p := w.err, w.promise
			f.mu.Unlock()
			if err != nil {
				return err
			}
			if err := p.wait(); err != nil {
				o.giveBack(w.taken, w.seq)
				return err
			}
			f.awaitDue()
			return nil
		},
	}
}

// endLocked tells the waiter its outcome.
func (w *lockWaiter) endLocked(err error) {
	w.ended, w.err = true, err
	w.open.m.stats.rangeWaiters.Add(-1)
	close(w.done)
}

func (s *stream) dropWaiterLocked(w *lockWaiter) {
	for i, x := range s.waiters {
		if x == w {
			s.waiters = append(s.waiters[:i], s.waiters[i+1:]...)
			return
		}
	}
}

// retryWaitersLocked serves the queue after locks were released: in order,
// each one against what is granted, so a waiter that still conflicts does not
// hold up those behind it.
func (s *stream) retryWaitersLocked() {
	if len(s.waiters) == 0 {
		return
	}
	rest := s.waiters[:0]
	for _, w := range s.waiters {
		if w.open.carriedOutLocked(w.seq) { // the same request, in front of this one
			w.promise = w.open.promiseLocked()
			w.endLocked(nil)
			continue
		}
		_, err := w.open.takeLocked(w.ranges, w.seq)
		if errors.Is(err, ErrLockNotGranted) {
			rest = append(rest, w)
			continue
		}
		if err == nil {
			w.promise = w.open.promiseLocked()
			w.taken = w.open.takenLocked(w.promise, len(w.ranges))
		}
		w.endLocked(err)
	}
	clear(s.waiters[len(rest):])
	s.waiters = rest
}

// endWaitersLocked ends the waits of an open that is going away.
func (s *stream) endWaitersLocked(o *Open, err error) {
	rest := s.waiters[:0]
	for _, w := range s.waiters {
		if w.open != o {
			rest = append(rest, w)
			continue
		}
		w.endLocked(err)
	}
	clear(s.waiters[len(rest):])
	s.waiters = rest
}

// checkIO carries out Open.CheckIO (MS-FSA 2.1.4.10).
func (o *Open) checkIO(off, n uint64, write bool) error {
	s := o.stream
	if n == 0 || s.locked.Load() == 0 {
		return nil
	}
	want := ioRead
	if write {
		want = ioWrite
	}
	o.file.mu.Lock()
	defer o.file.mu.Unlock()
	if r := s.ranges.conflict(o, off, n, want); r != nil {
		return refuse(ErrLocked, r.owner)
	}
	return nil
}
