package smb

import (
	"cmp"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
)

// Network interfaces, for clients that want more connections (MS-SMB2
// 3.3.5.15.11).

const (
	// defaultLinkSpeed is what an interface is taken for that does not say, in bits
	// per second.
	defaultLinkSpeed = 1_000_000_000
	// loopbackSpeed is that of the loopback interface.
	loopbackSpeed = 10_000_000_000
	// maxInterfaces bounds the reply.
	maxInterfaces = 256
)

// networkInterfaces carries out FSCTL_QUERY_NETWORK_INTERFACE_INFO.
func (r *request) networkInterfaces(_ *open, c *control) error {
	if r.conn.dialect() < wire.Dialect300 {
		return ntstatus.InvalidDeviceRequest
	}
	local := r.conn.tr.NetConn().LocalAddr()
	came := addrOf(local)
	var a wire.NetworkInterfaceInfo
	list, err := net.Interfaces()
	if err != nil {
		return err
	}
	listening := r.srv().listening(local.Network())
	for i := range list {
		a.Interfaces = appendInterface(a.Interfaces, &list[i], came, listening)
	}
	a.Interfaces = a.Interfaces[:min(len(a.Interfaces), maxInterfaces)]
	const size = 152
	if len(a.Interfaces)*size > c.room {
		return ntstatus.BufferTooSmall
	}
	c.answer(&a)
	return nil
}

// appendInterface adds the addresses of an interface that a client can use which
// came by the address came.
func appendInterface(list []wire.NetworkInterface, ifc *net.Interface, came netip.Addr, listening []netip.Addr) []wire.NetworkInterface {
	if ifc.Flags&net.FlagUp == 0 {
		return list
	}
	addrs, err := ifc.Addrs()
	if err != nil {
		return list
	}
	speed, queues := linkOf(ifc)
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		addr := p.Addr().Unmap().WithZone("")
		if !offered(addr, came, listening) {
			continue
		}
		e := wire.NetworkInterface{IfIndex: uint32(ifc.Index), LinkSpeed: speed, Addr: addr}
		if queues > 1 {
			e.Capability = wire.NetworkInterfaceRSSCapable
		}
		list = append(list, e)
	}
	return list
}

// offered reports whether a client that came by one address is told about
// another: not about those that cannot be reached from where it is, nor about
// those that nobody listens on.
func offered(addr, came netip.Addr, listening []netip.Addr) bool {
	if addr == came {
		return true
	}
	if addr.IsLoopback() != came.IsLoopback() || addr.IsLinkLocalUnicast() && !came.IsLinkLocalUnicast() {
		return false
	}
	return slices.ContainsFunc(listening, func(l netip.Addr) bool { return l.IsUnspecified() || l == addr })
}

// listening returns the addresses that the server listens on for a transport: a
// client comes to another address the way it came to this one.
func (s *Server) listening(network string) []netip.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]netip.Addr, 0, len(s.listeners))
	for l := range s.listeners {
		if a := addrOf(l.Addr()); a.IsValid() && l.Addr().Network() == network {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(a, b netip.Addr) int { return cmp.Compare(a.String(), b.String()) })
	return list
}

// addrOf is the address of one end of a TCP or QUIC connection, or the zero Addr.
func addrOf(a net.Addr) netip.Addr {
	ip, ok := a.(interface{ AddrPort() netip.AddrPort })
	if !ok {
		return netip.Addr{}
	}
	return ip.AddrPort().Addr().Unmap().WithZone("")
}

// linkOf asks the kernel for the speed of an interface in bits per second, and
// for the number of its receive queues.
func linkOf(ifc *net.Interface) (speed uint64, queues int) {
	if ifc.Flags&net.FlagLoopback != 0 {
		return loopbackSpeed, 1
	}
	dir := filepath.Join("/sys/class/net", filepath.Base(ifc.Name))
	speed = defaultLinkSpeed
	if b, err := os.ReadFile(filepath.Join(dir, "speed")); err == nil {
		if mbit, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 32); err == nil && mbit > 0 {
			speed = uint64(mbit) * 1_000_000
		}
	}
	if rx, err := filepath.Glob(filepath.Join(dir, "queues", "rx-*")); err == nil {
		queues = len(rx)
	}
	return speed, queues
}
