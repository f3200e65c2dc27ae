package locking

import "time"

// The access bits that decide about share modes and breaks (MS-SMB2
// 2.2.13.1).
const (
	accessReadData   = 0x00000001
	accessWriteData  = 0x00000002
	accessAppendData = 0x00000004
	accessExecute    = 0x00000020
	accessReadAttr   = 0x00000080
	accessWriteAttr  = 0x00000100
	accessDelete     = 0x00010000
	accessReadCtrl   = 0x00020000
	accessSync       = 0x00100000

	shareRead   = 0x1
	shareWrite  = 0x2
	shareDelete = 0x4
)

// Cause says what an open is about to do, for Open.Break and
// OplockManager.BreakFile.
type Cause uint8

const (
	// CauseWrite: data is written. Read caching of others ends.
	CauseWrite Cause = iota
	// CauseTruncate: the end of file is set.
	CauseTruncate
	// CauseAllocation: the allocation size is set.
	CauseAllocation
	// CauseZeroData: a range is zeroed or deallocated.
	CauseZeroData
	// CauseLock: a byte-range lock is taken. Open.Lock does this by itself.
	CauseLock
	// CauseRename: the file is renamed. Handle caching of others ends, and
	// the caller waits for it.
	CauseRename
	// CauseLink: a hard link is made or replaced. As CauseRename.
	CauseLink
	// CauseDelete: the file is marked for deletion. As CauseRename.
	CauseDelete
	// CauseOverwrite: the file is replaced by another one, by a rename onto
	// its name. As CauseRename.
	CauseOverwrite
	// CauseParentRename: a directory above is renamed. As CauseRename, but
	// leases of every client break.
	CauseParentRename
)

// Open is one handle on one stream, as far as other handles are concerned.
type Open struct {
	// Immutable after construction.
	m      *OplockManager
	file   *file
	stream *stream
	id     OpenID
	access uint32
	share  uint32
	isDir  bool
	posix  bool // OpenRequest.Posix

	openState
}

// Range is one element of a lock or unlock request, in bytes. Exclusive does
// not matter for Unlock.
type Range struct {
	Offset, Length uint64
	Exclusive      bool
}

// Closed says what the closing of an open leaves to do.
type Closed struct {
	// LastOnStream and LastOnFile: no other open of the stream, or of any
	// stream of the file, is left.
	LastOnStream, LastOnFile bool
	// Delete: the caller must delete now, under the name gate, what
	// DeletePath and DeleteStream name. New opens are refused until it calls
	// Deleted.
	Delete bool
	// Key is the file. Whoever deletes it by its path looks whether the path still
	// leads there: after a restart an open may end that has deleted it before.
	Key Key
	// Volume, DeletePath and DeleteStream say what is to be deleted:
	// DeleteStream is the folded name of a stream, or "" for the file with
	// all streams, named by the path under which it was opened by whoever
	// marked it for deletion, after renames.
	Volume       uint64
	DeletePath   string
	DeleteStream string
	// Deleted ends the time in which opens are refused because of the
	// deletion. It waits for the store if the open was persistent. It is never nil
	// when Delete is set.
	Deleted func()
}

// DurableRequest asks to keep an open across a lost connection.
type DurableRequest struct {
	// V2 tells SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2 from the first version.
	V2 bool
	// Persistent asks that the open survives a restart too.
	Persistent bool
	// Resilient asks that the open is kept whatever it caches
	// (FSCTL_LMR_REQUEST_RESILIENCY, MS-SMB2 3.3.5.15.9). An open that is durable already
	// keeps its V2, its CreateGuid and whether it is persistent.
	Resilient bool
	// CreateGuid identifies a version 2 request.
	CreateGuid [16]byte
	// Timeout is what the client asks for; 0 means the default.
	Timeout time.Duration
	// User and Share must be repeated by whoever reclaims the open; User is
	// opaque (a SID, for instance).
	User  string
	Share string
	// Extra is stored with a persistent open, opaque.
	Extra []byte
}

// DurableGrant answers a DurableRequest.
type DurableGrant struct {
	// Granted: the open is durable now.
	Granted bool
	// Persistent: it survives a restart as well, and is stored already. Never for
	// directories (MS-SMB2 3.3.5.9.10).
	Persistent bool
	// Timeout is how long it is kept after a disconnect.
	Timeout time.Duration
}

// Claim is a durable reconnect (MS-SMB2 3.3.5.9.7 and 3.3.5.9.12).
type Claim struct {
	// Client and SessionID become the new owner.
	Client    Client
	SessionID uint64
	// User and Share must equal those of the DurableRequest.
	User  string
	Share string
	// V2 and CreateGuid tell the version of the reconnect context.
	V2         bool
	CreateGuid [16]byte
	// HasLease: the CREATE carries a lease context with this key and version.
	HasLease     bool
	LeaseKey     LeaseKey
	LeaseVersion uint8
	// Path is the name in the CREATE. It is compared, folded, only for opens
	// with a lease on a file that is not to be deleted; an empty Path skips the
	// comparison.
	Path string
	// Persistent is SMB2_DHANDLE_FLAG_PERSISTENT of a version 2 reconnect.
	Persistent bool
}

