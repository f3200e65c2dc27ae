package rpc

import (
	"errors"
	"io/fs"
	"sync"
)

// Errors of Pipe besides fs.ErrClosed, which every method returns after Close.
var (
	// ErrNoData: nothing is there to read (STATUS_PIPE_EMPTY, or wait).
	ErrNoData = errors.New("rpc: no data in the pipe")
	// ErrBusy: replies wait to be read first (STATUS_PIPE_BUSY).
	ErrBusy = errors.New("rpc: unread data in the pipe")
	// ErrBroken: the client broke the protocol; what was queued until then
	// can be read, then nothing follows (STATUS_PIPE_DISCONNECTED).
	ErrBroken = errors.New("rpc: pipe broken")
)

// maxQueued is how many unread bytes make Write refuse more requests. The
// replies to one Write come on top.
const maxQueued = 64 << 10

// Pipe is one instance of a named pipe in message mode, as a client opened it.
// What the server writes are messages of one data unit each. Requests are
// carried out by the goroutine that writes them. All methods may be called
// from many goroutines.
type Pipe struct {
	// in guards conn and makes requests follow each other. It is held while
	// the Backend is called, so it stands above all locks of the server; take
	// it before mu.
	in   sync.Mutex
	conn *conn

	// mu guards what follows. It is a leaf.
	mu     sync.Mutex
	queue  [][]byte // messages not read yet; the first may have been read in part
	queued int      // bytes in queue
	broken bool
	closed bool
	ready  chan struct{} // closed when there is something to see; nil while nobody waits
}

// Write takes one or more data units, or parts of them, and carries out the
// requests that are complete with it. It takes all of data or, with an error,
// nothing.
func (p *Pipe) Write(data []byte) (int, error) {
	p.in.Lock()
	defer p.in.Unlock()
	return p.write(data, maxQueued)
}

// write is Write with p.in held. It refuses if more than limit bytes wait.
func (p *Pipe) write(data []byte, limit int) (int, error) {
	if err := p.writable(limit); err != nil {
		return 0, err
	}
	messages := p.conn.feed(data)
	dead := p.conn.dead

	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, fs.ErrClosed
	}
	for _, m := range messages {
		p.queue = append(p.queue, m)
		p.queued += len(m)
	}
	p.broken = dead
	if p.visibleLocked() {
		p.wakeLocked()
	}
	return len(data), nil
}

func (p *Pipe) writable(limit int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return fs.ErrClosed
	case p.broken:
		return ErrBroken
	case p.queued > limit:
		return ErrBusy
	}
	return nil
}

// Read returns the next message, or what is left of it, at most limit bytes. more
// reports that the message goes on (STATUS_BUFFER_OVERFLOW). It never blocks:
// the error is ErrNoData when nothing is queued, see Wait. The caller must not
// change data.
func (p *Pipe) Read(limit int) (data []byte, more bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return nil, false, fs.ErrClosed
	case len(p.queue) == 0 && p.broken:
		return nil, false, ErrBroken
	case len(p.queue) == 0:
		return nil, false, ErrNoData
	}
	message := p.queue[0]
	n := min(max(limit, 0), len(message))
	p.queued -= n
	if n < len(message) {
		p.queue[0] = message[n:]
		return message[:n:n], true, nil
	}
	p.queue[0] = nil
	if p.queue = p.queue[1:]; len(p.queue) == 0 {
		p.queue = nil
	}
	return message, false, nil
}

// Transact writes data and reads the first message of the reply, as
// FSCTL_PIPE_TRANSCEIVE does (MS-FSCC 2.3). The error
// is ErrBusy if there is unread data, and ErrNoData if data completes no
// request: then the reply comes after a later Write, see Wait.
func (p *Pipe) Transact(data []byte, limit int) (reply []byte, more bool, err error) {
	p.in.Lock()
	defer p.in.Unlock()
	if _, err := p.write(data, 0); err != nil {
		return nil, false, err
	}
	return p.Read(limit)
}

// Pending is the number of bytes that can be read.
func (p *Pipe) Pending() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.queued
}

// Peek tells what FSCTL_PIPE_PEEK asks for, and takes nothing away: the first
// bytes of the next message, at most limit, its length, and the number of messages.
// The length is that of what is left of the message. Broken reports that
// nothing more will come.
func (p *Pipe) Peek(limit int) (data []byte, length, messages int, broken bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	broken = p.broken || p.closed
	if len(p.queue) == 0 {
		return nil, 0, 0, broken
	}
	first := p.queue[0]
	n := min(max(limit, 0), len(first))
	return first[:n:n], len(first), len(p.queue), broken
}

// Wait returns a channel that is closed when Read does not return ErrNoData:
// there is data, or the pipe is broken or closed.
func (p *Pipe) Wait() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ready == nil {
		p.ready = make(chan struct{})
	}
	ready := p.ready
	if p.visibleLocked() {
		p.wakeLocked()
	}
	return ready
}

func (p *Pipe) visibleLocked() bool { return len(p.queue) > 0 || p.broken || p.closed }

func (p *Pipe) wakeLocked() {
	if p.ready != nil {
		close(p.ready)
		p.ready = nil
	}
}

// Close ends the pipe, wakes who waits for it and drops what was not read. It
// does not wait for a request that runs.
func (p *Pipe) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.queue, p.queued = nil, 0
	p.wakeLocked()
}
