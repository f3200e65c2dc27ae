package transport

import (
	"errors"
	"io"
	"math/bits"
	"net"
	"os"
	"sync"
	"time"
)

const (
	socketSlab = 64 << 10
	// bulkSlab is the size for a client that sends so much that a read brings a whole
	// socketSlab: several of its WRITEs of 64 KiB come in one, and stay where they are.
	bulkSlab = 256 << 10
	pipeSlab = 4 << 10
	// beside is how much of the slab is offered behind a long message, of which the
	// beginning of the next one is to be copied to a buffer of its own.
	beside = 4 << 10
	// maxEmptyReads bounds the patience with a connection that returns neither
	// bytes nor an error.
	maxEmptyReads = 100
)

// reader is the incoming side of a Conn.
//
// Unread bytes are slab.B[r:w]. While a large frame is being read into big there
// are none: it took what there was.
type reader struct {
	// mu guards all fields. Held by the goroutine in ReadFrame, also while
	// it waits for the peer; everyone else only tries it. Before queue.mu.
	mu sync.Mutex

	slab  *Buffer
	r, w  int
	bulk  bool // slabs are bulkSlab
	big   *Buffer
	have  int       // bytes in big
	proof int       // how long the last message in a buffer of its own was
	vec   [2][]byte // argument of readv
	parts           // a message that is handed out in parts

	initial time.Time // by when the first frame must begin; zero: it has, or no limit
	begun   time.Time // when we first waited for the rest of a frame; zero: not yet
	armed   armed

	taken  uint64 // bytes that came
	frames int    // that came since crowd last looked
	moved  uint64 // bytes that had come and gone by then

	n    int   // bytes that the last read brought
	err  error // its error
	fail error // what ReadFrame returned and will return for ever
}

// ReadFrame returns the next frame; the caller releases it. One goroutine
// at a time reads. The frame is not touched by later calls.
//
// It returns io.EOF when the peer ended the stream between two frames,
// io.ErrUnexpectedEOF within one, ErrFrameTooLarge, ErrBadPrefix, ErrTimeout,
// net.ErrClosed after Close, what Flush returned when writing failed, or an
// error of the network. Every error is final. The connection is not closed by
// errors of reading: a last reply may still be sent.
func (c *Conn) ReadFrame() (Frame, error) {
	rd := &c.rd
	rd.mu.Lock()
	f, err := c.nextFrame()
	if err != nil {
		rd.fail = err
		rd.drop()
	}
	c.ready.Store(err != nil || rd.complete(int(c.maxFrame.Load())))
	rd.mu.Unlock()
	if c.closed.Load() {
		c.dropReader()
	}
	return f, err
}

// Buffered reports whether another complete frame is in memory already, or an
// error known, so that ReadFrame will not block.
func (c *Conn) Buffered() bool { return c.ready.Load() }

func (c *Conn) nextFrame() (Frame, error) {
	rd := &c.rd
	if rd.fail != nil {
		return Frame{}, rd.fail
	}
	if c.closed.Load() {
		return Frame{}, c.q.cause()
	}
	rd.goOn()
	for {
		f, ok, err := rd.take(int(c.maxFrame.Load()))
		if ok || err != nil {
			rd.frames++
			return f, err
		}
		if err := c.fill(); err != nil {
			return Frame{}, c.closeReason(err)
		}
	}
}

// header reads the prefix at the start of p: the length of the message, or
// that it is a keepalive.
func header(p []byte) (n int, keepalive bool, err error) {
	n = int(p[1])<<16 | int(p[2])<<8 | int(p[3])
	switch {
	case p[0] == 0:
		return n, false, nil
	case p[0] == sessionKeepalive && n == 0:
		return 0, true, nil
	}
	return 0, false, ErrBadPrefix
}

