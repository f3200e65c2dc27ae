package wsd

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"lessor/discovery/mcast"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sent is what went out by a fake.
type sent struct {
	at   time.Time
	to   netip.AddrPort // the zero value: the group
	data string
}

// fake is a Link with one interface.
type fake struct {
	addrs  chan []netip.Prefix // of one: what the interface has
	in     chan mcast.Packet
	closed chan struct{}
	out    chan sent
}

func newFake(addrs ...string) *fake {
	f := &fake{addrs: make(chan []netip.Prefix, 1), in: make(chan mcast.Packet), closed: make(chan struct{}), out: make(chan sent, 10000)}
	f.addrs <- nil
	f.set(addrs...)
	return f
}

func (f *fake) set(addrs ...string) {
	var list []netip.Prefix
	for _, a := range addrs {
		list = append(list, netip.MustParsePrefix(a))
	}
	<-f.addrs
	f.addrs <- list
}

func (f *fake) Read() (mcast.Packet, error) {
	select {
	case p := <-f.in:
		return p, nil
	case <-f.closed:
		return mcast.Packet{}, errors.New("closed")
	}
}

func (f *fake) Send(b []byte, _ int) error { return f.Reply(b, netip.AddrPort{}, 0) }

func (f *fake) Reply(b []byte, to netip.AddrPort, _ int) error {
	f.out <- sent{time.Now(), to, string(b)}
	return nil
}

func (f *fake) Interfaces() []mcast.Interface {
	list := <-f.addrs
	f.addrs <- list
	if list == nil {
		return nil
	}
	return []mcast.Interface{{Index: 3, Name: "eth0", Addrs: list}}
}

func (f *fake) Is4() bool { return true }

func (f *fake) Close() error { close(f.closed); return nil }

// take returns what went out since the last call.
func (f *fake) take() (out []sent) {
	for {
		select {
		case s := <-f.out:
			out = append(out, s)
		default:
			return out
		}
	}
}

func (f *fake) ask(text, from string) {
	f.in <- mcast.Packet{Data: []byte(text), From: netip.MustParseAddrPort(from), Interface: 3}
}

// noListener is a listener to which nobody comes.
type noListener chan struct{}

func (l noListener) Accept() (net.Conn, error) { <-l; return nil, net.ErrClosed }
func (l noListener) Close() error              { close(l); return nil }
func (l noListener) Addr() net.Addr            { return &net.TCPAddr{Port: WebPort} }

// begin runs a host for testDevice; the returned function ends it.
func begin(t *testing.T, f *fake) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- New(testDevice, []mcast.Link{f}, make(noListener)).Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// greeted is begin once all has been sent that is sent unasked.
func greeted(t *testing.T, f *fake) (stop func()) {
	stop = begin(t, f)
	time.Sleep(5 * time.Second)
	f.take()
	return stop
}

// value is the text of the first element with a name.
func value(text, name string) string {
	_, rest, _ := strings.Cut(text, "<"+name+">")
	out, _, _ := strings.Cut(rest, "</"+name+">")
	return out
}

func attr(text, name string) string {
	_, rest, _ := strings.Cut(text, name+`="`)
	out, _, _ := strings.Cut(rest, `"`)
	return out
}

