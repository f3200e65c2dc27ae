package client

import (
	"context"
	"errors"
	"fmt"

	"lessor/smb/auth"
	"lessor/smb/crypt"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
)

// Session is a user on a connection; see Conn.Bind for further channels.
type Session struct {
	// Conn, ID and Flags (SessionFlags of the response) do not change.
	Conn  *Conn
	ID    uint64
	Flags uint16
	// Key is the session key of the authentication; nil for a guest or an anonymous
	// user, who can neither sign nor seal.
	Key []byte
	// Keys are derived from it. Signing differs between channels.
	Keys crypt.Keys

	login  Login
	signer crypt.Signer
	// sealer seals what the client sends, opener opens what the server sends; both
	// are nil if nothing can be sealed. Channels share them.
	sealer, opener *crypt.Sealer
	tweak          func(*Request)
}

// Login says who logs on, and how.
type Login struct {
	// User, Domain and Password; with an empty User the logon is anonymous.
	User, Domain, Password string
	// PreviousSession is the session that this one replaces (MS-SMB2 3.3.5.5.3), or
	// 0.
	PreviousSession uint64
	// NoSPNEGO sends NTLM messages without SPNEGO around them.
	NoSPNEGO bool
	// Initiator, if set, makes the client's side of each authentication, such as one
	// by Kerberos. User still has to name somebody.
	Initiator func() Initiator
	// Tweak, if set, may change every SESSION_SETUP request before it is sent.
	Tweak func(*Request)
}

// Initiator is the client's side of an authentication: auth.NTLMInitiator and
// auth.KerberosInitiator are ones.
type Initiator interface {
	// Step takes the server's token, nil at first, and returns the next one.
	Step(token []byte) ([]byte, error)
	// SessionKey is known once the server has accepted.
	SessionKey() []byte
}

// Login returns the credentials that the session was set up with, for
// Reauthenticate.
func (s *Session) Login() Login { return s.login }

// Signing says whether every request is signed: because client or server requires
// it, and there is a key.
func (s *Session) Signing() bool {
	return s.signer != nil && (s.Conn.opts.SignRequired || s.Conn.Negotiated().SigningRequired())
}

// Sealing says whether every request is sealed, because the client wants it or the
// server demands it.
func (s *Session) Sealing() bool {
	return s.sealer != nil && (s.Conn.opts.Encrypt || s.Flags&wire.SessionFlagEncryptData != 0)
}

// CanSeal says whether the session has keys to seal with.
func (s *Session) CanSeal() bool { return s.sealer != nil }

// With returns the session with a function that every request passes through.
func (s *Session) With(tweak func(*Request)) *Session {
	own := *s
	own.tweak = chain(s.tweak, tweak)
	return &own
}

func chain(a, b func(*Request)) func(*Request) {
	if a == nil {
		return b
	}
	return func(r *Request) { a(r); b(r) }
}

func (s *Session) request(body wire.Appender) *Request {
	r := &Request{Session: s, Body: body}
	if s.tweak != nil {
		s.tweak(r)
	}
	return r
}

// Request returns a request of the session, without a tree.
func (s *Session) Request(body wire.Appender) *Request { return s.request(body) }

// SessionSetup logs on with the credentials of the options. A refusal is the
// server's status.
func (c *Conn) SessionSetup(ctx context.Context) (*Session, error) {
	return c.SessionSetupAs(ctx, Login{User: c.opts.User, Domain: c.opts.Domain, Password: c.opts.Password})
}

