package smb

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lessor/vfs"
)

// fdHandle is a handle that has nothing but a descriptor.
type fdHandle struct {
	vfs.UnimplementedHandle
	f *os.File
}

func (h fdHandle) Fd() (uintptr, bool) { return h.f.Fd(), true }

// TestInMemory: what the disk has to bring is known, and begun to be brought.
func TestInMemory(t *testing.T) {
	const size = 1 << 20
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	h := fdHandle{f: f}
	if !inMemory(h, 0, size) {
		t.Error("what was just written is said to be on the disk alone")
	}
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		t.Fatal(err)
	}
	if inMemory(h, size/2, 64<<10) {
		t.Skip("this file system keeps all it has in memory")
	}
	deadline := time.Now().Add(30 * time.Second)
	for tick := time.NewTicker(time.Millisecond); !inMemory(h, size/2, 64<<10); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("nobody reads it")
		}
	}
	if !inMemory(vfs.UnimplementedHandle{}, 0, 1) {
		t.Error("without a descriptor nobody can tell")
	}
}
