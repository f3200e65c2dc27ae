package discovery

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"lessor/discovery/mcast"
)

// Responder announces services and answers questions about them.
type Responder struct {
	// Immutable after construction.
	link     Link
	name     string
	services []Service

	// Owned by Run.
	conflicts int
	sent      map[sentKey]time.Time // when a record went out last
	window    time.Time             // the second that budget is for
	budget    int
}

// sentKey is a record on an interface.
type sentKey struct {
	name  string
	typ   dnsmessage.Type
	iface int
}

// port is that of multicast DNS.
const port = 5353

const (
	probes        = 3
	probeInterval = 250 * time.Millisecond
	announcements = 2
	announceEvery = time.Second
	// sendEvery is how often a record is sent on an interface at most, and perSecond how
	// many messages in all.
	sendEvery = time.Second
	perSecond = 50
	// restAfter conflicts the next name is tried only after a rest (RFC 6762, 8.1).
	restAfter  = 15
	conflictIn = 5 * time.Second
	// maxConflicts bounds the names that are tried.
	maxConflicts = 1000
	legacyTTL    = 10 // seconds, for who does not speak multicast DNS (RFC 6762, 6.7)
)

// NewResponder returns a responder for a machine of that name. The link belongs to it from
// then on.
func NewResponder(link Link, name string, services []Service) *Responder {
	return &Responder{link: link, name: name, services: services, sent: make(map[sentKey]time.Time)}
}

// Run announces and answers until ctx ends, takes back what it has announced, and closes the
// link. The error is that of the link.
func (r *Responder) Run(ctx context.Context) error {
	in, failed := make(chan received), make(chan error, 1)
	stop := make(chan struct{})
	done := make(chan struct{})
	go r.read(in, failed, stop, done)
	err := r.serve(ctx, in, failed)
	close(stop)
	if closed := r.link.Close(); err == nil {
		err = closed
	}
	<-done
	return err
}

// received is a message of somebody on the link.
type received struct {
	message
	from  netip.AddrPort
	iface int
}

// read hands over what comes in.
func (r *Responder) read(in chan<- received, failed chan<- error, stop <-chan struct{}, done chan<- struct{}) {
	defer close(done)
	for {
		p, err := r.link.Read()
		if err != nil {
			failed <- err
			return
		}
		if !mcast.OnLink(r.link.Interfaces(), p.Interface, p.From.Addr()) { // RFC 6762, 11
			continue
		}
		m, ok := decode(p.Data)
		if !ok {
			continue
		}
		select {
		case in <- received{m, p.From, p.Interface}:
		case <-stop:
			return
		}
	}
}

// serve is Run without the beginning and the end of the reader.
func (r *Responder) serve(ctx context.Context, in <-chan received, failed <-chan error) error {
	step, asked := 0, 0 // probes and announcements that were made
	timer := time.NewTimer(rand.N(probeInterval))
	defer timer.Stop()
	again := func(d time.Duration) { step = 0; timer.Reset(d) }
	for {
		select {
		case <-ctx.Done():
			if step > probes {
				r.announce(0)
			}
			return nil
		case err := <-failed:
			return err
		case <-timer.C:
			switch {
			case step < probes:
				r.probe()
				step++
				timer.Reset(probeInterval)
			case step < probes+announcements:
				r.announce(1)
				step++
				timer.Reset(announceEvery)
			}
		case m := <-in:
			switch {
			case m.response && r.conflicting(m.answers, m.iface):
				if asked++; r.conflicts < maxConflicts {
					r.conflicts++
				}
				wait := rand.N(probeInterval)
				if asked >= restAfter {
					wait = conflictIn
				}
				again(wait)
			case !m.response && step <= probes && r.conflicting(m.authority, m.iface):
				// Somebody else wants the names at the same time: who is later finds them
				// taken (RFC 6762, 8.2).
				again(time.Second + rand.N(probeInterval))
			case !m.response && step > probes:
				r.answer(&m)
			}
		}
	}
}

// conflicting reports whether somebody says something else about a name that is ours alone.
func (r *Responder) conflicting(list []dnsmessage.Resource, iface int) bool {
	own := r.records(r.addrs(iface))
	for i := range list {
		o := &list[i]
		taken, same := false, false
		for j := range own {
			c := &own[j]
			if c.shared || c.typ != o.Header.Type || !strings.EqualFold(c.name, o.Header.Name.String()) {
				continue
			}
			taken = true
			same = same || c.same(o)
		}
		if taken && !same && o.Header.TTL > 0 && !r.ownAddress(o) {
			return true
		}
	}
	return false
}

