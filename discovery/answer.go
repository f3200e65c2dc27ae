package discovery

import (
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// answer answers the questions of a message.
func (r *Responder) answer(q *received) {
	own := r.records(r.addrs(q.place))
	legacy := q.from.Port() != port
	now := time.Now()
	chosen := r.choose(own, q, legacy, now)
	m := dnsmessage.Message{Header: dnsmessage.Header{Response: true, Authoritative: true}}
	add := func(list []dnsmessage.Resource, c *record) []dnsmessage.Resource {
		ttl := c.ttl
		if legacy {
			ttl = min(ttl, legacyTTL)
		}
		if res, ok := c.resource(ttl, !legacy); ok {
			list = append(list, res)
		}
		return list
	}
	for j := range own {
		if chosen[j] {
			m.Answers = add(m.Answers, &own[j])
		}
	}
	missing := negatives(own)
	if !legacy { // who speaks plain DNS would take it for part of DNSSEC
		for j := range missing {
			if c := &missing[j]; r.denies(c, own, q) && r.due(c, q, now) {
				m.Answers = add(m.Answers, c)
			}
		}
	}
	if len(m.Answers) == 0 {
		return
	}
	// What will be asked for next (RFC 6763, 12), and that there is no more (RFC 6762, 6.2).
	for j := range own {
		if !chosen[j] && !own[j].shared {
			m.Additionals = add(m.Additionals, &own[j])
		}
	}
	if !legacy {
		r.addMissing(&m, missing, add)
		r.send(&m, q.place)
		return
	}
	m.ID, m.Questions = q.id, q.questions
	if b, err := m.Pack(); err == nil && len(b) <= maxMessage && r.budget.Take(now, perSecond) {
		_ = r.links[q.link].Reply(b, q.from, q.iface)
	}
}

// choose says which records answer the questions, and are to be sent.
func (r *Responder) choose(own []record, q *received, legacy bool, now time.Time) []bool {
	chosen := make([]bool, len(own))
	for i := range q.questions {
		question := &q.questions[i]
		question.Class &^= unicastReply
		for j := range own {
			if !chosen[j] && own[j].answers(question) && !q.knows(&own[j]) {
				chosen[j] = legacy || r.due(&own[j], q, now)
			}
		}
	}
	return chosen
}

// due reports whether a record may be sent again, and takes it for sent.
func (r *Responder) due(c *record, q *received, now time.Time) bool {
	k := sentKey{c.name + bodyText(c.body), c.typ, q.place}
	if now.Sub(r.sent[k]) < sendEvery {
		return false
	}
	r.sent[k] = now
	return true
}

// denies reports whether somebody asks for something under the name of an NSEC record that
// is not there (RFC 6762, 6.1), and does not know it.
func (r *Responder) denies(c *record, own []record, q *received) bool {
	if q.knows(c) {
		return false
	}
	for i := range q.questions {
		question := &q.questions[i]
		if question.Type == dnsmessage.TypeALL || !strings.EqualFold(question.Name.String(), c.name) {
			continue
		}
		there := false
		for j := range own {
			there = there || own[j].answers(question)
		}
		if !there {
			return true
		}
	}
	return false
}

// addMissing adds to an answer with addresses that there are none of the other family, as
// nobody needs to ask for them then.
func (r *Responder) addMissing(m *dnsmessage.Message, missing []record, add func([]dnsmessage.Resource, *record) []dnsmessage.Resource) {
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
		if a.Header.TTL >= c.ttl/2 && strings.EqualFold(a.Header.Name.String(), c.name) && c.same(a) {
			return true
		}
	}
	return false
}
