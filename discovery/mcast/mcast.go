package mcast

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// Interface is one of the machine's, with its addresses of both families.
type Interface struct {
	Index int
	// Name is that of the system, by which it also tells the link of a link-local address.
	Name  string
	Addrs []netip.Prefix
}

// Packet is a message that came in.
type Packet struct {
	Data      []byte
	From      netip.AddrPort
	Interface int
}

// Link sends and receives. Its methods may be called concurrently.
type Link interface {
	// Read returns the next packet; the data is good until the next call. It ends with an
	// error when the link is closed.
	Read() (Packet, error)
	// Send sends to the group, on one interface.
	Send(b []byte, iface int) error
	// Reply sends to one address, by one interface.
	Reply(b []byte, to netip.AddrPort, iface int) error
	// Interfaces are those with the group joined.
	Interfaces() []Interface
	// Is4 reports whether it is one of IPv4, and not of IPv6.
	Is4() bool
	Close() error
}

// Group says what a Socket is a member of.
type Group struct {
	// Addr is the group and the port; port 0 is any that is free.
	Addr netip.AddrPort
	// Hops is how many routers a message to the group may pass, and one more: 1 to 255.
	Hops int
	// MaxMessage is the size in bytes up to which messages are read; what is longer comes
	// with one byte more.
	MaxMessage int
	// At are addresses that others can reach: only interfaces with one of them count.
	// Empty: all of them.
	At []netip.Addr
	// Loopback is for tests: loopback is the only interface.
	Loopback bool
}

// linkLocal4 is where IPv4 has addresses that hold on a link alone (RFC 3927, 2.1).
var linkLocal4 = netip.MustParsePrefix("169.254.0.0/16")

// OnLink reports whether an address is that of somebody on the link of an interface of the
// list: link-local, or in one of its networks. An answer to the address of a whole network
// would go to everybody there, so that nobody has it. Others may have joined the group on
// interfaces that are not in the list: what comes by these is for them.
func OnLink(list []Interface, iface int, from netip.Addr) bool {
	from = from.Unmap().WithZone("")
	i := slices.IndexFunc(list, func(i Interface) bool { return i.Index == iface })
	if i < 0 || from.Is4() && from.IsLinkLocalUnicast() && ofAll(linkLocal4, from) {
		return false
	}
	on := from.IsLinkLocalUnicast()
	for _, p := range list[i].Addrs {
		if p.Masked().Contains(from) {
			if ofAll(p, from) {
				return false
			}
			on = true
		}
	}
	return on
}

// ofAll reports whether an address of IPv4 in a network is that of the network or its broadcast
// address. One of two addresses, or of one, has none (RFC 3021).
func ofAll(p netip.Prefix, a netip.Addr) bool {
	if !a.Is4() || p.Bits() >= 31 {
		return false
	}
	b := a.As4()
	host := ^uint32(0) >> p.Bits()
	n := binary.BigEndian.Uint32(b[:]) & host
	return n == 0 || n == host
}

// reachable reports whether somebody on an interface can reach the server.
func (g *Group) reachable(addrs []netip.Prefix) bool {
	return len(g.At) == 0 || slices.ContainsFunc(addrs, func(p netip.Prefix) bool { return slices.Contains(g.At, p.Addr()) })
}
