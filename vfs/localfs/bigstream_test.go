package localfs_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"lessor/vfs"
	"lessor/vfs/localfs"
)

// bigStream makes a file with a stream that no attribute has room for.
func bigStream(t *testing.T, f *localfs.FS, name string) vfs.Node {
	t.Helper()
	ctx := context.Background()
	root := f.Root()
	defer root.Release()
	n, err := root.Create(ctx, nil, name, vfs.CreateOptions{Type: vfs.TypeRegular})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Release)
	st, err := n.Stream(ctx, nil, "big", true)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Release()
	if err := st.SetAttr(ctx, nil, &vfs.SetAttr{Mask: vfs.SetSize, Size: 100_000}); err != nil {
		t.Fatal(err)
	}
	return n
}

// stored counts the files that hold streams.
func stored(t *testing.T, dir string) int {
	t.Helper()
	list, err := os.ReadDir(filepath.Join(dir, ".lessor-streams"))
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// The files that hold streams go with them: when the stream or the file is removed, or
// replaced, and not while the file has a name.
func TestBigStreamsAreRemoved(t *testing.T) {
	f, dir := export(t, localfs.Options{})
	defer func() { check(t, f.Close()) }()
	ctx := context.Background()
	root := f.Root()
	defer root.Release()
	a := bigStream(t, f, "a")
	bigStream(t, f, "b")
	bigStream(t, f, "c")
	want := func(what string, n int) {
		t.Helper()
		if got := stored(t, dir); got != n {
			t.Errorf("%s: %d files, want %d", what, got, n)
		}
	}
	want("three", 3)
	check(t, root.Link(ctx, nil, a, "link", false))
	check(t, root.Remove(ctx, nil, "a"))
	want("another link is left", 3)
	check(t, root.Remove(ctx, nil, "link"))
	want("no link is left", 2)
	check(t, root.Rename(ctx, nil, "b", root, "c", true))
	want("replaced by rename", 1)
	other, err := root.Create(ctx, nil, "other", vfs.CreateOptions{Type: vfs.TypeRegular})
	check(t, err)
	defer other.Release()
	check(t, root.Link(ctx, nil, other, "c", true))
	want("replaced by link", 0)
}

// A server that starts later finds the streams, under their names.
func TestBigStreamsLast(t *testing.T) {
	f, dir := export(t, localfs.Options{})
	bigStream(t, f, "f")
	check(t, f.Close())
	f, err := localfs.New(dir, localfs.Options{})
	check(t, err)
	defer func() { check(t, f.Close()) }()
	ctx := context.Background()
	root := f.Root()
	defer root.Release()
	n, _, err := root.Lookup(ctx, nil, "f", vfs.LookupOptions{})
	check(t, err)
	defer n.Release()
	list, err := n.Streams(ctx, nil)
	if err != nil || len(list) != 1 || list[0].Name != "big" || list[0].Size != 100_000 {
		t.Fatalf("%+v, %v", list, err)
	}

	// A copy that another program makes with all attributes gets a stream of its own when
	// that is opened, and does not take the other's along before.
	name := filepath.Join(dir, "copy")
	check(t, os.WriteFile(name, nil, 0o600))
	const pointer = "user.lessor.Stream.big"
	value := make([]byte, 256)
	size, err := unix.Getxattr(filepath.Join(dir, "f"), pointer, value)
	check(t, err)
	check(t, unix.Setxattr(name, pointer, value[:size], 0))
	check(t, os.WriteFile(name+"2", nil, 0o600))
	check(t, unix.Setxattr(name+"2", pointer, value[:size], 0))
	c, _, err := root.Lookup(ctx, nil, "copy", vfs.LookupOptions{})
	check(t, err)
	defer c.Release()
	if list, err := c.Streams(ctx, nil); err != nil || len(list) != 1 || list[0].Size != 100_000 {
		t.Errorf("the copy: %+v, %v", list, err)
	}
	check(t, root.Remove(ctx, nil, "copy2"))
	if n := stored(t, dir); n != 1 {
		t.Errorf("%d files after the end of a copy", n)
	}
	st, err := c.Stream(ctx, nil, "BIG", false)
	check(t, err)
	defer st.Release()
	if n := stored(t, dir); n != 2 {
		t.Errorf("%d files after a copy was opened", n)
	}
	check(t, st.SetAttr(ctx, nil, &vfs.SetAttr{Mask: vfs.SetSize, Size: 5}))
	if list, err := n.Streams(ctx, nil); err != nil || list[0].Size != 100_000 {
		t.Errorf("changed with the copy: %+v, %v", list, err)
	}
	check(t, root.Remove(ctx, nil, "copy"))
	if n := stored(t, dir); n != 1 {
		t.Errorf("%d files after the end of a copy with a stream of its own", n)
	}
}

// Shares that overlap, and two of one directory, know each other's streams.
func TestBigStreamsOfOverlappingShares(t *testing.T) {
	ctx := context.Background()
	top := t.TempDir()
	check(t, os.Mkdir(filepath.Join(top, "sub"), 0o755))
	var all []*localfs.FS
	for _, dir := range []string{"", "", "sub"} {
		f, err := localfs.New(filepath.Join(top, dir), localfs.Options{})
		check(t, err)
		t.Cleanup(func() { check(t, f.Close()) })
		all = append(all, f)
	}
	bigStream(t, all[2], "f")
	for i, path := range []string{"sub/f", "sub/f", "f"} {
		root := all[i].Root()
		t.Cleanup(root.Release)
		n, _, err := root.Lookup(ctx, nil, path, vfs.LookupOptions{})
		check(t, err)
		t.Cleanup(n.Release)
		st, err := n.Stream(ctx, nil, "big", false)
		check(t, err)
		t.Cleanup(st.Release)
		if a, err := st.Attr(ctx, nil); err != nil || a.Size != 100_000 {
			t.Errorf("share %d: %d bytes, %v", i, a.Size, err)
		}
	}
	bigStream(t, all[0], "g")
	two := all[1].Root()
	defer two.Release()
	if n := stored(t, top); n != 1 {
		t.Errorf("%d files at the top", n)
	}
	check(t, two.Remove(ctx, nil, "g"))
	if n := stored(t, top); n != 0 {
		t.Errorf("%d files are left", n)
	}
	root := all[0].Root()
	defer root.Release()
	sub, _, err := root.Lookup(ctx, nil, "sub", vfs.LookupOptions{})
	check(t, err)
	defer sub.Release()
	check(t, sub.Remove(ctx, nil, "f"))
	if n := stored(t, filepath.Join(top, "sub")); n != 0 {
		t.Errorf("%d files are left below", n)
	}
}

// Nobody comes to the directory that holds streams: not by its name in any case, not by
// a list, and not by a link.
func TestBigStreamsAreHidden(t *testing.T) {
	f, dir := export(t, localfs.Options{})
	defer func() { check(t, f.Close()) }()
	ctx := context.Background()
	root := f.Root()
	defer root.Release()
	bigStream(t, f, "f")
	const name = ".lessor-streams"
	inside, err := os.ReadDir(filepath.Join(dir, name))
	check(t, err)
	h, err := root.Open(ctx, nil, vfs.OpenMode{Read: true})
	check(t, err)
	defer func() { check(t, h.Close()) }()
	entries := make([]vfs.DirEntry, 10)
	if n, err := h.ReadDir(ctx, nil, entries); err != nil || n != 1 || entries[0].Name != "f" {
		t.Errorf("listed %v, %v", entries[:n], err)
	}
	for _, path := range []string{name, ".LESSOR-Streams", name + "/" + inside[0].Name(), "f/" + name} {
		for _, fold := range []bool{false, true} {
			if n, _, err := root.Lookup(ctx, nil, path, vfs.LookupOptions{Fold: fold, Parent: true}); err == nil {
				n.Release()
				t.Errorf("%s was found", path)
			}
		}
	}
	for link, target := range map[string]string{"dir": name, "file": name + "/" + inside[0].Name(), "up": "./x/../" + name} {
		check(t, os.MkdirAll(filepath.Join(dir, "x"), 0o755))
		check(t, os.Symlink(target, filepath.Join(dir, link)))
		if n, _, err := root.Lookup(ctx, nil, link, vfs.LookupOptions{Hint: vfs.OpenMode{Read: true}}); err == nil {
			n.Release()
			t.Errorf("the link %s was followed", link)
		}
		if n, _, err := root.Lookup(ctx, nil, link+"/"+inside[0].Name(), vfs.LookupOptions{}); err == nil {
			n.Release()
			t.Errorf("the link %s was followed", link)
		}
	}
	_, err = root.Create(ctx, nil, name, vfs.CreateOptions{Type: vfs.TypeDirectory})
	wantInvalid(t, "create", err)
	wantInvalid(t, "remove", root.Remove(ctx, nil, name))
	wantInvalid(t, "rename", root.Rename(ctx, nil, name, root, "y", false))
	wantInvalid(t, "rename to", root.Rename(ctx, nil, "f", root, name, true))
	_, err = root.Symlink(ctx, nil, name, "f")
	wantInvalid(t, "link", err)
}

func wantInvalid(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, vfs.ErrInvalidName) {
		t.Errorf("%s: %v", what, err)
	}
}

