//go:build linux

package localfs_test

import (
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

func TestContract(t *testing.T) {
	vfstest.Run(t, func(t *testing.T) vfs.FS {
		f, _ := export(t, localfs.Options{})
		return f
	})
}
