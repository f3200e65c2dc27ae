package auth

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestInitialToken: the hint has the form of MS-SPNG 2.2.1, byte for byte.
func TestInitialToken(t *testing.T) {
	a := NewNegotiator(newNTLM(t, nil))
	want := unhex(t, "604806062b0601050502a03e303ca00e300c060a2b06010401823702020a"+
		"a32a3028a0261b246e6f745f646566696e65645f696e5f5246433431373840706c656173655f69676e6f7265")
	if d := cmp.Diff(want, a.InitialToken()); d != "" {
		t.Errorf("initial token (-want +got):\n%s", d)
	}
	clear(a.InitialToken())
	if !bytes.Equal(want, a.InitialToken()) {
		t.Error("the caller can change the initial token")
	}
	init, err := parseNegTokenInit(want)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{OIDNTLM}, init.mechs); d != "" || init.mic != nil {
		t.Errorf("mechanisms (-want +got):\n%s", d)
	}
}

// TestOIDs: the constants are the object identifiers that the comments say.
func TestOIDs(t *testing.T) {
	for content, want := range map[string]string{
		OIDNTLM:       "1.3.6.1.4.1.311.2.2.10",
		OIDNegoEx:     "1.3.6.1.4.1.311.2.2.30",
		OIDKerberos:   "1.2.840.113554.1.2.2",
		OIDMSKerberos: "1.2.840.48018.1.2.2",
		oidSPNEGO:     "1.3.6.1.5.5.2",
	} {
		var oid asn1.ObjectIdentifier
		if _, err := asn1.Unmarshal(tlv(tagOID, []byte(content)), &oid); err != nil || oid.String() != want {
			t.Errorf("%x: %v, %v, want %s", content, oid, err, want)
		}
	}
}

func TestDER(t *testing.T) {
	for _, n := range []int{0, 1, 127, 128, 255, 256, 65535, 65536, 70000} {
		body := bytes.Repeat([]byte{7}, n)
		b := tlv(tagOctetString, body)
		got, ok := readOnly(b, tagOctetString)
		if !ok || !bytes.Equal(got, body) {
			t.Errorf("%d bytes do not round trip", n)
		}
		for _, cut := range []int{1, 2, 5} {
			if _, ok := readOnly(b[:max(0, len(b)-cut)], tagOctetString); ok {
				t.Errorf("%d bytes: cut by %d accepted", n, cut)
			}
		}
		if n < 60000 {
			var std []byte
			if rest, err := asn1.Unmarshal(b, &std); err != nil || len(rest) > 0 || !bytes.Equal(std, body) {
				t.Errorf("%d bytes: encoding/asn1 disagrees: %v", n, err)
			}
		}
	}
	for _, bad := range []string{"", "04", "0401", "0480", "0485000000000000", "1f0100", "04ff", "0484ffffffff00", "048101"} {
		if _, _, _, ok := readTLV(unhex(t, bad)); ok {
			t.Errorf("%s accepted", bad)
		}
	}
	if c, _, _, ok := readTLV(unhex(t, "048400000001aa")); !ok || c != 4 {
		t.Error("a length in more bytes than needed is refused")
	}
}

// fakeMech answers "one" to "1" and is done with "2".
type fakeMech struct{ oids []string }

type fakeExchange struct{}

func (m fakeMech) OIDs() []string            { return m.oids }
func (m fakeMech) NewExchange() MechExchange { return fakeExchange{} }

func (fakeExchange) Step(token []byte) ([]byte, *Identity, error) {
	switch string(token) {
	case "1":
		return []byte("one"), nil, nil
	case "2":
		return []byte("two"), &Identity{User: "x", SessionKey: []byte("k")}, nil
	}
	return nil, nil, ErrLogonFailure
}
func (fakeExchange) MIC([]byte) []byte            { return []byte("server") }
func (fakeExchange) VerifyMIC(_, mic []byte) bool { return string(mic) == "client" }

