package discovery

import (
	"context"
	"errors"
	"net/netip"

	"lessor/discovery/mcast"
)

// Interface is that of package mcast.
type Interface = mcast.Interface

// Packet is that of package mcast.
type Packet = mcast.Packet

// Link is that of package mcast.
type Link = mcast.Link

// groups are those of multicast DNS (RFC 6762, 3).
var groups = []string{"224.0.0.251", "ff02::fb"}

// Listen opens a socket for each family of addresses that there is, and joins the group on
// the interfaces with one of the addresses; none: on all. No family at all is an error.
func Listen(ctx context.Context, at []netip.Addr) (links []Link, err error) {
	var failed []error
	for _, g := range groups {
		s, err := mcast.Listen(ctx, mcast.Group{Addr: netip.AddrPortFrom(netip.MustParseAddr(g), port), Hops: 255, MaxMessage: maxMessage, At: at})
		if err != nil {
			failed = append(failed, err)
			continue
		}
		links = append(links, s)
	}
	if len(links) == 0 {
		return nil, errors.Join(failed...)
	}
	return links, nil
}
