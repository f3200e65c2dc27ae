package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
)

// Endpoint is one address to listen on.
type Endpoint struct {
	// Family is "4" or "6", as package net appends it to "tcp" and "udp"; empty:
	// both, on one socket.
	Family string
	// Address is HOST:PORT, where HOST is an IP address or empty.
	Address string
	// ofInterface says that the address was found on an interface. It may be bound
	// before the kernel has made sure that nobody else has it (RFC 4862 5.4).
	ofInterface bool
}

// Endpoints works out what an entry of a list of addresses means:
//
//	:445            every address, IPv4 and IPv6
//	0.0.0.0:445     every IPv4 address
//	[::]:445        every IPv6 address
//	192.0.2.1:445   this address; [2001:db8::1]:445, [fe80::1%eth0]:445 as well
//	eth0:445        every address that the interface has now
//	localhost:445   every address of the host, unless an interface has the name
//
// The error says what is wrong with the entry.
func Endpoints(ctx context.Context, entry string) ([]Endpoint, error) {
	host, port, err := net.SplitHostPort(entry)
	if err != nil {
		return nil, fmt.Errorf("bad address %q: %w", entry, err)
	}
	if host == "" {
		return []Endpoint{{Address: ":" + port}}, nil
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return []Endpoint{endpoint(ip, port)}, nil
	}
	list, err := net.Interfaces()
	if err == nil {
		for i := range list {
			if list[i].Name == host {
				return ofInterface(&list[i], port)
			}
		}
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("there is no interface %q, and no host of this name: %w", host, err)
	}
	var out []Endpoint
	for _, ip := range ips {
		if e := endpoint(ip.Unmap(), port); !slices.Contains(out, e) {
			out = append(out, e)
		}
	}
	return out, nil
}

func endpoint(ip netip.Addr, port string) Endpoint {
	family := "6"
	if ip.Is4() {
		family = "4"
	}
	return Endpoint{Family: family, Address: net.JoinHostPort(ip.String(), port)}
}

// ofInterface returns the addresses of an interface.
func ofInterface(ifc *net.Interface, port string) ([]Endpoint, error) {
	addrs, err := ifc.Addrs()
	if err != nil {
		return nil, err
	}
	var out []Endpoint
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		ip := p.Addr()
		if ip.Is6() && ip.IsLinkLocalUnicast() {
			ip = ip.WithZone(ifc.Name)
		}
		e := endpoint(ip, port)
		e.ofInterface = true
		out = append(out, e)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("interface %s has no address", ifc.Name)
	}
	return out, nil
}

// ListenTCP listens on what an entry means (see Endpoints).
func ListenTCP(ctx context.Context, entry string) ([]net.Listener, error) {
	return listenAll(ctx, entry, func(lc *net.ListenConfig, e Endpoint) (net.Listener, error) {
		return lc.Listen(ctx, "tcp"+e.Family, e.Address)
	})
}

// ListenUDP opens a socket for each address that an entry means.
func ListenUDP(ctx context.Context, entry string) ([]net.PacketConn, error) {
	return listenAll(ctx, entry, func(lc *net.ListenConfig, e Endpoint) (net.PacketConn, error) {
		return lc.ListenPacket(ctx, "udp"+e.Family, e.Address)
	})
}

// listenAll opens a socket for every endpoint of an entry, or none. Of the
// addresses of a name some may be of a family that the machine does not have;
// that is an error only if nothing is left.
func listenAll[T interface{ Close() error }](ctx context.Context, entry string, open func(*net.ListenConfig, Endpoint) (T, error)) ([]T, error) {
	ends, err := Endpoints(ctx, entry)
	if err != nil {
		return nil, err
	}
	var out []T
	var missing error
	for _, e := range ends {
		// Keep-alive is set on what is accepted, by NewConn.
		lc := net.ListenConfig{KeepAlive: -1}
		if e.ofInterface {
			lc.Control = bindEarly
		}
		l, err := open(&lc, e)
		if err == nil {
			out = append(out, l)
			continue
		}
		if len(ends) > 1 && (errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)) {
			missing = err
			continue
		}
		closeAll(out)
		return nil, err
	}
	if len(out) == 0 {
		return nil, missing
	}
	return out, nil
}

func closeAll[T interface{ Close() error }](list []T) {
	for _, l := range list {
		_ = l.Close()
	}
}
