package smb_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"lessor/smb"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/vfs"
	"lessor/vfs/errfs"
	"lessor/vfs/localfs"
	"lessor/vfs/memfs"
)

// offloadRead asks for a token.
func offloadRead(ctx context.Context, f *client.File, q wire.OffloadReadInput) (wire.OffloadReadOutput, error) {
	out, err := f.Ioctl(ctx, wire.FsctlOffloadRead, q.Append(nil), wire.OffloadReadOutputSize)
	var a wire.OffloadReadOutput
	if err == nil {
		err = a.Decode(out)
	}
	return a, err
}

// offloadWrite writes what a token stands for.
func offloadWrite(ctx context.Context, f *client.File, q wire.OffloadWriteInput) (uint64, error) {
	out, err := f.Ioctl(ctx, wire.FsctlOffloadWrite, q.Append(nil), wire.OffloadWriteOutputSize)
	var a wire.OffloadWriteOutput
	if err == nil {
		err = a.Decode(out)
	}
	return a.LengthWritten, err
}

// token asks for a token for the beginning of a file.
func token(t *testing.T, f *client.File, n uint64) wire.OffloadToken {
	t.Helper()
	a, err := offloadRead(t.Context(), f, wire.OffloadReadInput{CopyLength: n})
	if err != nil {
		t.Fatal(err)
	}
	return a.Token
}

// filled makes a file of n bytes that are not all the same.
func filled(t *testing.T, tree *client.Tree, name string, n int) (*client.File, []byte) {
	t.Helper()
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i*7 + i>>8)
	}
	f := create(t, tree, client.CreateArgs{Name: name, Access: wire.AccessAll})
	if err := f.WriteAll(t.Context(), 0, data); err != nil {
		t.Fatal(err)
	}
	return f, data
}

// mustHold fails the test unless a file has this content.
func mustHold(t *testing.T, f *client.File, want []byte) {
	t.Helper()
	got, err := f.ReadAll(t.Context())
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%d bytes of %d, first difference at %d, %v", len(got), len(want), firstDifference(got, want), err)
	}
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// inDirectory has the share in a directory.
func inDirectory(t *testing.T) func(*smb.Config, *smb.Share) {
	return func(_ *smb.Config, s *smb.Share) {
		fs, err := localfs.New(t.TempDir(), localfs.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s.FS = fs
	}
}

// MS-FSA 2.1.5.10.20, .21: a copy by token, in parts and with an end that is not that of
// a sector.
func TestOffload(t *testing.T) {
	for name, tweak := range map[string]func(*smb.Config, *smb.Share){
		"memory": func(*smb.Config, *smb.Share) {}, "disk": inDirectory(t),
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestServer(t, tweak)
			ctx := t.Context()
			tree := s.connect(t)
			src, data := filled(t, tree, "src", 300_001)
			dst := create(t, tree, client.CreateArgs{Name: "dst", Access: wire.AccessAll})
			if err := dst.Truncate(ctx, int64(len(data))); err != nil {
				t.Fatal(err)
			}
			const size = 300_032 // a multiple of 512
			a, err := offloadRead(ctx, src, wire.OffloadReadInput{CopyLength: 1 << 20})
			mustBe(t, "read", err, ntstatus.Success)
			if a.TransferLength != size || a.Token.IsZero() {
				t.Fatalf("%d bytes, %x", a.TransferLength, a.Token[:16])
			}
			const part = 262_144
			for _, q := range []wire.OffloadWriteInput{
				{FileOffset: part, TransferOffset: part, CopyLength: 1 << 20, Token: a.Token},
				{CopyLength: part, Token: a.Token},
			} {
				n, err := offloadWrite(ctx, dst, q)
				mustBe(t, "write", err, ntstatus.Success)
				if want := min(q.CopyLength, size-q.TransferOffset); n != want {
					t.Fatalf("%d bytes written, want %d", n, want)
				}
			}
			mustHold(t, dst, data)

			// A file that is longer than the source gets zeros up to the end of the sector.
			long, _ := filled(t, tree, "long", 400_000)
			if _, err := offloadWrite(ctx, long, wire.OffloadWriteInput{CopyLength: size, Token: a.Token}); err != nil {
				t.Fatal(err)
			}
			got, err := long.Read(ctx, 300_000, 40)
			if err != nil || !bytes.Equal(got[1:32], make([]byte, 31)) || got[0] != data[300_000] {
				t.Fatalf("%x, %v", got, err)
			}
		})
	}
}