// TestMechanismChoice: the client's order decides; a mechanism may have several
// identifiers, may finish in one leg, and gets the optimistic token only if it is
// the client's first choice.
func TestMechanismChoice(t *testing.T) {
	a := NewNegotiator(fakeMech{[]string{OIDKerberos, OIDMSKerberos}}, newNTLM(t, nil))
	start := func(mechs []string, token, mic string) (*negTokenResp, *Identity, Exchange, error) {
		init := &negTokenInit{mechs: mechs}
		if token != "" {
			init.mechToken = []byte(token)
		}
		if mic != "" {
			init.mic = []byte(mic)
		}
		x := a.NewExchange()
		reply, id, err := step(t, x, init.append(""))
		if err != nil {
			return nil, nil, nil, err
		}
		resp, err := parseNegTokenResp(reply)
		if err != nil {
			t.Fatal(err)
		}
		return resp, id, x, nil
	}
	check := func(name string, got *negTokenResp, want negTokenResp) {
		t.Helper()
		if d := cmp.Diff(want, *got, cmp.AllowUnexported(negTokenResp{})); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}

	resp, id, _, err := start([]string{OIDMSKerberos, OIDKerberos, OIDNTLM}, "2", "")
	if err != nil || id == nil {
		t.Fatalf("one leg: %v, %v", id, err)
	}
	check("one leg", resp, negTokenResp{state: stateAcceptCompleted, mech: []byte(OIDMSKerberos), token: []byte("two")})

	resp, id, _, err = start([]string{OIDKerberos}, "2", "client")
	if err != nil || id == nil {
		t.Fatalf("with MIC: %v, %v", id, err)
	}
	check("with MIC", resp, negTokenResp{
		state: stateAcceptCompleted, mech: []byte(OIDKerberos), token: []byte("two"), mic: []byte("server"),
	})
	if _, _, _, err = start([]string{OIDKerberos}, "2", "wrong"); !errors.Is(err, ErrIntegrity) {
		t.Errorf("wrong MIC: %v", err)
	}

	resp, id, x, err := start([]string{OIDKerberos, OIDNTLM}, "", "")
	if err != nil || id != nil {
		t.Fatalf("no token: %v, %v", id, err)
	}
	check("no token", resp, negTokenResp{state: stateAcceptIncomplete, mech: []byte(OIDKerberos)})
	reply, id, err := step(t, x, (&negTokenResp{state: stateAbsent, token: []byte("1")}).append())
	if err != nil || id != nil {
		t.Fatalf("second leg: %v, %v", id, err)
	}
	if resp, err = parseNegTokenResp(reply); err != nil {
		t.Fatal(err)
	}
	check("second leg", resp, negTokenResp{state: stateAcceptIncomplete, token: []byte("one")})
	if _, _, err = step(t, x, (&negTokenResp{state: stateReject}).append()); !errors.Is(err, ErrLogonFailure) {
		t.Errorf("reject: %v", err)
	}

	resp, id, x, err = start([]string{OIDNegoEx, OIDKerberos}, "2", "")
	if err != nil || id != nil {
		t.Fatalf("second choice: %v, %v", id, err)
	}
	check("second choice", resp, negTokenResp{state: stateRequestMIC, mech: []byte(OIDKerberos)})
	reply, id, err = step(t, x, (&negTokenResp{state: stateAbsent, token: []byte("2")}).append())
	if err != nil || id != nil {
		t.Fatalf("MIC missing: %v, %v", id, err)
	}
	if resp, err = parseNegTokenResp(reply); err != nil {
		t.Fatal(err)
	}
	check("MIC missing", resp, negTokenResp{state: stateAcceptIncomplete, token: []byte("two"), mic: []byte("server")})
	if _, id, err := step(t, x, (&negTokenResp{state: stateAbsent}).append()); id != nil || !errors.Is(err, ErrIntegrity) {
		t.Errorf("MIC refused: %v, %v", id, err)
	}
}

