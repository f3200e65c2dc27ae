package smb

import (
	"container/list"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"lessor/smb/crypt"
	"lessor/smb/transport"
	"lessor/smb/wire"
)

// maxQueued is how many bytes of replies may wait for a client before its
// requests are not read any more: a client that asks and does not listen costs
// this much memory.
const maxQueued = 4 << 20

// leastQueued is how many of them may wait whatever others hold.
const leastQueued = 64 << 10

// queueLimit is maxQueued, or less when memory is short.
func (c *conn) queueLimit() int {
	if m := &c.srv.memory; m.short() {
		return max(leastQueued, min(maxQueued, int(m.share())))
	}
	return maxQueued
}

// conn is one transport connection (MS-SMB2 3.3.1.7).
type conn struct {
	// Immutable after construction.
	srv    *Server
	tr     *transport.Conn
	id     uint64
	remote string
	addr   netip.Addr // of the client, the zero Addr if it has none
	log    zerolog.Logger
	since  time.Time
	ctx    context.Context // ends with the connection
	cancel context.CancelFunc

	// neg is what was negotiated, and client who it is; both are set once.
	neg    atomic.Pointer[negotiated]
	client atomic.Pointer[client]
	// channels are the sessions by their id. The map is replaced as a whole
	// under mu and read without it.
	channels atomic.Pointer[map[uint64]*channel]

	turn    atomic.Uint64 // who may read; see turn.go
	watched atomic.Bool   // the timer of turn.go is armed
	closing atomic.Bool   // nothing is sent any more
	authed  atomic.Bool   // a session was valid once
	wg      sync.WaitGroup
	coming  *request // the WRITE whose next part is to be read; of the owner of the turn
	bulk    bulk     // memory of long requests and replies
	mem     holding  // guarded by memory.mu
	stall   stall    // guarded by memory.relieving

	lastBreak lastWatch // see breaklast.go

	newcomer *list.Element // of Server.newcomers; guarded by Server.mu
	visits   []*client     // see visitClient; guarded by Server.mu

	mu     sync.Mutex // level 3; guards what follows
	window window
	// first is the list of requests at work, newest first.
	first   *request
	waiting int // requests that were answered with an interim reply
	// early are the ids of messages that were cancelled before they were begun.
	early []uint64
	// preauth is the hash over NEGOTIATE (MS-SMB2 3.3.1.7).
	preauth   crypt.PreauthHash
	smb1Asked bool // an SMB1 NEGOTIATE was answered with the wildcard
	draining  bool // the server is shutting down
	departed  []departed
}

// protocolError ends a connection: its reason is a fixed string that goes into
// the log and the metrics. It is never answered.
type protocolError struct{ reason string }

func (e *protocolError) Error() string { return "protocol error: " + e.reason }

// ServeConn serves one connection and returns when it has ended. The server
// closes it; from the call on nobody else may use it, but for its addresses.
func (s *Server) ServeConn(nc net.Conn) {
	c := s.newConn(nc)
	if c == nil {
		_ = nc.Close()
		return
	}
	auth := time.AfterFunc(s.cfg.Timeouts.Authentication, c.authTimeout)
	defer auth.Stop()
	c.wg.Add(1)
	c.readLoop()
	c.wg.Wait()
	c.end()
}

// newConn makes a connection known, or returns nil if there are too many.
func (s *Server) newConn(nc net.Conn) *conn {
	ctx, cancel := context.WithCancel(context.Background())
	c := &conn{
		srv:    s,
		id:     s.nextConn.Add(1),
		remote: nc.RemoteAddr().String(),
		addr:   addrOf(nc.RemoteAddr()),
		since:  time.Now(),
		ctx:    ctx,
		cancel: cancel,
		window: newWindow(s.cfg.Limits.RequestsPerConnection),
	}
	c.tr = transport.NewConn(nc, transport.Options{
		FrameTimeout: s.cfg.Timeouts.Frame,
		WriteTimeout: s.cfg.Timeouts.Write,
		MaxFrame:     maxUnauthenticatedFrame,
		TCP:          s.cfg.TCP,
		Meter:        &s.memory.queued,
		OnLess:       func() { s.memory.fell(c) },
		Divide:       c.divide,
	})
	c.channels.Store(&map[uint64]*channel{})
	c.log = s.log.With().Uint64("conn", c.id).Str("client", c.remote).Logger()
	if !s.hosts.Load().admits(c.addr) {
		s.refuseHost(c)
		cancel()
		return nil
	}
	known, oldest := s.admitConn(c)
	if oldest != nil && !oldest.authed.Load() {
		s.metrics.refused()
		s.metrics.limitReached(limitUnauthenticated)
		oldest.fail("too many connections without a session")
	}
	if !known {
		cancel()
		return nil
	}
	return c
}

