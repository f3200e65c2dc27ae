package transport

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// Errors of ReadFrame and Flush. Apart from ErrWriteTimeout they are the peer's
// doing on the way in, and leave the stream unusable.
var (
	// ErrFrameTooLarge says that a frame announced more than SetMaxFrame allows.
	ErrFrameTooLarge = errors.New("transport: frame larger than allowed")
	// ErrBadPrefix says that a frame does not begin as MS-SMB2 2.1 demands.
	ErrBadPrefix = errors.New("transport: not a direct TCP prefix")
	// ErrTimeout says that a frame was not complete within FrameTimeout, or the
	// first one did not begin within InitialTimeout.
	ErrTimeout = errors.New("transport: frame came too slowly")
	// ErrWriteTimeout says that the peer did not take what was sent in time.
	ErrWriteTimeout = errors.New("transport: peer takes replies too slowly")
)

// Options are the settings of a Conn. A zero duration sets no limit.
type Options struct {
	// FrameTimeout bounds the time from the first byte of a frame to its last.
	FrameTimeout time.Duration
	// WriteTimeout is how long the peer may take nothing. It gets 1 s more for
	// every 64 KiB that it takes, so a batch of n bytes is gone after at
	// most WriteTimeout + n/64 KiB seconds or the connection is closed.
	WriteTimeout time.Duration
	// MaxFrame is the size of the largest frame at first, in bytes; 0 is what the
	// prefix can express, 16 MiB - 1.
	MaxFrame int
	// InitialTimeout bounds the time from NewConn to the first byte of the first
	// frame.
	InitialTimeout time.Duration
	// Meter, if set, counts the memory of what waits to be written, together with
	// other connections.
	Meter *Meter
	// OnLess, if set, is called when that has become less by Meter's measure. It is
	// called under no lock, by any goroutine, and must not block.
	OnLess func()
	// TCP counts for TCP connections only.
	TCP TCPOptions
	// Divide, if set, is asked about a message of n bytes, a long one, the rest of which
	// is still on its way. If it says ok, what has come is a frame already, and
	// the rest makes further ones (Frame.Rest). They are cut where a position in
	// the message is at, or any multiple of PartAlign further. It is called by
	// ReadFrame under its lock, and must neither block nor call methods of the Conn nor keep
	// head. TCP only.
	Divide func(head []byte, n int) (at int, ok bool)
}

// Conn is a connection that carries frames. Its methods may be called by any
// goroutine; see ReadFrame for the one exception.
type Conn struct {
	// Immutable after construction.
	nc           net.Conn
	raw          *socket // nil: nc is used through its methods
	frameTimeout time.Duration
	writeTimeout time.Duration
	slabSize     int
	meter        *Meter
	onLess       func()
	multipath    bool                  // of MPTCP
	onReadable   func(fd uintptr) bool // method values, made once
	onWritable   func(fd uintptr) bool
	runFlusher   func()

	maxFrame atomic.Int64
	queued   atomic.Int64 // bytes, see QueuedBytes
	mem      atomic.Int64 // bytes, see Memory
	taken    atomic.Uint64
	position atomic.Uint64 // bytes that were ever queued
	closed   atomic.Bool
	ready    atomic.Bool // see Buffered; written by the goroutine in ReadFrame

	rd  reader
	q   queue
	wr  writer
	low lowat
}

// NewConn takes over c, including its deadlines. Nobody else may use it from now on, but
// for its addresses.
func NewConn(c net.Conn, o Options) *Conn {
	t := &Conn{
		nc:           c,
		frameTimeout: o.FrameTimeout,
		writeTimeout: o.WriteTimeout,
		slabSize:     pipeSlab,
		meter:        o.Meter,
		onLess:       o.OnLess,
	}
	if tc, ok := c.(*net.TCPConn); ok {
		o.TCP.apply(tc)
		t.multipath, _ = tc.MultipathTCP()
		if raw, err := newSocket(tc, !t.multipath); err == nil {
			t.raw = raw
			t.slabSize = socketSlab
			t.rd.divide = o.Divide
		}
	}
	t.onReadable = t.readSocket
	t.onWritable = t.writeSocket
	t.runFlusher = t.flusher
	t.q.idle.L = &t.q.mu
	t.q.room.L = &t.q.mu
	if o.InitialTimeout > 0 {
		t.rd.initial = time.Now().Add(o.InitialTimeout)
	}
	if o.MaxFrame == 0 {
		o.MaxFrame = maxLength
	}
	t.SetMaxFrame(o.MaxFrame)
	return t
}

