//go:build linux

package localfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"lessor/vfs"
)

func TestQuotaStructures(t *testing.T) {
	// struct if_dqblk and if_nextdqblk, and struct fsxattr, of the kernel.
	if n := unsafe.Sizeof(quotaBlk{}); n != 72 {
		t.Error(n)
	}
	if n := unsafe.Sizeof(projectAttr{}); n != 28 {
		t.Error(n)
	}
	q := quotaBlk{hard: 1 << 62, soft: 3, used: 5}
	if b := q.bytes(7); b.ID != 7 || b.Soft != 3<<10 || b.Used != 5 || int64(b.Hard) < 0 {
		t.Errorf("%+v", b)
	}
}

func TestVolumeWithoutQuotas(t *testing.T) {
	f, err := New(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for _, kind := range []vfs.QuotaKind{vfs.QuotaUser, vfs.QuotaProject} {
		if _, err := f.Quota(t.Context(), kind, 1); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrPermission) {
			t.Error(err)
		}
	}
}

// TestQuotaOfExt4 needs a kernel with quotas (CONFIG_QFMT_V2), which may be a module.
func TestQuotaOfExt4(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may mount")
	}
	image, dir := filepath.Join(t.TempDir(), "disk"), t.TempDir()
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 32<<20); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", "-O", "quota,project", "-E", "quotatype=usrquota:prjquota", image).CombinedOutput(); err != nil {
		t.Skipf("mkfs.ext4: %v\n%s", err, out)
	}
	if out, err := exec.Command("mount", "-o", "loop,usrquota,prjquota", image, dir).CombinedOutput(); err != nil {
		t.Skipf("the kernel mounts no file system with quotas: %v\n%s", err, out)
	}
	defer func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }()
	f, err := New(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	ctx := t.Context()
	if err := f.SetQuota(ctx, vfs.QuotaUser, vfs.Quota{ID: 4242, Soft: 1 << 20, Hard: 2<<20 - 1}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "f")
	if err := os.WriteFile(path, make([]byte, 64<<10), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, 4242, 0); err != nil {
		t.Fatal(err)
	}
	q, err := f.Quota(ctx, vfs.QuotaUser, 4242)
	if err != nil || q.Soft != 1<<20 || q.Hard != 2<<20 || q.Used < 64<<10 {
		t.Errorf("%+v, %v", q, err)
	}
	next, err := f.NextQuota(ctx, vfs.QuotaUser, 1)
	if err != nil || next.ID != 4242 {
		t.Errorf("%+v, %v", next, err)
	}
	if _, err := f.NextQuota(ctx, vfs.QuotaUser, 4243); err != io.EOF {
		t.Error(err)
	}
	if id, err := f.Project(ctx); err != nil || id != 0 {
		t.Error(id, err)
	}
}
