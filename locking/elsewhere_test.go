package locking

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFindOpens(t *testing.T) {
	e := newEnv(t, Options{})
	e.open(fileA, 0, path("d/a"), lease(1, LeaseRH))
	e.open(fileA, 0, path("d/a"), lease(1, LeaseRH))
	e.open(fileA, 1, path("hard link"), access(accessRead))
	e.openStream(fileB, "S", 1, path("d/b"))
	e.open(dirD, 1, path("d"), directory)
	e.open(Key{9}, 1, path("d/far"), func(r *OpenRequest) { r.Volume = 5 })
	any := func(string) bool { return true }
	below := func(p string) bool { return strings.HasPrefix(p, "d/") }
	for _, c := range []struct {
		what    string
		volume  uint64
		caching bool
		sel     func(string) bool
		want    []OpenName
	}{
		{"all", 0, false, any, []OpenName{{fileA, "d/a", false}, {fileA, "hard link", false}, {fileB, "d/b", false}, {dirD, "d", true}}},
		{"below", 0, false, below, []OpenName{{fileA, "d/a", false}, {fileB, "d/b", false}}},
		{"cached", 0, true, any, []OpenName{{fileA, "d/a", false}, {fileA, "hard link", false}}},
		{"another volume", 5, false, below, []OpenName{{Key{9}, "d/far", false}}},
	} {
		got := map[OpenName]int{}
		for _, n := range e.m.FindOpens(c.volume, c.caching, c.sel) {
			got[n]++
		}
		want := map[OpenName]int{}
		for _, n := range c.want {
			want[n]++
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", c.what, diff)
		}
	}
}

func TestRenamedFile(t *testing.T) {
	e := newEnv(t, Options{})
	a, _ := e.open(fileA, 0, path("old"))
	again, _ := e.openStream(fileA, "S", 1, path("old"))
	other, _ := e.open(fileA, 1, path("hard link"))
	e.m.RenamedFile(fileB, 0, "old", "nothing")
	e.m.RenamedFile(fileA, 7, "old", "another volume")
	e.m.RenamedFile(fileA, 0, "unknown", "nothing")
	e.m.RenamedFile(fileA, 0, "old", "dir/new")
	if a.Path() != "dir/new" || again.Path() != "dir/new" || other.Path() != "hard link" {
		t.Error(a.Path(), again.Path(), other.Path())
	}
}
