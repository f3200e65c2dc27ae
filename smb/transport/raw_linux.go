package transport

import (
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// maxVector is the most elements that one call takes (IOV_MAX).
	maxVector = 1024
	// smallHead is up to what size several heads are copied together: cheaper
	// than an element of the vector for each.
	smallHead = 1 << 10
	// flatBytes is how much is copied together for one call.
	flatBytes = 64 << 10
)

// vector is the argument of sendmsg(2).
type vector struct {
	hdr  unix.Msghdr
	iov  []unix.Iovec
	flat *Buffer // copies of small heads
	used int     // bytes of flat
	open bool    // the last element of iov ends where the free part of flat begins
}

// clear gives back the buffer and forgets the addresses, so that a pooled vector
// keeps nothing alive.
func (v *vector) clear() {
	if v.flat != nil {
		v.flat.Release()
	}
	clear(v.iov)
	*v = vector{iov: v.iov[:0]}
}

// reset empties the vector, and forgets the addresses.
func (v *vector) reset() {
	clear(v.iov)
	v.iov, v.used, v.open = v.iov[:0], 0, false
}

func (v *vector) add(p []byte) {
	v.iov = append(v.iov, unix.Iovec{Base: &p[0]})
	v.iov[len(v.iov)-1].SetLen(len(p))
	v.open = false
}

// addCopy adds a copy of p. It reports false if there is no room.
func (v *vector) addCopy(p []byte) bool {
	if v.flat == nil {
		v.flat = Get(flatBytes)
	}
	dst := v.flat.B[v.used:]
	if len(p) > len(dst) {
		return false
	}
	v.used += copy(dst, p)
	if v.open {
		last := &v.iov[len(v.iov)-1]
		last.SetLen(int(last.Len) + len(p))
		return true
	}
	v.add(dst[:len(p)])
	v.open = true
	return true
}

// readSocket is the call-back of socket.Read: one read, or false to wait.
func (c *Conn) readSocket(fd uintptr) bool {
	rd := &c.rd
	waited := c.low.unpark()
	if waited {
		c.raw.endWait()
	}
	for {
		var n int
		var err error
		if rd.big != nil {
			room := rd.room(c.slabNow())
			if len(rd.big.B) >= divideFrom {
				room = room[:min(len(room), beside)]
			}
			rd.vec = [2][]byte{rd.big.B[rd.have:], room}
			n, err = receiveTwo(fd, &rd.vec)
			rd.vec = [2][]byte{}
		} else {
			room := rd.room(c.slabNow())
			if rd.r == rd.w {
				rd.fresh = rd.w
			}
			n, err = receive(fd, room)
		}
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			if c.beforeWait() {
				rd.err = os.ErrDeadlineExceeded
				return true
			}
			c.low.park(fd, rd.missing())
			c.raw.beginWait(c.crowd(), rd.missing() > 0)
			return false
		case err != nil:
			rd.err = err
		case n == 0:
			rd.err = io.EOF
		default:
			rd.n = n
			rd.bulk = rd.bulk || n >= socketSlab
			c.hushReading(fd, waited)
		}
		return true
	}
}

// crowd reports whether several short requests have come since it was last called.
func (c *Conn) crowd() bool {
	rd := &c.rd
	moved := c.taken.Load() + rd.taken
	crowd := rd.frames > 1 && moved-rd.moved < hushFrom
	rd.frames, rd.moved = 0, moved
	return crowd
}

// hushReading is called when a read has brought something. A client that had sent
// before it was asked sends more while we work, and so does one that writes much.
func (c *Conn) hushReading(fd uintptr, waited bool) {
	rd := &c.rd
	switch {
	case c.multipath, c.raw.attended():
	case rd.big != nil && len(rd.big.B) >= hushFrom && rd.n >= rd.missing():
		c.low.hush(fd, min(len(rd.big.B), lowatBytes))
	case rd.rest > 0:
		c.low.hush(fd, lowatBytes)
	case !waited:
		c.low.hush(fd, hushBytes)
	}
}

