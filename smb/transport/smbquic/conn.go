package smbquic

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
)

// conn is a QUIC connection with its one stream. It implements net.Conn.
type conn struct {
	// Immutable after construction.
	qc  *quic.Conn
	str *quic.Stream

	closed atomic.Bool
	// over is set with the first Read that says that nothing more comes: QUIC ends
	// the streams of a connection a moment before its context.
	over atomic.Bool
	// writing is held during a Write; Close only tries it, since a stream must not
	// be ended in the middle of one.
	writing sync.Mutex
}

func newConn(qc *quic.Conn, str *quic.Stream) *conn { return &conn{qc: qc, str: str} }

// TransportSecured says that the connection is encrypted and that the server has
// shown its certificate.
func (c *conn) TransportSecured() bool { return true }

// PeerCertificate returns the name in the certificate of the other end, or
// nothing if it has shown none.
func (c *conn) PeerCertificate() string {
	if certs := c.qc.ConnectionState().TLS.PeerCertificates; len(certs) > 0 {
		return certs[0].Subject.String()
	}
	return ""
}

// HungUp reports whether the connection has ended, whoever ended it.
func (c *conn) HungUp() bool {
	return c.closed.Load() || c.over.Load() || c.qc.Context().Err() != nil
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.str.Read(p)
	err = c.translate(err)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.over.Store(true)
	}
	return n, err
}

func (c *conn) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	n, err := c.str.Write(p)
	return n, c.translate(err)
}

// translate makes what QUIC says of an end what TCP would say of it.
func (c *conn) translate(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	if c.closed.Load() {
		return net.ErrClosed
	}
	var app *quic.ApplicationError
	var reset *quic.StreamError
	switch {
	case errors.As(err, &app) && app.Remote, errors.As(err, &reset) && reset.Remote:
		return io.EOF
	}
	return err
}

// Close ends the connection. What was written before still arrives, if the client
// takes it in time.
func (c *conn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	c.str.CancelRead(0)
	if !c.writing.TryLock() {
		return c.cut()
	}
	defer c.writing.Unlock()
	if err := c.str.Close(); err != nil {
		return c.cut()
	}
	timer := time.AfterFunc(lingerTime, func() { _ = c.cut() })
	context.AfterFunc(c.qc.Context(), func() { timer.Stop() })
	return nil
}

func (c *conn) cut() error { return c.qc.CloseWithError(0, "") }

func (c *conn) LocalAddr() net.Addr                { return c.qc.LocalAddr() }
func (c *conn) RemoteAddr() net.Addr               { return c.qc.RemoteAddr() }
func (c *conn) SetDeadline(t time.Time) error      { return c.str.SetDeadline(t) }
func (c *conn) SetReadDeadline(t time.Time) error  { return c.str.SetReadDeadline(t) }
func (c *conn) SetWriteDeadline(t time.Time) error { return c.str.SetWriteDeadline(t) }

// Dial connects to a server ("host:port"), for clients and tests. The ALPN and
// the version of TLS are set. Like TCP it tells the server nothing before the first Write.
func Dial(ctx context.Context, addr string, t *tls.Config) (net.Conn, error) {
	t = t.Clone()
	t.MinVersion, t.NextProtos = tls.VersionTLS13, []string{ALPN}
	qc, err := quic.DialAddr(ctx, addr, t, &quic.Config{
		MaxIdleTimeout: 90 * time.Second, KeepAlivePeriod: 30 * time.Second,
		MaxIncomingStreams: -1, MaxIncomingUniStreams: -1,
	})
	if err != nil {
		return nil, err
	}
	str, err := qc.OpenStreamSync(ctx)
	if err != nil {
		_ = qc.CloseWithError(0, "")
		return nil, err
	}
	return &clientConn{newConn(qc, str)}, nil
}

// clientConn is the end of a client, which ends the whole connection.
type clientConn struct{ *conn }

func (c *clientConn) Close() error {
	c.closed.Store(true)
	return c.cut()
}
