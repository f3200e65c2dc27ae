package smb

import (
	"strconv"
	"strings"

	"lessor/locking"
	"lessor/smb/wire"
)

// What an administrator ends.

// CloseSession ends a session as if its client had logged off and wanted nothing
// back, and reports whether there is one with this id.
func (s *Server) CloseSession(id uint64) bool {
	sess := s.session(id)
	if sess == nil {
		return false
	}
	sess.end(false)
	s.locks.Flush()
	return true
}

// CloseOpen closes the open with this id, connected or not, and reports whether there
// is one. Its client gets STATUS_FILE_CLOSED when it uses it next, and cannot
// reconnect to it.
func (s *Server) CloseOpen(id uint64) bool {
	closed := s.closeConnected(id) || s.closeHeld(id)
	if closed {
		s.locks.Flush()
	}
	return closed
}

// closeConnected closes the open of a client that is connected.
func (s *Server) closeConnected(id uint64) bool {
	s.mu.Lock()
	sessions := make([]*session, 0, len(s.sessions))
	for _, sess := range s.sessions {
		sessions = append(sessions, sess)
	}
	s.mu.Unlock()
	for _, sess := range sessions {
		o := sess.pinOpen(fileID(locking.OpenID(id)))
		if o == nil {
			continue
		}
		closed := sess.takeOpen(o)
		if closed {
			o.shut()
		}
		o.unpin()
		return closed
	}
	return false
}

// closeHeld closes an open that waits for its client.
func (s *Server) closeHeld(id uint64) bool {
	lock, ok := s.locks.Disconnected(locking.OpenID(id))
	if !ok {
		return false
	}
	payload := lock.Payload()
	result, ok := lock.CloseDisconnected()
	if !ok {
		return false
	}
	if result.Delete {
		defer result.Deleted()
	}
	s.purged(lock.ID(), payload, result)
	return true
}

// CloseFile closes all opens of a file or directory, whoever has them, connected or
// not, and returns them. The path is below the root of the share, joined by '/'; its
// case matters as it does to the share. With ":stream" behind it, it names that stream
// alone. ok is false if there is no such share.
func (s *Server) CloseFile(shareName, path string) (closed []OpenStatus, ok bool) {
	sh := s.shares.Load().lookup(shareName)
	if sh == nil {
		return nil, false
	}
	path = sh.fold(strings.TrimRight(cleanPath(path), "/"))
	_, l := s.look(StatusQuery{})
	var list []OpenStatus
	for info := range s.locks.Opens() {
		f, found := l.find(&info.OpenRef)
		if found && foldShare(f.share) == foldShare(sh.Name) && (sh.fold(f.path) == path || sh.fold(info.Path) == path) {
			list = append(list, openStatus(info, &f))
		}
	}
	for i := range list {
		if s.CloseOpen(list[i].ID) {
			closed = append(closed, list[i])
		}
	}
	return closed, true
}

// Ended is what Disconnect has ended.
type Ended struct {
	Connections []ConnectionStatus `json:"connections,omitzero"`
	Sessions    []SessionStatus    `json:"sessions,omitzero"`
	Durable     []DurableStatus    `json:"durable,omitzero"`
}

// Disconnect ends what somebody has: who is the id of a session or of a durable open
// that waits for its client, a user, an address of a client, with or without port, or
// a ClientGuid. Sessions end with all that is open, durable or not. Opens that the user
// or client has left behind for a reconnect are closed. Of a client, the connections
// are closed as well. Nothing keeps anybody from coming back.
func (s *Server) Disconnect(who string) Ended {
	var e Ended
	if who == "" {
		return e
	}
	id, err := strconv.ParseUint(who, 0, 64)
	byID := err == nil
	conns, l := s.look(StatusQuery{})
	for _, sess := range l.byAge {
		o := l.sessions[sess.id].owner
		if byID && sess.id == id || strings.EqualFold(o.user, who) || o.isClient(who) {
			st := sess.status(o)
			if s.CloseSession(sess.id) {
				e.Sessions = append(e.Sessions, st)
			}
		}
	}
	list := l.connections(conns)
	for i, c := range conns {
		o := owner{addresses: []string{c.remote}}
		if cl := c.client.Load(); cl != nil {
			o.guid = wire.GUID(cl.id).String()
		}
		if o.isClient(who) {
			c.close()
			e.Connections = append(e.Connections, list[i])
		}
	}
	for info := range s.locks.Opens() {
		if !info.Disconnected || info.Durable == nil {
			continue
		}
		f, _ := l.find(&info.OpenRef)
		if (byID && uint64(info.Owner.OpenID) == id || strings.EqualFold(f.owner.user, who) || f.owner.isClient(who)) &&
			s.CloseOpen(uint64(info.Owner.OpenID)) {
			e.Durable = append(e.Durable, durableStatus(info, &f))
		}
	}
	return e
}

// FindOpen describes the open with this id, connected or not.
func (s *Server) FindOpen(id uint64) (OpenStatus, bool) {
	_, l := s.look(StatusQuery{})
	for info := range s.locks.Opens() {
		if uint64(info.Owner.OpenID) == id {
			f, ok := l.find(&info.OpenRef)
			if !ok {
				break
			}
			return openStatus(info, &f), true
		}
	}
	return OpenStatus{}, false
}
