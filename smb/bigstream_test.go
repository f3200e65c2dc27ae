package smb_test

import (
	"testing"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// A stream is as good as a file: megabytes of it, on a file and on a directory, with the
// handles and the names that a file has, and an end with its owner.
func TestBigStream(t *testing.T) {
	s := newTestServer(t, inDirectory(t))
	ctx := t.Context()
	tree := s.connect(t)
	create(t, tree, client.CreateArgs{Name: "dir", Directory: true})
	for _, base := range []string{"file", "dir"} {
		f, data := filled(t, tree, base+":big", 3<<20+5)
		mustHold(t, f, data)
		var at wire.FileStandardInformation
		if err := f.Query(ctx, wire.FileInfoStandard, &at); err != nil || at.EndOfFile != int64(len(data)) || at.AllocationSize < at.EndOfFile {
			t.Fatalf("%+v, %v", at, err)
		}
		mustBe(t, "rename", f.Rename(ctx, ":new", false), ntstatus.Success)
		b, err := f.QueryInfo(ctx, wire.InfoTypeFile, wire.FileInfoStream, 4096)
		mustBe(t, "streams", err, ntstatus.Success)
		var list wire.FileStreamInformation
		if err := list.Decode(b); err != nil {
			t.Fatal(err)
		}
		last := list.Streams[len(list.Streams)-1]
		if last.StreamName != ":new:$DATA" || last.StreamSize != int64(len(data)) {
			t.Fatalf("%+v", list)
		}
		mustBe(t, "close", f.Close(ctx), ntstatus.Success)
		again := create(t, tree, client.CreateArgs{Name: base + ":NEW", Access: wire.AccessAll, Disposition: client.Open})
		mustHold(t, again, data)

		// A token for a stream ends with a write that does not change its size.
		dst, _ := filled(t, tree, "dst", 512)
		tok := token(t, again, 512)
		if _, err := again.Write(ctx, 0, []byte("x")); err != nil {
			t.Fatal(err)
		}
		_, err = offloadWrite(ctx, dst, wire.OffloadWriteInput{CopyLength: 512, Token: tok})
		mustBe(t, "changed", err, ntstatus.InvalidToken)
		mustBe(t, "delete", again.Delete(ctx), ntstatus.Success)
		_, err = tree.Create(ctx, client.CreateArgs{Name: base + ":new", Disposition: client.Open})
		mustBe(t, "deleted", err, ntstatus.ObjectNameNotFound)
	}
}