// admitConn takes a connection into the books, unless there are too many. If too
// many have no session, the oldest of these has to go, as it had the most time to
// get one: those who come and do not log on keep nobody else from doing so.
func (s *Server) admitConn(c *conn) (known bool, oldest *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return false, nil
	}
	if s.perAddr[netOf(c.addr)] >= s.cfg.Limits.ConnectionsPerAddress {
		s.metrics.refused()
		s.limited(c, limitConnectionsPerAddress)
		return false, nil
	}
	if len(s.conns) >= s.cfg.Limits.Connections {
		s.metrics.refused()
		s.metrics.limitReached(limitConnections)
		s.strangers.log(c, "too many connections")
		return false, nil
	}
	if s.newcomers.Len() >= s.cfg.Limits.Unauthenticated {
		oldest, _ = s.newcomers.Front().Value.(*conn)
		s.settleLocked(oldest)
	}
	s.conns[c] = struct{}{}
	s.perAddr[netOf(c.addr)]++
	s.memory.conns.Add(1)
	c.newcomer = s.newcomers.PushBack(c)
	s.metrics.connections.Inc()
	return true, oldest
}

// settleLocked takes a connection off the list of those without a session, if it is
// there.
func (s *Server) settleLocked(c *conn) {
	if c.newcomer != nil {
		s.newcomers.Remove(c.newcomer)
		c.newcomer = nil
	}
}

// end takes a connection out of the books when nothing runs on it any more.
func (c *conn) end() {
	s := c.srv
	c.leaveSessions()
	s.leaveClient(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if at := netOf(c.addr); s.perAddr[at] > 1 {
		s.perAddr[at]--
	} else {
		delete(s.perAddr, at)
	}
	s.memory.conns.Add(-1)
	s.settleLocked(c)
	s.metrics.connections.Dec()
	s.idle.Broadcast()
}

// leaveSessions takes the connection away from its sessions. It does not wait for
// requests that are still at work, as the client may be back on another
// connection already and want its durable opens, and as some of them go on until
// their session ends.
func (c *conn) leaveSessions() {
	for _, ch := range *c.channels.Load() {
		ch.sess.removeChannel(c, true)
	}
	c.forgetDeparted()
	c.forgetLast()
	c.srv.sendAgain(c)
}

// authenticated counts the connection as one with a session.
func (c *conn) authenticated() {
	if c.authed.Swap(true) {
		return
	}
	c.tr.SetMaxFrame(c.srv.maxFrame())
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	c.srv.settleLocked(c)
}

// authTimeout ends a connection that has not authenticated in time.
func (c *conn) authTimeout() {
	if !c.authed.Load() {
		c.fail("authentication time-out")
	}
}

// fail ends the connection for a reason that its client has to answer for.
func (c *conn) fail(reason string) {
	if c.closing.Load() {
		return
	}
	c.srv.metrics.protocolError(reason)
	c.srv.strangers.log(c, reason)
	c.close()
}

// close ends the connection. Requests at work run to their end; their replies
// are dropped.
func (c *conn) close() {
	if c.closing.Swap(true) {
		return
	}
	c.cancel()
	_ = c.tr.Close()
}

// closeAfterFlush ends the connection when what is queued has been sent.
func (c *conn) closeAfterFlush() {
	if c.closing.Swap(true) {
		return
	}
	c.cancel()
	c.tr.CloseAfterFlush()
}

// readFailed ends the connection after its read side has ended.
func (c *conn) readFailed(err error) {
	defer c.leaveSessions()
	var reason string
	switch {
	case errors.Is(err, transport.ErrFrameTooLarge):
		reason = "frame too large"
	case errors.Is(err, transport.ErrBadPrefix):
		reason = "bad prefix"
	case errors.Is(err, transport.ErrTimeout):
		reason = "slow frame"
	default:
		c.lost(err)
		return
	}
	c.fail(reason)
}

// lost ends the connection after an error of the transport, which is the client's
// fault only if it has taken no replies for too long.
func (c *conn) lost(err error) {
	switch {
	case errors.Is(err, transport.ErrWriteTimeout):
		c.fail("replies not taken")
		return
	case !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed):
		c.log.Debug().Err(err).Msg("connection lost")
	}
	c.close()
}

// channel finds a session of the connection.
func (c *conn) channel(id uint64) *channel { return (*c.channels.Load())[id] }

// addChannel makes a session known on the connection. It reports false if there
// are too many.
func (c *conn) addChannel(ch *channel) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := *c.channels.Load()
	if len(old) >= c.srv.cfg.Limits.SessionsPerConnection {
		return false
	}
	list := maps.Clone(old)
	list[ch.sess.id] = ch
	c.channels.Store(&list)
	return true
}

// removeChannel forgets a session, but for the keys that its client may still use.
func (c *conn) removeChannel(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := maps.Clone(*c.channels.Load())
	if ch := list[id]; ch != nil {
		delete(list, id)
		c.departedLocked(ch)
	}
	c.channels.Store(&list)
}

// dialect is what was negotiated, 0 before.
func (c *conn) dialect() wire.Dialect {
	if n := c.neg.Load(); n != nil {
		return n.dialect
	}
	return 0
}
