package compress

import (
	"errors"

	"lessor/smb/wire"
)

var (
	// ErrCorrupt says that a stream is not one of its algorithm, or does not hold
	// as many bytes as it should.
	ErrCorrupt = errors.New("compress: corrupt stream")
	// ErrAlgorithm says that a message uses an algorithm, or a form, that was not
	// negotiated.
	ErrAlgorithm = errors.New("compress: algorithm not negotiated")
	// ErrTooLarge says that a message would become longer than is allowed.
	ErrTooLarge = errors.New("compress: message too large")
)

// Compress compresses src into dst, which must not overlap it, with one of the
// algorithms that compress a payload by themselves: LZNT1, LZ77, LZ77+Huffman, LZ4.
// It returns the length of the result, and false if that did not fit into dst or
// the algorithm is another one. What dst holds then is undefined. An empty src is
// never compressed.
func Compress(alg wire.CompressionAlgorithm, dst, src []byte) (int, bool) {
	if len(src) == 0 {
		return 0, false
	}
	switch alg {
	case wire.CompressionLZNT1:
		return compressLZNT1(dst, src)
	case wire.CompressionLZ77:
		return compressLZ77(dst, src)
	case wire.CompressionLZ77Huffman:
		return compressHuffman(dst, src)
	case wire.CompressionLZ4:
		return compressLZ4(dst, src)
	}
	return 0, false
}

// Expand expands src into dst, which must not overlap it. The stream must hold
// exactly len(dst) bytes. Errors: ErrCorrupt, ErrAlgorithm. What dst holds after an
// error is undefined.
func Expand(alg wire.CompressionAlgorithm, dst, src []byte) error {
	var ok bool
	switch alg {
	case wire.CompressionLZNT1:
		ok = expandLZNT1(dst, src)
	case wire.CompressionLZ77:
		ok = expandLZ77(dst, src)
	case wire.CompressionLZ77Huffman:
		ok = expandHuffman(dst, src)
	case wire.CompressionLZ4:
		ok = expandLZ4(dst, src)
	default:
		return ErrAlgorithm
	}
	if !ok {
		return ErrCorrupt
	}
	return nil
}
