package transport

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

const (
	minClass = 12 // 4 KiB
	maxClass = 24 // 16 MiB
)

// Buffer is a pooled byte buffer with a reference count. Those who hold a
// reference agree among themselves who may write where.
//
// Memory of every size class begins at the start of a page, because the Go
// allocator serves powers of two from 4 KiB up that way.
type Buffer struct {
	// B is the memory, of the length asked for. The owner may reslice it up to
	// its capacity.
	B []byte

	mem    []byte // the whole of it, whatever became of B; immutable
	class  int8   // index into pools, or -1; immutable
	shared bool   // frames of one slab share it; set before there is a second reference
	refs   atomic.Int32
}

// sizeClass is the pool of the buffers of one size.
type sizeClass struct {
	free sync.Pool
	live atomic.Int64 // buffers handed out and not yet returned
	_    [64]byte     // counters of neighbouring classes do not share a cache line
}

// The last element counts the buffers too large for a pool.
var classes [maxClass - minClass + 2]sizeClass

// Get returns a buffer with len(B) == n and one reference. Its contents are
// whatever the last user left there. More than 16 MiB are not pooled.
func Get(n int) *Buffer {
	if n > 1<<maxClass {
		b := &Buffer{mem: make([]byte, n), class: int8(len(classes) - 1)}
		return b.handOut(n)
	}
	k := max(bits.Len(uint(max(n-1, 0))), minClass) - minClass
	b, _ := classes[k].free.Get().(*Buffer)
	if b == nil {
		b = &Buffer{mem: make([]byte, 1<<(k+minClass)), class: int8(k)}
	}
	return b.handOut(n)
}

func (b *Buffer) handOut(n int) *Buffer {
	b.B = b.mem[:n]
	b.refs.Store(1)
	classes[b.class].live.Add(1)
	return b
}

// Retain adds a reference. The caller must hold one.
func (b *Buffer) Retain() {
	if b.refs.Add(1) <= 1 {
		panic("transport: buffer retained after its last release")
	}
}

// Release gives a reference back; the last one returns the buffer to the pool.
// It panics when there was none.
func (b *Buffer) Release() {
	switch n := b.refs.Add(-1); {
	case n > 0:
	case n < 0:
		panic("transport: buffer released more often than retained")
	default:
		b.shared = false
		b.B = nil
		c := &classes[b.class]
		c.live.Add(-1)
		if int(b.class) < len(classes)-1 {
			c.free.Put(b)
		}
	}
}

// sole reports whether the caller's reference is the only one.
func (b *Buffer) sole() bool { return b.refs.Load() == 1 }

// LiveBuffers returns the number of buffers that were handed out and not yet
// returned, in the whole process: for tests and metrics.
func LiveBuffers() int {
	n := int64(0)
	for i := range classes {
		n += classes[i].live.Load()
	}
	return int(n)
}
