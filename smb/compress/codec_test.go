package compress

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"lessor/smb/wire"
)

var everything = []wire.CompressionAlgorithm{
	wire.CompressionLZ4, wire.CompressionLZ77, wire.CompressionLZ77Huffman, wire.CompressionLZNT1, wire.CompressionPatternV1,
}

func le32(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }

func TestCodecRoundTrip(t *testing.T) {
	const n = 100_000
	data := contents(n)
	data["framed"] = bytes.Join([][]byte{make([]byte, 5000), prose(n), bytes.Repeat([]byte{7}, 6000)}, nil)
	data["framed random"] = bytes.Join([][]byte{make([]byte, 50_000), random(n), bytes.Repeat([]byte{7}, 60_000)}, nil)
	data["framed little"] = bytes.Join([][]byte{make([]byte, 5000), random(900), bytes.Repeat([]byte{7}, 6000)}, nil)
	data["run behind"] = append(random(900), make([]byte, 9000)...)
	for _, alg := range everything {
		for _, chained := range []bool{false, true} {
			for _, lead := range []int{0, 80} {
				c := NewCodec(everything, chained, []wire.CompressionAlgorithm{alg, wire.CompressionPatternV1}, 1<<20)
				for kind, src := range data {
					what := fmt.Sprintf("%s, chained %v, lead %d, %s", name(alg), chained, lead, kind)
					msg := append(random(lead), src...)
					dst := make([]byte, len(msg))
					k, used := c.Compress(dst, msg, lead)
					should := kind != "random"
					if alg == wire.CompressionPatternV1 {
						should = chained && (kind == "zeros" || kind == "run behind" || kind == "framed random" || kind == "framed little" || kind == "framed")
					}
					if kind == "framed random" && !chained || kind == "mixed" && alg == wire.CompressionPatternV1 {
						should = k > 0 // it depends on the samples
					}
					if (k > 0) != should {
						t.Errorf("%s: %d bytes of %d", what, k, len(msg))
					}
					if k == 0 {
						continue
					}
					if k > len(msg)-len(msg)/16 {
						t.Errorf("%s: %d bytes of %d", what, k, len(msg))
					}
					size, main, err := c.Size(dst[:k])
					if err != nil || size != len(msg) || main != used {
						t.Fatalf("%s: %d, %d, %v", what, size, main, err)
					}
					if wire.IsChainedCompression(dst[:k]) != chained {
						t.Errorf("%s: wrong form", what)
					}
					out := make([]byte, size)
					if err := c.Expand(out, dst[:k]); err != nil || !bytes.Equal(out, msg) {
						t.Fatalf("%s: %v", what, err)
					}
				}
			}
		}
	}
}

func TestNewCodec(t *testing.T) {
	if NewCodec(nil, true, everything, 1) != nil {
		t.Error("a codec of nothing")
	}
	c := NewCodec([]wire.CompressionAlgorithm{wire.CompressionPatternV1, wire.CompressionLZNT1, wire.CompressionLZ77}, false,
		[]wire.CompressionAlgorithm{wire.CompressionLZ4, wire.CompressionPatternV1, wire.CompressionLZ77, wire.CompressionLZNT1}, 1)
	if c.Sends() != wire.CompressionLZ77 || c.pattern {
		t.Errorf("%+v", c)
	}
	runs := []wire.CompressionAlgorithm{wire.CompressionPatternV1}
	if c := NewCodec(runs, false, everything, 1); c.Sends() != wire.CompressionNone {
		t.Error("a pattern without a chain")
	}
	if c := NewCodec(runs, true, everything, 1); c.Sends() != wire.CompressionPatternV1 {
		t.Error("no pattern in a chain")
	}
	if n, _ := c.Compress(make([]byte, 4000), make([]byte, 4000), 0); n != 0 {
		t.Error("a short message was compressed")
	}
}

