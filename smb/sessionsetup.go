package smb

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"time"

	"lessor/smb/auth"
	"lessor/smb/crypt"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
)

// sessionSetup is the state of an authentication on one connection.
type sessionSetup struct {
	mu       sync.Mutex // above level 1: held for a whole SESSION_SETUP
	exchange auth.Exchange
	hash     crypt.PreauthHash // of 3.1.1
	binding  bool
}

// sessionSetup carries out SESSION_SETUP (MS-SMB2 3.3.5.5).
func (r *request) sessionSetup(q *wire.SessionSetupRequest, a *wire.SessionSetupResponse) error {
	// It costs a while, and nobody can overtake the own session.
	ch, err := r.setupChannel(q)
	if err != nil {
		return err
	}
	ch.setup.mu.Lock()
	defer ch.setup.mu.Unlock()
	r.chn, r.sess = ch, ch.sess
	st := &ch.setup
	dialect := r.conn.dialect()
	if st.exchange == nil {
		st.exchange = r.srv().cfg.Auth.NewExchange()
		st.hash = r.conn.preauthHash()
	}
	if dialect == wire.Dialect311 {
		st.hash.Update(r.msg)
	}
	r.hdr.SessionID = ch.sess.id
	token, id, claim, err := r.stepExchange(st.exchange, q.Buffer)
	a.Buffer = token
	switch {
	case err == errConnClosed: //nolint:errorlint // as stepExchange returns it
		r.srv().dropChannel(ch)
		return err
	case err != nil:
		status := r.setupFailed(ch, err)
		if claim != nil && errors.Is(err, auth.ErrLogonFailure) {
			if err := r.throttleFailure(*claim); err != nil {
				return err
			}
		}
		return status
	case id == nil:
		if dialect == wire.Dialect311 {
			r.hash = &st.hash
		}
		return r.withBody(ntstatus.MoreProcessingRequired)
	}
	st.exchange = nil
	if err := r.setupDone(ch, q, id); err != nil {
		r.srv().dropChannel(ch)
		return err
	}
	if claim != nil && !id.Guest && !id.Anonymous && !r.srv().throttle.off() {
		r.srv().throttle.succeeded(r.conn.addr, *claim, time.Now())
	}
	a.SessionFlags = sessionFlags(ch)
	return nil
}

// stepExchange takes the next token in. claim is the user whose password was, or was
// not, proved; nil if it did not come to that.
func (r *request) stepExchange(x auth.Exchange, in []byte) (token []byte, id *auth.Identity, claim *string, err error) {
	if g, ok := x.(auth.Gated); ok {
		g.SetGate(func(user string) error {
			if err := r.throttleLogon(user); err != nil {
				return err
			}
			claim = &user
			return nil
		})
	}
	token, id, err = x.Step(in)
	if errors.Is(err, errConnClosed) {
		err = errConnClosed
	}
	return token, id, claim, err
}

// preauthHash is the hash that a session starts from.
func (c *conn) preauthHash() crypt.PreauthHash {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.preauth
}

// setupChannel finds or makes the channel that a SESSION_SETUP is about (MS-SMB2
// 3.3.5.5, steps 1 to 5).
func (r *request) setupChannel(q *wire.SessionSetupRequest) (*channel, error) {
	s := r.srv()
	id := r.hdr.SessionID
	if s.closed.Load() {
		return nil, ntstatus.ServerUnavailable
	}
	if q.Flags&wire.SessionFlagBinding != 0 {
		return r.bindChannel(id)
	}
	if id == 0 {
		return r.newSession()
	}
	ch := r.conn.channel(id)
	if ch == nil {
		return nil, ntstatus.UserSessionDeleted
	}
	r.chn, r.sess = ch, ch.sess
	if ch.ready.Load() || ch.setup.binding {
		// Authenticating again is for whoever holds the keys (MS-SMB2 3.3.5.2.4).
		if err := r.verify(); err != nil {
			return nil, err
		}
	}
	return ch, nil
}

// newSession makes a session whose authentication begins.
func (r *request) newSession() (*channel, error) {
	s, c := r.srv(), r.conn
	sess := &session{
		srv: s, client: c.client.Load(), dialect: c.dialect(), created: time.Now(), over: make(chan struct{}),
		channels: make(map[*conn]*channel), trees: make(map[uint32]*tree), opens: make(map[uint64]*open),
	}
	sess.ctx, sess.cancel = context.WithCancel(context.Background())
	ch := &channel{conn: c, sess: sess}
	sess.channels[c], sess.from = ch, c.remote
	s.mu.Lock()
	for sess.id == 0 || s.sessions[sess.id] != nil || s.ending[sess.id] != nil {
		// 32 bits as in Samba: 8 of the run, so that no id is one again before 256
		// restarts, and 24 at random. Who guesses one has nothing of it: a session is
		// found by its id on its own connections alone (MS-SMB2 3.3.5.2.9), and to bind it
		// to another one takes its key.
		var b [4]byte
		s.random(b[:3])
		b[3] = s.run
		sess.id = uint64(binary.LittleEndian.Uint32(b[:]))
	}
	s.sessions[sess.id] = sess
	s.mu.Unlock()
	if !c.addChannel(ch) {
		sess.end(false)
		return nil, errSessionsPerConnection
	}
	return ch, nil
}

