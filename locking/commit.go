package locking

import (
	"sync"
	"time"
)

// While the store fails, it is tried again after a pause that grows from the
// first to the second of these.
const (
	minRetry = 50 * time.Millisecond
	maxRetry = time.Second
)

// committer is the goroutine that groups changes into transactions: whatever is
// queued while one transaction runs goes into the next.
//
// # What holds
//
// The transactions follow each other in the order of the queue, so that after a
// crash the store holds what was true at some moment, for all files alike: what
// somebody was given is never there while what was taken away for it is there
// too. A transaction that fails does not break this: its changes stay queued, in
// front of what came later, and are part of the next attempt. Only those who wait
// for it learn of the failure.
//
// # Why the queue is bounded
//
// Within one transaction only the last change of a record counts, and a record
// that comes and goes within it need not come at all. So the queue keeps one
// change for each record at most, however long the store takes: those of opens
// and locks that exist now, which take memory anyway, and the removal of what
// existed when the running transaction began. Nothing is ever dropped. Who needs
// the change to be stored waits for it, and so cannot make more of them.
type committer struct {
	// Immutable after construction.
	store    LockStore
	observer Observer
	wake     chan struct{} // holds one token while something is queued
	closing  chan struct{} // closed by close
	ended    chan struct{} // closed when the goroutine is gone

	mu      sync.Mutex   // leaf: everything below
	queue   *commitBatch // what is to be stored next; nil if nothing is
	running *commitBatch // what is being stored; nil between transactions
	closed  bool
	err     error // of the latest transaction
}

// commitBatch is a group of changes that go to the store in one transaction.
type commitBatch struct {
	opens queue // guarded by committer.mu, then owned by its goroutine
	done  chan struct{}
	err   error // valid once done is closed
}

// wait returns when the batch is stored, or has failed. Nothing is stored at once.
func (b *commitBatch) wait() error {
	if b == nil {
		return nil
	}
	<-b.done
	return b.err
}

func newCommitter(s LockStore, o Observer) *committer {
	c := &committer{
		store:    s,
		observer: o,
		wake:     make(chan struct{}, 1),
		closing:  make(chan struct{}),
		ended:    make(chan struct{}),
	}
	go c.run()
	return c
}

// add queues changes, which go into the same transaction, and returns the batch
// they belong to. Once the committer is closed, that is a batch that has failed.
func (c *committer) add(changes ...change) *commitBatch {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return failedBatch(ErrClosed)
	}
	if c.queue == nil {
		c.queue = newBatch()
	}
	for _, ch := range changes {
		c.queue.opens.add(ch)
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return c.queue
}

// latest returns the batch after which everything is stored that was queued
// until now; nil if it is stored already.
func (c *committer) latest() *commitBatch {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queue != nil {
		return c.queue
	}
	return c.running
}

func newBatch() *commitBatch {
	return &commitBatch{opens: make(queue), done: make(chan struct{})}
}

// failedBatch is the batch of those who come too late.
func failedBatch(err error) *commitBatch {
	b := &commitBatch{done: make(chan struct{}), err: err}
	close(b.done)
	return b
}

// run commits batches until the committer is closed and the queue is empty.
func (c *committer) run() {
	defer close(c.ended)
	pause := time.Duration(0) // until the next attempt, after one that failed
	for {
		if !c.await(pause) {
			_ = c.step() // the last attempt; giveUp tells those who waited for it
			c.giveUp()
			return
		}
		if c.step() == nil {
			pause = 0
		} else {
			pause = min(max(2*pause, minRetry), maxRetry)
		}
	}
}

// await returns when something is to be done; false if the committer is being
// closed.
func (c *committer) await(pause time.Duration) bool {
	if pause > 0 {
		t := time.NewTimer(pause)
		defer t.Stop()
		select {
		case <-t.C:
			return true
		case <-c.closing:
			return false
		}
	}
	select {
	case <-c.wake:
		return true
	case <-c.closing:
		return false
	}
}

// step stores what is queued, in one transaction.
func (c *committer) step() error {
	c.mu.Lock()
	b := c.queue
	c.queue, c.running = nil, b
	c.mu.Unlock()
	if b == nil {
		return nil
	}
	changes := b.opens.changes()
	start := time.Now()
	if len(changes) > 0 {
		b.err = c.store.Commit(changes)
		c.observer.Committed(len(changes), time.Since(start), b.err)
	}
	c.mu.Lock()
	c.running, c.err = nil, b.err
	if b.err != nil {
		c.requeueLocked(b)
	}
	b.opens = nil
	c.mu.Unlock()
	close(b.done)
	return b.err
}

// giveUp ends the waiting for what the last attempt has left behind.
func (c *committer) giveUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queue != nil {
		c.queue.err = c.err
		close(c.queue.done)
	}
}

// requeueLocked puts the changes of a transaction that failed in front of those
// that were queued meanwhile.
func (c *committer) requeueLocked(b *commitBatch) {
	if c.queue == nil {
		c.queue = newBatch()
	}
	c.queue.opens.addOlder(b.opens)
}

// close stores what is queued and ends the goroutine. It returns the error that
// kept something from being stored; those before it were made up for.
func (c *committer) close() error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.closing)
	}
	c.mu.Unlock()
	<-c.ended
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queue != nil {
		return c.err // the last attempt has left it behind
	}
	return nil
}
