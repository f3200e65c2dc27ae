package vfstest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math"
	"slices"
	"strings"
	"sync"

	"lessor/vfs"
)

var dataRules = []rule{
	{"reading to and beyond the end", 0, func(s *suite) {
		h := s.open(s.file("f", "0123456789"), vfs.OpenMode{Read: true})
		for _, c := range []struct {
			off  int64
			size int
			want string
			eof  bool
		}{{0, 10, "0123456789", false}, {0, 11, "0123456789", true}, {8, 2, "89", false}, {9, 5, "9", true}, {10, 1, "", true}, {1000, 1, "", true}, {3, 0, "", false}} {
			p := make([]byte, c.size)
			n, err := h.ReadAt(p, c.off)
			same(s, "data", string(p[:n]), c.want)
			if c.eof != errors.Is(err, io.EOF) || !c.eof && err != nil {
				s.Errorf("%d bytes at %d: %v", c.size, c.off, err)
			}
		}
		_, err := h.ReadAt(make([]byte, 1), -1)
		s.wantErr("negative offset", err, fs.ErrInvalid)
	}},
	{"writing beyond the end leaves zeros", 0, func(s *suite) {
		f := s.file("f", "ab")
		s.write(f, "z", 5)
		same(s, "contents", s.read(f), "ab\x00\x00\x00z")
		h := s.open(f, readWrite)
		_, err := h.WriteAt([]byte("x"), -1)
		s.wantErr("negative offset", err, fs.ErrInvalid)
		n, err := h.WriteAt(nil, 100)
		if n != 0 || err != nil {
			s.Errorf("empty write: %d, %v", n, err)
		}
		same(s, "size after an empty write", s.attr(f).Size, 6)
	}},
	{"truncation both ways", 0, func(s *suite) {
		f := s.file("f", "0123456789")
		h := s.open(f, readWrite)
		s.must(h.Truncate(4))
		s.must(h.Truncate(6))
		same(s, "contents", s.read(f), "0123\x00\x00")
		s.wantErr("negative", h.Truncate(-1), fs.ErrInvalid)
		s.wantErr("negative size", f.SetAttr(s.ctx, nil, &vfs.SetAttr{Mask: vfs.SetSize, Size: -1}), fs.ErrInvalid)
		s.set(f, vfs.SetAttr{Mask: vfs.SetSize, Size: 2})
		same(s, "contents", s.read(f), "01")
		s.set(s.lookup("f"), vfs.SetAttr{Mask: vfs.SetSize, Size: 1})
		same(s, "contents", s.read(f), "0")
		s.wantErr("a directory", s.root.SetAttr(s.ctx, nil, &vfs.SetAttr{Mask: vfs.SetSize}), vfs.ErrIsDir)
	}},
	{"a handle outlives its node", 0, func(s *suite) {
		s.file("f", "data")
		for _, hint := range []vfs.OpenMode{{}, readWrite} {
			n, _, err := s.root.Lookup(s.ctx, nil, "f", vfs.LookupOptions{Hint: hint})
			s.must(err)
			h, err := n.Open(s.ctx, nil, readWrite)
			s.must(err)
			n.Release()
			sameBytes(s, "contents", s.readAll(h), []byte("data"))
			s.must(h.Sync(s.ctx))
			s.must(h.Close())
		}
	}},
	{"handles of one file see each other", 0, func(s *suite) {
		f := s.file("f", "")
		a, b := s.open(f, readWrite), s.open(s.lookup("f"), readWrite)
		_, err := a.WriteAt([]byte("hello"), 0)
		s.must(err)
		sameBytes(s, "contents", s.readAll(b), []byte("hello"))
		s.must(b.Truncate(1))
		sameBytes(s, "contents", s.readAll(a), []byte("h"))
	}},
	{"concurrent writes to distinct places all arrive", 0, func(s *suite) {
		f := s.file("f", "")
		h := s.open(f, readWrite)
		const piece, writers, rounds = 1000, 8, 20
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				p := bytes.Repeat([]byte{byte('a' + w)}, piece)
				for r := range rounds {
					if _, err := h.WriteAt(p, int64(r*writers+w)*piece); err != nil {
						s.Error(err)
					}
				}
			})
		}
		wg.Wait()
		data := s.readAll(h)
		same(s, "size", len(data), piece*writers*rounds)
		for i, c := range data {
			if want := byte('a' + i/piece%writers); c != want {
				s.Fatalf("%c at %d, want %c", c, i, want)
			}
		}
	}},
	{"synchronous writes", 0, func(s *suite) {
		f := s.file("f", "")
		h := s.open(f, vfs.OpenMode{Read: true, Write: true, Sync: true})
		_, err := h.WriteAt([]byte("safe"), 0)
		s.must(err)
		s.must(h.Sync(s.ctx))
		same(s, "contents", s.read(f), "safe")
		d := s.open(s.root, vfs.OpenMode{Read: true})
		s.must(d.Sync(s.ctx))
	}},
	{"sizes that cannot be", 0, func(s *suite) {
		h := s.open(s.file("f", "x"), readWrite)
		_, err := h.WriteAt([]byte("xy"), math.MaxInt64-1)
		s.oneOf("write at the end of the world", err, vfs.ErrTooLarge, vfs.ErrNoSpace, fs.ErrInvalid)
		sameBytes(s, "contents", s.readAll(h)[:1], []byte("x"))
	}},
	{"copying", 0, func(s *suite) {
		src := s.open(s.file("src", "0123456789"), vfs.OpenMode{Read: true})
		to := s.file("dst", "----------------")
		dst := s.open(to, readWrite)
		n, err := dst.CopyFrom(s.ctx, src, 2, 4, 5)
		if n != 5 || err != nil {
			s.Errorf("%d, %v", n, err)
		}
		same(s, "contents", s.read(to), "----23456-------")
		n, err = dst.CopyFrom(s.ctx, src, 8, 20, 100)
		if n != 2 || err != nil {
			s.Errorf("beyond the end: %d, %v", n, err)
		}
		same(s, "contents", s.read(to), "----23456-------\x00\x00\x00\x0089")
		n, err = dst.CopyFrom(s.ctx, src, 100, 0, 10)
		if n != 0 || err != nil {
			s.Errorf("from the end: %d, %v", n, err)
		}
		n, err = dst.CopyFrom(s.ctx, dst, 4, 10, 5)
		if n != 5 || err != nil {
			s.Errorf("within a file: %d, %v", n, err)
		}
		same(s, "contents", s.read(to), "----23456-23456-\x00\x00\x00\x0089")
		_, err = dst.CopyFrom(s.ctx, src, -1, 0, 1)
		s.wantErr("negative", err, fs.ErrInvalid)
		_, err = src.CopyFrom(s.ctx, dst, 0, 0, 1)
		s.wantErr("to a handle for reading", err, fs.ErrPermission)
		w := s.open(s.file("other", "data"), vfs.OpenMode{Write: true})
		_, err = dst.CopyFrom(s.ctx, w, 0, 0, 1)
		s.wantErr("from a handle for writing", err, fs.ErrPermission)
		_, err = dst.CopyFrom(s.ctx, s.open(to, readWrite), 0, 3, 4)
		s.wantErr("spans of one file that overlap", err, fs.ErrInvalid)
	}},
	{"copying by hand", 0, func(s *suite) {
		data := strings.Repeat("0123456789abcdef", 50_000)
		src := s.open(s.file("src", data), vfs.OpenMode{Read: true})
		to := s.file("dst", "")
		n, err := vfs.CopyData(s.ctx, s.open(to, readWrite), src, 0, 0, 1<<30)
		if n != int64(len(data)) || err != nil {
			s.Errorf("%d, %v", n, err)
		}
		same(s, "equal", s.read(to) == data, true)
	}},
	{"cloning", vfs.CapReflink, func(s *suite) {
		i, err := s.fs.Info(s.ctx)
		s.must(err)
		data := strings.Repeat("x", 2*int(i.BlockSize))
		src := s.open(s.file("src", data), vfs.OpenMode{Read: true})
		to := s.file("dst", "")
		s.must(s.open(to, readWrite).CloneFrom(s.ctx, src, 0, 0, int64(len(data))))
		same(s, "equal", s.read(to) == data, true)
	}},
	{"clones do not see each other's writes", vfs.CapReflink, func(s *suite) {
		i, err := s.fs.Info(s.ctx)
		s.must(err)
		block := int(i.BlockSize)
		data := strings.Repeat("x", 3*block+10)
		from, to := s.file("src", data), s.file("dst", strings.Repeat("-", 8*block))
		src, dst := s.open(from, readWrite), s.open(to, readWrite)
		s.must(dst.CloneFrom(s.ctx, src, int64(block), 0, int64(2*block)))
		s.write(to, "to", 1)
		s.write(from, "from", int64(2*block))
		same(s, "source", s.read(from) == data[:2*block]+"from"+data[2*block+4:], true)
		same(s, "target", s.read(to) == "xto"+data[3:2*block]+strings.Repeat("-", 6*block), true)
		s.must(dst.Truncate(0))
		s.must(dst.CloneFrom(s.ctx, src, 0, int64(block), int64(3*block+10)))
		s.must(s.root.Remove(s.ctx, nil, "src"))
		s.must(src.Truncate(5))
		same(s, "after the source", s.read(to) == strings.Repeat("\x00", block)+data[:2*block]+"from"+data[2*block+4:], true)
		same(s, "the source", s.read(from), "xxxxx")
	}},
	{"what cannot be cloned", vfs.CapReflink, func(s *suite) {
		i, err := s.fs.Info(s.ctx)
		s.must(err)
		block := int64(i.BlockSize)
		data := strings.Repeat("x", int(3*block+10))
		src, to := s.open(s.file("src", data), vfs.OpenMode{Read: true}), s.file("dst", data)
		dst := s.open(to, readWrite)
		for what, c := range map[string][3]int64{
			"source off the blocks":         {1, 0, block},
			"target off the blocks":         {0, 1, block},
			"length off the blocks":         {0, 0, block + 1},
			"beyond the end":                {0, 0, 8 * block},
			"the last block before the end": {3 * block, 0, 10},
			"negative":                      {-block, 0, block},
			"negative target":               {0, -block, block},
			"negative length":               {0, 0, -block},
		} {
			s.wantErr(what, dst.CloneFrom(s.ctx, src, c[0], c[1], c[2]), fs.ErrInvalid)
		}
		s.wantErr("spans of one file that overlap", dst.CloneFrom(s.ctx, s.open(to, readWrite), 0, block, 2*block), fs.ErrInvalid)
		s.wantErr("to a handle for reading", src.CloneFrom(s.ctx, dst, 0, 0, block), fs.ErrPermission)
		s.wantErr("foreign handle", dst.CloneFrom(s.ctx, vfs.UnimplementedHandle{}, 0, 0, block), vfs.ErrCrossDevice)
		s.must(dst.CloneFrom(s.ctx, src, 0, 0, 0))
		same(s, "contents", s.read(to) == data, true)
	}},
	{"cloning without the ability is unsupported", 0, func(s *suite) {
		if s.fs.Caps().Has(vfs.CapReflink) {
			s.Skip("it has the ability")
		}
		src := s.open(s.file("src", "data"), vfs.OpenMode{Read: true})
		err := s.open(s.file("dst", ""), readWrite).CloneFrom(s.ctx, src, 0, 0, 4)
		s.wantErr("clone", err, errors.ErrUnsupported)
	}},
}

