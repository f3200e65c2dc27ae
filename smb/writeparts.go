package smb

import (
	"sync"

	"lessor/smb/ntstatus"
	"lessor/smb/transport"
	"lessor/smb/wire"
)

// A long WRITE that is neither signed nor sealed is carried out while it comes in: what
// has come is written while the client sends the rest, and no buffer of its size is
// needed. Each part goes through all checks of a WRITE, as if it were one, those of session and tree
// included, and those of offsets, space and locks for the whole rest too; so what is wrong from the
// start writes nothing, and what goes wrong in between ends it there. There is one reply, when the last
// byte has come, and it is that of a WRITE that has come then. A WRITE of which the end never comes may
// be carried out in part, like one whose server dies: no client was told that it is. So a server that
// shuts down does not wait for the end.
//
// Parts are carried out one after the other, by whoever has the turn. When that one has to give
// the turn away with a part at work, the rest comes as one frame, and the
// goroutine that has read it waits for the part before.

// parts says how far such a WRITE is.
type parts struct {
	// mu is held by the goroutine that carries a part out, for as long as that takes. Before
	// all other locks; nobody waits for it who has the turn.
	mu    sync.Mutex
	begun bool // the request is such a WRITE
	// Guarded by mu from here on.
	next  wire.WriteRequest // what was not carried out; zero before the first part was looked at
	known bool              // next is known
	count uint32            // bytes written
	bytes int               // of the message, as far as they were handed out
	err   error             // why parts that are still to come are dropped; set by endPart alone

	atWork int // parts that were read and not yet carried out; guarded by conn.mu

	behind sync.Mutex // after mu, before bulk.mu and memory.mu; guards what follows
	asleep bool       // the part at work has begun to wait for others
	queued int        // bytes of the part that waits for it, as far as they are counted
}

// divide says whether a message is a WRITE that is to be carried out while it comes in, and
// where it may be cut: at the ends of pages of the file (transport.Options.Divide).
func (c *conn) divide(head []byte, n int) (at int, ok bool) {
	var h wire.Header
	var q wire.WriteRequest
	if wire.ProtocolOf(head) != wire.ProtocolSMB2 || h.Decode(head) != nil || h.Command != wire.CmdWrite ||
		h.NextCommand != 0 || h.Flags&^wire.FlagPriorityMask != 0 ||
		q.DecodePart(head, n-len(head)) != nil || q.Channel != wire.ChannelNone {
		return 0, false
	}
	ch := c.channel(h.SessionID)
	if ch == nil || !ch.sess.writesData(q.FileID) {
		return 0, false
	}
	return len(head) - len(q.Data) + int(-q.Offset%transport.PartAlign), true
}

// writesData reports whether an open is one of a file with FILE_WRITE_DATA. One that may
// only append would not know where its WRITE began.
func (s *session) writesData(id wire.FileID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.opens[id.Volatile]
	return o != nil && !o.isPipe() && !o.grip.dir && o.access&wire.AccessWriteData != 0
}

// beginParts is called with the first part, by the owner of the turn, who has made the request.
func (c *conn) beginParts(r *request) {
	r.parts.begun, r.parts.atWork = true, 1
	r.parts.bytes = len(r.frame.Data)
	r.parts.mu.Lock()
	c.coming = r
}

// nextOf returns the request of a part that is not the first one, and locks parts.mu for it. wait
// says that the part before is still at work, and mu to be waited for; then this is the last
// one. It is called by the owner of the turn.
func (c *conn) nextOf(f transport.Frame) (r *request, wait bool) {
	r = c.coming
	if f.Rest == 0 {
		c.coming = nil
	}
	c.mu.Lock()
	r.parts.atWork++
	c.mu.Unlock()
	if wait = !r.parts.mu.TryLock(); wait {
		r.chargeBehind(len(f.Data)) // before others read on
	}
	return r, wait
}

