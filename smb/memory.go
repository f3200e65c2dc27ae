package smb

import (
	"container/list"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"lessor/smb/transport"
)

// The memory of long requests and replies is bounded for the server as a whole
// (Limits.BufferMemory): replies that are being made and long requests at work,
// which are counted here, and replies that wait to be written, which the transport
// counts. What is short - 64 KiB and less - is counted once it waits to be written.
//
// Who gets in when memory is short depends on what his connection holds already: with
// little, a megabyte, he may use all of it; with no more than the share of the
// connection, an equal part of all, seven eighths; with nothing, but wanting more than
// that, six; with more, five. Those who wait stand in queues accordingly. So the greedy
// wait for each other, and those who come with one request, or come late, find room.
// Memory that waits for a client who does not read comes back by cutting him off, if
// somebody waits for it.

const (
	minBufferMemory = 64 << 20
	// leastShare is the least that counts as the share of a connection.
	leastShare = 1 << 20
	// reliefInterval is how often those who hold memory are looked at while somebody
	// waits, and stallLimit how long one may take nothing before he is cut off.
	reliefInterval = time.Second
	stallLimit     = 5 * time.Second
)

// memory is the budget of a server.
type memory struct {
	// Immutable after construction.
	limit  int64
	srv    *Server
	queued transport.Meter // replies that wait to be written

	conns   atomic.Int64 // connections that share it
	waiting atomic.Int64 // elements of all queues

	held atomic.Int64 // requests and replies at work; changed under mu

	mu sync.Mutex // leaf; guards what follows, and conn.mem
	// queues are the connections that wait, by their class, in the order in which
	// they came.
	queues [numClasses]list.List // of *memoryWait

	relieving sync.Mutex // taken by TryLock alone; guards conn.stall
	relieved  time.Time  // guarded by relieving
}

// holding is what a connection holds of the budget; guarded by memory.mu.
type holding struct {
	held int64
	wait *memoryWait // at most one request of a connection waits; see bulk
}

// memoryWait is a connection that waits for memory.
type memoryWait struct {
	conn  *conn
	n     int64
	ready chan struct{} // closed when it was granted
	place *list.Element // in the queue of its class; nil: granted
	class memoryClass
}

// memoryClass says how much of the memory a request may use.
type memoryClass uint8

const (
	little memoryClass = iota // its connection stays within leastShare
	modest                    // its connection stays within its share
	single                    // its connection holds nothing else
	greedy
	numClasses
)

// stall is since when a client has taken nothing.
type stall struct {
	taken uint64
	since time.Time
}

// used is what is taken of the budget.
func (m *memory) used() int64 { return m.queued.Bytes() + m.held.Load() }

// holdLocked counts n more bytes of a connection, or fewer.
func (m *memory) holdLocked(c *conn, n int64) {
	m.held.Add(n)
	c.mem.held += n
}

// share is what a connection may hold before others go first.
func (m *memory) share() int64 {
	return min(max(m.limit/max(1, m.conns.Load()), leastShare), bulkLimit)
}

// bufferOf is the memory that n bytes take: buffers have powers of two.
func bufferOf(n int) int64 { return 1 << bits.Len(uint(n-1)) }

// classLocked is the class of a request for n more bytes.
func (m *memory) classLocked(c *conn, n int64) memoryClass {
	own := c.mem.held + int64(c.tr.Memory())
	switch {
	case own+n <= leastShare:
		return little
	case own+n <= m.share():
		return modest
	case own < leastQueued:
		return single
	}
	return greedy
}

// fits reports whether n bytes may be taken.
func (m *memory) fits(n int64, class memoryClass) bool {
	used := m.used()
	return used == 0 || used+n <= m.limit/8*int64(8-class)
}

// take takes n bytes for a connection. If it may not, it returns what await waits
// for.
func (m *memory) take(c *conn, n int64) *memoryWait {
	m.mu.Lock()
	defer m.mu.Unlock()
	class := m.classLocked(c, n)
	first := true
	for i := range class + 1 {
		first = first && m.queues[i].Len() == 0
	}
	if first && m.fits(n, class) {
		m.holdLocked(c, n)
		return nil
	}
	w := &memoryWait{conn: c, n: n, ready: make(chan struct{}), class: class}
	c.mem.wait = w
	m.waiting.Add(1)
	w.place = m.queues[class].PushBack(w)
	m.admitLocked() // what has become free before waiting was raised woke nobody
	return w
}

// await waits for a grant. The error is errConnClosed.
func (m *memory) await(w *memoryWait) error {
	tick := time.NewTimer(reliefInterval)
	defer tick.Stop()
	for {
		select {
		case <-w.ready:
			return nil
		case <-tick.C:
			m.relieve()
			m.fell(w.conn)
			tick.Reset(reliefInterval)
		case <-w.conn.ctx.Done():
			m.giveUp(w)
			return errConnClosed
		}
	}
}

// giveUp ends a wait whose connection is gone.
func (m *memory) giveUp(w *memoryWait) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if w.place == nil {
		m.holdLocked(w.conn, -w.n)
	} else {
		m.removeLocked(w)
	}
	m.admitLocked()
}

// add counts n bytes that are taken already: a long request that was read.
func (m *memory) add(c *conn, n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.holdLocked(c, n)
}

// give gives n bytes back.
func (m *memory) give(c *conn, n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.holdLocked(c, -n)
	m.reconsiderLocked(c)
	m.admitLocked()
}

// fell lets in who fits now that a connection has less waiting to be written. It
// costs nothing while nobody waits.
func (m *memory) fell(c *conn) {
	if m.waiting.Load() == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reconsiderLocked(c)
	m.admitLocked()
}

// reconsiderLocked moves a connection that waits, and holds less than before, to the
// queue of its class.
func (m *memory) reconsiderLocked(c *conn) {
	w := c.mem.wait
	if w == nil {
		return
	}
	if class := m.classLocked(c, w.n); class < w.class {
		m.queues[w.class].Remove(w.place)
		w.class, w.place = class, m.queues[class].PushBack(w)
	}
}

// admitLocked grants as much as there is, in the order of the queues.
func (m *memory) admitLocked() {
	for i := range m.queues {
		q := &m.queues[i]
		for e := q.Front(); e != nil; e = q.Front() {
			w, _ := e.Value.(*memoryWait)
			if !m.fits(w.n, w.class) {
				return
			}
			m.removeLocked(w)
			m.holdLocked(w.conn, w.n)
			close(w.ready)
		}
	}
}

func (m *memory) removeLocked(w *memoryWait) {
	m.queues[w.class].Remove(w.place)
	w.place = nil
	w.conn.mem.wait = nil
	m.waiting.Add(-1)
}

// relieve cuts off clients that have taken nothing of their replies for stallLimit.
// It is called while somebody waits.
func (m *memory) relieve() {
	if !m.relieving.TryLock() {
		return
	}
	defer m.relieving.Unlock()
	now := time.Now()
	if now.Sub(m.relieved) < reliefInterval {
		return
	}
	m.relieved = now
	m.srv.closeConns(func(c *conn) {
		taken := c.tr.Taken()
		switch {
		case c.tr.Memory() < leastQueued:
			c.stall = stall{}
		case c.stall.since.IsZero() || taken != c.stall.taken:
			c.stall = stall{taken: taken, since: now}
		case now.Sub(c.stall.since) >= stallLimit:
			c.fail("replies not taken while memory is short")
		}
	})
}

// short reports whether those who hold more than their share get nothing more.
func (m *memory) short() bool { return m.used() > m.limit/8*int64(8-greedy) }
