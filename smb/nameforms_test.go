package smb_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"lessor/smb"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/vfs"
)

// A name in both of its forms, in another case, and in form D shown by its bytes.
const (
	formC   = "caf\u00e9 \u30ac.txt"
	formD   = "cafe\u0301 \u30ab\u3099.txt"
	mixed   = "caf\u00e9 \u30ab\u3099.txt"
	upperC  = "CAF\u00c9 \u30ac.TXT"
	spelled = "cafe\uf7cc\uf781 \uf7e3\uf782\uf7ab\uf7e3\uf782\uf799.txt"
)

// with has a share treat forms of names in a way.
func with(forms smb.NameForms, tweaks ...func(*smb.Share)) func(*smb.Config, *smb.Share) {
	return func(_ *smb.Config, sh *smb.Share) {
		sh.NameForms = forms
		for _, tweak := range tweaks {
			tweak(sh)
		}
	}
}

func caseSensitive(sh *smb.Share) { sh.CaseSensitive = true }

// shownIn is the names that a listing has.
func shownIn(t *testing.T, tree *client.Tree, dir, pattern string) []string {
	t.Helper()
	list, err := openDir(t, tree, dir).List(t.Context(), pattern)
	if status, _ := client.StatusOf(err); status != ntstatus.NoSuchFile {
		mustBe(t, "list", err, ntstatus.Success)
	}
	return namesOf(list)
}

