package transport

import "sync/atomic"

// Meter counts the memory of packets that wait to be written, on all connections
// that share it, in whole granules of each connection: small traffic does not touch
// it. The zero value is ready.
type Meter struct{ n atomic.Int64 }

// granule is the measure of a Meter, as a power of two: 64 KiB.
const granule = 16

// Bytes returns what was counted. It may fall short by a granule for each
// connection.
func (m *Meter) Bytes() int64 { return m.n.Load() }

// Memory returns the bytes of buffers that wait to be written. It is more than
// QueuedBytes where buffers are not full, and less where files follow.
func (c *Conn) Memory() int { return int(c.mem.Load()) }

// Taken returns how many bytes the kernel has taken since the beginning. As long as
// it stays the same while something is queued, the peer does not read.
func (c *Conn) Taken() uint64 { return c.taken.Load() }

// hold counts n more bytes of buffers that wait, or fewer.
func (c *Conn) hold(n int) {
	if n == 0 {
		return
	}
	after := c.mem.Add(int64(n))
	if c.meter == nil {
		return
	}
	// Every call sees a step of its own, so the sum is right however they mix.
	if d := after>>granule - (after-int64(n))>>granule; d != 0 {
		c.meter.n.Add(d << granule)
		if d < 0 && c.onLess != nil {
			c.onLess()
		}
	}
}
