package smb_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor/smb"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/vfs"
	"lessor/vfs/memfs"
)

// MS-SMB2 3.3.5.15: what is checked before the control code counts.
func TestIoctlChecks(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	tree := s.connect(t)
	f := create(t, tree, client.CreateArgs{Name: "f"})
	limit := tree.Session.Conn.Negotiated().Response.MaxTransactSize
	base := wire.IoctlRequest{
		CtlCode: wire.FsctlSrvRequestResumeKey, FileID: f.ID, MaxOutputResponse: 32, Flags: wire.IoctlIsFsctl,
	}
	for _, c := range []struct {
		name   string
		change func(*wire.IoctlRequest)
		status ntstatus.Status
	}{
		{"good", func(*wire.IoctlRequest) {}, ntstatus.Success},
		{"not an FSCTL", func(q *wire.IoctlRequest) { q.Flags = 0 }, ntstatus.NotSupported},
		{"too much output", func(q *wire.IoctlRequest) { q.MaxOutputResponse = limit + 1 }, ntstatus.InvalidParameter},
		{"too much input back", func(q *wire.IoctlRequest) { q.MaxInputResponse = limit + 1 }, ntstatus.InvalidParameter},
		{"too little output", func(q *wire.IoctlRequest) { q.MaxOutputResponse = 31 }, ntstatus.InvalidParameter},
		{"wrong FileId", func(q *wire.IoctlRequest) { q.FileID.Volatile++ }, ntstatus.FileClosed},
		{"unknown code", func(q *wire.IoctlRequest) { q.CtlCode = 0x99999999 }, ntstatus.InvalidDeviceRequest},
		{"known code of others", func(q *wire.IoctlRequest) { q.CtlCode = wire.FsctlSetEncryption }, ntstatus.InvalidDeviceRequest},
		{"of a pipe, for a file", func(q *wire.IoctlRequest) { q.CtlCode = wire.FsctlPipePeek }, ntstatus.InvalidDeviceRequest},
		{"FileId where none belongs", func(q *wire.IoctlRequest) { q.CtlCode = wire.FsctlQueryNetworkInterfaceInfo }, ntstatus.InvalidParameter},
		{"no FileId where one belongs", func(q *wire.IoctlRequest) { q.FileID = wire.RelatedFileID }, ntstatus.FileClosed},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := base
			c.change(&q)
			resp, err := tree.Session.Conn.Do(ctx, f.Request(&q))
			if err != nil {
				t.Fatal(err)
			}
			mustBe(t, "ioctl", resp.Err(), c.status)
		})
	}
	unpaid := f.With(func(r *client.Request) { r.Charge = 1 })
	_, err := unpaid.Ioctl(ctx, wire.FsctlSrvRequestResumeKey, nil, 65537)
	mustBe(t, "more than was paid for", err, ntstatus.InvalidParameter)
}

// Codes whose answer does not depend on the storage.
func TestIoctlAnswers(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	tree := s.connect(t)
	_, err := tree.Ioctl(ctx, wire.FsctlDfsGetReferrals, []byte{4, 0, 0, 0}, 4096)
	mustBe(t, "DFS", err, ntstatus.FsDriverRequired)
	_, err = tree.Ioctl(ctx, wire.FsctlDfsGetReferralsEx, nil, 4096)
	mustBe(t, "DFS", err, ntstatus.FsDriverRequired)
	f := create(t, tree, client.CreateArgs{Name: "f"})

	out, err := f.Ioctl(ctx, wire.FsctlSrvEnumerateSnapshots, nil, 16)
	mustBe(t, "snapshots", err, ntstatus.Success)
	if !bytes.Equal(out, make([]byte, 16)) {
		t.Fatalf("snapshots: %x", out)
	}
	_, err = f.Ioctl(ctx, wire.FsctlSrvEnumerateSnapshots, nil, 15)
	mustBe(t, "snapshots", err, ntstatus.InvalidParameter)

	out, err = f.Ioctl(ctx, wire.FsctlGetCompression, nil, 2)
	mustBe(t, "compression", err, ntstatus.Success)
	if !bytes.Equal(out, []byte{0, 0}) {
		t.Fatalf("compression: %x", out)
	}
	_, err = f.Ioctl(ctx, wire.FsctlSetCompression, []byte{0, 0}, 0)
	mustBe(t, "no compression", err, ntstatus.Success)
	_, err = f.Ioctl(ctx, wire.FsctlSetCompression, []byte{1, 0}, 0)
	mustBe(t, "some compression", err, ntstatus.NotSupported)

	_, err = f.Ioctl(ctx, wire.FsctlIsPathnameValid, nil, 0)
	mustBe(t, "path name", err, ntstatus.Success)
}

