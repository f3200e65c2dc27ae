package compress

import (
	"encoding/binary"
	"sync"
)

// LZ77+Huffman, the decoder (MS-XCA 2.2.4).

// quickBits is the length of the codes that are found by one look.
const quickBits = 11

// huffDecoder decodes the codes of a block.
type huffDecoder struct {
	// quick maps the next bits to symbol<<4 | length; 0 for longer codes.
	quick [1 << quickBits]uint16
	// By length: the first code, how many there are, and where their symbols
	// begin in sorted.
	first, count, start [huffMaxBits + 1]int
	sorted              [huffSymbols]uint16
}

var huffDecoders = sync.Pool{New: func() any { return new(huffDecoder) }}

// build makes the tables from the lengths at the start of a block. It reports false
// if these do not make a complete code.
func (d *huffDecoder) build(lengths []byte) bool {
	d.count = [huffMaxBits + 1]int{}
	for _, v := range lengths[:huffTable] {
		d.count[v&15]++
		d.count[v>>4]++
	}
	d.count[0] = 0
	code, at, used := 0, 0, 0
	for l := 1; l <= huffMaxBits; l++ {
		code <<= 1
		d.first[l], d.start[l] = code, at
		code += d.count[l]
		at += d.count[l]
		used += d.count[l] << (huffMaxBits - l)
	}
	if used != 1<<huffMaxBits {
		return false
	}
	next := d.start
	for sym := range huffSymbols {
		l := lengths[sym/2] >> (sym % 2 * 4) & 15
		if l == 0 {
			continue
		}
		d.sorted[next[l]] = uint16(sym)
		next[l]++
	}
	clear(d.quick[:])
	for l := 1; l <= quickBits; l++ {
		for k := range d.count[l] {
			entry := d.sorted[d.start[l]+k]<<4 | uint16(l)
			from := (d.first[l] + k) << (quickBits - l)
			for i := range 1 << (quickBits - l) {
				d.quick[from+i] = entry
			}
		}
	}
	return true
}

// symbol finds the symbol that the upper bits of next begin with, and its length. As
// the code is complete there always is one.
func (d *huffDecoder) symbol(next uint32) (sym, length int) {
	if e := int(d.quick[next>>(32-quickBits)]); e != 0 {
		return e >> 4, e & 15
	}
	for l := quickBits + 1; l < huffMaxBits; l++ {
		if k := int(next>>(32-l)) - d.first[l]; k < d.count[l] {
			return int(d.sorted[d.start[l]+k]), l
		}
	}
	return int(d.sorted[d.start[huffMaxBits]+int(next>>(32-huffMaxBits))-d.first[huffMaxBits]]), huffMaxBits
}

// bitReader is the register of MS-XCA 2.2.4: the next bits from the highest one on,
// of which at least 16 are there.
type bitReader struct {
	src   []byte
	in    int
	next  uint32
	extra int  // bits beyond those 16
	short bool // bits were taken that the stream does not have
}

// begin fills the register.
func (r *bitReader) begin() bool {
	if len(r.src)-r.in < 4 {
		return false
	}
	r.next = uint32(r.word())<<16 | uint32(r.word())
	r.extra = 16
	return true
}

func (r *bitReader) word() uint16 {
	if len(r.src)-r.in < 2 {
		r.short = true
		return 0
	}
	r.in += 2
	return binary.LittleEndian.Uint16(r.src[r.in-2:])
}

func (r *bitReader) drop(n int) {
	r.next <<= n
	r.extra -= n
	if r.extra < 0 {
		r.next |= uint32(r.word()) << -r.extra
		r.extra += 16
	}
}

// length reads a length, less 3, of 15 or more, or returns -1.
func (r *bitReader) length() int {
	left := r.src[r.in:]
	switch {
	case len(left) < 1:
		return -1
	case left[0] < 255:
		r.in++
		return int(left[0]) + 15
	case len(left) < 3:
		return -1
	}
	n := int(binary.LittleEndian.Uint16(left[1:]))
	r.in += 3
	if n == 0 {
		// What is too long for 16 bits follows in 32 (MS-XCA 2.1.4.3).
		if len(left) < 7 {
			return -1
		}
		r.in += 4
		long := binary.LittleEndian.Uint32(left[3:])
		if long > maxLength {
			return -1
		}
		n = int(long)
	}
	if n < 15 {
		return -1
	}
	return n
}

// expandHuffman expands block by block.
func expandHuffman(dst, src []byte) bool {
	d, _ := huffDecoders.Get().(*huffDecoder)
	defer huffDecoders.Put(d)
	r := bitReader{src: src}
	o := 0
	for len(src)-r.in >= huffTable {
		if !d.build(src[r.in:]) {
			return false
		}
		r.in += huffTable
		if !r.begin() {
			return false
		}
		if o == len(dst) {
			return d.ended(&r) // a block with nothing but the end
		}
		start := o
		if o = d.block(&r, dst, o); o < 0 {
			return false
		}
		// A block that is full has no end of its own: another table follows, or
		// what is left is too short to be one.
		if o < start+huffBlock {
			return o == len(dst) && d.ended(&r)
		}
	}
	return o == len(dst)
}

// block expands a block from o on, and returns where the next one goes, or -1 if it
// is corrupt.
func (d *huffDecoder) block(r *bitReader, dst []byte, o int) int {
	end := min(o+huffBlock, len(dst))
	for o < end {
		sym, n := d.symbol(r.next)
		r.drop(n)
		if sym < 256 {
			dst[o] = byte(sym)
			o++
			continue
		}
		sym -= 256
		n = sym & 15
		if n == 15 {
			if n = r.length(); n < 0 {
				return -1
			}
		}
		n += 3
		extra := sym >> 4
		off := 1<<extra + int(uint64(r.next)>>(32-extra))
		r.drop(extra)
		if off > o || n > len(dst)-o || r.short {
			return -1
		}
		copyMatch(dst, o, off, n)
		o += n
	}
	if r.short {
		return -1
	}
	return o
}

// ended reports whether nothing but the end of the data is left behind the last byte.
// An encoder may leave symbol 256 out (MS-XCA 2.1.4.3): then there are zero bits.
func (d *huffDecoder) ended(r *bitReader) bool {
	sym, n := d.symbol(r.next)
	if r.in == len(r.src) && r.next == 0 {
		return true
	}
	if sym != huffEOF {
		return false
	}
	r.drop(n)
	return !r.short && r.in == len(r.src)
}
