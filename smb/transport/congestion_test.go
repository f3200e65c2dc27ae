package transport

import (
	"net"
	"testing"
)

func TestPaces(t *testing.T) {
	for name, want := range map[string]bool{"bbr": true, "bbr2": true, "bbr3": true, unpaced: false, "cubic": false, "bb": false, "": false} {
		if paces(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}

func TestWithinMachine(t *testing.T) {
	tcp := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 445} }
	for _, tt := range []struct {
		local, remote net.Addr
		want          bool
	}{
		{tcp("127.0.0.1"), tcp("127.0.0.1"), true},
		{tcp("127.0.0.1"), tcp("127.0.0.2"), true},
		{tcp("::1"), tcp("::1"), true},
		{tcp("192.0.2.1"), tcp("192.0.2.1"), true},
		{&net.TCPAddr{IP: net.IP{192, 0, 2, 1}}, tcp("::ffff:192.0.2.1"), true},
		{tcp("2001:db8::1"), tcp("2001:db8::1"), true},
		{&net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0"}, &net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0"}, true},
		{tcp("192.0.2.1"), tcp("192.0.2.2"), false},
		{tcp("2001:db8::1"), tcp("2001:db8::2"), false},
		{tcp("192.0.2.1"), tcp("2001:db8::1"), false},
		{&net.TCPAddr{}, &net.TCPAddr{}, false},
		{tcp("192.0.2.1"), &net.UDPAddr{IP: net.ParseIP("192.0.2.1")}, false},
		{nil, nil, false},
	} {
		if got := withinMachine(tt.local, tt.remote); got != tt.want {
			t.Errorf("%v to %v: %v", tt.local, tt.remote, got)
		}
	}
}