// TestFlippedSPNEGO: no change to the list of mechanisms or to the MIC passes
// unseen when the client sends a MIC.
func TestFlippedSPNEGO(t *testing.T) {
	a := NewNegotiator(newNTLM(t, nil))
	mechs := []string{OIDNTLM, OIDKerberos, OIDNegoEx}
	sample, err := (&NTLMInitiator{User: "alice", Password: "sesame", mechs: mechs}).Step(nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range sample {
		c := &NTLMInitiator{User: "alice", Password: "sesame", mechs: mechs}
		x := a.NewExchange()
		token, err := c.Step(nil)
		if err != nil {
			t.Fatal(err)
		}
		token[i] ^= 1
		token, _, err = step(t, x, token)
		if err != nil {
			continue
		}
		if token, err = c.Step(token); err != nil {
			continue
		}
		if _, id, _ := step(t, x, token); id != nil {
			t.Errorf("byte %d of NegTokenInit changed unseen", i)
		}
	}

	// Of the last token, the wrapping may change, but neither MIC nor NTLM.
	last := func() (Exchange, []byte) {
		c := &NTLMInitiator{User: "alice", Password: "sesame", mechs: mechs}
		x := a.NewExchange()
		token, err := c.Step(nil)
		if err != nil {
			t.Fatal(err)
		}
		if token, _, err = step(t, x, token); err != nil {
			t.Fatal(err)
		}
		if token, err = c.Step(token); err != nil {
			t.Fatal(err)
		}
		return x, token
	}
	_, sample = last()
	for i := range sample {
		x, token := last()
		token[i] ^= 1
		if _, id, _ := step(t, x, token); id != nil {
			t.Errorf("byte %d of the last token changed unseen", i)
		}
		x, token = last()
		if _, id, _ := step(t, x, token[:i]); id != nil {
			t.Errorf("last token cut to %d bytes", i)
		}
	}
}

func TestBadSPNEGO(t *testing.T) {
	a := NewNegotiator(newNTLM(t, nil))
	init := func(fields ...[]byte) []byte {
		return tlv(tagApplication0, tlv(tagOID, []byte(oidSPNEGO)), tlv(tagContext0, tlv(tagSequence, fields...)))
	}
	mechs := tlv(tagContext0, tlv(tagSequence, tlv(tagOID, []byte(OIDNTLM))))
	var many [][]byte
	for range maxMechs + 1 {
		many = append(many, tlv(tagOID, []byte(OIDNegoEx)))
	}
	for name, token := range map[string][]byte{
		"empty":           {},
		"other oid":       tlv(tagApplication0, tlv(tagOID, []byte(OIDKerberos)), tlv(tagContext0, tlv(tagSequence, mechs))),
		"no fields":       init(),
		"empty list":      init(tlv(tagContext0, tlv(tagSequence))),
		"long list":       init(tlv(tagContext0, tlv(tagSequence, many...))),
		"field twice":     init(mechs, mechs),
		"order":           init(tlv(tagContext0+2, tlv(tagOctetString)), mechs),
		"other tag":       init(mechs, tlv(tagSequence)),
		"token type":      init(mechs, tlv(tagContext0+2, tlv(tagSequence))),
		"response":        (&negTokenResp{state: stateAcceptIncomplete}).append(),
		"too long":        make([]byte, MaxToken+1),
		"bare, short":     []byte(ntlmSignature),
		"bare, challenge": append([]byte(ntlmSignature), bytes.Repeat([]byte{2, 0, 0, 0}, 20)...),
	} {
		if _, id, err := step(t, a.NewExchange(), token); id != nil || !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	none := NewNegotiator(fakeMech{[]string{OIDKerberos}})
	if _, _, err := step(t, none.NewExchange(), appendNegotiate(1)); !errors.Is(err, ErrNoMechanism) {
		t.Errorf("bare NTLM without the mechanism: %v", err)
	}
}
