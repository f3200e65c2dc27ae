//go:build linux

package localfs

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lessor/vfs"
	"lessor/vfs/asuser"
)

var (
	anna = &vfs.Cred{UID: 20001, GID: 20001, Groups: []uint32{20001, 20100}}
	bert = &vfs.Cred{UID: 20002, GID: 20002, Groups: []uint32{20002}}
)

// asUsers exports a directory in which users act; it skips without the right.
func asUsers(t testing.TB) (*FS, vfs.Node, string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to act as other users")
	}
	if err := asuser.Probe(); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	f, err := New(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	root := f.Root()
	t.Cleanup(func() {
		root.Release()
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f, root, dir
}

// makeAs makes something as a user.
func makeAs(t *testing.T, dir vfs.Node, cred *vfs.Cred, name string, opts vfs.CreateOptions) vfs.Node {
	t.Helper()
	if opts.Type == 0 {
		opts.Type = vfs.TypeRegular
	}
	n, err := dir.Create(context.Background(), cred, name, opts)
	if err != nil {
		t.Fatalf("make %s: %v", name, err)
	}
	t.Cleanup(n.Release)
	return n
}

func wantOwner(t *testing.T, path string, uid, gid uint32) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	if st.Uid != uid || st.Gid != gid {
		t.Errorf("%s belongs to %d:%d, want %d:%d", path, st.Uid, st.Gid, uid, gid)
	}
}

func wantDenied(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%s: %v, want permission denied", what, err)
	}
}

func TestNewObjectsBelongToTheUser(t *testing.T) {
	_, root, dir := asUsers(t)
	makeAs(t, root, anna, "f", vfs.CreateOptions{})
	d := makeAs(t, root, anna, "d", vfs.CreateOptions{Type: vfs.TypeDirectory})
	link, err := root.Symlink(context.Background(), anna, "l", "f")
	if err != nil {
		t.Fatal(err)
	}
	link.Release()
	for _, name := range []string{"f", "d", "l"} {
		wantOwner(t, filepath.Join(dir, name), anna.UID, anna.GID)
	}
	makeAs(t, root, nil, "s", vfs.CreateOptions{})
	wantOwner(t, filepath.Join(dir, "s"), 0, 0)
	// A directory may pass its group on.
	if err := os.Chown(filepath.Join(dir, "d"), int(anna.UID), 20100); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "d"), 0o777|os.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	makeAs(t, d, bert, "g", vfs.CreateOptions{})
	wantOwner(t, filepath.Join(dir, "d/g"), bert.UID, 20100)
	makeAs(t, d, nil, "h", vfs.CreateOptions{Group: 20200, GroupSet: true})
	wantOwner(t, filepath.Join(dir, "d/h"), 0, 20100)
	makeAs(t, root, nil, "i", vfs.CreateOptions{Group: 20200, GroupSet: true})
	wantOwner(t, filepath.Join(dir, "i"), 0, 20200)
}

