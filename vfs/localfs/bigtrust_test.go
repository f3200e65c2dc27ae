package localfs_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"lessor/vfs"
	"lessor/vfs/localfs"
)

// pointerOf reads the attribute that leads to a large stream.
func pointerOf(t *testing.T, path, stream string) []byte {
	t.Helper()
	b := make([]byte, 256)
	n, err := unix.Getxattr(path, "user.lessor.Stream."+stream, b)
	check(t, err)
	return b[:n]
}

// writeStream writes to a stream.
func writeStream(t *testing.T, n vfs.Node, name string, b []byte, off int64) {
	t.Helper()
	ctx := context.Background()
	st, err := n.Stream(ctx, nil, name, false)
	check(t, err)
	defer st.Release()
	h, err := st.Open(ctx, nil, vfs.OpenMode{Write: true})
	check(t, err)
	_, err = h.WriteAt(b, off)
	check(t, errors.Join(err, h.Close()))
}

// readStream reads the beginning of a stream.
func readStream(t *testing.T, n vfs.Node, name string, length int) []byte {
	t.Helper()
	ctx := context.Background()
	st, err := n.Stream(ctx, nil, name, false)
	check(t, err)
	defer st.Release()
	h, err := st.Open(ctx, nil, vfs.OpenMode{Read: true})
	check(t, err)
	b := make([]byte, length)
	got, err := h.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	check(t, h.Close())
	return b[:got]
}

// Who writes into the attribute of his own file that it leads to the stream of another
// one, and that this belongs to his, does not get at it.
func TestBigStreamsCannotBeClaimed(t *testing.T) {
	f, dir := export(t, localfs.Options{})
	defer func() { check(t, f.Close()) }()
	ctx := context.Background()
	victim, own := bigStream(t, f, "victim"), bigStream(t, f, "own")
	writeStream(t, victim, "big", []byte("the victim's"), 0)
	const ownerSize = 16
	theirs, mine := pointerOf(t, filepath.Join(dir, "victim"), "big"), pointerOf(t, filepath.Join(dir, "own"), "big")
	forged := append(bytes.Clone(theirs[:len(theirs)-ownerSize]), mine[len(mine)-ownerSize:]...)
	for _, stream := range []string{"written", "removed"} {
		check(t, unix.Setxattr(filepath.Join(dir, "own"), "user.lessor.Stream."+stream, forged, 0))
	}
	writeStream(t, own, "written", []byte("the attacker"), 0)
	check(t, own.RemoveStream(ctx, nil, "removed"))
	root := f.Root()
	defer root.Release()
	check(t, root.Remove(ctx, nil, "own"))
	if got := readStream(t, victim, "big", 12); string(got) != "the victim's" {
		t.Errorf("the stream has %q", got)
	}
}

// A directory that a user has made in the place of that of large streams is not used: he
// could do with them what he likes.
func TestBigStreamsNotInADirectoryOfAUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a directory away")
	}
	ctx := context.Background()
	dir := t.TempDir()
	store := filepath.Join(dir, ".lessor-streams")
	check(t, os.Mkdir(store, 0o777))
	check(t, os.Chown(store, 12345, 12345))
	make := func() error {
		f, err := localfs.New(dir, localfs.Options{})
		check(t, err)
		defer func() { check(t, f.Close()) }()
		root := f.Root()
		defer root.Release()
		n, err := root.Create(ctx, nil, "f", vfs.CreateOptions{Type: vfs.TypeRegular})
		check(t, err)
		defer n.Release()
		defer func() { check(t, root.Remove(ctx, nil, "f")) }()
		st, err := n.Stream(ctx, nil, "big", true)
		check(t, err)
		defer st.Release()
		return st.SetAttr(ctx, nil, &vfs.SetAttr{Mask: vfs.SetSize, Size: 100_000})
	}
	if err := make(); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a stream in the directory of a user: %v", err)
	}
	if n := stored(t, dir); n != 0 {
		t.Errorf("%d files in the directory of a user", n)
	}
	// Who owns the export may own the directory as well: somebody has given all of it away.
	check(t, os.Chown(dir, 12345, 12345))
	if err := make(); err != nil {
		t.Errorf("a stream in the directory of the owner of the export: %v", err)
	}
}

