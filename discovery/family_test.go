package discovery

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// run runs a responder for several links; the returned function ends it.
func run(t *testing.T, links ...Link) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- NewResponder(links, "server", smbService).Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestFamilies: both families carry the same, and an answer goes where the question came from.
func TestFamilies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w4, w6 := new(wire), new(wire)
		f4, f6 := w4.join("192.0.2.1/24"), w6.join("fe80::1/64")
		stop := run(t, f4, f6)
		time.Sleep(5 * time.Second)
		for name, w := range map[string]*wire{"IPv4": w4, "IPv6": w6} {
			if got := instances(w.take(), false); len(got) != 1 || got[0] != "server._smb._tcp.local." {
				t.Errorf("announced by %s: %v", name, got)
			}
		}
		ask(f6, "[fe80::9%eth0]:5353", "_smb._tcp.local.", dnsmessage.TypePTR)
		ask(f6, "[2001:db8::9]:5353", "server.local.", dnsmessage.TypeAAAA) // not on the link
		synctest.Wait()
		if n4, n6 := len(w4.take()), len(w6.take()); n4 != 0 || n6 != 1 {
			t.Errorf("%d answers by IPv4, %d by IPv6", n4, n6)
		}
		stop()
		if len(instances(w4.take(), true)) != 1 || len(instances(w6.take(), true)) != 1 {
			t.Error("not taken back by both families")
		}
	})
}

// changing is a link whose interface comes later.
type changing struct {
	*fake
	there chan bool // of one
}

func (c *changing) Interfaces() []Interface {
	there := <-c.there
	c.there <- there
	if !there {
		return nil
	}
	return c.fake.Interfaces()
}

func TestInterfaceComesLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(wire)
		c := &changing{w.join("192.0.2.1/24"), make(chan bool, 1)}
		c.there <- false
		stop := run(t, c)
		time.Sleep(5 * time.Second)
		if got := w.take(); len(got) != 0 {
			t.Errorf("sent without an interface: %+v", got)
		}
		<-c.there
		c.there <- true
		time.Sleep(lookEvery + 3*time.Second)
		got := w.take()
		if len(got) != probes+announcements || got[0].Response || len(instances(got, false)) != 1 {
			t.Errorf("it came: %+v", got)
		}
		time.Sleep(2 * lookEvery)
		if got := w.take(); len(got) != 0 {
			t.Errorf("without a change: %+v", got)
		}
		stop()
		if got := w.take(); len(instances(got, true)) != 1 {
			t.Errorf("goodbye: %+v", got)
		}
	})
}

func TestNSECBytes(t *testing.T) {
	// The name, then block 0 of 5 bytes with bits 1, 28 and 33 (RFC 4034, 4.1).
	want := "\x06server\x05local\x00" + "\x00\x05" + "\x40\x00\x00\x08\x40"
	if got := string(nsec("server.local.", []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeSRV, dnsmessage.TypeAAAA})); got != want {
		t.Errorf("%x, want %x", got, want)
	}
}

// TestNegativeAnswers: who asks for what is not there is told so, if the name is ours.
func TestNegativeAnswers(t *testing.T) {
	const https dnsmessage.Type = 65
	synctest.Test(t, func(t *testing.T) {
		w := new(wire)
		f := w.join("192.0.2.1/24")
		stop := run(t, f)
		defer stop()
		time.Sleep(5 * time.Second)
		w.take()
		var known dnsmessage.Resource
		for _, c := range []struct {
			name  string
			typ   dnsmessage.Type
			bits  string // of the answer; empty: there is none
			block string
		}{
			{"server.local.", dnsmessage.TypeAAAA, "\x40", "\x06server\x05local\x00"},
			{"SERVER.local.", https, "\x40", "\x06server\x05local\x00"},
			{"server._smb._tcp.local.", dnsmessage.TypeA, "\x00\x00\x80\x00\x40", "\x06server\x04_smb\x04_tcp\x05local\x00"},
			{"_smb._tcp.local.", dnsmessage.TypeA, "", ""}, // a name that is not ours alone
			{"other.local.", dnsmessage.TypeAAAA, "", ""},
		} {
			ask(f, "192.0.2.9:5353", c.name, c.typ)
			synctest.Wait()
			got := w.take()
			if c.bits == "" {
				if len(got) != 0 {
					t.Errorf("%s %v: %+v", c.name, c.typ, got)
				}
				continue
			}
			if len(got) != 1 || len(got[0].Answers) != 1 {
				t.Fatalf("%s %v: %+v", c.name, c.typ, got)
			}
			a := got[0].Answers[0]
			body, ok := a.Body.(*dnsmessage.UnknownResource)
			if !ok || body.Type != typeNSEC || string(body.Data) != c.block+"\x00"+string(rune(len(c.bits)))+c.bits ||
				a.Header.Class&cacheFlush == 0 || a.Header.TTL != ttlHost || !strings.EqualFold(a.Header.Name.String(), c.name) {
				t.Errorf("%s %v: %+v, %+v", c.name, c.typ, a.Header, a.Body)
			}
			if c.typ == dnsmessage.TypeAAAA {
				known = a
			}
			time.Sleep(2 * sendEvery)
		}
		ask(f, "192.0.2.9:5353", "server.local.", dnsmessage.TypeAAAA, known)
		ask(f, "192.0.2.9:40000", "server.local.", dnsmessage.TypeAAAA) // a plain resolver
		synctest.Wait()
		if got := w.take(); len(got) != 0 || len(f.replies) != 0 {
			t.Errorf("who knows, or does not understand, was answered: %+v", got)
		}

		// With the only family comes that the other is missing.
		ask(f, "192.0.2.9:5353", "server.local.", dnsmessage.TypeA)
		synctest.Wait()
		got := w.take()
		if len(got) != 1 || len(got[0].Answers) != 1 {
			t.Fatalf("%+v", got)
		}
		n := 0
		for _, a := range got[0].Additionals {
			if a.Header.Type == typeNSEC {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d of NSEC: %+v", n, got[0].Additionals)
		}
	})
}

// TestBothFamiliesNeedNoNSEC: nothing is missing where there are addresses of both.
func TestBothFamiliesNeedNoNSEC(t *testing.T) {
	r := NewResponder(nil, "server", smbService)
	own := r.records([]netip.Prefix{netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("fe80::1/64")})
	m := dnsmessage.Message{}
	for i := range own {
		res, ok := own[i].resource(1, false)
		if !ok {
			t.Fatal(own[i])
		}
		m.Additionals = append(m.Additionals, res)
	}
	before := len(m.Additionals)
	if addMissing(&m, negatives(own)); len(m.Additionals) != before {
		t.Error("a record was added")
	}
}