// MS-SMB2 3.3.5.15.12: what the client repeats under a signature must be what
// arrived, or the connection ends.
func TestValidateNegotiate(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	for _, c := range []struct {
		name   string
		change func(*wire.ValidateNegotiateInfoRequest)
		good   bool
	}{
		{"the truth", func(*wire.ValidateNegotiateInfoRequest) {}, true},
		{"other capabilities", func(q *wire.ValidateNegotiateInfoRequest) { q.Capabilities ^= 1 }, false},
		{"another client", func(q *wire.ValidateNegotiateInfoRequest) { q.Guid[0] ^= 1 }, false},
		{"another security mode", func(q *wire.ValidateNegotiateInfoRequest) { q.SecurityMode ^= 3 }, false},
		{"a better dialect", func(q *wire.ValidateNegotiateInfoRequest) { q.Dialects = append(q.Dialects, wire.Dialect311) }, false},
		{"no dialect", func(q *wire.ValidateNegotiateInfoRequest) { q.Dialects = nil }, false},
	} {
		for _, offer := range [][]wire.Dialect{{wire.Dialect210}, {wire.Dialect210, wire.Dialect300}, {wire.Dialect302}} {
			t.Run(c.name, func(t *testing.T) {
				tree := s.connect(t, func(o *client.Options) { o.Dialects = offer })
				conn := tree.Session.Conn
				sent := conn.NegotiateRequest()
				q := wire.ValidateNegotiateInfoRequest{
					Capabilities: sent.Capabilities, Guid: sent.ClientGuid, SecurityMode: sent.SecurityMode, Dialects: sent.Dialects,
				}
				c.change(&q)
				out, err := tree.Ioctl(ctx, wire.FsctlValidateNegotiateInfo, q.Append(nil), 24)
				if !c.good {
					if !errors.Is(err, io.EOF) {
						t.Fatalf("not disconnected: %v", err)
					}
					return
				}
				mustBe(t, "validate", err, ntstatus.Success)
				var a wire.ValidateNegotiateInfoResponse
				if err := a.Decode(out); err != nil {
					t.Fatal(err)
				}
				got := conn.Negotiated().Response
				want := wire.ValidateNegotiateInfoResponse{
					Capabilities: got.Capabilities, Guid: got.ServerGuid, SecurityMode: got.SecurityMode, Dialect: got.DialectRevision,
				}
				if diff := cmp.Diff(want, a); diff != "" {
					t.Fatal(diff)
				}
			})
		}
	}
}

