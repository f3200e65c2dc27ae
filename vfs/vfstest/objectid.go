package vfstest

import (
	"errors"
	"io/fs"
	"strings"

	"lessor/vfs"
)

// objectID makes an id of a letter.
func objectID(letter string) []byte { return []byte(strings.Repeat(letter, vfs.ObjectIDSize)) }

// sameObjectID checks the id of a node.
func (s *suite) sameObjectID(what string, n vfs.Node, want []byte) {
	s.Helper()
	got, err := n.ObjectID(s.ctx, nil)
	s.must(err)
	same(s, what, string(got), string(want))
}

var objectIDRules = []rule{
	{"stored once, replaced and removed", vfs.CapObjectID, func(s *suite) {
		for _, n := range []vfs.Node{s.file("f", "data"), s.dir("d")} {
			s.sameObjectID("before", n, nil)
			s.must(n.SetObjectID(s.ctx, nil, objectID("a"), false))
			s.wantErr("second", n.SetObjectID(s.ctx, nil, objectID("b"), false), fs.ErrExist)
			s.sameObjectID("first stays", n, objectID("a"))
			s.must(n.SetObjectID(s.ctx, nil, objectID("b"), true))
			s.sameObjectID("replaced", n, objectID("b"))
			for range 2 { // the second time there is nothing
				s.must(n.SetObjectID(s.ctx, nil, nil, false))
				s.sameObjectID("removed", n, nil)
			}
			s.wantErr("length", n.SetObjectID(s.ctx, nil, []byte("short"), true), fs.ErrInvalid)
		}
	}},
	{"goes with the file and is not an attribute", vfs.CapObjectID | vfs.CapXattr, func(s *suite) {
		f := s.file("f", "data")
		s.must(f.SetObjectID(s.ctx, nil, objectID("a"), false))
		list, err := f.ListXattr(s.ctx, nil)
		s.must(err)
		same(s, "attributes", len(list), 0)
		s.must(s.root.Rename(s.ctx, nil, "f", s.root, "g", false))
		s.sameObjectID("renamed", s.lookup("g"), objectID("a"))
		s.sameObjectID("another file", s.file("f", "data"), nil)
	}},
	{"a stream has that of its file", vfs.CapObjectID | vfs.CapStreams, func(s *suite) {
		f := s.file("f", "")
		st, err := f.Stream(s.ctx, nil, "s", true)
		s.must(err)
		s.keep(st)
		s.must(st.SetObjectID(s.ctx, nil, objectID("a"), false))
		s.sameObjectID("file", f, objectID("a"))
		s.sameObjectID("stream", st, objectID("a"))
	}},
	{"symbolic links have none", vfs.CapObjectID | vfs.CapSymlinks, func(s *suite) {
		link, err := s.root.Symlink(s.ctx, nil, "l", "f")
		s.must(err)
		s.keep(link)
		s.wantErr("link", link.SetObjectID(s.ctx, nil, objectID("a"), true), errors.ErrUnsupported)
		s.sameObjectID("link", link, nil)
	}},
}

var compressionRules = []rule{
	{"compression is set, seen and handed on", vfs.CapCompression, func(s *suite) {
		d := s.dir("d")
		for _, n := range []vfs.Node{s.file("f", ""), d} {
			same(s, "before", s.attr(n).Compressed, false)
			for _, on := range []bool{true, true, false, true} {
				s.set(n, vfs.SetAttr{Mask: vfs.SetCompressed, Compressed: on})
				same(s, "compressed", s.attr(n).Compressed, on)
			}
		}
		same(s, "listed", s.listedAttr("f").Compressed, true)
		same(s, "new in the directory", s.attr(s.file("d/x", "")).Compressed, true)
	}},
}
