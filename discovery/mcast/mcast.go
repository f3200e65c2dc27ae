package mcast

import (
	"net/netip"
	"slices"
)

// Interface is one of the machine's, with its addresses of both families.
type Interface struct {
	Index int
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

// OnLink reports whether an address is on the link of an interface: link-local, or in one
// of its networks.
func OnLink(list []Interface, iface int, from netip.Addr) bool {
	from = from.Unmap().WithZone("")
	if from.IsLinkLocalUnicast() {
		return true
	}
	i := slices.IndexFunc(list, func(i Interface) bool { return i.Index == iface })
	return i >= 0 && slices.ContainsFunc(list[i].Addrs, func(p netip.Prefix) bool { return p.Masked().Contains(from) })
}

// reachable reports whether somebody on an interface can reach the server.
func (g *Group) reachable(addrs []netip.Prefix) bool {
	return len(g.At) == 0 || slices.ContainsFunc(addrs, func(p netip.Prefix) bool { return slices.Contains(g.At, p.Addr()) })
}
