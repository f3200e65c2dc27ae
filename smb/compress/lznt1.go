package compress

import (
	"encoding/binary"
	"math/bits"
	"sync"
)

// LZNT1 (MS-XCA 2.5): chunks of 4096 bytes that are compressed each by itself, in
// groups of a byte of flags, lowest bit first, and eight literals or matches of two
// bytes. How the bits of a match are shared by distance and length depends on how
// far the chunk has come.

const (
	lznt1Chunk      = 4096
	lznt1Compressed = 0x8000
	lznt1Signature  = 0x3000
	lznt1SizeMask   = 0x0fff
	lznt1Header     = 2
	lznt1HashBits   = 11
)

// lznt1Table is a table of positions in a chunk, by the hash of three bytes.
type lznt1Table [1 << lznt1HashBits]uint16

var lznt1Tables = sync.Pool{New: func() any { return new(lznt1Table) }}

// lznt1Bits returns how many bits a match at position u of its chunk, u > 0, has for
// its length: 16 less the largest M of 4 to 12 with 2^(M-1) < u (MS-XCA 2.5.1.4).
func lznt1Bits(u int) int { return 16 - max(4, bits.Len(uint(u-1))) }

// compressLZNT1 compresses chunk by chunk. The End_of_buffer terminal is not
// written, as the length is known.
func compressLZNT1(dst, src []byte) (int, bool) {
	t, _ := lznt1Tables.Get().(*lznt1Table)
	defer lznt1Tables.Put(t)
	o := 0
	for len(src) > 0 {
		chunk := src[:min(lznt1Chunk, len(src))]
		src = src[len(chunk):]
		if o+lznt1Header > len(dst) {
			return 0, false
		}
		// One byte less than the chunk itself has, or it is stored.
		body := dst[o+lznt1Header:]
		n := t.compress(body[:min(len(body), len(chunk)-1)], chunk)
		header := lznt1Compressed
		if n == 0 {
			header = 0
			if len(body) < len(chunk) {
				return 0, false
			}
			n = copy(body, chunk)
		}
		header |= lznt1Signature | (n - 1)
		binary.LittleEndian.PutUint16(dst[o:], uint16(header))
		o += lznt1Header + n
	}
	return o, true
}

// compress compresses one chunk, and returns 0 if the result does not fit.
func (t *lznt1Table) compress(dst, src []byte) int {
	clear(t[:])
	o, flagAt, item := 0, 0, 8
	for i := 0; i < len(src); {
		if item == 8 {
			flagAt, item = o, 0
			o++
		}
		if o+2 > len(dst) {
			return 0
		}
		if item == 0 {
			dst[flagAt] = 0
		}
		off, n := t.find(src, i)
		if n == 0 {
			dst[o] = src[i]
			o, i = o+1, i+1
		} else {
			dst[flagAt] |= 1 << item
			binary.LittleEndian.PutUint16(dst[o:], uint16((off-1)<<lznt1Bits(i)|(n-3)))
			o, i = o+2, i+n
		}
		item++
	}
	return o
}

// find looks for a match of three bytes or more for those at i. Positions stand in
// the table raised by one, as it is cleared for every chunk.
func (t *lznt1Table) find(src []byte, i int) (off, n int) {
	if i+3 > len(src) {
		return 0, 0
	}
	v := uint32(src[i]) | uint32(src[i+1])<<8 | uint32(src[i+2])<<16
	h := v * 506832829 >> (32 - lznt1HashBits)
	c := int(t[h]) - 1
	t[h] = uint16(i + 1)
	if c < 0 || src[c] != src[i] || src[c+1] != src[i+1] || src[c+2] != src[i+2] {
		return 0, 0
	}
	most := 1<<lznt1Bits(i) - 1 + 3
	return i - c, min(3+matchLen(src, c+3, i+3), most)
}

// expandLZNT1 expands chunk by chunk.
func expandLZNT1(dst, src []byte) bool {
	o := 0
	for len(src) > 0 {
		if len(src) < lznt1Header {
			return false
		}
		header := int(binary.LittleEndian.Uint16(src))
		if header == 0 {
			break // End_of_buffer
		}
		size := header&lznt1SizeMask + 1
		if header&0x7000 != lznt1Signature || size > len(src)-lznt1Header {
			return false
		}
		body := src[lznt1Header:][:size]
		src = src[lznt1Header+size:]
		room := dst[o:min(len(dst), o+lznt1Chunk)]
		n := -1
		if header&lznt1Compressed != 0 {
			n = expandChunk(room, body)
		} else if size <= len(room) {
			n = copy(room, body)
		}
		if n < 0 {
			return false
		}
		o += n
	}
	return o == len(dst)
}

// expandChunk expands the body of a compressed chunk into dst, and returns how many
// bytes it held, or -1.
func expandChunk(dst, src []byte) int {
	o := 0
	for in := 0; in < len(src); {
		flags := src[in]
		in++
		for item := 0; item < 8 && in < len(src); item++ {
			if flags&(1<<item) == 0 {
				if o == len(dst) {
					return -1
				}
				dst[o] = src[in]
				in, o = in+1, o+1
				continue
			}
			if in+2 > len(src) || o == 0 {
				return -1
			}
			v := int(binary.LittleEndian.Uint16(src[in:]))
			in += 2
			l := lznt1Bits(o)
			off, n := v>>l+1, v&(1<<l-1)+3
			if off > o || n > len(dst)-o {
				return -1
			}
			copyMatch(dst, o, off, n)
			o += n
		}
	}
	return o
}
