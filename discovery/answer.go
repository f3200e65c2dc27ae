package discovery

import (
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// answer answers the questions of a message.
func (r *Responder) answer(q *received) {
	if len(q.questions) == 0 {
		return
	}
	own := r.records(r.addrs(q.place))
	legacy := q.from.Port() != port
	now := time.Now()
	chosen, there := r.choose(own, q, legacy, now)
	missing := negatives(own)
	denied := make([]bool, len(missing))
	if !legacy { // who speaks plain DNS would take it for part of DNSSEC
		for j := range missing {
			denied[j] = denies(&missing[j], there, q) && r.due(&missing[j], q.place, now)
		}
	}
	if !slices.Contains(chosen, true) && !slices.Contains(denied, true) {
		return
	}
	if legacy {
		if r.legacy.Take(q.place, now, perSecond) {
			r.answerOne(own, chosen, q)
		}
		return
	}
	if !r.answers.Take(q.place, now, perSecond) {
		return // and nothing of it counts as sent
	}
	m := dnsmessage.Message{Header: dnsmessage.Header{Response: true, Authoritative: true}}
	for j := range own {
		if chosen[j] {
			m.Answers = add(m.Answers, &own[j])
			r.sent[keyOf(&own[j], q.place)] = now
		}
	}
	for j := range missing {
		if denied[j] {
			m.Answers = add(m.Answers, &missing[j])
			r.sent[keyOf(&missing[j], q.place)] = now
		}
	}
	addNext(&m, own, chosen, add)
	addMissing(&m, missing)
	r.send(&m, q.place)
}

// appender adds a record to a section of a message.
type appender func([]dnsmessage.Resource, *record) []dnsmessage.Resource

// add is the appender of a message to all.
func add(list []dnsmessage.Resource, c *record) []dnsmessage.Resource {
	if res, ok := c.resource(c.ttl, true); ok {
		list = append(list, res)
	}
	return list
}

// answerOne answers somebody who does not speak multicast DNS (RFC 6762, 6.7).
func (r *Responder) answerOne(own []record, chosen []bool, q *received) {
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: q.id, Response: true, Authoritative: true}, Questions: q.questions}
	short := func(list []dnsmessage.Resource, c *record) []dnsmessage.Resource {
		if res, ok := c.resource(min(c.ttl, legacyTTL), false); ok {
			list = append(list, res)
		}
		return list
	}
	for j := range own {
		if chosen[j] {
			m.Answers = short(m.Answers, &own[j])
		}
	}
	addNext(&m, own, chosen, short)
	if b, err := m.Pack(); err == nil && len(b) <= maxMessage {
		_ = r.links[q.link].Reply(b, q.from, q.iface)
	}
}

// addNext adds what will be asked for next (RFC 6763, 12).
func addNext(m *dnsmessage.Message, own []record, chosen []bool, add appender) {
	for j := range own {
		if !chosen[j] && !own[j].shared {
			m.Additionals = add(m.Additionals, &own[j])
		}
	}
}

// choose says which records answer the questions, and are to be sent; and for each question
// whether there is any record that answers it.
func (r *Responder) choose(own []record, q *received, legacy bool, now time.Time) (chosen, there []bool) {
	chosen, there = make([]bool, len(own)), make([]bool, len(q.questions))
	asked := make([]bool, len(own))
	for i := range q.questions {
		question := &q.questions[i]
		question.Class &^= unicastReply
		name := question.Name.String()
		for j := range own {
			if own[j].answers(name, question.Type) {
				asked[j], there[i] = true, true
			}
		}
	}
	for j := range own {
		chosen[j] = asked[j] && !q.knows(&own[j]) && (legacy || r.due(&own[j], q.place, now))
	}
	return chosen, there
}

func keyOf(c *record, p place) sentKey { return sentKey{c.name + bodyText(c.body), c.typ, p} }

// due reports whether a record may be sent again.
func (r *Responder) due(c *record, p place, now time.Time) bool {
	return now.Sub(r.sent[keyOf(c, p)]) >= sendEvery
}

// forget drops what was sent so long ago that it does not matter any more: names and
// addresses change.
func (r *Responder) forget(now time.Time) {
	maps.DeleteFunc(r.sent, func(_ sentKey, at time.Time) bool { return now.Sub(at) >= sendEvery })
}

// denies reports whether somebody asks for something under the name of an NSEC record that
// is not there (RFC 6762, 6.1), and does not know it.
func denies(c *record, there []bool, q *received) bool {
	for i := range q.questions {
		question := &q.questions[i]
		if !there[i] && question.Type != dnsmessage.TypeALL && strings.EqualFold(question.Name.String(), c.name) {
			return !q.knows(c)
		}
	}
	return false
}

// addMissing adds to an answer with addresses that there are none of the other family, as
// nobody needs to ask for them then (RFC 6762, 6.2).
func addMissing(m *dnsmessage.Message, missing []record) {
	var v4, v6 *dnsmessage.ResourceHeader
	for _, list := range [][]dnsmessage.Resource{m.Answers, m.Additionals} {
		for i := range list {
			switch h := &list[i].Header; h.Type {
			case dnsmessage.TypeA:
				v4 = h
			case dnsmessage.TypeAAAA:
				v6 = h
			case typeNSEC:
				return // it says so already
			}
		}
	}
	if (v4 == nil) == (v6 == nil) {
		return
	}
	h := v4
	if h == nil {
		h = v6
	}
	for j := range missing {
		if strings.EqualFold(missing[j].name, h.Name.String()) {
			m.Additionals = add(m.Additionals, &missing[j])
		}
	}
}

// knows reports whether the asker has the record already, for more than half of its time
// (RFC 6762, 7.1).
func (q *received) knows(c *record) bool {
	for i := range q.answers {
		a := &q.answers[i]
		if a.Header.Type == c.typ && a.Header.TTL >= c.ttl/2 && strings.EqualFold(a.Header.Name.String(), c.name) && c.same(a) {
			return true
		}
	}
	return false
}
