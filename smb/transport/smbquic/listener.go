package smbquic

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/rs/zerolog"
)

// ALPN is the name of SMB in the TLS handshake.
const ALPN = "smb"

// Config is the settings of a Listener.
type Config struct {
	// Certificate and Key are PEM files: the chain that the server shows, and the
	// key of its first certificate. They are read again when they change; as long
	// as what is there cannot be used, the last good pair stays.
	Certificate, Key string
	// ClientCA is a PEM file of authorities; clients must show a certificate of
	// one of them. It is read again like the others. Empty: see AllowClients.
	ClientCA string
	// AllowClients are the clients that may connect; empty: all that ClientCA
	// vouches for, or all if there is none. See ParseRule. Without ClientCA all of
	// them must be fingerprints, and the certificates may be self-signed.
	AllowClients []string
	// Connections is the most connections at a time; default 16,384.
	Connections int
	// Handshakes is the most connections at a time that have not opened their
	// stream; default 1,024.
	Handshakes int
	// HandshakeTimeout is the time for the handshake, and again for the stream to be
	// opened; default 10 s.
	HandshakeTimeout time.Duration
	// IdleTimeout is the time after which a connection ends on which nothing comes,
	// not even an answer to the question whether the client is still there; default
	// 90 s.
	IdleTimeout time.Duration
	// Log gets a line when files change and when clients are refused; nil: nobody.
	Log *zerolog.Logger
}

// lingerTime is how long a client has to read what was sent before the end.
const lingerTime = time.Second

// The windows bound what a client can make the server hold that is not read yet.
const (
	firstWindow = 256 << 10
	maxWindow   = 8 << 20
)

// Listener accepts SMB connections over QUIC. It implements net.Listener.
type Listener struct {
	// Immutable after construction.
	cfg    Config
	socket net.PacketConn
	tr     *quic.Transport
	ln     *quic.Listener
	creds  *credentials
	gate   *gate
	log    zerolog.Logger
	ready  chan net.Conn
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	gone   chan struct{} // closed when everything has ended

	// mu guards closed, and keeps live from growing after it was set. Before gate.mu.
	mu     sync.Mutex
	closed bool
	live   sync.WaitGroup // connections and the goroutines of this package
}

// Listen serves SMB over QUIC on a UDP socket, which it owns from now on. The
// error says which file, or which rule, cannot be used.
func Listen(socket net.PacketConn, cfg Config) (*Listener, error) {
	l, err := listen(socket, cfg)
	if err != nil {
		_ = socket.Close()
	}
	return l, err
}

func listen(socket net.PacketConn, cfg Config) (*Listener, error) {
	cfg = cfg.withDefaults()
	creds, err := newCredentials(&cfg)
	if err != nil {
		return nil, err
	}
	l := &Listener{
		cfg: cfg, socket: socket, creds: creds, log: *cfg.Log,
		gate:  newGate(cfg.Handshakes, cfg.Connections),
		ready: make(chan net.Conn), gone: make(chan struct{}),
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.tr = &quic.Transport{
		Conn:                socket,
		VerifySourceAddress: func(net.Addr) bool { return l.gate.busy() },
		ConnContext:         l.knock,
	}
	l.ln, err = l.tr.Listen(&tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: []string{ALPN},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return l.creds.current(), nil
		},
	}, &quic.Config{
		HandshakeIdleTimeout:           cfg.HandshakeTimeout / 2, // of silence; twice as long for all of it
		MaxIdleTimeout:                 cfg.IdleTimeout,
		KeepAlivePeriod:                cfg.IdleTimeout / 3,
		InitialStreamReceiveWindow:     firstWindow,
		MaxStreamReceiveWindow:         maxWindow,
		InitialConnectionReceiveWindow: firstWindow,
		MaxConnectionReceiveWindow:     maxWindow,
		MaxIncomingStreams:             1,
		MaxIncomingUniStreams:          -1,
		RequireStreamCreditRelease:     true, // one stream, not one after the other
	})
	if err != nil {
		l.cancel()
		_ = l.tr.Close()
		return nil, err
	}
	l.live.Go(l.accept)
	return l, nil
}

func (c Config) withDefaults() Config {
	if c.Connections == 0 {
		c.Connections = 16384
	}
	if c.Handshakes == 0 {
		c.Handshakes = 1024
	}
	if c.HandshakeTimeout == 0 {
		c.HandshakeTimeout = 10 * time.Second
	}
	if c.IdleTimeout == 0 {
		c.IdleTimeout = 90 * time.Second
	}
	if c.Log == nil {
		nop := zerolog.Nop()
		c.Log = &nop
	}
	return c
}

// knock is called with the first packet of a connection, before anything was done
// for it. Its context ends with the connection, whatever became of it.
func (l *Listener) knock(ctx context.Context, from *quic.ClientInfo) (context.Context, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, net.ErrClosed
	}
	v, err := l.gate.enter(from.RemoteAddr)
	if err != nil {
		return nil, err
	}
	l.live.Add(1)
	context.AfterFunc(ctx, func() {
		v.leave()
		l.live.Done()
	})
	return context.WithValue(ctx, visitorKey{}, v), nil
}

// accept takes connections whose handshake is done.
func (l *Listener) accept() {
	for {
		qc, err := l.ln.Accept(l.ctx)
		if err != nil {
			if l.ctx.Err() == nil {
				l.log.Error().Err(err).Msg("QUIC listener has ended")
				l.cancel()
			}
			return
		}
		l.live.Go(func() { l.await(qc) })
	}
}

// await waits for the stream of a connection, and hands the connection on.
func (l *Listener) await(qc *quic.Conn) {
	ctx, cancel := context.WithTimeout(l.ctx, l.cfg.HandshakeTimeout)
	defer cancel()
	str, err := qc.AcceptStream(ctx)
	if err != nil {
		_ = qc.CloseWithError(0, "")
		return
	}
	if v, ok := qc.Context().Value(visitorKey{}).(*visitor); ok {
		v.settle()
	}
	select {
	case l.ready <- newConn(qc, str):
	case <-l.ctx.Done():
		_ = qc.CloseWithError(0, "")
	}
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.ready:
		return c, nil
	case <-l.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Addr implements net.Listener: the address of the UDP socket.
func (l *Listener) Addr() net.Addr { return l.socket.LocalAddr() }

// Close refuses new connections. Those that were accepted go on until they are
// closed themselves; with the last one the socket is closed. It does not wait.
func (l *Listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	l.cancel()
	go func() {
		defer close(l.gone)
		_ = l.ln.Close()
		l.live.Wait()
		_ = l.tr.Close()
		_ = l.socket.Close()
	}()
	return nil
}

// Wait returns when, after Close, all connections have ended.
func (l *Listener) Wait() { <-l.gone }

// errFull refuses a connection; QUIC tells the client no reason.
var errFull = errors.New("smbquic: too many connections")
