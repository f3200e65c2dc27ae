package smb

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"lessor/smb/auth"
	"lessor/smb/crypt"
	"lessor/smb/ntstatus"
	"lessor/smb/secdesc"
	"lessor/smb/wire"
)

// sessionState is the state of a session (MS-SMB2 3.3.1.8).
type sessionState uint8

const (
	sessionInProgress sessionState = iota // the first authentication runs
	sessionValid
	sessionExpired // the ticket is too old: nothing but re-authentication goes
	sessionGone
)

// session is one authenticated user of a client (MS-SMB2 3.3.1.8).
type session struct {
	// Immutable after construction.
	id      uint64
	srv     *Server
	client  *client
	dialect wire.Dialect
	created time.Time
	from    string          // address of the connection that it began on
	ctx     context.Context // ends with the session
	cancel  context.CancelFunc
	over    chan struct{} // closed when the session has ended and none of its opens is connected

	// Set once by the end of the first authentication, before the session is
	// valid; immutable from then on.
	unseal  *crypt.Sealer // what the client sealed; nil if sealing is not possible
	seal    *crypt.Sealer // what the server sends
	signer  crypt.Signer  // of the first channel (Session.SigningKey)
	signAlg wire.SigningAlgorithm
	cipher  wire.Cipher
	signing bool // every message must be signed or sealed
	encrypt bool // every message must be sealed (Session.EncryptData)
	guest   bool // guest or anonymous: there is no key to sign with

	// mac: the client has turned Apple's extensions on.
	// macDirs: and wants listings with what the Finder shows.
	mac, macDirs atomic.Bool

	// user is replaced when the client authenticates again.
	user atomic.Pointer[principal]

	state atomic.Uint32 // a sessionState
	// disproved: its client has failed to prove again who it is.
	disproved atomic.Bool

	mu sync.Mutex // level 2; guards what follows
	// counted says that the session is among those that are valid, of which there is
	// a limited number.
	counted bool
	// expiry fires when the ticket ends; nil if nothing is to end.
	expiry *time.Timer
	// channels are the connections that the session is bound to.
	channels map[*conn]*channel
	trees    map[uint32]*tree
	nextTree uint32
	// opens are the opens by the volatile half of their id. It is nil once the
	// session is torn down.
	opens map[uint64]*open
}

// principal is who a session belongs to. It is immutable.
type principal struct {
	*auth.Identity
	token *secdesc.Token
	keys  []string // in Share.Access
}

// channel is a session on one connection (MS-SMB2 3.3.1.14). The first one is
// made by the session, further ones by binding.
type channel struct {
	// Immutable after construction.
	conn *conn
	sess *session

	// ready says that the authentication on this connection is over; signer does
	// not change any more then.
	ready  atomic.Bool
	signer crypt.Signer // nil as long as there is no key

	setup sessionSetup
}

// valid reports whether requests may use the session.
func (s *session) valid() bool { return sessionState(s.state.Load()) == sessionValid }

// admit counts a session whose authentication has succeeded, unless there are too many.
// A client that hangs up does not wait for its requests: its session may have ended
// while the proof was looked at, and then nobody would count it out.
func (s *session) admit() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opens == nil {
		return ntstatus.UserSessionDeleted
	}
	if s.srv.valid.Add(1) > int64(s.srv.cfg.Limits.Sessions) {
		s.srv.valid.Add(-1)
		return errSessions
	}
	s.counted = true
	s.srv.metrics.sessions.Inc()
	return nil
}

// dismissLocked undoes admit.
func (s *session) dismissLocked() {
	if s.counted {
		s.counted = false
		s.srv.valid.Add(-1)
		s.srv.metrics.sessions.Dec()
	}
}

// tree finds a tree connect.
func (s *session) tree(id uint32) *tree {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trees[id]
}

// pinOpen finds an open and takes a reference to it, or returns nil.
func (s *session) pinOpen(id wire.FileID) *open {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.opens[id.Volatile]
	if o == nil || id.Persistent != id.Volatile || !o.pin() {
		return nil
	}
	return o
}

// addOpen makes an open known, unless its session or its tree has ended meanwhile
// or the session has as many as it may have.
func (s *session) addOpen(o *open) error {
	n, err := s.enterOpen(o)
	if err != nil {
		return err
	}
	s.srv.metrics.opens.Inc()
	s.srv.pressure.press(s, n)
	return nil
}

// enterOpen is the part of addOpen under the lock. It returns the number of opens.
func (s *session) enterOpen(o *open) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.opens == nil:
		return 0, ntstatus.UserSessionDeleted
	case o.tree.closed.Load():
		return 0, ntstatus.NetworkNameDeleted
	case len(s.opens) >= s.srv.cfg.Limits.OpensPerSession:
		return 0, errOpensPerSession
	case !s.srv.roomForOpen():
		return 0, errOpens
	}
	s.opens[o.id.Volatile] = o
	o.tree.opens.Add(1)
	return len(s.opens), nil
}

// takeOpen removes an open from the table; false if somebody else did. Who gets
// true closes it.
func (s *session) takeOpen(o *open) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opens[o.id.Volatile] != o {
		return false
	}
	delete(s.opens, o.id.Volatile)
	s.srv.metrics.opens.Dec()
	s.srv.pressure.removed(1)
	o.tree.opens.Add(-1)
	return true
}

// takeOpens removes all opens, or those of a tree, from the table.
func (s *session) takeOpens(t *tree) []*open {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*open
	for id, o := range s.opens {
		if t == nil || o.tree == t {
			list = append(list, o)
			delete(s.opens, id)
			s.srv.metrics.opens.Dec()
			o.tree.opens.Add(-1)
		}
	}
	s.srv.pressure.removed(len(list))
	return list
}

// userKey is what a durable open is bound to: the same user has to come back
// (MS-SMB2 3.3.5.9.7).
func (s *session) userKey() string {
	u := s.user.Load()
	if s.guest {
		return "guest:" + u.User
	}
	return u.token.User.String()
}
