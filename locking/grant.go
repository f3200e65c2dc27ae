package locking

import "time"

// check refuses requests that contradict themselves.
func (r *OpenRequest) check() error {
	switch {
	case r.Client == nil,
		r.Owner.OpenID == 0,
		r.Owner.ClientID != r.Client.ID(),
		(r.Oplock == OplockLease) != (r.Lease != nil),
		r.Oplock > OplockLease,
		r.Lease != nil && (r.Lease.Version < 1 || r.Lease.Version > 2):
		return ErrInvalidRequest
	}
	return nil
}

// effectiveAccess is the access that decides about conflicts: replacing the
// content is writing, whatever the handle may do afterwards.
func (r *OpenRequest) effectiveAccess() uint32 {
	if r.Overwrite {
		return r.Access | accessWriteData
	}
	return r.Access
}

// open carries out OplockManager.Open.
func (m *OplockManager) open(key Key, stream string, req *OpenRequest) (*Open, Grant, error) {
	if err := req.check(); err != nil {
		return nil, Grant{}, err
	}
	if m.closed.Load() {
		return nil, Grant{}, ErrClosed
	}
	f := m.hold(key)
	f.mu.Lock()
	s := f.streamLocked(stream)
	o, err := s.openLocked(req)
	var g Grant
	if err == nil {
		g = o.grantLocked()
	} else {
		f.trimLocked(s)
	}
	f.unlockNoWait()
	if err != nil {
		m.drop(f, 1)
		return nil, Grant{}, err
	}
	f.awaitDue()
	if o.createGuid != ([16]byte{}) {
		m.indexGuid(o)
	}
	return o, g, nil
}

// openLocked decides and registers. It takes several rounds when disconnected
// opens are pushed out.
func (s *stream) openLocked(req *OpenRequest) (*Open, error) {
	f := s.file
	for {
		own, err := s.ownLeaseLocked(req)
		if err != nil {
			return nil, err
		}
		switch {
		case f.base.deleting > 0 || s.deleting > 0:
			return nil, s.waitForLocked(req)
		case s.mark != nil:
			return nil, refuse(ErrDeletePending, s.first)
		case f.doomedLocked(req.Volume, req.Path) >= 0:
			return nil, refuse(ErrDeletePending, f.firstOpenLocked())
		}
		again, err := s.makeRoomLocked(req, own)
		if err != nil {
			return nil, err
		}
		if !again {
			return s.registerLocked(req, own)
		}
	}
}

// waitForLocked makes the request one that has waited.
func (s *stream) waitForLocked(req *OpenRequest) *Blocked {
	req.Waited = true
	return s.file.blockedLocked()
}

// ownLeaseLocked finds the lease that the request belongs to, if it exists.
func (s *stream) ownLeaseLocked(req *OpenRequest) (*holder, error) {
	if req.Lease == nil {
		return nil, nil
	}
	h := s.file.m.findLease(leaseID{req.Owner.ClientID, req.Lease.Key})
	if h != nil && h.stream != s {
		return nil, ErrLeaseKeyInUse
	}
	return h, nil
}

// makeRoomLocked checks share modes and breaks what stands in the way of the
// open (MS-FSA 2.1.5.1.2). It reports again when opens were pushed out and
// everything must be looked at anew; the error is ErrSharing or *Blocked.
func (s *stream) makeRoomLocked(req *OpenRequest, own *holder) (again bool, err error) {
	access := req.effectiveAccess()
	if isOplockStat(access) {
		return false, nil
	}
	f := s.file
	conflict := s.modes.conflict(access, req.Share)
	if s.protected > 0 && (conflict || s.disturbsLocked(req, own)) {
		return false, ErrNotAvailable
	}
	streams := s.name == "" && access&accessDelete != 0 && f.streamsDenyDeleteLocked()
	opens := f.opens
	wait := s.breakForOpenLocked(req, own, conflict || streams)
	if streams {
		wait = f.breakStreamsForDeleteLocked() || wait
	}
	switch {
	case f.opens != opens:
		return true, nil
	case wait:
		return false, s.waitForLocked(req)
	case conflict:
		return false, refuse(ErrSharing, s.conflictingLocked(access, req.Share))
	case streams:
		return false, refuse(ErrSharing, f.denyingDeleteLocked())
	}
	return false, nil
}

