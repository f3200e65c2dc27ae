package locking

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"testing"

	"pgregory.net/rapid"
)

// The model of one stream: a list of opens and a list of caches, with the
// rules written out over the whole lists. Clients acknowledge when the
// history says so; nothing runs beside anything else.

type modelCache struct {
	name      string // "L<key>" or "O<open>"
	lease     bool
	state     LeaseState
	epoch     uint16
	breaking  bool
	requested LeaseState
	required  LeaseState
}

type modelOpen struct {
	id     OpenID
	access uint32
	share  uint32
	cache  *modelCache
}

type model struct {
	opens []*modelOpen
	sent  []string // breaks since the last comparison
}

func (m *model) caches() []*modelCache {
	var all []*modelCache
	for _, o := range m.opens {
		if o.cache != nil && !slices.Contains(all, o.cache) {
			all = append(all, o.cache)
		}
	}
	return all
}

func (m *model) lease(name string) *modelCache {
	for _, c := range m.caches() {
		if c.name == name {
			return c
		}
	}
	return nil
}

func (m *model) send(c *modelCache, to LeaseState, ack bool) {
	m.sent = append(m.sent, fmt.Sprint(c.name, c.state, ">", to, ack))
}

// set changes the state; an oplock without rights is none.
func (m *model) set(c *modelCache, s LeaseState) {
	c.state, c.breaking = s, false
	if s == 0 && !c.lease {
		for _, o := range m.opens {
			if o.cache == c {
				o.cache = nil
			}
		}
	}
}

func (m *model) breakTo(c *modelCache, to LeaseState) {
	switch {
	case c.breaking:
		c.required &= to
	case c.state&to == c.state:
	case c.state == LeaseRead:
		c.epoch++
		m.send(c, 0, false)
		m.set(c, 0)
	default:
		c.epoch++
		to &= c.state
		if !c.lease {
			to &= LeaseRead
		}
		c.breaking, c.requested, c.required = true, to, to
		m.send(c, to, true)
	}
}

func (m *model) ack(c *modelCache, s LeaseState) {
	required := c.required
	m.set(c, s)
	if !c.lease || s&^required == 0 {
		return
	}
	if s == LeaseRead {
		m.send(c, 0, false)
		m.set(c, 0)
		return
	}
	c.breaking, c.required = true, required
	c.requested = required | s&LeaseRead
	m.send(c, c.requested, true)
}

func (m *model) violates(access, share uint32) bool {
	one := func(a, s uint32) bool {
		return a&readAccess != 0 && s&shareRead == 0 || a&writeAccess != 0 && s&shareWrite == 0 || a&accessDelete != 0 && s&shareDelete == 0
	}
	for _, o := range m.opens {
		if access&shareAccess != 0 && o.access&shareAccess != 0 && (one(access, o.share) || one(o.access, share)) {
			return true
		}
	}
	return false
}

// open returns "wait", "sharing" or "".
func (m *model) open(r *OpenRequest, own string, waited bool) string {
	mine := m.lease(own)
	access := r.effectiveAccess()
	if !isOplockStat(access) {
		bad, wait := m.violates(access, r.Share), false
		for _, c := range m.caches() {
			if c == mine || c.lease && isLeaseStat(access) {
				continue
			}
			to := c.state &^ LeaseWrite
			if bad {
				to = c.state &^ LeaseHandle
			} else if r.Overwrite {
				to = 0
			}
			lost := c.state &^ to
			if lost == 0 {
				wait = wait || c.breaking && c.lease
				continue
			}
			was := c.breaking && c.lease
			hold := bad || lost&LeaseWrite != 0 || was && waited
			m.breakTo(c, to)
			wait = wait || hold && c.breaking
		}
		if wait {
			return "wait"
		}
		if bad {
			return "sharing"
		}
	}
	o := &modelOpen{id: r.Owner.OpenID, access: r.Access, share: r.Share}
	m.grant(o, r, own, mine)
	m.opens = append(m.opens, o)
	return ""
}

