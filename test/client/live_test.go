package client_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// The tests in this file need a server:
//
//	LESSOR_TEST_SERVER=127.0.0.1:445 LESSOR_TEST_USER=u LESSOR_TEST_PASSWORD=p LESSOR_TEST_SHARE=s go test ./test/client
//
// Any server will do that knows leases, oplocks and durable opens; the share must be
// writable, and is left as it was.

// live returns options for the server, its address and its share.
func live(t *testing.T) (addr, share string, o client.Options) {
	addr = os.Getenv("LESSOR_TEST_SERVER")
	if addr == "" {
		t.Skip("LESSOR_TEST_SERVER is not set")
	}
	return addr, os.Getenv("LESSOR_TEST_SHARE"), client.Options{
		User:     os.Getenv("LESSOR_TEST_USER"),
		Password: os.Getenv("LESSOR_TEST_PASSWORD"),
		Trace:    t.Output(),
	}
}

// connect returns a tree on the live server, closed at the end of the test.
func connect(t *testing.T, tweak func(*client.Options)) *client.Tree {
	t.Helper()
	return connectWith(t.Context(), t, tweak)
}

func connectWith(ctx context.Context, t *testing.T, tweak func(*client.Options)) *client.Tree {
	t.Helper()
	addr, share, o := live(t)
	if tweak != nil {
		tweak(&o)
	}
	tree, err := client.Connect(ctx, addr, share, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Session.Conn.Close() })
	return tree
}

// scratch makes a directory for the test and removes it in the end. It must come
// before connect, so that what the test has open is gone by then.
func scratch(t *testing.T) string {
	t.Helper()
	var id [6]byte
	rand.Read(id[:])
	name := fmt.Sprintf("client-%x", id)
	check(t, connect(t, nil).Mkdir(t.Context(), name))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		tree := connectWith(ctx, t, nil)
		defer tree.Session.Conn.Close()
		// The server learns of lost connections in its own time.
		for {
			err := tree.RemoveAll(ctx, name)
			if err == nil {
				return
			}
			if _, refused := client.StatusOf(err); !refused {
				t.Error(err)
				return
			}
		}
	})
	return name
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantStatus(t *testing.T, err error, want ntstatus.Status) {
	t.Helper()
	if err != want {
		t.Fatalf("error %v, want %v", err, want)
	}
}

// mode is one way to speak.
type mode struct {
	name  string
	tweak func(*client.Options)
}

func modes() []mode {
	var all []mode
	add := func(name string, d wire.Dialect, more func(*client.Options)) {
		all = append(all, mode{name, func(o *client.Options) {
			o.Dialects = []wire.Dialect{d}
			if more != nil {
				more(o)
			}
		}})
	}
	sign := func(o *client.Options) { o.SignRequired = true }
	seal := func(o *client.Options) { o.Encrypt = true }
	for _, d := range []wire.Dialect{wire.Dialect210, wire.Dialect300, wire.Dialect302, wire.Dialect311} {
		add(d.String()+" plain", d, nil)
		add(d.String()+" signed", d, sign)
		if d == wire.Dialect300 || d == wire.Dialect302 {
			add(d.String()+" sealed", d, seal)
		}
	}
	for _, alg := range []wire.SigningAlgorithm{wire.SigningHMACSHA256, wire.SigningAESCMAC, wire.SigningAESGMAC} {
		add(fmt.Sprintf("3.1.1 signing algorithm %d", alg), wire.Dialect311, func(o *client.Options) {
			sign(o)
			o.SigningAlgs = []wire.SigningAlgorithm{alg}
		})
	}
	for _, c := range []wire.Cipher{wire.CipherAES128CCM, wire.CipherAES128GCM, wire.CipherAES256CCM, wire.CipherAES256GCM} {
		add(fmt.Sprintf("3.1.1 cipher %d", c), wire.Dialect311, func(o *client.Options) {
			seal(o)
			o.Ciphers = []wire.Cipher{c}
		})
	}
	return all
}

