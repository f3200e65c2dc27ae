package vfs

import "errors"

// The errors of this contract besides fs.ErrNotExist (the last component of a
// path, a stream or an attribute is missing), fs.ErrExist, fs.ErrPermission,
// fs.ErrInvalid (an argument out of range, a directory moved below itself),
// fs.ErrClosed and errors.ErrUnsupported.
var (
	// ErrPathNotFound says that a component before the last one is missing.
	// It does not match fs.ErrNotExist.
	ErrPathNotFound = errors.New("path not found")
	// ErrNotDir says that a directory was needed and something else found,
	// either as a component before the last or as the object of the call.
	ErrNotDir = errors.New("not a directory")
	// ErrIsDir says that the object is a directory and must not be one.
	ErrIsDir = errors.New("is a directory")
	// ErrNotEmpty says that a directory to be removed or replaced has entries.
	ErrNotEmpty = errors.New("directory not empty")
	// ErrNoSpace says that the volume is full.
	ErrNoSpace = errors.New("no space left on volume")
	// ErrQuota says that the owner's quota is used up.
	ErrQuota = errors.New("quota exceeded")
	// ErrReadOnly says that the volume does not accept changes.
	ErrReadOnly = errors.New("read-only file system")
	// ErrNameTooLong says that a name is longer than FSInfo.MaxName, or a path
	// longer than the storage can take in one piece.
	ErrNameTooLong = errors.New("name too long")
	// ErrStale says that the object behind a NodeID or Node is gone.
	ErrStale = errors.New("stale file reference")
	// ErrBusy says that the storage itself holds the object (a mount point, a
	// running program, a swap file).
	ErrBusy = errors.New("object busy")
	// ErrLeased says that somebody outside of the server, or another Handle, has the
	// file to itself (Handle.Lease) and was told just now to let go of it. It is free
	// in a while: the call is to be repeated.
	ErrLeased = errors.New("object leased by somebody else")
	// ErrRangeBusy says that a program outside of the server, or another Handle,
	// holds a lock that conflicts (Handle.LockRange).
	ErrRangeBusy = errors.New("range locked by somebody else")
	// ErrNoLocks says that the storage has no room for another lock of a range.
	ErrNoLocks = errors.New("no locks available")
	// ErrInvalidName says that a name is empty, ".", "..", or has a '/' or NUL
	// in it, or that the storage refuses its characters.
	ErrInvalidName = errors.New("invalid name")
	// ErrCrossDevice says that the two sides lie on different volumes.
	ErrCrossDevice = errors.New("objects on different volumes")
	// ErrTooLarge says that a size is beyond what the storage can represent for
	// this object: a file size, a stream, an extended attribute.
	ErrTooLarge = errors.New("too large")
	// ErrTooManyLinks says that a file has all the hard links it can have.
	ErrTooManyLinks = errors.New("too many links")
	// ErrTooManyOpen says that the process or system ran out of descriptors.
	ErrTooManyOpen = errors.New("too many open files")
	// ErrIO says that the medium failed.
	ErrIO = errors.New("input/output error")
)
