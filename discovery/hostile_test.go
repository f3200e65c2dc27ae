package discovery

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// manyServices are so many that there are more records than answers in a second.
func manyServices() (out []Service) {
	for i := range 2 * perSecond {
		out = append(out, Service{Type: fmt.Sprintf("_s%d._tcp", i), Port: uint16(i + 1)})
	}
	return out
}

// TestLegacyHasItsOwnBudget: who asks as plain DNS does takes neither answers from the others
// nor the goodbye.
func TestLegacyHasItsOwnBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(wire)
		f := w.join("192.0.2.1/24")
		stop := start(t, f, "server")
		time.Sleep(5 * time.Second)
		w.take()
		for range 2 * perSecond {
			ask(f, "192.0.2.9:40000", "_smb._tcp.local.", dnsmessage.TypePTR)
		}
		ask(f, "192.0.2.9:5353", "_smb._tcp.local.", dnsmessage.TypePTR)
		synctest.Wait()
		if n := len(f.replies); n != perSecond {
			t.Errorf("%d answers to plain questions, want %d", n, perSecond)
		}
		if got := w.take(); len(got) != 1 {
			t.Errorf("%d answers to multicast DNS", len(got))
		}
		stop()
		if got := instances(w.take(), true); len(got) != 1 {
			t.Errorf("goodbye: %v", got)
		}
	})
}

// TestRefusedDoesNotCountAsSent: an answer for which there was no budget is given as soon as
// there is some.
func TestRefusedDoesNotCountAsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(wire)
		f := w.join("192.0.2.1/24")
		r := NewResponder([]Link{f}, "server", manyServices())
		question := func(i int) int {
			r.answer(&received{message{questions: []dnsmessage.Question{{
				Name: dnsmessage.MustNewName(fmt.Sprintf("_s%d._tcp.local.", i)), Type: dnsmessage.TypePTR, Class: dnsmessage.ClassINET,
			}}}, netip.MustParseAddrPort("192.0.2.9:5353"), place{0, 1}})
			return len(w.take())
		}
		for i := range perSecond {
			if n := question(i); n != 1 {
				t.Fatalf("%d answers to question %d", n, i)
			}
		}
		time.Sleep(sendEvery * 9 / 10)
		if n := question(perSecond); n != 0 {
			t.Fatalf("%d answers beyond the budget", n)
		}
		time.Sleep(sendEvery * 2 / 10)
		if n := question(perSecond); n != 1 {
			t.Error("what was refused counts as sent")
		}
		if n := question(perSecond); n != 0 {
			t.Error("what was sent does not count")
		}
	})
}

// two is a machine with two interfaces.
type two struct{ *fake }

func (t two) Interfaces() []Interface {
	one := t.fake.Interfaces()[0]
	return []Interface{one, {Index: 2, Addrs: one.Addrs}}
}

// TestInterfacesDoNotShare: those on one link take no answers from those on another.
func TestInterfacesDoNotShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(wire)
		f := w.join("192.0.2.1/24")
		r := NewResponder([]Link{two{f}}, "server", manyServices())
		question := func(iface, i int) {
			r.answer(&received{message{questions: []dnsmessage.Question{{
				Name: dnsmessage.MustNewName(fmt.Sprintf("_s%d._tcp.local.", i)), Type: dnsmessage.TypePTR, Class: dnsmessage.ClassINET,
			}}}, netip.MustParseAddrPort("192.0.2.9:5353"), place{0, iface}})
		}
		for i := range 2 * perSecond {
			question(1, i)
		}
		if n := len(w.take()); n != perSecond {
			t.Errorf("%d answers on one interface", n)
		}
		question(2, 0)
		if n := len(w.take()); n != 1 {
			t.Errorf("%d answers on the other one", n)
		}
	})
}

// many is a machine with more interfaces than there are answers in a second.
type many struct{ *fake }

func (m many) Interfaces() (out []Interface) {
	for i := range 2 * perSecond {
		out = append(out, Interface{Index: i + 1, Addrs: []netip.Prefix{m.addr}})
	}
	return out
}

// TestManyInterfaces: all of them hear that the server comes and goes.
func TestManyInterfaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(wire)
		f := many{w.join("192.0.2.1/24")}
		f.in = make(chan Packet, 10000)
		stop := run(t, f)
		time.Sleep(5 * time.Second)
		if n := len(w.take()); n != 2*perSecond*(probes+announcements) {
			t.Errorf("%d messages at the beginning", n)
		}
		stop()
		if n := len(w.take()); n != 2*perSecond {
			t.Errorf("%d goodbyes", n)
		}
	})
}

