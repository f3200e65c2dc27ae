//go:build linux

package main

import (
	"fmt"
	"io"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The package unix has no send(2) that says how much was sent, and a recv(2) that
// allocates. All of these go on after a signal: the runtime sends some to its threads.

func recv(fd int, b []byte, flags int) (int, error) {
	for {
		n, _, e := unix.Syscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), uintptr(flags), 0, 0)
		switch {
		case e == unix.EINTR:
		case e != 0:
			return 0, e
		case n == 0:
			return 0, io.EOF
		default:
			return int(n), nil
		}
	}
}

// recvAll fills b. It returns io.EOF only if nothing came at all.
func recvAll(fd int, b []byte) error {
	for done := 0; done < len(b); {
		n, err := recv(fd, b[done:], 0)
		if err != nil {
			return whole(done, err)
		}
		done += n
	}
	return nil
}

func sendAll(fd int, b []byte, flags int) error {
	for len(b) > 0 {
		n, _, e := unix.Syscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), uintptr(flags|unix.MSG_NOSIGNAL), 0, 0)
		switch {
		case e == unix.EINTR:
		case e != 0:
			return e
		default:
			b = b[n:]
		}
	}
	return nil
}

// splice moves up to n bytes. The error is io.ErrUnexpectedEOF where there are none.
func splice(from int, fromOff *int64, to int, toOff *int64, n, flags int) (int, error) {
	for {
		if m, err := unix.Splice(from, fromOff, to, toOff, n, flags); err != unix.EINTR {
			return some(int(m), err)
		}
	}
}

// sendfile is like splice.
func sendfile(to, from int, off *int64, n int) (int, error) {
	for {
		if m, err := unix.Sendfile(to, from, off, n); err != unix.EINTR {
			return some(m, err)
		}
	}
}

// some makes an error of nothing.
func some(n int, err error) (int, error) {
	switch {
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.ErrUnexpectedEOF
	}
	return n, nil
}

// preadAll fills b.
func preadAll(fd int, b []byte, off int64) error {
	for len(b) > 0 {
		n, err := unix.Pread(fd, b, off)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return err
		case n == 0:
			return io.ErrUnexpectedEOF
		default:
			b, off = b[n:], off+int64(n)
		}
	}
	return nil
}

func pwriteAll(fd int, b []byte, off int64) error {
	for len(b) > 0 {
		n, err := unix.Pwrite(fd, b, off)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return err
		default:
			b, off = b[n:], off+int64(n)
		}
	}
	return nil
}

// waitReadable waits without limit until there is something to read, or the end.
func waitReadable(fds []unix.PollFd) error {
	for {
		if _, err := unix.Ppoll(fds, nil, nil); err != unix.EINTR {
			return err
		}
	}
}

// threadCPU is the time that the calling thread has had a processor.
func threadCPU() (time.Duration, error) {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &r); err != nil {
		return 0, err
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()), nil
}

// pipe is a pipe; its size is that of the loops if the system allows it.
type pipe struct{ r, w int }

const pipeSize = 1 << 20

func newPipe(flags int) (pipe, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return pipe{}, fmt.Errorf("pipe: %w", err)
	}
	p := pipe{r: fds[0], w: fds[1]}
	_, _ = unix.FcntlInt(uintptr(p.w), unix.F_SETPIPE_SZ, pipeSize) // see checkPipe
	if flags != 0 {
		if _, err := unix.FcntlInt(uintptr(p.w), unix.F_SETFL, flags); err != nil {
			p.close()
			return pipe{}, fmt.Errorf("pipe: %w", err)
		}
	}
	return p, nil
}

func (p *pipe) close() {
	_ = unix.Close(p.r)
	_ = unix.Close(p.w)
}

// checkPipe reports whether pipes can be as large as the loops want them. They work with
// smaller ones, too, but what was measured with those is not what the tables say.
func checkPipe() error {
	p, err := newPipe(0)
	if err != nil {
		return err
	}
	defer p.close()
	n, err := unix.FcntlInt(uintptr(p.w), unix.F_GETPIPE_SZ, 0)
	if err == nil && n < pipeSize {
		err = fmt.Errorf("pipes have %d bytes here, not %d (see pipe(7), pipe-max-size and pipe-user-pages-soft)", n, pipeSize)
	}
	return err
}

// newMemory returns memory that begins at a page, as what the kernel copies from and to.
func newMemory(n int) ([]byte, error) {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_POPULATE)
	if err != nil {
		return nil, fmt.Errorf("memory: %w", err)
	}
	return b, nil
}

// listener is a socket that listens on 127.0.0.1.
type listener struct{ fd int }

// listen makes one; the sockets that it accepts have its congestion control.
func listen(congestion string) (listener, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return listener{}, fmt.Errorf("socket: %w", err)
	}
	l := listener{fd}
	if congestion != "" {
		if err := unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, congestion); err != nil {
			l.close()
			return listener{}, fmt.Errorf("congestion control %q: %w", congestion, err)
		}
	}
	err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	if err == nil {
		err = unix.Listen(fd, 1)
	}
	if err != nil {
		l.close()
		return listener{}, fmt.Errorf("listen: %w", err)
	}
	return l, nil
}

func (l listener) close() { _ = unix.Close(l.fd) }

// congestion is the congestion control that it has.
func (l listener) congestion() (string, error) {
	return unix.GetsockoptString(l.fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION)
}

// connect makes a connection and returns both ends. Neither call waits for another
// thread: the kernel completes the connection by itself.
func (l listener) connect() (server, client int, err error) {
	addr, err := unix.Getsockname(l.fd)
	if err != nil {
		return 0, 0, fmt.Errorf("getsockname: %w", err)
	}
	client, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, 0, fmt.Errorf("socket: %w", err)
	}
	if err = unix.Connect(client, addr); err == nil {
		server, _, err = unix.Accept4(l.fd, unix.SOCK_CLOEXEC)
	}
	if err != nil {
		_ = unix.Close(client)
		return 0, 0, fmt.Errorf("connect: %w", err)
	}
	for _, fd := range []int{server, client} {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
			_ = unix.Close(client)
			_ = unix.Close(server)
			return 0, 0, fmt.Errorf("TCP_NODELAY: %w", err)
		}
	}
	return server, client, nil
}
