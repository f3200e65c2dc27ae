package ndr

import (
	"encoding/binary"
	"errors"
	"unicode/utf16"
)

// ErrBadStub is the one error of a Decoder: the stub ends before a value, or a
// count or offset in it contradicts the syntax. The caller answers with a fault
// and needs no more detail.
var ErrBadStub = errors.New("ndr: bad stub data")

// Decoder reads a stub. The first read that fails sets Err, and every later
// one returns zero.
type Decoder struct {
	b   []byte
	off int
	err error
}

// NewDecoder returns a Decoder that stands at the start of stub.
func NewDecoder(stub []byte) *Decoder { return &Decoder{b: stub} }

// Err is ErrBadStub after a read that failed, else nil.
func (d *Decoder) Err() error { return d.err }

// Fail makes Err return ErrBadStub, for a value that breaks a rule of the
// interface, such as a range.
func (d *Decoder) Fail() { d.err = ErrBadStub }

// Len is the number of bytes not read yet.
func (d *Decoder) Len() int { return len(d.b) - d.off }

// Align skips to the next multiple of n bytes, a power of two.
func (d *Decoder) Align(n int) {
	if pad := -d.off & (n - 1); pad != 0 {
		d.Bytes(pad)
	}
}

// Bytes returns the next n bytes without any alignment. They alias the stub.
func (d *Decoder) Bytes(n int) []byte {
	if d.err != nil || n < 0 || n > d.Len() {
		d.Fail()
		return nil
	}
	p := d.b[d.off : d.off+n : d.off+n]
	d.off += n
	return p
}

// U8 reads a small or a character.
func (d *Decoder) U8() uint8 {
	if p := d.Bytes(1); p != nil {
		return p[0]
	}
	return 0
}

// U16 reads an aligned short, or an enumeration.
func (d *Decoder) U16() uint16 {
	d.Align(2)
	if p := d.Bytes(2); p != nil {
		return binary.LittleEndian.Uint16(p)
	}
	return 0
}

// U32 reads an aligned long.
func (d *Decoder) U32() uint32 {
	d.Align(4)
	if p := d.Bytes(4); p != nil {
		return binary.LittleEndian.Uint32(p)
	}
	return 0
}

// Pointer reads the referent id of a unique or full pointer and reports
// whether something is pointed to.
func (d *Decoder) Pointer() bool { return d.U32() != 0 }

// UniqueU32 reads a unique pointer to a long, a parameter of its own.
func (d *Decoder) UniqueU32() *uint32 {
	if !d.Pointer() {
		return nil
	}
	v := d.U32()
	return &v
}

// Conformance reads the element count of a conformant array whose elements
// take size bytes at least (1 or more). A count for which the stub has not the
// bytes is an error and comes out as 0.
func (d *Decoder) Conformance(size int) int {
	n := d.U32()
	if uint64(n)*uint64(size) > uint64(d.Len()) {
		d.Fail()
		return 0
	}
	return int(n)
}

// varying reads the three counts of a conformant varying array of elements of
// size bytes and returns how many elements follow. Offset must be 0, as in
// every string and buffer of the interfaces here (C706 14.3.3.4).
func (d *Decoder) varying(size int) int {
	most, offset := d.U32(), d.U32()
	n := d.Conformance(size)
	if offset != 0 || uint64(n) > uint64(most) {
		d.Fail()
		return 0
	}
	return n
}

// String reads a [string] of wide characters. Everything from the first NUL on
// is cut off; a string without a terminator is taken as it is.
func (d *Decoder) String() string {
	p := d.Bytes(2 * d.varying(2))
	for i := 0; i+1 < len(p); i += 2 {
		if p[i]|p[i+1] == 0 {
			p = p[:i]
			break
		}
	}
	return decodeUTF16(p)
}

// UniqueString reads a unique pointer to a [string], a parameter of its own;
// nil and "" are the same.
func (d *Decoder) UniqueString() string {
	if !d.Pointer() {
		return ""
	}
	return d.String()
}

// UnicodeString is the part of an RPC_UNICODE_STRING (MS-DTYP 2.3.10) that
// stands in its structure. The characters follow where the structure is left.
type UnicodeString struct {
	// Length counts bytes.
	Length  uint16
	Present bool
}

// UnicodeString reads the fixed part of a string; UnicodeChars reads the rest.
func (d *Decoder) UnicodeString() UnicodeString {
	d.Align(4)
	s := UnicodeString{Length: d.U16()}
	if most := d.U16(); s.Length%2 != 0 || most < s.Length {
		d.Fail()
	}
	s.Present = d.Pointer()
	return s
}

// UnicodeChars reads the characters of s, if it has any. NUL is a character
// like others here.
func (d *Decoder) UnicodeChars(s UnicodeString) string {
	if !s.Present {
		if s.Length != 0 {
			d.Fail()
		}
		return ""
	}
	n := d.varying(2)
	if 2*n != int(s.Length) {
		d.Fail()
		return ""
	}
	return decodeUTF16(d.Bytes(2 * n))
}

func decodeUTF16(p []byte) string {
	units := make([]uint16, len(p)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(p[2*i:])
	}
	return string(utf16.Decode(units))
}
