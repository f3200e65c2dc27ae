//go:build linux

package localfs

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lessor/vfs"
)

// What all requests of a share use. "go test -cpu 1,2" says how it scales.

// BenchmarkKnown asks for what is remembered of many files.
func BenchmarkKnown(b *testing.B) {
	var k known
	old := unix.StatxTimestamp{Sec: time.Now().Unix() - 60}
	for i := range uint64(10_000) {
		k.put(vfs.NodeID{Volume: 1, Inode: i}, old, time.Now(), &dosInfo{attrs: 1, hasAttr: true}, knownList)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := uint64(0); pb.Next(); i++ {
			if _, ok := k.get(vfs.NodeID{Volume: 1, Inode: i % 10_000}, old); !ok {
				b.Error("not known")
				return
			}
		}
	})
}

// BenchmarkFold looks names up whose case differs, each goroutine its own name in one
// directory.
func BenchmarkFold(b *testing.B) {
	f, _ := newLocal(b, Options{})
	for i := range 100 {
		newFile(b, f, fmt.Sprintf("name%d", i))
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			n, _, err := f.root.Lookup(b.Context(), nil, fmt.Sprintf("NAME%d", i%100), vfs.LookupOptions{Fold: true})
			if err != nil {
				b.Error(err)
				return
			}
			n.Release()
		}
	})
}

// Neither reading what lies in memory nor an entry of a listing that is made again
// takes memory.
func TestNoMemory(t *testing.T) {
	f, dir := newLocal(t, Options{})
	n := newFile(t, f, "a")
	h, err := n.Open(t.Context(), nil, vfs.OpenMode{Read: true, Write: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = h.Close() }()
	buf := make([]byte, 8<<10)
	if _, err := h.WriteAt(buf, 0); err != nil {
		t.Fatal(err)
	}
	if f.caps.Has(vfs.CapDOS) {
		if err := unix.Setxattr(filepath.Join(dir, "a"), dosAttribName, dosBlob(vfs.DOSHidden), 0); err != nil {
			t.Fatal(err)
		}
	}
	settled(t, n)
	list, err := f.root.Open(t.Context(), nil, vfs.OpenMode{Read: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = list.Close() }()
	entry := &vfs.DirEntry{Name: "a"}
	for name, do := range map[string]func() error{
		"read":  func() error { _, err := h.ReadAt(buf, 0); return err },
		"entry": func() error { _, err := list.EntryAttr(t.Context(), nil, entry); return err },
		"attr":  func() error { _, err := n.Attr(t.Context(), nil); return err },
	} {
		if got := testing.AllocsPerRun(100, func() {
			if err := do(); err != nil {
				t.Error(name, err)
			}
		}); got != 0 {
			t.Errorf("%s: %v allocations", name, got)
		}
	}
}
