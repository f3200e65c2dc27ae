package compress

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"lessor/smb/wire"
)

// algorithms are those that compress by themselves.
var algorithms = []wire.CompressionAlgorithm{
	wire.CompressionLZNT1, wire.CompressionLZ77, wire.CompressionLZ77Huffman, wire.CompressionLZ4,
}

func name(a wire.CompressionAlgorithm) string {
	return [...]string{"none", "lznt1", "lz77", "lz77+huffman", "pattern_v1", "lz4"}[a]
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// prose is text of words that repeat as those of a language do.
func prose(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	words := make([]string, 2000)
	for i := range words {
		var w strings.Builder
		for range 2 + r.IntN(8) {
			w.WriteByte("etaoinshrdlucmfwypvbgkjqxz"[int(float64(26)*r.Float64()*r.Float64())])
		}
		words[i] = w.String()
	}
	var b bytes.Buffer
	for b.Len() < n {
		b.WriteString(words[int(float64(len(words))*r.Float64()*r.Float64()*r.Float64())])
		b.WriteByte(" \n"[min(r.IntN(12), 11)/11])
	}
	return b.Bytes()[:n]
}

func mixed(n int) []byte {
	var b []byte
	text, noise := prose(n), random(n)
	for i := 0; len(b) < n; i += 5000 {
		b = append(b, text[min(i, n):min(i+5000, n)]...)
		b = append(b, noise[min(i, n):min(i+3000, n)]...)
		b = append(b, make([]byte, 4000)...)
	}
	return b[:n]
}

// contents are what the tests compress.
func contents(n int) map[string][]byte {
	return map[string][]byte{
		"random": random(n), "text": prose(n), "zeros": make([]byte, n), "mixed": mixed(n),
		"bits": bytes.Map(func(r rune) rune { return r & 1 }, bytes.ToValidUTF8(random(n), []byte("\x00")))[:n/2],
	}
}

func TestRoundTrip(t *testing.T) {
	for _, alg := range algorithms {
		for _, n := range []int{1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33, 63, 64, 65, 255, 4095, 4096, 4097, 8192, 65535, 65536, 65537, 131072, 200_000, 1 << 20} {
			for kind, src := range contents(n) {
				if len(src) == 0 {
					continue
				}
				dst := make([]byte, 2*len(src)+600)
				k, ok := Compress(alg, dst, src)
				if !ok {
					if alg != wire.CompressionLZ4 {
						t.Errorf("%s: %d bytes of %s do not fit", name(alg), n, kind)
					}
					continue
				}
				out := bytes.Repeat([]byte{0xee}, len(src)+64)
				if err := Expand(alg, out[:len(src)], dst[:k]); err != nil || !bytes.Equal(out[:len(src)], src) {
					t.Fatalf("%s: %d bytes of %s: %v", name(alg), n, kind, err)
				}
				if bytes.Count(out[len(src):], []byte{0xee}) != 64 {
					t.Fatalf("%s: written beyond the end", name(alg))
				}
				if err := Expand(alg, out[:len(src)-1], dst[:k]); err == nil {
					t.Errorf("%s: %d bytes of %s fit into one less", name(alg), n, kind)
				}
				if err := Expand(alg, out[:len(src)+1], dst[:k]); err == nil {
					t.Errorf("%s: %d bytes of %s are one more", name(alg), n, kind)
				}
			}
		}
	}
}

// An encoder never writes beyond its budget, and says when that is too small.
func TestBudget(t *testing.T) {
	for _, alg := range algorithms {
		for kind, src := range contents(5000) {
			dst := make([]byte, 12000)
			need, ok := Compress(alg, dst, src)
			if !ok {
				need = len(src) + 600
			}
			for _, budget := range []int{0, 1, 3, 100, 255, 256, 259, 260, 300, need / 2, need - 1, need, need + 40} {
				if budget < 0 {
					continue
				}
				room := bytes.Repeat([]byte{0xee}, budget+64)
				n, ok := Compress(alg, room[:budget], src)
				if ok && (n > budget || n > need) {
					t.Errorf("%s: %d bytes of %s in a budget of %d", name(alg), n, kind, budget)
				}
				if bytes.Count(room[budget:], []byte{0xee}) != 64 {
					t.Errorf("%s: written beyond a budget of %d", name(alg), budget)
				}
			}
		}
	}
}

// What an encoder remembers of one input does not reach into the next one.
func TestStateIsReused(t *testing.T) {
	src := prose(70_000)
	for _, alg := range algorithms {
		dst := make([]byte, 200_000)
		n, _ := Compress(alg, dst, src)
		first := bytes.Clone(dst[:n])
		for i := range 20 {
			Compress(alg, make([]byte, 200_000), mixed(1000*i+1))
			n, _ = Compress(alg, dst, src)
			if !bytes.Equal(first, dst[:n]) {
				t.Fatalf("%s: the result depends on what was before", name(alg))
			}
		}
	}
	tab := &table{base: maxLead + 1}
	tab.at[5] = maxLead
	tab.begin()
	if tab.base != 1 || tab.at[5] != 0 {
		t.Error("an old table is not cleared")
	}
}

// Symbols whose counts are Fibonacci numbers have codes as long as they are many,
// unless these are limited.
func TestHuffmanLimit(t *testing.T) {
	var counts [huffSymbols]uint32
	a, b := uint32(1), uint32(1)
	for sym := range 22 {
		counts[sym] = a
		a, b = b, a+b
	}
	var c huffCodes
	c.build(&counts)
	sum := 0
	for _, l := range c.length {
		if l > huffMaxBits {
			t.Fatalf("a code of %d bits", l)
		}
		if l > 0 {
			sum += 1 << (huffMaxBits - l)
		}
	}
	if sum != 1<<huffMaxBits {
		t.Errorf("the code is not complete: %d", sum)
	}
	var src []byte
	for sym := range 22 {
		src = append(src, bytes.Repeat([]byte{byte(sym * 7)}, int(counts[sym]))...)
	}
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(src), func(i, j int) { src[i], src[j] = src[j], src[i] })
	dst := make([]byte, 100_000)
	n, ok := Compress(wire.CompressionLZ77Huffman, dst, src)
	out := make([]byte, len(src))
	if err := Expand(wire.CompressionLZ77Huffman, out, dst[:n]); !ok || err != nil || !bytes.Equal(out, src) {
		t.Error(ok, err)
	}
}

