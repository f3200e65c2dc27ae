package locking

import "time"

// holder is one lease or one oplock. Everything is guarded by file.mu of its
// stream, but for the fields that never change.
type holder struct {
	// Immutable after construction.
	stream    *stream
	lease     bool // a lease; otherwise an oplock
	dir       bool // on a directory
	key       LeaseKey
	parentKey LeaseKey
	hasParent bool
	whole     bool  // see OpenRequest.WholeOplock
	version   uint8 // 1 or 2 for leases, 0 for oplocks
	id        uint64
	granted   time.Time

	client Client
	owner  Owner // of the latest open
	state  LeaseState
	epoch  uint16

	// While breaking, requested is what the holder was told to go down to and
	// required is what the operations that wait need.
	breaking            bool
	requested, required LeaseState
	started             time.Time
	timer               *time.Timer
	generation          uint32 // tells a late timer from the current one

	// quiet: the client does not know yet what it was granted; its
	// notifications wait in held.
	quiet bool
	held  []Break

	// opens belong to it; connected of them are not disconnected; stored of
	// them are in the store. index is its place in stream.holders, -1 if it
	// is not there.
	opens, connected, stored int
	// unstored: an open of it has left the store, which may not know that yet.
	unstored bool
	index    int
}

// attachLocked puts a holder with its first open on the stream.
func (h *holder) attachLocked() {
	s := h.stream
	h.index = len(s.holders)
	s.holders = append(s.holders, h)
	if !h.lease {
		s.oplocks++
	}
	h.countLocked(1)
}

// detachLocked takes a holder that lost its last open, or an oplock that lost
// everything, off the stream.
func (h *holder) detachLocked() {
	if h.index < 0 {
		return
	}
	s := h.stream
	h.countLocked(-1)
	end := len(s.holders) - 1
	s.holders[h.index] = s.holders[end]
	s.holders[h.index].index = h.index
	s.holders[end] = nil
	s.holders = s.holders[:end]
	h.index = -1
	if !h.lease {
		s.oplocks--
	}
}

// countLocked adds the holder to the counters, or takes it off them.
func (h *holder) countLocked(n int) {
	if h.state != 0 {
		h.stream.caching.Add(int32(n))
	}
	st := &h.stream.file.m.stats
	if h.dir && h.state != 0 {
		st.dirLeases.Add(int64(n))
	}
	if h.lease {
		st.leases[h.state&LeaseRWH].Add(int64(n))
	} else if l := oplockOf(h.state); l != OplockNone {
		st.oplocks[l].Add(int64(n))
	}
}

// setStateLocked changes what the holder may do. An oplock without rights
// does not exist any more.
func (h *holder) setStateLocked(s LeaseState) {
	if h.state == s {
		return
	}
	h.countLocked(-1)
	h.state = s
	h.countLocked(1)
	if !h.lease && s == 0 {
		h.detachLocked()
		h.stream.oplockGoneLocked(h)
		return
	}
	h.storeLocked()
}

// takeAwayLocked is setStateLocked for what the client did not agree to: it may
// not even know.
func (h *holder) takeAwayLocked(s LeaseState) {
	stored := h.stored > 0 || h.unstored
	h.setStateLocked(s)
	if stored {
		h.stream.file.dueLocked()
	}
}

// oplockGoneLocked makes the open of an oplock one without oplock.
func (s *stream) oplockGoneLocked(h *holder) {
	for o := s.first; o != nil; o = o.next {
		if o.holder == h {
			s.significantLocked(o, -1)
			o.unstoreOplockLocked()
			o.holder = nil
			s.significantLocked(o, 1)
			return
		}
	}
}

// significantLocked counts an open that keeps others from caching writes.
func (s *stream) significantLocked(o *Open, n int) {
	if o.holder != nil || !isOplockStat(o.access) {
		s.significant += n
	}
}

// breakLocked asks the holder to go down to what is in to. It reports whether
// the holder still has to answer. A disconnected holder cannot answer: its
// opens are pushed out (MS-SMB2 3.3.4.6, 3.3.4.7).
func (h *holder) breakLocked(to LeaseState) (pending bool) {
	to &= h.state
	if h.connected == 0 {
		h.breakDisconnectedLocked(to)
		return false
	}
	if h.breaking {
		h.required &= to
		return true
	}
	if to == h.state {
		return false
	}
	if !h.lease {
		to &= LeaseRead
	}
	if h.whole {
		to = 0
	}
	h.epoch++
	if h.state == LeaseRead {
		// Only read caching goes: the notification needs no answer.
		h.sendLocked(h.state, 0, false)
		h.takeAwayLocked(0)
		return false
	}
	h.requested, h.required = to, to
	return h.askLocked()
}

