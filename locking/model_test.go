package locking

import (
	"fmt"
	"slices"
	"time"
)

// The model of one file: a list of opens, a list of oplocks and leases, a queue of
// waiting locks and a clock, with the rules written out over the whole lists.
// Nothing runs beside anything else. history_test.go runs the manager beside it.

type modelCache struct {
	name      string // "L<key>" or "O<open>"
	lease     bool
	state     LeaseState
	epoch     uint16
	breaking  bool
	requested LeaseState    // what the holder was told to go down to
	required  LeaseState    // what those who wait need
	deadline  time.Duration // of the answer; 0: there is nobody to answer
	nobody    bool          // no client since the server was started
}

type modelOpen struct {
	id            OpenID
	access, share uint32
	cache         *modelCache
	durable       bool
	persistent    bool
	deleteOnClose bool
	lost          bool          // it waits for its client
	until         time.Duration // and so long
	locks         []Range
	sequences     [lockBuckets]uint8
}

// GoString is what the log of a history says.
func (o *modelOpen) GoString() string { return fmt.Sprint("open ", o.id) }

func (c *modelCache) GoString() string { return c.name }

type modelWait struct {
	o      *modelOpen
	ranges []Range
	seq    Sequence
	done   bool
	err    error
}

type model struct {
	now      time.Duration
	opens    []*modelOpen  // by age
	holders  []*modelCache // in the order in which they are asked, from the end
	waits    []*modelWait
	doomed   bool       // marked for deletion
	deleting *modelOpen // the last one to be closed, while the file is being deleted
	purging  bool       // that one was pushed out or has expired

	// Since the last comparison.
	sent   []string
	purged []OpenID
}

func (m *model) opensOf(c *modelCache) (list []*modelOpen) {
	for _, o := range m.opens {
		if o.cache == c {
			list = append(list, o)
		}
	}
	return list
}

func (m *model) connected(c *modelCache) (n int) {
	for _, o := range m.opensOf(c) {
		if !o.lost {
			n++
		}
	}
	return n
}

func (m *model) kept(c *modelCache) bool {
	return slices.ContainsFunc(m.opensOf(c), func(o *modelOpen) bool { return o.persistent })
}

func (m *model) lease(name string) *modelCache {
	if i := slices.IndexFunc(m.holders, func(c *modelCache) bool { return c.name == name }); i >= 0 {
		return m.holders[i]
	}
	return nil
}

// drop ends an oplock or a lease; the last one takes its place.
func (m *model) drop(c *modelCache) {
	i, last := slices.Index(m.holders, c), len(m.holders)-1
	m.holders[i] = m.holders[last]
	m.holders = m.holders[:last]
}

// eachHolder calls fn for each oplock and lease that is there when it is its turn.
func (m *model) eachHolder(fn func(*modelCache)) {
	for i := len(m.holders) - 1; i >= 0; i-- {
		if i < len(m.holders) {
			fn(m.holders[i])
		}
	}
}

func (m *model) send(c *modelCache, to LeaseState, ack bool) {
	if !c.nobody {
		m.sent = append(m.sent, fmt.Sprint(c.name, c.state, ">", to, ack))
	}
}

// settle ends a break, if there is one; an oplock without rights is none.
func (m *model) settle(c *modelCache, s LeaseState) {
	c.state, c.breaking, c.requested, c.required, c.deadline = s, false, 0, 0, 0
	if s == 0 && !c.lease {
		m.drop(c)
		m.opensOf(c)[0].cache = nil
	}
}

// ask announces what is requested. Without anybody to hear it, everything is lost.
func (m *model) ask(c *modelCache) (pending bool) {
	m.send(c, c.requested, true)
	if c.nobody {
		m.settle(c, 0)
		return false
	}
	c.breaking, c.deadline = true, m.now+DefaultBreakTimeout
	return true
}

// breakTo reports whether the holder has to answer.
func (m *model) breakTo(c *modelCache, to LeaseState) (pending bool) {
	to &= c.state
	switch {
	case m.connected(c) == 0 && m.kept(c):
		c.epoch++
		m.settle(c, to)
		return false
	case m.connected(c) == 0:
		m.pushOut(c)
		return false
	case c.breaking:
		c.required &= to
		return true
	case to == c.state:
		return false
	}
	c.epoch++
	if c.state == LeaseRead {
		m.send(c, 0, false)
		m.settle(c, 0)
		return false
	}
	if !c.lease {
		to &= LeaseRead
	}
	c.requested, c.required = to, to
	return m.ask(c)
}

