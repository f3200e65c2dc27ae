package smb_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lessor/smb"
	"lessor/smb/ntstatus"
	"lessor/smb/secdesc"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/vfs"
	"lessor/vfs/localfs"
	"lessor/vfs/snapdir"
)

const (
	tokenOld = "@GMT-2026.11.24-10.00.00"
	tokenNew = "@GMT-2026.11.25-10.00.00"
)

// oldTime and newTime are what the tokens mean.
var (
	oldTime = wire.FiletimeOf(time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC))
	newTime = wire.FiletimeOf(time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC))
)

// newPastServer starts a server whose share is a directory with two snapshots in it.
func newPastServer(t *testing.T) (s *testServer, dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, content := range map[string]string{
		"f": "now", "d/g": "live",
		".snapshots/" + tokenOld + "/f":     "first",
		".snapshots/" + tokenNew + "/f":     "second",
		".snapshots/" + tokenNew + "/d/g":   "then",
		".snapshots/" + tokenNew + "/d/h":   "deleted since",
		".snapshots/" + tokenNew + "/d/e/x": "",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	export := func(path string) (vfs.FS, error) { return localfs.New(path, localfs.Options{}) }
	live, err := localfs.New(dir, localfs.Options{Hidden: ".snapshots"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = live.Close() })
	format, err := snapdir.ParseFormat("@GMT-%Y.%m.%d-%H.%M.%S")
	if err != nil {
		t.Fatal(err)
	}
	set := snapdir.New(snapdir.Options{Root: dir, Directory: ".snapshots", Format: format, Open: export})
	t.Cleanup(func() { _ = set.Close() })
	return newTestServer(t, func(_ *smb.Config, sh *smb.Share) {
		sh.FS, sh.Snapshots, sh.SnapshotDir, sh.NoLocalChanges = live, set, ".snapshots", true
	}), dir
}

// No link of a user leads to the directory of snapshots, which the server hides, wherever the
// link begins: he could change there what nobody is to change.
func TestSnapshotsAreHiddenFromLinks(t *testing.T) {
	s, dir := newPastServer(t)
	for name, target := range map[string]string{"d/up": "..", "d/across": "../.snapshots", "here": "."} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	tree := s.connect(t)
	if got := contentAt(t, tree, client.CreateArgs{Name: `d\up\f`}); got != "now" {
		t.Errorf("by a link to the top: %q", got)
	}
	for _, name := range []string{
		`d\up\.snapshots`, `d\across`, `here\.snapshots`, `HERE\.SNAPSHOTS`, `d\up\.snapshots\` + tokenNew + `\f`,
		`d\across\` + tokenNew + `\f`, `here\d\up\.snapshots\` + tokenNew + `\d\new`,
	} {
		for _, how := range []client.Disposition{client.Open, client.OpenIf} {
			f, err := tree.Create(t.Context(), client.CreateArgs{Name: name, Access: client.ReadAccess, Disposition: how})
			if err == nil {
				t.Errorf("%s can be opened", name)
				_ = f.Close(t.Context())
			}
		}
	}
}

// contentAt reads a file by what opens it.
func contentAt(t *testing.T, tree *client.Tree, a client.CreateArgs) string {
	t.Helper()
	a.Access = client.ReadAccess
	f := create(t, tree, a)
	defer func() { _ = f.Close(t.Context()) }()
	b, err := f.ReadAll(t.Context())
	if err != nil {
		t.Fatalf("read %q: %v", a.Name, err)
	}
	return string(b)
}

// MS-SMB2 2.2.32.2, 3.3.5.15.1: the newest first; where there is no room for all, their number and
// the room that they need.
func TestEnumerateSnapshots(t *testing.T) {
	s, _ := newPastServer(t)
	tree := s.connect(t)
	const size = 2*50 + 2
	for _, name := range []string{"f", "d", "", tokenOld + `\f`} {
		f := create(t, tree, client.CreateArgs{Name: name, Access: client.ReadAccess})
		for room, want := range map[int]wire.SnapshotArray{
			16: {NumberOfSnapShots: 2, SnapShotArraySize: size}, 12 + size - 1: {NumberOfSnapShots: 2, SnapShotArraySize: size},
			12 + size: {NumberOfSnapShots: 2, SnapShotArraySize: size, SnapShots: []string{tokenNew, tokenOld}},
			65536:     {NumberOfSnapShots: 2, SnapShotArraySize: size, SnapShots: []string{tokenNew, tokenOld}},
		} {
			out, err := f.Ioctl(t.Context(), wire.FsctlSrvEnumerateSnapshots, nil, room)
			mustBe(t, "enumerate", err, ntstatus.Success)
			var got wire.SnapshotArray
			if err := got.Decode(out); err != nil || len(out) > room {
				t.Fatalf("%x: %v", out, err)
			}
			if got.NumberOfSnapShots != want.NumberOfSnapShots || got.SnapShotArraySize != want.SnapShotArraySize ||
				!slices.Equal(got.SnapShots, want.SnapShots) {
				t.Errorf("%q, room %d: %+v", name, room, got)
			}
		}
		_, err := f.Ioctl(t.Context(), wire.FsctlSrvEnumerateSnapshots, nil, 15)
		mustBe(t, "no room", err, ntstatus.InvalidParameter)
	}
}

// A time in a context or anywhere in the path opens the file of that time.
func TestOpenPrevious(t *testing.T) {
	s, _ := newPastServer(t)
	tree := s.connect(t)
	for _, c := range []struct {
		args client.CreateArgs
		want string
	}{
		{client.CreateArgs{Name: "f"}, "now"},
		{client.CreateArgs{Name: "f", Timewarp: oldTime}, "first"},
		{client.CreateArgs{Name: "f", Timewarp: newTime}, "second"},
		{client.CreateArgs{Name: "F", Timewarp: newTime + 9_999_999}, "second"},
		{client.CreateArgs{Name: tokenOld + `\f`}, "first"},
		{client.CreateArgs{Name: `d\` + tokenNew + `\g`}, "then"},
		{client.CreateArgs{Name: `d\g\` + tokenNew}, "then"},
		{client.CreateArgs{Name: `d\h`, Timewarp: newTime}, "deleted since"},
		{client.CreateArgs{Name: tokenNew + `\f`, Timewarp: newTime}, "second"},
		{client.CreateArgs{Name: tokenNew + `\d\..\f`}, "second"},
	} {
		c.args.Disposition = client.Open
		if got := contentAt(t, tree, c.args); got != c.want {
			t.Errorf("%q at %v: %q, want %q", c.args.Name, c.args.Timewarp, got, c.want)
		}
	}
	for name, c := range map[string]struct {
		args client.CreateArgs
		want ntstatus.Status
	}{
		"no such time":       {client.CreateArgs{Name: "f", Timewarp: newTime + 10_000_000}, ntstatus.ObjectNameNotFound},
		"an absurd time":     {client.CreateArgs{Name: "f", Timewarp: -5}, ntstatus.ObjectNameNotFound},
		"no such token":      {client.CreateArgs{Name: `@GMT-2020.01.01-00.00.00\f`}, ntstatus.ObjectNameNotFound},
		"not there yet":      {client.CreateArgs{Name: `d\g`, Timewarp: oldTime}, ntstatus.ObjectPathNotFound},
		"two times":          {client.CreateArgs{Name: tokenOld + `\f`, Timewarp: newTime}, ntstatus.ObjectNameNotFound},
		"two tokens":         {client.CreateArgs{Name: tokenOld + `\` + tokenNew + `\f`}, ntstatus.ObjectPathNotFound},
		"out":                {client.CreateArgs{Name: tokenOld + `\..\..\f`}, ntstatus.ObjectPathSyntaxBad},
		"no token":           {client.CreateArgs{Name: `@GMT-2026.11.24-10.00.0\f`}, ntstatus.ObjectPathNotFound},
		"no time":            {client.CreateArgs{Name: `@GMT-2026.13.24-10.00.00\f`}, ntstatus.ObjectPathNotFound},
		"the directory":      {client.CreateArgs{Name: ".snapshots"}, ntstatus.ObjectNameNotFound},
		"in the directory":   {client.CreateArgs{Name: `.SNAPSHOTS\` + tokenOld[1:] + `\f`}, ntstatus.ObjectPathNotFound},
		"a stream of theirs": {client.CreateArgs{Name: `f:s`, Timewarp: newTime}, ntstatus.ObjectNameNotFound},
	} {
		c.args.Disposition, c.args.Access = client.Open, client.ReadAccess
		_, err := tree.Create(t.Context(), c.args)
		mustBe(t, name, err, c.want)
	}
}

// Every attempt to change a snapshot is refused, and changes nothing.
func TestPreviousCannotChange(t *testing.T) {
	s, dir := newPastServer(t)
	tree := s.connect(t)
	ctx := t.Context()
	before := treeOf(t, dir)
	for _, d := range []client.Disposition{client.Create, client.Supersede, client.Overwrite, client.OverwriteIf} {
		for _, name := range []string{"f", "new"} {
			_, err := tree.Create(ctx, client.CreateArgs{Name: name, Disposition: d, Timewarp: newTime})
			mustBe(t, "disposition", err, ntstatus.MediaWriteProtected)
		}
	}
	for _, name := range []string{"new", `d\new`, "f:stream"} {
		_, err := tree.Create(ctx, client.CreateArgs{Name: name, Disposition: client.OpenIf, Timewarp: newTime})
		mustBe(t, "open or make "+name, err, ntstatus.MediaWriteProtected)
	}
	_, err := tree.Create(ctx, client.CreateArgs{Name: "new", Directory: true, Disposition: client.OpenIf, Timewarp: newTime})
	mustBe(t, "make a directory", err, ntstatus.MediaWriteProtected)
	_, err = tree.Create(ctx, client.CreateArgs{Name: "f", Disposition: client.Open, Options: wire.OptionDeleteOnClose, Timewarp: newTime})
	mustBe(t, "delete on close", err, ntstatus.MediaWriteProtected)

	past := create(t, tree, client.CreateArgs{Name: "f", Disposition: client.Open, Access: wire.AccessMaximumAllowed, Timewarp: newTime})
	live := create(t, tree, client.CreateArgs{Name: "f", Disposition: client.Open, Access: wire.AccessMaximumAllowed})
	_, err = past.Write(ctx, 0, []byte("x"))
	mustBe(t, "write", err, ntstatus.MediaWriteProtected)
	mustBe(t, "flush", past.Flush(ctx), ntstatus.Success)
	mustBe(t, "truncate", past.Truncate(ctx, 0), ntstatus.MediaWriteProtected)
	mustBe(t, "delete", past.SetDelete(ctx, true), ntstatus.MediaWriteProtected)
	mustBe(t, "rename", past.Rename(ctx, "elsewhere", true), ntstatus.MediaWriteProtected)
	mustBe(t, "link", past.Link(ctx, "elsewhere", true), ntstatus.MediaWriteProtected)
	mustBe(t, "attributes", past.Set(ctx, wire.FileInfoBasic, &wire.FileBasicInformation{FileAttributes: wire.FileAttributeHidden}), ntstatus.MediaWriteProtected)
	mustBe(t, "position", past.Set(ctx, wire.FileInfoPosition, &wire.FilePositionInformation{CurrentByteOffset: 1}), ntstatus.Success)
	sd, err := past.Security(ctx, secdesc.DACLInformation)
	mustBe(t, "descriptor", err, ntstatus.Success)
	mustBe(t, "set descriptor", past.SetSecurity(ctx, secdesc.DACLInformation, sd), ntstatus.MediaWriteProtected)
	for _, code := range []uint32{wire.FsctlSetSparse, wire.FsctlSetZeroData, wire.FsctlSetReparsePoint, wire.FsctlSetCompression,
		wire.FsctlFileLevelTrim, wire.FsctlDeleteObjectID, wire.FsctlCreateOrGetObjectID, wire.FsctlOffloadWrite, wire.FsctlDuplicateExtentsToFile} {
		_, err := past.Ioctl(ctx, code, make([]byte, 64), 1024)
		mustBe(t, wire.FsctlName(code), err, ntstatus.MediaWriteProtected)
	}
	_, err = past.CopyFrom(ctx, live, wire.SrvCopychunk{Length: 3})
	mustBe(t, "copy in", err, ntstatus.MediaWriteProtected)
	mustBe(t, "rename in", live.Rename(ctx, tokenNew+`\d\moved`, true), ntstatus.MediaWriteProtected)
	mustBe(t, "link in", live.Link(ctx, `d\`+tokenNew+`\linked`, true), ntstatus.MediaWriteProtected)
	mustBe(t, "rename next to them", live.Rename(ctx, `.snapshots\moved`, true), ntstatus.AccessDenied)
	for _, f := range []*client.File{past, live} {
		mustBe(t, "close", f.Close(ctx), ntstatus.Success)
	}
	if after := treeOf(t, dir); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// treeOf lists a directory with what is in its files.
func treeOf(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		b.WriteString(path)
		if e.Type().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			b.Write(data)
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// A deleted or changed file is restored by a copy on the server.
func TestRestore(t *testing.T) {
	s, dir := newPastServer(t)
	tree := s.connect(t)
	past := create(t, tree, client.CreateArgs{Name: "f", Disposition: client.Open, Access: client.ReadAccess, Timewarp: newTime})
	live := create(t, tree, client.CreateArgs{Name: "f", Disposition: client.Open})
	done, err := live.CopyFrom(t.Context(), past, wire.SrvCopychunk{Length: 6})
	if err != nil || done.TotalBytesWritten != 6 {
		t.Fatalf("%+v, %v", done, err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "f")); string(b) != "second" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
}

// Nothing of a snapshot is cached, and its files are others than those of the share: an open of one
// stands in nobody's way there.
func TestPreviousIsAnotherFile(t *testing.T) {
	s, _ := newPastServer(t)
	tree := s.connect(t)
	ctx := t.Context()
	live := create(t, tree, client.CreateArgs{Name: "f", Disposition: client.Open, Share: client.ShareNone, DiskID: true,
		Lease: &client.Lease{Key: [16]byte{1}, State: client.RWH, Version: 2}})
	past := create(t, tree, client.CreateArgs{Name: "f", Disposition: client.Open, Share: client.ShareNone, DiskID: true, Timewarp: newTime,
		Lease: &client.Lease{Key: [16]byte{2}, State: client.RH, Version: 2}})
	if past.Lease != nil && past.Lease.LeaseState != 0 {
		t.Errorf("a lease on a snapshot: %+v", past.Lease)
	}
	oplock := create(t, tree, client.CreateArgs{Name: "f", Disposition: client.Open, Timewarp: oldTime, Oplock: wire.OplockBatch})
	if oplock.Response.OplockLevel != wire.OplockNone {
		t.Errorf("an oplock on a snapshot: %v", oplock.Response.OplockLevel)
	}
	if _, err := tree.Create(ctx, client.CreateArgs{Name: "f", Disposition: client.Open, Timewarp: newTime}); err == nil {
		t.Error("share modes do not count among those who open the same snapshot")
	}
	id := func(f *client.File) (v wire.FileInternalInformation) {
		mustBe(t, "id", f.Query(ctx, wire.FileInfoInternal, &v), ntstatus.Success)
		return v
	}
	if id(live) == id(past) || id(past) == id(oplock) {
		t.Errorf("ids: %v, %v, %v", id(live), id(past), id(oplock))
	}
	d := create(t, tree, client.CreateArgs{Name: tokenNew, Directory: true, Disposition: client.Open})
	list, err := d.List(ctx, "*")
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(e wire.DirEntry) bool { return e.FileName == "f" })
	if i < 0 || list[i].EndOfFile != 6 || int64(list[i].FileID) != int64(id(past).IndexNumber) {
		t.Errorf("listed: %+v", list)
	}
	for _, name := range []string{"", tokenNew} {
		top := create(t, tree, client.CreateArgs{Name: name, Directory: true, Disposition: client.Open})
		list, err := top.List(ctx, "*")
		if err != nil || slices.ContainsFunc(list, func(e wire.DirEntry) bool { return e.FileName == ".snapshots" }) {
			t.Errorf("%q lists %+v, %v", name, list, err)
		}
	}
}

// What counts is the descriptor that the file had then, not what it has now.
func TestPreviousDescriptor(t *testing.T) {
	s, dir := newPastServer(t)
	alice := s.connect(t)
	f := create(t, alice, client.CreateArgs{Name: "secret", Access: wire.AccessAll &^ wire.AccessSystemSecurity})
	deny := secdesc.Descriptor{Control: secdesc.DACLPresent | secdesc.DACLProtected, DACL: secdesc.NewACL()}
	b, err := deny.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	mustBe(t, "nobody", f.SetSecurity(t.Context(), secdesc.DACLInformation, b), ntstatus.Success)
	mustBe(t, "close", f.Close(t.Context()), ntstatus.Success)
	if err := os.Rename(filepath.Join(dir, "secret"), filepath.Join(dir, ".snapshots", tokenNew, "secret")); err != nil {
		t.Fatal(err)
	}
	mustBe(t, "make it again", alice.WriteFile(t.Context(), "secret", []byte("public now")), ntstatus.Success)
	_, err = alice.Create(t.Context(), client.CreateArgs{Name: "secret", Disposition: client.Open, Access: client.ReadAccess, Timewarp: newTime})
	mustBe(t, "as it was", err, ntstatus.AccessDenied)
	if got := contentAt(t, alice, client.CreateArgs{Name: "secret", Disposition: client.Open}); got != "public now" {
		t.Errorf("%q", got)
	}
}

// On a share without snapshots a time finds nothing, and a token is a name.
func TestNoSnapshots(t *testing.T) {
	s := newTestServer(t)
	tree := s.connect(t)
	create(t, tree, client.CreateArgs{Name: "f"})
	_, err := tree.Create(t.Context(), client.CreateArgs{Name: "f", Disposition: client.Open, Timewarp: newTime})
	mustBe(t, "a time", err, ntstatus.ObjectNameNotFound)
	create(t, tree, client.CreateArgs{Name: tokenNew, Directory: true})
	create(t, tree, client.CreateArgs{Name: tokenNew + `\f`})
}
