package smb_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor/smb"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/vfs/memfs"
)

func chunk(from, to uint64, n uint32) wire.SrvCopychunk {
	return wire.SrvCopychunk{SourceOffset: from, TargetOffset: to, Length: n}
}

// MS-SMB2 3.3.5.15.6: what is copied is told, with every status.
func TestCopyChunk(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	tree := s.connect(t)
	data := pattern(1 << 20)
	src := create(t, tree, client.CreateArgs{Name: "src"})
	if err := src.WriteAll(ctx, 0, data); err != nil {
		t.Fatal(err)
	}
	limits := wire.SrvCopychunkResponse{ChunksWritten: 256, ChunkBytesWritten: 1 << 20, TotalBytesWritten: 16 << 20}
	many := func(n int, length uint32) (list []wire.SrvCopychunk) {
		for range n {
			list = append(list, chunk(0, 0, length))
		}
		return list
	}
	for _, c := range []struct {
		name   string
		list   []wire.SrvCopychunk
		want   wire.SrvCopychunkResponse
		status ntstatus.Status
	}{
		{"one", many(1, 1000), wire.SrvCopychunkResponse{ChunksWritten: 1, TotalBytesWritten: 1000}, ntstatus.Success},
		{"as many as there may be", many(256, 1), wire.SrvCopychunkResponse{ChunksWritten: 256, TotalBytesWritten: 256}, ntstatus.Success},
		{"as much as there may be", many(16, 1<<20), wire.SrvCopychunkResponse{ChunksWritten: 16, TotalBytesWritten: 16 << 20}, ntstatus.Success},
		{"none", nil, wire.SrvCopychunkResponse{}, ntstatus.Success},
		{"too many", many(257, 1), limits, ntstatus.InvalidParameter},
		{"too much", many(17, 1<<20), limits, ntstatus.InvalidParameter},
		{"too long", many(1, 1<<20+1), limits, ntstatus.InvalidParameter},
		{"empty", many(1, 0), limits, ntstatus.InvalidParameter},
		{
			"the second beyond the end",
			[]wire.SrvCopychunk{chunk(0, 0, 100), chunk(1<<20-50, 0, 100)},
			wire.SrvCopychunkResponse{ChunksWritten: 1, TotalBytesWritten: 100}, ntstatus.InvalidViewSize,
		},
		{
			"the second at a negative offset",
			[]wire.SrvCopychunk{chunk(0, 0, 100), chunk(1<<63, 0, 100)},
			wire.SrvCopychunkResponse{ChunksWritten: 1, TotalBytesWritten: 100}, ntstatus.InvalidParameter,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			dst := create(t, tree, client.CreateArgs{Name: "dst", Disposition: client.OverwriteIf})
			got, err := dst.CopyFrom(ctx, src, c.list...)
			mustBe(t, "copy", err, c.status)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Fatal(diff)
			}
			mustBe(t, "close", dst.Close(ctx), ntstatus.Success)
		})
	}

	dst := create(t, tree, client.CreateArgs{Name: "dst", Disposition: client.OverwriteIf})
	if _, err := dst.CopyFrom(ctx, src, chunk(0, 500_000, 500_000), chunk(500_000, 0, 500_000)); err != nil {
		t.Fatal(err)
	}
	got, err := dst.ReadAll(ctx)
	if err != nil || !bytes.Equal(got, append(bytes.Clone(data[500_000:1_000_000]), data[:500_000]...)) {
		t.Fatalf("%d bytes differ, %v", len(got), err)
	}
}

// Ranges of one file that overlap are copied as if by way of another place.
func TestCopyChunkOverlap(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	f := create(t, s.connect(t), client.CreateArgs{Name: "f"})
	data := pattern(1 << 20)
	if err := f.WriteAll(ctx, 0, data); err != nil {
		t.Fatal(err)
	}
	for _, c := range []wire.SrvCopychunk{chunk(0, 4, 900_000), chunk(100_000, 0, 900_000), chunk(7, 7, 1000), chunk(0, 500_000, 500_000)} {
		if _, err := f.CopyFrom(ctx, f, c); err != nil {
			t.Fatal(err)
		}
		copy(data[c.TargetOffset:], bytes.Clone(data[c.SourceOffset:c.SourceOffset+uint64(c.Length)]))
		got, err := f.ReadAll(ctx)
		if err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%+v: data differ, %v", c, err)
		}
	}
}

