package localfs_test

import (
	"context"
	"strings"
	"testing"

	"lessor/vfs"
	"lessor/vfs/localfs"
)

// Extended attributes take no storage of an empty file, whatever the file system counts;
// what was reserved for it does.
func TestAllocOfEmptyFile(t *testing.T) {
	f, _ := export(t, localfs.Options{})
	defer func() { check(t, f.Close()) }()
	ctx := context.Background()
	root := f.Root()
	defer root.Release()
	n, err := root.Create(ctx, nil, "f", vfs.CreateOptions{Type: vfs.TypeRegular, Hint: vfs.OpenMode{Read: true, Write: true}})
	check(t, err)
	defer n.Release()
	// More than fits into the inode of ext4.
	check(t, n.SetXattr(ctx, nil, "attribute", []byte(strings.Repeat("x", 1000))))
	a, err := n.Attr(ctx, nil)
	check(t, err)
	if a.Alloc != 0 {
		t.Errorf("an empty file has %d bytes", a.Alloc)
	}
	h, err := n.Open(ctx, nil, vfs.OpenMode{Write: true})
	check(t, err)
	defer func() { check(t, h.Close()) }()
	check(t, h.Alloc(ctx, 0, 4096, vfs.AllocReserve))
	if a, err = n.Attr(ctx, nil); err != nil || a.Alloc < 4096 {
		t.Errorf("4096 bytes were reserved, there are %d, %v", a.Alloc, err)
	}
}