// TestForeignInterface: what comes by an interface that the server does not use, and that
// another program has joined the group on, is not for it.
func TestForeignInterface(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(wire)
		f := w.join("fe80::1/64")
		defer run(t, f)()
		time.Sleep(5 * time.Second)
		w.take()
		b := questionFor("_smb._tcp.local.", dnsmessage.TypePTR)
		f.in <- Packet{Data: b, From: netip.MustParseAddrPort("[fe80::9%eth1]:5353"), Interface: 2}
		f.in <- Packet{Data: b, From: netip.MustParseAddrPort("[fe80::9%eth1]:40000"), Interface: 2}
		synctest.Wait()
		if got := w.take(); len(got) != 0 || len(f.replies) != 0 {
			t.Errorf("%d, %+v", len(f.replies), got)
		}
	})
}

// srvOf is a response that says that the service of that name is somewhere else.
func srvOf(name string) []byte {
	m := dnsmessage.Message{Header: dnsmessage.Header{Response: true}, Answers: []dnsmessage.Resource{{
		Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET, TTL: 120},
		Body:   &dnsmessage.SRVResource{Port: 1, Target: dnsmessage.MustNewName("other.local.")},
	}}}
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return b
}

// TestResponsesOfOtherPorts: a response does not count unless it comes from the port of
// multicast DNS, which not every program may have (RFC 6762, 6).
func TestResponsesOfOtherPorts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(wire)
		f := w.join("192.0.2.1/24")
		defer start(t, f, "server")()
		time.Sleep(5 * time.Second)
		w.take()
		say := func(from string) []string {
			f.in <- Packet{Data: srvOf("server._smb._tcp.local."), From: netip.MustParseAddrPort(from), Interface: 1}
			time.Sleep(5 * time.Second)
			return instances(w.take(), false)
		}
		if got := say("192.0.2.9:40000"); len(got) != 0 {
			t.Errorf("the name was changed to %v", got)
		}
		if got := say("192.0.2.9:5353"); len(got) != 1 {
			t.Errorf("the name is taken, and announced are %v", got)
		}
	})
}

// TestFlood: of a flood a part is looked at.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(wire)
		f := w.join("192.0.2.1/24")
		f.in = make(chan Packet, 2*readPerSecond)
		defer run(t, f)()
		time.Sleep(5 * time.Second)
		w.take()
		for range readPerSecond {
			f.in <- Packet{Data: []byte("x"), From: netip.MustParseAddrPort("192.0.2.9:5353"), Interface: 1}
		}
		ask(f, "192.0.2.9:5353", "_smb._tcp.local.", dnsmessage.TypePTR)
		synctest.Wait()
		if got := w.take(); len(got) != 0 {
			t.Errorf("%+v", got)
		}
		time.Sleep(time.Second)
		ask(f, "192.0.2.9:5353", "_smb._tcp.local.", dnsmessage.TypePTR)
		synctest.Wait()
		if got := w.take(); len(got) != 1 {
			t.Errorf("%d answers when it is over", len(got))
		}
	})
}

// TestForgetsWhatWasSent: names and addresses that are gone leave nothing.
func TestForgetsWhatWasSent(t *testing.T) {
	r := NewResponder(nil, "server", smbService)
	now := time.Now()
	for i := range 100 {
		r.sent[sentKey{name: fmt.Sprint(i)}] = now.Add(-time.Duration(i) * sendEvery)
	}
	if r.forget(now); len(r.sent) != 1 {
		t.Errorf("%d are remembered", len(r.sent))
	}
}

// dear is the message that costs most of those that were thought of: as many questions as
// there may be, half of them for what is there, and as many known answers that differ in
// the last place.
func dear(b testing.TB) []byte {
	m := dnsmessage.Message{}
	name := dnsmessage.MustNewName("server.local.")
	for i := range maxRecords / 2 {
		m.Questions = append(m.Questions, dnsmessage.Question{Name: name, Type: dnsmessage.TypeALL, Class: dnsmessage.ClassINET})
		m.Answers = append(m.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET, TTL: ttlHost},
			Body:   &dnsmessage.AResource{A: [4]byte{198, 51, 100, byte(i)}},
		})
	}
	data, err := m.Pack()
	if err != nil {
		b.Fatal(err)
	}
	return data
}

func BenchmarkDearMessage(b *testing.B) {
	data := dear(b)
	w := new(wire)
	f := w.join("192.0.2.1/24")
	r := NewResponder([]Link{f}, "server", smbService)
	for b.Loop() {
		m, ok := decode(data)
		if !ok {
			b.Fatal("not decoded")
		}
		r.answer(&received{m, netip.MustParseAddrPort("192.0.2.9:5353"), place{0, 1}})
		r.conflicting(m.answers, place{0, 1})
	}
}
