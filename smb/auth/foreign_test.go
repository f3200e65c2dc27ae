package auth

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestForeign(t *testing.T) {
	path := filepath.Join(t.TempDir(), "foreign")
	n, err := OpenForeign(path)
	must(t, err)
	want := make(map[string]uint32)
	for i := range 5 {
		name := fmt.Sprintf("user%d@EXAMPLE.COM", i)
		rid, err := n.RID(name)
		must(t, err)
		if want[name] = rid; rid != foreignRIDs+uint32(i) {
			t.Errorf("%s has %d", name, rid)
		}
	}
	upper, err := n.RID("USER0@EXAMPLE.COM")
	must(t, err)
	if upper == want["user0@EXAMPLE.COM"] {
		t.Error("two principals have one number")
	}
	if _, err := n.RID("a\nb"); !errors.Is(err, ErrUserName) {
		t.Errorf("line feed: %v", err)
	}
	must(t, n.Close())

	// A crash in the middle of a line.
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteString("322122547 torn and long, longer than what comes")
	must(t, errors.Join(err, f.Close()))
	for range 2 {
		n, err = OpenForeign(path)
		must(t, err)
		for name, rid := range want {
			if got, err := n.RID(name); got != rid || err != nil {
				t.Errorf("%s has %d, %v, had %d", name, got, err, rid)
			}
			if got, ok := n.Name(rid); got != name || !ok {
				t.Errorf("%d is %q, %v", rid, got, ok)
			}
		}
		rid, err := n.RID("new@X")
		must(t, err)
		if rid != upper+1 {
			t.Errorf("new is %d, not %d", rid, upper+1)
		}
		must(t, n.Close())
	}
	for _, rid := range []uint32{0, foreignRIDs - 1, foreignRIDs + 7, 1<<32 - 1} {
		if name, ok := n.Name(rid); ok {
			t.Errorf("%d is %q", rid, name)
		}
	}
}

func TestForeignBroken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "foreign")
	for _, text := range []string{"x\n", "3221225472\n", "3221225473 a\n", "3221225472 a\n3221225473 a\n", "1000 a\n"} {
		must(t, os.WriteFile(path, []byte(text), 0o600))
		if _, err := OpenForeign(path); !errors.Is(err, ErrForeign) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := OpenForeign(filepath.Join(path, "x")); err == nil {
		t.Error("opened a file below a file")
	}
}

// TestForeignConcurrent: many at once get one number each.
func TestForeignConcurrent(t *testing.T) {
	n := NewForeign()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 100 {
				if _, err := n.RID(fmt.Sprint("u", i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if len(n.names) != 100 || len(n.byName) != 100 {
		t.Errorf("%d names, %d numbers", len(n.names), len(n.byName))
	}
}
