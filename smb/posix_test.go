package smb_test

import (
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor/smb"
	"lessor/smb/ntstatus"
	"lessor/smb/secdesc"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/vfs"
	"lessor/vfs/memfs"
)

// wantsPosix is a tweak of the options of a client: it offers the POSIX extensions.
func wantsPosix(o *client.Options) { o.Contexts = offering(wire.PosixExtensionsGUID) }

// offering adds the context of the POSIX extensions to a NEGOTIATE.
func offering(data ...string) func([]wire.NegotiateContext) []wire.NegotiateContext {
	return func(list []wire.NegotiateContext) []wire.NegotiateContext {
		for _, d := range data {
			list = append(list, wire.NegotiateContext{Type: wire.ContextPosix, Data: []byte(d)})
		}
		return list
	}
}

// posix adds the create context of the extensions.
func posix(mode uint32, a client.CreateArgs) client.CreateArgs {
	a.Contexts = append(a.Contexts, client.Context{Tag: wire.TagPosix, Data: binary.LittleEndian.AppendUint32(nil, mode)})
	return a
}

// posixInfo is what FileInfoPosix says of an open.
func posixInfo(t *testing.T, f *client.File) wire.FilePosixInformation {
	t.Helper()
	var info wire.FilePosixInformation
	mustBe(t, "FileInfoPosix", f.Query(t.Context(), wire.FileInfoPosix, &info), ntstatus.Success)
	return info
}

func TestPosixNegotiation(t *testing.T) {
	const other = "0123456789abcdef"
	off := func(c *smb.Config, _ *smb.Share) { c.NoPosix = true }
	for name, c := range map[string]struct {
		tweak   func(*smb.Config, *smb.Share)
		offer   []string
		dialect wire.Dialect
		want    ntstatus.Status
		answer  bool
	}{
		"offered":            {offer: []string{wire.PosixExtensionsGUID}, answer: true},
		"among others":       {offer: []string{other + wire.PosixExtensionsGUID + other}, answer: true},
		"of another version": {offer: []string{other}},
		"short":              {offer: []string{wire.PosixExtensionsGUID[:15]}, want: ntstatus.InvalidParameter},
		"long":               {offer: []string{wire.PosixExtensionsGUID + "x"}, want: ntstatus.InvalidParameter},
		"twice":              {offer: []string{wire.PosixExtensionsGUID, wire.PosixExtensionsGUID}, want: ntstatus.InvalidParameter},
		"not offered":        {},
		"turned off":         {tweak: off, offer: []string{wire.PosixExtensionsGUID}},
		"turned off, short":  {tweak: off, offer: []string{"x"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestServer(t, func(cfg *smb.Config, sh *smb.Share) {
				if c.tweak != nil {
					c.tweak(cfg, sh)
				}
			})
			conn, err := client.Dial(t.Context(), s.addr, client.Options{Contexts: offering(c.offer...)})
			mustBe(t, "negotiate", err, c.want)
			if err != nil {
				return
			}
			defer conn.Close()
			data, ok := wire.FindNegotiateContext(conn.Negotiated().Response.Contexts, wire.ContextPosix)
			if ok != c.answer || ok && string(data) != wire.PosixExtensionsGUID {
				t.Fatalf("answered %v, %x", ok, data)
			}
		})
	}
}