// A stream that cannot be removed keeps its data, and so does one that a rename does not
// replace after all.
func TestBigStreamsSurviveRefusals(t *testing.T) {
	f, dir := export(t, localfs.Options{})
	defer func() { check(t, f.Close()) }()
	ctx := context.Background()
	n := bigStream(t, f, "f")
	small, err := n.Stream(ctx, nil, "small", true)
	check(t, err)
	small.Release()
	refuse(t, filepath.Join(dir, "f"))
	if err := n.RemoveStream(ctx, nil, "big"); err == nil {
		t.Error("it was removed")
	}
	if err := n.RenameStream(ctx, nil, "small", "big", true); err == nil {
		t.Error("it was replaced")
	}
	if got := stored(t, dir); got != 1 {
		t.Errorf("%d files hold its data", got)
	}
	list, err := n.Streams(ctx, nil)
	if err != nil || len(list) != 2 || list[0].Size != 100_000 {
		t.Errorf("%+v, %v", list, err)
	}
}

// refuse lets nobody change the extended attributes of a file until the end of the test.
func refuse(t *testing.T, path string) {
	t.Helper()
	if os.Geteuid() != 0 {
		check(t, os.Chmod(path, 0o400))
		return
	}
	file, err := os.Open(path)
	check(t, err)
	t.Cleanup(func() { _ = file.Close() })
	const immutable = 0x10
	flags, err := unix.IoctlGetInt(int(file.Fd()), unix.FS_IOC_GETFLAGS)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(file.Fd()), unix.FS_IOC_SETFLAGS, flags|immutable)
	}
	if err != nil {
		t.Skip("no file can be made immutable here:", err)
	}
	t.Cleanup(func() { check(t, unix.IoctlSetPointerInt(int(file.Fd()), unix.FS_IOC_SETFLAGS, flags)) })
}

