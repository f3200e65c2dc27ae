package smb

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"lessor/smb/crypt"
	"lessor/smb/ntstatus"
	"lessor/smb/transport"
	"lessor/smb/wire"
)

// need says what must exist before a command is carried out.
type need uint8

const (
	needSession need = 1 << iota
	needTree
	// evenExpired: the command is allowed in a session that has expired (MS-SMB2
	// 3.3.5.2.9).
	evenExpired
	// mayBeLong: the client chooses how long the reply is, and pays for it.
	mayBeLong
)

// command is a row of the table of commands.
type command struct {
	need need
	run  func(*request) error
}

// commands is the table of commands. CANCEL has no row, as it is not answered.
var commands [wire.NumCommands]*command

func init() {
	table := map[wire.Command]command{
		wire.CmdNegotiate:      {0, on((*request).negotiate)},
		wire.CmdSessionSetup:   {0, on((*request).sessionSetup)},
		wire.CmdLogoff:         {needSession | evenExpired, on((*request).logoff)},
		wire.CmdTreeConnect:    {needSession, on((*request).treeConnect)},
		wire.CmdTreeDisconnect: {needSession | needTree, on((*request).treeDisconnect)},
		wire.CmdCreate:         {needSession | needTree, on((*request).create)},
		wire.CmdClose:          {needSession | needTree | evenExpired, on((*request).close)},
		wire.CmdFlush:          {needSession | needTree, on((*request).flushFile)},
		wire.CmdRead:           {needSession | needTree | mayBeLong, in((*request).read)},
		wire.CmdWrite:          {needSession | needTree, on((*request).write)},
		wire.CmdLock:           {needSession | needTree | evenExpired, on((*request).lock)},
		wire.CmdIoctl:          {needSession | needTree | mayBeLong, in((*request).ioctl)},
		wire.CmdEcho:           {0, on((*request).echo)},
		wire.CmdQueryDirectory: {needSession | needTree | mayBeLong, in((*request).queryDirectory)},
		wire.CmdChangeNotify:   {needSession | needTree | mayBeLong, in((*request).changeNotify)},
		wire.CmdQueryInfo:      {needSession | needTree | mayBeLong, in((*request).queryInfo)},
		wire.CmdSetInfo:        {needSession | needTree, on((*request).setInfo)},
		wire.CmdOplockBreak:    {needSession, (*request).breakAck},
	}
	for cmd, row := range table {
		commands[cmd] = &row
	}
}

// message is a request or response of package wire.
type message[T any] interface {
	*T
	Decode(msg []byte) error
	wire.Appender
}

// on makes a row of a handler that fills in a response.
func on[Q, A any, PQ message[Q], PA message[A]](handle func(*request, *Q, *A) error) func(*request) error {
	type pair struct {
		q Q
		a A
	}
	pool := sync.Pool{New: func() any { return new(pair) }}
	return func(r *request) error {
		p, _ := pool.Get().(*pair)
		defer func() {
			forget(&p.q)
			p.a = *new(A)
			pool.Put(p)
		}()
		if err := PQ(&p.q).Decode(r.msg); err != nil {
			return ntstatus.InvalidParameter
		}
		err := handle(r, &p.q, &p.a)
		if err == nil || r.keepBody {
			r.out.b = PA(&p.a).Append(r.out.b)
		}
		return err
	}
}

// forget makes a message that was decoded ready for the next one: it must not
// keep the memory of a frame. A message with memory of its own may keep that, by
// a method Forget.
func forget[Q any](q *Q) {
	if f, ok := any(q).(interface{ Forget() }); ok {
		f.Forget()
		return
	}
	*q = *new(Q)
}

// in makes a row of a handler that appends the body of its response itself.
func in[Q any, PQ message[Q]](handle func(*request, *Q) error) func(*request) error {
	pool := sync.Pool{New: func() any { return new(Q) }}
	return func(r *request) error {
		q, _ := pool.Get().(*Q)
		defer func() {
			forget(q)
			pool.Put(q)
		}()
		if err := PQ(q).Decode(r.msg); err != nil {
			return ntstatus.InvalidParameter
		}
		return handle(r, q)
	}
}

// requestOf returns the request of a frame that was read; wait says that another goroutine
// carries a part of it out. It is called by the owner of the turn before it lets anybody take
// the turn away, as the next owner has to know of a WRITE of which more is to come.
func (c *conn) requestOf(f transport.Frame, turn uint64) (r *request, wait bool) {
	if f.Continues {
		return c.nextOf(f)
	}
	r = c.newRequest(f, turn)
	if f.Rest > 0 {
		c.beginParts(r)
	}
	return r, false
}

