package smb

import (
	"cmp"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"lessor/locking"
	"lessor/smb/secdesc"
	"lessor/smb/wire"
	"lessor/vfs/names"
)

// look is one look at the server: who was there when it began. It belongs to one
// goroutine.
type look struct {
	srv *Server
	q   StatusQuery
	// sessions are those that are valid, by id and by age.
	sessions map[uint64]seen
	byAge    []*session
	users    map[string]string // names of those whose session is gone, by userKey
}

// seen is a session with its owner.
type seen struct {
	*session
	owner *owner
}

// owner is who has something.
type owner struct {
	user, guid string
	addresses  []string // of the connections, that of the oldest first
}

// address is where the owner is, or was.
func (o *owner) address() string {
	if len(o.addresses) == 0 {
		return ""
	}
	return o.addresses[0]
}

// place is what an open is of, and whose.
type place struct {
	share, path string // with the stream
	owner       *owner
}

// look begins a look, and returns the connections by age.
func (s *Server) look(q StatusQuery) ([]*conn, *look) {
	q.Path = names.Fold(cleanPath(q.Path))
	l := &look{srv: s, q: q, sessions: make(map[uint64]seen), users: make(map[string]string)}
	s.mu.Lock()
	conns := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	for _, sess := range s.sessions {
		l.byAge = append(l.byAge, sess)
	}
	s.mu.Unlock()
	l.byAge = slices.DeleteFunc(l.byAge, func(s *session) bool { return !s.valid() && !s.expired() })
	slices.SortFunc(conns, func(a, b *conn) int { return cmp.Compare(a.id, b.id) })
	slices.SortFunc(l.byAge, func(a, b *session) int {
		return cmp.Or(a.created.Compare(b.created), cmp.Compare(a.id, b.id))
	})
	for _, sess := range l.byAge {
		l.sessions[sess.id] = seen{sess, sess.owner()}
	}
	return conns, l
}

// cleanPath takes a path as people write it.
func cleanPath(path string) string {
	return strings.TrimLeft(strings.ReplaceAll(path, `\`, "/"), "/")
}

// userName is the name of the user; empty before the session is valid.
func (s *session) userName() string {
	if u := s.user.Load(); u != nil {
		return u.User
	}
	return ""
}

// owner says whose the session is.
func (s *session) owner() *owner {
	o := &owner{user: s.userName(), guid: wire.GUID(s.client.id).String()}
	s.mu.Lock()
	conns := make([]*conn, 0, len(s.channels))
	for c := range s.channels {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	slices.SortFunc(conns, func(a, b *conn) int { return cmp.Compare(a.id, b.id) })
	for _, c := range conns {
		o.addresses = append(o.addresses, c.remote)
	}
	return o
}

// find says what an open is of, and whose; ok is false if it is only just being made
// or closed, or belongs to a session that was not there when the look began.
func (l *look) find(ref *locking.OpenRef) (p place, ok bool) {
	o, known := ref.Payload.(*open)
	if !ref.Disconnected {
		sess := l.sessions[ref.Owner.SessionID]
		if sess.session == nil {
			return p, false
		}
		if o = sess.open(ref.Owner.OpenID); o == nil {
			return p, false
		}
		return place{o.share().Name, fullPath(ref, o), sess.owner}, true
	}
	who := &owner{guid: wire.GUID(ref.Owner.ClientID).String()}
	if known {
		who.user, who.addresses = o.sess.userName(), []string{o.sess.from}
		return place{o.share().Name, fullPath(ref, o), who}, true
	}
	// It is from before a restart.
	who.user = l.userCalled(ref.User)
	p = place{ref.Share, fullPath(ref, nil), who}
	if sh := l.srv.shares.Load().lookup(ref.Share); sh != nil {
		p.share = sh.Name
	}
	return p, true
}

// open finds an open, which may be closed at any time.
func (s *session) open(id locking.OpenID) *open {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opens[uint64(id)]
}

// fullPath is the path of an open with its stream; o may be nil.
func fullPath(ref *locking.OpenRef, o *open) string {
	switch {
	case ref.Stream == "":
		return ref.Path
	case o != nil:
		return ref.Path + ":" + o.streamStored()
	}
	return ref.Path + ":" + ref.Stream
}

// fullPath is the current path of the open, with its stream.
func (o *open) fullPath() string {
	path := o.path()
	if o.grip != nil && o.grip.stream != "" {
		path += ":" + o.streamStored()
	}
	return path
}

// userCalled is the name of the user with this userKey, or what is known of it.
func (l *look) userCalled(key string) string {
	if name, ok := strings.CutPrefix(key, "guest:"); ok {
		return name
	}
	name, ok := l.users[key]
	if !ok {
		name = key
		if sid, err := secdesc.ParseSID(key); err == nil {
			if a, ok := (rpcBackend{s: l.srv, until: time.Now()}).LookupSID(sid); ok {
				name = a.Name
			}
		}
		l.users[key] = name
	}
	return name
}

// wants reports whether what this owner has was asked for.
func (q *StatusQuery) wants(o *owner) bool { return q.wantsUser(o.user) && q.wantsClient(o) }

func (q *StatusQuery) wantsUser(user string) bool {
	return q.User == "" || strings.EqualFold(q.User, user)
}

func (q *StatusQuery) wantsClient(o *owner) bool { return q.Client == "" || o.isClient(q.Client) }

func (q *StatusQuery) wantsPath(path string) bool {
	return q.Path == "" || strings.HasPrefix(names.Fold(path), q.Path)
}

// isClient reports whether the owner is the client with this address, with or without
// a port, or this ClientGuid.
func (o *owner) isClient(text string) bool {
	return strings.EqualFold(o.guid, text) || slices.ContainsFunc(o.addresses, func(a string) bool {
		return a == text || hostOf(a) == text
	})
}

// keyText writes a lease key.
func keyText(k locking.LeaseKey) string { return hex.EncodeToString(k[:]) }