// What a stream had is as stable as before when it becomes a file: the new data is on the
// disk before the attribute with the old goes.
func TestStreamsSpillStably(t *testing.T) {
	f, dir := export(t, localfs.Options{})
	defer func() { check(t, f.Close()) }()
	ctx := context.Background()
	var fsType unix.Statfs_t
	check(t, unix.Statfs(dir, &fsType))
	if fsType.Type == unix.TMPFS_MAGIC {
		t.Skip("nothing is stable on tmpfs")
	}
	root := f.Root()
	defer root.Release()
	n, err := root.Create(ctx, nil, "f", vfs.CreateOptions{Type: vfs.TypeRegular})
	check(t, err)
	defer n.Release()
	st, err := n.Stream(ctx, nil, "s", true)
	check(t, err)
	defer st.Release()
	h, err := st.Open(ctx, nil, vfs.OpenMode{Write: true})
	check(t, err)
	defer func() { check(t, h.Close()) }()
	_, err = h.WriteAt([]byte("old"), 0)
	check(t, err)
	check(t, h.Sync(ctx))
	_, err = h.WriteAt([]byte("more"), 20_000)
	check(t, err)
	store := filepath.Join(dir, ".lessor-streams")
	list, err := os.ReadDir(store)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("attributes have room for 20,000 bytes here")
	}
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	file, err := os.Open(filepath.Join(store, list[0].Name()))
	check(t, err)
	defer func() { check(t, file.Close()) }()
	var cached unix.Cachestat_t
	err = unix.Cachestat(uint(file.Fd()), &unix.CachestatRange{}, &cached, 0)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP) {
		t.Skip("the kernel does not tell what is not on the disk yet:", err)
	}
	check(t, err)
	if cached.Dirty+cached.Writeback > 0 {
		t.Errorf("%+v: the old data is in memory alone", cached)
	}
}

// A snapshot that is a copy is not changed by who reads its streams.
func TestBigStreamsOfSnapshots(t *testing.T) {
	f, dir := export(t, localfs.Options{})
	bigStream(t, f, "f")
	check(t, f.Close())
	const pointer = "user.lessor.Stream.big"
	value := make([]byte, 256)
	size, err := unix.Getxattr(filepath.Join(dir, "f"), pointer, value)
	check(t, err)
	check(t, os.WriteFile(filepath.Join(dir, "copy"), nil, 0o600))
	check(t, unix.Setxattr(filepath.Join(dir, "copy"), pointer, value[:size], 0))

	f, err = localfs.New(dir, localfs.Options{Preserve: true})
	check(t, err)
	defer func() { check(t, f.Close()) }()
	ctx := context.Background()
	root := f.Root()
	defer root.Release()
	n, _, err := root.Lookup(ctx, nil, "copy", vfs.LookupOptions{})
	check(t, err)
	defer n.Release()
	st, err := n.Stream(ctx, nil, "big", false)
	check(t, err)
	defer st.Release()
	h, err := st.Open(ctx, nil, vfs.OpenMode{Read: true})
	check(t, err)
	defer func() { check(t, h.Close()) }()
	if got, err := h.ReadAt(make([]byte, 10), 99_990); got != 10 || err != nil && !errors.Is(err, io.EOF) {
		t.Errorf("%d, %v", got, err)
	}
	if got := stored(t, dir); got != 1 {
		t.Errorf("%d files in the snapshot", got)
	}
}