// A token is good for its user and its time, and as long as the file is as it was.
func TestOffloadTokens(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	tree := s.connect(t)
	src, data := filled(t, tree, "src", 1024)
	dst, _ := filled(t, tree, "dst", 1024)
	write := func(tok wire.OffloadToken) error {
		_, err := offloadWrite(ctx, dst, wire.OffloadWriteInput{CopyLength: 1024, Token: tok})
		return err
	}
	good := token(t, src, 1024)
	mustBe(t, "good", write(good), ntstatus.Success)
	forged := good
	forged[40]++
	mustBe(t, "made up", write(forged), ntstatus.InvalidToken)
	long := good
	long[100]++
	mustBe(t, "with something behind", write(long), ntstatus.InvalidToken)
	if again := token(t, src, 1024); again == good {
		t.Fatal("two tokens are the same")
	}

	bob := s.connect(t, func(o *client.Options) { o.User = "bob" })
	theirs := create(t, bob, client.CreateArgs{Name: "theirs", Access: wire.AccessAll})
	mustBe(t, "size", theirs.Truncate(ctx, 1024), ntstatus.Success)
	_, err := offloadWrite(ctx, theirs, wire.OffloadWriteInput{CopyLength: 1024, Token: good})
	mustBe(t, "of somebody else", err, ntstatus.InvalidToken)

	// The source may be closed, and even be gone.
	closed := create(t, tree, client.CreateArgs{Name: "src", Access: wire.AccessReadData, Disposition: client.Open})
	tok := token(t, closed, 1024)
	mustBe(t, "close", closed.Close(ctx), ntstatus.Success)
	mustBe(t, "of a closed file", write(tok), ntstatus.Success)

	if _, err := src.Write(ctx, 5, []byte("x")); err != nil {
		t.Fatal(err)
	}
	data[5] = 'x'
	mustBe(t, "after a write", write(good), ntstatus.InvalidToken)
	tok = token(t, src, 1024)
	mustBe(t, "size", src.Truncate(ctx, 1000), ntstatus.Success)
	mustBe(t, "after a truncation", write(tok), ntstatus.InvalidToken)
	mustBe(t, "size", src.Truncate(ctx, 1024), ntstatus.Success)

	// Times that a client sets do not hide a change.
	before, err := src.Basic(ctx)
	mustBe(t, "times", err, ntstatus.Success)
	tok = token(t, src, 1024)
	if _, err := src.Write(ctx, 6, []byte("y")); err != nil {
		t.Fatal(err)
	}
	mustBe(t, "times back", src.Set(ctx, wire.FileInfoBasic, &before), ntstatus.Success)
	mustBe(t, "with the old times", write(tok), ntstatus.InvalidToken)
	tok = token(t, src, 1024)
	if _, err := src.Write(ctx, 7, []byte("z")); err != nil { // the open keeps its times now
		t.Fatal(err)
	}
	mustBe(t, "with frozen times", write(tok), ntstatus.InvalidToken)

	short, err := offloadRead(ctx, src, wire.OffloadReadInput{CopyLength: 512, TokenTimeToLive: 1})
	mustBe(t, "read", err, ntstatus.Success)
	eventually(t, "the end of the token", func() bool {
		_, err := offloadWrite(ctx, dst, wire.OffloadWriteInput{CopyLength: 512, Token: short.Token})
		status, _ := client.StatusOf(err)
		return status == ntstatus.InvalidToken
	})
}

