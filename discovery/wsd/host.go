package wsd

import (
	"context"
	"crypto/rand"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"lessor/discovery/mcast"
)

// Port is that of WS-Discovery, of UDP, and WebPort that of HTTP, which Windows lets
// through its firewall.
const (
	Port    = 3702
	WebPort = 5357
)

const (
	// lookEvery is how often interfaces are looked at.
	lookEvery = 10 * time.Second
	// perSecond is how many questions of an interface are answered in a second, and
	// readPerSecond how many of its messages are looked at, as that takes time, too.
	perSecond     = 50
	readPerSecond = 500
	// remembered is how many identifiers of messages are known.
	remembered = 256
)

// Groups are those of WS-Discovery, for each family of addresses, at a port; none of the
// messages leaves the link. For at see mcast.Group.
func Groups(at []netip.Addr) []mcast.Group {
	group := func(a string) mcast.Group {
		return mcast.Group{Addr: netip.AddrPortFrom(netip.MustParseAddr(a), Port), Hops: 1, MaxMessage: maxMessage, At: at}
	}
	return []mcast.Group{group("239.255.255.250"), group("ff02::c")}
}

// Host answers for a device.
type Host struct {
	// Immutable after construction.
	dev   Device
	links []mcast.Link
	web   net.Listener
	port  string // of web
	newID func() string

	// Owned by Run.
	seq     sequence
	version uint32 // of what is told
	greeted map[place]string
	queue   queue
	ids     []string // the last that were answered, of which next is to be forgotten
	next    int
	budgets mcast.Budgets[place]
}

// place is an interface on a link.
type place struct{ link, iface int }

// New returns a host for a device, which has a socket for each family of addresses and a
// listener for HTTP. They belong to it from then on.
func New(dev Device, links []mcast.Link, web net.Listener) *Host {
	now := uint32(time.Now().Unix()) // greater after each start, up to 2106
	h := &Host{
		dev: dev, links: links, web: web, newID: newID, version: now,
		seq: sequence{instance: now, id: newID()}, greeted: make(map[place]string),
	}
	_, h.port, _ = net.SplitHostPort(web.Addr().String()) // that of a listener has a port
	return h
}

// newID makes an identifier of a message: a random UUID.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return urnUUID + format(b, 4)
}

// UUID makes one of a name, the same for the same name (RFC 9562, 5.5, which wants SHA-1;
// no secret rests on it).
func UUID(name string) string {
	// The space of names is our own.
	space := [16]byte{0x5e, 0x3c, 0x1f, 0x0a, 0x77, 0x42, 0x4d, 0x19, 0x9b, 0x61, 0x0d, 0xc4, 0x2a, 0x83, 0xe6, 0x70}
	sum := sha1.Sum(append(space[:], name...))
	return format([16]byte(sum[:16]), 5)
}

func format(b [16]byte, version byte) string {
	b[6] = b[6]&0x0f | version<<4
	b[8] = b[8]&0x3f | 0x80
	s := hex.EncodeToString(b[:])
	return strings.Join([]string{s[:8], s[8:12], s[12:16], s[16:20], s[20:]}, "-")
}

// question is a message that came from somebody on a link.
type question struct {
	*request
	place
	from netip.AddrPort
}

// Run announces and answers until ctx ends, says goodbye, which takes up to a quarter of a second, and
// closes what belongs to it. The error is that of a socket or of the listener.
func (h *Host) Run(ctx context.Context) error {
	in, failed := make(chan question), make(chan error, len(h.links)+1)
	stop, done := make(chan struct{}), make(chan struct{})
	for i := range h.links {
		go func() {
			defer func() { done <- struct{}{} }()
			failed <- h.read(i, in, stop)
		}()
	}
	srv := newServer(h.handler())
	go func() {
		defer func() { done <- struct{}{} }()
		failed <- srv.Serve(h.limit(h.web))
	}()
	err := h.serve(ctx, in, failed)
	close(stop)
	closed := []error{srv.Close()}
	for _, l := range h.links {
		closed = append(closed, l.Close())
	}
	for range len(h.links) + 1 {
		<-done
	}
	if err == nil {
		err = errors.Join(closed...)
	}
	return err
}

// read hands over what comes in by a link.
func (h *Host) read(link int, in chan<- question, stop <-chan struct{}) error {
	l := h.links[link]
	var looked mcast.Budgets[int]
	for {
		p, err := l.Read()
		if err != nil {
			return err
		}
		if !mcast.OnLink(l.Interfaces(), p.Interface, p.From.Addr()) || len(p.Data) > maxMessage || !looked.Take(p.Interface, time.Now(), readPerSecond) {
			continue
		}
		q, err := decode(p.Data)
		if err != nil || q.action != actionProbe && q.action != actionResolve {
			continue
		}
		select {
		case in <- question{q, place{link, p.Interface}, p.From}:
		case <-stop:
			return nil
		}
	}
}

