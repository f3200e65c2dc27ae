package smb_test

import (
	"bytes"
	"context"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"lessor/smb"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/vfs"
	"lessor/vfs/localfs"
	"lessor/vfs/memfs"
)

// pattern returns n bytes that tell their place.
func pattern(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // reproducible on purpose
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// onDisk exports a directory of the disk in place of memory.
func onDisk(t *testing.T) (dir string, tweak func(*smb.Config, *smb.Share)) {
	t.Helper()
	dir = t.TempDir()
	fs, err := localfs.New(dir, localfs.Options{})
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = fs.Close() })
	return dir, func(_ *smb.Config, s *smb.Share) { s.FS = fs }
}

// MS-SMB2 3.3.5.12: what a READ of certain numbers is answered with.
func TestReadRules(t *testing.T) {
	s := newTestServer(t)
	tree := s.connect(t)
	data := pattern(1000)
	f := create(t, tree, client.CreateArgs{Name: "f"})
	if err := f.WriteAll(t.Context(), 0, data); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name            string
		off             uint64
		length, minimum uint32
		want            int
		status          ntstatus.Status
	}{
		{"all", 0, 1000, 0, 1000, ntstatus.Success},
		{"more than there is", 0, 2000, 0, 1000, ntstatus.Success},
		{"the last byte", 999, 10, 1, 1, ntstatus.Success},
		{"at the end", 1000, 10, 0, 0, ntstatus.EndOfFile},
		{"nothing at the end", 1000, 0, 0, 0, ntstatus.Success},
		{"nothing, and at least one byte", 1000, 0, 1, 0, ntstatus.EndOfFile},
		{"less than the minimum", 990, 20, 11, 0, ntstatus.EndOfFile},
		{"exactly the minimum", 990, 20, 10, 10, ntstatus.Success},
		{"a minimum above the length", 0, 5, 10, 0, ntstatus.EndOfFile},
		{"a minimum of 4 GiB", 0, 5, math.MaxUint32, 0, ntstatus.EndOfFile},
		{"far behind the end", math.MaxInt64 - 1, 1, 0, 0, ntstatus.EndOfFile},
		{"nothing at the last offset", math.MaxInt64, 0, 0, 0, ntstatus.Success},
		{"beyond the last offset", math.MaxInt64, 1, 0, 0, ntstatus.InvalidParameter},
		{"a negative offset", 1 << 63, 0, 0, 0, ntstatus.InvalidParameter},
		{"offset -1", math.MaxUint64, 1, 0, 0, ntstatus.InvalidParameter},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, err := tree.Session.Conn.Do(t.Context(), f.Request(&wire.ReadRequest{
				FileID: f.ID, Offset: c.off, Length: c.length, MinimumCount: c.minimum,
			}))
			if err != nil {
				t.Fatal(err)
			}
			var m wire.ReadResponse
			mustBe(t, "read", resp.Decode(&m), c.status)
			if c.status == ntstatus.Success && !bytes.Equal(m.Data, data[min(c.off, 1000):][:c.want]) {
				t.Fatalf("got %d bytes, want %d", len(m.Data), c.want)
			}
		})
	}
}

