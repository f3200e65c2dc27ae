package smb

import (
	"slices"
	"sync/atomic"

	"lessor/locking"
	"lessor/smb/wire"
)

// client is all connections of one ClientGuid (MS-SMB2 3.3.1.16, the lease
// table of a client, lives in package locking). It is where breaks go.
type client struct {
	// Immutable after construction.
	srv *Server
	id  locking.ClientID

	// conns holds the connections, oldest first, also those of another ClientGuid
	// that a session is bound to. It is replaced as a whole under
	// Server.mu and read without a lock, as Break is called under a lock of
	// package locking.
	conns atomic.Pointer[[]*conn]

	sent sentBreaks // see breakretry.go

	refs int // connections; guarded by Server.mu
}

// joinClient makes c a connection of the client with this GUID.
func (s *Server) joinClient(c *conn, guid wire.GUID) *client {
	id := locking.ClientID(guid)
	if guid.IsZero() {
		// Without an identity a client shares nothing with anybody, so it gets one
		// of its own (dialect 2.0.2 sends none).
		s.random(id[:])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	cl := s.clients[id]
	if cl == nil {
		cl = &client{srv: s, id: id}
		cl.conns.Store(&[]*conn{})
		s.clients[id] = cl
	}
	cl.enterLocked(c)
	return cl
}

// enterLocked adds a connection. The caller holds Server.mu.
func (cl *client) enterLocked(c *conn) {
	cl.refs++
	list := append(slices.Clone(*cl.conns.Load()), c)
	cl.conns.Store(&list)
}

// visitClient makes c, a connection of another ClientGuid, one of those through
// which the client of a session hears of breaks: the session was bound to it. A
// server does not compare the ClientGuids then (MS-SMB2 3.3.5.5.2), and sends
// breaks through every channel that is left (3.3.4.6, 3.3.4.7).
func (s *Server) visitClient(cl *client, c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cl == c.client.Load() || slices.Contains(c.visits, cl) {
		return
	}
	c.visits = append(c.visits, cl)
	cl.enterLocked(c)
}

// leaveClient takes a connection away from its client, and from those that it has
// channels of. Disconnected opens keep their client, which then has no connection
// to break anything through.
func (s *Server) leaveClient(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cl := c.client.Load(); cl != nil {
		s.leaveLocked(cl, c)
	}
	for _, cl := range c.visits {
		s.leaveLocked(cl, c)
	}
	c.visits = nil
}

func (s *Server) leaveLocked(cl *client, c *conn) {
	list := slices.DeleteFunc(slices.Clone(*cl.conns.Load()), func(o *conn) bool { return o == c })
	cl.conns.Store(&list)
	if cl.refs--; cl.refs == 0 && s.clients[cl.id] == cl {
		delete(s.clients, cl.id)
	}
}

// ID implements locking.Client.
func (cl *client) ID() locking.ClientID { return cl.id }

// Break implements locking.Client: it enqueues the notification on the first
// connection that still lives (MS-SMB2 3.3.4.6, 3.3.4.7) and never blocks. If there
// are others, it sees to it that the client hears of the break when that one is dead
// in truth. Windows takes the newest connection, and leaves it at that.
//
// Of several connections, one that the client has hung up is passed over, though
// that has not been read yet: nobody would hear of the break there. To ask the
// kernel waits for nothing. If all connections are ending, the holder is going to
// be closed or disconnected in a moment, and that is what is waited for.
func (cl *client) Break(b locking.Break) bool {
	list := *cl.conns.Load()
	windows := cl.srv.cfg.WindowsReplay
	if windows {
		list = slices.Clone(list)
		slices.Reverse(list)
	}
	ending := false
	for i, c := range list {
		// The break of an oplock goes to a connection of the session of the open.
		ch := c.channel(b.Owner.SessionID)
		switch {
		case ch == nil && (!b.Lease || c.client.Load() != cl):
		case i < len(list)-1 && c.tr.HungUp():
			ending = true
		case len(list) > 1 && !windows:
			if cl.sendWatched(c, ch, &b) {
				return true
			}
			ending = true
		case c.notifyBreak(ch, &b):
			if b.AckRequired {
				c.watchLast()
			}
			return true
		default:
			ending = true
		}
	}
	return ending
}

// sendWatched sends a break over one of several connections. It reports false if the
// connection has ended and the break is to go over another one.
func (cl *client) sendWatched(c *conn, ch *channel, b *locking.Break) bool {
	// The note comes first: whoever ends the connection afterwards finds it.
	e := cl.sent.add(b, c)
	if c.notifyBreak(ch, b) && !c.closing.Load() {
		cl.sent.sent(e, cl.lookAfter)
		return true
	}
	return !cl.sent.takeOne(e)
}

// notifyBreak queues the notification of a break.
func (c *conn) notifyBreak(ch *channel, b *locking.Break) bool {
	if b.Lease {
		return c.sendLeaseBreak(ch, b)
	}
	return c.sendOplockBreak(ch, b)
}

// breakMessageID is the message id of everything that a server sends unasked
// (MS-SMB2 2.2.23).
const breakMessageID = ^uint64(0)

// sendLeaseBreak queues a lease break notification (MS-SMB2 3.3.4.7).
func (c *conn) sendLeaseBreak(ch *channel, b *locking.Break) bool {
	n := wire.LeaseBreakNotification{
		NewEpoch:          b.Epoch,
		LeaseKey:          wire.GUID(b.LeaseKey),
		CurrentLeaseState: wire.LeaseState(b.From),
		NewLeaseState:     wire.LeaseState(b.To),
	}
	if b.AckRequired {
		n.Flags = wire.LeaseBreakAckRequired
	}
	return c.sendBreak(ch, &n)
}

// sendOplockBreak queues an oplock break notification (MS-SMB2 3.3.4.6).
func (c *conn) sendOplockBreak(ch *channel, b *locking.Break) bool {
	return c.sendBreak(ch, &wire.OplockBreakNotification{OplockLevel: oplockToWire(b.Level), FileID: fileID(b.Owner.OpenID)})
}

// sendBreak queues a notification, which is never signed, and sealed if the
// session demands it.
func (c *conn) sendBreak(ch *channel, body wire.Appender) bool {
	if c.closing.Load() {
		return false
	}
	var seal *channel
	if ch != nil && c.mustSeal(ch.sess.encrypt) {
		if seal = ch; ch.sess.seal == nil {
			return false // a channel that can say nothing
		}
	}
	out := newReply()
	out.begin()
	out.b = body.Append(out.b)
	hdr := wire.Header{Command: wire.CmdOplockBreak, Flags: wire.FlagServerToRedir, MessageID: breakMessageID}
	out.end(&hdr, nil, nil)
	out.queue(c, seal)
	c.tr.Kick()
	return true
}

// oplockToWire translates a level.
func oplockToWire(l locking.OplockLevel) wire.OplockLevel {
	switch l {
	case locking.OplockII:
		return wire.OplockII
	case locking.OplockExclusive:
		return wire.OplockExclusive
	case locking.OplockBatch:
		return wire.OplockBatch
	case locking.OplockLease:
		return wire.OplockLease
	}
	return wire.OplockNone
}

// oplockFromWire translates a level; ok is false for what is none.
func oplockFromWire(l wire.OplockLevel) (level locking.OplockLevel, ok bool) {
	switch l {
	case wire.OplockNone:
		return locking.OplockNone, true
	case wire.OplockII:
		return locking.OplockII, true
	case wire.OplockExclusive:
		return locking.OplockExclusive, true
	case wire.OplockBatch:
		return locking.OplockBatch, true
	case wire.OplockLease:
		return locking.OplockLease, true
	}
	return locking.OplockNone, false
}
