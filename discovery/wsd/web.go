package wsd

import (
	"cmp"
	"errors"
	"io"
	"log"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"lessor/discovery/mcast"
)

const (
	maxConns        = 32
	maxConnsPerAddr = 4
	connTimeout     = 10 * time.Second
	// maxHeader is how long the header of a request may be, in bytes; package net/http
	// allows 4 KiB more.
	maxHeader = 4 << 10
)

// newServer returns what speaks HTTP. A connection has one request.
func newServer(h http.Handler) *http.Server {
	s := &http.Server{
		Handler: h, MaxHeaderBytes: maxHeader,
		ReadHeaderTimeout: connTimeout, ReadTimeout: connTimeout, WriteTimeout: connTimeout, IdleTimeout: connTimeout,
		// What strangers send wrongly is nothing for the log.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	s.SetKeepAlivesEnabled(false)
	return s
}

// web answers requests for the description of a device.
type web struct {
	dev   *Device
	newID func() string
}

func (h *Host) handler() http.Handler { return &web{dev: &h.dev, newID: h.newID} }

func (w *web) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	if !strings.EqualFold(r.URL.Path, w.dev.path()) {
		http.Error(out, "", http.StatusNotFound)
		return
	}
	if r.Method != http.MethodPost {
		out.Header().Set("Allow", http.MethodPost)
		http.Error(out, "", http.StatusMethodNotAllowed)
		return
	}
	if typ, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || typ != soapType {
		http.Error(out, "", http.StatusUnsupportedMediaType)
		return
	}
	b, err := io.ReadAll(http.MaxBytesReader(out, r.Body, maxMessage))
	if err != nil {
		http.Error(out, "", http.StatusRequestEntityTooLarge)
		return
	}
	code, b := w.respond(b)
	if b == nil {
		http.Error(out, "", code)
		return
	}
	out.Header().Set("Content-Type", soapType)
	out.Header().Set("Content-Length", strconv.Itoa(len(b)))
	out.WriteHeader(code)
	_, _ = out.Write(b) // who has gone does not need it
}

// respond answers a message; nil: it is none.
func (w *web) respond(b []byte) (int, []byte) {
	q, err := decode(b)
	var unknown notUnderstood
	switch {
	case errors.As(err, &unknown):
		return http.StatusInternalServerError, fault(w.header(actionFault, q), "soap:MustUnderstand", "a header is not understood")
	case err != nil:
		return http.StatusBadRequest, nil
	case q.action != actionGet:
		return http.StatusBadRequest, fault(w.header(actionFault, q), "soap:Sender", "the action is not supported")
	case !w.dev.isTo(q.to):
		return http.StatusBadRequest, fault(w.header(actionFault, q), "soap:Sender", "the message is for somebody else")
	}
	return http.StatusOK, w.dev.metadata(w.header(actionGetResponse, q))
}

func (w *web) header(action string, q *request) *header {
	return &header{to: toAsker, action: action, id: w.newID(), relates: q.id}
}

// limited is a listener that lets a bounded number of those on the link in.
type limited struct {
	net.Listener
	links []mcast.Link

	mu    sync.Mutex // guards what follows; a leaf
	count int
	by    map[netip.Addr]int // connections of an address
}

func (h *Host) limit(l net.Listener) net.Listener {
	return &limited{Listener: l, links: h.links, by: make(map[netip.Addr]int)}
}

// Accept returns the next connection that is let in; others are closed at once.
func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from, to := addrOf(c.RemoteAddr()), addrOf(c.LocalAddr())
		if peer := from.WithZone(""); l.onLink(from, to) && l.enter(peer) {
			return &counted{Conn: c, leave: sync.OnceFunc(func() { l.leave(peer) })}, nil
		}
		_ = c.Close()
	}
}

func addrOf(a net.Addr) netip.Addr {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// onLink reports whether a peer is on the link of an interface of ours that has the address it
// came to, and on this machine itself. A link-local address may be there on several
// interfaces; the zone says which one it is, at either end.
func (l *limited) onLink(from, to netip.Addr) bool {
	if from.IsLoopback() {
		return true
	}
	zone := cmp.Or(from.Zone(), to.Zone())
	to = to.WithZone("")
	for _, link := range l.links {
		list := link.Interfaces()
		for i := range list {
			n := &list[i]
			if zone != "" && zone != n.Name && zone != strconv.Itoa(n.Index) {
				continue
			}
			ours := slices.ContainsFunc(n.Addrs, func(p netip.Prefix) bool { return p.Addr() == to })
			if ours && mcast.OnLink(list, n.Index, from) {
				return true
			}
		}
	}
	return false
}

func (l *limited) enter(from netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count >= maxConns || l.by[from] >= maxConnsPerAddr {
		return false
	}
	l.count++
	l.by[from]++
	return true
}

func (l *limited) leave(from netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count--
	if l.by[from]--; l.by[from] == 0 {
		delete(l.by, from)
	}
}

// counted is a connection that was let in.
type counted struct {
	net.Conn
	leave func()
}

func (c *counted) Close() error {
	c.leave()
	return c.Conn.Close()
}
