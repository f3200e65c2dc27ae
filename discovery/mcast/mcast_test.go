package mcast

import (
	"net/netip"
	"testing"
	"time"
)

func TestOnLink(t *testing.T) {
	list := []Interface{{Index: 1, Addrs: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("2001:db8::1/64")}},
		{Index: 2, Addrs: []netip.Prefix{netip.MustParsePrefix("198.51.100.1/24"), netip.MustParsePrefix("203.0.113.0/31"), netip.MustParsePrefix("203.0.113.8/32")}}}
	for _, c := range []struct {
		from  string
		iface int
		want  bool
	}{
		{"192.0.2.200", 1, true}, {"192.0.2.200", 2, false}, {"192.0.3.1", 1, false}, {"::ffff:192.0.2.3", 1, true},
		{"fe80::1%eth0", 1, true}, {"169.254.3.4", 1, true}, {"2001:db8::77", 1, true}, {"2001:db8:0:1::77", 1, false},
		{"192.0.2.200", 3, false},
		// Link-local by an interface that others use.
		{"fe80::1%eth3", 3, false}, {"169.254.3.4", 3, false},
		// Those of whole networks, to which an answer would be multiplied.
		{"192.0.2.255", 1, false}, {"192.0.2.0", 1, false}, {"::ffff:192.0.2.255", 1, false}, {"169.254.255.255", 1, false}, {"169.254.0.0", 1, false},
		{"255.255.255.255", 1, false}, {"224.0.0.251", 1, false}, {"0.0.0.0", 1, false}, {"ff02::1", 1, false},
		{"192.0.2.255", 2, false}, {"203.0.113.0", 2, true}, {"203.0.113.1", 2, true}, {"203.0.113.8", 2, true}, {"2001:db8::", 1, true},
	} {
		if got := OnLink(list, c.iface, netip.MustParseAddr(c.from)); got != c.want {
			t.Errorf("%s on %d: %v", c.from, c.iface, got)
		}
	}
}

// TestBudgets: each has its own, and those that nobody needs go away.
func TestBudgets(t *testing.T) {
	var b Budgets[int]
	now := time.Unix(1000, 0)
	for range 3 {
		b.Take(1, now, 2)
	}
	if b.Take(1, now, 2) || !b.Take(2, now, 2) {
		t.Error("one takes from another, or has no bound")
	}
	if now = now.Add(time.Second); !b.Take(1, now, 2) {
		t.Error("nothing a second later")
	}
	for i := range 10 * maxIdle {
		now = now.Add(100 * time.Millisecond)
		b.Take(i+10, now, 2)
	}
	if len(b.of) > maxIdle {
		t.Errorf("%d are kept", len(b.of))
	}
	for i := range 2 * maxIdle { // all in one second: none is forgotten
		b.Take(-i, now, 1)
	}
	for i := range 2 * maxIdle {
		if b.Take(-i, now, 1) {
			t.Fatalf("%d may do more than it may", -i)
		}
	}
}

func TestReachable(t *testing.T) {
	addrs := []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24")}
	all, this, other := Group{}, Group{At: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}, Group{At: []netip.Addr{netip.MustParseAddr("192.0.2.2")}}
	if !all.reachable(addrs) || !this.reachable(addrs) || other.reachable(addrs) {
		t.Error("the wrong interfaces are used")
	}
}

// TestSocket sends to the group and to one address on loopback, in both families.
func TestSocket(t *testing.T) {
	for _, group := range []string{"239.255.255.250", "ff02::c"} {
		t.Run(group, func(t *testing.T) {
			g := Group{Addr: netip.AddrPortFrom(netip.MustParseAddr(group), 0), Hops: 1, MaxMessage: 100, Loopback: true}
			a, err := Listen(t.Context(), g)
			if err != nil {
				t.Skipf("no such socket here: %v", err)
			}
			defer a.Close()
			list := a.Interfaces()
			if len(list) == 0 {
				t.Skip("loopback has no address of the family")
			}
			g.Addr = netip.AddrPortFrom(g.Addr.Addr(), uint16(a.Port()))
			b, err := Listen(t.Context(), g) // the port is shared
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			lo := list[0].Index
			if err := a.Send([]byte("hello"), lo); err != nil {
				t.Skipf("loopback does not carry the group: %v", err)
			}
			got := make(chan Packet, 1)
			go func() {
				for {
					p, err := b.Read()
					if err != nil {
						return
					}
					if string(p.Data) == "hello" {
						got <- p
						return
					}
				}
			}()
			var p Packet
			select {
			case p = <-got:
			case <-time.After(30 * time.Second):
				t.Fatal("nothing came")
			}
			if p.Interface != lo || int(p.From.Port()) != a.Port() || !OnLink(list, lo, p.From.Addr()) {
				t.Errorf("%+v", p)
			}
			if err := b.Reply([]byte("back"), p.From, lo); err != nil {
				t.Error(err)
			}
		})
	}
}
