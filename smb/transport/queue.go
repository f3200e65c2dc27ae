package transport

// FileSender is a file whose bytes can follow a packet's head.
type FileSender interface {
	// Fd returns the descriptor for sendfile, false if there is none.
	Fd() (uintptr, bool)
	ReadAt(p []byte, off int64) (int, error)
}

// Packet is one outgoing message.
type Packet struct {
	Buf  *Buffer
	Head []byte
	File FileSender
	Off  int64
	N    int
	Done func()
}

// Queue appends a packet to what is to be written.
func (c *Conn) Queue(p Packet) {}

// Flush writes what is queued.
func (c *Conn) Flush() error { return nil }

// Kick makes sure that what is queued will be written.
func (c *Conn) Kick() {}

// QueuedBytes returns the number of bytes that the kernel has not yet taken.
func (c *Conn) QueuedBytes() int { return 0 }
