package memfs_test

import (
	"testing"

	"lessor/vfs"
	"lessor/vfs/memfs"
	"lessor/vfs/vfstest"
)

func TestContract(t *testing.T) {
	vfstest.Run(t, func(*testing.T) vfs.FS { return memfs.New(memfs.Options{}) })
}