// disturbsLocked reports whether the open would take something from a
// disconnected persistent one, which is kept for its owner alone unless it
// shares by handle caching without write caching. An open of the same lease takes
// nothing.
func (s *stream) disturbsLocked(req *OpenRequest, own *holder) bool {
	for o := s.first; o != nil; o = o.next {
		if !o.disconnected || !o.durable.persistent || own != nil && o.holder == own {
			continue
		}
		if req.Overwrite || o.holder == nil || o.holder.state&(LeaseHandle|LeaseWrite) != LeaseHandle {
			return true
		}
	}
	return false
}

// breakForOpenLocked breaks the holders of the stream for an open that is not
// attribute-only. With a sharing violation only handle caching matters: its
// end may remove the violation. Otherwise write caching goes, and with an
// overwrite everything. It reports whether the open must wait.
func (s *stream) breakForOpenLocked(req *OpenRequest, own *holder, violation bool) (wait bool) {
	mask := LeaseWrite
	if violation {
		mask = LeaseHandle
	}
	overwrite := req.Overwrite && !violation
	leaseStat := isLeaseStat(req.effectiveAccess())
	for i := len(s.holders) - 1; i >= 0; i-- {
		if i >= len(s.holders) {
			continue
		}
		h := s.holders[i]
		if h == own || h.lease && leaseStat {
			continue
		}
		to := h.state &^ mask
		if overwrite {
			to = 0
		}
		running := h.breaking && h.lease
		if to == h.state {
			// Nothing to take away, but the outcome of a running break is
			// waited for.
			wait = wait || running
			continue
		}
		// Losing read or handle caching alone holds up nobody, unless this
		// open has been waiting for the same break before.
		mustWait := h.state&mask != 0 || running && req.Waited
		if h.breakLocked(to) && mustWait {
			wait = true
		}
	}
	return wait
}

// breakStreamsForDeleteLocked breaks handle caching on the named streams that
// keep the file from being opened for deletion.
func (f *file) breakStreamsForDeleteLocked() (wait bool) {
	for _, t := range f.streams {
		if t.modes.denyDel > 0 {
			wait = t.breakHoldersLocked(CauseDelete, nil) || wait
		}
	}
	return wait
}

// registerLocked enters the open and grants caching.
func (s *stream) registerLocked(req *OpenRequest, own *holder) (*Open, error) {
	m := s.file.m
	o := &Open{
		m:      m,
		file:   s.file,
		stream: s,
		id:     req.Owner.OpenID,
		access: req.Access,
		share:  req.Share,
		isDir:  req.IsDirectory,
		posix:  req.Posix,
		openState: openState{
			client:        req.Client,
			owner:         req.Owner,
			volume:        req.Volume,
			path:          req.Path,
			deleteOnClose: req.DeleteOnClose,
			createGuid:    req.CreateGuid,
		},
	}
	if req.Oplock != OplockNone {
		if err := s.grantCachingLocked(o, req, own); err != nil {
			return nil, err
		}
	}
	s.linkLocked(o)
	s.modes.add(o.access, o.share, 1)
	s.significantLocked(o, 1)
	m.stats.opens.Add(1)
	return o, nil
}

// grantCachingLocked gives the open its oplock or lease (MS-FSA 2.1.5.18,
// MS-SMB2 3.3.5.9.8, 3.3.5.9.11).
func (s *stream) grantCachingLocked(o *Open, req *OpenRequest, own *holder) error {
	m := s.file.m
	wanted := s.wanted(req)
	possible := s.possibleLocked(req, own, wanted)
	switch {
	case own != nil:
		own.joinLocked(o, wanted, possible)
		m.observer.Granted(OplockLease, own.state)
	case req.Lease != nil:
		if err := s.newLeaseLocked(o, req, possible); err != nil {
			return err
		}
		m.observer.Granted(OplockLease, possible)
	default:
		level := oplockOf(possible)
		if level != OplockNone {
			s.newOplockLocked(o, req, level)
		}
		m.observer.Granted(level, level.state())
	}
	return nil
}

// wanted is what the request asks for, within what such an open may have at
// all.
func (s *stream) wanted(req *OpenRequest) LeaseState {
	if req.NoCaching {
		return 0
	}
	w := req.Oplock.state()
	if req.Lease != nil {
		w = req.Lease.State & LeaseRWH
	}
	if req.IsDirectory {
		w &^= LeaseWrite
		if req.Lease == nil {
			w = 0
		}
	}
	if req.MaxState != 0 {
		w &= req.MaxState
	}
	if w&LeaseRead == 0 {
		return 0
	}
	return w
}