// hole is the size with which the rules about holes work: a multiple of every
// block size.
const hole = 1 << 20

var spaceRules = []rule{
	{"holes are seen", vfs.CapSparse, func(s *suite) {
		f := s.file("f", "")
		h := s.open(f, readWrite)
		s.must(h.Truncate(4 * hole))
		sameRanges(s, h, 0, 4*hole)
		_, err := h.WriteAt(make([]byte, hole), hole)
		s.must(err)
		_, err = h.WriteAt(make([]byte, hole), 3*hole)
		s.must(err)
		sameRanges(s, h, 0, 4*hole, vfs.Range{Off: hole, Len: hole}, vfs.Range{Off: 3 * hole, Len: hole})
		sameRanges(s, h, hole/2, hole, vfs.Range{Off: hole, Len: hole / 2})
		sameRanges(s, h, hole+10, 20, vfs.Range{Off: hole + 10, Len: 20})
		sameRanges(s, h, 5*hole, hole)
		one := make([]vfs.Range, 1)
		n, err := h.AllocatedRanges(s.ctx, 0, 4*hole, one)
		s.must(err)
		same(s, "number", n, 1)
		same(s, "the first", one[0], vfs.Range{Off: hole, Len: hole})
		_, err = h.AllocatedRanges(s.ctx, -1, 1, one)
		s.wantErr("negative", err, fs.ErrInvalid)
	}},
	{"a byte far away costs little", vfs.CapSparse, func(s *suite) {
		f := s.file("f", "")
		h := s.open(f, readWrite)
		const far = 1 << 40
		if _, err := h.WriteAt([]byte("x"), far); errors.Is(err, vfs.ErrTooLarge) {
			s.Skip(err)
		} else {
			s.must(err)
		}
		a := s.attr(f)
		same(s, "size", a.Size, far+1)
		if a.Alloc > hole {
			s.Errorf("%d bytes in use", a.Alloc)
		}
		buf := make([]vfs.Range, 2)
		n, err := h.AllocatedRanges(s.ctx, 0, far+1, buf)
		s.must(err)
		if n != 1 || buf[0].Off < far-hole || buf[0].Off+buf[0].Len != far+1 {
			s.Errorf("spans %v", buf[:n])
		}
		p := make([]byte, 3)
		_, err = h.ReadAt(p, far-2)
		s.must(err)
		sameBytes(s, "contents", p, []byte("\x00\x00x"))
		to := s.file("copy", "")
		moved, err := s.open(to, readWrite).CopyFrom(s.ctx, h, far-hole, 0, 2*hole)
		s.must(err)
		same(s, "copied", moved, hole+1)
		same(s, "size of the copy", s.attr(to).Size, hole+1)
	}},
	{"punching frees and zeroes", vfs.CapSparse, func(s *suite) {
		f := s.file("f", strings.Repeat("x", 3*hole))
		h := s.open(f, readWrite)
		before := s.attr(f).Alloc
		s.must(h.Alloc(s.ctx, hole, hole, vfs.AllocPunch))
		a := s.attr(f)
		same(s, "size", a.Size, 3*hole)
		if a.Alloc >= before {
			s.Errorf("%d bytes in use, before %d", a.Alloc, before)
		}
		data := s.readAll(h)
		want := slices.Concat(bytes.Repeat([]byte("x"), hole), make([]byte, hole), bytes.Repeat([]byte("x"), hole))
		sameBytes(s, "contents", data, want)
		sameRanges(s, h, 0, 3*hole, vfs.Range{Off: 0, Len: hole}, vfs.Range{Off: 2 * hole, Len: hole})
	}},
	{"zeroing stops at the end", 0, func(s *suite) {
		f := s.file("f", "0123456789")
		h := s.open(f, readWrite)
		for _, mode := range []vfs.AllocMode{vfs.AllocZero, vfs.AllocPunch} {
			err := h.Alloc(s.ctx, 8, 100, mode)
			if errors.Is(err, errors.ErrUnsupported) {
				continue
			}
			s.must(err)
			same(s, "contents", s.read(f), "01234567\x00\x00")
		}
	}},
	{"reserving leaves size and data", 0, func(s *suite) {
		f := s.file("f", "data")
		h := s.open(f, readWrite)
		err := h.Alloc(s.ctx, 0, hole, vfs.AllocReserve)
		if errors.Is(err, errors.ErrUnsupported) {
			s.Skip(err)
		}
		s.must(err)
		same(s, "contents", s.read(f), "data")
		same(s, "size", s.attr(f).Size, 4)
	}},
	{"bad spans", 0, func(s *suite) {
		f := s.file("f", "data")
		h := s.open(f, readWrite)
		for _, mode := range []vfs.AllocMode{vfs.AllocReserve, vfs.AllocZero, vfs.AllocPunch} {
			s.wantErr("offset", h.Alloc(s.ctx, -1, 1, mode), fs.ErrInvalid)
			s.wantErr("length", h.Alloc(s.ctx, 0, -1, mode), fs.ErrInvalid)
			s.oneOf("sum", h.Alloc(s.ctx, math.MaxInt64, 2, mode), fs.ErrInvalid, vfs.ErrTooLarge)
			s.must(h.Alloc(s.ctx, 0, 0, mode))
		}
		r := s.open(f, vfs.OpenMode{Read: true})
		s.wantErr("for reading", r.Alloc(s.ctx, 0, 1, vfs.AllocPunch), fs.ErrPermission)
	}},
}

// sameRanges checks which spans of a window are said to hold data.
func sameRanges(s *suite, h vfs.Handle, off, n int64, want ...vfs.Range) {
	s.Helper()
	buf := make([]vfs.Range, 8)
	got, err := h.AllocatedRanges(s.ctx, off, n, buf)
	s.must(err)
	if !slices.Equal(buf[:got], want) {
		s.Errorf("spans from %d: %v, want %v", off, buf[:got], want)
	}
}
