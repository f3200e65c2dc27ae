package smb_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"lessor/smb"
	"lessor/smb/auth"
	"lessor/smb/ntstatus"
	"lessor/smb/secdesc"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/vfs"
	"lessor/vfs/memfs"
)

// quotaFS is a file system that keeps quotas of users, which nobody exceeds.
type quotaFS struct {
	vfs.FS
	mu      sync.Mutex
	users   map[uint32]vfs.Quota
	project *vfs.Quota
}

func newQuotaFS(list ...vfs.Quota) *quotaFS {
	f := &quotaFS{FS: memfs.New(memfs.Options{}), users: make(map[uint32]vfs.Quota)}
	for _, q := range list {
		f.users[q.ID] = q
	}
	return f
}

func (f *quotaFS) Quota(_ context.Context, kind vfs.QuotaKind, id uint32) (vfs.Quota, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case kind == vfs.QuotaProject && f.project != nil:
		return *f.project, nil
	case kind != vfs.QuotaUser:
		return vfs.Quota{}, errors.ErrUnsupported
	}
	q := f.users[id]
	q.ID = id
	return q, nil
}

// of is the quota of a user.
func (f *quotaFS) of(uid uint32) vfs.Quota {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.users[uid]
}

func (f *quotaFS) NextQuota(_ context.Context, _ vfs.QuotaKind, id uint32) (vfs.Quota, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	best, found := vfs.Quota{}, false
	for n, q := range f.users {
		if n >= id && (!found || n < best.ID) {
			best, found = q, true
		}
	}
	if !found {
		return best, io.EOF
	}
	return best, nil
}

func (f *quotaFS) SetQuota(_ context.Context, _ vfs.QuotaKind, q vfs.Quota) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	q.Used = f.users[q.ID].Used
	f.users[q.ID] = q
	return nil
}

func (f *quotaFS) Project(context.Context) (uint32, error) {
	if f.project == nil {
		return 0, nil
	}
	return f.project.ID, nil
}

// quotaServer has a share with quotas, and alice as its administrator.
func quotaServer(t *testing.T, fs vfs.FS) *testServer {
	t.Helper()
	return newTestServer(t, func(c *smb.Config, sh *smb.Share) {
		c.Admins, sh.FS = []string{"alice"}, fs
	})
}

// openQuota opens the file of quotas as Windows calls it.
func openQuota(t *testing.T, tree *client.Tree) *client.File {
	t.Helper()
	return create(t, tree, client.CreateArgs{Name: `$Extend\$Quota:$Q:$INDEX_ALLOCATION`, Disposition: client.Open, Access: client.ReadWrite})
}

func askQuota(t *testing.T, f *client.File, q wire.QueryQuotaInfo, size int) ([]wire.FileQuotaInformation, error) {
	t.Helper()
	b, err := f.QueryInfoWith(t.Context(), &wire.QueryInfoRequest{
		InfoType: wire.InfoTypeQuota, OutputBufferLength: uint32(size), Input: q.Append(nil),
	})
	if err != nil {
		return nil, err
	}
	var list wire.QuotaList
	if err := list.Decode(b); err != nil {
		t.Fatal(err)
	}
	return list.Entries, nil
}

