package wire

import (
	"encoding/binary"
	"errors"
	"unicode/utf8"
)

// HeaderSize is the length of the SMB2 packet header in bytes (MS-SMB2 2.2.1).
// Every buffer offset in a message counts from the start of that header.
const HeaderSize = 64

// Decoding errors. A decoder wraps none of them: the caller answers
// STATUS_INVALID_PARAMETER and needs no more detail than the class.
var (
	// ErrTruncated: the message ends before a field, or a field names bytes
	// that lie outside of the message.
	ErrTruncated = errors.New("wire: message truncated")
	// ErrMalformed: a StructureSize, a reserved value or a count is not what
	// the specification demands.
	ErrMalformed = errors.New("wire: message malformed")
)

// Reader is a little-endian cursor over one message. The first read past the
// end sets Err and every later read returns zero, so a decoder checks once.
type Reader struct {
	b   []byte
	off int
	err error
}

// NewReader returns a cursor over b, standing at off.
func NewReader(b []byte, off int) Reader {
	r := Reader{b: b, off: off}
	if off < 0 || off > len(b) {
		r.off, r.err = len(b), ErrTruncated
	}
	return r
}

// Err is the first error, or nil.
func (r *Reader) Err() error { return r.err }

// Offset is the distance of the cursor from the start of the buffer.
func (r *Reader) Offset() int { return r.off }

// Len is the number of bytes not read yet.
func (r *Reader) Len() int { return len(r.b) - r.off }

// Fail records err unless an earlier error stands.
func (r *Reader) Fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *Reader) take(n int) []byte {
	if r.err != nil || n < 0 || n > len(r.b)-r.off {
		r.Fail(ErrTruncated)
		return nil
	}
	p := r.b[r.off : r.off+n : r.off+n]
	r.off += n
	return p
}

// U8 reads one byte.
func (r *Reader) U8() uint8 {
	if p := r.take(1); p != nil {
		return p[0]
	}
	return 0
}

// U16 reads a 16-bit value.
func (r *Reader) U16() uint16 {
	if p := r.take(2); p != nil {
		return binary.LittleEndian.Uint16(p)
	}
	return 0
}

// U32 reads a 32-bit value.
func (r *Reader) U32() uint32 {
	if p := r.take(4); p != nil {
		return binary.LittleEndian.Uint32(p)
	}
	return 0
}

// U64 reads a 64-bit value.
func (r *Reader) U64() uint64 {
	if p := r.take(8); p != nil {
		return binary.LittleEndian.Uint64(p)
	}
	return 0
}

// Skip passes over n bytes.
func (r *Reader) Skip(n int) { r.take(n) }

// Bytes returns the next n bytes, aliasing the message.
func (r *Reader) Bytes(n int) []byte { return r.take(n) }

// Copy fills dst, a fixed-size field such as a GUID or a lease key.
func (r *Reader) Copy(dst []byte) { copy(dst, r.take(len(dst))) }

// At returns n bytes that stand at off from the start of the buffer, aliasing
// it; the cursor stays. n == 0 yields an empty slice whatever off says, as
// clients put any value beside a length of zero.
func (r *Reader) At(off, n int) []byte {
	if n == 0 {
		return r.b[:0:0]
	}
	if r.err != nil || off < 0 || n < 0 || off > len(r.b) || n > len(r.b)-off {
		r.Fail(ErrTruncated)
		return nil
	}
	return r.b[off : off+n : off+n]
}

// UTF16At is At for a string in UTF-16LE.
func (r *Reader) UTF16At(off, n int) string {
	s, err := UTF16String(r.At(off, n))
	if err != nil {
		r.Fail(err)
	}
	return s
}

// UTF16 reads the next n bytes as a string in UTF-16LE.
func (r *Reader) UTF16(n int) string {
	s, err := UTF16String(r.take(n))
	if err != nil {
		r.Fail(err)
	}
	return s
}

// end is Err for a structure of a fixed length: what is left over is an error.
func (r *Reader) end() error {
	if r.Len() != 0 {
		r.Fail(ErrMalformed)
	}
	return r.err
}