func TestTheKernelDecides(t *testing.T) {
	ctx := context.Background()
	_, root, dir := asUsers(t)
	d := makeAs(t, root, anna, "d", vfs.CreateOptions{Type: vfs.TypeDirectory, Mode: 0o755})
	n := makeAs(t, d, anna, "f", vfs.CreateOptions{Mode: 0o600, Hint: vfs.OpenMode{Read: true, Write: true}})
	_ = n
	found, _, err := root.Lookup(ctx, bert, "D/F", vfs.LookupOptions{Fold: true, Hint: vfs.OpenMode{Read: true}})
	if err != nil {
		t.Fatalf("look up without reading: %v", err)
	}
	defer found.Release()
	_, err = found.Open(ctx, bert, vfs.OpenMode{Read: true})
	wantDenied(t, "read", err)
	_, err = found.Open(ctx, bert, vfs.OpenMode{Write: true})
	wantDenied(t, "write", err)
	_, err = found.Attr(ctx, bert)
	if err != nil {
		t.Errorf("attributes: %v", err)
	}
	_, err = d.Create(ctx, bert, "g", vfs.CreateOptions{Type: vfs.TypeRegular})
	wantDenied(t, "create", err)
	wantDenied(t, "remove", d.Remove(ctx, bert, "f"))
	wantDenied(t, "rename", d.Rename(ctx, bert, "f", root, "g", false))
	wantDenied(t, "rename over", d.Rename(ctx, bert, "f", root, "g", true))
	wantDenied(t, "link", d.Link(ctx, bert, found, "g", false))
	wantDenied(t, "size", found.SetAttr(ctx, bert, &vfs.SetAttr{Mask: vfs.SetSize}))
	wantDenied(t, "mode", found.SetAttr(ctx, bert, &vfs.SetAttr{Mask: vfs.SetMode, Mode: 0o666}))
	wantDenied(t, "owner", found.SetAttr(ctx, bert, &vfs.SetAttr{Mask: vfs.SetUID, UID: bert.UID}))
	wantDenied(t, "attribute bits", found.SetAttr(ctx, bert, &vfs.SetAttr{Mask: vfs.SetDOS, DOS: vfs.DOSHidden}))
	wantDenied(t, "write attribute", found.SetXattr(ctx, bert, "a", []byte("x")))
	_, err = found.Xattr(ctx, bert, "a")
	wantDenied(t, "read attribute", err)
	_, err = found.Stream(ctx, bert, "s", true)
	wantDenied(t, "make stream", err)
	wantDenied(t, "access", found.Access(ctx, bert, vfs.AccessRead))

	// The owner may all of it, but give the file away.
	if err := found.SetAttr(ctx, anna, &vfs.SetAttr{Mask: vfs.SetDOS | vfs.SetMode, Mode: 0o640, DOS: vfs.DOSHidden}); err != nil {
		t.Errorf("owner: %v", err)
	}
	if err := found.SetAttr(ctx, anna, &vfs.SetAttr{Mask: vfs.SetGID, GID: 20100}); err != nil {
		t.Errorf("owner gives it to another group of his: %v", err)
	}
	wantOwner(t, filepath.Join(dir, "d/f"), anna.UID, 20100)
	wantDenied(t, "give away", found.SetAttr(ctx, anna, &vfs.SetAttr{Mask: vfs.SetUID, UID: bert.UID}))
	stream, err := found.Stream(ctx, anna, "s", true)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Release()
	_, err = stream.Open(ctx, bert, vfs.OpenMode{Read: true})
	wantDenied(t, "read stream", err)
	// By a supplementary group.
	carl := &vfs.Cred{UID: 20003, GID: 20003, Groups: []uint32{20003, 20100}}
	h, err := found.Open(ctx, carl, vfs.OpenMode{Read: true})
	if err != nil {
		t.Fatalf("by a supplementary group: %v", err)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
}

func TestDirectoriesThatAreNotForEverybody(t *testing.T) {
	ctx := context.Background()
	_, root, dir := asUsers(t)
	closed := makeAs(t, root, anna, "closed", vfs.CreateOptions{Type: vfs.TypeDirectory, Mode: 0o700})
	makeAs(t, closed, anna, "f", vfs.CreateOptions{})
	_, _, err := root.Lookup(ctx, bert, "closed/f", vfs.LookupOptions{})
	wantDenied(t, "walk through", err)
	_, err = closed.Open(ctx, bert, vfs.OpenMode{Read: true})
	wantDenied(t, "list", err)
	// Permission to list and not to look.
	if err := os.Chmod(filepath.Join(dir, "closed"), 0o704); err != nil {
		t.Fatal(err)
	}
	h, err := closed.Open(ctx, bert, vfs.OpenMode{Read: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = h.Close() }()
	var list [8]vfs.DirEntry
	if n, err := h.ReadDir(ctx, bert, list[:]); n != 1 || err != nil {
		t.Fatalf("%d entries, %v", n, err)
	}
	_, err = h.EntryAttr(ctx, bert, &list[0])
	wantDenied(t, "attributes of an entry", err)
}

// What the server keeps with a file stays in its reach, whatever the permission bits.
func TestWhatIsKeptWithAFile(t *testing.T) {
	ctx := context.Background()
	_, root, _ := asUsers(t)
	n := makeAs(t, root, anna, "f", vfs.CreateOptions{Mode: 0o400, DOS: vfs.DOSHidden, DOSSet: true})
	at, err := n.Attr(ctx, bert)
	if err != nil || !at.DOSSet || at.DOS != vfs.DOSHidden {
		t.Errorf("attribute bits %#x (set %v), %v", at.DOS, at.DOSSet, err)
	}
	if err := n.SetAttr(ctx, anna, &vfs.SetAttr{Mask: vfs.SetDOS, DOS: vfs.DOSArchive}); err != nil {
		t.Errorf("the owner of a file that nobody may write: %v", err)
	}
	sd := append([]byte{1, 0, 0, 128}, make([]byte, 16)...)
	if err := n.SetSecurity(ctx, anna, sd); err != nil {
		t.Fatal(err)
	}
	if got, err := n.Security(ctx, bert); err != nil || string(got) != string(sd) {
		t.Errorf("descriptor %x, %v", got, err)
	}
}

// Who may not write to a file may not cut its streams either.
func TestStreamsOfOthersKeepTheirSize(t *testing.T) {
	ctx := context.Background()
	_, root, _ := asUsers(t)
	n := makeAs(t, root, anna, "f", vfs.CreateOptions{Mode: 0o644})
	st, err := n.Stream(ctx, anna, "s", true)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Release()
	set := vfs.SetAttr{Mask: vfs.SetSize, Size: 10}
	if err := st.SetAttr(ctx, anna, &set); err != nil {
		t.Errorf("the owner: %v", err)
	}
	set.Size = 0
	wantDenied(t, "another user", st.SetAttr(ctx, bert, &set))
}

// A directory that somebody has put in the place of one that was just made is not taken for it:
// the server would give it away with the rights of the new one.
func TestNewDirectoriesAreNew(t *testing.T) {
	_, root, _ := asUsers(t)
	start := time.Now()
	for _, c := range []struct {
		what  string
		cred  *vfs.Cred // whose it is
		by    *vfs.Cred // for whom it is looked at
		start time.Time
		want  bool
	}{
		{"his", anna, anna, start, true},
		{"an old one of his", anna, anna, start.Add(time.Hour), true},
		{"a new one of another owner", bert, anna, start, true},
		{"an old one of another owner", bert, anna, start.Add(time.Hour), false},
		{"one that the server has made", nil, nil, start.Add(time.Hour), true},
	} {
		n, ok := makeAs(t, root, c.cred, c.what, vfs.CreateOptions{Type: vfs.TypeDirectory}).(*node)
		if !ok {
			t.Fatal("no node")
		}
		var st unix.Statx_t
		if e := statFD(n.fd, &st); e != 0 || st.Mask&unix.STATX_BTIME == 0 {
			t.Skip("the file system keeps no time of birth")
		}
		if got := n.isNew(c.by, c.start); got != c.want {
			t.Errorf("%s: new %v, want %v", c.what, got, c.want)
		}
	}
}

func TestRootIsNobody(t *testing.T) {
	_, root, _ := asUsers(t)
	_, err := root.Create(context.Background(), &vfs.Cred{}, "f", vfs.CreateOptions{Type: vfs.TypeRegular})
	wantDenied(t, "as user 0", err)
}

// BenchmarkOpenClose is what the identity costs a look-up with its open and close.
func BenchmarkOpenClose(b *testing.B) {
	ctx := context.Background()
	_, root, dir := asUsers(b)
	if err := os.WriteFile(filepath.Join(dir, strings.Repeat("x", 20)), nil, 0o666); err != nil {
		b.Fatal(err)
	}
	hint := vfs.OpenMode{Read: true}
	for _, who := range []struct {
		name string
		cred *vfs.Cred
	}{{"service", nil}, {"unix", anna}} {
		b.Run(who.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n, _, err := root.Lookup(ctx, who.cred, "xxxxxxxxxxxxxxxxxxxx", vfs.LookupOptions{Hint: hint})
				if err != nil {
					b.Fatal(err)
				}
				h, err := n.Open(ctx, who.cred, hint)
				if err != nil {
					b.Fatal(err)
				}
				_ = h.Close()
				n.Release()
			}
		})
	}
}