// possibleLocked is what of wanted can be granted beside the other opens.
func (s *stream) possibleLocked(req *OpenRequest, own *holder, wanted LeaseState) LeaseState {
	p := wanted
	ownOpens := 0
	if own != nil {
		ownOpens = own.opens
	}
	if s.significant > ownOpens {
		p &^= LeaseWrite
	}
	if s.locked.Load() > 0 {
		// Byte-range locks and read caching exclude each other.
		return 0
	}
	handles := false
	for _, h := range s.holders {
		if h == own {
			continue
		}
		if h.state&LeaseWrite != 0 {
			// Only an attribute-only open gets here: it breaks nothing.
			return 0
		}
		handles = handles || h.state&LeaseHandle != 0
	}
	switch {
	case req.Lease != nil && s.oplocks > 0:
		p &^= LeaseHandle
	case req.Lease == nil && handles:
		return 0
	case req.Lease == nil:
		p = oplockOf(p).state()
	}
	if req.WholeOplock && req.Lease == nil && p&LeaseWrite == 0 {
		return 0
	}
	return p
}

// joinLocked adds an open to an existing lease, and raises its state if the
// request asks for strictly more and all of that is possible.
func (h *holder) joinLocked(o *Open, wanted, possible LeaseState) {
	h.opens++
	o.holder = h
	h.connectedLocked(o)
	if !h.breaking && wanted&h.state == h.state && possible != h.state && possible == wanted {
		h.epoch++
		h.setStateLocked(possible)
		if h.stored > 0 {
			h.stream.file.dueLocked()
		}
	}
}

// newLeaseLocked makes the lease of an open, even one without any right.
func (s *stream) newLeaseLocked(o *Open, req *OpenRequest, state LeaseState) error {
	m := s.file.m
	h := &holder{
		stream:    s,
		lease:     true,
		dir:       req.IsDirectory,
		key:       req.Lease.Key,
		version:   req.Lease.Version,
		id:        m.nextLockID.Add(1),
		granted:   time.Now(),
		client:    o.client,
		owner:     o.owner,
		state:     state,
		opens:     1,
		connected: 1,
	}
	if req.Lease.HasParent {
		h.hasParent, h.parentKey = true, req.Lease.ParentKey
	}
	if req.Lease.Version == 2 {
		h.epoch = req.Lease.Epoch
	}
	if state != 0 {
		h.epoch++
	}
	if !m.addLease(h) {
		return ErrLeaseKeyInUse
	}
	h.attachLocked()
	o.holdLocked(h, req)
	return nil
}

// newOplockLocked gives the open an oplock, which lies inside it.
func (s *stream) newOplockLocked(o *Open, req *OpenRequest, level OplockLevel) {
	o.oplock = holder{
		stream:    s,
		whole:     req.WholeOplock,
		id:        s.file.m.nextLockID.Add(1),
		granted:   time.Now(),
		client:    o.client,
		owner:     o.owner,
		state:     level.state(),
		opens:     1,
		connected: 1,
	}
	o.oplock.attachLocked()
	o.holdLocked(&o.oplock, req)
}

// holdLocked gives the open a new oplock or lease.
func (o *Open) holdLocked(h *holder, req *OpenRequest) {
	o.holder = h
	if req.HoldBreaks {
		h.quiet, o.quiet = true, h
	}
}

// GiveUpOplock takes the oplock of the open back, of which its client has not heard
// yet, and returns what is granted then. A lease stays as it is.
func (o *Open) GiveUpOplock() Grant {
	f := o.file
	f.mu.Lock()
	defer f.unlockNoWait()
	if h := o.holder; h != nil && !h.lease && !o.closed {
		h.held = nil
		h.settleLocked(0, BreakClosed)
	}
	return o.grantLocked()
}

// grantLocked describes the oplock or lease of an open.
func (o *Open) grantLocked() Grant {
	h := o.holder
	if h == nil {
		return Grant{}
	}
	g := Grant{Oplock: OplockLease, Lease: h.state, Breaking: h.breaking}
	if !h.lease {
		g.Oplock = oplockOf(h.state)
		return g
	}
	g.Epoch, g.Version = h.epoch, h.version
	g.ParentKey, g.HasParent = h.parentKey, h.hasParent
	return g
}
