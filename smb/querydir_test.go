package smb_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/vfs"
)

// openDir opens a directory for listing; it is made if it does not exist.
func openDir(t *testing.T, tree *client.Tree, name string) *client.File {
	t.Helper()
	return create(t, tree, client.CreateArgs{Name: name, Directory: true, Access: client.ListDirectory, Disposition: client.OpenIf})
}

// fill makes empty files on the storage itself, which is quicker.
func fill(t *testing.T, fs vfs.FS, dir string, names ...string) {
	t.Helper()
	ctx := t.Context()
	root := fs.Root()
	defer root.Release()
	d, _, err := root.Lookup(ctx, nil, dir, vfs.LookupOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Release()
	for _, name := range names {
		n, err := d.Create(ctx, nil, name, vfs.CreateOptions{Type: vfs.TypeRegular})
		if err != nil {
			t.Fatal(err)
		}
		n.Release()
	}
}

// namesOf are the names of entries, sorted.
func namesOf(list []wire.DirEntry) []string {
	var out []string
	for i := range list {
		out = append(out, list[i].FileName)
	}
	slices.Sort(out)
	return out
}

func TestQueryDirectoryPatterns(t *testing.T) {
	srv := newTestServer(t)
	tree := srv.connect(t)
	dir := openDir(t, tree, "dir")
	fill(t, srv.fs, "dir", "a.txt", "B.TXT", "c", "ä.doc", "x.y.z")
	for pattern, want := range map[string][]string{
		"*":      {".", "..", "B.TXT", "a.txt", "c", "x.y.z", "ä.doc"},
		"*.*":    {".", "..", "B.TXT", "a.txt", "c", "x.y.z", "ä.doc"},
		"*.txt":  {"B.TXT", "a.txt"},
		"?":      {".", "c"},
		"A.TXT":  {"a.txt"},
		"Ä.DOC":  {"ä.doc"},
		"<.z":    {"x.y.z"},
		".":      {"."},
		"..":     {".."},
		"none":   nil,
		"no*":    nil,
		"*.*.z":  {"x.y.z"},
		">>":     {"c"},
		"x\"y.z": {"x.y.z"},
	} {
		q := client.DirQuery{Pattern: pattern, Flags: wire.QueryDirectoryRestartScans}
		list, err := dir.QueryDirectory(t.Context(), q)
		if want == nil {
			mustBe(t, pattern, err, ntstatus.NoSuchFile)
			q.Flags = 0
			_, err = dir.QueryDirectory(t.Context(), q)
			mustBe(t, pattern+" again", err, ntstatus.NoMoreFiles)
			continue
		}
		mustBe(t, pattern, err, ntstatus.Success)
		if diff := cmp.Diff(want, namesOf(list)); diff != "" {
			t.Errorf("%q: %s", pattern, diff)
		}
		q.Flags = 0
		_, err = dir.QueryDirectory(t.Context(), q)
		mustBe(t, pattern+" goes on", err, ntstatus.NoMoreFiles)
	}
}

func TestQueryDirectoryFlags(t *testing.T) {
	srv := newTestServer(t)
	tree := srv.connect(t)
	dir := openDir(t, tree, "dir")
	fill(t, srv.fs, "dir", "a1", "a2", "b1")
	ask := func(pattern string, flags uint8) []string {
		t.Helper()
		list, err := dir.QueryDirectory(t.Context(), client.DirQuery{Pattern: pattern, Flags: flags, Class: wire.FileInfoNames})
		if err == ntstatus.NoMoreFiles {
			return nil
		}
		mustBe(t, pattern, err, ntstatus.Success)
		return namesOf(list)
	}
	same := func(what string, got []string, want ...string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	single := wire.QueryDirectoryReturnSingleEntry
	var one []string
	for range 2 {
		one = append(one, ask("a*", single)...)
	}
	slices.Sort(one)
	same("one at a time", one, "a1", "a2")
	same("the end", ask("a*", single))
	// MS-FSA 2.1.5.6.3: the pattern of the first query holds until a restart.
	same("another pattern is not heeded", ask("b*", 0))
	same("restart takes it", ask("b*", wire.QueryDirectoryRestartScans), "b1")
	same("reopen", ask("a*", wire.QueryDirectoryReopen), "a1", "a2")
	same("an index is not heeded", ask("a*", wire.QueryDirectoryIndexSpecified))
	list, err := dir.QueryDirectory(t.Context(), client.DirQuery{Pattern: "a1", Flags: wire.QueryDirectoryRestartScans | single})
	mustBe(t, "literal", err, ntstatus.Success)
	same("literal", namesOf(list), "a1")
	_, err = dir.QueryDirectory(t.Context(), client.DirQuery{Pattern: "a1", Flags: single})
	mustBe(t, "literal again", err, ntstatus.NoMoreFiles)
}

func TestQueryDirectoryRefuses(t *testing.T) {
	srv := newTestServer(t)
	tree := srv.connect(t)
	ctx := t.Context()
	dir := openDir(t, tree, "dir")
	fill(t, srv.fs, "dir", "a name of some length")
	file := create(t, tree, client.CreateArgs{Name: "file"})
	blind := create(t, tree, client.CreateArgs{Name: "dir", Directory: true, Access: wire.AccessReadAttributes, Disposition: client.Open})
	ask := func(f *client.File, q client.DirQuery) error {
		q.Flags |= wire.QueryDirectoryRestartScans
		_, err := f.QueryDirectory(ctx, q)
		return err
	}
	mustBe(t, "file", ask(file, client.DirQuery{}), ntstatus.InvalidParameter)
	mustBe(t, "no right to list", ask(blind, client.DirQuery{}), ntstatus.AccessDenied)
	if _, err := dir.QueryInfo(ctx, wire.InfoTypeFile, wire.FileInfoDirectory, 100); err != ntstatus.InvalidInfoClass {
		t.Errorf("a directory class in QUERY_INFO: %v", err)
	}
	mustBe(t, "class", ask(dir, client.DirQuery{Class: 99}), ntstatus.InvalidInfoClass)
	mustBe(t, "pattern", ask(dir, client.DirQuery{Pattern: "a\\b"}), ntstatus.ObjectNameInvalid)
	fixed := wire.DirEntrySize(wire.FileInfoIDBothDirectory, 0)
	mustBe(t, "no room for an entry", ask(dir, client.DirQuery{Size: fixed - 1}), ntstatus.InfoLengthMismatch)
	mustBe(t, "no room for the name", ask(dir, client.DirQuery{Pattern: "a*", Size: fixed + 10}), ntstatus.BufferOverflow)
	mustBe(t, "too much", ask(dir, client.DirQuery{Size: 8<<20 + 1}), ntstatus.InvalidParameter)
	// What did not fit is still there.
	list, err := dir.QueryDirectory(ctx, client.DirQuery{Pattern: "a*", Flags: 0})
	mustBe(t, "after an overflow", err, ntstatus.Success)
	if len(list) != 1 {
		t.Errorf("%d entries", len(list))
	}
}

// All classes tell the same about a file as a query of the file itself.
func TestQueryDirectoryClasses(t *testing.T) {
	srv := newTestServer(t)
	tree := srv.connect(t)
	ctx := t.Context()
	dir := openDir(t, tree, "dir")
	f := create(t, tree, client.CreateArgs{
		Name: `dir\a rather long name.txt`, Attributes: wire.FileAttributeHidden,
		EAs: []wire.EaEntry{{EaName: "ONE", EaValue: []byte("1")}, {EaName: "SECOND", EaValue: []byte("value")}},
	})
	if _, err := f.Write(ctx, 0, make([]byte, 5000)); err != nil {
		t.Fatal(err)
	}
	var all wire.FileAllInformation
	var alt wire.FileNameInformation
	var id wire.FileIDInformation
	for class, v := range map[uint8]client.Decoder{wire.FileInfoAll: &all, wire.FileInfoAlternateName: &alt, wire.FileInfoID: &id} {
		if err := f.Query(ctx, class, v); err != nil {
			t.Fatal(class, err)
		}
	}
	if all.Ea.EaSize != 4+4+3+1+1+4+6+1+5 {
		t.Errorf("EaSize is %d", all.Ea.EaSize)
	}
	full := wire.DirEntry{
		CreationTime: all.Basic.CreationTime, LastAccessTime: all.Basic.LastAccessTime,
		LastWriteTime: all.Basic.LastWriteTime, ChangeTime: all.Basic.ChangeTime,
		EndOfFile: 5000, AllocationSize: all.Standard.AllocationSize,
		FileAttributes: wire.FileAttributeHidden | wire.FileAttributeArchive,
		EaSize:         all.Ea.EaSize, FileID: all.Internal.IndexNumber, FileID128: id.FileID,
		ShortName: alt.FileName, FileName: "a rather long name.txt",
	}
	for class := range 256 {
		if wire.DirEntrySize(uint8(class), 0) == 0 {
			continue
		}
		q := client.DirQuery{Class: uint8(class), Pattern: "a*", Flags: wire.QueryDirectoryRestartScans}
		list, err := dir.QueryDirectory(ctx, q)
		if class == int(wire.FileInfoPosix) {
			mustBe(t, "posix", err, ntstatus.InvalidInfoClass)
			continue
		}
		if err != nil || len(list) != 1 {
			t.Fatalf("class %d: %v, %d entries", class, err, len(list))
		}
		// What a class has not is 0 after decoding: encode and decode what is wanted.
		el := wire.NewEntryList(nil, 1000, wire.DirEntryAlign)
		el.AppendDirEntry(uint8(class), &full)
		want, err := wire.DecodeDirEntries(el.Bytes, uint8(class))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, list); diff != "" {
			t.Errorf("class %d: %s", class, diff)
		}
	}
}

// A large directory comes whole and once, whatever the size of the buffer is.
func TestQueryDirectoryLarge(t *testing.T) {
	srv := newTestServer(t)
	tree := srv.connect(t)
	dir := openDir(t, tree, "dir")
	var want []string
	for i := range 3000 {
		want = append(want, fmt.Sprintf("file-%04d-%0*d", i, i%60, 0))
	}
	fill(t, srv.fs, "dir", want...)
	slices.Sort(want)
	for _, size := range []int{700, 4096, 65536, 1 << 20} {
		q := client.DirQuery{Size: size, Flags: wire.QueryDirectoryRestartScans}
		var got []wire.DirEntry
		calls := 0
		for {
			list, err := dir.QueryDirectory(t.Context(), q)
			if err == ntstatus.NoMoreFiles {
				break
			}
			mustBe(t, "list", err, ntstatus.Success)
			got = append(got, list...)
			q.Flags = 0
			calls++
		}
		names := slices.DeleteFunc(namesOf(got), func(s string) bool { return s == "." || s == ".." })
		if !slices.Equal(names, want) {
			t.Errorf("size %d: %d names, want %d", size, len(names), len(want))
		}
		if size == 1<<20 && calls > 1 {
			t.Errorf("%d calls for %d entries in 1 MiB", calls, len(want))
		}
	}
}

// Entries of the directory itself and the one above.
func TestQueryDirectoryDots(t *testing.T) {
	srv := newTestServer(t)
	tree := srv.connect(t)
	ctx := t.Context()
	if err := tree.Mkdir(ctx, "top"); err != nil {
		t.Fatal(err)
	}
	dir := openDir(t, tree, `top\dir`)
	idOf := func(name string) uint64 {
		t.Helper()
		f := openDir(t, tree, name)
		var v wire.FileInternalInformation
		if err := f.Query(ctx, wire.FileInfoInternal, &v); err != nil {
			t.Fatal(err)
		}
		return v.IndexNumber
	}
	check := func(f *client.File, self, parent string) {
		t.Helper()
		list, err := f.QueryDirectory(ctx, client.DirQuery{Pattern: "*", Flags: wire.QueryDirectoryRestartScans})
		mustBe(t, "list", err, ntstatus.Success)
		got := map[string]uint64{}
		for _, e := range list {
			got[e.FileName] = e.FileID
			if e.FileName[0] == '.' && e.FileAttributes&wire.FileAttributeDirectory == 0 {
				t.Errorf("%q is no directory", e.FileName)
			}
		}
		if got["."] != idOf(self) || got[".."] != idOf(parent) {
			t.Errorf("entries %v, want %d and %d", got, idOf(self), idOf(parent))
		}
	}
	check(dir, `top\dir`, "top")
	check(openDir(t, tree, ""), "", "")
}

// Symbolic links are followed where they lead somewhere.
func TestQueryDirectorySymlinks(t *testing.T) {
	srv := newTestServer(t)
	tree := srv.connect(t)
	fill(t, srv.fs, "", "target")
	root := srv.fs.Root()
	defer root.Release()
	for name, to := range map[string]string{"good": "target", "bad": "nowhere"} {
		n, err := root.Symlink(context.Background(), nil, name, to)
		if err != nil {
			t.Fatal(err)
		}
		n.Release()
	}
	list, err := openDir(t, tree, "").List(t.Context(), "*")
	mustBe(t, "list", err, ntstatus.Success)
	tags := map[string]uint32{}
	ids := map[string]uint64{}
	for _, e := range list {
		tags[e.FileName], ids[e.FileName] = e.ReparseTag, e.FileID
	}
	if tags["bad"] != wire.ReparseTagSymlink || tags["good"] != 0 || ids["good"] != ids["target"] {
		t.Errorf("tags %v ids %v", tags, ids)
	}
}