func (m *model) grant(o *modelOpen, r *OpenRequest, own string, mine *modelCache) {
	want := r.Oplock.state()
	if r.Lease != nil {
		want = r.Lease.State
	}
	if want&LeaseRead == 0 {
		want = 0
	}
	can := want
	for _, x := range m.opens {
		if (mine == nil || x.cache != mine) && (x.cache != nil || !isOplockStat(x.access)) {
			can &^= LeaseWrite
		}
	}
	for _, c := range m.caches() {
		if c == mine {
			continue
		}
		switch {
		case c.state&LeaseWrite != 0, r.Lease == nil && c.state&LeaseHandle != 0:
			can = 0
		case r.Lease != nil && !c.lease:
			can &^= LeaseHandle
		}
	}
	if r.Lease == nil {
		if s := oplockOf(can).state(); s != 0 {
			o.cache = &modelCache{name: fmt.Sprint("O", o.id), state: s}
		}
		return
	}
	if mine == nil {
		o.cache = &modelCache{name: own, lease: true, state: can, epoch: r.Lease.Epoch}
		if can != 0 {
			o.cache.epoch++
		}
		return
	}
	o.cache = mine
	if !mine.breaking && can == want && mine.state&can == mine.state && mine.state != can {
		mine.state = can
		mine.epoch++
	}
}

func (m *model) cause(o *modelOpen, c Cause) (wait bool) {
	if !c.needsHandle() && o.cache != nil && o.cache.state&LeaseWrite != 0 {
		return false
	}
	for _, x := range m.caches() {
		switch {
		case c.needsHandle():
			if x != o.cache && x.state&LeaseHandle != 0 {
				m.breakTo(x, x.state&^LeaseHandle)
				wait = wait || x.breaking
			}
		case x.state != 0 && (x != o.cache || !x.lease):
			hold := x.state&LeaseWrite != 0
			m.breakTo(x, 0)
			wait = wait || hold && x.breaking
		}
	}
	return wait
}

// invariant: who caches writes is alone.
func (m *model) invariant() error {
	for _, a := range m.caches() {
		for _, b := range m.caches() {
			if a != b && a.state&LeaseWrite != 0 && b.state != 0 {
				return fmt.Errorf("%s has %v beside %s with %v", a.name, a.state, b.name, b.state)
			}
		}
	}
	return nil
}

// pair is the manager beside the model.
type pair struct {
	e       *env
	m       model
	opens   map[OpenID]*Open
	waiting []*OpenRequest
}

func leaseName(r *OpenRequest) string {
	if r.Lease == nil {
		return ""
	}
	return fmt.Sprint("L", r.Lease.Key[0])
}

// attempt makes one attempt on both sides.
func (p *pair) attempt(t *rapid.T, r *OpenRequest) {
	want := p.m.open(r, leaseName(r), r.Waited)
	o, _, err := p.e.m.Open(fileA, "", r)
	var b *Blocked
	got := ""
	switch {
	case errors.As(err, &b):
		got = "wait"
		p.waiting = append(p.waiting, r)
	case errors.Is(err, ErrSharing):
		got = "sharing"
	case err != nil:
		t.Fatal(err)
	default:
		p.opens[o.ID()] = o
	}
	if got != want {
		t.Fatalf("open %+v: %q, want %q", r, got, want)
	}
}

func (p *pair) draw(t *rapid.T) *OpenRequest {
	key := rapid.IntRange(1, 4).Draw(t, "key")
	r := p.e.req(key % 3)
	r.Access = rapid.SampledFrom([]uint32{accessAll, accessRead, accessReadAttr, accessReadAttr | accessReadCtrl, accessDelete}).Draw(t, "access")
	if rapid.IntRange(0, 3).Draw(t, "limit") == 0 {
		r.Share = rapid.Uint32Range(0, 7).Draw(t, "share")
	}
	r.Overwrite = rapid.IntRange(0, 4).Draw(t, "overwrite") == 0
	if rapid.Bool().Draw(t, "lease") {
		lease(key, LeaseState(rapid.Uint32Range(0, 7).Draw(t, "state")))(r)
	} else {
		r.Oplock = OplockLevel(rapid.IntRange(0, 3).Draw(t, "level"))
	}
	return r
}

func (p *pair) any(t *rapid.T) *modelOpen {
	if len(p.m.opens) == 0 {
		t.Skip("no opens")
	}
	return rapid.SampledFrom(p.m.opens).Draw(t, "which")
}