// breakDisconnectedLocked takes rights from a holder that cannot answer. The
// opens of a durable one are pushed out; a persistent one stays and learns
// its new state when it comes back.
func (h *holder) breakDisconnectedLocked(to LeaseState) {
	if !h.persistentLocked() {
		h.purgeLocked()
		return
	}
	h.epoch++
	h.settleLocked(to, BreakUndeliverable)
}

// persistentLocked reports whether one of the opens is persistent.
func (h *holder) persistentLocked() bool {
	for o := h.stream.first; o != nil; o = o.next {
		if o.holder == h && o.durable != nil && o.durable.persistent {
			return true
		}
	}
	return false
}

// suspendLocked lets a break rest while the holder, which has a persistent open, is
// not connected: those who wait look again and find that the file is kept for it.
func (h *holder) suspendLocked() {
	h.stopTimerLocked()
	h.stream.file.wakeLocked()
}

// connectedLocked is called when an open of the holder is there that is connected.
// A holder that was not, while a break is running, is told of it anew: it may never
// have heard of it (Lease.BreakNotification in MS-SMB2 3.3.1.12).
func (h *holder) connectedLocked(o *Open) {
	h.connected++
	h.client, h.owner = o.client, o.owner
	if h.breaking && h.connected == 1 {
		h.askLocked()
	}
}

// askLocked announces requested to the holder and starts the clock. It
// reports false when the notification cannot be delivered; the break is then
// settled.
func (h *holder) askLocked() bool {
	m := h.stream.file.m
	if !h.breaking {
		h.breaking = true
		m.stats.breaking.Add(1)
	}
	h.started = time.Now()
	h.generation++
	if !h.sendLocked(h.state, h.requested, true) {
		h.settleLocked(0, BreakUndeliverable)
		return false
	}
	generation := h.generation
	h.timer = time.AfterFunc(m.opts.BreakTimeout, func() { h.timeout(generation) })
	h.storeLocked()
	return true
}

// sendLocked hands a notification to the client.
func (h *holder) sendLocked(from, to LeaseState, ack bool) bool {
	b := Break{
		Lease:       h.lease,
		Owner:       h.owner,
		LeaseKey:    h.key,
		From:        from,
		To:          to,
		Level:       oplockOf(to),
		AckRequired: ack,
	}
	if h.version == 2 {
		b.Epoch = h.epoch
	}
	if h.quiet {
		h.held = append(h.held, b)
		return true
	}
	return h.deliverLocked(b)
}

// deliverLocked gives one notification to the client.
func (h *holder) deliverLocked(b Break) bool {
	if h.client == nil || !h.client.Break(b) {
		return false
	}
	h.stream.file.m.observer.BreakSent(h.lease, b.From, b.To)
	return true
}

// announced carries out Open.Announced.
func (o *Open) announced() {
	o.file.mu.Lock()
	defer o.file.unlockNoWait()
	o.announcedLocked()
}

// announcedLocked delivers the notifications that were held back.
func (o *Open) announcedLocked() {
	h := o.quiet
	if h == nil {
		return
	}
	o.quiet = nil
	h.quiet = false
	held := h.held
	h.held = nil
	for _, b := range held {
		if !h.deliverLocked(b) && b.AckRequired && h.breaking {
			h.settleLocked(0, BreakUndeliverable)
		}
	}
}

// settleLocked ends a break with the holder at state s and wakes those that
// wait. It is the only way out of breaking.
func (h *holder) settleLocked(s LeaseState, how BreakEnd) {
	m := h.stream.file.m
	if h.breaking {
		h.breaking = false
		m.stats.breaking.Add(-1)
		m.observer.BreakEnded(h.lease, how, time.Since(h.started))
	}
	h.stopTimerLocked()
	h.requested, h.required = 0, 0
	h.started = time.Time{}
	if how == BreakAcked {
		h.setStateLocked(s)
	} else {
		h.takeAwayLocked(s)
	}
	h.stream.file.wakeLocked()
}

func (h *holder) stopTimerLocked() {
	h.generation++
	if h.timer != nil {
		h.timer.Stop()
		h.timer = nil
	}
}

// timeout ends a break that nobody acknowledged: everything is lost
// (MS-SMB2 3.3.6.1, 3.3.6.4).
func (h *holder) timeout(generation uint32) {
	f := h.stream.file
	f.mu.Lock()
	defer f.unlockNoWait()
	if h.generation != generation || !h.breaking || f.m.closed.Load() {
		return
	}
	h.settleLocked(0, BreakTimedOut)
}