func TestQuotasOfUsers(t *testing.T) {
	fs := newQuotaFS(vfs.Quota{ID: 0, Used: 10}, vfs.Quota{ID: 1000, Used: 20, Soft: 1 << 20, Hard: 2 << 20}, vfs.Quota{ID: 7000, Used: 30})
	s := quotaServer(t, fs)
	f := openQuota(t, s.connect(t))
	sid := func(uid uint32) []byte { return secdesc.UnixUser(uid).Append(nil) }

	// By name, also one who has none.
	got, err := askQuota(t, f, wire.QueryQuotaInfo{Sids: [][]byte{sid(1000), secdesc.World.Append(nil)}}, 4096)
	if err != nil || len(got) != 2 || got[0].QuotaUsed != 20 || got[0].QuotaThreshold != 1<<20 || got[0].QuotaLimit != 2<<20 ||
		!bytes.Equal(got[0].Sid, sid(1000)) || got[1].QuotaLimit != 0 || got[1].QuotaUsed != 0 {
		t.Fatal(got, err)
	}
	// All of them, in pieces.
	var uids []string
	for q := (wire.QueryQuotaInfo{RestartScan: true, ReturnSingle: true}); ; q.RestartScan = false {
		got, err := askQuota(t, f, q, 4096)
		if err != nil {
			mustBe(t, "end", err, ntstatus.NoMoreEntries)
			break
		}
		if len(got) != 1 {
			t.Fatal(got)
		}
		owner, _, err := secdesc.DecodeSID(got[0].Sid)
		if err != nil {
			t.Fatal(err)
		}
		uids = append(uids, owner.String())
	}
	if strings.Join(uids, " ") != "S-1-22-1-0 S-1-22-1-1000 S-1-22-1-7000" {
		t.Error(uids)
	}
	if got, err = askQuota(t, f, wire.QueryQuotaInfo{RestartScan: true}, 4096); err != nil || len(got) != 3 {
		t.Error(got, err)
	}
	if got, err = askQuota(t, f, wire.QueryQuotaInfo{StartSid: sid(1000)}, 4096); err != nil || len(got) != 1 || got[0].QuotaLimit != wire.NoQuota {
		t.Error(got, err)
	}
	_, err = askQuota(t, f, wire.QueryQuotaInfo{RestartScan: true}, 20)
	mustBe(t, "a short buffer", err, ntstatus.BufferTooSmall)
	_, err = askQuota(t, f, wire.QueryQuotaInfo{Sids: [][]byte{{1, 2}}}, 4096)
	mustBe(t, "no SID", err, ntstatus.InvalidParameter)

	// Set, and take away.
	set := func(f *client.File, q wire.FileQuotaInformation) error {
		list := wire.QuotaList{Entries: []wire.FileQuotaInformation{q}}
		return f.SetInfoWith(t.Context(), &wire.SetInfoRequest{InfoType: wire.InfoTypeQuota, Buffer: list.Append(nil)})
	}
	mustBe(t, "set", set(f, wire.FileQuotaInformation{QuotaThreshold: wire.NoQuota, QuotaLimit: 5 << 20, Sid: sid(7000)}), ntstatus.Success)
	if q := fs.of(7000); q.Soft != 0 || q.Hard != 5<<20 || q.Used != 30 {
		t.Errorf("%+v", q)
	}
	mustBe(t, "remove", set(f, wire.FileQuotaInformation{QuotaLimit: wire.QuotaRemoved, Sid: sid(7000)}), ntstatus.Success)
	if q := fs.of(7000); q.Soft != 0 || q.Hard != 0 {
		t.Errorf("%+v", q)
	}
	mustBe(t, "nobody", set(f, wire.FileQuotaInformation{Sid: secdesc.World.Append(nil)}), ntstatus.NoSuchUser)
	mustBe(t, "bad list", f.SetInfoWith(t.Context(), &wire.SetInfoRequest{InfoType: wire.InfoTypeQuota, Buffer: []byte("bad list")}), ntstatus.QuotaListInconsistent)

	// Who is no administrator sees his own, and sets nothing.
	bob := openQuota(t, s.connect(t, func(o *client.Options) { o.User = "bob" }))
	_, err = askQuota(t, bob, wire.QueryQuotaInfo{RestartScan: true}, 4096)
	mustBe(t, "bob lists", err, ntstatus.AccessDenied)
	_, err = askQuota(t, bob, wire.QueryQuotaInfo{Sids: [][]byte{sid(1000)}}, 4096)
	mustBe(t, "bob asks", err, ntstatus.AccessDenied)
	mustBe(t, "bob sets", set(bob, wire.FileQuotaInformation{Sid: sid(1000)}), ntstatus.AccessDenied)
	sd, err := bob.Security(t.Context(), secdesc.OwnerInformation)
	if err != nil {
		t.Fatal(err)
	}
	d, err := secdesc.Decode(sd)
	if err != nil {
		t.Fatal(err)
	}
	if got, err = askQuota(t, bob, wire.QueryQuotaInfo{Sids: [][]byte{d.Owner.Append(nil)}}, 4096); err != nil || len(got) != 1 {
		t.Error("his own:", got, err)
	}
	var control wire.FileFsControlInformation
	if err := f.QueryFS(t.Context(), wire.FsInfoControl, &control); err != nil || control.FileSystemControlFlags&wire.FsControlQuotaEnforce == 0 {
		t.Error(control, err)
	}
}

func TestRoomUnderQuotas(t *testing.T) {
	fs := newQuotaFS()
	fs.project = &vfs.Quota{ID: 7, Used: 3 << 20, Hard: 10 << 20}
	f := create(t, quotaServer(t, fs).connect(t), client.CreateArgs{Access: client.ListDirectory, Options: wire.OptionDirectoryFile})
	check := func(total, avail, actual int64) {
		t.Helper()
		var size wire.FileFsFullSizeInformation
		if err := f.QueryFS(t.Context(), wire.FsInfoFullSize, &size); err != nil {
			t.Fatal(err)
		}
		unit := int64(size.BytesPerSector * size.SectorsPerAllocationUnit)
		if size.TotalAllocationUnits*unit != total || size.CallerAvailableAllocationUnits*unit != avail || actual >= 0 && size.ActualAvailableAllocationUnits*unit != actual {
			t.Errorf("%+v, unit %d", size, unit)
		}
	}
	check(10<<20, 7<<20, 7<<20)
	if uid := os.Geteuid(); uid != 0 {
		fs.mu.Lock()
		fs.users[uint32(uid)] = vfs.Quota{Used: 1 << 20, Hard: 2 << 20}
		fs.mu.Unlock()
		check(2<<20, 1<<20, 7<<20)
	}
	fs.mu.Lock()
	fs.project.Used = 11 << 20
	fs.mu.Unlock()
	if os.Geteuid() == 0 {
		check(10<<20, 0, 0)
	}
}

