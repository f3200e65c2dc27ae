package smb

import "sync"

// bulkLimit is how many bytes the long replies of a connection may hold at the
// same time before they are queued; one of them is always let through.
const bulkLimit = 32 << 20

// bulk bounds the memory of the long replies of a connection - to large READs, to
// listings, to chains - that are made beside each other, because the disk or the
// cipher is slow. Without it a client would get as much as its credits stand for,
// half a gigabyte. What is queued is bounded elsewhere (maxQueued): who would add
// to a full queue waits first.
type bulk struct {
	mu   sync.Mutex // leaf; guards held
	room *sync.Cond // of mu
	held int        // bytes
}

// take waits until n bytes may be held.
func (b *bulk) take(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.room == nil {
		b.room = sync.NewCond(&b.mu)
	}
	for b.held > 0 && b.held+n > bulkLimit {
		b.room.Wait()
	}
	b.held += n
}

// give gives n bytes back.
func (b *bulk) give(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held -= n
	b.room.Broadcast()
}

// takeBulk takes n bytes for the reply, until the request is freed; a chain takes
// what its reply may become, because it must not wait while it holds something.
// A client that does not take its replies waits here.
func (r *request) takeBulk(n int) error {
	if r.bulk != 0 {
		return nil
	}
	c := r.conn
	if c.tr.QueuedBytes() > maxQueued {
		r.giveTurn()
		if err := c.tr.Drain(maxQueued); err != nil {
			c.lost(err)
			return errConnClosed
		}
	}
	if r.chained() {
		n = maxReply
	}
	c.bulk.take(n)
	r.bulk = n
	return nil
}
