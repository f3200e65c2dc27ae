//go:build linux

package localfs

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lessor/vfs"
)

// settled makes the change times of files that were just made old enough to prove
// something, by waiting for the clock of the file system.
func settled(t *testing.T, n *node) {
	t.Helper()
	var st unix.Statx_t
	if e := statFD(n.fd, &st); e != 0 {
		t.Fatal(e)
	}
	timer := time.NewTimer(time.Until(statxTime(st.Ctime).Add(settleTime + time.Millisecond)))
	defer timer.Stop()
	<-timer.C
}

// entryOf is the attributes of one entry as a listing shows them.
func entryOf(t *testing.T, f *FS, name string) vfs.Attr {
	t.Helper()
	h, err := f.root.Open(t.Context(), nil, vfs.OpenMode{Read: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = h.Close() }()
	a, err := h.EntryAttr(t.Context(), nil, &vfs.DirEntry{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// What others change in the extended attributes of a file is seen at once, whatever
// is remembered of it.
func TestKnownChanges(t *testing.T) {
	f, dir := newLocal(t, Options{})
	if !f.caps.Has(vfs.CapDOS) {
		t.Skip("the file system keeps no extended attributes")
	}
	n := newFile(t, f, "a")
	path := filepath.Join(dir, "a")
	settled(t, n)
	steps := []struct {
		name  string
		do    func() error
		dos   uint32
		xattr bool
		has   vfs.Extras
	}{
		{"nothing", func() error { return nil }, 0, false, 0},
		{"bits", func() error { return unix.Setxattr(path, dosAttribName, dosBlob(vfs.DOSHidden), 0) }, vfs.DOSHidden, false, 0},
		{"other bits", func() error { return unix.Setxattr(path, dosAttribName, dosBlob(vfs.DOSSystem), 0) }, vfs.DOSSystem, false, 0},
		{"a stream", func() error { return unix.Setxattr(path, "user.DosStream.s:$DATA", []byte("x\x00"), 0) }, vfs.DOSSystem, false, vfs.ExtraStreams},
		{"a large stream", func() error { return unix.Setxattr(path, "user.lessor.Stream.s", []byte("x"), 0) }, vfs.DOSSystem, false, vfs.ExtraStreams},
		{"no small stream", func() error { return unix.Removexattr(path, "user.DosStream.s:$DATA") }, vfs.DOSSystem, false, vfs.ExtraStreams},
		{"no stream", func() error { return unix.Removexattr(path, "user.lessor.Stream.s") }, vfs.DOSSystem, false, 0},
		{"a descriptor", func() error { return unix.Setxattr(path, ownACLName, []byte("x"), 0) }, vfs.DOSSystem, false, vfs.ExtraSecurity},
		{"no descriptor", func() error { return unix.Removexattr(path, ownACLName) }, vfs.DOSSystem, false, 0},
		{"an attribute", func() error { return unix.Setxattr(path, "user.x", []byte("1"), 0) }, vfs.DOSSystem, true, 0},
		{"no bits", func() error { return unix.Removexattr(path, dosAttribName) }, 0, true, 0},
		{"no attribute", func() error { return unix.Removexattr(path, "user.x") }, 0, false, 0},
	}
	const all = vfs.ExtraStreams | vfs.ExtraSecurity | vfs.ExtraPosixACL
	for _, step := range steps {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		for _, when := range []string{"at once", "again", "remembered"} {
			if when == "remembered" {
				settled(t, n)
			}
			a, err := n.Attr(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			e := entryOf(t, f, "a")
			if a.DOS != step.dos || e.DOS != step.dos || e.HasXattr != step.xattr || e.Lacks^all != step.has {
				t.Errorf("%s, %s: bits %#x, in the listing %#x, attributes %v, lacks %b", step.name, when, a.DOS, e.DOS, e.HasXattr, e.Lacks)
			}
		}
	}
}

func dosBlob(attrs uint32) []byte {
	d := dosInfo{attrs: attrs, hasAttr: true}
	return d.appendTo(nil, false)
}

// A listing that is made again reads no extended attribute, and what a listing has
// found serves those who open the file.
func TestKnownIsUsed(t *testing.T) {
	f, dir := newLocal(t, Options{})
	if !f.caps.Has(vfs.CapDOS) {
		t.Skip("the file system keeps no extended attributes")
	}
	n := newFile(t, f, "a")
	if err := unix.Setxattr(filepath.Join(dir, "a"), dosAttribName, dosBlob(vfs.DOSHidden), 0); err != nil {
		t.Fatal(err)
	}
	settled(t, n)
	entryOf(t, f, "a")
	var st unix.Statx_t
	if e := statFD(n.fd, &st); e != 0 {
		t.Fatal(e)
	}
	k, ok := f.known.get(n.id, st.Ctime)
	if !ok || k.dosInfo() != (dosInfo{attrs: vfs.DOSHidden, hasAttr: true}) || k.has&knownList == 0 || k.has&knownXattr != 0 {
		t.Fatalf("known is %+v, %v", k, ok)
	}
	// What is remembered is shown, without a look at the file.
	c := f.known.chunk(n.id)
	c.slots[n.id.Inode%chunkSlots].attrs = vfs.DOSSystem
	if a, err := n.Attr(t.Context(), nil); err != nil || a.DOS != vfs.DOSSystem {
		t.Errorf("bits %#x, %v", a.DOS, err)
	}
	if a := entryOf(t, f, "a"); a.DOS != vfs.DOSSystem {
		t.Errorf("bits in the listing %#x", a.DOS)
	}
	// It ends with the change time.
	if err := os.Chmod(filepath.Join(dir, "a"), 0o600); err != nil {
		t.Fatal(err)
	}
	if a := entryOf(t, f, "a"); a.DOS != vfs.DOSHidden {
		t.Errorf("bits after a change %#x", a.DOS)
	}
}

// Two files that share a place do not take each other's attributes.
func TestKnownPlaceIsShared(t *testing.T) {
	var k known
	old, now := unix.StatxTimestamp{Sec: 1}, time.Unix(100, 0)
	a, b := vfs.NodeID{Inode: 7, Generation: 1}, vfs.NodeID{Inode: 7, Generation: 2}
	k.put(a, old, now, &dosInfo{attrs: 1}, knownList)
	k.put(b, old, now, &dosInfo{attrs: 2}, knownList)
	if _, ok := k.get(a, old); ok {
		t.Error("a is known though b took its place")
	}
	if f, ok := k.get(b, old); !ok || f.attrs != 2 {
		t.Errorf("b is %+v, %v", f, ok)
	}
	if _, ok := k.get(b, unix.StatxTimestamp{Sec: 2}); ok {
		t.Error("b is known for another change time")
	}
	k.put(a, old, now, &dosInfo{reparsed: true}, 0)
	if _, ok := k.get(a, old); ok {
		t.Error("a reparse point is remembered")
	}
}

// Nothing is remembered while a further change could have the same change time: the clock of
// a file system ticks only so often, and one that keeps whole seconds (ext4 with small
// inodes) gives two changes of one second the same change time.
func TestKnownWaitsForTheClock(t *testing.T) {
	k := new(known)
	whole := unix.StatxTimestamp{Sec: 1000}
	fine := unix.StatxTimestamp{Sec: 1000, Nsec: 1}
	for i, test := range []struct {
		ctime unix.StatxTimestamp
		after time.Duration // from the change time to the reading
		want  bool
	}{
		{whole, -time.Second, false}, {whole, 0, false}, {whole, time.Second, false}, {whole, 2 * time.Second, false},
		{whole, 2*time.Second + settleTime, false}, {whole, 2*time.Second + settleTime + 1, true}, {whole, time.Hour, true},
		{fine, -time.Hour, false}, {fine, 0, false}, {fine, settleTime, false}, {fine, settleTime + 1, true}, {fine, time.Hour, true},
	} {
		id := vfs.NodeID{Inode: uint64(i)}
		k.put(id, test.ctime, statxTime(test.ctime).Add(test.after), &dosInfo{}, 0)
		if _, ok := k.get(id, test.ctime); ok != test.want {
			t.Errorf("%v after %v: remembered %v, want %v", test.after, test.ctime, ok, test.want)
		}
	}
}
