//go:build linux

package localfs

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lessor/vfs"
)

// Values that smbd 4.17.12 wrote: a file set hidden, a directory, a stream of
// six bytes, and the descriptor of the file.
const (
	smbdFileAttrib = "00000500050000001100000022000000b4b90861ee7bdd01"
	smbdDirAttrib  = "00000500050000001100000010000000190d0961ee7bdd01"
	smbdStream     = "68656c6c6f0a00"
	smbdNTACL      = "0400040000000200040002000100963560669d0b5209af089840c88da726" +
		"ceceb7bda1ec17efebae044268c23cfc00000000000000000000000000000000" +
		"00000000000000000000000000000000706f7369785f61636c0080d60861ee7b" +
		"dd015dd2b193e43b4dc35157ee98c7526c731dd3e007cf250e67358da2c7ca90" +
		"748e000000000000000000000000000000000000000000000000000000000000" +
		"0000" + "01000480b4000000d000000000000000ec000000" + smbdSDBody
	smbdSD     = "0100048014000000300000000000000" + "04c000000" + smbdSDBody
	smbdSDBody = "010500000000000515000000" +
		"d414a2431e225bf17c6fbef8e803000001050000000000051500" +
		"0000d414a2431e225bf17c6fbef801020000020064000300000000002400ff01" +
		"1f00010500000000000515000000d414a2431e225bf17c6fbef8e80300000000" +
		"2400a9001200010500000000000515000000d414a2431e225bf17c6fbef80102" +
		"000000001400a9001200010100000000000100000000"
)

// unhex decodes a golden value.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDOSAttribAsSmbdWritesIt(t *testing.T) {
	birth := time.Date(2026, 11, 24, 8, 32, 45, 137_758_800, time.UTC)
	for _, c := range []struct {
		golden string
		attrs  uint32
		birth  time.Time
		dir    bool
	}{
		{smbdFileAttrib, vfs.DOSHidden | vfs.DOSArchive, birth, false},
		{smbdDirAttrib, 0, time.Time{}, true},
	} {
		b := unhex(t, c.golden)
		d, err := parseDOSAttrib(b)
		if err != nil || !d.hasAttr || d.attrs != c.attrs {
			t.Errorf("%+v, %v", d, err)
		}
		if !c.birth.IsZero() && !fromNT(d.birth).Equal(c.birth) {
			t.Errorf("birth %v, want %v", fromNT(d.birth).UTC(), c.birth)
		}
		if again := d.appendTo(nil, c.dir); !bytes.Equal(again, b) {
			t.Errorf("written %x, want %x", again, b)
		}
	}
}

