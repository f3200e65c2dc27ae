package wire

import "testing"

// As smbclient opens a conversation when SMB1 is not disabled in it.
const smb1Negotiate = `
	ff534d42 72 00000000 18 53c8 0000 0000000000000000 0000 0000 0000 0000 0000
	00 2200
	02 4e54204c4d20302e313200
	02 534d4220322e30303200
	02 534d4220322e3f3f3f00`

func TestSMB1Negotiate(t *testing.T) {
	m := SMB1NegotiateRequest{Dialects: []string{"NT LM 0.12", SMB1Dialect2002, SMB1DialectWildcard}}
	testGoldenData(t, &m, smb1Negotiate)
	testPrefixes(t, unhex(t, smb1Negotiate), new(SMB1NegotiateRequest).Decode)
	if !m.Has(SMB1Dialect2002) || m.Has("LANMAN1.0") {
		t.Error("Has is wrong")
	}
}

func TestSMB1NegotiateRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		at   int
		hex  string
	}{
		{"SMB2", 0, "fe"},
		{"another command", 4, "73"},
		{"parameter words", 32, "01"},
		{"byte count beyond the end", 33, "2300"},
		{"no NUL at the end", 33 + 2 + 33, "01"},
		{"another buffer format", 35, "03"},
	} {
		raw := unhex(t, smb1Negotiate)
		copy(raw[c.at:], unhex(t, c.hex))
		if new(SMB1NegotiateRequest).Decode(raw) == nil {
			t.Errorf("%s: accepted", c.name)
		}
	}
	var many SMB1NegotiateRequest
	for range smb1MaxDialects + 1 {
		many.Dialects = append(many.Dialects, "")
	}
	if err := new(SMB1NegotiateRequest).Decode(many.Append(nil)); err != ErrMalformed {
		t.Errorf("%d dialects give %v", len(many.Dialects), err)
	}
}

func FuzzSMB1NegotiateRequest(f *testing.F) { fuzzDecodeData[SMB1NegotiateRequest](f, smb1Negotiate) }
