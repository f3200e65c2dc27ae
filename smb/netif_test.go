package smb

import (
	"net"
	"net/netip"
	"testing"
)

func TestOffered(t *testing.T) {
	addr := netip.MustParseAddr
	anywhere := []netip.Addr{addr("::")}
	for _, c := range []struct {
		addr, came string
		listening  []netip.Addr
		want       bool
	}{
		{"192.0.2.1", "192.0.2.1", nil, true}, // it came by it
		{"192.0.2.2", "192.0.2.1", anywhere, true},
		{"192.0.2.2", "192.0.2.1", []netip.Addr{addr("192.0.2.1")}, false}, // nobody listens there
		{"192.0.2.2", "192.0.2.1", []netip.Addr{addr("192.0.2.1"), addr("192.0.2.2")}, true},
		{"2001:db8::1", "192.0.2.1", anywhere, true},
		{"127.0.0.1", "192.0.2.1", anywhere, false},
		{"192.0.2.1", "127.0.0.1", anywhere, false},
		{"::1", "127.0.0.1", anywhere, true},
		{"fe80::1", "192.0.2.1", anywhere, false},
		{"fe80::2", "fe80::1", anywhere, true},
		{"169.254.1.1", "192.0.2.1", anywhere, false},
		{"192.0.2.1", "fe80::1", anywhere, true},
	} {
		if got := offered(addr(c.addr), addr(c.came), c.listening); got != c.want {
			t.Errorf("%s for a client that came by %s with listeners %v: %v", c.addr, c.came, c.listening, got)
		}
	}
}

// An address in an IPv6 socket counts as what it is.
func TestAddrOf(t *testing.T) {
	a := &net.TCPAddr{IP: net.ParseIP("::ffff:192.0.2.1"), Port: 445, Zone: "eth0"}
	if got := addrOf(a); got != netip.MustParseAddr("192.0.2.1") {
		t.Fatal(got)
	}
	if got := addrOf(&net.UnixAddr{Name: "x"}); got.IsValid() {
		t.Fatal(got)
	}
}

// Every interface has a speed, even one of which the kernel says nothing.
func TestLinkOf(t *testing.T) {
	for _, ifc := range []net.Interface{{Name: "no such interface"}, {Name: "../../../etc"}, {Name: "lo", Flags: net.FlagLoopback}} {
		if speed, _ := linkOf(&ifc); speed != defaultLinkSpeed && speed != loopbackSpeed {
			t.Errorf("%s: %d bit/s", ifc.Name, speed)
		}
	}
}