// take cuts the next frame out of what was read, if it is complete. If it can
// never be complete in the slab, it starts a buffer for it.
func (rd *reader) take(maxFrame int) (Frame, bool, error) {
	if rd.big != nil {
		if rd.have < len(rd.big.B) {
			return Frame{}, false, nil
		}
		b := rd.big
		rd.big, rd.begun, rd.proof = nil, time.Time{}, len(b.B)
		rd.look(len(b.B))
		f := NewFrame(b, b.B[:len(b.B):min(len(b.B)+TailRoom, cap(b.B))])
		f.Continues, rd.continues = rd.continues, false
		return f, true, nil
	}
	if rd.rest > 0 {
		f, ok := rd.takePart()
		return f, ok, nil
	}
	for rd.w-rd.r >= prefixSize {
		n, keepalive, err := header(rd.slab.B[rd.r:])
		if err != nil {
			return Frame{}, false, err
		}
		start := rd.r + prefixSize
		if keepalive {
			rd.r, rd.begun = start, time.Time{}
			continue
		}
		if n > maxFrame {
			return Frame{}, false, ErrFrameTooLarge
		}
		rd.initial = time.Time{}
		end, size := start+n, len(rd.slab.B)
		if end <= rd.w {
			rd.r, rd.begun = end, time.Time{}
			rd.asked = false
			rd.look(n)
			rd.slab.Retain()
			return NewFrame(rd.slab, rd.slab.B[start:end:end]), true, nil
		}
		if n >= divideFrom && !rd.asked && rd.divide != nil && rd.deep == 0 && rd.r == rd.fresh {
			if rd.w-start < partLeast && rd.w < size {
				break
			}
			rd.asked = true
			if f, ok := rd.takeFirst(start, n); ok {
				return f, true, nil
			}
		}
		if end > size && (n <= max(size, rd.proof) || rd.w == size || rd.w-start >= socketSlab) {
			rd.startBig(start, n)
		}
		break
	}
	return Frame{}, false, nil
}

const (
	// plainShift and sealedShift are where in a buffer a message begins, so that the data of a
	// WRITE, 112 bytes further or 164, lies at a multiple of 64: the kernel copies it to the
	// file in three quarters of the time. And they keep away from a few bytes behind the beginning
	// of a page, where the data of a client may have begun, too: a processor that copies to
	// an address whose last 12 bits are a little greater takes three times as long.
	plainShift, sealedShift = 80, 92
	// sealedProtocol is what a sealed message begins with (MS-SMB2 2.2.41).
	sealedProtocol = 0xfd
)

// startBig starts a buffer for a message of n bytes that begins at start.
func (rd *reader) startBig(start, n int) {
	came := rd.slab.B[start:rd.w]
	shift := plainShift
	if len(came) > 0 && came[0] == sealedProtocol {
		shift = sealedShift
	}
	if bits.Len(uint(n+shift-1)) != bits.Len(uint(n-1)) {
		shift = 0 // it would take twice the memory that it is counted with
	}
	rd.big = Get(n + shift)
	rd.big.B = rd.big.B[shift:]
	rd.have = copy(rd.big.B, came)
	rd.r, rd.asked = rd.w, false
}

// complete reports whether take would return a frame or an error.
func (rd *reader) complete(maxFrame int) bool {
	if rd.rest > 0 {
		return rd.nextCut() > 0
	}
	for r := rd.r; rd.w-r >= prefixSize; r += prefixSize {
		n, keepalive, err := header(rd.slab.B[r:])
		if keepalive {
			continue
		}
		return err != nil || n > maxFrame || r+prefixSize+n <= rd.w
	}
	return false
}

// room returns the free part of the slab, never empty. Only a prefix that
// straddles the end of the slab is moved.
func (rd *reader) room(slabSize int) []byte {
	switch {
	case rd.slab == nil:
		rd.r, rd.w = 0, 0
	case rd.r == rd.w:
		if len(rd.slab.B) < slabSize {
			rd.dropSlab()
		} else if rd.slab.sole() {
			rd.r, rd.w = 0, 0
		} else if free := len(rd.slab.B) - rd.w; free < slabSize/4 {
			rd.dropSlab()
		}
	case rd.rest > 0 && rd.slab.sole():
		// What was read last is in the cache of the processor, so it is
		// used again; what is left of it is less than a page.
		rd.w = copy(rd.slab.B, rd.slab.B[rd.r:rd.w])
		rd.r, rd.fresh = 0, -1
	case rd.w == len(rd.slab.B):
		old, rest := rd.slab, rd.slab.B[rd.r:rd.w]
		rd.slab = newSlab(slabSize)
		rd.r, rd.w, rd.fresh = 0, copy(rd.slab.B, rest), -1
		old.Release()
	}
	if rd.slab == nil {
		rd.slab = newSlab(slabSize)
	}
	return rd.slab.B[rd.w:]
}