func (p *pair) ackOne(t *rapid.T) {
	var breaking []*modelCache
	for _, c := range p.m.caches() {
		if c.breaking {
			breaking = append(breaking, c)
		}
	}
	if len(breaking) == 0 {
		t.Skip("nothing breaks")
	}
	c := rapid.SampledFrom(breaking).Draw(t, "cache")
	if !c.lease {
		l := rapid.SampledFrom([]OplockLevel{OplockNone, OplockII}).Draw(t, "level")
		for _, o := range p.m.opens {
			if o.cache == c {
				if _, err := p.opens[o.id].AckOplock(l); err != nil {
					t.Fatal(err)
				}
				break
			}
		}
		p.m.ack(c, l.state()&c.requested)
		return
	}
	s := LeaseState(rapid.Uint32Range(0, 7).Draw(t, "state"))
	if !IsValidFileLeaseState(s) {
		s = c.requested
	}
	key := int(c.name[1] - '0')
	_, err := p.e.m.Ack(p.e.c[key%3].id, keyOf[key], s)
	if s&^c.requested != 0 {
		if err != ErrBadAck {
			t.Fatalf("ack %v of %v: %v", s, c.requested, err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	p.m.ack(c, s)
}

// compare checks breaks and the state of each open.
func (p *pair) compare(t *rapid.T) {
	var sent []string
	for _, c := range p.e.c {
		for _, b := range c.take() {
			name := fmt.Sprint("O", b.Owner.OpenID)
			if b.Lease {
				name = fmt.Sprint("L", b.LeaseKey[0])
			}
			sent = append(sent, fmt.Sprint(name, b.From, ">", b.To, b.AckRequired))
		}
	}
	sort.Strings(sent)
	sort.Strings(p.m.sent)
	if !slices.Equal(sent, p.m.sent) {
		t.Fatalf("breaks %v, want %v", sent, p.m.sent)
	}
	p.m.sent = nil
	for _, o := range p.m.opens {
		g := p.opens[o.id].Grant()
		var want Grant
		if c := o.cache; c != nil {
			want = Grant{Oplock: oplockOf(c.state), Lease: c.state, Breaking: c.breaking}
			if c.lease {
				want.Oplock, want.Epoch, want.Version = OplockLease, c.epoch, 2
			}
		}
		if g != want {
			t.Fatalf("open %d has %+v, want %+v", o.id, g, want)
		}
	}
	if err := p.m.invariant(); err != nil {
		t.Fatal(err)
	}
}

// TestCachingModel compares random histories with the model.
func TestCachingModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		e := &env{t: t, m: New(Options{})}
		defer func() {
			if err := e.m.Close(); err != nil {
				rt.Fatal(err)
			}
		}()
		for i := range e.c {
			e.c[i] = &testClient{id: ClientID{byte(i + 1)}}
		}
		p := &pair{e: e, opens: map[OpenID]*Open{}}
		rt.Repeat(map[string]func(*rapid.T){
			"open": func(t *rapid.T) { p.attempt(t, p.draw(t)) },
			"retry": func(t *rapid.T) {
				if len(p.waiting) == 0 {
					t.Skip("nobody waits")
				}
				r := p.waiting[0]
				p.waiting = p.waiting[1:]
				p.attempt(t, r)
			},
			"close": func(t *rapid.T) {
				o := p.any(t)
				p.m.opens = slices.DeleteFunc(p.m.opens, func(x *modelOpen) bool { return x == o })
				p.opens[o.id].Close()
				delete(p.opens, o.id)
			},
			"cause": func(t *rapid.T) {
				o := p.any(t)
				c := rapid.SampledFrom([]Cause{CauseWrite, CauseTruncate, CauseRename, CauseDelete}).Draw(t, "cause")
				want := p.m.cause(o, c)
				if err := p.opens[o.id].Break(c); (err != nil) != want {
					t.Fatalf("cause %d: %v, want wait %v", c, err, want)
				}
			},
			"ack": p.ackOne,
			"":    p.compare,
		})
		for _, o := range p.opens {
			o.Close()
		}
		if s := e.m.Stats(); s != (Stats{}) {
			rt.Fatalf("counters at the end: %+v", s)
		}
	})
}
