package compress

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"sync"
)

// LZ77+Huffman, the encoder (MS-XCA 2.1): blocks of 64 KiB, each with the lengths of
// 512 prefix codes in 256 bytes and then a stream of bits. Symbols below 256 are
// literals, the others matches with four bits of length and the number of bits of
// the distance; symbol 256 is also the end of the data.

const (
	huffBlock   = 65536
	huffWindow  = 65535
	huffSymbols = 512
	huffEOF     = 256
	huffTable   = huffSymbols / 2
	huffMaxBits = 15
	// huffLead is the table and the first two words.
	huffLead = huffTable + 4
)

// huffEncoder is the state of an encoder.
type huffEncoder struct {
	table
	// tokens are the literals and matches of a block: a byte, or the distance in
	// the upper half and the length less 3 in the lower one.
	tokens [huffBlock]uint32
	n      int // of tokens
	counts [huffSymbols]uint32
	codes  huffCodes
}

var huffEncoders = sync.Pool{New: func() any { return new(huffEncoder) }}

// compressHuffman compresses block by block.
func compressHuffman(dst, src []byte) (int, bool) {
	e, _ := huffEncoders.Get().(*huffEncoder)
	defer huffEncoders.Put(e)
	e.begin()
	defer e.end(len(src))
	o := 0
	for start := 0; start < len(src); start += huffBlock {
		end := min(start+huffBlock, len(src))
		e.parse(src, start, end)
		last := end == len(src)
		if last {
			e.counts[huffEOF]++ // MS-XCA 2.1.4.3
		}
		e.codes.build(&e.counts)
		n, ok := e.encode(dst[o:], last)
		if !ok {
			return 0, false
		}
		o += n
	}
	return o, true
}

// matchSymbol is the symbol of a match (MS-XCA 2.1.4.1), and the number of bits of
// its distance that follow.
func matchSymbol(token uint32) (sym, extra uint32) {
	extra = uint32(bits.Len32(token>>16)) - 1
	return 256 + min(token&0xffff, 15) + 16*extra, extra
}

// parse finds the literals and matches of src[start:end] and counts their symbols.
// Matches may begin in earlier blocks, and end in this one.
func (e *huffEncoder) parse(src []byte, start, end int) {
	e.n = 0
	clear(e.counts[:])
	base, lit, i := e.base, start, start
	misses := 1 << skipShift
	block := src[:end]
	for i+minMatch <= end {
		v := load32(block, i)
		h := hash4(v)
		at := e.at[h] - base
		e.at[h] = base + uint32(i)
		if at >= uint32(i) || i-int(at) > huffWindow || load32(block, int(at)) != v {
			i += misses >> skipShift
			misses++
			continue
		}
		c := int(at)
		misses = 1 << skipShift
		n := minMatch + matchLen(block, c+minMatch, i+minMatch)
		for i > lit && c > 0 && block[i-1] == block[c-1] {
			i, c, n = i-1, c-1, n+1
		}
		e.literals(block[lit:i])
		token := uint32(i-c)<<16 | uint32(n-3)
		sym, _ := matchSymbol(token)
		e.counts[sym]++
		e.tokens[e.n] = token
		e.n++
		i += n
		lit = i
		if i+2 <= end-minMatch {
			e.at[hash4(load32(block, i-2))] = base + uint32(i-2)
			e.at[hash4(load32(block, i-1))] = base + uint32(i-1)
		}
	}
	e.literals(block[lit:])
}

func (e *huffEncoder) literals(b []byte) {
	room := e.tokens[e.n:][:len(b)]
	for i, v := range b {
		room[i] = uint32(v)
		e.counts[v]++
	}
	e.n += len(b)
}

// encode writes the block that was parsed.
func (e *huffEncoder) encode(dst []byte, last bool) (int, bool) {
	if len(dst) < huffLead {
		return 0, false
	}
	c := &e.codes
	for i := range huffTable {
		dst[i] = c.length[2*i] | c.length[2*i+1]<<4
	}
	w := bitWriter{dst: dst, first: huffTable, second: huffTable + 2, o: huffLead}
	for _, token := range e.tokens[:e.n] {
		if w.o+16 > len(dst) {
			return 0, false
		}
		if token < 256 {
			w.bits(uint32(c.code[token]), int(c.length[token]))
			continue
		}
		sym, extra := matchSymbol(token)
		w.bits(uint32(c.code[sym]), int(c.length[sym]))
		if n := token & 0xffff; n >= 15 {
			w.length(n)
		}
		w.bits(token>>16&(1<<extra-1), int(extra))
	}
	if last {
		if w.o+2 > len(dst) {
			return 0, false
		}
		w.bits(uint32(c.code[huffEOF]), int(c.length[huffEOF]))
	}
	return w.flush(), true
}

