//go:build !linux

package transport

import "time"

// Acked tells how many bytes the peer's machine has acknowledged; here that is not
// known.
func (c *Conn) Acked() (bytes uint64, rto time.Duration, ok bool) { return 0, 0, false }
