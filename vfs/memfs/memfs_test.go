package memfs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"

	"lessor/vfs"
	"lessor/vfs/memfs"
	"lessor/vfs/vfstest"
)

func TestContract(t *testing.T) {
	vfstest.Run(t, func(*testing.T) vfs.FS { return memfs.New(memfs.Options{}) })
}

func TestContractWithoutSymlinks(t *testing.T) {
	vfstest.Run(t, func(*testing.T) vfs.FS { return memfs.New(memfs.Options{NoSymlinks: true, Size: 64 << 20}) })
}

var (
	ctx       = context.Background()
	readWrite = vfs.OpenMode{Read: true, Write: true}
)

// volume is an FS under test, closed with a look for leaks.
type volume struct {
	*testing.T
	*memfs.FS
	root vfs.Node
}

// newVolume makes an FS.
func newVolume(t *testing.T, opts memfs.Options) *volume {
	v := &volume{T: t, FS: memfs.New(opts)}
	v.root = v.Root()
	t.Cleanup(func() {
		v.root.Release()
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	return v
}

// must ends the test on an error.
func (v *volume) must(err error) {
	v.Helper()
	if err != nil {
		v.Fatal(err)
	}
}

// want checks an error.
func (v *volume) want(what string, err, want error) {
	v.Helper()
	if !errors.Is(err, want) {
		v.Errorf("%s: %v, want %v", what, err, want)
	}
}

// lookup finds a node for the rest of the test.
func (v *volume) lookup(path string, opts vfs.LookupOptions) vfs.Node {
	v.Helper()
	n, _, err := v.root.Lookup(ctx, nil, path, opts)
	if err != nil {
		v.Fatalf("%s: %v", path, err)
	}
	v.Cleanup(n.Release)
	return n
}

// make makes an object in a directory.
func (v *volume) make(dir, name string, typ vfs.FileType) vfs.Node {
	v.Helper()
	n, err := v.lookup(dir, vfs.LookupOptions{}).Create(ctx, nil, name, vfs.CreateOptions{Type: typ})
	v.must(err)
	v.Cleanup(n.Release)
	return n
}

// link makes a symbolic link.
func (v *volume) link(dir, name, target string) {
	v.Helper()
	n, err := v.lookup(dir, vfs.LookupOptions{}).Symlink(ctx, nil, name, target)
	v.must(err)
	n.Release()
}

// open opens a node for the rest of the test.
func (v *volume) open(n vfs.Node, mode vfs.OpenMode) vfs.Handle {
	v.Helper()
	h, err := n.Open(ctx, nil, mode)
	v.must(err)
	v.Cleanup(func() { v.must(h.Close()) })
	return h
}

func TestLeaksAndDoubleReturnsAreTold(t *testing.T) {
	f := memfs.New(memfs.Options{})
	root := f.Root()
	if err := f.Close(); err == nil || f.Held() != 1 {
		t.Errorf("a node is held: %v", err)
	}
	h, err := root.Open(ctx, nil, vfs.OpenMode{Read: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	root.Release()
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := h.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("closed again: %v", err)
	}
	if _, err := h.ReadDir(ctx, nil, make([]vfs.DirEntry, 1)); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("used after that: %v", err)
	}
	if err := f.Close(); err == nil || f.Held() != 0 {
		t.Errorf("a handle was closed twice: %v", err)
	}
}

func TestClosedHandlesAnswerSo(t *testing.T) {
	v := newVolume(t, memfs.Options{})
	f := v.make("", "f", vfs.TypeRegular)
	live := v.open(f, readWrite)
	open := func(n vfs.Node, mode vfs.OpenMode) vfs.Handle {
		h, err := n.Open(ctx, nil, mode)
		v.must(err)
		v.must(h.Close())
		return h
	}
	h, d := open(f, readWrite), open(v.root, vfs.OpenMode{Read: true})
	for what, do := range map[string]func() error{
		"ReadAt":              func() error { _, err := h.ReadAt(make([]byte, 1), 0); return err },
		"WriteAt":             func() error { _, err := h.WriteAt(make([]byte, 1), 0); return err },
		"Truncate":            func() error { return h.Truncate(0) },
		"Sync":                func() error { return h.Sync(ctx) },
		"Alloc":               func() error { return h.Alloc(ctx, 0, 1, vfs.AllocReserve) },
		"AllocatedRanges":     func() error { _, err := h.AllocatedRanges(ctx, 0, 1, make([]vfs.Range, 1)); return err },
		"CopyFrom":            func() error { _, err := h.CopyFrom(ctx, live, 0, 0, 1); return err },
		"CopyFrom it":         func() error { _, err := live.CopyFrom(ctx, h, 0, 0, 1); return err },
		"CloneFrom":           func() error { return h.CloneFrom(ctx, live, 0, 0, 1) },
		"ReadDir":             func() error { _, err := d.ReadDir(ctx, nil, make([]vfs.DirEntry, 1)); return err },
		"Rewind":              func() error { return d.Rewind() },
		"EntryAttr":           func() error { _, err := d.EntryAttr(ctx, nil, &vfs.DirEntry{Name: "f"}); return err },
		"Sync of a directory": func() error { return d.Sync(ctx) },
	} {
		v.want(what, do(), fs.ErrClosed)
	}
}

func TestCopyIsCancelled(t *testing.T) {
	v := newVolume(t, memfs.Options{})
	h := v.open(v.make("", "f", vfs.TypeRegular), readWrite)
	_, err := h.WriteAt([]byte("data"), 0)
	v.must(err)
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if n, err := h.CopyFrom(gone, h, 0, 100, 4); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d, %v", n, err)
	}
}

func TestListingEndsForOneWhoRenames(t *testing.T) {
	v := newVolume(t, memfs.Options{})
	for i := range 100 {
		n, err := v.root.Create(ctx, nil, fmt.Sprint("file", i), vfs.CreateOptions{Type: vfs.TypeRegular})
		v.must(err)
		n.Release()
	}
	h := v.open(v.root, vfs.OpenMode{Read: true})
	buf := make([]vfs.DirEntry, 7)
	seen := 0
	for {
		n, err := h.ReadDir(ctx, nil, buf)
		if errors.Is(err, io.EOF) {
			break
		}
		v.must(err)
		for _, e := range buf[:n] {
			v.must(v.root.Rename(ctx, nil, e.Name, v.root, "x"+e.Name, false))
		}
		if seen += n; seen > 100 {
			t.Fatal("what was renamed is listed again")
		}
	}
	if seen != 100 {
		t.Errorf("%d of 100 were listed", seen)
	}
}

func TestSymlinksInsideAreFollowed(t *testing.T) {
	v := newVolume(t, memfs.Options{})
	v.make("", "Dir", vfs.TypeDirectory)
	v.make("Dir", "Sub", vfs.TypeDirectory)
	file := v.make("Dir/Sub", "File", vfs.TypeRegular)
	v.make("", "plain", vfs.TypeRegular)
	v.link("", "Direct", "Dir/Sub/File")
	v.link("", "Way", "./Dir//Sub/")
	v.link("Dir/Sub", "Up", "../../Dir/./Sub/../Sub/File")
	v.link("", "Chain", "Way/Up")
	v.link("", "case", "dir/Sub/File")
	v.link("", "slashed", "plain/")
	v.link("", "through", "plain/x")
	fold := vfs.LookupOptions{Fold: true}
	for path, actual := range map[string]string{
		"Direct":        "Direct",
		"Way/File":      "Way/File",
		"Way/Up":        "Way/Up",
		"Chain":         "Chain",
		"CHAIN":         "Chain",
		"wAy/fILE":      "Way/File",
		"WAY/up":        "Way/Up",
		"dir/SUB/uP":    "Dir/Sub/Up",
		"Dir/Sub/FILE":  "Dir/Sub/File",
		"Dir/sub/File":  "Dir/Sub/File",
		"Way/../Direct": "",
	} {
		n, got, err := v.root.Lookup(ctx, nil, path, fold)
		if actual == "" {
			v.want(path, err, vfs.ErrInvalidName)
			continue
		}
		v.must(err)
		if n.ID() != file.ID() || got != actual {
			t.Errorf("%s: %v %q, want %q", path, n.ID(), got, actual)
		}
		n.Release()
	}
	for path, want := range map[string]error{
		"case":     fs.ErrNotExist, // The names of a target are exact.
		"slashed":  vfs.ErrNotDir,
		"through":  vfs.ErrNotDir,
		"Direct/x": vfs.ErrNotDir,
	} {
		_, _, err := v.root.Lookup(ctx, nil, path, fold)
		v.want(path, err, want)
	}
	// From a directory below, a link may climb above it, but not out.
	sub := v.lookup("Dir/Sub", vfs.LookupOptions{})
	n, _, err := sub.Lookup(ctx, nil, "Up", vfs.LookupOptions{})
	v.must(err)
	n.Release()
	v.must(v.lookup("Dir", vfs.LookupOptions{}).Rename(ctx, nil, "Sub", v.root, "Moved", false))
	_, _, err = sub.Lookup(ctx, nil, "Up", vfs.LookupOptions{})
	v.want("after the move", err, fs.ErrNotExist)
}

func TestNumberOfSymlinksIsBounded(t *testing.T) {
	v := newVolume(t, memfs.Options{})
	file := v.make("", "0", vfs.TypeRegular)
	for i := 1; i <= 41; i++ {
		v.link("", fmt.Sprint(i), fmt.Sprint(i-1))
	}
	if v.lookup("40", vfs.LookupOptions{}).ID() != file.ID() {
		t.Error("40 links lead elsewhere")
	}
	_, _, err := v.root.Lookup(ctx, nil, "41", vfs.LookupOptions{})
	v.want("41 links", err, fs.ErrNotExist)
	_, err = v.root.Symlink(ctx, nil, "long", strings.Repeat("x", 5000))
	v.want("a long target", err, vfs.ErrNameTooLong)
	_, err = v.root.Symlink(ctx, nil, "empty", "")
	v.want("an empty target", err, fs.ErrInvalid)
}

func TestSymlinksAreRefusedOnRequest(t *testing.T) {
	v := newVolume(t, memfs.Options{NoSymlinks: true})
	v.make("", "dir", vfs.TypeDirectory)
	v.make("dir", "x", vfs.TypeRegular)
	v.link("", "l", "dir")
	_, _, err := v.root.Lookup(ctx, nil, "l", vfs.LookupOptions{})
	v.want("at the end", err, fs.ErrNotExist)
	_, _, err = v.root.Lookup(ctx, nil, "l/x", vfs.LookupOptions{})
	v.want("on the way", err, vfs.ErrPathNotFound)
	if v.lookup("l", vfs.LookupOptions{NoFollow: true}).Type() != vfs.TypeSymlink {
		t.Error("the link itself is not found")
	}
}

func TestWhatASymlinkLacks(t *testing.T) {
	v := newVolume(t, memfs.Options{})
	v.link("", "l", "target")
	l := v.lookup("l", vfs.LookupOptions{NoFollow: true})
	v.want("attribute", l.SetXattr(ctx, nil, "a", []byte("x")), errors.ErrUnsupported)
	v.want("descriptor", l.SetSecurity(ctx, nil, make([]byte, 20)), errors.ErrUnsupported)
	_, err := l.Stream(ctx, nil, "s", true)
	v.want("stream", err, fs.ErrNotExist)
	v.want("size", l.SetAttr(ctx, nil, &vfs.SetAttr{Mask: vfs.SetSize}), errors.ErrUnsupported)
	if a, err := l.Attr(ctx, nil); err != nil || a.Size != int64(len("target")) || a.Type != vfs.TypeSymlink {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestOwnerIsTheCreator(t *testing.T) {
	v := newVolume(t, memfs.Options{FileMode: 0o600, DirMode: 0o700})
	for name, typ := range map[string]vfs.FileType{"f": vfs.TypeRegular, "d": vfs.TypeDirectory} {
		n, err := v.root.Create(ctx, &vfs.Cred{UID: 1000, GID: 100}, name, vfs.CreateOptions{Type: typ})
		v.must(err)
		a, err := n.Attr(ctx, nil)
		v.must(err)
		if a.UID != 1000 || a.GID != 100 || a.Mode&0o077 != 0 {
			t.Errorf("%+v", a)
		}
		v.must(n.SetAttr(ctx, nil, &vfs.SetAttr{Mask: vfs.SetUID | vfs.SetGID, UID: 7, GID: 8}))
		if a, err = n.Attr(ctx, nil); err != nil || a.UID != 7 || a.GID != 8 {
			t.Errorf("%+v, %v", a, err)
		}
		n.Release()
	}
}

func TestBadDescriptors(t *testing.T) {
	v := newVolume(t, memfs.Options{})
	good := make([]byte, 20)
	good[0] = 1
	for what, at := range map[string]int{"revision": 0, "owner": 4, "group": 8, "system list": 12, "list": 16} {
		bad := bytes.Clone(good)
		bad[at] = 21
		v.want(what, v.root.SetSecurity(ctx, nil, bad), fs.ErrInvalid)
		v.want("half", v.root.SetSecurity(ctx, nil, good[:at]), fs.ErrInvalid)
	}
	v.want("size", v.root.SetSecurity(ctx, nil, make([]byte, 1<<20)), vfs.ErrTooLarge)
	v.must(v.root.SetSecurity(ctx, nil, good))
}

// Two volumes know nothing of each other.
func TestVolumesAreApart(t *testing.T) {
	a, b := newVolume(t, memfs.Options{}), newVolume(t, memfs.Options{})
	f := a.make("", "f", vfs.TypeRegular)
	b.want("rename", a.root.Rename(ctx, nil, "f", b.root, "f", false), vfs.ErrCrossDevice)
	b.want("link", b.root.Link(ctx, nil, f, "f", false), vfs.ErrCrossDevice)
	_, err := b.ByID(ctx, f.ID())
	b.want("id", err, vfs.ErrStale)
	src, dst := a.open(f, readWrite), b.open(b.make("", "g", vfs.TypeRegular), readWrite)
	_, err = src.WriteAt([]byte("data"), 0)
	a.must(err)
	b.want("clone", dst.CloneFrom(ctx, src, 0, 0, 4), vfs.ErrCrossDevice)
	if n, err := dst.CopyFrom(ctx, src, 0, 0, 10); n != 4 || err != nil {
		t.Errorf("copy: %d, %v", n, err)
	}
	same := newVolume(t, memfs.Options{VolumeID: 7})
	again := newVolume(t, memfs.Options{VolumeID: 7})
	if same.root.ID() == again.root.ID() {
		t.Error("two lives of one volume have the same ids")
	}
}