// The context gives permission bits to what is new, as they are, and none that let a
// file run as another user. It is answered with what the file has.
func TestPosixCreate(t *testing.T) {
	s := newTestServer(t, func(_ *smb.Config, sh *smb.Share) { sh.FileMode, sh.DirMode = 0o604, 0o701 })
	ctx := t.Context()
	tree := s.connect(t, wantsPosix)
	for _, c := range []struct {
		name       string
		dir        bool
		mode, want uint32
	}{
		{"f0", false, 0, 0},
		{"f640", false, 0o640, 0o640},
		{"f777", false, 0o777, 0o777},
		{"type", false, 0o100666, 0o666}, // as Linux sends it
		{"sticky", false, 0o1600, 0o1600},
		{"setuid", false, 0o6755, 0o755},
		{"none", false, 0xffff, 0o604},
		{"d0", true, 0, 0o10000},
		{"d750", true, 0o750, 0o10750},
		{"d2770", true, 0o6770, 0o12770},
		{"dnone", true, 0xffff, 0o10701},
	} {
		f := create(t, tree, posix(c.mode, client.CreateArgs{Name: c.name, Directory: c.dir, Disposition: client.Create}))
		if f.Posix == nil {
			t.Fatalf("%s: no context in the reply", c.name)
		}
		want := wire.PosixCreateResponse{Links: f.Posix.Links, Mode: c.want,
			Owner: secdesc.NewSID(22, 1, 0).Append(nil), Group: secdesc.NewSID(22, 2, 0).Append(nil)}
		if diff := cmp.Diff(want, *f.Posix); diff != "" || f.Posix.Links == 0 {
			t.Errorf("%s: %s", c.name, diff)
		}
		mustBe(t, "close", f.Close(ctx), ntstatus.Success)
		// The bits of a later CREATE mean nothing.
		f = create(t, tree, posix(0o111, client.CreateArgs{Name: c.name, Access: wire.AccessReadAttributes, Disposition: client.OpenIf}))
		if f.Posix.Mode != c.want {
			t.Errorf("%s: mode %o, then %o", c.name, c.want, f.Posix.Mode)
		}
		mustBe(t, "close", f.Close(ctx), ntstatus.Success)
	}
	for _, data := range []string{"", "123", "12345"} {
		_, err := tree.Create(ctx, client.CreateArgs{Name: "bad", Contexts: []client.Context{{Tag: wire.TagPosix, Data: []byte(data)}}})
		mustBe(t, "a context of a wrong length", err, ntstatus.InvalidParameter)
	}
}

// Who has not negotiated the extensions, and a share that has them not, know no such
// context.
func TestPosixNotNegotiated(t *testing.T) {
	for name, c := range map[string]struct {
		noPosix bool
		tweaks  []func(*client.Options)
	}{"not negotiated": {false, nil}, "not on the share": {true, []func(*client.Options){wantsPosix}}} {
		t.Run(name, func(t *testing.T) {
			s := newTestServer(t, func(_ *smb.Config, sh *smb.Share) { sh.NoPosix = c.noPosix })
			tree := s.connect(t, c.tweaks...)
			f := create(t, tree, posix(0o600, client.CreateArgs{Name: "f"}))
			if f.Posix != nil {
				t.Error("the context was answered")
			}
			_, err := tree.Create(t.Context(), posix(0o600, client.CreateArgs{Name: "F", Disposition: client.Create}))
			mustBe(t, "a name in another case", err, ntstatus.ObjectNameCollision)
			wantNoPosix(t, f)
			wantNoPosix(t, create(t, tree, posix(0, client.CreateArgs{Directory: true, Disposition: client.Open})))
		})
	}
}

// wantNoPosix fails unless the open is without the classes of the extensions.
func wantNoPosix(t *testing.T, f *client.File) {
	t.Helper()
	ctx := t.Context()
	_, err := f.QueryInfo(ctx, wire.InfoTypeFile, wire.FileInfoPosix, 4096)
	mustBe(t, "file class", err, ntstatus.InvalidInfoClass)
	_, err = f.QueryInfo(ctx, wire.InfoTypeFileSystem, wire.FsInfoPosix, 4096)
	mustBe(t, "volume class", err, ntstatus.InvalidInfoClass)
	if f.Response.FileAttributes&wire.FileAttributeDirectory != 0 {
		_, err = f.QueryDirectory(ctx, client.DirQuery{Class: wire.FileInfoPosix})
		mustBe(t, "directory class", err, ntstatus.InvalidInfoClass)
	}
}

