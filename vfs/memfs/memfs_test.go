package memfs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
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

func TestFullVolumeRefusesAndKeeps(t *testing.T) {
	const size = 1 << 20
	v := newVolume(t, memfs.Options{Size: size})
	h := v.open(v.make("", "f", vfs.TypeRegular), readWrite)
	_, err := h.WriteAt([]byte("keep"), 0)
	v.must(err)
	before := v.Used()
	n, err := h.WriteAt(make([]byte, size), 0)
	v.want("a write of the size of the volume", err, vfs.ErrNoSpace)
	v.want("a reservation of it", h.Alloc(ctx, 0, size, vfs.AllocReserve), vfs.ErrNoSpace)
	v.want("a huge reservation", h.Alloc(ctx, 0, 1<<59, vfs.AllocReserve), vfs.ErrNoSpace)
	if v.Used() != before || n != 0 {
		t.Errorf("%d bytes used, %d before, %d written", v.Used(), before, n)
	}
	p := make([]byte, 8)
	if n, err := h.ReadAt(p, 0); string(p[:n]) != "keep" || err != io.EOF {
		t.Errorf("%q, %v", p[:n], err)
	}
	v.must(h.Truncate(1 << 50)) // A hole takes nothing.
	v.must(h.Alloc(ctx, 1<<49, size/2, vfs.AllocReserve))
	_, err = h.WriteAt(make([]byte, size/2), 1<<49)
	v.must(err)
	v.want("beyond the reservation", func() error { _, err := h.WriteAt(make([]byte, size/2), 1<<48); return err }(), vfs.ErrNoSpace)
	i, err := v.Info(ctx)
	v.must(err)
	if i.Blocks != size/4096 || i.Free != uint64(size-v.Used())/4096 {
		t.Errorf("%+v with %d bytes used", i, v.Used())
	}
	v.must(h.Truncate(0))
	if i, err = v.Info(ctx); err != nil || i.Free < i.Blocks-8 {
		t.Errorf("%+v, %v", i, err)
	}
}

// Whatever a client makes endlessly comes to an end, and comes back.
func TestNothingIsFree(t *testing.T) {
	dir := vfs.CreateOptions{Type: vfs.TypeDirectory}
	for what, make1 := range map[string]func(v *volume, f vfs.Node, i int) error{
		"files": func(v *volume, _ vfs.Node, i int) error {
			n, err := v.root.Create(ctx, nil, fmt.Sprint("n", i), vfs.CreateOptions{Type: vfs.TypeRegular})
			if err == nil {
				n.Release()
			}
			return err
		},
		"directories": func(v *volume, _ vfs.Node, i int) error {
			n, err := v.root.Create(ctx, nil, fmt.Sprint("n", i), dir)
			if err == nil {
				n.Release()
			}
			return err
		},
		"symbolic links": func(v *volume, _ vfs.Node, i int) error {
			n, err := v.root.Symlink(ctx, nil, fmt.Sprint("n", i), strings.Repeat("x", 4000))
			if err == nil {
				n.Release()
			}
			return err
		},
		"hard links": func(v *volume, f vfs.Node, i int) error {
			return v.root.Link(ctx, nil, f, fmt.Sprint("n", i), false)
		},
		"attributes": func(_ *volume, f vfs.Node, i int) error {
			return f.SetXattr(ctx, nil, fmt.Sprint("n", i), []byte{})
		},
		"streams": func(_ *volume, f vfs.Node, i int) error {
			n, err := f.Stream(ctx, nil, fmt.Sprint("n", i), true)
			if err == nil {
				n.Release()
			}
			return err
		},
		"pages far apart": func(v *volume, f vfs.Node, i int) error {
			h, err := f.Open(ctx, nil, readWrite)
			v.must(err)
			_, werr := h.WriteAt([]byte{1}, int64(i)<<40)
			v.must(h.Close())
			return werr
		},
		"clones": func(v *volume, f vfs.Node, i int) error {
			h, err := f.Open(ctx, nil, readWrite)
			v.must(err)
			if i == 0 {
				_, err = h.WriteAt(make([]byte, 64<<10), 0)
				v.must(err)
			}
			cerr := h.CloneFrom(ctx, h, 0, int64(i+1)<<30, 64<<10)
			v.must(h.Close())
			return cerr
		},
		"longer names": func(v *volume, _ vfs.Node, i int) error {
			if i < 1500 {
				n, err := v.root.Create(ctx, nil, fmt.Sprint(i), vfs.CreateOptions{Type: vfs.TypeRegular})
				v.must(err)
				n.Release()
				return nil
			}
			return v.root.Rename(ctx, nil, fmt.Sprint(i-1500), v.root, strings.Repeat("x", 700)+fmt.Sprint(i), false)
		},
		"descriptors": func(v *volume, f vfs.Node, i int) error {
			n, err := v.root.Create(ctx, nil, fmt.Sprint("n", i), dir)
			if err != nil {
				return err
			}
			defer n.Release()
			sd := make([]byte, 60_000)
			sd[0] = 1
			return n.SetSecurity(ctx, nil, sd)
		},
	} {
		t.Run(what, func(t *testing.T) {
			v := newVolume(t, memfs.Options{Size: 2 << 20})
			f, err := v.root.Create(ctx, nil, "file", vfs.CreateOptions{Type: vfs.TypeRegular})
			v.must(err)
			for i := 0; ; i++ {
				if err := make1(v, f, i); errors.Is(err, vfs.ErrNoSpace) {
					break
				} else if err != nil {
					t.Fatal(err)
				}
				if v.Used() > 2<<20 || i > 20_000 {
					t.Fatalf("%d bytes used after %d", v.Used(), i)
				}
			}
			v.removeAll()
			if v.Used() < 500 {
				t.Errorf("the file that is held costs %d", v.Used())
			}
			f.Release()
			if v.Used() != 0 {
				t.Errorf("%d bytes used by nothing", v.Used())
			}
		})
	}
}

