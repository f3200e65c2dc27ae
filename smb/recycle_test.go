package smb_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lessor/smb"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/vfs"
	"lessor/vfs/errfs"
	"lessor/vfs/memfs"
)

// binServer has a share with a recycle bin.
func binServer(t *testing.T, tweak func(*smb.Recycle)) (*client.Tree, string) {
	t.Helper()
	rc := &smb.Recycle{Directory: ".recycle/%U", KeepTree: true, Versions: true}
	if tweak != nil {
		tweak(rc)
	}
	s, dir := dirServer(t, func(sh *smb.Share) { sh.Recycle = rc })
	return s.connect(t), dir
}

// has fails the test unless a file has this content, or is not there if want is empty.
func has(t *testing.T, dir, name, want string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	switch {
	case want == "" && !os.IsNotExist(err):
		t.Errorf("%s is there: %q, %v", name, b, err)
	case want != "" && (err != nil || string(b) != want):
		t.Errorf("%s: %q, %v; want %q", name, b, err, want)
	}
}

func remove(t *testing.T, tree *client.Tree, names ...string) {
	t.Helper()
	for _, n := range names {
		if err := tree.Remove(t.Context(), n); err != nil {
			t.Fatal(n, err)
		}
	}
}

func TestDeletedFilesAreInTheBin(t *testing.T) {
	tree, dir := binServer(t, nil)
	put(t, dir, "a/b/c.txt", "one")
	remove(t, tree, `a\b\c.txt`)
	put(t, dir, "a/b/c.txt", "two")
	remove(t, tree, `a\b\c.txt`)
	put(t, dir, "top", "three")
	f := create(t, tree, client.CreateArgs{Name: "top", Access: client.DeleteAccess, Options: wire.OptionDeleteOnClose})
	if err := f.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	has(t, dir, "a/b/c.txt", "")
	has(t, dir, "top", "")
	has(t, dir, ".recycle/alice/a/b/c.txt", "one")
	has(t, dir, ".recycle/alice/a/b/c (2).txt", "two")
	has(t, dir, ".recycle/alice/top", "three")

	// A directory goes, a stream goes, and what is in the bin goes for good.
	put(t, dir, "d/x", "x")
	remove(t, tree, `d\x`, "d", `.recycle\alice\top`)
	has(t, dir, ".recycle/alice/top", "")
	if _, err := os.Stat(filepath.Join(dir, ".recycle/alice/d/x")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "d")); !os.IsNotExist(err) {
		t.Error("the directory is there:", err)
	}
}

