package locking

import (
	"encoding/json"
	"fmt"
	"time"
)

// PersistedVersion is the version of the stored forms that this package
// writes. It reads this version only. Fields are added without a new version as
// long as their zero value is what records without them mean, and a server that
// does not know them does no harm by leaving them out.
const PersistedVersion = 1

// PersistedLock is the stored form of an EnhancedLock. The version is the
// first field, so that a reader sees it before anything it may not know.
type PersistedLock struct {
	Version    int             `json:"version"`
	ID         uint64          `json:"id"`
	Owner      Owner           `json:"owner"`
	Key        Key             `json:"key"`
	Stream     string          `json:"stream,omitempty"`
	Type       LockType        `json:"type"`
	Offset     uint64          `json:"offset"`
	Length     uint64          `json:"length"`
	Lease      *PersistedLease `json:"lease,omitempty"`
	AcquiredAt int64           `json:"acquired_at"` // nanoseconds since 1970, UTC; zeroNano is the zero time
}

// PersistedLease is the stored form of a LeaseInfo: all of it but
// BreakStarted, which is run-time only.
type PersistedLease struct {
	LeaseKey       LeaseKey   `json:"lease_key"`
	LeaseState     LeaseState `json:"lease_state"`
	BreakToState   LeaseState `json:"break_to_state"`
	Breaking       bool       `json:"breaking"`
	Epoch          uint16     `json:"epoch"`
	ParentLeaseKey LeaseKey   `json:"parent_lease_key"`
	Version        uint8      `json:"lease_version"`
	IsDirectory    bool       `json:"is_directory,omitempty"`
}

// zeroNano stands for the zero time.Time, which nanoseconds since 1970 cannot
// express.
const zeroNano = -1 << 63

// ToPersistedLock makes the stored form of a record.
func ToPersistedLock(l *EnhancedLock) *PersistedLock {
	p := &PersistedLock{
		Version:    PersistedVersion,
		ID:         l.ID,
		Owner:      l.Owner,
		Key:        l.Key,
		Stream:     l.Stream,
		Type:       l.Type,
		Offset:     l.Offset,
		Length:     l.Length,
		AcquiredAt: toNano(l.AcquiredAt),
	}
	if li := l.Lease; li != nil {
		p.Lease = &PersistedLease{
			LeaseKey:       li.LeaseKey,
			LeaseState:     li.LeaseState,
			BreakToState:   li.BreakToState,
			Breaking:       li.Breaking,
			Epoch:          li.Epoch,
			ParentLeaseKey: li.ParentLeaseKey,
			Version:        li.Version,
			IsDirectory:    li.IsDirectory,
		}
	}
	return p
}

// FromPersistedLock makes the record of a stored form. BreakStarted is zero;
// AcquiredAt is in UTC.
func FromPersistedLock(p *PersistedLock) *EnhancedLock {
	l := &EnhancedLock{
		ID:         p.ID,
		Owner:      p.Owner,
		Key:        p.Key,
		Stream:     p.Stream,
		Type:       p.Type,
		Offset:     p.Offset,
		Length:     p.Length,
		AcquiredAt: fromNano(p.AcquiredAt),
	}
	if pl := p.Lease; pl != nil {
		l.Lease = &LeaseInfo{
			LeaseKey:       pl.LeaseKey,
			LeaseState:     pl.LeaseState,
			BreakToState:   pl.BreakToState,
			Breaking:       pl.Breaking,
			Epoch:          pl.Epoch,
			ParentLeaseKey: pl.ParentLeaseKey,
			Version:        pl.Version,
			IsDirectory:    pl.IsDirectory,
		}
	}
	return l
}

// PersistedOpen is the stored form of a durable or persistent open. Its locks
// and its lease are PersistedLocks with the same OpenID as owner.
type PersistedOpen struct {
	Version int `json:"version"`
	// Owner.OpenID is the persistent half of the FileId; SessionID is that of
	// the session that was lost.
	Owner  Owner  `json:"owner"`
	Key    Key    `json:"key"`
	Stream string `json:"stream,omitempty"`
	// Volume and Path are those given to Open, after renames.
	Volume uint64 `json:"volume"`
	Path   string `json:"path"`
	// NextPath is the path that a rename was about to give the file, empty if none
	// was; after a crash the file has one or the other.
	NextPath string `json:"next_path,omitempty"`
	Share    string `json:"share"`
	User     string `json:"user"`
	// Access and ShareAccess are the granted access and the share mode.
	Access      uint32 `json:"access"`
	ShareAccess uint32 `json:"share_access"`
	// DeleteOnClose and IsDirectory as given to Open.
	DeleteOnClose bool `json:"delete_on_close,omitempty"`
	IsDirectory   bool `json:"is_directory,omitempty"`
	// V2 tells the second version of the durable handle contexts.
	V2         bool     `json:"v2"`
	Persistent bool     `json:"persistent,omitempty"`
	CreateGuid [16]byte `json:"create_guid"`
	// Timeout is how long the open is kept after a disconnect, in
	// nanoseconds.
	Timeout time.Duration `json:"timeout"`
	// Oplock is the level the open holds.
	Oplock OplockLevel `json:"oplock"`
	// Sequences are the lock sequences (MS-SMB2 3.3.1.10) from LockSequenceIndex 1
	// on: the number plus one, 0 for none. What is missing at the end is none.
	Sequences []byte `json:"sequences,omitempty"`
	// DeletePending: Path is marked for deletion. StreamDeleted: the stream is. Both
	// for persistent opens only.
	DeletePending bool `json:"delete_pending,omitempty"`
	StreamDeleted bool `json:"stream_deleted,omitempty"`
	// Extra is opaque to this package: what the server needs to make the
	// handle whole again.
	Extra []byte `json:"extra,omitempty"`
}

// EncodeLock writes the stored form as JSON.
func EncodeLock(p *PersistedLock) ([]byte, error) { return json.Marshal(p) }

// DecodeLock reads what EncodeLock wrote and refuses other versions.
func DecodeLock(b []byte) (*PersistedLock, error) {
	p := new(PersistedLock)
	if err := json.Unmarshal(b, p); err != nil {
		return nil, fmt.Errorf("decode lock: %w", err)
	}
	if p.Version != PersistedVersion {
		return nil, fmt.Errorf("decode lock: version %d is not supported", p.Version)
	}
	return p, nil
}

// EncodeOpen writes the stored form as JSON.
func EncodeOpen(p *PersistedOpen) ([]byte, error) { return json.Marshal(p) }

// DecodeOpen reads what EncodeOpen wrote and refuses other versions.
func DecodeOpen(b []byte) (*PersistedOpen, error) {
	p := new(PersistedOpen)
	if err := json.Unmarshal(b, p); err != nil {
		return nil, fmt.Errorf("decode open: %w", err)
	}
	if p.Version != PersistedVersion {
		return nil, fmt.Errorf("decode open: version %d is not supported", p.Version)
	}
	return p, nil
}

func toNano(t time.Time) int64 {
	if t.IsZero() {
		return zeroNano
	}
	return t.UnixNano()
}

func fromNano(n int64) time.Time {
	if n == zeroNano {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
