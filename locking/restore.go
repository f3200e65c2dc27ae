package locking

import (
	"fmt"
	"time"
)

// Restore makes disconnected opens of what the store has kept, as if their
// connections had just been lost. It is called once, after New and before the
// files can be opened by anybody; the epoch of the store has been raised for this
// run. The opens have no payload: what a claimant needs is in the Record. Those
// that would not have outlived their connection end at once, by way of
// Options.OnPurge. It returns how many are left.
func (m *OplockManager) Restore() (int, error) {
	if m.opts.Store == nil {
		return 0, nil
	}
	epoch, err := m.opts.Store.ServerEpoch()
	if err != nil {
		return 0, fmt.Errorf("restore: %w", err)
	}
	last := epoch << 40
	locks := make(map[OpenID][]*EnhancedLock)
	if err := m.opts.Store.Load(LockQuery{}, func(p *PersistedLock) error {
		locks[p.Owner.OpenID] = append(locks[p.Owner.OpenID], FromPersistedLock(p))
		last = max(last, p.ID)
		return nil
	}); err != nil {
		return 0, fmt.Errorf("restore: %w", err)
	}
	var opens []*PersistedOpen
	if err := m.opts.Store.LoadOpens(func(p *PersistedOpen) error {
		opens = append(opens, p)
		return nil
	}); err != nil {
		return 0, fmt.Errorf("restore: %w", err)
	}
	m.nextLockID.Store(last)
	restored := make([]*Open, 0, len(opens))
	for _, p := range opens {
		restored = append(restored, m.restoreOpen(p, locks[p.Owner.OpenID]))
		delete(locks, p.Owner.OpenID)
	}
	// Only when all are there: the last open of a file deletes it, if it is marked.
	kept := 0
	for _, o := range restored {
		if o.keptOrPurged() {
			kept++
		}
	}
	for id := range locks {
		// Locks of no open. This package does not leave them behind.
		m.commits.add(change{Change: Change{DeleteOpen: id}, open: id})
	}
	return kept, nil
}

// restoreOpen makes one disconnected open.
func (m *OplockManager) restoreOpen(p *PersistedOpen, locks []*EnhancedLock) *Open {
	f := m.hold(p.Key)
	f.mu.Lock()
	defer f.mu.Unlock()
	timeout := p.Timeout
	if timeout <= 0 {
		timeout = m.opts.DurableTimeout
	}
	s := f.streamLocked(p.Stream)
	o := &Open{
		m: m, file: f, stream: s,
		id: p.Owner.OpenID, access: p.Access, share: p.ShareAccess, isDir: p.IsDirectory,
		openState: openState{
			owner:         p.Owner,
			volume:        p.Volume,
			path:          p.Path,
			deleteOnClose: p.DeleteOnClose,
			createGuid:    p.CreateGuid,
			durable: &durableState{
				DurableRequest: DurableRequest{
					V2: p.V2, Persistent: p.Persistent, CreateGuid: p.CreateGuid,
					User: p.User, Share: p.Share, Extra: p.Extra,
				},
				persistent: p.Persistent,
				stored:     true,
				nextPath:   p.NextPath,
				timeout:    min(timeout, m.opts.MaxDurableTimeout),
			},
		},
	}
	o.restoreSequencesLocked(p.Sequences)
	for _, l := range locks {
		if l.Lease != nil {
			s.restoreHolderLocked(o, l)
		} else {
			o.restoreRangeLocked(l)
		}
	}
	s.linkLocked(o)
	s.modes.add(o.access, o.share, 1)
	s.significantLocked(o, 1)
	m.stats.opens.Add(1)
	if p.StreamDeleted && s.mark == nil {
		s.mark = &mark{asked: 1}
	}
	if l := (link{volume: p.Volume, path: p.Path, mark: &mark{asked: 1}}); p.DeletePending && f.doomedLocked(l.volume, l.path) < 0 {
		f.doomed = append(f.doomed, l)
	}
	m.indexID(o)
	if o.createGuid != ([16]byte{}) {
		o.indexGuidLocked()
	}
	o.disconnectLocked()
	return o
}

// keptOrPurged closes a restored open that would not have outlived its connection. It
// reports false if the open is gone.
func (o *Open) keptOrPurged() bool {
	o.file.mu.Lock()
	defer o.file.unlockNoWait()
	if o.closed {
		return false
	}
	if o.keptLocked() {
		return true
	}
	o.purgeLocked(DurablePushedOut)
	return false
}

// restoreHolderLocked makes the oplock or lease of a restored open. A lease
// that several opens share is made by the first of them.
func (s *stream) restoreHolderLocked(o *Open, l *EnhancedLock) {
	if l.Lease.Version == 0 && l.Lease.LeaseState == 0 {
		return // an oplock without rights is none
	}
	if l.Lease.Version != 0 {
		if h := s.findLeaseLocked(l.Owner.ClientID, l.Lease.LeaseKey, true); h != nil {
			h.opens++
			h.stored++
			o.holder, o.durable.leaseID = h, l.ID
			return
		}
	}
	h := &o.oplock
	if l.Lease.Version != 0 {
		h = new(holder)
	}
	*h = holder{
		stream:    s,
		lease:     l.Lease.Version != 0,
		dir:       o.isDir,
		key:       l.Lease.LeaseKey,
		parentKey: l.Lease.ParentLeaseKey,
		hasParent: l.Lease.ParentLeaseKey != LeaseKey{},
		version:   l.Lease.Version,
		id:        s.file.m.nextLockID.Add(1),
		granted:   l.AcquiredAt,
		owner:     o.owner,
		state:     l.Lease.LeaseState,
		epoch:     l.Lease.Epoch,
		opens:     1,
		stored:    1,
	}
	if h.lease && !s.file.m.addLease(h) {
		return // the key is in use for another file: the records contradict each other
	}
	if l.Lease.Breaking {
		// The break is announced again when the holder is back.
		h.breaking = true
		h.requested, h.required = l.Lease.BreakToState, l.Lease.BreakToState
		h.started = time.Now()
		s.file.m.stats.breaking.Add(1)
	}
	h.attachLocked()
	o.holder, o.durable.leaseID = h, l.ID
}

// restoreRangeLocked makes a byte-range lock of a restored open.
func (o *Open) restoreRangeLocked(l *EnhancedLock) {
	n := &rangeNode{
		off:       l.Offset,
		length:    l.Length,
		exclusive: l.Type == LockExclusive,
		owner:     o,
		stored:    true,
		id:        l.ID,
		granted:   l.AcquiredAt,
	}
	o.linkRangeLocked(n)
}
