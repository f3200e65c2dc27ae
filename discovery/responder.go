package discovery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"lessor/discovery/mcast"
)

// Responder announces services and answers questions about them.
type Responder struct {
	// Immutable after construction.
	links    []Link // one for each family of addresses
	name     string
	services []Service

	// Owned by Run.
	conflicts int
	announced bool
	sent      map[sentKey]time.Time // when a record went out last as an answer
	answers   mcast.Budgets[place]  // of answers to everybody
	legacy    mcast.Budgets[place]  // of those to one
}

// place is an interface on a link.
type place struct{ link, iface int }

// sentKey is a record at a place.
type sentKey struct {
	name string
	typ  dnsmessage.Type
	place
}

// port is that of multicast DNS.
const port = 5353

const (
	probes        = 3
	probeInterval = 250 * time.Millisecond
	announcements = 2
	announceEvery = time.Second
	// sendEvery is how often a record is an answer to everybody on an interface at most, and
	// perSecond how many answers of each kind there are. Probes, announcements and the
	// goodbye are few, whatever others send.
	sendEvery = time.Second
	perSecond = 50
	// readPerSecond is how many messages of an interface are looked at, as that takes time,
	// too.
	readPerSecond = 500
	// lookEvery is how often interfaces are looked at.
	lookEvery = 10 * time.Second
	// restAfter conflicts the next name is tried only after a rest (RFC 6762, 8.1).
	restAfter  = 15
	conflictIn = 5 * time.Second
	// maxConflicts bounds the names that are tried.
	maxConflicts = 1000
	legacyTTL    = 10 // seconds, for who does not speak multicast DNS (RFC 6762, 6.7)
)

// NewResponder returns a responder for a machine of that name. The links belong to it from
// then on.
func NewResponder(links []Link, name string, services []Service) *Responder {
	return &Responder{links: links, name: name, services: services, sent: make(map[sentKey]time.Time)}
}

// Run announces and answers until ctx ends, takes back what it has announced, and closes the
// links. The error is that of a link.
func (r *Responder) Run(ctx context.Context) error {
	in, failed := make(chan received), make(chan error, len(r.links))
	stop := make(chan struct{})
	done := make(chan struct{})
	for i := range r.links {
		go r.read(i, in, failed, stop, done)
	}
	err := r.serve(ctx, in, failed)
	close(stop)
	var closed []error
	for _, l := range r.links {
		closed = append(closed, l.Close())
	}
	for range r.links {
		<-done
	}
	if err == nil {
		err = errors.Join(closed...)
	}
	return err
}

// received is a message of somebody on the link.
type received struct {
	message
	from netip.AddrPort
	place
}

// read hands over what comes in by a link.
func (r *Responder) read(link int, in chan<- received, failed chan<- error, stop <-chan struct{}, done chan<- struct{}) {
	defer func() { done <- struct{}{} }()
	l := r.links[link]
	var looked mcast.Budgets[int]
	for {
		p, err := l.Read()
		if err != nil {
			failed <- err
			return
		}
		// RFC 6762, 11
		if !mcast.OnLink(l.Interfaces(), p.Interface, p.From.Addr()) || !looked.Take(p.Interface, time.Now(), readPerSecond) {
			continue
		}
		m, ok := decode(p.Data)
		if !ok || m.response && p.From.Port() != port { // RFC 6762, 6
			continue
		}
		select {
		case in <- received{m, p.From, place{link, p.Interface}}:
		case <-stop:
			return
		}
	}
}

// serve is Run without the beginning and the end of the readers.
func (r *Responder) serve(ctx context.Context, in <-chan received, failed <-chan error) error {
	step, asked := 0, 0 // probes and announcements that were made
	timer := time.NewTimer(rand.N(probeInterval))
	defer timer.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	again := func(d time.Duration) { step = 0; timer.Reset(d) }
	where := r.where()
	for {
		select {
		case <-ctx.Done():
			if r.announced {
				r.announce(0)
			}
			return nil
		case err := <-failed:
			return err
		case <-look.C:
			r.forget(time.Now())
			// Elsewhere the names may be taken (RFC 6762, 8).
			if now := r.where(); now != where {
				where = now
				again(rand.N(probeInterval))
			}
		case <-timer.C:
			switch {
			case step < probes:
				r.probe()
				step++
				timer.Reset(probeInterval)
			case step < probes+announcements:
				r.announce(1)
				r.announced = true
				step++
				timer.Reset(announceEvery)
			}
		case m := <-in:
			switch {
			case m.response && r.conflicting(m.answers, m.place):
				r.announced = false // what was, is somebody else's
				if asked++; r.conflicts < maxConflicts {
					r.conflicts++
				}
				wait := rand.N(probeInterval)
				if asked >= restAfter {
					wait = conflictIn
				}
				again(wait)
			case !m.response && step <= probes && r.conflicting(m.authority, m.place):
				// Somebody else wants the names at the same time: who is later finds them
				// taken (RFC 6762, 8.2).
				again(time.Second + rand.N(probeInterval))
			case !m.response && step > probes:
				r.answer(&m)
			}
		}
	}
}

// each calls a function for every place, with the addresses there.
func (r *Responder) each(do func(p place, addrs []netip.Prefix)) {
	for i, l := range r.links {
		for _, n := range l.Interfaces() {
			do(place{i, n.Index}, n.Addrs)
		}
	}
}

// where tells the places and their addresses apart from what they were before.
func (r *Responder) where() string {
	var out strings.Builder
	r.each(func(p place, addrs []netip.Prefix) { fmt.Fprint(&out, p, addrs, "\n") })
	return out.String()
}

// conflicting reports whether somebody says something else about a name that is ours alone.
func (r *Responder) conflicting(list []dnsmessage.Resource, p place) bool {
	own := r.records(r.addrs(p))
	for i := range list {
		o := &list[i]
		name := o.Header.Name.String()
		taken, same := false, false
		for j := range own {
			c := &own[j]
			if c.shared || c.typ != o.Header.Type || !strings.EqualFold(c.name, name) {
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
	found := false
	r.each(func(_ place, addrs []netip.Prefix) {
		found = found || slices.ContainsFunc(addrs, func(p netip.Prefix) bool { return p.Addr().Unmap() == a.Unmap() })
	})
	return found
}

// addrs are the addresses of the machine at a place.
func (r *Responder) addrs(at place) (out []netip.Prefix) {
	r.each(func(p place, addrs []netip.Prefix) {
		if p == at {
			out = addrs
		}
	})
	return out
}

// probe asks whether the names are taken, everywhere.
func (r *Responder) probe() {
	r.each(func(p place, addrs []netip.Prefix) {
		var m dnsmessage.Message
		asked := make(map[string]bool)
		for _, c := range r.records(addrs) {
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
		r.send(&m, p)
	})
}

// announce tells everybody all records, or with keep 0 that they are gone.
func (r *Responder) announce(keep uint32) {
	r.each(func(p place, addrs []netip.Prefix) {
		m := dnsmessage.Message{Header: dnsmessage.Header{Response: true, Authoritative: true}}
		for _, c := range r.records(addrs) {
			if res, ok := c.resource(c.ttl*keep, keep > 0); ok {
				m.Answers = append(m.Answers, res)
			}
		}
		r.send(&m, p)
	})
}

// send sends a message to the group. One that is lost is like one that the network loses.
func (r *Responder) send(m *dnsmessage.Message, p place) {
	if b, err := m.Pack(); err == nil && len(b) <= maxMessage {
		_ = r.links[p.link].Send(b, p.iface)
	}
}
