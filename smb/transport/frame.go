package transport

// Frame is one message without its prefix.
type Frame struct {
	// Data may be overwritten in place by the owner of the frame.
	Data []byte

	buf *Buffer
}

// NewFrame wraps data, which lies in b, into a frame. It takes over the
// caller's reference to b.
func NewFrame(b *Buffer, data []byte) Frame { return Frame{Data: data, buf: b} }

// Release gives the memory of the frame back. Releasing the same value again
// does nothing.
func (f *Frame) Release() {
	if f.buf != nil {
		f.buf.Release()
		f.buf, f.Data = nil, nil
	}
}

// Owned reports whether the frame has a buffer of its own, so that keeping it
// for long costs only itself.
func (f *Frame) Owned() bool { return f.buf != nil }
