package vfstest

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"lessor/vfs"
)

var renameRules = []rule{
	{"a node survives the rename of its file", 0, func(s *suite) {
		f := s.file("old", "data")
		d := s.dir("d")
		h := s.open(f, readWrite)
		s.must(s.root.Rename(s.ctx, nil, "old", d, "new", false))
		same(s, "old name", s.exists("old"), false)
		same(s, "id", s.lookup("d/new").ID(), f.ID())
		_, err := h.WriteAt([]byte("DATA"), 0)
		s.must(err)
		same(s, "contents", s.read(s.lookup("d/new")), "DATA")
		same(s, "attributes", s.attr(f).Size, 4)
	}},
	{"nodes below survive the rename of a directory", 0, func(s *suite) {
		d := s.dir("a")
		f := s.file("a/f", "x")
		s.must(s.root.Rename(s.ctx, nil, "a", s.root, "b", false))
		same(s, "contents", s.read(f), "x")
		same(s, "found", s.lookup("b/f").ID(), f.ID())
		n, err := d.Create(s.ctx, nil, "g", vfs.CreateOptions{Type: vfs.TypeRegular})
		s.must(err)
		n.Release()
		sameList(s, "entries", s.names(s.lookup("b")), []string{"f", "g"})
	}},
	{"without replace an existing name stays", 0, func(s *suite) {
		s.file("a", "a")
		s.file("b", "b")
		s.dir("d")
		s.dir("e")
		for _, to := range []string{"b", "d"} {
			s.wantErr("file", s.root.Rename(s.ctx, nil, "a", s.root, to, false), fs.ErrExist)
		}
		s.wantErr("directory", s.root.Rename(s.ctx, nil, "d", s.root, "e", false), fs.ErrExist)
		same(s, "contents", s.read(s.lookup("b")), "b")
	}},
	{"replacing a file", 0, func(s *suite) {
		a, b := s.file("a", "a"), s.file("b", "b")
		s.must(s.root.Rename(s.ctx, nil, "a", s.root, "b", true))
		same(s, "id", s.lookup("b").ID(), a.ID())
		same(s, "the replaced one lives while it is held", s.read(b), "b")
		sameList(s, "root", s.names(s.root), []string{"b"})
	}},
	{"replacing directories", 0, func(s *suite) {
		s.file("f", "")
		d := s.dir("d")
		s.dir("empty")
		s.dir("full")
		s.file("full/x", "")
		s.wantErr("file over directory", s.root.Rename(s.ctx, nil, "f", s.root, "empty", true), vfs.ErrIsDir)
		s.wantErr("directory over file", s.root.Rename(s.ctx, nil, "d", s.root, "f", true), vfs.ErrNotDir)
		s.wantErr("over a full directory", s.root.Rename(s.ctx, nil, "d", s.root, "full", true), vfs.ErrNotEmpty)
		s.must(s.root.Rename(s.ctx, nil, "d", s.root, "empty", true))
		same(s, "id", s.lookup("empty").ID(), d.ID())
	}},
	{"a directory does not go below itself", 0, func(s *suite) {
		d := s.dir("d")
		sub := s.dir("d/sub")
		s.wantErr("into itself", s.root.Rename(s.ctx, nil, "d", d, "x", false), fs.ErrInvalid)
		s.wantErr("deeper", s.root.Rename(s.ctx, nil, "d", sub, "x", false), fs.ErrInvalid)
		s.wantErr("deeper, replacing", s.root.Rename(s.ctx, nil, "d", sub, "x", true), fs.ErrInvalid)
		same(s, "still there", s.exists("d/sub"), true)
	}},
	{"a rename to the same name does nothing", 0, func(s *suite) {
		f := s.file("f", "x")
		for _, replace := range []bool{false, true} {
			s.must(s.root.Rename(s.ctx, nil, "f", s.root, "f", replace))
		}
		same(s, "id", s.lookup("f").ID(), f.ID())
		s.wantErr("missing", s.root.Rename(s.ctx, nil, "g", s.root, "g", false), fs.ErrNotExist)
	}},
	{"a rename can change the case alone", 0, func(s *suite) {
		f := s.create("name", vfs.CreateOptions{Type: vfs.TypeRegular, Fold: true})
		for i, name := range []string{"Name", "NAME", "name"} {
			from := s.names(s.root)[0]
			s.must(s.root.Rename(s.ctx, nil, from, s.root, name, i%2 == 1))
			sameList(s, "root", s.names(s.root), []string{name})
			n, actual, err := s.root.Lookup(s.ctx, nil, "nAmE", vfs.LookupOptions{Fold: true})
			s.must(err)
			same(s, "id", n.ID(), f.ID())
			same(s, "actual", actual, name)
			n.Release()
		}
	}},
	{"concurrent renames lose nothing", 0, func(s *suite) {
		dirs := []vfs.Node{s.dir("a"), s.dir("b"), s.root}
		want := s.fill(dirs[0], 8)
		var wg sync.WaitGroup
		for from := range dirs {
			to := (from + 1) % len(dirs)
			wg.Go(func() {
				for range 20 {
					for _, name := range want {
						err := dirs[from].Rename(s.ctx, nil, name, dirs[to], name, false)
						if err != nil && !isNotExist(err) {
							s.Error(err)
						}
					}
				}
			})
		}
		wg.Wait()
		var got []string
		for _, d := range dirs {
			for _, name := range s.names(d) {
				if name != "a" && name != "b" {
					got = append(got, name)
				}
			}
		}
		slices.Sort(got)
		sameList(s, "files", got, want)
	}},
	{"errors", 0, func(s *suite) {
		s.file("f", "")
		s.wantErr("missing", s.root.Rename(s.ctx, nil, "none", s.root, "x", false), fs.ErrNotExist)
		s.wantErr("missing, replacing", s.root.Rename(s.ctx, nil, "none", s.root, "f", true), fs.ErrNotExist)
		s.wantErr("foreign node", s.root.Rename(s.ctx, nil, "f", vfs.UnimplementedNode{}, "x", false), vfs.ErrCrossDevice)
		for _, name := range badNames {
			s.wantErr(fmt.Sprintf("from %q", name), s.root.Rename(s.ctx, nil, name, s.root, "x", true), vfs.ErrInvalidName)
			s.wantErr(fmt.Sprintf("to %q", name), s.root.Rename(s.ctx, nil, "f", s.root, name, true), vfs.ErrInvalidName)
		}
	}},
}

