package compress

import (
	"encoding/binary"
	"math/bits"
)

// The search for earlier occurrences, which all encoders share (MS-XCA 2.1.4.1): a
// table from the hash of a few bytes to where they were seen last.

const (
	tableBits = 14
	// minMatch is the shortest match that is looked for. The formats know matches
	// of three bytes, which save next to nothing.
	minMatch = 4
	// maxLead is how far the positions in a table may grow before it is cleared.
	maxLead = 1 << 30
)

// table remembers positions of the input at hand as base+position, so that it need
// not be cleared for the next one: what is left from earlier inputs lies below base.
type table struct {
	base uint32
	at   [1 << tableBits]uint32
}

// begin makes the table ready for another input.
func (t *table) begin() {
	if t.base == 0 || t.base > maxLead {
		clear(t.at[:])
		t.base = 1
	}
}

// end makes what the table holds of an input of n bytes invalid.
func (t *table) end(n int) { t.base += uint32(n) }

func load32(b []byte, i int) uint32 { return binary.LittleEndian.Uint32(b[i:]) }

func load64(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[i:]) }

// hash4 is the hash of four bytes.
func hash4(v uint32) uint32 { return v * 2654435761 >> (32 - tableBits) }

// matchLen returns how many bytes from a and from b on are equal, b being the later
// position, up to the end of src.
func matchLen(src []byte, a, b int) int {
	start := b
	for b+8 <= len(src) {
		if x := load64(src, a) ^ load64(src, b); x != 0 {
			return b - start + bits.TrailingZeros64(x)>>3
		}
		a, b = a+8, b+8
	}
	for b < len(src) && src[a] == src[b] {
		a, b = a+1, b+1
	}
	return b - start
}

// copyMatch copies n bytes from off bytes before o to o, byte by byte as it were:
// the two may overlap (MS-XCA 2.4.4). The caller has checked 0 < off <= o and
// o+n <= len(dst).
func copyMatch(dst []byte, o, off, n int) {
	from := o - off
	switch {
	case n <= 16 && off >= 16 && o+16 <= len(dst):
		// What is written behind the match is going to be overwritten.
		binary.LittleEndian.PutUint64(dst[o:], load64(dst, from))
		binary.LittleEndian.PutUint64(dst[o+8:], load64(dst, from+8))
	case off >= n:
		copy(dst[o:o+n], dst[from:])
	default:
		// What is copied repeats itself, and doubles with each round.
		for end := o + n; o < end; {
			o += copy(dst[o:end], dst[from:o])
		}
	}
}