// Record is what a reclaimed open was.
type Record struct {
	PersistedOpen
	// Grant is the current oplock or lease.
	Grant Grant
}

// ID is the id given in the OpenRequest.
func (o *Open) ID() OpenID { return o.id }

// Key is the file.
func (o *Open) Key() Key { return o.file.key }

// Stream is the folded stream name as it is now, "" for the unnamed stream.
func (o *Open) Stream() string { return o.streamNow() }

// Access is the granted access mask.
func (o *Open) Access() uint32 { return o.access }

// Owner is the current owner; a reclaim changes it.
func (o *Open) Owner() Owner { return o.ownerNow() }

// SetPayload keeps a value with the open that Payload, Reclaim,
// OpenByCreateGuid and Options.OnPurge give back.
func (o *Open) SetPayload(v any) { o.setPayload(v) }

// Payload is what SetPayload was given last.
func (o *Open) Payload() any { return o.payloadNow() }

// Grant is the current oplock or lease of the open.
func (o *Open) Grant() Grant { return o.grantNow() }

// Announced lets the notifications go that OpenRequest.HoldBreaks has held
// back. It is called when the answer to the CREATE has been queued for the
// client, before anything else that the client is to see later; a second call
// does nothing, and Close implies it.
func (o *Open) Announced() { o.announced() }

// Break must be called before the open does what cause says. Breaks that
// only take read caching away are sent and nil is returned; *Blocked means
// that the caller must wait and then call Break again. The open's own lease
// is never broken. ErrClosed if the open is closed.
func (o *Open) Break(cause Cause) error { return o.breakOthers(cause) }

// AckOplock is an OPLOCK_BREAK_ACK (MS-SMB2 3.3.5.22.1). It returns the level
// for the response. Errors: ErrInvalidOplockProtocol, ErrInvalidOplockLevel.
func (o *Open) AckOplock(level OplockLevel) (OplockLevel, error) { return o.ackOplock(level) }

// Lock takes byte-range locks, all or none of them. Read caching of others
// ends first. Without wait, a range that another open has locked gives
// ErrLockNotGranted. With wait, *Blocked: when its Wait is closed, its Result
// says whether the ranges are held; the waiter stands in the queue of the
// stream, and waiters are served in order. Other errors: ErrInvalidRange,
// ErrTooManyLocks, ErrClosed, and for a persistent open what the store answers,
// in which case nothing is locked.
func (o *Open) Lock(ranges []Range, wait bool) error { return o.lockRanges(ranges, wait, Sequence{}) }

// LockOnce is Lock for a request with a lock sequence, which LockSequence has found
// to be no replay. What LockSequenceDone would remember is remembered with the locks,
// in the store as well, whenever they are granted.
func (o *Open) LockOnce(ranges []Range, wait bool, q Sequence) error {
	return o.lockRanges(ranges, wait, q)
}

// Unlock releases locks of this open that have exactly these offsets and
// lengths, one by one in order; the first that is not held gives
// ErrRangeNotLocked, and those before it stay released (MS-FSA 2.1.5.8,
// MS-SMB2 3.3.5.14.1). Of several equal locks one goes at a time, exclusive
// ones first.
func (o *Open) Unlock(ranges []Range) error { return o.unlockRanges(ranges, Sequence{}) }

// UnlockOnce is to Unlock as LockOnce is to Lock.
func (o *Open) UnlockOnce(ranges []Range, q Sequence) error { return o.unlockRanges(ranges, q) }

// CheckIO reports whether a read or write of n bytes at off is allowed by the
// byte-range locks on the stream: ErrLocked if not (MS-FSA 2.1.4.10). Zero
// bytes never conflict.
func (o *Open) CheckIO(off, n uint64, write bool) error { return o.checkIO(off, n, write) }

// LockSequence verifies a lock sequence (MS-SMB2 3.3.5.14). True means that the
// request was carried out before and is to be answered with success, or with the
// error that says that a persistent open could not store it. Otherwise the bucket is
// invalid until a request succeeds. An index out of range is never a replay.
func (o *Open) LockSequence(q Sequence) (replay bool, err error) { return o.lockSequence(q) }

// LockSequenceDone ends a request with a sequence that was no replay: ok remembers
// it, unless LockOnce or UnlockOnce has done that. The error is that of the store, for
// a persistent open.
func (o *Open) LockSequenceDone(q Sequence, ok bool) error { return o.lockSequenceDone(q, ok) }

// SetDelete marks the stream, or the file if the open is on the unnamed
// stream, for deletion at its last close, or takes the mark away. The caller
// has done the checks on attributes and on directories being empty, and has
// called Break(CauseDelete). It takes back what DeleteOnClose of another
// closed open has set. The mark is stored with all persistent opens of the
// file. Errors: ErrClosed if the open is closed, and for a persistent one what the
// store answers, in which case the mark is as it was before.
func (o *Open) SetDelete(del bool) error { return o.setDelete(del) }

// DeletePending reports whether the stream or the file is marked for
// deletion.
func (o *Open) DeletePending() bool { return o.deletePendingNow() }

