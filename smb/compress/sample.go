package compress

import "lessor/smb/wire"

// Whether compression pays is found out by samples before anything is done.

const (
	sampleSize = 1 << 10
	// sampleFrom is from how many bytes on samples are taken: less is compressed
	// as quickly as it is looked at.
	sampleFrom = 16 << 10
	samples    = 8
	sampleBits = 10
)

// pays reports whether data is likely to become shorter by an algorithm.
func pays(alg wire.CompressionAlgorithm, data []byte) bool {
	if len(data) < sampleFrom {
		return true
	}
	var counts [256]uint16
	repeated := 0
	step := (len(data) - sampleSize) / (samples - 1)
	for i := range samples {
		piece := data[i*step:][:sampleSize]
		repeated += repeats(piece)
		if alg == wire.CompressionLZ77Huffman {
			for _, v := range piece {
				counts[v]++
			}
		}
	}
	if repeated >= samples*sampleSize/16 {
		return true
	}
	return alg == wire.CompressionLZ77Huffman && skewed(&counts)
}

// repeats returns how many bytes of a sample an LZ77 encoder would save about.
func repeats(b []byte) int {
	var at [1 << sampleBits]uint16
	saved := 0
	for i := 0; i+minMatch <= len(b); {
		v := load32(b, i)
		h := v * 2654435761 >> (32 - sampleBits)
		c := int(at[h])
		at[h] = uint16(i)
		if c >= i || load32(b, c) != v {
			i++
			continue
		}
		n := minMatch + matchLen(b, c+minMatch, i+minMatch)
		saved += n - 3
		i += n
	}
	return saved
}

// skewed reports whether some bytes are so frequent that codes of different lengths
// save something: of random bytes the 128 most frequent ones are hardly more than
// half, here they are seven eighths.
func skewed(counts *[256]uint16) bool {
	// The counts are small: sorted by counting them in turn.
	var having [samples*sampleSize/64 + 1]int
	const most = len(having) - 1
	sum := 0
	for _, c := range counts {
		if int(c) >= most {
			sum += int(c) // certainly among the frequent ones
			continue
		}
		having[c]++
	}
	for _, c := range counts {
		if int(c) >= most {
			having[most]++
		}
	}
	left := 128 - having[most]
	for c := most - 1; c > 0 && left > 0; c-- {
		n := min(left, having[c])
		sum += n * c
		left -= n
	}
	return sum >= samples*sampleSize*7/8
}
