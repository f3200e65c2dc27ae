package locking

// Lock sequences (MS-SMB2 3.3.5.14): a client that has lost the answer to a LOCK
// sends it again, with the same sequence, and wants it answered and not carried
// out twice. For an open that is stored, the sequence goes to the store in the same
// transaction as the locks that were taken or given back, so that after a crash
// either both are there or neither is.

// lockBuckets is the number of lock sequences that an open remembers
// (MS-SMB2 3.3.1.10).
const lockBuckets = 64

// Sequence is the sequence of a LOCK request.
type Sequence struct {
	Index  uint32 // LockSequenceIndex, 1 to 64; any other value stands for no sequence
	Number uint8  // LockSequenceNumber, 0 to 15
}

// bucketLocked returns where the number of a sequence is kept, nil if there is no
// such place, and the value that stands for the number there.
func (o *Open) bucketLocked(q Sequence) (bucket *uint8, value uint8) {
	if q.Index < 1 || q.Index > lockBuckets {
		return nil, 0
	}
	return &o.sequences[q.Index-1], q.Number&0xf + 1
}

// carriedOutLocked reports whether a request with this sequence has succeeded. One that
// LockSequence has found to be no replay may have become one since: a client that has lost
// a channel sends again over another one what waits here already.
func (o *Open) carriedOutLocked(q Sequence) bool {
	b, v := o.bucketLocked(q)
	return b != nil && *b == v
}

// sequenceLocked remembers that the request with this sequence has succeeded.
func (o *Open) sequenceLocked(q Sequence) {
	if b, v := o.bucketLocked(q); b != nil && *b != v {
		*b, o.sequencesStale = v, true
	}
}

// forgetSequenceLocked makes a bucket invalid that has this sequence.
func (o *Open) forgetSequenceLocked(q Sequence) {
	if b, v := o.bucketLocked(q); b != nil && *b == v {
		*b, o.sequencesStale = 0, true
	}
}

// lockSequence carries out Open.LockSequence.
func (o *Open) lockSequence(q Sequence) (replay bool, err error) {
	f := o.file
	f.mu.Lock()
	b, v := o.bucketLocked(q)
	switch {
	case b == nil || *b == 0:
		f.mu.Unlock()
		return false, nil
	case *b != v:
		*b, o.sequencesStale = 0, true
		f.mu.Unlock()
		return false, nil
	}
	p := o.promiseLocked()
	f.mu.Unlock()
	// The first one may still wait for the store.
	return true, p.wait()
}

// lockSequenceDone carries out Open.LockSequenceDone.
func (o *Open) lockSequenceDone(q Sequence, ok bool) error {
	f := o.file
	f.mu.Lock()
	if ok {
		o.sequenceLocked(q)
	}
	var p promise
	if o.sequencesStale {
		o.storeRecordLocked()
		p = o.promiseLocked()
	}
	f.mu.Unlock()
	if !ok {
		// That the old number is not valid any more is stored in front of whatever
		// succeeds later.
		return nil
	}
	return p.wait()
}

// storedSequencesLocked is the stored form of the buckets.
func (o *Open) storedSequencesLocked() []byte {
	for n := lockBuckets; n > 0; n-- {
		if o.sequences[n-1] != 0 {
			return append([]byte(nil), o.sequences[:n]...)
		}
	}
	return nil
}

// restoreSequencesLocked is the reverse of storedSequencesLocked.
func (o *Open) restoreSequencesLocked(b []byte) {
	for i := range min(len(b), lockBuckets) {
		if b[i] <= 16 {
			o.sequences[i] = b[i]
		}
	}
}