func TestLiveModes(t *testing.T) {
	for _, m := range modes() {
		t.Run(m.name, func(t *testing.T) {
			ctx, dir := t.Context(), scratch(t)
			tree := connect(t, m.tweak)
			data := make([]byte, 300_000)
			rand.Read(data)
			check(t, tree.WriteFile(ctx, dir+`\a`, data))
			if got := must(tree.ReadFile(ctx, dir+`\a`))(t); !bytes.Equal(got, data) {
				t.Fatal("what was read is not what was written")
			}
			list := must(tree.ReadDir(ctx, dir))(t)
			if len(list) != 1 || list[0].FileName != "a" || list[0].EndOfFile != int64(len(data)) {
				t.Fatalf("listing %+v", list)
			}
			check(t, tree.RenameFile(ctx, dir+`\a`, dir+`\b`, false))
			if st := must(tree.Stat(ctx, dir+`\b`))(t); st.EndOfFile != int64(len(data)) {
				t.Fatalf("stat %+v", st)
			}
			_, err := tree.Create(ctx, client.CreateArgs{Name: dir + `\a`, Disposition: client.Open})
			wantStatus(t, err, ntstatus.ObjectNameNotFound)

			resp := must(tree.Session.Conn.Do(ctx, tree.Session.Request(&wire.EchoRequest{})))(t)
			if resp.Sealed != tree.Session.Sealing() || resp.Signed != (tree.Session.Signing() && !resp.Sealed) {
				t.Fatalf("sealed %v signed %v", resp.Sealed, resp.Signed)
			}
			check(t, tree.Session.Reauthenticate(ctx, tree.Session.Login()))
			check(t, tree.Remove(ctx, dir+`\b`))
			if d := tree.Session.Conn.Dialect(); d == wire.Dialect300 || d == wire.Dialect302 {
				check(t, tree.ValidateNegotiate(ctx))
			}
			check(t, tree.Disconnect(ctx))
			check(t, tree.Session.Logoff(ctx))
		})
	}
}

func TestLiveLeaseBreak(t *testing.T) {
	for _, d := range []wire.Dialect{wire.Dialect210, wire.Dialect300, wire.Dialect311} {
		t.Run(d.String(), func(t *testing.T) {
			ctx, name := t.Context(), scratch(t)+`\f`
			a := connect(t, func(o *client.Options) { o.Dialects = []wire.Dialect{d} })
			b := connect(t, func(o *client.Options) { o.Dialects = []wire.Dialect{d} })
			fa := must(a.Create(ctx, client.CreateArgs{
				Name: name, Lease: &client.Lease{Key: client.NewGUID(), State: client.RWH},
			}))(t)
			if fa.LeaseState() != client.RWH {
				t.Fatalf("granted %s", client.LeaseString(fa.LeaseState()))
			}
			pb := b.StartCreate(client.CreateArgs{Name: name, Lease: &client.Lease{Key: client.NewGUID(), State: client.RWH}})
			brk := must(a.Session.Conn.NextBreak(ctx))(t)
			if brk.Lease == nil || brk.Lease.CurrentLeaseState != client.RWH || brk.Lease.NewLeaseState != client.RH || !brk.AckRequired() {
				t.Fatal(brk)
			}
			must(pb.Interim(ctx))(t)
			check(t, fa.AckLease(ctx, client.RH))
			fb := must(pb.Wait(ctx))(t)
			if fb.LeaseState() != client.RH {
				t.Fatalf("second lease %s", client.LeaseString(fb.LeaseState()))
			}
			// A second acknowledgement fits no break.
			wantStatus(t, fa.AckLease(ctx, client.RH), ntstatus.Unsuccessful)
			check(t, a.Session.Conn.NoBreak(ctx))
			// Writing takes the other's right to read ahead, without an acknowledgement.
			must(fa.Write(ctx, 0, []byte("x")))(t)
			brk = must(b.Session.Conn.NextBreak(ctx))(t)
			if brk.Lease.NewLeaseState != 0 {
				t.Fatal(brk)
			}
		})
	}
}

func TestLiveOplockBreak(t *testing.T) {
	ctx, name := t.Context(), scratch(t)+`\f`
	a, b := connect(t, nil), connect(t, nil)
	fa := must(a.Create(ctx, client.CreateArgs{Name: name, Oplock: wire.OplockBatch}))(t)
	if fa.Response.OplockLevel != wire.OplockBatch {
		t.Fatalf("granted %#x", fa.Response.OplockLevel)
	}
	pb := b.StartCreate(client.CreateArgs{Name: name, Oplock: wire.OplockBatch})
	brk := must(a.Session.Conn.NextBreak(ctx))(t)
	if brk.Oplock == nil || brk.Oplock.FileID != fa.ID || brk.Oplock.OplockLevel != wire.OplockII {
		t.Fatal(brk)
	}
	must(pb.Interim(ctx))(t)
	check(t, fa.AckOplock(ctx, wire.OplockII))
	if fb := must(pb.Wait(ctx))(t); fb.Response.OplockLevel != wire.OplockII {
		t.Fatalf("granted %#x", fb.Response.OplockLevel)
	}
}

