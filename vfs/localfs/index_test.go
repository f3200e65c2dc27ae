//go:build linux

package localfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"
	"time"

	"lessor/vfs"
	"lessor/vfs/names"
)

// find looks a name up without regard to case.
func find(t testing.TB, f *FS, path string) (actual string, ok bool) {
	t.Helper()
	n, actual, err := f.root.Lookup(context.Background(), nil, path, vfs.LookupOptions{Fold: true})
	if errors.Is(err, fs.ErrNotExist) {
		return "", false
	}
	if err != nil {
		t.Fatal(err)
	}
	n.Release()
	return actual, true
}

func TestIndexOfManyEntries(t *testing.T) {
	f, dir := newLocal(t, Options{})
	ctx := context.Background()
	const total = 20_000
	for i := range total {
		n, err := f.root.Create(ctx, nil, fmt.Sprintf("File-%d", i), vfs.CreateOptions{Type: vfs.TypeRegular, Fold: true})
		if err != nil {
			t.Fatal(err)
		}
		n.Release()
	}
	d := f.index.get(f.root.id, false)
	if d == nil || d.count != total {
		t.Fatalf("%+v", d)
	}
	f.index.put(d, d.count)
	for i := 0; i < total; i += 97 {
		if actual, ok := find(t, f, fmt.Sprintf("FILE-%d", i)); !ok || actual != fmt.Sprintf("File-%d", i) {
			t.Fatalf("%d: %q, %v", i, actual, ok)
		}
	}
	for i := 0; i < total; i += 2 {
		if err := f.root.Remove(ctx, nil, fmt.Sprintf("File-%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 200 {
		if _, ok := find(t, f, fmt.Sprintf("FILE-%d", i)); ok != (i%2 == 1) {
			t.Fatalf("%d: %v", i, ok)
		}
	}
	if err := os.WriteFile(dir+"/Foreign", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if actual, ok := find(t, f, "FOREIGN"); !ok || actual != "Foreign" {
		t.Errorf("%q, %v", actual, ok)
	}
	if err := os.Remove(dir + "/Foreign"); err != nil {
		t.Fatal(err)
	}
	if _, ok := find(t, f, "FOREIGN"); ok {
		t.Error("found after its removal")
	}
}

func TestOwnChangesDoNotListAgain(t *testing.T) {
	f, _ := newLocal(t, Options{})
	find(t, f, "x")
	d := f.index.get(f.root.id, false)
	// The age at which a moved stamp is doubted must not pass in this test.
	d.cost = time.Hour
	built := d.builtAt
	for i := range 500 {
		name := fmt.Sprintf("f%d", i)
		newFile(t, f, name)
		find(t, f, fmt.Sprintf("F%d", i))
		if err := f.root.Rename(context.Background(), nil, name, f.root, name+"x", false); err != nil {
			t.Fatal(err)
		}
		find(t, f, fmt.Sprintf("F%dX", i))
	}
	if d.builtAt != built || d.count != 500 {
		t.Errorf("listed again; %d names", d.count)
	}
	f.index.put(d, d.count)
}

func TestDoubtedStampIsCheckedOnAMiss(t *testing.T) {
	f, dir := newLocal(t, Options{})
	newFile(t, f, "a")
	find(t, f, "A")
	if err := os.WriteFile(dir+"/Hidden", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// As if the foreign change had slipped in just before one of our own.
	d := f.index.get(f.root.id, false)
	d.mu.Lock()
	d.settleLocked(f.root)
	d.builtAt = time.Now().Add(-time.Hour)
	d.mu.Unlock()
	f.index.put(d, d.count)
	if actual, ok := find(t, f, "HIDDEN"); !ok || actual != "Hidden" {
		t.Errorf("%q, %v", actual, ok)
	}
}

func TestIndexIsBounded(t *testing.T) {
	f, dir := newLocal(t, Options{IndexDirs: 4, IndexNames: 50})
	for i := range 20 {
		if err := os.Mkdir(fmt.Sprintf("%s/Dir%d", dir, i), 0o755); err != nil {
			t.Fatal(err)
		}
		for k := range 10 {
			if err := os.WriteFile(fmt.Sprintf("%s/Dir%d/File%d", dir, i, k), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 2 {
		for i := range 20 {
			path := fmt.Sprintf("DIR%d/FILE%d", i, i%10)
			if actual, ok := find(t, f, path); !ok || actual != fmt.Sprintf("Dir%d/File%d", i, i%10) {
				t.Fatalf("%s: %q, %v", path, actual, ok)
			}
			if f.index.lru.Len() > 4 || f.index.names > 50 || len(f.index.dirs) != f.index.lru.Len() {
				t.Fatalf("%d directories, %d names", f.index.lru.Len(), f.index.names)
			}
		}
	}
}

// Several FS that remember together keep within one bound, do not take the directories of
// one for those of another, and leave nothing behind.
func TestIndexOfSeveralFS(t *testing.T) {
	m := NewMemory(4, 50)
	dir := t.TempDir()
	const total = 5
	var all []*FS
	for range total {
		f, err := New(dir, Options{Memory: m})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	for k := range 10 {
		if err := os.WriteFile(fmt.Sprintf("%s/File%d", dir, k), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		for i, f := range all {
			if actual, ok := find(t, f, fmt.Sprintf("FILE%d", i)); !ok || actual != fmt.Sprintf("File%d", i) {
				t.Fatalf("FS %d: %q, %v", i, actual, ok)
			}
			if x := m.indexes; x.lru.Len() > 4 || x.names > 50 || len(x.dirs) != x.lru.Len() {
				t.Fatalf("%d directories, %d names", x.lru.Len(), x.names)
			}
		}
	}
	if x := m.indexes; x.lru.Len() != 4 {
		t.Errorf("%d indexes of one directory, want one for each of 4 FS", x.lru.Len())
	}
	for _, f := range all {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if x := m.indexes; x.lru.Len() != 0 || x.names != 0 || len(x.dirs) != 0 {
		t.Errorf("%d directories, %d names are left", x.lru.Len(), x.names)
	}
}

func TestIndexKeepsNamesWithOneHash(t *testing.T) {
	x := newIndexes(0, 0).of()
	d := &dirIndex{names: map[uint64]string{}}
	for _, name := range []string{"b", "B", "a"} {
		d.addLocked(&x, name)
	}
	if got, ok := d.matchLocked(x.hash("B"), "B", names.Rule{Fold: true}); !ok || got != "B" {
		t.Errorf("%q, %v", got, ok)
	}
	d.dropLocked(&x, "B")
	if got, ok := d.matchLocked(x.hash("B"), "B", names.Rule{Fold: true}); !ok || got != "b" {
		t.Errorf("%q, %v", got, ok)
	}
	d.dropLocked(&x, "b")
	d.dropLocked(&x, "none")
	if _, ok := d.matchLocked(x.hash("B"), "B", names.Rule{Fold: true}); ok || d.count != 1 || len(d.more) != 0 {
		t.Errorf("%+v", d)
	}
}

func TestHotPathsDoNotAllocate(t *testing.T) {
	f, _ := newLocal(t, Options{})
	n := newFile(t, f, "file")
	ctx := context.Background()
	h, err := n.Open(ctx, nil, vfs.OpenMode{Read: true, Write: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = h.Close() }()
	buf := make([]byte, 4096)
	for _, c := range []struct {
		what string
		max  float64
		do   func()
	}{
		{"write", 0, func() { _, _ = h.WriteAt(buf, 0) }},
		{"read", 0, func() { _, _ = h.ReadAt(buf, 0) }},
		{"attributes", 0, func() { _, _ = n.Attr(ctx, nil) }},
		{"lookup", 1, func() {
			if n, _, err := f.root.Lookup(ctx, nil, "file", vfs.LookupOptions{}); err == nil {
				n.Release()
			}
		}},
		{"lookup and open", 2, func() {
			mode := vfs.OpenMode{Read: true}
			if n, _, err := f.root.Lookup(ctx, nil, "file", vfs.LookupOptions{Hint: mode}); err == nil {
				if h, err := n.Open(ctx, nil, mode); err == nil {
					_ = h.Close()
				}
				n.Release()
			}
		}},
	} {
		if got := testing.AllocsPerRun(100, c.do); got > c.max {
			t.Errorf("%s: %v allocations", c.what, got)
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	f, _ := newLocal(b, Options{})
	newFile(b, f, "File")
	ctx := context.Background()
	for name, path := range map[string]string{"exact": "File", "folded": "fILE", "missing": "none"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n, _, err := f.root.Lookup(ctx, nil, path, vfs.LookupOptions{Fold: true})
				if err == nil {
					n.Release()
				}
			}
		})
	}
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		mode := vfs.OpenMode{Read: true, Write: true}
		for b.Loop() {
			n, _, err := f.root.Lookup(ctx, nil, "File", vfs.LookupOptions{Fold: true, Hint: mode})
			if err != nil {
				b.Fatal(err)
			}
			if _, err := n.Attr(ctx, nil); err != nil {
				b.Fatal(err)
			}
			h, err := n.Open(ctx, nil, mode)
			if err != nil {
				b.Fatal(err)
			}
			_ = h.Close()
			n.Release()
		}
	})
}

func BenchmarkCreate(b *testing.B) {
	for _, existing := range []int{0, 20_000} {
		b.Run(fmt.Sprint(existing), func(b *testing.B) {
			f, dir := newLocal(b, Options{})
			for i := range existing {
				if err := os.WriteFile(fmt.Sprintf("%s/before-%d", dir, i), nil, 0o600); err != nil {
					b.Fatal(err)
				}
			}
			ctx := context.Background()
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				name := fmt.Sprintf("file-%d", i)
				i++
				parent, _, err := f.root.Lookup(ctx, nil, name, vfs.LookupOptions{Fold: true, Parent: true})
				if !errors.Is(err, fs.ErrNotExist) {
					b.Fatal(err)
				}
				n, err := parent.Create(ctx, nil, name, vfs.CreateOptions{Type: vfs.TypeRegular, Fold: true})
				if err != nil {
					b.Fatal(err)
				}
				n.Release()
				parent.Release()
			}
		})
	}
}

func BenchmarkReadDir(b *testing.B) {
	f, dir := newLocal(b, Options{})
	for i := range 10_000 {
		if err := os.WriteFile(fmt.Sprintf("%s/file-%d", dir, i), nil, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	ctx := context.Background()
	for name, attrs := range map[string]bool{"names": false, "attributes": true} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			h, err := f.root.Open(ctx, nil, vfs.OpenMode{Read: true})
			if err != nil {
				b.Fatal(err)
			}
			buf := make([]vfs.DirEntry, 512)
			for b.Loop() {
				if err := h.Rewind(); err != nil {
					b.Fatal(err)
				}
				for {
					n, err := h.ReadDir(ctx, nil, buf)
					if err != nil {
						break
					}
					for i := range buf[:n] {
						if attrs {
							if _, err := h.EntryAttr(ctx, nil, &buf[i]); err != nil {
								b.Fatal(err)
							}
						}
					}
				}
			}
			_ = h.Close()
		})
	}
}
