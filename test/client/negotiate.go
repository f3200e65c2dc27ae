package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"lessor/smb/compress"
	"lessor/smb/crypt"
	"lessor/smb/wire"
)

// Negotiated is what client and server agreed upon.
type Negotiated struct {
	// Request and Response are the messages.
	Request  wire.NegotiateRequest
	Response wire.NegotiateResponse
	Dialect  wire.Dialect
	// Cipher is CipherNone if nothing can be sealed.
	Cipher wire.Cipher
	// Signing is the algorithm in use, whatever the dialect.
	Signing wire.SigningAlgorithm
	// Hash is the preauthentication hash of the connection, for 3.1.1.
	Hash crypt.PreauthHash

	codec *compress.Codec
}

// LargeMTU says whether a request may carry more than 64 KiB and pays for them.
func (n *Negotiated) LargeMTU() bool {
	return n.Dialect >= wire.Dialect210 && n.Response.Capabilities&wire.GlobalCapLargeMTU != 0
}

// SigningRequired says whether the server demands it.
func (n *Negotiated) SigningRequired() bool {
	return n.Response.SecurityMode&wire.NegotiateSigningRequired != 0
}

// Negotiated returns the result of the negotiation, or nil before it. It must not be
// changed.
func (c *Conn) Negotiated() *Negotiated { return c.negotiated.Load() }

// Dialect is the negotiated dialect, 0 before NEGOTIATE.
func (c *Conn) Dialect() wire.Dialect {
	if n := c.Negotiated(); n != nil {
		return n.Dialect
	}
	return 0
}

// securityMode is what the client announces in NEGOTIATE and SESSION_SETUP.
func (o *Options) securityMode() uint16 {
	if o.SignRequired {
		return wire.NegotiateSigningRequired
	}
	return wire.NegotiateSigningEnabled
}

// NegotiateRequest returns the request that Negotiate sends. The salt in it is new
// with each call.
func (c *Conn) NegotiateRequest() *wire.NegotiateRequest {
	o := &c.opts
	m := &wire.NegotiateRequest{
		SecurityMode: o.securityMode(),
		ClientGuid:   o.ClientGuid,
		Dialects:     o.Dialects,
	}
	if slices.Max(append([]wire.Dialect{0}, o.Dialects...)) >= wire.Dialect300 {
		// MS-SMB2 3.2.4.2.2.2: zero unless a dialect of 3.x is offered.
		m.Capabilities = capabilities &^ o.Without
	}
	if !slices.Contains(o.Dialects, wire.Dialect311) {
		return m
	}
	salt := make([]byte, 32)
	_, _ = rand.Read(salt)
	add := func(t wire.NegotiateContextType, data wire.Appender) {
		m.Contexts = append(m.Contexts, wire.NewNegotiateContext(t, data))
	}
	add(wire.ContextPreauthIntegrity, &wire.PreauthCapabilities{
		HashAlgorithms: []wire.HashAlgorithm{wire.HashAlgorithm(crypt.HashSHA512)}, Salt: salt,
	})
	if len(o.Ciphers) > 0 {
		add(wire.ContextEncryption, &wire.EncryptionCapabilities{Ciphers: o.Ciphers})
	}
	if len(o.Compression) > 0 {
		add(wire.ContextCompression, o.compressionContext())
	}
	if len(o.SigningAlgs) > 0 {
		add(wire.ContextSigning, &wire.SigningCapabilities{SigningAlgorithms: o.SigningAlgs})
	}
	add(wire.ContextNetname, &wire.NetnameContext{NetName: o.ServerName})
	if o.Contexts != nil {
		m.Contexts = o.Contexts(m.Contexts)
	}
	return m
}

// Negotiate sends NEGOTIATE and takes over what the server chose. Dial and NewConn
// have done so already. The error is the server's status, or a protocol error if it
// chose what was not offered.
func (c *Conn) Negotiate(ctx context.Context) error {
	return c.NegotiateWith(ctx, &Request{Body: c.NegotiateRequest()})
}

