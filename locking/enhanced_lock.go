package locking

import (
	"encoding/hex"
	"fmt"
	"time"
)

// Key names a file: opaque, comparable, stable while the file exists and
// never used for another file (volume, inode and generation, for instance).
type Key [24]byte

// MarshalText writes the key as 48 hexadecimal digits.
func (k Key) MarshalText() ([]byte, error) { return hexText(k[:]), nil }

// UnmarshalText reads what MarshalText wrote.
func (k *Key) UnmarshalText(b []byte) error { return unhexText(k[:], b) }

// ClientID names a client: its ClientGuid (MS-SMB2 2.2.3).
type ClientID [16]byte

// MarshalText writes the id as 32 hexadecimal digits.
func (c ClientID) MarshalText() ([]byte, error) { return hexText(c[:]), nil }

// UnmarshalText reads what MarshalText wrote.
func (c *ClientID) UnmarshalText(b []byte) error { return unhexText(c[:], b) }

// LeaseKey is the key a client chose for a lease (MS-SMB2 2.2.13.2.8).
type LeaseKey [16]byte

// MarshalText writes the key as 32 hexadecimal digits.
func (k LeaseKey) MarshalText() ([]byte, error) { return hexText(k[:]), nil }

// UnmarshalText reads what MarshalText wrote.
func (k *LeaseKey) UnmarshalText(b []byte) error { return unhexText(k[:], b) }

// OpenID names an open for ever in one server, restarts included. It is the
// persistent half of a FileId. Zero is not a valid id.
type OpenID uint64

// Owner says to whom an open, a lock, a lease or an oplock belongs. For a
// lease, which several opens share, SessionID and OpenID are those of the
// open that asked for it last.
type Owner struct {
	ClientID  ClientID
	SessionID uint64
	OpenID    OpenID
}

// LockType is the kind of a byte-range lock.
type LockType uint8

const (
	// LockShared lets others read and refuses writes.
	LockShared LockType = iota
	// LockExclusive refuses reads and writes of others.
	LockExclusive
)

// String names the type for humans.
func (t LockType) String() string {
	switch t {
	case LockShared:
		return "shared"
	case LockExclusive:
		return "exclusive"
	}
	return fmt.Sprintf("LockType(%d)", uint8(t))
}

// EnhancedLock is the record of one byte-range lock, one lease or one oplock.
type EnhancedLock struct {
	// ID is unique in the server, restarts included.
	ID uint64
	// Owner is who holds it.
	Owner Owner
	// Key and Stream say where; Stream is folded, "" is the unnamed stream.
	Key    Key
	Stream string
	// Type, Offset and Length describe a byte-range lock, in bytes. For
	// leases and oplocks Type says whether writes are cached.
	Type   LockType
	Offset uint64
	Length uint64
	// Lease is nil for a byte-range lock. An oplock is a lease with a zero
	// LeaseKey and Version 0.
	Lease *LeaseInfo
	// AcquiredAt is the time it was granted.
	AcquiredAt time.Time
}

// IsLease reports whether the record is a lease or an oplock.
func (l *EnhancedLock) IsLease() bool { return l.Lease != nil }

// Clone returns a copy that shares nothing with the original.
func (l *EnhancedLock) Clone() *EnhancedLock {
	if l == nil {
		return nil
	}
	c := *l
	if l.Lease != nil {
		li := *l.Lease
		c.Lease = &li
	}
	return &c
}

func hexText(b []byte) []byte {
	return hex.AppendEncode(make([]byte, 0, 2*len(b)), b)
}

func unhexText(dst, src []byte) error {
	if len(src) != 2*len(dst) {
		return fmt.Errorf("locking: want %d hexadecimal digits, got %d", 2*len(dst), len(src))
	}
	_, err := hex.Decode(dst, src)
	return err
}
