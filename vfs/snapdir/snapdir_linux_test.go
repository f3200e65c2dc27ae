package snapdir_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lessor/vfs"
	"lessor/vfs/localfs"
	"lessor/vfs/snapdir"
)

var ctx = context.Background()

// tree makes files and directories, the latter where the content is "/", and links to what stands
// behind ">".
func tree(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(root, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		target, link := strings.CutPrefix(content, ">")
		switch {
		case err != nil:
		case content == "/":
			err = os.MkdirAll(path, 0o755)
		case link:
			err = os.Symlink(target, path)
		default:
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func export(path string) (vfs.FS, error) { return localfs.New(path, localfs.Options{}) }

// newSet makes a Set that ends with the test.
func newSet(t *testing.T, o snapdir.Options, format string) *snapdir.Set {
	t.Helper()
	if format != "" {
		f, err := snapdir.ParseFormat(format)
		if err != nil {
			t.Fatal(err)
		}
		o.Format = f
	}
	if o.Open == nil {
		o.Open = export
	}
	s := snapdir.New(o)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// times lists a Set.
func times(t *testing.T, s *snapdir.Set) []string {
	t.Helper()
	list, err := s.List(ctx)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, at := range list {
		out = append(out, at.Format("2006-01-02 15:04:05"))
	}
	return out
}

// read returns the content of a file of a snapshot.
func read(t *testing.T, s *snapdir.Set, at, path string) (string, error) {
	t.Helper()
	when, err := time.Parse(time.DateTime, at)
	if err != nil {
		t.Fatal(err)
	}
	snap, release, err := s.Open(ctx, when)
	if err != nil {
		return "", err
	}
	defer release()
	root := snap.Root()
	defer root.Release()
	n, _, err := root.Lookup(ctx, nil, path, vfs.LookupOptions{})
	if err != nil {
		return "", err
	}
	defer n.Release()
	h, err := n.Open(ctx, nil, vfs.OpenMode{Read: true})
	if err != nil {
		return "", err
	}
	defer func() { _ = h.Close() }()
	b := make([]byte, 64)
	k, _ := h.ReadAt(b, 0)
	return string(b[:k]), nil
}

// Every layout is found and read, and what only looks like a snapshot is not.
func TestLayouts(t *testing.T) {
	outside := t.TempDir()
	tree(t, outside, map[string]string{"secret": "of somebody else", "sub/secret": "too"})
	for _, c := range []struct {
		name   string
		opts   snapdir.Options
		format string
		files  map[string]string
		want   []string
		read   string // of the first
		hidden []string
	}{
		{name: "names", opts: snapdir.Options{Directory: ".snapshots"}, format: "@GMT-%Y.%m.%d-%H.%M.%S",
			files: map[string]string{
				".snapshots/@GMT-2026.11.24-10.00.00/f": "older", ".snapshots/@GMT-2026.11.25-10.00.00/f": "newer",
				".snapshots/@GMT-2026.11.26-10.00.00": "no directory", ".snapshots/other/f": "",
				".snapshots/@GMT-2026.11.27-10.00.00": ">" + outside, ".snapshots/@GMT-2026.11.28-10.00.00": ">../.snapshots",
			},
			want: []string{"2026-11-25 10:00:00", "2026-11-24 10:00:00"}, read: "newer",
			hidden: []string{"2026-11-27 10:00:00", "2026-11-28 10:00:00", "2026-11-26 10:00:00"}},
		{name: "zfs", opts: snapdir.Options{Directory: ".zfs/snapshot"}, format: "*-%Y-%m-%d-%H%M",
			files: map[string]string{
				".zfs/snapshot/zfs-auto-snap_hourly-2026-11-25-1100/f": "hourly",
				".zfs/snapshot/zfs-auto-snap_daily-2026-11-25-0000/f":  "daily",
				".zfs/snapshot/zfs-auto-snap_weekly-2026-11-25-0000/f": "the same time",
				".zfs/shares/f": "",
			},
			want: []string{"2026-11-25 11:00:00", "2026-11-25 00:00:00"}, read: "hourly"},
		{name: "snapper", opts: snapdir.Options{Directory: ".snapshots", Layout: snapdir.Snapper},
			files: map[string]string{
				".snapshots/1/snapshot/f":  "one",
				".snapshots/1/info.xml":    "<?xml version=\"1.0\"?>\n<snapshot>\n<type>single</type>\n<num>1</num>\n<date>2026-11-24 09:00:00</date>\n</snapshot>\n",
				".snapshots/12/snapshot/f": "twelve",
				".snapshots/12/info.xml":   "<snapshot><date>2026-11-25 09:00:01</date></snapshot>",
				".snapshots/13/info.xml":   "<snapshot><date>2026-11-25 09:00:02</date></snapshot>", // being made
				".snapshots/x/snapshot/f":  "", ".snapshots/0/snapshot/f": "",
				".snapshots/14/snapshot": ">" + outside, ".snapshots/14/info.xml": "<snapshot><date>2026-11-25 09:00:03</date></snapshot>",
			},
			want: []string{"2026-11-25 09:00:01", "2026-11-24 09:00:00"}, read: "twelve", hidden: []string{"2026-11-25 09:00:03"}},
		{name: "subdirectory", opts: snapdir.Options{Directory: ".snapshots", Subdirectory: "sub"}, format: "%Y%m%d",
			files: map[string]string{
				".snapshots/20261125/sub/f": "below", ".snapshots/20261125/f": "above",
				".snapshots/20261124/sub": ">" + outside, ".snapshots/20261123/f": "",
			},
			want: []string{"2026-11-25 00:00:00", "2026-11-24 00:00:00", "2026-11-23 00:00:00"}, read: "below",
			hidden: []string{"2026-11-24 00:00:00", "2026-11-23 00:00:00"}},
		{name: "link", opts: snapdir.Options{Directory: "link"}, format: "%Y%m%d",
			files: map[string]string{"link": ">.snapshots", ".snapshots/20261125/f": ""}, want: []string{}},
		{name: "none", opts: snapdir.Options{Directory: ".snapshots"}, format: "%Y%m%d", want: []string{}},
		{name: "limit", opts: snapdir.Options{Directory: "s", Limit: 1}, format: "%Y%m%d",
			files: map[string]string{"s/20261125/f": "new", "s/20261124/f": "old"}, want: []string{"2026-11-25 00:00:00"}, read: "new",
			hidden: []string{"2026-11-24 00:00:00"}},
		{name: "zone", opts: snapdir.Options{Directory: "s", Location: time.FixedZone("", -3600)}, format: "%Y%m%d%H",
			files: map[string]string{"s/2026112510/f": "x"}, want: []string{"2026-11-25 11:00:00"}, read: "x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.opts.Root = t.TempDir()
			tree(t, c.opts.Root, c.files)
			s := newSet(t, c.opts, c.format)
			if d := cmp.Diff(c.want, times(t, s)); d != "" {
				t.Fatal(d)
			}
			if len(c.want) > 0 {
				if got, err := read(t, s, c.want[0], "f"); got != c.read || err != nil {
					t.Errorf("read %q, %v", got, err)
				}
			}
			for _, at := range c.hidden {
				if got, err := read(t, s, at, "secret"); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("at %s: %q, %v", at, got, err)
				}
			}
		})
	}
}

// Without a date in info.xml, or with something else in its place, the age of the directory counts.
func TestSnapperWithoutDate(t *testing.T) {
	root := t.TempDir()
	tree(t, root, map[string]string{
		".snapshots/1/snapshot/f": "", ".snapshots/2/snapshot/f": "", ".snapshots/2/info.xml": "<snapshot><date>soon</date>",
		".snapshots/3/snapshot/f": "", ".snapshots/3/info.xml": ">/dev/zero",
	})
	list, err := newSet(t, snapdir.Options{Root: root, Directory: ".snapshots", Layout: snapdir.Snapper}, "").List(ctx)
	if err != nil || len(list) == 0 || time.Since(list[0]) > time.Hour || time.Until(list[0]) > time.Minute {
		t.Errorf("%v, %v", list, err)
	}
}

// An absolute directory inside of the share is no more trusted than a relative one; outside of
// it, it is what the administrator says.
func TestAbsoluteDirectory(t *testing.T) {
	root, other := t.TempDir(), t.TempDir()
	tree(t, other, map[string]string{"20261125/f": "data"})
	tree(t, root, map[string]string{"link": ">" + other})
	if got := times(t, newSet(t, snapdir.Options{Root: root, Directory: filepath.Join(root, "link")}, "%Y%m%d")); len(got) != 0 {
		t.Errorf("through a link: %v", got)
	}
	s := newSet(t, snapdir.Options{Root: root, Directory: other}, "%Y%m%d")
	if got, err := read(t, s, "2026-11-25 00:00:00", "f"); got != "data" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// A link in a snapshot leads nowhere out of it, not even to the share.
func TestLinksInside(t *testing.T) {
	root := t.TempDir()
	tree(t, root, map[string]string{
		"live": "now", "s/20261125/out": ">../../live", "s/20261125/abs": ">" + filepath.Join(root, "live"),
		"s/20261125/in": ">f", "s/20261125/f": "then", "s/20261125/up": ">..",
	})
	s := newSet(t, snapdir.Options{Root: root, Directory: "s"}, "%Y%m%d")
	for path, want := range map[string]string{"in": "then", "out": "", "abs": "", "up/20261125/f": ""} {
		got, err := read(t, s, "2026-11-25 00:00:00", path)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
}

// counted tells when an FS is closed.
type counted struct {
	vfs.FS
	open *int
}

func (c counted) Close() error { *c.open--; return c.FS.Close() }

// A snapshot is opened once for all, closed when nobody has wanted it for a while, and gone when
// its directory is; new ones are found.
func TestLife(t *testing.T) {
	root := t.TempDir()
	tree(t, root, map[string]string{"s/20261125/f": "x"})
	synctest.Test(t, func(t *testing.T) {
		opens, open := 0, 0
		s := newSet(t, snapdir.Options{Root: root, Directory: "s", Open: func(path string) (vfs.FS, error) {
			f, err := export(path)
			opens++
			open++
			return counted{f, &open}, err
		}}, "%Y%m%d")
		at := time.Date(2026, 11, 25, 0, 0, 0, 123, time.UTC)
		get := func(want error) func() {
			t.Helper()
			_, release, err := s.Open(ctx, at)
			if !errors.Is(err, want) || want == nil && err != nil {
				t.Fatalf("%v, want %v", err, want)
			}
			return release
		}
		a, b := get(nil), get(nil)
		a()
		time.Sleep(time.Minute)
		synctest.Wait()
		c := get(nil)
		if opens != 1 || open != 1 {
			t.Errorf("%d opened, %d are open", opens, open)
		}
		b()
		c()
		time.Sleep(time.Minute)
		synctest.Wait()
		if open != 0 {
			t.Error("it stays open")
		}
		d := get(nil)
		if opens != 2 {
			t.Errorf("%d opened", opens)
		}
		tree(t, root, map[string]string{"s/20261126/f": "y"})
		if err := os.Rename(filepath.Join(root, "s/20261125"), filepath.Join(root, "gone")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		if got := times(t, s); !slices.Equal(got, []string{"2026-11-26 00:00:00"}) {
			t.Errorf("%v", got)
		}
		get(fs.ErrNotExist)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		get(fs.ErrClosed)
		if open != 1 {
			t.Errorf("%d are open while one is used", open)
		}
		d()
		if open != 0 {
			t.Errorf("%d are open", open)
		}
	})
}

// Another directory that takes the place of a snapshot is found at once.
func TestReplaced(t *testing.T) {
	root := t.TempDir()
	tree(t, root, map[string]string{"s/20261125/f": "one", "20261125/f": "another"})
	s := newSet(t, snapdir.Options{Root: root, Directory: "s"}, "%Y%m%d")
	const at = "2026-11-25 00:00:00"
	if got, err := read(t, s, at, "f"); got != "one" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	err := errors.Join(os.Rename(filepath.Join(root, "s/20261125"), filepath.Join(root, "old")),
		os.Rename(filepath.Join(root, "20261125"), filepath.Join(root, "s/20261125")))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := read(t, s, at, "f"); got != "another" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if err := os.RemoveAll(filepath.Join(root, "s")); err != nil {
		t.Fatal(err)
	}
	if got, err := read(t, s, at, "f"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%q, %v", got, err)
	}
}

// A change of the directory is seen after two seconds.
func TestRefresh(t *testing.T) {
	root := t.TempDir()
	tree(t, root, map[string]string{"s/20261125/f": "x"})
	past := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(root, "s"), past, past); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		s := newSet(t, snapdir.Options{Root: root, Directory: "s"}, "%Y%m%d")
		_ = times(t, s)
		tree(t, root, map[string]string{"s/20261126/f": "x"})
		if n := len(times(t, s)); n != 1 {
			t.Errorf("%d at once", n)
		}
		time.Sleep(3 * time.Second)
		if n := len(times(t, s)); n != 2 {
			t.Errorf("%d after three seconds", n)
		}
	})
}

// Nothing that changes a snapshot reaches it, whatever the storage allows, and ids differ from those
// of the files.
func TestReadOnly(t *testing.T) {
	root := t.TempDir()
	tree(t, root, map[string]string{"d/f": "data", "g": "other"})
	inner, err := export(root)
	if err != nil {
		t.Fatal(err)
	}
	ro := snapdir.ReadOnly(inner, 0x123456789)
	defer func() { _ = ro.Close() }()
	lookup := func(f vfs.FS, path string) vfs.Node {
		r := f.Root()
		defer r.Release()
		n, _, err := r.Lookup(ctx, nil, path, vfs.LookupOptions{Hint: vfs.OpenMode{Read: true, Write: true}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(n.Release)
		return n
	}
	f, d, live, top := lookup(ro, "d/f"), lookup(ro, "d"), lookup(inner, "g"), lookup(ro, "")
	h, err := f.Open(ctx, nil, vfs.OpenMode{Write: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = h.Close() }()
	from, err := live.Open(ctx, nil, vfs.OpenMode{Read: true, Write: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = from.Close() }()
	second := func(_ any, err error) error { return err }
	for what, err := range map[string]error{
		"SetAttr": f.SetAttr(ctx, nil, &vfs.SetAttr{Mask: vfs.SetSize}), "SetSecurity": f.SetSecurity(ctx, nil, []byte{1}),
		"SetReparse": f.SetReparse(ctx, nil, nil), "SetXattr": f.SetXattr(ctx, nil, "a", []byte{1}),
		"SetObjectID": f.SetObjectID(ctx, nil, nil, true), "RemoveStream": f.RemoveStream(ctx, nil, "s"),
		"RenameStream": f.RenameStream(ctx, nil, "s", "t", true), "Stream": second(f.Stream(ctx, nil, "s", true)),
		"Create": second(d.Create(ctx, nil, "n", vfs.CreateOptions{Type: vfs.TypeRegular})), "Link": d.Link(ctx, nil, f, "n", true),
		"Rename": d.Rename(ctx, nil, "f", top, "n", true), "Remove": d.Remove(ctx, nil, "f"), "Symlink": second(d.Symlink(ctx, nil, "l", "f")),
		"WriteAt": second(h.WriteAt([]byte("x"), 0)), "Truncate": h.Truncate(0), "Alloc": h.Alloc(ctx, 0, 1, vfs.AllocZero),
		"CopyFrom": second(h.CopyFrom(ctx, from, 0, 0, 1)), "CloneFrom": h.CloneFrom(ctx, from, 0, 0, 1),
	} {
		if !errors.Is(err, vfs.ErrReadOnly) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if n, err := from.CopyFrom(ctx, h, 0, 0, 4); n != 4 || err != nil {
		t.Errorf("copying out: %d, %v", n, err)
	}
	if b, err := os.ReadFile(filepath.Join(root, "g")); string(b) != "datar" || err != nil {
		t.Errorf("copied %q, %v", b, err)
	}
	if b, err := os.ReadFile(filepath.Join(root, "d/f")); string(b) != "data" || err != nil {
		t.Errorf("the snapshot has %q, %v", b, err)
	}
	checkIDs(t, f, d, lookup(inner, "d/f"))
}

// checkIDs compares the ways to learn the id of a file.
func checkIDs(t *testing.T, f, dir, live vfs.Node) {
	t.Helper()
	at, err := f.Attr(ctx, nil)
	if err != nil || at.ID != f.ID() || at.ID.Inode == live.ID().Inode || at.ID.Volume == live.ID().Volume {
		t.Errorf("%v, %v, live %v, %v", at.ID, f.ID(), live.ID(), err)
	}
	h, err := dir.Open(ctx, nil, vfs.OpenMode{Read: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = h.Close() }()
	var list [4]vfs.DirEntry
	if n, err := h.ReadDir(ctx, nil, list[:]); n != 1 || err != nil || list[0].Inode != at.ID.Inode {
		t.Errorf("%d entries, %v, %v", n, list[0], err)
	}
	if e, err := h.EntryAttr(ctx, nil, &list[0]); err != nil || e.ID != at.ID || list[0].Inode != at.ID.Inode {
		t.Errorf("%v, %v", e.ID, err)
	}
}
