package smb_test

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"lessor/smb"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/vfs/errfs"
	"lessor/vfs/memfs"
)

// setEas sets extended attributes.
func setEas(t *testing.T, f *client.File, list ...wire.EaEntry) error {
	t.Helper()
	return f.Set(t.Context(), wire.FileInfoFullEa, &wire.FileFullEaInformation{Entries: list})
}

// eas is the extended attributes of a file, each written as its name and the length of
// its value.
func eas(t *testing.T, f *client.File) string {
	t.Helper()
	b, err := f.QueryInfoWith(t.Context(), &wire.QueryInfoRequest{
		InfoType: wire.InfoTypeFile, FileInfoClass: wire.FileInfoFullEa, OutputBufferLength: 1 << 20, Flags: wire.QueryInfoRestartScan,
	})
	if status, _ := client.StatusOf(err); status == ntstatus.NoEasOnFile {
		return ""
	}
	mustBe(t, "query", err, ntstatus.Success)
	var list wire.FileFullEaInformation
	if err := list.Decode(b); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range list.Entries {
		out = append(out, e.EaName+"="+string(e.EaValue[:min(3, len(e.EaValue))]))
	}
	return strings.Join(out, " ")
}

// The limits of NTFS: 254 bytes of a name, 64 KiB of all, characters that a short name
// could have; and a list is made as a whole.
func TestEaLimits(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	tree := s.connect(t)
	f := create(t, tree, client.CreateArgs{Name: "f", Access: wire.AccessAll})
	value := func(n int) []byte { return bytes.Repeat([]byte("v"), n) }
	mustBe(t, "first", setEas(t, f, wire.EaEntry{EaName: "One", EaValue: []byte("1")}), ntstatus.Success)
	for _, c := range []struct {
		name string
		list []wire.EaEntry
		want ntstatus.Status
	}{
		{"a long name", []wire.EaEntry{{EaName: strings.Repeat("n", 255), EaValue: []byte("x")}}, ntstatus.InvalidEaName},
		{"a bad name behind a good one", []wire.EaEntry{{EaName: "TWO", EaValue: []byte("2")}, {EaName: "a:b", EaValue: []byte("x")}}, ntstatus.InvalidEaName},
		{"an unknown flag", []wire.EaEntry{{EaName: "TWO", EaValue: []byte("2"), Flags: 1}}, ntstatus.InvalidEaFlag},
		{"too much together", []wire.EaEntry{{EaName: "A", EaValue: value(40_000)}, {EaName: "B", EaValue: value(40_000)}}, ntstatus.EaTooLarge},
		{"one byte too much", []wire.EaEntry{{EaName: "A", EaValue: value(0xffff - 4 - (4 + 3 + 1 + 1) - (4 + 1 + 1) + 1)}}, ntstatus.EaTooLarge},
	} {
		mustBe(t, c.name, setEas(t, f, c.list...), c.want)
		if got := eas(t, f); got != "One=1" {
			t.Fatalf("%s leaves %q", c.name, got)
		}
	}
	mustBe(t, "as much as there is room for", setEas(t, f, wire.EaEntry{EaName: "A", EaValue: value(0xffff - 4 - 9 - 6)}), ntstatus.Success)
	var size wire.FileEaInformation
	if err := f.Query(ctx, wire.FileInfoEa, &size); err != nil || size.EaSize != 0xffff {
		t.Fatalf("%d bytes, %v", size.EaSize, err)
	}
	mustBe(t, "no room", setEas(t, f, wire.EaEntry{EaName: "B", EaValue: []byte("x")}), ntstatus.EaTooLarge)
	mustBe(t, "in place of another", setEas(t, f, wire.EaEntry{EaName: "a"}, wire.EaEntry{EaName: "B", EaValue: []byte("x")}), ntstatus.Success)
	mustBe(t, "twice in a list", setEas(t, f, wire.EaEntry{EaName: "c", EaValue: value(60_000)}, wire.EaEntry{EaName: "C", EaValue: []byte("c")}), ntstatus.Success)
	mustBe(t, "case", setEas(t, f, wire.EaEntry{EaName: "ONE", EaValue: []byte("uno"), Flags: wire.EaNeed}), ntstatus.Success)
	if got := eas(t, f); got != "B=x One=uno c=c" {
		t.Fatal(got)
	}

	// A file that cannot get what it is to have is not made.
	_, err := tree.Create(ctx, client.CreateArgs{Name: "new", EAs: []wire.EaEntry{{EaName: "a?", EaValue: []byte("x")}}})
	mustBe(t, "create", err, ntstatus.InvalidEaName)
	_, err = tree.Create(ctx, client.CreateArgs{Name: "new", Disposition: client.Open})
	mustBe(t, "open", err, ntstatus.ObjectNameNotFound)
}

