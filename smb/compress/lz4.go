package compress

import (
	"sync"

	"github.com/pierrec/lz4/v4"
)

// LZ4, the block format (MS-SMB2 2.2.3.1.3).

var lz4Compressors = sync.Pool{New: func() any { return new(lz4.Compressor) }}

func compressLZ4(dst, src []byte) (int, bool) {
	c, _ := lz4Compressors.Get().(*lz4.Compressor)
	defer lz4Compressors.Put(c)
	n, err := c.CompressBlock(src, dst)
	return n, err == nil && n > 0
}

func expandLZ4(dst, src []byte) bool {
	n, err := lz4.UncompressBlock(src, dst)
	return err == nil && n == len(dst)
}
