package smb

import (
	"net"

	"lessor/smb/wire"
)

// Transports that encrypt by themselves, such as QUIC: there is no need to seal
// twice (MS-SMB2 2.2.3.1.5).

// secured is a connection that may encrypt by itself and proves to the client who
// the server is. It is implemented by the connections of package smbquic.
type secured interface{ TransportSecured() bool }

// transportSecured reports whether a connection keeps secrets by itself.
func transportSecured(nc net.Conn) bool {
	s, ok := nc.(secured)
	return ok && s.TransportSecured()
}

// trustsTransport is Connection.AcceptTransportSecurity: both sides agreed that
// the transport does what sealing would do.
func (c *conn) trustsTransport() bool {
	n := c.neg.Load()
	return n != nil && n.transportSecurity
}

// mustSeal reports whether a policy that asks for encryption asks for sealed
// messages on this connection. It belongs to the connection and not to the
// session, which may be bound to connections of both kinds.
func (c *conn) mustSeal(encrypt bool) bool { return encrypt && !c.trustsTransport() }

// negotiateTransport answers SMB2_TRANSPORT_CAPABILITIES (MS-SMB2 3.3.5.4). A
// transport that is not secure gets no answer, and then everything is as ever.
func (c *conn) negotiateTransport(q *wire.NegotiateRequest, a *wire.NegotiateResponse, n *negotiated) {
	data, ok := wire.FindNegotiateContext(q.Contexts, wire.ContextTransport)
	var caps wire.TransportCapabilities
	if !ok || caps.Decode(data) != nil || caps.Flags&wire.TransportLevelSecurity == 0 || !transportSecured(c.tr.NetConn()) {
		return
	}
	n.transportSecurity = true
	a.Contexts = append(a.Contexts, wire.NewNegotiateContext(wire.ContextTransport,
		&wire.TransportCapabilities{Flags: wire.TransportLevelSecurity}))
}
