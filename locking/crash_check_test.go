package locking

import (
	"fmt"
	"maps"
	"slices"
)

// stored is the lease that a store would bring back with the opens that a client
// would come back for, 0 if none.
func stored(c content, client *crashClient, file int) (s LeaseState) {
	for _, l := range c.Locks {
		if l.Lease == nil || l.Lease.LeaseKey != leaseKey(client.n, file) {
			continue
		}
		if slices.ContainsFunc(client.handles, func(h *crashHandle) bool { return h.durable && h.id == l.Owner.OpenID }) {
			s |= l.Lease.LeaseState
		}
	}
	return s
}

// lease is what a client has on a file now.
func (x *crashModel) lease(c *crashClient, file int) LeaseState {
	h := x.m.findLease(leaseID{c.id, leaseKey(c.n, file)})
	if h == nil {
		return 0
	}
	h.stream.file.mu.Lock()
	defer h.stream.file.mu.Unlock()
	return h.state
}

// noHarm is called when a client has succeeded with something on a file: the
// others must not get back, after a crash now, what they have lost because of it
// and do not know.
func (x *crashModel) noHarm(who *crashClient, file int) error {
	left := x.s.snapshot()
	for _, c := range x.clients {
		if c == who {
			continue
		}
		now := x.lease(c, file)
		if back := stored(left, c, file) &^ now & c.belief[file]; back != 0 {
			return x.failf("client %d would get %v back on file %d and act on it; it has %v", c.n, back, file, now)
		}
	}
	return nil
}

// check looks at what a crash would leave.
func (x *crashModel) check(c content) error {
	for _, cl := range x.clients {
		for _, h := range cl.handles {
			if !cl.connected {
				continue // without its client, only reconnect can tell
			}
			p, ok := c.Opens[h.id]
			if h.persistent && (!ok || !p.Persistent || p.Path != h.path || p.DeletePending != x.marked[h.file]) {
				return x.failf("open %x at %q: %v %+v", h.id, h.path, ok, p)
			}
			if !ok {
				continue
			}
			locks := map[Range]bool{}
			var lease LeaseState
			for _, l := range c.Locks {
				switch {
				case l.Owner.OpenID != h.id:
				case l.Lease != nil:
					lease = l.Lease.LeaseState
				default:
					locks[Range{l.Offset, l.Length, l.Type == LockExclusive}] = true
				}
			}
			for i := range h.sequences {
				var now uint8
				if i < len(p.Sequences) {
					now = p.Sequences[i]
				}
				if want := h.sequences[i]; now != want && (want != 0 || now != h.stale[i]) {
					return x.failf("open %x has sequence %d in bucket %d, stored is %d", h.id, want, i, now)
				}
			}
			if !maps.Equal(locks, h.locks) {
				return x.failf("open %x has locks %v, stored are %v", h.id, h.locks, locks)
			}
			if now := x.lease(cl, h.file) & cl.belief[h.file]; now&^lease != 0 {
				return x.failf("open %x has %v and knows it, stored is %v", h.id, now, lease)
			}
		}
	}
	for _, a := range c.Locks {
		was := fmt.Sprint(a.Owner.OpenID, a.Offset, a.Length, a.Type, a.Lease != nil)
		if a.Lease != nil {
			was = fmt.Sprint(a.Owner.OpenID, a.Lease.LeaseKey)
		}
		if x.ids[a.ID] != "" && x.ids[a.ID] != was {
			return x.failf("lock id %x was used twice", a.ID)
		}
		x.ids[a.ID] = was
		if _, ok := c.Opens[a.Owner.OpenID]; !ok {
			return x.failf("lock %x without an open", a.ID)
		}
		for _, b := range c.Locks {
			if a.Key == b.Key && contradict(FromPersistedLock(&a), FromPersistedLock(&b)) {
				return x.failf("stored beside each other: %+v %+v", a, b)
			}
		}
	}
	return nil
}

// contradict reports whether two records of a file cannot be true together.
func contradict(a, b *EnhancedLock) bool {
	switch {
	case a.ID == b.ID:
		return false
	case a.IsLease() && b.IsLease():
		return a.Lease.LeaseKey != b.Lease.LeaseKey && a.Lease.LeaseState&LeaseWrite != 0 && b.Lease.LeaseState&LeaseRead != 0
	case a.IsLease() || b.IsLease():
		return false
	}
	return a.Owner.OpenID != b.Owner.OpenID && rangesOverlap(a.Offset, a.Length, b.Offset, b.Length) &&
		(a.Type == LockExclusive || b.Type == LockExclusive)
}
