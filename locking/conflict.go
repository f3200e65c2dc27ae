package locking

import "math"

// IsEnhancedLockConflicting reports whether the two records cannot stand
// beside each other. It is pure and symmetric.
//
// Range against range: they conflict when they overlap and at least one is
// exclusive; of one open only two exclusive ones conflict, because a shared
// lock can be stacked on an exclusive one (MS-FSA 2.1.5.7). A range of length
// zero conflicts only with a range that it lies strictly inside of.
//
// Lease against lease: they conflict when they are on the same stream, belong
// to different holders, and one has the right to cache writes while the other
// has any right at all.
//
// Lease against range: they conflict when the right to cache writes or reads
// belongs to another holder than the range: a holder that caches would not
// see the lock (MS-FSA 2.1.5.18).
func IsEnhancedLockConflicting(a, b *EnhancedLock) bool {
	if a == nil || b == nil || a.Key != b.Key || a.Stream != b.Stream {
		return false
	}
	switch {
	case a.Lease == nil && b.Lease == nil:
		return rangesConflict(a, b)
	case a.Lease != nil && b.Lease != nil:
		return leasesConflict(a, b)
	case a.Lease != nil:
		return leaseConflictsWithRange(a, b)
	default:
		return leaseConflictsWithRange(b, a)
	}
}

func rangesConflict(a, b *EnhancedLock) bool {
	exclusive := a.Type == LockExclusive || b.Type == LockExclusive
	if a.Owner.OpenID == b.Owner.OpenID {
		exclusive = a.Type == LockExclusive && b.Type == LockExclusive
	}
	if !exclusive {
		return false
	}
	return rangesOverlap(a.Offset, a.Length, b.Offset, b.Length)
}

// rangesOverlap compares two ranges of bytes; neither may wrap around. A
// range of length zero stands between two bytes: it overlaps a range that has
// bytes on both sides of it, and never another empty one.
func rangesOverlap(ao, al, bo, bl uint64) bool {
	switch {
	case al == 0 && bl == 0:
		return false
	case al == 0:
		return bo < ao && ao <= lastByte(bo, bl)
	case bl == 0:
		return ao < bo && bo <= lastByte(ao, al)
	}
	return ao <= lastByte(bo, bl) && bo <= lastByte(ao, al)
}

// lastByte is the last byte of a range that is not empty; a range that would
// wrap ends at the last possible byte.
func lastByte(off, n uint64) uint64 {
	if n-1 > math.MaxUint64-off {
		return math.MaxUint64
	}
	return off + n - 1
}

func leasesConflict(a, b *EnhancedLock) bool {
	if sameHolder(a, b) {
		return false
	}
	as, bs := a.Lease.LeaseState, b.Lease.LeaseState
	return as&LeaseWrite != 0 && bs != 0 || bs&LeaseWrite != 0 && as != 0
}

// sameHolder tells whether two leases or oplocks are one: leases by client
// and lease key, oplocks by their open.
func sameHolder(a, b *EnhancedLock) bool {
	if a.Lease.Version == 0 || b.Lease.Version == 0 {
		return a.Lease.Version == b.Lease.Version && a.Owner.OpenID == b.Owner.OpenID
	}
	return a.Owner.ClientID == b.Owner.ClientID && a.Lease.LeaseKey == b.Lease.LeaseKey
}

func leaseConflictsWithRange(lease, r *EnhancedLock) bool {
	if lease.Lease.LeaseState&(LeaseRead|LeaseWrite) == 0 {
		return false
	}
	if lease.Lease.Version == 0 {
		return lease.Owner.OpenID != r.Owner.OpenID
	}
	return lease.Owner.ClientID != r.Owner.ClientID
}