// serve is Run without the beginning and the end of the others.
func (h *Host) serve(ctx context.Context, in <-chan question, failed <-chan error) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	h.greet(time.Now())
	for {
		timer.Reset(h.queue.wait(time.Now()))
		select {
		case <-ctx.Done():
			h.leave()
			return nil
		case err := <-failed:
			return err
		case <-timer.C:
			h.queue.send(h.links, time.Now())
		case <-look.C:
			h.greet(time.Now())
		case q := <-in:
			h.answer(&q, time.Now())
		}
	}
}

// header is that of the next message.
func (h *Host) header(to, action, relates string) *header {
	h.seq.number++
	seq := h.seq
	return &header{to: to, action: action, id: h.newID(), relates: relates, seq: &seq}
}

// greet says hello on interfaces that are new, or have other addresses than before.
func (h *Host) greet(now time.Time) {
	there := make(map[place]bool)
	told := h.seq.number > 0
	for i, l := range h.links {
		for _, n := range l.Interfaces() {
			p := place{i, n.Index}
			at := h.at(p, n.Addrs)
			there[p] = true
			if key := strings.Join(at, " "); h.greeted[p] != key {
				if told {
					h.version++
				}
				h.greeted[p] = key
				b := h.dev.hello(h.header(toAll, actionHello, ""), h.version, at)
				h.queue.add(sending{place: p, data: b}, now, true)
			}
		}
	}
	for p := range h.greeted {
		if !there[p] {
			delete(h.greeted, p)
		}
	}
}

// leave says goodbye. The second time is a matter of SOAP-over-UDP, too; there are only two,
// as somebody waits for the server to end.
func (h *Host) leave() {
	b := h.dev.bye(h.header(toAll, actionBye, ""))
	for i := range 2 {
		if i > 0 && len(h.greeted) > 0 {
			time.Sleep(firstGap())
		}
		for p := range h.greeted {
			_ = h.links[p.link].Send(b, p.iface)
		}
	}
}

// at are the addresses of HTTP for those on an interface: of the family of the link, and of
// IPv6 the link-local one, as those who ask have such a one as well.
func (h *Host) at(p place, addrs []netip.Prefix) (out []string) {
	var list []netip.Addr
	four := h.links[p.link].Is4()
	for _, a := range addrs {
		if a.Addr().Is4() == four {
			list = append(list, a.Addr())
		}
	}
	if !four && slices.ContainsFunc(list, netip.Addr.IsLinkLocalUnicast) {
		list = slices.DeleteFunc(list, func(a netip.Addr) bool { return !a.IsLinkLocalUnicast() })
	}
	for _, a := range list[:min(len(list), 4)] {
		out = append(out, "http://"+net.JoinHostPort(a.String(), h.port)+h.dev.path())
	}
	return out
}

// answer answers a question, if it is about us.
func (h *Host) answer(q *question, now time.Time) {
	switch {
	case !h.dev.isTo(q.to), q.action == actionProbe && !q.probe.matches(), q.action == actionResolve && !strings.EqualFold(q.resolve, h.dev.address()), h.answered(q):
		return
	}
	list := h.links[q.link].Interfaces()
	i := slices.IndexFunc(list, func(n mcast.Interface) bool { return n.Index == q.iface })
	// Who has enough answers already does not take one from the others.
	if i < 0 || !h.queue.room(&q.place, q.from) || !h.budgets.Take(q.place, now, perSecond) {
		return // and when it comes again, it is new
	}
	h.remember(q)
	at := h.at(q.place, list[i].Addrs)
	s := sending{place: q.place, to: q.from}
	// Many have an answer to a Probe, and one to a Resolve: that need not wait (WS-Discovery, 5.3 and 6.3).
	if q.action == actionProbe {
		s.data = h.dev.match(h.header(toAsker, actionProbeMatches, q.id), "Probe", h.version, at)
	} else {
		s.data = h.dev.match(h.header(toAsker, actionResolveMatches, q.id), "Resolve", h.version, at)
	}
	h.queue.add(s, now, q.action == actionProbe)
}

// isTo reports whether a message may be for the device: it names it, or none.
func (d *Device) isTo(to string) bool {
	return len(to) < len(urnUUID) || !strings.EqualFold(to[:len(urnUUID)], urnUUID) || strings.EqualFold(to, d.address())
}

// key tells messages apart that need an answer each. What somebody asks in several places is
// answered in each.
func (q *question) key() string {
	return strconv.Itoa(q.link) + " " + strconv.Itoa(q.iface) + " " + q.id
}

// answered reports whether a message has been answered when it came before, as each is sent
// several times (SOAP-over-UDP, appendix I).
func (h *Host) answered(q *question) bool { return slices.Contains(h.ids, q.key()) }

// remember notes that a message is answered.
func (h *Host) remember(q *question) {
	if len(h.ids) < remembered {
		h.ids = append(h.ids, q.key())
		return
	}
	h.ids[h.next] = q.key()
	h.next = (h.next + 1) % remembered
}
