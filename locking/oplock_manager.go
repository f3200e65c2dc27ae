package locking

import (
	"sync"
	"sync/atomic"
	"time"
)

// Defaults of Options.
const (
	// DefaultBreakTimeout is how long a holder may take to acknowledge
	// (MS-SMB2 3.3.2.1 and its behaviour note).
	DefaultBreakTimeout = 35 * time.Second
	// DefaultDurableTimeout is how long a durable open without a time-out of
	// its own is kept after a disconnect.
	DefaultDurableTimeout = 60 * time.Second
	// MaxDurableTimeout bounds what a client may ask for (MS-SMB2 3.3.5.9.10).
	MaxDurableTimeout = 300 * time.Second
	// DefaultMaxLocksPerOpen bounds the byte-range locks of one open.
	DefaultMaxLocksPerOpen = 1 << 20
	// DefaultMaxLocks bounds those of all opens: a client could otherwise fill the memory,
	// of which each takes some 150 bytes.
	DefaultMaxLocks = 4 << 20
)

// Options are the settings of an OplockManager. The zero value is usable.
type Options struct {
	// Store keeps durable opens; nil keeps nothing.
	Store LockStore
	// KeepDurable stores durable opens that are not persistent too. They are
	// granted without waiting for the store, so the last ones before a crash may
	// be lost; one that comes back is complete.
	KeepDurable bool
	// BreakTimeout ends a break that is not acknowledged; 0 is the default.
	BreakTimeout time.Duration
	// DurableTimeout is used where a client names none; 0 is the default.
	DurableTimeout time.Duration
	// MaxDurableTimeout bounds the time-outs that clients name; 0 is the
	// default.
	MaxDurableTimeout time.Duration
	// MaxLocksPerOpen bounds the byte-range locks of one open; 0 is the
	// default.
	MaxLocksPerOpen int
	// MaxLocks bounds the byte-range locks of all opens together; 0 is the default. One
	// client gets a third of what is left at most, so a quarter of all that there may be,
	// and other clients always find some.
	MaxLocks int
	// Observer counts; nil counts nothing.
	Observer Observer
	// OnPurge is told, on a goroutine of its own and under no lock, that a
	// disconnected open ended without being reclaimed: its time was up or
	// another open pushed it out. The open is closed already; result is what
	// Close would have returned, payload what Open.SetPayload was given. The
	// callee closes the file, and deletes it if result says so.
	OnPurge func(id OpenID, payload any, result Closed)
}

// OplockManager decides about all files of a server.
type OplockManager struct {
	// Immutable after construction.
	opts     Options
	observer Observer
	commits  *committer // nil without a store

	shards      [shardCount]shard
	leaseShards [shardCount]leaseShard
	openShards  [shardCount]openShard
	// clientShards count byte-range locks by client.
	clientShards [shardCount]clientShard
	gates        [shardCount]gateShard

	// Atomic.
	nextLockID atomic.Uint64
	closed     atomic.Bool
	stats      counters

	purgeMu sync.Mutex     // leaf: the decision whether purges counts a call
	purges  sync.WaitGroup // running OnPurge calls
}

// Grant says what an open was given.
type Grant struct {
	// Oplock is OplockLease when the open belongs to a lease, even one
	// without any right.
	Oplock OplockLevel
	// Lease is the state of the lease: what a new one was granted, or what
	// the existing one holds. For an oplock it is the equivalent set.
	Lease LeaseState
	// Epoch is the epoch to answer in a version 2 response.
	Epoch uint16
	// Breaking: the lease is breaking, SMB2_LEASE_FLAG_BREAK_IN_PROGRESS.
	Breaking bool
	// Version is that of the lease, which its first open fixed.
	Version uint8
	// ParentKey and HasParent repeat what the lease was asked for with.
	ParentKey LeaseKey
	HasParent bool
}

// LeaseRequest is the lease context of a CREATE (MS-SMB2 2.2.13.2.8, .10).
type LeaseRequest struct {
	Key LeaseKey
	// State is what is asked for. Combinations without R or, for files, W and
	// H without R, are granted nothing; W is ignored for directories.
	State LeaseState
	// ParentKey is valid when HasParent.
	ParentKey LeaseKey
	HasParent bool
	// Version is 1 or 2.
	Version uint8
	// Epoch is that of the request; only for version 2.
	Epoch uint16
}

// OpenRequest is one attempt to open a stream of a file.
type OpenRequest struct {
	// Client is where breaks of the new open go.
	Client Client
	// Owner; its ClientID must be that of Client and its OpenID must never
	// have been used before.
	Owner Owner
	// Volume and Path name the file for HasOpensUnder, for rename, and for
	// the deletion at the last close. Path is relative to the volume,
	// separated by '/', without leading slash; case is kept.
	Volume uint64
	Path   string
	// Access is the granted access mask and Share the FILE_SHARE_* bits.
	Access, Share uint32
	// Overwrite: the disposition replaces the content of an existing file
	// (SUPERSEDE, OVERWRITE, OVERWRITE_IF). Breaks go to nothing.
	Overwrite bool
	// Oplock is what is asked for; Lease is set if and only if it is
	// OplockLease.
	Oplock OplockLevel
	Lease  *LeaseRequest
	// MaxState clips what may be granted, by share policy; 0 means no limit
	// and NoCaching means nothing.
	MaxState  LeaseState
	NoCaching bool
	// WholeOplock: an oplock is granted as exclusive or batch or not at all, and ends
	// altogether when it is broken.
	WholeOplock bool
	// IsDirectory: directories get no oplock and no W.
	IsDirectory bool
	// DeleteOnClose is FILE_DELETE_ON_CLOSE: the closing of this open marks
	// the stream for deletion.
	DeleteOnClose bool
	// Posix: the open has POSIX semantics, so that one of the same kind may rename a
	// directory above it; see HasStrictOpensUnder.
	Posix bool
	// HoldBreaks holds the notifications of a new oplock or lease back until
	// Announced: the client cannot do anything with one that overtakes the
	// answer to its CREATE.
	HoldBreaks bool
	// CreateGuid is that of a durable version 2 context, for
	// OpenByCreateGuid; zero if there is none.
	CreateGuid [16]byte

	// Waited is set by the manager when it answers *Blocked. Keep the request
	// for the next attempt: a retry waits for running breaks that a first
	// attempt passes by.
	Waited bool
}