// Names are what the disk has: a slash separates them, their case counts, and nothing
// else is special. Other opens see the same files as ever.
func TestPosixNames(t *testing.T) {
	fs := memfs.New(memfs.Options{})
	s := newTestServer(t, func(_ *smb.Config, sh *smb.Share) { sh.FS = fs })
	ctx := t.Context()
	tree := s.connect(t, wantsPosix)
	want := map[string]string{} // the name for others
	for name, other := range map[string]string{
		"Case": "Case", "case": "case", "a:b": "a\uf022b", "q?*": "q\uf025\uf021", "dot.": "dot\uf029",
		"blank ": "blank\uf028", `back\slash`: "back\uf026slash", `\lead`: "\uf026lead", "<\">|": "\uf023\uf020\uf024\uf027",
		"line\n": "line\uf00a", "longname~1.txt": "longname~1.txt",
	} {
		want[name] = other
		f := create(t, tree, posix(0o644, client.CreateArgs{Name: name, Disposition: client.Create}))
		if _, err := f.Write(ctx, 0, []byte(name)); err != nil {
			t.Fatal(err)
		}
		mustBe(t, "close", f.Close(ctx), ntstatus.Success)
	}
	sub := create(t, tree, posix(0o755, client.CreateArgs{Name: "sub", Directory: true}))
	mustBe(t, "close", sub.Close(ctx), ntstatus.Success)
	deep := create(t, tree, posix(0o644, client.CreateArgs{Name: "/sub/x: y."}))
	mustBe(t, "close", deep.Close(ctx), ntstatus.Success)
	want["sub"] = "sub"
	for name, other := range want {
		if name == "sub" {
			continue
		}
		for _, f := range []*client.File{
			create(t, tree, posix(0, client.CreateArgs{Name: name, Disposition: client.Open})),
			create(t, tree, client.CreateArgs{Name: other, Disposition: client.Open}),
			create(t, tree, posix(0, client.CreateArgs{Name: other, Disposition: client.Open})), // as older clients of Linux
		} {
			if got, err := f.ReadAll(ctx); err != nil || string(got) != name {
				t.Errorf("%q has %q, %v", name, got, err)
			}
			mustBe(t, "close", f.Close(ctx), ntstatus.Success)
		}
	}
	for name, status := range map[string]ntstatus.Status{
		"CASE": ntstatus.ObjectNameNotFound, "SUB/x: y.": ntstatus.ObjectPathNotFound, `sub\x: y.`: ntstatus.ObjectNameNotFound,
		"case.": ntstatus.ObjectNameNotFound, "case:s": ntstatus.ObjectNameNotFound, "sub//x": ntstatus.ObjectNameInvalid,
		"sub/../case": ntstatus.ObjectPathSyntaxBad, "sub/./x": ntstatus.ObjectNameInvalid,
	} {
		_, err := tree.Create(ctx, posix(0, client.CreateArgs{Name: name, Disposition: client.Open}))
		mustBe(t, name, err, status)
	}
	listed := func(root *client.File, class uint8, pattern string) (list []string) {
		entries, err := root.QueryDirectory(ctx, client.DirQuery{Class: class, Pattern: pattern, Flags: wire.QueryDirectoryReopen})
		mustBe(t, "list", err, ntstatus.Success)
		for i := range entries {
			if n := entries[i].FileName; n != "." && n != ".." {
				list = append(list, n)
			}
		}
		slices.Sort(list)
		return list
	}
	root := create(t, tree, posix(0, client.CreateArgs{Directory: true, Disposition: client.Open}))
	for _, class := range []uint8{wire.FileInfoPosix, wire.FileInfoIDFullDirectory} {
		if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), listed(root, class, "*")); diff != "" {
			t.Error(diff)
		}
	}
	if got := listed(root, wire.FileInfoPosix, "case"); !slices.Equal(got, []string{"case"}) {
		t.Errorf("case: %q", got)
	}
	plain := create(t, tree, client.CreateArgs{Directory: true, Disposition: client.Open})
	if diff := cmp.Diff(slices.Sorted(maps.Values(want)), listed(plain, wire.FileInfoIDFullDirectory, "*")); diff != "" {
		t.Error(diff)
	}
	// What is made with a private character is made with what it stands for.
	f := create(t, tree, posix(0o644, client.CreateArgs{Name: "new\uf022name", Disposition: client.Create}))
	mustBe(t, "close", f.Close(ctx), ntstatus.Success)
	if got := listed(root, wire.FileInfoPosix, "new*"); !slices.Equal(got, []string{"new:name"}) {
		t.Errorf("new: %q", got)
	}
}

