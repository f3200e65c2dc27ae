package transport

import (
	"errors"
	"net"
	"time"
)

// Errors of ReadFrame.
var (
	ErrFrameTooLarge = errors.New("transport: frame larger than allowed")
	ErrBadPrefix     = errors.New("transport: not a direct TCP prefix")
	ErrTimeout       = errors.New("transport: frame came too slowly")
)

// Options are the settings of a Conn.
type Options struct {
	FrameTimeout   time.Duration
	WriteTimeout   time.Duration
	MaxFrame       int
	InitialTimeout time.Duration
}

// Conn is a connection that carries frames.
type Conn struct {
	nc net.Conn
}

// NewConn takes over c.
func NewConn(c net.Conn, o Options) *Conn { return &Conn{nc: c} }

// NetConn returns the connection below.
func (c *Conn) NetConn() net.Conn { return c.nc }

// SetMaxFrame sets the largest frame that is accepted, in bytes.
func (c *Conn) SetMaxFrame(n int) {}

// Close closes the connection and drops what is queued.
func (c *Conn) Close() error { return c.nc.Close() }

// CloseAfterFlush writes what is queued, then closes.
func (c *Conn) CloseAfterFlush() {}

// Wait returns when no goroutine of the connection runs any more.
func (c *Conn) Wait() {}

// ReadFrame returns the next frame.
func (c *Conn) ReadFrame() (Frame, error) { return Frame{}, net.ErrClosed }

// Buffered reports whether ReadFrame will not block.
func (c *Conn) Buffered() bool { return false }
