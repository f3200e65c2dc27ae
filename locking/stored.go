package locking

// What of an open stands in the store, and what has to be stored before
// somebody may go on.
//
// Opens that would outlive their connection are stored: persistent ones always,
// durable ones, if Options.KeepDurable says so, as long as they cache their handle.
// These rules make the store fit to start from after a crash:
//
//   - It goes through the states of the manager in order (see committer), so that
//     it never contradicts itself.
//   - A persistent open is granted when it is stored.
//   - Whatever an open that is stored gets in addition, its client learns when it
//     is stored: byte-range locks, rights of its lease. Else the client would have
//     its open back after a crash without what it believes to have, and others
//     could have that too. The same holds for locks that it gives back, which
//     nobody would release any more.
//   - With the locks goes the sequence of the LOCK (sequence.go). The mark for
//     deletion is stored with the persistent opens of the file, before anybody is
//     told that it is set or gone.
//   - The store forgets a persistent open that deletes something at its close when
//     that is deleted, as until then its client may have to close it once more, and
//     before the file can be opened again, should the deletion have failed.
//   - What such an open loses without its client knowing is stored before anybody
//     else can make use of it: rights of its lease, or the open itself when it is
//     pushed out. Else the client would have it back after a crash and go on
//     caching, or write back, over what others have done since.
//
// What a client gives up itself may come back after a crash: nothing is left that
// it could do harm with.

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
		Sequences:     o.storedSequencesLocked(),
	}
	if d := o.durable; d != nil {
		p.Share, p.User, p.V2, p.Persistent = d.Share, d.User, d.V2, d.persistent
		p.Timeout, p.Extra, p.NextPath = d.timeout, d.Extra, d.nextPath
		if d.persistent {
			p.DeletePending, p.StreamDeleted = o.file.doomedLocked(o.volume, o.path) >= 0, o.stream.mark != nil
		}
	}
	return p
}

// storeOpenLocked queues the whole open with its lease and ranges, if it is
// one that is kept in the store.
func (o *Open) storeOpenLocked() {
	m, d := o.m, o.durable
	if m.commits == nil || d == nil || !d.persistent && !d.stored && (!m.opts.KeepDurable || !o.handleLocked()) {
		return
	}
	changes := []change{o.recordChangeLocked()}
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

// recordChangeLocked is the change that stores the open by itself.
func (o *Open) recordChangeLocked() change {
	p := o.persistedLocked()
	o.sequencesStale = false
	return change{Change{PutOpen: &p}, o.id, !o.durable.stored}
}

// storeRecordLocked queues a changed open by itself, if it is stored.
func (o *Open) storeRecordLocked() {
	if o.durable != nil && o.durable.stored {
		o.queueLocked(o.recordChangeLocked())
	}
}

// queueLocked hands changes of an open to the committer, to go to the store
// together.
func (o *Open) queueLocked(changes ...change) {
	if len(changes) > 0 {
		o.durable.batch = o.m.commits.add(changes...)
	}
}

// promise is what must be stored before a client is told that something is done.
type promise struct {
	batch *commitBatch // nil: nothing
	firm  bool         // of a persistent open: nothing is done if it cannot be stored
}

// wait returns when the promise can be given. The error says that it cannot.
func (p promise) wait() error {
	if err := p.batch.wait(); p.firm {
		return err
	}
	return nil
}

// promiseLocked returns what must be stored before the client may be told of what
// was queued for its open just now, to be waited for without file.mu.
func (o *Open) promiseLocked() promise {
	d := o.durable
	if d == nil {
		return promise{}
	}
	// An open that has left the store must be gone from it, or it would come back
	// without what it has got since.
	return promise{d.batch, d.persistent}
}

// firmLocked is promiseLocked for what only a persistent open is promised.
func (o *Open) firmLocked() promise {
	if p := o.promiseLocked(); p.firm {
		return p
	}
	return promise{}
}

// storeLocked queues a changed lease or oplock for each open that is, or now
// becomes, stored. A durable open that does not cache its handle any more leaves
// the store: it would not be kept (MS-SMB2 3.3.7.1).
func (h *holder) storeLocked() {
	m := h.stream.file.m
	if m.commits == nil {
		return
	}
	var changes []change
	for o := h.stream.first; o != nil; o = o.next {
		d := o.durable
		switch {
		case o.holder != h || d == nil:
		case !d.persistent && h.state&LeaseHandle == 0:
			o.unstoreLocked()
		case d.leaseID != 0:
			changes = append(changes, change{Change: Change{PutLock: o.persistedLeaseLocked()}, open: o.id})
		default:
			o.storeOpenLocked()
		}
	}
	if len(changes) > 0 {
		m.commits.add(changes...)
	}
}

// unstoreOplockLocked queues what the store must know of an open whose oplock is
// gone.
func (o *Open) unstoreOplockLocked() {
	d := o.durable
	switch {
	case d == nil || d.leaseID == 0:
	case !d.persistent:
		o.unstoreLocked()
	default:
		o.queueLocked(change{Change{DeleteLock: d.leaseID}, o.id, false})
		d.leaseID = 0
		o.holder.stored--
	}
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
	changes := make([]change, 0, n+1)
	for x := o.locks; len(changes) < n; x = x.next {
		changes = append(changes, x.changeLocked())
	}
	o.queueLocked(o.withSequencesLocked(changes)...)
}

// withSequencesLocked adds the open to changes of its locks, if the store has other
// lock sequences.
func (o *Open) withSequencesLocked(changes []change) []change {
	if o.sequencesStale && o.durable != nil && o.durable.stored {
		changes = append(changes, o.recordChangeLocked())
	}
	return changes
}

// unstoredRangeLocked is the change that removes a byte-range lock from the store;
// ok is false if it is not there.
func (o *Open) unstoredRangeLocked(n *rangeNode) (c change, ok bool) {
	if !n.stored || o.durable == nil || !o.durable.stored {
		return change{}, false
	}
	n.stored = false
	return change{Change{DeleteLock: n.id}, o.id, false}, true
}

// unstoreLocked queues the removal of the open with everything it has.
func (o *Open) unstoreLocked() {
	if o.abandonRecordLocked() {
		o.queueLocked(change{Change{DeleteOpen: o.id}, o.id, false})
	}
}

// abandonRecordLocked lets the store have no more changes of the open. It reports
// whether the open is there, to be removed with everything it has.
func (o *Open) abandonRecordLocked() bool {
	d := o.durable
	if d == nil || !d.stored {
		return false
	}
	d.stored = false
	if d.leaseID != 0 && o.holder != nil {
		o.holder.stored--
		o.holder.unstored = true
	}
	d.leaseID = 0
	for n := o.locks; n != nil; n = n.next {
		n.stored = false
	}
	return true
}

// dueLocked says that everything that was queued until now must be stored before
// anybody goes on with the file.
func (f *file) dueLocked() { f.due.Store(f.m.commits.latest()) }

// awaitDue returns when what is due is stored. Everybody who goes on after an open,
// a break or a lock passes here, without file.mu. A store that fails is not waited
// for any longer: that clients can work on is worth more than what a crash would do
// at the same time.
func (f *file) awaitDue() {
	if b := f.due.Load(); b != nil {
		_ = b.wait()
		f.due.CompareAndSwap(b, nil)
	}
}
