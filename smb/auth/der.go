package auth

// The few pieces of DER (X.690) that SPNEGO needs. Tags have one byte. Lengths
// are definite, of at most four bytes; a length that could be shorter is let
// pass, as some clients are generous there.

const (
	tagOctetString   = 0x04
	tagOID           = 0x06
	tagEnumerated    = 0x0a
	tagGeneralString = 0x1b
	tagSequence      = 0x30
	tagApplication0  = 0x60
	tagContext0      = 0xa0
	tagContext1      = 0xa1
)

// readTLV splits one element off b. The results alias b.
func readTLV(b []byte) (tag byte, content, rest []byte, ok bool) {
	if len(b) < 2 {
		return 0, nil, nil, false
	}
	tag, n := b[0], uint64(b[1])
	if tag&0x1f == 0x1f {
		return 0, nil, nil, false
	}
	b = b[2:]
	if n >= 0x80 {
		octets := int(n & 0x7f)
		if octets == 0 || octets > 4 || octets > len(b) {
			return 0, nil, nil, false
		}
		n = 0
		for _, c := range b[:octets] {
			n = n<<8 | uint64(c)
		}
		b = b[octets:]
	}
	if n > uint64(len(b)) {
		return 0, nil, nil, false
	}
	return tag, b[:n], b[n:], true
}

// readTag splits one element off b and checks its tag.
func readTag(b []byte, want byte) (content, rest []byte, ok bool) {
	tag, content, rest, ok := readTLV(b)
	if !ok || tag != want {
		return nil, nil, false
	}
	return content, rest, true
}

// readOnly reads an element that must be all of b.
func readOnly(b []byte, want byte) ([]byte, bool) {
	content, rest, ok := readTag(b, want)
	return content, ok && len(rest) == 0
}

// tlv returns one element with the concatenation of parts as its content.
func tlv(tag byte, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	out := make([]byte, 0, n+6)
	out = append(out, tag)
	switch {
	case n < 0x80:
		out = append(out, byte(n))
	case n < 0x100:
		out = append(out, 0x81, byte(n))
	case n < 0x10000:
		out = append(out, 0x82, byte(n>>8), byte(n))
	default:
		out = append(out, 0x83, byte(n>>16), byte(n>>8), byte(n))
	}
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}