func TestCopyChunkRefused(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	tree := s.connect(t)
	src := create(t, tree, client.CreateArgs{Name: "src"})
	if err := src.WriteAll(ctx, 0, pattern(1000)); err != nil {
		t.Fatal(err)
	}
	dst := create(t, tree, client.CreateArgs{Name: "dst"})
	one := chunk(0, 0, 100)
	with := func(name string, access uint32) *client.File {
		return create(t, tree, client.CreateArgs{Name: name, Access: access})
	}
	_, err := dst.CopyFrom(ctx, with("src", wire.AccessReadAttributes), one)
	mustBe(t, "a source that may not be read", err, ntstatus.AccessDenied)
	_, err = with("dst", client.ReadAccess).CopyFrom(ctx, src, one)
	mustBe(t, "a copy that may not be written", err, ntstatus.AccessDenied)
	_, err = with("dst", wire.AccessWriteData).CopyFrom(ctx, src, one)
	mustBe(t, "a copy that may not be read", err, ntstatus.AccessDenied)
	// That is what the other code is for.
	out, err := src.Ioctl(ctx, wire.FsctlSrvRequestResumeKey, nil, 32)
	mustBe(t, "resume key", err, ntstatus.Success)
	var key wire.ResumeKeyResponse
	if err := key.Decode(out); err != nil {
		t.Fatal(err)
	}
	input := (&wire.SrvCopychunkCopy{SourceKey: key.ResumeKey, Chunks: []wire.SrvCopychunk{one}}).Append(nil)
	_, err = with("dst", wire.AccessWriteData).Ioctl(ctx, wire.FsctlSrvCopychunkWrite, input, 12)
	mustBe(t, "FSCTL_SRV_COPYCHUNK_WRITE", err, ntstatus.Success)
	_, err = dst.Ioctl(ctx, wire.FsctlSrvCopychunk, input, 11)
	mustBe(t, "no room", err, ntstatus.InvalidParameter)
	_, err = dst.Ioctl(ctx, wire.FsctlSrvCopychunk, input[:len(input)-1], 12)
	mustBe(t, "half a chunk", err, ntstatus.InvalidParameter)

	// A key is good in its session, as long as its open, and cannot be guessed.
	stranger := create(t, s.connect(t), client.CreateArgs{Name: "dst"})
	_, err = stranger.Ioctl(ctx, wire.FsctlSrvCopychunk, input, 12)
	mustBe(t, "the key of another session", err, ntstatus.ObjectNameNotFound)
	forged := bytes.Clone(input)
	forged[9] ^= 1
	_, err = dst.Ioctl(ctx, wire.FsctlSrvCopychunk, forged, 12)
	mustBe(t, "a forged key", err, ntstatus.ObjectNameNotFound)
	mustBe(t, "lock", create(t, tree, client.CreateArgs{Name: "src"}).Lock(ctx, client.Exclusive(50, 1)), ntstatus.Success)
	got, err := dst.CopyFrom(ctx, src, chunk(0, 0, 50), chunk(50, 50, 50))
	mustBe(t, "a locked source", err, ntstatus.FileLockConflict)
	if got.ChunksWritten != 1 || got.TotalBytesWritten != 50 {
		t.Fatalf("%+v", got)
	}
	mustBe(t, "close", src.Close(ctx), ntstatus.Success)
	_, err = dst.Ioctl(ctx, wire.FsctlSrvCopychunk, input, 12)
	mustBe(t, "the key of a closed open", err, ntstatus.ObjectNameNotFound)
}

// A copy ends the read caching of others, and may go from share to share.
func TestCopyChunkAcrossTrees(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	tree := s.connect(t)
	second, err := tree.Session.TreeConnect(ctx, "data")
	if err != nil {
		t.Fatal(err)
	}
	src := create(t, tree, client.CreateArgs{Name: "src"})
	if err := src.WriteAll(ctx, 0, pattern(1000)); err != nil {
		t.Fatal(err)
	}
	other := s.connect(t)
	create(t, other, client.CreateArgs{Name: "dst", Lease: &client.Lease{Key: client.NewGUID(), State: client.R}})
	dst := create(t, second, client.CreateArgs{Name: "dst"})
	if _, err := dst.CopyFrom(ctx, src, chunk(0, 0, 1000)); err != nil {
		t.Fatal(err)
	}
	b, err := other.Session.Conn.NextBreak(ctx)
	if err != nil || b.Lease == nil || b.Lease.NewLeaseState != 0 {
		t.Fatalf("break %v, %v", b, err)
	}
	got, err := dst.ReadAll(ctx)
	if err != nil || !bytes.Equal(got, pattern(1000)) {
		t.Fatalf("data differ, %v", err)
	}
}

