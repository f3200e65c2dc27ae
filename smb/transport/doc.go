// Package transport carries messages over a stream connection: Direct TCP
// framing (MS-SMB2 2.1), pooled buffers with a reference count, batched reading
// and the outgoing queue.
//
// # What it knows and what it must not know
//
// It knows bytes, lengths and time. It does not know what a message means,
// whether it is signed or sealed, or who sent it. It imports nothing else of
// this module.
//
// # Objects
//
//	Buffer   memory with a reference count; the last reference returns it to
//	         the pool of its size class
//	Frame    one incoming message; it holds one reference to the buffer that
//	         its bytes lie in, which is either its own or a slab shared with
//	         the frames that came in the same read
//	Packet   one outgoing message: bytes, then perhaps a part of a file
//	Conn     reader, queue and writer of one connection
//	socket   a TCP connection, and the way in which one waits for it
//
// # Reading
//
// On TCP the reader first tries to read and, when there is nothing, gives its
// slab back before it waits: an idle connection holds no buffer. One read fetches as
// many frames as are there; they stay where they are and keep the slab alive.
// A frame that does not fit into what remains of the slab gets a buffer of its
// own, but one larger than a slab only after 64 KiB of it have come: who wants the
// server to commit memory must send something first, once for messages of that length.
// The same call that completes such a frame already fetches what follows it into a slab,
// a page of it behind a frame of 256 KiB or more, which may well be followed by another one.
//
// A message of 256 KiB or more of a client that waits for each reply can be had in parts, as
// it comes (Options.Divide, parts). What they cost is more and smaller copies, and a client
// that is told more often that there is room; so one that sends the next such message before it
// has the reply gets its messages read whole.
//
// A slab is 64 KiB, and 256 KiB for a client with a session while it sends much, so that
// several WRITEs of 64 KiB come in one read and are carried out where they are.
//
// Who polls the sockets is told of what comes in only when somebody waits for it, and of
// a long frame when it is complete; see lowat.
//
// A client that has one request at a time and sends the next one soon is waited for on the thread that
// served it, which halves the work for a request; all others by the poller; see socket.
//
// Other connections (pipes in tests, TLS) are read through a slab of 4 KiB.
//
// # Writing
//
// Queue only appends. Whoever calls Flush while nobody writes becomes the
// writer: it takes all that is queued as one batch, hands it to the kernel with
// as few calls as possible, and looks again until the queue is empty. The others
// return at once, so that their packets leave in the next batch. Kick does the same
// from a goroutine of its own, for those who hold locks; Drain also waits until the
// peer has taken enough, for those who would take in more work. Packets leave in the
// order of their Queue calls. On a socket, small ones are copied together, and a head
// announces the part of a file that sendfile(2) sends behind it; several of these go through
// a pipe together (gather_linux.go).
//
// After an error on the way out the stream is cut in the middle of a message,
// so the writer closes the connection.
//
// # Listening
//
// ListenTCP and ListenUDP open what an entry of a list of addresses means: an
// address, a family, an interface. TCPOptions make the kernel find out that a peer is
// dead, and not pace what stays within the machine (congestion.go); with the listeners of
// ListenTCPUnpaced nothing there ever begins to. QUIC is in the package
// smbquic below; its connections come through NewConn like any other, and are written to without sendfile and splice.
//
// # States
//
//	open ---CloseAfterFlush---> closing (takes no more packets) ---+
//	  |                                                            v
//	  +---Close, write error, queue still not empty in time---> closed
//
// # Time
//
// Deadlines of the socket are set only when a goroutine is about to wait, and
// only when the one that is set lies later than the one needed. A deadline that
// fires too early because the work it was set for is done is set anew. So a
// message that comes in one piece costs no look at the clock. Who waits on a thread
// wakes every millisecond at the least, and looks at the clock then.
//
// # Lock order
//
//	reader.mu   held by the goroutine in ReadFrame, even while it waits, and across Divide;
//	            others only try it
//	queue.mu    leaf: nothing is called and nothing waits while it is held
//	lowat.mu    leaf
//	socket.mu   leaf; a deadline or a descriptor is made while it is held
//
// The bits of writer belong to the goroutine that set queue.writing.
//
// # Goroutines
//
// None, but for those started by Kick, which end when the queue is empty, those that
// call Packet.Done for packets queued after Close, and one that keeps a socket for half a second
// after CloseAfterFlush (linger_linux.go). Wait waits for all.
package transport