// The interface that the client came by is told, with a speed.
func TestNetworkInterfaces(t *testing.T) {
	s := newTestServer(t)
	tree := s.connect(t)
	list, err := tree.Interfaces(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || list[0].Addr.String() != "127.0.0.1" || list[0].LinkSpeed == 0 {
		t.Fatalf("interfaces %+v", list)
	}
	_, err = tree.Ioctl(t.Context(), wire.FsctlQueryNetworkInterfaceInfo, nil, 1)
	mustBe(t, "without room", err, ntstatus.BufferTooSmall)
	old := s.connect(t, func(o *client.Options) { o.Dialects = []wire.Dialect{wire.Dialect210} })
	_, err = old.Ioctl(t.Context(), wire.FsctlQueryNetworkInterfaceInfo, nil, 4096)
	mustBe(t, "dialect 2.1", err, ntstatus.InvalidDeviceRequest)
}

func sparse(t *testing.T, f *client.File, on byte) {
	t.Helper()
	_, err := f.Ioctl(t.Context(), wire.FsctlSetSparse, []byte{on}, 0)
	mustBe(t, "set sparse", err, ntstatus.Success)
}

func ranges(t *testing.T, f *client.File, off, n int64, room int) ([]wire.FileAllocatedRange, error) {
	t.Helper()
	out, err := f.Ioctl(t.Context(), wire.FsctlQueryAllocatedRanges, (&wire.FileAllocatedRange{FileOffset: off, Length: n}).Append(nil), room)
	if _, ok := client.StatusOf(err); !ok {
		t.Fatal(err)
	}
	var list wire.FileAllocatedRanges
	if derr := list.Decode(out); derr != nil {
		t.Fatal(derr)
	}
	return list.Ranges, err
}

func zero(t *testing.T, f *client.File, from, to int64) error {
	t.Helper()
	_, err := f.Ioctl(t.Context(), wire.FsctlSetZeroData, (&wire.FileZeroDataInformation{FileOffset: from, BeyondFinalZero: to}).Append(nil), 0)
	return err
}

// Sparse files: holes are made and told, and a file that is not sparse has none.
func TestSparse(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	tree := s.connect(t)
	const block = 64 << 10
	data := pattern(8 * block)
	f := create(t, tree, client.CreateArgs{Name: "f"})
	if err := f.WriteAll(ctx, 0, data); err != nil {
		t.Fatal(err)
	}
	want := func(room int, status ntstatus.Status, want ...wire.FileAllocatedRange) {
		t.Helper()
		got, err := ranges(t, f, 0, math.MaxInt64, room)
		mustBe(t, "allocated ranges", err, status)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	}
	mustBe(t, "zero", zero(t, f, block, 2*block), ntstatus.Success)
	want(1024, ntstatus.Success, wire.FileAllocatedRange{Length: 8 * block})
	sparse(t, f, 1)
	basic, err := f.Basic(ctx)
	if err != nil || basic.FileAttributes&wire.FileAttributeSparseFile == 0 || basic.FileAttributes&wire.FileAttributeArchive == 0 {
		t.Fatalf("attributes %#x, %v", basic.FileAttributes, err)
	}
	mustBe(t, "zero", zero(t, f, 0, 2*block), ntstatus.Success)
	mustBe(t, "zero", zero(t, f, 4*block, 5*block), ntstatus.Success)
	mustBe(t, "zero behind the end", zero(t, f, 7*block, math.MaxInt64), ntstatus.Success)
	all := []wire.FileAllocatedRange{{FileOffset: 2 * block, Length: 2 * block}, {FileOffset: 5 * block, Length: 2 * block}}
	want(32, ntstatus.Success, all...)
	want(31, ntstatus.BufferOverflow, all[0])
	want(0, ntstatus.BufferTooSmall)
	std, err := f.Standard(ctx)
	if err != nil || std.EndOfFile != 8*block {
		t.Fatalf("size %d, %v", std.EndOfFile, err)
	}
	got, err := f.ReadAll(ctx)
	if err != nil {
		t.Fatal(err)
	}
	clear(data[:2*block])
	clear(data[4*block : 5*block])
	clear(data[7*block:])
	if !bytes.Equal(got, data) {
		t.Fatal("data differ")
	}
	sparse(t, f, 0)
	want(16, ntstatus.Success, wire.FileAllocatedRange{Length: 8 * block})

	for _, c := range []struct{ from, to int64 }{{-1, 5}, {5, 4}, {math.MinInt64, math.MaxInt64}} {
		mustBe(t, "zero", zero(t, f, c.from, c.to), ntstatus.InvalidParameter)
	}
	_, err = ranges(t, f, 512, -1, 1024)
	mustBe(t, "ranges of a negative length", err, ntstatus.InvalidParameter)
	dir := create(t, tree, client.CreateArgs{Name: "d", Directory: true, Access: wire.AccessAll})
	_, err = dir.Ioctl(ctx, wire.FsctlSetSparse, []byte{1}, 0)
	mustBe(t, "a sparse directory", err, ntstatus.InvalidParameter)
	mustBe(t, "zeros in a directory", zero(t, dir, 0, 5), ntstatus.InvalidParameter)

	locker := create(t, tree, client.CreateArgs{Name: "f"})
	mustBe(t, "lock", locker.Lock(ctx, client.Exclusive(0, 10)), ntstatus.Success)
	mustBe(t, "zero what is locked", zero(t, f, 9, 20), ntstatus.FileLockConflict)
	reader := create(t, tree, client.CreateArgs{Name: "f", Access: client.ReadAccess})
	mustBe(t, "zero without the right", zero(t, reader, 0, 1), ntstatus.AccessDenied)
	_, err = reader.Ioctl(ctx, wire.FsctlSetSparse, nil, 0)
	mustBe(t, "sparse without the right", err, ntstatus.AccessDenied)
}

// More ranges than are asked for at a time.
func TestManyAllocatedRanges(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	f := create(t, s.connect(t), client.CreateArgs{Name: "f"})
	sparse(t, f, 1)
	const step, n = 128 << 10, 200
	var want []wire.FileAllocatedRange
	for i := range int64(n) {
		if _, err := f.Write(ctx, uint64(i*step), make([]byte, 64<<10)); err != nil {
			t.Fatal(err)
		}
		want = append(want, wire.FileAllocatedRange{FileOffset: i * step, Length: 64 << 10})
	}
	got, err := ranges(t, f, 0, n*step, 16*n)
	mustBe(t, "ranges", err, ntstatus.Success)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	got, err = ranges(t, f, 0, n*step, 16*n-1)
	mustBe(t, "all but one", err, ntstatus.BufferOverflow)
	if diff := cmp.Diff(want[:n-1], got); diff != "" {
		t.Fatal(diff)
	}
}

func TestTrim(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	f := create(t, s.connect(t), client.CreateArgs{Name: "f"})
	data := pattern(256 << 10)
	if err := f.WriteAll(ctx, 0, data); err != nil {
		t.Fatal(err)
	}
	trim := func(q wire.FileLevelTrim, room int) ([]byte, error) {
		return f.Ioctl(ctx, wire.FsctlFileLevelTrim, q.Append(nil), room)
	}
	list := []wire.FileLevelTrimRange{{Offset: 0, Length: 64 << 10}, {Offset: 128 << 10, Length: 64 << 10}}
	out, err := trim(wire.FileLevelTrim{Ranges: list}, 4)
	mustBe(t, "trim", err, ntstatus.Success)
	if binary.LittleEndian.Uint32(out) != 2 {
		t.Fatalf("ranges processed: %x", out)
	}
	got, err := f.ReadAll(ctx)
	if err != nil || !bytes.Equal(got[64<<10:128<<10], data[64<<10:128<<10]) || !bytes.Equal(got[192<<10:], data[192<<10:]) {
		t.Fatalf("what was not trimmed differs, %v", err)
	}
	_, err = trim(wire.FileLevelTrim{Key: 1, Ranges: list}, 4)
	mustBe(t, "with a key", err, ntstatus.InvalidParameter)
	_, err = trim(wire.FileLevelTrim{}, 4)
	mustBe(t, "without ranges", err, ntstatus.InvalidParameter)
	_, err = trim(wire.FileLevelTrim{Ranges: []wire.FileLevelTrimRange{{Offset: 1, Length: math.MaxInt64}}}, 4)
	mustBe(t, "beyond all offsets", err, ntstatus.InvalidParameter)
}

// Symbolic links are made in the three forms that clients know, and read in one.
func TestReparsePoints(t *testing.T) {
	fs := memfs.New(memfs.Options{})
	s := newTestServer(t, func(_ *smb.Config, s *smb.Share) { s.FS = fs })
	ctx := t.Context()
	tree := s.connect(t)
	nfs := func(target string) []byte {
		return (&wire.NfsReparse{Type: wire.NfsSpecialLink, Target: target}).Append(nil)
	}
	wsl := func(target string) []byte {
		return (&wire.ReparsePoint{Tag: wire.ReparseTagLxSymlink, Data: append([]byte{2, 0, 0, 0}, target...)}).Append(nil)
	}
	native := func(target string, flags uint32) []byte {
		return (&wire.SymlinkReparse{SubstituteName: target, PrintName: target, Flags: flags}).Append(nil)
	}
	for i, c := range []struct {
		name   string
		point  []byte
		dir    bool
		stored string // by the file system
		shown  string
		status ntstatus.Status
	}{
		{"native, relative", native(`sub\target`, wire.SymlinkFlagRelative), false, "sub/target", `sub\target`, ntstatus.Success},
		{"native, to a directory", native(`..\target`, wire.SymlinkFlagRelative), true, "../target", `..\target`, ntstatus.Success},
		{"native, absolute", native(`\??\C:\x`, 0), false, "/??/C:/x", `\??\C:\x`, ntstatus.Success},
		{"NFS", nfs("sub/target"), false, "sub/target", `sub\target`, ntstatus.Success},
		{"WSL", wsl("sub/ziel"), false, "sub/ziel", `sub\ziel`, ntstatus.Success},
		{"a reserved tag", (&wire.ReparsePoint{Tag: 1}).Append(nil), false, "", "", ntstatus.IoReparseTagInvalid},
		{"half a point", native(`x`, 0)[:9], false, "", "", ntstatus.IoReparseDataInvalid},
		{"no target", native(``, 0), false, "", "", ntstatus.IoReparseDataInvalid},
		{"NUL in the target", native("a\x00b", 0), false, "", "", ntstatus.IoReparseDataInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			name := string(rune('a' + i))
			f := create(t, tree, client.CreateArgs{
				Name: name, Directory: c.dir, Access: wire.AccessAll, Disposition: client.Create, Options: wire.OptionOpenReparsePoint,
			})
			_, err := f.Ioctl(ctx, wire.FsctlGetReparsePoint, nil, 4096)
			mustBe(t, "before", err, ntstatus.NotAReparsePoint)
			_, err = f.Ioctl(ctx, wire.FsctlSetReparsePoint, c.point, 0)
			mustBe(t, "set", err, c.status)
			mustBe(t, "close", f.Close(ctx), ntstatus.Success)
			if c.status != ntstatus.Success {
				return
			}
			root := fs.Root()
			defer root.Release()
			node, _, err := root.Lookup(ctx, nil, name, vfs.LookupOptions{NoFollow: true})
			if err != nil {
				t.Fatal(err)
			}
			defer node.Release()
			if target, err := node.Readlink(ctx, nil); err != nil || target != c.stored {
				t.Fatalf("stored %q, %v", target, err)
			}
			link := create(t, tree, client.CreateArgs{
				Name: name, Access: wire.AccessReadAttributes | wire.AccessDelete, Disposition: client.Open, Options: wire.OptionOpenReparsePoint,
			})
			out, err := link.Ioctl(ctx, wire.FsctlGetReparsePoint, nil, 4096)
			mustBe(t, "get", err, ntstatus.Success)
			var got wire.SymlinkReparse
			if err := got.Decode(out); err != nil {
				t.Fatal(err)
			}
			if got.SubstituteName != c.shown || (got.Flags == wire.SymlinkFlagRelative) != (c.shown[0] != '\\') {
				t.Fatalf("got %+v", got)
			}
			cut, err := link.Ioctl(ctx, wire.FsctlGetReparsePoint, nil, len(out)-1)
			mustBe(t, "with too little room", err, ntstatus.BufferOverflow)
			if !bytes.Equal(cut, out[:len(out)-1]) {
				t.Fatal("what was cut differs")
			}
			_, err = link.Ioctl(ctx, wire.FsctlGetReparsePoint, nil, 7)
			mustBe(t, "with no room", err, ntstatus.BufferTooSmall)
			mustBe(t, "delete", link.Delete(ctx), ntstatus.Success)
		})
	}
	full := create(t, tree, client.CreateArgs{Name: "full", Access: wire.AccessAll})
	if _, err := full.Write(ctx, 0, []byte("x")); err != nil {
		t.Fatal(err)
	}
	_, err := full.Ioctl(ctx, wire.FsctlSetReparsePoint, native("x", 1), 0)
	mustBe(t, "a file with content", err, ntstatus.InvalidParameter)
	reader := create(t, tree, client.CreateArgs{Name: "empty", Access: client.ReadAccess})
	_, err = reader.Ioctl(ctx, wire.FsctlSetReparsePoint, native("x", 1), 0)
	mustBe(t, "without the right", err, ntstatus.AccessDenied)
}

