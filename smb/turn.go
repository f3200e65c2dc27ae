package smb

import "time"

// Reading goes by turns. One goroutine of a connection has the turn: it reads a
// request and carries it out itself, so that a request which does not block
// costs no switch. A request that is going to block, or that runs for longer
// than watchInterval, gives the turn away: another goroutine reads on, and the
// first one ends with its request. So a slow disk never keeps a CANCEL or an
// acknowledgement from being read.
//
// conn.turn holds the number of the turn, shifted by one, and in its lowest bit
// whether its owner is carrying a request out. Giving away raises the number,
// by compare and swap, so that it happens once and its owner learns of it.

// watchInterval is how long a request may keep the turn; up to twice as long,
// because the timer looks at requests from outside. While it finds a new one each time it
// looks less often, up to watchSeldom, because each look wakes a thread.
const (
	watchInterval = time.Millisecond
	watchSeldom   = 4 * time.Millisecond
)

const turnBusy = 1

// readLoop reads and carries out requests until it loses the turn or the
// connection ends.
func (c *conn) readLoop() {
	defer c.wg.Done()
	for {
		if !c.awaitRoom() {
			c.leaveSessions()
			c.dropParts()
			return
		}
		c.beforePart()
		f, err := c.tr.ReadFrame()
		if err != nil {
			c.readFailed(err)
			c.dropParts()
			return
		}
		turn := c.turn.Add(2) | turnBusy
		r, wait := c.requestOf(f, turn)
		c.turn.Store(turn)
		c.watch()
		if f.Continues {
			r.servePart(f, turn, wait)
		} else {
			r.conclude(r.run())
		}
		mine := c.turn.CompareAndSwap(turn, turn&^turnBusy)
		if c.closing.Load() {
			c.leaveSessions()
			if mine {
				c.dropParts()
			}
			return
		}
		if !mine {
			return
		}
	}
}

// awaitRoom waits until the client has taken enough of what is queued for it.
func (c *conn) awaitRoom() bool {
	c.awaitFrames()
	n := c.tr.QueuedBytes()
	if n > 0 && !c.tr.Buffered() {
		// A reply that waits for those of the next requests, of which one has given its
		// turn away, waits no longer than until there is nothing to do but wait for the client.
		c.tr.Kick()
	}
	if n <= leastQueued || n < c.queueLimit() && c.tr.Buffered() {
		return true
	}
	if err := c.tr.Drain(c.queueLimit()); err != nil {
		c.lost(err)
		return false
	}
	return true
}

// giveTurn lets another goroutine read on. It does nothing if the turn is gone.
func (c *conn) giveTurn(turn uint64) {
	if c.turn.CompareAndSwap(turn, turn&^turnBusy+2) {
		c.wg.Add(1)
		go c.readLoop()
	}
}

// watch makes sure that somebody looks at how long requests take. An idle
// connection costs no timer. It is called by the owner of the turn.
func (c *conn) watch() {
	if !c.watched.Load() && c.watched.CompareAndSwap(false, true) {
		c.wg.Add(1)
		c.watchFrom(c.turn.Load(), watchInterval)
	}
}

// watchFrom looks again after the interval: if the same request is still at
// it, its turn is given away; as long as there are requests it goes on watching.
func (c *conn) watchFrom(seen uint64, interval time.Duration) {
	time.AfterFunc(interval, func() {
		now := c.turn.Load()
		if now != seen && !c.closing.Load() {
			c.watchFrom(now, min(2*interval, watchSeldom))
			return
		}
		if now&turnBusy != 0 && !c.closing.Load() {
			c.giveTurn(now)
			c.tr.Kick() // what was finished before does not wait for it
			c.watchFrom(c.turn.Load(), watchInterval)
			return
		}
		c.watched.Store(false)
		if c.turn.Load() != now && !c.closing.Load() {
			c.watch() // a request that came just now has taken it for watched
		}
		c.wg.Done()
	})
}