// conclude ends a request that was carried out, and sends its reply.
func (r *request) conclude(err error) {
	c, turn := r.conn, r.turn
	if r.parts.begun && !r.endPart(err) {
		return
	}
	defer r.free()
	if err != nil {
		r.abandon()
		if broken := asProtocolError(err); broken != nil {
			c.fail(broken.reason)
		}
		return // the connection is gone, or goes now
	}
	most := batchBytes
	if !r.out.empty() {
		switch {
		case r.out.cold:
			most = maxQueued
		case r.out.file != nil:
			most = batchFiles
		}
		r.out.queue(c, r.sealFor())
		r.out = nil
		r.tellCanceller()
		r.giveBulk() // it is counted as queued now
		if r.after != nil {
			r.after()
		}
	}
	if r.ends {
		c.closeAfterFlush()
		return
	}
	// Replies to requests that came together leave together, unless that makes
	// the first ones wait for something.
	if c.tr.Buffered() && c.turn.Load() == turn && c.tr.QueuedBytes() < most {
		return
	}
	_ = r.flush()
}

// asProtocolError is errors.As. It stands apart because its variable costs memory
// even where there is no error.
func asProtocolError(err error) *protocolError {
	var p *protocolError
	if errors.As(err, &p) {
		return p
	}
	return nil
}

// batchBytes is how much may wait for the replies of the next requests, and batchFiles how
// much if the last of it is a part of a file: nothing was copied for it that would leave the cache
// meanwhile, and the kernel sends several parts in less time when it gets them together. Where it has to
// wait for a disk it is maxQueued, so that the disk hears of the next ones.
const (
	batchBytes = 128 << 10
	batchFiles = 1 << 20
)

// run carries out the messages of a frame (MS-SMB2 3.3.5.2).
func (r *request) run() error {
	c := r.conn
	msg := r.frame.Data
	switch wire.ProtocolOf(msg) {
	case wire.ProtocolSMB2:
	case wire.ProtocolTransform:
		var err error
		if msg, err = r.unsealFrame(msg); err != nil {
			return err
		}
	case wire.ProtocolCompression:
	case wire.ProtocolSMB1:
		return r.smb1Negotiate(msg)
	default:
		return &protocolError{"unknown protocol"}
	}
	if wire.ProtocolOf(msg) == wire.ProtocolCompression {
		var err error
		if msg, err = r.expandFrame(msg); err != nil {
			return err
		}
	}
	r.rest = msg
	for len(r.rest) > 0 {
		if err := r.step(); err != nil {
			return err
		}
		if c.closing.Load() {
			return errConnClosed
		}
	}
	return nil
}

// Frames have the room that decrypting them in place wants.
const _ = uint(transport.TailRoom - crypt.TailRoom)

// unsealFrame decrypts a sealed frame (MS-SMB2 3.3.5.2.1.1).
func (r *request) unsealFrame(frame []byte) ([]byte, error) {
	c := r.conn
	id, ok := crypt.TransformSession(frame)
	if !ok {
		return nil, &protocolError{"bad transform header"}
	}
	ch := c.sealedFor(id)
	if ch == nil || !ch.ready.Load() || ch.sess.unseal == nil {
		return nil, &protocolError{"sealed for an unknown session"}
	}
	if len(frame) >= slowBytes && slowCipher(c.neg.Load().cipher) {
		r.giveTurn()
	}
	msg, err := ch.sess.unseal.OpenInPlace(frame)
	inner := wire.ProtocolOf(msg)
	if err != nil || inner != wire.ProtocolSMB2 && inner != wire.ProtocolCompression {
		c.srv.metrics.badSignature()
		return nil, &protocolError{"bad seal"}
	}
	r.sealed = ch
	return msg, nil
}

// step carries out the next message of the chain. An error ends the connection, unless it is the
// outcome of a part (endPart).
func (r *request) step() error {
	c := r.conn
	h := &r.hdr
	if err := h.Decode(r.rest); err != nil {
		return &protocolError{"bad header"}
	}
	r.msg, r.rest = r.rest, nil
	if n := h.NextCommand; n != 0 {
		if n%8 != 0 || n < wire.HeaderSize || uint64(n) > uint64(len(r.msg)-wire.HeaderSize) {
			return &protocolError{"bad chain"}
		}
		r.msg, r.rest = r.msg[:n:n], r.msg[n:]
	}
	if h.IsResponse() {
		return &protocolError{"response from a client"}
	}
	neg := c.neg.Load()
	if neg == nil && h.Command != wire.CmdNegotiate {
		return &protocolError{"request before negotiate"}
	}
	if h.Command == wire.CmdCancel {
		if r.cancelGenuine() {
			r.cancel()
		}
		if r.last() {
			c.mu.Lock()
			r.endChainLocked()
			c.mu.Unlock()
		}
		return nil
	}
	r.charge = 1
	if neg != nil && neg.multiCredit {
		r.charge = max(1, int(h.CreditCharge))
	}
	if err := r.checkExpanded(); err != nil {
		return err
	}
	c.mu.Lock()
	if !c.window.use(h.MessageID, r.charge) {
		c.mu.Unlock()
		return &protocolError{"message id out of window"}
	}
	r.messageID = h.MessageID
	r.cancelled = c.cancelledEarlyLocked(h.MessageID, r.charge)
	if r.count == 0 {
		r.begunLocked()
	}
	c.mu.Unlock()
	r.count++
	r.out.begin()
	return r.endMessage(r.perform())
}

