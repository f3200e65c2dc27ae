package client_test

import (
	"encoding/binary"
	"errors"

	"io"
	"net"
	"testing"

	"lessor/smb/auth"
	"lessor/smb/crypt"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

const (
	peerUser     = "alice"
	peerPassword = "wonder"
	peerSession  = 0x1122334455667788
	peerTree     = 7
)

// peer is a scripted server at the other end of a pipe: a test tells it message by
// message what to expect and what to answer.
type peer struct {
	t  *testing.T
	nc net.Conn

	dialect  wire.Dialect
	cipher   wire.Cipher
	signing  wire.SigningAlgorithm
	required bool // demand signing
	hash     crypt.PreauthHash
	signer   crypt.Signer
	in, out  *crypt.Sealer
	credits  uint16 // granted with every reply
	channel  *peer  // the first channel of a session that this one binds
}

// request is a message that the peer has received.
type request struct {
	wire.Header
	msg    []byte
	sealed bool
}

// pipe runs the script of a peer beside the test, and waits for it at the end.
func pipe(t *testing.T, dialect wire.Dialect, script func(p *peer)) net.Conn {
	t.Helper()
	here, there := net.Pipe()
	p := &peer{t: t, nc: there, dialect: dialect, credits: 1, signing: wire.SigningAESGMAC, cipher: wire.CipherAES128GCM}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer there.Close()
		script(p)
	}()
	t.Cleanup(func() { here.Close(); <-done })
	return here
}

func (p *peer) fail(format string, args ...any) {
	p.t.Errorf("peer: "+format, args...)
	p.nc.Close()
}

// receive returns the messages of one frame.
func (p *peer) receive() []request {
	var prefix [4]byte
	if _, err := io.ReadFull(p.nc, prefix[:]); err != nil {
		return nil
	}
	frame := make([]byte, binary.BigEndian.Uint32(prefix[:]))
	if _, err := io.ReadFull(p.nc, frame); err != nil {
		p.fail("frame cut off: %v", err)
		return nil
	}
	sealed := wire.ProtocolOf(frame) == wire.ProtocolTransform
	if sealed {
		var err error
		if frame, err = p.in.OpenInPlace(frame); err != nil {
			p.fail("%v", err)
			return nil
		}
	}
	var all []request
	for len(frame) > 0 {
		r := request{msg: frame, sealed: sealed}
		if err := r.Decode(frame); err != nil {
			p.fail("header: %v", err)
			return nil
		}
		n := r.NextCommand
		if n == 0 {
			n = uint32(len(frame))
		}
		r.msg, frame = frame[:n], frame[n:]
		all = append(all, r)
	}
	return all
}

// expect receives a frame with one request of the given command.
func (p *peer) expect(c wire.Command) request {
	all := p.receive()
	if len(all) != 1 || all[0].Command != c {
		if len(all) > 0 {
			p.fail("got %d messages, the first a %v, want one %v", len(all), all[0].Command, c)
		}
		return request{}
	}
	return all[0]
}

// reply is one message to send.
type reply struct {
	to     request
	status ntstatus.Status
	body   wire.Appender
	tweak  func(*wire.Header)
	sign   bool // even if the request was not
	plain  bool // neither signed nor sealed, whatever the request was
	after  func(msg []byte)
}

// send answers requests, as one compound if there are several.
func (p *peer) send(rs ...reply) {
	var frame []byte
	sealed := false
	for i, r := range rs {
		sealed = sealed || r.to.sealed && !r.plain
		start := len(frame)
		h := wire.Header{
			Command:      r.to.Command,
			CreditCharge: r.to.CreditCharge,
			Status:       uint32(r.status),
			Credits:      p.credits,
			Flags:        wire.FlagServerToRedir,
			MessageID:    r.to.MessageID,
			SessionID:    r.to.SessionID,
			TreeID:       r.to.TreeID,
		}
		if r.body == nil {
			r.body = &wire.ErrorResponse{}
		}
		sign := !r.plain && !r.to.sealed && (r.sign || r.to.IsSigned())
		if sign {
			h.Flags |= wire.FlagSigned
		}
		frame = r.body.Append(wire.AppendZeros(frame, wire.HeaderSize))
		if i < len(rs)-1 {
			frame = wire.Pad(frame, start, 8)
			h.NextCommand = uint32(len(frame) - start)
		}
		if r.tweak != nil {
			r.tweak(&h)
		}
		h.Put(frame[start:])
		if sign {
			p.signer.Sign(frame[start:])
		}
		if r.after != nil {
			r.after(frame[start:])
		}
	}
	if sealed {
		buf := append(make([]byte, crypt.TransformHeaderSize), frame...)
		if err := p.out.SealInPlace(buf, rs[0].to.SessionID); err != nil {
			p.fail("%v", err)
		}
		frame = buf
	}
	p.raw(frame)
}

// raw sends a frame.
func (p *peer) raw(frame []byte) {
	buf := binary.BigEndian.AppendUint32(nil, uint32(len(frame)))
	if _, err := p.nc.Write(append(buf, frame...)); err != nil && !errors.Is(err, io.ErrClosedPipe) {
		p.fail("write: %v", err)
	}
}

