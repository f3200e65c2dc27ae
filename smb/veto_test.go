package smb_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"lessor/smb"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/vfs"
	"lessor/vfs/errfs"
	"lessor/vfs/localfs"
	"lessor/vfs/memfs"
)

// dirServer exports a directory of this machine.
func dirServer(t *testing.T, tweak func(*smb.Share)) (s *testServer, dir string) {
	t.Helper()
	dir = t.TempDir()
	fs, err := localfs.New(dir, localfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := fs.Close(); err != nil {
			t.Error(err)
		}
	})
	return newTestServer(t, func(_ *smb.Config, sh *smb.Share) {
		sh.FS = fs
		tweak(sh)
	}), dir
}

// put writes a file of the exported directory, with the directories above it.
func put(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func namesIn(t *testing.T, tree *client.Tree, dir string) []string {
	t.Helper()
	list, err := tree.ReadDir(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for i := range list {
		if n := list[i].FileName; n != "." && n != ".." {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

func TestVetoedNamesDoNotExist(t *testing.T) {
	s, dir := dirServer(t, func(sh *smb.Share) { sh.Veto = []string{"*.mp3", ".DS_Store", "priv?te"} })
	put(t, dir, "song.MP3", "x")
	put(t, dir, "private/inside.txt", "x")
	put(t, dir, "plain.txt", "x")
	put(t, dir, "d/.ds_store", "x")
	tree := s.connect(t)

	if got := namesIn(t, tree, ""); !slices.Equal(got, []string{"d", "plain.txt"}) {
		t.Error("listed:", got)
	}
	root := create(t, tree, client.CreateArgs{Access: client.ListDirectory, Options: wire.OptionDirectoryFile})
	if _, err := root.QueryDirectory(t.Context(), client.DirQuery{Pattern: "song.mp3"}); err == nil {
		t.Error("a query by the name finds it")
	}
	for _, c := range []struct {
		name string
		how  client.Disposition
		want ntstatus.Status
	}{
		{"song.mp3", client.Open, ntstatus.ObjectNameNotFound},
		{"song.mp3", client.Overwrite, ntstatus.ObjectNameNotFound},
		{"new.mp3", client.Open, ntstatus.ObjectNameNotFound},
		{"new.mp3", client.Create, ntstatus.AccessDenied},
		{"SONG.mp3", client.OverwriteIf, ntstatus.AccessDenied},
		{`song.mp3:stream`, client.Open, ntstatus.ObjectNameNotFound},
		{`private\inside.txt`, client.Open, ntstatus.ObjectPathNotFound},
		{`private\other.txt`, client.Create, ntstatus.ObjectPathNotFound},
		{`d\.DS_STORE`, client.OpenIf, ntstatus.AccessDenied},
	} {
		_, err := tree.Create(t.Context(), client.CreateArgs{Name: c.name, Disposition: c.how, Access: client.ReadWrite})
		mustBe(t, c.name, err, c.want)
	}
	mustBe(t, "rename", tree.RenameFile(t.Context(), "plain.txt", "plain.mp3", false), ntstatus.AccessDenied)
	mustBe(t, "rename over", tree.RenameFile(t.Context(), "plain.txt", "song.mp3", true), ntstatus.AccessDenied)
	f := create(t, tree, client.CreateArgs{Name: "plain.txt", Access: client.ReadWriteDelete})
	mustBe(t, "link", f.Link(t.Context(), "link.mp3", false), ntstatus.AccessDenied)
	if err := f.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	empty := create(t, tree, client.CreateArgs{Name: "l", Access: client.ReadWrite | wire.AccessDelete})
	link := wire.SymlinkReparse{SubstituteName: "song.MP3", PrintName: "song.MP3", Flags: wire.SymlinkFlagRelative}
	_, err := empty.Ioctl(t.Context(), wire.FsctlSetReparsePoint, link.Append(nil), 0)
	mustBe(t, "link to it", err, ntstatus.AccessDenied)
}

// U+0390 has an upper case in two or three characters only, in which a look-up finds it.
func TestVetoedNamesAreNotFoundInOtherSpellings(t *testing.T) {
	s, dir := dirServer(t, func(sh *smb.Share) {
		sh.NameForms, sh.Veto = smb.NameFormsMatch, []string{"\u0390*", "b?"}
	})
	put(t, dir, "\u0390.txt", "secret")
	put(t, dir, "\u03b9\u0308\u0301 b", "secret")
	put(t, dir, "b\u0390", "secret")
	tree := s.connect(t)
	for _, name := range []string{
		"\u0390.txt", "\u03aa\u0301.TXT", "\u0399\u0308\u0301.txt", "\u0390 b", "\u03aa\u0301 B", "\u03b9\u0308\u0301 b", "b\u0390",
	} {
		mustBe(t, "open "+name, opens(t, tree, name, wire.AccessReadData, 0), ntstatus.ObjectNameNotFound)
	}
	if list := namesIn(t, tree, ""); len(list) != 0 {
		t.Errorf("listed: %q", list)
	}
}

func TestVetoedNamesAreNotFoundByTheirShortNames(t *testing.T) {
	s, dir := dirServer(t, func(*smb.Share) {})
	put(t, dir, "a long name of a song.mp3", "x")
	tree := s.connect(t)
	root := create(t, tree, client.CreateArgs{Access: client.ListDirectory, Options: wire.OptionDirectoryFile})
	list, err := root.QueryDirectory(t.Context(), client.DirQuery{Class: wire.FileInfoBothDirectory, Pattern: "*.mp3"})
	if err != nil || len(list) != 1 || list[0].ShortName == "" {
		t.Fatal(list, err)
	}
	short := list[0].ShortName
	if _, err := tree.ReadFile(t.Context(), short); err != nil {
		t.Fatal("by its short name:", err)
	}
	sh := smb.Share{Name: "data", FS: s.fs, DefaultAccess: smb.AccessWrite, Veto: []string{"*song.mp3"}}
	if err := s.SetShares([]smb.Share{sh}); err != nil {
		t.Fatal(err)
	}
	_, err = s.connect(t).ReadFile(t.Context(), short)
	mustBe(t, "by its short name", err, ntstatus.ObjectNameNotFound)
}

func TestWatchersHearNothingOfVetoedNames(t *testing.T) {
	s, dir := dirServer(t, func(sh *smb.Share) { sh.Veto = []string{"*.mp3"} })
	tree := s.connect(t)
	root := create(t, tree, client.CreateArgs{Access: client.ListDirectory, Options: wire.OptionDirectoryFile})
	wait := waiting(t, root, wire.NotifyChangeFileName, false)
	put(t, dir, "x.mp3", "x")
	other := s.connectTo(t, "data")
	if err := other.WriteFile(t.Context(), "a.txt", nil); err != nil {
		t.Fatal(err)
	}
	got, err := wait.Wait(t.Context())
	if err != nil || len(got) != 1 || got[0].FileName != "a.txt" {
		t.Fatal(got, err)
	}
}

func TestDirectoryWithVetoedNamesAlone(t *testing.T) {
	for _, goes := range []bool{false, true} {
		s, dir := dirServer(t, func(sh *smb.Share) { sh.Veto, sh.DeleteVetoed = []string{".meta"}, goes })
		put(t, dir, "d/.meta/deep/er/file", "x")
		put(t, dir, "e/.meta/file", "x")
		put(t, dir, "e/seen", "x")
		tree := s.connect(t)
		mustBe(t, "with something to see", tree.Remove(t.Context(), "e"), ntstatus.DirectoryNotEmpty)
		err := tree.Remove(t.Context(), "d")
		_, statErr := os.Stat(filepath.Join(dir, "d"))
		if goes {
			if err != nil || !os.IsNotExist(statErr) {
				t.Error(err, statErr)
			}
			continue
		}
		mustBe(t, "with vetoed names", err, ntstatus.DirectoryNotEmpty)
		if _, err := os.Stat(filepath.Join(dir, "d/.meta/deep/er/file")); err != nil {
			t.Error(err)
		}
	}
}

// What clients see is never removed with a directory, also if it was made at the last moment.
func TestOnlyVetoedNamesGoWithTheirDirectory(t *testing.T) {
	ctx := t.Context()
	for nth := 1; nth <= 6; nth++ {
		inner := memfs.New(memfs.Options{})
		faulty := errfs.New(inner)
		s := newTestServer(t, func(_ *smb.Config, sh *smb.Share) {
			sh.FS, sh.Veto, sh.DeleteVetoed = faulty, []string{".meta"}, true
		})
		make1 := func(ctx context.Context, dir, name string, kind vfs.FileType) error {
			root := inner.Root()
			defer root.Release()
			parent, _, err := root.Lookup(ctx, nil, dir, vfs.LookupOptions{})
			if err != nil {
				return nil // the directory is gone already
			}
			defer parent.Release()
			n, err := parent.Create(ctx, nil, name, vfs.CreateOptions{Type: kind})
			if err == nil {
				n.Release()
			}
			return err
		}
		var made atomic.Bool
		if err := errors.Join(make1(ctx, "", "d", vfs.TypeDirectory), make1(ctx, "d", ".meta", vfs.TypeRegular)); err != nil {
			t.Fatal(err)
		}
		// Each look into the directory begins with its opening.
		faulty.Add(errfs.Rule{Op: errfs.OpOpen, Path: "d", Nth: nth, Hook: func(ctx context.Context, _ errfs.Call) error {
			made.Store(true)
			return make1(ctx, "d", "new", vfs.TypeRegular)
		}})
		tree := s.connect(t)
		_ = tree.Remove(ctx, "d")
		_, err := tree.Stat(ctx, `d\new`)
		if made.Load() && err != nil {
			t.Errorf("made at look %d: %v", nth, err)
		}
		if nth == 1 && !made.Load() {
			t.Error("nobody looks")
		}
	}
}

// What somebody has open does not go with its directory because its name was vetoed since.
func TestVetoedNamesThatAreOpenStay(t *testing.T) {
	ctx := t.Context()
	s, dir := dirServer(t, func(*smb.Share) {})
	put(t, dir, "d/x.meta", "old")
	f := create(t, s.connect(t), client.CreateArgs{Name: `d\x.meta`, Access: client.ReadWrite, Disposition: client.Open})
	err := s.SetShares([]smb.Share{{Name: "data", FS: s.fs, DefaultAccess: smb.AccessWrite, Veto: []string{"*.meta"}, DeleteVetoed: true}})
	if err != nil {
		t.Fatal(err)
	}
	tree := s.connect(t)
	_ = tree.Remove(ctx, "d")
	if _, err := f.Write(ctx, 0, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "d/x.meta")); err != nil || string(b) != "new" {
		t.Errorf("%q, %v", b, err)
	}
	mustBe(t, "close", f.Close(ctx), ntstatus.Success)
	mustBe(t, "remove", tree.Remove(ctx, "d"), ntstatus.Success)
	if _, err := os.Stat(filepath.Join(dir, "d")); !os.IsNotExist(err) {
		t.Error(err)
	}
}

func TestHiddenNames(t *testing.T) {
	s, dir := dirServer(t, func(sh *smb.Share) { sh.Hide, sh.ShowDotFiles = []string{"desktop.*"}, true })
	put(t, dir, "Desktop.ini", "x")
	put(t, dir, ".profile", "x")
	tree := s.connect(t)
	for name, want := range map[string]bool{"desktop.ini": true, ".profile": false} {
		st, err := tree.Stat(t.Context(), name)
		if err != nil || (st.FileAttributes&vfs.DOSHidden != 0) != want {
			t.Errorf("%s: attributes %#x, %v", name, st.FileAttributes, err)
		}
	}
	list, err := tree.ReadDir(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		if hidden := list[i].FileAttributes&vfs.DOSHidden != 0; hidden != (list[i].FileName == "Desktop.ini") {
			t.Errorf("%s is listed with %#x", list[i].FileName, list[i].FileAttributes)
		}
	}
	// Who sends back what was shown stores nothing.
	f := create(t, tree, client.CreateArgs{Name: "desktop.ini", Access: client.ReadWrite})
	b, err := f.Basic(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.FileAttributes |= vfs.DOSSystem
	if err := f.Set(t.Context(), wire.FileInfoBasic, &wire.FileBasicInformation{FileAttributes: b.FileAttributes}); err != nil {
		t.Fatal(err)
	}
	root := s.fs.Root()
	defer root.Release()
	n, _, err := root.Lookup(t.Context(), nil, "Desktop.ini", vfs.LookupOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Release()
	if at, err := n.Attr(t.Context(), nil); err != nil || at.DOS&(vfs.DOSHidden|vfs.DOSSystem) != vfs.DOSSystem {
		t.Errorf("stored: %#x, %v", at.DOS, err)
	}
}

func TestReadOnlyShareRefusesEveryChange(t *testing.T) {
	s, dir := dirServer(t, func(sh *smb.Share) { sh.ReadOnly = true })
	put(t, dir, "f", "text")
	put(t, dir, "g", "text")
	put(t, dir, "d/x", "x")
	ctx, tree := t.Context(), s.connect(t)
	denied := func(what string, err error) {
		t.Helper()
		mustBe(t, what, err, ntstatus.AccessDenied)
	}
	open := func(a client.CreateArgs) error {
		f, err := tree.Create(ctx, a)
		if err == nil {
			_ = f.Close(ctx)
		}
		return err
	}
	for _, how := range []client.Disposition{client.Create, client.OpenIf, client.OverwriteIf, client.Supersede} {
		denied("create", open(client.CreateArgs{Name: "new", Disposition: how, Access: client.ReadAccess}))
	}
	for _, how := range []client.Disposition{client.Overwrite, client.OverwriteIf, client.Supersede} {
		denied("overwrite", open(client.CreateArgs{Name: "f", Disposition: how, Access: client.ReadAccess}))
	}
	denied("stream", open(client.CreateArgs{Name: "f:s", Disposition: client.OpenIf, Access: client.ReadAccess}))
	denied("mkdir", tree.Mkdir(ctx, "e"))
	for name, mask := range map[string]uint32{
		"write": wire.AccessWriteData, "append": wire.AccessAppendData, "EA": wire.AccessWriteEA,
		"attributes": wire.AccessWriteAttributes, "delete": wire.AccessDelete, "dacl": wire.AccessWriteDAC,
		"owner": wire.AccessWriteOwner, "children": wire.AccessDeleteChild, "all": wire.AccessGenericAll,
	} {
		denied(name, open(client.CreateArgs{Name: "f", Disposition: client.Open, Access: mask}))
	}
	denied("delete on close", open(client.CreateArgs{Name: "f", Disposition: client.Open,
		Access: client.MaximumAllowed, Options: wire.OptionDeleteOnClose}))

	// With all rights that there are, nothing can be changed.
	f := create(t, tree, client.CreateArgs{Name: "f", Disposition: client.Open, Access: client.MaximumAllowed})
	_, err := f.Write(ctx, 0, []byte("x"))
	denied("write", err)
	denied("flush", f.Flush(ctx))
	denied("end of file", f.Truncate(ctx, 0))
	denied("allocation", f.Set(ctx, wire.FileInfoAllocation, &wire.FileAllocationInformation{}))
	denied("basic", f.Set(ctx, wire.FileInfoBasic, &wire.FileBasicInformation{FileAttributes: vfs.DOSHidden}))
	denied("disposition", f.SetDelete(ctx, true))
	denied("rename", f.Rename(ctx, "h", false))
	denied("link", f.Link(ctx, "h", false))
	denied("security", f.SetSecurity(ctx, 4, nil))
	ea := wire.FileFullEaInformation{Entries: []wire.EaEntry{{EaName: "A", EaValue: []byte("b")}}}
	denied("EA", f.Set(ctx, wire.FileInfoFullEa, &ea))
	sparse := wire.SetSparse{SetSparse: true}
	zero := wire.FileZeroDataInformation{BeyondFinalZero: 2}
	trim := wire.FileLevelTrim{Ranges: []wire.FileLevelTrimRange{{Length: 2}}}
	link := wire.SymlinkReparse{SubstituteName: "g", PrintName: "g", Flags: wire.SymlinkFlagRelative}
	for code, in := range map[uint32][]byte{
		wire.FsctlSetSparse: sparse.Append(nil), wire.FsctlSetZeroData: zero.Append(nil),
		wire.FsctlFileLevelTrim: trim.Append(nil), wire.FsctlSetReparsePoint: link.Append(nil),
		wire.FsctlDeleteReparsePoint: link.Append(nil)[:8], wire.FsctlSetCompression: {0, 0},
	} {
		_, err := f.Ioctl(ctx, code, in, 0)
		denied("control code", err)
	}
	g := create(t, tree, client.CreateArgs{Name: "g", Disposition: client.Open, Access: client.MaximumAllowed})
	_, err = f.CopyFrom(ctx, g, wire.SrvCopychunk{Length: 2})
	denied("copy", err)
	for _, name := range []string{"f", "g"} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) != "text" {
			t.Errorf("%s has %q now (%v)", name, b, err)
		}
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 3 {
		t.Error(list, err)
	}
}