// New makes a manager. Options.Store stays the property of the caller, who
// closes it after the manager.
func New(opts Options) *OplockManager {
	setDefault(&opts.BreakTimeout, DefaultBreakTimeout)
	setDefault(&opts.DurableTimeout, DefaultDurableTimeout)
	setDefault(&opts.MaxDurableTimeout, MaxDurableTimeout)
	setDefault(&opts.MaxLocksPerOpen, DefaultMaxLocksPerOpen)
	setDefault(&opts.MaxLocks, DefaultMaxLocks)
	m := &OplockManager{opts: opts, observer: opts.Observer}
	if m.observer == nil {
		m.observer = nopObserver{}
	}
	if opts.Store != nil {
		m.commits = newCommitter(opts.Store, m.observer)
	}
	return m
}

// setDefault replaces a value that was not given.
func setDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// Open decides about one attempt to open a stream: delete state, share
// modes, what must break, what is granted (MS-FSA 2.1.5.1.2, 2.1.5.18). On
// success the open is registered and the caller must Close it. Other results:
// ErrSharing, ErrDeletePending, ErrLeaseKeyInUse, ErrNotAvailable,
// ErrInvalidRequest, ErrClosed, and *Blocked: wait without holding a name gate, then start
// again at the look-up of the name, with the same request.
//
// stream is the folded stream name, "" for the unnamed one and for
// directories.
func (m *OplockManager) Open(key Key, stream string, req *OpenRequest) (*Open, Grant, error) {
	return m.open(key, stream, req)
}

// Ack is a LEASE_BREAK_ACK (MS-SMB2 3.3.5.22.2). It returns the state the
// lease has afterwards, for the response. Errors: ErrNotFound,
// ErrNotBreaking, ErrBadAck.
func (m *OplockManager) Ack(client ClientID, key LeaseKey, state LeaseState) (LeaseState, error) {
	return m.ackLease(client, key, state)
}

// Changed tells that an entry of the directory was made, removed, renamed or
// changed: leases of others on the directory break to nothing. Nobody waits.
// A lease of the client with key parent, when hasParent, is spared.
func (m *OplockManager) Changed(dir Key, parent LeaseKey, hasParent bool, client ClientID) {
	m.changed(dir, parent, hasParent, client)
}

// HasDirectoryLeases reports whether any client caches the listing of any
// directory. While nobody does, Changed has nothing to do, and a caller that had
// to find out which directory to name can spare itself the trouble.
func (m *OplockManager) HasDirectoryLeases() bool { return m.stats.dirLeases.Load() != 0 }

// Enter is the name gate: it makes the window between the look-up of a name
// and the registration of the open exclusive. It blocks until all earlier
// holders have left; leave must be called exactly once. No other gate may be
// held except of a smaller (dir, name), and nothing may be awaited inside.
func (m *OplockManager) Enter(dir Key, folded string) (leave func()) {
	return m.enter(dir, folded)
}

// List returns a copy of all records that the query selects, in no particular
// order: leases, oplocks and byte-range locks.
func (m *OplockManager) List(q LockQuery) []EnhancedLock {
	return m.list(q)
}

// Stats returns the current counts.
func (m *OplockManager) Stats() Stats { return m.stats.snapshot() }

// Flush returns when everything that was queued for the store until now is stored,
// or could not be. It is for who takes something away from a client that is not
// asked, by Close of its open for instance, and gives it to another: after a crash
// the first one must not have it again.
func (m *OplockManager) Flush() {
	if m.commits != nil {
		_ = m.commits.latest().wait()
	}
}

// Close ends timers and the committer after it has stored what is queued.
// Everything called later fails with ErrClosed or does nothing; waiters are
// released. It returns the error that kept something from being stored.
func (m *OplockManager) Close() error {
	m.purgeMu.Lock()
	again := m.closed.Swap(true)
	m.purgeMu.Unlock()
	if again {
		return nil
	}
	for _, f := range m.allFiles() {
		f.closeManager()
	}
	m.purges.Wait()
	if m.commits == nil {
		return nil
	}
	return m.commits.close()
}

// closeManager stops the timers of a file and releases those who wait for it.
func (f *file) closeManager() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.changed != nil {
		close(f.changed)
		f.changed = nil
	}
	f.eachStreamLocked(func(s *stream) {
		for _, h := range s.holders {
			h.stopTimerLocked()
		}
		for o := s.first; o != nil; o = o.next {
			s.endWaitersLocked(o, ErrClosed)
			if o.durable != nil {
				o.durable.stopTimer()
			}
		}
	})
}