// FSCTL_DUPLICATE_EXTENTS_TO_FILE (MS-FSA 2.1.5.10.4).
func TestDuplicateExtents(t *testing.T) {
	s := newTestServer(t, func(_ *smb.Config, sh *smb.Share) { sh.FS = memfs.New(memfs.Options{}) })
	ctx := t.Context()
	tree := s.connect(t)
	const size = 256 << 10
	data := pattern(size)
	src := create(t, tree, client.CreateArgs{Name: "src"})
	if err := src.WriteAll(ctx, 0, data); err != nil {
		t.Fatal(err)
	}
	dst := create(t, tree, client.CreateArgs{Name: "dst"})
	clone := func(dst *client.File, id wire.FileID, from, to, n int64) error {
		q := wire.DuplicateExtentsData{SourceFileID: id, SourceFileOffset: from, TargetFileOffset: to, ByteCount: n}
		_, err := dst.Ioctl(ctx, wire.FsctlDuplicateExtentsToFile, q.Append(nil), 0)
		return err
	}
	mustBe(t, "nothing", clone(dst, src.ID, 0, 0, 0), ntstatus.Success)
	// What is beyond the end of the copy is left out.
	mustBe(t, "beyond the end of the copy", clone(dst, src.ID, 0, 0, size), ntstatus.Success)
	std, err := dst.Standard(ctx)
	if err != nil || std.EndOfFile != 0 {
		t.Fatalf("size %d, %v", std.EndOfFile, err)
	}
	mustBe(t, "set the size", dst.Truncate(ctx, size), ntstatus.Success)
	got, err := dst.ReadAll(ctx)
	if err != nil || !bytes.Equal(got, make([]byte, size)) {
		t.Fatalf("not zeros, %v", err)
	}
	mustBe(t, "all", clone(dst, src.ID, 0, 0, size), ntstatus.Success)
	got, err = dst.ReadAll(ctx)
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("data differ, %v", err)
	}
	ex := wire.DuplicateExtentsDataEx{
		DuplicateExtentsData: wire.DuplicateExtentsData{SourceFileID: src.ID, TargetFileOffset: size / 2, ByteCount: size / 2},
		Flags:                wire.DuplicateExtentsSourceAtomic,
	}
	_, err = dst.Ioctl(ctx, wire.FsctlDuplicateExtentsToFileEx, ex.Append(nil), 0)
	mustBe(t, "with flags", err, ntstatus.Success)
	got, err = dst.ReadAll(ctx)
	if err != nil || !bytes.Equal(got[size/2:], data[:size/2]) || !bytes.Equal(got[:size/2], data[:size/2]) {
		t.Fatalf("data differ, %v", err)
	}
	ex.Flags = 2
	_, err = dst.Ioctl(ctx, wire.FsctlDuplicateExtentsToFileEx, ex.Append(nil), 0)
	mustBe(t, "with unknown flags", err, ntstatus.InvalidParameter)

	mustBe(t, "beyond the end of the source", clone(dst, src.ID, size/2, 0, size), ntstatus.NotSupported)
	mustBe(t, "onto itself", clone(src, src.ID, 0, size/4, size/2), ntstatus.NotSupported)
	mustBe(t, "within one file", clone(src, src.ID, 0, size/2, size/2), ntstatus.Success)
	mustBe(t, "a negative count", clone(dst, src.ID, 0, 0, -1), ntstatus.InvalidParameter)
	mustBe(t, "a negative offset", clone(dst, src.ID, -4096, 0, 4096), ntstatus.InvalidParameter)
	mustBe(t, "beyond all offsets", clone(dst, src.ID, 1<<62, 1<<62, 1<<62+1<<61), ntstatus.InvalidParameter)
	mustBe(t, "between blocks", clone(dst, src.ID, 1, 0, 4096), ntstatus.InvalidParameter)
	mustBe(t, "no source", clone(dst, wire.FileID{Persistent: 1, Volatile: 1}, 0, 0, 4096), ntstatus.InvalidHandle)
	sparse(t, src, 1)
	mustBe(t, "sparse to not sparse", clone(dst, src.ID, 0, 0, 4096), ntstatus.NotSupported)
	sparse(t, dst, 1)
	mustBe(t, "sparse to sparse", clone(dst, src.ID, 0, 0, 4096), ntstatus.Success)
	reader := create(t, tree, client.CreateArgs{Name: "dst", Access: client.ReadAccess})
	mustBe(t, "without the right", clone(reader, src.ID, 0, 0, 4096), ntstatus.AccessDenied)
}
