package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"lessor/config"
	"lessor/smb"
	"lessor/vfs"
	"lessor/vfs/localfs"
	"lessor/vfs/snapdir"
)

// pastMemory is what is remembered of all snapshots together: clients decide how many of them
// are open.
var pastMemory = sync.OnceValue(func() *localfs.Memory { return localfs.NewMemory(0, 0) })

// snapshotKey is what decides whether two shares, or a share before and after a reload, can use
// the same snapshots.
type snapshotKey struct {
	volume   volumeKey
	settings config.Snapshots
}

// snapshotOptions translates the settings of a share with snapshots. Errors: a Problem.
func snapshotOptions(c *config.Config, i int) (snapdir.Options, error) {
	s := &c.Shares[i]
	n := &s.Snapshots
	o := snapdir.Options{Root: s.Path, Directory: s.SnapshotPlace(), Location: time.UTC, Subdirectory: n.Subdirectory, Limit: n.Limit}
	if !n.UTC {
		o.Location = time.Local
	}
	if n.Layout == config.SnapshotsSnapper {
		o.Layout = snapdir.Snapper
		return o, nil
	}
	format, err := snapdir.ParseFormat(n.Format)
	if err != nil {
		return o, c.Problem(fmt.Sprintf("shares[%d].snapshots.format", i), fmt.Sprintf("bad value %q: %v", n.Format, err),
			"give the form of a name such as daily-%Y-%m-%d or *-%Y%m%d%H%M%S")
	}
	o.Format = format
	return o, nil
}

// checkSnapshots checks what package config cannot.
func checkSnapshots(c *config.Config) error {
	var errs []error
	for i := range c.Shares {
		if c.Shares[i].SnapshotPlace() != "" {
			_, err := snapshotOptions(c, i)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// addSnapshots gives a share what it has of previous versions.
func (v *volumes) addSnapshots(c *config.Config, i int, share *smb.Share) error {
	s := &c.Shares[i]
	place := s.SnapshotPlace()
	if place == "" {
		return nil
	}
	k := snapshotKey{keyOf(s), s.Snapshots}
	set := v.snapshots[k]
	if set == nil {
		o, err := snapshotOptions(c, i)
		if err != nil {
			return err
		}
		opts := localOptions(s.Name, k.volume)
		opts.Preserve, opts.Memory = true, pastMemory()
		o.Open = func(path string) (vfs.FS, error) { return localfs.New(path, opts) }
		set = snapdir.New(o)
		if v.snapshots == nil {
			v.snapshots = make(map[snapshotKey]*snapdir.Set)
		}
		v.snapshots[k] = set
	}
	share.Snapshots, share.SnapshotDir = set, hiddenSnapshots(s)
	return nil
}

// hiddenSnapshots is the directory of a share that clients do not see, because snapshots are in
// it; empty: there is none.
func hiddenSnapshots(s *config.Share) string {
	place := s.SnapshotPlace()
	if place == "" || !s.Snapshots.Hidden || filepath.IsAbs(place) {
		return ""
	}
	place = filepath.ToSlash(place)
	if first, _, _ := strings.Cut(place, "/"); first == ".zfs" {
		return first
	}
	return place
}

// snapshotsOutside is the directory of the snapshots of a share if the share does not have it;
// else it is empty.
func snapshotsOutside(s *config.Share) string {
	if place := s.SnapshotPlace(); filepath.IsAbs(place) {
		return place
	}
	return ""
}
