package mcast

import (
	"maps"
	"time"
)

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

// maxIdle is how many budgets are kept although nobody takes of them.
const maxIdle = 64

// Budgets has a Budget for each of several, such as interfaces, so that none takes from
// another. The zero value is usable; one goroutine uses it at a time.
type Budgets[K comparable] struct{ of map[K]*Budget }

// Take reports whether one more may be done for one of them.
func (b *Budgets[K]) Take(k K, now time.Time, some int) bool {
	own := b.of[k]
	if own == nil {
		if len(b.of) >= maxIdle { // interfaces come and go under ever new numbers
			maps.DeleteFunc(b.of, func(_ K, old *Budget) bool { return now.Sub(old.window) >= time.Second })
		}
		if b.of == nil {
			b.of = make(map[K]*Budget)
		}
		own = new(Budget)
		b.of[k] = own
	}
	return own.Take(now, some)
}