// What a list costs does not grow with the square of its length, which is bounded.
func TestEaListsAreBounded(t *testing.T) {
	s := newTestServer(t)
	f := create(t, s.connect(t), client.CreateArgs{Name: "f", Access: wire.AccessAll})
	names := func(n int) (list []wire.EaEntry) {
		for i := range 2 * n {
			list = append(list, wire.EaEntry{EaName: strconv.FormatInt(int64(i%n), 36)})
		}
		return list
	}
	mustBe(t, "many", setEas(t, f, names(10_000)...), ntstatus.Success)
	mustBe(t, "too many", setEas(t, f, names(200_000)...), ntstatus.EaTooLarge)
	if got := eas(t, f); got != "" {
		t.Error(got)
	}
}

// When the storage fails in the middle of a list, what was there is there again.
func TestEasAreRestored(t *testing.T) {
	faulty := errfs.New(memfs.New(memfs.Options{}))
	s := newTestServer(t, func(_ *smb.Config, sh *smb.Share) { sh.FS = faulty })
	f := create(t, s.connect(t), client.CreateArgs{Name: "f", Access: wire.AccessAll})
	mustBe(t, "first", setEas(t, f, wire.EaEntry{EaName: "A", EaValue: []byte("old")}), ntstatus.Success)
	faulty.Add(errfs.Rule{Op: errfs.OpSetXattr, Nth: 3, Err: errors.New("broken")})
	err := setEas(t, f,
		wire.EaEntry{EaName: "A", EaValue: []byte("new")}, wire.EaEntry{EaName: "B", EaValue: []byte("b")}, wire.EaEntry{EaName: "C", EaValue: []byte("c")})
	if err == nil {
		t.Fatal("nothing has failed")
	}
	if got := eas(t, f); got != "A=old" {
		t.Fatal(got)
	}
}

// needed are the names of extended attributes that come back with FILE_NEED_EA.
func needed(t *testing.T, f *client.File) string {
	t.Helper()
	b, err := f.QueryInfoWith(t.Context(), &wire.QueryInfoRequest{
		InfoType: wire.InfoTypeFile, FileInfoClass: wire.FileInfoFullEa, OutputBufferLength: 1 << 20, Flags: wire.QueryInfoRestartScan,
	})
	mustBe(t, "query", err, ntstatus.Success)
	var list wire.FileFullEaInformation
	if err := list.Decode(b); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range list.Entries {
		if e.Flags&wire.EaNeed != 0 {
			out = append(out, e.EaName)
		}
	}
	return strings.Join(out, " ")
}

