package smb

import (
	"sync"

	"lessor/smb/wire"
)

// bulkLimit is how many bytes the long requests and replies of a connection may
// hold at the same time; one of them is always let through.
const bulkLimit = 32 << 20

// bulk bounds the memory of the long replies of a connection - to large READs, to
// listings, to chains - that are made beside each other, because the disk or the
// cipher is slow, and that of the long requests that are at work. Without it a
// client would get as much as its credits stand for, half a gigabyte. What all
// connections hold together is bounded by memory. What is queued is bounded
// elsewhere (maxQueued): who would add to a full queue waits first.
type bulk struct {
	mu     sync.Mutex // leaf but for memory.mu; guards what follows
	room   *sync.Cond // of mu
	held   int        // bytes of replies
	asking bool       // a request waits for memory of the server, and others for it
	crowd  int        // requests that wait
	frames int        // bytes of requests
}

// maxCrowd is how many requests of a connection may wait for memory before the next
// one is not read.
const maxCrowd = 64

// lock locks mu.
func (b *bulk) lock() {
	b.mu.Lock()
	if b.room == nil {
		b.room = sync.NewCond(&b.mu)
	}
}

// takeMemory waits until n bytes may be held for a reply. Meanwhile the connection
// is read on, so that it can answer breaks and cancel requests.
func (r *request) takeMemory(n int) error {
	c, b, m := r.conn, &r.conn.bulk, &r.srv().memory
	b.lock()
	defer b.mu.Unlock()
	b.crowd++
	defer func() { b.crowd-- }()
	for b.asking || b.held > 0 && b.held+n > bulkLimit {
		c.tr.Kick() // what is finished does not wait for it
		if b.crowd < maxCrowd {
			r.giveTurn()
		}
		b.room.Wait()
	}
	if w := m.take(c, bufferOf(n+replySlack)); w != nil {
		b.asking = true
		c.tr.Kick()
		if b.crowd < maxCrowd {
			r.giveTurn()
		}
		b.mu.Unlock()
		r.srv().limited(c, limitMemory)
		err := m.await(w)
		b.mu.Lock()
		b.asking = false
		b.room.Broadcast()
		if err != nil {
			return err
		}
	}
	b.held += n
	return nil
}

// giveMemory gives n bytes back.
func (c *conn) giveMemory(n int) {
	c.srv.memory.give(c, bufferOf(n+replySlack))
	b := &c.bulk
	b.lock()
	defer b.mu.Unlock()
	b.held -= n
	b.room.Broadcast()
}

// takeFrame counts a long request that was read.
func (c *conn) takeFrame(n int) {
	c.srv.memory.add(c, bufferOf(n))
	c.bulk.lock()
	defer c.bulk.mu.Unlock()
	c.bulk.frames += n
}

// giveFrame is the end of a long request.
func (c *conn) giveFrame(n int) {
	c.srv.memory.give(c, bufferOf(n))
	b := &c.bulk
	b.lock()
	defer b.mu.Unlock()
	b.frames -= n
	b.room.Broadcast()
}

// awaitFrames waits until the long requests at work leave room for one more: fewer
// when memory is short. Those that wait for another client do not count, as it may
// be this one that they wait for.
func (c *conn) awaitFrames() {
	b := &c.bulk
	b.lock()
	defer b.mu.Unlock()
	for b.frames > 0 {
		most := bulkLimit
		if c.srv.memory.short() {
			most = int(c.srv.memory.share())
		}
		if b.frames <= most {
			return
		}
		c.tr.Kick()
		b.room.Wait()
	}
}

// takeBulk takes n bytes for the reply, until it is queued; a chain takes
// what its reply may become, because it must not wait while it holds something, and
// once it has taken it takes no more.
// A client that does not take its replies waits here.
func (r *request) takeBulk(n int) error {
	if r.bulk != 0 {
		return nil
	}
	c := r.conn
	if limit := c.queueLimit(); c.tr.QueuedBytes() > limit {
		r.giveTurn()
		if err := c.tr.Drain(limit); err != nil {
			c.lost(err)
			return errConnClosed
		}
	}
	if r.chained() {
		n = r.chainNeed(n)
	}
	if err := r.takeMemory(n); err != nil {
		return err
	}
	r.bulk = n
	return nil
}

// giveBulk gives back what takeBulk has taken.
func (r *request) giveBulk() {
	if r.bulk != 0 {
		r.conn.giveMemory(r.bulk)
		r.bulk = 0
	}
}

// chainNeed is how long the reply to a chain may become if this message adds n bytes:
// a message cannot get more than it has paid for, 64 KiB for each credit (MS-SMB2
// 3.3.5.2.5).
func (r *request) chainNeed(n int) int {
	n += r.out.size() + wire.HeaderSize
	var h wire.Header
	for rest := r.rest; n < maxReply && h.Decode(rest) == nil; rest = rest[h.NextCommand:] {
		n += max(1, int(h.CreditCharge))<<16 + 2*wire.HeaderSize
		if h.NextCommand == 0 || uint64(h.NextCommand) > uint64(len(rest)) {
			break
		}
	}
	return min(n, maxReply)
}

// chargeFrame counts the frame of the request, if it is a long one.
func (r *request) chargeFrame() {
	if n := len(r.frame.Data); n >= bulkMin {
		r.framed = n
		r.conn.takeFrame(n)
	}
}

// unchargeFrame counts it no more: it is given back, or the request begins to wait.
func (r *request) unchargeFrame() {
	if r.framed != 0 {
		r.conn.giveFrame(r.framed)
		r.framed = 0
	}
}
