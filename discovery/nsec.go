package discovery

import (
	"slices"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// typeNSEC is the type of records that say which types a name has (RFC 4034, 4).
const typeNSEC dnsmessage.Type = 47

// negatives are the records that say that there is no more under our names than what there
// is, one for each name that nobody else has (RFC 6762, 6.1).
func negatives(own []record) (out []record) {
	types := make(map[string][]dnsmessage.Type)
	for i := range own {
		c := &own[i]
		if c.shared || slices.Contains(types[c.name], c.typ) {
			continue
		}
		if types[c.name] == nil {
			out = append(out, record{name: c.name, typ: typeNSEC, ttl: c.ttl})
		}
		types[c.name] = append(types[c.name], c.typ)
	}
	for i := range out {
		// A name has the TTL of its shortest record.
		for j := range own {
			if own[j].name == out[i].name {
				out[i].ttl = min(out[i].ttl, own[j].ttl)
			}
		}
		out[i].body = &dnsmessage.UnknownResource{Type: typeNSEC, Data: nsec(out[i].name, types[out[i].name])}
	}
	return out
}

// nsec is the content of such a record: the next name, which is the same one, and the first
// block of the bitmap, of types up to 255, which is all that RFC 6762 has.
func nsec(name string, types []dnsmessage.Type) []byte {
	var b []byte
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		b = append(b, byte(len(label))) // at most maxLabel
		b = append(b, label...)
	}
	highest := slices.Max(types)
	bits := make([]byte, highest/8+1)
	for _, t := range types {
		bits[t/8] |= 0x80 >> (t % 8)
	}
	b = append(b, 0, 0, byte(len(bits)))
	return append(b, bits...)
}
