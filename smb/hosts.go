package smb

import (
	"net/netip"
	"slices"
)

// HostRules say which addresses may connect: those of Allow, everybody if it is
// empty, but none of Deny. A connection without an IP address, such as a pipe in
// memory, is let in unless Allow says who is.
type HostRules struct {
	Allow, Deny []netip.Prefix
}

// admits reports whether an address, without zone and not mapped, may connect.
func (h *HostRules) admits(a netip.Addr) bool {
	in := func(p netip.Prefix) bool { return p.Contains(a) }
	return !slices.ContainsFunc(h.Deny, in) && (len(h.Allow) == 0 || slices.ContainsFunc(h.Allow, in))
}

// SetHosts replaces Config.Hosts, and cuts the connections that the new rules
// refuse.
func (s *Server) SetHosts(h HostRules) {
	s.hosts.Store(&h)
	s.closeConns(func(c *conn) {
		if !h.admits(c.addr) {
			s.refuseHost(c)
			c.close()
		}
	})
}

// refuseHost counts and logs a connection that Config.Hosts refuses.
func (s *Server) refuseHost(c *conn) {
	s.metrics.hostRefused("server")
	s.strangers.log(c, "address not allowed")
}

// admitsHost reports whether the share may be used from an address.
func (sh *share) admitsHost(a netip.Addr) bool { return sh.ipc || sh.Hosts.admits(a) }

// netOf is what connections are counted by, and failed logons: an IPv4 address, or
// the first 64 bits of an IPv6 one, as a host has all addresses behind them.
func netOf(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return a
	}
	p, err := a.Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}
