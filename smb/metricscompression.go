package smb

import (
	"github.com/prometheus/client_golang/prometheus"

	"lessor/smb/wire"
)

// Directions of compressed messages, and the values of the label "direction".
const (
	compressedIn = iota
	compressedOut
)

var compressionDirections = [2]string{"in", "out"}

// CompressionNames are the names of the algorithms by their number, as settings and
// labels have them.
var CompressionNames = [...]string{
	wire.CompressionNone: "none", wire.CompressionLZNT1: "lznt1", wire.CompressionLZ77: "lz77",
	wire.CompressionLZ77Huffman: "lz77+huffman", wire.CompressionPatternV1: "pattern_v1", wire.CompressionLZ4: "lz4",
}

// compressionMetrics count compressed messages. They are immutable after init.
type compressionMetrics struct {
	// By direction and algorithm.
	original, compressed [2][len(CompressionNames)]prometheus.Counter
	unpaid               prometheus.Counter
}

func (k *compressionMetrics) init(m *metrics) {
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return register(m, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lessor_smb_compression_" + name, Help: help}, labels))
	}
	original := counters("original_bytes_total", "Bytes of compressed messages before compression, by direction and algorithm.", "direction", "algorithm")
	compressed := counters("compressed_bytes_total", "Bytes of compressed messages as they travel, without sealing, by direction and algorithm.", "direction", "algorithm")
	for d, direction := range compressionDirections {
		for alg, name := range CompressionNames {
			k.original[d][alg] = original.WithLabelValues(direction, name)
			k.compressed[d][alg] = compressed.WithLabelValues(direction, name)
		}
	}
	k.unpaid = counters("skipped_total", "Replies that were to be compressed and went as they are, because it does not pay.").WithLabelValues()
}

// count counts a message; alg is one that has been negotiated.
func (k *compressionMetrics) count(direction int, alg wire.CompressionAlgorithm, original, compressed int) {
	if int(alg) < len(CompressionNames) {
		k.original[direction][alg].Add(float64(original))
		k.compressed[direction][alg].Add(float64(compressed))
	}
}

func (k *compressionMetrics) skipped() { k.unpaid.Inc() }