func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("pools are leaky under the race detector")
	}
	src := mixed(200_000)
	for _, alg := range algorithms {
		dst, out := make([]byte, 300_000), make([]byte, len(src))
		if n := testing.AllocsPerRun(20, func() {
			n, _ := Compress(alg, dst, src)
			if err := Expand(alg, out, dst[:n]); err != nil {
				t.Fatal(err)
			}
		}); n >= 1 {
			t.Errorf("%s: %v allocations", name(alg), n)
		}
	}
	for _, chained := range []bool{false, true} {
		c := NewCodec(everything, chained, everything, 8<<20)
		dst, out := make([]byte, len(src)), make([]byte, len(src))
		if n := testing.AllocsPerRun(20, func() {
			n, _ := c.Compress(dst, src, 80)
			if _, _, err := c.Size(dst[:n]); err != nil {
				t.Fatal(err)
			}
			if err := c.Expand(out, dst[:n]); err != nil {
				t.Fatal(err)
			}
		}); n >= 1 {
			t.Errorf("codec: %v allocations", n)
		}
	}
}

func BenchmarkCompress(b *testing.B) {
	for _, alg := range algorithms {
		for _, kind := range []string{"text", "mixed", "zeros", "random"} {
			src := contents(1 << 20)[kind]
			dst := make([]byte, 2<<20)
			n, _ := Compress(alg, dst, src)
			b.Run(fmt.Sprintf("%s/%s", name(alg), kind), func(b *testing.B) {
				b.SetBytes(int64(len(src)))
				for b.Loop() {
					Compress(alg, dst[:len(src)], src)
				}
				b.ReportMetric(float64(n)/float64(len(src)), "ratio")
			})
		}
	}
}

func BenchmarkExpand(b *testing.B) {
	for _, alg := range algorithms {
		for _, kind := range []string{"text", "mixed", "zeros"} {
			src := contents(1 << 20)[kind]
			dst := make([]byte, 2<<20)
			n, _ := Compress(alg, dst, src)
			out := make([]byte, len(src))
			b.Run(fmt.Sprintf("%s/%s", name(alg), kind), func(b *testing.B) {
				b.SetBytes(int64(len(src)))
				for b.Loop() {
					if err := Expand(alg, out, dst[:n]); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// What a message costs that does not become shorter.
func BenchmarkIncompressible(b *testing.B) {
	src := random(1 << 20)
	dst := make([]byte, len(src))
	for _, alg := range algorithms {
		c := NewCodec(everything, true, []wire.CompressionAlgorithm{alg, wire.CompressionPatternV1}, 8<<20)
		b.Run(name(alg), func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				if n, _ := c.Compress(dst, src, 80); n != 0 {
					b.Fatal(n)
				}
			}
		})
	}
}