// The layout of a chain: headers as they are, a run, what is left, a run.
func TestChainLayout(t *testing.T) {
	c := NewCodec(everything, true, []wire.CompressionAlgorithm{wire.CompressionLZ77, wire.CompressionPatternV1}, 1<<20)
	head := random(80)
	msg := bytes.Join([][]byte{head, make([]byte, 5000), []byte("no run here"), bytes.Repeat([]byte{9}, 6000)}, nil)
	dst := make([]byte, len(msg))
	n, used := c.Compress(dst, msg, len(head))
	want := bytes.Join([][]byte{
		{0xfc, 'S', 'M', 'B'}, le32(uint32(len(msg))),
		{0, 0, 1, 0}, le32(80), head,
		{4, 0, 0, 0}, le32(8), {0, 0, 0, 0}, le32(5000),
		{0, 0, 0, 0}, le32(11), []byte("no run here"),
		{4, 0, 0, 0}, le32(8), {9, 0, 0, 0}, le32(6000),
	}, nil)
	if !bytes.Equal(dst[:n], want) || used != wire.CompressionPatternV1 {
		t.Errorf("%d: %x\nwant %x", used, dst[:n], want)
	}
}

// What the other side would refuse for its length is not compressed, in either form.
func TestCodecKeepsToTheLimit(t *testing.T) {
	for _, chained := range []bool{false, true} {
		c := NewCodec([]wire.CompressionAlgorithm{wire.CompressionLZ4, wire.CompressionPatternV1}, chained, everything, 65536)
		for _, extra := range []int{0, 1, 200000} {
			msg := make([]byte, 65536+headerSlack+extra)
			dst := make([]byte, len(msg))
			n, _ := c.Compress(dst, msg, 80)
			if (n > 0) != (extra == 0) {
				t.Errorf("chained %v, %d too long: frame of %d bytes", chained, extra, n)
			}
			if n == 0 {
				continue
			}
			if size, _, err := c.Size(dst[:n]); size != len(msg) || err != nil {
				t.Errorf("chained %v: size %d, %v", chained, size, err)
			}
		}
	}
}

