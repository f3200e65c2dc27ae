package locking

import "sync"

// leaseID names a lease in the server: a client has one table of lease keys
// (MS-SMB2 3.3.1.11, 3.3.1.12).
type leaseID struct {
	client ClientID
	key    LeaseKey
}

// leaseShard is a part of the table of all leases.
type leaseShard struct {
	mu     sync.Mutex // leaf: leases
	leases map[leaseID]*holder
	_      [40]byte
}

// findLease returns the lease of a client with a key, or nil.
func (m *OplockManager) findLease(id leaseID) *holder {
	sh := &m.leaseShards[shardOf(id)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.leases[id]
}

// addLease enters a new lease; it fails when the key was taken meanwhile.
func (m *OplockManager) addLease(h *holder) bool {
	id := leaseID{h.owner.ClientID, h.key}
	sh := &m.leaseShards[shardOf(id)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.leases[id] != nil {
		return false
	}
	if sh.leases == nil {
		sh.leases = make(map[leaseID]*holder)
	}
	sh.leases[id] = h
	return true
}

// forgetLease removes a lease whose last open was closed.
func (m *OplockManager) forgetLease(h *holder) {
	id := leaseID{h.owner.ClientID, h.key}
	sh := &m.leaseShards[shardOf(id)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.leases[id] == h {
		delete(sh.leases, id)
	}
}

// findLeaseLocked returns the lease of a client on this stream, or nil.
func (s *stream) findLeaseLocked(client ClientID, key LeaseKey, has bool) *holder {
	if !has {
		return nil
	}
	h := s.file.m.findLease(leaseID{client, key})
	if h == nil || h.stream != s {
		return nil
	}
	return h
}

// ackLease carries out OplockManager.Ack (MS-SMB2 3.3.5.22.2).
func (m *OplockManager) ackLease(client ClientID, key LeaseKey, state LeaseState) (LeaseState, error) {
	h := m.findLease(leaseID{client, key})
	if h == nil {
		return 0, ErrNotFound
	}
	f := h.stream.file
	f.mu.Lock()
	defer f.unlockNoWait()
	switch {
	case h.index < 0:
		return 0, ErrNotFound
	case !h.breaking:
		return h.state, ErrNotBreaking
	case state&^h.requested != 0:
		return h.state, ErrBadAck
	}
	h.ackedLocked(state)
	return state, nil
}

// ackedLocked takes a valid acknowledgement. If somebody needs more than the
// holder was asked for, the next break follows from the new state, one step
// at a time: handle and write caching first, read caching last.
func (h *holder) ackedLocked(state LeaseState) {
	required := h.required
	if state&^required == 0 {
		h.settleLocked(state, BreakAcked)
		return
	}
	h.settleLocked(state, BreakAcked)
	if state == LeaseRead {
		h.sendLocked(state, 0, false)
		h.takeAwayLocked(0)
		return
	}
	h.requested, h.required = required|LeaseRead&state, required
	h.askLocked()
}

// changed carries out OplockManager.Changed: a directory lease goes when
// somebody else changes the directory (MS-FSA 2.1.4.12, MS-SMB2 3.3.1.4).
func (m *OplockManager) changed(dir Key, parent LeaseKey, hasParent bool, client ClientID) {
	f := m.holdExisting(dir)
	if f == nil {
		return
	}
	defer m.drop(f, 1)
	if f.base.caching.Load() == 0 {
		return
	}
	f.mu.Lock()
	own := f.base.findLeaseLocked(client, parent, hasParent)
	for i := len(f.base.holders) - 1; i >= 0; i-- {
		if i >= len(f.base.holders) {
			continue
		}
		if h := f.base.holders[i]; h != own && h.state != 0 {
			h.breakLocked(0)
		}
	}
	f.unlockNoWait()
}

// info is the public form of the holder's state.
func (h *holder) infoLocked(isDir bool) *LeaseInfo {
	return &LeaseInfo{
		LeaseKey:       h.key,
		LeaseState:     h.state,
		BreakToState:   h.requested,
		Breaking:       h.breaking,
		BreakStarted:   h.started,
		Epoch:          h.epoch,
		ParentLeaseKey: h.parentKey,
		Version:        h.version,
		IsDirectory:    isDir,
	}
}