func TestPosixInformation(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	tree := s.connect(t, wantsPosix)
	f := create(t, tree, posix(0o640, client.CreateArgs{Name: "f"}))
	if _, err := f.Write(ctx, 0, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	info, basic := posixInfo(t, f), must(f.Basic(ctx))(t)
	var internal wire.FileInternalInformation
	mustBe(t, "internal", f.Query(ctx, wire.FileInfoInternal, &internal), ntstatus.Success)
	want := wire.FilePosixInformation{
		CreationTime: basic.CreationTime, LastAccessTime: basic.LastAccessTime, LastWriteTime: basic.LastWriteTime, ChangeTime: basic.ChangeTime,
		EndOfFile: 5, AllocationSize: info.AllocationSize, FileAttributes: wire.FileAttributeArchive,
		Inode: internal.IndexNumber, DeviceID: info.DeviceID,
		Posix: wire.PosixCreateResponse{Links: 1, Mode: 0o640,
			Owner: secdesc.NewSID(22, 1, 0).Append(nil), Group: secdesc.NewSID(22, 2, 0).Append(nil)},
	}
	if diff := cmp.Diff(want, info); diff != "" || info.AllocationSize < 5 {
		t.Error(diff)
	}
	mustBe(t, "link", f.Link(ctx, "g", false), ntstatus.Success)
	if n := posixInfo(t, f).Posix.Links; n != 2 {
		t.Errorf("%d links", n)
	}
	root := create(t, tree, posix(0, client.CreateArgs{Directory: true, Disposition: client.Open}))
	var volume wire.FsPosixInformation
	mustBe(t, "volume", root.QueryFS(ctx, wire.FsInfoPosix, &volume), ntstatus.Success)
	if volume.BlockSize == 0 || volume.TotalBlocks < volume.BlocksAvail {
		t.Errorf("%+v", volume)
	}
	// Where an open has the extensions, others of the same connection have not.
	wantNoPosix(t, create(t, tree, client.CreateArgs{Name: "f", Disposition: client.Open}))

	sub := create(t, tree, posix(0o751, client.CreateArgs{Name: "sub", Directory: true}))
	nobody := secdesc.NewSID(0, 0).Append(nil)
	for _, c := range []struct {
		dir   *client.File
		above bool // there is something above that may be seen
	}{{root, false}, {sub, true}} {
		list := must(c.dir.QueryDirectory(ctx, client.DirQuery{Class: wire.FileInfoPosix}))(t)
		byName := map[string]wire.DirEntry{}
		for _, e := range list {
			byName[e.FileName] = e
		}
		self, up := byName["."], byName[".."]
		me := posixInfo(t, c.dir)
		if self.FileID != me.Inode || self.Mode != me.Posix.Mode || self.DeviceID != me.DeviceID {
			t.Errorf("%q: . is %+v", c.dir.Name, self)
		}
		hidden := string(up.Owner) == string(nobody) && string(up.Group) == string(nobody) && up.FileID == 0 && up.DeviceID == 0
		if hidden == c.above || c.above && up.FileID != posixInfo(t, root).Inode {
			t.Errorf("%q: .. is %+v", c.dir.Name, up)
		}
		if !c.above {
			if e := byName["g"]; e.Links != 2 || e.Mode != 0o640 || e.FileID != info.Inode || e.EndOfFile != 5 {
				t.Errorf("g is %+v", e)
			}
			if e := byName["sub"]; e.Mode != 0o751 || e.FileAttributes != wire.FileAttributeDirectory {
				t.Errorf("sub is %+v", e)
			}
		}
	}
}

// What is deleted has no name from then on, whoever has it open: nobody is kept from
// anything by an open with POSIX semantics.
func TestPosixUnlink(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	tree := s.connect(t, wantsPosix)
	for name, remove := range map[string]func(a client.CreateArgs) error{
		"disposition": func(a client.CreateArgs) error {
			return create(t, tree, posix(0, a)).Delete(ctx)
		},
		"delete on close": func(a client.CreateArgs) error {
			a.Options = wire.OptionDeleteOnClose
			return create(t, tree, posix(0, a)).Close(ctx)
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := client.CreateArgs{Name: "f", Attributes: wire.FileAttributeReadonly, Share: client.ShareNone}
			held := create(t, tree, posix(0o644, a))
			if _, err := held.Write(ctx, 0, []byte("old")); err != nil {
				t.Fatal(err)
			}
			a = client.CreateArgs{Name: "f", Access: client.DeleteAccess, Disposition: client.Open, Share: client.ShareNone}
			mustBe(t, "delete", remove(a), ntstatus.Success)
			fresh := create(t, tree, posix(0o600, client.CreateArgs{Name: "f", Disposition: client.Create}))
			if got, err := held.ReadAll(ctx); err != nil || string(got) != "old" {
				t.Errorf("the old one has %q, %v", got, err)
			}
			if n := posixInfo(t, held).Posix.Links; n != 0 {
				t.Errorf("the old one has %d links", n)
			}
			mustBe(t, "close the old one", held.Close(ctx), ntstatus.Success)
			mustBe(t, "delete the new one", fresh.Delete(ctx), ntstatus.Success)
			_, err := tree.Create(ctx, posix(0, a))
			mustBe(t, "afterwards", err, ntstatus.ObjectNameNotFound)
		})
	}
	t.Run("a link that came after", func(t *testing.T) {
		held := create(t, tree, posix(0o644, client.CreateArgs{Name: "l"}))
		mustBe(t, "delete", create(t, tree, posix(0, client.CreateArgs{Name: "l", Disposition: client.Open})).Delete(ctx), ntstatus.Success)
		makeLink(t, tree, "l", "target")
		mustBe(t, "close", held.Close(ctx), ntstatus.Success)
		f := create(t, tree, posix(0, client.CreateArgs{Name: "l", Disposition: client.Open, Options: wire.OptionOpenReparsePoint, Access: client.DeleteAccess}))
		mustBe(t, "delete the link", f.Delete(ctx), ntstatus.Success)
	})
	t.Run("one of two names", func(t *testing.T) {
		held := create(t, tree, posix(0o644, client.CreateArgs{Name: "one"}))
		mustBe(t, "link", held.Link(ctx, "two", false), ntstatus.Success)
		a := client.CreateArgs{Name: "one", Access: client.DeleteAccess, Disposition: client.Open, Options: wire.OptionDeleteOnClose}
		mustBe(t, "delete", create(t, tree, posix(0, a)).Close(ctx), ntstatus.Success)
		two := create(t, tree, posix(0, client.CreateArgs{Name: "two", Disposition: client.Open}))
		mustBe(t, "close", held.Close(ctx), ntstatus.Success)
		mustBe(t, "delete", two.Delete(ctx), ntstatus.Success)
	})
	t.Run("a directory", func(t *testing.T) {
		held := create(t, tree, posix(0o755, client.CreateArgs{Name: "d", Directory: true}))
		mustBe(t, "delete", create(t, tree, posix(0, client.CreateArgs{Name: "d", Directory: true, Disposition: client.Open})).Delete(ctx), ntstatus.Success)
		fresh := create(t, tree, posix(0o755, client.CreateArgs{Name: "d", Disposition: client.Create}))
		mustBe(t, "close", held.Close(ctx), ntstatus.Success)
		mustBe(t, "delete", fresh.Delete(ctx), ntstatus.Success)
	})
}