// slabNow is the size of slabs for the time being. Without a session it stays small.
func (c *Conn) slabNow() int {
	if c.rd.bulk && c.maxFrame.Load() >= bulkSlab {
		return bulkSlab
	}
	return c.slabSize
}

func newSlab(size int) *Buffer {
	b := Get(size)
	b.shared = true
	return b
}

// dropSlab gives the slab back. Nothing in it is unread.
func (rd *reader) dropSlab() {
	rd.slab.Release()
	rd.slab = nil
	rd.r, rd.w = 0, 0
}

// drop gives back all memory.
func (rd *reader) drop() {
	if rd.slab != nil {
		rd.dropSlab()
	}
	if rd.big != nil {
		rd.big.Release()
		rd.big = nil
	}
}

// fill reads once and waits for it if need be.
func (c *Conn) fill() error {
	rd := &c.rd
	for empty := 0; ; {
		var err error
		if c.raw != nil {
			rd.n, rd.err = 0, nil
			if err = c.raw.Read(c.onReadable); err == nil {
				err = rd.err
			}
		} else {
			c.beforeWait()
			if rd.big != nil {
				rd.n, err = c.nc.Read(rd.big.B[rd.have:])
			} else {
				rd.n, err = c.nc.Read(rd.room(c.slabSize))
			}
		}
		switch {
		case rd.n > 0:
			rd.got(rd.n)
			return nil
		case err == nil:
			if empty++; empty == maxEmptyReads {
				return io.ErrNoProgress
			}
		case errors.Is(err, os.ErrDeadlineExceeded):
			due := rd.due(c.frameTimeout)
			if !due.IsZero() && !time.Now().Before(due) {
				return ErrTimeout
			}
			// It was set for a frame that is complete by now.
			rd.armed.look(c)
			rd.armed.at = due
			if err := c.setReadDeadline(due); err != nil {
				return err
			}
		case err == io.EOF && c.closed.Load():
			return net.ErrClosed // the end may be the one that Close has made, to wake us
		case err == io.EOF && rd.partial():
			return io.ErrUnexpectedEOF
		default:
			return err
		}
	}
}

// got accounts for n bytes read: first what is missing in big, then the slab.
func (rd *reader) got(n int) {
	rd.taken += uint64(n) //nolint:gosec // not negative
	if rd.big != nil {
		k := min(n, len(rd.big.B)-rd.have)
		rd.have += k
		n -= k
	}
	rd.w += n
}

// partial reports whether a frame has begun and is not complete.
func (rd *reader) partial() bool { return rd.big != nil || rd.rest > 0 || rd.r < rd.w }

// due returns by when the peer must send something; zero: whenever it likes.
func (rd *reader) due(frameTimeout time.Duration) time.Time {
	switch {
	case !rd.partial():
		return rd.initial
	case frameTimeout <= 0:
		return time.Time{}
	case rd.begun.IsZero():
		rd.begun = time.Now()
	}
	return rd.begun.Add(frameTimeout)
}

// beforeWait gives back an empty slab and sees to the deadline. An error to set
// one is an error of the connection, which the read that follows will meet, too.
// It reports true if it is late already, which nobody else would notice.
func (c *Conn) beforeWait() (late bool) {
	rd := &c.rd
	if rd.slab != nil && rd.r == rd.w {
		rd.bulk = rd.bulk && rd.w >= socketSlab
		rd.dropSlab()
	}
	due := rd.due(c.frameTimeout)
	if due.IsZero() {
		return false
	}
	if c.raw != nil && c.raw.attended() {
		return !time.Now().Before(due)
	}
	if at := rd.armed.look(c); at.IsZero() || due.Before(at) {
		rd.armed.at = due
		_ = c.setReadDeadline(due)
	}
	return false
}
