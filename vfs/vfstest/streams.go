package vfstest

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"lessor/vfs"
)

// stream returns a Node of a named stream.
func (s *suite) stream(n vfs.Node, name string, create bool) vfs.Node {
	s.Helper()
	st, err := n.Stream(s.ctx, nil, name, create)
	if err != nil {
		s.Fatalf("stream %s: %v", name, err)
	}
	return s.keep(st)
}

// streamNames lists the named streams of a node with their sizes.
func (s *suite) streamNames(n vfs.Node) []string {
	s.Helper()
	list, err := n.Streams(s.ctx, nil)
	s.must(err)
	var out []string
	for _, i := range list {
		out = append(out, fmt.Sprint(i.Name, ":", i.Size))
	}
	return out
}

var streamRules = []rule{
	{"make, write, read, list", vfs.CapStreams, func(s *suite) {
		for _, n := range []vfs.Node{s.file("f", "main"), s.dir("d"), s.lookup("f")} {
			sameList(s, "before", s.streamNames(n), nil)
			st := s.stream(n, "notes", true)
			same(s, "type", st.Type(), vfs.TypeStream)
			same(s, "id", st.ID(), n.ID())
			same(s, "empty", s.read(st), "")
			sameList(s, "empty", s.streamNames(n), []string{"notes:0"})
			s.write(st, "hello", 0)
			s.write(st, "!", 7)
			same(s, "contents", s.read(st), "hello\x00\x00!")
			a := s.attr(st)
			same(s, "size", a.Size, 8)
			same(s, "type", a.Type, vfs.TypeStream)
			same(s, "id", a.ID, n.ID())
			s.stream(n, "Another", true)
			sameList(s, "two", s.streamNames(n), []string{"Another:0", "notes:8"})
			s.must(n.RemoveStream(s.ctx, nil, "notes"))
			s.must(n.RemoveStream(s.ctx, nil, "ANOTHER"))
			sameList(s, "none left", s.streamNames(n), nil)
		}
		same(s, "main data", s.read(s.lookup("f")), "main")
	}},
	{"existence and case", vfs.CapStreams, func(s *suite) {
		f := s.file("f", "")
		_, err := f.Stream(s.ctx, nil, "none", false)
		s.wantErr("missing", err, fs.ErrNotExist)
		s.wantErr("remove missing", f.RemoveStream(s.ctx, nil, "none"), fs.ErrNotExist)
		s.write(s.stream(f, "Name", true), "x", 0)
		for _, name := range []string{"Name", "NAME", "name"} {
			_, err = f.Stream(s.ctx, nil, name, true)
			s.wantErr(name, err, fs.ErrExist)
			same(s, name, s.read(s.stream(f, name, false)), "x")
		}
		for _, name := range []string{"", "a:b", "a/b", "a\x00"} {
			_, err = f.Stream(s.ctx, nil, name, true)
			s.wantErr(fmt.Sprintf("%q", name), err, vfs.ErrInvalidName)
			s.wantErr(fmt.Sprintf("remove %q", name), f.RemoveStream(s.ctx, nil, name), vfs.ErrInvalidName)
			s.wantErr(fmt.Sprintf("rename to %q", name), f.RenameStream(s.ctx, nil, "Name", name, true), vfs.ErrInvalidName)
		}
	}},
	{"sizes", vfs.CapStreams, func(s *suite) {
		f := s.file("f", "main")
		st := s.stream(f, "s", true)
		h := s.open(st, readWrite)
		s.must(h.Truncate(3))
		s.set(st, vfs.SetAttr{Mask: vfs.SetSize, Size: 5})
		same(s, "contents", s.read(st), "\x00\x00\x00\x00\x00")
		s.wantErr("negative", h.Truncate(-1), fs.ErrInvalid)
		s.must(h.Truncate(0))
		same(s, "contents", s.read(st), "")
		same(s, "main data", s.read(f), "main")
		data := make([]byte, 3000)
		for i := range data {
			data[i] = byte(i)
		}
		_, err := h.WriteAt(data, 0)
		s.must(err)
		sameBytes(s, "3000 bytes", s.readAll(h), data)
		s.must(h.Sync(s.ctx))
	}},
	{"other attributes are the file's", vfs.CapStreams | vfs.CapDOS, func(s *suite) {
		f := s.file("f", "")
		st := s.stream(f, "s", true)
		when := time.Unix(1_000_000_000, 0)
		s.set(st, vfs.SetAttr{Mask: vfs.SetDOS | vfs.SetModify, DOS: vfs.DOSHidden, Modify: when})
		a := s.attr(f)
		same(s, "DOS", a.DOS, vfs.DOSHidden)
		sameTime(s, "modify", a.Modify, when)
	}},
	{"handles of one stream see each other", vfs.CapStreams, func(s *suite) {
		f := s.file("f", "")
		a := s.open(s.stream(f, "s", true), readWrite)
		b := s.open(s.stream(s.lookup("f"), "S", false), readWrite)
		_, err := a.WriteAt([]byte("hello"), 0)
		s.must(err)
		sameBytes(s, "contents", s.readAll(b), []byte("hello"))
		r := s.open(s.stream(f, "s", false), vfs.OpenMode{Read: true})
		_, err = r.WriteAt([]byte("x"), 0)
		s.wantErr("write through a handle for reading", err, fs.ErrPermission)
	}},
	{"streams have spans and are copied", vfs.CapStreams, func(s *suite) {
		f := s.file("f", "0123456789")
		a, b := s.open(s.stream(f, "a", true), readWrite), s.open(s.stream(f, "b", true), readWrite)
		main := s.open(f, readWrite)
		n, err := a.CopyFrom(s.ctx, main, 2, 0, 5)
		if n != 5 || err != nil {
			s.Errorf("from the file: %d, %v", n, err)
		}
		n, err = b.CopyFrom(s.ctx, a, 1, 3, 100)
		if n != 4 || err != nil {
			s.Errorf("between streams: %d, %v", n, err)
		}
		sameBytes(s, "contents", s.readAll(b), []byte("\x00\x00\x003456"))
		n, err = main.CopyFrom(s.ctx, b, 3, 8, 4)
		if n != 4 || err != nil {
			s.Errorf("to the file: %d, %v", n, err)
		}
		same(s, "file", s.read(f), "012345673456")
		_, err = a.CopyFrom(s.ctx, s.open(s.stream(f, "A", false), readWrite), 0, 1, 2)
		s.wantErr("spans of one stream that overlap", err, fs.ErrInvalid)
		sameRanges(s, b, 0, 100, vfs.Range{Off: 0, Len: 7})
		sameRanges(s, b, 2, 3, vfs.Range{Off: 2, Len: 3})
		sameRanges(s, b, 7, 3)
		s.must(b.Alloc(s.ctx, 4, 100, vfs.AllocPunch))
		sameBytes(s, "punched", s.readAll(b), []byte("\x00\x00\x003\x00\x00\x00"))
	}},
	{"concurrent writes all arrive", vfs.CapStreams, func(s *suite) {
		h := s.open(s.stream(s.file("f", ""), "s", true), readWrite)
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for k := range 20 {
					if _, err := h.WriteAt([]byte{byte('a' + i)}, int64(k*8+i)); err != nil {
						s.Error(err)
					}
				}
			})
		}
		wg.Wait()
		for i, c := range s.readAll(h) {
			same(s, "byte", c, byte('a'+i%8))
		}
	}},
	{"a removed stream is gone for those who hold it", vfs.CapStreams, func(s *suite) {
		f := s.file("f", "")
		st := s.stream(f, "s", true)
		h := s.open(st, readWrite)
		s.must(f.RemoveStream(s.ctx, nil, "s"))
		_, err := h.WriteAt([]byte("x"), 0)
		s.oneOf("write", err, vfs.ErrStale, fs.ErrNotExist)
		_, err = st.Attr(s.ctx, nil)
		s.oneOf("attributes", err, vfs.ErrStale, fs.ErrNotExist)
		_, err = st.Open(s.ctx, nil, readWrite)
		s.oneOf("open", err, vfs.ErrStale, fs.ErrNotExist)
		s.oneOf("truncate", h.Truncate(1), vfs.ErrStale, fs.ErrNotExist)
		err = st.SetAttr(s.ctx, nil, &vfs.SetAttr{Mask: vfs.SetSize, Size: 1})
		s.oneOf("size", err, vfs.ErrStale, fs.ErrNotExist)
		s.oneOf("zeroes", h.Alloc(s.ctx, 0, 1, vfs.AllocZero), vfs.ErrStale, fs.ErrNotExist)
		_, err = h.AllocatedRanges(s.ctx, 0, 1, make([]vfs.Range, 1))
		s.oneOf("spans", err, vfs.ErrStale, fs.ErrNotExist)
		fresh := s.stream(f, "s", true)
		s.write(fresh, "new", 0)
		_, err = h.ReadAt(make([]byte, 1), 0)
		s.oneOf("read of the old one", err, vfs.ErrStale, fs.ErrNotExist)
		same(s, "the new one", s.read(fresh), "new")
	}},
	{"renaming", vfs.CapStreams, func(s *suite) {
		f := s.file("f", "")
		a := s.stream(f, "a", true)
		h := s.open(a, readWrite)
		s.write(a, "data", 0)
		s.must(f.RenameStream(s.ctx, nil, "A", "b", false))
		sameList(s, "names", s.streamNames(f), []string{"b:4"})
		_, err := h.WriteAt([]byte("DATA"), 0)
		s.must(err)
		same(s, "through the old node", s.read(a), "DATA")
		s.must(f.RenameStream(s.ctx, nil, "b", "B", false))
		sameList(s, "names", s.streamNames(f), []string{"B:4"})
		c := s.stream(f, "c", true)
		s.wantErr("taken", f.RenameStream(s.ctx, nil, "b", "C", false), fs.ErrExist)
		s.wantErr("missing", f.RenameStream(s.ctx, nil, "x", "y", true), fs.ErrNotExist)
		s.must(f.RenameStream(s.ctx, nil, "b", "C", true))
		same(s, "number", len(s.streamNames(f)), 1)
		same(s, "contents", s.read(s.stream(f, "c", false)), "DATA")
		_, err = c.Attr(s.ctx, nil)
		s.oneOf("the replaced one", err, vfs.ErrStale, fs.ErrNotExist)
		same(s, "through the first node", s.read(a), "DATA")
	}},
	{"streams go with their file", vfs.CapStreams, func(s *suite) {
		f := s.file("f", "")
		s.write(s.stream(f, "s", true), "x", 0)
		s.must(s.root.Rename(s.ctx, nil, "f", s.root, "g", false))
		same(s, "after rename", s.read(s.stream(s.lookup("g"), "s", false)), "x")
		s.must(s.root.Remove(s.ctx, nil, "g"))
		sameList(s, "a new file", s.streamNames(s.file("g", "")), nil)
	}},
	{"a stream has nothing below it", vfs.CapStreams, func(s *suite) {
		st := s.stream(s.file("f", ""), "s", true)
		list, err := st.Streams(s.ctx, nil)
		if err != nil || len(list) != 0 {
			s.Errorf("%v, %v", list, err)
		}
		_, _, err = st.Lookup(s.ctx, nil, "x", vfs.LookupOptions{})
		s.wantErr("lookup", err, vfs.ErrNotDir)
		again, actual, err := st.Lookup(s.ctx, nil, "", vfs.LookupOptions{})
		s.must(err)
		same(s, "actual", actual, "")
		same(s, "type", again.Type(), vfs.TypeStream)
		again.Release()
	}},
	{"a stream grows like a file", vfs.CapStreams, func(s *suite) {
		for _, n := range []vfs.Node{s.file("f", "main"), s.dir("d")} {
			h := s.open(s.stream(n, "s", true), readWrite)
			other := s.open(s.stream(n, "S", false), readWrite)
			var want []byte
			for i := range 300 {
				piece := bytes.Repeat([]byte{byte(i)}, 1000)
				at := h
				if i%3 == 0 {
					at = other
				}
				_, err := at.WriteAt(piece, int64(len(want)))
				s.must(err)
				want = append(want, piece...)
			}
			sameBytes(s, "300 kB", s.readAll(other), want)
			sameList(s, "names", s.streamNames(n), []string{"s:300000"})
			const gib = 1 << 30
			_, err := h.WriteAt([]byte("end"), gib)
			s.must(err)
			var end [5]byte
			got, err := other.ReadAt(end[:], gib-1)
			if got != 4 || err != io.EOF || string(end[:4]) != "\x00end" {
				s.Errorf("end: %d, %v, %q", got, err, end)
			}
			same(s, "size", s.attr(s.stream(n, "s", false)).Size, gib+3)
			s.must(h.Alloc(s.ctx, 1, 299_998, vfs.AllocPunch))
			s.must(h.Truncate(300_000))
			clear(want[1 : len(want)-1])
			sameBytes(s, "punched", s.readAll(h), want)
			s.must(h.Sync(s.ctx))

			s.must(n.RenameStream(s.ctx, nil, "s", "t", false))
			sameBytes(s, "renamed", s.readAll(h), want)
			small := s.stream(n, "u", true)
			s.write(small, "u", 0)
			s.must(n.RenameStream(s.ctx, nil, "t", "U", true))
			same(s, "number", len(s.streamNames(n)), 1)
			_, err = small.Attr(s.ctx, nil)
			s.oneOf("the replaced one", err, vfs.ErrStale, fs.ErrNotExist)
			sameBytes(s, "renamed over another", s.readAll(s.open(s.stream(n, "u", false), readWrite)), want)
			again := s.stream(n, "v", true)
			s.write(again, "v", 0)
			s.must(n.RenameStream(s.ctx, nil, "v", "u", true))
			same(s, "replaced by a small one", s.read(s.stream(n, "u", false)), "v")
			_, err = h.ReadAt(end[:], 0)
			s.oneOf("the large one", err, vfs.ErrStale, fs.ErrNotExist)
			s.must(n.RemoveStream(s.ctx, nil, "u"))
			sameList(s, "none left", s.streamNames(n), nil)
		}
		same(s, "main data", s.read(s.lookup("f")), "main")
	}},
	{"large streams go with their file", vfs.CapStreams, func(s *suite) {
		f := s.file("f", "")
		st := s.stream(f, "s", true)
		s.set(st, vfs.SetAttr{Mask: vfs.SetSize, Size: 100_000})
		s.write(st, "x", 99_999)
		s.must(s.root.Rename(s.ctx, nil, "f", s.root, "g", false))
		same(s, "size after rename", s.attr(s.stream(s.lookup("g"), "s", false)).Size, 100_000)
		h := s.open(st, readWrite)
		s.must(s.root.Remove(s.ctx, nil, "g"))
		var b [1]byte
		_, err := h.ReadAt(b[:], 99_999)
		s.must(err)
		same(s, "through the handle", b[0], 'x')
		sameList(s, "a new file", s.streamNames(s.file("g", "")), nil)
	}},
}
