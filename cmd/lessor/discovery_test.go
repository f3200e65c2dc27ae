package main

import (
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor/config"
	"lessor/discovery"
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
	if got := services(c, []net.Listener{listenerAt{addr: "127.0.0.1:4450"}}); got != nil {
		t.Errorf("on loopback alone: %v", got)
	}
}