// NetConn returns the connection below, for its addresses and the like.
func (c *Conn) NetConn() net.Conn { return c.nc }

// Position is the number of bytes that were queued since the beginning of the
// connection. Right behind Queue it is at least the end of that packet.
func (c *Conn) Position() uint64 { return c.position.Load() }

// connHungUp is HungUp of a connection that is no socket.
func (c *Conn) connHungUp() bool {
	h, ok := c.nc.(interface{ HungUp() bool })
	return ok && h.HungUp()
}

// SetMaxFrame sets the size of the largest frame that is accepted, in bytes. It
// holds for frames whose prefix ReadFrame has not yet looked at.
func (c *Conn) SetMaxFrame(n int) { c.maxFrame.Store(int64(n)) }

// Abort makes the end of a TCP connection a reset: what is on its way is given up, and
// the peer, if it is there after all, hears of the end at once. Close must follow.
func (c *Conn) Abort() {
	if c.raw != nil {
		c.raw.reset()
	} else if tc, ok := c.nc.(*net.TCPConn); ok {
		_ = tc.SetLinger(0)
	}
}

// closeBelow, and the others like it, is for both kinds of connection.
func (c *Conn) closeBelow() error {
	if c.raw != nil {
		return c.raw.close()
	}
	return c.nc.Close()
}

func (c *Conn) setReadDeadline(t time.Time) error {
	if c.raw != nil {
		return c.raw.setReadDeadline(t)
	}
	return c.nc.SetReadDeadline(t)
}

func (c *Conn) setWriteDeadline(t time.Time) error {
	if c.raw != nil {
		return c.raw.setWriteDeadline(t)
	}
	return c.nc.SetWriteDeadline(t)
}

// armed is the deadline that is set on the connection.
type armed struct {
	at      time.Time // zero: none
	version uint32    // of the socket when it was set
}

// look forgets a deadline that was set on what is not used any more.
func (a *armed) look(c *Conn) time.Time {
	if c.raw != nil && c.raw.version() != a.version {
		*a = armed{version: c.raw.version()}
	}
	return a.at
}

// Close closes the connection, drops the queue and unblocks ReadFrame and
// Flush. It may call Packet.Done. It must not be called under a lock, nor from
// a FileSender. Closing again does nothing.
func (c *Conn) Close() error { return c.closeFor(nil) }

// closeFor closes the connection; cause is what ReadFrame and Flush report
// from now on, net.ErrClosed if nil.
func (c *Conn) closeFor(cause error) error {
	if cause == nil {
		cause = net.ErrClosed
	}
	b, ok := c.q.shut(cause)
	if !ok {
		return nil
	}
	c.closed.Store(true)
	err := c.closeBelow()
	if b != nil {
		c.free(b)
	}
	c.dropReader()
	return err
}

// dropReader gives back what the reader of a closed connection holds, unless a
// goroutine is in ReadFrame: that one will come by here itself.
func (c *Conn) dropReader() {
	if c.rd.mu.TryLock() {
		c.ready.Store(false)
		c.rd.drop()
		c.rd.mu.Unlock()
	}
}

// closeReason replaces the error of a call that failed because the connection
// was closed by what it was closed for.
func (c *Conn) closeReason(err error) error {
	if errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe) {
		if cause := c.q.cause(); cause != nil {
			return cause
		}
	}
	return err
}