// What the streams of a server are that was killed in between: a stream with two names, and one
// that is an attribute still and a file already.
func TestBigStreamsAfterKill(t *testing.T) {
	f, dir := export(t, localfs.Options{})
	defer func() { check(t, f.Close()) }()
	ctx := context.Background()
	n := bigStream(t, f, "f")
	path := filepath.Join(dir, "f")
	writeStream(t, n, "big", []byte("data"), 0)
	check(t, unix.Setxattr(path, "user.lessor.Stream.other", pointerOf(t, path, "big"), 0))
	check(t, n.RemoveStream(ctx, nil, "other"))
	if got := readStream(t, n, "big", 4); string(got) != "data" {
		t.Errorf("with its second name went %q", got)
	}

	check(t, unix.Setxattr(path, "user.DosStream.big:$DATA", []byte("old\x00"), 0))
	if list, err := n.Streams(ctx, nil); err != nil || len(list) != 1 || list[0].Size != 3 {
		t.Errorf("%+v, %v", list, err)
	}
	if got := readStream(t, n, "big", 4); string(got) != "old" {
		t.Errorf("it has %q", got)
	}
	st, err := n.Stream(ctx, nil, "big", false)
	check(t, err)
	check(t, st.SetAttr(ctx, nil, &vfs.SetAttr{Mask: vfs.SetSize, Size: 100_000}))
	st.Release()
	if got := stored(t, dir); got != 1 {
		t.Errorf("%d files when it is one again", got)
	}
	if got := readStream(t, n, "big", 4); string(got) != "old\x00" {
		t.Errorf("when it is a file it has %q", got)
	}
	check(t, unix.Setxattr(path, "user.DosStream.big:$DATA", []byte("old\x00"), 0))
	check(t, n.RemoveStream(ctx, nil, "big"))
	if list, err := n.Streams(ctx, nil); err != nil || len(list) != 0 || stored(t, dir) != 0 {
		t.Errorf("after it was removed: %+v, %v, %d files", list, err, stored(t, dir))
	}
}

// Somebody may clear the whole share while the server runs.
func TestBigStreamsAfterTheDirectoryWasRemoved(t *testing.T) {
	f, dir := export(t, localfs.Options{})
	defer func() { check(t, f.Close()) }()
	bigStream(t, f, "a")
	check(t, os.RemoveAll(filepath.Join(dir, ".lessor-streams")))
	fds := openFDs(t)
	n := bigStream(t, f, "b")
	if got := openFDs(t); got != fds+1 { // that of b
		t.Errorf("%d descriptors, had %d", got, fds)
	}
	writeStream(t, n, "big", []byte("data"), 0)
	if got := readStream(t, n, "big", 4); string(got) != "data" || stored(t, dir) != 1 {
		t.Errorf("%q, %d files", got, stored(t, dir))
	}
	info, err := os.Stat(filepath.Join(dir, ".lessor-streams"))
	check(t, err)
	if info.Mode().Perm() != 0o700 {
		t.Errorf("mode %o", info.Mode().Perm())
	}
}

// Where a file has no room for a second attribute, the data of a stream is in none for no
// longer than it takes to store the second: all else is done before.
func TestStreamsSpillInOneStep(t *testing.T) {
	f, dir := export(t, localfs.Options{})
	defer func() { check(t, f.Close()) }()
	ctx := context.Background()
	bigStream(t, f, "a") // makes the directory
	watch, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	check(t, err)
	defer func() { check(t, unix.Close(watch)) }()
	_, err = unix.InotifyAddWatch(watch, filepath.Join(dir, ".lessor-streams"), unix.IN_CREATE)
	check(t, err)
	root := f.Root()
	defer root.Release()
	n, err := root.Create(ctx, nil, "f", vfs.CreateOptions{Type: vfs.TypeRegular})
	check(t, err)
	defer n.Release()
	// Inodes of ext4 have room for one small attribute.
	check(t, unix.Setxattr(filepath.Join(dir, "f"), "user.x", make([]byte, 50), 0))
	st, err := n.Stream(ctx, nil, "s", true)
	check(t, err)
	defer st.Release()
	size := int64(3500)
	for ; stored(t, dir) == 1; size += 16 {
		if size > 4500 {
			t.Skip("attributes have more room here")
		}
		check(t, st.SetAttr(ctx, nil, &vfs.SetAttr{Mask: vfs.SetSize, Size: size}))
	}
	events := make([]byte, 4096)
	got, err := unix.Read(watch, events)
	check(t, err)
	creations := 0
	for at := 0; at < got; creations++ {
		e := (*unix.InotifyEvent)(unsafe.Pointer(&events[at])) //nolint:gosec // as inotify(7) lays it out
		at += unix.SizeofInotifyEvent + int(e.Len)
	}
	if creations != 1 {
		t.Errorf("at %d bytes the stream was written to %d files, one after the other", size, creations)
	}
}
