package compress

import (
	"encoding/binary"
	"sync"
)

// Plain LZ77 (MS-XCA 2.3, 2.4): words of 32 flags, highest bit first, 0 for a
// literal byte and 1 for a match of 13 bits of distance and 3 bits of length, which
// goes on in half a byte, a byte, two and four bytes.

const (
	lz77Window = 8192
	// longestMatch keeps the length of a match in 16 bits, which every decoder has
	// always known.
	longestMatch = 65535 + 3
	// skipShift is how soon an encoder takes larger steps where it finds nothing.
	skipShift = 5
)

var tables = sync.Pool{New: func() any { return new(table) }}

// lz77Writer is the output of the encoder.
type lz77Writer struct {
	dst   []byte
	o     int // where the next byte goes
	flags uint32
	count int // of flags
	at    int // where flags go
	half  int // where half a byte is free; 0: nowhere
}

func (w *lz77Writer) putFlags() {
	binary.LittleEndian.PutUint32(w.dst[w.at:], w.flags)
	w.at, w.count = w.o, 0
	w.o += 4
}

// literals appends bytes as they are. It reports false if there is no room.
func (w *lz77Writer) literals(b []byte) bool {
	if w.o+len(b)+len(b)/8+8 > len(w.dst) {
		return false
	}
	if len(b) < 32-w.count {
		// Most runs are short, and a loop is quicker than a call.
		for _, v := range b {
			w.dst[w.o] = v
			w.o++
		}
		w.flags <<= len(b)
		w.count += len(b)
		return true
	}
	for len(b) > 0 {
		n := copy(w.dst[w.o:w.o+min(32-w.count, len(b))], b)
		b = b[n:]
		w.o += n
		w.flags <<= n
		w.count += n
		if w.count == 32 {
			w.putFlags()
		}
	}
	return true
}

// match appends a match. It reports false if there is no room.
func (w *lz77Writer) match(off, n int) bool {
	if w.o+16 > len(w.dst) {
		return false
	}
	d := w.dst
	n -= 3
	v := uint16(off-1) << 3
	if n < 7 {
		binary.LittleEndian.PutUint16(d[w.o:], v|uint16(n))
		w.o += 2
	} else {
		binary.LittleEndian.PutUint16(d[w.o:], v|7)
		w.o += 2
		w.length(n)
	}
	w.flags = w.flags<<1 | 1
	w.count++
	if w.count == 32 {
		w.putFlags()
	}
	return true
}

// length appends a length, less 3, that is 7 or more.
func (w *lz77Writer) length(n int) {
	d := w.dst
	nibble := byte(min(n-7, 15))
	if w.half == 0 {
		w.half = w.o
		d[w.o] = nibble
		w.o++
	} else {
		d[w.half] |= nibble << 4
		w.half = 0
	}
	if nibble < 15 {
		return
	}
	if n-22 < 255 {
		d[w.o] = byte(n - 22)
		w.o++
		return
	}
	d[w.o] = 255
	binary.LittleEndian.PutUint16(d[w.o+1:], uint16(n))
	w.o += 3
}

// end completes the flags: the unused ones are set, by which a decoder knows that it
// is done.
func (w *lz77Writer) end() int {
	rest := 32 - w.count
	w.flags = w.flags<<rest | (1<<rest - 1)
	binary.LittleEndian.PutUint32(w.dst[w.at:], w.flags)
	return w.o
}

// compressLZ77 carries out MS-XCA 2.3.4.
func compressLZ77(dst, src []byte) (int, bool) {
	if len(dst) < 4 {
		return 0, false
	}
	t, _ := tables.Get().(*table)
	defer tables.Put(t)
	t.begin()
	defer t.end(len(src))
	w := lz77Writer{dst: dst, o: 4}
	base, lit, i := t.base, 0, 1
	misses := 1 << skipShift
	if len(src) >= minMatch {
		t.at[hash4(load32(src, 0))] = base
	}
	for i+minMatch <= len(src) {
		v := load32(src, i)
		h := hash4(v)
		at := t.at[h] - base // what is stale becomes huge
		t.at[h] = base + uint32(i)
		if at >= uint32(i) || i-int(at) > lz77Window || load32(src, int(at)) != v {
			i += misses >> skipShift
			misses++
			continue
		}
		c := int(at)
		misses = 1 << skipShift
		n := minMatch + matchLen(src[:min(len(src), i+longestMatch)], c+minMatch, i+minMatch)
		for i > lit && c > 0 && src[i-1] == src[c-1] && n < longestMatch {
			i, c, n = i-1, c-1, n+1
		}
		if !w.literals(src[lit:i]) || !w.match(i-c, n) {
			return 0, false
		}
		i += n
		lit = i
		if i+2 <= len(src)-minMatch {
			t.at[hash4(load32(src, i-2))] = base + uint32(i-2)
			t.at[hash4(load32(src, i-1))] = base + uint32(i-1)
		}
	}
	if !w.literals(src[lit:]) {
		return 0, false
	}
	return w.end(), true
}

// expandLZ77 carries out MS-XCA 2.4.4.
func expandLZ77(dst, src []byte) bool {
	var flags uint32
	in, o, count, half := 0, 0, 0, 0
	for in < len(src) {
		if count == 0 {
			if in+4 > len(src) {
				return false
			}
			flags = load32(src, in)
			in += 4
			count = 32
			continue // the stream may end behind its last flags
		}
		if flags&(1<<31) == 0 {
			if o == len(dst) {
				return false
			}
			dst[o] = src[in]
			in, o = in+1, o+1
			flags <<= 1
			count--
			continue
		}
		flags <<= 1
		count--
		if in+2 > len(src) {
			return false
		}
		v := int(binary.LittleEndian.Uint16(src[in:]))
		in += 2
		off, n := v>>3+1, v&7
		if n == 7 {
			var nibble int
			if half == 0 {
				if in == len(src) {
					return false
				}
				nibble = int(src[in] & 15)
				half = in
				in++
			} else {
				nibble = int(src[half] >> 4)
				half = 0
			}
			n += nibble
			if nibble == 15 {
				if n, in = longLength(src, in); n < 0 {
					return false
				}
			}
		}
		n += 3
		if off > o || n > len(dst)-o {
			return false
		}
		copyMatch(dst, o, off, n)
		o += n
	}
	return o == len(dst)
}

// longLength reads what follows half a byte of ones: the length less 3, and where the
// input goes on. It returns -1 if it is not one.
func longLength(src []byte, in int) (n, next int) {
	if in == len(src) {
		return -1, in
	}
	n = int(src[in])
	in++
	if n < 255 {
		return n + 15 + 7, in
	}
	if in+2 > len(src) {
		return -1, in
	}
	n = int(binary.LittleEndian.Uint16(src[in:]))
	in += 2
	if n == 0 {
		if in+4 > len(src) {
			return -1, in
		}
		long := load32(src, in)
		in += 4
		if long > maxLength {
			return -1, in
		}
		n = int(long)
	}
	if n < 15+7 {
		return -1, in
	}
	return n, in
}

// maxLength is more than any message has.
const maxLength = 1 << 30