func TestPosixRename(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	tree := s.connect(t, wantsPosix)
	make := func(name string) *client.File {
		f := create(t, tree, posix(0o644, client.CreateArgs{Name: name, Attributes: wire.FileAttributeReadonly}))
		if _, err := f.Write(ctx, 0, []byte(name)); err != nil {
			t.Fatal(err)
		}
		return f
	}
	content := func(name string) string {
		f := create(t, tree, posix(0, client.CreateArgs{Name: name, Access: client.ReadAccess, Disposition: client.Open}))
		defer func() { mustBe(t, "close", f.Close(ctx), ntstatus.Success) }()
		return string(must(f.ReadAll(ctx))(t))
	}
	a, b := make("a"), make("b")
	mustBe(t, "onto an open file", a.Rename(ctx, "b", true), ntstatus.Success)
	if got := content("b"); got != "a" {
		t.Errorf("b has %q", got)
	}
	if got, err := b.ReadAll(ctx); err != nil || string(got) != "b" {
		t.Errorf("what b was has %q, %v", got, err)
	}
	mustBe(t, "close", b.Close(ctx), ntstatus.Success)
	upper := make("B")
	mustBe(t, "onto one in another case", a.Rename(ctx, "B", true), ntstatus.Success)
	if got := content("B"); got != "a" {
		t.Errorf("B has %q", got)
	}
	_, err := tree.Create(ctx, posix(0, client.CreateArgs{Name: "b", Disposition: client.Open}))
	mustBe(t, "the old name", err, ntstatus.ObjectNameNotFound)
	mustBe(t, "close", upper.Close(ctx), ntstatus.Success)
	mustBe(t, "link", a.Link(ctx, "c: ", false), ntstatus.Success)
	mustBe(t, "onto another name of the same file", a.Rename(ctx, "c: ", true), ntstatus.Success)
	if x, y := content("B"), content("c: "); x != "a" || y != "a" {
		t.Errorf("names of one file have %q and %q", x, y)
	}
	mustBe(t, "without leave to replace", make("e").Rename(ctx, "B", false), ntstatus.ObjectNameCollision)

	dir := create(t, tree, posix(0o755, client.CreateArgs{Name: "dir", Directory: true}))
	inside := make("dir/x")
	mustBe(t, "a directory with an open file", dir.Rename(ctx, "moved", true), ntstatus.Success)
	mustBe(t, "the file in it", inside.Rename(ctx, "moved/y", true), ntstatus.Success)
	if got := content("moved/y"); got != "dir/x" {
		t.Errorf("moved/y has %q", got)
	}
	strict := create(t, tree, client.CreateArgs{Name: `moved\y`, Access: client.ReadAccess, Disposition: client.Open})
	mustBe(t, "with an open of another kind", dir.Rename(ctx, "again", true), ntstatus.AccessDenied)
	mustBe(t, "close", strict.Close(ctx), ntstatus.Success)
	mustBe(t, "without it", dir.Rename(ctx, "again", true), ntstatus.Success)
}

