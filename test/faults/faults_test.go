package faults

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// dial tries to get to the share of a server.
func dial(t *testing.T, s *harness.Server) (*client.Tree, error) {
	t.Helper()
	tree, err := client.Connect(t.Context(), s.Addr, "share", client.Options{User: s.User, Password: s.Password})
	if err == nil {
		t.Cleanup(func() { _ = tree.Session.Conn.Close() })
	}
	return tree, err
}

// connect gets to the share of a server.
func connect(t *testing.T, s *harness.Server) *client.Tree {
	t.Helper()
	tree, err := dial(t, s)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// eventually polls until a condition holds that nobody announces.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

// is fails the test unless err is this status.
func is(t *testing.T, what string, err error, want ...ntstatus.Status) {
	t.Helper()
	got, ok := client.StatusOf(err)
	for _, w := range want {
		if ok && got == w {
			return
		}
	}
	t.Fatalf("%s: %v, want %v", what, err, want)
}

// says is how many lines of the log have a text.
func says(s *harness.Server, text string) int { return strings.Count(s.Log(), text) }

// prepare makes a server with one share that is not started.
func prepare(t *testing.T, settings ...string) *harness.Server {
	t.Helper()
	s, err := harness.New(t.TempDir(), harness.Options{
		Shares: []harness.Share{{Name: "share", Settings: settings}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(s.Log())
		}
	})
	return s
}

func start(t *testing.T, s *harness.Server) {
	t.Helper()
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s.Alive() {
			if err := s.Stop(); err != nil {
				t.Error(err)
			}
		}
	})
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// thin makes the room for a disk smaller than the disk believes to be: what is taken by its
// file system cannot be put on it.
func thin(t *testing.T, megabytes int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", megabytes)); err != nil {
		t.Skip("cannot mount a tmpfs:", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// disk is an ext4 file system in an image.
type disk struct{ image, dir string }

// newDisk makes one and mounts it on dir, or skips the test where that cannot be done.
func newDisk(t *testing.T, dir string, megabytes int64) *disk {
	t.Helper()
	return newDiskIn(t, t.TempDir(), dir, megabytes)
}

// newDiskIn is newDisk with the image in a directory of the test's choice.
func newDiskIn(t *testing.T, where, dir string, megabytes int64, options ...string) *disk {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may mount")
	}
	if _, err := exec.LookPath("mkfs.ext4"); err != nil {
		t.Skip("no mkfs.ext4")
	}
	d := &disk{image: filepath.Join(where, "disk"), dir: dir}
	if err := os.WriteFile(d.image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(d.image, megabytes<<20); err != nil {
		t.Fatal(err)
	}
	run(t, "mkfs.ext4", append(append([]string{"-q", "-F", "-m", "0"}, options...), d.image)...)
	if out, err := exec.Command("mount", "-o", "loop", d.image, d.dir).CombinedOutput(); err != nil {
		t.Skipf("cannot mount an image: %v\n%s", err, out)
	}
	t.Cleanup(func() { _ = unix.Unmount(d.dir, unix.MNT_DETACH) })
	return d
}

func (d *disk) mount(t *testing.T) {
	t.Helper()
	run(t, "mount", "-o", "loop", d.image, d.dir)
}

func (d *disk) remount(t *testing.T, how string) {
	t.Helper()
	run(t, "mount", "-o", "remount,"+how, d.dir)
}

// attached is true while the kernel keeps the image as a disk, which it does until nothing of the
// file system is in use any more. Paths in /proc/PID/fd do not tell: those of a detached mount
// no longer begin with its directory. A mount before that gets the old file system once more,
// with what had failed in it.
func (d *disk) attached(t *testing.T) bool {
	t.Helper()
	out, err := exec.Command("losetup", "-j", d.image).CombinedOutput()
	if err != nil {
		t.Fatalf("losetup: %v\n%s", err, out)
	}
	return len(bytes.TrimSpace(out)) != 0
}

// shutDown makes all further access to the file system fail, as if the disk were pulled
// (EXT4_IOC_SHUTDOWN without a flush of the journal).
func (d *disk) shutDown(t *testing.T) {
	t.Helper()
	f, err := os.Open(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	flags := uint32(2)
	const shutdown = 0x8004587d
	if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), shutdown, uintptr(unsafe.Pointer(&flags))); e != 0 {
		t.Skip("the file system cannot be shut down:", e)
	}
}

func TestShareThatComesAndGoes(t *testing.T) {
	s := prepare(t, "removable: false")
	dir := s.Path("share")
	move := func(from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	move(dir, dir+".away")
	start(t, s)
	_, err := dial(t, s)
	is(t, "missing at the start", err, ntstatus.BadNetworkName)

	move(dir+".away", dir)
	var tree *client.Tree
	eventually(t, "the share is there", func() bool { tree, err = dial(t, s); return err == nil })
	if err := tree.WriteFile(t.Context(), "f", []byte("kept")); err != nil {
		t.Fatal(err)
	}
	f, err := tree.Create(t.Context(), client.CreateArgs{Name: "f", Access: client.ReadWrite})
	if err != nil {
		t.Fatal(err)
	}

	move(dir, dir+".away")
	eventually(t, "the share is gone", func() bool { _, err := dial(t, s); return err != nil })
	_, err = dial(t, s)
	is(t, "renamed away", err, ntstatus.BadNetworkName)
	eventually(t, "what was open is not", func() bool {
		_, err := f.Read(t.Context(), 0, 4)
		st, _ := client.StatusOf(err)
		return st == ntstatus.NetworkNameDeleted
	})
	eventually(t, "the server lets go of the directory", func() bool { return holds(t, s, dir) == "" })

	// Another directory takes its place, and is another one.
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the share is there", func() bool { tree, err = dial(t, s); return err == nil })
	_, err = tree.ReadFile(t.Context(), "f")
	is(t, "the new directory", err, ntstatus.ObjectNameNotFound)
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	move(dir+".away", dir)
	eventually(t, "the first directory is back", func() bool {
		tree, err := dial(t, s)
		if err != nil {
			return false
		}
		b, err := tree.ReadFile(t.Context(), "f")
		return err == nil && string(b) == "kept"
	})
	if n := says(s, "the directory of a share is away"); n < 2 || n > 3 {
		t.Errorf("the log tells %d times that the share is away", n)
	}
}

// holds names a descriptor of the server that leads to a directory or below.
func holds(t *testing.T, s *harness.Server, dir string) string {
	t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.PID()))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		to, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", s.PID(), e.Name()))
		if err == nil && strings.HasPrefix(to, dir) {
			return to
		}
	}
	return ""
}

