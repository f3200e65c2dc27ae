package discovery

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// wire connects fake links: what one sends, the others hear, and itself, too.
type wire struct {
	mu    sync.Mutex // guards links and heard
	links []*fake
	heard []dnsmessage.Message // that went to the group
}

// fake is a machine on the wire.
type fake struct {
	w       *wire
	addr    netip.Prefix
	in      chan Packet
	closed  chan struct{}
	replies chan []byte
}

func (w *wire) join(addr string) *fake {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := &fake{w: w, addr: netip.MustParsePrefix(addr), in: make(chan Packet, 1000), closed: make(chan struct{}), replies: make(chan []byte, 1000)}
	w.links = append(w.links, f)
	return f
}

func (f *fake) Read() (Packet, error) {
	select {
	case p := <-f.in:
		return p, nil
	case <-f.closed:
		return Packet{}, errors.New("closed")
	}
}

func (f *fake) Send(b []byte, iface int) error {
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	var m dnsmessage.Message
	if err := m.Unpack(b); err != nil {
		return err
	}
	f.w.heard = append(f.w.heard, m)
	for _, l := range f.w.links {
		l.in <- Packet{Data: slices.Clone(b), From: netip.AddrPortFrom(f.addr.Addr(), port), Interface: iface}
	}
	return nil
}

func (f *fake) Reply(b []byte, _ netip.AddrPort, _ int) error {
	f.replies <- slices.Clone(b)
	return nil
}

func (f *fake) Interfaces() []Interface {
	return []Interface{{Index: 1, Addrs: []netip.Prefix{f.addr}}}
}

func (f *fake) Is4() bool { return f.addr.Addr().Is4() }

func (f *fake) Close() error { close(f.closed); return nil }

// take returns what was heard since the last call.
func (w *wire) take() []dnsmessage.Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.heard
	w.heard = nil
	return out
}

// instances are the names of SRV records that are announced, or with ttl 0 taken back.
func instances(list []dnsmessage.Message, gone bool) (out []string) {
	for _, m := range list {
		if !m.Response {
			continue
		}
		for _, a := range m.Answers {
			if a.Header.Type == dnsmessage.TypeSRV && (a.Header.TTL == 0) == gone && !slices.Contains(out, a.Header.Name.String()) {
				out = append(out, a.Header.Name.String())
			}
		}
	}
	return out
}

var smbService = []Service{{Type: "_smb._tcp", Port: 445}}

// start runs a responder; the returned function ends it.
func start(t *testing.T, f *fake, name string) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- NewResponder([]Link{f}, name, smbService).Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func questionFor(name string, typ dnsmessage.Type, known ...dnsmessage.Resource) []byte {
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: 7}, Answers: known,
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: typ, Class: dnsmessage.ClassINET}}}
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return b
}

func ask(f *fake, from string, name string, typ dnsmessage.Type, known ...dnsmessage.Resource) {
	b := questionFor(name, typ, known...)
	f.in <- Packet{Data: b, From: netip.MustParseAddrPort(from), Interface: 1}
}

func TestAnnounceAnswerGoodbye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(wire)
		f := w.join("192.0.2.1/24")
		stop := start(t, f, "My.Server")
		time.Sleep(5 * time.Second)
		all := w.take()
		if n := len(all); n != probes+announcements {
			t.Fatalf("%d messages, want %d", n, probes+announcements)
		}
		if all[0].Response || len(all[0].Authorities) == 0 || !all[3].Response {
			t.Errorf("probes and announcements: %+v", all)
		}
		const full = "My-Server._smb._tcp.local."
		if got := instances(all, false); !slices.Equal(got, []string{full}) {
			t.Errorf("announced %v", got)
		}
		ask(f, "192.0.2.9:5353", "_smb._tcp.local.", dnsmessage.TypePTR)
		ask(f, "192.0.2.9:5353", "_smb._tcp.local.", dnsmessage.TypePTR) // within a second
		ask(f, "198.51.100.9:5353", "_smb._tcp.local.", dnsmessage.TypePTR)
		ask(f, "192.0.2.9:5353", "other.local.", dnsmessage.TypeA)
		synctest.Wait()
		got := w.take()
		if len(got) != 1 || len(got[0].Answers) != 1 || len(got[0].Additionals) != 4 {
			t.Fatalf("answers: %+v", got)
		}
		time.Sleep(2 * time.Second)
		ask(f, "192.0.2.9:5353", "_smb._tcp.local.", dnsmessage.TypePTR, got[0].Answers[0])
		synctest.Wait()
		if got := w.take(); len(got) != 0 {
			t.Errorf("what is known was sent again: %+v", got)
		}
		ask(f, "192.0.2.9:40000", full, dnsmessage.TypeSRV)
		var m dnsmessage.Message
		if err := m.Unpack(<-f.replies); err != nil || m.ID != 7 || len(m.Questions) != 1 || m.Answers[0].Header.TTL > legacyTTL {
			t.Errorf("to a plain resolver: %+v, %v", m, err)
		}
		stop()
		if got := instances(w.take(), true); !slices.Equal(got, []string{full}) {
			t.Errorf("taken back: %v", got)
		}
	})
}

func TestConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(wire)
		stop1 := start(t, w.join("192.0.2.1/24"), "server")
		time.Sleep(10 * time.Second)
		w.take()
		stop2 := start(t, w.join("192.0.2.2/24"), "server")
		time.Sleep(30 * time.Second)
		got := instances(w.take(), false)
		if !slices.Contains(got, "server (2)._smb._tcp.local.") && !slices.Contains(got, "server(2)._smb._tcp.local.") {
			t.Errorf("names: %v", got)
		}
		stop2()
		stop1()
	})
}

func TestLabels(t *testing.T) {
	for _, c := range [][2]string{
		{label("a.b\x01", ""), "a-b-"}, {hostLabel("Müller's", ""), "M-ller-s"}, {hostLabel("...", "-2"), "server-2"},
	} {
		if c[0] != c[1] {
			t.Errorf("%q, want %q", c[0], c[1])
		}
	}
	if got := label(strings.Repeat("ü", 60), " (2)"); len(got) > maxLabel || !strings.HasSuffix(got, "ü (2)") {
		t.Errorf("a long name: %q", got)
	}
}

// FuzzDecode: no message makes the decoder fail, and what a responder makes of it is
// bounded.
func FuzzDecode(f *testing.F) {
	m := dnsmessage.Message{Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName("_smb._tcp.local."), Type: dnsmessage.TypeALL, Class: 0x8001}}}
	b, err := m.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		m, ok := decode(b)
		if !ok {
			return
		}
		if n := len(m.questions) + len(m.answers) + len(m.authority); n > maxRecords {
			t.Fatalf("%d records", n)
		}
		w := new(wire)
		r := NewResponder([]Link{w.join("192.0.2.1/24")}, "x", smbService)
		r.conflicting(m.answers, place{0, 1})
		r.answer(&received{m, netip.MustParseAddrPort("192.0.2.9:5353"), place{0, 1}})
		if len(w.take()) > 1 {
			t.Error("more than one message for one")
		}
	})
}
