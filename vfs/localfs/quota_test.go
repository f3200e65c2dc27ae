//go:build linux

package localfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
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

// mountExt4 makes an ext4 of a size in bytes and mounts it until the end of the test, which is
// skipped where that cannot be done.
func mountExt4(t *testing.T, size int64, options string, mkfs ...string) (dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may mount")
	}
	image, dir := filepath.Join(t.TempDir(), "disk"), t.TempDir()
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, size); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", append(append([]string{"-q", "-F"}, mkfs...), image)...).CombinedOutput(); err != nil {
		t.Skipf("mkfs.ext4: %v\n%s", err, out)
	}
	if out, err := exec.Command("mount", "-o", "loop,"+options, image, dir).CombinedOutput(); err != nil {
		t.Skipf("the kernel does not mount it: %v\n%s", err, out)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// TestQuotaOfExt4 needs a kernel with quotas (CONFIG_QFMT_V2), which may be a module.
func TestQuotaOfExt4(t *testing.T) {
	dir := mountExt4(t, 32<<20, "usrquota,prjquota", "-O", "quota,project", "-E", "quotatype=usrquota:prjquota")
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
	tryProject(t, dir)
}

// tryProject gives a directory a project with a quota, and fills it.
func tryProject(t *testing.T, dir string) {
	t.Helper()
	dir = filepath.Join(dir, "project")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	const setProject, inherit = 0x401c5820, 0x200
	a := projectAttr{flags: inherit, project: 42}
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, d.Fd(), setProject, uintptr(unsafe.Pointer(&a))); e != 0 {
		t.Fatal("set the project:", e)
	}
	f, err := New(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	ctx := t.Context()
	if id, err := f.Project(ctx); err != nil || id != 42 {
		t.Error(id, err)
	}
	if err := f.SetQuota(ctx, vfs.QuotaProject, vfs.Quota{ID: 42, Hard: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	if info, err := f.Info(ctx); err != nil || info.Blocks*uint64(info.BlockSize) != 1<<20 {
		t.Errorf("size of the volume: %+v, %v", info, err)
	}
	root := f.Root()
	defer root.Release()
	n, err := root.Create(ctx, nil, "big", vfs.CreateOptions{Type: vfs.TypeRegular, Hint: vfs.OpenMode{Write: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Release()
	h, err := n.Open(ctx, nil, vfs.OpenMode{Write: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = h.Close() }()
	// Who has CAP_SYS_RESOURCE is not bound; a server in its sandbox has not.
	runtime.LockOSThread() // and the thread ends with the test
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		t.Fatal(err)
	}
	data[0].Effective &^= 1 << unix.CAP_SYS_RESOURCE
	if err := unix.Capset(&hdr, &data[0]); err != nil {
		t.Fatal(err)
	}
	chunk := make([]byte, 64<<10)
	for off := int64(0); ; off += int64(len(chunk)) {
		_, err := h.WriteAt(chunk, off)
		if err == nil && off < 4<<20 {
			continue
		}
		if !errors.Is(err, vfs.ErrQuota) && !errors.Is(err, vfs.ErrNoSpace) || off < 512<<10 {
			t.Errorf("after %d bytes: %v", off, err)
		}
		break
	}
}