// frames that break a rule (MS-SMB2 3.3.5.2.1.2, 3.1.5.3).
func TestCodecRefuses(t *testing.T) {
	some := NewCodec([]wire.CompressionAlgorithm{wire.CompressionLZ77, wire.CompressionPatternV1}, true, everything, 65536)
	flat := NewCodec([]wire.CompressionAlgorithm{wire.CompressionLZ77, wire.CompressionPatternV1}, false, everything, 65536)
	magic := "fc534d42"
	text := unhex(golden[1].hex)
	const limit = 65536 + 256 + 16
	unchained := func(size uint32, alg byte, offset uint32, body []byte) []byte {
		return bytes.Join([][]byte{unhex(magic), le32(size), {alg, 0, 0, 0}, le32(offset), body}, nil)
	}
	chain := func(size uint32, payloads ...[]byte) []byte {
		return bytes.Join(append([][]byte{unhex(magic), le32(size)}, payloads...), nil)
	}
	run := func(flags byte, n uint32) []byte {
		return bytes.Join([][]byte{{4, 0, flags, 0}, le32(8), {5, 0, 0, 0}, le32(n)}, nil)
	}
	sized := func(alg, flags byte, size uint32, body []byte) []byte {
		return bytes.Join([][]byte{{alg, 0, flags, 0}, le32(uint32(len(body) + 4)), le32(size), body}, nil)
	}
	for _, c := range []struct {
		name  string
		codec *Codec
		frame []byte
		want  error
	}{
		{"good", some, unchained(300, 2, 0, text), nil},
		{"good with a lead", some, unchained(300, 2, 3, append([]byte("xyz"), text...)), nil},
		{"good chain", some, chain(400, run(1, 100), sized(2, 0, 300, text)), nil},
		{"good chain, stray flags", some, chain(400, run(1, 100), sized(2, 0x40, 300, text)), nil},
		{"empty", some, nil, ErrCorrupt},
		{"short", some, unchained(300, 2, 0, nil)[:15], ErrCorrupt},
		{"algorithm that was not negotiated", some, unchained(300, 3, 0, text), ErrAlgorithm},
		{"no algorithm", some, unchained(300, 0, 0, text), ErrAlgorithm},
		{"pattern without a chain", some, unchained(300, 4, 0, text), ErrAlgorithm},
		{"chain that was not negotiated", flat, chain(100, run(1, 100)), ErrAlgorithm},
		{"unknown flags", some, append(unhex(magic+"2c010000 0200 0200 00000000"), text...), ErrCorrupt},
		{"offset behind the end", some, unchained(300, 2, 1000, text), ErrCorrupt},
		{"huge offset", some, unchained(300, 2, 1<<32-1, text), ErrCorrupt},
		{"too large", some, unchained(limit+1, 2, 0, text), ErrTooLarge},
		{"too large with its lead", some, unchained(limit, 2, 1, append([]byte("x"), text...)), ErrTooLarge},
		{"four gigabytes", some, unchained(1<<32-1, 2, 0, text), ErrTooLarge},
		{"says less", some, unchained(299, 2, 0, text), ErrCorrupt},
		{"says more", some, unchained(301, 2, 0, text), ErrCorrupt},
		{"nothing in it", some, unchained(300, 2, uint32(len(text)), text), ErrCorrupt},
		{"chain too large", some, chain(limit+1, run(1, limit+1)), ErrTooLarge},
		{"run of four gigabytes", some, chain(100, run(1, 1<<32-1)), ErrCorrupt},
		{"runs that add up to little", some, chain(4, run(1, 1<<31), run(0, 1<<31), run(0, 4)), ErrCorrupt},
		{"chain says less", some, chain(399, run(1, 100), sized(2, 0, 300, text)), ErrCorrupt},
		{"chain says more", some, chain(401, run(1, 100), sized(2, 0, 300, text)), ErrCorrupt},
		{"payload says less", some, chain(399, run(1, 100), sized(2, 0, 299, text)), ErrCorrupt},
		{"payload says more", some, chain(401, run(1, 100), sized(2, 0, 301, text)), ErrCorrupt},
		{"payload of another algorithm", some, chain(400, run(1, 100), sized(3, 0, 300, text)), ErrAlgorithm},
		{"unknown algorithm", some, chain(400, run(1, 100), sized(9, 0, 300, text)), ErrAlgorithm},
		{"payload cut off", some, chain(400, run(1, 100), sized(2, 0, 300, text)[:20]), ErrCorrupt},
		{"rest of a header", some, chain(100, run(1, 100), []byte{0, 0, 0}), ErrCorrupt},
		{"length below the size field", some, chain(0, []byte{2, 0, 1, 0, 3, 0, 0, 0, 0, 0, 0, 0}), ErrCorrupt},
		{"short pattern", some, chain(100, []byte{4, 0, 1, 0, 4, 0, 0, 0, 5, 0, 0, 0}), ErrCorrupt},
		{"a thousand nothings", some, chain(0, append([][]byte{run(1, 0)}, bytes.Split(bytes.Repeat(run(0, 0), 1024), nil)...)...), ErrCorrupt},
	} {
		n, _, err := c.codec.Size(c.frame)
		if err == nil {
			err = c.codec.Expand(make([]byte, n), c.frame)
		}
		if err != c.want {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// A frame of a few bytes that stands for a whole message costs no more than the
// message, and one that stands for more is refused by its headers.
func TestBombs(t *testing.T) {
	c := NewCodec(everything, true, everything, 8<<20)
	const most = 8<<20 + headerSlack
	payload := func(n uint32) []byte {
		return bytes.Join([][]byte{unhex("fc534d42"), le32(n), {4, 0, 1, 0}, le32(8), {0, 0, 0, 0}, le32(n)}, nil)
	}
	n, _, err := c.Size(payload(most))
	if n != most || err != nil {
		t.Fatal(n, err)
	}
	for _, over := range []uint32{most + 1, 1 << 31, 1<<32 - 1} {
		if n, _, err := c.Size(payload(over)); err != ErrTooLarge {
			t.Errorf("%d: %d, %v", over, n, err)
		}
	}
	// Each algorithm with a stream that would go on for ever.
	for _, alg := range algorithms {
		dst := make([]byte, 1<<20)
		k, ok := Compress(alg, dst, make([]byte, 16<<20))
		if !ok {
			t.Fatal(name(alg))
		}
		out := bytes.Repeat([]byte{0xee}, 5000+100)
		if err := Expand(alg, out[:5000], dst[:k]); err != ErrCorrupt || bytes.Count(out[5000:], []byte{0xee}) != 100 {
			t.Errorf("%s: %v", name(alg), err)
		}
	}
}