// beforePart is called by the owner of the turn before it reads.
func (c *conn) beforePart() {
	if c.coming == nil {
		return
	}
	if c.coming.parts.mu.TryLock() {
		c.coming.parts.mu.Unlock()
		return
	}
	c.tr.Whole()
}

// servePart carries out a part that is not the first one. It returns when its reply is queued, or,
// if it is not the last one, when it has been carried out.
func (r *request) servePart(f transport.Frame, turn uint64, wait bool) {
	if wait {
		r.conn.giveTurn(turn)
		r.parts.mu.Lock()
	}
	r.unchargeBehind(false)
	r.frame, r.turn = f, turn
	r.parts.bytes += len(f.Data)
	r.chargeFrame()
	r.conclude(r.endMessage(r.nextPart()))
}

// chargeBehind counts a part of n bytes that begins to wait for the one at work, like a
// long request at work, which it would be if it had not been cut. So it is not counted if
// that one has begun to wait (conn.awaitFrames).
func (r *request) chargeBehind(n int) {
	p := &r.parts
	p.behind.Lock()
	defer p.behind.Unlock()
	if n >= bulkMin && !p.asleep {
		p.queued = n
		r.conn.takeFrame(n)
	}
}

// unchargeBehind counts it no more; asleep says that this is because the part at work begins to
// wait, and not because that is done.
func (r *request) unchargeBehind(asleep bool) {
	p := &r.parts
	p.behind.Lock()
	defer p.behind.Unlock()
	p.asleep = asleep
	if p.queued != 0 {
		r.conn.giveFrame(p.queued)
		p.queued = 0
	}
}

// nextPart carries out what has come. It does nothing after an error. Session and tree may have
// ended since the part before (MS-SMB2 3.3.5.2.9, 3.3.5.2.11).
func (r *request) nextPart() error {
	p := &r.parts
	if p.err != nil {
		return p.err
	}
	if err := r.enter(); err != nil {
		return err
	}
	p.next.Data = r.frame.Data
	return r.handle((*request).writePart)
}

// writePart is the handler of each part.
func (r *request) writePart() error {
	p := &r.parts
	if !p.known {
		if err := p.next.DecodePart(r.msg, r.frame.Rest); err != nil {
			return ntstatus.InvalidParameter
		}
		p.known = true
	}
	p.next.Missing = r.frame.Rest
	var a wire.WriteResponse
	if err := r.write(&p.next, &a); err != nil {
		return err
	}
	p.next.Offset += uint64(a.Count)
	p.count += a.Count
	if p.next.Missing == 0 {
		a.Count = p.count
		r.out.b = a.Append(r.out.b)
	}
	return nil
}

// endPart ends a part with its outcome, and lets the next one be carried out. It reports true when
// there is none, and the request is the caller's alone.
func (r *request) endPart(err error) (last bool) {
	p, c := &r.parts, r.conn
	if r.frame.Rest == 0 {
		p.mu.Unlock()
		return true
	}
	if p.err = err; err != nil {
		if broken := asProtocolError(err); broken != nil {
			c.fail(broken.reason) // perhaps in the middle of the next part
		}
	}
	r.unpin()
	r.unchargeFrame()
	r.frame.Release()
	r.msg, p.next.Data = nil, nil
	c.mu.Lock()
	p.atWork--
	drained := c.drainedLocked()
	c.mu.Unlock()
	p.mu.Unlock()
	if drained {
		c.closeAfterFlush()
	}
	return false
}

// dropParts gives up a WRITE of which the rest will not come. It is called by the owner
// of the turn when the connection has ended.
func (c *conn) dropParts() {
	r := c.coming
	if r == nil {
		return
	}
	c.coming = nil
	r.parts.mu.Lock()   // a part may be at work
	r.parts.mu.Unlock() //nolint:staticcheck,gocritic // it was waited for
	r.abandon()
	r.free()
}

// size is how long the message is, or as much of it as has come.
func (r *request) size() int {
	if r.parts.begun {
		return r.parts.bytes
	}
	return len(r.msg)
}