// Path is the current path of the open: as opened, after renames.
func (o *Open) Path() string { return o.pathNow() }

// Renaming says that the file is about to be renamed to a path. A server that ends
// before it can say Renamed finds the file after a restart under one path or the
// other (PersistedOpen.NextPath). With "" the rename has not taken place.
func (o *Open) Renaming(to string) { o.renaming(to) }

// Renamed sets a new path for this open and all opens of the file that had
// the same one.
func (o *Open) Renamed(path string) { o.renamed(path) }

// Durable makes the open survive a lost connection. It is granted only with a
// batch oplock or a lease with handle caching (MS-SMB2 3.3.5.9.6, .10);
// persistent opens need no oplock. Only a persistent grant waits for the
// store; a failing store is returned as error, and the open is then what it was
// before the call. Other errors: ErrClosed, also if the open is disconnected.
func (o *Open) Durable(r DurableRequest) (DurableGrant, error) { return o.makeDurable(r) }

// Disconnect is called when the connection or session of the open is lost. If
// it reports true the open is kept until it is reclaimed, pushed out or its
// time is up; if false, the caller must Close it.
func (o *Open) Disconnect() bool { return o.disconnect() }

// Close ends the open: its locks are released, its oplock and, with the last
// open, its lease. Waiters are woken. A second call does nothing. With
// DeleteOnClose, handle caching of others is broken here without waiting; to
// wait for it, call Break(CauseDelete) before.
func (o *Open) Close() Closed { return o.close(false) }

// Abandon is Close for a CREATE that failed after OplockManager.Open: the open
// counts as never made, so its DeleteOnClose has no effect. The result must
// still be looked at: somebody else may have marked the file meanwhile.
func (o *Open) Abandon() Closed { return o.close(true) }

// CloseDisconnected is Close for an open that is disconnected; ok is false, and
// nothing is done, if it is not, because it was reclaimed or has ended meanwhile.
// Options.OnPurge is not called for it.
func (o *Open) CloseDisconnected() (c Closed, ok bool) { return o.closeDisconnected() }

// Reclaim gives a disconnected open to a new session. id is the persistent
// half of the FileId; the reconnect of a persistent open is looked for by its
// create GUID too. Errors: ErrNotReclaimable, ErrClaimDenied,
// ErrClaimMismatch.
func (m *OplockManager) Reclaim(id OpenID, c Claim) (*Open, Record, error) {
	return m.reclaim(id, c)
}

// OpenByCreateGuid finds the open of a client that was made with this create
// GUID, connected or not, for the replay of a CREATE (MS-SMB2 3.3.5.9.10).
func (m *OplockManager) OpenByCreateGuid(client ClientID, guid [16]byte) (*Open, bool) {
	return m.byCreateGuid(client, guid)
}

// BreakFile breaks the caching of all opens of a file on behalf of somebody
// who has no open of it: a rename onto it, a rename of a directory above it,
// a local process. A lease of client with key own, when hasOwn, is spared.
// opens is the number of handles of the file that are left; err is nil or
// *Blocked.
func (m *OplockManager) BreakFile(key Key, cause Cause, client ClientID, own LeaseKey, hasOwn bool) (opens int, err error) {
	return m.breakFile(key, cause, client, own, hasOwn)
}

// SharingConflict reports whether an open of a file or directory with this access
// and share mode would violate those of the opens that exist, or be violated by
// them. Nothing is opened and nothing broken: it is for operations that count as
// if they opened something for a moment, as a rename does with the directory
// (MS-FSA 2.1.5.15.11).
func (m *OplockManager) SharingConflict(key Key, access, share uint32) bool {
	return m.sharingConflict(key, access, share)
}

// StreamRenamed gives the stream of the open, a named one, another folded name.
// ErrSharing: the new name is a stream with opens. ErrInvalidRequest: one of the
// names is that of the unnamed stream. ErrClosed.
func (o *Open) StreamRenamed(folded string) error { return o.streamRenamed(folded) }

// OtherStreamsOpen reports whether the file has opens of other streams than that
// of the open.
func (o *Open) OtherStreamsOpen() bool { return o.otherStreamsOpen() }

// HasOpensUnder reports whether any open of the volume has a path below the
// directory path, compared after simple case folding. path "" is the root.
func (m *OplockManager) HasOpensUnder(volume uint64, path string) bool {
	return m.hasOpensUnder(volume, path)
}

// HasStrictOpensUnder is HasOpensUnder without opens that have POSIX semantics. One
// from before a restart of the server counts as one that has not.
func (m *OplockManager) HasStrictOpensUnder(volume uint64, path string) bool {
	return m.hasStrictOpensUnder(volume, path)
}

// BreakUnder breaks handle caching of all opens below the directory, before
// it is renamed. *Blocked: wait and call again; after that HasOpensUnder
// decides.
func (m *OplockManager) BreakUnder(volume uint64, path string) error {
	return m.breakUnder(volume, path)
}

// RenamedUnder moves the paths of all opens below a renamed directory.
func (m *OplockManager) RenamedUnder(volume uint64, from, to string) {
	m.renamedUnder(volume, from, to)
}