func TestFullDisk(t *testing.T) {
	s := prepare(t, "removable: true")
	newDisk(t, s.Path("share"), 16)
	start(t, s)
	ctx, tree := t.Context(), connect(t, s)
	if err := tree.WriteFile(ctx, "before", []byte("acknowledged")); err != nil {
		t.Fatal(err)
	}
	f, err := tree.Create(ctx, client.CreateArgs{Name: "big", Access: client.ReadWriteDelete})
	if err != nil {
		t.Fatal(err)
	}
	chunk := bytes.Repeat([]byte("x"), 256<<10)
	var done uint64
	for ; done < 64<<20; done += uint64(len(chunk)) {
		if _, err = f.Write(ctx, done, chunk); err != nil {
			break
		}
	}
	is(t, "writing on a full disk", err, ntstatus.DiskFull)
	for range 20 {
		_, err = f.Write(ctx, done, chunk)
		is(t, "once more", err, ntstatus.DiskFull)
	}
	is(t, "what was acknowledged reaches the disk", f.Flush(ctx), ntstatus.Success)
	if b, err := f.ReadAll(ctx); err != nil || uint64(len(b)) < done || bytes.Count(b[:done], []byte("x")) != int(done) {
		t.Fatalf("%d bytes of %d, %v", len(b), done, err)
	}
	if b, err := tree.ReadFile(ctx, "before"); err != nil || string(b) != "acknowledged" {
		t.Fatal(string(b), err)
	}
	var size wire.FileFsFullSizeInformation
	is(t, "size", f.QueryFS(ctx, wire.FsInfoFullSize, &size), ntstatus.Success)
	if free := size.CallerAvailableAllocationUnits * int64(size.SectorsPerAllocationUnit*size.BytesPerSector); free > 1<<20 {
		t.Errorf("%d bytes are told to be free", free)
	}
	is(t, "delete", f.SetDelete(ctx, true), ntstatus.Success)
	is(t, "close", f.Close(ctx), ntstatus.Success)
	if err := tree.WriteFile(ctx, "after", chunk); err != nil {
		t.Error("there is room again:", err)
	}
	if n := says(s, "the volume is full"); n != 1 {
		t.Errorf("the log tells it %d times", n)
	}
}