// removeAll removes what is in the root, which is flat.
func (v *volume) removeAll() {
	v.Helper()
	h, err := v.root.Open(ctx, nil, vfs.OpenMode{Read: true})
	v.must(err)
	buf := make([]vfs.DirEntry, 100)
	for {
		n, err := h.ReadDir(ctx, nil, buf)
		if err != nil {
			v.want("listing", err, io.EOF)
			break
		}
		for _, e := range buf[:n] {
			v.must(v.root.Remove(ctx, nil, e.Name))
		}
	}
	v.must(h.Close())
}

// heap returns how many bytes are in use.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// What is paid must be about what is used, else the limit protects nobody.
func TestPriceIsRight(t *testing.T) {
	one := bytes.Repeat([]byte("x"), 1)
	for what, fill := range map[string]func(v *volume){
		"files": func(v *volume) {
			for i := range 10_000 {
				n, err := v.root.Create(ctx, nil, fmt.Sprintf("Some File %d.txt", i), vfs.CreateOptions{Type: vfs.TypeRegular})
				v.must(err)
				n.Release()
			}
		},
		"directories in directories": func(v *volume) {
			n := v.Root()
			for range 5_000 {
				sub, err := n.Create(ctx, nil, "Folder", vfs.CreateOptions{Type: vfs.TypeDirectory})
				v.must(err)
				n.Release()
				n = sub
			}
			n.Release()
		},
		"names that were": func(v *volume) {
			for i := range 100 {
				dir := fmt.Sprint("dir", i)
				d, err := v.root.Create(ctx, nil, dir, vfs.CreateOptions{Type: vfs.TypeDirectory})
				v.must(err)
				for k := range 500 {
					n, err := d.Create(ctx, nil, fmt.Sprint("Name", k), vfs.CreateOptions{Type: vfs.TypeRegular})
					v.must(err)
					n.Release()
				}
				for k := range 500 {
					v.must(d.Remove(ctx, nil, fmt.Sprint("Name", k)))
				}
				d.Release()
			}
		},
		"streams": func(v *volume) {
			for i := range 200 {
				f, err := v.root.Create(ctx, nil, fmt.Sprint("f", i), vfs.CreateOptions{Type: vfs.TypeRegular})
				v.must(err)
				for k := range 50 {
					n, err := f.Stream(ctx, nil, fmt.Sprint("Stream", k), true)
					v.must(err)
					n.Release()
				}
				f.Release()
			}
		},
		"attributes": func(v *volume) {
			for i := range 200 {
				f, err := v.root.Create(ctx, nil, fmt.Sprint("f", i), vfs.CreateOptions{Type: vfs.TypeRegular})
				v.must(err)
				for k := range 50 {
					v.must(f.SetXattr(ctx, nil, fmt.Sprint("Attribute", k), []byte("value")))
				}
				f.Release()
			}
		},
		"data": func(v *volume) {
			f, err := v.root.Create(ctx, nil, "f", vfs.CreateOptions{Type: vfs.TypeRegular})
			v.must(err)
			h, err := f.Open(ctx, nil, readWrite)
			v.must(err)
			_, err = h.WriteAt(make([]byte, 8<<20), 0)
			v.must(err)
			for i := range int64(1000) {
				_, err = h.WriteAt(one, i<<30)
				v.must(err)
			}
			v.must(h.Close())
			f.Release()
		},
	} {
		t.Run(what, func(t *testing.T) {
			v := newVolume(t, memfs.Options{})
			before := heap()
			fill(v)
			took := heap() - before
			if paid := v.Used(); took > paid*5/4+16<<10 {
				t.Errorf("%d bytes of memory for %d paid", took, paid)
			} else {
				t.Logf("%d bytes of memory for %d paid", took, paid)
			}
			runtime.KeepAlive(v.FS)
		})
	}
}

