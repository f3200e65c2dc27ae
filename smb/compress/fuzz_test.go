package compress

import (
	"bytes"
	"testing"

	"lessor/smb/wire"
)

// FuzzRoundTrip compresses arbitrary bytes with every algorithm.
func FuzzRoundTrip(f *testing.F) {
	for _, src := range contents(3000) {
		f.Add(src)
	}
	f.Add([]byte("a"))
	f.Fuzz(func(t *testing.T, src []byte) {
		for _, alg := range algorithms {
			dst := make([]byte, 2*len(src)+600)
			n, ok := Compress(alg, dst, src)
			if !ok {
				continue
			}
			out := make([]byte, len(src))
			if err := Expand(alg, out, dst[:n]); err != nil || !bytes.Equal(out, src) {
				t.Fatalf("%s: %v", name(alg), err)
			}
		}
	})
}

// FuzzExpand expands arbitrary bytes: no panic, and nothing beyond the size stated.
func FuzzExpand(f *testing.F) {
	for _, g := range golden {
		f.Add(uint8(g.alg), uint16(len(g.text)), unhex(g.hex))
	}
	for _, alg := range algorithms {
		dst := make([]byte, 8000)
		n, _ := Compress(alg, dst, mixed(6000))
		f.Add(uint8(alg), uint16(6000), dst[:n])
	}
	f.Fuzz(func(t *testing.T, alg uint8, size uint16, src []byte) {
		out := bytes.Repeat([]byte{0xee}, int(size)+32)
		kept := bytes.Clone(src)
		err := Expand(wire.CompressionAlgorithm(alg), out[:size:size], src)
		if !bytes.Equal(src, kept) {
			t.Fatal("the input was changed")
		}
		if bytes.Count(out[size:], []byte{0xee}) != 32 {
			t.Fatal("written beyond the end")
		}
		if err != nil && err != ErrCorrupt && err != ErrAlgorithm {
			t.Fatal(err)
		}
	})
}

// FuzzCodec expands arbitrary frames, as a connection does.
func FuzzCodec(f *testing.F) {
	msg := append(bytes.Repeat([]byte{1}, 80), mixed(9000)...)
	dst := make([]byte, len(msg))
	for _, alg := range algorithms {
		for _, chained := range []bool{false, true} {
			c := NewCodec(everything, chained, []wire.CompressionAlgorithm{alg, wire.CompressionPatternV1}, 65536)
			n, _ := c.Compress(dst, msg, 80)
			f.Add(bytes.Clone(dst[:n]))
		}
	}
	c := NewCodec(everything, true, everything, 65536)
	f.Fuzz(func(t *testing.T, frame []byte) {
		n, _, err := c.Size(frame)
		if err != nil {
			return
		}
		if n > 65536+headerSlack {
			t.Fatalf("a message of %d bytes", n)
		}
		out := bytes.Repeat([]byte{0xee}, n+32)
		_ = c.Expand(out[:n:n], frame)
		if bytes.Count(out[n:], []byte{0xee}) != 32 {
			t.Fatal("written beyond the end")
		}
	})
}
