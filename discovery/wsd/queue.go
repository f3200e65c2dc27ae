package wsd

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"lessor/discovery/mcast"
)

// Of SOAP-over-UDP, appendix I, and WS-Discovery, appendix II.
const (
	appMaxDelay     = 500 * time.Millisecond
	multicastRepeat = 4
	unicastRepeat   = 2
	udpMinDelay     = 50 * time.Millisecond
	udpMaxDelay     = 250 * time.Millisecond
	udpUpperDelay   = 500 * time.Millisecond
)

const (
	maxAnswers    = 128 // that wait on an interface
	maxPerAddress = 8
)

// sending is a message that has to go out.
type sending struct {
	place
	to   netip.AddrPort // the zero value: the group
	data []byte
	at   time.Time
	gap  time.Duration // until the next time
	left int           // times
}

// queue are the messages that have to go out, in no order.
type queue []*sending

// firstGap is the time between the first and the second time that a message is sent.
func firstGap() time.Duration { return udpMinDelay + rand.N(udpMaxDelay-udpMinDelay+1) }

// room reports whether one more answer to an address may wait on an interface.
func (q queue) room(at *place, to netip.AddrPort) bool {
	all, same := 0, 0
	for _, s := range q {
		if s.place != *at || !s.to.IsValid() {
			continue
		}
		all++
		if s.to.Addr() == to.Addr() {
			same++
		}
	}
	return all < maxAnswers && same < maxPerAddress
}

// add puts in a message; with jitter it waits a random time, so that not all on the link
// answer at once.
func (q *queue) add(s sending, now time.Time, jitter bool) {
	s.at, s.gap, s.left = now, firstGap(), multicastRepeat
	if s.to.IsValid() {
		s.left = unicastRepeat
	}
	if jitter {
		s.at = now.Add(rand.N(appMaxDelay + 1))
	}
	*q = append(*q, &s)
}

// wait is how long nothing has to be sent; an hour if there is nothing.
func (q queue) wait(now time.Time) time.Duration {
	out := time.Hour
	for _, s := range q {
		out = min(out, s.at.Sub(now))
	}
	return max(out, 0)
}

// send sends what is due. What cannot be sent is like what the network loses.
func (q *queue) send(links []mcast.Link, now time.Time) {
	for _, s := range *q {
		if s.at.After(now) {
			continue
		}
		if s.to.IsValid() {
			_ = links[s.link].Reply(s.data, s.to, s.iface)
		} else {
			_ = links[s.link].Send(s.data, s.iface)
		}
		s.left--
		s.at, s.gap = now.Add(s.gap), min(2*s.gap, udpUpperDelay)
	}
	*q = slices.DeleteFunc(*q, func(s *sending) bool { return s.left <= 0 })
}
