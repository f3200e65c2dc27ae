package vfstest

import (
	"bytes"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"lessor/vfs"
)

var attrRules = []rule{
	{"each field alone", 0, func(s *suite) {
		f := s.file("f", "data")
		access, modify := time.Unix(1_000_000_000, 100), time.Unix(1_100_000_000, 200)
		s.set(f, vfs.SetAttr{Mask: vfs.SetAccess, Access: access, Modify: time.Unix(1, 0), Size: 1, Mode: 0o777})
		before := s.attr(f)
		s.set(f, vfs.SetAttr{Mask: vfs.SetModify, Modify: modify})
		a := s.attr(f)
		sameTime(s, "access", a.Access, access)
		sameTime(s, "modify", a.Modify, modify)
		same(s, "size", a.Size, 4)
		same(s, "mode", a.Mode, before.Mode)
		s.set(f, vfs.SetAttr{Mask: vfs.SetMode, Mode: 0o640})
		a = s.attr(f)
		same(s, "mode", a.Mode, 0o640)
		sameTime(s, "modify", a.Modify, modify)
	}},
	{"times survive the other changes of one call", 0, func(s *suite) {
		f := s.file("f", "data")
		when := time.Unix(1_234_567_890, 0)
		s.set(f, vfs.SetAttr{Mask: vfs.SetSize | vfs.SetMode | vfs.SetModify | vfs.SetAccess, Size: 2, Mode: 0o600, Modify: when, Access: when})
		a := s.attr(f)
		sameTime(s, "modify", a.Modify, when)
		sameTime(s, "access", a.Access, when)
		same(s, "size", a.Size, 2)
	}},
	{"times far away", vfs.CapSubsecond, func(s *suite) {
		f := s.file("f", "")
		for _, when := range []time.Time{
			time.Date(2400, 2, 29, 12, 30, 0, 123_456_700, time.UTC),
			time.Date(2038, 1, 19, 3, 14, 8, 0, time.UTC),
			time.Date(1969, 12, 31, 23, 59, 59, 500_000_000, time.UTC),
			time.Date(1935, 6, 7, 8, 9, 10, 0, time.UTC),
			time.Unix(0, 0),
		} {
			s.set(f, vfs.SetAttr{Mask: vfs.SetAccess | vfs.SetModify, Access: when, Modify: when})
			a := s.attr(f)
			sameTime(s, "modify", a.Modify, when)
			sameTime(s, "access", a.Access, when)
		}
	}},
	{"a write moves the modification time", 0, func(s *suite) {
		f := s.file("f", "")
		old := time.Unix(1_000_000_000, 0)
		s.set(f, vfs.SetAttr{Mask: vfs.SetModify, Modify: old})
		s.write(f, "x", 0)
		if a := s.attr(f); !a.Modify.After(old) {
			s.Errorf("modified %v", a.Modify)
		}
	}},
	{"a new entry moves the directory's modification time", 0, func(s *suite) {
		d := s.dir("d")
		old := time.Unix(1_000_000_000, 0)
		s.set(d, vfs.SetAttr{Mask: vfs.SetModify, Modify: old})
		s.file("d/x", "")
		if a := s.attr(d); !a.Modify.After(old) {
			s.Errorf("modified %v", a.Modify)
		}
	}},
	{"DOS attributes and birth", vfs.CapDOS, func(s *suite) {
		for _, n := range []vfs.Node{s.file("f", ""), s.dir("d"), s.lookup("f")} {
			was := s.attr(n)
			bits := vfs.DOSHidden | vfs.DOSSystem | vfs.DOSReadOnly | vfs.DOSNotIndexed
			s.set(n, vfs.SetAttr{Mask: vfs.SetDOS, DOS: bits | 0x10 | 0x80000000})
			a := s.attr(n)
			same(s, "DOS", a.DOS, bits)
			same(s, "DOSSet", a.DOSSet, true)
			sameTime(s, "birth stays", a.Birth, was.Birth)
			birth := time.Date(1999, 12, 31, 23, 59, 58, 100, time.UTC)
			s.set(n, vfs.SetAttr{Mask: vfs.SetBirth, Birth: birth})
			a = s.attr(n)
			sameTime(s, "birth", a.Birth, birth)
			same(s, "DOS stays", a.DOS, bits)
			s.set(n, vfs.SetAttr{Mask: vfs.SetDOS})
			a = s.attr(n)
			same(s, "cleared", a.DOS, 0)
			same(s, "cleared is set", a.DOSSet, true)
			sameTime(s, "birth", a.Birth, birth)
		}
	}},
	{"births far away", vfs.CapDOS, func(s *suite) {
		f := s.file("f", "")
		for _, when := range []time.Time{
			time.Date(2400, 2, 29, 12, 30, 0, 123_456_700, time.UTC),
			time.Date(1969, 12, 31, 23, 59, 59, 500_000_000, time.UTC),
			time.Date(1601, 1, 2, 0, 0, 0, 0, time.UTC),
		} {
			s.set(f, vfs.SetAttr{Mask: vfs.SetBirth, Birth: when})
			sameTime(s, "birth", s.attr(f).Birth, when)
		}
	}},
	{"birth alone does not make attributes set", vfs.CapDOS, func(s *suite) {
		f := s.file("f", "")
		same(s, "before", s.attr(f).DOSSet, false)
		s.set(f, vfs.SetAttr{Mask: vfs.SetBirth, Birth: time.Unix(1_000_000_000, 0)})
		same(s, "after", s.attr(f).DOSSet, false)
	}},
	{"attributes belong to the file", vfs.CapDOS, func(s *suite) {
		f := s.file("f", "")
		s.set(f, vfs.SetAttr{Mask: vfs.SetDOS, DOS: vfs.DOSHidden})
		s.must(s.root.Rename(s.ctx, nil, "f", s.root, "g", false))
		same(s, "after rename", s.attr(s.lookup("g")).DOS, vfs.DOSHidden)
		other := s.lookup("g")
		s.set(other, vfs.SetAttr{Mask: vfs.SetDOS, DOS: vfs.DOSArchive})
		same(s, "through another node", s.attr(f).DOS, vfs.DOSArchive)
	}},
	{"a change time goes with every change", 0, func(s *suite) {
		f := s.file("f", "")
		before := s.attr(f).Change
		s.set(f, vfs.SetAttr{Mask: vfs.SetMode, Mode: 0o600})
		if after := s.attr(f).Change; after.Before(before) {
			s.Errorf("went back from %v to %v", before, after)
		}
		err := f.SetAttr(s.ctx, nil, &vfs.SetAttr{Mask: vfs.SetChange, Change: time.Unix(1_000_000_000, 0)})
		s.must(err)
		if !s.fs.Caps().Has(vfs.CapChangeTime) {
			return
		}
		sameTime(s, "change", s.attr(f).Change, time.Unix(1_000_000_000, 0))
		h := s.open(s.root, vfs.OpenMode{Read: true})
		for _, e := range s.entries(h, 8) {
			a, err := h.EntryAttr(s.ctx, nil, &e)
			s.must(err)
			sameTime(s, "change in a listing", a.Change, time.Unix(1_000_000_000, 0))
		}
		s.set(f, vfs.SetAttr{Mask: vfs.SetMode, Mode: 0o640})
		if after := s.attr(f).Change; after.Before(before) {
			s.Errorf("still at %v after another change", after)
		}
	}},
}