// FSCTL_LMR_REQUEST_RESILIENCY: the open outlives its connection without any
// oplock (MS-SMB2 3.3.5.15.9).
func TestResiliency(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	guid := client.NewGUID()
	same := func(o *client.Options) { o.ClientGuid = guid }
	tree := s.connect(t, same)
	f := create(t, tree, client.CreateArgs{Name: "f"})
	for _, in := range [][]byte{nil, make([]byte, 7), (&wire.NetworkResiliencyRequest{Timeout: 3600_000}).Append(nil)} {
		_, err := f.Ioctl(ctx, wire.FsctlLmrRequestResiliency, in, 0)
		mustBe(t, "bad request", err, ntstatus.InvalidParameter)
	}
	_, err := f.Ioctl(ctx, wire.FsctlLmrRequestResiliency, (&wire.NetworkResiliencyRequest{Timeout: 60_000}).Append(nil), 0)
	mustBe(t, "resiliency", err, ntstatus.Success)
	mustBe(t, "lock", f.Lock(ctx, client.Exclusive(0, 10)), ntstatus.Success)
	_ = tree.Session.Conn.Close()
	eventually(t, "the open is disconnected", func() bool { return s.Status().Locks.DurableHeld == 1 })
	back := s.connect(t, same)
	g, err := back.Create(ctx, client.CreateArgs{Name: "f", Disposition: client.Open, Reconnect: &client.Reconnect{Version: 1, FileID: f.ID}})
	if err != nil {
		t.Fatal(err)
	}
	mustBe(t, "the lock is still there", g.Lock(ctx, client.Unlock(0, 10)), ntstatus.Success)
}