// NegotiateWith is Negotiate with a request of the caller's making, whose Body must
// be a *wire.NegotiateRequest.
func (c *Conn) NegotiateWith(ctx context.Context, r *Request) error {
	body, ok := r.Body.(*wire.NegotiateRequest)
	if !ok {
		return errors.New("client: NegotiateWith wants a NegotiateRequest")
	}
	own := *r
	own.Keep = true
	p := c.Start(&own)
	resp, err := p.Wait(ctx)
	if err != nil {
		return err
	}
	n := &Negotiated{Request: *body}
	if err := resp.Decode(&n.Response); err != nil {
		return err
	}
	n.Hash.Update(p.Sent())
	n.Hash.Update(resp.Msg)
	err = n.accept()
	if err == nil && n.Dialect == wire.Dialect311 {
		err = n.acceptCompression(c.opts.Compression)
	}
	if err != nil && !c.opts.NoVerify {
		c.fail(err)
		return err
	}
	c.negotiated.Store(n)
	return nil
}

// NegotiateSMB1 opens the conversation as old clients do, with an SMB1 NEGOTIATE of
// the given dialect strings, and then negotiates SMB2 unless the server has settled
// on 2.0.2 already (MS-SMB2 3.2.4.2.1).
func (c *Conn) NegotiateSMB1(ctx context.Context, dialects ...string) error {
	if err := c.SkipIDs(ctx, 1); err != nil { // MS-SMB2 3.2.5.2: it counts as message 0
		return err
	}
	p := c.Expect(0, &Request{Command: wire.CmdNegotiate})
	if err := c.SendFrame((&wire.SMB1NegotiateRequest{Dialects: dialects}).Append(nil)); err != nil {
		return err
	}
	resp, err := p.Wait(ctx)
	if err != nil {
		return err
	}
	n := &Negotiated{}
	if err := resp.Decode(&n.Response); err != nil {
		return err
	}
	switch n.Response.DialectRevision {
	case wire.DialectWildcard:
		return c.Negotiate(ctx)
	case wire.Dialect202:
		n.Dialect = wire.Dialect202
		c.negotiated.Store(n)
		return nil
	}
	err = violation("SMB1 negotiation answered with dialect %#x", uint16(n.Response.DialectRevision))
	c.fail(err)
	return err
}

// accept checks the server's choice (MS-SMB2 3.2.5.2).
func (n *Negotiated) accept() error {
	n.Dialect = n.Response.DialectRevision
	if !slices.Contains(n.Request.Dialects, n.Dialect) {
		return violation("server chose dialect %#x, which was not offered", uint16(n.Dialect))
	}
	if n.Dialect >= wire.Dialect210 && min(n.Response.MaxReadSize, n.Response.MaxWriteSize, n.Response.MaxTransactSize) < 65536 {
		return violation("server takes less than 64 KiB")
	}
	switch n.Dialect {
	case wire.Dialect300, wire.Dialect302:
		n.Signing = wire.SigningAESCMAC
		if n.Response.Capabilities&wire.GlobalCapEncryption != 0 {
			n.Cipher = wire.CipherAES128CCM
		}
	case wire.Dialect311:
		return n.acceptContexts()
	default:
		n.Signing = wire.SigningHMACSHA256
	}
	return nil
}

