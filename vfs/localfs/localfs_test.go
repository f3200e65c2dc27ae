//go:build linux

package localfs_test

import (
	"os"
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
