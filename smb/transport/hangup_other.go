//go:build !linux

package transport

// HungUp reports whether Close was called: whether the peer has closed its side is
// only found out by reading.
func (c *Conn) HungUp() bool { return c.closed.Load() || c.connHungUp() }
