package transport

import (
	"errors"
	"io"
	"os"
	"time"
)

const (
	// paceBytes is what a peer must take per second to be thought alive.
	paceBytes = 64 << 10
	// copyBytes is how much of a file is read at a time when it cannot be sent
	// by the kernel.
	copyBytes = 256 << 10
)

// zeros is what is sent in place of the missing end of a file.
var zeros [64 << 10]byte

// writer is the outgoing side of a Conn while it writes. It belongs to the
// goroutine that set queue.writing.
type writer struct {
	b     *batch
	err   error     // of the last system call
	taken int       // bytes taken since mark
	mark  time.Time // since when the peer owes bytes; zero: it was never slow in this batch
	armed armed
}

// fileProgress says how far the file part of the packet at the head of a batch is.
type fileProgress struct {
	sent int     // bytes of Packet.N that are gone
	how  fileHow // where the next ones come from
	buf  *Buffer // with fileCopy: bytes read, and not yet sent
	data []byte  // the unsent part of buf
	off  int64   // argument of system calls, which need an address
	pipe *pipe   // with fileSend: what the file goes through, nil with sendfile
}

type fileHow uint8

const (
	fileSend  fileHow = iota // from the file by sendfile(2) or splice(2)
	fileCopy                 // from the file by ReadAt
	fileZeros                // the file has ended
)

func (f *fileProgress) reset() {
	if f.buf != nil {
		f.buf.Release()
	}
	if f.pipe != nil {
		f.pipe.release()
	}
	*f = fileProgress{}
}

// write hands a batch to the peer. It releases packets as they are done.
func (c *Conn) write(b *batch) error {
	w := &c.wr
	w.b, w.taken, w.mark = b, 0, time.Time{}
	defer func() { w.b = nil }()
	for b.next < len(b.pkts) {
		w.err = nil
		var err error
		if c.raw != nil {
			err = c.raw.Write(c.onWritable)
		} else {
			c.writeConn()
		}
		if err == nil {
			err = w.err
		}
		if err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
			err = c.lateWrite()
		}
		if err != nil {
			return err
		}
		// Outside of the call-back, because Done may close the connection, and
		// closing waits for the call-back.
		if b.freed < b.next {
			c.hold(-b.release(b.next))
		}
	}
	return nil
}

// lateWrite is called when the write deadline fires. If it was set for a batch
// that is gone, or the peer has earned more time, it sets it anew.
func (c *Conn) lateWrite() error {
	w := &c.wr
	w.armed.look(c)
	w.armed.at = time.Time{}
	if !w.mark.IsZero() {
		w.armed.at = c.writeDue()
		if !time.Now().Before(w.armed.at) {
			return ErrWriteTimeout
		}
	}
	return c.setWriteDeadline(w.armed.at)
}

func (c *Conn) writeDue() time.Time {
	return c.wr.mark.Add(c.writeTimeout + c.earned())
}

// earned returns the time that the peer gets for what it took since the mark.
func (c *Conn) earned() time.Duration {
	return time.Duration(c.wr.taken/paceBytes) * time.Second
}

// pace returns by when the peer must take what comes next. A peer that has kept
// the pace since the mark starts with a clean sheet, so what it took
// quickly does not excuse a later stop.
func (c *Conn) pace() time.Time {
	w := &c.wr
	now := time.Now()
	if w.mark.IsZero() || c.earned() > now.Sub(w.mark) {
		w.mark, w.taken = now, 0
	}
	return c.writeDue()
}

// beforeWriteWait sees to the deadline when the socket takes no more.
func (c *Conn) beforeWriteWait() {
	if c.writeTimeout <= 0 {
		return
	}
	w := &c.wr
	due := c.pace()
	if c.raw.attended() {
		if !time.Now().Before(due) {
			w.err = os.ErrDeadlineExceeded // nobody else would notice
		}
		return
	}
	if at := w.armed.look(c); at.IsZero() || due.Before(at) {
		w.armed.at = due
		w.err = c.setWriteDeadline(due)
	}
}

// took accounts for n bytes that the peer took, of heads and parts of files from where the batch
// is on.
func (c *Conn) took(n int) {
	b := c.wr.b
	c.count(n)
	f := &b.file
	for n > 0 {
		p := &b.pkts[b.next]
		k := min(n, len(p.Head)-b.head)
		b.head += k
		n -= k
		k = min(n, p.N-f.sent)
		f.sent += k
		n -= k
		if f.how == fileCopy {
			f.data = f.data[k:]
		}
		if b.head == len(p.Head) && f.sent == p.N {
			f.reset()
			b.next++
			b.head = 0
		}
	}
}

func (c *Conn) count(n int) {
	c.wr.b.bytes -= n
	c.wr.taken += n
	c.taken.Add(uint64(n))
	c.queued.Add(-int64(n))
}

// fileBytes returns the next bytes of the file part, for those who cannot use
// sendfile.
func (b *batch) fileBytes() ([]byte, error) {
	p, f := &b.pkts[b.next], &b.file
	left := p.N - f.sent
	if f.how == fileCopy && len(f.data) == 0 {
		if f.buf == nil {
			f.buf = Get(min(left, copyBytes))
		}
		buf := f.buf.B[:min(left, len(f.buf.B))]
		n, err := p.File.ReadAt(buf, p.Off+int64(f.sent))
		switch {
		case n > 0:
			f.data = buf[:n]
		case err == nil || err == io.EOF:
			f.how = fileZeros
		default:
			return nil, err
		}
	}
	if f.how == fileZeros {
		return zeros[:min(left, len(zeros))], nil
	}
	return f.data, nil
}

// writeConn writes the next part of a batch through the methods of net.Conn.
func (c *Conn) writeConn() {
	w := &c.wr
	b := w.b
	p := &b.pkts[b.next]
	head := b.head < len(p.Head)
	var data []byte
	if head {
		data = p.Head[b.head:]
	} else {
		if b.file.how == fileSend {
			b.file.how = fileCopy
		}
		if data, w.err = b.fileBytes(); w.err != nil {
			return
		}
	}
	// A Write that failed for lateness cannot be repeated on every kind of
	// connection (crypto/tls), so the deadline is exact, and the pieces are small
	// enough to see progress.
	data = data[:min(len(data), paceBytes)]
	if c.writeTimeout > 0 {
		if w.err = c.nc.SetWriteDeadline(c.pace()); w.err != nil {
			return
		}
	}
	n, err := c.nc.Write(data)
	c.took(n)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = ErrWriteTimeout
	}
	w.err = err
}
