//go:build linux

package localfs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"lessor/vfs"
)

// Quotas by quotactl_fd(2), which knows the volume by a descriptor (Linux 5.14). Older
// kernels want the device by its name, which a server in a sandbox does not see; there are
// no quotas there.

var _ vfs.Quotas = (*FS)(nil)

// Commands of quotactl(2), and structures of linux/quota.h.
const (
	quotaGet  = 0x800007
	quotaSet  = 0x800008
	quotaNext = 0x800009

	quotaBlockLimits = 1       // valid: the limits of blocks
	quotaBlock       = 1 << 10 // limits are in this unit, use is in bytes

	sysQuotactlFD = 443
)

type quotaBlk struct {
	hard, soft, used           uint64
	inodeHard, inodeSoft, inos uint64
	blockTime, inodeTime       uint64
	valid                      uint32
	id                         uint32 // of the structure of quotaNext alone
}

// projectAttr is struct fsxattr of linux/fs.h, and getProject FS_IOC_FSGETXATTR.
type projectAttr struct {
	flags, extent, extents, project, cow uint32
	_                                    [8]byte
}

const getProject = 0x801c581f

func (f *FS) quotactl(command uint32, kind vfs.QuotaKind, id uint32, q *quotaBlk) error {
	for {
		_, _, e := syscall.Syscall6(sysQuotactlFD, uintptr(f.root.fd), uintptr(command<<8|uint32(kind)), uintptr(id),
			uintptr(unsafe.Pointer(q)), 0, 0)
		switch e {
		case syscall.EINTR:
			continue
		case syscall.ESRCH, syscall.ENOSYS, syscall.EINVAL:
			return errors.ErrUnsupported // no quotas of this kind, or not turned on
		}
		return errnoErr(e)
	}
}

// bytes makes a quota of what the kernel tells.
func (q *quotaBlk) bytes(id uint32) vfs.Quota {
	limit := func(blocks uint64) uint64 {
		return min(blocks, math.MaxInt64/quotaBlock) * quotaBlock
	}
	return vfs.Quota{ID: id, Used: q.used, Soft: limit(q.soft), Hard: limit(q.hard)}
}

// Quota asks the kernel.
func (f *FS) Quota(_ context.Context, kind vfs.QuotaKind, id uint32) (vfs.Quota, error) {
	var q quotaBlk
	if err := f.quotactl(quotaGet, kind, id, &q); err != nil {
		return vfs.Quota{}, err
	}
	return q.bytes(id), nil
}

// NextQuota asks the kernel.
func (f *FS) NextQuota(_ context.Context, kind vfs.QuotaKind, id uint32) (vfs.Quota, error) {
	var q quotaBlk
	err := f.quotactl(quotaNext, kind, id, &q)
	if errors.Is(err, fs.ErrNotExist) {
		return vfs.Quota{}, io.EOF
	}
	if err != nil {
		return vfs.Quota{}, err
	}
	return q.bytes(q.id), nil
}

// SetQuota tells the kernel. A limit that is no whole number of KiB is rounded up.
func (f *FS) SetQuota(_ context.Context, kind vfs.QuotaKind, to vfs.Quota) error {
	up := func(n uint64) uint64 { return n/quotaBlock + min(n%quotaBlock, 1) }
	q := quotaBlk{hard: up(to.Hard), soft: up(to.Soft), valid: quotaBlockLimits}
	return f.quotactl(quotaSet, kind, to.ID, &q)
}

// Project asks the file system.
func (f *FS) Project(context.Context) (uint32, error) {
	var a projectAttr
	if _, _, e := syscall.Syscall(unix.SYS_IOCTL, uintptr(f.root.fd), getProject, uintptr(unsafe.Pointer(&a))); e != 0 {
		return 0, errnoErr(e)
	}
	return a.project, nil
}