var linkRules = []rule{
	{"a file with two names", vfs.CapHardLinks, func(s *suite) {
		f := s.file("a", "data")
		d := s.dir("d")
		s.must(d.Link(s.ctx, nil, f, "b", false))
		b := s.lookup("d/b")
		same(s, "id", b.ID(), f.ID())
		same(s, "links", s.attr(b).NLink, 2)
		s.write(b, "DATA", 0)
		same(s, "contents", s.read(f), "DATA")
		s.must(s.root.Remove(s.ctx, nil, "a"))
		same(s, "links left", s.attr(f).NLink, 1)
		same(s, "contents left", s.read(b), "DATA")
	}},
	{"an existing name stays without replace", vfs.CapHardLinks, func(s *suite) {
		f, g := s.file("f", "f"), s.file("g", "g")
		s.wantErr("link", s.root.Link(s.ctx, nil, f, "g", false), fs.ErrExist)
		s.must(s.root.Link(s.ctx, nil, f, "g", true))
		same(s, "id", s.lookup("g").ID(), f.ID())
		same(s, "the replaced one lives while it is held", s.read(g), "g")
		s.must(s.root.Link(s.ctx, nil, f, "g", true))
		same(s, "links", s.attr(f).NLink, 2)
		sameList(s, "root", s.names(s.root), []string{"f", "g"})
	}},
	{"renaming one link over another", vfs.CapHardLinks, func(s *suite) {
		f := s.file("a", "x")
		s.must(s.root.Link(s.ctx, nil, f, "b", false))
		s.wantErr("without replace", s.root.Rename(s.ctx, nil, "a", s.root, "b", false), fs.ErrExist)
		s.must(s.root.Rename(s.ctx, nil, "a", s.root, "b", true))
		sameList(s, "root", s.names(s.root), []string{"b"})
		same(s, "links", s.attr(f).NLink, 1)
	}},
	{"errors", vfs.CapHardLinks, func(s *suite) {
		f := s.file("f", "")
		d := s.dir("d")
		s.wantErr("of a directory", s.root.Link(s.ctx, nil, d, "x", false), vfs.ErrIsDir)
		s.wantErr("over a directory", s.root.Link(s.ctx, nil, f, "d", true), vfs.ErrIsDir)
		s.wantErr("foreign node", s.root.Link(s.ctx, nil, vfs.UnimplementedNode{}, "x", false), vfs.ErrCrossDevice)
		s.wantErr("in a file", f.Link(s.ctx, nil, f, "x", false), vfs.ErrNotDir)
		for _, name := range badNames {
			s.wantErr(fmt.Sprintf("%q", name), s.root.Link(s.ctx, nil, f, name, true), vfs.ErrInvalidName)
		}
	}},
	{"folding sees links", vfs.CapHardLinks, func(s *suite) {
		f := s.file("f", "")
		s.wantErr("before", s.lookupErr("LINK", vfs.LookupOptions{Fold: true}), fs.ErrNotExist)
		s.must(s.root.Link(s.ctx, nil, f, "link", false))
		s.must(s.lookupErr("LINK", vfs.LookupOptions{Fold: true}))
	}},
}