// FILE_NEED_EA is kept, comes back, and keeps those out who know no extended attributes
// (MS-FSA 2.1.5.1.2).
func TestNeedEa(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	tree := s.connect(t)
	for _, dir := range []bool{false, true} {
		name := map[bool]string{false: "f", true: "d"}[dir]
		ignorant := client.CreateArgs{Name: name, Directory: dir, Disposition: client.Open, Options: wire.OptionNoEAKnowledge, Access: wire.AccessReadAttributes}
		open := func(want ntstatus.Status) {
			t.Helper()
			f, err := tree.Create(ctx, ignorant)
			mustBe(t, "open without knowledge", err, want)
			if err == nil {
				_ = f.Close(ctx)
			}
		}
		f := create(t, tree, client.CreateArgs{Name: name, Directory: dir, Access: wire.AccessAll, EAs: []wire.EaEntry{{EaName: "Plain", EaValue: []byte("1")}}})
		open(ntstatus.Success)
		mustBe(t, "set", setEas(t, f, wire.EaEntry{EaName: "Vital", EaValue: []byte("v"), Flags: wire.EaNeed}, wire.EaEntry{EaName: "More", EaValue: []byte("m"), Flags: wire.EaNeed}), ntstatus.Success)
		if got, all := needed(t, f), eas(t, f); got != "More Vital" || all != "More=m Plain=1 Vital=v" {
			t.Errorf("%s: %q of %q", name, got, all)
		}
		open(ntstatus.AccessDenied)
		var size wire.FileEaInformation
		if err := f.Query(ctx, wire.FileInfoEa, &size); err != nil || size.EaSize != 4+(4+5+1+1)+(4+5+1+1)+(4+4+1+1) {
			t.Errorf("%d bytes, %v", size.EaSize, err)
		}
		// Whoever sets it anew says anew what it is.
		mustBe(t, "set again", setEas(t, f, wire.EaEntry{EaName: "VITAL", EaValue: []byte("w")}), ntstatus.Success)
		open(ntstatus.AccessDenied)
		mustBe(t, "remove", setEas(t, f, wire.EaEntry{EaName: "more", Flags: wire.EaNeed}), ntstatus.Success)
		open(ntstatus.Success)
		if got, all := needed(t, f), eas(t, f); got != "" || all != "Plain=1 Vital=w" {
			t.Errorf("%s at the end: %q of %q", name, got, all)
		}
		// What keeps it is no attribute for clients.
		mustBe(t, "set what keeps it", setEas(t, f, wire.EaEntry{EaName: "LESSOR.NEEDEA", EaValue: []byte("x")}), ntstatus.AccessDenied)
		_ = f.Close(ctx)
	}
	// Streams are looked at by nobody, and what is made anew needs nothing.
	f := create(t, tree, client.CreateArgs{Name: "new:s", Access: wire.AccessAll})
	_ = f.Close(ctx)
	f = create(t, tree, client.CreateArgs{Name: "new", Access: wire.AccessAll, Disposition: client.Open})
	mustBe(t, "set", setEas(t, f, wire.EaEntry{EaName: "Vital", EaValue: []byte("v"), Flags: wire.EaNeed}), ntstatus.Success)
	_ = f.Close(ctx)
	f = create(t, tree, client.CreateArgs{Name: "new:s", Disposition: client.Open, Options: wire.OptionNoEAKnowledge})
	_ = f.Close(ctx)
	_, err := tree.Create(ctx, client.CreateArgs{Name: "new", Disposition: client.Create, Options: wire.OptionNoEAKnowledge})
	mustBe(t, "create", err, ntstatus.ObjectNameCollision)
	_, err = tree.Create(ctx, client.CreateArgs{Name: "new", Disposition: client.OverwriteIf, Options: wire.OptionNoEAKnowledge})
	mustBe(t, "overwrite", err, ntstatus.AccessDenied)
	f = create(t, tree, client.CreateArgs{Name: "new", Disposition: client.OverwriteIf})
	_ = f.Close(ctx)
	f = create(t, tree, client.CreateArgs{Name: "new", Disposition: client.Open, Options: wire.OptionNoEAKnowledge})
	_ = f.Close(ctx)
}

// Of two requests that set attributes of one file at the same time, none loses what the other
// says about FILE_NEED_EA.
func TestNeedEaOfTwoAtATime(t *testing.T) {
	storage := errfs.New(memfs.New(memfs.Options{}))
	s := newTestServer(t, func(_ *smb.Config, sh *smb.Share) { sh.FS = storage })
	storage.Add(errfs.Rule{Op: errfs.OpSetXattr, Hook: func(context.Context, errfs.Call) error {
		for begin := time.Now(); time.Since(begin) < 2*time.Millisecond; {
			runtime.Gosched() // the others may come in between
		}
		return nil
	}})
	var trees [4]*client.Tree
	for i := range trees {
		trees[i] = s.connect(t)
	}
	for round := range 10 {
		name := "f" + strconv.Itoa(round)
		_ = create(t, trees[0], client.CreateArgs{Name: name, Access: wire.AccessAll}).Close(t.Context())
		var all sync.WaitGroup
		var failed [len(trees)]error
		for i, tree := range trees {
			f := create(t, tree, client.CreateArgs{Name: name, Access: wire.AccessAll, Disposition: client.Open})
			all.Go(func() {
				err := setEas(t, f, wire.EaEntry{EaName: string(rune('A' + i)), EaValue: []byte("v"), Flags: wire.EaNeed})
				failed[i] = errors.Join(err, f.Close(t.Context()))
			})
		}
		all.Wait()
		if err := errors.Join(failed[:]...); err != nil {
			t.Fatal(err)
		}
		f := create(t, trees[0], client.CreateArgs{Name: name, Access: wire.AccessAll, Disposition: client.Open})
		if got := needed(t, f); got != "A B C D" {
			t.Fatalf("needed are %q", got)
		}
		_ = f.Close(t.Context())
	}
}