func TestLiveNotify(t *testing.T) {
	for _, encrypt := range []bool{false, true} {
		t.Run(fmt.Sprintf("sealed=%v", encrypt), func(t *testing.T) {
			ctx, dir := t.Context(), scratch(t)
			tree := connect(t, func(o *client.Options) { o.Encrypt, o.SignRequired = encrypt, true })
			d := must(tree.Create(ctx, client.CreateArgs{Name: dir, Directory: true}))(t)
			p := d.StartChangeNotify(wire.NotifyChangeFileName, false)
			must(p.Interim(ctx))(t)
			check(t, tree.WriteFile(ctx, dir+`\new`, nil))
			got := must(p.Wait(ctx))(t)
			if want := (wire.FileNotifyInformation{Action: wire.ActionAdded, FileName: "new"}); !slices.Contains(got, want) {
				t.Fatalf("changes %+v", got)
			}
			p = d.StartChangeNotify(wire.NotifyChangeEA, false)
			must(p.Interim(ctx))(t)
			check(t, p.Cancel())
			_, err := p.Wait(ctx)
			wantStatus(t, err, ntstatus.Cancelled)
			p = d.StartChangeNotify(wire.NotifyChangeEA, false)
			must(p.Interim(ctx))(t)
			check(t, d.Close(ctx))
			_, err = p.Wait(ctx)
			wantStatus(t, err, ntstatus.NotifyCleanup)
		})
	}
}

func TestLiveLocks(t *testing.T) {
	ctx, name := t.Context(), scratch(t)+`\f`
	a, b := connect(t, nil), connect(t, nil)
	fa := must(a.Create(ctx, client.CreateArgs{Name: name}))(t)
	fb := must(b.Create(ctx, client.CreateArgs{Name: name}))(t)
	check(t, fa.Lock(ctx, client.Exclusive(0, 10)))
	wantStatus(t, fb.Lock(ctx, client.Shared(5, 1)), ntstatus.LockNotGranted)
	p := fb.StartLock(client.Waiting(client.Exclusive(0, 10)))
	must(p.Interim(ctx))(t)
	check(t, p.Cancel())
	_, err := p.Wait(ctx)
	wantStatus(t, err, ntstatus.Cancelled)
	p = fb.StartLock(client.Waiting(client.Exclusive(0, 10)))
	must(p.Interim(ctx))(t)
	check(t, fa.Lock(ctx, client.Unlock(0, 10)))
	must(p.Wait(ctx))(t)
	_, err = fa.Write(ctx, 0, []byte("x"))
	wantStatus(t, err, ntstatus.FileLockConflict)
}

func TestLiveDurable(t *testing.T) {
	for _, d := range []wire.Dialect{wire.Dialect210, wire.Dialect311} {
		t.Run(d.String(), func(t *testing.T) {
			ctx, name := t.Context(), scratch(t)+`\f`
			guid := client.NewGUID()
			tweak := func(o *client.Options) { o.Dialects, o.ClientGuid = []wire.Dialect{d}, guid }
			tree := connect(t, tweak)
			f := must(tree.Create(ctx, client.CreateArgs{
				Name:    name,
				Lease:   &client.Lease{Key: client.NewGUID(), State: client.RWH},
				Durable: &client.Durable{},
			}))(t)
			if !f.Durable() || (f.DurableV2 != nil) != (d == wire.Dialect311) {
				t.Fatalf("durable v1 %v v2 %v", f.DurableV1, f.DurableV2)
			}
			must(f.Write(ctx, 0, []byte("kept")))(t)
			tree.Session.Conn.Close()

			tree = connect(t, func(o *client.Options) { tweak(o) })
			again := must(tree.Create(ctx, f.ReconnectArgs()))(t)
			if again.ID.Persistent != f.ID.Persistent || again.LeaseState() != client.RWH {
				t.Fatalf("reconnected %+v with %s", again.ID, client.LeaseString(again.LeaseState()))
			}
			if data := must(again.ReadAll(ctx))(t); string(data) != "kept" {
				t.Fatalf("read %q", data)
			}
			check(t, again.Close(ctx))
		})
	}
}

