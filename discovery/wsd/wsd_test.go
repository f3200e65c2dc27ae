package wsd

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/ipv4"

	"lessor/discovery/mcast"
)

// patience is how long the test waits for what has to come.
const patience = 30 * time.Second

// TestLoopback asks as Windows does, over sockets: Probe, Resolve, Get; and sees Hello and Bye.
func TestLoopback(t *testing.T) {
	group := Groups(nil)[0]
	group.Loopback, group.Addr = true, netip.AddrPortFrom(group.Addr.Addr(), 0)
	link, err := mcast.Listen(t.Context(), group)
	if err != nil || len(link.Interfaces()) == 0 {
		t.Skipf("no socket on loopback: %v", err)
	}
	group.Addr = netip.AddrPortFrom(group.Addr.Addr(), uint16(link.Port()))
	hears, err := mcast.Listen(t.Context(), group)
	if err != nil {
		t.Fatal(err)
	}
	defer hears.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asker, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer asker.Close()
	lo, err := net.InterfaceByIndex(link.Interfaces()[0].Index)
	if err == nil {
		err = ipv4.NewPacketConn(asker).SetMulticastInterface(lo)
	}
	if err != nil {
		t.Fatal(err)
	}
	to := net.UDPAddrFromAddrPort(group.Addr)
	if _, err := asker.WriteTo([]byte("x"), to); err != nil {
		t.Skipf("loopback carries no multicast: %v", err)
	}

	heard := make(chan string, 1000)
	go func() {
		for {
			p, err := hears.Read()
			if err != nil {
				close(heard)
				return
			}
			heard <- string(p.Data)
		}
	}()
	waitFor := func(action string) string {
		t.Helper()
		limit := time.After(patience)
		for {
			select {
			case m := <-heard:
				if value(m, "wsa:Action") == action {
					return m
				}
			case <-limit:
				t.Fatalf("no %s", action)
			}
		}
	}
	ask := func(text, action string) string {
		t.Helper()
		if _, err := asker.WriteTo([]byte(text), to); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, maxMessage)
		if err := asker.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		for {
			n, _, err := asker.ReadFrom(b)
			if err != nil {
				t.Fatalf("no %s: %v", action, err)
			}
			if m := string(b[:n]); value(m, "wsa:Action") == action {
				return m
			}
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- New(testDevice, []mcast.Link{link}, listener).Run(ctx) }()
	waitFor(actionHello)
	m := ask(probeOf("urn:uuid:1", "<wsd:Types>wsdp:Device</wsd:Types>"), actionProbeMatches)
	address := value(m, "wsa:Address")
	if address != "urn:uuid:"+testUUID || value(m, "wsa:RelatesTo") != "urn:uuid:1" {
		t.Errorf("%s", m)
	}
	m = ask(resolveOf("urn:uuid:2", address), actionResolveMatches)
	where, _, _ := strings.Cut(value(m, "wsd:XAddrs"), " ")
	if where != "http://"+listener.Addr().String()+"/"+testUUID {
		t.Fatalf("%s", m)
	}
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Post(where, soapType, strings.NewReader(getOf(address)))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil || value(string(b), "pub:Computer") != "FILES/Workgroup:OFFICE" {
		t.Errorf("%v %s, %v", res.Status, b, err)
	}
	cancel()
	waitFor(actionBye)
	if err := <-done; err != nil {
		t.Error(err)
	}
}
