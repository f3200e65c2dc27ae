package smb

import (
	"cmp"
	"net"
	"net/netip"
	"os"
	"path"
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

// InterfaceRules say which network interfaces clients are told of, to open further
// connections to, and what is true of them.
type InterfaceRules struct {
	// Include are those, everything if it is empty, but nothing of Exclude.
	Include, Exclude []InterfaceMatch
	// Links replace what the system says; the first one with a matching name counts.
	Links []Link
}

// InterfaceMatch is a name of interfaces, a pattern as in path.Match, or, if Name is
// empty, a range of addresses.
type InterfaceMatch struct {
	Name  string
	Range netip.Prefix
}

// Link is what is known of the interfaces whose names match a pattern as in path.Match.
type Link struct {
	Name string
	// Speed is in bits per second; 0: ask the system.
	Speed uint64
	// RSS says whether several cores take in what comes over one address, so that
	// several connections to it are faster than one; nil: ask the system.
	RSS *bool
}

// SetInterfaces replaces Config.Interfaces for those who ask from now on.
func (s *Server) SetInterfaces(rules InterfaceRules) { s.interfaces.Store(&rules) }

// tells reports whether clients are told of an address of an interface.
func (rules *InterfaceRules) tells(name string, addr netip.Addr) bool {
	matches := func(m InterfaceMatch) bool {
		if m.Name == "" {
			return m.Range.Contains(addr)
		}
		ok, _ := path.Match(m.Name, name)
		return ok
	}
	return !slices.ContainsFunc(rules.Exclude, matches) && (len(rules.Include) == 0 || slices.ContainsFunc(rules.Include, matches))
}

// apply replaces what the system says of an interface.
func (rules *InterfaceRules) apply(i *netif) {
	for _, l := range rules.Links {
		if ok, _ := path.Match(l.Name, i.name); !ok {
			continue
		}
		if l.Speed != 0 {
			i.speed = l.Speed
		}
		if l.RSS != nil {
			i.rss = *l.RSS
		}
		return
	}
}

// netif is an interface of the machine.
type netif struct {
	index int
	name  string
	addrs []netip.Addr // without zones
	speed uint64       // bits per second
	rss   bool
}

// arrival is where a client came in.
type arrival struct {
	addr  netip.Addr // without zone
	zone  string     // name of the interface, if addr is good on one link alone
	doors []netip.Addr
}

// networkInterfaces carries out FSCTL_QUERY_NETWORK_INTERFACE_INFO.
func (r *request) networkInterfaces(_ *open, c *control) error {
	if r.conn.dialect() < wire.Dialect300 {
		return ntstatus.InvalidDeviceRequest
	}
	local := r.conn.tr.NetConn().LocalAddr()
	list, err := interfaces()
	if err != nil {
		return err
	}
	came := arrival{addr: addrOf(local), doors: r.srv().listening(local.Network())}
	if ip, ok := local.(interface{ AddrPort() netip.AddrPort }); ok {
		came.zone = ip.AddrPort().Addr().Zone()
	}
	a := wire.NetworkInterfaceInfo{Interfaces: came.tell(list, r.srv().interfaces.Load())}
	const size = 152
	if len(a.Interfaces)*size > c.room {
		return ntstatus.BufferTooSmall
	}
	c.answer(&a)
	return nil
}

// interfaces are those that are up and have a link.
func interfaces() ([]netif, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var list []netif
	for i := range all {
		ifc := &all[i]
		if ifc.Flags&net.FlagUp == 0 || ifc.Flags&net.FlagRunning == 0 {
			continue
		}
		addrs, err := ifc.Addrs()
		if err != nil {
			continue
		}
		n := netif{index: ifc.Index, name: ifc.Name}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				n.addrs = append(n.addrs, p.Addr().Unmap().WithZone(""))
			}
		}
		if len(n.addrs) == 0 {
			continue
		}
		var queues int
		n.speed, queues = linkOf(ifc)
		n.rss = queues > 1
		list = append(list, n)
	}
	return list, nil
}

// tell lists the addresses that a client is told of.
func (a *arrival) tell(list []netif, rules *InterfaceRules) []wire.NetworkInterface {
	var out []wire.NetworkInterface
	for _, i := range list {
		rules.apply(&i)
		for _, addr := range i.addrs {
			if len(out) == maxInterfaces || !a.reaches(addr, &i) || !rules.tells(i.name, addr) {
				continue
			}
			e := wire.NetworkInterface{IfIndex: uint32(i.index), LinkSpeed: i.speed, Addr: addr}
			if i.rss {
				e.Capability = wire.NetworkInterfaceRSSCapable
			}
			out = append(out, e)
		}
	}
	return out
}

// reaches reports whether an address of an interface can be reached from where the
// client is, and whether anybody listens on it. The loopback address leads others to
// themselves, and an address of a link means something on that link alone.
func (a *arrival) reaches(addr netip.Addr, on *netif) bool {
	if addr.IsLoopback() != a.addr.IsLoopback() {
		return false
	}
	if addr.IsLinkLocalUnicast() {
		switch {
		case !a.addr.IsLinkLocalUnicast():
			return false
		case a.zone != "" && a.zone != on.name && a.zone != strconv.Itoa(on.index):
			return false
		case a.zone == "" && !slices.Contains(on.addrs, a.addr):
			return false
		}
	}
	return addr == a.addr || slices.ContainsFunc(a.doors, func(l netip.Addr) bool { return listensOn(l, addr) })
}

// listensOn reports whether who listens on one address can be reached by another: ::
// takes in both families, 0.0.0.0 its own.
func listensOn(l, addr netip.Addr) bool {
	return l == addr || l.IsUnspecified() && (l.Is6() || addr.Is4())
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
