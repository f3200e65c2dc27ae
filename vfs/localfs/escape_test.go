//go:build linux

package localfs_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lessor/vfs"
	"lessor/vfs/localfs"
)

// exported makes an FS that is closed when the test ends.
func exported(t testing.TB, opts localfs.Options) (root vfs.Node, dir string) {
	t.Helper()
	f, dir := export(t, opts)
	root = f.Root()
	t.Cleanup(func() {
		root.Release()
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return root, dir
}

// check ends the test on an error.
func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// readFile returns the beginning of a file.
func readFile(n vfs.Node) string {
	h, err := n.Open(context.Background(), nil, vfs.OpenMode{Read: true})
	if err != nil {
		return ""
	}
	defer func() { _ = h.Close() }()
	buf := make([]byte, 64)
	got, _ := h.ReadAt(buf, 0)
	return string(buf[:got])
}

func TestNoEscapeWhileNamesAreSwapped(t *testing.T) {
	outside := t.TempDir()
	check(t, os.WriteFile(outside+"/f", []byte("secret"), 0o600))
	root, dir := exported(t, localfs.Options{})
	check(t, os.Mkdir(dir+"/real", 0o755))
	check(t, os.WriteFile(dir+"/real/f", []byte("public"), 0o600))
	check(t, os.Symlink(outside, dir+"/link"))
	check(t, os.Rename(dir+"/real", dir+"/d"))
	check(t, os.Rename(dir+"/link", dir+"/other"))

	ctx := context.Background()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, dir+"/d", unix.AT_FDCWD, dir+"/other", unix.RENAME_EXCHANGE)
			}
		}
	})
	read := 0
	for i := range 5000 {
		opts := vfs.LookupOptions{Fold: i%2 == 0, NoFollow: i%3 == 0}
		if i%5 == 0 {
			opts.Hint = vfs.OpenMode{Read: true, Write: true}
		}
		if n, _, err := root.Lookup(ctx, nil, "d/f", opts); err == nil {
			read++
			if data := readFile(n); data == "secret" {
				t.Error("read a file outside of the export")
			}
			n.Release()
		}
		if d, _, err := root.Lookup(ctx, nil, "d", vfs.LookupOptions{}); err == nil {
			if n, err := d.Create(ctx, nil, "made", vfs.CreateOptions{Type: vfs.TypeRegular, Fold: i%2 == 0}); err == nil {
				n.Release()
				_ = d.Remove(ctx, nil, "made")
			}
			d.Release()
		}
		if _, err := os.Lstat(outside + "/made"); err == nil {
			t.Fatal("made a file outside of the export")
		}
	}
	close(stop)
	wg.Wait()
	if read == 0 {
		t.Error("the file inside was never read")
	}
}

func TestLinksInside(t *testing.T) {
	ctx := context.Background()
	for _, refuse := range []bool{false, true} {
		root, dir := exported(t, localfs.Options{NoSymlinks: refuse})
		check(t, os.MkdirAll(dir+"/a/b", 0o755))
		check(t, os.WriteFile(dir+"/Target", []byte("data"), 0o600))
		check(t, os.Symlink("../../Target", dir+"/a/b/Up"))
		check(t, os.Symlink("a/b", dir+"/Short"))
		sub, _, err := root.Lookup(ctx, nil, "a/b", vfs.LookupOptions{})
		check(t, err)
		t.Cleanup(sub.Release)
		for _, c := range []struct {
			from   vfs.Node
			path   string
			actual string
		}{
			{root, "a/b/Up", "a/b/Up"}, {root, "A/B/UP", "a/b/Up"}, {sub, "Up", "Up"}, {sub, "uP", "Up"},
			{root, "Short/Up", "Short/Up"}, {root, "short/up", "Short/Up"},
		} {
			n, actual, err := c.from.Lookup(ctx, nil, c.path, vfs.LookupOptions{Fold: true})
			switch {
			case refuse:
				if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, vfs.ErrPathNotFound) {
					t.Errorf("%s: %v", c.path, err)
				}
			case err != nil:
				t.Errorf("%s: %v", c.path, err)
			default:
				if readFile(n) != "data" || actual != c.actual {
					t.Errorf("%s: %q as %s", c.path, readFile(n), actual)
				}
			}
			if err == nil {
				n.Release()
			}
		}
		n, _, err := root.Lookup(ctx, nil, "a/b/up", vfs.LookupOptions{Fold: true, NoFollow: true})
		if err != nil || n.Type() != vfs.TypeSymlink {
			t.Fatalf("the link itself: %v", err)
		}
		n.Release()
	}
}