func TestLiveCompound(t *testing.T) {
	for _, m := range modes() {
		t.Run(m.name, func(t *testing.T) {
			ctx, dir := t.Context(), scratch(t)
			tree := connect(t, m.tweak)
			conn, args := tree.Session.Conn, client.CreateArgs{Name: dir + `\f`}
			resps := must(conn.DoCompound(ctx, true,
				tree.Request(args.Body(conn.Dialect())),
				tree.Request(&wire.WriteRequest{FileID: wire.RelatedFileID, Data: []byte("hello")}),
				tree.Request(&wire.ReadRequest{FileID: wire.RelatedFileID, Length: 5}),
				tree.Request(&wire.CloseRequest{FileID: wire.RelatedFileID}),
			))(t)
			var read wire.ReadResponse
			check(t, resps[2].Decode(&read))
			if string(read.Data) != "hello" {
				t.Fatalf("read %q", read.Data)
			}
			check(t, resps[3].Err())
			// A failed CREATE fails what depends on it.
			args.Disposition = client.Create
			resps = must(conn.DoCompound(ctx, true,
				tree.Request(args.Body(conn.Dialect())),
				tree.Request(&wire.CloseRequest{FileID: wire.RelatedFileID}),
			))(t)
			wantStatus(t, resps[0].Err(), ntstatus.ObjectNameCollision)
			wantStatus(t, resps[1].Err(), ntstatus.ObjectNameCollision)
			// Unrelated requests do not depend on each other.
			resps = must(conn.DoCompound(ctx, false,
				tree.Request(args.Body(conn.Dialect())),
				tree.Session.Request(&wire.EchoRequest{}),
			))(t)
			wantStatus(t, resps[0].Err(), ntstatus.ObjectNameCollision)
			check(t, resps[1].Err())
		})
	}
}

func TestLiveChannels(t *testing.T) {
	for _, d := range []wire.Dialect{wire.Dialect300, wire.Dialect302, wire.Dialect311} {
		for _, encrypt := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v sealed=%v", d, encrypt), func(t *testing.T) {
				ctx, dir := t.Context(), scratch(t)
				guid := client.NewGUID()
				tweak := func(o *client.Options) {
					o.Dialects, o.ClientGuid, o.Encrypt, o.SignRequired = []wire.Dialect{d}, guid, encrypt, true
				}
				tree := connect(t, tweak)
				f := must(tree.Create(ctx, client.CreateArgs{Name: dir + `\f`}))(t)
				addr, _, o := live(t)
				tweak(&o)
				second := must(client.Dial(ctx, addr, o))(t)
				t.Cleanup(func() { second.Close() })
				channel := must(second.Bind(ctx, tree.Session))(t)
				must(f.On(channel).Write(ctx, 0, []byte("by the second channel")))(t)
				tree.Session.Conn.Close()
				if data := must(f.On(channel).ReadAll(ctx))(t); string(data) != "by the second channel" {
					t.Fatalf("read %q", data)
				}
				check(t, f.On(channel).Close(ctx))
			})
		}
	}
}

func TestLiveBadSignature(t *testing.T) {
	tree := connect(t, func(o *client.Options) { o.SignRequired = true })
	broken := tree.With(func(r *client.Request) { r.Sign = client.Broken })
	_, err := broken.Create(t.Context(), client.CreateArgs{Name: "", Directory: true, Disposition: client.Open})
	wantStatus(t, err, ntstatus.AccessDenied)
	unsigned := tree.With(func(r *client.Request) { r.Sign = client.Off })
	_, err = unsigned.Create(t.Context(), client.CreateArgs{Name: "", Directory: true, Disposition: client.Open})
	wantStatus(t, err, ntstatus.AccessDenied)
}

func TestLiveBadSeal(t *testing.T) {
	tree := connect(t, func(o *client.Options) { o.Encrypt = true })
	broken := tree.With(func(r *client.Request) { r.Seal = client.Broken })
	_, err := broken.Create(t.Context(), client.CreateArgs{Name: "", Directory: true, Disposition: client.Open})
	if _, ok := client.StatusOf(err); ok || tree.Session.Conn.Err() == nil {
		t.Fatalf("server answered what was tampered with: %v", err)
	}
}

func TestLiveWrongPassword(t *testing.T) {
	addr, _, o := live(t)
	o.Password += "x"
	c := must(client.Dial(t.Context(), addr, o))(t)
	defer c.Close()
	_, err := c.SessionSetup(t.Context())
	wantStatus(t, err, ntstatus.LogonFailure)
}

func TestLiveSMB1Negotiate(t *testing.T) {
	addr, share, o := live(t)
	for _, d := range []string{wire.SMB1Dialect2002, wire.SMB1DialectWildcard} {
		t.Run(d, func(t *testing.T) {
			o := o
			o.Trace = t.Output()
			c := client.NewRaw(must(dial(addr))(t), o)
			defer c.Close()
			check(t, c.NegotiateSMB1(t.Context(), "NT LM 0.12", d))
			s := must(c.SessionSetup(t.Context()))(t)
			must(s.TreeConnect(t.Context(), share))(t)
		})
	}
}

