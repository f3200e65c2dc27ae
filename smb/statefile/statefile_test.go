package statefile

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestReplace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	old, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := Replace(path, []byte("new one"), nil)
	if err != nil {
		t.Fatal(err)
	}
	now, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if !SameVersion(info, now) || SameVersion(old, now) || now.Mode() != 0o600 {
		t.Errorf("%v, %v, %v", old, info, now)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "new one" {
		t.Errorf("%q %v", b, err)
	}
}

// TestReplaceFails: the old file stays, and nothing is left beside it.
func TestReplaceFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	bad := errors.New("bad")
	if _, err := Replace(path, []byte("new"), func(*os.File) error { return bad }); !errors.Is(err, bad) {
		t.Error(err)
	}
	if _, err := Replace(filepath.Join(dir, "none", "file"), nil, nil); err == nil {
		t.Error("without a directory")
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "old" {
		t.Errorf("%q %v", b, err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
		t.Errorf("%v %v", list, err)
	}
}