// negotiation answers the NEGOTIATE as a good server of the dialect.
func (p *peer) negotiation() (request, wire.NegotiateResponse) {
	q := p.expect(wire.CmdNegotiate)
	m := wire.NegotiateResponse{
		SecurityMode:    wire.NegotiateSigningEnabled,
		DialectRevision: p.dialect,
		MaxTransactSize: 1 << 20, MaxReadSize: 1 << 20, MaxWriteSize: 1 << 20,
	}
	if p.required {
		m.SecurityMode |= wire.NegotiateSigningRequired
	}
	if p.dialect >= wire.Dialect210 {
		m.Capabilities = wire.GlobalCapLeasing | wire.GlobalCapLargeMTU
	}
	switch p.dialect {
	case wire.Dialect300, wire.Dialect302:
		m.Capabilities |= wire.GlobalCapEncryption
		p.signing, p.cipher = wire.SigningAESCMAC, wire.CipherAES128CCM
	case wire.Dialect311:
		m.Contexts = []wire.NegotiateContext{
			wire.NewNegotiateContext(wire.ContextPreauthIntegrity, &wire.PreauthCapabilities{
				HashAlgorithms: []wire.HashAlgorithm{1}, Salt: []byte("salt"),
			}),
			wire.NewNegotiateContext(wire.ContextEncryption, &wire.EncryptionCapabilities{Ciphers: []wire.Cipher{p.cipher}}),
			wire.NewNegotiateContext(wire.ContextSigning, &wire.SigningCapabilities{SigningAlgorithms: []wire.SigningAlgorithm{p.signing}}),
		}
	default:
		p.signing, p.cipher = wire.SigningHMACSHA256, wire.CipherNone
	}
	return q, m
}

// greet negotiates.
func (p *peer) greet() {
	q, m := p.negotiation()
	p.answerNegotiate(q, &m)
}

func (p *peer) answerNegotiate(q request, m *wire.NegotiateResponse) {
	p.hash = crypt.PreauthHash{}
	p.hash.Update(q.msg)
	p.send(reply{to: q, body: m, after: func(msg []byte) { p.hash.Update(msg) }})
}

// logon runs a whole authentication.
func (p *peer) logon() {
	users, err := auth.NewUsers(auth.User{Name: peerUser, NTHash: auth.NTHash(peerPassword)})
	if err != nil {
		p.fail("%v", err)
	}
	ntlm, err := auth.NewNTLM(auth.NTLMConfig{Computer: "PEER", Accounts: users})
	if err != nil {
		p.fail("%v", err)
	}
	exchange, hash := auth.NewNegotiator(ntlm).NewExchange(), p.hash
	for {
		q := p.expect(wire.CmdSessionSetup)
		hash.Update(q.msg)
		q.SessionID = peerSession
		var m wire.SessionSetupRequest
		if err := m.Decode(q.msg); err != nil {
			p.fail("SESSION_SETUP: %v", err)
			return
		}
		if first := p.channel; first != nil && (m.Flags != wire.SessionFlagBinding || !first.verified(q)) {
			p.fail("binding with flags %d, %#x", m.Flags, q.Flags)
		}
		token, id, err := exchange.Step(m.Buffer)
		switch {
		case err != nil:
			p.send(reply{to: q, status: ntstatus.LogonFailure})
			return
		case id == nil:
			p.send(reply{to: q, status: ntstatus.MoreProcessingRequired, body: &wire.SessionSetupResponse{Buffer: token},
				plain: p.signer == nil, after: func(msg []byte) { hash.Update(msg) }})
			continue
		}
		if p.signer == nil { // reauthentication leaves the keys as they are
			p.keys(crypt.DeriveKeys(uint16(p.dialect), id.SessionKey, hash[:], uint16(p.cipher)))
		}
		if first := p.channel; first != nil {
			p.in, p.out = first.in, first.out
		}
		p.send(reply{to: q, body: &wire.SessionSetupResponse{Buffer: token}, sign: true})
		return
	}
}

func (p *peer) keys(k crypt.Keys) {
	var errs [3]error
	p.signer, errs[0] = crypt.NewSigner(uint16(p.signing), k.Signing)
	if p.cipher != wire.CipherNone {
		p.in, errs[1] = crypt.NewSealer(uint16(p.cipher), k.ServerIn)
		p.out, errs[2] = crypt.NewSealer(uint16(p.cipher), k.ServerOut)
	}
	if err := errors.Join(errs[:]...); err != nil {
		p.fail("%v", err)
	}
}

// share answers the TREE_CONNECT.
func (p *peer) share() {
	q := p.expect(wire.CmdTreeConnect)
	p.send(reply{to: q, body: &wire.TreeConnectResponse{ShareType: wire.ShareTypeDisk}, tweak: func(h *wire.Header) {
		h.TreeID = peerTree
	}})
}

// welcome is greet, logon and share.
func (p *peer) welcome() {
	p.greet()
	p.logon()
	p.share()
}

// open answers a CREATE.
func (p *peer) open() request {
	q := p.expect(wire.CmdCreate)
	p.send(reply{to: q, body: &wire.CreateResponse{FileID: wire.FileID{Persistent: 1, Volatile: 2}}})
	return q
}

// verified says whether the request carries a right signature.
func (p *peer) verified(q request) bool { return q.IsSigned() && p.signer.Verify(q.msg) }

// join does what client.Connect does, over a pipe.
func join(t *testing.T, nc net.Conn, o client.Options) *client.Tree {
	t.Helper()
	o.User, o.Password = peerUser, peerPassword
	c := must(client.NewConn(t.Context(), nc, o))(t)
	t.Cleanup(func() { c.Close() })
	s := must(c.SessionSetup(t.Context()))(t)
	return must(s.TreeConnect(t.Context(), "share"))(t)
}

// wantViolation fails unless err, and the reason why the connection ended, say that
// the server broke the protocol.
func wantViolation(t *testing.T, c *client.Conn, err error) {
	t.Helper()
	if !errors.Is(err, client.ErrProtocol) {
		t.Fatalf("error %v, want a protocol violation", err)
	}
	if c != nil && !errors.Is(c.Err(), client.ErrProtocol) {
		t.Fatalf("connection ended with %v, want a protocol violation", c.Err())
	}
}
