package locking

// LockStore keeps what must survive a restart: durable opens with their
// leases and byte-range locks, the identity of the server and its epoch. All
// methods may be called by several goroutines at once. The conformance suite
// is package storetest.
type LockStore interface {
	// Load calls fn for each stored lock that the query selects, by
	// LockQuery.MatchesLock, in the order of lock ids. An error of fn ends
	// the walk and is returned. fn must not call the store and owns what it
	// is given.
	Load(q LockQuery, fn func(*PersistedLock) error) error
	// LoadOpens calls fn for each stored open in the order of open ids.
	LoadOpens(fn func(*PersistedOpen) error) error
	// Commit applies the changes in their order, all or none of them, and
	// returns when they would survive a crash of the machine. The caller may
	// not touch the changes afterwards.
	Commit(changes []Change) error
	// ServerGUID is the identity of the server: random, made by the first
	// call ever, the same from then on.
	ServerGUID() ([16]byte, error)
	// ServerEpoch is the number of starts so far, 0 in a new store.
	ServerEpoch() (uint64, error)
	// NextServerEpoch raises the epoch by one, durably, and returns it.
	NextServerEpoch() (uint64, error)
	// Close releases the store. Every later call fails with ErrStoreClosed.
	Close() error
}

// Change is one change of the store. Exactly one of its fields is set.
type Change struct {
	// PutOpen stores an open, replacing the one with the same OpenID.
	PutOpen *PersistedOpen
	// DeleteOpen removes an open and all locks whose owner is this open.
	// Removing what is not there is no error.
	DeleteOpen OpenID
	// PutLock stores a lock, replacing the one with the same ID.
	PutLock *PersistedLock
	// DeleteLock removes the lock with this ID, if it is there.
	DeleteLock uint64
}