// bindSrvsvc is a Bind of DCE/RPC to srvsvc by NDR.
func bindSrvsvc() []byte {
	b := []byte{5, 0, 11, 3, 0x10, 0, 0, 0, 72, 0, 0, 0, 1, 0, 0, 0, 0xb8, 0x10, 0xb8, 0x10, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0}
	b = append(b, 0xc8, 0x4f, 0x32, 0x4b, 0x70, 0x16, 0xd3, 0x01, 0x12, 0x78, 0x5a, 0x47, 0xbf, 0x6e, 0xe1, 0x88, 3, 0, 0, 0)
	return append(b, 0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48, 0x60, 2, 0, 0, 0)
}

func TestPipes(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	tree := s.connectTo(t, "IPC$")
	_, err := tree.Create(ctx, client.CreateArgs{Name: "nothing here"})
	mustBe(t, "a pipe that is not there", err, ntstatus.ObjectNameNotFound)
	open := func() *client.File { return create(t, tree, client.CreateArgs{Name: "srvsvc"}) }

	whole, err := open().Transact(ctx, bindSrvsvc(), 4096)
	mustBe(t, "transact", err, ntstatus.Success)
	if len(whole) < 60 || whole[2] != 12 {
		t.Fatalf("no BindAck: %x", whole)
	}

	// The same in pieces.
	f := open()
	head, err := f.Transact(ctx, bindSrvsvc(), 10)
	mustBe(t, "transact with little room", err, ntstatus.BufferOverflow)
	out, err := f.Ioctl(ctx, wire.FsctlPipePeek, nil, 16+5)
	mustBe(t, "peek", err, ntstatus.BufferOverflow)
	var peek wire.PipePeekResponse
	if err := peek.Decode(out); err != nil {
		t.Fatal(err)
	}
	rest := uint32(len(whole) - 10)
	if peek.NamedPipeState != wire.PipeConnected || peek.ReadDataAvailable != rest || peek.MessageLength != rest ||
		peek.NumberOfMessages != 1 || len(peek.Data) != 5 {
		t.Fatalf("peek %+v", peek)
	}
	_, err = f.Transact(ctx, []byte("x"), 100)
	mustBe(t, "transact before all is read", err, ntstatus.PipeBusy)
	part, err := f.Read(ctx, 0, 7)
	mustBe(t, "read a part", err, ntstatus.BufferOverflow)
	tail, err := f.Read(ctx, 0, 4096)
	mustBe(t, "read the rest", err, ntstatus.Success)
	if len(head)+len(part)+len(tail) != len(whole) || !bytes.Equal(part[:5], peek.Data) {
		t.Fatalf("%d + %d + %d bytes of %d", len(head), len(part), len(tail), len(whole))
	}
	out, err = f.Ioctl(ctx, wire.FsctlPipePeek, nil, 16)
	mustBe(t, "peek into nothing", err, ntstatus.Success)
	if err := peek.Decode(out); err != nil || peek.ReadDataAvailable != 0 || peek.NumberOfMessages != 0 {
		t.Fatalf("peek %+v, %v", peek, err)
	}
	_, err = f.Ioctl(ctx, wire.FsctlPipePeek, nil, 15)
	mustBe(t, "peek without room", err, ntstatus.BufferTooSmall)
	mustBe(t, "flush", f.Flush(ctx), ntstatus.Success)
	mustBe(t, "lock", f.Lock(ctx, client.Shared(0, 1)), ntstatus.InvalidDeviceRequest)
	_, err = f.Ioctl(ctx, wire.FsctlSrvRequestResumeKey, nil, 32)
	mustBe(t, "a code of files", err, ntstatus.InvalidDeviceRequest)

	// A READ waits for the answer to a WRITE, and can be cancelled.
	f = open()
	call := f.StartRead(0, 4096)
	if _, err := call.Interim(ctx); err != nil {
		t.Fatal(err)
	}
	n, err := f.Write(ctx, 0, bindSrvsvc())
	if err != nil || n != 72 {
		t.Fatalf("write: %d, %v", n, err)
	}
	got, err := call.Wait(ctx)
	mustBe(t, "read", err, ntstatus.Success)
	if len(got) != len(whole) {
		t.Fatalf("%d bytes of %d", len(got), len(whole))
	}
	call = f.StartRead(0, 4096)
	if _, err := call.Interim(ctx); err != nil {
		t.Fatal(err)
	}
	if err := call.Cancel(); err != nil {
		t.Fatal(err)
	}
	_, err = call.Wait(ctx)
	mustBe(t, "cancelled", err, ntstatus.Cancelled)
	call = f.StartRead(0, 4096)
	if _, err := call.Interim(ctx); err != nil {
		t.Fatal(err)
	}
	mustBe(t, "close", f.Close(ctx), ntstatus.Success)
	_, err = call.Wait(ctx)
	mustBe(t, "closed", err, ntstatus.PipeBroken)

	wait := func(name string) error {
		_, err := tree.Ioctl(ctx, wire.FsctlPipeWait, (&wire.PipeWaitRequest{Name: name}).Append(nil), 0)
		return err
	}
	mustBe(t, "wait", wait("srvsvc"), ntstatus.Success)
	mustBe(t, "wait for nothing", wait("nothing"), ntstatus.ObjectNameNotFound)
}

