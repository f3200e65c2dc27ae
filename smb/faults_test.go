package smb_test

import (
	"os"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"lessor/smb"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/vfs"
	"lessor/vfs/errfs"
	"lessor/vfs/localfs"
	"lessor/vfs/memfs"
)

// faulty is a server whose storage fails by rules, and its log.
func faulty(t *testing.T) (*client.Tree, *errfs.FS, *logBuffer) {
	t.Helper()
	fs, said := errfs.New(memfs.New(memfs.Options{})), &logBuffer{}
	s := newTestServer(t, func(c *smb.Config, sh *smb.Share) {
		log := zerolog.New(said)
		c.Log, sh.FS = &log, fs
	})
	return s.connect(t), fs, said
}

func TestFaultsOfTheStorage(t *testing.T) {
	for _, c := range []struct {
		err  error
		want ntstatus.Status
		line string
	}{
		{vfs.ErrNoSpace, ntstatus.DiskFull, "the volume is full"},
		{vfs.ErrQuota, ntstatus.DiskFull, "a quota is used up"},
		{vfs.ErrReadOnly, ntstatus.MediaWriteProtected, "the volume is read-only"},
		{vfs.ErrIO, ntstatus.UnexpectedIoError, "the storage fails"},
	} {
		ctx := t.Context()
		tree, fs, said := faulty(t)
		if err := tree.WriteFile(ctx, "kept", []byte("acknowledged")); err != nil {
			t.Fatal(err)
		}
		f := create(t, tree, client.CreateArgs{Name: "f", Access: client.ReadWriteDelete | wire.AccessWriteDAC})
		var rules []func()
		for _, op := range []errfs.Op{errfs.OpWriteAt, errfs.OpTruncate, errfs.OpSync, errfs.OpAlloc, errfs.OpCreate, errfs.OpSetAttr,
			errfs.OpRename, errfs.OpSetXattr} {
			rules = append(rules, fs.Add(errfs.Rule{Op: op, Err: c.err}))
		}
		tries := map[string]func() error{
			"write":    func() error { _, err := f.Write(ctx, 0, []byte("x")); return err },
			"flush":    func() error { return f.Flush(ctx) },
			"truncate": func() error { return f.Truncate(ctx, 1<<20) },
			"allocation": func() error {
				return f.Set(ctx, wire.FileInfoAllocation, &wire.FileAllocationInformation{AllocationSize: 1 << 20})
			},
			"attributes": func() error { return f.Set(ctx, wire.FileInfoBasic, &wire.FileBasicInformation{FileAttributes: 2}) },
			"rename":     func() error { return f.Rename(ctx, "g", false) },
			"mkdir":      func() error { return tree.Mkdir(ctx, "d") },
			"create": func() error {
				_, err := tree.Create(ctx, client.CreateArgs{Name: "new", Access: client.ReadWrite})
				return err
			},
		}
		for range 3 {
			for what, try := range tries {
				mustBe(t, what, try(), c.want)
			}
		}
		if n := said.says(c.line); n != 1 {
			t.Errorf("%v: the log tells it %d times", c.err, n)
		}
		if b, err := tree.ReadFile(ctx, "kept"); err != nil || string(b) != "acknowledged" {
			t.Errorf("%v: %q, %v", c.err, b, err)
		}
		for _, remove := range rules {
			remove()
		}
		for what, try := range tries {
			mustBe(t, what+" afterwards", try(), ntstatus.Success)
		}
		mustBe(t, "close", f.Close(ctx), ntstatus.Success)
	}
}

// What a file system has taken and cannot put on the disk, as with delayed allocation,
// shows when the client flushes.
func TestDelayedErrorsShowAtFlush(t *testing.T) {
	ctx := t.Context()
	tree, fs, _ := faulty(t)
	f := create(t, tree, client.CreateArgs{Name: "f", Access: client.ReadWrite})
	fs.Add(errfs.Rule{Op: errfs.OpSync, Nth: 1, Err: vfs.ErrNoSpace})
	if _, err := f.Write(ctx, 0, []byte("x")); err != nil {
		t.Fatal(err)
	}
	mustBe(t, "flush", f.Flush(ctx), ntstatus.DiskFull)
	mustBe(t, "flush again", f.Flush(ctx), ntstatus.Success)

	through := create(t, tree, client.CreateArgs{Name: "g", Access: client.ReadWrite, Options: wire.OptionWriteThrough})
	fs.Add(errfs.Rule{Op: errfs.OpSync, Nth: 1, Err: vfs.ErrIO})
	_, err := through.Write(ctx, 0, []byte("x"))
	mustBe(t, "write through", err, ntstatus.UnexpectedIoError)
}