func TestHelloAndBye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("192.0.2.1/24", "2001:db8::1/64")
		begun := time.Now()
		stop := begin(t, f)
		time.Sleep(5 * time.Second)
		first := f.take()
		if len(first) != multicastRepeat {
			t.Fatalf("%d messages", len(first))
		}
		if d := first[0].at.Sub(begun); d > appMaxDelay {
			t.Errorf("Hello after %v", d)
		}
		gap := first[1].at.Sub(first[0].at)
		if gap < udpMinDelay || gap > udpMaxDelay {
			t.Errorf("again after %v", gap)
		}
		for i := 1; i < len(first); i++ {
			if first[i].data != first[0].data || first[i].to.IsValid() || first[i].at.Sub(first[i-1].at) != gap {
				t.Errorf("%d: %+v", i, first[i])
			}
			gap = min(2*gap, udpUpperDelay)
		}
		hello := first[0].data
		if value(hello, "wsa:Action") != actionHello || value(hello, "wsd:XAddrs") != "http://192.0.2.1:5357/"+testUUID {
			t.Errorf("%s", hello)
		}

		f.set("192.0.2.7/24")
		time.Sleep(lookEvery + 5*time.Second)
		again := f.take()
		if len(again) != multicastRepeat {
			t.Fatalf("%d messages after a change of the address", len(again))
		}
		v1, err1 := strconv.Atoi(value(hello, "wsd:MetadataVersion"))
		v2, err2 := strconv.Atoi(value(again[0].data, "wsd:MetadataVersion"))
		if err1 != nil || err2 != nil || v2 != v1+1 || value(again[0].data, "wsd:XAddrs") != "http://192.0.2.7:5357/"+testUUID {
			t.Errorf("version %d, then %d: %s", v1, v2, again[0].data)
		}
		if attr(hello, "InstanceId") != attr(again[0].data, "InstanceId") || attr(hello, "MessageNumber") != "1" || attr(again[0].data, "MessageNumber") != "2" {
			t.Errorf("sequence: %s, %s", hello, again[0].data)
		}
		time.Sleep(3 * lookEvery)
		if got := f.take(); len(got) != 0 {
			t.Errorf("without a change: %+v", got)
		}
		stop()
		bye := f.take()
		if len(bye) != 2 || bye[0].data != bye[1].data || value(bye[0].data, "wsa:Action") != actionBye || value(bye[0].data, "wsa:Address") != "urn:uuid:"+testUUID {
			t.Errorf("goodbye: %+v", bye)
		}
		if d := bye[1].at.Sub(bye[0].at); d < udpMinDelay || d > udpMaxDelay {
			t.Errorf("goodbye again after %v", d)
		}
	})
}

// TestInterfaceComesAndGoes begins without any interface.
func TestInterfaceComesAndGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		stop := begin(t, f)
		time.Sleep(5 * time.Second)
		if got := f.take(); len(got) != 0 {
			t.Errorf("without an interface: %+v", got)
		}
		for range 2 {
			f.set("192.0.2.1/24")
			time.Sleep(lookEvery + 3*time.Second) // never at the time of a look
			if got := f.take(); len(got) != multicastRepeat || value(got[0].data, "wsa:Action") != actionHello {
				t.Errorf("it came: %+v", got)
			}
			f.set()
			time.Sleep(lookEvery)
		}
		stop()
		if got := f.take(); len(got) != 0 {
			t.Errorf("goodbye to nobody: %+v", got)
		}
	})
}

func TestAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("192.0.2.1/24")
		defer greeted(t, f)()
		const types = "<wsd:Types>wsdp:Device</wsd:Types>"

		asked := time.Now()
		for range 3 { // as it is sent several times
			f.ask(probeOf("urn:uuid:1", types), "192.0.2.9:50000")
		}
		time.Sleep(2 * time.Second)
		got := f.take()
		if len(got) != unicastRepeat || got[0].data != got[1].data {
			t.Fatalf("%+v", got)
		}
		if got[0].to != netip.MustParseAddrPort("192.0.2.9:50000") || got[0].at.Sub(asked) > appMaxDelay {
			t.Errorf("%+v", got[0])
		}
		for name, want := range map[string]string{
			"wsa:Action": actionProbeMatches, "wsa:RelatesTo": "urn:uuid:1", "wsa:To": toAsker, "wsa:Address": "urn:uuid:" + testUUID,
			"wsd:Types": "wsdp:Device pub:Computer", "wsd:XAddrs": "http://192.0.2.1:5357/" + testUUID,
		} {
			if v := value(got[0].data, name); v != want {
				t.Errorf("%s: %q, want %q", name, v, want)
			}
		}

		asked = time.Now()
		f.ask(resolveOf("urn:uuid:2", "urn:uuid:"+strings.ToUpper(testUUID)), "192.0.2.9:50000")
		time.Sleep(2 * time.Second)
		if got := f.take(); len(got) != unicastRepeat || value(got[0].data, "wsa:Action") != actionResolveMatches || !got[0].at.Equal(asked) {
			t.Errorf("Resolve: %+v", got)
		}

		f.ask(probeOf("urn:uuid:3", types), "198.51.100.9:50000") // not on the link
		f.ask(probeOf("urn:uuid:4", "<wsd:Types>wsd:Printer</wsd:Types>"), "192.0.2.9:50000")
		f.ask(resolveOf("urn:uuid:5", "urn:uuid:1"), "192.0.2.9:50000")
		f.ask(windows(headerOf("urn:uuid:6", actionProbe, "urn:uuid:6"), "<wsd:Probe/>"), "192.0.2.9:50000")
		f.ask(getOf("urn:uuid:"+testUUID), "192.0.2.9:50000") // not by UDP
		f.ask("<a/>", "192.0.2.9:50000")
		f.ask(string(bytes.Repeat([]byte(" "), maxMessage+1)), "192.0.2.9:50000")
		time.Sleep(2 * time.Second)
		if got := f.take(); len(got) != 0 {
			t.Errorf("answered: %+v", got)
		}
	})
}

