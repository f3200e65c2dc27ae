package interop

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
)

// stream is n bytes, different for each seed and at each position, so that data
// of any size can be made and checked without being kept.
func stream(seed string, n int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8(sha256.Sum256([]byte(seed))), n)
}

// checker is a writer that wants to be written what a stream holds.
type checker struct {
	want   io.Reader
	offset int64
	buf    []byte
}

func newChecker(seed string, n int64) *checker { return &checker{want: stream(seed, n)} }

// Write fails at the first byte that differs.
func (c *checker) Write(p []byte) (int, error) {
	if len(c.buf) < len(p) {
		c.buf = make([]byte, len(p))
	}
	want := c.buf[:len(p)]
	n, err := io.ReadFull(c.want, want)
	if err != nil {
		return 0, fmt.Errorf("%d bytes too many at offset %d", len(p)-n, c.offset+int64(n))
	}
	if !bytes.Equal(p, want) {
		i := 0
		for p[i] == want[i] {
			i++
		}
		return 0, fmt.Errorf("the byte at offset %d is %#02x, want %#02x", c.offset+int64(i), p[i], want[i])
	}
	c.offset += int64(len(p))
	return len(p), nil
}

// end is an error unless all was written.
func (c *checker) end() error {
	rest, err := io.Copy(io.Discard, c.want)
	if err == nil && rest > 0 {
		err = fmt.Errorf("%d bytes are missing at the end, at offset %d", rest, c.offset)
	}
	return err
}
