package auth

import (
	"crypto/sha256"
	"sync"
	"time"
)

// maxReplay is how many authenticators of one generation are remembered; with two
// generations, about 8 MB at most.
const maxReplay = 1 << 16

// replayCache remembers authenticators for as long as their time stamps would be
// accepted (RFC 4120 section 3.2.3). It keeps two generations: what was seen in
// the present window of time and in the one before, so that nothing has to be
// looked for to be forgotten.
//
// It is bounded. Who floods it, with a valid ticket, makes it forget early, which
// is better than to lock everybody out: a replayed message alone opens no session
// that is of any use, because the keys of its session are not in it.
type replayCache struct {
	window time.Duration // immutable

	mu         sync.Mutex // a leaf; guards what follows
	since      time.Time  // when the present generation began
	young, old map[[16]byte]struct{}
}

// add remembers an authenticator, given as it was encrypted; false if it is known.
func (c *replayCache) add(cipher []byte, now time.Time) bool {
	sum := sha256.Sum256(cipher)
	key := [16]byte(sum[:])
	c.mu.Lock()
	defer c.mu.Unlock()
	switch age := now.Sub(c.since); {
	case age >= 2*c.window:
		c.old, c.young, c.since = nil, nil, now
	case age >= c.window || len(c.young) >= maxReplay:
		c.old, c.young, c.since = c.young, nil, now
	}
	if _, known := c.young[key]; known {
		return false
	}
	if _, known := c.old[key]; known {
		return false
	}
	if c.young == nil {
		c.young = make(map[[16]byte]struct{})
	}
	c.young[key] = struct{}{}
	return true
}