func (n *Negotiated) acceptContexts() error {
	n.Signing = wire.SigningAESCMAC // MS-SMB2 3.2.5.2: without a context
	var preauth wire.PreauthCapabilities
	if found, err := n.context(wire.ContextPreauthIntegrity, &preauth); err != nil {
		return err
	} else if !found || len(preauth.HashAlgorithms) != 1 || uint16(preauth.HashAlgorithms[0]) != crypt.HashSHA512 {
		return violation("preauthentication integrity context: %v %+v", found, preauth)
	}
	var sealing wire.EncryptionCapabilities
	if found, err := n.context(wire.ContextEncryption, &sealing); err != nil {
		return err
	} else if found {
		var offered wire.EncryptionCapabilities
		_, _ = contextIn(n.Request.Contexts, wire.ContextEncryption, &offered)
		if len(sealing.Ciphers) != 1 || sealing.Ciphers[0] != wire.CipherNone && !slices.Contains(offered.Ciphers, sealing.Ciphers[0]) {
			return violation("server chose ciphers %v of %v", sealing.Ciphers, offered.Ciphers)
		}
		n.Cipher = sealing.Ciphers[0]
	}
	var signing wire.SigningCapabilities
	if found, err := n.context(wire.ContextSigning, &signing); err != nil {
		return err
	} else if found {
		var offered wire.SigningCapabilities
		_, _ = contextIn(n.Request.Contexts, wire.ContextSigning, &offered)
		if len(signing.SigningAlgorithms) != 1 || !slices.Contains(offered.SigningAlgorithms, signing.SigningAlgorithms[0]) {
			return violation("server chose signing algorithms %v of %v", signing.SigningAlgorithms, offered.SigningAlgorithms)
		}
		n.Signing = signing.SigningAlgorithms[0]
	}
	return nil
}

// context decodes a context of the response. The server may only answer those that
// the client has sent (MS-SMB2 3.3.5.4).
func (n *Negotiated) context(t wire.NegotiateContextType, m Decoder) (found bool, err error) {
	found, err = contextIn(n.Response.Contexts, t, m)
	if err != nil {
		return found, fmt.Errorf("%w: negotiate context %d: %w", ErrProtocol, t, err)
	}
	if _, asked := wire.FindNegotiateContext(n.Request.Contexts, t); found && !asked {
		return true, violation("negotiate context %d was not asked for", t)
	}
	return found, nil
}

func contextIn(list []wire.NegotiateContext, t wire.NegotiateContextType, m Decoder) (bool, error) {
	data, found := wire.FindNegotiateContext(list, t)
	if !found {
		return false, nil
	}
	return true, m.Decode(data)
}

// Echo sends an ECHO outside of any session and waits for the reply.
func (c *Conn) Echo(ctx context.Context) error {
	resp, err := c.Do(ctx, &Request{Body: &wire.EchoRequest{}})
	if err != nil {
		return err
	}
	return resp.Decode(&wire.EchoResponse{})
}

// ValidateNegotiate sends FSCTL_VALIDATE_NEGOTIATE_INFO, signed, and compares the
// answer with what was negotiated (MS-SMB2 3.2.5.5). It is for dialects below 3.1.1;
// servers drop the connection in 3.1.1 or if the request does not fit.
func (t *Tree) ValidateNegotiate(ctx context.Context) error {
	n := t.Session.Conn.Negotiated()
	in := &wire.ValidateNegotiateInfoRequest{
		Capabilities: n.Request.Capabilities,
		Guid:         n.Request.ClientGuid,
		SecurityMode: n.Request.SecurityMode,
		Dialects:     n.Request.Dialects,
	}
	out, err := t.Ioctl(ctx, wire.FsctlValidateNegotiateInfo, in.Append(nil), 24)
	if err != nil {
		return err
	}
	var m wire.ValidateNegotiateInfoResponse
	if err := m.Decode(out); err != nil {
		return fmt.Errorf("%w: VALIDATE_NEGOTIATE_INFO: %w", ErrProtocol, err)
	}
	want := wire.ValidateNegotiateInfoResponse{
		Capabilities: n.Response.Capabilities,
		Guid:         n.Response.ServerGuid,
		SecurityMode: n.Response.SecurityMode,
		Dialect:      n.Dialect,
	}
	if m != want {
		return violation("validated %+v, negotiated %+v", m, want)
	}
	return nil
}
