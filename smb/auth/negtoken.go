package auth

// maxMechs bounds the list of mechanisms that a client may offer.
const maxMechs = 32

// negState is the state field of NegTokenResp (RFC 4178 section 4.2.2).
type negState int

const (
	stateAbsent           negState = -1
	stateAcceptCompleted  negState = 0
	stateAcceptIncomplete negState = 1
	stateReject           negState = 2
	stateRequestMIC       negState = 3
)

// negTokenInit is the first message of a client (RFC 4178 section 4.2.1). Its
// fields alias the token.
type negTokenInit struct {
	mechList  []byte   // the DER of mechTypes, which mechListMIC covers
	mechs     []string // OID contents
	mechToken []byte
	mic       []byte
}

// parseNegTokenInit reads an InitialContextToken (RFC 2743 section 3.1) with a
// NegTokenInit in it. Bytes behind the token are ignored.
func parseNegTokenInit(b []byte) (*negTokenInit, error) {
	body, _, ok := readTag(b, tagApplication0)
	if !ok {
		return nil, malformed("not a GSS token")
	}
	oid, body, ok := readTag(body, tagOID)
	if !ok || string(oid) != oidSPNEGO {
		return nil, malformed("not a SPNEGO token")
	}
	body, ok = readOnly(body, tagContext0)
	if !ok {
		return nil, malformed("not a NegTokenInit")
	}
	t := &negTokenInit{}
	err := eachField(body, func(field int, content []byte) bool {
		switch field {
		case 0:
			return t.parseMechs(content)
		case 2:
			t.mechToken, ok = readOnly(content, tagOctetString)
			return ok
		case 3, 4:
			// Field 3 is the MIC, or in the form of MS-SPNG 2.2.1 the hints, and
			// then field 4 is the MIC.
			if mic, isMIC := readOnly(content, tagOctetString); isMIC {
				t.mic = mic
			}
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	if len(t.mechs) == 0 {
		return nil, malformed("NegTokenInit without mechanisms")
	}
	return t, nil
}

func (t *negTokenInit) parseMechs(content []byte) bool {
	t.mechList = content
	list, ok := readOnly(content, tagSequence)
	if !ok {
		return false
	}
	for len(list) > 0 {
		var oid []byte
		if oid, list, ok = readTag(list, tagOID); !ok || len(t.mechs) == maxMechs {
			return false
		}
		t.mechs = append(t.mechs, string(oid))
	}
	return true
}

// eachField calls f for each context-tagged field of the SEQUENCE in b. Fields
// must be in order and appear once.
func eachField(b []byte, f func(field int, content []byte) bool) error {
	seq, ok := readOnly(b, tagSequence)
	if !ok {
		return malformed("SPNEGO: no sequence")
	}
	last := -1
	for len(seq) > 0 {
		tag, content, rest, ok := readTLV(seq)
		field := int(tag) - tagContext0
		if !ok || field <= last || field > 0x1e {
			return malformed("SPNEGO: fields")
		}
		if !f(field, content) {
			return malformed("SPNEGO: field %d", field)
		}
		last, seq = field, rest
	}
	return nil
}

// append returns the token in its GSS frame. With a hint it has the form of
// MS-SPNG 2.2.1 that servers send.
func (t *negTokenInit) append(hint string) []byte {
	var oids, fields [][]byte
	for _, m := range t.mechs {
		oids = append(oids, tlv(tagOID, []byte(m)))
	}
	t.mechList = tlv(tagSequence, oids...)
	fields = append(fields, tlv(tagContext0, t.mechList))
	if t.mechToken != nil {
		fields = append(fields, tlv(tagContext0+2, tlv(tagOctetString, t.mechToken)))
	}
	if hint != "" {
		name := tlv(tagContext0, tlv(tagGeneralString, []byte(hint)))
		fields = append(fields, tlv(tagContext0+3, tlv(tagSequence, name)))
	}
	if t.mic != nil {
		fields = append(fields, tlv(tagContext0+3, tlv(tagOctetString, t.mic)))
	}
	return tlv(tagApplication0,
		tlv(tagOID, []byte(oidSPNEGO)),
		tlv(tagContext0, tlv(tagSequence, fields...)))
}

// negTokenResp is every later message (RFC 4178 section 4.2.2). Absent fields are
// nil, or stateAbsent. Its fields alias the token.
type negTokenResp struct {
	state negState
	mech  []byte
	token []byte
	mic   []byte
}

// parseNegTokenResp ignores bytes behind the token.
func parseNegTokenResp(b []byte) (*negTokenResp, error) {
	body, _, ok := readTag(b, tagContext1)
	if !ok {
		return nil, malformed("not a NegTokenResp")
	}
	t := &negTokenResp{state: stateAbsent}
	err := eachField(body, func(field int, content []byte) bool {
		ok := true
		switch field {
		case 0:
			var v []byte
			if v, ok = readOnly(content, tagEnumerated); ok && len(v) == 1 && v[0] <= byte(stateRequestMIC) {
				t.state = negState(v[0])
			} else {
				ok = false
			}
		case 1:
			t.mech, ok = readOnly(content, tagOID)
		case 2:
			t.token, ok = readOnly(content, tagOctetString)
		case 3:
			t.mic, ok = readOnly(content, tagOctetString)
		}
		return ok
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (t *negTokenResp) append() []byte {
	var fields [][]byte
	if t.state != stateAbsent {
		fields = append(fields, tlv(tagContext0, tlv(tagEnumerated, []byte{byte(t.state)})))
	}
	if t.mech != nil {
		fields = append(fields, tlv(tagContext1, tlv(tagOID, t.mech)))
	}
	if t.token != nil {
		fields = append(fields, tlv(tagContext0+2, tlv(tagOctetString, t.token)))
	}
	if t.mic != nil {
		fields = append(fields, tlv(tagContext0+3, tlv(tagOctetString, t.mic)))
	}
	return tlv(tagContext1, tlv(tagSequence, fields...))
}
