package wire

import (
	"errors"
	"testing"
)

const (
	compressionUnchained = "fc534d42 00100000 0200 0000 04000000 feedbeef aabb"
	// 64 bytes as they are, 4096 times 'A', and 16 compressed ones.
	compressionChained = `
		fc534d42 50100000
		0000 0100 04000000 01020304
		0400 0000 08000000 41 00 0000 00100000
		0200 00ff 06000000 10000000 aabb`
)

func TestCompressionHeader(t *testing.T) {
	raw := unhex(t, compressionUnchained)
	var h CompressionHeader
	if err := h.Decode(raw); err != nil {
		t.Fatal(err)
	}
	want := CompressionHeader{OriginalCompressedSegmentSize: 4096, CompressionAlgorithm: CompressionLZ77, Offset: 4}
	if h != want || string(h.Append(nil)) != string(raw[:CompressionHeaderSize]) {
		t.Errorf("got %+v", h)
	}
	testTruncations(t, raw, CompressionHeaderSize+4, h.Decode)
	if IsChainedCompression(raw) || !IsChainedCompression(unhex(t, compressionChained)) || IsChainedCompression(raw[:8]) {
		t.Error("the two forms are confused")
	}
	if err := h.Decode(unhex(t, compressionChained)); err != ErrMalformed {
		t.Errorf("a chained frame gives %v", err)
	}
}

func TestCompressionChain(t *testing.T) {
	raw := unhex(t, compressionChained)
	var h CompressionChainedHeader
	if err := h.Decode(raw); err != nil || h.OriginalCompressedSegmentSize != 0x1050 {
		t.Fatalf("got %+v, %v", h, err)
	}
	testPrefixes(t, raw[:CompressionChainedHeaderSize], new(CompressionChainedHeader).Decode)

	got := h.Append(nil)
	var list []CompressionPayload
	it := CompressionPayloads(raw)
	for it.Next() {
		got = it.Payload().AppendChained(got, len(list) == 0)
		list = append(list, *it.Payload())
	}
	if it.Err() != nil {
		t.Fatal(it.Err())
	}
	pattern := CompressionPattern{Pattern: 'A', Repetitions: 4096}
	if diff := diffValues([]CompressionPayload{
		{CompressionNone, 4, []byte{1, 2, 3, 4}},
		{CompressionPatternV1, 0, pattern.Append(nil)},
		{CompressionLZ77, 16, []byte{0xaa, 0xbb}},
	}, list); diff != "" {
		t.Error(diff)
	}
	raw[8+12+16+3] = 0 // the stray flags are not sent again
	if diff := diffBytes(raw, got); diff != "" {
		t.Error(diff)
	}
}

func TestCompressionChainBroken(t *testing.T) {
	raw := unhex(t, compressionChained)
	ends := map[int]bool{20: true, 36: true} // whole payloads
	for n := range raw {
		it := CompressionPayloads(raw[:n:n])
		for it.Next() {
		}
		if (it.Err() == nil) != ends[n] {
			t.Errorf("%d of %d bytes: %v", n, len(raw), it.Err())
		}
	}
	for _, c := range []struct {
		at   int
		hex  string
		want error
	}{
		{10, "0000", ErrMalformed},         // the first is not marked as such
		{12, "ffffffff", ErrTruncated},     // length
		{36 + 4, "03000000", ErrTruncated}, // too short for its original size
	} {
		bad := append([]byte(nil), raw...)
		copy(bad[c.at:], unhex(t, c.hex))
		it := CompressionPayloads(bad)
		for it.Next() {
		}
		if !errors.Is(it.Err(), c.want) {
			t.Errorf("%s at %d: %v, want %v", c.hex, c.at, it.Err(), c.want)
		}
	}
}

func TestCompressionPattern(t *testing.T) {
	const hex = "41 00 0000 00100000"
	testGoldenData(t, &CompressionPattern{'A', 4096}, hex)
	testPrefixes(t, unhex(t, hex), new(CompressionPattern).Decode)
	if new(CompressionPattern).Decode(make([]byte, 9)) == nil {
		t.Error("nine bytes are accepted")
	}
}

func FuzzCompressionPayloads(f *testing.F) {
	f.Add(unhex(f, compressionChained))
	f.Fuzz(func(t *testing.T, frame []byte) {
		total := 0
		it := CompressionPayloads(frame)
		for it.Next() {
			total += len(it.Payload().Data)
		}
		if total > len(frame) || it.Next() {
			t.Fatalf("%x: %d bytes of payload", frame, total)
		}
	})
}
