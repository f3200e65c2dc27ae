package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// firstPassed is the descriptor of the first socket that a service manager passes.
const firstPassed = 3

// passed are the sockets that came from the service manager (sd_listen_fds(3)).
type passed struct {
	smb     []net.Listener
	quic    []net.PacketConn
	metrics net.Listener
}

// passedSockets takes the sockets that the service manager has opened for this
// process. What they are for follows from their kind: TCP for SMB, UDP for SMB over
// QUIC; a TCP socket with the name "metrics" is for metrics. The variables that tell
// of them are removed.
func passedSockets() (*passed, error) {
	pid, count, names := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_FDNAMES")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		_ = os.Unsetenv(name)
	}
	p := &passed{}
	if pid != strconv.Itoa(os.Getpid()) {
		return p, nil // for nobody, or for another process
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > 1024 {
		return nil, fmt.Errorf("LISTEN_FDS is %q; the service manager is expected to give a number", count)
	}
	list := strings.Split(names, ":")
	for i := range n {
		syscall.CloseOnExec(firstPassed + i)
		name := ""
		if i < len(list) {
			name = list[i]
		}
		if err := p.take(os.NewFile(uintptr(firstPassed+i), "socket "+name), name); err != nil {
			p.close()
			return nil, fmt.Errorf("socket %d (%q) of the service manager: %w", i, name, err)
		}
	}
	return p, nil
}

// take finds out what a socket is, and closes f: what is kept is a copy.
func (p *passed) take(f *os.File, name string) error {
	defer func() { _ = f.Close() }()
	if l, err := net.FileListener(f); err == nil {
		_, tcp := l.(*net.TCPListener)
		switch {
		case !tcp:
			_ = l.Close()
		case name == "metrics" && p.metrics == nil:
			p.metrics = l
			return nil
		default:
			p.smb = append(p.smb, l)
			return nil
		}
	} else if c, err := net.FilePacketConn(f); err == nil {
		if _, ok := c.(*net.UDPConn); ok {
			p.quic = append(p.quic, c)
			return nil
		}
		_ = c.Close()
	}
	return fmt.Errorf("want a listening TCP socket or a UDP socket; correct ListenStream= and ListenDatagram= in the unit")
}

func (p *passed) close() {
	for _, l := range p.smb {
		_ = l.Close()
	}
	for _, c := range p.quic {
		_ = c.Close()
	}
	if p.metrics != nil {
		_ = p.metrics.Close()
	}
}
