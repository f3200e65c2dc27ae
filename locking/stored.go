package locking

// What of an open stands in the store, and what has to be stored before
// somebody may go on.
//
// Three rules make the store fit to start from after a crash. First, the store
// goes through the states of the manager in order (see committer), so that it
// never contradicts itself. Second, who was promised that something survives a
// restart waits until it is stored: persistent opens, with their byte-range
// locks. Third, what a stored open loses without its client knowing is stored
// before anybody else can make use of it (file.lost): else its client would come
// back after a crash and go on caching, or write back, over what others have
// done since. What a client gives up itself needs no waiting for: should it be
// given more after a crash than it had, it has nothing left to do harm with.

// persistedLocked is the stored form of the open.
func (o *Open) persistedLocked() PersistedOpen {
	p := PersistedOpen{
		Version:       PersistedVersion,
		Owner:         o.owner,
		Key:           o.file.key,
		Stream:        o.stream.name,
		Volume:        o.volume,
		Path:          o.path,
		Access:        o.access,
		ShareAccess:   o.share,
		DeleteOnClose: o.deleteOnClose,
		IsDirectory:   o.isDir,
		CreateGuid:    o.createGuid,
		Oplock:        o.grantLocked().Oplock,
	}
	if d := o.durable; d != nil {
		p.Share, p.User, p.V2, p.Persistent = d.Share, d.User, d.V2, d.persistent
		p.Timeout, p.Extra = d.timeout, d.Extra
	}
	return p
}

// storeOpenLocked queues the whole open with its lease and ranges, if it is
// one that is kept in the store.
func (o *Open) storeOpenLocked() {
	m, d := o.m, o.durable
	if m.commits == nil || d == nil || !d.persistent && !m.opts.KeepDurable && !d.stored {
		return
	}
	p := o.persistedLocked()
	changes := []change{{Change{PutOpen: &p}, o.id, !d.stored}}
	if h := o.holder; h != nil {
		fresh := d.leaseID == 0
		if fresh {
			d.leaseID = m.nextLockID.Add(1)
			h.stored++
		}
		changes = append(changes, change{Change{PutLock: o.persistedLeaseLocked()}, o.id, fresh})
	}
	for n := o.locks; n != nil; n = n.next {
		changes = append(changes, n.changeLocked())
	}
	d.stored = true
	d.batch = m.commits.add(changes...)
}

// persistedLeaseLocked is the lease or oplock of the open as a record of this
// open: a lease shared by several stored opens is stored with each.
func (o *Open) persistedLeaseLocked() *PersistedLock {
	l := o.holder.recordLocked(o.isDir)
	l.ID, l.Owner = o.durable.leaseID, o.owner
	return ToPersistedLock(&l)
}

// queueLocked hands a change to the committer; fresh as in change.
func (o *Open) queueLocked(c Change, fresh bool) {
	o.durable.batch = o.m.commits.add(change{c, o.id, fresh})
}

// promiseLocked returns what must be stored before the client of a persistent open
// may be told of what was queued just now, to be waited for without file.mu. For
// other opens there is nothing to wait for.
func (o *Open) promiseLocked() *commitBatch {
	if d := o.durable; d != nil && d.persistent {
		return d.batch
	}
	return nil
}

// storeLocked queues a changed lease or oplock for each stored open.
func (h *holder) storeLocked() {
	if h.stored == 0 {
		return
	}
	changes := make([]change, 0, h.stored)
	for o := h.stream.first; o != nil; o = o.next {
		if o.holder == h && o.durable != nil && o.durable.leaseID != 0 {
			changes = append(changes, change{Change: Change{PutLock: o.persistedLeaseLocked()}, open: o.id})
		}
	}
	h.stream.file.m.commits.add(changes...)
}

// unstoreHolderLocked queues the removal of the oplock or lease of the open,
// which goes on without.
func (o *Open) unstoreHolderLocked() {
	d := o.durable
	if d == nil || d.leaseID == 0 {
		return
	}
	o.queueLocked(Change{DeleteLock: d.leaseID}, false)
	d.leaseID = 0
	o.holder.stored--
}

// changeLocked is the change that stores a byte-range lock.
func (a *rangeNode) changeLocked() change {
	l := a.recordLocked()
	c := change{Change{PutLock: ToPersistedLock(&l)}, a.owner.id, !a.stored}
	a.stored = true
	return c
}

// storeRangesLocked queues the n locks of a stored open that were taken last.
func (o *Open) storeRangesLocked(n int) {
	if o.durable == nil || !o.durable.stored {
		return
	}
	changes := make([]change, 0, n)
	for x := o.locks; len(changes) < n; x = x.next {
		changes = append(changes, x.changeLocked())
	}
	o.durable.batch = o.m.commits.add(changes...)
}

// unstoreRangeLocked queues the removal of a byte-range lock.
func (o *Open) unstoreRangeLocked(n *rangeNode) {
	if !n.stored || o.durable == nil || !o.durable.stored {
		return
	}
	n.stored = false
	o.queueLocked(Change{DeleteLock: n.id}, false)
}

// unstoreLocked queues the removal of the open with everything it has.
func (o *Open) unstoreLocked() {
	d := o.durable
	if d == nil || !d.stored {
		return
	}
	o.queueLocked(Change{DeleteOpen: o.id}, false)
	d.stored = false
	if d.leaseID != 0 && o.holder != nil {
		o.holder.stored--
	}
	d.leaseID = 0
	for n := o.locks; n != nil; n = n.next {
		n.stored = false
	}
}

// lostLocked says that a stored open has lost something without its client
// knowing; the change is queued already.
func (f *file) lostLocked() { f.lost.Store(f.m.commits.latest()) }

// awaitLost returns when what others have lost on the file is stored. Everybody
// who goes on after a break, an open or a lock passes here, without file.mu. A
// store that fails is not waited for any longer: that its clients work on is worth
// more than what a crash would do at the same time.
func (f *file) awaitLost() {
	if b := f.lost.Load(); b != nil {
		_ = b.wait()
		f.lost.CompareAndSwap(b, nil)
	}
}