// ownAddress reports whether a record is about another address of this machine, as a second
// responder on it would send.
func (r *Responder) ownAddress(o *dnsmessage.Resource) bool {
	var a netip.Addr
	switch b := o.Body.(type) {
	case *dnsmessage.AResource:
		a = netip.AddrFrom4(b.A)
	case *dnsmessage.AAAAResource:
		a = netip.AddrFrom16(b.AAAA)
	default:
		return false
	}
	for _, i := range r.link.Interfaces() {
		for _, p := range i.Addrs {
			if p.Addr().Unmap() == a.Unmap() {
				return true
			}
		}
	}
	return false
}

func (r *Responder) addrs(iface int) []netip.Prefix {
	for _, i := range r.link.Interfaces() {
		if i.Index == iface {
			return i.Addrs
		}
	}
	return nil
}

// probe asks whether the names are taken, on every interface.
func (r *Responder) probe() {
	for _, i := range r.link.Interfaces() {
		var m dnsmessage.Message
		asked := make(map[string]bool)
		for _, c := range r.records(i.Addrs) {
			name, ok := dnsName(c.name)
			res, ok2 := c.resource(c.ttl, false)
			if c.shared || !ok || !ok2 {
				continue
			}
			if !asked[c.name] {
				asked[c.name] = true
				m.Questions = append(m.Questions, dnsmessage.Question{Name: name, Type: dnsmessage.TypeALL, Class: dnsmessage.ClassINET})
			}
			m.Authorities = append(m.Authorities, res)
		}
		r.send(&m, i.Index)
	}
}

// announce tells everybody all records, or with keep 0 that they are gone.
func (r *Responder) announce(keep uint32) {
	for _, i := range r.link.Interfaces() {
		m := dnsmessage.Message{Header: dnsmessage.Header{Response: true, Authoritative: true}}
		for _, c := range r.records(i.Addrs) {
			if res, ok := c.resource(c.ttl*keep, keep > 0); ok {
				m.Answers = append(m.Answers, res)
			}
		}
		r.send(&m, i.Index)
	}
}

// send sends a message to the group. One that is lost is like one that the network loses.
func (r *Responder) send(m *dnsmessage.Message, iface int) {
	if b, err := m.Pack(); err == nil && len(b) <= maxMessage && r.maySend(time.Now()) {
		_ = r.link.Send(b, iface)
	}
}

// maySend counts a message against what may be sent in a second.
func (r *Responder) maySend(now time.Time) bool {
	if now.Sub(r.window) >= time.Second {
		r.window, r.budget = now, perSecond
	}
	r.budget--
	return r.budget >= 0
}

// answer answers the questions of a message.
func (r *Responder) answer(q *received) {
	own := r.records(r.addrs(q.iface))
	legacy := q.from.Port() != port
	m := dnsmessage.Message{Header: dnsmessage.Header{Response: true, Authoritative: true}}
	now := time.Now()
	chosen := make([]bool, len(own))
	for i := range q.questions {
		question := &q.questions[i]
		question.Class &^= unicastReply
		for j := range own {
			if !own[j].answers(question) || q.knows(&own[j]) || chosen[j] {
				continue
			}
			k := sentKey{own[j].name + bodyText(own[j].body), own[j].typ, q.iface}
			if !legacy && now.Sub(r.sent[k]) < sendEvery {
				continue
			}
			chosen[j] = true
			if !legacy {
				r.sent[k] = now
			}
		}
	}
	for j := range own {
		if !chosen[j] {
			continue
		}
		ttl := own[j].ttl
		if legacy {
			ttl = min(ttl, legacyTTL)
		}
		if res, ok := own[j].resource(ttl, !legacy); ok {
			m.Answers = append(m.Answers, res)
		}
	}
	if len(m.Answers) == 0 {
		return
	}
	r.addDetails(&m, own, chosen, legacy)
	if !legacy {
		r.send(&m, q.iface)
		return
	}
	m.ID, m.Questions = q.id, q.questions
	if b, err := m.Pack(); err == nil && len(b) <= maxMessage && r.maySend(now) {
		_ = r.link.Reply(b, q.from, q.iface)
	}
}

// addDetails adds to an answer with services what will be asked for next (RFC 6763, 12).
func (r *Responder) addDetails(m *dnsmessage.Message, own []record, chosen []bool, legacy bool) {
	for j := range own {
		if chosen[j] || own[j].shared {
			continue
		}
		ttl := own[j].ttl
		if legacy {
			ttl = min(ttl, legacyTTL)
		}
		if res, ok := own[j].resource(ttl, !legacy); ok {
			m.Additionals = append(m.Additionals, res)
		}
	}
}

// knows reports whether the asker has the record already, for more than half of its time
// (RFC 6762, 7.1).
func (q *received) knows(c *record) bool {
	for i := range q.answers {
		a := &q.answers[i]
		if a.Header.TTL >= c.ttl/2 && strings.EqualFold(a.Header.Name.String(), c.name) && c.same(a) {
			return true
		}
	}
	return false
}
