package smb

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"lessor/locking"
	"lessor/smb/ntstatus"
	"lessor/smb/secdesc"
	"lessor/vfs"
	"lessor/vfs/names"
)

func TestStatusOf(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want ntstatus.Status
	}{
		{nil, ntstatus.Success},
		{ntstatus.FileClosed, ntstatus.FileClosed},
		{fmt.Errorf("wrapped: %w", ntstatus.FileClosed), ntstatus.FileClosed},
		{bufferTooSmall(8), ntstatus.BufferTooSmall},
		{errors.New("surprise"), ntstatus.InternalError},
		{&fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}, ntstatus.ObjectNameNotFound},
		{fs.ErrExist, ntstatus.ObjectNameCollision},
		{fs.ErrPermission, ntstatus.AccessDenied},
		{fs.ErrInvalid, ntstatus.InvalidParameter},
		{errors.ErrUnsupported, ntstatus.NotSupported},
		{vfs.ErrPathNotFound, ntstatus.ObjectPathNotFound},
		{vfs.ErrNoSpace, ntstatus.DiskFull},
		{vfs.ErrReadOnly, ntstatus.MediaWriteProtected},
		{vfs.ErrNotEmpty, ntstatus.DirectoryNotEmpty},
		{locking.ErrSharing, ntstatus.SharingViolation},
		{locking.ErrDeletePending, ntstatus.DeletePending},
		{locking.ErrLocked, ntstatus.FileLockConflict},
		{locking.ErrLockNotGranted, ntstatus.LockNotGranted},
		{locking.ErrInvalidRange, ntstatus.InvalidLockRange},
		{names.ErrPathSyntax, ntstatus.ObjectPathSyntaxBad},
		{secdesc.ErrPrivilege, ntstatus.PrivilegeNotHeld},
		{secdesc.ErrDenied, ntstatus.AccessDenied},
	} {
		if got := statusOf(tt.err); got != tt.want {
			t.Errorf("statusOf(%v) = %v, want %v", tt.err, got, tt.want)
		}
	}
}

// TestStatusTable: a sentinel that is behind a more general one would never be
// found.
func TestStatusTable(t *testing.T) {
	for i := range statusTable {
		row := &statusTable[i]
		if got := statusOf(row.err); got != row.status {
			t.Errorf("%v: got %v, its row says %v", row.err, got, row.status)
		}
	}
}