// makeLink makes a symbolic link as the clients of Linux do.
func makeLink(t *testing.T, tree *client.Tree, name, target string) {
	t.Helper()
	ctx := t.Context()
	f := create(t, tree, posix(0xffff, client.CreateArgs{
		Name: name, Access: wire.AccessDelete | wire.AccessReadAttributes | wire.AccessWriteAttributes,
		Disposition: client.Create, Options: wire.OptionOpenReparsePoint | wire.OptionNonDirectoryFile,
	}))
	link := wire.SymlinkReparse{SubstituteName: target, PrintName: target}
	if !strings.HasPrefix(target, "/") {
		link.Flags = wire.SymlinkFlagRelative
	}
	_, err := f.Ioctl(ctx, wire.FsctlSetReparsePoint, link.Append(nil), 0)
	mustBe(t, "set", err, ntstatus.Success)
	// The same open now is one of the link.
	if info := posixInfo(t, f); info.Posix.Mode&0o70000 != 0o20000 || info.Posix.ReparseTag != wire.ReparseTagSymlink {
		t.Errorf("the link is %+v", info)
	}
	mustBe(t, "close", f.Close(ctx), ntstatus.Success)
}

// Links are shown and never followed.
func TestPosixSymlinks(t *testing.T) {
	fs := memfs.New(memfs.Options{})
	s := newTestServer(t, func(_ *smb.Config, sh *smb.Share) { sh.FS = fs })
	ctx := t.Context()
	tree := s.connect(t, wantsPosix)
	disk := fs.Root()
	defer disk.Release()
	mustBe(t, "close", create(t, tree, posix(0o644, client.CreateArgs{Name: "file"})).Close(ctx), ntstatus.Success)
	for name, target := range map[string]string{"to file": "file", "absolute": "/etc/passwd", "odd": `a\b: /c`} {
		makeLink(t, tree, name, target)
		node, _, err := disk.Lookup(ctx, nil, name, vfs.LookupOptions{NoFollow: true})
		if err != nil {
			t.Fatal(err)
		}
		if stored, err := node.Readlink(ctx, nil); err != nil || stored != target {
			t.Errorf("%s leads to %q, %v", name, stored, err)
		}
		node.Release()
		for _, d := range []client.Disposition{client.Open, client.OpenIf, client.OverwriteIf} {
			_, err := tree.Create(ctx, posix(0o644, client.CreateArgs{Name: name, Disposition: d}))
			mustBe(t, "open", err, ntstatus.StoppedOnSymlink)
		}
		_, err = tree.Create(ctx, posix(0o644, client.CreateArgs{Name: name, Disposition: client.Create}))
		mustBe(t, "create", err, ntstatus.ObjectNameCollision)
		f := create(t, tree, posix(0, client.CreateArgs{
			Name: name, Access: client.DeleteAccess, Disposition: client.Open, Options: wire.OptionOpenReparsePoint,
		}))
		var got wire.SymlinkReparse
		if err := got.Decode(must(f.Ioctl(ctx, wire.FsctlGetReparsePoint, nil, 4096))(t)); err != nil || got.SubstituteName != target {
			t.Errorf("%s is shown with %+v, %v", name, got, err)
		}
		mustBe(t, "close", f.Close(ctx), ntstatus.Success)
	}
	root := create(t, tree, posix(0, client.CreateArgs{Directory: true, Disposition: client.Open}))
	links := 0
	for _, e := range must(root.QueryDirectory(ctx, client.DirQuery{Class: wire.FileInfoPosix}))(t) {
		if e.ReparseTag == wire.ReparseTagSymlink && e.Mode&0o70000 == 0o20000 && e.FileAttributes&wire.FileAttributeReparsePoint != 0 {
			links++
		}
	}
	if links != 3 {
		t.Errorf("%d links in the listing", links)
	}
}

