package discovery

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/dns/dnsmessage"
)

// Service is one service of the machine.
type Service struct {
	// Type is such as _smb._tcp.
	Type string
	// Port is where it listens; 0 for a service that only tells something.
	Port uint16
	// Text are the pairs KEY=VALUE of its TXT record, each of 255 bytes at most.
	Text []string
}

const (
	ttlHost  = 120  // seconds, of records with the name of the host (RFC 6762, 10)
	ttlOther = 4500 // of the others

	// cacheFlush is the bit of a class that says that a record replaces all of its name
	// (RFC 6762, 10.2), and unicastReply that of a question (5.4).
	cacheFlush   dnsmessage.Class = 0x8000
	unicastReply dnsmessage.Class = 0x8000

	maxLabel = 63
	domain   = ".local."
	browse   = "_services._dns-sd._udp.local."
)

// record is what is announced; shared ones belong to others as well.
type record struct {
	name   string
	typ    dnsmessage.Type
	ttl    uint32
	shared bool
	body   dnsmessage.ResourceBody
}

// label makes one label of a text: 63 bytes at most, without dots, which package
// dnsmessage takes for the end of a label.
func label(text, suffix string) string {
	text = strings.Map(func(r rune) rune {
		if r == '.' || r < ' ' {
			return '-'
		}
		return r
	}, strings.ToValidUTF8(text, "-"))
	for len(text)+len(suffix) > maxLabel {
		_, n := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-n]
	}
	return text + suffix
}

// hostLabel makes a label of letters, digits and hyphens.
func hostLabel(text, suffix string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-':
			return r
		}
		return '-'
	}, text)
	if text = strings.Trim(text, "-"); text == "" {
		text = "server"
	}
	return label(text, suffix)
}

// names are those that are announced; n counts the conflicts.
func (r *Responder) names(n int) (instance, host string) {
	if n == 0 {
		return label(r.name, ""), hostLabel(r.name, "")
	}
	count := strconv.Itoa(n + 1)
	return label(r.name, " ("+count+")"), hostLabel(r.name, "-"+count)
}

func dnsName(text string) (dnsmessage.Name, bool) {
	n, err := dnsmessage.NewName(text)
	return n, err == nil
}

// records are all that is announced on an interface with these addresses.
func (r *Responder) records(addrs []netip.Prefix) []record {
	instance, host := r.names(r.conflicts)
	hostName := host + domain
	target, ok := dnsName(hostName)
	if !ok {
		return nil
	}
	var out []record
	for _, s := range r.services {
		typ, full := s.Type+domain, instance+"."+s.Type+domain
		typName, ok1 := dnsName(typ)
		fullName, ok2 := dnsName(full)
		if !ok1 || !ok2 {
			continue
		}
		text := s.Text
		if len(text) == 0 {
			text = []string{""}
		}
		out = append(out,
			record{browse, dnsmessage.TypePTR, ttlOther, true, &dnsmessage.PTRResource{PTR: typName}},
			record{typ, dnsmessage.TypePTR, ttlOther, true, &dnsmessage.PTRResource{PTR: fullName}},
			record{full, dnsmessage.TypeTXT, ttlOther, false, &dnsmessage.TXTResource{TXT: text}},
			record{full, dnsmessage.TypeSRV, ttlHost, false, &dnsmessage.SRVResource{Port: s.Port, Target: target}})
	}
	for _, p := range addrs {
		if a := p.Addr().Unmap(); a.Is4() {
			out = append(out, record{hostName, dnsmessage.TypeA, ttlHost, false, &dnsmessage.AResource{A: a.As4()}})
		} else {
			out = append(out, record{hostName, dnsmessage.TypeAAAA, ttlHost, false, &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	return out
}

// answers reports whether a record answers a question for a name and a type.
func (c *record) answers(name string, typ dnsmessage.Type) bool {
	return (typ == c.typ || typ == dnsmessage.TypeALL) && strings.EqualFold(name, c.name)
}

// resource is the record as it goes into a message.
func (c *record) resource(ttl uint32, flush bool) (dnsmessage.Resource, bool) {
	name, ok := dnsName(c.name)
	h := dnsmessage.ResourceHeader{Name: name, Type: c.typ, Class: dnsmessage.ClassINET, TTL: ttl}
	if flush && !c.shared {
		h.Class |= cacheFlush
	}
	return dnsmessage.Resource{Header: h, Body: c.body}, ok
}

// same reports whether a record of somebody else says the same. Names in it may differ
// in case.
func (c *record) same(o *dnsmessage.Resource) bool {
	return c.typ == o.Header.Type && strings.EqualFold(bodyText(c.body), bodyText(o.Body))
}

// bodyText tells the content of a record apart from others of its type.
func bodyText(b dnsmessage.ResourceBody) string {
	switch b := b.(type) {
	case *dnsmessage.AResource:
		return string(b.A[:])
	case *dnsmessage.AAAAResource:
		return string(b.AAAA[:])
	case *dnsmessage.PTRResource:
		return b.PTR.String()
	case *dnsmessage.TXTResource:
		return strings.Join(b.TXT, "\x00")
	case *dnsmessage.UnknownResource:
		return string(b.Data)
	case *dnsmessage.SRVResource:
		return string(binary.BigEndian.AppendUint16(nil, b.Port)) + b.Target.String()
	}
	return ""
}

// maxRecords is how many records of a message are looked at, and maxMessage how long it
// may be, in bytes (RFC 6762, 17).
const (
	maxRecords = 256
	maxMessage = 9000
)

// message is one that was received.
type message struct {
	response  bool
	id        uint16
	questions []dnsmessage.Question
	answers   []dnsmessage.Resource // of a question: what is known already
	authority []dnsmessage.Resource // of a probe: what is to be announced
}

// decode reads a message; false: it is none, or too much.
func decode(b []byte) (m message, ok bool) {
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil || len(b) > maxMessage || h.OpCode != 0 || h.RCode != 0 {
		return m, false
	}
	m.response, m.id = h.Response, h.ID
	total := 0
	for {
		q, err := p.Question()
		if err != nil {
			if err != dnsmessage.ErrSectionDone { //nolint:errorlint // as it is returned
				return m, false
			}
			break
		}
		if total++; total > maxRecords {
			return m, false
		}
		m.questions = append(m.questions, q)
	}
	read := func(next func() (dnsmessage.Resource, error)) (out []dnsmessage.Resource, ok bool) {
		for {
			res, err := next()
			if err == dnsmessage.ErrSectionDone { //nolint:errorlint // as it is returned
				return out, true
			}
			if total++; err != nil || total > maxRecords {
				return nil, false
			}
			res.Header.Class &^= cacheFlush
			out = append(out, res)
		}
	}
	if m.answers, ok = read(p.Answer); !ok {
		return m, false
	}
	m.authority, ok = read(p.Authority)
	return m, ok
}