func TestBinSettings(t *testing.T) {
	tree, dir := binServer(t, func(r *smb.Recycle) {
		*r = smb.Recycle{Directory: "bin", MinSize: 2, MaxSize: 4, Exclude: []string{"*.tmp"}, ExcludeDirs: []string{"build"},
			Touch: true, Replaced: true}
	})
	old := time.Now().Add(-24 * time.Hour)
	for name, text := range map[string]string{"a/ok": "123", "small": "1", "large": "12345", "x.TMP": "123", "Build/in/o": "123", "b/ok": "999"} {
		put(t, dir, name, text)
		if err := os.Chtimes(filepath.Join(dir, name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	remove(t, tree, `a\ok`, "small", "large", "x.tmp", `build\in\o`)
	list, err := os.ReadDir(filepath.Join(dir, "bin"))
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	has(t, dir, "bin/ok", "123")
	st, err := tree.Stat(t.Context(), `bin\ok`)
	if err != nil || time.Since(st.LastAccessTime.Time()) > time.Hour || time.Since(st.LastWriteTime.Time()) < time.Hour {
		t.Error("times:", st.LastAccessTime.Time(), st.LastWriteTime.Time(), err)
	}
	remove(t, tree, `b\ok`)
	has(t, dir, "bin/ok", "999") // without versions the older one goes

	put(t, dir, "from", "new")
	put(t, dir, "To", "old")
	if err := tree.RenameFile(t.Context(), "from", "to", true); err != nil {
		t.Fatal(err)
	}
	has(t, dir, "to", "new")
	has(t, dir, "bin/To", "old")
}

func TestBinOfAUserIsHisOwn(t *testing.T) {
	s, dir := dirServer(t, func(sh *smb.Share) { sh.Recycle = &smb.Recycle{Directory: "bin/%U"} })
	put(t, dir, "f", "secret")
	remove(t, s.connect(t), "f")
	bob := s.connect(t, func(o *client.Options) { o.User = "bob" })
	for _, name := range []string{`bin\alice`} {
		_, err := bob.Create(t.Context(), client.CreateArgs{Name: name, Disposition: client.Open, Access: client.ListDirectory})
		mustBe(t, "bob looks", err, ntstatus.AccessDenied)
	}
	if got := namesIn(t, s.connect(t), `bin\alice`); len(got) != 1 || got[0] != "f" {
		t.Error(got)
	}
}

func TestBinThatCannotBeUsedLosesNothing(t *testing.T) {
	for _, gone := range []bool{false, true} {
		tree, dir := binServer(t, func(r *smb.Recycle) { r.Directory, r.DeleteOnFailure = "bin/%U", gone })
		put(t, dir, "bin", "a file is in the way")
		put(t, dir, "f", "text")
		remove(t, tree, "f")
		if gone {
			has(t, dir, "f", "")
		} else {
			has(t, dir, "f", "text")
		}
	}
}

func TestReplacedFileComesBackIfTheRenameFails(t *testing.T) {
	inner := memfs.New(memfs.Options{})
	fs := errfs.New(inner)
	s := newTestServer(t, func(_ *smb.Config, sh *smb.Share) {
		sh.FS, sh.Recycle = fs, &smb.Recycle{Directory: "bin", Replaced: true, Versions: true}
	})
	tree := s.connect(t)
	for name, text := range map[string]string{"from": "new", "to": "old"} {
		if err := tree.WriteFile(t.Context(), name, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	fs.Add(errfs.Rule{Op: errfs.OpRename, Path: "from", Err: vfs.ErrNoSpace})
	mustBe(t, "rename", tree.RenameFile(t.Context(), "from", "to", true), ntstatus.DiskFull)
	for name, want := range map[string]string{"from": "new", "to": "old"} {
		if b, err := tree.ReadFile(t.Context(), name); err != nil || string(b) != want {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
}

func TestBinIsPurged(t *testing.T) {
	var share smb.Share
	s, dir := dirServer(t, func(sh *smb.Share) {
		sh.Recycle = &smb.Recycle{Directory: "bin", KeepTree: true}
		share = *sh
	})
	tree := s.connect(t)
	put(t, dir, "d/gone", "x")
	put(t, dir, "used", "x")
	remove(t, tree, `d\gone`, "used")
	held := create(t, tree, client.CreateArgs{Name: `bin\used`, Access: client.ReadAccess})
	share.Recycle = &smb.Recycle{Directory: "bin", KeepTree: true, Retention: 20 * time.Millisecond}
	if err := s.SetShares([]smb.Share{share}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the bin is empty", func() bool {
		_, err := os.Stat(filepath.Join(dir, "bin/d"))
		return os.IsNotExist(err)
	})
	has(t, dir, "bin/used", "x") // somebody has it open
	if err := held.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the file goes when it is closed", func() bool {
		_, err := os.Stat(filepath.Join(dir, "bin/used"))
		return os.IsNotExist(err)
	})
	if _, err := os.Stat(filepath.Join(dir, "bin")); err != nil {
		t.Error("the bin itself is gone:", err)
	}
}

func TestLongNamesInTheBin(t *testing.T) {
	tree, dir := binServer(t, nil)
	name := strings.Repeat("ä", 125) + ".txt"
	for i := range 3 {
		put(t, dir, name, string(rune('a'+i)))
		remove(t, tree, name)
	}
	list, err := os.ReadDir(filepath.Join(dir, ".recycle/alice"))
	if err != nil || len(list) != 3 {
		t.Fatal(list, err)
	}
}
