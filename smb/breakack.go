package smb

import (
	"lessor/locking"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
)

// breakAck carries out OPLOCK_BREAK, which acknowledges the break of an oplock
// or of a lease (MS-SMB2 3.3.5.22).
func (r *request) breakAck() error {
	if wire.IsLeaseBreakAck(r.msg) {
		return ackLeaseBreak(r)
	}
	return ackOplockBreak(r)
}

var (
	ackLeaseBreak  = on((*request).leaseBreakAck)
	ackOplockBreak = on((*request).oplockBreakAck)
)

// leaseBreakAck carries out a lease break acknowledgement (MS-SMB2 3.3.5.22.2).
func (r *request) leaseBreakAck(q *wire.LeaseBreakAck, a *wire.LeaseBreakResponse) error {
	r.sess.client.answered(func(b *locking.Break) bool { return b.Lease && b.LeaseKey == locking.LeaseKey(q.LeaseKey) })
	state, err := r.locks().Ack(r.sess.client.id, locking.LeaseKey(q.LeaseKey), locking.LeaseState(q.LeaseState))
	if err != nil {
		return err
	}
	a.LeaseKey, a.LeaseState = q.LeaseKey, wire.LeaseState(state)
	return nil
}

// oplockBreakAck carries out an oplock break acknowledgement (MS-SMB2
// 3.3.5.22.1).
func (r *request) oplockBreakAck(q *wire.OplockBreakAck, a *wire.OplockBreakResponse) error {
	o, err := r.file(q.FileID)
	if err != nil {
		return err
	}
	level, ok := oplockFromWire(q.OplockLevel)
	if !ok || level == locking.OplockLease || o.lock == nil {
		return ntstatus.InvalidParameter
	}
	if o.leased {
		return ntstatus.InvalidParameter
	}
	r.sess.client.answered(func(b *locking.Break) bool { return !b.Lease && b.Owner.OpenID == o.lock.ID() })
	got, err := o.lock.AckOplock(level)
	if err != nil {
		return err
	}
	if o.grip.unlease != nil && got == locking.OplockNone {
		o.grip.unlease()
	}
	a.OplockLevel, a.FileID = oplockToWire(got), o.id
	return nil
}