// bindChannel makes a channel for a session of another connection (MS-SMB2
// 3.3.5.5.2). The order of the checks is that of Windows.
func (r *request) bindChannel(id uint64) (*channel, error) {
	c := r.conn
	sess := r.srv().session(id)
	if sess == nil {
		return nil, ntstatus.UserSessionDeleted
	}
	if ch := c.channel(id); ch != nil {
		if ch.setup.binding && !ch.ready.Load() {
			// A further leg of the same authentication.
			r.chn, r.sess = ch, sess
			return ch, r.verify()
		}
		r.chn, r.sess = ch, sess
		_ = r.verify()
		return nil, ntstatus.RequestNotAccepted
	}
	neg := c.neg.Load()
	switch {
	case sess.signAlg == wire.SigningAESGMAC && neg.signing != sess.signAlg:
		return nil, ntstatus.RequestOutOfSequence
	case neg.signing == wire.SigningAESGMAC && neg.signing != sess.signAlg:
		return nil, ntstatus.NotSupported
	}
	ch := &channel{conn: c, sess: sess, signer: sess.signer}
	ch.setup.binding = true
	if err := r.checkBinding(ch); err != nil {
		return nil, err
	}
	if !sess.addChannel(ch) {
		return nil, errChannels
	}
	if !c.addChannel(ch) {
		sess.removeChannel(c, true)
		return nil, errSessionsPerConnection
	}
	return ch, nil
}

// checkBinding decides whether the session may be bound to this connection. What
// is refused is refused with a signature of the session, where it has a key.
func (r *request) checkBinding(ch *channel) error {
	sess, neg := ch.sess, r.conn.neg.Load()
	r.chn, r.sess = ch, sess
	if sess.signer != nil && r.hdr.IsSigned() {
		if err := r.verify(); err != nil {
			return err
		}
	}
	switch {
	case neg.dialect < wire.Dialect300:
		return ntstatus.RequestNotAccepted
	case !r.signed:
		return ntstatus.InvalidParameter
	case sess.dialect != neg.dialect, sess.cipher != neg.cipher:
		return ntstatus.InvalidParameter
	case sessionState(sess.state.Load()) == sessionInProgress:
		return ntstatus.RequestNotAccepted
	case sessionState(sess.state.Load()) == sessionExpired:
		return ntstatus.NetworkSessionExpired
	case sess.guest:
		return ntstatus.NotSupported
	}
	return nil
}

// setupDone ends a successful authentication (MS-SMB2 3.3.5.5.3).
func (r *request) setupDone(ch *channel, q *wire.SessionSetupRequest, id *auth.Identity) error {
	s, sess := r.srv(), ch.sess
	id, err := s.numbered(id)
	if err != nil {
		s.log.Error().Err(err).Str("user", id.User).Msg("a user gets no SID, and is refused")
		return ntstatus.InsufficientResources
	}
	who := s.principalOf(id)
	if who.Anonymous && !s.cfg.Anonymous {
		return ntstatus.AccessDenied
	}
	switch {
	case ch.setup.binding && !ch.ready.Load():
		if sess.user.Load().token.User != who.token.User {
			return ntstatus.AccessDenied
		}
		if err := r.bound(ch, id); err != nil {
			return err
		}
		s.visitClient(sess.client, r.conn)
	case sess.guest && !who.Guest && !who.Anonymous:
		// There is no key in the session: nothing that the user does could be
		// signed. He needs a session of his own.
		return ntstatus.AccessDenied
	case sess.user.Load() != nil:
		// Keys stay, and so does what is open (MS-SMB2 3.3.5.5.3).
		sess.prove(who)
	default:
		if err := r.established(ch, q, who); err != nil {
			return err
		}
	}
	ch.ready.Store(true)
	r.signed = ch.signer != nil
	r.conn.authenticated()
	if q.PreviousSessionID != 0 && q.PreviousSessionID != sess.id {
		s.replaceSession(q.PreviousSessionID, who, sess.client)
	}
	return nil
}