func TestLiveManyRequests(t *testing.T) {
	ctx, name := t.Context(), scratch(t)+`\f`
	tree := connect(t, func(o *client.Options) { o.Trace = nil })
	f := must(tree.Create(ctx, client.CreateArgs{Name: name}))(t)
	var calls []*client.Call[int]
	for i := range 2000 {
		calls = append(calls, f.StartWrite(uint64(i), []byte{byte(i)}))
	}
	for _, p := range calls {
		if n := must(p.Wait(ctx))(t); n != 1 {
			t.Fatalf("wrote %d", n)
		}
	}
	big := bytes.Repeat([]byte{7}, 1<<20)
	var reads []*client.Call[[]byte]
	check(t, f.WriteAll(ctx, 0, big))
	for range 32 {
		reads = append(reads, f.StartRead(0, len(big)))
	}
	for _, p := range reads {
		if data := must(p.Wait(ctx))(t); !bytes.Equal(data, big) {
			t.Fatalf("read %d other bytes", len(data))
		}
	}
}

func TestLiveServerCopy(t *testing.T) {
	ctx, dir := t.Context(), scratch(t)
	tree := connect(t, nil)
	check(t, tree.WriteFile(ctx, dir+`\src`, []byte("0123456789")))
	src := must(tree.Create(ctx, client.CreateArgs{Name: dir + `\src`}))(t)
	dst := must(tree.Create(ctx, client.CreateArgs{Name: dir + `\dst`}))(t)
	n := must(dst.CopyFrom(ctx, src, wire.SrvCopychunk{SourceOffset: 2, TargetOffset: 0, Length: 5}))(t)
	if n.TotalBytesWritten != 5 {
		t.Fatalf("copied %+v", n)
	}
	if data := must(dst.ReadAll(ctx))(t); string(data) != "23456" {
		t.Fatalf("read %q", data)
	}
	n, err := dst.CopyFrom(ctx, src, wire.SrvCopychunk{Length: 1 << 30})
	wantStatus(t, err, ntstatus.InvalidParameter)
	if n.ChunksWritten == 0 || n.TotalBytesWritten == 0 {
		t.Fatalf("limits %+v", n)
	}
}

func TestLiveInformation(t *testing.T) {
	ctx, name := t.Context(), scratch(t)+`\f`
	tree := connect(t, nil)
	f := must(tree.Create(ctx, client.CreateArgs{
		Name: name, Access: client.MaximumAllowed, MaximalAccess: true, DiskID: true,
	}))(t)
	if f.MaximalAccess == nil || f.MaximalAccess.MaximalAccess&wire.AccessDelete == 0 || f.DiskID == nil {
		t.Fatalf("contexts %+v %+v", f.MaximalAccess, f.DiskID)
	}
	must(f.Write(ctx, 0, []byte("0123456789")))(t)
	check(t, f.Flush(ctx))
	check(t, f.Truncate(ctx, 4))
	if st := must(f.Standard(ctx))(t); st.EndOfFile != 4 || st.Directory {
		t.Fatalf("standard %+v", st)
	}
	stamp := wire.FiletimeOf(time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC))
	check(t, f.Set(ctx, wire.FileInfoBasic, &wire.FileBasicInformation{LastWriteTime: stamp}))
	if b := must(f.Basic(ctx))(t); b.LastWriteTime != stamp {
		t.Fatalf("basic %+v", b)
	}
	var all wire.FileAllInformation
	check(t, f.Query(ctx, wire.FileInfoAll, &all))
	if all.Standard.EndOfFile != 4 || all.Basic.LastWriteTime != stamp {
		t.Fatalf("all %+v", all)
	}
	var size wire.FileFsSizeInformation
	check(t, f.QueryFS(ctx, wire.FsInfoSize, &size))
	if size.BytesPerSector == 0 || size.SectorsPerAllocationUnit == 0 {
		t.Fatalf("size %+v", size)
	}
	sd := must(f.Security(ctx, wire.OwnerSecurityInformation|wire.DaclSecurityInformation))(t)
	check(t, f.SetSecurity(ctx, wire.DaclSecurityInformation, sd))
	_, err := f.QueryInfo(ctx, wire.InfoTypeFile, wire.FileInfoStandard, 3)
	wantStatus(t, err, ntstatus.InfoLengthMismatch)
	if c := must(f.CloseAttributes(ctx))(t); c.EndofFile != 4 || c.Flags != wire.CloseFlagPostQueryAttrib {
		t.Fatalf("close %+v", c)
	}
	_, err = f.Read(ctx, 0, 1)
	wantStatus(t, err, ntstatus.FileClosed)
}
