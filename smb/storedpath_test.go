package smb_test

import (
	"slices"
	"testing"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// Names that clients cannot send are shown with private characters, and found by
// them; a file that has these characters itself comes first.
func TestReservedNames(t *testing.T) {
	srv := newTestServer(t)
	tree := srv.connect(t)
	ctx := t.Context()
	dirs(t, tree, "d")
	fill(t, srv.fs, "d", "a:b", "what?", "end.", "plain", "\xff\xfe")
	want := []string{"a\uf022b", "end\uf029", "plain", "what\uf025", "\uf7ff\uf7fe"}
	slices.Sort(want)
	list, err := tree.ReadDir(ctx, "d")
	if err != nil || !slices.Equal(namesOf(list), want) {
		t.Fatalf("%q %v, want %q", namesOf(list), err, want)
	}
	for _, name := range want {
		f := create(t, tree, client.CreateArgs{Name: `d\` + name, Disposition: client.Open})
		if got := pathOf(t, f); got != `d\`+name {
			t.Errorf("%q is called %q", name, got)
		}
		if list, err := openDir(t, tree, "d").List(ctx, name); err != nil || len(list) != 1 || list[0].FileName != name {
			t.Errorf("listing %q: %q %v", name, namesOf(list), err)
		}
		mustBe(t, "delete", f.Delete(ctx), ntstatus.Success)
	}
	files(t, tree, "d\\x\uf022y")
	fill(t, srv.fs, "d", "x:y")
	if got := content(t, tree, "d\\x\uf022y"); got != "d\\x\uf022y" {
		t.Errorf("the file with the private character holds %q", got)
	}
}

// Short names are made up, but lead to the file, and back to its long name for a
// while after it was deleted.
func TestShortNames(t *testing.T) {
	srv := newTestServer(t)
	tree := srv.connect(t)
	ctx := t.Context()
	alt := func(name string) string {
		t.Helper()
		f := create(t, tree, client.CreateArgs{Name: name, Access: wire.AccessReadAttributes, Disposition: client.Open})
		defer func() { _ = f.Close(ctx) }()
		var v wire.FileNameInformation
		if err := f.Query(ctx, wire.FileInfoAlternateName, &v); err != nil {
			t.Fatal(err)
		}
		return v.FileName
	}
	dirs(t, tree, "a long directory")
	const long = `a long directory\a long name.text`
	files(t, tree, long, "short.txt")
	if got := alt("short.txt"); got != "short.txt" {
		t.Errorf("short name of a short name: %q", got)
	}
	dir, base := alt("a long directory"), alt(long)
	short := dir + `\` + base
	if got := content(t, tree, short); got != long {
		t.Errorf("%q leads to %q", short, got)
	}
	list, err := openDir(t, tree, dir).List(ctx, base)
	if err != nil || len(list) != 1 || list[0].FileName != "a long name.text" || list[0].ShortName != base {
		t.Errorf("listing: %+v %v", list, err)
	}
	mustBe(t, "remove", tree.Remove(ctx, short), ntstatus.Success)
	if content(t, tree, long) != "-" {
		t.Error("still there")
	}
	files(t, tree, short)
	if got := content(t, tree, long); got != short {
		t.Errorf("made again by its short name: %q", got)
	}
	// A name that only looks short is itself.
	files(t, tree, "AB1234~1.TXT")
	if list, err := tree.ReadDir(ctx, ""); err != nil || !slices.Contains(namesOf(list), "AB1234~1.TXT") {
		t.Errorf("%q %v", namesOf(list), err)
	}
}
