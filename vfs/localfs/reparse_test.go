//go:build linux

package localfs

import (
	"context"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"lessor/vfs"
)

// A reparse point lies on the disk as Samba has it, and one of Samba's is found.
func TestReparsePointAsSambaHasIt(t *testing.T) {
	root := t.TempDir()
	f, err := New(root, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !f.Caps().Has(vfs.CapReparse) {
		t.Skip("no extended attributes here")
	}
	const point = "\x14\x00\x00\x80\x08\x00\x00\x00FIFO\x00\x00\x00\x00"
	ctx, dir := context.Background(), f.Root()
	defer dir.Release()
	n, err := dir.Create(ctx, nil, "ours", vfs.CreateOptions{Type: vfs.TypeRegular})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Release()
	if err := n.SetReparse(ctx, nil, []byte(point)); err != nil {
		t.Fatal(err)
	}
	var buf [128]byte
	size, err := unix.Getxattr(filepath.Join(root, "ours"), "user.SmbReparse", buf[:])
	if err != nil || string(buf[:size]) != point {
		t.Errorf("user.SmbReparse is %q, %v", buf[:max(size, 0)], err)
	}
	size, err = unix.Getxattr(filepath.Join(root, "ours"), "user.DOSATTRIB", buf[:])
	if err != nil {
		t.Fatal(err)
	}
	if d, err := parseDOSAttrib(buf[:size]); err != nil || !d.reparsed || d.attrs != vfs.DOSArchive {
		t.Errorf("user.DOSATTRIB is %+v, %v", d, err)
	}

	// A file that smbd has made a reparse point, and one of which it has removed half.
	attrib := unhex(t, "0000050005000000"+"11000000"+"20040000"+"b4b90861ee7bdd01")
	for name, want := range map[string]string{"theirs": point, "half": "", "bad": ""} {
		path := filepath.Join(root, name)
		fd, err := unix.Open(path, unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		_ = unix.Close(fd)
		if err := unix.Setxattr(path, "user.DOSATTRIB", attrib, 0); err != nil {
			t.Fatal(err)
		}
		value := map[string]string{"theirs": point, "bad": "short"}[name]
		if value != "" {
			if err := unix.Setxattr(path, "user.SmbReparse", []byte(value), 0); err != nil {
				t.Fatal(err)
			}
		}
		n, _, err := dir.Lookup(ctx, nil, name, vfs.LookupOptions{})
		if err != nil {
			t.Fatal(err)
		}
		at, err := n.Attr(ctx, nil)
		if err != nil || at.Reparse != want || at.DOS != vfs.DOSArchive || at.Type != vfs.TypeRegular {
			t.Errorf("%s: %+v, %v", name, at, err)
		}
		if list, err := n.ListXattr(ctx, nil); err != nil || len(list) != 0 {
			t.Errorf("%s: attributes %q, %v", name, list, err)
		}
		n.Release()
	}
}

// The kinds of special files of the disk are told apart.
func TestSpecialFilesOfTheDisk(t *testing.T) {
	root := t.TempDir()
	f, err := New(root, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := map[string]vfs.SpecialType{"fifo": vfs.SpecialFIFO, "socket": vfs.SpecialSocket, "chr": vfs.SpecialCharDevice, "blk": vfs.SpecialBlockDevice}
	modes := map[string]uint32{"fifo": unix.S_IFIFO, "socket": unix.S_IFSOCK, "chr": unix.S_IFCHR, "blk": unix.S_IFBLK}
	dir := f.Root()
	defer dir.Release()
	for name, special := range want {
		if err := unix.Mknod(filepath.Join(root, name), modes[name]|0o640, int(unix.Mkdev(5, 7))); err != nil {
			t.Logf("%s: %v", name, err) // devices are for root
			continue
		}
		n, _, err := dir.Lookup(t.Context(), nil, name, vfs.LookupOptions{})
		if err != nil {
			t.Fatal(err)
		}
		at, err := n.Attr(t.Context(), nil)
		n.Release()
		if err != nil || at.Type != vfs.TypeOther || at.Special != special {
			t.Errorf("%s: %+v, %v", name, at, err)
		}
		if device := special == vfs.SpecialCharDevice || special == vfs.SpecialBlockDevice; device && at.Rdev != unix.Mkdev(5, 7) {
			t.Errorf("%s: device %x", name, at.Rdev)
		}
	}
}
