package vfs

import "context"

// QuotaKind says whose storage a quota is about.
type QuotaKind uint8

// The kinds of quota.
const (
	QuotaUser    QuotaKind = iota // what belongs to a user
	QuotaGroup                    // what belongs to a group
	QuotaProject                  // what lies below certain directories
)

// Quota is how much of a volume somebody uses, and may use. All numbers are bytes; a limit
// of 0 is none.
type Quota struct {
	ID   uint32
	Used uint64
	Soft uint64 // may be exceeded for a while
	Hard uint64
}

// Quotas is, beside Watcher, an optional interface of an FS. A wrapper forwards it, and
// answers errors.ErrUnsupported if the FS that it wraps does not have it.
type Quotas interface {
	// Quota returns the quota of somebody; one that was never set has no limits.
	// Errors: errors.ErrUnsupported if the volume keeps no quotas of that kind;
	// fs.ErrPermission.
	Quota(ctx context.Context, kind QuotaKind, id uint32) (Quota, error)
	// NextQuota returns that of whoever has a quota or uses storage and has the lowest
	// number from id on. Errors: io.EOF if there is nobody; as Quota.
	NextQuota(ctx context.Context, kind QuotaKind, id uint32) (Quota, error)
	// SetQuota sets the limits; Used does not count. Errors: as Quota.
	SetQuota(ctx context.Context, kind QuotaKind, q Quota) error
	// Project returns the project that the root belongs to, 0 if it is none.
	// Errors: errors.ErrUnsupported.
	Project(ctx context.Context) (uint32, error)
}
