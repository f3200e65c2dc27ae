package discovery

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// group is that of multicast DNS for IPv4.
var group = &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: port}

// lookEvery is how old the list of interfaces may be.
const lookEvery = 10 * time.Second

// socket is the Link of this machine. Other responders may have the port, too.
type socket struct {
	conn *ipv4.PacketConn
	udp  net.PacketConn
	buf  []byte // of Read
	list atomic.Pointer[seen]
}

// seen are the interfaces as they were.
type seen struct {
	at   time.Time
	list []Interface
}

// Listen opens the socket and joins the group on every interface that has multicast and is
// no loopback. No such interface is an error.
func Listen(ctx context.Context) (Link, error) {
	cfg := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		ctl := c.Control(func(fd uintptr) {
			err = errors.Join(unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
				unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
		})
		return errors.Join(ctl, err)
	}}
	udp, err := cfg.ListenPacket(ctx, "udp4", group.String())
	if err != nil {
		return nil, err
	}
	s := &socket{conn: ipv4.NewPacketConn(udp), udp: udp, buf: make([]byte, maxMessage+1)}
	err = errors.Join(s.conn.SetControlMessage(ipv4.FlagInterface, true), s.conn.SetMulticastTTL(255), s.conn.SetTTL(255))
	if err == nil && len(s.Interfaces()) == 0 {
		err = errors.New("no interface with multicast")
	}
	if err != nil {
		return nil, errors.Join(err, udp.Close())
	}
	return s, nil
}

// Interfaces are those with an address now; the group is joined on new ones.
func (s *socket) Interfaces() []Interface {
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
		if n.Flags&(net.FlagUp|net.FlagMulticast) != net.FlagUp|net.FlagMulticast || n.Flags&net.FlagLoopback != 0 {
			continue
		}
		addrs := prefixes(n)
		if len(addrs) == 0 {
			continue
		}
		if err := s.conn.JoinGroup(n, group); err != nil && !errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		now.list = append(now.list, Interface{Index: n.Index, Addrs: addrs})
	}
	s.list.Store(now)
	return now.list
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

func (s *socket) Read() (Packet, error) {
	for {
		n, cm, from, err := s.conn.ReadFrom(s.buf)
		if err != nil {
			return Packet{}, err
		}
		if u, ok := from.(*net.UDPAddr); ok && cm != nil {
			return Packet{Data: s.buf[:n], From: u.AddrPort(), Interface: cm.IfIndex}, nil
		}
	}
}

func (s *socket) Send(b []byte, iface int) error {
	_, err := s.conn.WriteTo(b, &ipv4.ControlMessage{IfIndex: iface}, group)
	return err
}

func (s *socket) Reply(b []byte, to netip.AddrPort, iface int) error {
	_, err := s.conn.WriteTo(b, &ipv4.ControlMessage{IfIndex: iface}, net.UDPAddrFromAddrPort(to))
	return err
}

func (s *socket) Close() error { return s.udp.Close() }
