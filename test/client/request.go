package client

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"lessor/smb/crypt"
	"lessor/smb/wire"
)

// Protection says how to sign, or to seal, one request.
type Protection uint8

// The values of Protection.
const (
	// Auto does what session, tree and specification demand.
	Auto Protection = iota
	// Off leaves it out.
	Off
	// On does it if there is a key.
	On
	// Broken does it and then flips a bit: of the signature, or of the sealed text.
	Broken
)

// Request is one message to send. The zero value of every field but Body is a good
// choice.
type Request struct {
	// Body is the message, a request of smb/wire, or Bytes in its place. The
	// command follows from the type of Body, or is Command.
	Body    wire.Appender
	Bytes   []byte
	Command wire.Command

	// Session and Tree give ids and keys. A Tree implies its Session.
	Session *Session
	Tree    *Tree

	// MessageID, if set, is used in place of the next free one, and takes none.
	MessageID *uint64
	// Charge is the credits to pay, 0 to work it out from the Body.
	Charge uint16
	// NoWait sends at once, even without credits.
	NoWait bool

	// Header, if set, has the last word on the header before it is signed.
	Header func(h *wire.Header)
	// Mutate, if set, may change or replace the whole message, header included,
	// before it is signed.
	Mutate func(msg []byte) []byte
	// Tamper, if set, may change or replace the frame after signing and sealing. In
	// a compound that of the first request counts.
	Tamper func(frame []byte) []byte

	// Sign and Seal say how the message is protected. In a compound Seal of the
	// first request counts.
	Sign, Seal Protection
	// Compress says whether the frame is compressed, and whether a READ asks for a
	// compressed reply. Broken is On.
	Compress Protection
	// Keep makes Pending.Sent keep the message.
	Keep bool

	// signer is used in place of the session's.
	signer crypt.Signer
	// later leaves the verification of the reply to the caller.
	later bool
	// oneWay means that no reply ever comes.
	oneWay bool
}

func (r *Request) command() wire.Command {
	if c, ok := commandOf(r.Body); ok {
		return c
	}
	return r.Command
}

func (r *Request) session() *Session {
	if r.Session == nil && r.Tree != nil {
		return r.Tree.Session
	}
	return r.Session
}

// Do sends a request and waits for its final reply. A status is no error here: see
// Response.Status.
func (c *Conn) Do(ctx context.Context, r *Request) (*Response, error) {
	return c.start(ctx, false, r)[0].Wait(ctx)
}

// Start sends a request and returns at once, unless it has to wait for credits (for
// Options.Timeout at most). If it cannot be sent, the Pending says so.
func (c *Conn) Start(r *Request) *Pending {
	return c.StartCompound(false, r)[0]
}

// DoCompound is StartCompound, and waits for all replies.
func (c *Conn) DoCompound(ctx context.Context, related bool, rs ...*Request) ([]*Response, error) {
	ps := c.start(ctx, related, rs...)
	resps := make([]*Response, len(ps))
	for i, p := range ps {
		var err error
		if resps[i], err = p.Wait(ctx); err != nil {
			return nil, fmt.Errorf("request %d of %d: %w", i+1, len(ps), err)
		}
	}
	return resps, nil
}

// StartCompound sends requests as one compound. In a related one, all but the
// first take over session, tree and, where their FileID is wire.RelatedFileID, the
// open of the one before.
func (c *Conn) StartCompound(related bool, rs ...*Request) []*Pending {
	return c.start(context.Background(), related, rs...)
}

// start is StartCompound that waits for credits no longer than ctx allows.
func (c *Conn) start(ctx context.Context, related bool, rs ...*Request) []*Pending {
	frame, ps, err := c.prepare(ctx, related, rs...)
	if err == nil {
		err = c.WriteRaw(frame)
	}
	if err != nil {
		for _, p := range ps {
			c.forget(p)
			p.complete(nil, err)
		}
	}
	return ps
}

// Expect returns the Pending of a request that the caller sends by other means,
// such as SendFrame.
func (c *Conn) Expect(messageID uint64, r *Request) *Pending {
	p := newPending(c, r)
	p.protection()
	if err := c.register(messageID, p); err != nil {
		p.complete(nil, err)
	}
	return p
}

// Prepare takes message ids for requests, and returns the frame that holds them,
// length prefix included, without sending it: that is for WriteRaw.
func (c *Conn) Prepare(related bool, rs ...*Request) (frame []byte, ps []*Pending, err error) {
	return c.prepare(context.Background(), related, rs...)
}

func (c *Conn) prepare(ctx context.Context, related bool, rs ...*Request) (frame []byte, ps []*Pending, err error) {
	ps = make([]*Pending, len(rs))
	for i, r := range rs {
		ps[i] = newPending(c, r)
	}
	if err := c.takeIDs(ctx, ps); err != nil {
		return nil, ps, err
	}
	sealer := ps[0].sealer()
	frame = make([]byte, 4, 512)
	if sealer != nil {
		frame = wire.AppendZeros(frame, crypt.TransformHeaderSize)
	}
	start := len(frame)
	for i, p := range ps {
		p.protection()
		p.askCompressed()
		p.sealed = sealer != nil
		if frame, err = p.message(frame, related && i > 0, i < len(ps)-1); err != nil {
			return nil, ps, err
		}
	}
	frame = c.compress(frame, start, ps)
	if sealer != nil {
		if frame, err = ps[0].seal(sealer, frame); err != nil {
			return nil, ps, err
		}
	}
	if f := ps[0].request.Tamper; f != nil {
		frame = append(frame[:4], f(frame[4:])...)
	}
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	return frame, ps, nil
}

