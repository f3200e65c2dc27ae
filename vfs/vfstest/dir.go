package vfstest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"lessor/vfs"
)

// fill makes n files in a directory and returns their names, sorted.
func (s *suite) fill(dir vfs.Node, n int) []string {
	s.Helper()
	var out []string
	for i := range n {
		name := fmt.Sprintf("file-%05d", i)
		f, err := dir.Create(s.ctx, nil, name, vfs.CreateOptions{Type: vfs.TypeRegular})
		s.must(err)
		f.Release()
		out = append(out, name)
	}
	return out
}

// sorted returns the names of entries in order.
func sorted(list []vfs.DirEntry) []string {
	var out []string
	for _, e := range list {
		out = append(out, e.Name)
	}
	slices.Sort(out)
	return out
}

var dirRules = []rule{
	{"every entry comes once, whatever the buffer", 0, func(s *suite) {
		d := s.dir("d")
		want := s.fill(d, 3000)
		for _, size := range []int{1, 3, 100, 5000} {
			h := s.open(d, vfs.OpenMode{Read: true})
			got := s.entries(h, size)
			sameList(s, fmt.Sprint("buffer of ", size), sorted(got), want)
			_, err := h.ReadDir(s.ctx, nil, make([]vfs.DirEntry, 1))
			s.wantErr("after the end", err, io.EOF)
		}
	}},
	{"an empty directory ends at once", 0, func(s *suite) {
		h := s.open(s.root, vfs.OpenMode{Read: true})
		n, err := h.ReadDir(s.ctx, nil, make([]vfs.DirEntry, 4))
		same(s, "entries", n, 0)
		s.wantErr("first", err, io.EOF)
	}},
	{"rewinding shows what is new", 0, func(s *suite) {
		h := s.open(s.root, vfs.OpenMode{Read: true})
		same(s, "before", len(s.entries(h, 4)), 0)
		s.fill(s.root, 10)
		s.must(h.Rewind())
		same(s, "after", len(s.entries(h, 4)), 10)
		s.must(h.Rewind())
		buf := make([]vfs.DirEntry, 3)
		_, err := h.ReadDir(s.ctx, nil, buf)
		s.must(err)
		s.must(h.Rewind())
		same(s, "after half a scan", len(s.entries(h, 4)), 10)
	}},
	{"listings of one node are independent", 0, func(s *suite) {
		s.fill(s.root, 20)
		for _, hint := range []vfs.OpenMode{{}, {Read: true}} {
			n, _, err := s.root.Lookup(s.ctx, nil, "", vfs.LookupOptions{Hint: hint})
			s.must(err)
			a, b := s.open(n, vfs.OpenMode{Read: true}), s.open(n, vfs.OpenMode{Read: true})
			n.Release()
			_, err = a.ReadDir(s.ctx, nil, make([]vfs.DirEntry, 5))
			s.must(err)
			same(s, "other", len(s.entries(b, 6)), 20)
			s.must(b.Rewind())
			same(s, "other again", len(s.entries(b, 6)), 20)
		}
	}},
	{"entries that stay come once while others come and go", 0, func(s *suite) {
		d := s.dir("d")
		want := s.fill(d, 2000)
		h := s.open(d, vfs.OpenMode{Read: true})
		seen := map[string]int{}
		buf := make([]vfs.DirEntry, 50)
		for i := 0; ; i++ {
			n, err := h.ReadDir(s.ctx, nil, buf)
			if errors.Is(err, io.EOF) {
				break
			}
			s.must(err)
			for _, e := range buf[:n] {
				seen[e.Name]++
			}
			if i%2 == 0 {
				name := fmt.Sprintf("extra-%d", i)
				f, err := d.Create(s.ctx, nil, name, vfs.CreateOptions{Type: vfs.TypeRegular})
				s.must(err)
				f.Release()
			} else {
				s.must(d.Remove(s.ctx, nil, fmt.Sprintf("extra-%d", i-1)))
			}
		}
		for _, name := range want {
			if seen[name] != 1 {
				s.Fatalf("%s came %d times", name, seen[name])
			}
		}
	}},
	{"removing while listing empties the directory", 0, func(s *suite) {
		d := s.dir("d")
		s.fill(d, 1000)
		h := s.open(d, vfs.OpenMode{Read: true})
		buf := make([]vfs.DirEntry, 64)
		for {
			n, err := h.ReadDir(s.ctx, nil, buf)
			if errors.Is(err, io.EOF) {
				break
			}
			s.must(err)
			for _, e := range buf[:n] {
				s.must(d.Remove(s.ctx, nil, e.Name))
			}
		}
		s.must(s.root.Remove(s.ctx, nil, "d"))
	}},
	{"entries have type, id and attributes", 0, func(s *suite) {
		s.file("f", "12345")
		s.dir("d")
		if s.fs.Caps().Has(vfs.CapSymlinks) {
			s.link("l", "f")
		}
		if s.fs.Caps().Has(vfs.CapDOS) {
			s.set(s.lookup("f"), vfs.SetAttr{Mask: vfs.SetDOS, DOS: vfs.DOSHidden})
		}
		h := s.open(s.root, vfs.OpenMode{Read: true})
		for _, e := range s.entries(h, 8) {
			want := s.attr(s.lookup(e.Name))
			a, err := h.EntryAttr(s.ctx, nil, &e)
			s.must(err)
			same(s, e.Name+" id", a.ID, want.ID)
			same(s, e.Name+" type", a.Type, want.Type)
			same(s, e.Name+" size", a.Size, want.Size)
			same(s, e.Name+" DOS", a.DOS, want.DOS)
			same(s, e.Name+" DOSSet", a.DOSSet, want.DOSSet)
			sameTime(s, e.Name+" birth", a.Birth, want.Birth)
			sameTime(s, e.Name+" modify", a.Modify, want.Modify)
			if e.Type != vfs.TypeUnknown {
				same(s, e.Name+" entry type", e.Type, want.Type)
			}
			if e.Inode != 0 {
				same(s, e.Name+" inode", e.Inode, want.ID.Inode)
			}
		}
		s.must(s.root.Remove(s.ctx, nil, "f"))
		_, err := h.EntryAttr(s.ctx, nil, &vfs.DirEntry{Name: "f"})
		s.wantErr("gone", err, fs.ErrNotExist)
		for _, name := range []string{"..", "d/..", "/etc", ""} {
			if _, err := h.EntryAttr(s.ctx, nil, &vfs.DirEntry{Name: name}); err == nil {
				s.Errorf("attributes of %q", name)
			}
		}
	}},
	{"entries tell whether they have extended attributes", vfs.CapXattr, func(s *suite) {
		s.must(s.file("ea", "").SetXattr(s.ctx, nil, "name", []byte("value")))
		s.must(s.dir("eadir").SetXattr(s.ctx, nil, "name", []byte{}))
		s.must(s.file("removed", "").SetXattr(s.ctx, nil, "name", []byte("value")))
		s.must(s.lookup("removed").SetXattr(s.ctx, nil, "name", nil))
		other := s.file("none", "")
		if s.fs.Caps().Has(vfs.CapDOS) {
			s.set(other, vfs.SetAttr{Mask: vfs.SetDOS, DOS: vfs.DOSHidden})
		}
		if s.fs.Caps().Has(vfs.CapStreams) {
			st, err := other.Stream(s.ctx, nil, "stream", true)
			s.must(err)
			st.Release()
		}
		many := s.file("ea-many", "")
		for i := range 40 {
			s.must(many.SetXattr(s.ctx, nil, fmt.Sprintf("a name of some length %d", i), []byte("x")))
		}
		h := s.open(s.root, vfs.OpenMode{Read: true})
		for _, e := range s.entries(h, 8) {
			a, err := h.EntryAttr(s.ctx, nil, &e)
			s.must(err)
			same(s, e.Name, a.HasXattr, strings.HasPrefix(e.Name, "ea"))
		}
	}},
	{"entries lack nothing that they have", vfs.CapStreams | vfs.CapSecurity, func(s *suite) {
		s.file("plain", "")
		s.dir("directory")
		st, err := s.file("stream", "").Stream(s.ctx, nil, "s", true)
		s.must(err)
		st.Release()
		big, err := s.file("big", "").Stream(s.ctx, nil, "s", true)
		s.must(err)
		s.set(big, vfs.SetAttr{Mask: vfs.SetSize, Size: 100_000})
		big.Release()
		sd := make([]byte, 20)
		sd[0], sd[3] = 1, 0x80
		s.must(s.file("secure", "").SetSecurity(s.ctx, nil, sd))
		s.must(s.file("taken", "").SetSecurity(s.ctx, nil, sd))
		s.must(s.lookup("taken").SetSecurity(s.ctx, nil, nil))
		gone, err := s.file("gone", "").Stream(s.ctx, nil, "s", true)
		s.must(err)
		gone.Release()
		s.must(s.lookup("gone").RemoveStream(s.ctx, nil, "s"))
		h := s.open(s.root, vfs.OpenMode{Read: true})
		for _, e := range s.entries(h, 8) {
			a, err := h.EntryAttr(s.ctx, nil, &e)
			s.must(err)
			n := s.lookup(e.Name)
			streams, err := n.Streams(s.ctx, nil)
			s.must(err)
			stored, err := n.Security(s.ctx, nil)
			s.must(err)
			if a.Lacks.Has(vfs.ExtraStreams) && len(streams) > 0 || a.Lacks.Has(vfs.ExtraSecurity) && stored != nil {
				s.Errorf("%s lacks %b", e.Name, a.Lacks)
			}
		}
	}},
	{"a removed directory can still be closed and has no entries", 0, func(s *suite) {
		d := s.dir("d")
		h := s.open(d, vfs.OpenMode{Read: true})
		s.must(s.root.Remove(s.ctx, nil, "d"))
		same(s, "entries", len(s.entries(h, 4)), 0)
		same(s, "links", s.attr(d).NLink, 0)
	}},
}
