package smb

import (
	"container/list"
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
// Who gets in when memory is short: a connection that holds no more than its share,
// which is an equal part of all, may use up to the limit; one that holds more gets
// nothing beyond three quarters of it. So the greedy wait for each other, and those
// who come with one request find room. Memory that waits for a client who does not
// read comes back by cutting him off, if somebody waits for it.

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
	waiting atomic.Int64 // elements of both lists

	held atomic.Int64 // requests and replies at work; changed under mu

	mu sync.Mutex // leaf; guards what follows, and conn.mem
	// poor and rich are the connections that wait, in the order in which they came:
	// those within their share, and the others.
	poor, rich list.List // of *memoryWait

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
	place *list.Element // in the list in which it stands; nil: granted
	rich  bool
}

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

// isRichLocked reports whether a connection with n more bytes has more than its
// share. Whoever holds nothing has not.
func (m *memory) isRichLocked(c *conn, n int64) bool {
	own := c.mem.held + int64(c.tr.Memory())
	return own > 0 && own+n > m.share()
}

// fitsLocked reports whether n bytes may be taken.
func (m *memory) fitsLocked(n int64, rich bool) bool {
	used := m.used()
	most := m.limit
	if rich {
		most = m.limit / 4 * 3
	}
	return used == 0 || used+n <= most
}

// take takes n bytes for a connection. If it may not, it returns what await waits
// for.
func (m *memory) take(c *conn, n int64) *memoryWait {
	m.mu.Lock()
	defer m.mu.Unlock()
	rich := m.isRichLocked(c, n)
	first := m.poor.Len() == 0 && (!rich || m.rich.Len() == 0)
	if first && m.fitsLocked(n, rich) {
		m.holdLocked(c, n)
		return nil
	}
	w := &memoryWait{conn: c, n: n, ready: make(chan struct{}), rich: rich}
	c.mem.wait = w
	m.waiting.Add(1)
	if rich {
		w.place = m.rich.PushBack(w)
	} else {
		w.place = m.poor.PushBack(w)
	}
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

// reconsiderLocked moves a connection that waits to those within their share, when
// it has become one.
func (m *memory) reconsiderLocked(c *conn) {
	w := c.mem.wait
	if w == nil || !w.rich || m.isRichLocked(c, w.n) {
		return
	}
	m.rich.Remove(w.place)
	w.rich, w.place = false, m.poor.PushBack(w)
}

// admitLocked grants as much as there is, in the order of the lists.
func (m *memory) admitLocked() {
	for _, l := range []*list.List{&m.poor, &m.rich} {
		for e := l.Front(); e != nil; e = l.Front() {
			w, _ := e.Value.(*memoryWait)
			if !m.fitsLocked(w.n, w.rich) {
				return
			}
			m.removeLocked(w)
			m.holdLocked(w.conn, w.n)
			close(w.ready)
		}
	}
}

func (m *memory) removeLocked(w *memoryWait) {
	if w.rich {
		m.rich.Remove(w.place)
	} else {
		m.poor.Remove(w.place)
	}
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
		case c.tr.Memory() == 0:
			c.stall = stall{}
		case c.stall.since.IsZero() || taken != c.stall.taken:
			c.stall = stall{taken: taken, since: now}
		case now.Sub(c.stall.since) >= stallLimit:
			c.fail("replies not taken while memory is short")
		}
	})
}

// short reports whether those who hold more than their share get nothing more.
func (m *memory) short() bool { return m.used() > m.limit/4*3 }
