package smbquic

import (
	"net"
	"net/netip"
	"sync"
)

// gate counts the connections of a listener.
type gate struct {
	// Immutable after construction.
	newcomers, perAddr, all int // the bounds
	retry                   int // from how many newcomers on addresses are verified

	// mu guards what follows. A leaf.
	mu      sync.Mutex
	waiting int // newcomers: no stream yet
	total   int
	from    map[netip.Addr]int // newcomers by address
}

func newGate(newcomers, all int) *gate {
	return &gate{
		newcomers: newcomers, perAddr: max(newcomers/8, 1), all: all, retry: newcomers / 16,
		from: make(map[netip.Addr]int),
	}
}

// busy reports whether so many are at the gate that they may be nobody.
func (g *gate) busy() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waiting >= g.retry
}

// counted is the address that somebody is counted by: IPv6 hosts have a whole
// network of 64 bits to choose from.
func counted(a net.Addr) netip.Addr {
	udp, ok := a.(*net.UDPAddr)
	if !ok {
		return netip.Addr{}
	}
	ip := udp.AddrPort().Addr().Unmap().WithZone("")
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			ip = p.Addr()
		}
	}
	return ip
}

// enter lets a newcomer in, or says why not.
func (g *gate) enter(a net.Addr) (*visitor, error) {
	v := &visitor{gate: g, addr: counted(a)}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.waiting >= g.newcomers || g.total >= g.all || g.from[v.addr] >= g.perAddr {
		return nil, errFull
	}
	g.waiting++
	g.total++
	g.from[v.addr]++
	v.isNew = true
	return v, nil
}

// visitor is one connection, as the gate sees it.
type visitor struct {
	gate *gate
	addr netip.Addr

	isNew bool // guarded by gate.mu
}

// visitorKey finds the visitor in the context of a connection.
type visitorKey struct{}

// settle makes a newcomer a guest.
func (v *visitor) settle() {
	v.gate.mu.Lock()
	defer v.gate.mu.Unlock()
	v.settleLocked()
}

func (v *visitor) settleLocked() {
	if !v.isNew {
		return
	}
	v.isNew = false
	g := v.gate
	g.waiting--
	if g.from[v.addr]--; g.from[v.addr] == 0 {
		delete(g.from, v.addr)
	}
}

// leave is called once, when the connection has ended.
func (v *visitor) leave() {
	v.gate.mu.Lock()
	defer v.gate.mu.Unlock()
	v.settleLocked()
	v.gate.total--
}