// bitWriter writes bits in words of 16, highest bit first, at places that were
// reserved when a decoder, which is two words ahead, will have read what is before
// them. Whole bytes go in between (MS-XCA 2.1.4.3).
type bitWriter struct {
	dst           []byte
	first, second int // places of the next two words
	o             int
	acc           uint32
	n             int // bits in acc, 16 at most
}

func (w *bitWriter) bits(v uint32, n int) {
	w.acc = w.acc<<n | v
	w.n += n
	if w.n > 16 {
		w.n -= 16
		binary.LittleEndian.PutUint16(w.dst[w.first:], uint16(w.acc>>w.n))
		w.first, w.second = w.second, w.o
		w.o += 2
	}
}

// length appends the length of a match, less 3, that is 15 or more.
func (w *bitWriter) length(n uint32) {
	if n-15 < 255 {
		w.dst[w.o] = byte(n - 15)
		w.o++
		return
	}
	// Within a block no length needs more than 16 bits.
	w.dst[w.o] = 255
	binary.LittleEndian.PutUint16(w.dst[w.o+1:], uint16(n))
	w.o += 3
}

func (w *bitWriter) flush() int {
	binary.LittleEndian.PutUint16(w.dst[w.first:], uint16(w.acc<<(16-w.n)))
	binary.LittleEndian.PutUint16(w.dst[w.second:], 0)
	return w.o
}

// huffCodes are the canonical codes of a block.
type huffCodes struct {
	length [huffSymbols]byte // in bits; 0: the symbol does not occur
	code   [huffSymbols]uint16

	// What building them takes.
	sorted [huffSymbols]uint32     // count and symbol
	weight [2 * huffSymbols]uint32 // of leaves, and then of inner nodes
	parent [2 * huffSymbols]uint16
}

// build makes codes of at most 15 bits from the counts of the symbols (MS-XCA
// 2.1.4.2). There are always two at least, as a single code of one bit would leave
// half of the table of a decoder empty, which it takes for an error.
func (c *huffCodes) build(counts *[huffSymbols]uint32) {
	n := 0
	for sym, count := range counts {
		if count > 0 {
			c.sorted[n] = count<<9 | uint32(sym)
			n++
		}
	}
	if n == 1 {
		other := uint32(0)
		if c.sorted[0]&(huffSymbols-1) == 0 {
			other = 1
		}
		c.sorted[1] = 1<<9 | other
		n = 2
	}
	clear(c.length[:])
	list := c.sorted[:n]
	for {
		slices.Sort(list)
		if c.depths(list) <= huffMaxBits {
			break
		}
		// Counts that lie closer together make a flatter tree.
		for i, v := range list {
			list[i] = (v>>9+1)/2<<9 | v&(huffSymbols-1)
		}
	}
	c.assign()
}

// depths sets the lengths of the codes by Huffman's construction: leaves in list and
// inner nodes are queues that are sorted by weight. It returns the longest.
func (c *huffCodes) depths(list []uint32) int {
	n := len(list)
	for i, v := range list {
		c.weight[i] = v >> 9
	}
	leaf, inner := 0, n
	take := func(made int) int {
		if leaf < n && (inner == made || c.weight[leaf] <= c.weight[inner]) {
			leaf++
			return leaf - 1
		}
		inner++
		return inner - 1
	}
	root := 2*n - 2
	for made := n; made <= root; made++ {
		a := take(made)
		b := take(made)
		c.weight[made] = c.weight[a] + c.weight[b]
		c.parent[a], c.parent[b] = uint16(made), uint16(made)
	}
	// From here on weight is depth.
	c.weight[root] = 0
	for i := root - 1; i >= 0; i-- {
		c.weight[i] = c.weight[c.parent[i]] + 1
	}
	longest := 0
	for i, v := range list {
		longest = max(longest, int(c.weight[i]))
		c.length[v&(huffSymbols-1)] = byte(c.weight[i])
	}
	return longest
}

// assign gives codes to the symbols, by length and then by value.
func (c *huffCodes) assign() {
	var count, next [huffMaxBits + 2]uint16
	for _, l := range c.length {
		count[l]++
	}
	count[0] = 0
	for l := 1; l <= huffMaxBits; l++ {
		next[l] = (next[l-1] + count[l-1]) << 1
	}
	for sym, l := range c.length {
		if l > 0 {
			c.code[sym] = next[l]
			next[l]++
		}
	}
}
