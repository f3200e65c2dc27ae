package smb

import (
	"errors"

	"lessor/locking"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
)

// lock carries out LOCK (MS-SMB2 3.3.5.14).
func (r *request) lock(q *wire.LockRequest, _ *wire.LockResponse) error {
	if len(q.Locks) == 0 {
		return ntstatus.InvalidParameter
	}
	if r.sess.expired() && q.Locks[0].Flags&wire.LockFlagUnlock == 0 {
		return ntstatus.NetworkSessionExpired // as in Windows, locks can only be given back
	}
	o, err := r.file(q.FileID)
	if err != nil {
		return err
	}
	switch {
	case o.isPipe():
		return ntstatus.InvalidDeviceRequest
	case o.grip.dir:
		return ntstatus.InvalidParameter // MS-FSA 2.1.5.7
	}
	if !r.verifiesLockSequence(o) {
		return r.lockElements(o, q.Locks, locking.Sequence{})
	}
	seq := locking.Sequence{Index: q.SequenceIndex(), Number: q.SequenceNumber()}
	if replay, err := o.lock.LockSequence(seq); replay || err != nil {
		return err // carried out before
	}
	err = r.lockElements(o, q.Locks, seq)
	if serr := o.lock.LockSequenceDone(seq, err == nil); err == nil {
		err = serr
	}
	return err
}

// lockElements takes locks or gives them back: the first element decides what kind
// of request this is.
func (r *request) lockElements(o *open, list []wire.LockElement, seq locking.Sequence) error {
	if o.showsLocks() {
		// What programs outside say comes last, and so does the sequence.
		seq = locking.Sequence{}
	}
	if list[0].Flags&wire.LockFlagUnlock != 0 {
		return r.unlockRanges(o, list, seq)
	}
	return r.lockRanges(o, list, seq)
}

// verifiesLockSequence reports whether a LOCK may be a replay: on opens that
// survive their connection, and on all of a client that may have several.
func (r *request) verifiesLockSequence(o *open) bool {
	neg := r.conn.neg.Load()
	switch {
	case neg.dialect < wire.Dialect210:
		return false
	case o.durable || o.resilient.Load():
		return true
	}
	return neg.capabilities&neg.serverCaps&wire.GlobalCapMultiChannel != 0
}

// unlockRanges releases locks one by one (MS-SMB2 3.3.5.14.1). The element that
// is no unlock is found when it is its turn: those before it are released.
func (r *request) unlockRanges(o *open, list []wire.LockElement, seq locking.Sequence) error {
	ranges := r.scratch.ranges[:0]
	var bad error
	for i := range list {
		if list[i].Flags != wire.LockFlagUnlock {
			bad, seq = ntstatus.InvalidParameter, locking.Sequence{}
			break
		}
		ranges = append(ranges, locking.Range{Offset: list[i].Offset, Length: list[i].Length})
	}
	r.scratch.ranges = ranges
	var err error
	switch {
	case o.showsLocks():
		err = o.hide(ranges)
	case len(ranges) > 0:
		err = o.lock.UnlockOnce(ranges, seq)
	}
	if err != nil {
		return err
	}
	return bad
}

// lockRanges takes locks, all or none of them (MS-SMB2 3.3.5.14.2).
func (r *request) lockRanges(o *open, list []wire.LockElement, seq locking.Sequence) error {
	ranges := r.scratch.ranges[:0]
	wait := false
	for i := range list {
		switch e := &list[i]; e.Flags {
		case wire.LockFlagSharedLock, wire.LockFlagExclusiveLock:
			wait = true
		case wire.LockFlagSharedLock | wire.LockFlagFailImmediately, wire.LockFlagExclusiveLock | wire.LockFlagFailImmediately:
		default:
			return ntstatus.InvalidParameter
		}
		ranges = append(ranges, locking.Range{
			Offset: list[i].Offset, Length: list[i].Length,
			Exclusive: list[i].Flags&wire.LockFlagExclusiveLock != 0,
		})
	}
	r.scratch.ranges = ranges
	if wait && len(list) > 1 {
		return ntstatus.InvalidParameter // only a single lock may be waited for
	}
	if err := r.grantRanges(o, ranges, wait, seq); err != nil || !o.showsLocks() {
		return err
	}
	return r.showRanges(o, ranges, wait)
}

// grantRanges lets the lock manager grant locks, with wait as soon as other clients
// let it.
func (r *request) grantRanges(o *open, ranges []locking.Range, wait bool, seq locking.Sequence) error {
	err := o.lock.LockOnce(ranges, wait, seq)
	if err == nil {
		return nil
	}
	var b *locking.Blocked
	if !errors.As(err, &b) {
		return err
	}
	r.outlasts(b.Owner)
	r.unframe()
	if err := r.await(b.Wait, waitLock); err != nil {
		if b.Cancel() {
			return err
		}
		// It was granted, or refused, at the same time.
	}
	return b.Result()
}

// unframe gives the memory of the message back before a wait that may last for
// ever. Nothing of it may be used any more. In a chain, others need it.
func (r *request) unframe() {
	if r.last() {
		r.frame.Release()
		r.unchargeFrame()
	}
}
