package smb

import (
	"context"
	"errors"
	"io"
	"io/fs"

	"lessor/locking"
	"lessor/smb/ntstatus"
	"lessor/smb/rpc"
	"lessor/smb/secdesc"
	"lessor/smb/wire"
	"lessor/vfs"
	"lessor/vfs/afp"
	"lessor/vfs/names"
)

// statusTable maps the errors of the packages below to what a client is told.
// It is the only place that does so. An error is looked up by errors.Is, and the
// first row counts.
var statusTable = []struct {
	err    error
	status ntstatus.Status
}{
	{secdesc.ErrPrivilege, ntstatus.PrivilegeNotHeld},
	{vfs.ErrPathNotFound, ntstatus.ObjectPathNotFound},
	{vfs.ErrNotDir, ntstatus.NotADirectory},
	{vfs.ErrIsDir, ntstatus.FileIsADirectory},
	{vfs.ErrNotEmpty, ntstatus.DirectoryNotEmpty},
	{vfs.ErrNoSpace, ntstatus.DiskFull},
	{vfs.ErrQuota, ntstatus.DiskFull}, // as NTFS, whose programs know nothing else for it
	{vfs.ErrReadOnly, ntstatus.MediaWriteProtected},
	{vfs.ErrNameTooLong, ntstatus.ObjectNameInvalid},
	{vfs.ErrStale, ntstatus.FileDeleted},
	{vfs.ErrBusy, ntstatus.SharingViolation},
	{vfs.ErrLeased, ntstatus.SharingViolation},
	{vfs.ErrRangeBusy, ntstatus.LockNotGranted},
	{vfs.ErrNoLocks, ntstatus.InsufficientResources},
	{vfs.ErrInvalidName, ntstatus.ObjectNameInvalid},
	{vfs.ErrCrossDevice, ntstatus.NotSameDevice},
	{vfs.ErrTooLarge, ntstatus.FileSystemLimitation},
	{afp.ErrTooMuch, ntstatus.AllottedSpaceExceeded},
	{vfs.ErrTooManyLinks, ntstatus.TooManyLinks},
	{vfs.ErrTooManyOpen, ntstatus.TooManyOpenedFiles},
	{vfs.ErrIO, ntstatus.UnexpectedIoError},

	{locking.ErrSharing, ntstatus.SharingViolation},
	{locking.ErrDeletePending, ntstatus.DeletePending},
	{locking.ErrNotAvailable, ntstatus.FileNotAvailable},
	{locking.ErrLeaseKeyInUse, ntstatus.InvalidParameter},
	{locking.ErrInvalidRequest, ntstatus.InvalidParameter},
	{locking.ErrClosed, ntstatus.FileClosed},
	{locking.ErrLockNotGranted, ntstatus.LockNotGranted},
	{locking.ErrLocked, ntstatus.FileLockConflict},
	{locking.ErrRangeNotLocked, ntstatus.RangeNotLocked},
	{locking.ErrInvalidRange, ntstatus.InvalidLockRange},
	{locking.ErrTooManyLocks, ntstatus.InsufficientResources},
	{locking.ErrCanceled, ntstatus.Cancelled},
	{locking.ErrNotFound, ntstatus.ObjectNameNotFound},
	{locking.ErrNotBreaking, ntstatus.Unsuccessful},
	{locking.ErrBadAck, ntstatus.RequestNotAccepted},
	{locking.ErrInvalidOplockProtocol, ntstatus.InvalidOplockProtocol},
	{locking.ErrInvalidOplockLevel, ntstatus.InvalidParameter},
	{locking.ErrNotReclaimable, ntstatus.ObjectNameNotFound},
	{locking.ErrClaimDenied, ntstatus.AccessDenied},
	{locking.ErrClaimMismatch, ntstatus.InvalidParameter},

	{rpc.ErrBusy, ntstatus.PipeBusy},
	{rpc.ErrBroken, ntstatus.PipeDisconnected},
	{rpc.ErrNoData, ntstatus.PipeEmpty},

	{names.ErrInvalidName, ntstatus.ObjectNameInvalid},
	{names.ErrLeadingBackslash, ntstatus.InvalidParameter},
	{names.ErrPathSyntax, ntstatus.ObjectPathSyntaxBad},

	{secdesc.ErrTruncated, ntstatus.InvalidSecurityDescr},
	{secdesc.ErrMalformed, ntstatus.InvalidSecurityDescr},
	{secdesc.ErrTooLarge, ntstatus.InvalidAcl},

	{wire.ErrTruncated, ntstatus.InvalidParameter},
	{wire.ErrMalformed, ntstatus.InvalidParameter},

	{fs.ErrNotExist, ntstatus.ObjectNameNotFound},
	{fs.ErrExist, ntstatus.ObjectNameCollision},
	{fs.ErrPermission, ntstatus.AccessDenied},
	{fs.ErrInvalid, ntstatus.InvalidParameter},
	{fs.ErrClosed, ntstatus.FileClosed},
	{io.EOF, ntstatus.EndOfFile},
	{errors.ErrUnsupported, ntstatus.NotSupported},
	{context.Canceled, ntstatus.Cancelled},
	{context.DeadlineExceeded, ntstatus.IoTimeout},
}

// statusOf is the status that a client is told for an error.
func statusOf(err error) ntstatus.Status {
	if err == nil {
		return ntstatus.Success
	}
	if st, ok := err.(ntstatus.Status); ok { //nolint:errorlint // the common case, without the cost
		return st
	}
	var st ntstatus.Status
	if errors.As(err, &st) {
		return st
	}
	var d *errorData
	if errors.As(err, &d) {
		return d.status
	}
	for i := range statusTable {
		if errors.Is(err, statusTable[i].err) {
			return statusTable[i].status
		}
	}
	return ntstatus.InternalError
}

// errorData is a status whose error response carries data (MS-SMB2 2.2.2.2).
type errorData struct {
	status ntstatus.Status
	data   []byte
}

func (e *errorData) Error() string { return e.status.Error() }

// bufferTooSmall is STATUS_BUFFER_TOO_SMALL with the length that would do.
func bufferTooSmall(need int) error {
	d := wire.BufferTooSmallData{RequiredLength: uint32(need)}
	return &errorData{ntstatus.BufferTooSmall, d.Append(nil)}
}

// errorBody is the body of the reply to a message that failed.
func (r *request) errorBody(err error) wire.ErrorResponse {
	var d *errorData
	if !errors.As(err, &d) {
		return wire.ErrorResponse{}
	}
	return wire.NewErrorResponse(r.conn.dialect(), wire.ErrorIDDefault, d.data)
}

// note logs what nobody has foreseen: an error without a row in statusTable, and
// storage that fails.
func (r *request) note(st ntstatus.Status, err error) {
	if _, plain := err.(ntstatus.Status); plain || r.noteLimit(err) { //nolint:errorlint // a handler's own choice
		return
	}
	if r.noteFault(err) {
		return
	}
	if st != ntstatus.InternalError && st != ntstatus.UnexpectedIoError && st != ntstatus.TooManyOpenedFiles {
		return
	}
	if st == ntstatus.TooManyOpenedFiles {
		r.srv().shedAll()
	}
	r.conn.log.Error().Err(err).Str("command", r.hdr.Command.String()).Msg("request failed")
}