// writeSocket is the call-back of socket.Write. It returns true when at least
// one packet is done or an error is known, false to wait.
func (c *Conn) writeSocket(fd uintptr) bool {
	w := &c.wr
	b := w.b
	c.raw.endWriteWait()
	for first := b.next; b.next == first; {
		p := &b.pkts[b.next]
		head := b.head < len(p.Head)
		if b.pipe == nil && b.canGather() {
			b.gather()
		}
		if p.size() >= hushFrom && !c.multipath && !c.raw.attended() {
			c.low.hush(fd, hushBytes)
		}
		var n int
		var err error
		switch {
		case b.pipe != nil:
			n, err = b.sendGathered(fd)
		case head:
			n, err = b.sendHeads(fd)
		case b.file.how == fileSend:
			n, err = b.sendFile(fd)
		default:
			var data []byte
			if data, err = b.fileBytes(); err == nil {
				n, err = send(fd, data, 0)
			}
		}
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			c.beforeWriteWait()
			c.raw.beginWriteWait()
			return w.err != nil
		case err != nil:
			w.err = err
			return true
		default:
			c.took(n)
		}
	}
	return true
}

// sendHeads sends what remains of the head of the next packet and the heads of
// those that follow, up to one that has a part of a file behind it. The kernel
// is told then that more comes, so that a small head does not travel alone.
func (b *batch) sendHeads(fd uintptr) (int, error) {
	v := &b.iov
	v.reset()
	several := b.next+1 < len(b.pkts)
	skip, flags := b.head, 0
	for i := b.next; i < len(b.pkts) && len(v.iov) < maxVector; i++ {
		p := &b.pkts[i]
		data := p.Head[skip:]
		skip = 0
		if !several || len(data) > smallHead || !v.addCopy(data) {
			v.add(data)
		}
		if p.N > 0 {
			flags = unix.MSG_MORE
			break
		}
	}
	if len(v.iov) == 1 {
		return send(fd, unsafe.Slice(v.iov[0].Base, v.iov[0].Len), flags)
	}
	v.hdr.Iov = &v.iov[0]
	v.hdr.SetIovlen(len(v.iov))
	n, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(&v.hdr)),
		uintptr(flags|unix.MSG_NOSIGNAL))
	return result(n, errno, "sendmsg")
}

// The calls on the socket go to the kernel without a word to the scheduler. They
// never wait, as the socket is non-blocking, but copy memory, and the scheduler does
// not hear of other copies either. What it would make of them costs more than the
// call when a connection has one request at a time: it wakes its watching thread for
// the first call after everybody was idle, which is then every request.

// send is send(2).
func send(fd uintptr, p []byte, flags int) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(&p[0])),
		uintptr(len(p)), uintptr(flags|unix.MSG_NOSIGNAL), 0, 0)
	return result(n, errno, "send")
}

// receive is read(2) on the socket, into a p that is not empty.
func receive(fd uintptr, p []byte) (int, error) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	return result(n, errno, "read")
}

// receiveTwo is readv(2) on the socket; no element is empty.
func receiveTwo(fd uintptr, p *[2][]byte) (int, error) {
	iov := [2]unix.Iovec{{Base: &p[0][0]}, {Base: &p[1][0]}}
	iov[0].SetLen(len(p[0]))
	iov[1].SetLen(len(p[1]))
	n, _, errno := unix.RawSyscall(unix.SYS_READV, fd, uintptr(unsafe.Pointer(&iov)), uintptr(len(iov)))
	return result(n, errno, "readv")
}

func result(n uintptr, errno unix.Errno, call string) (int, error) {
	switch errno {
	case 0:
		return int(n), nil
	case unix.EAGAIN, unix.EINTR:
		return 0, errno
	}
	return 0, os.NewSyscallError(call, errno)
}

// sendFile sends the next bytes of the file part. It returns 0 and no error when
// it has found out that they must come from elsewhere.
func (b *batch) sendFile(fd uintptr) (int, error) {
	p, f := &b.pkts[b.next], &b.file
	src, ok := p.File.Fd()
	if !ok {
		f.how = fileCopy
		return 0, nil
	}
	f.off = p.Off + int64(f.sent)
	if f.pipe == nil && f.sent == 0 && p.N >= spliceBytes {
		f.pipe = pipes.get()
	}
	if f.pipe != nil {
		return b.splice(fd, src)
	}
	n, err := unix.Sendfile(int(fd), int(src), &f.off, p.N-f.sent)
	if err != nil {
		return f.refused(err, "sendfile")
	}
	if n == 0 {
		f.how = fileZeros
	}
	return n, nil
}

// refused sorts the errors of calls that read from the file.
func (f *fileProgress) refused(err error, call string) (int, error) {
	switch err {
	case unix.EINVAL, unix.ENOSYS, unix.EOPNOTSUPP, unix.ESPIPE, unix.EOVERFLOW:
		// The file system, or the kind of file, cannot do it.
		f.how = fileCopy
		return 0, nil
	case unix.EAGAIN, unix.EINTR:
		return 0, err
	}
	return 0, os.NewSyscallError(call, err)
}
