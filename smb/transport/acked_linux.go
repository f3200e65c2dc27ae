package transport

import (
	"time"

	"golang.org/x/sys/unix"
)

// Acked tells how many bytes the peer's machine has acknowledged since the beginning
// of the connection, to compare with Position, and the present time-out after which
// TCP sends again. ok is false where that is not known. It is one system call, which
// waits for nothing.
func (c *Conn) Acked() (bytes uint64, rto time.Duration, ok bool) {
	// Of several paths the kernel would tell of the first alone.
	if c.raw == nil || c.multipath {
		return 0, 0, false
	}
	var info *unix.TCPInfo
	err := c.raw.Control(func(fd uintptr) {
		info, _ = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	})
	if err != nil || info == nil {
		return 0, 0, false
	}
	return info.Bytes_acked, time.Duration(info.Rto) * time.Microsecond, true
}