// established makes a session valid for the first time.
func (r *request) established(ch *channel, q *wire.SessionSetupRequest, who *principal) error {
	s, sess, neg := r.srv(), ch.sess, r.conn.neg.Load()
	sess.guest = who.Guest || who.Anonymous
	if !sess.guest {
		keys := crypt.DeriveKeys(uint16(neg.dialect), who.SessionKey, ch.setup.hash[:], uint16(neg.cipher))
		signer, err := crypt.NewSigner(uint16(neg.signing), keys.Signing)
		if err != nil {
			return err
		}
		ch.signer, sess.signer, sess.signAlg = signer, signer, neg.signing
		if sess.cipher = neg.cipher; neg.cipher != wire.CipherNone {
			if sess.unseal, err = crypt.NewSealer(uint16(neg.cipher), keys.ServerIn); err != nil {
				return err
			}
			if sess.seal, err = crypt.NewSealer(uint16(neg.cipher), keys.ServerOut); err != nil {
				return err
			}
		}
	}
	sess.encrypt = s.cfg.Encryption == EncryptionRequired
	if r.conn.mustSeal(sess.encrypt) && sess.seal == nil {
		r.conn.log.Warn().Str("user", who.User).Str("dialect", neg.dialect.String()).
			Msg("session refused: encryption is required and the client cannot")
		return ntstatus.AccessDenied
	}
	must := !s.cfg.SigningOptional || q.SecurityMode&wire.NegotiateSigningRequired != 0 ||
		neg.mode&wire.NegotiateSigningRequired != 0
	sess.signing = must && !sess.guest
	if err := sess.admit(); err != nil {
		return err
	}
	sess.prove(who)
	r.conn.log.Info().Str("user", who.User).Str("mechanism", who.Mech).Str("workstation", who.Workstation).
		Str("dialect", neg.dialect.String()).Bool("signing", sess.signing).Bool("encryption", sess.encrypt).
		Msg("session established")
	if sess.guest {
		r.noteGuest(who, must)
	}
	return nil
}

// noteGuest explains in the log what guests meet with.
func (r *request) noteGuest(who *principal, must bool) {
	msg := "session without a password: it cannot be signed or encrypted, and Windows 11 and Windows Server 2025 " +
		"refuse it unless insecure guest logons are allowed there"
	if must {
		msg += "; client or server require signing, so most clients will hang up now"
	}
	if dropped, ok := r.srv().strangers.allow("guest"); ok {
		r.conn.log.Warn().Str("user", who.User).Bool("anonymous", who.Anonymous).Int("similar", dropped).Msg(msg)
	}
}

// bound completes a further channel.
func (r *request) bound(ch *channel, id *auth.Identity) error {
	neg := r.conn.neg.Load()
	keys := crypt.DeriveKeys(uint16(neg.dialect), id.SessionKey, ch.setup.hash[:], uint16(neg.cipher))
	signer, err := crypt.NewSigner(uint16(neg.signing), keys.Signing)
	if err != nil {
		return err
	}
	ch.signer = signer
	r.conn.log.Debug().Uint64("session", ch.sess.id).Msg("channel bound")
	return nil
}

// setupFailed ends a failed authentication (MS-SMB2 3.3.5.5.3). A session that
// was valid before is over as well.
func (r *request) setupFailed(ch *channel, err error) error {
	status, reason := authStatus(err)
	r.srv().metrics.authFailed(reason)
	if dropped, ok := r.srv().strangers.allow("authentication " + reason); ok {
		e := r.conn.log.Warn().Err(err)
		if dropped > 0 {
			e = e.Int("similar", dropped)
		}
		e.Msg("authentication failed")
	}
	ch.setup.exchange = nil
	switch {
	case !ch.ready.Load():
		r.srv().dropChannel(ch)
	case errors.Is(err, errThrottled):
		// Nobody has looked at the proof: he may try again.
	default:
		// Who fails to prove again who he is loses the session with all channels. As in
		// Windows, what he seals with its keys is not even refused.
		ch.sess.disproved.Store(true)
		ch.sess.end(true)
	}
	return status
}

