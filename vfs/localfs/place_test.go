//go:build linux

package localfs

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"lessor/vfs"
)

func TestIsAt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "share")
	mkdir := func() {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mkdir()
	f, err := New(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	is := func(want bool, wantErr error) {
		t.Helper()
		if got, err := f.IsAt(dir); got != want || !errors.Is(err, wantErr) {
			t.Errorf("%v, %v; want %v, %v", got, err, want, wantErr)
		}
	}
	is(true, nil)
	if err := os.Rename(dir, dir+"2"); err != nil {
		t.Fatal(err)
	}
	is(false, syscall.ENOENT)
	mkdir()
	is(false, nil)
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir+"2", dir); err != nil {
		t.Fatal(err)
	}
	is(true, nil)
}

func TestAbandonedFSIsClosedByItsLastUser(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	open := func() int { // descriptors that lead there
		n := 0
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && to == dir {
				n++
			}
		}
		return n
	}
	node := func() vfs.Node {
		f, err := New(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		root := f.Root()
		defer root.Release()
		n, _, err := root.Lookup(t.Context(), nil, "f", vfs.LookupOptions{})
		if err != nil {
			t.Fatal(err)
		}
		f.Abandon()
		return n
	}()
	runtime.GC()
	runtime.GC()
	if open() != 1 {
		t.Error("it is closed while somebody uses it")
	}
	if _, err := node.Attr(t.Context(), nil); err != nil {
		t.Error(err)
	}
	node.Release()
	node = nil
	for range 1000 {
		if runtime.GC(); open() == 0 {
			return
		}
		runtime.Gosched()
	}
	t.Error("it stays open")
}

// An abandoned FS lets go of its directory of streams, too: else the disk could not be
// unmounted.
func TestAbandonedFSLetsGoOfItsStreams(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, streamDir), 0o700); err != nil {
		t.Fatal(err)
	}
	func() {
		f, err := New(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		f.Abandon()
	}()
	for range 1000 {
		runtime.GC()
		left := false
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			to, err := os.Readlink("/proc/self/fd/" + e.Name())
			left = left || err == nil && to == filepath.Join(dir, streamDir)
		}
		if !left {
			return
		}
		runtime.Gosched()
	}
	t.Error("the directory of streams stays open")
}

func TestErrorsOfDevices(t *testing.T) {
	for _, e := range []syscall.Errno{syscall.EIO, syscall.EUCLEAN, syscall.ENOTCONN, syscall.ETIMEDOUT} {
		if err := errnoErr(e); !errors.Is(err, vfs.ErrIO) || err.Error() == "" {
			t.Errorf("%v: %v", e, err)
		}
	}
}
