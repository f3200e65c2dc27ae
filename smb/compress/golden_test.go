package compress

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"lessor/smb/wire"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

func zeros(n int) string { return strings.Repeat("00", n) }

const alphabet = "abcdefghijklmnopqrstuvwxyz"

// golden are the examples of MS-XCA 3.
var golden = []struct {
	name string
	alg  wire.CompressionAlgorithm
	text string
	hex  string
	// encoded says that our encoder makes the same choices.
	encoded bool
}{
	{"LZ77 literals", wire.CompressionLZ77, alphabet,
		"3f000000 6162636465666768696a6b6c6d6e6f707172737475767778797a", true},
	{"LZ77 match", wire.CompressionLZ77, strings.Repeat("abc", 100),
		"ffffff1f 616263 1700 0f ff 2601", true},
	{"Huffman literals", wire.CompressionLZ77Huffman, alphabet,
		zeros(48) + "50 55555555555555555555 45 44 04" + zeros(66) + "04" + zeros(127) +
			"d8523ed794115be9195ff9d67cdf8d04 00000000", true},
	{"Huffman match", wire.CompressionLZ77Huffman, strings.Repeat("abc", 100),
		zeros(48) + "30 23" + zeros(78) + "02" + zeros(14) + "20" + zeros(112) + "a8dc0000 ff 2601", true},
	{"LZNT1", wire.CompressionLZNT1,
		"F# F# G A A G F# E D D E F# F# E E F# F# G A A G F# E D D E F# E D D E E F# D E F# G F# D E F# G F# E D E A F# F# G A A G F# E D D E F# E D D\x00",
		"38b08846232000204720410010a24701a0452044000845015079 00c0452005241388" +
			"05b4024a44ef0358028c0916014845 00be009e000401189000", false},
}

func TestGolden(t *testing.T) {
	for _, g := range golden {
		t.Run(g.name, func(t *testing.T) {
			want := unhex(g.hex)
			out := make([]byte, len(g.text))
			if err := Expand(g.alg, out, want); err != nil || string(out) != g.text {
				t.Fatalf("%v: %q", err, out)
			}
			if err := Expand(g.alg, make([]byte, len(g.text)-1), want); err != ErrCorrupt {
				t.Errorf("one byte less: %v", err)
			}
			if err := Expand(g.alg, make([]byte, len(g.text)+1), want); err != ErrCorrupt {
				t.Errorf("one byte more: %v", err)
			}
			if !g.encoded {
				return
			}
			got := make([]byte, 1000)
			n, ok := Compress(g.alg, got, []byte(g.text))
			if !ok || !bytes.Equal(got[:n], want) {
				t.Errorf("encoded as %x\nwant %x", got[:n], want)
			}
		})
	}
}

// What is not there must not be read, and every length counts.
func TestGoldenTruncated(t *testing.T) {
	for _, g := range golden {
		b := unhex(g.hex)
		for n := range len(b) {
			// Up to the last word of a Huffman stream, which is only there to be
			// read ahead, every byte is needed.
			if g.alg == wire.CompressionLZ77Huffman && n >= len(b)-4 {
				continue
			}
			if err := Expand(g.alg, make([]byte, len(g.text)), b[:n]); err != ErrCorrupt {
				t.Errorf("%s, %d of %d bytes: %v", g.name, n, len(b), err)
			}
		}
	}
}

// Forms of lengths that our encoders have no use for, but others may send.
func TestLongLengths(t *testing.T) {
	for _, c := range []struct {
		name string
		alg  wire.CompressionAlgorithm
		hex  string
		n    int // of "a"; negative: corrupt
	}{
		// a literal, then a match of distance 1 whose length is in 32 bits.
		{"LZ77 32 bits", wire.CompressionLZ77, "ffffff7f 61 0700 0f ff 0000 00000200", 1 + 0x20000 + 3},
		{"LZ77 32 bits, less than fits 16", wire.CompressionLZ77, "ffffff7f 61 0700 0f ff 0000 00010000", 1 + 0x100 + 3},
		{"LZ77 32 bits, too little", wire.CompressionLZ77, "ffffff7f 61 0700 0f ff 0000 15000000", -1},
		{"LZ77 32 bits, far too much", wire.CompressionLZ77, "ffffff7f 61 0700 0f ff 0000 ffffffff", -1},
		{"LZ77 16 bits, too little", wire.CompressionLZ77, "ffffff7f 61 0700 0f ff 1500", -1},
		{"LZ77 16 bits, least", wire.CompressionLZ77, "ffffff7f 61 0700 0f ff 1600", 1 + 22 + 3},
		{"LZ77 two half bytes", wire.CompressionLZ77, "ffffff7f 61 0700 21 0700", 1 + (7 + 1 + 3) + (7 + 2 + 3)},
		{"LZ77 before the start", wire.CompressionLZ77, "ffffff7f 61 0f00 00", -1},
		{"LZ77 end behind flags", wire.CompressionLZ77, "00000000" + strings.Repeat("61", 32) + "ffffffff", 32},
		// Two symbols of one bit: the literal a and the match 256+15, distance 1.
		{"Huffman 32 bits", wire.CompressionLZ77Huffman,
			zeros(48) + "10" + zeros(86) + "10" + zeros(120) + "0040 0000 ff 0000 00020000", 1 + 0x200 + 3},
		{"Huffman 16 bits, too little", wire.CompressionLZ77Huffman,
			zeros(48) + "10" + zeros(86) + "10" + zeros(120) + "0040 0000 ff 0e00", -1},
		{"Huffman incomplete code", wire.CompressionLZ77Huffman, zeros(48) + "10" + zeros(207) + "0000 0000", -1},
		{"Huffman oversubscribed code", wire.CompressionLZ77Huffman, zeros(48) + "1011" + zeros(206) + "0000 0000", -1},
		{"LZNT1 stored", wire.CompressionLZNT1, "0230 616161", 3},
		{"LZNT1 end of buffer", wire.CompressionLZNT1, "0230 616161 0000", 3},
		{"LZNT1 bad signature", wire.CompressionLZNT1, "0220 616161", -1},
		{"LZNT1 match before the chunk", wire.CompressionLZNT1, "0230 616161 02b0 01 0000", -1},
	} {
		want := strings.Repeat("a", max(c.n, 0))
		out := make([]byte, max(len(want), 100))[:max(len(want), 1)]
		if c.n < 0 {
			out = out[:cap(out)]
		}
		err := Expand(c.alg, out, unhex(c.hex))
		switch {
		case c.n < 0 && err != ErrCorrupt:
			t.Errorf("%s: %v", c.name, err)
		case c.n >= 0 && (err != nil || string(out) != want):
			t.Errorf("%s: %v, %q", c.name, err, out[:min(len(out), 40)])
		}
	}
}