// TestFlood: whoever asks much gets a part of what there is, and others get theirs.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("192.0.2.1/24")
		defer greeted(t, f)()
		for i := range 40 {
			f.ask(resolveOf("urn:uuid:"+strconv.Itoa(i), "urn:uuid:"+testUUID), "192.0.2.9:"+strconv.Itoa(1000+i))
		}
		f.ask(resolveOf("urn:uuid:other", "urn:uuid:"+testUUID), "192.0.2.10:1")
		time.Sleep(5 * time.Second)
		got := f.take()
		others := slices.DeleteFunc(slices.Clone(got), func(s sent) bool { return s.to.Addr() != netip.MustParseAddr("192.0.2.10") })
		if n := len(got) - len(others); n != maxPerAddress*unicastRepeat || len(others) != unicastRepeat {
			t.Errorf("%d messages for one address, %d for the other", n, len(others))
		}
		for i := range 200 {
			f.ask(resolveOf("urn:uuid:x"+strconv.Itoa(i), "urn:uuid:"+testUUID), "192.0.2."+strconv.Itoa(i+2)+":7")
		}
		time.Sleep(5 * time.Second)
		if n := len(f.take()); n != perSecond*unicastRepeat {
			t.Errorf("%d messages for 200 questions in a second", n)
		}
	})
}

// TestGarbage: what is no question takes its part of the time, and no more.
func TestGarbage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("192.0.2.1/24")
		defer greeted(t, f)()
		for range readPerSecond {
			f.ask("<a>", "192.0.2.9:1")
		}
		f.ask(resolveOf("urn:uuid:1", "urn:uuid:"+testUUID), "192.0.2.9:1")
		time.Sleep(2 * time.Second)
		f.ask(resolveOf("urn:uuid:2", "urn:uuid:"+testUUID), "192.0.2.9:1")
		time.Sleep(2 * time.Second)
		if got := f.take(); len(got) != unicastRepeat || value(got[0].data, "wsa:RelatesTo") != "urn:uuid:2" {
			t.Errorf("%+v", got)
		}
	})
}

// TestRefusedMayAskAgain: a question for which there was no budget, or no room, is answered
// when it comes again, and what was answered is not.
func TestRefusedMayAskAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("192.0.2.1/24")
		defer greeted(t, f)()
		ask := func(i int, from string) []sent {
			f.ask(resolveOf("urn:uuid:"+strconv.Itoa(i), "urn:uuid:"+testUUID), from)
			synctest.Wait()
			return f.take()
		}
		for i := range maxPerAddress {
			if got := ask(i, "192.0.2.9:1"); len(got) != 1 {
				t.Fatalf("question %d: %+v", i, got)
			}
		}
		if got := ask(maxPerAddress, "192.0.2.9:1"); len(got) != 0 {
			t.Fatalf("more than may wait: %+v", got)
		}
		time.Sleep(2 * time.Second)
		f.take()
		if got := ask(maxPerAddress, "192.0.2.9:1"); len(got) != 1 {
			t.Errorf("there is room again: %+v", got)
		}
		if got := ask(maxPerAddress, "192.0.2.9:1"); len(got) != 0 {
			t.Errorf("answered twice: %+v", got)
		}

		time.Sleep(2 * time.Second)
		f.take()
		for i := range perSecond {
			ask(100+i, "192.0.2."+strconv.Itoa(i+2)+":1")
		}
		if got := ask(99, "192.0.2.200:1"); len(got) != 0 {
			t.Fatalf("beyond the budget: %+v", got)
		}
		time.Sleep(2 * time.Second)
		f.take()
		if got := ask(99, "192.0.2.200:1"); len(got) != 1 {
			t.Errorf("there is budget again: %+v", got)
		}
	})
}

