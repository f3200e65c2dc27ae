package locking

import (
	"errors"
	"fmt"
	"slices"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// compare looks whether both sides are at the same point.
func (p *pair) compare(t *rapid.T) {
	p.steps++
	p.compareTold(t)
	for _, o := range p.m.opens {
		p.compareOpen(t, o)
	}
	if err := p.m.invariant(); err != nil {
		t.Fatal(err)
	}
	if got := p.e.m.Stats().Opens; int(got) != len(p.m.opens) {
		t.Fatalf("%d opens, want %d", got, len(p.m.opens))
	}
	// No two things happen at the same moment.
	time.Sleep(time.Millisecond)
	p.m.pass(time.Millisecond)
	synctest.Wait()
}

// compareTold compares what clients were told since the last time: breaks, the ends
// of waits, and the ends of opens that waited for them.
func (p *pair) compareTold(t *rapid.T) {
	synctest.Wait()
	if p.m.purging {
		p.m.deleted()
	}
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
	slices.Sort(sent)
	slices.Sort(p.m.sent)
	if !slices.Equal(sent, p.m.sent) {
		t.Fatalf("breaks %v, want %v", sent, p.m.sent)
	}
	slices.Sort(p.purged)
	slices.Sort(p.m.purged)
	if !slices.Equal(p.purged, p.m.purged) {
		t.Fatalf("pushed out %v, want %v", p.purged, p.m.purged)
	}
	p.m.sent, p.m.purged, p.purged = nil, nil, nil
	p.locks = slices.DeleteFunc(p.locks, func(l waitingLock) bool {
		if ready(l.b) != l.w.done {
			t.Fatalf("lock of %v by %d: over is %v, want %v", l.w.ranges, l.w.o.id, ready(l.b), l.w.done)
		}
		if l.w.done && !errors.Is(l.b.Result(), l.w.err) {
			t.Fatalf("lock of %v by %d: %v, want %v", l.w.ranges, l.w.o.id, l.b.Result(), l.w.err)
		}
		return l.w.done
	})
}

func (p *pair) compareOpen(t *rapid.T, m *modelOpen) {
	o := p.opens[m.id]
	var want Grant
	if c := m.cache; c != nil {
		want = Grant{Oplock: oplockOf(c.state), Lease: c.state, Breaking: c.breaking}
		if c.lease {
			want.Oplock, want.Epoch, want.Version = OplockLease, c.epoch, 2
		}
	}
	if g := o.Grant(); g != want {
		t.Fatalf("open %d has %+v, want %+v", m.id, g, want)
	}
	if o.Disconnected() != m.lost || o.DeletePending() != p.m.doomed {
		t.Fatalf("open %d is lost %v, marked %v, want %v and %v", m.id, o.Disconnected(), o.DeletePending(), m.lost, p.m.doomed)
	}
	o.file.mu.Lock()
	defer o.file.mu.Unlock()
	if o.sequences != m.sequences {
		t.Fatalf("open %d has sequences %v, want %v", m.id, o.sequences, m.sequences)
	}
	left := slices.Clone(m.locks)
	for n := o.locks; n != nil; n = n.next {
		i := slices.Index(left, Range{n.off, n.length, n.exclusive})
		if i < 0 {
			t.Fatalf("open %d has lock %d+%d, want %v", m.id, n.off, n.length, m.locks)
		}
		left = slices.Delete(left, i, i+1)
	}
	if len(left) > 0 {
		t.Fatalf("open %d lacks the locks %v", m.id, left)
	}
}
