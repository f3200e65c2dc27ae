package errfs

import (
	"context"
	"errors"

	"lessor/vfs"
)

var _ vfs.Quotas = (*FS)(nil)

// quotas is what the inner FS knows of quotas.
func (f *FS) quotas() vfs.Quotas {
	if q, ok := f.FS.(vfs.Quotas); ok {
		return q
	}
	return noQuotas{}
}

// Quota forwards to the inner FS.
func (f *FS) Quota(ctx context.Context, kind vfs.QuotaKind, id uint32) (vfs.Quota, error) {
	return f.quotas().Quota(ctx, kind, id)
}

// NextQuota forwards to the inner FS.
func (f *FS) NextQuota(ctx context.Context, kind vfs.QuotaKind, id uint32) (vfs.Quota, error) {
	return f.quotas().NextQuota(ctx, kind, id)
}

// SetQuota forwards to the inner FS.
func (f *FS) SetQuota(ctx context.Context, kind vfs.QuotaKind, q vfs.Quota) error {
	return f.quotas().SetQuota(ctx, kind, q)
}

// Project forwards to the inner FS.
func (f *FS) Project(ctx context.Context) (uint32, error) { return f.quotas().Project(ctx) }

// noQuotas is an FS without.
type noQuotas struct{}

func (noQuotas) Quota(context.Context, vfs.QuotaKind, uint32) (vfs.Quota, error) {
	return vfs.Quota{}, errors.ErrUnsupported
}

func (noQuotas) NextQuota(context.Context, vfs.QuotaKind, uint32) (vfs.Quota, error) {
	return vfs.Quota{}, errors.ErrUnsupported
}

func (noQuotas) SetQuota(context.Context, vfs.QuotaKind, vfs.Quota) error {
	return errors.ErrUnsupported
}

func (noQuotas) Project(context.Context) (uint32, error) { return 0, errors.ErrUnsupported }
