//go:build linux

package localfs

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"lessor/vfs"
)

// openNew makes a file in a directory and opens it for reading and writing.
func openNew(t *testing.T, dir, name string) (*node, *file) {
	t.Helper()
	f, err := New(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	root := f.Root()
	defer root.Release()
	made, err := root.Create(t.Context(), nil, name, vfs.CreateOptions{Type: vfs.TypeRegular})
	if err != nil {
		t.Fatal(err)
	}
	h, err := made.Open(t.Context(), nil, vfs.OpenMode{Read: true, Write: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(h.Close(), f.Close()); err != nil {
			t.Error(err)
		}
		made.Release()
	})
	n, _ := made.(*node)
	opened, _ := h.(*file)
	return n, opened
}

// A reservation that is too large takes nothing, rather than all that there is.
func TestReservationsLeaveRoom(t *testing.T) {
	n, h := openNew(t, mountExt4(t, 64<<20, "rw"), "f")
	ctx := t.Context()
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

// A tmpfs without a limit tells no size, and is not full for that.
func TestReservationWhereNoSizeIsTold(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=0"); err != nil {
		t.Skip("a tmpfs cannot be mounted:", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	n, h := openNew(t, dir, "f")
	ctx := t.Context()
	if err := h.Alloc(ctx, 0, 1<<20, vfs.AllocReserve); err != nil {
		t.Fatal(err)
	}
	if at, err := n.Attr(ctx, nil); err != nil || at.Alloc != 1<<20 {
		t.Errorf("%d bytes are in use, %v", at.Alloc, err)
	}
	// It would take all the memory of the machine.
	if err := h.Alloc(ctx, 0, 1<<50, vfs.AllocReserve); !errors.Is(err, vfs.ErrNoSpace) {
		t.Errorf("a petabyte: %v", err)
	}
}

// What a reservation has got before there was no more is given back, and all that the file
// had before stays: data, holes, and what was reserved behind its end.
func TestReservationIsGivenBack(t *testing.T) {
	const mib = 1 << 20
	for what, lease := range map[string]bool{"alone": false, "with a lease": true} {
		t.Run(what, func(t *testing.T) {
			_, h := openNew(t, mountExt4(t, 64*mib, "rw"), "f")
			ctx := t.Context()
			if lease {
				end, err := h.Lease(func() {})
				if err != nil {
					t.Fatal(err)
				}
				defer end()
			}
			if e := h.takeRoom(0, 100*mib); e != syscall.ENOSPC {
				t.Fatal(e)
			}
			if now, known := extentsOf(h.fd); !known || len(now) > 0 {
				t.Fatalf("an empty file has %v, %v", now, known)
			}
			data := bytes.Repeat([]byte("data"), mib/4)
			put := func(off int64) {
				t.Helper()
				if _, err := h.WriteAt(data, off); err != nil {
					t.Fatal(err)
				}
			}
			put(mib)
			put(5 * mib)
			if err := errors.Join(h.Truncate(8*mib+10), h.Alloc(ctx, 12*mib, mib, vfs.AllocReserve), h.Sync(ctx)); err != nil {
				t.Fatal(err)
			}
			before, _ := extentsOf(h.fd)
			if e := h.takeRoom(2*mib, 100*mib); e != syscall.ENOSPC {
				t.Fatal(e)
			}
			now, known := extentsOf(h.fd)
			if !known || len(without(now, before)) > 0 || len(without(before, now)) > 0 {
				t.Errorf("it had %v, and has %v", before, now)
			}
			got := make([]byte, 8*mib+10)
			if _, err := h.ReadAt(got, 0); err != nil {
				t.Fatal(err)
			}
			want := make([]byte, len(got))
			copy(want[mib:], data)
			copy(want[5*mib:], data)
			if !bytes.Equal(got, want) {
				t.Error("the data has changed")
			}
			if lease {
				if typ, err := unix.FcntlInt(uintptr(h.fd), unix.F_GETLEASE, 0); err != nil || typ != unix.F_WRLCK {
					t.Errorf("the lease is %d, %v", typ, err)
				}
			}
		})
	}
}

// What was written while a reservation failed stays, if it has the storage from that or not.
func TestReservationIsNotGivenBackWithData(t *testing.T) {
	const mib = 1 << 20
	_, h := openNew(t, mountExt4(t, 64*mib, "rw"), "f")
	if err := h.Truncate(20 * mib); err != nil {
		t.Fatal(err)
	}
	before, known := extentsOf(h.fd)
	if !known {
		t.Skip("the kernel tells no extents")
	}
	if e := h.fallocate(unix.FALLOC_FL_KEEP_SIZE, 0, 40*mib); e != 0 {
		t.Fatal(e)
	}
	data := bytes.Repeat([]byte("data"), mib/4)
	for _, off := range []int64{3 * mib, 30 * mib} { // unwritten extents become written ones, and the file longer
		if _, err := h.WriteAt(data, off); err != nil {
			t.Fatal(err)
		}
	}
	h.giveBack(before, vfs.Range{Off: 0, Len: 40 * mib})
	got := make([]byte, 31*mib)
	if _, err := h.ReadAt(got, 0); err != nil {
		t.Fatal(err)
	}
	want := make([]byte, len(got))
	copy(want[3*mib:], data)
	copy(want[30*mib:], data)
	if !bytes.Equal(got, want) {
		t.Error("the data has changed")
	}
	if now, _ := extentsOf(h.fd); len(without(now, []vfs.Range{{Off: 3 * mib, Len: mib}, {Off: 30 * mib, Len: mib}})) > 0 {
		t.Errorf("it has %v", now)
	}
}

// While somebody else has the file open, nothing is given back: he could be writing.
func TestReservationOfAFileThatIsOpenElsewhere(t *testing.T) {
	dir := mountExt4(t, 64<<20, "rw")
	n, h := openNew(t, dir, "f")
	other, err := os.OpenFile(filepath.Join(dir, "f"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	if e := h.takeRoom(0, 100<<20); e != syscall.ENOSPC {
		t.Fatal(e)
	}
	if at, err := n.Attr(t.Context(), nil); err != nil || at.Alloc < 30<<20 {
		t.Errorf("%d bytes are in use, %v", at.Alloc, err)
	}
}

func TestSpans(t *testing.T) {
	span := func(off, end int64) vfs.Range { return vfs.Range{Off: off, Len: end - off} }
	some := []vfs.Range{span(10, 20), span(20, 30), span(40, 50)}
	for _, c := range []struct{ got, want []vfs.Range }{
		{clip(some, 0, math.MaxInt64), some},
		{clip(some, 15, 45), []vfs.Range{span(15, 20), span(20, 30), span(40, 45)}},
		{clip(some, 30, 40), nil},
		{without(some, nil), some},
		{without(some, some), nil},
		{without(some, []vfs.Range{span(0, 5), span(12, 14), span(18, 22), span(45, 100)}), []vfs.Range{span(10, 12), span(14, 18), span(22, 30), span(40, 45)}},
		{without(some, []vfs.Range{span(0, 100)}), nil},
		{without([]vfs.Range{span(0, 100)}, some), []vfs.Range{span(0, 10), span(30, 40), span(50, 100)}},
	} {
		if d := cmp.Diff(c.want, c.got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}
}
