package vfstest

import (
	"errors"
	"io/fs"
	"math"

	"lessor/vfs"
)

// lock locks a range of a handle, or ends the test.
func (s *suite) lock(h vfs.Handle, off, n int64, mode vfs.LockMode) {
	s.Helper()
	if err := h.LockRange(s.ctx, off, n, mode); err != nil {
		s.Fatalf("lock of %d at %d: %v", n, off, err)
	}
}

// seen writes down what h could lock of the first bytes: '.' all, 's' nothing
// exclusively because of a shared lock, 'x' nothing at all. It leaves no locks of
// h behind.
func (s *suite) seen(h vfs.Handle, bytes int64) string {
	s.Helper()
	var out []byte
	for off := range bytes {
		c := byte('.')
		for _, try := range []struct {
			mode vfs.LockMode
			c    byte
		}{{vfs.LockExclusive, 's'}, {vfs.LockShared, 'x'}} {
			err := h.LockRange(s.ctx, off, 1, try.mode)
			if err == nil {
				break
			}
			s.wantErr("lock", err, vfs.ErrRangeBusy)
			c = try.c
		}
		s.lock(h, off, 1, vfs.LockNone)
		out = append(out, c)
	}
	return string(out)
}

var lockRules = []rule{
	{"locks without the ability are unsupported", 0, func(s *suite) {
		if s.fs.Caps().Has(vfs.CapRangeLocks) {
			s.Skip("it has the ability")
		}
		h := s.open(s.file("f", ""), readWrite)
		s.wantErr("lock", h.LockRange(s.ctx, 0, 1, vfs.LockShared), errors.ErrUnsupported)
	}},
	{"locks of directories and streams", 0, func(s *suite) {
		d := s.open(s.root, vfs.OpenMode{Read: true})
		s.wantErr("directory", d.LockRange(s.ctx, 0, 1, vfs.LockShared), vfs.ErrIsDir)
		if !s.fs.Caps().Has(vfs.CapStreams) {
			return
		}
		n, err := s.file("f", "").Stream(s.ctx, nil, "s", true)
		s.must(err)
		st := s.open(s.keep(n), readWrite)
		s.wantErr("stream", st.LockRange(s.ctx, 0, 1, vfs.LockShared), errors.ErrUnsupported)
	}},
	{"leases", 0, func(s *suite) {
		_, err := s.open(s.root, vfs.OpenMode{Read: true}).Lease(func() {})
		s.wantErr("directory", err, vfs.ErrIsDir)
		n := s.file("f", "")
		h := s.open(n, readWrite)
		end, err := h.Lease(func() {})
		if !s.fs.Caps().Has(vfs.CapLeases) {
			s.wantErr("file", err, errors.ErrUnsupported)
			return
		}
		s.must(err)
		end()
		end()
		end, err = h.Lease(func() {})
		s.must(err)
		_, err = h.Lease(func() {})
		s.wantErr("a second one", err, vfs.ErrBusy)
		s.must(h.Close())
		end()
		end, err = s.open(n, readWrite).Lease(func() {})
		s.must(err)
		end()
	}},
	{"locks that no file can have", vfs.CapRangeLocks, func(s *suite) {
		h := s.open(s.file("f", ""), readWrite)
		s.wantErr("negative offset", h.LockRange(s.ctx, -1, 1, vfs.LockShared), fs.ErrInvalid)
		s.wantErr("negative length", h.LockRange(s.ctx, 0, -1, vfs.LockShared), fs.ErrInvalid)
		s.wantErr("mode", h.LockRange(s.ctx, 0, 1, 3), fs.ErrInvalid)
		s.lock(h, 0, 0, vfs.LockExclusive)
		same(s, "nothing", s.seen(s.open(s.lookup("f"), readWrite), 2), "..")
	}},
	{"locks of two handles", vfs.CapRangeLocks, func(s *suite) {
		a := s.open(s.file("f", "data"), readWrite)
		b := s.open(s.lookup("f"), readWrite)
		s.lock(a, 2, 3, vfs.LockExclusive)
		s.lock(a, 6, 2, vfs.LockShared)
		same(s, "locks", s.seen(b, 10), "..xxx.ss..")
		s.lock(b, 7, 3, vfs.LockShared)
		s.wantErr("all of it", b.LockRange(s.ctx, 0, 100, vfs.LockShared), vfs.ErrRangeBusy)
		same(s, "locks of the other", s.seen(a, 1), ".")
		s.wantErr("upgrade", a.LockRange(s.ctx, 6, 2, vfs.LockExclusive), vfs.ErrRangeBusy)
		s.lock(b, 7, 3, vfs.LockNone)
		s.lock(a, 6, 2, vfs.LockExclusive)
		same(s, "after the upgrade", s.seen(b, 10), "..xxx.xx..")
	}},
	{"locks replace each other", vfs.CapRangeLocks, func(s *suite) {
		a := s.open(s.file("f", ""), readWrite)
		b := s.open(s.lookup("f"), readWrite)
		s.lock(a, 0, 8, vfs.LockExclusive)
		s.lock(a, 0, 8, vfs.LockExclusive)
		s.lock(a, 2, 4, vfs.LockShared)
		same(s, "shared in the middle", s.seen(b, 9), "xxssssxx.")
		s.lock(a, 3, 1, vfs.LockNone)
		same(s, "a hole", s.seen(b, 9), "xxs.ssxx.")
		s.lock(a, 1, 8, vfs.LockNone)
		same(s, "the rest", s.seen(b, 9), "x........")
		s.lock(a, 0, 9, vfs.LockNone)
		s.lock(a, 0, 9, vfs.LockNone)
		same(s, "nothing", s.seen(b, 9), ".........")
	}},
	{"locks without an end", vfs.CapRangeLocks, func(s *suite) {
		a := s.open(s.file("f", ""), readWrite)
		b := s.open(s.lookup("f"), readWrite)
		for _, c := range []struct{ off, n int64 }{{0, math.MaxInt64}, {1, math.MaxInt64}, {math.MaxInt64 - 1, 1}, {10, math.MaxInt64 - 10}} {
			s.lock(a, c.off, c.n, vfs.LockExclusive)
			s.wantErr("the last byte", b.LockRange(s.ctx, math.MaxInt64-1, 1, vfs.LockShared), vfs.ErrRangeBusy)
			if c.off > 0 {
				s.lock(b, c.off-1, 1, vfs.LockExclusive)
				s.lock(b, c.off-1, 1, vfs.LockNone)
			}
			s.lock(a, 0, math.MaxInt64, vfs.LockNone)
			s.lock(b, 0, math.MaxInt64, vfs.LockExclusive)
			s.lock(b, 0, math.MaxInt64, vfs.LockNone)
		}
		s.lock(a, 0, math.MaxInt64-1, vfs.LockExclusive)
		s.lock(b, math.MaxInt64-1, 1, vfs.LockExclusive)
	}},
	{"locks of the handles of one node", vfs.CapRangeLocks, func(s *suite) {
		for _, hint := range []vfs.OpenMode{{}, {Read: true}, readWrite} {
			s.file("f", "")
			n, _, err := s.root.Lookup(s.ctx, nil, "f", vfs.LookupOptions{Hint: hint})
			s.must(err)
			a, err := n.Open(s.ctx, nil, readWrite)
			s.must(err)
			b, err := n.Open(s.ctx, nil, readWrite)
			s.must(err)
			s.lock(a, 0, 4, vfs.LockExclusive)
			s.lock(b, 4, 4, vfs.LockExclusive)
			s.wantErr("each other's", b.LockRange(s.ctx, 0, 1, vfs.LockShared), vfs.ErrRangeBusy)
			s.lock(b, 0, 2, vfs.LockNone)
			c := s.open(n, readWrite)
			same(s, "both", s.seen(c, 9), "xxxxxxxx.")
			// The node still is there, and so are others who use it.
			s.must(a.Close())
			same(s, "one", s.seen(c, 9), "....xxxx.")
			s.must(b.Close())
			same(s, "none", s.seen(c, 9), ".........")
			n.Release()
			s.must(s.root.Remove(s.ctx, nil, "f"))
		}
	}},
	{"locks of handles that only read or write", vfs.CapRangeLocks, func(s *suite) {
		f := s.file("f", "")
		other := s.open(s.lookup("f"), readWrite)
		for _, mode := range []vfs.OpenMode{{Read: true}, {Write: true}, {}} {
			for _, n := range []vfs.Node{f, s.lookup("f")} {
				h, err := n.Open(s.ctx, nil, mode)
				s.must(err)
				s.lock(h, 0, 2, vfs.LockShared)
				s.lock(h, 2, 2, vfs.LockExclusive)
				same(s, "locks", s.seen(other, 5), "ssxx.")
				s.must(h.Close())
				same(s, "after the close", s.seen(other, 5), ".....")
			}
		}
	}},
	{"locks follow the file", vfs.CapRangeLocks, func(s *suite) {
		a := s.open(s.file("f", ""), readWrite)
		s.lock(a, 0, 1, vfs.LockExclusive)
		s.must(s.root.Rename(s.ctx, nil, "f", s.root, "g", false))
		b := s.open(s.lookup("g"), readWrite)
		same(s, "after a rename", s.seen(b, 1), "x")
		s.must(s.root.Remove(s.ctx, nil, "g"))
		same(s, "after a removal", s.seen(b, 1), "x")
		s.lock(a, 1, 1, vfs.LockExclusive)
		same(s, "another", s.seen(b, 2), "xx")
	}},
}
