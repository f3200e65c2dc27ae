package transport

import (
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// lingerTime is how long the end of a peer is waited for after ours. It is a variable for tests.
var lingerTime = 500 * time.Millisecond

// discardBytes is how much of what it sends until then is thrown away at once.
const discardBytes = 1 << 20

// part closes the connection after the last packet. When a socket is closed in which something lies that
// nobody has read, or something comes after that, Linux resets the connection (RFC 2525 2.17), and the
// peer loses replies: those which the kernel has not sent yet, and, depending on the peer, those it has not
// read yet. So our end is a FIN, and the socket stays for a while without a Conn, until the end
// of the peer has come.
func (c *Conn) part() {
	f := c.linger()
	if f == nil {
		_ = c.Close()
		return
	}
	c.q.mu.Lock()
	c.q.helpers++
	c.q.mu.Unlock()
	_ = c.Close()
	go func() {
		defer c.helperEnds()
		discard(f, time.Now().Add(lingerTime))
	}()
}

// linger ends our side of the socket and returns another descriptor for it, which keeps it open, or nil
// if there is none to be had or the end is to be a reset.
func (c *Conn) linger() (f *os.File) {
	s := c.raw
	if s == nil || s.abort.Load() {
		return nil
	}
	_ = s.Control(func(fd uintptr) {
		dup, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return
		}
		f = os.NewFile(uintptr(dup), "socket")
		s.parted.Store(true)
		_ = unix.Shutdown(dup, unix.SHUT_WR)
	})
	return f
}

// discard throws away what comes until the peer ends, or the time, and closes f.
func discard(f *os.File, due time.Time) {
	defer f.Close()
	raw, err := f.SyscallConn()
	if err != nil || f.SetReadDeadline(due) != nil {
		return
	}
	_ = raw.Read(func(fd uintptr) bool {
		for time.Now().Before(due) {
			var none byte
			n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&none)), discardBytes,
				unix.MSG_TRUNC|unix.MSG_DONTWAIT, 0, 0)
			switch {
			case errno == unix.EAGAIN:
				return false
			case errno != 0 && errno != unix.EINTR, errno == 0 && n == 0:
				return true
			}
		}
		return true
	})
}
