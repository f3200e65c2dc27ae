package ntstatus

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// The values are copied from MS-ERREF 2.3.1, not from codes.go.
func TestValues(t *testing.T) {
	for want, s := range map[uint32]Status{
		0x00000000: Success, 0x00000103: Pending, 0x0000010b: NotifyCleanup,
		0x0000010c: NotifyEnumDir, 0x80000005: BufferOverflow, 0x80000006: NoMoreFiles,
		0x8000002d: StoppedOnSymlink, 0xc0000003: InvalidInfoClass, 0xc000000d: InvalidParameter,
		0xc0000010: InvalidDeviceRequest, 0xc0000011: EndOfFile, 0xc0000016: MoreProcessingRequired,
		0xc0000022: AccessDenied, 0xc0000023: BufferTooSmall, 0xc0000034: ObjectNameNotFound,
		0xc0000035: ObjectNameCollision, 0xc000003a: ObjectPathNotFound, 0xc0000043: SharingViolation,
		0xc0000054: FileLockConflict, 0xc0000055: LockNotGranted, 0xc0000056: DeletePending,
		0xc000006d: LogonFailure, 0xc000007e: RangeNotLocked, 0xc00000ba: FileIsADirectory,
		0xc00000bb: NotSupported, 0xc00000c9: NetworkNameDeleted, 0xc00000cc: BadNetworkName,
		0xc00000d0: RequestNotAccepted, 0xc0000101: DirectoryNotEmpty, 0xc0000103: NotADirectory,
		0xc0000120: Cancelled, 0xc0000128: FileClosed, 0xc0000203: UserSessionDeleted,
		0xc000022a: DuplicateObjectid, 0xc0000257: PathNotCovered, 0xc0000275: NotAReparsePoint,
		0xc000035c: NetworkSessionExpired, 0xc0000466: ServerUnavailable, 0xc0000467: FileNotAvailable,
		0xc05d0000: SmbNoPreauthIntegrityHashOverlap,
	} {
		if uint32(s) != want {
			t.Errorf("%v is %#08x, want %#08x", s, uint32(s), want)
		}
	}
}

func TestNamesAreUnique(t *testing.T) {
	seen := map[string]Status{}
	for s, n := range names {
		if other, dup := seen[n]; dup {
			t.Errorf("%s names %#x and %#x", n, uint32(s), uint32(other))
		}
		seen[n] = s
		if !strings.HasPrefix(n, "STATUS_") || n != strings.ToUpper(n) {
			t.Errorf("%#x has the odd name %q", uint32(s), n)
		}
	}
	if len(names) < 120 {
		t.Errorf("only %d names", len(names))
	}
}

func TestStringAndSeverity(t *testing.T) {
	for _, c := range []struct {
		s              Status
		name           string
		isErr, warning bool
	}{
		{Success, "STATUS_SUCCESS", false, false},
		{Pending, "STATUS_PENDING", false, false},
		{BufferOverflow, "STATUS_BUFFER_OVERFLOW", false, true},
		{StoppedOnSymlink, "STATUS_STOPPED_ON_SYMLINK", false, true},
		{AccessDenied, "STATUS_ACCESS_DENIED", true, false},
		{0xc0aa0001, "STATUS_0xc0aa0001", true, false},
		{0x00000042, "STATUS_0x00000042", false, false},
	} {
		if c.s.String() != c.name || c.s.Error() != c.name {
			t.Errorf("%#x: got %q, want %q", uint32(c.s), c.s.String(), c.name)
		}
		if c.s.IsError() != c.isErr || c.s.IsWarning() != c.warning {
			t.Errorf("%v: IsError %v, IsWarning %v", c.s, c.s.IsError(), c.s.IsWarning())
		}
	}
}

func TestIsAnError(t *testing.T) {
	err := fmt.Errorf("open: %w", SharingViolation)
	if !errors.Is(err, SharingViolation) {
		t.Error("a wrapped Status is not found by errors.Is")
	}
	var s Status
	if !errors.As(err, &s) || s != SharingViolation {
		t.Errorf("errors.As found %v", s)
	}
}
