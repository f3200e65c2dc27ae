package ndr

import (
	"encoding/binary"
	"unicode/utf16"
)

// firstReferent is where the ids of pointers start, as in what Windows
// marshals. Any value but 0 would do.
const firstReferent = 0x00020000

// Encoder writes a stub. The zero value is ready. Pointers defer what they
// point to; Flush, or the next call of Stub, writes it.
type Encoder struct {
	b     []byte
	refs  uint32
	queue []func()
}

// Stub flushes and returns what was written.
func (e *Encoder) Stub() []byte {
	e.Flush()
	return e.b
}

// Len is the number of bytes written, without what is deferred.
func (e *Encoder) Len() int { return len(e.b) }

// Align writes zeros up to the next multiple of n bytes, a power of two.
func (e *Encoder) Align(n int) {
	for len(e.b)&(n-1) != 0 {
		e.b = append(e.b, 0)
	}
}

// Bytes writes p without any alignment.
func (e *Encoder) Bytes(p []byte) { e.b = append(e.b, p...) }

// U8 writes a small or a character.
func (e *Encoder) U8(v uint8) { e.b = append(e.b, v) }

// U16 writes an aligned short, or an enumeration.
func (e *Encoder) U16(v uint16) {
	e.Align(2)
	e.b = binary.LittleEndian.AppendUint16(e.b, v)
}

// U32 writes an aligned long.
func (e *Encoder) U32(v uint32) {
	e.Align(4)
	e.b = binary.LittleEndian.AppendUint32(e.b, v)
}

// Nil writes a pointer to nothing.
func (e *Encoder) Nil() { e.U32(0) }

// Pointer writes a pointer and defers body, which writes what it points to.
func (e *Encoder) Pointer(body func()) {
	e.U32(firstReferent + 4*e.refs)
	e.refs++
	e.queue = append(e.queue, body)
}

// Flush writes everything that is deferred. It belongs at the end of each
// parameter that is or contains a pointer.
func (e *Encoder) Flush() {
	for len(e.queue) > 0 {
		owed := e.queue
		e.queue = nil
		for _, body := range owed {
			body()
			// What this referent points to precedes the next referent.
			e.Flush()
		}
	}
}

// UniqueU32 writes a unique pointer to a long, a parameter of its own.
func (e *Encoder) UniqueU32(v *uint32) {
	if v == nil {
		e.Nil()
		return
	}
	e.Pointer(func() { e.U32(*v) })
	e.Flush()
}

// String writes a [string] of wide characters with its terminator.
func (e *Encoder) String(s string) {
	units := utf16.Encode([]rune(s))
	n := uint32(len(units)) + 1
	e.U32(n)
	e.U32(0)
	e.U32(n)
	e.units(units)
	e.U16(0)
}

// StringPointer writes a pointer to s, which may be empty but never is nil.
func (e *Encoder) StringPointer(s string) { e.Pointer(func() { e.String(s) }) }

// maxUnicode is how many UTF-16 code units a UnicodeString holds: its length
// field counts bytes in 16 bits.
const maxUnicode = 1<<15 - 1

// UnicodeString writes an RPC_UNICODE_STRING (MS-DTYP 2.3.10), without a
// terminator, and defers its characters. An empty one points to an empty array,
// as some clients take nil for "no name". What exceeds 32,767 code units is cut
// off.
func (e *Encoder) UnicodeString(s string) {
	units := utf16.Encode([]rune(s))
	if len(units) > maxUnicode {
		units = units[:maxUnicode]
	}
	n := uint32(len(units))
	e.Align(4)
	e.U16(uint16(2 * n))
	e.U16(uint16(2 * n))
	e.Pointer(func() {
		e.U32(n)
		e.U32(0)
		e.U32(n)
		e.units(units)
	})
}

func (e *Encoder) units(units []uint16) {
	for _, u := range units {
		e.b = binary.LittleEndian.AppendUint16(e.b, u)
	}
}
