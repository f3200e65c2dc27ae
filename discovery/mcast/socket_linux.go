package mcast

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// lookEvery is how old the list of interfaces may be.
const lookEvery = 10 * time.Second

// Socket is the Link of this machine.
type Socket struct {
	// Immutable after Listen.
	group Group
	to    *net.UDPAddr // the group
	udp   net.PacketConn
	v4    *ipv4.PacketConn // nil: it is one of IPv6
	v6    *ipv6.PacketConn // nil: it is one of IPv4

	buf  []byte               // of Read
	list atomic.Pointer[seen] // nil: not looked yet
}

// seen are the interfaces as they were.
type seen struct {
	at   time.Time
	list []Interface
}

// Listen opens a socket for a group of IPv4 or IPv6, and joins it on every interface that
// has multicast, an address of the family, and is no loopback.
func Listen(ctx context.Context, g Group) (*Socket, error) {
	cfg := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		ctl := c.Control(func(fd uintptr) {
			err = errors.Join(unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
				unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
		})
		return errors.Join(ctl, err)
	}}
	network := "udp4"
	if g.Addr.Addr().Is6() {
		network = "udp6"
	}
	udp, err := cfg.ListenPacket(ctx, network, g.Addr.String())
	if err != nil {
		return nil, err
	}
	s := &Socket{group: g, udp: udp, buf: make([]byte, g.MaxMessage+1)}
	s.to = &net.UDPAddr{IP: g.Addr.Addr().AsSlice(), Port: s.Port()}
	if network == "udp4" {
		s.v4 = ipv4.NewPacketConn(udp)
		err = errors.Join(s.v4.SetControlMessage(ipv4.FlagInterface|ipv4.FlagDst|ipv4.FlagTTL, true), s.v4.SetMulticastTTL(g.Hops))
	} else {
		s.v6 = ipv6.NewPacketConn(udp)
		err = errors.Join(s.v6.SetControlMessage(ipv6.FlagInterface|ipv6.FlagDst|ipv6.FlagHopLimit, true), s.v6.SetMulticastHopLimit(g.Hops))
	}
	if err == nil && g.Hops == maxHops {
		// Who answers with it shows that no router was between (RFC 6762, 11).
		if s.v4 != nil {
			err = s.v4.SetTTL(g.Hops)
		} else {
			err = s.v6.SetHopLimit(g.Hops)
		}
	}
	if err != nil {
		return nil, errors.Join(err, udp.Close())
	}
	s.Interfaces()
	return s, nil
}

// Port is the one that it listens on.
func (s *Socket) Port() int {
	a, _ := s.udp.LocalAddr().(*net.UDPAddr)
	return a.Port
}

// Is4 reports whether it is one of IPv4.
func (s *Socket) Is4() bool { return s.v4 != nil }

// Interfaces are those with an address of the family now; the group is joined on new ones.
func (s *Socket) Interfaces() []Interface {
	was := s.list.Load()
	if was != nil && time.Since(was.at) < lookEvery {
		return was.list
	}
	now := &seen{at: time.Now()}
	all, err := net.Interfaces()
	if err != nil && was != nil {
		now.list = was.list // better than none
	}
	for i := range all {
		n := &all[i]
		if !s.usable(n) {
			continue
		}
		addrs := prefixes(n)
		if !s.family(addrs) || !s.group.reachable(addrs) {
			continue
		}
		if err := s.join(n); err != nil && !errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		now.list = append(now.list, Interface{Index: n.Index, Name: n.Name, Addrs: addrs})
	}
	s.list.Store(now)
	return now.list
}

func (s *Socket) usable(n *net.Interface) bool {
	if s.group.Loopback {
		return n.Flags&net.FlagLoopback != 0
	}
	return n.Flags&(net.FlagUp|net.FlagMulticast) == net.FlagUp|net.FlagMulticast && n.Flags&net.FlagLoopback == 0
}

// family reports whether there is an address of the family of the socket.
func (s *Socket) family(addrs []netip.Prefix) bool {
	for _, p := range addrs {
		if p.Addr().Is4() == (s.v4 != nil) {
			return true
		}
	}
	return false
}

func (s *Socket) join(n *net.Interface) error {
	if s.v4 != nil {
		return s.v4.JoinGroup(n, s.to)
	}
	return s.v6.JoinGroup(n, s.to)
}

func prefixes(n *net.Interface) (out []netip.Prefix) {
	addrs, err := n.Addrs()
	if err != nil {
		return nil
	}
	for _, a := range addrs {
		if ip, ok := a.(*net.IPNet); ok {
			if addr, ok := netip.AddrFromSlice(ip.IP); ok {
				ones, _ := ip.Mask.Size()
				out = append(out, netip.PrefixFrom(addr.Unmap(), ones))
			}
		}
	}
	return out
}

// Read returns the next packet; one without its interface is dropped, and so is one from
// behind a router that pretends to be from here.
func (s *Socket) Read() (Packet, error) {
	for {
		n, c, from, err := s.read()
		if err != nil {
			return Packet{}, err
		}
		if u, ok := from.(*net.UDPAddr); ok && c.iface != 0 && c.near() {
			return Packet{Data: s.buf[:n], From: u.AddrPort(), Interface: c.iface}, nil
		}
	}
}

// came is how a packet came.
type came struct {
	iface int
	to    net.IP
	hops  int // routers that it might still have passed
}

// maxHops is what nothing has that a router has passed on.
const maxHops = 255

// near reports whether no router was between. None passes on what goes to a group of a link;
// who sends to the machine itself shows it (RFC 6762, 11, and RFC 5082, 3).
func (c *came) near() bool { return c.to.IsMulticast() || c.hops == maxHops }

func (s *Socket) read() (n int, c came, from net.Addr, err error) {
	if s.v4 != nil {
		n, cm, from, err := s.v4.ReadFrom(s.buf)
		if cm != nil {
			c = came{cm.IfIndex, cm.Dst, cm.TTL}
		}
		return n, c, from, err
	}
	n, cm, from, err := s.v6.ReadFrom(s.buf)
	if cm != nil {
		c = came{cm.IfIndex, cm.Dst, cm.HopLimit}
	}
	return n, c, from, err
}

// Send sends to the group, on one interface.
func (s *Socket) Send(b []byte, iface int) error { return s.write(b, iface, s.to) }

// Reply sends to one address, by one interface.
func (s *Socket) Reply(b []byte, to netip.AddrPort, iface int) error {
	return s.write(b, iface, net.UDPAddrFromAddrPort(to))
}

func (s *Socket) write(b []byte, iface int, to *net.UDPAddr) (err error) {
	var src net.IP // the kernel takes one of the interface, but on loopback
	if s.group.Loopback {
		src = s.loopback()
	}
	if s.v4 != nil {
		_, err = s.v4.WriteTo(b, &ipv4.ControlMessage{IfIndex: iface, Src: src}, to)
	} else {
		_, err = s.v6.WriteTo(b, &ipv6.ControlMessage{IfIndex: iface, Src: src}, to)
	}
	return err
}

func (s *Socket) loopback() net.IP {
	if s.v4 != nil {
		return net.IPv4(127, 0, 0, 1)
	}
	return net.IPv6loopback
}

// Close ends Read with an error.
func (s *Socket) Close() error { return s.udp.Close() }
