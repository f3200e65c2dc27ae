package smb

import (
	"errors"
	"slices"
	"time"

	"lessor/locking"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
)

// errConnClosed ends a request whose connection is gone. Nobody hears of it.
var errConnClosed = errors.New("connection closed")

// await waits until ch is closed. It is the only way to wait for something that
// a client or a clock decides (MS-SMB2 3.3.4.2): the first wait of a message
// sends the interim reply, behind the replies of the chain that are finished.
//
// A message in the middle of a chain cannot be answered later, so it must not
// wait: STATUS_INTERNAL_ERROR (MS-SMB2 3.3.5.2.7 and its behaviour note).
//
// Errors: STATUS_CANCELLED after a CANCEL, STATUS_INSUFFICIENT_RESOURCES if too
// many requests of the connection wait, errConnClosed.
func (r *request) await(ch <-chan struct{}, why waitReason) error {
	select {
	case <-ch:
		return nil
	default:
	}
	if !r.last() {
		return ntstatus.InternalError
	}
	r.noteWait(why)
	defer r.endWait()
	wake, err := r.park()
	if err != nil {
		return err
	}
	return r.sleep(ch, wake)
}

// awaitBreak waits for the end of a lease or oplock break. In the middle of a
// chain it waits in silence: the Linux client renames a file that it keeps open
// by CREATE, SET_INFO and CLOSE in one chain, and has to be able to answer the
// break meanwhile, which it can as its other messages are read.
func (r *request) awaitBreak(b *locking.Blocked) error {
	r.outlasts(b.Owner)
	if !r.last() {
		r.noteWait(waitBreak)
		defer r.endWait()
		r.giveTurn()
		r.conn.tr.Kick()
		return r.sleep(b.Wait, nil)
	}
	if err := r.await(b.Wait, waitBreak); err != nil {
		b.Cancel()
		return err
	}
	return nil
}

// park makes the message an asynchronous one: it gets an id, and the interim
// reply leaves. It may be called again for a message that waits again.
func (r *request) park() (wake <-chan struct{}, err error) {
	c := r.conn
	c.mu.Lock()
	if r.cancelled {
		c.mu.Unlock()
		return nil, ntstatus.Cancelled
	}
	if r.wake == nil {
		if c.waiting >= c.srv.cfg.Limits.WaitingPerConnection {
			c.mu.Unlock()
			return nil, errWaitingPerConnection
		}
		if c.srv.waiting.Add(1) > int64(c.srv.cfg.Limits.Waiting) {
			c.srv.waiting.Add(-1)
			c.mu.Unlock()
			return nil, errWaiting
		}
		r.wake = make(chan struct{})
		c.waiting++
		c.srv.metrics.waiting.Inc()
		r.asyncID = c.srv.nextAsync.Add(1)
		wake = r.wake
		c.mu.Unlock()
		r.interim()
	} else {
		wake = r.wake
		c.mu.Unlock()
	}
	r.giveTurn()
	return wake, r.flush()
}

// flush sends what is queued.
func (r *request) flush() error {
	if err := r.conn.tr.Flush(); err != nil {
		r.conn.lost(err)
		return errConnClosed
	}
	return nil
}

// sleep waits for one of the ends of a wait.
func (r *request) sleep(ch, wake <-chan struct{}) error {
	r.unchargeFrame()
	if r.parts.begun {
		r.unchargeBehind(true)
	}
	r.tellCanceller()
	if wake != nil {
		r.setAsleep(true)
		defer r.setAsleep(false)
	}
	select {
	case <-ch:
		return nil
	case <-wake:
		// What has happened at the same time counts more than a CANCEL.
		select {
		case <-ch:
			return nil
		default:
			return ntstatus.Cancelled
		}
	case <-r.ctx().Done():
		return errConnClosed
	}
}

// setAsleep notes whether the request waits for an event, which a server that shuts down does not.
func (r *request) setAsleep(yes bool) {
	c := r.conn
	c.mu.Lock()
	r.asleep = yes
	c.unlockDrained()
}

