package wsd

import (
	"encoding/xml"
	"strconv"
	"strings"
)

// Device is what is told of the server.
type Device struct {
	// UUID is in the usual text form, the same for all times.
	UUID string
	// Name is the name by which Windows connects, of 15 bytes at most.
	Name string
	// FriendlyName is for people; Explorer does not show it.
	FriendlyName string
	// Domain is the short name of the domain that the server is in; empty: it is in none.
	Domain string
	// Workgroup is that of a server in no domain.
	Workgroup string
}

func (d *Device) address() string { return urnUUID + d.UUID }

// path is where HTTP answers.
func (d *Device) path() string { return "/" + d.UUID }

// computer is the content of pub:Computer (MS-PBSD 2.2).
func (d *Device) computer() string {
	if d.Domain != "" {
		return strings.ToUpper(d.Name) + "/Domain:" + strings.ToUpper(d.Domain)
	}
	return strings.ToUpper(d.Name) + "/Workgroup:" + strings.ToUpper(d.Workgroup)
}

// sequence is where a message stands among all that the host has sent (WS-Discovery, appendix I).
type sequence struct {
	instance uint32 // greater after each start
	id       string // of this start
	number   uint32
}

// header is that of a message.
type header struct {
	to, action, id string
	relates        string    // the message that is answered; empty: none
	seq            *sequence // nil: of HTTP
}

// text is XML in the making.
type text struct{ strings.Builder }

// leaf adds an element with a text.
func (t *text) leaf(name, value string) {
	t.WriteString("<" + name + ">")
	_ = xml.EscapeText(t, []byte(value)) // writing does not fail
	t.WriteString("</" + name + ">")
}

func (t *text) open(name string)  { t.WriteString("<" + name + ">") }
func (t *text) close(name string) { t.WriteString("</" + name + ">") }

func (t *text) endpoint(address string) {
	t.open("wsa:EndpointReference")
	t.leaf("wsa:Address", address)
	t.close("wsa:EndpointReference")
}

// envelope makes a message of a header and what body adds.
func envelope(h *header, body func(*text)) []byte {
	var t text
	t.WriteString(`<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="` + nsSOAP + `" xmlns:wsa="` + nsWSA +
		`" xmlns:wsd="` + nsWSD + `" xmlns:wsdp="` + nsWSDP + `" xmlns:wsx="` + nsWSX + `" xmlns:pnpx="` + nsPNPX + `" xmlns:pub="` + nsPUB + `">`)
	t.open("soap:Header")
	t.leaf("wsa:To", h.to)
	t.leaf("wsa:Action", h.action)
	t.leaf("wsa:MessageID", h.id)
	if h.relates != "" {
		t.leaf("wsa:RelatesTo", h.relates)
	}
	if s := h.seq; s != nil {
		t.WriteString(`<wsd:AppSequence InstanceId="` + strconv.FormatUint(uint64(s.instance), 10) + `" SequenceId="` + s.id +
			`" MessageNumber="` + strconv.FormatUint(uint64(s.number), 10) + `"></wsd:AppSequence>`)
	}
	t.close("soap:Header")
	t.open("soap:Body")
	body(&t)
	t.close("soap:Body")
	t.close("soap:Envelope")
	return []byte(t.String())
}

// found adds what Hello, ProbeMatch and ResolveMatch say of a device.
func (d *Device) found(t *text, version uint32, at []string) {
	t.endpoint(d.address())
	t.leaf("wsd:Types", "wsdp:Device pub:Computer")
	if len(at) > 0 {
		t.leaf("wsd:XAddrs", strings.Join(at, " "))
	}
	t.leaf("wsd:MetadataVersion", strconv.FormatUint(uint64(version), 10))
}

// hello is the message of a device that has come (WS-Discovery, 4.1).
func (d *Device) hello(h *header, version uint32, at []string) []byte {
	return envelope(h, func(t *text) {
		t.open("wsd:Hello")
		d.found(t, version, at)
		t.close("wsd:Hello")
	})
}

// bye is the message of one that goes (WS-Discovery, 4.2).
func (d *Device) bye(h *header) []byte {
	return envelope(h, func(t *text) {
		t.open("wsd:Bye")
		t.endpoint(d.address())
		t.close("wsd:Bye")
	})
}

// match answers a Probe (WS-Discovery, 5.3) or a Resolve (6.3), of which kind says the name:
// Probe or Resolve.
func (d *Device) match(h *header, kind string, version uint32, at []string) []byte {
	return envelope(h, func(t *text) {
		t.open("wsd:" + kind + "Matches")
		t.open("wsd:" + kind + "Match")
		d.found(t, version, at)
		t.close("wsd:" + kind + "Match")
		t.close("wsd:" + kind + "Matches")
	})
}

// metadata answers a Get (Devices Profile, 5.1).
func (d *Device) metadata(h *header) []byte {
	section := func(t *text, kind string, content func()) {
		t.WriteString(`<wsx:MetadataSection Dialect="` + nsWSDP + "/" + kind + `">`)
		content()
		t.close("wsx:MetadataSection")
	}
	return envelope(h, func(t *text) {
		t.open("wsx:Metadata")
		section(t, "ThisDevice", func() {
			t.open("wsdp:ThisDevice")
			t.leaf("wsdp:FriendlyName", d.FriendlyName)
			// The version of the program is nothing for strangers.
			t.leaf("wsdp:FirmwareVersion", "1.0")
			t.leaf("wsdp:SerialNumber", d.UUID)
			t.close("wsdp:ThisDevice")
		})
		section(t, "ThisModel", func() {
			t.open("wsdp:ThisModel")
			t.leaf("wsdp:Manufacturer", "Lessor")
			t.leaf("wsdp:ModelName", "Lessor SMB server")
			t.leaf("pnpx:DeviceCategory", "Computers")
			t.close("wsdp:ThisModel")
		})
		section(t, "Relationship", func() {
			t.WriteString(`<wsdp:Relationship Type="` + nsWSDP + `/host">`)
			t.open("wsdp:Host")
			t.endpoint(d.address())
			t.leaf("wsdp:Types", "pub:Computer")
			t.leaf("wsdp:ServiceId", d.address())
			t.leaf("pub:Computer", d.computer())
			t.close("wsdp:Host")
			t.close("wsdp:Relationship")
		})
		t.close("wsx:Metadata")
	})
}

// fault tells who asked by HTTP that it is the asker's mistake (SOAP 1.2, 5.4).
func fault(h *header, code, reason string) []byte {
	return envelope(h, func(t *text) {
		t.open("soap:Fault")
		t.open("soap:Code")
		t.leaf("soap:Value", code)
		t.close("soap:Code")
		t.open("soap:Reason")
		t.WriteString(`<soap:Text xml:lang="en">` + reason + `</soap:Text>`)
		t.close("soap:Reason")
		t.close("soap:Fault")
	})
}