// endMessage finishes the message with the outcome of its handler, unless that is the end of
// the connection, or more of the message is to come.
func (r *request) endMessage(err error) error {
	if r.frame.Rest > 0 || err != nil && (err == errConnClosed || asProtocolError(err) != nil) {
		return err
	}
	r.finish(err)
	return nil
}

// perform checks the message and runs its handler.
func (r *request) perform() error {
	h := &r.hdr
	if int(h.Command) >= len(commands) || commands[h.Command] == nil {
		return ntstatus.InvalidParameter
	}
	r.cmd = commands[h.Command]
	if err := r.enter(); err != nil {
		r.prev.failed = err
		return err
	}
	if r.chained() {
		if err := r.chainGoesOn(); err != nil {
			return err
		}
	}
	if r.parts.begun {
		return r.handle((*request).writePart)
	}
	return r.handle(r.cmd.run)
}

// handle runs the handler of the message.
func (r *request) handle(run func(*request) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = r.panicked(p)
		}
	}()
	err = run(r)
	for err != nil && !r.keepBody && r.again(err) {
		err = run(r)
	}
	if r.chained() && (err == nil || r.keepBody) && !r.chainFits(0) {
		r.keepBody = false
		return ntstatus.InsufficientResources
	}
	return err
}

// chainGoesOn refuses a message of a chain before it does anything, if there may be no
// room for its reply in the frame. A chain whose replies have become long needs
// memory that is shared by the requests of the connection.
func (r *request) chainGoesOn() error {
	room := 4 << 10 // more than a reply needs whose length the client does not choose
	if r.cmd.need&mayBeLong != 0 {
		room = max(room, r.charge*65536)
	}
	if !r.chainFits(room) {
		return ntstatus.InsufficientResources
	}
	if r.out.size() >= bulkMin {
		return r.takeBulk(room)
	}
	return nil
}

// chainFits reports whether n bytes more fit into the reply to the chain, behind
// which all messages that are still to come can be told that theirs do not: 80 bytes
// for 64 bytes of message at least.
func (r *request) chainFits(n int) bool {
	return r.out.size()+n+len(r.rest)/4*5 <= maxReply-replySlack
}

// panicked is the end of a handler that panicked: a bug costs its request and
// nothing else.
func (r *request) panicked(p any) error {
	r.srv().metrics.panicked()
	r.conn.log.Error().Str("command", r.hdr.Command.String()).Str("panic", fmt.Sprint(p)).
		Bytes("stack", debug.Stack()).Msg("request panicked")
	crashIfInvariants(p)
	r.keepBody = false
	return ntstatus.InternalError
}

// enter finds session and tree of the message and checks whether it may use
// them (MS-SMB2 3.3.5.2.4, 3.3.5.2.7, 3.3.5.2.9 to 3.3.5.2.11).
func (r *request) enter() error {
	h := &r.hdr
	related := h.IsRelated()
	if related {
		switch {
		case r.count == 1:
			return ntstatus.InvalidParameter
		case r.prev.failed != nil && r.prev.chn == nil:
			return ntstatus.InvalidParameter
		}
		r.chn = r.prev.chn
	} else {
		r.prev = previous{}
		r.chn = r.conn.channel(h.SessionID)
	}
	if r.sealed != nil && !related && h.SessionID != r.sealed.sess.id {
		return &protocolError{"sealed for another session"} // MS-SMB2 3.3.5.2.1.1
	}
	if r.cmd.need&needSession == 0 {
		r.prev.chn = r.chn // related ones may follow, and are checked themselves
		return r.verifyOptional()
	}
	if r.chn == nil {
		return ntstatus.UserSessionDeleted
	}
	r.sess = r.chn.sess
	if err := r.verify(); err != nil {
		return err
	}
	switch sessionState(r.sess.state.Load()) {
	case sessionValid:
	case sessionExpired:
		if r.cmd.need&evenExpired == 0 {
			return ntstatus.NetworkSessionExpired
		}
	default:
		return ntstatus.UserSessionDeleted
	}
	if !r.chn.ready.Load() {
		return ntstatus.UserSessionDeleted
	}
	r.prev.chn = r.chn
	if r.cmd.need&needTree == 0 {
		return nil
	}
	if related {
		r.tree = r.prev.tree
	} else {
		r.tree = r.sess.tree(h.TreeID)
		r.prev.treeID = h.TreeID
	}
	if r.tree == nil {
		return ntstatus.NetworkNameDeleted
	}
	r.prev.tree = r.tree
	if r.conn.mustSeal(r.tree.encrypt) && r.sealed == nil && r.conn.dialect() >= wire.Dialect300 {
		return ntstatus.AccessDenied
	}
	return nil
}