// storedIn is the names that lie in a directory.
func storedIn(t *testing.T, s *testServer, dir string) []string {
	t.Helper()
	root := s.fs.Root()
	defer root.Release()
	n, _, err := root.Lookup(t.Context(), nil, dir, vfs.LookupOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Release()
	h, err := n.Open(t.Context(), nil, vfs.OpenMode{Read: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = h.Close() }()
	var out []string
	batch := make([]vfs.DirEntry, 64)
	for {
		n, err := h.ReadDir(t.Context(), nil, batch)
		if err != nil {
			slices.Sort(out)
			return out
		}
		for i := range batch[:n] {
			out = append(out, batch[i].Name)
		}
	}
}

func wantNames(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		t.Errorf("%s: %+q, want %+q", what, got, want)
	}
}

// A file that lies on the disk in form D is found by either form, and is in nobody's way
// twice.
func TestNameFormsAreOne(t *testing.T) {
	for _, c := range []struct {
		name  string
		setup func(*smb.Config, *smb.Share)
		shown string // what is shown of form D
		made  string // what is stored of form D
	}{
		{"match", with(smb.NameFormsMatch), formD, formD},
		{"match, case counts", with(smb.NameFormsMatch, caseSensitive), formD, formD},
		{"nfc", with(smb.NameFormsC), formC, formC},
		{"nfc, case counts", with(smb.NameFormsC, caseSensitive), formC, formC},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newTestServer(t, c.setup)
			tree := s.connect(t)
			ctx := t.Context()
			dirs(t, tree, "plain")
			fill(t, s.fs, "", formD)
			wantNames(t, "listed", shownIn(t, tree, "", "*.txt"), c.shown)
			for _, pattern := range []string{"caf\u00e9*", "cafe\u0301*", "*\u30ac.txt", "*\u30ab\u3099.txt", "caf? ?.txt", formC, formD, mixed} {
				wantNames(t, "listed by "+pattern, shownIn(t, tree, "", pattern), c.shown)
			}
			for _, name := range []string{formC, formD, mixed} {
				f := create(t, tree, client.CreateArgs{Name: name, Disposition: client.Open})
				if got := pathOf(t, f); got != c.shown {
					t.Errorf("%+q is called %+q", name, got)
				}
				_ = f.Close(ctx)
				_, err := tree.Create(ctx, client.CreateArgs{Name: name, Disposition: client.Create})
				mustBe(t, "made again", err, ntstatus.ObjectNameCollision)
			}
			wantNames(t, "stored", storedIn(t, s, ""), formD, "plain")

			// What is new is stored as the share wants it.
			files(t, tree, `plain\`+formD)
			wantNames(t, "new", storedIn(t, s, "plain"), c.made)
			mustBe(t, "remove", tree.Remove(ctx, `plain\`+mixed), ntstatus.Success)
			wantNames(t, "removed", storedIn(t, s, "plain"))

			// A rename to the other form is none to the name of another file, and a new name
			// is stored as the share wants it, too.
			f := create(t, tree, client.CreateArgs{Name: formC, Access: client.DeleteAccess | wire.AccessReadAttributes, Disposition: client.Open})
			mustBe(t, "rename to the other form", f.Rename(ctx, formC, false), ntstatus.Success)
			wantNames(t, "renamed", storedIn(t, s, ""), formC, "plain")
			mustBe(t, "rename", f.Rename(ctx, `plain\x`+formD, false), ntstatus.Success)
			wantNames(t, "moved", storedIn(t, s, "plain"), "x"+c.made)
			_ = f.Close(ctx)
		})
	}
}

// Directories on the way are found by either form.
func TestNameFormsOnTheWay(t *testing.T) {
	s := newTestServer(t, with(smb.NameFormsMatch, caseSensitive))
	tree := s.connect(t)
	root := s.fs.Root()
	defer root.Release()
	dir, err := root.Create(t.Context(), nil, "Ame\u0301lie", vfs.CreateOptions{Type: vfs.TypeDirectory})
	if err != nil {
		t.Fatal(err)
	}
	dir.Release()
	files(t, tree, "Am\u00e9lie\\"+formC)
	if got := content(t, tree, "Ame\u0301lie\\"+formD); got != "Am\u00e9lie\\"+formC {
		t.Errorf("%q", got)
	}
	wantNames(t, "top", storedIn(t, s, ""), "Ame\u0301lie")
	_, err = tree.Create(t.Context(), client.CreateArgs{Name: "am\u00e9lie", Disposition: client.Open})
	mustBe(t, "in another case", err, ntstatus.ObjectNameNotFound)
}

// Without the setting both forms are names of their own.
func TestNameFormsApart(t *testing.T) {
	s := newTestServer(t, with(smb.NameFormsApart))
	tree := s.connect(t)
	files(t, tree, formC, formD)
	for _, name := range []string{formC, formD} {
		if got := content(t, tree, name); got != name {
			t.Errorf("%+q has %+q", name, got)
		}
	}
	wantNames(t, "stored", storedIn(t, s, ""), formC, formD)
}

// Opens with POSIX semantics take names byte by byte.
func TestNameFormsOfPosixOpens(t *testing.T) {
	s := newTestServer(t, with(smb.NameFormsC))
	tree := s.connect(t, wantsPosix)
	for _, name := range []string{formC, formD} {
		f := create(t, tree, posix(0o600, client.CreateArgs{Name: name, Disposition: client.Create}))
		_ = f.Close(t.Context())
	}
	wantNames(t, "stored", storedIn(t, s, ""), formC, formD)
}

// If both forms lie in a directory, no file is lost: each has a name that leads to it.
func TestNameFormsSideBySide(t *testing.T) {
	for _, forms := range []smb.NameForms{smb.NameFormsMatch, smb.NameFormsC} {
		s := newTestServer(t, with(forms))
		tree := s.connect(t)
		ctx := t.Context()
		dirs(t, tree, "d")
		fill(t, s.fs, "d", formC, formD)
		want := []string{formC, formD}
		if forms == smb.NameFormsC {
			want[1] = spelled
		}
		wantNames(t, "listed", shownIn(t, tree, "d", "*"), want...)
		wantNames(t, "listed one by one", append(shownIn(t, tree, "d", want[0]), shownIn(t, tree, "d", want[1])...), want...)
		for i, name := range want {
			f := create(t, tree, client.CreateArgs{Name: `d\` + name, Disposition: client.Open})
			check := []byte{byte('0' + i)}
			mustBe(t, "write", f.WriteAll(ctx, 0, check), ntstatus.Success)
			_ = f.Close(ctx)
		}
		if a, b := content(t, tree, `d\`+want[0]), content(t, tree, `d\`+want[1]); a != "0" || b != "1" {
			t.Fatalf("%+q have %q and %q", want, a, b)
		}
		if a := content(t, tree, `d\`+formC); a != "0" {
			t.Errorf("form C has %q", a)
		}
		if a := content(t, tree, `d\`+upperC); a != "0" {
			t.Errorf("another case has %q", a)
		}
		// The way out: one of them gets another name.
		f := create(t, tree, client.CreateArgs{Name: `d\` + want[1], Access: client.DeleteAccess, Disposition: client.Open})
		mustBe(t, "rename", f.Rename(ctx, `d\other.txt`, false), ntstatus.Success)
		_ = f.Close(ctx)
		wantNames(t, "stored", storedIn(t, s, "d"), formC, "other.txt")
		mustBe(t, "remove", tree.Remove(ctx, `d\`+formD), ntstatus.Success)
		wantNames(t, "stored", storedIn(t, s, "d"), "other.txt")
	}
}

// Watchers are told of names as listings show them.
func TestNameFormsInNotifications(t *testing.T) {
	for forms, want := range map[smb.NameForms]string{smb.NameFormsMatch: formD, smb.NameFormsC: formC} {
		s := newTestServer(t, with(forms))
		tree, other := s.connect(t), s.connect(t)
		dirs(t, tree, "d")
		fill(t, s.fs, "d", formD)
		dir := watched(t, tree, "d")
		call := waiting(t, dir, names, false)
		f := create(t, other, client.CreateArgs{Name: `d\` + formC, Access: client.DeleteAccess, Disposition: client.Open})
		mustBe(t, "delete", f.Delete(t.Context()), ntstatus.Success)
		expect(t, call, "2 "+want)
	}
}

// A pattern of the settings means a name in either form, and so does the gate that keeps
// two clients from making one name at a time.
func TestNameFormsOfRules(t *testing.T) {
	s := newTestServer(t, with(smb.NameFormsMatch, func(sh *smb.Share) { sh.Veto = []string{"ge\u0301heim*"} }))
	tree := s.connect(t)
	for _, name := range []string{"g\u00e9heim", "ge\u0301heim"} {
		_, err := tree.Create(t.Context(), client.CreateArgs{Name: name})
		mustBe(t, name, err, ntstatus.AccessDenied)
	}
	made := make(chan error)
	trees := []*client.Tree{tree, s.connect(t)}
	for round := range 20 {
		for i, name := range []string{"\u00e9", "e\u0301"} {
			go func() {
				f, err := trees[i].Create(t.Context(), client.CreateArgs{Name: name + strings.Repeat("x", round), Disposition: client.Create})
				if err == nil {
					err = f.Close(t.Context())
				}
				made <- err
			}()
		}
		ok := 0
		for range trees {
			select {
			case err := <-made:
				if err == nil {
					ok++
				}
			case <-time.After(30 * time.Second):
				t.Fatal("no answer")
			}
		}
		if ok != 1 {
			t.Fatalf("round %d: %d have made it", round, ok)
		}
	}
}