// They show when the client closes what it has written, too, and the handle is gone all
// the same. Who has not written is not bothered, and the storage not asked.
func TestDelayedErrorsShowAtClose(t *testing.T) {
	ctx := t.Context()
	tree, fs, said := faulty(t)
	for _, c := range []struct {
		err  error
		want ntstatus.Status
	}{
		{vfs.ErrNoSpace, ntstatus.DiskFull},
		{vfs.ErrQuota, ntstatus.DiskFull},
		{vfs.ErrIO, ntstatus.UnexpectedIoError},
		{nil, ntstatus.Success},
	} {
		writer := create(t, tree, client.CreateArgs{Name: "f", Access: client.ReadWriteDelete})
		reader := create(t, tree, client.CreateArgs{Name: "f", Access: client.ReadWrite})
		if _, err := writer.Write(ctx, 0, []byte("x")); err != nil {
			t.Fatal(err)
		}
		remove := func() {}
		if c.err != nil {
			remove = fs.Add(errfs.Rule{Op: errfs.OpWriteError, Err: c.err})
		}
		asked := fs.Calls(errfs.OpWriteError)
		mustBe(t, "close of who has not written", reader.Close(ctx), ntstatus.Success)
		if n := fs.Calls(errfs.OpWriteError); n != asked {
			t.Errorf("the storage was asked %d times for who has not written", n-asked)
		}
		mustBe(t, "close", writer.Close(ctx), c.want)
		_, err := writer.Read(ctx, 0, 1)
		mustBe(t, "afterwards", err, ntstatus.FileClosed)
		mustBe(t, "close again", writer.Close(ctx), ntstatus.FileClosed)
		if n := fs.Calls(errfs.OpWriteError); n != asked+1 {
			t.Errorf("the storage was asked %d times", n-asked)
		}
		remove()
	}

	// What is deleted anyway is nothing to be told about.
	defer fs.Add(errfs.Rule{Op: errfs.OpWriteError, Err: vfs.ErrIO})()
	doomed := create(t, tree, client.CreateArgs{Name: "f", Access: client.ReadWriteDelete})
	if _, err := doomed.Write(ctx, 0, []byte("x")); err != nil {
		t.Fatal(err)
	}
	mustBe(t, "delete", doomed.SetDelete(ctx, true), ntstatus.Success)
	mustBe(t, "close", doomed.Close(ctx), ntstatus.Success)

	// Who is gone cannot be told; the log is.
	lost := create(t, tree, client.CreateArgs{Name: "g", Access: client.ReadWrite})
	if _, err := lost.Write(ctx, 0, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := tree.Disconnect(ctx); err != nil {
		t.Fatal(err)
	}
	if n := said.says("what was written to it last may be lost"); n != 1 {
		t.Errorf("the log tells it %d times", n)
	}
}

func TestCreateThatFailsLeavesNoHandle(t *testing.T) {
	dir := t.TempDir()
	inner, err := localfs.New(dir, localfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = inner.Close() })
	fs := errfs.New(inner)
	s := newTestServer(t, func(_ *smb.Config, sh *smb.Share) { sh.FS, sh.NoLocalChanges = fs, true })
	ctx, tree := t.Context(), s.connect(t)
	put(t, dir, "old", "text")
	before := heldBelow(t, dir)
	failed := 0
	for _, op := range []errfs.Op{errfs.OpOpen, errfs.OpAttr, errfs.OpLookup, errfs.OpSecurity, errfs.OpSetAttr, errfs.OpCreate, errfs.OpStreams} {
		remove := fs.Add(errfs.Rule{Op: op, Err: vfs.ErrIO})
		for _, name := range []string{"old", "new"} {
			f, err := tree.Create(ctx, client.CreateArgs{Name: name, Access: client.ReadWrite, Disposition: client.OverwriteIf})
			if err != nil {
				mustBe(t, op.String(), err, ntstatus.UnexpectedIoError)
				failed++
				continue
			}
			mustBe(t, "close", f.Close(ctx), ntstatus.Success)
		}
		remove()
	}
	if failed < 7 {
		t.Errorf("only %d have failed", failed)
	}
	eventually(t, "all descriptors are closed", func() bool { return heldBelow(t, dir) == before })
}

// heldBelow is how many descriptors of this process lead to a directory or below.
func heldBelow(t *testing.T, dir string) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range list {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(to, dir) {
			n++
		}
	}
	return n
}

func TestOfflineShareIsNotThere(t *testing.T) {
	s := newTestServer(t)
	tree := s.connect(t)
	f := create(t, tree, client.CreateArgs{Name: "f", Access: client.ReadWrite})
	if err := s.SetShares([]smb.Share{{Name: "data", Offline: "it is away"}}); err != nil {
		t.Fatal(err)
	}
	if err := s.SetShares([]smb.Share{{Name: "data", Offline: "x"}, {Name: "DATA", Offline: "y"}}); err == nil {
		t.Error("two shares of one name")
	}
	_, err := client.Connect(t.Context(), s.addr, "data", client.Options{User: "alice", Password: "secret"})
	mustBe(t, "connect", err, ntstatus.BadNetworkName)
	if _, err := f.Write(t.Context(), 0, []byte("x")); err != nil {
		t.Error("who is connected goes on until the file system is abandoned:", err)
	}
	if n := s.Abandon(s.fs); n != 1 {
		t.Errorf("%d trees", n)
	}
	_, err = f.Write(t.Context(), 0, []byte("x"))
	mustBe(t, "write", err, ntstatus.NetworkNameDeleted)
	if err := s.SetShares([]smb.Share{{Name: "data", FS: s.fs, DefaultAccess: smb.AccessWrite}}); err != nil {
		t.Fatal(err)
	}
	if err := s.connect(t).WriteFile(t.Context(), "f", nil); err != nil {
		t.Error(err)
	}
}

// An error of closing a file, with which a network file system says that it has not written
// what it had put off, is in the log.
func TestFaultsAtClose(t *testing.T) {
	tree, fs, said := faulty(t)
	f := create(t, tree, client.CreateArgs{Name: "f"})
	mustBe(t, "write", f.WriteAll(t.Context(), 0, []byte("x")), ntstatus.Success)
	defer fs.Add(errfs.Rule{Op: errfs.OpClose, Err: vfs.ErrQuota})()
	mustBe(t, "close", f.Close(t.Context()), ntstatus.Success)
	eventually(t, "the line", func() bool { return said.says("may be lost") == 1 })
}
