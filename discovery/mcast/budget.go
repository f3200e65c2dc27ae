package mcast

import "time"

// Budget is how much may be done in a second. The zero value is usable; one goroutine uses it
// at a time.
type Budget struct {
	window time.Time // the second
	left   int
}

// Take reports whether one more may be done now, of some in a second.
func (b *Budget) Take(now time.Time, some int) bool {
	if now.Sub(b.window) >= time.Second {
		b.window, b.left = now, some
	}
	b.left--
	return b.left >= 0
}
