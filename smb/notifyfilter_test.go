package smb_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lessor/smb/ntstatus"
	"lessor/smb/secdesc"
	"lessor/smb/wire"
	"lessor/test/client"
)

// Every kind of change, and which of the filters it is told under (MS-FSA 2.1.4.1,
// MS-SMB2 2.2.35). Each filter has an open of its own; when they are closed, what has
// not been told by then is not told at all.
func TestNotifyFilters(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	watcher, tree := s.connect(t), s.connect(t)
	now := wire.FiletimeOf(time.Date(2020, 2, 29, 1, 2, 3, 0, time.UTC))
	open := func(name string) *client.File {
		t.Helper()
		return create(t, tree, client.CreateArgs{Name: `d\` + name, Access: wire.AccessAll, Disposition: client.Open})
	}
	closed := func(f *client.File, err error) {
		t.Helper()
		mustBe(t, "change", err, ntstatus.Success)
		mustBe(t, "close", f.Close(ctx), ntstatus.Success)
	}
	basic := func(name string, b wire.FileBasicInformation) {
		t.Helper()
		f := open(name)
		closed(f, f.Set(ctx, wire.FileInfoBasic, &b))
	}
	write := func(name string) {
		t.Helper()
		f := open(name)
		_, err := f.Write(ctx, 0, []byte("12345"))
		closed(f, err)
	}
	filters := []string{
		"FILE_NAME", "DIR_NAME", "ATTRIBUTES", "SIZE", "LAST_WRITE", "LAST_ACCESS", "CREATION", "EA", "SECURITY",
		"STREAM_NAME", "STREAM_SIZE", "STREAM_WRITE",
	}
	mustBe(t, "mkdir", tree.Mkdir(ctx, "d"), ntstatus.Success)
	for _, step := range []struct {
		name string
		do   func()
		want string
	}{
		{"a new file", func() { touch(t, tree, `d\f`) }, "FILE_NAME 1 f"},
		{"a new directory", func() { mustBe(t, "mkdir", tree.Mkdir(ctx, `d\sub`), ntstatus.Success) }, "DIR_NAME 1 sub"},
		{"attributes", func() { basic("f", wire.FileBasicInformation{FileAttributes: wire.FileAttributeHidden}) }, "ATTRIBUTES 3 f"},
		{"creation", func() { basic("f", wire.FileBasicInformation{CreationTime: now}) }, "CREATION 3 f"},
		{"last access", func() { basic("f", wire.FileBasicInformation{LastAccessTime: now}) }, "LAST_ACCESS 3 f"},
		{"last write", func() { basic("f", wire.FileBasicInformation{LastWriteTime: now}) }, "LAST_WRITE 3 f"},
		{"data", func() { write("f") }, "SIZE 3 f, LAST_WRITE 3 f"},
		{"size", func() { f := open("f"); closed(f, f.Truncate(ctx, 3)) }, "SIZE 3 f, LAST_WRITE 3 f"},
		{"extended attributes", func() {
			f := open("f")
			closed(f, f.Set(ctx, wire.FileInfoFullEa, &wire.FileFullEaInformation{Entries: []wire.EaEntry{{EaName: "E", EaValue: []byte("x")}}}))
		}, "EA 3 f"},
		{"security", func() {
			f := open("f")
			sd, err := f.Security(ctx, secdesc.DACLInformation)
			mustBe(t, "descriptor", err, ntstatus.Success)
			closed(f, f.SetSecurity(ctx, secdesc.DACLInformation, sd))
		}, "SECURITY 3 f"},
		{"a new stream", func() { touch(t, tree, `d\f:s`) }, "STREAM_NAME 6 f:s"},
		{"data of a stream", func() { write("f:s") }, "STREAM_SIZE 8 f:s, STREAM_WRITE 8 f:s"},
		{"size of a stream", func() { f := open("f:s"); closed(f, f.Truncate(ctx, 1)) }, "STREAM_SIZE 8 f:s, STREAM_WRITE 8 f:s"},
		{"attributes through a stream", func() { basic("f:s", wire.FileBasicInformation{FileAttributes: wire.FileAttributeSystem}) }, "ATTRIBUTES 3 f"},
		{"another name of a stream", func() { f := open("f:s"); closed(f, f.Rename(ctx, ":t", false)) }, "STREAM_NAME 7 f:s"},
		{"no stream", func() { f := open("f:t"); mustBe(t, "delete", f.Delete(ctx), ntstatus.Success) }, "STREAM_NAME 7 f:t"},
		{"another name", func() { mustBe(t, "rename", tree.RenameFile(ctx, `d\f`, `d\g`, false), ntstatus.Success) }, "FILE_NAME 4 f 5 g, ATTRIBUTES 3 g, CREATION 3 g"},
		{"another name of a directory", func() { mustBe(t, "rename", tree.RenameFile(ctx, `d\sub`, `d\dir`, false), ntstatus.Success) }, "DIR_NAME 4 sub 5 dir"},
		{"no file", func() { mustBe(t, "delete", tree.Remove(ctx, `d\g`), ntstatus.Success) }, "FILE_NAME 2 g"},
		{"no directory", func() { mustBe(t, "delete", tree.Remove(ctx, `d\dir`), ntstatus.Success) }, "DIR_NAME 2 dir"},
	} {
		calls := make([]*client.Call[[]wire.FileNotifyInformation], len(filters))
		dirs := make([]*client.File, len(filters))
		for i := range filters {
			dirs[i] = create(t, watcher, client.CreateArgs{Name: "d", Directory: true, Access: client.ListDirectory, Disposition: client.Open})
			calls[i] = waiting(t, dirs[i], 1<<i, false)
		}
		step.do()
		var got []string
		for i, call := range calls {
			mustBe(t, "close", dirs[i].Close(ctx), ntstatus.Success)
			list, err := call.Wait(ctx)
			if status, _ := client.StatusOf(err); status == ntstatus.NotifyCleanup {
				continue
			}
			mustBe(t, "notify", err, ntstatus.Success)
			line := filters[i]
			for _, e := range list {
				line += fmt.Sprintf(" %d %s", e.Action, e.FileName)
			}
			got = append(got, line)
		}
		if diff := cmp.Diff(step.want, strings.Join(got, ", ")); diff != "" {
			t.Errorf("%s: %s", step.name, diff)
		}
	}
}
