package transport

import (
	"sync"
	"time"
)

// FileSender is a file, part of which follows the head of a packet. Its methods
// must not call methods of the Conn.
type FileSender interface {
	// Fd returns the descriptor for sendfile(2), false if there is none. It must
	// stay open until Packet.Done is called.
	Fd() (uintptr, bool)
	// ReadAt is io.ReaderAt.
	ReadAt(p []byte, off int64) (int, error)
}

// Packet is one outgoing message. From Queue to Done its bytes belong to the
// Conn.
type Packet struct {
	// Buf is what Head lies in; it is released when the packet was written or
	// dropped. It may be nil.
	Buf *Buffer
	// Head is what goes first, including 4 bytes of room for the prefix, which
	// Queue fills in with the length of the rest and of the file's part.
	Head []byte
	// File is optional: N bytes of it from offset Off follow Head. If it turns
	// out to be shorter, the rest is sent as zeros, because the length was
	// promised. If it cannot be read, the connection is closed.
	File FileSender
	Off  int64
	N    int
	// Cold says that it has to come from a disk first. Other packets do not wait for that, as
	// far as they can leave before.
	Cold bool
	// Done is optional. It is called once, when the packet was written or
	// dropped, by any goroutine and under no lock. It should be brief: the other
	// packets wait for it.
	Done func()

	mem int // what Buf takes; see Conn.Memory
}

// size returns the number of bytes on the wire, prefix included.
func (p *Packet) size() int { return len(p.Head) + p.N }

// queue is what waits to be written.
type queue struct {
	// mu guards all fields. Leaf: nothing is called while it is held.
	mu      sync.Mutex
	pending *batch      // nil: nothing is queued
	writing bool        // some goroutine is the writer
	closing bool        // no more packets are taken; the writer closes when it is done
	closed  error       // not nil: closed, and what for
	helpers int         // goroutines of ours that run
	idle    sync.Cond   // helpers fell to 0
	room    sync.Cond   // a batch was written, or the connection closed
	timer   *time.Timer // ends closing
}

// batch is packets that are written together. It is pooled, so that an idle
// connection has none and a busy one allocates none.
type batch struct {
	pkts  []Packet
	bytes int // not yet taken by the kernel
	next  int // the first packet that is not wholly written
	freed int // packets before this one are released; <= next
	head  int // bytes written of the head of packet next
	file  fileProgress
	pipe  *pipe  // not nil: holds the next bytes of several packets
	iov   vector // what one system call takes
}

// maxIdlePackets bounds the memory that a pooled batch holds.
const maxIdlePackets = 1024

var batches = sync.Pool{New: func() any { return new(batch) }}

// Queue appends a packet to what is to be written. It neither blocks nor
// writes, and may be called under any lock. After Close or CloseAfterFlush the
// packet is dropped. It panics if there is no room for the prefix in Head, or
// the message is 16 MiB or larger.
func (c *Conn) Queue(p Packet) {
	if p.File == nil || p.N == 0 {
		p.File, p.N = nil, 0
	}
	n := p.size() - prefixSize
	if len(p.Head) < prefixSize || p.N < 0 || n > maxLength {
		panic("transport: length of a packet out of range")
	}
	p.Head[0], p.Head[1], p.Head[2], p.Head[3] = 0, byte(n>>16), byte(n>>8), byte(n)

	q := &c.q
	q.mu.Lock()
	if q.closed != nil || q.closing {
		if p.Done != nil {
			q.helpers++
		}
		q.mu.Unlock()
		c.refuse(&p)
		return
	}
	b := q.pending
	if b == nil {
		b = batches.Get().(*batch)
		q.pending = b
	}
	if p.Buf != nil {
		p.mem = cap(p.Buf.mem)
	}
	b.pkts = append(b.pkts, p)
	b.bytes += p.size()
	c.queued.Add(int64(p.size()))
	c.position.Add(uint64(p.size()))
	q.mu.Unlock()
	c.hold(p.mem)
}

// refuse drops a packet that came too late. The caller may hold locks that Done
// needs, so it runs elsewhere.
func (c *Conn) refuse(p *Packet) {
	if p.Buf != nil {
		p.Buf.Release()
	}
	if done := p.Done; done != nil {
		go func() {
			defer c.helperEnds()
			done()
		}()
	}
}

func (c *Conn) helperEnds() {
	c.q.mu.Lock()
	if c.q.helpers--; c.q.helpers == 0 {
		c.q.idle.Broadcast()
	}
	c.q.mu.Unlock()
}

// QueuedBytes returns the number of bytes that the kernel has not yet taken.
func (c *Conn) QueuedBytes() int { return int(c.queued.Load()) }

