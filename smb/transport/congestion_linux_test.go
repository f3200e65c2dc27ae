package transport

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// congestionOf is the congestion control of a connection.
func congestionOf(t *testing.T, c syscall.Conn) string {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var name string
	if e := raw.Control(func(fd uintptr) {
		name, err = unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION)
	}); e != nil || err != nil {
		t.Fatal(e, err)
	}
	return name
}

// acceptedWith returns the accepted end of a loopback connection that has a congestion
// control, as if it were that of the system.
func acceptedWith(t *testing.T, name string) *net.TCPConn {
	t.Helper()
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		e := c.Control(func(fd uintptr) {
			err = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, name)
		})
		return errors.Join(e, err)
	}}
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if got := congestionOf(t, server.(*net.TCPConn)); got != name {
		t.Fatalf("the accepted end has %s, not %s", got, name)
	}
	return server.(*net.TCPConn)
}

// usable are the congestion controls that this process may use.
func usable(t *testing.T) []string {
	t.Helper()
	list, err := os.ReadFile("/proc/sys/net/ipv4/tcp_available_congestion_control")
	if err != nil {
		t.Skip(err)
	}
	names := slices.DeleteFunc(strings.Fields(string(list)), func(name string) bool { return TryCongestion(name) != nil })
	if !slices.Contains(names, unpaced) {
		t.Skipf("the system does not allow %s, but %v", unpaced, names)
	}
	return names
}

// TestCongestion has connections of every congestion control that there is become what they
// should be.
func TestCongestion(t *testing.T) {
	names := usable(t)
	for _, before := range names {
		auto := before
		if strings.HasPrefix(before, "bbr") {
			auto = "reno"
		}
		want := map[string]string{"": auto, CongestionAuto: auto, CongestionSystem: before, "no-such-thing": before}
		for _, name := range names {
			want[name] = name
		}
		for setting, after := range want {
			server := acceptedWith(t, before)
			c := NewConn(server, Options{TCP: TCPOptions{Congestion: setting}})
			if got := congestionOf(t, server); got != after {
				t.Errorf("%q made %s of %s, want %s", setting, got, before, after)
			}
			c.Close()
		}
	}
}

// TestSetCongestion does not need BBR: any control stands for the one to be replaced.
func TestSetCongestion(t *testing.T) {
	for _, before := range usable(t) {
		for _, instead := range []bool{true, false} {
			server := acceptedWith(t, before)
			var asked []string
			setCongestion(server, unpaced, func(now string) bool {
				asked = append(asked, now)
				return instead
			})
			want := before
			if instead {
				want = unpaced
			}
			if got := congestionOf(t, server); got != want || !slices.Equal(asked, []string{before}) {
				t.Errorf("%s became %s, want %s; asked about %q", before, got, want, asked)
			}
			server.Close()
			setCongestion(server, unpaced, func(string) bool { // it is gone: nobody is asked, nothing happens
				t.Error("asked about a closed connection")
				return true
			})
		}
	}
}

// TestUnpacedListener: a listener of a system that paces accepts connections that do not; those that leave the
// machine get back what the system has, unless a route gave them something else.
func TestUnpacedListener(t *testing.T) {
	usable(t)
	list, err := ListenTCP(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	plain := list[0].(*net.TCPListener)
	defer plain.Close()
	setCongestion(plain, unpaced, nil)
	if got := unpace(plain); got != net.Listener(plain) {
		t.Fatal("a listener that does not pace is changed")
	}
	if !setCongestion(plain, "bbr", nil) {
		t.Skip("this system has no BBR for everybody")
	}
	l, ok := unpace(plain).(*unpacedListener)
	if !ok {
		t.Fatal("the listener paces")
	}
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	tc := c.(*net.TCPConn)
	addr := func(s string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)) }
	for _, step := range []struct{ local, remote, want string }{
		{"127.0.0.1:445", "127.0.0.1:1", unpaced},
		{"192.0.2.1:445", "192.0.2.1:1", unpaced},
		{"[2001:db8::1]:445", "[2001:db8::1]:1", unpaced},
		{"192.0.2.1:445", "192.0.2.2:1", "bbr"},
	} {
		l.giveBack(tc, addr(step.local), addr(step.remote))
		if got := congestionOf(t, tc); got != step.want {
			t.Errorf("from %s to %s: %s, want %s", step.remote, step.local, got, step.want)
		}
	}
	l.system = "no-such-thing"
	l.giveBack(tc, addr("192.0.2.1:445"), addr("192.0.2.2:1"))
	if got := congestionOf(t, tc); got != "bbr" {
		t.Errorf("what a route chose became %s", got)
	}
}

func TestTryCongestion(t *testing.T) {
	list, err := os.ReadFile("/proc/sys/net/ipv4/tcp_allowed_congestion_control")
	if err != nil {
		t.Skip(err)
	}
	for _, name := range strings.Fields(string(list)) {
		if err := TryCongestion(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := TryCongestion("no-such-thing"); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("what does not exist: %v", err)
	}
}
