package smb

import (
	"math"
	"testing"
)

func TestAddBands(t *testing.T) {
	for _, c := range []struct{ total, n, size, want uint64 }{
		{0, 0, 8 << 20, 0},
		{5, 3, 8 << 20, 5 + 24<<20},
		{0, 1 << 20, 999_999_999_999_999, math.MaxUint64},
		{math.MaxUint64 - 10, 1, 10, math.MaxUint64},
		{math.MaxUint64 - 10, 1, 11, math.MaxUint64},
		{math.MaxUint64, 1, 1, math.MaxUint64},
	} {
		if got := addBands(c.total, c.n, c.size); got != c.want {
			t.Errorf("%d and %d times %d: %d, want %d", c.total, c.n, c.size, got, c.want)
		}
	}
}
