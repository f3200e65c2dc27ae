package smb_test

import (
	"slices"
	"testing"
	"time"

	"lessor/smb"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// setBasic sets times and attributes.
func setBasic(t *testing.T, f *client.File, b wire.FileBasicInformation) {
	t.Helper()
	if err := f.Set(t.Context(), wire.FileInfoBasic, &b); err != nil {
		t.Fatal(err)
	}
}

// basic asks for times and attributes.
func basic(t *testing.T, f *client.File) wire.FileBasicInformation {
	t.Helper()
	b, err := f.Basic(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// day is the n-th of a month long ago.
func day(n int) wire.Filetime { return wire.FiletimeOf(time.Date(2001, 2, n, 3, 4, 5, 600, time.UTC)) }

// MS-FSA 2.1.5.15.2.
func TestSetBasic(t *testing.T) {
	srv := newTestServer(t)
	tree := srv.connect(t)
	ctx := t.Context()
	f := create(t, tree, client.CreateArgs{Name: "f"})
	all := wire.FileBasicInformation{CreationTime: day(1), LastAccessTime: day(2), LastWriteTime: day(3), ChangeTime: day(4), FileAttributes: wire.FileAttributeReadonly | wire.FileAttributeHidden}
	setBasic(t, f, all)
	if got := basic(t, f); got != all {
		t.Errorf("all: %+v", got)
	}
	setBasic(t, f, wire.FileBasicInformation{LastWriteTime: day(5)})
	want := all
	want.LastWriteTime = day(5)
	if got := basic(t, f); got != want {
		t.Errorf("one time: %+v", got)
	}
	setBasic(t, f, wire.FileBasicInformation{FileAttributes: wire.FileAttributeNormal})
	if got := basic(t, f); got.FileAttributes != wire.FileAttributeNormal || got.LastWriteTime != day(5) {
		t.Errorf("normal: %+v", got)
	}
	set := func(f *client.File, b wire.FileBasicInformation) error { return f.Set(ctx, wire.FileInfoBasic, &b) }
	dir := create(t, tree, client.CreateArgs{Name: "d", Directory: true, Access: wire.AccessAll})
	mustBe(t, "directory bit on a file", set(f, wire.FileBasicInformation{FileAttributes: wire.FileAttributeDirectory}), ntstatus.InvalidParameter)
	mustBe(t, "directory bit on a directory", set(dir, wire.FileBasicInformation{FileAttributes: wire.FileAttributeDirectory | wire.FileAttributeHidden}), ntstatus.Success)
	mustBe(t, "temporary directory", set(dir, wire.FileBasicInformation{FileAttributes: wire.FileAttributeTemporary}), ntstatus.InvalidParameter)
	mustBe(t, "negative time", set(f, wire.FileBasicInformation{CreationTime: -3}), ntstatus.InvalidParameter)
	if got := basic(t, dir).FileAttributes; got != wire.FileAttributeDirectory|wire.FileAttributeHidden {
		t.Errorf("directory: %#x", got)
	}
	blind := create(t, tree, client.CreateArgs{Name: "f", Access: client.ReadAccess, Disposition: client.Open})
	mustBe(t, "no right", set(blind, wire.FileBasicInformation{}), ntstatus.AccessDenied)
	mustBe(t, "short", f.SetInfoWith(ctx, &wire.SetInfoRequest{InfoType: wire.InfoTypeFile, FileInfoClass: wire.FileInfoBasic, Buffer: make([]byte, 35)}), ntstatus.InfoLengthMismatch)
}

// A time that a client sets or freezes does not move by what it does through the
// same open, but by what others do (MS-FSA 2.1.4.17).
func TestFrozenTimes(t *testing.T) {
	srv := newTestServer(t)
	tree := srv.connect(t)
	ctx := t.Context()
	write := func(f *client.File) {
		t.Helper()
		if _, err := f.Write(ctx, 0, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	f1 := create(t, tree, client.CreateArgs{Name: "f"})
	f2 := create(t, tree, client.CreateArgs{Name: "f", Disposition: client.Open})
	setBasic(t, f1, wire.FileBasicInformation{LastWriteTime: day(1)})
	write(f1)
	if got := basic(t, f2).LastWriteTime; got != day(1) {
		t.Errorf("after a write through the same open: %v", got.Time())
	}
	if err := f1.Truncate(ctx, 10); err != nil {
		t.Fatal(err)
	}
	if got := basic(t, f2).LastWriteTime; got != day(1) {
		t.Errorf("after a change of size: %v", got.Time())
	}
	write(f2)
	moved := basic(t, f1).LastWriteTime
	if moved <= day(1) {
		t.Errorf("after a write through another open: %v", moved.Time())
	}
	write(f1)
	if got := basic(t, f2).LastWriteTime; got != moved {
		t.Errorf("after one more write through the first: %v, want %v", got.Time(), moved.Time())
	}
	setBasic(t, f1, wire.FileBasicInformation{LastWriteTime: day(2)})
	setBasic(t, f1, wire.FileBasicInformation{LastWriteTime: wire.TimeThaw})
	write(f1)
	if got := basic(t, f2).LastWriteTime; got <= day(2) {
		t.Errorf("after the thaw: %v", got.Time())
	}
	setBasic(t, f2, wire.FileBasicInformation{LastWriteTime: day(3)})
	setBasic(t, f1, wire.FileBasicInformation{LastWriteTime: wire.TimeFreeze})
	write(f1)
	if got := basic(t, f2).LastWriteTime; got != day(3) {
		t.Errorf("frozen: %v", got.Time())
	}
}

// Sizes, and what they do to the time of the last write.
func TestSetSizes(t *testing.T) {
	srv := newTestServer(t)
	tree := srv.connect(t)
	ctx := t.Context()
	f := create(t, tree, client.CreateArgs{Name: "f"})
	other := create(t, tree, client.CreateArgs{Name: "f", Disposition: client.Open})
	alloc := func(n int64) error {
		return f.Set(ctx, wire.FileInfoAllocation, &wire.FileAllocationInformation{AllocationSize: n})
	}
	// Each step begins with a write time long ago.
	step := func(what string, change error, eof, allocation int64, moves bool) {
		t.Helper()
		mustBe(t, what, change, ntstatus.Success)
		s, err := f.Standard(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if s.EndOfFile != eof || allocation >= 0 && s.AllocationSize != allocation {
			t.Errorf("%s: %d bytes, %d allocated, want %d and %d", what, s.EndOfFile, s.AllocationSize, eof, allocation)
		}
		if got := basic(t, f).LastWriteTime > day(1); got != moves {
			t.Errorf("%s: write time has moved: %v", what, got)
		}
		setBasic(t, other, wire.FileBasicInformation{LastWriteTime: day(1)})
	}
	step("grow", f.Truncate(ctx, 10000), 10000, -1, true)
	step("same", f.Truncate(ctx, 10000), 10000, -1, true)
	step("reserve", alloc(20480), 10000, 20480, false)
	step("reserve less, and others write", alloc(12288), 10000, 20480, false)
	if err := other.Close(ctx); err != nil {
		t.Fatal(err)
	}
	other = create(t, tree, client.CreateArgs{Name: "f", Disposition: client.Open, Access: wire.AccessReadAttributes | wire.AccessWriteAttributes})
	step("reserve less", alloc(12288), 10000, 12288, false)
	step("allocation cuts", alloc(4096), 4096, 4096, true)
	step("to nothing", alloc(0), 0, 0, true)

	set := func(f *client.File, class uint8, n int64) error {
		return f.Set(ctx, class, &wire.FilePositionInformation{CurrentByteOffset: n})
	}
	dir := create(t, tree, client.CreateArgs{Name: "d", Directory: true, Access: wire.AccessAll})
	reader := create(t, tree, client.CreateArgs{Name: "f", Access: client.ReadAccess, Disposition: client.Open})
	for _, class := range []uint8{wire.FileInfoEndOfFile, wire.FileInfoAllocation} {
		mustBe(t, "negative", set(f, class, -1), ntstatus.InvalidParameter)
		mustBe(t, "huge", set(f, class, 1<<62), ntstatus.InvalidParameter)
		mustBe(t, "directory", set(dir, class, 0), ntstatus.InvalidParameter)
		mustBe(t, "reader", set(reader, class, 0), ntstatus.AccessDenied)
	}
	mustBe(t, "valid data length", set(f, wire.FileInfoValidDataLength, 0), ntstatus.PrivilegeNotHeld)
	mustBe(t, "position", set(reader, wire.FileInfoPosition, 77), ntstatus.Success)
	mustBe(t, "negative position", set(reader, wire.FileInfoPosition, -1), ntstatus.InvalidParameter)
	var pos wire.FilePositionInformation
	if err := reader.Query(ctx, wire.FileInfoPosition, &pos); err != nil || pos.CurrentByteOffset != 77 {
		t.Errorf("position %d %v", pos.CurrentByteOffset, err)
	}
}

func TestSetMode(t *testing.T) {
	srv := newTestServer(t)
	f := create(t, srv.connect(t), client.CreateArgs{Name: "f", Options: wire.OptionSequentialOnly})
	ctx := t.Context()
	for _, tt := range []struct {
		mode uint32
		want ntstatus.Status
	}{
		{wire.OptionWriteThrough, ntstatus.Success},
		{wire.OptionWriteThrough | wire.OptionSequentialOnly, ntstatus.Success},
		{1, ntstatus.InvalidParameter},
		{wire.OptionSynchronousIONonalert, ntstatus.InvalidParameter},
		{0, ntstatus.Success},
	} {
		before, after := wire.FileModeInformation{}, wire.FileModeInformation{}
		if err := f.Query(ctx, wire.FileInfoMode, &before); err != nil {
			t.Fatal(err)
		}
		mustBe(t, "set", f.Set(ctx, wire.FileInfoMode, &wire.FileModeInformation{Mode: tt.mode}), tt.want)
		if err := f.Query(ctx, wire.FileInfoMode, &after); err != nil {
			t.Fatal(err)
		}
		want := before.Mode
		if tt.want == ntstatus.Success {
			want = tt.mode
		}
		if after.Mode != want {
			t.Errorf("mode %#x after setting %#x", after.Mode, tt.mode)
		}
	}
}

func TestSetInfoRefuses(t *testing.T) {
	srv := newTestServer(t)
	f := create(t, srv.connect(t), client.CreateArgs{Name: "f", Access: wire.AccessAll})
	for _, tt := range []struct {
		infoType, class uint8
		want            ntstatus.Status
	}{
		{wire.InfoTypeFile, wire.FileInfoStandard, ntstatus.InvalidInfoClass},
		{wire.InfoTypeFile, wire.FileInfoPipe, ntstatus.InvalidParameter},
		{wire.InfoTypeFile, wire.FileInfoShortName, ntstatus.PrivilegeNotHeld},
		{wire.InfoTypeFile, wire.FileInfoObjectID, ntstatus.NotSupported},
		{wire.InfoTypeFileSystem, wire.FsInfoLabel, ntstatus.AccessDenied},
		{wire.InfoTypeFileSystem, wire.FsInfoControl, ntstatus.AccessDenied},
		{wire.InfoTypeFileSystem, wire.FsInfoObjectID, ntstatus.AccessDenied},
		{wire.InfoTypeFileSystem, wire.FsInfoSize, ntstatus.InvalidInfoClass},
		{wire.InfoTypeQuota, 0, ntstatus.NotSupported},
		{7, 0, ntstatus.InvalidParameter},
	} {
		err := f.SetInfoWith(t.Context(), &wire.SetInfoRequest{InfoType: tt.infoType, FileInfoClass: tt.class, Buffer: make([]byte, 64)})
		if got, _ := client.StatusOf(err); got != tt.want {
			t.Errorf("type %d class %d: %v, want %v", tt.infoType, tt.class, err, tt.want)
		}
	}
}

// MS-FSA 2.1.5.15.3.
func TestDisposition(t *testing.T) {
	srv := newTestServer(t)
	tree := srv.connect(t)
	ctx := t.Context()
	exists := func(name string) bool {
		t.Helper()
		f, err := tree.Create(ctx, client.CreateArgs{Name: name, Access: wire.AccessReadAttributes, Disposition: client.Open})
		if err == ntstatus.ObjectNameNotFound {
			return false
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(ctx); err != nil {
			t.Fatal(err)
		}
		return true
	}
	f := create(t, tree, client.CreateArgs{Name: "f"})
	mustBe(t, "mark", f.SetDelete(ctx, true), ntstatus.Success)
	s, err := f.Standard(ctx)
	if err != nil || !s.DeletePending || s.NumberOfLinks != 0 {
		t.Errorf("marked: %+v %v", s, err)
	}
	_, err = tree.Create(ctx, client.CreateArgs{Name: "f", Disposition: client.Open})
	mustBe(t, "open", err, ntstatus.DeletePending)
	mustBe(t, "unmark", f.SetDelete(ctx, false), ntstatus.Success)
	mustBe(t, "close", f.Close(ctx), ntstatus.Success)
	if !exists("f") {
		t.Error("deleted in spite of it")
	}
	f = create(t, tree, client.CreateArgs{Name: "f", Disposition: client.Open})
	mustBe(t, "delete", f.Delete(ctx), ntstatus.Success)
	if exists("f") {
		t.Error("still there")
	}

	ro := create(t, tree, client.CreateArgs{Name: "ro", Attributes: wire.FileAttributeReadonly, Access: wire.AccessDelete | wire.AccessReadAttributes})
	mustBe(t, "read-only", ro.SetDelete(ctx, true), ntstatus.CannotDelete)
	ex := func(f *client.File, flags uint32) error {
		return f.Set(ctx, wire.FileInfoDispositionEx, &wire.FileDispositionInformationEx{Flags: flags})
	}
	mustBe(t, "read-only, with flags", ex(ro, wire.DispositionExDelete), ntstatus.CannotDelete)
	mustBe(t, "even read-only", ex(ro, wire.DispositionExDelete|wire.DispositionExIgnoreReadonlyAttribute), ntstatus.Success)
	mustBe(t, "bad flag", ex(ro, 1<<20), ntstatus.InvalidParameter)
	mustBe(t, "on close", ex(ro, wire.DispositionExOnClose|wire.DispositionExDelete), ntstatus.NotSupported)
	mustBe(t, "close", ro.Close(ctx), ntstatus.Success)
	if exists("ro") {
		t.Error("read-only file still there")
	}

	d := create(t, tree, client.CreateArgs{Name: "d", Directory: true, Access: wire.AccessAll})
	fill(t, srv.fs, "d", "x")
	mustBe(t, "full directory", d.SetDelete(ctx, true), ntstatus.DirectoryNotEmpty)
	mustBe(t, "remove", tree.Remove(ctx, `d\x`), ntstatus.Success)
	mustBe(t, "empty directory", d.Delete(ctx), ntstatus.Success)
	root := create(t, tree, client.CreateArgs{Name: "", Directory: true, Access: wire.AccessAll, Disposition: client.Open})
	mustBe(t, "root", root.SetDelete(ctx, true), ntstatus.CannotDelete)
	blind := create(t, tree, client.CreateArgs{Name: "g", Access: client.ReadAccess})
	mustBe(t, "no right", blind.SetDelete(ctx, true), ntstatus.AccessDenied)
}

// With POSIX semantics the name is free as soon as the open that deletes is closed
// (MS-FSCC 2.4.12).
func TestDispositionPosix(t *testing.T) {
	srv := newTestServer(t)
	tree := srv.connect(t)
	ctx := t.Context()
	f := create(t, tree, client.CreateArgs{Name: "f"})
	if _, err := f.Write(ctx, 0, []byte("old")); err != nil {
		t.Fatal(err)
	}
	other := create(t, tree, client.CreateArgs{Name: "f", Disposition: client.Open})
	flags := wire.FileDispositionInformationEx{Flags: wire.DispositionExDelete | wire.DispositionExPosixSemantics}
	mustBe(t, "mark", f.Set(ctx, wire.FileInfoDispositionEx, &flags), ntstatus.Success)
	mustBe(t, "close", f.Close(ctx), ntstatus.Success)
	fresh := create(t, tree, client.CreateArgs{Name: "f", Disposition: client.Create})
	b, err := other.Read(ctx, 0, 10)
	if err != nil || string(b) != "old" {
		t.Errorf("the other open reads %q %v", b, err)
	}
	if s, err := other.Standard(ctx); err != nil || !s.DeletePending {
		t.Errorf("the other open: %+v %v", s, err)
	}
	mustBe(t, "close", other.Close(ctx), ntstatus.Success)
	mustBe(t, "close", fresh.Close(ctx), ntstatus.Success)
	if _, err := tree.ReadFile(ctx, "f"); err != nil {
		t.Error("the new file is gone:", err)
	}

	// A file with another name loses only the one.
	f = create(t, tree, client.CreateArgs{Name: "one"})
	mustBe(t, "link", f.Link(ctx, "two", false), ntstatus.Success)
	other = create(t, tree, client.CreateArgs{Name: "two", Disposition: client.Open})
	mustBe(t, "mark", f.Set(ctx, wire.FileInfoDispositionEx, &flags), ntstatus.Success)
	mustBe(t, "close", f.Close(ctx), ntstatus.Success)
	mustBe(t, "close", other.Close(ctx), ntstatus.Success)
	list, err := tree.ReadDir(ctx, "")
	if err != nil || !slices.Equal(namesOf(list), []string{"f", "two"}) {
		t.Errorf("left: %q %v", namesOf(list), err)
	}
}

// What a read-only share lets through.
func TestSetInfoReadOnlyShare(t *testing.T) {
	srv := newTestServer(t, readOnly)
	fill(t, srv.fs, "", "f")
	tree := srv.connect(t)
	f := create(t, tree, client.CreateArgs{Name: "f", Access: wire.AccessMaximumAllowed, Disposition: client.Open})
	ctx := t.Context()
	mustBe(t, "basic", f.Set(ctx, wire.FileInfoBasic, &wire.FileBasicInformation{FileAttributes: wire.FileAttributeHidden}), ntstatus.AccessDenied)
	mustBe(t, "link", f.Link(ctx, "g", false), ntstatus.AccessDenied)
	mustBe(t, "rename", f.Rename(ctx, "g", false), ntstatus.AccessDenied)
	mustBe(t, "truncate", f.Truncate(ctx, 0), ntstatus.AccessDenied)
	var at wire.FileFsAttributeInformation
	if err := f.QueryFS(ctx, wire.FsInfoAttribute, &at); err != nil || at.FileSystemAttributes&wire.FsReadOnlyVolume == 0 {
		t.Errorf("attributes %#x %v", at.FileSystemAttributes, err)
	}
}

// readOnly is a tweak of newTestServer.
func readOnly(_ *smb.Config, sh *smb.Share) { sh.ReadOnly = true }
