package vfstest

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"lessor/vfs"
)

// reparsePoint is what a client stores for a FIFO; nothing here looks into it.
const reparsePoint = "\x14\x00\x00\x80\x08\x00\x00\x00FIFO\x00\x00\x00\x00"

var reparseRules = []rule{
	{"stored, listed, replaced and removed", vfs.CapReparse, func(s *suite) {
		f := s.file("f", "")
		same(s, "before", s.attr(f).Reparse, "")
		s.must(f.SetReparse(s.ctx, nil, []byte(reparsePoint)))
		a := s.attr(f)
		same(s, "node", a.Reparse, reparsePoint)
		same(s, "type", a.Type, vfs.TypeRegular)
		same(s, "looked up", s.attr(s.lookup("f")).Reparse, reparsePoint)
		same(s, "listed", s.listedAttr("f").Reparse, reparsePoint)

		long := reparsePoint + strings.Repeat("x", 3000)
		s.must(f.SetReparse(s.ctx, nil, []byte(long)))
		same(s, "replaced", s.attr(f).Reparse, long)
		same(s, "listed", s.listedAttr("f").Reparse, long)

		for range 2 { // the second time there is nothing
			s.must(f.SetReparse(s.ctx, nil, nil))
			same(s, "removed", s.attr(f).Reparse, "")
			same(s, "listed", s.listedAttr("f").Reparse, "")
		}
	}},
	{"the rest of the file stays", vfs.CapReparse | vfs.CapDOS | vfs.CapXattr, func(s *suite) {
		f := s.file("f", "data")
		s.must(f.SetXattr(s.ctx, nil, "one", []byte("1")))
		before := s.attr(f)
		s.must(f.SetReparse(s.ctx, nil, []byte(reparsePoint)))
		s.set(f, vfs.SetAttr{Mask: vfs.SetDOS, DOS: vfs.DOSHidden})
		s.set(f, vfs.SetAttr{Mask: vfs.SetMode, Mode: 0o600})
		a := s.attr(f)
		same(s, "reparse point", a.Reparse, reparsePoint)
		same(s, "DOS", a.DOS, vfs.DOSHidden)
		same(s, "mode", a.Mode, 0o600)
		same(s, "size", a.Size, 4)
		same(s, "id", a.ID, before.ID)
		sameTime(s, "birth", a.Birth, before.Birth)
		same(s, "data", s.read(f), "data")
		list, err := f.ListXattr(s.ctx, nil)
		s.must(err)
		same(s, "attributes", strings.Join(list, " "), "one")
		s.must(s.root.Rename(s.ctx, nil, "f", s.root, "g", false))
		same(s, "renamed", s.attr(s.lookup("g")).Reparse, reparsePoint)
	}},
	{"of a directory", vfs.CapReparse, func(s *suite) {
		d := s.dir("d")
		s.must(d.SetReparse(s.ctx, nil, []byte(reparsePoint)))
		a := s.attr(s.lookup("d"))
		same(s, "node", a.Reparse, reparsePoint)
		same(s, "type", a.Type, vfs.TypeDirectory)
		same(s, "DOS", a.DOS, 0)
		same(s, "listed", s.listedAttr("d").Reparse, reparsePoint)
		s.must(d.SetReparse(s.ctx, nil, nil))
		same(s, "removed", s.attr(d).Reparse, "")
		s.must(d.SetReparse(s.ctx, nil, []byte(reparsePoint)))
		s.must(s.root.Remove(s.ctx, nil, "d"))
	}},
	{"bounds and types", vfs.CapReparse, func(s *suite) {
		f := s.file("f", "")
		s.wantErr("short", f.SetReparse(s.ctx, nil, []byte("1234567")), fs.ErrInvalid)
		s.wantErr("empty", f.SetReparse(s.ctx, nil, []byte{}), fs.ErrInvalid)
		s.wantErr("long", f.SetReparse(s.ctx, nil, make([]byte, vfs.MaxReparse+1)), vfs.ErrTooLarge)
		same(s, "file", s.attr(f).Reparse, "")
	}},
	{"symbolic links have none", vfs.CapReparse | vfs.CapSymlinks, func(s *suite) {
		link, err := s.root.Symlink(s.ctx, nil, "l", "f")
		s.must(err)
		s.keep(link)
		s.wantErr("link", link.SetReparse(s.ctx, nil, []byte(reparsePoint)), errors.ErrUnsupported)
	}},
	{"permission bits that were asked for exactly", 0, func(s *suite) {
		for _, typ := range []vfs.FileType{vfs.TypeRegular, vfs.TypeDirectory} {
			for _, mode := range []uint32{0o777, 0o666, 0o640, 0o400, 0} {
				name := fmt.Sprintf("%v %o", typ, mode)
				n := s.create(name, vfs.CreateOptions{Type: typ, Mode: mode, ModeSet: true})
				same(s, "mode of "+name, s.attr(n).Mode, mode)
			}
		}
	}},
}

// listedAttr returns the attributes of an entry of the root.
func (s *suite) listedAttr(name string) vfs.Attr {
	s.Helper()
	h, err := s.root.Open(s.ctx, nil, vfs.OpenMode{Read: true})
	s.must(err)
	defer func() { s.must(h.Close()) }()
	a, err := h.EntryAttr(s.ctx, nil, &vfs.DirEntry{Name: name})
	s.must(err)
	return a
}
