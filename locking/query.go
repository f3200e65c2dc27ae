package locking

// LockQuery selects records. A nil or zero field selects everything; the
// conditions are joined by "and". MatchesLock is the only filter: stores and
// List use it and nothing else.
type LockQuery struct {
	// Key selects one file.
	Key *Key
	// Stream selects one stream; point to "" for the unnamed one.
	Stream *string
	// ClientID, SessionID and OpenID select by owner.
	ClientID  *ClientID
	SessionID *uint64
	OpenID    *OpenID
	// LeaseKey selects leases with this key; it never selects ranges.
	LeaseKey *LeaseKey
	// IsLease selects leases and oplocks (true) or byte-range locks (false).
	IsLease *bool
}

// MatchesLock reports whether the query selects the record.
func (q *LockQuery) MatchesLock(p *PersistedLock) bool {
	if q == nil {
		return p != nil
	}
	switch {
	case p == nil,
		q.Key != nil && *q.Key != p.Key,
		q.Stream != nil && *q.Stream != p.Stream,
		q.ClientID != nil && *q.ClientID != p.Owner.ClientID,
		q.SessionID != nil && *q.SessionID != p.Owner.SessionID,
		q.OpenID != nil && *q.OpenID != p.Owner.OpenID,
		q.IsLease != nil && *q.IsLease != (p.Lease != nil),
		q.LeaseKey != nil && (p.Lease == nil || *q.LeaseKey != p.Lease.LeaseKey):
		return false
	}
	return true
}

// matches applies the query to a live record without copying its lease.
func (q *LockQuery) matches(l *EnhancedLock) bool {
	p := PersistedLock{Owner: l.Owner, Key: l.Key, Stream: l.Stream}
	if l.Lease != nil {
		p.Lease = &PersistedLease{LeaseKey: l.Lease.LeaseKey}
	}
	return q.MatchesLock(&p)
}
