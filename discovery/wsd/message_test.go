package wsd

import (
	"encoding/xml"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var update = flag.Bool("update", false, "write the files of testdata anew")

const testUUID = "9d3a5c52-4a66-5a0b-8f5e-0b2f8c6f1d10"

var testDevice = Device{UUID: testUUID, Name: "files", FriendlyName: `Files of "A" & <B>`, Workgroup: "Office"}

func testHeader(to, action, relates string, udp bool) *header {
	h := &header{to: to, action: action, id: "urn:uuid:00000000-0000-4000-8000-000000000001", relates: relates}
	if udp {
		h.seq = &sequence{instance: 1764000000, id: "urn:uuid:00000000-0000-4000-8000-000000000002", number: 7}
	}
	return h
}

// TestGolden pins every message that is sent.
func TestGolden(t *testing.T) {
	at := []string{"http://192.0.2.1:5357/" + testUUID, "http://192.0.2.2:5357/" + testUUID}
	member := testDevice
	member.Domain = "Example"
	const asked = "urn:uuid:29cf10da-5c41-4d55-b184-5ee15e38ce23"
	for name, got := range map[string][]byte{
		"hello":          testDevice.hello(testHeader(toAll, actionHello, "", true), 1764000001, at),
		"bye":            testDevice.bye(testHeader(toAll, actionBye, "", true)),
		"probematches":   testDevice.match(testHeader(toAsker, actionProbeMatches, asked, true), "Probe", 1764000001, at[:1]),
		"resolvematches": testDevice.match(testHeader(toAsker, actionResolveMatches, asked, true), "Resolve", 1764000001, at[:1]),
		"getresponse":    testDevice.metadata(testHeader(toAsker, actionGetResponse, asked, false)),
		"getdomain":      member.metadata(testHeader(toAsker, actionGetResponse, asked, false)),
		"fault":          fault(testHeader(toAsker, actionFault, asked, false), "soap:Sender", "the action is not supported"),
	} {
		file := filepath.Join("testdata", name+".xml")
		// One element a line, which says the same and can be read.
		text := strings.ReplaceAll(string(got), "><", ">\n<") + "\n"
		if *update {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), text); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		if _, err := parse(got); err != nil {
			t.Errorf("%s: our own decoder: %v", name, err)
		}
	}
}

const declaration = `<?xml version="1.0" encoding="utf-8"?>`

// windows makes a message as Windows sends it.
func windows(header, body string) string {
	return declaration + `<soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope" ` +
		`xmlns:wsa="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:wsd="http://schemas.xmlsoap.org/ws/2005/04/discovery" ` +
		`xmlns:wsdp="http://schemas.xmlsoap.org/ws/2006/02/devprof" xmlns:pub="http://schemas.microsoft.com/windows/pub/2005/07">` +
		`<soap:Header>` + header + `</soap:Header><soap:Body>` + body + `</soap:Body></soap:Envelope>`
}

func headerOf(to, action, id string) string {
	return `<wsa:To>` + to + `</wsa:To><wsa:Action>` + action + `</wsa:Action><wsa:MessageID>` + id + `</wsa:MessageID>`
}

func probeOf(id, body string) string {
	return windows(headerOf(toAll, actionProbe, id), `<wsd:Probe>`+body+`</wsd:Probe>`)
}

func resolveOf(id, address string) string {
	return windows(headerOf(toAll, actionResolve, id), `<wsd:Resolve><wsa:EndpointReference><wsa:Address>`+address+`</wsa:Address></wsa:EndpointReference></wsd:Resolve>`)
}

func getOf(to string) string {
	return windows(headerOf(to, actionGet, "urn:uuid:1")+`<wsa:ReplyTo><wsa:Address>`+toAsker+`</wsa:Address></wsa:ReplyTo>`+
		`<wsa:From><wsa:Address>urn:uuid:2</wsa:Address></wsa:From>`, "")
}

