package transport

import "sync/atomic"

// Buffer is a pooled byte buffer with a reference count.
type Buffer struct {
	// B is the memory; the owner may reslice it.
	B []byte

	refs atomic.Int32
}

// Get returns a buffer with len(B) == n and one reference.
func Get(n int) *Buffer {
	b := &Buffer{B: make([]byte, n)}
	b.refs.Store(1)
	return b
}

// Retain adds a reference.
func (b *Buffer) Retain() { b.refs.Add(1) }

// Release gives a reference back; the last one returns the buffer to the pool.
// It panics when there was none.
func (b *Buffer) Release() {
	if b.refs.Add(-1) < 0 {
		panic("transport: buffer released too often")
	}
}
