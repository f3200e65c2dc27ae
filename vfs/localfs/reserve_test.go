//go:build linux

package localfs_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"lessor/vfs"
	"lessor/vfs/localfs"
)

// A reservation that is too large takes nothing, rather than all that there is.
func TestReservationsLeaveRoom(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs the right to mount")
	}
	image, dir := filepath.Join(t.TempDir(), "image"), t.TempDir()
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 64<<20); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", image).CombinedOutput(); err != nil {
		t.Skipf("mkfs.ext4: %v\n%s", err, out)
	}
	if out, err := exec.Command("mount", "-o", "loop", image, dir).CombinedOutput(); err != nil {
		t.Skipf("no loop device: %v\n%s", err, out)
	}
	defer func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }()
	fs, err := localfs.New(dir, localfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = fs.Close() }()
	ctx := t.Context()
	root := fs.Root()
	defer root.Release()
	n, err := root.Create(ctx, nil, "f", vfs.CreateOptions{Type: vfs.TypeRegular})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Release()
	h, err := n.Open(ctx, nil, vfs.OpenMode{Read: true, Write: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = h.Close() }()
	for _, size := range []int64{1 << 40, 100 << 20} {
		if err := h.Alloc(ctx, 0, size, vfs.AllocReserve); !errors.Is(err, vfs.ErrNoSpace) {
			t.Errorf("%d bytes: %v", size, err)
		}
		if at, err := n.Attr(ctx, nil); err != nil || at.Alloc > 1<<20 {
			t.Errorf("%d bytes are in use, %v", at.Alloc, err)
		}
	}
	// What the file has already does not count again.
	for range 2 {
		if err := h.Alloc(ctx, 0, 30<<20, vfs.AllocReserve); err != nil {
			t.Error(err)
		}
	}
}