var removeRules = []rule{
	{"a node survives its last name", 0, func(s *suite) {
		f := s.file("f", "data")
		h := s.open(f, readWrite)
		s.must(s.root.Remove(s.ctx, nil, "f"))
		same(s, "exists", s.exists("f"), false)
		same(s, "links", s.attr(f).NLink, 0)
		_, err := h.WriteAt([]byte("DATA"), 0)
		s.must(err)
		sameBytes(s, "contents", s.readAll(h), []byte("DATA"))
		same(s, "opened again", s.read(f), "DATA")
	}},
	{"files and empty directories", 0, func(s *suite) {
		s.dir("d")
		s.file("d/f", "")
		s.wantErr("full", s.root.Remove(s.ctx, nil, "d"), vfs.ErrNotEmpty)
		s.must(s.lookup("d").Remove(s.ctx, nil, "f"))
		s.must(s.root.Remove(s.ctx, nil, "d"))
		sameList(s, "root", s.names(s.root), nil)
		s.wantErr("again", s.root.Remove(s.ctx, nil, "d"), fs.ErrNotExist)
	}},
	{"names are exact", vfs.CapCaseSensitive, func(s *suite) {
		s.file("Name", "")
		s.wantErr("other case", s.root.Remove(s.ctx, nil, "name"), fs.ErrNotExist)
	}},
	{"bad names are refused", 0, func(s *suite) {
		for _, name := range badNames {
			s.wantErr(fmt.Sprintf("%q", name), s.root.Remove(s.ctx, nil, name), vfs.ErrInvalidName)
		}
	}},
	{"a name can be used again with a new id", 0, func(s *suite) {
		first := s.file("f", "")
		id := first.ID()
		s.must(s.root.Remove(s.ctx, nil, "f"))
		second := s.file("f", "")
		if second.ID() == id {
			s.Error("the id of a file that is still held was given again")
		}
		if id.Key() == second.ID().Key() {
			s.Error("two ids with one key")
		}
	}},
}

var symlinkRules = []rule{
	{"a link is found as a link and read", vfs.CapSymlinks, func(s *suite) {
		n, err := s.root.Symlink(s.ctx, nil, "l", "target")
		s.must(err)
		s.keep(n)
		same(s, "type", n.Type(), vfs.TypeSymlink)
		l := s.lookup("l")
		same(s, "id", l.ID(), n.ID())
		target, err := l.Readlink(s.ctx, nil)
		s.must(err)
		same(s, "target", target, "target")
		_, err = l.Open(s.ctx, nil, vfs.OpenMode{Read: true})
		s.wantErr("open", err, errors.ErrUnsupported)
		_, err = s.root.Readlink(s.ctx, nil)
		s.wantErr("not a link", err, fs.ErrInvalid)
		_, err = s.root.Symlink(s.ctx, nil, "l", "other")
		s.wantErr("again", err, fs.ErrExist)
		for _, name := range badNames {
			_, err = s.root.Symlink(s.ctx, nil, name, "x")
			s.wantErr(fmt.Sprintf("%q", name), err, vfs.ErrInvalidName)
		}
	}},
	{"a dangling link is missing", vfs.CapSymlinks, func(s *suite) {
		s.link("l", "nowhere")
		s.wantErr("followed", s.lookupErr("l", vfs.LookupOptions{}), fs.ErrNotExist)
		s.wantErr("followed, folded", s.lookupErr("L", vfs.LookupOptions{Fold: true}), fs.ErrNotExist)
		s.wantErr("on the way", s.lookupErr("l/x", vfs.LookupOptions{}), vfs.ErrPathNotFound)
		_, err := s.root.Create(s.ctx, nil, "l", vfs.CreateOptions{Type: vfs.TypeRegular})
		s.wantErr("created through", err, fs.ErrExist)
	}},
	{"links do not lead out", vfs.CapSymlinks, func(s *suite) {
		s.dir("d")
		for name, target := range map[string]string{
			"up": "..", "far": "../../../../../../../../etc", "abs": "/", "etc": "/etc",
			"d/up": "../..", "d/deep": "../../../../etc/passwd", "proc": "/proc/self/root",
		} {
			s.link(name, target)
			for _, opts := range []vfs.LookupOptions{{}, {Fold: true}, {Hint: readWrite}, {Hint: vfs.OpenMode{Read: true}, Fold: true}} {
				s.wantErr(name, s.lookupErr(name, opts), fs.ErrNotExist)
				s.wantErr(name+"/etc", s.lookupErr(name+"/etc", opts), vfs.ErrPathNotFound)
			}
		}
	}},
	{"links in circles end", vfs.CapSymlinks, func(s *suite) {
		s.link("a", "b")
		s.link("b", "a")
		s.link("self", "self")
		for _, path := range []string{"a", "b", "self"} {
			s.wantErr(path, s.lookupErr(path, vfs.LookupOptions{Fold: true}), fs.ErrNotExist)
			s.wantErr(path+"/x", s.lookupErr(path+"/x", vfs.LookupOptions{}), vfs.ErrPathNotFound)
		}
	}},
	{"removing and renaming a link leaves its target", vfs.CapSymlinks, func(s *suite) {
		s.file("f", "keep")
		s.link("l", "f")
		s.must(s.root.Rename(s.ctx, nil, "l", s.root, "m", false))
		same(s, "type", s.lookup("m").Type(), vfs.TypeSymlink)
		s.must(s.root.Remove(s.ctx, nil, "m"))
		same(s, "target", s.read(s.lookup("f")), "keep")
	}},
}

// link makes a symbolic link.
func (s *suite) link(path, target string) {
	s.Helper()
	dir, name := split(path)
	n, err := s.lookup(dir).Symlink(s.ctx, nil, name, target)
	s.must(err)
	n.Release()
}