func TestFarByteCostsLittle(t *testing.T) {
	v := newVolume(t, memfs.Options{Size: 1 << 20})
	h := v.open(v.make("", "f", vfs.TypeRegular), readWrite)
	before := v.Used()
	_, err := h.WriteAt([]byte("x"), 1<<40-1)
	v.must(err)
	if cost := v.Used() - before; cost > 8<<10 {
		t.Errorf("it costs %d", cost)
	}
	_, err = h.WriteAt([]byte("x"), 1<<60-1)
	v.must(err)
	_, err = h.WriteAt([]byte("x"), 1<<60)
	v.want("beyond the largest file", err, vfs.ErrTooLarge)
	v.want("size", h.Truncate(1<<60+1), vfs.ErrTooLarge)
	v.want("reservation", h.Alloc(ctx, 1<<60, 1, vfs.AllocReserve), vfs.ErrTooLarge)
	to := v.open(v.make("", "g", vfs.TypeRegular), readWrite)
	if n, err := to.CopyFrom(ctx, h, 1<<40-1, 1<<60-1, 3); n != 1 || !errors.Is(err, vfs.ErrTooLarge) {
		t.Errorf("copy over the edge: %d, %v", n, err)
	}
	v.must(to.CloneFrom(ctx, h, 0, 0, 1<<60))
	p := make([]byte, 2)
	if _, err := to.ReadAt(p, 1<<60-2); err != nil || string(p) != "\x00x" {
		t.Errorf("%q, %v", p, err)
	}
}

func TestSharedCopyCostsLittle(t *testing.T) {
	v := newVolume(t, memfs.Options{Size: 6 << 20})
	data := bytes.Repeat([]byte("0123456789abcdef"), 4<<20/16)
	src := v.open(v.make("", "src", vfs.TypeRegular), readWrite)
	_, err := src.WriteAt(data, 0)
	v.must(err)
	for i := range 5 {
		dst := v.open(v.make("", fmt.Sprint("dst", i), vfs.TypeRegular), readWrite)
		// The offsets lie alike within a page, though not at its start.
		n, err := dst.CopyFrom(ctx, src, 100, 4096+100, int64(len(data)))
		if n != int64(len(data)-100) || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		got := make([]byte, len(data)-100)
		_, err = dst.ReadAt(got, 4096+100)
		v.must(err)
		if !bytes.Equal(got, data[100:]) {
			t.Error("the copy differs")
		}
	}
}

func TestStorageOfAnUnlinkedFileGoesWithItsHandle(t *testing.T) {
	v := newVolume(t, memfs.Options{})
	f, err := v.root.Create(ctx, nil, "f", vfs.CreateOptions{Type: vfs.TypeRegular})
	v.must(err)
	h, err := f.Open(ctx, nil, readWrite)
	v.must(err)
	_, err = h.WriteAt(make([]byte, 1<<20), 0)
	v.must(err)
	st, err := f.Stream(ctx, nil, "s", true)
	v.must(err)
	f.Release()
	st.Release()
	v.must(v.root.Remove(ctx, nil, "f"))
	if v.Used() < 1<<20 {
		t.Errorf("%d bytes used while it is open", v.Used())
	}
	v.must(h.Close())
	if v.Used() != 0 || v.Held() != 1 {
		t.Errorf("%d bytes used, %d references", v.Used(), v.Held())
	}
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