// seal seals a frame with room for prefix and transform header.
func (p *Pending) seal(sealer *crypt.Sealer, frame []byte) ([]byte, error) {
	frame = slices.Grow(frame, crypt.TailRoom)
	if err := sealer.SealInPlace(frame[4:], p.request.session().ID); err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	if p.request.Seal == Broken {
		frame[len(frame)-1] ^= 1
	}
	return frame, nil
}

// takeIDs gives every request its message id, waiting for credits.
func (c *Conn) takeIDs(ctx context.Context, ps []*Pending) error {
	ctx, cancel := c.limit(ctx)
	defer cancel()
	need, n := 0, 0
	for _, p := range ps {
		if p.request.MessageID != nil {
			continue
		}
		cost := int(max(1, p.charge()))
		n += cost
		if !p.request.NoWait {
			need += cost
		}
	}
	id, err := c.take(ctx, need, n)
	if err != nil {
		return err
	}
	for _, p := range ps {
		if p.request.MessageID != nil {
			p.id = *p.request.MessageID
			continue
		}
		p.id = id
		id += uint64(max(1, p.charge()))
	}
	return nil
}

// charge is the CreditCharge of the request (MS-SMB2 3.2.4.1.5).
func (p *Pending) charge() uint16 {
	if p.request.Charge != 0 {
		return p.request.Charge
	}
	n := p.conn.negotiated.Load()
	if n == nil || !n.LargeMTU() {
		return 0
	}
	return uint16(min(65535, (max(1, payload(p.request.Body))+65535)/65536))
}

// message encodes and signs the request behind dst, padded if more follows, and
// registers it for its reply.
func (p *Pending) message(dst []byte, related, more bool) ([]byte, error) {
	r, h := &p.request, p.wellFormed(related)
	if r.Header != nil {
		r.Header(&h)
	}
	start := len(dst)
	dst = wire.AppendZeros(dst, wire.HeaderSize)
	if r.Body != nil {
		dst = r.Body.Append(dst)
	} else {
		dst = append(dst, r.Bytes...)
	}
	if more {
		dst = wire.Pad(dst, start, 8)
		if h.NextCommand == 0 {
			h.NextCommand = uint32(len(dst) - start)
		}
	}
	h.Put(dst[start:])
	if r.Mutate != nil {
		dst = append(dst[:start], r.Mutate(dst[start:])...)
	}
	p.sign(dst[start:])
	if r.Keep {
		p.sent = slices.Clone(dst[start:])
	}
	p.conn.traceMessage("->", &h, "")
	if r.oneWay || p.command == wire.CmdCancel { // MS-SMB2 3.3.5.16: never answered
		return dst, nil
	}
	return dst, p.conn.register(h.MessageID, p)
}

// wellFormed is the header as a good client fills it in.
func (p *Pending) wellFormed(related bool) wire.Header {
	r := &p.request
	h := wire.Header{
		CreditCharge: p.charge(),
		Command:      p.command,
		Credits:      p.conn.opts.Credits,
		MessageID:    p.id,
	}
	if related {
		h.Flags |= wire.FlagRelated
	}
	if s := r.session(); s != nil {
		h.SessionID = s.ID
	}
	if r.Tree != nil {
		h.TreeID = r.Tree.ID
	}
	if p.signed && !p.sealed {
		h.Flags |= wire.FlagSigned
	}
	return h
}

// sign signs msg if that was decided. Below the floor of a header there is nothing
// to sign.
func (p *Pending) sign(msg []byte) {
	if p.sealed {
		p.signed = false // MS-SMB2 3.2.4.1.1: what is sealed is not signed
		return
	}
	if !p.signed || len(msg) < wire.HeaderSize {
		return
	}
	p.signer.Sign(msg)
	p.signature = [16]byte(msg[wire.HeaderSignatureOffset:])
	if p.request.Sign == Broken {
		msg[wire.HeaderSignatureOffset] ^= 1
		p.signed = false // the server need not sign its refusal
	}
}

// protection decides about the signature (MS-SMB2 3.2.4.1.1).
func (p *Pending) protection() {
	r := &p.request
	s := r.session()
	p.later = r.later
	p.signer = r.signer
	if p.signer == nil && s != nil {
		p.signer = s.signer
	}
	switch {
	case p.signer == nil || r.Sign == Off:
	case r.Sign == On || r.Sign == Broken || r.signer != nil:
		p.signed = true
	case s != nil:
		p.signed = s.Signing() || p.mustSign()
	}
}

// mustSign says whether a message is signed though the session does not ask for it.
func (p *Pending) mustSign() bool {
	n := p.conn.negotiated.Load()
	switch p.command {
	case wire.CmdTreeConnect:
		// MS-SMB2 3.2.4.1.1: in 3.1.1 the first TREE_CONNECT proves the
		// preauthentication hash.
		return n != nil && n.Dialect == wire.Dialect311
	case wire.CmdIoctl:
		// MS-SMB2 3.2.5.5: nothing else makes the check worth anything.
		q, ok := p.request.Body.(*wire.IoctlRequest)
		return ok && q.CtlCode == wire.FsctlValidateNegotiateInfo
	}
	return false
}

// sealer returns what seals the frame, or nil (MS-SMB2 3.2.4.1.8).
func (p *Pending) sealer() *crypt.Sealer {
	r := &p.request
	s := r.session()
	if s == nil || s.sealer == nil || r.Seal == Off {
		return nil
	}
	if r.Seal == On || r.Seal == Broken {
		return s.sealer
	}
	if p.command == wire.CmdNegotiate || p.command == wire.CmdSessionSetup {
		return nil
	}
	if s.Sealing() || r.Tree != nil && r.Tree.Sealing() {
		return s.sealer
	}
	return nil
}