func TestDOSAttribOfOldVersions(t *testing.T) {
	const birth = "8877665544332201"
	for name, c := range map[string]struct {
		hex  string
		want dosInfo
	}{
		"text":       {"3078323200", dosInfo{attrs: 0x22, hasAttr: true}},
		"bare text":  {"32", dosInfo{attrs: 0x02, hasAttr: true}},
		"1":          {"0000010001000000" + "06000000" + "00000000" + "0000000000000000" + "0000000000000000" + birth + "0000000000000000", dosInfo{attrs: 0x06, birth: 0x0122334455667788, hasAttr: true}},
		"3":          {"0000030003000000" + "11000000" + "01000000" + "00000000" + "0000000000000000" + "0000000000000000" + birth + "0000000000000000", dosInfo{attrs: 0x01, birth: 0x0122334455667788, hasAttr: true}},
		"3, no time": {"0000030003000000" + "01000000" + "01000000" + "00000000" + "0000000000000000" + "0000000000000000" + birth + "0000000000000000", dosInfo{attrs: 0x01, hasAttr: true}},
		"4":          {"0000040004000000" + "51000000" + "20000000" + "ffffffffffffff00" + birth, dosInfo{attrs: 0x20, birth: 0x0122334455667788, hasAttr: true}},
		"5, no bits": {"0000050005000000" + "10000000" + "20000000" + birth, dosInfo{birth: 0x0122334455667788}},
		"5, bad bit": {"0000050005000000" + "01000000" + "f2ffffff" + birth, dosInfo{attrs: 0xfffffff2 & vfs.DOSMask, hasAttr: true, reparsed: true}},
	} {
		d, err := parseDOSAttrib(unhex(t, c.hex))
		if err != nil || d != c.want {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
	for name, bad := range map[string]string{
		"empty": "", "short": "000005000500", "version 9": "0000090009000000" + birth + birth,
		"torn": smbdFileAttrib[:40], "selector": "0000050004000000" + birth + birth, "words": "68656c6c6f00",
	} {
		if d, err := parseDOSAttrib(unhex(t, bad)); !errors.Is(err, errBadLayout) {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
}

func TestACLWrappers(t *testing.T) {
	sd := unhex(t, smbdSD)
	// What smbd puts into a descriptor counts from the start of the value.
	wrap := func(head []byte) []byte {
		b := append(head, sd...)
		for _, at := range []int{4, 8, 16} {
			b[len(head)+at] += byte(len(head))
		}
		return b
	}
	for name, make := range map[string]func() []byte{
		"1":               func() []byte { return wrap(unhex(t, "0100010000000200")) },
		"1, written here": func() []byte { return wrapACL(sd) },
		"2":               func() []byte { return wrap(append(unhex(t, "020002000000020004000200"), zeros[:16]...)) },
		"3":               func() []byte { return wrap(append(unhex(t, "0300030000000200040002000000"), zeros[:64+2]...)) },
		"4, from smbd":    func() []byte { return unhex(t, smbdNTACL) },
	} {
		got, _, err := unwrapACL(make())
		if err != nil || !bytes.Equal(got, sd) {
			t.Errorf("%s: %x, %v", name, got, err)
		}
		for cut := range len(make()) - len(sd) + sdHeader {
			if _, _, err := unwrapACL(make()[:cut]); err == nil {
				t.Errorf("%s: accepted when cut to %d bytes", name, cut)
			}
		}
	}
	if got, want := wrapACL(sd), wrap(unhex(t, "0100010000000200")); !bytes.Equal(got, want) {
		t.Errorf("written %x, want %x", got, want)
	}
}

func FuzzStoredLayouts(f *testing.F) {
	for _, s := range []string{smbdFileAttrib, smbdNTACL, smbdSD, "3078323200"} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, err := parseDOSAttrib(b); err == nil {
			again, err := parseDOSAttrib(d.appendTo(nil, false))
			if err != nil || again != d {
				t.Errorf("%+v became %+v, %v", d, again, err)
			}
		}
		if validSD(b) {
			if sd, _, err := unwrapACL(wrapACL(b)); err != nil || !bytes.Equal(sd, b) {
				t.Errorf("%x became %x, %v", b, sd, err)
			}
		}
		if sd, _, err := unwrapACL(bytes.Clone(b)); err == nil && len(sd) < sdHeader {
			t.Errorf("a descriptor of %d bytes", len(sd))
		}
	})
}

func TestNTTimeBounds(t *testing.T) {
	for _, when := range []time.Time{time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(60000, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if nt := toNT(when); nt < 1 {
			t.Errorf("%v: %d", when, nt)
		}
	}
	when := time.Date(2400, 1, 2, 3, 4, 5, 600, time.UTC)
	if got := fromNT(toNT(when)); !got.Equal(when) {
		t.Errorf("%v, want %v", got, when)
	}
}

// newLocal exports a new directory for tests that look inside.
func newLocal(t testing.TB, opts Options) (f *FS, dir string) {
	t.Helper()
	dir = t.TempDir()
	f, err := New(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f, dir
}

// newFile makes a file through f.
func newFile(t testing.TB, f *FS, name string) *node {
	t.Helper()
	n, err := f.root.Create(context.Background(), nil, name, vfs.CreateOptions{Type: vfs.TypeRegular})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Release)
	local, ok := n.(*node)
	if !ok {
		t.Fatalf("a node of type %T", n)
	}
	return local
}

func TestFilesFromSmbd(t *testing.T) {
	f, dir := newLocal(t, Options{})
	n := newFile(t, f, "file")
	path := dir + "/file"
	stored := map[string]string{
		dosAttribName:               smbdFileAttrib,
		"user.DosStream.strm:$DATA": smbdStream,
		"user.DosStream.untyped":    smbdStream,
		"user.SAMBA_PAI":            "02",
		"user.MyEA":                 "76616c7565",
	}
	if !f.ownACL.Load() {
		stored[ntaclName] = smbdNTACL
	}
	for name, value := range stored {
		if err := unix.Setxattr(path, name, unhex(t, value), 0); err != nil {
			t.Fatal(name, err)
		}
	}
	ctx := context.Background()
	a, err := n.Attr(ctx, nil)
	if err != nil || a.DOS != vfs.DOSHidden|vfs.DOSArchive || a.Birth.Year() != 2026 {
		t.Errorf("%+v, %v", a, err)
	}
	streams, err := n.Streams(ctx, nil)
	if err != nil || len(streams) != 2 || streams[0] != (vfs.StreamInfo{Name: "strm", Size: 6, Alloc: 6}) || streams[1].Name != "untyped" {
		t.Errorf("%+v, %v", streams, err)
	}
	list, err := n.ListXattr(ctx, nil)
	if err != nil || len(list) != 1 || list[0] != "MyEA" {
		t.Errorf("%q, %v", list, err)
	}
	if sd, err := n.Security(ctx, nil); !f.ownACL.Load() && (err != nil || !bytes.Equal(sd, unhex(t, smbdSD))) {
		t.Errorf("%x, %v", sd, err)
	}
	if err := n.SetXattr(ctx, nil, "dosattrib", []byte("x")); !errors.Is(err, vfs.ErrInvalidName) {
		t.Errorf("a reserved name: %v", err)
	}
	if _, err := n.Xattr(ctx, nil, "DosStream.strm:$DATA"); err == nil {
		t.Error("a stream read as an attribute")
	}
}

func TestLayoutsOnDisk(t *testing.T) {
	f, dir := newLocal(t, Options{})
	n := newFile(t, f, "file")
	ctx := context.Background()
	f.ownACL.Store(true)
	st, err := n.Stream(ctx, nil, "strm", true)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Release()
	h, err := st.Open(ctx, nil, vfs.OpenMode{Write: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.WriteAt([]byte("hello\n"), 0); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	sd := unhex(t, smbdSD)
	if err := n.SetSecurity(ctx, nil, sd); err != nil {
		t.Fatal(err)
	}
	birth := time.Date(2026, 11, 24, 8, 32, 45, 137_758_800, time.UTC)
	set := vfs.SetAttr{Mask: vfs.SetDOS | vfs.SetBirth, DOS: vfs.DOSHidden | vfs.DOSArchive, Birth: birth}
	if err := n.SetAttr(ctx, nil, &set); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]byte{
		"user.DosStream.strm:$DATA": unhex(t, smbdStream),
		dosAttribName:               unhex(t, smbdFileAttrib),
		ownACLName:                  wrapACL(sd),
	} {
		buf := make([]byte, 1024)
		size, err := unix.Getxattr(dir+"/file", name, buf)
		if err != nil || !bytes.Equal(buf[:size], want) {
			t.Errorf("%s: %x, %v", name, buf[:max(size, 0)], err)
		}
	}
	if got, err := n.Security(ctx, nil); err != nil || !bytes.Equal(got, sd) {
		t.Errorf("%x, %v", got, err)
	}
}
