package transport

import (
	"context"
	"net"
	"strings"
	"syscall"
)

// Values of TCPOptions.Congestion that are no names.
const (
	// CongestionAuto is what the system has, but for connections that stay within the
	// machine: these do not pace.
	CongestionAuto = "auto"
	// CongestionSystem is what the system has.
	CongestionSystem = "system"
)

// unpaced is what every Linux has, and lets everybody use unless it was told not to.
const unpaced = "reno"

// paces reports whether a congestion control spreads what it sends over time, as all versions
// of BBR do. Within a machine nothing can be congested, and a sender that waits
// for timers loses half of what it could send.
func paces(name string) bool { return strings.HasPrefix(name, "bbr") }

// applyCongestion costs a connection within the machine two system calls, one with a name
// one, and others none.
func (o *TCPOptions) applyCongestion(c *net.TCPConn) {
	switch o.Congestion {
	case CongestionSystem:
	case "", CongestionAuto:
		if withinMachine(c.LocalAddr(), c.RemoteAddr()) {
			setCongestion(c, unpaced, paces)
		}
	default:
		setCongestion(c, o.Congestion, nil)
	}
}

// withinMachine reports whether both ends of a connection are here. Who connects to an
// address of its own machine has the same one, unless it has chosen another.
func withinMachine(local, remote net.Addr) bool {
	l, ok := local.(*net.TCPAddr)
	r, is := remote.(*net.TCPAddr)
	return ok && is && (r.IP.IsLoopback() || len(r.IP) > 0 && r.IP.Equal(l.IP))
}

// ListenTCPUnpaced is ListenTCP for TCPOptions.Congestion == CongestionAuto: what stays within the
// machine never begins to pace. A connection that has begun keeps something of that
// with any other congestion control (by turns, eight READs of 64 KiB at a time: 4.1 GiB/s and 0.22 s
// of CPU a GiB, instead of 3.5 and 0.28).
func ListenTCPUnpaced(ctx context.Context, entry string) ([]net.Listener, error) {
	list, err := ListenTCP(ctx, entry)
	for i, l := range list {
		list[i] = unpace(l)
	}
	return list, err
}

// unpacedListener has another congestion control than the system, which connections that leave
// the machine get back.
type unpacedListener struct {
	*net.TCPListener
	system string
}

// unpace returns l, or what is to be used in its place.
func unpace(l net.Listener) net.Listener {
	t, ok := l.(*net.TCPListener)
	if !ok {
		return l
	}
	var system string
	if !setCongestion(t, unpaced, func(now string) bool { system = now; return paces(now) }) {
		return l
	}
	// What could not be given back is not taken away.
	if !setCongestion(t, system, nil) || !setCongestion(t, unpaced, nil) {
		return l
	}
	return &unpacedListener{t, system}
}

// Accept implements net.Listener.
func (l *unpacedListener) Accept() (net.Conn, error) {
	c, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	l.giveBack(c, c.LocalAddr(), c.RemoteAddr())
	return c, nil
}

// giveBack gives a connection between two addresses what it should have. A route may have
// given it something else already.
func (l *unpacedListener) giveBack(c syscall.Conn, local, remote net.Addr) {
	if !withinMachine(local, remote) {
		setCongestion(c, l.system, func(now string) bool { return now == unpaced })
	}
}
