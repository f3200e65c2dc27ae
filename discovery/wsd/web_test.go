package wsd

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"lessor/discovery/mcast"
)

func testWeb() *web {
	d := testDevice
	return &web{dev: &d, newID: func() string { return "urn:uuid:9" }}
}

func post(path, typ, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", typ)
	w := httptest.NewRecorder()
	testWeb().ServeHTTP(w, r)
	return w
}

func TestGet(t *testing.T) {
	const path = "/" + testUUID
	for name, c := range map[string]struct {
		path, typ, body string
		code            int
		action          string // of the answer; empty: none
	}{
		"get":             {path, soapType, getOf("urn:uuid:" + testUUID), 200, actionGetResponse},
		"upper case":      {strings.ToUpper(path), soapType + "; charset=utf-8", getOf("urn:uuid:" + strings.ToUpper(testUUID)), 200, actionGetResponse},
		"other path":      {"/", soapType, getOf("urn:uuid:" + testUUID), 404, ""},
		"form":            {path, "application/x-www-form-urlencoded", getOf("urn:uuid:" + testUUID), 415, ""},
		"too long":        {path, soapType, strings.Repeat(" ", maxMessage+1), 413, ""},
		"no XML":          {path, soapType, "x", 400, ""},
		"somebody else":   {path, soapType, getOf("urn:uuid:1"), 400, actionFault},
		"probe":           {path, soapType, probeOf("urn:uuid:1", ""), 400, actionFault},
		"must understand": {path, soapType, windows(headerOf("", actionGet, "urn:uuid:1")+`<x:y xmlns:x="urn:x" soap:mustUnderstand="true"/>`, ""), 500, actionFault},
	} {
		w := post(c.path, c.typ, c.body)
		body := w.Body.String()
		if w.Code != c.code || value(body, "wsa:Action") != c.action {
			t.Errorf("%s: %d %s", name, w.Code, body)
		}
		if c.code == 200 && (value(body, "pub:Computer") != "FILES/Workgroup:OFFICE" || w.Header().Get("Content-Type") != soapType) {
			t.Errorf("%s: %v %s", name, w.Header(), body)
		}
	}
	w := httptest.NewRecorder()
	testWeb().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", w.Code)
	}
}

// FuzzWeb: no body of a request makes the handler fail, and its answer is well-formed.
func FuzzWeb(f *testing.F) {
	f.Add([]byte(getOf("urn:uuid:" + testUUID)))
	f.Add([]byte(probeOf("urn:uuid:1", "")))
	f.Add([]byte(windows(headerOf("", actionGet, "urn:uuid:1")+`<x:y xmlns:x="urn:x" soap:mustUnderstand="true"/>`, "")))
	f.Fuzz(func(t *testing.T, b []byte) {
		w := post("/"+testUUID, soapType, string(b))
		if w.Header().Get("Content-Type") != soapType {
			return
		}
		if _, err := parse(w.Body.Bytes()); err != nil {
			t.Errorf("%d %q: %v", w.Code, w.Body, err)
		}
	})
}

// connsListener accepts connections from addresses.
type connsListener chan net.Conn

func (l connsListener) Accept() (net.Conn, error) {
	if c, ok := <-l; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (l connsListener) Close() error   { return nil }
func (l connsListener) Addr() net.Addr { return &net.TCPAddr{} }

// peer is a connection with nothing but addresses.
type peer struct {
	net.Conn
	local, remote string
	closed        int
}

func (p *peer) LocalAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(p.local))
}
func (p *peer) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(p.remote))
}
func (p *peer) Close() error { p.closed++; return nil }

func TestWhoIsLetIn(t *testing.T) {
	f := newFake("192.0.2.1/24", "2001:db8::1/64", "fe80::1/64")
	h := New(testDevice, []mcast.Link{f}, make(noListener))
	in := make(connsListener, 100)
	l := h.limit(in)
	for _, c := range []struct {
		local, remote string
		want          bool
	}{
		{"192.0.2.1:5357", "192.0.2.77:1", true}, {"192.0.2.1:5357", "192.0.3.77:1", false}, {"127.0.0.1:5357", "127.0.0.1:1", true},
		{"[::ffff:192.0.2.1]:5357", "[::ffff:192.0.2.77]:1", true}, {"[2001:db8::1]:5357", "[2001:db8::2]:1", true},
		{"[2001:db8::1]:5357", "[2001:db9::2]:1", false}, {"[fe80::1%eth0]:5357", "[fe80::2%eth0]:1", true},
		{"198.51.100.1:5357", "192.0.2.77:1", false}, // our address is on another link
		{"192.0.2.1:5357", "169.254.1.7:1", true}, {"198.51.100.1:5357", "169.254.1.7:1", false},
		// Link-local addresses of links on which the server is not, though it has the same there.
		{"[fe80::1%eth1]:5357", "[fe80::2%eth1]:1", false}, {"[fe80::9%eth0]:5357", "[fe80::2%eth0]:1", false},
		{"[2001:db8::1]:5357", "[fe80::2%eth0]:1", true}, {"[2001:db8::1]:5357", "[fe80::2%eth1]:1", false},
		{"[fe80::1%3]:5357", "[fe80::2%3]:1", true}, {"[fe80::1%4]:5357", "[fe80::2%4]:1", false},
	} {
		p, last := &peer{local: c.local, remote: c.remote}, &peer{local: "127.0.0.1:1", remote: "127.0.0.1:1"}
		in <- p
		in <- last
		got, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if letIn := got.(*counted).Conn == net.Conn(p); letIn != c.want || (p.closed == 1) == c.want {
			t.Errorf("%s to %s: let in %v, closed %d times", c.remote, c.local, letIn, p.closed)
		}
		got.Close()
		got.Close() // a second time counts once
		if c.want {
			got, _ = l.Accept()
			got.Close()
		}
	}
	var open []net.Conn
	for range maxConnsPerAddr {
		in <- &peer{local: "192.0.2.1:5357", remote: "192.0.2.9:1"}
		c, _ := l.Accept()
		open = append(open, c)
	}
	much := &peer{local: "192.0.2.1:5357", remote: "192.0.2.9:1"}
	other := &peer{local: "192.0.2.1:5357", remote: "192.0.2.10:1"}
	in <- much
	in <- other
	if c, _ := l.Accept(); c.(*counted).Conn != net.Conn(other) || much.closed != 1 {
		t.Error("one address has more connections than it may have")
	}
	open[0].Close()
	in <- &peer{local: "192.0.2.1:5357", remote: "192.0.2.9:1"}
	if c, _ := l.Accept(); c.RemoteAddr().String() != "192.0.2.9:1" {
		t.Error("a connection that was closed still counts")
	}
}