// descriptor is a self-relative security descriptor: an owner and nothing else.
var descriptor = []byte{
	1, 0, 0, 0x80, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0,
}

var securityRules = []rule{
	{"a descriptor is kept byte by byte", vfs.CapSecurity, func(s *suite) {
		for _, n := range []vfs.Node{s.file("f", ""), s.dir("d"), s.lookup("f"), s.root} {
			sd, err := n.Security(s.ctx, nil)
			s.must(err)
			if n.Type() == vfs.TypeDirectory && sd != nil {
				s.Errorf("before: %x", sd)
			}
			s.must(n.SetSecurity(s.ctx, nil, descriptor))
			sd, err = n.Security(s.ctx, nil)
			s.must(err)
			sameBytes(s, "descriptor", sd, descriptor)
		}
		s.must(s.root.Rename(s.ctx, nil, "f", s.root, "g", false))
		g := s.lookup("g")
		sd, err := g.Security(s.ctx, nil)
		s.must(err)
		sameBytes(s, "after rename", sd, descriptor)
		s.must(g.SetSecurity(s.ctx, nil, nil))
		sd, err = g.Security(s.ctx, nil)
		s.must(err)
		if sd != nil {
			s.Errorf("after removal: %x", sd)
		}
		s.must(g.SetSecurity(s.ctx, nil, nil))
	}},
	{"a large descriptor", vfs.CapSecurity, func(s *suite) {
		f := s.file("f", "")
		sd := append(bytes.Clone(descriptor), make([]byte, 2000)...)
		s.must(f.SetSecurity(s.ctx, nil, sd))
		got, err := f.Security(s.ctx, nil)
		s.must(err)
		sameBytes(s, "descriptor", got, sd)
	}},
}

