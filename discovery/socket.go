package discovery

import (
	"context"
	"errors"
	"net/netip"

	"lessor/discovery/mcast"
)

// The socket and what comes by it are those of package mcast.
type (
	Interface = mcast.Interface
	Packet    = mcast.Packet
	Link      = mcast.Link
)

// group is that of multicast DNS for IPv4.
var group = netip.AddrPortFrom(netip.AddrFrom4([4]byte{224, 0, 0, 251}), port)

// Listen opens the socket, and joins the group on the interfaces with one of the
// addresses; none: on all. No such interface is an error.
func Listen(ctx context.Context, at []netip.Addr) (Link, error) {
	s, err := mcast.Listen(ctx, mcast.Group{Addr: group, Hops: 255, MaxMessage: maxMessage, At: at})
	if err != nil {
		return nil, err
	}
	if len(s.Interfaces()) == 0 {
		return nil, errors.Join(errors.New("no interface with multicast"), s.Close())
	}
	return s, nil
}
