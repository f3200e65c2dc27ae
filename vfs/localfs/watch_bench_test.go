//go:build linux

package localfs

import (
	"context"
	"os"
	"testing"

	"lessor/vfs"
)

// BenchmarkWatchAdd is what a client that caches a file costs, in a directory that
// is marked already.
func BenchmarkWatchAdd(b *testing.B) {
	f, dir := newLocal(b, Options{})
	if err := os.MkdirAll(dir+"/some/where", 0o700); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(dir+"/some/where/file", nil, 0o600); err != nil {
		b.Fatal(err)
	}
	w, err := f.Watch(func([]vfs.Change) {})
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	n, _, err := f.root.Lookup(context.Background(), nil, "some/where/file", vfs.LookupOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer n.Release()
	b.ReportAllocs()
	for b.Loop() {
		what, _, err := w.Add(n, false)
		if err != nil {
			b.Fatal(err)
		}
		what.Stop()
	}
}
