package transport

import (
	"sync"

	"golang.org/x/sys/unix"
)

const (
	// hushBytes is how much may come in, while a request is carried out or a reply is
	// written, before the poller is told: more than the requests of a client that
	// reads, less than what is worth a reader of its own.
	hushBytes = 4 << 10
	// hushFrom is how long a frame or a packet must be for its time to count.
	hushFrom = 64 << 10
	// lowatBytes is the most that is waited for at once, of a frame of that size or more.
	// What comes next is copied while the client sends on; and it is still in the
	// cache of a processor, of which 1 MiB at a time leaves less (in turns, at depth 8:
	// 3.3 GiB/s instead of 2.6, with three quarters of the CPU time).
	lowatBytes = 64 << 10
)

// lowat is the low-water mark of a socket (SO_RCVLOWAT): how many bytes must have
// come before the kernel says that there is something to read. Reading itself
// does not depend on it.
//
// Go polls all sockets on a thread that has nothing else to do, and hears of every
// segment that comes, also when nobody waits for it: another processor, perhaps the
// client's own, is taken away for each, to find that there is nothing to be done. So the
// mark is high while the goroutine that reads is busy, and set before it waits: to
// one byte, or to what is missing of a long frame. When the mark falls, the kernel
// itself looks whether enough is there, so nothing that came before is missed.
type lowat struct {
	mu     sync.Mutex // guards what follows; leaf
	bytes  int        // the mark; 0 is the kernel's default of 1
	parked bool       // the reader waits; the mark is its own
}

// set sets the mark. Locked.
func (l *lowat) set(fd uintptr, n int) {
	if l.bytes == n {
		return
	}
	// It cannot fail for a socket of TCP, and if it did for a high mark, more threads
	// would wake than need to.
	if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT, n) == nil {
		l.bytes = n
	}
}

// missing returns how many bytes a frame that has a buffer of its own lacks, or one
// that is handed out in parts.
func (rd *reader) missing() int {
	switch {
	case rd.big != nil:
		return len(rd.big.B) - rd.have
	case rd.rest > 0:
		return rd.rest - (rd.w - rd.r)
	}
	return 0
}

// park is called by the reader when it has found nothing to read, and is about to wait
// until missing bytes of a frame have come, or any if it is 0. A frame may end, or the
// connection, with fewer: the kernel tells of that whatever the mark is.
func (l *lowat) park(fd uintptr, missing int) {
	l.mu.Lock()
	l.parked = true
	l.set(fd, max(1, min(missing, lowatBytes)))
	l.mu.Unlock()
}

// unpark is called by the reader before it reads. It reports whether it had waited.
func (l *lowat) unpark() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.parked
	l.parked = false
	return was
}

// hush raises the mark to n, unless the reader waits.
func (l *lowat) hush(fd uintptr, n int) {
	l.mu.Lock()
	if !l.parked && l.bytes < n {
		l.set(fd, n)
	}
	l.mu.Unlock()
}