// pushOut closes the opens of a holder who cannot answer.
func (m *model) pushOut(c *modelCache) {
	for _, o := range m.opensOf(c) {
		if o.cache == c {
			m.purge(o)
		}
	}
}

func (m *model) purge(o *modelOpen) {
	m.purged = append(m.purged, o.id)
	if m.close(o) {
		m.purging = true
	}
}

// deleted ends the deletion of the file.
func (m *model) deleted() { m.deleting, m.purging, m.doomed = nil, false, false }

// ack takes the answer of the holder of a lease. If it has kept more than those who
// wait need, the next break follows.
func (m *model) ack(c *modelCache, s LeaseState) {
	required := c.required
	m.settle(c, s)
	switch {
	case s&^required == 0:
	case s == LeaseRead:
		m.send(c, 0, false)
		m.settle(c, 0)
	default:
		c.required, c.requested = required, required|s&LeaseRead
		m.ask(c)
	}
}

func (m *model) violates(access, share uint32) bool {
	one := func(a, s uint32) bool {
		return a&readAccess != 0 && s&shareRead == 0 || a&writeAccess != 0 && s&shareWrite == 0 || a&accessDelete != 0 && s&shareDelete == 0
	}
	for _, o := range m.opens {
		if access&shareAccess != 0 && o.access&shareAccess != 0 && (one(access, o.share) || one(o.access, share)) {
			return true
		}
	}
	return false
}

// guarded reports whether a persistent open that waits for its client keeps others
// from an open: one that violates, or that would take something away.
func (m *model) guarded(r *OpenRequest, mine *modelCache, bad bool) bool {
	for _, o := range m.opens {
		if !o.lost || !o.persistent {
			continue
		}
		c := o.cache
		if bad || (c == nil || c != mine) && (r.Overwrite || c == nil || c.state&(LeaseHandle|LeaseWrite) != LeaseHandle) {
			return true
		}
	}
	return false
}

// open returns "wait", "pending", "unavailable", "sharing" or "".
func (m *model) open(r *OpenRequest, own string) string {
	access := r.effectiveAccess()
	for again := true; again; {
		again = false
		mine := m.lease(own)
		switch {
		case m.deleting != nil:
			return "wait"
		case m.doomed:
			return "pending"
		case isOplockStat(access):
			continue
		}
		bad, opens := m.violates(access, r.Share), len(m.opens)
		if m.guarded(r, mine, bad) {
			return "unavailable"
		}
		wait := m.makeRoom(r, mine, bad)
		switch {
		case len(m.opens) != opens:
			again = true
		case wait:
			return "wait"
		case bad:
			return "sharing"
		}
	}
	o := &modelOpen{id: r.Owner.OpenID, access: r.Access, share: r.Share, deleteOnClose: r.DeleteOnClose}
	m.grant(o, r, own)
	m.opens = append(m.opens, o)
	return ""
}

// makeRoom breaks what is in the way of an open and reports whether it must wait.
func (m *model) makeRoom(r *OpenRequest, mine *modelCache, bad bool) (wait bool) {
	m.eachHolder(func(c *modelCache) {
		if c == mine || c.lease && isLeaseStat(r.effectiveAccess()) {
			return
		}
		to := c.state &^ LeaseWrite
		if bad {
			to = c.state &^ LeaseHandle
		} else if r.Overwrite {
			to = 0
		}
		lost, was := c.state&^to, c.breaking && c.lease
		if lost == 0 {
			wait = wait || was
			return
		}
		hold := bad || lost&LeaseWrite != 0 || was && r.Waited
		wait = m.breakTo(c, to) && hold || wait
	})
	return wait
}