func TestReadRefused(t *testing.T) {
	s := newTestServer(t)
	tree := s.connect(t)
	ctx := t.Context()
	f := create(t, tree, client.CreateArgs{Name: "f"})
	if _, err := f.Write(ctx, 0, []byte("data")); err != nil {
		t.Fatal(err)
	}
	limit := tree.Session.Conn.Negotiated().Response.MaxReadSize
	_, err := f.Read(ctx, 0, int(limit)+1)
	mustBe(t, "more than MaxReadSize", err, ntstatus.InvalidParameter)

	unpaid := f.With(func(r *client.Request) { r.Charge = 1 })
	_, err = unpaid.Read(ctx, 0, 65537)
	mustBe(t, "more than was paid for", err, ntstatus.InvalidParameter)
	_, err = unpaid.Read(ctx, 0, 65536)
	mustBe(t, "what was paid for", err, ntstatus.Success)

	resp, err := tree.Session.Conn.Do(ctx, f.Request(&wire.ReadRequest{
		FileID: f.ID, Length: 4, Channel: wire.ChannelRDMAV1, ChannelInfo: make([]byte, 16),
	}))
	if err != nil {
		t.Fatal(err)
	}
	mustBe(t, "over RDMA", resp.Err(), ntstatus.InvalidParameter)

	dir := create(t, tree, client.CreateArgs{Name: "d", Directory: true})
	_, err = dir.Read(ctx, 0, 10)
	mustBe(t, "a directory", err, ntstatus.InvalidDeviceRequest)

	blind := create(t, tree, client.CreateArgs{Name: "f", Access: wire.AccessReadAttributes})
	_, err = blind.Read(ctx, 0, 4)
	mustBe(t, "without the right", err, ntstatus.AccessDenied)
	runner := create(t, tree, client.CreateArgs{Name: "f", Access: wire.AccessExecute})
	got, err := runner.Read(ctx, 0, 10)
	mustBe(t, "with FILE_EXECUTE", err, ntstatus.Success)
	if string(got) != "data" {
		t.Fatalf("got %q", got)
	}

	gone := *f
	gone.ID.Volatile++
	_, err = gone.Read(ctx, 0, 4)
	mustBe(t, "with a wrong FileId", err, ntstatus.FileClosed)
}

