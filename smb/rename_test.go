package smb_test

import (
	"context"
	"slices"
	"testing"

	"lessor/smb"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/vfs/localfs"
)

// content is what a file holds, or "-" if it does not exist.
func content(t *testing.T, tree *client.Tree, name string) string {
	t.Helper()
	b, err := tree.ReadFile(t.Context(), name)
	if err == ntstatus.ObjectNameNotFound || err == ntstatus.ObjectPathNotFound {
		return "-"
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return string(b)
}

// files makes files that hold their own name.
func files(t *testing.T, tree *client.Tree, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := tree.WriteFile(t.Context(), name, []byte(name)); err != nil {
			t.Fatal(err)
		}
	}
}

// dirs makes directories.
func dirs(t *testing.T, tree *client.Tree, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := tree.Mkdir(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
}

// pathOf is the path that the server knows an open by.
func pathOf(t *testing.T, f *client.File) string {
	t.Helper()
	var v wire.FileNameInformation
	if err := f.Query(t.Context(), wire.FileInfoNormalizedName, &v); err != nil {
		t.Fatal(err)
	}
	return v.FileName
}

// MS-FSA 2.1.5.15.11.
func TestRename(t *testing.T) {
	srv := newTestServer(t)
	tree := srv.connect(t)
	ctx := t.Context()
	files(t, tree, "a", "b", "c")
	dirs(t, tree, "d", "e")
	files(t, tree, `d\x`)

	f := create(t, tree, client.CreateArgs{Name: "a", Disposition: client.Open})
	rename := func(f *client.File, to string, replace bool, want ntstatus.Status) {
		t.Helper()
		mustBe(t, "rename to "+to, f.Rename(ctx, to, replace), want)
	}
	rename(f, "a2", false, ntstatus.Success)
	if got := content(t, tree, "a2"); got != "a" || content(t, tree, "a") != "-" || pathOf(t, f) != "a2" {
		t.Errorf("after the rename: %q at %q", got, pathOf(t, f))
	}
	rename(f, "a2", false, ntstatus.Success)
	rename(f, "A2", false, ntstatus.Success)
	if pathOf(t, f) != "A2" {
		t.Errorf("case has not changed: %q", pathOf(t, f))
	}
	rename(f, "b", false, ntstatus.ObjectNameCollision)
	rename(f, "B", true, ntstatus.Success)
	if got := content(t, tree, "b"); got != "a" || pathOf(t, f) != "B" {
		t.Errorf("replaced file holds %q at %q", got, pathOf(t, f))
	}
	rename(f, `D\y`, false, ntstatus.Success)
	if got := pathOf(t, f); got != `d\y` {
		t.Errorf("path is %q", got)
	}
	rename(f, `\d\z`, false, ntstatus.Success)
	rename(f, `none\z`, false, ntstatus.ObjectPathNotFound)
	rename(f, `c\z`, false, ntstatus.ObjectPathNotFound)
	rename(f, "e", false, ntstatus.ObjectNameCollision)
	rename(f, "e", true, ntstatus.AccessDenied)
	rename(f, "", false, ntstatus.InvalidParameter)
	rename(f, "q:r", false, ntstatus.ObjectNameInvalid)
	rename(f, "q?", false, ntstatus.ObjectNameInvalid)
	rename(f, `..\q`, false, ntstatus.ObjectPathSyntaxBad)
	mustBe(t, "root directory", f.Set(ctx, wire.FileInfoRename, &wire.FileRenameInformation{RootDirectory: 1, FileName: "q"}), ntstatus.InvalidParameter)
	blind := create(t, tree, client.CreateArgs{Name: "c", Access: client.ReadWrite, Disposition: client.Open})
	rename(blind, "q", false, ntstatus.AccessDenied)
	rename(f, "c", true, ntstatus.AccessDenied) // it is open
	mustBe(t, "close", blind.Close(ctx), ntstatus.Success)
	rename(f, "c", true, ntstatus.Success)

	d := create(t, tree, client.CreateArgs{Name: "d", Directory: true, Access: wire.AccessDelete | wire.AccessReadAttributes, Disposition: client.Open})
	x := create(t, tree, client.CreateArgs{Name: `d\x`, Disposition: client.Open})
	rename(d, "d2", false, ntstatus.AccessDenied) // something below is open
	mustBe(t, "close", x.Close(ctx), ntstatus.Success)
	rename(d, "d2", false, ntstatus.Success)
	if got := content(t, tree, `d2\x`); got != `d\x` {
		t.Errorf("in the renamed directory: %q", got)
	}
	rename(d, `d2\below`, false, ntstatus.SharingViolation) // the target directory is open for deletion
	rename(d, "e", true, ntstatus.AccessDenied)
	root := create(t, tree, client.CreateArgs{Name: "", Directory: true, Access: wire.AccessDelete, Disposition: client.Open})
	rename(root, "q", false, ntstatus.InvalidParameter)
}

// The flags of FileRenameInformationEx.
func TestRenameEx(t *testing.T) {
	srv := newTestServer(t)
	tree := srv.connect(t)
	ctx := t.Context()
	files(t, tree, "a", "open", "ro")
	dirs(t, tree, "d", "empty", "full")
	files(t, tree, `full\x`)
	rename := func(f *client.File, to string, flags uint32, want ntstatus.Status) {
		t.Helper()
		mustBe(t, "rename to "+to, f.Set(ctx, wire.FileInfoRenameEx, &wire.FileRenameInformationEx{Flags: flags, FileName: to}), want)
	}
	const replace, posix, readonly = wire.RenameReplaceIfExists, wire.RenamePosixSemantics, wire.RenameIgnoreReadonlyAttribute
	f := create(t, tree, client.CreateArgs{Name: "a", Disposition: client.Open})
	other := create(t, tree, client.CreateArgs{Name: "open", Disposition: client.Open})
	rename(f, "open", 0, ntstatus.ObjectNameCollision)
	rename(f, "open", replace, ntstatus.AccessDenied)
	rename(f, "open", replace|posix, ntstatus.Success)
	if b, err := other.Read(ctx, 0, 10); err != nil || string(b) != "open" {
		t.Errorf("the replaced file holds %q %v for who has it open", b, err)
	}
	mustBe(t, "close", other.Close(ctx), ntstatus.Success)
	if content(t, tree, "open") != "a" {
		t.Error("the new file went with the old one")
	}
	ro := create(t, tree, client.CreateArgs{Name: "ro", Access: wire.AccessWriteAttributes, Disposition: client.Open})
	setBasic(t, ro, wire.FileBasicInformation{FileAttributes: wire.FileAttributeReadonly})
	mustBe(t, "close", ro.Close(ctx), ntstatus.Success)
	rename(f, "ro", replace, ntstatus.AccessDenied)
	rename(f, "ro", replace|readonly, ntstatus.Success)
	d := create(t, tree, client.CreateArgs{Name: "d", Directory: true, Access: wire.AccessDelete, Disposition: client.Open})
	rename(d, "empty", replace, ntstatus.AccessDenied)
	rename(d, "full", replace|posix, ntstatus.DirectoryNotEmpty)
	rename(d, "empty", replace|posix, ntstatus.Success)
	rename(d, "ro", replace|posix, ntstatus.AccessDenied)
}

// Windows opens the target directory for a moment, which an open of it can forbid.
func TestRenameSharesDirectory(t *testing.T) {
	srv := newTestServer(t)
	tree := srv.connect(t)
	ctx := t.Context()
	dirs(t, tree, "d")
	files(t, tree, `d\f`)
	for _, tt := range []struct {
		what   string
		access uint32
		share  client.ShareMode
		want   ntstatus.Status
	}{
		{"attributes alone", wire.AccessReadAttributes, client.ShareNone, ntstatus.Success},
		{"reading, shared", wire.AccessListDirectory, client.ShareAll, ntstatus.Success},
		{"reading, not shared", wire.AccessListDirectory, client.ShareNone, ntstatus.SharingViolation},
		{"deleting, shared", wire.AccessDelete, client.ShareAll, ntstatus.SharingViolation},
	} {
		dir := create(t, tree, client.CreateArgs{Name: "d", Directory: true, Access: tt.access, Share: tt.share, Disposition: client.Open})
		f := create(t, tree, client.CreateArgs{Name: `d\f`, Disposition: client.Open})
		mustBe(t, tt.what, f.Rename(ctx, `d\g`, false), tt.want)
		if tt.want == ntstatus.Success {
			mustBe(t, "back", f.Rename(ctx, `d\f`, false), ntstatus.Success)
		}
		mustBe(t, "close", dir.Close(ctx), ntstatus.Success)
		mustBe(t, "close", f.Close(ctx), ntstatus.Success)
	}
}

// Handle leases on the file, on what it replaces, and below a directory are broken
// first; the rename waits for them.
func TestRenameBreaksLeases(t *testing.T) {
	srv := newTestServer(t)
	ctx := t.Context()
	holder, mover := srv.connect(t), srv.connect(t, func(o *client.Options) { o.ClientGuid = wire.GUID{7} })
	files(t, mover, "f", "target")
	dirs(t, mover, "d")
	files(t, mover, `d\below`)
	for i, tt := range []struct {
		held, from, to string
		want           ntstatus.Status // when the holder has given up its handle
	}{
		{"f", "f", "f2", ntstatus.Success},
		{"target", "f2", "target", ntstatus.Success},
		{`d\below`, "d", "d2", ntstatus.Success},
	} {
		key := wire.GUID{byte(i + 1)}
		h := create(t, holder, client.CreateArgs{Name: tt.held, Disposition: client.Open, Lease: &client.Lease{Key: key, State: client.RH}})
		f := create(t, mover, client.CreateArgs{Name: tt.from, Disposition: client.Open, Access: wire.AccessDelete | wire.AccessReadAttributes})
		call := f.StartSet(wire.FileInfoRename, &wire.FileRenameInformation{ReplaceIfExists: true, FileName: tt.to})
		b, err := holder.Session.Conn.NextBreak(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if b.Lease == nil || b.Lease.LeaseKey != key || b.Lease.NewLeaseState&wire.LeaseHandle != 0 {
			t.Fatalf("%s: %v", tt.held, b)
		}
		// The holder gives its handle up, as Windows does for one that nobody uses.
		mustBe(t, "close", h.Close(ctx), ntstatus.Success)
		_, err = call.Wait(ctx)
		mustBe(t, "rename of "+tt.from, err, tt.want)
		mustBe(t, "close", f.Close(ctx), ntstatus.Success)
	}
}

func TestLink(t *testing.T) {
	srv := newTestServer(t)
	tree := srv.connect(t)
	ctx := t.Context()
	files(t, tree, "a", "b")
	dirs(t, tree, "d")
	f := create(t, tree, client.CreateArgs{Name: "a", Access: client.ReadAccess, Disposition: client.Open})
	mustBe(t, "link", f.Link(ctx, `d\a2`, false), ntstatus.Success)
	if s, err := f.Standard(ctx); err != nil || s.NumberOfLinks != 2 {
		t.Errorf("%+v %v", s, err)
	}
	mustBe(t, "taken", f.Link(ctx, "b", false), ntstatus.ObjectNameCollision)
	mustBe(t, "replace", f.Link(ctx, "b", true), ntstatus.Success)
	mustBe(t, "itself", f.Link(ctx, "b", true), ntstatus.Success)
	mustBe(t, "a directory", f.Link(ctx, "d", true), ntstatus.AccessDenied)
	mustBe(t, "no directory", f.Link(ctx, `none\x`, false), ntstatus.ObjectPathNotFound)
	if content(t, tree, "b") != "a" || content(t, tree, `d\a2`) != "a" {
		t.Error("links lead elsewhere")
	}
	dir := create(t, tree, client.CreateArgs{Name: "d", Directory: true, Access: wire.AccessAll, Disposition: client.Open})
	mustBe(t, "of a directory", dir.Link(ctx, "d2", false), ntstatus.FileIsADirectory)
	// A rename onto another link of the same file leaves one of them.
	g := create(t, tree, client.CreateArgs{Name: "a", Disposition: client.Open})
	mustBe(t, "rename onto a link", g.Rename(ctx, "b", true), ntstatus.Success)
	if content(t, tree, "a") != "-" || content(t, tree, "b") != "a" {
		t.Error("the old name is still there")
	}
}

func TestRenameStream(t *testing.T) {
	srv := newTestServer(t)
	tree := srv.connect(t)
	ctx := t.Context()
	put := func(name, data string) *client.File {
		t.Helper()
		f := create(t, tree, client.CreateArgs{Name: name})
		if _, err := f.Write(ctx, 0, []byte(data)); err != nil {
			t.Fatal(err)
		}
		return f
	}
	one := put("f:one", "1")
	two := put("f:two", "22")
	rename := func(f *client.File, to string, replace bool, want ntstatus.Status) {
		t.Helper()
		mustBe(t, "rename to "+to, f.Rename(ctx, to, replace), want)
	}
	rename(one, ":uno:$DATA", false, ntstatus.Success)
	if content(t, tree, "f:UNO") != "1" || content(t, tree, "f:one") != "-" || pathOf(t, one) != "f:uno" {
		t.Errorf("renamed stream is %q", pathOf(t, one))
	}
	rename(one, ":two", true, ntstatus.SharingViolation) // it is open
	mustBe(t, "close", two.Close(ctx), ntstatus.Success)
	rename(one, ":two", false, ntstatus.ObjectNameCollision)
	if pathOf(t, one) != "f:uno" {
		t.Errorf("after a failure the stream is %q", pathOf(t, one))
	}
	rename(one, ":Two", true, ntstatus.Success)
	if got := content(t, tree, "f:two"); got != "1" {
		t.Errorf("replaced stream holds %q", got)
	}
	rename(one, "f:three", false, ntstatus.SharingViolation)
	rename(one, "g", false, ntstatus.InvalidParameter)
	rename(one, ":a/b", false, ntstatus.ObjectNameInvalid)
	// Marked for deletion, the stream goes under its new name.
	mustBe(t, "mark", one.SetDelete(ctx, true), ntstatus.Success)
	mustBe(t, "close", one.Close(ctx), ntstatus.Success)
	if content(t, tree, "f:two") != "-" {
		t.Error("the stream is still there")
	}

	// A file cannot be renamed while one of its streams is open.
	s := put("f:s", "stream")
	f := create(t, tree, client.CreateArgs{Name: "f", Disposition: client.Open})
	rename(f, "g", false, ntstatus.AccessDenied)
	rename(f, ":x", false, ntstatus.InvalidParameter)
	rename(s, "::$DATA", false, ntstatus.ObjectNameCollision)
	rename(s, "::$DATA", true, ntstatus.AccessDenied)
	mustBe(t, "close", f.Close(ctx), ntstatus.Success)
	rename(s, "::$DATA", true, ntstatus.Success)
	mustBe(t, "close", s.Close(ctx), ntstatus.Success)
	if content(t, tree, "f") != "stream" || content(t, tree, "f:s") != "-" {
		t.Errorf("the stream has not become the file: %q", content(t, tree, "f"))
	}
}

// Two that exchange names again and again end with both files in place: neither
// deadlock nor loss.
func TestRenameBackAndForth(t *testing.T) {
	srv := newTestServer(t)
	tree := srv.connect(t)
	files(t, tree, "a", "b")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 2)
	for _, pair := range [][2]string{{"x", "y"}, {"y", "x"}} {
		go func() {
			other, err := client.Connect(ctx, srv.addr, "data", client.Options{User: "alice", Password: "secret"})
			if err != nil {
				done <- err
				return
			}
			defer func() { _ = other.Session.Conn.Close() }()
			for range 200 {
				for i, name := range []string{"a", "b"} {
					if err := other.RenameFile(ctx, name, pair[i], false); err == nil {
						_ = other.RenameFile(ctx, pair[i], name, false)
					}
				}
			}
			done <- nil
		}()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	list, err := tree.ReadDir(ctx, "")
	if err != nil || len(list) != 2 {
		t.Errorf("%q %v", namesOf(list), err)
	}
	var all []string
	for _, e := range list {
		all = append(all, content(t, tree, e.FileName))
	}
	slices.Sort(all)
	if !slices.Equal(all, []string{"a", "b"}) {
		t.Errorf("files hold %q", all)
	}
}

// Two shares on one volume: what is open in one does not keep a directory of the
// same name in the other from being renamed.
func TestRenameTwoShares(t *testing.T) {
	srv := newTestServer(t)
	var shares []smb.Share
	for _, name := range []string{"one", "two"} {
		fs, err := localfs.New(t.TempDir(), localfs.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = fs.Close() })
		shares = append(shares, smb.Share{Name: name, FS: fs, DefaultAccess: smb.AccessWrite})
	}
	if err := srv.SetShares(shares); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	one, two := srv.connectTo(t, "one"), srv.connectTo(t, "two")
	for _, tree := range []*client.Tree{one, two} {
		dirs(t, tree, "d")
		files(t, tree, `d\f`)
	}
	held := create(t, one, client.CreateArgs{Name: `d\f`, Disposition: client.Open})
	mustBe(t, "in the other share", two.RenameFile(ctx, "d", "e", false), ntstatus.Success)
	if got := pathOf(t, held); got != `d\f` {
		t.Errorf("path is %q", got)
	}
	mustBe(t, "in the same share", one.RenameFile(ctx, "d", "e", false), ntstatus.AccessDenied)
}
