package smb

import "time"

// Sessions end with the ticket that opened them: not at once, but nothing more is
// done in them until the client proves again who it is (MS-SMB2 3.3.5.5.3,
// 3.3.5.2.9). What is open stays open, and what waits goes on waiting.

// prove makes the session that of who, who has just proved it, for as long as the
// proof is good for.
func (s *session) prove(who *principal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.user.Store(who)
	s.stopExpiryLocked()
	for {
		state := s.state.Load()
		if sessionState(state) == sessionGone {
			return
		}
		if s.state.CompareAndSwap(state, uint32(sessionValid)) {
			break
		}
	}
	if !who.Expires.IsZero() {
		s.expiry = time.AfterFunc(time.Until(who.Expires), s.expire)
	}
}

// expire ends the validity of the session, unless the client was faster.
func (s *session) expire() {
	s.mu.Lock()
	who := s.user.Load()
	over := !who.Expires.IsZero() && !time.Now().Before(who.Expires) &&
		s.state.CompareAndSwap(uint32(sessionValid), uint32(sessionExpired))
	s.mu.Unlock()
	if over {
		s.srv.log.Debug().Uint64("session", s.id).Str("user", who.User).Time("end", who.Expires).Msg("session expired")
	}
}

// stopExpiryLocked forgets when the session was to expire.
func (s *session) stopExpiryLocked() {
	if s.expiry != nil {
		s.expiry.Stop()
		s.expiry = nil
	}
}

// expired reports whether the session waits for its client to authenticate again.
func (s *session) expired() bool { return sessionState(s.state.Load()) == sessionExpired }
