//go:build linux

package main

import (
	"io"

	"golang.org/x/sys/unix"
)

// server is the end of a connection that is measured. Only its thread touches it while
// a loop runs.
type server struct {
	fd          int
	file        int
	slots, slot int64 // places in the file, and the next of them
	size        int   // bytes of data of a request
	pipe        pipe
	memory      []byte // a page, and the data from the second page on
	meter       meter
}

func (s *server) close() {
	_ = unix.Close(s.fd)
	if s.pipe.r >= 0 {
		s.pipe.close()
	}
	if s.memory != nil {
		_ = unix.Munmap(s.memory)
	}
}

// reply is the head of every reply.
var reply = func() (b [replySize]byte) {
	for i := range b {
		b[i] = byte(i + 1)
	}
	return b
}()

// next returns where in the file the next request reads or writes.
func (s *server) next() int64 {
	off := s.slot * int64(s.size)
	if s.slot++; s.slot >= s.slots {
		s.slot = 0
	}
	return off
}

// reads serves reads. answer gets the number of requests that are there, and returns
// how many of them it has answered.
func (s *server) reads(answer func(s *server, n int) (int, error)) error {
	var requests [maxDepth * requestSize]byte
	for have := 0; ; {
		n, err := recv(s.fd, requests[:], 0)
		if err != nil {
			return whole(have, err)
		}
		for have += n; have >= requestSize; {
			done, err := answer(s, have/requestSize)
			if err != nil {
				return err
			}
			have -= done * requestSize
			if err := s.meter.reply(done); err != nil {
				return err
			}
		}
	}
}

func (s *server) sendfile(int) (int, error) {
	if err := sendAll(s.fd, reply[:], unix.MSG_MORE); err != nil {
		return 0, err
	}
	off := s.next()
	for left := s.size; left > 0; {
		n, err := sendfile(s.fd, s.file, &off, left)
		if err != nil {
			return 0, err
		}
		left -= n
	}
	return 1, nil
}

func (s *server) splice(int) (int, error) {
	if err := sendAll(s.fd, reply[:], unix.MSG_MORE); err != nil {
		return 0, err
	}
	off := s.next()
	for left := s.size; left > 0; {
		n, err := splice(s.file, &off, s.pipe.w, nil, left, 0)
		if err != nil {
			return 0, err
		}
		left -= n
		if err := s.drain(n, left > 0); err != nil {
			return 0, err
		}
	}
	return 1, nil
}

// copy has the head of the reply right in front of the data, so that one call sends
// both.
func (s *server) copy(int) (int, error) {
	b := s.memory[pageSize-replySize : pageSize+s.size]
	copy(b, reply[:])
	if err := preadAll(s.file, b[replySize:], s.next()); err != nil {
		return 0, err
	}
	return 1, sendAll(s.fd, b, 0)
}

// gather fills the pipe with the replies to all n requests, and empties it into the
// socket when it is full and at the end. A reply of 1 MiB with its head does not fit by a page.
func (s *server) gather(n int) (int, error) {
	in := 0 // bytes in the pipe
	// put tries to put more into the pipe until there is room.
	put := func(f func() (int, error)) (int, error) {
		for {
			m, err := f()
			if err != unix.EAGAIN || in == 0 {
				in += m
				return m, err
			}
			if err := s.drain(in, true); err != nil {
				return 0, err
			}
			in = 0
		}
	}
	for range n {
		for head := reply[:]; len(head) > 0; {
			m, err := put(func() (int, error) { return writePipe(s.pipe.w, head) })
			if err != nil {
				return 0, err
			}
			head = head[m:]
		}
		off := s.next()
		for left := s.size; left > 0; {
			m, err := put(func() (int, error) { return splice(s.file, &off, s.pipe.w, nil, left, 0) })
			if err != nil {
				return 0, err
			}
			left -= m
		}
	}
	return n, s.drain(in, false)
}

// writePipe writes to a pipe that does not block.
func writePipe(fd int, b []byte) (int, error) {
	for {
		n, err := unix.Write(fd, b)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, err
		default:
			return n, nil
		}
	}
}

// drain moves n bytes from the pipe to the socket; more says that others follow at once.
func (s *server) drain(n int, more bool) error {
	flags := 0
	if more {
		flags = unix.SPLICE_F_MORE
	}
	for n > 0 {
		m, err := splice(s.pipe.r, nil, s.fd, nil, n, flags)
		if err != nil {
			return err
		}
		n -= m
	}
	return nil
}

// writes serves writes, so many bytes at a time. The data begin at a page, with the
// head of the request in front.
func (s *server) writes(part int) error {
	for {
		off, head := s.next(), requestSize
		for left := s.size; left > 0; {
			n := min(part, left)
			if err := recvAll(s.fd, s.memory[pageSize-head:pageSize+n]); err != nil {
				return whole(requestSize-head, err)
			}
			if err := pwriteAll(s.file, s.memory[pageSize:pageSize+n], off); err != nil {
				return err
			}
			off, left, head = off+int64(n), left-n, 0
		}
		if err := s.written(); err != nil {
			return err
		}
	}
}

// spliceWrites serves writes through the pipe.
func (s *server) spliceWrites() error {
	for {
		if err := recvAll(s.fd, s.memory[:requestSize]); err != nil {
			return err
		}
		off := s.next()
		for left := s.size; left > 0; {
			n, err := splice(s.fd, nil, s.pipe.w, nil, min(left, partSize), 0)
			if err != nil {
				return err
			}
			for left -= n; n > 0; {
				m, err := splice(s.pipe.r, nil, s.file, &off, n, 0)
				if err != nil {
					return err
				}
				n -= m
			}
		}
		if err := s.written(); err != nil {
			return err
		}
	}
}

// written answers a write.
func (s *server) written() error {
	if err := sendAll(s.fd, reply[:], 0); err != nil {
		return err
	}
	return s.meter.reply(1)
}

// pong waits in recv(2), as a thread does that has one client alone.
func (s *server) pong() error {
	b := s.memory[:pingSize]
	for {
		if err := recvAll(s.fd, b); err != nil {
			return err
		}
		if err := s.ponged(b); err != nil {
			return err
		}
	}
}

// pongPoll never waits in recv(2), as a thread that must be able to do something else.
func (s *server) pongPoll() error {
	b := s.memory[:pingSize]
	fds := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}}
	for have := 0; ; {
		n, err := recv(s.fd, b[have:], unix.MSG_DONTWAIT)
		switch {
		case err == unix.EAGAIN:
			if err := waitReadable(fds); err != nil {
				return err
			}
			continue
		case err != nil:
			return whole(have, err)
		}
		if have += n; have < pingSize {
			continue
		}
		have = 0
		if err := s.ponged(b); err != nil {
			return err
		}
	}
}

func (s *server) ponged(b []byte) error {
	if err := sendAll(s.fd, b, 0); err != nil {
		return err
	}
	return s.meter.reply(1)
}

// whole tells an end in the middle of something, of which there were n bytes, from one
// between two.
func whole(n int, err error) error {
	if n > 0 && err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