// releaseLocked takes one open off the holder; with the last one it ends.
func (h *holder) releaseLocked(o *Open) {
	h.opens--
	if !o.disconnected {
		h.connected--
	}
	if h.opens > 0 {
		h.handOverLocked(o)
		return
	}
	if h.breaking {
		h.breaking = false
		m := h.stream.file.m
		m.stats.breaking.Add(-1)
		m.observer.BreakEnded(h.lease, BreakClosed, time.Since(h.started))
	}
	h.stopTimerLocked()
	h.detachLocked()
	if h.lease {
		h.stream.file.m.forgetLease(h)
	}
}

// handOverLocked lets notifications of a lease go where an open that is still
// connected came from, when the one they went to is gone.
func (h *holder) handOverLocked(gone *Open) {
	if h.owner.OpenID != gone.id {
		return
	}
	for o := h.stream.last; o != nil; o = o.prev {
		if o.holder == h && !o.disconnected && !o.closed {
			h.client, h.owner = o.client, o.owner
			return
		}
	}
}

// ackOplock carries out Open.AckOplock (MS-SMB2 3.3.5.22.1).
func (o *Open) ackOplock(level OplockLevel) (OplockLevel, error) {
	o.file.mu.Lock()
	defer o.file.unlockNoWait()
	h := o.holder
	if o.closed || h == nil || h.lease || !h.breaking {
		return OplockNone, ErrInvalidOplockProtocol
	}
	switch level {
	case OplockNone, OplockII:
		h.settleLocked(level.state()&h.requested, BreakAcked)
		return oplockOf(h.state), nil
	case OplockLease:
		h.settleLocked(0, BreakAcked)
		return OplockNone, ErrInvalidOplockLevel
	default:
		h.settleLocked(0, BreakAcked)
		return OplockNone, ErrInvalidOplockProtocol
	}
}

// needsHandle tells the causes that end handle caching from those that end
// read caching.
func (c Cause) needsHandle() bool {
	switch c {
	case CauseRename, CauseLink, CauseDelete, CauseOverwrite, CauseParentRename:
		return true
	}
	return false
}

// breakOthers carries out Open.Break (MS-FSA 2.1.4.12).
func (o *Open) breakOthers(cause Cause) error {
	f := o.file
	if o.stream.caching.Load() == 0 {
		f.awaitDue()
		return nil
	}
	f.mu.Lock()
	if o.closed {
		f.mu.Unlock()
		return ErrClosed
	}
	wait := o.breakOthersLocked(cause)
	if wait {
		blocked := f.blockedLocked()
		f.unlockNoWait()
		return blocked
	}
	f.unlockNoWait()
	f.awaitDue()
	return nil
}

// breakOthersLocked breaks what stands against the cause and reports whether
// the caller must wait.
func (o *Open) breakOthersLocked(cause Cause) (wait bool) {
	own := o.holder
	if !cause.needsHandle() && own != nil && own.state&LeaseWrite != 0 {
		// Nobody else caches anything beside a holder that caches writes.
		return false
	}
	return o.stream.breakHoldersLocked(cause, own)
}

// breakHoldersLocked breaks all holders of a stream for a cause, but not the
// lease that belongs to the one who causes it. An oplock of level II is lost
// even by its own holder: only leases know who writes.
func (s *stream) breakHoldersLocked(cause Cause, own *holder) (wait bool) {
	for i := len(s.holders) - 1; i >= 0; i-- {
		if i >= len(s.holders) {
			continue // a purge took several holders away
		}
		h := s.holders[i]
		if cause.needsHandle() {
			if h != own && h.state&LeaseHandle != 0 && h.breakLocked(h.state&^LeaseHandle) {
				wait = true
			}
			continue
		}
		if h.state == 0 || h == own && h.lease {
			continue
		}
		caches := h.state&LeaseWrite != 0
		if h.breakLocked(0) && caches {
			wait = true
		}
	}
	return wait
}

// breakFile carries out OplockManager.BreakFile.
func (m *OplockManager) breakFile(key Key, cause Cause, client ClientID, own LeaseKey, hasOwn bool) (int, error) {
	f := m.holdExisting(key)
	if f == nil {
		return 0, nil
	}
	defer m.drop(f, 1)
	f.mu.Lock()
	wait := false
	f.eachStreamLocked(func(s *stream) {
		if cause.needsHandle() || s.name == "" {
			wait = s.breakHoldersLocked(cause, s.findLeaseLocked(client, own, hasOwn)) || wait
		}
	})
	opens := f.opens
	if wait {
		blocked := f.blockedLocked()
		f.unlockNoWait()
		return opens, blocked
	}
	f.unlockNoWait()
	f.awaitDue()
	return opens, nil
}
