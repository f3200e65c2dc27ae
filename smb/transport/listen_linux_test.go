package transport

import (
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestEndpoints(t *testing.T) {
	lo := loopback(t)
	tests := []struct {
		entry string
		want  []string // family and address
		err   string
	}{
		{entry: ":445", want: []string{" :445"}},
		{entry: "0.0.0.0:445", want: []string{"4 0.0.0.0:445"}},
		{entry: "[::]:445", want: []string{"6 [::]:445"}},
		{entry: "192.0.2.1:4450", want: []string{"4 192.0.2.1:4450"}},
		{entry: "[2001:db8::1]:445", want: []string{"6 [2001:db8::1]:445"}},
		{entry: "[fe80::1%eth0]:445", want: []string{"6 [fe80::1%eth0]:445"}},
		{entry: lo + ":445", want: []string{"4 127.0.0.1:445"}},
		{entry: "445", err: "bad address"},
		{entry: "::1:445", err: "bad address"},
		{entry: "no-such-thing.invalid:445", err: `there is no interface "no-such-thing.invalid"`},
	}
	for _, tt := range tests {
		list, err := Endpoints(t.Context(), tt.entry)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: %v, want %q", tt.entry, err, tt.err)
			}
			continue
		}
		var got []string
		for _, e := range list {
			got = append(got, e.Family+" "+e.Address)
		}
		// The loopback interface may have more than one address.
		if err != nil || len(got) < 1 || got[0] != tt.want[0] || tt.entry != lo+":445" && len(got) != 1 {
			t.Errorf("%s: %q, %v; want %q", tt.entry, got, err, tt.want)
		}
	}
}

// loopback is the name of the interface with 127.0.0.1.
func loopback(t *testing.T) string {
	list, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, ifc := range list {
		if ifc.Flags&net.FlagLoopback != 0 && ifc.Flags&net.FlagUp != 0 {
			return ifc.Name
		}
	}
	t.Skip("there is no loopback interface")
	return ""
}

func haveIPv6(t *testing.T) bool {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Log("there is no IPv6 here")
		return false
	}
	_ = l.Close()
	return true
}

func TestListenFamilies(t *testing.T) {
	six := haveIPv6(t)
	tests := []struct {
		entry    string
		v4, v6   bool // who gets through
		needsSix bool
	}{
		{"0.0.0.0:0", true, false, false},
		{"[::]:0", false, true, true},
		{":0", true, six, false},
	}
	for _, tt := range tests {
		if tt.needsSix && !six {
			continue
		}
		list, err := ListenTCP(t.Context(), tt.entry)
		if err != nil || len(list) != 1 {
			t.Fatalf("%s: %v, %v", tt.entry, list, err)
		}
		_, port, _ := net.SplitHostPort(list[0].Addr().String())
		for host, want := range map[string]bool{"127.0.0.1": tt.v4, "::1": tt.v6} {
			c, err := net.Dial("tcp", net.JoinHostPort(host, port))
			if (err == nil) != want {
				t.Errorf("%s: from %s: %v, want success %v", tt.entry, host, err, want)
			}
			if err == nil {
				c.Close()
			}
		}
		closeAll(list)
	}
	if !six {
		return
	}
	// Both families on one port, one socket each.
	v4, err := ListenTCP(t.Context(), "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(v4)
	_, port, _ := net.SplitHostPort(v4[0].Addr().String())
	v6, err := ListenTCP(t.Context(), "[::]:"+port)
	if err != nil {
		t.Fatal(err)
	}
	closeAll(v6)
}

func TestListenOnInterface(t *testing.T) {
	lo := loopback(t)
	ends, err := Endpoints(t.Context(), lo+":0")
	if err != nil {
		t.Fatal(err)
	}
	list, err := ListenTCP(t.Context(), lo+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(list)
	for _, l := range list {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Error(err)
			continue
		}
		c.Close()
	}
	udp, err := ListenUDP(t.Context(), lo+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(udp)
	if len(list) != len(ends) || len(udp) != len(ends) {
		t.Errorf("%d addresses, %d TCP sockets, %d UDP sockets", len(ends), len(list), len(udp))
	}
}

func TestListenErrors(t *testing.T) {
	l, err := ListenTCP(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(l)
	if _, err := ListenTCP(t.Context(), l[0].Addr().String()); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a taken port: %v", err)
	}
	if _, err := ListenTCP(t.Context(), "192.0.2.77:0"); !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("an address of somebody else: %v", err)
	}
}

// deaf makes a socket ignore everything that arrives: to the peer its machine has
// vanished.
func deaf(t *testing.T, c *net.TCPConn) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	drop := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}
	prog := unix.SockFprog{Len: 1, Filter: &drop[0]}
	if e := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog)
	}); e != nil || err != nil {
		t.Fatal(e, err)
	}
}

// TestDeadPeer has clients vanish without a word: one that owes nothing, and one
// that something was sent to.
func TestDeadPeer(t *testing.T) {
	if testing.Short() {
		t.Skip("the kernel counts in seconds")
	}
	for name, o := range map[string]TCPOptions{
		"idle":           {Idle: time.Second, Interval: time.Second, Probes: 1},
		"unacknowledged": {UserTimeout: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, client := tcpPair(t)
			defer client.Close()
			c := NewConn(server, Options{TCP: o})
			defer c.Close()
			deaf(t, client)
			if name == "unacknowledged" {
				b := Get(prefixSize + 8)
				c.Queue(Packet{Buf: b, Head: b.B})
				if err := c.Flush(); err != nil {
					t.Fatal(err)
				}
			}
			// A limit of the test, far beyond the one under test.
			stop := time.AfterFunc(time.Minute, func() { c.Close() })
			defer stop.Stop()
			if _, err := c.ReadFrame(); !errors.Is(err, syscall.ETIMEDOUT) && !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the connection ended with %v", err)
			}
		})
	}
}

func TestTCPOptionsAreSet(t *testing.T) {
	server, client := tcpPair(t)
	defer client.Close()
	c := NewConn(server, Options{TCP: TCPOptions{Idle: 31 * time.Second, Interval: 11 * time.Second, Probes: 7, UserTimeout: 1500 * time.Millisecond}})
	defer c.Close()
	raw, err := server.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) {
		for opt, want := range map[int]int{unix.TCP_KEEPIDLE: 31, unix.TCP_KEEPINTVL: 11, unix.TCP_KEEPCNT: 7, unix.TCP_USER_TIMEOUT: 1500} {
			if n, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, opt); err != nil || n != want {
				t.Errorf("option %d is %d, %v; want %d", opt, n, err, want)
			}
		}
	})
}
