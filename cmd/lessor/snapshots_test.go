package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"lessor/config"
	"lessor/vfs"
)

// Hidden snapshots are hidden from links, too.
func TestHiddenSnapshots(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(dir, ".snapshots"), 0o755), os.Symlink(".", filepath.Join(dir, "here"))); err != nil {
		t.Fatal(err)
	}
	for _, hidden := range []bool{true, false} {
		v := &volumes{}
		s := config.DefaultShare()
		s.Name, s.Path, s.FollowSymlinks = "s", dir, true
		s.Snapshots.Layout, s.Snapshots.Hidden = config.SnapshotsNames, hidden
		volume, err := v.get(&s)
		if err != nil {
			t.Fatal(err)
		}
		root := volume.Root()
		n, _, err := root.Lookup(t.Context(), nil, "here/.snapshots", vfs.LookupOptions{Fold: true})
		switch {
		case hidden && !errors.Is(err, fs.ErrNotExist):
			t.Errorf("hidden: %v", err)
		case !hidden && err != nil:
			t.Errorf("not hidden: %v", err)
		}
		if err == nil {
			n.Release()
		}
		root.Release()
		if err := v.close(); err != nil {
			t.Error(err)
		}
	}
}
