//go:build linux

package localfs

import (
	"errors"
	"testing"

	"lessor/vfs"
)

// A reservation that is too large takes nothing, rather than all that there is.
func TestReservationsLeaveRoom(t *testing.T) {
	dir := mountExt4(t, 64<<20, "rw")
	fs, err := New(dir, Options{})
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
