package locking

import (
	"fmt"
	"time"
)

// LeaseState is a set of caching rights, with the bits of MS-SMB2 2.2.13.2.8.
type LeaseState uint32

const (
	// LeaseRead: the holder may cache reads.
	LeaseRead LeaseState = 0x01
	// LeaseHandle: the holder may keep the file open after its user closed it.
	LeaseHandle LeaseState = 0x02
	// LeaseWrite: the holder may cache writes and locks.
	LeaseWrite LeaseState = 0x04

	// LeaseNone is no right at all.
	LeaseNone LeaseState = 0
	// LeaseRH, LeaseRW and LeaseRWH are the valid combinations.
	LeaseRH  = LeaseRead | LeaseHandle
	LeaseRW  = LeaseRead | LeaseWrite
	LeaseRWH = LeaseRead | LeaseHandle | LeaseWrite
)

// String writes the state as the letters R, W and H, or "-".
func (s LeaseState) String() string {
	if s == 0 {
		return "-"
	}
	if s&^LeaseRWH != 0 {
		return fmt.Sprintf("LeaseState(0x%x)", uint32(s))
	}
	b := make([]byte, 0, 3)
	if s&LeaseRead != 0 {
		b = append(b, 'R')
	}
	if s&LeaseWrite != 0 {
		b = append(b, 'W')
	}
	if s&LeaseHandle != 0 {
		b = append(b, 'H')
	}
	return string(b)
}

// IsValidFileLeaseState reports whether a file can hold the state: nothing,
// R, RW, RH or RWH.
func IsValidFileLeaseState(s LeaseState) bool {
	switch s {
	case LeaseNone, LeaseRead, LeaseRW, LeaseRH, LeaseRWH:
		return true
	}
	return false
}

// IsValidDirectoryLeaseState reports whether a directory can hold the state:
// nothing, R or RH.
func IsValidDirectoryLeaseState(s LeaseState) bool {
	switch s {
	case LeaseNone, LeaseRead, LeaseRH:
		return true
	}
	return false
}

// LeaseInfo is the state of a lease or of an oplock.
type LeaseInfo struct {
	// LeaseKey is zero for an oplock.
	LeaseKey LeaseKey
	// LeaseState is what the holder may do now. For an oplock: R is level II,
	// RW exclusive, RWH batch.
	LeaseState LeaseState
	// BreakToState is what the running break offers; it is meaningful only
	// while Breaking.
	BreakToState LeaseState
	// Breaking says that an acknowledgement is awaited.
	Breaking bool
	// BreakStarted is when the running break was announced. It is run-time
	// only: it is not stored, and is set anew when a break is started again
	// after a restart.
	BreakStarted time.Time
	// Epoch counts the changes of a version 2 lease.
	Epoch uint16
	// ParentLeaseKey is the key of the lease on the parent directory, zero if
	// none was given.
	ParentLeaseKey LeaseKey
	// Version is 1 or 2 for leases and 0 for oplocks.
	Version uint8
	// IsDirectory says that the lease is on a directory.
	IsDirectory bool
}
