package client

import (
	"bufio"
	"fmt"
	"math"

	"lessor/smb/crypt"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
)

// unsolicited is the message id of breaks (MS-SMB2 2.2.23).
const unsolicited = math.MaxUint64

// read is the reader: it runs until the connection ends.
func (c *Conn) read() {
	defer close(c.ended)
	defer close(c.breaks)
	r := bufio.NewReaderSize(c.nc, 8<<10) // large frames pass by it
	for {
		frame, err := readFrame(r)
		if err == nil {
			err = c.frame(frame)
		}
		if err != nil {
			c.fail(err)
			return
		}
	}
}

// message is one message of a frame on its way to who waits for it.
type message struct {
	header wire.Header
	bytes  []byte // from its header to the next one
	// sealed is set if the message came sealed, by the session.
	sealed bool
	// compressed is set if it came in a compressed frame.
	compressed bool
	session    uint64
	arrival    uint64
}

// frame unseals and expands a frame and takes it apart.
func (c *Conn) frame(frame []byte) error {
	m := message{}
	switch wire.ProtocolOf(frame) {
	case wire.ProtocolSMB2, wire.ProtocolCompression:
	case wire.ProtocolTransform:
		var err error
		if frame, m.session, err = c.open(frame); err != nil {
			return err
		}
		m.sealed = true
	default:
		return violation("frame of %d bytes begins with %#x", len(frame), uint32(wire.ProtocolOf(frame)))
	}
	if wire.ProtocolOf(frame) == wire.ProtocolCompression {
		var err error
		if frame, err = c.expand(frame); err != nil {
			return err
		}
		m.compressed = true
	}
	for first := true; first || len(frame) > 0; first = false {
		if err := m.header.Decode(frame); err != nil {
			return fmt.Errorf("%w: header: %w", ErrProtocol, err)
		}
		m.bytes = frame
		next := int64(m.header.NextCommand)
		if next == 0 {
			frame = nil
		} else {
			if next < wire.HeaderSize || next%8 != 0 || next >= int64(len(frame)) {
				return violation("NextCommand %d in a frame with %d bytes left", next, len(frame))
			}
			m.bytes, frame = frame[:next:next], frame[next:]
		}
		if err := c.deliver(&m); err != nil {
			return err
		}
	}
	return nil
}

// open unseals a frame.
func (c *Conn) open(frame []byte) (msg []byte, session uint64, err error) {
	id, ok := crypt.TransformSession(frame)
	if !ok {
		return nil, 0, violation("transform header of %d bytes", len(frame))
	}
	c.mu.Lock()
	s := c.sessions[id]
	c.mu.Unlock()
	if s == nil || s.opener == nil {
		return nil, 0, violation("sealed message of unknown session %#x", id)
	}
	msg, err = s.opener.OpenInPlace(frame)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	return msg, id, nil
}

// deliver hands one message to who waits for it.
func (c *Conn) deliver(m *message) error {
	h := m.header
	c.mu.Lock()
	c.arrivals++
	m.arrival = c.arrivals
	c.mu.Unlock()
	c.traceMessage("<-", &h, map[bool]string{true: "sealed"}[m.sealed])

	if c.opts.OnMessage != nil {
		c.opts.OnMessage(&h, m.bytes)
	}
	if !h.IsResponse() && !c.opts.NoVerify {
		return violation("%v without the flag of a response", h.Command)
	}
	if h.MessageID == unsolicited {
		return c.deliverBreak(m)
	}
	interim := ntstatus.Status(h.Status) == ntstatus.Pending
	p := c.lookup(h.MessageID, !interim)
	c.grant(h.Credits)
	if p == nil {
		if c.opts.NoVerify {
			return nil
		}
		return violation("%v response with message id %d, which nobody waits for", h.Command, h.MessageID)
	}
	resp := &Response{
		Header:  h,
		Status:  ntstatus.Status(h.Status),
		Msg:     m.bytes,
		Sealed:  m.sealed,
		Arrival: m.arrival,

		Compressed: m.compressed,
	}
	if err := p.verify(m, resp); err != nil && !c.opts.NoVerify {
		c.fail(err) // first, so that whoever wakes finds the reason in Err
		p.complete(nil, err)
		return err
	}
	if interim {
		p.pendingReply(&h)
		return nil
	}
	p.complete(resp, nil)
	return nil
}

// verify checks that the reply is protected as the request demands (MS-SMB2
// 3.2.5.1.1 and 3.2.5.1.3).
func (p *Pending) verify(m *message, r *Response) error {
	h := &m.header
	if h.Command != p.command {
		return violation("%v answered by %v", p.command, h.Command)
	}
	if m.sealed {
		if m.session != h.SessionID {
			return violation("message of session %#x sealed by session %#x", h.SessionID, m.session)
		}
		return nil
	}
	if p.sealed && r.Status != ntstatus.UserSessionDeleted {
		return violation("%v response is not sealed", h.Command)
	}
	if r.Status == ntstatus.Pending || p.later {
		if r.Status == ntstatus.Pending && !h.IsAsync() {
			return violation("%v is pending without an AsyncId", h.Command)
		}
		return nil
	}
	return p.verifySignature(p.signer, p.signed, r)
}

// verifySignature sets r.Signed, or says what is wrong. A server without the
// session cannot sign that it has none: it does not sign, or, as Windows does, sends
// the signature of the request back.
func (p *Pending) verifySignature(signer crypt.Signer, must bool, r *Response) error {
	switch {
	case !r.Header.IsSigned() && (!must || r.Status == ntstatus.UserSessionDeleted):
		return nil
	case p.signed && r.Header.Signature == p.signature &&
		(r.Status == ntstatus.UserSessionDeleted || r.Status == ntstatus.InvalidParameter): // the latter in a chain
		return nil
	case !r.Header.IsSigned():
		return violation("%v response with %v is not signed", r.Header.Command, r.Status)
	case signer == nil:
		return violation("%v response is signed, but there is no key", r.Header.Command)
	case !signer.Verify(r.Msg):
		return violation("%v response with %v has a wrong signature", r.Header.Command, r.Status)
	}
	r.Signed = true
	return nil
}
