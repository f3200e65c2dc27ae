package locking

import (
	"strings"
	"sync"
	"time"
)

// durableState is what makes an open survive a lost connection. Guarded by
// file.mu.
type durableState struct {
	DurableRequest
	persistent bool
	stored     bool // the open is in the store
	leaseID    uint64
	nextPath   string       // see PersistedOpen
	batch      *commitBatch // with the last change of the open
	timeout    time.Duration
	timer      *time.Timer // runs while disconnected
	expires    time.Time   // when the timer fires
	generation uint32      // tells a late timer from the current one
}

// knownLocked reports whether the store has the open, or may have it still.
func (d *durableState) knownLocked() bool { return d.stored || d.batch != nil }

func (d *durableState) stopTimer() {
	d.generation++
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

// purgedOpen is a disconnected open that was pushed out or has expired.
type purgedOpen struct {
	id      OpenID
	how     DurableEnd
	payload any
	result  Closed
}

// guidID names an open by the create GUID its client chose.
type guidID struct {
	client ClientID
	guid   [16]byte
}

// openShard is a part of the tables of durable opens and of create GUIDs.
type openShard struct {
	mu    sync.Mutex // leaf: both maps
	byID  map[OpenID]*Open
	guids map[guidID]*Open
	_     [32]byte
}

// indexID makes a durable open known to Reclaim.
func (m *OplockManager) indexID(o *Open) {
	sh := &m.openShards[shardOf(o.id)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.byID == nil {
		sh.byID = make(map[OpenID]*Open)
	}
	sh.byID[o.id] = o
}

// byID finds a durable open, nil if there is none.
func (m *OplockManager) byID(id OpenID) *Open {
	sh := &m.openShards[shardOf(id)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.byID[id]
}

// indexGuid makes an open known to OpenByCreateGuid.
func (m *OplockManager) indexGuid(o *Open) {
	o.file.mu.Lock()
	defer o.file.mu.Unlock()
	if o.closed {
		return
	}
	o.indexGuidLocked()
}

func (o *Open) indexGuidLocked() {
	id := guidID{o.owner.ClientID, o.createGuid}
	sh := &o.m.openShards[shardOf(id)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.guids == nil {
		sh.guids = make(map[guidID]*Open)
	}
	sh.guids[id] = o
}

// unindex removes an open from both tables.
func (m *OplockManager) unindex(o *Open) {
	if o.durable != nil {
		m.unindexID(o)
	}
	m.unindexGuid(o)
}

// unindexID removes an open from the table of Reclaim.
func (m *OplockManager) unindexID(o *Open) {
	sh := &m.openShards[shardOf(o.id)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.byID[o.id] == o {
		delete(sh.byID, o.id)
	}
}

// unindexGuid removes an open from the table of OpenByCreateGuid.
func (m *OplockManager) unindexGuid(o *Open) {
	if o.createGuid == ([16]byte{}) {
		return
	}
	id := guidID{o.owner.ClientID, o.createGuid}
	sh := &m.openShards[shardOf(id)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.guids[id] == o {
		delete(sh.guids, id)
	}
}

// byCreateGuid carries out OplockManager.OpenByCreateGuid.
func (m *OplockManager) byCreateGuid(client ClientID, guid [16]byte) (*Open, bool) {
	id := guidID{client, guid}
	sh := &m.openShards[shardOf(id)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	o := sh.guids[id]
	return o, o != nil
}

// handleLocked reports whether the open has a batch oplock or a lease with handle
// caching, of which others may want to take it.
func (o *Open) handleLocked() bool { return o.holder != nil && o.holder.state&LeaseHandle != 0 }

// cachesHandleLocked reports whether the open has the batch oplock or handle
// lease, settled, that durability rests on (MS-SMB2 3.3.7.1).
func (o *Open) cachesHandleLocked() bool {
	return o.handleLocked() && !o.holder.breaking
}

// makeDurable carries out Open.Durable (MS-SMB2 3.3.5.9.6, 3.3.5.9.10).
func (o *Open) makeDurable(r DurableRequest) (DurableGrant, error) {
	f, m := o.file, o.m
	f.mu.Lock()
	// Of one that waits for its client the timer would be lost.
	if o.closed || o.disconnected || m.closed.Load() {
		f.mu.Unlock()
		return DurableGrant{}, ErrClosed
	}
	was := o.durable
	if was != nil && r.Resilient {
		was.keepLocked(&r)
	}
	persistent := r.Persistent && m.commits != nil && !o.isDir
	if !persistent && !r.Resilient && (o.isDir || !o.cachesHandleLocked()) {
		f.mu.Unlock()
		return DurableGrant{}, nil
	}
	timeout := r.Timeout
	if timeout <= 0 {
		timeout = m.opts.DurableTimeout
	}
	timeout = min(timeout, m.opts.MaxDurableTimeout)
	d := &durableState{DurableRequest: r, persistent: persistent, timeout: timeout}
	if was != nil {
		d.stored, d.leaseID, d.batch, d.nextPath = was.stored, was.leaseID, was.batch, was.nextPath
	}
	o.durable = d
	if was == nil {
		m.indexID(o)
	}
	if r.CreateGuid != ([16]byte{}) && o.createGuid == ([16]byte{}) {
		o.createGuid = r.CreateGuid
		o.indexGuidLocked()
	}
	o.storeOpenLocked()
	p := o.firmLocked()
	f.unlockNoWait()
	if err := p.wait(); err != nil {
		o.undoDurable(d, was)
		return DurableGrant{}, err
	}
	return DurableGrant{Granted: true, Persistent: persistent, Timeout: timeout}, nil
}

// keepLocked makes a request for resiliency one for that in addition to what the open is
// already: its client has a create GUID, and what a persistent open is promised, and
// MS-SMB2 3.3.5.15.9 takes neither away.
func (d *durableState) keepLocked(r *DurableRequest) {
	r.V2, r.CreateGuid, r.Persistent = d.V2, d.CreateGuid, d.persistent
	if d.persistent {
		r.Timeout = max(r.Timeout, d.timeout)
	}
}

// undoDurable takes back what the store could not keep: the open is again what
// was says, nil for an open that is not durable.
func (o *Open) undoDurable(d, was *durableState) {
	o.file.mu.Lock()
	defer o.file.unlockNoWait()
	switch {
	case o.closed || o.durable != d:
		return
	case o.disconnected:
		// The client is gone as well: it never learned that it had the open.
		o.purgeLocked(DurablePushedOut)
	case was != nil:
		was.stored, was.leaseID, was.batch, was.nextPath = d.stored, d.leaseID, d.batch, d.nextPath
		o.durable = was
		o.storeOpenLocked()
	default:
		o.unstoreLocked()
		o.m.unindexID(o)
		o.durable = nil
	}
}

// keptLocked reports whether a durable open outlives its connection: one that is
// neither persistent nor resilient only as long as it caches its handle
// (MS-SMB2 3.3.7.1).
func (o *Open) keptLocked() bool {
	d := o.durable
	return d.persistent || d.Resilient || o.cachesHandleLocked()
}

// disconnect carries out Open.Disconnect (MS-SMB2 3.3.7.1).
func (o *Open) disconnect() bool {
	f := o.file
	f.mu.Lock()
	defer f.mu.Unlock()
	d := o.durable
	switch {
	case o.closed || d == nil || o.m.closed.Load():
		return false
	case o.disconnected:
		return true
	case !o.keptLocked():
		return false
	}
	if o.holder != nil {
		o.holder.connected--
		o.holder.handOverLocked(o)
	}
	o.stream.endWaitersLocked(o, ErrRangeNotLocked)
	o.disconnectLocked()
	if h := o.holder; h != nil && h.breaking && h.connected == 0 && d.persistent {
		h.suspendLocked()
	}
	return true
}

// disconnectLocked makes a durable open one that waits for its client.
func (o *Open) disconnectLocked() {
	d := o.durable
	o.disconnected = true
	o.protectLocked(1)
	o.m.stats.durable.Add(1)
	d.stopTimer()
	generation := d.generation
	d.expires = time.Now().Add(d.timeout)
	d.timer = time.AfterFunc(d.timeout, func() { o.expire(d, generation) })
}

// protectLocked counts a disconnected persistent open.
func (o *Open) protectLocked(n int) {
	if o.durable != nil && o.durable.persistent {
		o.stream.protected += n
	}
}

// expire ends a disconnected open whose time is up.
func (o *Open) expire(d *durableState, generation uint32) {
	f := o.file
	f.mu.Lock()
	if !o.closed && o.disconnected && o.durable == d && d.generation == generation && !o.m.closed.Load() {
		o.purgeLocked(DurableExpired)
	}
	f.unlockNoWait()
}

// purgeLocked closes a disconnected open on behalf of the manager.
func (o *Open) purgeLocked(how DurableEnd) {
	p := purgedOpen{id: o.id, how: how, payload: o.payload}
	known := o.durable.knownLocked()
	p.result = o.closeLocked()
	if known {
		o.file.dueLocked()
	}
	o.file.purged = append(o.file.purged, p)
}

// purgeLocked pushes out the opens of a holder that has only disconnected
// ones left.
func (h *holder) purgeLocked() {
	// The end of one may push out opens of other holders, so the list of the stream is
	// not walked meanwhile.
	var list []*Open
	for o := h.stream.first; o != nil; o = o.next {
		if o.holder == h {
			list = append(list, o)
		}
	}
	for _, o := range list {
		if o.holder == h {
			o.purgeLocked(DurablePushedOut)
		}
	}
}

// background runs something on a goroutine of its own, for which Close waits.
func (m *OplockManager) background(do func()) {
	// After Close nobody waits any more, and a wait group must not grow while
	// it is waited for.
	m.purgeMu.Lock()
	tracked := !m.closed.Load()
	if tracked {
		m.purges.Add(1)
	}
	m.purgeMu.Unlock()
	go func() {
		if tracked {
			defer m.purges.Done()
		}
		do()
	}()
}

// startPurge tells the owner of opens that were pushed out, on a goroutine of
// its own, and then lets those in who wait for a deletion.
func (m *OplockManager) startPurge(f *file, purged []purgedOpen) {
	m.background(func() {
		for _, p := range purged {
			m.observer.DurableEnded(p.how)
			if m.opts.OnPurge != nil {
				m.opts.OnPurge(p.id, p.payload, p.result)
			}
		}
		// As long as somebody refers to the file, those who open it know what is
		// due.
		f.awaitDue()
		refs := 0
		for _, p := range purged {
			if p.result.Delete {
				p.result.Deleted()
			} else {
				refs++
			}
		}
		m.drop(f, refs)
	})
}

// reclaim carries out OplockManager.Reclaim (MS-SMB2 3.3.5.9.7, 3.3.5.9.12).
func (m *OplockManager) reclaim(id OpenID, c Claim) (*Open, Record, error) {
	if c.Client == nil {
		return nil, Record{}, ErrInvalidRequest
	}
	o := m.byID(id)
	if o == nil && c.V2 && c.Persistent {
		o, _ = m.byCreateGuid(c.Client.ID(), c.CreateGuid)
	}
	if o == nil {
		return nil, Record{}, ErrNotReclaimable
	}
	f := o.file
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := o.checkClaimLocked(&c); err != nil {
		return nil, Record{}, err
	}
	o.reconnectLocked(&c)
	return o, Record{PersistedOpen: o.persistedLocked(), Grant: o.grantLocked()}, nil
}

// checkClaimLocked compares a claim with the open, in the order of the
// specification.
func (o *Open) checkClaimLocked(c *Claim) error {
	d := o.durable
	if o.closed || d == nil || o.m.closed.Load() {
		return ErrNotReclaimable
	}
	// As Windows does, a version 2 reconnect gets an open of version 1, too, whose
	// create GUID is zero.
	if c.V2 && (d.CreateGuid != c.CreateGuid || d.persistent != c.Persistent) || c.Share != d.Share {
		return ErrNotReclaimable
	}
	h := o.holder
	leased := h != nil && h.lease
	if leased != c.HasLease {
		return ErrNotReclaimable
	}
	if leased && (h.key != c.LeaseKey || h.owner.ClientID != c.Client.ID() ||
		c.LeaseVersion != 0 && c.LeaseVersion != h.version) {
		return ErrNotReclaimable
	}
	if !o.disconnected {
		return refuse(ErrNotReclaimable, o)
	}
	if c.User != d.User {
		return ErrClaimDenied
	}
	doomed := o.pendingLocked()
	if leased && !doomed && c.Path != "" && !strings.EqualFold(c.Path, o.path) {
		return ErrClaimMismatch
	}
	return nil
}

// reconnectLocked makes the open one of the claimant.
func (o *Open) reconnectLocked(c *Claim) {
	o.durable.stopTimer()
	o.disconnected = false
	o.protectLocked(-1)
	o.m.stats.durable.Add(-1)
	o.m.observer.DurableEnded(DurableReclaimed)
	moved := o.owner.ClientID != c.Client.ID()
	if moved {
		o.m.unindexGuid(o) // it is by client
	}
	o.client = c.Client
	o.owner = Owner{ClientID: c.Client.ID(), SessionID: c.SessionID, OpenID: o.id}
	o.recountLocked()
	if moved && o.createGuid != ([16]byte{}) {
		o.indexGuidLocked()
	}
	if h := o.holder; h != nil {
		h.connectedLocked(o)
	}
	o.storeOpenLocked()
}
