package vfs_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor/vfs"
)

// collect returns a watcher function that notes what it is told.
func collect(into *[]string) func(vfs.Event) {
	return func(e vfs.Event) { *into = append(*into, e.Rel) }
}

func TestHubPassesOnWhatIsWatched(t *testing.T) {
	h := vfs.NewHub(strings.ToUpper)
	var entries, tree, root, sizes []string
	stop := h.Watch("Dir", false, vfs.FilterAll, collect(&entries))
	h.Watch("dIR", true, vfs.FilterAll, collect(&tree))
	h.Watch("", true, vfs.FilterAll, collect(&root))
	h.Watch("dir", true, vfs.FilterSize, collect(&sizes))

	h.Notify(
		vfs.Event{Path: "dir/a", Action: vfs.ActionAdded, Filter: vfs.FilterFileName},
		vfs.Event{Path: "DIR/Sub/b", Action: vfs.ActionModified, Filter: vfs.FilterSize},
	)
	h.Notify(vfs.Event{Path: "other", Action: vfs.ActionAdded, Filter: vfs.FilterFileName})
	h.Notify(vfs.Event{Path: "dir", Action: vfs.ActionModified, Filter: vfs.FilterAttributes})
	stop()
	stop()
	h.Notify(vfs.Event{Path: "dir/z", Action: vfs.ActionAdded, Filter: vfs.FilterFileName})

	for _, c := range []struct {
		what      string
		got, want []string
	}{
		{"entries", entries, []string{"a"}},
		{"tree", tree, []string{"a", "Sub/b", "z"}},
		{"root", root, []string{"dir/a", "DIR/Sub/b", "other", "dir", "dir/z"}},
		{"sizes", sizes, []string{"Sub/b"}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s: %s", c.what, diff)
		}
	}
}

func TestHubWithoutWatchers(t *testing.T) {
	var none *vfs.Hub
	none.Notify(vfs.Event{Path: "a", Filter: vfs.FilterAll})
	h := vfs.NewHub(nil)
	if n := testing.AllocsPerRun(100, func() {
		h.Notify(vfs.Event{Path: "a", Filter: vfs.FilterAll})
	}); n != 0 {
		t.Errorf("%v allocations with nobody watching", n)
	}
	if h.Watched() || none.Watched() {
		t.Error("watched by nobody")
	}
}

func TestHubIsSafeForConcurrentUse(t *testing.T) {
	h := vfs.NewHub(nil)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				stop := h.Watch("d", true, vfs.FilterAll, func(vfs.Event) {})
				h.Notify(vfs.Event{Path: "d/x", Filter: vfs.FilterSize})
				stop()
			}
		})
	}
	wg.Wait()
	if h.Watched() {
		t.Error("watchers left behind")
	}
}

func TestCheckPath(t *testing.T) {
	for path, ok := range map[string]bool{
		"": true, "a": true, "a/b": true, "..a/b..": true, "...": true,
		"/a": false, "a/": false, "a//b": false, ".": false, "a/..": false, "../a": false,
		"a/./b": false, "a\x00": false,
	} {
		if err := vfs.CheckPath(path); (err == nil) != ok {
			t.Errorf("%q: %v", path, err)
		}
	}
}

func TestHubLost(t *testing.T) {
	var none *vfs.Hub
	none.Lost()
	h := vfs.NewHub(nil)
	var got []vfs.Event
	note := func(e vfs.Event) { got = append(got, e) }
	h.Watch("a", false, vfs.FilterSize, note)
	h.Watch("b/c", true, vfs.FilterAll, note)
	stop := h.Watch("b", true, vfs.FilterAll, note)
	stop()
	h.Lost()
	if diff := cmp.Diff([]vfs.Event{{Action: vfs.ActionLost}, {Action: vfs.ActionLost}}, got); diff != "" {
		t.Error(diff)
	}
}