// What the kernel has taken and could not put on the disk, and has found out by the time that
// the file is closed, is told by the answer to CLOSE to each client that has written; its handle
// is gone all the same.
func TestWritingBackFailsBeforeClose(t *testing.T) {
	s := prepare(t, "removable: true")
	newDiskIn(t, thin(t, 6), s.Path("share"), 64, "-J", "size=1", "-E", "lazy_itable_init=1,lazy_journal_init=1")
	start(t, s)
	ctx, tree := t.Context(), connect(t, s)
	open := func(access uint32) *client.File {
		t.Helper()
		f, err := tree.Create(ctx, client.CreateArgs{Name: "big", Access: access, Disposition: client.OpenIf})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	first, second, idle := open(client.ReadWrite), open(client.ReadWrite), open(client.ReadWrite)
	chunk := bytes.Repeat([]byte("x"), 1<<20)
	for i := range uint64(16) {
		if _, err := first.Write(ctx, i<<20, chunk); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := second.Write(ctx, 16<<20, chunk); err != nil {
		t.Fatal(err)
	}
	// The kernel does by itself, sooner or later, what this has it do now.
	local, err := os.OpenFile(s.Path("share", "big"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = local.Close() }()
	const now = unix.SYNC_FILE_RANGE_WAIT_BEFORE | unix.SYNC_FILE_RANGE_WRITE | unix.SYNC_FILE_RANGE_WAIT_AFTER
	if err := unix.SyncFileRange(int(local.Fd()), 0, 0, now); err == nil {
		t.Fatal("17 MiB have found room on 6")
	}
	is(t, "close of one that has not written", idle.Close(ctx), ntstatus.Success)
	for _, f := range []*client.File{first, second} {
		is(t, "close", f.Close(ctx), ntstatus.DiskFull, ntstatus.UnexpectedIoError)
		is(t, "close again", f.Close(ctx), ntstatus.FileClosed)
	}
	if n := says(s, "the volume is full") + says(s, "the storage fails"); n != 1 {
		t.Errorf("the log tells it %d times", n)
	}
}

func TestDiskThatTakesNoChangesAnyMore(t *testing.T) {
	s := prepare(t, "removable: true")
	d := newDisk(t, s.Path("share"), 16)
	start(t, s)
	ctx, tree := t.Context(), connect(t, s)
	if err := tree.WriteFile(ctx, "before", []byte("acknowledged")); err != nil {
		t.Fatal(err)
	}
	d.remount(t, "ro")
	for range 5 {
		_, err := tree.Create(ctx, client.CreateArgs{Name: "new", Access: client.ReadWrite})
		is(t, "create", err, ntstatus.MediaWriteProtected)
	}
	_, err := tree.Create(ctx, client.CreateArgs{Name: "before", Disposition: client.Open, Access: client.ReadWrite})
	is(t, "open for writing", err, ntstatus.MediaWriteProtected)
	is(t, "mkdir", tree.Mkdir(ctx, "d"), ntstatus.MediaWriteProtected)
	is(t, "rename", tree.RenameFile(ctx, "before", "x", false), ntstatus.MediaWriteProtected)
	if b, err := tree.ReadFile(ctx, "before"); err != nil || string(b) != "acknowledged" {
		t.Error(string(b), err)
	}
	d.remount(t, "rw")
	if err := tree.WriteFile(ctx, "after", []byte("x")); err != nil {
		t.Error("it takes changes again:", err)
	}
	if n := says(s, "the volume is read-only"); n != 1 {
		t.Errorf("the log tells it %d times", n)
	}
}

func TestDiskThatFailsAndIsMountedAgain(t *testing.T) {
	s := prepare(t, "removable: true")
	d := newDisk(t, s.Path("share"), 16)
	start(t, s)
	ctx, tree := t.Context(), connect(t, s)
	f, err := tree.Create(ctx, client.CreateArgs{Name: "flushed", Access: client.ReadWrite})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(ctx, 0, []byte("acknowledged")); err != nil {
		t.Fatal(err)
	}
	is(t, "flush", f.Flush(ctx), ntstatus.Success)
	d.shutDown(t)
	for range 5 {
		_, err := f.Write(ctx, 0, []byte("lost"))
		is(t, "write", err, ntstatus.UnexpectedIoError)
		is(t, "flush", f.Flush(ctx), ntstatus.UnexpectedIoError)
	}
	if n := says(s, "the storage fails"); n != 1 {
		t.Errorf("the log tells it %d times", n)
	}
	if err := unix.Unmount(d.dir, unix.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the share is gone, and let go of", func() bool {
		_, err := dial(t, s)
		return err != nil && !d.attached(t)
	})
	_, err = dial(t, s)
	is(t, "nothing is mounted", err, ntstatus.BadNetworkName)
	d.mount(t)
	eventually(t, "the share is back", func() bool { tree, err = dial(t, s); return err == nil })
	if b, err := tree.ReadFile(ctx, "flushed"); err != nil || string(b) != "acknowledged" {
		t.Error(string(b), err)
	}
	if err := tree.WriteFile(ctx, "after", []byte("x")); err != nil {
		t.Error(err)
	}
}
