package compress

// Pattern_V1 (MS-SMB2 3.1.4.4.1): runs of one byte at both ends of a payload.

// minRun is the shortest run that counts.
const minRun = 64

// leadingRun returns how many bytes of b equal the first one, or 0 if that is less
// than minRun.
func leadingRun(b []byte) int {
	if len(b) < minRun || b[0] != b[minRun-1] {
		return 0
	}
	// A run is what equals itself, shifted by one.
	if n := 1 + matchLen(b, 0, 1); n >= minRun {
		return n
	}
	return 0
}

// trailingRun is leadingRun for the last byte.
func trailingRun(b []byte) int {
	if len(b) < minRun || b[len(b)-1] != b[len(b)-minRun] {
		return 0
	}
	last := b[len(b)-1]
	word := uint64(last) * 0x0101010101010101
	i := len(b)
	for i >= 8 && load64(b, i-8) == word {
		i -= 8
	}
	for i > 0 && b[i-1] == last {
		i--
	}
	if n := len(b) - i; n >= minRun {
		return n
	}
	return 0
}

// fill sets every byte of b.
func fill(b []byte, v byte) {
	if len(b) == 0 {
		return
	}
	b[0] = v
	for n := 1; n < len(b); n *= 2 {
		copy(b[n:], b[:n])
	}
}
