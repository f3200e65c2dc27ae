package client

import (
	"context"
	"fmt"
	"sync"

	"lessor/smb/crypt"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
)

// Pending is a request that was sent and the reply that will come. Its methods may
// be called from any goroutine, any number of times.
type Pending struct {
	// Immutable once the request was sent.
	conn    *Conn
	id      uint64
	command wire.Command
	request Request
	signer  crypt.Signer // verifies the reply
	signed  bool         // the request was, so the reply must be
	sealed  bool         // likewise
	// compressed says that the request went out compressed.
	compressed bool
	later      bool   // the caller verifies the reply
	sent       []byte // the message as it was signed, if request.Keep
	// signature is that of the request: a server which does not know the session may
	// send it back.
	signature [16]byte

	// next is the request with the same id that was sent after this one. It is
	// guarded by conn.mu.
	next *Pending

	interim chan struct{} // closed when an interim reply has come
	done    chan struct{} // closed when the final one has, or never will

	// mu guards what follows. It is a leaf.
	mu     sync.Mutex
	header *wire.Header // of the first interim reply
	resp   *Response
	err    error
}

func newPending(c *Conn, r *Request) *Pending {
	return &Pending{
		conn:    c,
		request: *r,
		command: r.command(),
		interim: make(chan struct{}),
		done:    make(chan struct{}),
	}
}

// Conn is the connection that the request belongs to.
func (p *Pending) Conn() *Conn { return p.conn }

// MessageID is the id that the request went out with.
func (p *Pending) MessageID() uint64 { return p.id }

// Compressed says whether the request went out compressed.
func (p *Pending) Compressed() bool { return p.compressed }

// Sent is the request as it went out, signed but not sealed. It is nil unless
// Request.Keep was set.
func (p *Pending) Sent() []byte { return p.sent }

// Done is closed when Wait will not block.
func (p *Pending) Done() <-chan struct{} { return p.done }

// Interim waits for the interim reply, STATUS_PENDING, and returns its AsyncId. If
// the final reply comes without one, the error wraps ErrNoInterim and the status.
func (p *Pending) Interim(ctx context.Context) (asyncID uint64, err error) {
	ctx, cancel := p.conn.limit(ctx)
	defer cancel()
	select {
	case <-p.interim:
	case <-p.done:
	case <-ctx.Done():
		return 0, fmt.Errorf("client: %v %d: no interim reply: %w", p.command, p.id, ctx.Err())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.header != nil:
		return p.header.AsyncID, nil
	case p.err != nil:
		return 0, p.err
	default:
		return 0, fmt.Errorf("%w: %v %d: %w", ErrNoInterim, p.command, p.id, p.resp.Status)
	}
}

// Wait waits for the final reply. A status is no error here.
func (p *Pending) Wait(ctx context.Context) (*Response, error) {
	select {
	case <-p.done:
	default:
		ctx, cancel := p.conn.limit(ctx)
		defer cancel()
		select {
		case <-p.done:
		case <-ctx.Done():
			return nil, fmt.Errorf("client: %v %d: no reply: %w", p.command, p.id, ctx.Err())
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.resp, p.err
}

// Cancel sends a CANCEL for the request, by its AsyncId if an interim reply has
// come and else by its message id (MS-SMB2 3.2.4.24). The server answers the
// request itself, so Wait still returns a reply.
func (p *Pending) Cancel() error {
	h := wire.Header{Command: wire.CmdCancel, MessageID: p.id}
	p.mu.Lock()
	if p.header != nil {
		h.Flags |= wire.FlagAsync
		h.AsyncID = p.header.AsyncID
	}
	p.mu.Unlock()
	r := Request{
		Session:   p.request.Session,
		Tree:      p.request.Tree,
		Body:      &wire.CancelRequest{},
		MessageID: &p.id,
		Seal:      p.request.Seal,
		oneWay:    true,
	}
	r.Header = func(out *wire.Header) {
		// MS-SMB2 3.2.4.24: a CANCEL takes neither a message id nor credits.
		h.SessionID, h.TreeID = out.SessionID, out.TreeID
		h.Flags |= out.Flags
		*out = h
	}
	c := p.conn.Start(&r)
	select {
	case <-c.done:
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.err
	default:
		return nil
	}
}

// pendingReply takes note of an interim reply.
func (p *Pending) pendingReply(h *wire.Header) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.header == nil {
		p.header = h
		close(p.interim)
	}
}

// complete ends the wait. The first call counts.
func (p *Pending) complete(r *Response, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.resp != nil || p.err != nil {
		return
	}
	if r != nil {
		r.Interim = p.header
	}
	p.resp, p.err = r, err
	close(p.done)
}

// Response is the final reply to a request.
type Response struct {
	Header wire.Header
	// Status is that of the header.
	Status ntstatus.Status
	// Msg is the message from its header to the next one of a compound, padding
	// included, in plain text. What is decoded from it aliases it.
	Msg []byte
	// Interim is the header of the interim reply, or nil if none came.
	Interim *wire.Header
	// Signed and Sealed say how the reply was protected. A signature was verified.
	Signed, Sealed bool
	// Compressed says whether it came in a compressed frame.
	Compressed bool
	// Arrival counts the messages of the connection in the order in which they
	// came, breaks and interim replies included.
	Arrival uint64
}

// Err is nil for Success, else the Status.
func (r *Response) Err() error {
	if r.Status == ntstatus.Success {
		return nil
	}
	return r.Status
}

// Decoder is any message, context or information structure of smb/wire.
type Decoder interface {
	Decode(b []byte) error
}

// Decode reads the body of the reply into m and returns Err. It leaves m alone if
// the status is one that comes with an ERROR response in its place, which is every
// error and every warning but BufferOverflow (MS-SMB2 3.3.4.4).
func (r *Response) Decode(m Decoder) error {
	if r.Status.IsError() && r.Status != ntstatus.MoreProcessingRequired ||
		r.Status.IsWarning() && r.Status != ntstatus.BufferOverflow {
		return r.Status
	}
	if err := m.Decode(r.Msg); err != nil {
		return fmt.Errorf("%w: %v response: %w", ErrProtocol, r.Header.Command, err)
	}
	return r.Err()
}

// ErrorData returns the data of an ERROR response, without the context that 3.1.1
// wraps around it.
func (r *Response) ErrorData() ([]byte, error) {
	var e wire.ErrorResponse
	if err := e.Decode(r.Msg); err != nil {
		return nil, fmt.Errorf("%w: ERROR response: %w", ErrProtocol, err)
	}
	data, err := e.Payload(wire.ErrorIDDefault)
	if err != nil {
		return nil, fmt.Errorf("%w: ERROR response: %w", ErrProtocol, err)
	}
	return data, nil
}

// Call is a Pending with a decoded result.
type Call[T any] struct {
	*Pending
	result func(*Response) (T, error)
}

// Wait waits for the final reply and decodes it. A status other than Success is
// returned as error.
func (c *Call[T]) Wait(ctx context.Context) (T, error) {
	r, err := c.Pending.Wait(ctx)
	if err != nil {
		var zero T
		return zero, err
	}
	return c.result(r)
}

// call starts r, whose reply result decodes.
func call[T any](s *Session, r *Request, result func(*Response) (T, error)) *Call[T] {
	return &Call[T]{Pending: s.Conn.Start(r), result: result}
}

// plain is the result of a reply without content. Its body is decoded all the same,
// so that a malformed one is noticed.
func plain(m Decoder) func(*Response) (struct{}, error) {
	return func(r *Response) (struct{}, error) { return struct{}{}, r.Decode(m) }
}