func TestDecode(t *testing.T) {
	device, computer := xml.Name{Space: nsWSDP, Local: "Device"}, xml.Name{Space: nsPUB, Local: "Computer"}
	for name, c := range map[string]struct {
		text  string
		want  request
		match bool
	}{
		"device":    {probeOf("urn:uuid:1", "\n <wsd:Types> wsdp:Device </wsd:Types>"), request{probe: probe{types: []xml.Name{device}}}, true},
		"both":      {probeOf("urn:uuid:1", "<wsd:Types>wsdp:Device\n pub:Computer</wsd:Types>"), request{probe: probe{types: []xml.Name{device, computer}}}, true},
		"anything":  {probeOf("urn:uuid:1", ""), request{}, true},
		"no scopes": {probeOf("urn:uuid:1", `<wsd:Types>pub:Computer</wsd:Types><wsd:Scopes MatchBy="x"> </wsd:Scopes>`), request{probe: probe{types: []xml.Name{computer}}}, true},
		"scopes": {probeOf("urn:uuid:1", `<wsd:Types>pub:Computer</wsd:Types><wsd:Scopes>http://a ldap:b</wsd:Scopes>`),
			request{probe: probe{types: []xml.Name{computer}, scopes: []string{"http://a", "ldap:b"}}}, false},
		"own prefix": {probeOf("urn:uuid:1", `<wsd:Types xmlns:x="`+nsWSDP+`">x:Device</wsd:Types>`), request{probe: probe{types: []xml.Name{device}}}, true},
		"other name of a prefix": {probeOf("urn:uuid:1", `<wsd:Types xmlns:wsdp="urn:else">wsdp:Device</wsd:Types>`),
			request{probe: probe{types: []xml.Name{{Space: "urn:else", Local: "Device"}}}}, false},
		"as many as may be": {probeOf("urn:uuid:1", "<wsd:Types>"+strings.Repeat(" wsdp:Device", maxTypes)+"</wsd:Types>"),
			request{probe: probe{types: slices.Repeat([]xml.Name{device}, maxTypes)}}, true},
		"the first counts": {probeOf("urn:uuid:1", `<wsd:Types>wsdp:Device</wsd:Types><!-- x -->`+`<wsd:Types>pub:Computer</wsd:Types>`),
			request{probe: probe{types: []xml.Name{device}}}, true},
	} {
		c.want.action, c.want.id, c.want.to = actionProbe, "urn:uuid:1", toAll
		got, err := decode([]byte(c.text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := cmp.Diff(&c.want, got, cmp.AllowUnexported(request{}, probe{}), cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		if got.probe.matches() != c.match {
			t.Errorf("%s: matches %v", name, !c.match)
		}
	}
	if q, err := decode([]byte("\ufeff" + resolveOf("urn:uuid:1", "urn:uuid:X"))); err != nil || q.resolve != "urn:uuid:X" {
		t.Errorf("a byte order mark before a Resolve: %+v, %v", q, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	good := probeOf("urn:uuid:1", "<wsd:Types>wsdp:Device</wsd:Types>")
	for name, text := range map[string]string{
		"nothing":         "",
		"no XML":          "hello",
		"half":            good[:len(good)-3],
		"two":             good + strings.TrimPrefix(good, declaration),
		"text behind":     good + "x",
		"document type":   `<!DOCTYPE a [<!ENTITY b "c">]>` + good,
		"entity":          probeOf("&b;", ""),
		"instruction":     strings.Replace(good, "<soap:Header>", "<?php x?><soap:Header>", 1),
		"character set":   strings.Replace(good, "utf-8", "utf-16", 1),
		"not UTF-8":       strings.Replace(good, "urn:uuid:1", "urn:\xff", 1),
		"deep":            probeOf("urn:uuid:1", strings.Repeat("<a>", maxDepth)+strings.Repeat("</a>", maxDepth)),
		"wide":            probeOf("urn:uuid:1", strings.Repeat("<a/>", maxElements)),
		"long":            probeOf("urn:uuid:1", strings.Repeat(" ", maxMessage)),
		"older SOAP":      strings.ReplaceAll(good, nsSOAP, "http://schemas.xmlsoap.org/soap/envelope/"),
		"newer addresses": strings.ReplaceAll(good, nsWSA, "http://www.w3.org/2005/08/addressing"),
		"no identifier":   probeOf("", ""),
		"long identifier": probeOf(strings.Repeat("x", maxID+1), ""),
		"no probe":        windows(headerOf(toAll, actionProbe, "urn:uuid:1"), ""),
		"no address":      resolveOf("urn:uuid:1", " "),
		"type of nobody":  probeOf("urn:uuid:1", "<wsd:Types>none:Device</wsd:Types>"),
		"many types":      probeOf("urn:uuid:1", "<wsd:Types>"+strings.Repeat(" wsdp:Device", maxTypes+1)+"</wsd:Types>"),
		"for another":     windows(headerOf(toAll, actionProbe, "urn:uuid:1")+`<wsa:ReplyTo><wsa:Address>soap.udp://198.51.100.1:9</wsa:Address></wsa:ReplyTo>`, "<wsd:Probe/>"),
		"must understand": windows(headerOf(toAll, actionProbe, "urn:uuid:1")+`<x:y xmlns:x="urn:x" soap:mustUnderstand="1"/>`, "<wsd:Probe/>"),
	} {
		if q, err := decode([]byte(text)); err == nil {
			t.Errorf("%s: %+v", name, q)
		}
	}
}

// costly is a Probe with a number of types, each of which has to be looked for among
// the attributes around it.
func costly(types, attributes int) string {
	return probeOf("urn:uuid:1", "<wsd:Types"+strings.Repeat(" a=''", attributes)+">"+strings.Repeat("wsdp:D ", types)+"</wsd:Types>")
}

// BenchmarkCostly is the message that takes longest of those that were thought of.
func BenchmarkCostly(b *testing.B) {
	text := []byte(costly(maxTypes, 1300))
	for b.Loop() {
		if _, err := decode(text); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzDecode: no message makes the decoder fail, or is bigger than what it may be.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(probeOf("urn:uuid:1", "<wsd:Types>wsdp:Device pub:Computer</wsd:Types><wsd:Scopes>a b</wsd:Scopes>")))
	f.Add([]byte(resolveOf("urn:uuid:1", "urn:uuid:2")))
	f.Add([]byte(getOf("urn:uuid:" + testUUID)))
	// Types that have to be looked for among many attributes.
	for _, n := range []int{maxTypes, maxTypes + 1, 1000} {
		f.Add([]byte(costly(n, 500)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := decode(b)
		if err != nil {
			return
		}
		if len(q.probe.types) > maxTypes || len(q.id) > maxID || len(q.id)+len(q.action)+len(q.resolve) > len(b) {
			t.Errorf("more than there was: %+v", q)
		}
		// What is taken over into an answer leaves it well-formed.
		answer := testDevice.match(testHeader(toAsker, actionProbeMatches, q.id, true), "Probe", 1, nil)
		if _, err := parse(answer); err != nil {
			t.Errorf("the answer to %q: %v", q.id, err)
		}
	})
}

func TestUUID(t *testing.T) {
	// As uuid5 of Python makes it.
	if got := UUID("S-1-5-21-1-2-3"); got != "1823ad55-6c63-539b-9899-1da64469751c" {
		t.Errorf("%s: a server would be shown twice after an update", got)
	}
	if a, b := UUID("S-1-5-21-1-2-3"), UUID("S-1-5-21-1-2-4"); a == b || a[14] != '5' {
		t.Errorf("%s, %s", a, b)
	}
}