func TestSpecialFilesAreSeenButNotOpened(t *testing.T) {
	root, dir := exported(t, localfs.Options{})
	check(t, unix.Mkfifo(dir+"/fifo", 0o600))
	ctx := context.Background()
	for _, hint := range []vfs.OpenMode{{}, {Read: true}, {Write: true}, {Read: true, Write: true}} {
		n, _, err := root.Lookup(ctx, nil, "FIFO", vfs.LookupOptions{Fold: true, Hint: hint})
		check(t, err)
		if n.Type() != vfs.TypeOther {
			t.Errorf("type %v", n.Type())
		}
		if _, err := n.Attr(ctx, nil); err != nil {
			t.Error(err)
		}
		if _, err := n.Open(ctx, nil, vfs.OpenMode{Read: true}); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("open: %v", err)
		}
		n.Release()
	}
	check(t, root.Remove(ctx, nil, "fifo"))
}

func TestReusedInodeHasAnotherID(t *testing.T) {
	root, _ := exported(t, localfs.Options{})
	ctx := context.Background()
	seen := map[vfs.NodeID]bool{}
	inodes := map[uint64]bool{}
	var last unix.Timespec
	for range 8 {
		// A clock of the kernel's coarseness must tick between two births.
		for was := last; last == was; {
			check(t, unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &last))
		}
		n, err := root.Create(ctx, nil, "f", vfs.CreateOptions{Type: vfs.TypeRegular})
		check(t, err)
		if seen[n.ID()] {
			t.Errorf("%+v was given twice", n.ID())
		}
		seen[n.ID()], inodes[n.ID().Inode] = true, true
		n.Release()
		check(t, root.Remove(ctx, nil, "f"))
	}
	t.Logf("%d inode numbers for %d files", len(inodes), len(seen))
}

func TestIDsHoldAcrossRestarts(t *testing.T) {
	f, dir := export(t, localfs.Options{})
	root := f.Root()
	first := root.ID()
	root.Release()
	check(t, f.Close())
	again, err := localfs.New(dir, localfs.Options{})
	check(t, err)
	root = again.Root()
	if root.ID() != first {
		t.Errorf("%+v, before %+v", root.ID(), first)
	}
	root.Release()
	check(t, again.Close())
}

func TestNamesThatAreNotUTF8(t *testing.T) {
	root, dir := exported(t, localfs.Options{})
	name := "bad\xff\xfename"
	if err := os.WriteFile(dir+"/"+name, nil, 0o600); err != nil {
		t.Skip(err)
	}
	ctx := context.Background()
	h, err := root.Open(ctx, nil, vfs.OpenMode{Read: true})
	check(t, err)
	defer func() { _ = h.Close() }()
	buf := make([]vfs.DirEntry, 2)
	n, err := h.ReadDir(ctx, nil, buf)
	if err != nil || n != 1 || buf[0].Name != name {
		t.Errorf("%+v, %v", buf[:n], err)
	}
	node, actual, err := root.Lookup(ctx, nil, strings.ToUpper(name[:3])+name[3:], vfs.LookupOptions{Fold: true})
	check(t, err)
	node.Release()
	if actual != name {
		t.Errorf("%q", actual)
	}
}

func TestNewRefusesWhatIsNoDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	check(t, os.WriteFile(path, nil, 0o600))
	for _, p := range []string{path, path + "-none"} {
		if f, err := localfs.New(p, localfs.Options{}); err == nil {
			t.Errorf("%s was exported", p)
			check(t, f.Close())
		}
	}
}

func TestForeignAttributeChangesAreSeen(t *testing.T) {
	root, dir := exported(t, localfs.Options{})
	ctx := context.Background()
	check(t, os.WriteFile(dir+"/f", nil, 0o600))
	n, _, err := root.Lookup(ctx, nil, "f", vfs.LookupOptions{})
	check(t, err)
	defer n.Release()
	old := time.Now().Add(-time.Hour)
	for i := range 50 {
		bits := vfs.DOSHidden
		if i%2 == 0 {
			bits = vfs.DOSSystem
		}
		other, _, err := root.Lookup(ctx, nil, "f", vfs.LookupOptions{})
		check(t, err)
		check(t, other.SetAttr(ctx, nil, &vfs.SetAttr{Mask: vfs.SetDOS | vfs.SetModify, DOS: bits, Modify: old}))
		other.Release()
		a, err := n.Attr(ctx, nil)
		check(t, err)
		if a.DOS != bits {
			t.Fatalf("%x, want %x", a.DOS, bits)
		}
	}
}
