package smb

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor/smb/wire"
)

// What a client is told of depends on how it came in.
func TestInterfacesToldOf(t *testing.T) {
	addrs := func(list ...string) (out []netip.Addr) {
		for _, a := range list {
			out = append(out, netip.MustParseAddr(a))
		}
		return out
	}
	list := []netif{
		{index: 1, name: "lo", addrs: addrs("127.0.0.1", "::1"), speed: loopbackSpeed},
		{index: 2, name: "eth0", addrs: addrs("192.0.2.1", "2001:db8::1", "fe80::1", "169.254.1.1"), speed: 1e9},
		{index: 3, name: "eth1", addrs: addrs("192.0.2.2", "fe80::1", "fe80::2"), speed: 1e10, rss: true},
	}
	anywhere := []string{"::"}
	global := []string{"192.0.2.1", "2001:db8::1", "192.0.2.2"}
	for _, c := range []struct {
		name       string
		came, zone string
		listening  []string
		rules      InterfaceRules
		want       []string
	}{
		{name: "IPv4", came: "192.0.2.1", listening: anywhere, want: global},
		{name: "IPv6", came: "2001:db8::1", listening: anywhere, want: global},
		{name: "loopback", came: "127.0.0.1", listening: anywhere, want: []string{"127.0.0.1", "::1"}},
		{name: "a link", came: "fe80::1", zone: "eth1", listening: anywhere, want: append(global[:3:3], "fe80::1%3", "fe80::2%3")},
		{name: "a link by its number", came: "fe80::1", zone: "2", listening: anywhere, want: []string{"192.0.2.1", "2001:db8::1", "fe80::1%2", "169.254.1.1", "192.0.2.2"}},
		{name: "a link of IPv4", came: "169.254.1.1", listening: anywhere, want: []string{"192.0.2.1", "2001:db8::1", "fe80::1%2", "169.254.1.1", "192.0.2.2"}},
		{name: "nobody listens", came: "192.0.2.1", want: []string{"192.0.2.1"}},
		{name: "one listens", came: "192.0.2.1", listening: []string{"192.0.2.2"}, want: []string{"192.0.2.1", "192.0.2.2"}},
		{name: "IPv4 alone", came: "192.0.2.1", listening: []string{"0.0.0.0"}, want: []string{"192.0.2.1", "192.0.2.2"}},
		{name: "an interface", came: "192.0.2.1", listening: anywhere,
			rules: InterfaceRules{Include: []InterfaceMatch{{Name: "eth1"}}}, want: []string{"192.0.2.2"}},
		{name: "a pattern", came: "192.0.2.1", listening: anywhere,
			rules: InterfaceRules{Include: []InterfaceMatch{{Name: "eth[0-9]"}}}, want: global},
		{name: "not an interface", came: "192.0.2.1", listening: anywhere,
			rules: InterfaceRules{Exclude: []InterfaceMatch{{Name: "eth1"}}}, want: global[:2]},
		{name: "a network", came: "192.0.2.1", listening: anywhere,
			rules: InterfaceRules{Include: []InterfaceMatch{{Range: netip.MustParsePrefix("192.0.2.0/24")}}}, want: []string{"192.0.2.1", "192.0.2.2"}},
		{name: "not an address of it", came: "192.0.2.1", listening: anywhere,
			rules: InterfaceRules{
				Include: []InterfaceMatch{{Range: netip.MustParsePrefix("192.0.2.0/24")}, {Range: netip.MustParsePrefix("2001:db8::/32")}},
				Exclude: []InterfaceMatch{{Range: netip.MustParsePrefix("192.0.2.2/32")}},
			}, want: global[:2]},
		{name: "what cannot be reached stays out", came: "192.0.2.1", listening: anywhere,
			rules: InterfaceRules{Include: []InterfaceMatch{{Name: "lo"}, {Range: netip.MustParsePrefix("fe80::/10")}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := arrival{addr: netip.MustParseAddr(c.came), zone: c.zone, doors: addrs(c.listening...)}
			var got []string
			for _, i := range a.tell(list, &c.rules) {
				text := i.Addr.String()
				if i.Addr.Is6() && i.Addr.IsLinkLocalUnicast() {
					text += fmt.Sprint("%", i.IfIndex)
				}
				got = append(got, text)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// What an administrator says of an interface goes above what the system says.
func TestLinksToldOf(t *testing.T) {
	yes, no := true, false
	a := arrival{addr: netip.MustParseAddr("192.0.2.1"), doors: []netip.Addr{netip.MustParseAddr("::")}}
	list := []netif{{index: 4, name: "eth0", addrs: []netip.Addr{a.addr}, speed: 7, rss: true}}
	for _, c := range []struct {
		name  string
		links []Link
		speed uint64
		rss   bool
	}{
		{name: "nothing", speed: 7, rss: true},
		{name: "another one", links: []Link{{Name: "eth1", Speed: 5, RSS: &no}}, speed: 7, rss: true},
		{name: "the speed", links: []Link{{Name: "eth0", Speed: 5}}, speed: 5, rss: true},
		{name: "the first one", links: []Link{{Name: "eth*", RSS: &no}, {Name: "eth0", Speed: 5, RSS: &yes}}, speed: 7},
	} {
		got := a.tell(list, &InterfaceRules{Links: c.links})
		if len(got) != 1 || got[0].LinkSpeed != c.speed || (got[0].Capability&wire.NetworkInterfaceRSSCapable != 0) != c.rss {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	if list[0].speed != 7 || !list[0].rss {
		t.Error("the list itself was changed")
	}
	for range maxInterfaces {
		list[0].addrs = append(list[0].addrs, a.addr)
	}
	if got := a.tell(list, &InterfaceRules{}); len(got) != maxInterfaces {
		t.Errorf("%d interfaces", len(got))
	}
}

// An interface without a link, or without an address, is none.
func TestInterfaces(t *testing.T) {
	list, err := interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range list {
		ifc, err := net.InterfaceByIndex(i.index)
		if err != nil || ifc.Name != i.name || ifc.Flags&net.FlagRunning == 0 || len(i.addrs) == 0 || i.speed == 0 {
			t.Errorf("%+v: %+v, %v", i, ifc, err)
		}
		for _, a := range i.addrs {
			if a.Zone() != "" || a.Is4In6() {
				t.Errorf("%s: address %v", i.name, a)
			}
		}
	}
	if !slices.ContainsFunc(list, func(i netif) bool { return slices.ContainsFunc(i.addrs, netip.Addr.IsLoopback) }) {
		t.Errorf("no loopback among %+v", list)
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
