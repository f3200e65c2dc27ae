//go:build linux

package localfs

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"lessor/vfs"
)

// openStream opens a stream for reading and writing.
func openStream(t *testing.T, n vfs.Node, create bool) vfs.Handle {
	t.Helper()
	st, err := n.Stream(t.Context(), nil, "big", create)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Release()
	h, err := st.Open(t.Context(), nil, vfs.OpenMode{Read: true, Write: true})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// A file that another program has copied, with the attribute that leads to a large stream,
// gets a stream of its own when that is first opened. On a disk that is full it can be read
// nevertheless, and what is written to it is refused.
func TestBigStreamOfACopyOnAFullDisk(t *testing.T) {
	dir := mountExt4(t, 16<<20, "rw")
	n, _ := openNew(t, dir, "f")
	data := bytes.Repeat([]byte("stream"), 100_000)
	h := openStream(t, n, true)
	if _, err := h.WriteAt(data, 0); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "copy")
	if out, err := exec.Command("cp", "--preserve=all", filepath.Join(dir, "f"), path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	pointer := make([]byte, 256)
	if _, err := unix.Getxattr(path, "user.lessor.Stream.big", pointer); err != nil {
		t.Skip("cp copies no attributes:", err)
	}
	fill := filepath.Join(dir, "fill")
	f, err := os.Create(fill)
	if err != nil {
		t.Fatal(err)
	}
	chunk := make([]byte, 64<<10)
	for err == nil {
		_, err = f.Write(chunk)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}

	root := n.fs.Root()
	defer root.Release()
	c, _, err := root.Lookup(t.Context(), nil, "copy", vfs.LookupOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Release()
	h = openStream(t, c, false)
	got := make([]byte, len(data)+1)
	if n, err := h.ReadAt(got, 0); !errors.Is(err, io.EOF) || !bytes.Equal(got[:n], data) {
		t.Errorf("read %d bytes, %v", n, err)
	}
	if _, err := h.WriteAt([]byte("x"), 0); !errors.Is(err, vfs.ErrNoSpace) {
		t.Errorf("write: %v", err)
	}
	if err := h.Truncate(0); !errors.Is(err, vfs.ErrNoSpace) {
		t.Errorf("truncate: %v", err)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}

	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	h = openStream(t, c, false)
	if _, err := h.WriteAt([]byte("x"), 0); err != nil {
		t.Errorf("write with room: %v", err)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	h = openStream(t, n, false)
	if n, err := h.ReadAt(got, 0); !errors.Is(err, io.EOF) || !bytes.Equal(got[:n], data) {
		t.Errorf("the first file has %d bytes, %v", n, err)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
}