// A request that is stale by its channel sequence changes nothing (MS-SMB2
// 3.3.5.2.10).
func TestChannelSequence(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	f := create(t, s.connect(t), client.CreateArgs{Name: "f"})
	at := func(n uint16) *client.File { return f.With(client.ChannelSequence(n)) }
	write := func(f *client.File) error {
		_, err := f.Write(context.WithoutCancel(ctx), 0, []byte("x"))
		return err
	}
	mustBe(t, "0", write(at(0)), ntstatus.Success)
	mustBe(t, "5", write(at(5)), ntstatus.Success)
	mustBe(t, "4 is stale", write(at(4)), ntstatus.FileNotAvailable)
	_, err := at(4).Read(ctx, 0, 1)
	mustBe(t, "reading does no harm", err, ntstatus.Success)
	_, err = at(4).Ioctl(ctx, wire.FsctlSetSparse, nil, 0)
	mustBe(t, "a control code", err, ntstatus.FileNotAvailable)
	mustBe(t, "setting", at(4).Truncate(ctx, 5), ntstatus.FileNotAvailable)
	mustBe(t, "half round", write(at(5+0x7fff)), ntstatus.Success)
	mustBe(t, "behind that", write(at(5)), ntstatus.FileNotAvailable)
	mustBe(t, "round", write(at(3)), ntstatus.Success)
	old := create(t, s.connect(t, func(o *client.Options) { o.Dialects = []wire.Dialect{wire.Dialect210} }), client.CreateArgs{Name: "f"})
	mustBe(t, "2.1", write(old.With(client.ChannelSequence(9))), ntstatus.Success)
	mustBe(t, "2.1 knows no sequence", write(old.With(client.ChannelSequence(3))), ntstatus.Success)
}