func TestSizeLimit(t *testing.T) {
	ctx := t.Context()
	s, dir := dirServer(t, func(sh *smb.Share) { sh.SizeLimit = 1 << 20 })
	put(t, dir, "d/before", strings.Repeat("x", 256<<10))
	tree := s.connect(t)
	f := create(t, tree, client.CreateArgs{Name: "f", Access: client.ReadWriteDelete})
	size := func() (total, avail int64) {
		var size wire.FileFsSizeInformation
		if err := f.QueryFS(ctx, wire.FsInfoSize, &size); err != nil {
			t.Fatal(err)
		}
		unit := int64(size.BytesPerSector * size.SectorsPerAllocationUnit)
		return size.TotalAllocationUnits * unit, size.AvailableAllocationUnits * unit
	}
	if total, avail := size(); total != 1<<20 || avail > total {
		t.Errorf("%d of %d", avail, total)
	}
	chunk := bytes.Repeat([]byte("x"), 64<<10)
	var err error
	var end uint64
	eventually(t, "the share is full", func() bool {
		if _, err = f.Write(ctx, end, chunk); err == nil {
			end += uint64(len(chunk))
		}
		return err != nil
	})
	mustBe(t, "write", err, ntstatus.DiskFull)
	mustBe(t, "truncate", f.Truncate(ctx, 64<<20), ntstatus.DiskFull)
	if _, err := f.Write(ctx, 0, chunk); err != nil {
		t.Error("what is there can be written again:", err)
	}
	if _, avail := size(); avail != 0 {
		t.Errorf("%d bytes are free", avail)
	}
	turnMac(t, tree)
	dst := create(t, tree, client.CreateArgs{Name: "copy", Access: client.ReadWriteDelete})
	_, err = dst.Ioctl(ctx, wire.FsctlSrvCopychunk, copyOf(t, f), 12)
	mustBe(t, "copy of a whole file", err, ntstatus.DiskFull)
	if err := s.SetShares([]smb.Share{{Name: "data", FS: s.fs, DefaultAccess: smb.AccessWrite, SizeLimit: 1 << 30}}); err != nil {
		t.Fatal(err)
	}
	if err := s.connect(t).WriteFile(ctx, "g", chunk); err != nil {
		t.Error("a higher limit:", err)
	}
}

// smbcquotas of Samba lists, sets and shows quotas.
func TestSmbcquotas(t *testing.T) {
	tool, err := exec.LookPath("smbcquotas")
	if err != nil {
		t.Skip("no smbcquotas; it is in Debian's package smbclient")
	}
	fs := newQuotaFS(vfs.Quota{ID: 1000, Used: 20 << 10, Hard: 2 << 20})
	users, err := auth.NewUsers(auth.User{Name: "alice", NTHash: auth.NTHash("secret"), UID: 1000, HasUID: true, RID: 3000})
	if err != nil {
		t.Fatal(err)
	}
	s := newTestServer(t, func(c *smb.Config, sh *smb.Share) {
		ntlm, err := auth.NewNTLM(auth.NTLMConfig{Computer: "LESSOR", Accounts: users})
		if err != nil {
			t.Fatal(err)
		}
		c.Auth, c.Accounts, c.Admins, sh.FS = auth.NewNegotiator(ntlm), users, []string{"alice"}, fs
	})
	// The tool knows no port but 445.
	const host = "127.83.81.5"
	l, err := net.Listen("tcp", host+":445")
	if err != nil {
		t.Skip("port 445 cannot be had:", err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-served; err != smb.ErrServerClosed {
			t.Error("serve:", err)
		}
	})
	run := func(args ...string) string {
		t.Helper()
		args = append([]string{"-U", "alice%secret", "--option=client min protocol=SMB2_10", "//" + host + "/data"}, args...)
		out, err := exec.CommandContext(t.Context(), tool, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	for _, args := range [][]string{{"-L"}, {"-u", "alice"}} {
		if out := run(args...); !strings.Contains(out, "alice") || !strings.Contains(out, "20480") || !strings.Contains(out, "2097152") {
			t.Errorf("%v: %s", args, out)
		}
	}
	run("-S", "UQLIM:alice:1048576/3145728")
	if q := fs.of(1000); q.Soft != 1<<20 || q.Hard != 3<<20 {
		t.Errorf("%+v", q)
	}
	if out := run("-F"); !strings.Contains(out, "File System QUOTAS") {
		t.Error(out)
	}
}
