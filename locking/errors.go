package locking

import "errors"

// The sentinels of this package. The server maps each to one status.
var (
	// ErrSharing: access or share mode conflict with another open
	// (MS-FSA 2.1.5.1.2.2). STATUS_SHARING_VIOLATION.
	ErrSharing = errors.New("sharing violation")
	// ErrDeletePending: the file or the stream is going to be deleted by its
	// last close. STATUS_DELETE_PENDING.
	ErrDeletePending = errors.New("delete pending")
	// ErrNotAvailable: the file is kept for the owner of a disconnected
	// persistent open. STATUS_FILE_NOT_AVAILABLE.
	ErrNotAvailable = errors.New("file is kept for a disconnected client")
	// ErrLeaseKeyInUse: the client uses this lease key for another file or
	// stream (MS-SMB2 3.3.5.9.8). STATUS_INVALID_PARAMETER.
	ErrLeaseKeyInUse = errors.New("lease key is in use for another file")
	// ErrInvalidRequest: a request that contradicts itself, for instance an
	// OpenID that is already in use. STATUS_INVALID_PARAMETER.
	ErrInvalidRequest = errors.New("invalid request")
	// ErrClosed: the open, or the manager, has been closed meanwhile.
	// STATUS_FILE_CLOSED.
	ErrClosed = errors.New("open is closed")

	// ErrLockNotGranted: the range is locked by another open and the request
	// was not to wait. STATUS_LOCK_NOT_GRANTED.
	ErrLockNotGranted = errors.New("byte-range lock not granted")
	// ErrLocked: a read or write runs into a byte-range lock of another
	// owner. STATUS_FILE_LOCK_CONFLICT.
	ErrLocked = errors.New("byte range is locked")
	// ErrRangeNotLocked: Unlock without such a lock, or the wait for a lock
	// ended because its open was closed. STATUS_RANGE_NOT_LOCKED.
	ErrRangeNotLocked = errors.New("byte range is not locked")
	// ErrInvalidRange: offset plus length exceed 2^64.
	// STATUS_INVALID_LOCK_RANGE.
	ErrInvalidRange = errors.New("invalid byte range")
	// ErrTooManyLocks: the limit of byte-range locks of an open is reached, or the share
	// of its client of those of all.
	// STATUS_INSUFFICIENT_RESOURCES.
	ErrTooManyLocks = errors.New("too many byte-range locks")
	// ErrCanceled: the wait was given up by Blocked.Cancel. STATUS_CANCELLED.
	ErrCanceled = errors.New("wait was canceled")

	// ErrNotFound: the acknowledged lease does not exist (MS-SMB2
	// 3.3.5.22.2). STATUS_OBJECT_NAME_NOT_FOUND.
	ErrNotFound = errors.New("no such lease")
	// ErrNotBreaking: the acknowledged lease is not breaking.
	// STATUS_UNSUCCESSFUL.
	ErrNotBreaking = errors.New("no break is in progress")
	// ErrBadAck: the acknowledgement asks for more than the break offered.
	// STATUS_REQUEST_NOT_ACCEPTED.
	ErrBadAck = errors.New("acknowledgement exceeds the break")
	// ErrInvalidOplockProtocol: an oplock is acknowledged that is not
	// breaking (MS-SMB2 3.3.5.22.1). STATUS_INVALID_OPLOCK_PROTOCOL.
	ErrInvalidOplockProtocol = errors.New("oplock is not breaking")
	// ErrInvalidOplockLevel: an oplock is acknowledged with a level that the
	// break did not offer. The oplock is gone afterwards.
	// STATUS_INVALID_PARAMETER.
	ErrInvalidOplockLevel = errors.New("acknowledged oplock level is invalid")

	// ErrNotReclaimable: no disconnected open fits the claim.
	// STATUS_OBJECT_NAME_NOT_FOUND.
	ErrNotReclaimable = errors.New("open cannot be reclaimed")
	// ErrClaimDenied: the open is there but belongs to another user.
	// STATUS_ACCESS_DENIED.
	ErrClaimDenied = errors.New("open belongs to another user")
	// ErrClaimMismatch: the open is there, but the claim names another file
	// (MS-SMB2 3.3.5.9.7 and .12). STATUS_INVALID_PARAMETER.
	ErrClaimMismatch = errors.New("claim does not fit the open")

	// ErrStoreClosed: a LockStore was used after its Close.
	ErrStoreClosed = errors.New("lock store is closed")
)

// Refused is a refusal on account of an open of somebody who is connected, as far
// as the manager knows. Who learns that the connection is gone in truth, and calls
// Disconnect or Close for that open, may ask again.
type Refused struct {
	// Err is one of ErrSharing, ErrDeletePending, ErrLockNotGranted, ErrLocked and
	// ErrNotReclaimable, or what the caller makes of the open.
	Err error
	// Owner is that of the open; there may be more of them.
	Owner Owner
}

// Error implements error.
func (r *Refused) Error() string { return r.Err.Error() }

// Unwrap makes errors.Is find Err.
func (r *Refused) Unwrap() error { return r.Err }

// refuse makes a refusal on account of an open, if there is one that is connected.
func refuse(err error, o *Open) error {
	if o == nil || o.disconnected {
		return err
	}
	return &Refused{Err: err, Owner: o.owner}
}

// Blocked says that an operation must wait for a break or for a byte-range
// lock. It is returned as an error and is not one: the caller waits until
// Wait is closed, or calls Cancel.
type Blocked struct {
	// Wait is closed when it makes sense to come back.
	Wait <-chan struct{}
	// Owner is that of an open that is waited for, the zero value if it is nobody's;
	// there may be more of them. As with Refused, it may be gone in truth.
	Owner Owner

	// cancel withdraws the waiter; nil when nothing is registered.
	cancel func() bool
	// result tells the outcome after Wait; nil means "repeat the call".
	result func() error
}

// Error implements error.
func (b *Blocked) Error() string { return "operation is blocked" }

// Cancel gives the wait up. It reports true when nothing was obtained; false
// when the wait had already ended, and then Result is valid and a byte-range
// lock may be held. It may be called several times.
func (b *Blocked) Cancel() bool {
	if b.cancel == nil {
		return true
	}
	return b.cancel()
}

// Result is called after Wait was closed. For Open.Lock nil means that the
// ranges are held now; ErrRangeNotLocked that the open was closed meanwhile,
// ErrCanceled that Cancel came first. For every other operation it is nil and
// means: repeat the call.
func (b *Blocked) Result() error {
	if b.result == nil {
		return nil
	}
	return b.result()
}
