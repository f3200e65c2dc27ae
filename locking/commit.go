package locking

import (
	"errors"
	"sync"
	"time"
)

// commitBatch is a group of changes that go to the store in one transaction.
type commitBatch struct {
	changes []Change
	done    chan struct{}
	err     error // valid once done is closed
}

// wait returns when the batch is stored, or has failed.
func (b *commitBatch) wait() error {
	<-b.done
	return b.err
}

// committer is the goroutine that groups changes into transactions: whatever
// is queued while one transaction runs goes into the next.
type committer struct {
	// Immutable after construction.
	store    LockStore
	observer Observer
	wake     chan struct{} // holds one token while something is queued
	ended    chan struct{} // closed when the goroutine is gone

	mu     sync.Mutex // leaf: everything below
	cur    *commitBatch
	closed bool
	err    error // the first one
}

func newCommitter(s LockStore, o Observer) *committer {
	c := &committer{
		store:    s,
		observer: o,
		wake:     make(chan struct{}, 1),
		ended:    make(chan struct{}),
	}
	go c.run()
	return c
}

// add queues changes in order and returns the batch they belong to; nil when
// the committer is closed.
func (c *committer) add(changes ...Change) *commitBatch {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	if c.cur == nil {
		c.cur = &commitBatch{done: make(chan struct{})}
	}
	c.cur.changes = append(c.cur.changes, changes...)
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return c.cur
}

// run commits batches until the committer is closed and the queue is empty.
func (c *committer) run() {
	defer close(c.ended)
	for range c.wake {
		c.mu.Lock()
		b := c.cur
		c.cur = nil
		c.mu.Unlock()
		if b != nil {
			c.commit(b)
		}
	}
}

func (c *committer) commit(b *commitBatch) {
	start := time.Now()
	n := len(b.changes)
	b.err = c.store.Commit(b.changes)
	if b.err != nil {
		c.mu.Lock()
		c.err = errors.Join(c.err, b.err)
		c.mu.Unlock()
	}
	c.observer.Committed(n, time.Since(start), b.err)
	close(b.done)
}

// close stores what is queued and ends the goroutine.
func (c *committer) close() error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.wake)
	}
	c.mu.Unlock()
	<-c.ended
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// persistedLocked is the stored form of the open.
func (o *Open) persistedLocked() PersistedOpen {
	p := PersistedOpen{
		Version:       PersistedVersion,
		Owner:         o.owner,
		Key:           o.file.key,
		Stream:        o.stream.name,
		Volume:        o.volume,
		Path:          o.path,
		Access:        o.access,
		ShareAccess:   o.share,
		DeleteOnClose: o.deleteOnClose,
		IsDirectory:   o.isDir,
		CreateGuid:    o.createGuid,
		Oplock:        o.grantLocked().Oplock,
	}
	if d := o.durable; d != nil {
		p.Share, p.User, p.V2, p.Persistent = d.Share, d.User, d.V2, d.persistent
		p.Timeout, p.Extra = d.timeout, d.Extra
	}
	return p
}

// storeOpenLocked queues the whole open with its lease and ranges, if it is
// one that is kept in the store.
func (o *Open) storeOpenLocked() {
	m, d := o.m, o.durable
	if m.commits == nil || d == nil || !d.persistent && !m.opts.KeepDurable {
		return
	}
	p := o.persistedLocked()
	changes := []Change{{PutOpen: &p}}
	if h := o.holder; h != nil {
		if d.leaseID == 0 {
			d.leaseID = m.nextLockID.Add(1)
			h.stored++
		}
		changes = append(changes, Change{PutLock: o.persistedLeaseLocked()})
	}
	for n := o.locks; n != nil; n = n.next {
		l := n.recordLocked()
		changes = append(changes, Change{PutLock: ToPersistedLock(&l)})
		n.stored = true
	}
	d.stored = true
	o.queueLocked(changes...)
}

// persistedLeaseLocked is the lease or oplock of the open as a record of this
// open: a lease shared by several stored opens is stored with each.
func (o *Open) persistedLeaseLocked() *PersistedLock {
	l := o.holder.recordLocked(o.isDir)
	l.ID, l.Owner = o.durable.leaseID, o.owner
	return ToPersistedLock(&l)
}

// queueLocked hands changes to the committer; those of a persistent open are
// waited for when file.mu is released.
func (o *Open) queueLocked(changes ...Change) {
	b := o.m.commits.add(changes...)
	if o.durable.persistent && b != nil {
		o.file.batch = b
	}
}

// storeLocked queues a changed lease or oplock for each stored open.
func (h *holder) storeLocked() {
	if h.stored == 0 {
		return
	}
	for o := h.stream.first; o != nil; o = o.next {
		if o.holder == h && o.durable != nil && o.durable.leaseID != 0 {
			o.queueLocked(Change{PutLock: o.persistedLeaseLocked()})
		}
	}
}

// storeRangeLocked queues a new byte-range lock of a stored open.
func (o *Open) storeRangeLocked(n *rangeNode) {
	if o.durable == nil || !o.durable.stored {
		return
	}
	l := n.recordLocked()
	n.stored = true
	o.queueLocked(Change{PutLock: ToPersistedLock(&l)})
}

// unstoreRangeLocked queues the removal of a byte-range lock.
func (o *Open) unstoreRangeLocked(n *rangeNode) {
	if !n.stored || o.durable == nil || !o.durable.stored {
		return
	}
	o.queueLocked(Change{DeleteLock: n.id})
}

// unstoreLocked queues the removal of the open with everything it has.
func (o *Open) unstoreLocked() {
	d := o.durable
	if d == nil || !d.stored {
		return
	}
	o.queueLocked(Change{DeleteOpen: o.id})
	d.stored = false
	if d.leaseID != 0 && o.holder != nil {
		o.holder.stored--
	}
	d.leaseID = 0
}