// A directory shares nobody's storage, whatever right of the same number there is to it.
func TestCloneToDirectory(t *testing.T) {
	s := newTestServer(t)
	tree := s.connect(t)
	src, _ := filled(t, tree, "src", 8192)
	dir := create(t, tree, client.CreateArgs{Name: "dir", Directory: true, Access: wire.AccessAll})
	q := wire.DuplicateExtentsData{SourceFileID: src.ID, ByteCount: 4096}
	_, err := dir.Ioctl(t.Context(), wire.FsctlDuplicateExtentsToFile, q.Append(nil), 0)
	mustBe(t, "clone", err, ntstatus.InvalidParameter)
}

// The attribute that a name is shown with by the share is not stored with that for holes.
func TestSparseStoresNothingElse(t *testing.T) {
	s := newTestServer(t, func(_ *smb.Config, sh *smb.Share) { sh.Hide = []string{"shy"} })
	f, _ := filled(t, s.connect(t), "shy", 1)
	_, err := f.Ioctl(t.Context(), wire.FsctlSetSparse, nil, 0)
	mustBe(t, "set", err, ntstatus.Success)
	root := s.fs.Root()
	defer root.Release()
	n, _, err := root.Lookup(t.Context(), nil, "shy", vfs.LookupOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Release()
	if at, err := n.Attr(t.Context(), nil); err != nil || at.DOS&(vfs.DOSSparse|vfs.DOSHidden) != vfs.DOSSparse {
		t.Errorf("stored: %#x, %v", at.DOS, err)
	}
}

// A range that reaches behind the end is trimmed as far as there is a file.
func TestTrimBehindTheEnd(t *testing.T) {
	s := newTestServer(t, inDirectory(t))
	f, data := filled(t, s.connect(t), "f", 3*4096)
	trim := wire.FileLevelTrim{Ranges: []wire.FileLevelTrimRange{{Offset: 4096, Length: 1 << 62}, {Offset: 1 << 50, Length: 4096}}}
	_, err := f.Ioctl(t.Context(), wire.FsctlFileLevelTrim, trim.Append(nil), 4)
	mustBe(t, "trim", err, ntstatus.Success)
	clear(data[4096:])
	mustHold(t, f, data)
}
