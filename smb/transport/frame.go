package transport

// prefixSize is the size of what goes before each message: a zero byte and the
// length in 24 bits, big-endian (MS-SMB2 2.1).
const prefixSize = 4

// TailRoom is how many bytes of capacity are behind a long message, as a rule: what
// decrypting in place wants (crypt.TailRoom).
const TailRoom = 16

// maxLength is the largest length that a prefix can express.
const maxLength = 1<<24 - 1

// sessionKeepalive is the type of the only NetBIOS session packet besides
// messages that may follow the set-up of a session (RFC 1002 4.3.6). Clients
// that think of port 139 send it here, too.
const sessionKeepalive = 0x85

// Frame is one message without its prefix. It is passed by value; of several
// copies only one may be released.
type Frame struct {
	// Data is the message. The owner of the frame may overwrite it in place, and the
	// few bytes of capacity behind it that a long message may have (TailRoom). Appending never
	// touches another frame.
	Data []byte
	// Rest is how many bytes of the message follow in the next frames, because
	// Options.Divide wanted it in parts. Continues says that Data is not its beginning.
	Rest      int
	Continues bool

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

// Owned reports whether the frame has a buffer of its own, not shared with
// other frames, so that keeping it for long costs only itself.
func (f *Frame) Owned() bool { return f.buf != nil && !f.buf.shared }
