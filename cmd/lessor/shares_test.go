package main

import (
	"testing"

	"lessor/config"
	"lessor/vfs"
	"lessor/vfs/localfs"
)

// How a share is watched reaches the file system, and turning it off needs no other
// one.
func TestSharesWatch(t *testing.T) {
	var v volumes
	t.Cleanup(func() {
		if err := v.close(); err != nil {
			t.Error(err)
		}
	})
	dir := t.TempDir()
	get := func(w config.Watch) (off bool, fs vfs.FS) {
		t.Helper()
		s := config.DefaultShare()
		s.Name, s.Path, s.Watch = "s", dir, w
		list, err := v.shares(&config.Config{Shares: []config.Share{s}}, &auditLogs{})
		if err != nil {
			t.Fatal(err)
		}
		return list[0].NoLocalChanges, list[0].FS
	}
	for _, w := range []config.Watch{config.WatchFanotify, config.WatchInotify} {
		off, fs := get(w)
		if off {
			t.Errorf("%s is off", w)
		}
		local, ok := fs.(*localfs.FS)
		if !ok {
			t.Fatalf("a share of type %T", fs)
		}
		watch, err := local.Watch(func([]vfs.Change) {})
		if err != nil {
			t.Skip(err)
		}
		if watch.Means() != string(w) {
			t.Errorf("%s listens by %s", w, watch.Means())
		}
		if err := watch.Close(); err != nil {
			t.Error(err)
		}
	}
	off, auto := get(config.WatchAuto)
	if off {
		t.Error("auto is off")
	}
	if off, fs := get(config.WatchOff); !off || fs != auto {
		t.Error("not off, or another file system")
	}
}

// What a word in the file says of execution and of write times reaches the share.
func TestSharesWords(t *testing.T) {
	var v volumes
	t.Cleanup(func() {
		if err := v.close(); err != nil {
			t.Error(err)
		}
	})
	for _, set := range []bool{false, true} {
		s := config.DefaultShare()
		s.Name, s.Path = "s", t.TempDir()
		if set {
			s.Execute, s.WriteTime = config.ExecuteWithRead, config.WriteTimeDelayed
		}
		list, err := v.shares(&config.Config{Shares: []config.Share{s}}, &auditLogs{})
		if err != nil {
			t.Fatal(err)
		}
		if list[0].ExecuteWithRead != set || list[0].DelayWriteTime != set {
			t.Errorf("set %v: execute %v, delayed %v", set, list[0].ExecuteWithRead, list[0].DelayWriteTime)
		}
	}
}
