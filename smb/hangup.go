package smb

import (
	"errors"
	"time"

	"lessor/locking"
	"lessor/smb/ntstatus"
)

// A client that has lost its connection, or given it up, comes back at once, and the
// other clients go on as well. Then the end of the old connection may have arrived,
// and nobody has read it: its session still stands, and what its opens hold. So where
// a request is refused or held up on account of an open, it is looked whether the
// client of that one is still there. Nothing is looked at otherwise.

// endWait is how long the end of a connection that was hung up may take: what its
// client has sent before is carried out first. Then it is cut, and waited for once
// more.
const endWait = 2 * time.Second

// again reports whether a message that was refused on account of an open is to be
// carried out again, because the client of that one had hung up and the open does not
// stand in the way any more.
func (r *request) again(err error) bool {
	if _, plain := err.(ntstatus.Status); plain { //nolint:errorlint // the common case, without the cost
		return false
	}
	var no *locking.Refused
	if !errors.As(err, &no) || !r.outlasts(no.Owner) {
		return false
	}
	r.unpin()
	r.out.clear()
	return true
}

// refusedBy is a refusal on account of an open, which the zero owner has not.
func refusedBy(owner locking.Owner, st ntstatus.Status) error {
	if owner.OpenID == 0 {
		return st
	}
	return &locking.Refused{Err: st, Owner: owner}
}

// outlasts reports whether the session of the owner has ended, after it has waited for
// that if all connections of the session were hung up. For one and the same session
// it does so once in a row, so that it does not go on for ever if that does not help.
func (r *request) outlasts(owner locking.Owner) bool {
	id := owner.SessionID
	if owner.OpenID == 0 || id == r.outlasted || id == r.sess.id {
		return false
	}
	sess := r.srv().standing(id)
	if sess == nil {
		r.outlasted = id // it has ended just now
		return true
	}
	if !sess.hungUp() {
		return false
	}
	r.outlasted = id
	// The old connections may wait for the same thing on this one.
	r.giveTurn()
	r.conn.tr.Kick()
	timer := time.NewTimer(endWait)
	defer timer.Stop()
	for range 2 {
		select {
		case <-sess.over:
			return true
		case <-r.ctx().Done():
			return false
		case <-timer.C:
			sess.cut()
			timer.Reset(endWait)
		}
	}
	return false
}

// standing finds a session that has not ended, or is ending just now.
func (s *Server) standing(id uint64) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sess := s.sessions[id]; sess != nil {
		return sess
	}
	return s.ending[id]
}

// hungUp reports whether none of the connections of the session is one on which the
// client may still be heard.
func (s *session) hungUp() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.channels {
		if !c.hungUp() {
			return false
		}
	}
	return true
}

// hungUp reports whether the connection has ended or its end has arrived. It asks
// the kernel, and waits for nothing.
func (c *conn) hungUp() bool { return c.closing.Load() || c.tr.HungUp() }

// cut closes the connections of a session.
func (s *session) cut() {
	s.mu.Lock()
	list := make([]*conn, 0, len(s.channels))
	for c := range s.channels {
		list = append(list, c)
	}
	s.mu.Unlock()
	for _, c := range list {
		c.close()
	}
}
