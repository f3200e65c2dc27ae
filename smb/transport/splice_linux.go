package transport

import (
	"sync"

	"golang.org/x/sys/unix"
)

const (
	// spliceBytes is from what size on a part of a file goes through a pipe of
	// our own instead of the one of 64 KiB inside sendfile(2). The socket gets more
	// in one call then, which wakes the peer less often.
	spliceBytes = 256 << 10
	// pipeBytes is the size of such a pipe, the most that an ordinary user may ask
	// for. With a half or a quarter, a client that reads 1 MiB at a time and
	// copies what it gets waits half as long again.
	pipeBytes = 1 << 20
	// maxPipes bounds the descriptors in use, and with them half of the memory that an
	// ordinary user may have in pipes. A slow peer keeps its pipe until it
	// has taken what is in it; when all are taken, sendfile serves the others.
	maxPipes = 32
)

// pipe carries pages of a file to a socket without a copy.
type pipe struct {
	r, w int // descriptors
	in   int // bytes in it
}

// pipes is the pipes of this process. They are not closed while it runs.
var pipes = pipePool{limit: maxPipes}

type pipePool struct {
	mu    sync.Mutex // guards all fields; leaf
	free  []*pipe    // empty ones
	count int        // all, free or not
	limit int        // of count; falls when the system refuses
}

// get returns an empty pipe, nil if there is none to be had.
func (pp *pipePool) get() *pipe {
	pp.mu.Lock()
	if n := len(pp.free); n > 0 {
		p := pp.free[n-1]
		pp.free = pp.free[:n-1]
		pp.mu.Unlock()
		return p
	}
	if pp.count >= pp.limit {
		pp.mu.Unlock()
		return nil
	}
	pp.count++
	pp.mu.Unlock()

	p, err := newPipe()
	if err != nil {
		pp.mu.Lock()
		pp.count--
		pp.limit = pp.count // do not ask again for each packet
		pp.mu.Unlock()
		return nil
	}
	return p
}

func newPipe() (*pipe, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, err
	}
	p := &pipe{r: fds[0], w: fds[1]}
	if _, err := unix.FcntlInt(uintptr(p.w), unix.F_SETPIPE_SZ, pipeBytes); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// put takes a pipe back. One that is not empty cannot be used again.
func (pp *pipePool) put(p *pipe) {
	if p.in > 0 {
		p.close()
	}
	pp.mu.Lock()
	if p.in > 0 {
		pp.count--
	} else {
		pp.free = append(pp.free, p)
	}
	pp.mu.Unlock()
}

func (p *pipe) close() {
	_ = unix.Close(p.r)
	_ = unix.Close(p.w)
}

func (p *pipe) release() { pipes.put(p) }

// splice moves the next bytes of the file part from the pipe to the socket,
// after it has filled it if it was empty. Its results are those of sendFile.
func (b *batch) splice(fd, src uintptr) (int, error) {
	f := &b.file
	left := b.pkts[b.next].N - f.sent
	if f.pipe.in == 0 {
		n, err := unix.Splice(int(src), &f.off, f.pipe.w, nil, left, 0)
		if err == unix.EAGAIN {
			// Not the socket's word, so waiting for the socket would be in vain.
			f.how = fileCopy
			return 0, nil
		}
		if err != nil {
			return f.refused(err, "splice")
		}
		if n == 0 {
			f.how = fileZeros
			return 0, nil
		}
		f.pipe.in = int(n)
	}
	return f.pipe.send(fd, left > f.pipe.in)
}

// send moves bytes of the pipe to the socket. It never waits, like the other calls on
// the socket. With more set the kernel is told that more comes.
func (p *pipe) send(fd uintptr, more bool) (int, error) {
	flags := unix.SPLICE_F_NONBLOCK
	if more {
		flags |= unix.SPLICE_F_MORE
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_SPLICE, uintptr(p.r), 0, fd, 0, uintptr(p.in), uintptr(flags))
	sent, err := result(n, errno, "splice")
	if err == nil {
		p.in -= sent
	}
	return sent, err
}
