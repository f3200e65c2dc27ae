package service

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/ipv4"

	"lessor/discovery/mcast"
	"lessor/discovery/wsd"
	"lessor/test/harness"
)

// insideNetwork says that the test is in a network of its own.
const insideNetwork = "LESSOR_TEST_NETWORK"

// TestWSDiscovery finds the program as Windows does, with its sandbox, in a network of its
// own, into which the test calls itself: the ports are fixed, and the program announces
// nothing on loopback.
func TestWSDiscovery(t *testing.T) {
	if os.Getenv(insideNetwork) != "" {
		findByWSD(t)
		return
	}
	bin, err := harness.Binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestWSDiscovery$", "-test.v")
	cmd.Env = append(os.Environ(), insideNetwork+"=1", "LESSOR_BIN="+bin)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if uid := os.Getuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	switch {
	case cmd.ProcessState == nil:
		t.Skipf("the system gives no namespace: %v", err)
	case err != nil:
		t.Fatalf("%v\n%s", err, out)
	case strings.Contains(string(out), "--- SKIP"):
		t.Skipf("%s", out)
	}
}

const ownAddress = "192.0.2.1"

// makeNetwork makes an interface with ownAddress.
func makeNetwork(t *testing.T) *net.Interface {
	for _, args := range []string{"link set lo up", "link add wsd0 type veth peer name wsd1", "link set wsd1 up",
		"link set wsd0 up", "addr add " + ownAddress + "/24 dev wsd0"} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Skipf("ip %s: %v %s", args, err, out)
		}
	}
	ifi, err := net.InterfaceByName("wsd0")
	if err != nil {
		t.Fatal(err)
	}
	return ifi
}

// soap is a question as Windows sends it.
func soap(to, action, id, body string) string {
	return `<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope" ` +
		`xmlns:wsa="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:wsd="http://schemas.xmlsoap.org/ws/2005/04/discovery" ` +
		`xmlns:wsdp="http://schemas.xmlsoap.org/ws/2006/02/devprof"><soap:Header><wsa:To>` + to + `</wsa:To><wsa:Action>` + action +
		`</wsa:Action><wsa:MessageID>` + id + `</wsa:MessageID></soap:Header><soap:Body>` + body + `</soap:Body></soap:Envelope>`
}

// elementOf is the text of the first element with a name.
func elementOf(text, name string) string {
	_, rest, _ := strings.Cut(text, "<"+name+">")
	out, _, _ := strings.Cut(rest, "</"+name+">")
	return out
}

// findByWSD asks who is there, and for what he is; and the same of the program that was
// started again.
func findByWSD(t *testing.T) {
	ifi := makeNetwork(t)
	g := wsd.Groups(nil)[0]
	hears, err := mcast.Listen(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	defer hears.Close()
	byes := make(chan string, 100)
	go func() {
		for {
			p, err := hears.Read()
			if err != nil {
				return
			}
			if m := string(p.Data); strings.HasSuffix(elementOf(m, "wsa:Action"), "/Bye") {
				byes <- m
			}
		}
	}()
	conn, err := net.ListenPacket("udp4", ownAddress+":0")
	if err == nil {
		err = ipv4.NewPacketConn(conn).SetMulticastInterface(ifi)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s := harness.Run(t, harness.Options{
		Config: "server: {name: FILES, discovery: {wsd: true, mdns: true, workgroup: Office}}\n",
		Args:   []string{"--listen", ownAddress + ":445"},
	})

	var first, lastBye string
	for i := range 2 {
		const probe = "http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe"
		text := soap("urn:schemas-xmlsoap-org:ws:2005:04:discovery", probe, fmt.Sprintf("urn:uuid:%d", i), "<wsd:Probe><wsd:Types>wsdp:Device</wsd:Types></wsd:Probe>")
		if _, err := conn.WriteTo([]byte(text), net.UDPAddrFromAddrPort(g.Addr)); err != nil {
			t.Fatal(err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		answer := ""
		for b := make([]byte, 9000); elementOf(answer, "wsa:RelatesTo") != fmt.Sprintf("urn:uuid:%d", i); {
			n, _, err := conn.ReadFrom(b)
			if err != nil {
				t.Fatalf("no answer: %v\n%s", err, s.Log())
			}
			answer = string(b[:n])
		}
		address := elementOf(answer, "wsa:Address")
		if i == 0 {
			first = address
		} else if address != first {
			t.Errorf("it is %s now, and was %s", address, first)
		}
		where := elementOf(answer, "wsd:XAddrs")
		if want := "http://" + ownAddress + ":5357/" + strings.TrimPrefix(address, "urn:uuid:"); where != want {
			t.Fatalf("%s: want %s", answer, want)
		}
		if got := getMetadata(t, where, address); elementOf(got, "pub:Computer") != "FILES/Workgroup:OFFICE" {
			t.Errorf("%s", got)
		}
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		bye := waitForBye(t, byes, lastBye)
		if elementOf(bye, "wsa:Address") != address {
			t.Errorf("not its goodbye: %s", bye)
		}
		lastBye = elementOf(bye, "wsa:MessageID")
		if i == 0 {
			if err := s.Start(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// waitForBye returns a goodbye that is not the last one, which is sent twice.
func waitForBye(t *testing.T, byes <-chan string, last string) string {
	t.Helper()
	limit := time.After(time.Minute)
	for {
		select {
		case m := <-byes:
			if elementOf(m, "wsa:MessageID") != last {
				return m
			}
		case <-limit:
			t.Fatal("no goodbye")
		}
	}
}

// getMetadata asks by HTTP.
func getMetadata(t *testing.T, where, address string) string {
	t.Helper()
	c := http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	const get = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get"
	res, err := c.Post(where, "application/soap+xml", strings.NewReader(soap(address, get, "urn:uuid:9", "")))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
