package vfstest

import (
	"io/fs"
	"strings"

	"lessor/vfs"
)

var lookupRules = []rule{
	{"the empty path is the node itself", 0, func(s *suite) {
		for _, n := range []vfs.Node{s.root, s.file("f", "x"), s.dir("d")} {
			again, actual, err := n.Lookup(s.ctx, nil, "", vfs.LookupOptions{Fold: true, Hint: readWrite})
			s.must(err)
			same(s, "id", again.ID(), n.ID())
			same(s, "actual", actual, "")
			again.Release()
		}
	}},
	{"what is missing is told apart", 0, func(s *suite) {
		s.dir("dir")
		s.file("file", "")
		for _, fold := range []bool{false, true} {
			for path, want := range map[string]error{
				"none":        fs.ErrNotExist,
				"dir/none":    fs.ErrNotExist,
				"none/x":      vfs.ErrPathNotFound,
				"dir/none/x":  vfs.ErrPathNotFound,
				"none/x/y":    vfs.ErrPathNotFound,
				"file/x":      vfs.ErrNotDir,
				"file/x/y":    vfs.ErrNotDir,
				"dir/../file": vfs.ErrInvalidName,
				"..":          vfs.ErrInvalidName,
				"../x":        vfs.ErrInvalidName,
				".":           vfs.ErrInvalidName,
				"/file":       vfs.ErrInvalidName,
				"dir/":        vfs.ErrInvalidName,
				"dir//x":      vfs.ErrInvalidName,
				"a\x00":       vfs.ErrInvalidName,
			} {
				s.wantErr(path, s.lookupErr(path, vfs.LookupOptions{Fold: fold}), want)
			}
		}
	}},
	{"a missing path does not match fs.ErrNotExist", 0, func(s *suite) {
		if err := s.lookupErr("a/b", vfs.LookupOptions{}); isNotExist(err) {
			s.Error(err)
		}
	}},
	{"several components in one step", 0, func(s *suite) {
		s.dir("a")
		s.dir("a/b")
		want := s.file("a/b/c", "deep")
		n, actual, err := s.root.Lookup(s.ctx, nil, "a/b/c", vfs.LookupOptions{})
		s.must(err)
		s.keep(n)
		same(s, "id", n.ID(), want.ID())
		same(s, "actual", actual, "a/b/c")
		sub := s.lookup("a")
		n, actual, err = sub.Lookup(s.ctx, nil, "b/c", vfs.LookupOptions{})
		s.must(err)
		s.keep(n)
		same(s, "id from below", n.ID(), want.ID())
		same(s, "actual from below", actual, "b/c")
	}},
	{"folding finds another case and tells the stored one", 0, func(s *suite) {
		s.dir("Docs")
		s.dir("Docs/Größe")
		want := s.file("Docs/Größe/ReadMe.TXT", "")
		for _, path := range []string{
			"Docs/Größe/ReadMe.TXT", "docs/größe/readme.txt", "DOCS/GRößE/README.TXT", "Docs/GRÖßE/readme.txt",
		} {
			n, actual, err := s.root.Lookup(s.ctx, nil, path, vfs.LookupOptions{Fold: true})
			if err != nil {
				s.Errorf("%s: %v", path, err)
				continue
			}
			same(s, path, n.ID(), want.ID())
			same(s, path, actual, "Docs/Größe/ReadMe.TXT")
			n.Release()
		}
		s.wantErr("missing below a folded directory", s.lookupErr("docs/none", vfs.LookupOptions{Fold: true}), fs.ErrNotExist)
		s.wantErr("missing path below a folded directory", s.lookupErr("docs/none/x", vfs.LookupOptions{Fold: true}), vfs.ErrPathNotFound)
		s.wantErr("a file as a folded directory", s.lookupErr("docs/größe/readme.txt/x", vfs.LookupOptions{Fold: true}), vfs.ErrNotDir)
	}},
	{"without folding another case is missing", vfs.CapCaseSensitive, func(s *suite) {
		s.file("File", "")
		s.wantErr("file", s.lookupErr("file", vfs.LookupOptions{}), fs.ErrNotExist)
	}},
	{"the exact case wins", vfs.CapCaseSensitive, func(s *suite) {
		a, b := s.file("name", "a"), s.file("NAME", "b")
		for path, want := range map[string]vfs.Node{"name": a, "NAME": b} {
			n, actual, err := s.root.Lookup(s.ctx, nil, path, vfs.LookupOptions{Fold: true})
			s.must(err)
			same(s, path, n.ID(), want.ID())
			same(s, path, actual, path)
			n.Release()
		}
		if err := s.lookupErr("Name", vfs.LookupOptions{Fold: true}); err != nil {
			s.Errorf("either should be found: %v", err)
		}
	}},
	{"the exact case wins below a folded directory", vfs.CapCaseSensitive, func(s *suite) {
		s.dir("Dir")
		want := map[string]vfs.Node{"name": s.file("Dir/name", ""), "NAME": s.file("Dir/NAME", ""), "Name": s.dir("Dir/Name")}
		s.file("Dir/Name/x", "")
		for name, node := range want {
			n, actual, err := s.root.Lookup(s.ctx, nil, "dir/"+name, vfs.LookupOptions{Fold: true})
			s.must(err)
			same(s, name, n.ID(), node.ID())
			same(s, name, actual, "Dir/"+name)
			n.Release()
		}
		n, actual, err := s.root.Lookup(s.ctx, nil, "dir/Name/X", vfs.LookupOptions{Fold: true})
		s.must(err)
		n.Release()
		same(s, "on the way", actual, "Dir/Name/x")
	}},
	{"either form of a name finds the file", vfs.CapCaseSensitive, func(s *suite) {
		s.dir("Ame\u0301lie")
		want := s.file("Ame\u0301lie/cafe\u0301 \u30ac", "")
		s.file("Ame\u0301lie/plain", "")
		for _, c := range []struct {
			path       string
			fold, form bool
		}{
			{"Ame\u0301lie/cafe\u0301 \u30ac", false, false},
			{"Am\u00e9lie/caf\u00e9 \u30ac", false, true},
			{"Am\u00e9lie/cafe\u0301 \u30ab\u3099", false, true},
			{"AM\u00c9LIE/CAFE\u0301 \u30ab\u3099", true, true},
			{"AME\u0301LIE/CAFE\u0301 \u30ac", true, false},
		} {
			n, actual, err := s.root.Lookup(s.ctx, nil, c.path, vfs.LookupOptions{Fold: c.fold, Form: c.form})
			if err != nil {
				s.Errorf("%+q: %v", c.path, err)
				continue
			}
			same(s, c.path, n.ID(), want.ID())
			same(s, c.path, actual, "Ame\u0301lie/cafe\u0301 \u30ac")
			n.Release()
		}
		s.wantErr("another form", s.lookupErr("Ame\u0301lie/caf\u00e9 \u30ac", vfs.LookupOptions{Fold: true}), fs.ErrNotExist)
		s.wantErr("another case", s.lookupErr("Am\u00e9lie/CAF\u00c9 \u30ac", vfs.LookupOptions{Form: true}), fs.ErrNotExist)
		s.wantErr("another case in ASCII", s.lookupErr("Am\u00e9lie/Plain", vfs.LookupOptions{Form: true}), fs.ErrNotExist)
		s.wantErr("missing", s.lookupErr("Am\u00e9lie/\u00e9", vfs.LookupOptions{Fold: true, Form: true}), fs.ErrNotExist)
		for _, opts := range []vfs.CreateOptions{{Form: true}, {Fold: true, Form: true}} {
			opts.Type = vfs.TypeRegular
			_, err := s.lookup("Ame\u0301lie").Create(s.ctx, nil, "caf\u00e9 \u30ac", opts)
			s.wantErr("made in another form", err, fs.ErrExist)
		}
	}},
	{"of several forms the one that is asked for wins", vfs.CapCaseSensitive, func(s *suite) {
		either := vfs.LookupOptions{Fold: true, Form: true}
		closest := func(what, path, want string) {
			s.Helper()
			n, actual, err := s.root.Lookup(s.ctx, nil, path, either)
			if err != nil {
				s.Errorf("%s: %v", what, err)
				return
			}
			n.Release()
			same(s, what, actual, want)
		}
		s.file("CAF\u00c9", "")
		closest("case alone", "caf\u00e9", "CAF\u00c9")
		s.file("cafe\u0301", "")
		closest("form rather than case", "caf\u00e9", "cafe\u0301")
		s.file("caf\u00e9", "")
		closest("itself", "caf\u00e9", "caf\u00e9")
		closest("itself in form D", "cafe\u0301", "cafe\u0301")
		closest("the other case in form D", "CAFE\u0301", "CAF\u00c9")
		s.must(s.root.Remove(s.ctx, nil, "caf\u00e9"))
		closest("what is left", "caf\u00e9", "cafe\u0301")
		s.must(s.root.Rename(s.ctx, nil, "cafe\u0301", s.root, "caf\u00e9", false))
		closest("renamed to its own other form", "cafe\u0301", "caf\u00e9")
		sameList(s, "root", s.names(s.root), []string{"CAF\u00c9", "caf\u00e9"})
	}},
	{"folding follows every change", 0, func(s *suite) {
		fold := vfs.LookupOptions{Fold: true}
		s.dir("d")
		d := s.lookup("d")
		s.wantErr("before", s.lookupErr("d/FILE", fold), fs.ErrNotExist)
		s.file("d/file", "")
		s.must(s.lookupErr("d/FILE", fold))
		s.must(d.Rename(s.ctx, nil, "file", d, "Other", false))
		s.wantErr("the old name", s.lookupErr("d/FILE", fold), fs.ErrNotExist)
		s.must(s.lookupErr("d/OTHER", fold))
		s.must(d.Rename(s.ctx, nil, "Other", s.root, "Moved", false))
		s.wantErr("moved away", s.lookupErr("d/OTHER", fold), fs.ErrNotExist)
		s.must(s.lookupErr("MOVED", fold))
		s.must(s.root.Remove(s.ctx, nil, "Moved"))
		s.wantErr("removed", s.lookupErr("MOVED", fold), fs.ErrNotExist)
	}},
	{"the parent comes with a missing last component", 0, func(s *suite) {
		s.dir("Sub")
		d := s.lookup("Sub")
		for path, want := range map[string]string{"Sub/New": "Sub/New", "SUB/New": "Sub/New"} {
			n, actual, err := s.root.Lookup(s.ctx, nil, path, vfs.LookupOptions{Fold: true, Parent: true})
			s.wantErr(path, err, fs.ErrNotExist)
			if n == nil {
				s.Fatal("no parent")
			}
			same(s, path, n.ID(), d.ID())
			same(s, path, actual, want)
			n.Release()
		}
		n, actual, err := s.root.Lookup(s.ctx, nil, "New", vfs.LookupOptions{Parent: true})
		s.wantErr("in the root", err, fs.ErrNotExist)
		same(s, "parent", n.ID(), s.root.ID())
		same(s, "actual", actual, "New")
		n.Release()
		n, _, err = s.root.Lookup(s.ctx, nil, "none/x", vfs.LookupOptions{Parent: true, Fold: true})
		s.wantErr("without a parent", err, vfs.ErrPathNotFound)
		if n != nil {
			s.Error("a node with another error")
			n.Release()
		}
	}},
	{"a hint changes nothing but the speed", 0, func(s *suite) {
		s.file("f", "data")
		s.dir("d")
		s.file("d/x", "")
		for _, hint := range []vfs.OpenMode{{}, {Read: true}, {Write: true}, readWrite, {Read: true, Write: true, Sync: true}} {
			n, _, err := s.root.Lookup(s.ctx, nil, "f", vfs.LookupOptions{Hint: hint})
			s.must(err)
			for range 2 {
				same(s, "contents", s.read(n), "data")
				s.write(n, "d", 0)
			}
			n.Release()
			d, _, err := s.root.Lookup(s.ctx, nil, "d", vfs.LookupOptions{Hint: hint})
			s.must(err)
			for range 2 {
				sameList(s, "entries", s.names(d), []string{"x"})
			}
			d.Release()
		}
	}},
	{"a name that is too long", 0, func(s *suite) {
		i, err := s.fs.Info(s.ctx)
		s.must(err)
		longest := strings.Repeat("n", i.MaxName)
		s.file(longest, "")
		s.must(s.lookupErr(longest, vfs.LookupOptions{}))
		_, err = s.root.Create(s.ctx, nil, longest+"n", vfs.CreateOptions{Type: vfs.TypeRegular})
		s.wantErr("create", err, vfs.ErrNameTooLong)
		s.wantErr("rename", s.root.Rename(s.ctx, nil, longest, s.root, longest+"n", false), vfs.ErrNameTooLong)
		s.oneOf("lookup", s.lookupErr(longest+"n", vfs.LookupOptions{Fold: true}), vfs.ErrNameTooLong, fs.ErrNotExist)
	}},
	{"names keep their bytes", vfs.CapCaseSensitive, func(s *suite) {
		names := []string{" lead", "trail ", "dot.", "..two", "back\\slash", "colon:", "new\nline", "ünï", "日本", "\u00e9", "e\u0301", "😀"}
		for _, name := range names {
			s.file(name, name)
		}
		for _, name := range names {
			same(s, name, s.read(s.lookup(name)), name)
		}
		same(s, "number", len(s.names(s.root)), len(names))
	}},
}