// Modes and owners are set by SIDs that stand for them.
func TestPosixSecurity(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	tree := s.connect(t, wantsPosix)
	mode := func(m uint32) *secdesc.Descriptor {
		return &secdesc.Descriptor{Control: secdesc.SelfRelative | secdesc.DACLPresent,
			DACL: secdesc.NewACL(secdesc.ACE{Type: secdesc.AccessDenied, SID: secdesc.NewSID(5, 88, 3, m)})}
	}
	set := func(f *client.File, parts uint32, d *secdesc.Descriptor) error {
		return f.SetSecurity(ctx, parts, must(d.Append(nil))(t))
	}
	f := create(t, tree, posix(0o644, client.CreateArgs{Name: "f", Access: wire.AccessAll}))
	d := create(t, tree, posix(0o755, client.CreateArgs{Name: "d", Directory: true, Access: wire.AccessAll}))
	for _, c := range []struct {
		f          *client.File
		mode, want uint32
	}{{f, 0o600, 0o600}, {f, 0, 0}, {f, 0o104755, 0o755}, {f, 0o1644, 0o1644}, {d, 0o7750, 0o3750}} {
		mustBe(t, "chmod", set(c.f, secdesc.DACLInformation, mode(c.mode)), ntstatus.Success)
		if got := posixInfo(t, c.f).Posix.Mode; got != c.want {
			t.Errorf("chmod %o gives %o", c.mode, got)
		}
	}
	for _, n := range []*client.File{f, d} {
		if sd := must(n.Security(ctx, secdesc.DACLInformation))(t); strings.Contains(string(sd), string(secdesc.NewSID(5, 88).Append(nil)[8:])) {
			t.Error("the mode was stored as a descriptor")
		}
	}
	owners := func(owner, group secdesc.SID) *secdesc.Descriptor {
		return &secdesc.Descriptor{Control: secdesc.SelfRelative, Owner: owner, Group: group}
	}
	for _, c := range []struct {
		parts uint32
		d     *secdesc.Descriptor
		want  ntstatus.Status
	}{
		{secdesc.OwnerInformation, owners(secdesc.NewSID(5, 88, 1, 0), secdesc.SID{}), ntstatus.Success},
		{secdesc.OwnerInformation | secdesc.GroupInformation, owners(secdesc.NewSID(22, 1, 0), secdesc.NewSID(22, 2, 0)), ntstatus.Success},
		{secdesc.OwnerInformation, owners(secdesc.NewSID(5, 88, 1, 7), secdesc.SID{}), ntstatus.AccessDenied},
		{secdesc.GroupInformation, owners(secdesc.SID{}, secdesc.NewSID(22, 2, 7)), ntstatus.AccessDenied},
	} {
		mustBe(t, "chown", set(f, c.parts, c.d), c.want)
	}
	s.SetAdmins([]string{"alice"})
	mustBe(t, "chown by an administrator", set(f, secdesc.OwnerInformation|secdesc.GroupInformation,
		owners(secdesc.NewSID(5, 88, 1, 7), secdesc.NewSID(5, 88, 2, 8))), ntstatus.Success)
	if info := posixInfo(t, f).Posix; string(info.Owner) != string(secdesc.NewSID(22, 1, 7).Append(nil)) ||
		string(info.Group) != string(secdesc.NewSID(22, 2, 8).Append(nil)) {
		t.Errorf("%+v", info)
	}
	// A list that means no mode is one of access rights.
	plain := &secdesc.Descriptor{Control: secdesc.SelfRelative | secdesc.DACLPresent,
		DACL: secdesc.NewACL(secdesc.Allow(secdesc.World, secdesc.FileAllAccess, 0))}
	mustBe(t, "an access list", set(f, secdesc.DACLInformation, plain), ntstatus.Success)
	if got := posixInfo(t, f).Posix.Mode; got != 0o1644 {
		t.Errorf("mode %o", got)
	}
	blind := create(t, tree, posix(0, client.CreateArgs{Name: "f", Access: wire.AccessReadAttributes, Disposition: client.Open}))
	mustBe(t, "without the right", set(blind, secdesc.DACLInformation, mode(0o777)), ntstatus.AccessDenied)
}

// An open that may only append says so with every write.
func TestPosixAppend(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	tree := s.connect(t, wantsPosix)
	f := create(t, tree, posix(0o644, client.CreateArgs{Name: "f", Access: wire.AccessAppendData | wire.AccessReadData}))
	other := create(t, tree, client.CreateArgs{Name: "f", Access: client.WriteAccess, Disposition: client.Open})
	if _, err := other.Write(ctx, 0, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	for _, at := range []uint64{0, 5, 99} {
		_, err := f.Write(ctx, at, []byte("x"))
		mustBe(t, "at a place", err, ntstatus.InvalidParameter)
	}
	if _, err := f.Write(ctx, ^uint64(0), []byte(" world")); err != nil {
		t.Fatal(err)
	}
	if got, err := f.ReadAll(ctx); err != nil || string(got) != "hello world" {
		t.Errorf("%q, %v", got, err)
	}
}

// must returns a value that is there without an error.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