// outliveConn lets the message go on when its connection is lost, as long as its
// session has another one: a CREATE that its client can replay there, and then
// finds either at work or done (MS-SMB2 3.3.5.9.10). Nobody hears of its reply.
func (r *request) outliveConn() { r.life = r.sess.ctx }

// interim queues the finished replies of the chain and, behind them, the
// interim reply of this message (MS-SMB2 3.3.4.2). The chain goes on in a new
// reply.
func (r *request) interim() {
	r.out.clear()
	hdr := r.replyHeader(ntstatus.Pending)
	e := wire.ErrorResponse{}
	r.out.b = e.Append(r.out.b)
	r.out.end(&hdr, r.signer(&hdr), nil)
	r.granted = true
	r.out.queue(r.conn, r.sealFor())
	r.out = newReply()
	r.out.begin()
}

// unparkLocked takes the message off the list of those that wait.
func (r *request) unparkLocked() {
	if r.wake != nil {
		r.wake = nil
		r.conn.waiting--
		r.srv().waiting.Add(-1)
		r.srv().metrics.waiting.Dec()
	}
	r.asyncID, r.cancelled = 0, false
	if r.cancelling != nil {
		r.canceller, r.cancelling = r.cancelling, nil
	}
}

// tellCanceller lets the CANCEL go on that waits for the reply of a message of this
// chain, which is queued now, or cannot be before the rest of the chain is done.
func (r *request) tellCanceller() {
	if r.canceller != nil {
		close(r.canceller)
		r.canceller = nil
	}
}

// cancelRequest carries out CANCEL (MS-SMB2 3.3.5.16), which is never answered. It
// also reaches a request that was read and has not got as far as to wait, or that
// stands in a chain behind one that waits. What it returns, if it is not nil, is closed
// when the reply of the request that was woken is queued.
func (c *conn) cancelRequest(h *wire.Header) (over <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for r := c.first; r != nil; r = r.older {
		if h.IsAsync() && h.AsyncID != 0 {
			if r.asyncID != h.AsyncID {
				continue
			}
		} else if r.messageID != h.MessageID {
			continue
		}
		if !r.cancelled {
			r.cancelled = true
			if r.wake != nil {
				close(r.wake)
				r.cancelling = make(chan struct{})
				return r.cancelling
			}
		}
		return nil
	}
	if !h.IsAsync() && c.window.offers(h.MessageID) && !slices.Contains(c.early, h.MessageID) {
		c.early = append(c.early, h.MessageID)
	}
	return nil
}

// cancelPatience is how long a CANCEL waits for the end of its request, which has
// nothing left to wait for but the machine.
const cancelPatience = 500 * time.Millisecond

// cancel carries out a CANCEL. It comes back when the reply of the cancelled request
// is queued, so that this one goes ahead of those of all later requests: a client may
// count on that. Meanwhile nobody else reads, and the turn is not taken away.
func (r *request) cancel() {
	c := r.conn
	over := c.cancelRequest(&r.hdr)
	if over == nil {
		return
	}
	if c.turn.CompareAndSwap(r.turn, r.turn&^turnBusy) {
		defer func() {
			c.turn.Store(r.turn)
			c.watch()
		}()
	}
	c.tr.Kick() // replies that wait for those of the next requests do not wait for this
	timer := time.NewTimer(cancelPatience)
	defer timer.Stop()
	select {
	case <-over:
	case <-c.ctx.Done():
	case <-timer.C:
	}
}

// cancelledEarlyLocked reports whether the message with this id, which begins now, was
// cancelled before. It forgets the ids that the message takes, so that early
// never holds more than the client has credits.
func (c *conn) cancelledEarlyLocked(id uint64, charge int) (cancelled bool) {
	if len(c.early) == 0 {
		return false
	}
	c.early = slices.DeleteFunc(c.early, func(e uint64) bool {
		cancelled = cancelled || e == id
		return e-id < uint64(charge)
	})
	return cancelled
}