// SessionSetupAs logs on as somebody else than the options say.
func (c *Conn) SessionSetupAs(ctx context.Context, login Login) (*Session, error) {
	if c.Negotiated() == nil {
		return nil, errors.New("client: session setup before negotiation")
	}
	d := &dialogue{conn: c, login: login}
	if err := d.run(ctx); err != nil {
		return nil, err
	}
	s := &Session{Conn: c, ID: d.sessionID, Flags: d.response.SessionFlags, login: login}
	if s.Flags&(wire.SessionFlagIsGuest|wire.SessionFlagIsNull) == 0 && login.User != "" {
		if err := s.setKeys(d); err != nil {
			return nil, err
		}
	}
	if c.opts.Encrypt && s.sealer == nil && !c.opts.NoVerify {
		return nil, fmt.Errorf("client: nothing can be sealed in this session of dialect %v", c.Dialect())
	}
	// MS-SMB2 3.2.5.3.1: in 3.1.1 the signature of the last response proves that
	// nobody changed what was said so far.
	must := s.signer != nil && (c.Dialect() == wire.Dialect311 || s.Signing())
	err := s.adopt(d, must)
	return s, err
}

// setKeys derives the keys of a new session.
func (s *Session) setKeys(d *dialogue) error {
	n := s.Conn.Negotiated()
	s.Key = d.key
	s.Keys = crypt.DeriveKeys(uint16(n.Dialect), d.key, d.hash[:], uint16(n.Cipher))
	var err error
	if s.signer, err = crypt.NewSigner(uint16(n.Signing), s.Keys.Signing); err != nil {
		return fmt.Errorf("client: %w", err)
	}
	if n.Cipher == wire.CipherNone {
		return nil
	}
	if s.sealer, err = crypt.NewSealer(uint16(n.Cipher), s.Keys.ServerIn); err != nil {
		return fmt.Errorf("client: %w", err)
	}
	if s.opener, err = crypt.NewSealer(uint16(n.Cipher), s.Keys.ServerOut); err != nil {
		return fmt.Errorf("client: %w", err)
	}
	return nil
}

// adopt verifies the last response with the keys that it has brought about, and
// enters the session into the table of the connection.
func (s *Session) adopt(d *dialogue, must bool) error {
	if s.signer != nil && !s.Conn.opts.NoVerify {
		if err := d.pending.verifySignature(s.signer, must, d.last); err != nil {
			s.Conn.fail(err)
			return err
		}
	}
	s.Conn.mu.Lock()
	defer s.Conn.mu.Unlock()
	s.Conn.sessions[s.ID] = s
	return nil
}

// Bind makes the connection a further channel of a session that was set up on
// another one, of the same dialect and client (MS-SMB2 3.2.4.2.3 and 3.3.5.5.2).
// It returns the session as seen through this channel.
func (c *Conn) Bind(ctx context.Context, s *Session) (*Session, error) {
	return c.BindAs(ctx, s, s.login)
}

// BindAs is Bind with other credentials than those that the session was set up
// with, which a server refuses.
func (c *Conn) BindAs(ctx context.Context, s *Session, login Login) (*Session, error) {
	d := &dialogue{
		conn:      c,
		login:     login,
		sessionID: s.ID,
		flags:     wire.SessionFlagBinding,
		signer:    s.signer,
	}
	if d.signer == nil {
		return nil, errors.New("client: a session without keys cannot be bound")
	}
	// Sealed messages may come as soon as the server has bound the session.
	c.mu.Lock()
	before := c.sessions[s.ID]
	c.sessions[s.ID] = s
	c.mu.Unlock()
	if err := d.run(ctx); err != nil {
		c.dropSession(s.ID)
		if before != nil { // it had been a channel already
			c.mu.Lock()
			c.sessions[s.ID] = before
			c.mu.Unlock()
		}
		return nil, err
	}
	own := *s
	own.Conn = c
	n := c.Negotiated()
	own.Keys.Signing = crypt.DeriveKeys(uint16(n.Dialect), d.key, d.hash[:], uint16(n.Cipher)).Signing
	var err error
	if own.signer, err = crypt.NewSigner(uint16(n.Signing), own.Keys.Signing); err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	return &own, own.adopt(d, true)
}

// Pretend returns the session as if the connection were a channel of it, which the server
// knows nothing of.
func (c *Conn) Pretend(s *Session) *Session {
	own := *s
	own.Conn = c
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sessions[s.ID] = &own
	return &own
}