// What has nothing to do with the data of a token.
func TestOffloadChecks(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	tree := s.connect(t)
	src, data := filled(t, tree, "src", 4096)
	good := token(t, src, 4096)
	for _, c := range []struct {
		name string
		q    wire.OffloadReadInput
		want ntstatus.Status
	}{
		{"nothing", wire.OffloadReadInput{}, ntstatus.Success},
		{"part of a sector", wire.OffloadReadInput{CopyLength: 100}, ntstatus.InvalidParameter},
		{"from within a sector", wire.OffloadReadInput{FileOffset: 1, CopyLength: 512}, ntstatus.InvalidParameter},
		{"behind the end", wire.OffloadReadInput{FileOffset: 4096, CopyLength: 512}, ntstatus.EndOfFile},
		{"too far", wire.OffloadReadInput{FileOffset: 1<<64 - 512, CopyLength: 1024}, ntstatus.InvalidParameter},
	} {
		_, err := offloadRead(ctx, src, c.q)
		mustBe(t, c.name, err, c.want)
	}
	_, err := src.Ioctl(ctx, wire.FsctlOffloadRead, (&wire.OffloadReadInput{CopyLength: 512}).Append(nil), wire.OffloadReadOutputSize-1)
	mustBe(t, "no room", err, ntstatus.BufferTooSmall)
	_, err = src.Ioctl(ctx, wire.FsctlOffloadRead, make([]byte, 31), wire.OffloadReadOutputSize)
	mustBe(t, "half a question", err, ntstatus.InvalidParameter)
	dir := create(t, tree, client.CreateArgs{Name: "dir", Directory: true})
	_, err = offloadRead(ctx, dir, wire.OffloadReadInput{CopyLength: 512})
	mustBe(t, "directory", err, ntstatus.InvalidParameter)
	blind := create(t, tree, client.CreateArgs{Name: "src", Access: wire.AccessWriteData, Disposition: client.Open})
	_, err = offloadRead(ctx, blind, wire.OffloadReadInput{CopyLength: 512})
	mustBe(t, "without the right to read", err, ntstatus.AccessDenied)
	locker := create(t, tree, client.CreateArgs{Name: "src", Access: wire.AccessAll, Disposition: client.Open})
	mustBe(t, "lock", locker.Lock(ctx, client.Exclusive(0, 10)), ntstatus.Success)
	_, err = offloadRead(ctx, src, wire.OffloadReadInput{CopyLength: 512})
	mustBe(t, "locked", err, ntstatus.FileLockConflict)

	dst, old := filled(t, tree, "dst", 4096)
	reader := create(t, tree, client.CreateArgs{Name: "dst", Access: wire.AccessReadData, Disposition: client.Open})
	for _, c := range []struct {
		name string
		f    *client.File
		q    wire.OffloadWriteInput
		want ntstatus.Status
	}{
		{"nothing", dst, wire.OffloadWriteInput{}, ntstatus.Success},
		{"without the right", reader, wire.OffloadWriteInput{CopyLength: 512, Token: good}, ntstatus.AccessDenied},
		{"part of a sector", dst, wire.OffloadWriteInput{CopyLength: 5, Token: good}, ntstatus.InvalidParameter},
		{"from within a sector", dst, wire.OffloadWriteInput{CopyLength: 512, TransferOffset: 3, Token: good}, ntstatus.InvalidParameter},
		{"behind the end", dst, wire.OffloadWriteInput{FileOffset: 4096, CopyLength: 512, Token: good}, ntstatus.EndOfFile},
		{"behind the data", dst, wire.OffloadWriteInput{TransferOffset: 4096, CopyLength: 512, Token: good}, ntstatus.InvalidParameter},
		{"no token", dst, wire.OffloadWriteInput{CopyLength: 512}, ntstatus.InvalidToken},
		{"into a locked range", src, wire.OffloadWriteInput{CopyLength: 512, Token: good}, ntstatus.FileLockConflict},
		{"over what it copies", src, wire.OffloadWriteInput{FileOffset: 512, CopyLength: 1024, Token: good}, ntstatus.OffloadWriteFileNotSupported},
	} {
		_, err := offloadWrite(ctx, c.f, c.q)
		mustBe(t, c.name, err, c.want)
	}
	mustHold(t, dst, old)

	// Zeros need no source.
	n, err := offloadWrite(ctx, dst, wire.OffloadWriteInput{FileOffset: 512, CopyLength: 1024, Token: wire.ZeroOffloadToken()})
	if err != nil || n != 1024 {
		t.Fatal(n, err)
	}
	clear(old[512:1536])
	mustHold(t, dst, old)

	// Within a file, apart.
	mustBe(t, "unlock", locker.Close(ctx), ntstatus.Success)
	if _, err := offloadWrite(ctx, src, wire.OffloadWriteInput{FileOffset: 2048, CopyLength: 1024, Token: good}); err != nil {
		t.Fatal(err)
	}
	copy(data[2048:], data[:1024])
	mustHold(t, src, data)
	_, err = offloadWrite(ctx, src, wire.OffloadWriteInput{FileOffset: 2048, CopyLength: 1024, Token: good})
	mustBe(t, "a second time", err, ntstatus.InvalidToken)
}

