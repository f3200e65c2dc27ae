package transport

import (
	"net"
	"strings"
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
