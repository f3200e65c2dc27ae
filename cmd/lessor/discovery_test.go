package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"lessor/config"
	"lessor/discovery"
	"lessor/discovery/wsd"
)

// listenerAt is a listener with nothing but an address.
type listenerAt struct {
	net.Listener
	addr string
}

func (a listenerAt) Addr() net.Addr {
	addr, err := net.ResolveTCPAddr("tcp", a.addr)
	if err != nil {
		panic(err)
	}
	return addr
}

func TestAnnouncedServices(t *testing.T) {
	c := config.Default()
	plain, backups, secret := config.DefaultShare(), config.DefaultShare(), config.DefaultShare()
	plain.Name, backups.Name, secret.Name = "docs", "Backups", "secret"
	backups.TimeMachine, secret.TimeMachine, secret.Hidden = true, true, true
	c.Shares = []config.Share{plain, backups, secret}
	got := services(c, []net.Listener{listenerAt{addr: "127.0.0.1:4450"}, listenerAt{addr: "0.0.0.0:445"}})
	want := []discovery.Service{
		{Type: "_smb._tcp", Port: 445},
		{Type: "_device-info._tcp", Text: []string{"model=MacSamba"}},
		{Type: "_adisk._tcp", Port: 9, Text: []string{"sys=waMa=0,adVF=0x100", "dk0=adVN=Backups,adVF=0x82"}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("services (-want +got):\n%s", d)
	}
}

func TestReachable(t *testing.T) {
	addrs := func(list ...string) (out []net.Listener) {
		for _, a := range list {
			out = append(out, listenerAt{addr: a})
		}
		return out
	}
	for _, c := range []struct {
		listeners []net.Listener
		port      uint16
		at        []netip.Addr
	}{
		{addrs("127.0.0.1:445", "[::1]:445"), 0, nil},
		{addrs("127.0.0.1:4450", "[::]:445"), 445, nil},
		{addrs("192.0.2.1:445", "0.0.0.0:4450", "192.0.2.2:445"), 445, nil},
		{addrs("192.0.2.1:4450", "127.0.0.1:445", "[2001:db8::1]:445"), 4450, []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}},
	} {
		if port, at := reachable(c.listeners); port != c.port || !slices.Equal(at, c.at) {
			t.Errorf("%d, %v; want %+v", port, at, c)
		}
	}
}

// TestDevice: what Windows shows stays the same over restarts, and is in the right place.
func TestDevice(t *testing.T) {
	c := config.Default()
	c.StateDir, c.Server.Name, c.Server.Discovery.Name = t.TempDir(), "FILES", "The files"
	c.Server.Discovery.Workgroup = "OFFICE"
	d := device(c)
	if want := (wsd.Device{UUID: d.UUID, Name: "FILES", FriendlyName: "The files", Workgroup: "OFFICE"}); d != want {
		t.Errorf("%+v", d)
	}
	if got := workgroup(c); got != "OFFICE" {
		t.Errorf("over RPC: %q", got)
	}
	if again := device(c); again != d {
		t.Errorf("%+v, then %+v", d, again)
	}
	other := *c
	other.StateDir = t.TempDir()
	if device(&other).UUID == d.UUID {
		t.Error("two servers are one")
	}
	c.Directory.URLs, c.Directory.Domain = []string{"ldaps://dc.example.com"}, "EXAMPLE"
	if d := device(c); d.Domain != "EXAMPLE" || d.Workgroup != "" || workgroup(c) != "EXAMPLE" {
		t.Errorf("in a domain: %+v, over RPC: %q", d, workgroup(c))
	}
}

// TestAnnouncer: one that has nothing to announce can be used, and one on loopback opens
// nothing.
func TestAnnouncer(t *testing.T) {
	c := config.Default()
	log := zerolog.Nop()
	var none *announcer
	none.close()
	c.Server.Discovery.WSD = true
	local := []net.Listener{listenerAt{addr: "127.0.0.1:445"}}
	a := newAnnouncer(c, local, &log)
	if a.web != nil || len(a.mdns) > 0 || len(a.wsd) > 0 {
		t.Errorf("announced on loopback: %+v", a)
	}
	a.begin(c, local)
	a.leave()
	a.close()
	a.close()
	newAnnouncer(c, local, &log).close()
}

// TestAnnouncerPortTaken: where another program has the port, the server does without.
func TestAnnouncerPortTaken(t *testing.T) {
	taken, err := net.Listen("tcp", fmt.Sprintf(":%d", wsd.WebPort))
	if err != nil && !errors.Is(err, syscall.EADDRINUSE) {
		t.Skip(err)
	}
	if err == nil {
		defer taken.Close()
	}
	c := config.Default()
	c.Server.Discovery.WSD = true
	var out bytes.Buffer
	log := zerolog.New(&out)
	a := newAnnouncer(c, []net.Listener{listenerAt{addr: "0.0.0.0:445"}}, &log)
	defer a.close()
	if a.web != nil || !strings.Contains(out.String(), "such as wsdd") || !strings.Contains(out.String(), `"level":"warn"`) {
		t.Errorf("%+v: %s", a, out.String())
	}
}