// A user has so many tokens and no more, and others are not kept from theirs.
func TestOffloadLimit(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	tree := s.connect(t)
	src, _ := filled(t, tree, "src", 512)
	var err error
	given := 0
	for range 5000 {
		if _, err = offloadRead(ctx, src, wire.OffloadReadInput{CopyLength: 512, TokenTimeToLive: uint32(time.Minute.Milliseconds())}); err != nil {
			break
		}
		given++
	}
	mustBe(t, "one more", err, ntstatus.InsufficientResources)
	if given != 512 {
		t.Fatalf("%d tokens", given)
	}
	theirs, _ := filled(t, s.connect(t, func(o *client.Options) { o.User = "bob" }), "theirs", 512)
	token(t, theirs, 512)
}

// A token ends with the file system of its share, which may be about to be unmounted.
func TestOffloadTokensEndWithTheShare(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	other := smb.Share{Name: "other", DefaultAccess: smb.AccessWrite, FS: memfs.New(memfs.Options{})}
	mustShare := func(list ...smb.Share) {
		t.Helper()
		if err := s.SetShares(list); err != nil {
			t.Fatal(err)
		}
	}
	mustShare(smb.Share{Name: "data", DefaultAccess: smb.AccessWrite, FS: s.fs}, other)
	src, _ := filled(t, s.connect(t), "src", 1024)
	dst, old := filled(t, s.connectTo(t, "other"), "dst", 1024)
	tok := token(t, src, 1024)
	mustShare(other)
	if n := s.Abandon(s.fs); n != 1 {
		t.Fatalf("%d trees", n)
	}
	old[0]++ // it is not the data of the other file by chance
	_, err := dst.Write(ctx, 0, old[:1])
	mustBe(t, "write", err, ntstatus.Success)
	_, err = offloadWrite(ctx, dst, wire.OffloadWriteInput{CopyLength: 1024, Token: tok})
	mustBe(t, "of a share that is gone", err, ntstatus.InvalidToken)
	mustHold(t, dst, old)
}

// A file that is written to all the time is copied by other means: nobody waits for it for
// ever, however many requests a client sends.
func TestOffloadDoesNotWaitForEver(t *testing.T) {
	inner := memfs.New(memfs.Options{})
	faulty := errfs.New(inner)
	s := newTestServer(t, func(_ *smb.Config, sh *smb.Share) { sh.FS = faulty })
	busy, _ := filled(t, s.connect(t), "busy", 1024)
	defer faulty.Add(errfs.Rule{Op: errfs.OpAttr, Path: "busy", Hook: func(ctx context.Context, _ errfs.Call) error {
		root := inner.Root()
		defer root.Release()
		n, _, err := root.Lookup(ctx, nil, "busy", vfs.LookupOptions{})
		if err != nil {
			return err
		}
		defer n.Release()
		h, err := n.Open(ctx, nil, vfs.OpenMode{Write: true})
		if err != nil {
			return err
		}
		_, err = h.WriteAt([]byte{1}, 0)
		return errors.Join(err, h.Close())
	}})()
	for range 30 { // a machine that stands still for a moment lets the file come to rest
		_, err := offloadRead(t.Context(), busy, wire.OffloadReadInput{CopyLength: 1024})
		if status, _ := client.StatusOf(err); status == ntstatus.OffloadReadFileNotSupported {
			return
		}
		mustBe(t, "read", err, ntstatus.Success)
	}
	t.Fatal("a file that changes all the time has a token")
}