// Flush writes all that is queued, unless another goroutine is at it: then it
// returns at once, and that goroutine writes ours, too. An error is final: the
// connection is closed by then.
func (c *Conn) Flush() error {
	q := &c.q
	q.mu.Lock()
	if q.writing || q.pending == nil {
		err := q.closed
		q.mu.Unlock()
		return err
	}
	q.writing = true
	q.mu.Unlock()
	return c.drain()
}

// Kick makes sure that what is queued will be written: it starts a goroutine if
// nobody writes. It never blocks and may be called under any lock.
func (c *Conn) Kick() {
	q := &c.q
	q.mu.Lock()
	start := !q.writing && q.pending != nil
	if start {
		q.writing = true
		q.helpers++
	}
	q.mu.Unlock()
	if start {
		go c.runFlusher()
	}
}

func (c *Conn) flusher() {
	defer c.helperEnds()
	_ = c.drain() // the connection is closed by then; ReadFrame reports it
}

// drain writes until the queue is empty. The caller has become the writer, and
// is no more on return.
func (c *Conn) drain() error {
	q := &c.q
	for {
		q.mu.Lock()
		q.room.Broadcast()
		b := q.pending
		q.pending = nil
		if b == nil {
			q.writing = false
			err, closing := q.closed, q.closing
			q.mu.Unlock()
			if closing {
				c.part()
			}
			return err
		}
		q.mu.Unlock()

		err := c.write(b)
		c.free(b)
		if err != nil {
			err = c.closeReason(err)
			_ = c.closeFor(err) // empties the queue, so the next turn is the last
		}
	}
}

// free releases the packets of a batch that are not yet released, and the batch.
func (c *Conn) free(b *batch) {
	c.hold(-b.release(len(b.pkts)))
	b.file.reset()
	if b.pipe != nil {
		b.pipe.release()
	}
	b.iov.clear()
	c.queued.Add(-int64(b.bytes))
	if cap(b.pkts) > maxIdlePackets {
		return
	}
	clear(b.pkts)
	*b = batch{pkts: b.pkts[:0], iov: b.iov}
	batches.Put(b)
}

// release gives back the packets before end, and returns the memory that they took.
func (b *batch) release(end int) (mem int) {
	for ; b.freed < end; b.freed++ {
		p := &b.pkts[b.freed]
		mem += p.mem
		if p.Buf != nil {
			p.Buf.Release()
		}
		if p.Done != nil {
			p.Done()
		}
	}
	return mem
}

// shut marks the queue closed and returns what it held. It reports false if
// it was closed before.
func (q *queue) shut(cause error) (*batch, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed != nil {
		return nil, false
	}
	q.closed = cause
	q.room.Broadcast()
	b := q.pending
	q.pending = nil
	if q.timer != nil {
		q.timer.Stop()
	}
	return b, true
}

// cause returns what the connection was closed for, nil if it is open.
func (q *queue) cause() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// CloseAfterFlush writes what is queued within WriteTimeout at most, then
// closes. No packet is taken from now on. If another goroutine is writing, it
// returns at once, and that one closes. Like Close it must not be called
// under a lock. On TCP the peer gets what was sent though it has sent more, which nobody reads.
func (c *Conn) CloseAfterFlush() {
	q := &c.q
	q.mu.Lock()
	if q.closed != nil || q.closing {
		q.mu.Unlock()
		return
	}
	q.closing = true
	if c.writeTimeout > 0 {
		q.timer = time.AfterFunc(c.writeTimeout, func() { _ = c.closeFor(ErrWriteTimeout) })
	}
	writing := q.writing
	q.writing = true
	q.mu.Unlock()
	if !writing {
		_ = c.drain() // closes at its end
	}
}

// Wait returns when no goroutine of this Conn runs any more. It is called after
// Close, or after the last Queue and Kick.
func (c *Conn) Wait() {
	c.q.mu.Lock()
	for c.q.helpers > 0 {
		c.q.idle.Wait()
	}
	c.q.mu.Unlock()
}

// Drain writes what is queued, or waits while another goroutine does, until at
// most limit bytes are left. It is for a reader that does not want to take in
// more requests from a client that does not take its replies. An error is final,
// as that of Flush.
func (c *Conn) Drain(limit int) error {
	q := &c.q
	for {
		if err := c.Flush(); err != nil {
			return err
		}
		q.mu.Lock()
		for q.closed == nil && q.writing && c.QueuedBytes() > limit {
			q.room.Wait()
		}
		err, enough := q.closed, c.QueuedBytes() <= limit
		q.mu.Unlock()
		if enough || err != nil {
			return err
		}
		// The writer stopped, and somebody has queued since: our turn to write.
	}
}
