package vfstest

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"lessor/vfs"
)

// isNotExist reports whether an error is fs.ErrNotExist.
func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }

var createRules = []rule{
	{"a new file is empty and has an id of its own", 0, func(s *suite) {
		a, b := s.file("a", ""), s.file("b", "")
		same(s, "type", a.Type(), vfs.TypeRegular)
		at := s.attr(a)
		same(s, "size", at.Size, 0)
		same(s, "links", at.NLink, 1)
		same(s, "id", at.ID, a.ID())
		if a.ID() == b.ID() {
			s.Error("two files with one id")
		}
		if now := time.Now(); now.Sub(at.Birth).Abs() > time.Hour || now.Sub(at.Modify).Abs() > time.Hour {
			s.Errorf("born %v, modified %v", at.Birth, at.Modify)
		}
	}},
	{"a new directory is empty", 0, func(s *suite) {
		d := s.dir("d")
		same(s, "type", d.Type(), vfs.TypeDirectory)
		same(s, "size", s.attr(d).Size, 0)
		sameList(s, "entries", s.names(d), nil)
		sameList(s, "root", s.names(s.root), []string{"d"})
	}},
	{"creation is exclusive", 0, func(s *suite) {
		s.file("f", "keep")
		s.dir("d")
		for _, name := range []string{"f", "d"} {
			for _, typ := range []vfs.FileType{vfs.TypeRegular, vfs.TypeDirectory} {
				_, err := s.root.Create(s.ctx, nil, name, vfs.CreateOptions{Type: typ})
				s.wantErr(name, err, fs.ErrExist)
			}
		}
		same(s, "contents", s.read(s.lookup("f")), "keep")
	}},
	{"bad names are refused", 0, func(s *suite) {
		for _, name := range badNames {
			_, err := s.root.Create(s.ctx, nil, name, vfs.CreateOptions{Type: vfs.TypeRegular})
			s.wantErr(fmt.Sprintf("%q", name), err, vfs.ErrInvalidName)
			_, err = s.root.Create(s.ctx, nil, name, vfs.CreateOptions{Type: vfs.TypeDirectory, Fold: true})
			s.wantErr(fmt.Sprintf("%q", name), err, vfs.ErrInvalidName)
		}
		sameList(s, "root", s.names(s.root), nil)
	}},
	{"folding refuses a variant of an existing name", 0, func(s *suite) {
		s.file("File", "")
		for _, name := range []string{"File", "file", "FILE"} {
			_, err := s.root.Create(s.ctx, nil, name, vfs.CreateOptions{Type: vfs.TypeRegular, Fold: true})
			s.wantErr(name, err, fs.ErrExist)
		}
		s.create("other", vfs.CreateOptions{Type: vfs.TypeDirectory, Fold: true})
		_, err := s.root.Create(s.ctx, nil, "OTHER", vfs.CreateOptions{Type: vfs.TypeRegular, Fold: true})
		s.wantErr("OTHER", err, fs.ErrExist)
		s.must(s.root.Remove(s.ctx, nil, "File"))
		s.create("FILE", vfs.CreateOptions{Type: vfs.TypeRegular, Fold: true})
	}},
	{"without folding variants coexist", vfs.CapCaseSensitive, func(s *suite) {
		s.file("x", "1")
		s.file("X", "2")
		sameList(s, "root", s.names(s.root), []string{"X", "x"})
	}},
	{"of concurrent creators of one folded name one wins", 0, func(s *suite) {
		names := []string{"race", "RACE", "Race", "rACE", "racE", "RaCe", "rAcE", "RACe"}
		for round := range 20 {
			var wins atomic.Int32
			var wg sync.WaitGroup
			for _, name := range names {
				wg.Go(func() {
					n, err := s.root.Create(s.ctx, nil, fmt.Sprint(name, round), vfs.CreateOptions{Type: vfs.TypeRegular, Fold: true})
					if err == nil {
						wins.Add(1)
						n.Release()
					} else if !errors.Is(err, fs.ErrExist) {
						s.Error(err)
					}
				})
			}
			wg.Wait()
			same(s, "winners", wins.Load(), 1)
		}
	}},
	{"of concurrent creators of one exact name one wins", 0, func(s *suite) {
		var wins atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if n, err := s.root.Create(s.ctx, nil, "same", vfs.CreateOptions{Type: vfs.TypeDirectory}); err == nil {
					wins.Add(1)
					n.Release()
				}
			})
		}
		wg.Wait()
		same(s, "winners", wins.Load(), 1)
	}},
	{"attributes from the start", vfs.CapDOS, func(s *suite) {
		birth := time.Date(2001, 2, 3, 4, 5, 6, 700, time.UTC)
		for name, typ := range map[string]vfs.FileType{"f": vfs.TypeRegular, "d": vfs.TypeDirectory} {
			n := s.create(name, vfs.CreateOptions{Type: typ, DOS: vfs.DOSHidden | vfs.DOSArchive, DOSSet: true, Birth: birth})
			a := s.attr(n)
			same(s, "DOS", a.DOS, vfs.DOSHidden|vfs.DOSArchive)
			same(s, "DOSSet", a.DOSSet, true)
			sameTime(s, "birth", a.Birth, birth)
		}
	}},
	{"a mode is applied", 0, func(s *suite) {
		n := s.create("f", vfs.CreateOptions{Type: vfs.TypeRegular, Mode: 0o600})
		same(s, "mode", s.attr(n).Mode, 0o600)
	}},
	{"nothing is made in a directory that is gone", 0, func(s *suite) {
		d := s.dir("d")
		s.must(s.root.Remove(s.ctx, nil, "d"))
		_, err := d.Create(s.ctx, nil, "x", vfs.CreateOptions{Type: vfs.TypeRegular})
		s.wantErr("create", err, vfs.ErrStale)
		_, err = d.Create(s.ctx, nil, "x", vfs.CreateOptions{Type: vfs.TypeDirectory, Fold: true})
		s.wantErr("create folded", err, vfs.ErrStale)
	}},
	{"nothing comes into or is found in a directory that is gone", 0, func(s *suite) {
		d := s.dir("d")
		f := s.file("f", "")
		s.must(s.root.Remove(s.ctx, nil, "d"))
		s.oneOf("rename", s.root.Rename(s.ctx, nil, "f", d, "x", false), vfs.ErrStale, fs.ErrNotExist)
		same(s, "the file stays", s.exists("f"), true)
		if s.fs.Caps().Has(vfs.CapHardLinks) {
			s.oneOf("link", d.Link(s.ctx, nil, f, "x", false), vfs.ErrStale, fs.ErrNotExist)
		}
		if s.fs.Caps().Has(vfs.CapSymlinks) {
			_, err := d.Symlink(s.ctx, nil, "x", "y")
			s.wantErr("symlink", err, vfs.ErrStale)
		}
		for _, fold := range []bool{false, true} {
			_, _, err := d.Lookup(s.ctx, nil, "x", vfs.LookupOptions{Fold: fold})
			s.oneOf("lookup", err, vfs.ErrStale, fs.ErrNotExist)
		}
		s.wantErr("remove", d.Remove(s.ctx, nil, "x"), fs.ErrNotExist)
	}},
	{"only files and directories are made", 0, func(s *suite) {
		_, err := s.root.Create(s.ctx, nil, "x", vfs.CreateOptions{Type: vfs.TypeOther})
		s.oneOf("other", err, errors.ErrUnsupported, fs.ErrInvalid)
	}},
}