func (m *model) grant(o *modelOpen, r *OpenRequest, own string) {
	mine := m.lease(own)
	want := r.Oplock.state()
	if r.Lease != nil {
		want = r.Lease.State
	}
	if want&LeaseRead == 0 {
		want = 0
	}
	can := want
	for _, x := range m.opens {
		if (mine == nil || x.cache != mine) && (x.cache != nil || !isOplockStat(x.access)) {
			can &^= LeaseWrite
		}
		if len(x.locks) > 0 {
			can = 0
		}
	}
	for _, c := range m.holders {
		switch {
		case c == mine:
		case c.state&LeaseWrite != 0, r.Lease == nil && c.state&LeaseHandle != 0:
			can = 0
		case r.Lease != nil && !c.lease:
			can &^= LeaseHandle
		}
	}
	switch {
	case r.Lease == nil:
		if s := oplockOf(can).state(); s != 0 {
			o.cache = &modelCache{name: fmt.Sprint("O", o.id), state: s}
			m.holders = append(m.holders, o.cache)
		}
	case mine == nil:
		o.cache = &modelCache{name: own, lease: true, state: can, epoch: r.Lease.Epoch}
		if can != 0 {
			o.cache.epoch++
		}
		m.holders = append(m.holders, o.cache)
	default:
		o.cache = mine
		m.back(mine, m.connected(mine) == 0)
		if !mine.breaking && can == want && mine.state&can == mine.state && mine.state != can {
			mine.state = can
			mine.epoch++
		}
	}
}

// back is called when an open of a holder is there that is connected. The first one
// is told of a break that is running.
func (m *model) back(c *modelCache, first bool) {
	c.nobody = false
	if first && c.breaking {
		m.ask(c)
	}
}

// cause reports whether an operation of an open must wait.
func (m *model) cause(o *modelOpen, c Cause) (wait bool) {
	if !c.needsHandle() && o.cache != nil && o.cache.state&LeaseWrite != 0 {
		return false
	}
	m.eachHolder(func(x *modelCache) {
		switch {
		case c.needsHandle():
			if x != o.cache && x.state&LeaseHandle != 0 {
				wait = m.breakTo(x, x.state&^LeaseHandle) || wait
			}
		case x.state != 0 && (x != o.cache || !x.lease):
			hold := x.state&LeaseWrite != 0
			wait = m.breakTo(x, 0) && hold || wait
		}
	})
	return wait
}

// conflict reports whether a lock, or reading or writing, is kept from a range.
func (m *model) conflict(o *modelOpen, r Range, want rangeAccess) bool {
	for _, x := range m.opens {
		for _, l := range x.locks {
			forbids := l.Exclusive && x != o
			switch want {
			case lockExclusive:
				forbids = true
			case ioWrite:
				forbids = !l.Exclusive || x != o
			}
			if forbids && rangesOverlap(l.Offset, l.Length, r.Offset, r.Length) {
				return true
			}
		}
	}
	return false
}

// take takes all ranges or none, or nothing if the same request was carried out.
func (m *model) take(o *modelOpen, ranges []Range, q Sequence) bool {
	if o.carriedOut(q) {
		return true
	}
	before := len(o.locks)
	for _, r := range ranges {
		want := lockShared
		if r.Exclusive {
			want = lockExclusive
		}
		if m.conflict(o, r, want) {
			o.locks = o.locks[:before]
			return false
		}
		o.locks = append(o.locks, r)
	}
	o.done(q)
	return true
}

func (o *modelOpen) carriedOut(q Sequence) bool {
	return q.Index > 0 && o.sequences[q.Index-1] == q.Number+1
}

func (o *modelOpen) done(q Sequence) {
	if q.Index > 0 {
		o.sequences[q.Index-1] = q.Number + 1
	}
}

// lock returns a wait that is over if the locks are granted, nil if they are not.
func (m *model) lock(o *modelOpen, ranges []Range, wait bool, q Sequence) *modelWait {
	w := &modelWait{o: o, ranges: ranges, seq: q}
	switch {
	case m.take(o, ranges, q):
		w.done = true
		m.retry()
	case wait:
		m.waits = append(m.waits, w)
	default:
		return nil
	}
	m.cause(o, CauseLock)
	return w
}

func (m *model) unlock(o *modelOpen, ranges []Range, q Sequence) (ok bool) {
	ok = true
	for _, r := range ranges {
		i := slices.Index(o.locks, Range{r.Offset, r.Length, true})
		if i < 0 {
			i = slices.Index(o.locks, Range{r.Offset, r.Length, false})
		}
		if ok = i >= 0; !ok {
			break
		}
		o.locks = slices.Delete(o.locks, i, i+1)
	}
	if ok {
		o.done(q)
	}
	m.retry()
	return ok
}