// Reads of all sizes give the same bytes by every way out of the server: read
// and written, sent from the file, signed, sealed.
func TestReadWays(t *testing.T) {
	data := pattern(3<<20 + 4321)
	dir, disk := onDisk(t)
	if err := os.WriteFile(filepath.Join(dir, "f"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	mem := memfs.New(memfs.Options{})
	for _, c := range []struct {
		name string
		srv  func(*smb.Config, *smb.Share)
		cli  func(*client.Options)
	}{
		{"plain from disk", disk, nil},
		{"plain from memory", func(_ *smb.Config, s *smb.Share) { s.FS = mem }, nil},
		{"signed by CMAC", disk, func(o *client.Options) {
			o.SignRequired, o.SigningAlgs = true, []wire.SigningAlgorithm{wire.SigningAESCMAC}
		}},
		{"signed by GMAC", disk, func(o *client.Options) { o.SignRequired = true }},
		{"sealed by GCM", disk, func(o *client.Options) { o.Encrypt = true }},
		{"sealed by CCM", disk, func(o *client.Options) {
			o.Encrypt, o.Ciphers = true, []wire.Cipher{wire.CipherAES128CCM}
		}},
		{"2.1", disk, func(o *client.Options) { o.Dialects = []wire.Dialect{wire.Dialect210} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newTestServer(t, c.srv, func(cfg *smb.Config, _ *smb.Share) {
				cfg.SigningOptional, cfg.Encryption = true, smb.EncryptionEnabled
			})
			tree := s.connect(t, func(o *client.Options) {
				if c.cli != nil {
					c.cli(o)
				}
			})
			ctx := t.Context()
			if _, err := tree.ReadFile(ctx, "f"); err != nil {
				if err := tree.WriteFile(ctx, "f", data); err != nil {
					t.Fatal(err)
				}
			}
			f := create(t, tree, client.CreateArgs{Name: "f", Access: client.ReadAccess, Disposition: client.Open})
			var calls []*client.Call[[]byte]
			var offs []int
			for _, off := range []int{0, 1, 4095, 1 << 20, len(data) - 100000, len(data) - 1} {
				for _, n := range []int{1, 4096, 32 << 10, 64<<10 + 1, 1 << 20, 4 << 20} {
					calls, offs = append(calls, f.StartRead(uint64(off), n)), append(offs, off)
				}
			}
			for i, call := range calls {
				got, err := call.Wait(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if len(got) == 0 || !bytes.Equal(got, data[offs[i]:min(offs[i]+len(got), len(data))]) {
					t.Fatalf("read %d: %d bytes from %d differ", i, len(got), offs[i])
				}
			}
			if _, err := f.Read(ctx, uint64(len(data)), 1<<20); err != ntstatus.EndOfFile {
				t.Fatalf("behind the end: %v", err)
			}
		})
	}
}

// A file that is closed while its content is being sent stays open until then.
func TestReadClosedMeanwhile(t *testing.T) {
	data := pattern(4 << 20)
	dir, disk := onDisk(t)
	if err := os.WriteFile(filepath.Join(dir, "f"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	s := newTestServer(t, disk, func(cfg *smb.Config, _ *smb.Share) { cfg.SigningOptional = true })
	tree := s.connect(t)
	for range 5 {
		f := create(t, tree, client.CreateArgs{Name: "f", Access: client.ReadAccess, Disposition: client.Open})
		var calls []*client.Call[[]byte]
		for i := range 4 {
			calls = append(calls, f.StartRead(uint64(i)<<20, 1<<20))
		}
		if err := f.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, call := range calls {
			got, err := call.Wait(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, data[i<<20:(i+1)<<20]) {
				t.Fatal("bytes differ")
			}
		}
	}
}

// A chain of READs whose replies do not fit into one frame fails from where it
// does not fit any more.
func TestReadChainLimit(t *testing.T) {
	s := newTestServer(t)
	tree := s.connect(t, func(o *client.Options) { o.Credits = 512 })
	ctx := t.Context()
	f := create(t, tree, client.CreateArgs{Name: "f"})
	if err := f.Truncate(ctx, 64<<20); err != nil {
		t.Fatal(err)
	}
	var list []*client.Request
	for i := range 4 {
		list = append(list, f.Request(&wire.ReadRequest{FileID: f.ID, Offset: uint64(i) * 5 << 20, Length: 5 << 20}))
	}
	if err := tree.Session.Conn.WaitCredits(ctx, 4*80); err != nil {
		t.Fatal(err)
	}
	resps, err := tree.Session.Conn.DoCompound(ctx, false, list...)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []ntstatus.Status{ntstatus.Success, ntstatus.Success, ntstatus.Success, ntstatus.InsufficientResources} {
		mustBe(t, "read", resps[i].Err(), want)
	}
}

// MS-SMB2 3.3.5.13.
func TestWriteRules(t *testing.T) {
	s := newTestServer(t)
	tree := s.connect(t)
	f := create(t, tree, client.CreateArgs{Name: "f"})
	const limit = 0xfffffff0000
	for _, c := range []struct {
		name   string
		off    uint64
		n      int
		status ntstatus.Status
	}{
		{"at the start", 0, 10, ntstatus.Success},
		{"behind a hole", 100000, 10, ntstatus.Success},
		{"offset -1", math.MaxUint64, 1, ntstatus.InvalidParameter},
		{"a negative offset", 1 << 63, 1, ntstatus.InvalidParameter},
		{"nothing at a negative offset", 1 << 63, 0, ntstatus.InvalidParameter},
		{"nothing at the last offset", math.MaxInt64, 0, ntstatus.Success},
		{"beyond the last offset", math.MaxInt64, 1, ntstatus.InvalidParameter},
		{"beyond the largest file", limit, 1, ntstatus.InvalidParameter},
		{"nothing beyond the largest file", limit, 0, ntstatus.Success},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, err := f.Write(t.Context(), c.off, make([]byte, c.n))
			mustBe(t, "write", err, c.status)
			if c.status == ntstatus.Success && n != c.n {
				t.Fatalf("wrote %d", n)
			}
		})
	}
	std, err := f.Standard(t.Context())
	if err != nil || std.EndOfFile != 100010 {
		t.Fatalf("size %d, %v", std.EndOfFile, err)
	}
}

func TestWriteRefused(t *testing.T) {
	s := newTestServer(t)
	tree := s.connect(t)
	ctx := t.Context()
	f := create(t, tree, client.CreateArgs{Name: "f"})
	limit := int(tree.Session.Conn.Negotiated().Response.MaxWriteSize)
	_, err := f.Write(ctx, 0, make([]byte, limit+1))
	mustBe(t, "more than MaxWriteSize", err, ntstatus.InvalidParameter)
	unpaid := f.With(func(r *client.Request) { r.Charge = 1 })
	_, err = unpaid.Write(ctx, 0, make([]byte, 65537))
	mustBe(t, "more than was paid for", err, ntstatus.InvalidParameter)
	dir := create(t, tree, client.CreateArgs{Name: "d", Directory: true, Access: wire.AccessAll})
	_, err = dir.Write(ctx, 0, []byte("x"))
	mustBe(t, "a directory", err, ntstatus.InvalidDeviceRequest)
	reader := create(t, tree, client.CreateArgs{Name: "f", Access: client.ReadAccess})
	_, err = reader.Write(ctx, 0, []byte("x"))
	mustBe(t, "without the right", err, ntstatus.AccessDenied)
}

// An open that may only append writes behind the end, or says so by offset -1.
func TestWriteAppend(t *testing.T) {
	s := newTestServer(t)
	tree := s.connect(t)
	ctx := t.Context()
	if err := tree.WriteFile(ctx, "log", []byte("abc")); err != nil {
		t.Fatal(err)
	}
	f := create(t, tree, client.CreateArgs{Name: "log", Access: wire.AccessAppendData | wire.AccessReadAttributes})
	_, err := f.Write(ctx, 2, []byte("x"))
	mustBe(t, "before the end", err, ntstatus.AccessDenied)
	_, err = f.Write(ctx, 3, []byte("de"))
	mustBe(t, "at the end", err, ntstatus.Success)
	_, err = f.Write(ctx, math.MaxUint64, []byte("f"))
	mustBe(t, "offset -1", err, ntstatus.Success)
	// Many at the same time, each from a connection of its own.
	const writers, each = 4, 25
	done := make(chan error, writers)
	for i := range writers {
		own := create(t, s.connect(t), client.CreateArgs{Name: "log", Access: wire.AccessAppendData | wire.AccessReadAttributes})
		go func() {
			for range each {
				if _, err := own.Write(context.WithoutCancel(ctx), math.MaxUint64, bytes.Repeat([]byte{byte('A' + i)}, 10)); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range writers {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	got, err := tree.ReadFile(ctx, "log")
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 6+writers*each*10 || string(got[:6]) != "abcdef" {
		t.Fatalf("%d bytes, %q...", len(got), got[:min(len(got), 6)])
	}
	for i := 6; i < len(got); i += 10 {
		if !bytes.Equal(got[i:i+10], bytes.Repeat(got[i:i+1], 10)) {
			t.Fatalf("records are mixed up at %d: %q", i, got[i:i+10])
		}
	}
}

// syncFS counts how often files are made stable.
type syncFS struct {
	vfs.FS
	syncs *atomic.Int32
}

type syncNode struct {
	vfs.Node
	syncs *atomic.Int32
}

type syncHandle struct {
	vfs.Handle
	syncs *atomic.Int32
}

func (f syncFS) Root() vfs.Node { return syncNode{f.FS.Root(), f.syncs} }

func (n syncNode) Lookup(ctx context.Context, cred *vfs.Cred, path string, o vfs.LookupOptions) (vfs.Node, string, error) {
	node, actual, err := n.Node.Lookup(ctx, cred, path, o)
	if node != nil {
		node = syncNode{node, n.syncs}
	}
	return node, actual, err
}

func (n syncNode) Create(ctx context.Context, cred *vfs.Cred, name string, o vfs.CreateOptions) (vfs.Node, error) {
	node, err := n.Node.Create(ctx, cred, name, o)
	if err != nil {
		return nil, err
	}
	return syncNode{node, n.syncs}, nil
}

func (n syncNode) Open(ctx context.Context, cred *vfs.Cred, mode vfs.OpenMode) (vfs.Handle, error) {
	h, err := n.Node.Open(ctx, cred, mode)
	if err != nil {
		return nil, err
	}
	return syncHandle{h, n.syncs}, nil
}

func (h syncHandle) Sync(ctx context.Context) error {
	h.syncs.Add(1)
	return h.Handle.Sync(ctx)
}

// A flush, and every write that must be stable, syncs before it is answered.
func TestWriteThroughAndFlush(t *testing.T) {
	var syncs atomic.Int32
	s := newTestServer(t, func(_ *smb.Config, sh *smb.Share) { sh.FS = syncFS{memfs.New(memfs.Options{}), &syncs} })
	tree := s.connect(t)
	ctx := t.Context()
	expect := func(what string, err error, n int32) {
		t.Helper()
		mustBe(t, what, err, ntstatus.Success)
		if syncs.Load() != n {
			t.Fatalf("%s: %d syncs, want %d", what, syncs.Load(), n)
		}
	}
	f := create(t, tree, client.CreateArgs{Name: "f"})
	_, err := f.Write(ctx, 0, []byte("x"))
	expect("plain write", err, 0)
	expect("flush", f.Flush(ctx), 1)
	resp, err := tree.Session.Conn.Do(ctx, f.Request(&wire.WriteRequest{
		FileID: f.ID, Data: []byte("x"), Flags: wire.WriteFlagWriteThrough,
	}))
	if err != nil {
		t.Fatal(err)
	}
	expect("write-through by flag", resp.Err(), 2)
	through := create(t, tree, client.CreateArgs{Name: "g", Options: wire.OptionWriteThrough})
	_, err = through.Write(ctx, 0, []byte("x"))
	expect("write-through by option", err, 3)
	apple := f.Request(&wire.FlushRequest{FileID: f.ID, Reserved1: wire.FlushFullSync})
	resp, err = tree.Session.Conn.Do(ctx, apple)
	if err != nil {
		t.Fatal(err)
	}
	expect("full sync", resp.Err(), 4)

	dir := create(t, tree, client.CreateArgs{Name: "d", Directory: true, Access: wire.AccessAll})
	expect("flush of a directory", dir.Flush(ctx), 5)
	reader := create(t, tree, client.CreateArgs{Name: "f", Access: client.ReadAccess})
	mustBe(t, "flush without the right", reader.Flush(ctx), ntstatus.AccessDenied)
}

// A full volume tells so, and what was there stays.
func TestWriteNoSpace(t *testing.T) {
	s := newTestServer(t, func(_ *smb.Config, sh *smb.Share) { sh.FS = memfs.New(memfs.Options{Size: 1 << 20}) })
	tree := s.connect(t)
	ctx := t.Context()
	f := create(t, tree, client.CreateArgs{Name: "f"})
	if _, err := f.Write(ctx, 0, []byte("here")); err != nil {
		t.Fatal(err)
	}
	_, err := f.Write(ctx, 0, make([]byte, 2<<20))
	mustBe(t, "write", err, ntstatus.DiskFull)
	got, err := f.Read(ctx, 0, 4)
	if err != nil || string(got) != "here" {
		t.Fatalf("%q, %v", got, err)
	}
}

// A write ends the read caching of others without waiting for them.
func TestWriteBreaksLevelII(t *testing.T) {
	s := newTestServer(t)
	one, two := s.connect(t), s.connect(t)
	ctx := t.Context()
	f := create(t, one, client.CreateArgs{Name: "f", Lease: &client.Lease{Key: client.NewGUID(), State: client.R}})
	if f.LeaseState() != client.R {
		t.Fatalf("lease %v", f.LeaseState())
	}
	g := create(t, two, client.CreateArgs{Name: "f"})
	if err := one.Session.Conn.NoBreak(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Write(ctx, 0, []byte("x")); err != nil {
		t.Fatal(err)
	}
	b, err := one.Session.Conn.NextBreak(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if b.Lease == nil || b.Lease.NewLeaseState != 0 || b.AckRequired() {
		t.Fatalf("break %v", b)
	}
}
