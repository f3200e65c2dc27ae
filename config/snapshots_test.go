package config

import (
	"path/filepath"
	"testing"
)

func TestSnapshots(t *testing.T) {
	for text, want := range map[string]string{
		"{}":                                 "",
		"{layout: none}":                     "",
		"{layout: names}":                    ".snapshots",
		"{layout: zfs}":                      ".zfs/snapshot",
		"{layout: snapper}":                  ".snapshots",
		"{layout: names, directory: a/b/}":   "a/b",
		"{layout: names, directory: /snaps}": "/snaps",
		"{layout: zfs, directory: /p/.zfs/snapshot, subdirectory: home/x}": "/p/.zfs/snapshot",
	} {
		c, err := Load(write(t, "shares:\n  - {name: s, path: data, default_access: read, snapshots: "+text+"}\n"), Default())
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		s := &c.Shares[0]
		if got := s.SnapshotPlace(); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
		if n := s.Snapshots; !n.UTC || !n.Hidden || n.Limit != MaxSnapshots || n.Format == "" {
			t.Errorf("%s: %+v", text, n)
		}
	}
	s := DefaultShare()
	s.Path, s.Snapshots.Layout, s.Snapshots.Directory = "/srv/data", SnapshotsNames, "/srv/data/.s/x"
	if got := s.SnapshotPlace(); got != filepath.Join(".s", "x") {
		t.Errorf("inside: %q", got)
	}
	for text, key := range map[string]string{
		"path: data, snapshots: {layout: btrfs}":                          "shares[0].snapshots.layout",
		"path: data, snapshots: {layout: names, directory: ../x}":         "shares[0].snapshots.directory",
		"path: data, snapshots: {layout: names, directory: .}":            "shares[0].snapshots.directory",
		"path: data, snapshots: {layout: names, subdirectory: /x}":        "shares[0].snapshots.subdirectory",
		"path: data, snapshots: {layout: names, subdirectory: a/../../x}": "shares[0].snapshots.subdirectory",
		"path: data, snapshots: {layout: names, limit: 0}":                "shares[0].snapshots.limit",
		"path: data, snapshots: {layout: names, limit: 1025}":             "shares[0].snapshots.limit",
		"type: memory, snapshots: {layout: names}":                        "shares[0].snapshots.layout",
	} {
		_, err := Load(write(t, "shares:\n  - {name: s, default_access: read, "+text+"}\n"), Default())
		if p := firstProblem(err); p == nil || p.Key != key || p.Remedy == "" {
			t.Errorf("%s: %v", text, err)
		}
	}
}
