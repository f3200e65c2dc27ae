package transport

import "golang.org/x/sys/unix"

// HungUp reports whether the peer has closed its side, or the connection is broken,
// or Close was called. It is so from the moment on at which the kernel knows of it,
// even if frames that came before have not been read. It is one system call, which
// waits for nothing. What is no socket is asked by a method of the same name, if it has one.
func (c *Conn) HungUp() bool {
	if c.closed.Load() {
		return true
	}
	if c.raw == nil {
		return c.connHungUp()
	}
	var fds [1]unix.PollFd
	err := c.raw.Control(func(fd uintptr) {
		fds[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLRDHUP}
		for {
			if _, err := unix.Poll(fds[:], 0); err != unix.EINTR {
				return
			}
		}
	})
	const gone = unix.POLLRDHUP | unix.POLLHUP | unix.POLLERR | unix.POLLNVAL
	return err != nil || fds[0].Revents&gone != 0
}
