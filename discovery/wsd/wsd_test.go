package wsd

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"lessor/discovery/mcast"
)

// patience is how long the tests wait for what has to come.
const patience = 30 * time.Second

// TestLoopback has a conversation on loopback, which carries multicast of IPv4 alone.
func TestLoopback(t *testing.T) {
	g := Groups(nil)[0]
	g.Loopback = true
	converse(t, g)
}

// client is somebody on the link who asks, and hears what goes to the group.
type client struct {
	*testing.T
	conn  net.PacketConn
	group *net.UDPAddr
	heard chan string
}

// newClient asks from an address of the interface.
func newClient(t *testing.T, g mcast.Group, ifi *net.Interface, own netip.Addr) *client {
	hears, err := mcast.Listen(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hears.Close() })
	c := &client{T: t, group: net.UDPAddrFromAddrPort(g.Addr), heard: make(chan string, 1000)}
	if c.conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(own, 0))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.conn.Close() })
	if own.Is4() {
		err = ipv4.NewPacketConn(c.conn).SetMulticastInterface(ifi)
	} else {
		c.group.Zone = ifi.Name
		err = ipv6.NewPacketConn(c.conn).SetMulticastInterface(ifi)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.conn.WriteTo([]byte("x"), c.group); err != nil {
		t.Skipf("%s carries no multicast: %v", ifi.Name, err)
	}
	go func() {
		for {
			p, err := hears.Read()
			if err != nil {
				return
			}
			c.heard <- string(p.Data)
		}
	}()
	return c
}

// waitFor returns a message to the group.
func (c *client) waitFor(action string) string {
	c.Helper()
	limit := time.After(patience)
	for {
		select {
		case m := <-c.heard:
			if value(m, "wsa:Action") == action {
				return m
			}
		case <-limit:
			c.Fatalf("no %s", action)
		}
	}
}

// ask asks the group, and returns the answer.
func (c *client) ask(text, action string) string {
	c.Helper()
	if _, err := c.conn.WriteTo([]byte(text), c.group); err != nil {
		c.Fatal(err)
	}
	if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		c.Fatal(err)
	}
	b := make([]byte, maxMessage)
	for {
		n, _, err := c.conn.ReadFrom(b)
		if err != nil {
			c.Fatalf("no %s: %v", action, err)
		}
		if m := string(b[:n]); value(m, "wsa:Action") == action {
			return m
		}
	}
}

// converse asks as Windows does, over sockets: Probe, Resolve, Get; and sees Hello and Bye.
func converse(t *testing.T, g mcast.Group) {
	g.Addr = netip.AddrPortFrom(g.Addr.Addr(), 0)
	link, err := mcast.Listen(t.Context(), g)
	if err != nil {
		t.Skipf("no socket: %v", err)
	}
	defer link.Close()
	list := link.Interfaces()
	if len(list) == 0 {
		t.Skip("no interface")
	}
	ifi, err := net.InterfaceByIndex(list[0].Index)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list[0].Addrs, func(p netip.Prefix) bool { return p.Addr().Is4() == link.Is4() })
	own := list[0].Addrs[i].Addr()
	if own.IsLinkLocalUnicast() {
		own = own.WithZone(ifi.Name)
	}
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	g.Addr = netip.AddrPortFrom(g.Addr.Addr(), uint16(link.Port()))
	c := newClient(t, g, ifi, own)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- New(testDevice, []mcast.Link{link}, listener).Run(ctx) }()
	c.waitFor(actionHello)
	m := c.ask(probeOf("urn:uuid:1", "<wsd:Types>wsdp:Device</wsd:Types>"), actionProbeMatches)
	address := value(m, "wsa:Address")
	if address != "urn:uuid:"+testUUID || value(m, "wsa:RelatesTo") != "urn:uuid:1" {
		t.Errorf("%s", m)
	}
	m = c.ask(resolveOf("urn:uuid:2", address), actionResolveMatches)
	where := value(m, "wsd:XAddrs")
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if want := "http://" + net.JoinHostPort(own.WithZone("").String(), port) + "/" + testUUID; err != nil || where != want {
		t.Fatalf("%s; want %s, %v", m, want, err)
	}
	// Who gets a link-local address knows which link it is of.
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(own.String(), port))
	}
	web := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, DialContext: dial}}
	res, err := web.Post(where, soapType, strings.NewReader(getOf(address)))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil || value(string(b), "pub:Computer") != "FILES/Workgroup:OFFICE" {
		t.Errorf("%v %s, %v", res.Status, b, err)
	}
	cancel()
	c.waitFor(actionBye)
	if err := <-done; err != nil {
		t.Error(err)
	}
}
