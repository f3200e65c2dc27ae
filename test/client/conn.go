package client

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"lessor/smb/crypt"
	"lessor/smb/wire"
)

// breakQueue is how many breaks may wait in Conn.Breaks before the connection
// ends: a test that does not read them should learn of it.
const breakQueue = 1024

// Conn is one connection to a server.
type Conn struct {
	// Immutable after construction.
	nc     net.Conn
	opts   Options
	breaks chan *Break
	ended  chan struct{} // closed when the reader has ended

	// negotiated is nil until NEGOTIATE has succeeded.
	negotiated atomic.Pointer[Negotiated]

	// writing serialises writes to nc. It is a leaf.
	writing sync.Mutex

	// mu guards everything below. It is a leaf.
	mu       sync.Mutex
	nextID   uint64
	credits  int           // message ids that may still be used
	grew     chan struct{} // closed and replaced when credits grow
	pending  map[uint64]*Pending
	sessions map[uint64]*Session
	arrivals uint64
	err      error // why the connection ended
}

// Dial connects to addr ("host:port") and negotiates. Errors are those of the
// network, an ntstatus.Status, or a protocol error.
func Dial(ctx context.Context, addr string, opts Options) (*Conn, error) {
	dial := opts.Dial
	if dial == nil {
		dial = func(ctx context.Context, addr string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		}
	}
	nc, err := dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	if host, _, err := net.SplitHostPort(addr); err == nil && opts.ServerName == "" {
		opts.ServerName = host
	}
	return NewConn(ctx, nc, opts)
}

// NewConn negotiates over nc, such as one end of a net.Pipe. It owns nc from now
// on, and has closed it if it fails.
func NewConn(ctx context.Context, nc net.Conn, opts Options) (*Conn, error) {
	c := NewRaw(nc, opts)
	if err := c.Negotiate(ctx); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// NewRaw returns a connection on which nothing was said yet, for tests of
// NEGOTIATE itself and of clients that never get that far.
func NewRaw(nc net.Conn, opts Options) *Conn {
	c := &Conn{
		nc:       nc,
		opts:     opts.withDefaults(),
		breaks:   make(chan *Break, breakQueue),
		ended:    make(chan struct{}),
		credits:  1, // MS-SMB2 3.2.4.1.2: a connection begins with one credit
		grew:     make(chan struct{}),
		pending:  make(map[uint64]*Pending),
		sessions: make(map[uint64]*Session),
	}
	go c.read()
	return c
}

// Connect dials, negotiates, sets up a session and connects to a share. To end
// all of it, close tree.Session.Conn.
func Connect(ctx context.Context, addr, share string, opts Options) (*Tree, error) {
	c, err := Dial(ctx, addr, opts)
	if err != nil {
		return nil, err
	}
	t, err := c.connect(ctx, share)
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return t, nil
}

func (c *Conn) connect(ctx context.Context, share string) (*Tree, error) {
	s, err := c.SessionSetup(ctx)
	if err != nil {
		return nil, err
	}
	return s.TreeConnect(ctx, share)
}

// Options returns the options of the connection with all defaults filled in.
func (c *Conn) Options() Options { return c.opts }

// LocalAddr is the client's end of the transport.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// Close drops the connection without a word, as a lost network would, and waits
// for the reader to end. Every waiting call fails with ErrClosed.
func (c *Conn) Close() error {
	c.fail(ErrClosed)
	<-c.ended
	return nil
}

// Done is closed when the connection has ended, whoever ended it; Err then says
// why.
func (c *Conn) Done() <-chan struct{} { return c.ended }

// Err is why the connection ended, or nil while it lives. The server's hanging up
// is an error that wraps io.EOF.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// fail ends the connection; the first reason counts.
func (c *Conn) fail(err error) {
	c.mu.Lock()
	first := c.err == nil
	if first {
		c.err = err
	}
	orphans := c.pending
	c.pending = make(map[uint64]*Pending)
	close(c.grew)
	c.grew = make(chan struct{})
	err = c.err
	c.mu.Unlock()

	if first {
		c.trace("end: %v", err)
		_ = c.nc.Close()
	}
	for _, p := range orphans {
		for ; p != nil; p = p.next {
			p.complete(nil, err)
		}
	}
}

// limit gives a context without a deadline that of Options.Timeout.
func (c *Conn) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, c.opts.Timeout)
}

// SendFrame sends msg as it is, behind the length prefix of the transport. It
// takes no message id and expects no reply: for that, see Expect.
func (c *Conn) SendFrame(msg []byte) error {
	return c.WriteRaw(appendFrame(make([]byte, 0, 4+len(msg)), msg))
}

// WriteRaw writes bytes to the transport as they are, without a length prefix:
// half a frame, a frame in pieces, or nonsense.
func (c *Conn) WriteRaw(b []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.nc.SetWriteDeadline(time.Now().Add(c.opts.Timeout)); err != nil {
		return fmt.Errorf("client: %w", err)
	}
	if _, err := c.nc.Write(b); err != nil {
		return fmt.Errorf("client: write: %w", err)
	}
	return nil
}

// appendFrame appends msg with the prefix of MS-SMB2 2.1: a zero byte and a length
// of three.
func appendFrame(dst, msg []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(msg)))
	return append(dst, msg...)
}

// readFrame reads one frame. Its length is at most 16 MiB, as it has three bytes.
func readFrame(r *bufio.Reader) ([]byte, error) {
	var prefix [4]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return nil, fmt.Errorf("client: read: %w", err)
	}
	if prefix[0] != 0 {
		return nil, violation("frame of type %#02x", prefix[0])
	}
	n := binary.BigEndian.Uint32(prefix[:])
	frame := make([]byte, n, n+crypt.TailRoom)
	if _, err := io.ReadFull(r, frame); err != nil {
		return nil, fmt.Errorf("client: read: %w", err)
	}
	return frame, nil
}

// traceMu serialises lines of all connections: several may share one writer. It is
// a leaf.
var traceMu sync.Mutex

func (c *Conn) trace(format string, args ...any) {
	if c.opts.Trace == nil {
		return
	}
	traceMu.Lock()
	defer traceMu.Unlock()
	_, _ = fmt.Fprintf(c.opts.Trace, "%p "+format+"\n", append([]any{c}, args...)...)
}

func (c *Conn) traceMessage(arrow string, h *wire.Header, note string) {
	if c.opts.Trace == nil {
		return
	}
	c.trace("%s %v id=%d async=%d session=%#x tree=%d flags=%#x status=%#x credits=%d %s",
		arrow, h.Command, h.MessageID, h.AsyncID, h.SessionID, h.TreeID, h.Flags, h.Status, h.Credits, note)
}