// len32 reads a length of 32 bits. One that exceeds the rest of the message is
// an error and comes out as 0, so that the result always fits an int.
func (r *Reader) len32() int {
	n := r.U32()
	if uint64(n) > uint64(r.Len()) {
		r.Fail(ErrTruncated)
		return 0
	}
	return int(n)
}

// wantLength is the decoder of a structure that has a length and no content.
func wantLength(data []byte, n int) error {
	switch {
	case len(data) < n:
		return ErrTruncated
	case len(data) > n:
		return ErrMalformed
	}
	return nil
}

// StructureSize reads the leading 16-bit StructureSize and demands want.
func (r *Reader) StructureSize(want uint16) {
	if got := r.U16(); r.err == nil && got != want {
		r.Fail(ErrMalformed)
	}
}

// AppendU16 appends v in little-endian order, as do its siblings.
func AppendU16(b []byte, v uint16) []byte { return binary.LittleEndian.AppendUint16(b, v) }

// AppendU32 appends v in little-endian order.
func AppendU32(b []byte, v uint32) []byte { return binary.LittleEndian.AppendUint32(b, v) }

// AppendU64 appends v in little-endian order.
func AppendU64(b []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(b, v) }

// AppendZeros appends n zero bytes.
func AppendZeros(b []byte, n int) []byte {
	for ; n >= 8; n -= 8 {
		b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	for ; n > 0; n-- {
		b = append(b, 0)
	}
	return b
}

// Pad appends zeros until len(b)-start is a multiple of align (a power of two).
func Pad(b []byte, start, align int) []byte {
	return AppendZeros(b, -(len(b)-start)&(align-1))
}

// UTF16Len is the length in bytes of s in UTF-16LE.
func UTF16Len(s string) int {
	n := 0
	for i := 0; i < len(s); {
		r, size := decodeWTF8(s[i:])
		n += 2
		if r >= 0x10000 {
			n += 2
		}
		i += size
	}
	return n
}

// AppendUTF16 appends s in UTF-16LE. s is WTF-8: UTF-8 in which an unpaired
// surrogate stands as its three-byte form, so that every name which a client
// can send survives the way to disk and back.
func AppendUTF16(b []byte, s string) []byte {
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			b = append(b, c, 0)
			i++
			continue
		}
		r, size := decodeWTF8(s[i:])
		i += size
		if r >= 0x10000 {
			r -= 0x10000
			b = AppendU16(b, uint16(0xd800+r>>10))
			r = 0xdc00 + r&0x3ff
		}
		b = AppendU16(b, uint16(r))
	}
	return b
}

// UTF16String converts UTF-16LE to WTF-8. An odd last byte is an error.
func UTF16String(b []byte) (string, error) {
	if len(b)%2 != 0 {
		return "", ErrMalformed
	}
	var small [256]byte
	out := small[:0]
	for i := 0; i < len(b); i += 2 {
		u := rune(binary.LittleEndian.Uint16(b[i:]))
		switch {
		case u < utf8.RuneSelf:
			out = append(out, byte(u))
		case u >= 0xd800 && u < 0xdc00 && i+3 < len(b):
			if lo := rune(binary.LittleEndian.Uint16(b[i+2:])); lo >= 0xdc00 && lo < 0xe000 {
				out = utf8.AppendRune(out, 0x10000+(u-0xd800)<<10+(lo-0xdc00))
				i += 2
				continue
			}
			out = appendSurrogate(out, u)
		case u >= 0xd800 && u < 0xe000:
			out = appendSurrogate(out, u)
		default:
			out = utf8.AppendRune(out, u)
		}
	}
	return string(out), nil
}

func appendSurrogate(b []byte, u rune) []byte {
	return append(b, 0xe0|byte(u>>12), 0x80|byte(u>>6)&0x3f, 0x80|byte(u)&0x3f)
}

// decodeWTF8 is utf8.DecodeRuneInString that also accepts a surrogate.
func decodeWTF8(s string) (rune, int) {
	r, size := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && size == 1 && len(s) >= 3 &&
		s[0] == 0xed && s[1]&0xe0 == 0xa0 && s[2]&0xc0 == 0x80 {
		return 0xd000 | rune(s[1]&0x3f)<<6 | rune(s[2]&0x3f), 3
	}
	return r, size
}
