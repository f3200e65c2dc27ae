package ndr

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// unhex converts hexadecimal to bytes. White space is free, and everything
// from a '#' to the end of its line is a comment.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(s) {
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatalf("bad hex in the test: %v", err)
	}
	return b
}

func wantStub(t *testing.T, e *Encoder, hexStub string) {
	t.Helper()
	want := unhex(t, hexStub)
	if got := e.Stub(); !bytes.Equal(got, want) {
		t.Errorf("another stub (-want +got):\n%s", cmp.Diff(strings.Split(hex.Dump(want), "\n"), strings.Split(hex.Dump(got), "\n")))
	}
}

func TestEncodePrimitives(t *testing.T) {
	var e Encoder
	e.U8(1)
	e.U16(0x0302)
	e.U8(4)
	e.U32(0x08070605)
	e.Nil()
	e.Bytes([]byte{9})
	e.Align(8)
	wantStub(t, &e, "01 00 0203 04 000000 05060708 00000000 09 00000000000000")
	if e.Len() != 24 {
		t.Errorf("Len is %d", e.Len())
	}
}

func TestEncodeStrings(t *testing.T) {
	var e Encoder
	e.U8(7)
	e.String("ä𝄞")
	e.StringPointer("")
	e.Flush()
	e.UnicodeString("ab")
	e.UnicodeString("")
	e.UniqueU32(nil)
	v := uint32(5)
	e.UniqueU32(&v)
	wantStub(t, &e, `
		07 000000
		04000000 00000000 04000000  e400 34d8 1edd 0000  # two units for what is beyond the BMP
		00000200 01000000 00000000 01000000 0000 0000
		0400 0400 04000200
		0000 0000 08000200
		00000000
		0c000200
		02000000 00000000 02000000 6100 6200  # what the first string points to
		00000000 00000000 00000000
		05000000
	`)
}

// C706 14.3.12.3: what a pointer leads to stands behind the structure that
// holds it, each with everything below it before the next.
func TestPointersAreDeferred(t *testing.T) {
	var e Encoder
	e.Pointer(func() { // a structure of two pointers
		e.Pointer(func() {
			e.U16(0xaaaa)
			e.Pointer(func() { e.U8(0xbb) })
		})
		e.Pointer(func() { e.U32(0xcccccccc) })
	})
	e.Flush()
	e.U8(0xdd)
	wantStub(t, &e, `
		00000200
		04000200 08000200
		aaaa 0000 0c000200
		bb 000000
		cccccccc
		dd
	`)
}

func TestLongUnicodeStringIsCut(t *testing.T) {
	var e Encoder
	e.UnicodeString(strings.Repeat("x", 70_000))
	d := NewDecoder(e.Stub())
	if s := d.UnicodeChars(d.UnicodeString()); d.Err() != nil || len(s) != maxUnicode {
		t.Errorf("%d characters, %v", len(s), d.Err())
	}
}

func TestStringsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// A [string] ends at the first NUL.
		s := strings.ReplaceAll(rapid.String().Draw(t, "s"), "\x00", "")
		u := rapid.StringN(0, 100, -1).Draw(t, "u")
		var e Encoder
		e.U8(1)
		e.String(s)
		e.UnicodeString(u)
		d := NewDecoder(e.Stub())
		d.U8()
		if got := d.String(); got != s {
			t.Errorf("%q became %q", s, got)
		}
		if got := d.UnicodeChars(d.UnicodeString()); got != u {
			t.Errorf("%q became %q", u, got)
		}
		if d.Err() != nil || d.Len() != 0 {
			t.Errorf("%v, %d bytes left", d.Err(), d.Len())
		}
	})
}

func TestDecodeRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		stub   string
		decode func(*Decoder)
	}{
		"count beyond the stub":         {"ffffffff 00", func(d *Decoder) { d.Conformance(1) }},
		"count times size wraps around": {"00000040 0000", func(d *Decoder) { d.Conformance(1 << 30) }},
		"string longer than its array":  {"01000000 00000000 02000000 6100 0000", func(d *Decoder) { _ = d.String() }},
		"string with an offset":         {"02000000 01000000 01000000 6100", func(d *Decoder) { _ = d.String() }},
		"string beyond the stub":        {"02000000 00000000 02000000 6100", func(d *Decoder) { _ = d.String() }},
		"half a character":              {"0100 0200 01000000", func(d *Decoder) { d.UnicodeString() }},
		"length beyond the maximum":     {"0400 0200 01000000", func(d *Decoder) { d.UnicodeString() }},
		"length without characters":     {"0200 0200 00000000", func(d *Decoder) { d.UnicodeChars(d.UnicodeString()) }},
		"length unlike the characters": {"0200 0200 01000000 02000000 00000000 02000000 61006200", func(d *Decoder) {
			d.UnicodeChars(d.UnicodeString())
		}},
		"negative length": {"00", func(d *Decoder) { d.Bytes(-1) }},
	} {
		t.Run(name, func(t *testing.T) {
			d := NewDecoder(unhex(t, test.stub))
			test.decode(d)
			if d.Err() == nil {
				t.Error("taken")
			}
			if d.U32() != 0 || d.Pointer() || d.UniqueU32() != nil || d.String() != "" || d.U8() != 0 || d.U16() != 0 {
				t.Error("a read behind the error is not zero")
			}
		})
	}
}

func TestDecodeString(t *testing.T) {
	for stub, want := range map[string]string{
		"03000000 00000000 03000000 6100 6200 0000":      "ab",
		"02000000 00000000 02000000 6100 6200":           "ab", // no terminator
		"04000000 00000000 04000000 6100 0000 6200 0000": "a",
		"00000000 00000000 00000000":                     "",
		"05000000 00000000 01000000 0000":                "", // the array is larger than the string
		"01000000 00000000 01000000 00d8":                "\ufffd",
	} {
		d := NewDecoder(unhex(t, stub))
		if got := d.String(); got != want || d.Err() != nil || d.Len() != 0 {
			t.Errorf("%s became %q, %v, %d bytes left", stub, got, d.Err(), d.Len())
		}
	}
}

func FuzzDecoder(f *testing.F) {
	f.Add([]byte("\x08\x05\x07"), unhex(f, "00000200 03000000 00000000 03000000 6100 6200 0000"))
	f.Add([]byte("\x09\x0a"), unhex(f, "0400 0400 04000200 02000000 00000000 02000000 6100 6200"))
	f.Fuzz(func(t *testing.T, program, stub []byte) {
		d := NewDecoder(stub)
		var pending UnicodeString
		for _, op := range program {
			before := d.Len()
			var got int
			switch op % 11 {
			case 0:
				d.U8()
			case 1:
				d.U16()
			case 2:
				d.U32()
			case 3:
				d.Align(8)
			case 4:
				got = len(d.Bytes(int(op)))
			case 5:
				got = len(d.String()) / 3 // UTF-8 is at most three bytes per unit
			case 6:
				d.UniqueU32()
			case 7:
				got = len(d.UniqueString()) / 3
			case 8:
				got = d.Conformance(1)
			case 9:
				pending = d.UnicodeString()
			case 10:
				got = len(d.UnicodeChars(pending)) / 3
			}
			if d.Len() > before || d.Len() < 0 || got > before {
				t.Fatalf("operation %d made %d of %d bytes, %d are left", op%11, got, before, d.Len())
			}
		}
	})
}