var xattrRules = []rule{
	{"set, get, list, remove", vfs.CapXattr, func(s *suite) {
		for _, n := range []vfs.Node{s.file("f", ""), s.dir("d"), s.lookup("f")} {
			_, err := n.Xattr(s.ctx, nil, "none")
			s.wantErr("missing", err, fs.ErrNotExist)
			s.must(n.SetXattr(s.ctx, nil, "none", nil))
			s.must(n.SetXattr(s.ctx, nil, "b", []byte("two")))
			s.must(n.SetXattr(s.ctx, nil, "A", []byte{0, 1, 0}))
			s.must(n.SetXattr(s.ctx, nil, "empty", []byte{}))
			list, err := n.ListXattr(s.ctx, nil)
			s.must(err)
			sameList(s, "names", list, []string{"A", "b", "empty"})
			v, err := n.Xattr(s.ctx, nil, "A")
			s.must(err)
			sameBytes(s, "A", v, []byte{0, 1, 0})
			v, err = n.Xattr(s.ctx, nil, "empty")
			s.must(err)
			sameBytes(s, "empty", v, nil)
			for _, name := range []string{"A", "b", "empty"} {
				s.must(n.SetXattr(s.ctx, nil, name, nil))
			}
			list, err = n.ListXattr(s.ctx, nil)
			s.must(err)
			sameList(s, "none left", list, nil)
		}
	}},
	{"names without regard to case", vfs.CapXattr, func(s *suite) {
		f := s.file("f", "")
		s.must(f.SetXattr(s.ctx, nil, "Name", []byte("1")))
		s.must(f.SetXattr(s.ctx, nil, "NAME", []byte("22")))
		list, err := f.ListXattr(s.ctx, nil)
		s.must(err)
		sameList(s, "names", list, []string{"Name"})
		v, err := f.Xattr(s.ctx, nil, "name")
		s.must(err)
		sameBytes(s, "value", v, []byte("22"))
		s.must(f.SetXattr(s.ctx, nil, "nAME", nil))
		_, err = f.Xattr(s.ctx, nil, "Name")
		s.wantErr("removed", err, fs.ErrNotExist)
	}},
	{"nothing of the implementation shows", vfs.CapXattr | vfs.CapDOS | vfs.CapSecurity | vfs.CapStreams, func(s *suite) {
		f := s.file("f", "")
		s.set(f, vfs.SetAttr{Mask: vfs.SetDOS | vfs.SetBirth, DOS: vfs.DOSHidden, Birth: time.Unix(1, 0)})
		s.must(f.SetSecurity(s.ctx, nil, descriptor))
		n, err := f.Stream(s.ctx, nil, "stream", true)
		s.must(err)
		n.Release()
		list, err := f.ListXattr(s.ctx, nil)
		s.must(err)
		sameList(s, "names", list, nil)
	}},
	{"bad names and sizes", vfs.CapXattr, func(s *suite) {
		f := s.file("f", "")
		s.wantErr("empty", f.SetXattr(s.ctx, nil, "", []byte("x")), vfs.ErrInvalidName)
		s.wantErr("zero", f.SetXattr(s.ctx, nil, "a\x00b", []byte("x")), vfs.ErrInvalidName)
		err := f.SetXattr(s.ctx, nil, "big", make([]byte, 1<<20))
		s.oneOf("a value of 1 MiB", err, vfs.ErrTooLarge, vfs.ErrNoSpace)
		err = f.SetXattr(s.ctx, nil, strings.Repeat("n", 300), []byte("x"))
		s.oneOf("a name of 300 bytes", err, nil, vfs.ErrNameTooLong, vfs.ErrTooLarge, vfs.ErrInvalidName)
	}},
	{"many attributes", vfs.CapXattr, func(s *suite) {
		f := s.file("f", "")
		for i := range 30 {
			s.must(f.SetXattr(s.ctx, nil, fmt.Sprintf("name%02d", i), []byte("some value")))
		}
		list, err := f.ListXattr(s.ctx, nil)
		s.must(err)
		same(s, "number", len(list), 30)
	}},
}