// TestOneAddressTakesNoBudget: who asks more than may wait for him takes no answers from
// others.
func TestOneAddressTakesNoBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("192.0.2.1/24")
		defer greeted(t, f)()
		for i := range 2 * perSecond {
			f.ask(resolveOf("urn:uuid:"+strconv.Itoa(i), "urn:uuid:"+testUUID), "192.0.2.9:1")
		}
		f.ask(resolveOf("urn:uuid:other", "urn:uuid:"+testUUID), "192.0.2.10:1")
		synctest.Wait()
		if got := f.take(); len(got) != maxPerAddress+1 || got[maxPerAddress].to.Addr() != netip.MustParseAddr("192.0.2.10") {
			t.Errorf("%d answers", len(got))
		}
	})
}

// TestJunkIsNotRemembered: what is not answered pushes nothing out of memory.
func TestJunkIsNotRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("192.0.2.1/24")
		defer greeted(t, f)()
		ours := resolveOf("urn:uuid:ours", "urn:uuid:"+testUUID)
		f.ask(ours, "192.0.2.9:1")
		for i := range remembered {
			f.ask(resolveOf("urn:uuid:"+strconv.Itoa(i), "urn:uuid:1"), "192.0.2.9:1")
		}
		f.ask(ours, "192.0.2.9:1")
		time.Sleep(2 * time.Second)
		if got := f.take(); len(got) != unicastRepeat {
			t.Errorf("%d messages", len(got))
		}
	})
}

// two is a machine with two interfaces.
type two struct{ *fake }

func (t two) Interfaces() []mcast.Interface {
	one := t.fake.Interfaces()
	return append(one, mcast.Interface{Index: 4, Name: "eth1", Addrs: one[0].Addrs})
}

// TestInterfacesDoNotShare: a flood on one link takes nothing from those on another, and one
// by an interface that the server does not use is not looked at.
func TestInterfacesDoNotShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := two{newFake("192.0.2.1/24")}
		h := New(testDevice, []mcast.Link{f}, make(noListener))
		in, stop, done := make(chan question, 2*readPerSecond), make(chan struct{}), make(chan error, 1)
		go func() { done <- h.read(0, in, stop) }()
		ask := func(iface, i int) {
			f.in <- mcast.Packet{
				Data: []byte(resolveOf("urn:uuid:"+strconv.Itoa(i), "urn:uuid:"+testUUID)), Interface: iface,
				From: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i%200 + 2)}), 1),
			}
		}
		for i := range readPerSecond + 1 {
			ask(3, i)
		}
		ask(4, 0)
		ask(5, 0)
		synctest.Wait()
		if len(in) != readPerSecond+1 {
			t.Errorf("%d questions were looked at", len(in))
		}
		now := time.Now()
		answers := make(map[int]int)
		for range len(in) {
			q := <-in
			before := len(h.queue)
			h.answer(&q, now)
			answers[q.iface] += len(h.queue) - before
		}
		if answers[3] != perSecond || answers[4] != 1 || len(answers) != 2 {
			t.Errorf("answers by interface: %v", answers)
		}
		f.Close()
		if err := <-done; err == nil {
			t.Error("no error at the end")
		}
	})
}

// TestForgets: what is remembered of messages is bounded.
func TestForgets(t *testing.T) {
	h := New(testDevice, nil, make(noListener))
	of := func(i int) *question { return &question{request: &request{id: strconv.Itoa(i)}} }
	for i := range 3 * remembered {
		if h.answered(of(i)) {
			t.Fatalf("%d is known", i)
		}
		if h.remember(of(i)); !h.answered(of(i)) {
			t.Fatalf("%d is forgotten", i)
		}
	}
	if len(h.ids) != remembered || !h.answered(of(3*remembered-2)) || h.answered(of(2*remembered-1)) {
		t.Errorf("%d are remembered", len(h.ids))
	}
}