// Reauthenticate proves the identity of the session again, or another one's (MS-SMB2
// 3.3.5.5.1). The keys stay as they are.
func (s *Session) Reauthenticate(ctx context.Context, login Login) error {
	d := &dialogue{conn: s.Conn, login: login, sessionID: s.ID, signer: s.signer}
	if err := d.run(ctx); err != nil {
		return err
	}
	if s.signer == nil || s.Conn.opts.NoVerify {
		return nil
	}
	if err := d.pending.verifySignature(s.signer, true, d.last); err != nil {
		s.Conn.fail(err)
		return err
	}
	return nil
}

// Logoff ends the session (MS-SMB2 3.2.4.23).
func (s *Session) Logoff(ctx context.Context) error {
	resp, err := s.Conn.Do(ctx, s.request(&wire.LogoffRequest{}))
	if err != nil {
		return err
	}
	if err := resp.Decode(&wire.LogoffResponse{}); err != nil {
		return err
	}
	s.Conn.dropSession(s.ID)
	return nil
}

// Echo sends an ECHO in the session and waits for the reply.
func (s *Session) Echo(ctx context.Context) error {
	resp, err := s.Conn.Do(ctx, s.request(&wire.EchoRequest{}))
	if err != nil {
		return err
	}
	return resp.Decode(&wire.EchoResponse{})
}

func (c *Conn) dropSession(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.sessions, id)
}

// dialogue is one authentication: SESSION_SETUP requests until the server accepts
// or refuses.
type dialogue struct {
	conn      *Conn
	login     Login
	sessionID uint64 // 0 until the server names it
	flags     uint8
	signer    crypt.Signer // of a session that exists already

	hash     crypt.PreauthHash
	key      []byte
	response wire.SessionSetupResponse
	pending  *Pending // of the last request
	last     *Response
}

func (d *dialogue) run(ctx context.Context) error {
	if n := d.conn.Negotiated(); n != nil {
		d.hash = n.Hash
	}
	var init Initiator = &auth.NTLMInitiator{
		User:        d.login.User,
		Domain:      d.login.Domain,
		Password:    d.login.Password,
		Workstation: "CLIENT",
		Bare:        d.login.NoSPNEGO,
	}
	if d.login.Initiator != nil {
		init = d.login.Initiator()
	}
	var reply []byte
	for {
		token, err := init.Step(reply)
		if err != nil {
			return fmt.Errorf("client: authentication: %w", err)
		}
		if err := d.leg(ctx, token); err != nil {
			return err
		}
		if d.last.Status == ntstatus.Success {
			break
		}
		reply = d.response.Buffer
		d.hash.Update(d.last.Msg)
	}
	if len(d.response.Buffer) > 0 {
		if _, err := init.Step(d.response.Buffer); err != nil {
			return fmt.Errorf("client: authentication: %w", err)
		}
	}
	d.key = init.SessionKey()
	return nil
}

// leg sends one token. An error is the server's refusal, or worse.
func (d *dialogue) leg(ctx context.Context, token []byte) error {
	r := &Request{
		Body: &wire.SessionSetupRequest{
			Flags:             d.flags,
			SecurityMode:      uint8(d.conn.opts.securityMode()),
			Capabilities:      wire.GlobalCapDFS, // MS-SMB2 2.2.5: the only bit that counts
			PreviousSessionID: d.login.PreviousSession,
			Buffer:            token,
		},
		Header: func(h *wire.Header) { h.SessionID = d.sessionID },
		Keep:   true,
		later:  true,
		signer: d.signer,
	}
	if d.login.Tweak != nil {
		d.login.Tweak(r)
	}
	d.pending = d.conn.Start(r)
	var err error
	if d.last, err = d.pending.Wait(ctx); err != nil {
		return err
	}
	d.hash.Update(d.pending.Sent())
	if err := d.last.Decode(&d.response); err != nil && err != ntstatus.MoreProcessingRequired {
		return err
	}
	switch {
	case d.sessionID == 0:
		d.sessionID = d.last.Header.SessionID
	case d.sessionID != d.last.Header.SessionID:
		return violation("SESSION_SETUP of session %#x answered for %#x", d.sessionID, d.last.Header.SessionID)
	}
	return nil
}