// retry serves those who wait for locks, in order.
func (m *model) retry() {
	m.waits = slices.DeleteFunc(m.waits, func(w *modelWait) bool {
		w.done = m.take(w.o, w.ranges, w.seq)
		return w.done
	})
}

// giveUp ends the waits of an open.
func (m *model) giveUp(o *modelOpen) {
	m.waits = slices.DeleteFunc(m.waits, func(w *modelWait) bool {
		if w.o == o {
			w.done, w.err = true, ErrRangeNotLocked
		}
		return w.o == o
	})
}

// close reports whether the file is to be deleted now.
func (m *model) close(o *modelOpen) (del bool) {
	if o.deleteOnClose && !m.doomed {
		m.doomed = true
		m.cause(o, CauseDelete)
	}
	m.giveUp(o)
	m.opens = slices.DeleteFunc(m.opens, func(x *modelOpen) bool { return x == o })
	if c := o.cache; c != nil {
		m.left(c)
	}
	if del = m.doomed && len(m.opens) == 0 && m.deleting == nil; del {
		was := *o
		m.deleting = &was // what is stored of it stays so long
	}
	o.cache, o.locks = nil, nil
	m.retry()
	return del
}

// left is called when a holder has one open less that is connected.
func (m *model) left(c *modelCache) {
	switch {
	case len(m.opensOf(c)) == 0:
		m.drop(c)
	case m.connected(c) > 0 || !c.breaking:
	case m.kept(c):
		c.deadline = 0
	default:
		m.pushOut(c)
	}
}

// disconnect reports whether the open waits for its client; else it is to be closed.
func (m *model) disconnect(o *modelOpen) bool {
	c := o.cache
	if !o.persistent && (!o.durable || c == nil || c.breaking || c.state&LeaseHandle == 0) {
		return false
	}
	m.giveUp(o)
	o.lost, o.until = true, m.now+durableTimeout(o.id)
	if c != nil {
		m.left(c)
	}
	return true
}

func (m *model) reconnect(o *modelOpen) {
	o.lost = false
	if c := o.cache; c != nil {
		m.back(c, m.connected(c) == 1)
	}
}

// pass lets time pass, and what is due happen in its order.
func (m *model) pass(d time.Duration) {
	for end := m.now + d; ; {
		next, what := end, func() { m.now++ }
		for _, c := range m.holders {
			if c.deadline != 0 && c.deadline < next {
				next, what = c.deadline, func() { m.settle(c, 0) }
			}
		}
		for _, o := range m.opens {
			if o.lost && o.until < next {
				next, what = o.until, func() { m.purge(o) }
			}
		}
		m.now = next
		if next == end {
			return
		}
		what()
		if m.purging {
			m.deleted()
		}
	}
}

// kill ends the server and starts it again on what is stored: persistent opens, and
// durable ones as long as they cache their handle.
func (m *model) kill() {
	all := m.opens
	if m.deleting != nil && m.deleting.persistent {
		all = append(all, m.deleting) // its close has not taken place yet
		slices.SortFunc(all, func(a, b *modelOpen) int { return int(a.id) - int(b.id) })
	}
	m.deleting, m.opens, m.holders, m.waits = nil, nil, nil, nil
	doomed := m.doomed
	m.doomed = false
	for _, o := range all {
		c := o.cache
		if !o.persistent && (!o.durable || c == nil || c.state&LeaseHandle == 0) {
			continue
		}
		m.doomed = doomed && (m.doomed || o.persistent)
		o.lost, o.until = true, m.now+durableTimeout(o.id)
		m.opens = append(m.opens, o)
		if c != nil && !slices.Contains(m.holders, c) {
			// What is announced anew is all that is known of a break.
			c.nobody, c.deadline, c.required = true, 0, c.requested
			m.holders = append(m.holders, c)
		}
	}
	// Those that would not have outlived their connection.
	for _, o := range slices.Clone(m.opens) {
		if !o.persistent && slices.Contains(m.opens, o) && (o.cache == nil || o.cache.breaking || o.cache.state&LeaseHandle == 0) {
			m.purge(o)
		}
	}
}

// invariant: who caches writes is alone.
func (m *model) invariant() error {
	for _, a := range m.holders {
		for _, b := range m.holders {
			if a != b && a.state&LeaseWrite != 0 && b.state != 0 {
				return fmt.Errorf("%s has %v beside %s with %v", a.name, a.state, b.name, b.state)
			}
		}
	}
	return nil
}
