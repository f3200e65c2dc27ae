package mcast

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// TestFarPackets: what is sent to the machine itself counts only if no router can have been
// between, whatever address it says that it is from.
func TestFarPackets(t *testing.T) {
	for _, c := range []struct{ group, own string }{{"239.255.255.250", "127.0.0.1"}, {"ff02::c", "::1"}} {
		t.Run(c.group, func(t *testing.T) {
			s, err := Listen(t.Context(), Group{Addr: netip.AddrPortFrom(netip.MustParseAddr(c.group), 0), Hops: 1, MaxMessage: 100, Loopback: true})
			if err != nil {
				t.Skipf("no such socket here: %v", err)
			}
			defer s.Close()
			to := &net.UDPAddr{IP: net.ParseIP(c.own), Port: s.Port()}
			conn, err := net.DialUDP("udp", nil, to)
			if err != nil {
				t.Skip(err)
			}
			defer conn.Close()
			got := make(chan string, 10)
			go func() {
				defer close(got)
				for {
					p, err := s.Read()
					if err != nil {
						return
					}
					got <- string(p.Data)
				}
			}()
			send := func(text string, hops int) {
				t.Helper()
				err := ipv6.NewConn(conn).SetHopLimit(hops)
				if to.IP.To4() != nil {
					err = ipv4.NewConn(conn).SetTTL(hops)
				}
				if err != nil {
					t.Fatal(err)
				}
				if _, err := conn.Write([]byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			send("from far away", 64)
			send("from nearly here", 254)
			send("from here", 255)
			select {
			case text := <-got:
				if text != "from here" {
					t.Errorf("read %q", text)
				}
			case <-time.After(30 * time.Second):
				t.Fatal("nothing came")
			}
		})
	}
}
