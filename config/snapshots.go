package config

import (
	"path/filepath"
	"strings"
)

// Previous versions of files.

// Snapshots says where the snapshots of a share are.
type Snapshots struct {
	Layout SnapshotLayout `mapstructure:"layout"`
	// Directory has the snapshots; a relative path begins at the directory of the share. Empty:
	// the usual one of the layout.
	Directory string `mapstructure:"directory"`
	// Format is the form of the names, with conversions of strftime and *.
	Format string `mapstructure:"format"`
	// UTC says that names are in UTC; else they are in the time zone of the machine.
	UTC bool `mapstructure:"utc"`
	// Subdirectory is where in a snapshot the share is.
	Subdirectory string `mapstructure:"subdirectory"`
	// Hidden keeps the directory from clients, if it lies in the share.
	Hidden bool `mapstructure:"hidden"`
	// Limit is how many of the newest count, up to MaxSnapshots.
	Limit int `mapstructure:"limit"`
}

// MaxSnapshots is the largest Snapshots.Limit.
const MaxSnapshots = 1024

// SnapshotLayout says how snapshots are laid out.
type SnapshotLayout string

// The values of SnapshotLayout.
const (
	SnapshotsNone    SnapshotLayout = "none"
	SnapshotsNames   SnapshotLayout = "names"   // DIRECTORY/NAME, where the name tells the time
	SnapshotsZFS     SnapshotLayout = "zfs"     // the same, in .zfs/snapshot
	SnapshotsSnapper SnapshotLayout = "snapper" // DIRECTORY/NUMBER/snapshot
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *SnapshotLayout) UnmarshalText(text []byte) error {
	return parseWord(l, text, SnapshotsNone, SnapshotsNames, SnapshotsZFS, SnapshotsSnapper)
}

func defaultSnapshots() Snapshots {
	return Snapshots{Layout: SnapshotsNone, Format: "@GMT-%Y.%m.%d-%H.%M.%S", UTC: true, Hidden: true, Limit: MaxSnapshots}
}

// SnapshotPlace is the directory of the snapshots: a path relative to that of the share, or an
// absolute one outside of it. Empty: the share has none.
func (s *Share) SnapshotPlace() string {
	n := &s.Snapshots
	dir := n.Directory
	switch {
	case n.Layout == SnapshotsNone:
		return ""
	case dir == "" && n.Layout == SnapshotsZFS:
		dir = ".zfs/snapshot"
	case dir == "":
		dir = ".snapshots"
	}
	if filepath.IsAbs(dir) {
		if rel, err := filepath.Rel(s.Path, dir); err == nil && filepath.IsLocal(rel) {
			dir = rel
		}
	}
	return filepath.Clean(dir)
}

// snapshots checks the settings. The format is checked by who can read it.
func (v *validation) snapshots(key string, s *Share) {
	n := &s.Snapshots
	if n.Layout == SnapshotsNone {
		return
	}
	if s.Type == ShareMemory {
		v.problem(key+".layout", "a share of type memory has no snapshots", "remove the line")
	}
	if place := s.SnapshotPlace(); place == "." || !filepath.IsAbs(place) && !filepath.IsLocal(place) {
		v.problem(key+".directory", "bad value \""+n.Directory+"\"", "give a directory below the share such as .snapshots, or an absolute path")
	}
	if sub := n.Subdirectory; sub != "" && !filepath.IsLocal(sub) || strings.Contains(sub, "\x00") {
		v.problem(key+".subdirectory", "bad value \""+sub+"\"", "give a path without .. that is relative to the snapshot")
	}
	if n.Limit < 1 || n.Limit > MaxSnapshots {
		v.problem(key+".limit", "out of range", "want 1 to 1024")
	}
}
