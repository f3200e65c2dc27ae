package smb

import (
	"slices"
	"sync"
	"time"

	"lessor/locking"
)

// A client with several connections hears of a break over one of them. If that one is
// dead, and nobody knows yet, the client would not give up what it caches, and whoever
// waits for it would wait until the break has timed out. So it is looked whether the
// client's machine acknowledges what was sent. If it does not, the connection is ended;
// and what a connection has not delivered when it ends goes over the next one
// (MS-SMB2 3.3.4.6, 3.3.4.7).

const (
	// leastRTO and mostRTO bound the time after which TCP sends again, as far as it
	// counts for ackTries.
	leastRTO = 200 * time.Millisecond
	mostRTO  = time.Second
	// ackTries times that time go by until a connection is taken for dead: five packets
	// were lost one after the other.
	ackTries = 6
)

// sentBreaks are the breaks that a client with several connections was sent and may
// not have received.
type sentBreaks struct {
	mu   sync.Mutex // leaf; guards what follows, and the entries
	list []*sentBreak
}

// sentBreak is a break on its way.
type sentBreak struct {
	locking.Break
	conn  *conn
	since time.Time
	end   uint64        // position of the connection behind the notification
	wait  time.Duration // from since on, until it must have arrived
	timer *time.Timer   // looks at it again
}

// add makes a note of a break that is going to be sent.
func (s *sentBreaks) add(b *locking.Break, c *conn) *sentBreak {
	e := &sentBreak{Break: *b, conn: c, since: time.Now()}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, e)
	return e
}

// sent says where the notification ends, and begins to watch it.
func (s *sentBreaks) sent(e *sentBreak, look func(*sentBreak)) {
	// The present time-out of TCP: the kernel doubles it each time that it has run out.
	_, rto, _ := e.conn.tr.Acked()
	s.mu.Lock()
	defer s.mu.Unlock()
	e.end, e.wait = e.conn.tr.Position(), ackTries*min(max(rto, leastRTO), mostRTO)
	if slices.Contains(s.list, e) {
		e.timer = time.AfterFunc(e.wait, func() { look(e) })
	}
}

// take removes the entries that match, and returns them in the order in which they
// were sent.
func (s *sentBreaks) take(match func(*sentBreak) bool) (taken []*sentBreak) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = slices.DeleteFunc(s.list, func(e *sentBreak) bool {
		if !match(e) {
			return false
		}
		if e.timer != nil {
			e.timer.Stop()
		}
		taken = append(taken, e)
		return true
	})
	return taken
}

// takeOne is take for one entry. It reports false if somebody else has taken it.
func (s *sentBreaks) takeOne(one *sentBreak) bool {
	return len(s.take(func(e *sentBreak) bool { return e == one })) > 0
}

// again looks at an entry once more after a while, if it is still there.
func (s *sentBreaks) again(e *sentBreak, after time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.list, e) {
		e.timer.Reset(after)
	}
}

// lookAfter sees whether a break has arrived.
func (cl *client) lookAfter(e *sentBreak) {
	age := time.Since(e.since)
	acked, _, ok := e.conn.tr.Acked()
	switch {
	case age >= cl.srv.cfg.BreakTimeout:
		cl.sent.takeOne(e) // nobody waits for an answer any more
	case !ok || acked >= e.end:
		// The machine has it. The client may still lose the connection before it reads.
		if !e.AckRequired {
			cl.sent.takeOne(e)
			return
		}
		cl.sent.again(e, cl.srv.cfg.BreakTimeout-age)
	case age < e.wait:
		cl.sent.again(e, e.wait-age)
	default:
		// Whatever it has not got, it is not going to get any more.
		e.conn.tr.Abort()
		e.conn.fail("break not acknowledged")
	}
}

// answered forgets a break that the client has acknowledged.
func (cl *client) answered(match func(*locking.Break) bool) {
	cl.sent.take(func(e *sentBreak) bool { return match(&e.Break) })
}

// sendAgain sends what a connection that has ended may not have delivered over the
// others.
func (s *Server) sendAgain(c *conn) {
	s.mu.Lock()
	clients := slices.Clone(c.visits)
	s.mu.Unlock()
	if cl := c.client.Load(); cl != nil {
		clients = append(clients, cl)
	}
	for _, cl := range clients {
		for _, e := range cl.sent.take(func(e *sentBreak) bool { return e.conn == c }) {
			cl.Break(e.Break)
		}
	}
}
