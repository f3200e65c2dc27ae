package smb

import (
	"cmp"
	"slices"
	"time"

	"lessor/locking"
)

// Status is what the server holds at one moment, for status pages and the
// command line. The lists are consistent each in itself, not with each other.
type Status struct {
	Started     time.Time
	Connections []ConnectionStatus // by age
	Sessions    []SessionStatus    // by age
	Opens       []OpenStatus       // by age; without pipes
	Locks       locking.Stats
}

// ConnectionStatus is one transport connection.
type ConnectionStatus struct {
	ID       uint64
	Client   string // its address
	Dialect  string // empty before it was negotiated
	Since    time.Time
	Sessions int
}

// SessionStatus is one authenticated session.
type SessionStatus struct {
	ID        uint64
	User      string
	Client    string // address of its oldest connection
	Channels  int
	Encrypted bool // every message must be
	Since     time.Time
	Shares    []string
	Opens     int
}

// OpenStatus is one open file or directory of a connected client.
type OpenStatus struct {
	ID      uint64
	Session uint64
	User    string
	Share   string
	Path    string // below the root of the share, joined by '/'
	Access  uint32 // the granted access mask
	Caching string // the oplock or lease, as "batch" or "lease RWH"
	Durable bool
}

// Status returns a snapshot.
func (s *Server) Status() Status {
	st := Status{Started: s.started, Locks: s.locks.Stats()}
	s.mu.Lock()
	conns := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	sessions := make([]*session, 0, len(s.sessions))
	for _, sess := range s.sessions {
		sessions = append(sessions, sess)
	}
	s.mu.Unlock()
	slices.SortFunc(conns, func(a, b *conn) int { return cmp.Compare(a.id, b.id) })
	slices.SortFunc(sessions, func(a, b *session) int { return a.created.Compare(b.created) })
	for _, c := range conns {
		cs := ConnectionStatus{ID: c.id, Client: c.remote, Since: c.since, Sessions: len(*c.channels.Load())}
		if d := c.dialect(); d != 0 {
			cs.Dialect = d.String()
		}
		st.Connections = append(st.Connections, cs)
	}
	for _, sess := range sessions {
		if sess.valid() {
			st.Sessions = append(st.Sessions, sess.status(&st))
		}
	}
	return st
}

// status describes the session, and adds its opens to st.
func (s *session) status(st *Status) SessionStatus {
	user := s.user.Load().User
	ss := SessionStatus{ID: s.id, User: user, Encrypted: s.encrypt, Since: s.created}
	s.mu.Lock()
	var oldest *conn
	for c := range s.channels {
		if oldest == nil || c.id < oldest.id {
			oldest = c
		}
	}
	ss.Channels, ss.Opens = len(s.channels), len(s.opens)
	for _, t := range s.trees {
		ss.Shares = append(ss.Shares, t.share.Name)
	}
	opens := make([]*open, 0, len(s.opens))
	for _, o := range s.opens {
		if !o.isPipe() {
			opens = append(opens, o)
		}
	}
	s.mu.Unlock()
	if oldest != nil {
		ss.Client = oldest.remote
	}
	slices.Sort(ss.Shares)
	slices.SortFunc(opens, compareIDs)
	for _, o := range opens {
		st.Opens = append(st.Opens, o.status(user))
	}
	return ss
}

// status describes the open.
func (o *open) status(user string) OpenStatus {
	g := o.lock.Grant()
	caching := g.Oplock.String()
	if g.Oplock == locking.OplockLease {
		caching = "lease " + g.Lease.String()
	}
	path := o.path()
	if o.grip.stream != "" {
		path += ":" + o.grip.stream
	}
	return OpenStatus{
		ID: o.id.Volatile, Session: o.sess.id, User: user, Share: o.share().Name, Path: path,
		Access: o.access, Caching: caching, Durable: o.durable,
	}
}

// CloseSession ends a session as if its client had logged off, and reports
// whether there is one with this id.
func (s *Server) CloseSession(id uint64) bool {
	sess := s.session(id)
	if sess == nil {
		return false
	}
	sess.end(false)
	return true
}

// CloseOpen closes the open with this id, and reports whether there is one. Its
// client gets STATUS_FILE_CLOSED when it uses it next.
func (s *Server) CloseOpen(id uint64) bool {
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