// finish ends the message: its header, its credits, its place in the books.
func (r *request) finish(err error) {
	c := r.conn
	st := ntstatus.Success
	if err != nil {
		st = statusOf(err)
		r.note(st, err)
		if !r.keepBody {
			r.out.clear()
			e := r.errorBody(err)
			r.out.b = e.Append(r.out.b)
		}
	}
	hdr := r.replyHeader(st)
	signer := r.signer(&hdr)
	if signer == nil && err != nil && r.sealed == nil && r.hdr.IsSigned() {
		// There is no key for an answer to a message whose session is not known
		// here. As Windows does, the signature of the request goes back, by which
		// a client knows such an answer.
		hdr.Flags |= wire.FlagSigned
		hdr.Signature = r.hdr.Signature
	}
	if r.last() && r.count > 1 {
		r.out.b = wire.Pad(r.out.b, headRoom, 8) // Windows pads the last one of a chain, too
	}
	r.out.shrink = r.out.shrink || r.shrinks()
	r.out.end(&hdr, signer, r.hash)
	var sh *shareMetrics
	if r.tree != nil {
		sh = &r.tree.share.metrics
	}
	if r.audit.op != 0 {
		r.auditDone(st)
	}
	r.noteSuccess(st)
	c.srv.metrics.observe(uint16(r.hdr.Command), sh, uint32(st), r.size(), len(r.out.b)-r.out.start+r.out.n, time.Since(r.received))
	c.mu.Lock()
	r.unparkLocked()
	if r.last() {
		r.endChainLocked()
	}
	c.mu.Unlock()
	r.unpin()
	if err != nil && r.hdr.Command == wire.CmdCreate {
		// Related messages behind a CREATE that failed have no file (MS-SMB2
		// 3.3.5.2.7.2).
		r.prev.failed, r.prev.hasFile = st, false
	}
	r.chn, r.sess, r.tree, r.cmd, r.hash = nil, nil, nil, nil, nil
	r.keepBody, r.signed, r.granted, r.life, r.outlasted = false, false, false, nil, 0
	r.shrink = false
}

// replyHeader is the header of a reply with this status. It grants credits
// unless the interim reply has done so (MS-SMB2 3.3.1.2, 3.3.4.1.2).
func (r *request) replyHeader(st ntstatus.Status) wire.Header {
	h := &r.hdr
	out := wire.Header{
		CreditCharge: h.CreditCharge,
		Status:       uint32(st),
		Command:      h.Command,
		Flags:        wire.FlagServerToRedir | h.Flags&(wire.FlagRelated|wire.FlagPriorityMask|wire.FlagReplay),
		MessageID:    h.MessageID,
		ProcessID:    h.ProcessID,
		TreeID:       h.TreeID,
		SessionID:    h.SessionID,
	}
	if h.IsRelated() {
		out.TreeID, out.SessionID = r.prev.treeID, r.sessionID()
	}
	if r.asyncID != 0 {
		out.Flags |= wire.FlagAsync
		out.AsyncID, out.ProcessID, out.TreeID = r.asyncID, 0, 0
	}
	if !r.granted {
		out.Credits = r.grantCredits(int(h.Credits))
	}
	return out
}

// sessionID is the session of a related message.
func (r *request) sessionID() uint64 {
	if r.prev.chn != nil {
		return r.prev.chn.sess.id
	}
	return r.hdr.SessionID
}

// grantCredits extends the window. Every message of a chain gets its own
// credits.
func (r *request) grantCredits(ask int) uint16 {
	c := r.conn
	c.mu.Lock()
	n := c.window.grant(ask)
	c.mu.Unlock()
	c.srv.metrics.creditsGranted(uint16(n))
	return uint16(n)
}

// checkCharge refuses a message that moves more bytes than it has paid for
// (MS-SMB2 3.3.5.2.5).
func (r *request) checkCharge(n int) error {
	if neg := r.conn.neg.Load(); neg.multiCredit && n > 0 && (n-1)/65536+1 > r.charge {
		return ntstatus.InvalidParameter
	}
	return nil
}