// authStatus maps the errors of package auth, and names them for the metrics.
func authStatus(err error) (ntstatus.Status, string) {
	switch {
	case errors.Is(err, errThrottled):
		return ntstatus.RequestNotAccepted, "throttled"
	case errors.Is(err, auth.ErrLogonFailure):
		return ntstatus.LogonFailure, "logon"
	case errors.Is(err, auth.ErrAccountDisabled):
		return ntstatus.AccountDisabled, "disabled"
	case errors.Is(err, auth.ErrNTLMv1):
		return ntstatus.LogonFailure, "ntlmv1"
	case errors.Is(err, auth.ErrAnonymous):
		return ntstatus.AccessDenied, "anonymous"
	case errors.Is(err, auth.ErrIntegrity):
		return ntstatus.LogonFailure, "integrity"
	case errors.Is(err, auth.ErrNoMechanism):
		return ntstatus.LogonFailure, "mechanism"
	case errors.Is(err, auth.ErrMalformed):
		return ntstatus.InvalidParameter, "malformed"
	case errors.Is(err, auth.ErrClockSkew):
		return ntstatus.TimeDifferenceAtDc, "clock"
	case errors.Is(err, auth.ErrTicketExpired):
		return ntstatus.LogonFailure, "expired"
	case errors.Is(err, auth.ErrNoKey):
		return ntstatus.LogonFailure, "keytab"
	case errors.Is(err, auth.ErrWeakKey):
		return ntstatus.LogonFailure, "weak"
	case errors.Is(err, auth.ErrReplay):
		return ntstatus.LogonFailure, "replay"
	}
	return ntstatus.LogonFailure, "other"
}

// sessionFlags are those of the reply.
func sessionFlags(ch *channel) uint16 {
	var flags uint16
	s := ch.sess
	u := s.user.Load()
	if u.Guest {
		flags |= wire.SessionFlagIsGuest
	}
	if u.Anonymous {
		flags |= wire.SessionFlagIsNull
	}
	if ch.conn.mustSeal(s.encrypt) {
		flags |= wire.SessionFlagEncryptData
	}
	return flags
}

// dropChannel takes a channel away whose authentication failed, and with the
// last one the session.
func (s *Server) dropChannel(ch *channel) {
	ch.conn.removeChannel(ch.sess.id)
	ch.sess.removeChannel(ch.conn, false)
}

// replaceSession ends the session that a client has lost and replaces by a new
// one, if it belongs to the same user (MS-SMB2 3.3.5.5.3). Anybody can be a guest, or
// nobody: that must be the same client besides.
func (s *Server) replaceSession(id uint64, who *principal, cl *client) {
	old := s.session(id)
	if old == nil {
		return
	}
	u := old.user.Load()
	if u == nil || u.token.User != who.token.User || (who.Guest || who.Anonymous) && old.client != cl {
		return
	}
	old.end(true)
}

// logoff carries out LOGOFF (MS-SMB2 3.3.5.6).
func (r *request) logoff(*wire.LogoffRequest, *wire.LogoffResponse) error {
	sess := r.sess
	// As in Windows, durable opens outlive it: the user may come back.
	sess.end(true)
	return nil
}

// addChannel binds the session to a further connection (MS-SMB2 3.3.5.5.2: 32
// channels at most).
func (s *session) addChannel(ch *channel) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opens == nil || len(s.channels) >= maxChannels {
		return false
	}
	s.channels[ch.conn] = ch
	return true
}

const maxChannels = 32

// removeChannel takes a connection away. With the last one the session ends; if
// the connection was lost, durable opens survive it (MS-SMB2 3.3.7.1).
func (s *session) removeChannel(c *conn, lost bool) {
	s.mu.Lock()
	delete(s.channels, c)
	last := len(s.channels) == 0
	s.mu.Unlock()
	if last {
		s.end(lost)
	}
}

// end tears the session down: once. keep says that durable opens are to wait for
// their client. When it returns, all opens are closed or wait, whoever did it.
func (s *session) end(keep bool) {
	if sessionState(s.state.Swap(uint32(sessionGone))) == sessionGone {
		<-s.over
		return
	}
	s.srv.forget(s)
	defer s.srv.ended(s)
	s.cancel()
	opens := s.takeOpens(nil)
	s.mu.Lock()
	s.opens = nil
	s.dismissLocked()
	s.stopExpiryLocked()
	trees, channels := s.trees, s.channels
	s.trees, s.channels = nil, nil
	s.mu.Unlock()
	slices.SortFunc(opens, compareIDs)
	for _, o := range opens {
		o.end(keep)
	}
	for _, t := range trees {
		t.closed.Store(true)
		t.left()
	}
	for c := range channels {
		c.removeChannel(s.id)
	}
}

// compareIDs orders opens by their age, so that what happens at the end of a
// session does not depend on the order of a map.
func compareIDs(a, b *open) int {
	switch {
	case a.id.Volatile < b.id.Volatile:
		return -1
	case a.id.Volatile > b.id.Volatile:
		return 1
	}
	return 0
}

// forget takes a session out of the table. Those who wait for its end still find it.
func (s *Server) forget(sess *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions[sess.id] == sess {
		delete(s.sessions, sess.id)
		s.ending[sess.id] = sess
	}
}

// ended tells those who wait for the end of a session.
func (s *Server) ended(sess *session) {
	s.mu.Lock()
	if s.ending[sess.id] == sess {
		delete(s.ending, sess.id)
	}
	s.mu.Unlock()
	close(sess.over)
}
