package wire

import (
	"errors"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestReaderFields(t *testing.T) {
	b := unhex(t, "01 0302 07060504 0f0e0d0c0b0a0908 aabb 6100 6200")
	r := NewReader(b, 0)
	if r.U8() != 1 || r.U16() != 0x0203 || r.U32() != 0x04050607 || r.U64() != 0x08090a0b0c0d0e0f {
		t.Error("numbers are read wrongly")
	}
	var two [2]byte
	r.Copy(two[:])
	if two != [2]byte{0xaa, 0xbb} || r.Offset() != 17 || r.Len() != 4 {
		t.Errorf("copied %x, at %d, %d left", two, r.Offset(), r.Len())
	}
	if s := r.UTF16(4); s != "ab" || r.end() != nil {
		t.Errorf("got %q, %v", s, r.Err())
	}
}

func TestReaderStopsAtTheFirstError(t *testing.T) {
	r := NewReader([]byte{1, 2, 3}, 0)
	if r.U32() != 0 || !errors.Is(r.Err(), ErrTruncated) {
		t.Errorf("a short read gives %v", r.Err())
	}
	if r.U8() != 0 || r.Bytes(1) != nil || r.At(0, 1) != nil {
		t.Error("reading goes on after an error")
	}
	r.Fail(ErrMalformed)
	if !errors.Is(r.Err(), ErrTruncated) {
		t.Error("a later error replaces the first")
	}
	for _, off := range []int{-1, 4} {
		if r := NewReader([]byte{1, 2, 3}, off); r.Err() == nil || r.Len() != 0 {
			t.Errorf("a start at %d is accepted", off)
		}
	}
}

func TestReaderAt(t *testing.T) {
	const maxInt = int(^uint(0) >> 1)
	b := []byte{0, 1, 2, 3}
	for _, c := range []struct {
		off, n int
		ok     bool
	}{
		{0, 4, true}, {4, 0, true}, {99, 0, true}, {-1, 0, true}, {3, 1, true},
		{4, 1, false}, {-1, 1, false}, {0, 5, false}, {1, maxInt, false}, {maxInt, maxInt, false}, {0, -1, false},
	} {
		r := NewReader(b, 0)
		got := r.At(c.off, c.n)
		if ok := r.Err() == nil; ok != c.ok || (ok && len(got) != c.n) || cap(got) != len(got) {
			t.Errorf("At(%d, %d) = %x, %v", c.off, c.n, got, r.Err())
		}
	}
	for _, c := range [][2]uint32{{0xffffffff, 1}, {0, 0xffffffff}, {1 << 31, 1 << 31}, {4, 1}} {
		r := NewReader(b, 0)
		if r.At32(c[0], c[1]) != nil || r.Err() == nil {
			t.Errorf("At32(%#x, %#x) is accepted", c[0], c[1])
		}
	}
	r := NewReader(b, 0)
	if got := r.At32(0xffffffff, 0); len(got) != 0 || r.Err() != nil {
		t.Errorf("any offset is good for no bytes: %x, %v", got, r.Err())
	}
}

func TestReaderLen32(t *testing.T) {
	r := NewReader(unhex(t, "02000000 aabb"), 0)
	if got := r.Bytes(r.len32()); len(got) != 2 || r.Err() != nil {
		t.Errorf("got %x, %v", got, r.Err())
	}
	r = NewReader(unhex(t, "ffffffff aabb"), 0)
	if n := r.len32(); n != 0 || !errors.Is(r.Err(), ErrTruncated) {
		t.Errorf("got %d, %v", n, r.Err())
	}
}

func TestReaderSID(t *testing.T) {
	sid := unhex(t, "01 02 000000000005 20000000 20020000")
	r := NewReader(append(sid, 9), 0)
	if got := r.SID(); string(got) != string(sid) || r.Len() != 1 {
		t.Errorf("got %x, %v", got, r.Err())
	}
	testPrefixes(t, sid, func(b []byte) error { r := NewReader(b, 0); r.SID(); return r.Err() })
	for _, bad := range []string{"02 01 000000000005 20000000", "01 10 000000000005" + "20000000"} {
		if r := NewReader(unhex(t, bad), 0); r.SID() != nil || !errors.Is(r.Err(), ErrMalformed) {
			t.Errorf("%s gives %v", bad, r.Err())
		}
	}
}

func TestPad(t *testing.T) {
	for n := range 20 {
		b := Pad(make([]byte, 3+n), 3, 8)
		if want := (n+7)/8*8 + 3; len(b) != want {
			t.Errorf("%d bytes are padded to %d, want %d", n, len(b)-3, want-3)
		}
	}
	if b := AppendZeros([]byte{1}, 11); len(b) != 12 || b[0] != 1 || b[11] != 0 {
		t.Errorf("got %x", b)
	}
}

func TestUTF16(t *testing.T) {
	for _, c := range []struct{ name, s, hex string }{
		{"empty", "", ""},
		{"ASCII", "a.B", "6100 2e00 4200"},
		{"two bytes", "ä", "e400"},
		{"three bytes", "€", "ac20"},
		{"private use, as mapped by clients", "\uf022", "22f0"},
		{"surrogate pair", "a😀b", "6100 3dd8 00de 6200"},
		{"high surrogate alone", "\xed\xa0\xbdx", "3dd8 7800"},
		{"high surrogate at the end", "x\xed\xaf\xbf", "7800 ffdb"},
		{"low surrogate alone", "\xed\xb8\x80", "00de"},
		{"low before high", "\xed\xb8\x80\xed\xa0\xbd", "00de 3dd8"},
		{"NUL", "a\x00b", "6100 0000 6200"},
		{"highest", "\U0010ffff", "ffdb ffdf"},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw := unhex(t, c.hex)
			if got := AppendUTF16(nil, c.s); string(got) != string(raw) {
				t.Errorf("encodes to %x, want %x", got, raw)
			}
			if UTF16Len(c.s) != len(raw) {
				t.Errorf("UTF16Len %d, want %d", UTF16Len(c.s), len(raw))
			}
			if got, err := UTF16String(raw); err != nil || got != c.s {
				t.Errorf("decodes to %q, %v", got, err)
			}
		})
	}
	if _, err := UTF16String([]byte{'a', 0, 'b'}); !errors.Is(err, ErrMalformed) {
		t.Errorf("an odd length gives %v", err)
	}
	// What is no WTF-8 must come out as the replacement character, bytewise.
	if got := AppendUTF16(nil, "\xff\xed\xa0"); string(got) != string(unhex(t, "fdff fdff fdff")) {
		t.Errorf("invalid UTF-8 encodes to %x", got)
	}
}

func TestUTF16RoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOfN(rapid.Byte(), 0, 600).Draw(t, "raw")
		raw = raw[:len(raw)&^1]
		s, err := UTF16String(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := AppendUTF16(nil, s); string(got) != string(raw) || UTF16Len(s) != len(raw) {
			t.Fatalf("%x came back as %x", raw, got)
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		if got, err := UTF16String(AppendUTF16(nil, s)); err != nil || got != s || !utf8.ValidString(got) {
			t.Fatalf("%q came back as %q, %v", s, got, err)
		}
	})
}
