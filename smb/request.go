package smb

import (
	"context"
	"sync"
	"time"

	"lessor/locking"
	"lessor/smb/crypt"
	"lessor/smb/ntstatus"
	"lessor/smb/transport"
	"lessor/smb/wire"
)

// request is one frame at work: a message or a chain of them, which are carried
// out one after the other by one goroutine (MS-SMB2 3.3.5.2.7). A single message
// is a chain of one. The fields of the second group belong to the message of
// the chain that is being carried out.
type request struct {
	conn     *conn
	frame    transport.Frame
	turn     uint64
	received time.Time
	sealed   *channel // the frame was sealed for this session, and so is the reply
	expanded bool     // the frame was compressed
	out      *reply
	rest     []byte // messages of the chain that are still to come
	count    int    // messages of the chain that were begun
	bulk     int    // bytes that the reply has taken from conn.bulk
	framed   int    // bytes of the frame that are counted in conn.bulk
	prev     previous

	msg    []byte // the message, header included
	hdr    wire.Header
	cmd    *command
	chn    *channel
	sess   *session
	tree   *tree
	charge int // credits that the message has cost
	// opens are pinned until the message is done.
	opens    [2]*open
	numOpens int
	opening  string // path of a CREATE at work, below the root of the share
	audit    auditNote
	counted  uint8 // bits of those opens whose channelSequence counts the message
	// keepBody says that a status which is not success comes with the body that
	// the handler has appended, and not with an error response.
	keepBody bool
	signed   bool               // the request was signed, so the reply is
	shrink   bool               // the client wants the reply compressed
	hash     *crypt.PreauthHash // takes the reply in
	after    func()             // runs when the reply has been queued
	life     context.Context    // if set, what ends the message in place of the connection
	// outlasted is the session that the message has last waited for the end of.
	outlasted uint64
	granted   bool        // the interim reply has carried the credits
	ends      bool        // the connection ends behind this reply
	scratch   requestData // reusable memory of handlers
	parts     parts       // of a WRITE that is carried out while it comes in

	// Guarded by conn.mu: the list of requests at work, and CANCEL. The owner
	// reads asyncID without it, as nobody else sets it.
	newer, older *request
	messageID    uint64
	asyncID      uint64
	cancelled    bool
	wake         chan struct{} // closed by CANCEL while the request waits; stays when it goes on
	asleep       bool          // it waits, and wake is not nil
	wait         waitNote      // for the status of the server
	// cancelling is closed for the CANCEL that has woken the message, when its reply is
	// queued. It becomes canceller, which belongs to the goroutine of the request, when
	// the message is done.
	cancelling chan struct{}
	canceller  chan struct{}
}

// previous is what a related message takes over from the one before it.
type previous struct {
	chn     *channel
	tree    *tree
	treeID  uint32
	fileID  wire.FileID
	hasFile bool
	// failed is why the related messages fail too.
	failed error
}

// requestData is memory that handlers use again.
type requestData struct {
	ranges []locking.Range
}

var requests = sync.Pool{New: func() any { return new(request) }}

// newRequest takes over a frame.
func (c *conn) newRequest(f transport.Frame, turn uint64) *request {
	r, _ := requests.Get().(*request)
	r.conn, r.frame, r.turn = c, f, turn
	r.received = time.Now()
	r.out = newReply()
	r.chargeFrame()
	return r
}

// free gives a request back.
func (r *request) free() {
	if r.out != nil {
		r.out.free()
	}
	r.frame.Release()
	r.tellCanceller()
	r.giveBulk()
	r.unchargeFrame()
	ranges := r.scratch.ranges[:0]
	*r = request{}
	if cap(ranges) <= 64 {
		r.scratch.ranges = ranges
	}
	requests.Put(r)
}

// ctx is cancelled when the connection ends, or, for a message that outlives it,
// the session.
func (r *request) ctx() context.Context {
	if r.life != nil {
		return r.life
	}
	return r.conn.ctx
}

// srv is the server.
func (r *request) srv() *Server { return r.conn.srv }

// locks is the lock manager.
func (r *request) locks() *locking.OplockManager { return r.conn.srv.locks }

// giveTurn lets another goroutine read on, because this one may take long.
func (r *request) giveTurn() { r.conn.giveTurn(r.turn) }

// last reports whether this is the last message of its chain.
func (r *request) last() bool { return len(r.rest) == 0 }

// chained reports whether the message is one of several.
func (r *request) chained() bool { return r.count > 1 || len(r.rest) > 0 }

// withBody returns a status that comes with the body of the reply, such as
// STATUS_BUFFER_OVERFLOW.
func (r *request) withBody(st ntstatus.Status) error {
	r.keepBody = true
	return st
}

// file returns the open that a FileId names, pinned until the message is done
// (MS-SMB2 3.3.5.2.7.2 for related messages). Errors: STATUS_FILE_CLOSED.
func (r *request) file(id wire.FileID) (*open, error) {
	if r.hdr.IsRelated() && (id.IsRelated() || r.prev.hasFile) {
		if r.prev.failed != nil {
			return nil, r.prev.failed
		}
		if !r.prev.hasFile {
			return nil, ntstatus.FileClosed
		}
		id = r.prev.fileID
	}
	o := r.sess.pinOpen(id)
	if o == nil {
		return nil, ntstatus.FileClosed
	}
	if !r.keep(o) || r.tree != nil && o.tree != r.tree {
		return nil, ntstatus.FileClosed
	}
	if err := r.verifySequence(o); err != nil {
		return nil, err
	}
	if o.replayable.Load() && !o.persistent() {
		o.replayable.Store(false)
	}
	r.prev.fileID, r.prev.hasFile = id, true
	return o, nil
}

// keep unpins o when the message is done. It unpins at once and reports false
// if there is no room, which no handler needs.
func (r *request) keep(o *open) bool {
	if r.numOpens == len(r.opens) {
		o.unpin()
		return false
	}
	r.opens[r.numOpens] = o
	r.numOpens++
	return true
}

// unpin gives the opens of the message back.
func (r *request) unpin() {
	for i := range r.numOpens {
		if r.counted&(1<<i) != 0 {
			r.opens[i].sequence.leave(r.hdr.ChannelSequence())
		}
		r.opens[i].unpin()
		r.opens[i] = nil
	}
	r.numOpens, r.counted = 0, 0
}

// begunLocked puts the request on the list of those at work, so that a CANCEL finds
// it from the moment on in which it was read.
func (r *request) begunLocked() {
	c := r.conn
	r.older = c.first
	if c.first != nil {
		c.first.newer = r
	}
	c.first = r
}

// endChainLocked takes a request with nothing left to do off the list of those at
// work.
func (r *request) endChainLocked() {
	r.doneLocked()
	r.ends = r.ends || r.conn.drainedLocked()
}

// abandon takes a request whose connection has ended out of the books, wherever
// in its chain it stands: it is going to be used again for another connection.
func (r *request) abandon() {
	c := r.conn
	c.mu.Lock()
	r.unparkLocked()
	r.doneLocked()
	c.mu.Unlock()
	r.unpin()
}

// doneLocked takes the request off the list, if it is there.
func (r *request) doneLocked() {
	c := r.conn
	if r.newer != nil {
		r.newer.older = r.older
	} else if c.first == r {
		c.first = r.older
	}
	if r.older != nil {
		r.older.newer = r.newer
	}
	r.newer, r.older = nil, nil
}
