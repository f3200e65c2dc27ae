//go:build linux

package localfs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"lessor/vfs"
	"lessor/vfs/localfs"
	"lessor/vfs/vfstest"
)

// export makes an FS of a new directory.
func export(t testing.TB, opts localfs.Options) (f *localfs.FS, dir string) {
	t.Helper()
	dir = t.TempDir()
	f, err := localfs.New(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	return f, dir
}

// openFDs counts the descriptors of the process.
func openFDs(t testing.TB) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestContract(t *testing.T) {
	openFDs(t) // The first may open descriptors of the runtime.
	before := openFDs(t)
	defer func() {
		if after := openFDs(t); after > before {
			t.Errorf("%d descriptors are left open", after-before)
		}
	}()
	vfstest.Run(t, func(t *testing.T) vfs.FS {
		f, _ := export(t, localfs.Options{})
		return f
	})
}

// TestBtrfs proves the contract on a file system that has what those of most machines
// do not: clones and compression.
func TestBtrfs(t *testing.T) {
	top := mountBtrfs(t)
	vfstest.Run(t, func(t *testing.T) vfs.FS {
		dir, err := os.MkdirTemp(top, "")
		if err != nil {
			t.Fatal(err)
		}
		f, err := localfs.New(dir, localfs.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if want := vfs.CapReflink | vfs.CapCompression; !f.Caps().Has(want) {
			t.Errorf("abilities %b, want %b among them", f.Caps(), want)
		}
		return f
	})
}

// mountBtrfs mounts a new file system for the test.
func mountBtrfs(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount")
	}
	for _, tool := range []string{"mkfs.btrfs", "mount", "umount"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	image, top := filepath.Join(t.TempDir(), "image"), t.TempDir()
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 400<<20); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.btrfs", "-q", image).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := exec.Command("mount", "-o", "loop", image, top).CombinedOutput(); err != nil {
		t.Skipf("no loop device: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "--lazy", top).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	return top
}
