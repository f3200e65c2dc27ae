package smb

import (
	"sync"
	"time"
)

// A client that has one connection cannot hear of a break over another one, and one
// that is away for a moment shall not lose what is open. But a machine that has
// acknowledged nothing for almost as long as a break may take is not coming back in
// time, and whoever waits for it is better off knowing that its opens have ended, or
// are disconnected, than with an open that keeps its share modes. So the connection is
// ended shortly before the break times out. TCP of Windows gives up such a connection
// by itself, after five retransmissions, which is earlier.

// lastWatch watches the breaks of one connection that the client's machine has not
// acknowledged. One timer does for all of them, as TCP delivers in order.
type lastWatch struct {
	mu    sync.Mutex // leaf; guards what follows
	timer *time.Timer
	armed bool
	// end is the position of the connection behind the break that is watched, and
	// latest that behind the last one that was sent.
	end, latest uint64
	// acked is what the client's machine had acknowledged when the watch began.
	acked uint64
}

// leastPatience keeps a short break_timeout from costing a client its opens that was
// away for a moment.
const leastPatience = 20 * time.Second

// lastPatience is how long the machine of a client may acknowledge nothing of a break
// that somebody waits for: 30 s of 35.
func (s *Server) lastPatience() time.Duration {
	return max(leastPatience, s.cfg.BreakTimeout/7*6)
}

// watchLast watches a break that was just queued.
func (c *conn) watchLast() {
	w := &c.lastBreak
	w.mu.Lock()
	defer w.mu.Unlock()
	w.latest = c.tr.Position()
	if w.armed || c.closing.Load() {
		return
	}
	acked, _, ok := c.tr.Acked()
	if !ok {
		return
	}
	w.armed, w.end, w.acked = true, w.latest, acked
	if w.timer == nil {
		w.timer = time.AfterFunc(c.srv.lastPatience(), c.lookAtLast)
		return
	}
	w.timer.Reset(c.srv.lastPatience())
}

// lookAtLast sees whether the break that is watched has arrived. A machine that takes
// what lies before it, slowly as may be, is not dead.
func (c *conn) lookAtLast() {
	acked, _, ok := c.tr.Acked()
	w := &c.lastBreak
	w.mu.Lock()
	w.armed = false
	dead := ok && acked < w.end && acked == w.acked
	if ok && !dead && acked < w.latest && !c.closing.Load() {
		w.armed, w.end, w.acked = true, w.latest, acked
		w.timer.Reset(c.srv.lastPatience())
	}
	w.mu.Unlock()
	if dead {
		c.tr.Abort()
		c.fail("break not acknowledged")
	}
}

// forgetLast ends the watch with the connection.
func (c *conn) forgetLast() {
	w := &c.lastBreak
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
	}
}
