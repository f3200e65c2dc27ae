package transport

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// setCongestion makes a connection use a congestion control, but if there is instead only when
// that says so of the one in force. It reports whether the connection has it now.
func setCongestion(c syscall.Conn, name string, instead func(inForce string) bool) (done bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	_ = raw.Control(func(fd uintptr) {
		if instead != nil {
			now, err := unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION)
			if err != nil || !instead(now) {
				return
			}
		}
		done = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, name) == nil
	})
	return done
}

// TryCongestion reports whether this process could have a TCP connection use a congestion
// control of that name. For a process that may administer the network this makes the
// kernel load its module. Errors: syscall.ENOENT if there is none, syscall.EPERM if it is not for
// this process, errors.ErrUnsupported on systems without the choice.
func TryCongestion(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err == unix.EAFNOSUPPORT {
		fd, err = unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	}
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	return os.NewSyscallError("setsockopt", unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, name))
}
