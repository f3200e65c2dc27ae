package auth

import (
	"bytes"
	"context"
	"crypto/rc4"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/Azure/go-ntlmssp"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/oiweiwei/go-msrpc/ssp/credential"
	"github.com/oiweiwei/go-msrpc/ssp/ntlm"

	"lessor/smb/secdesc"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatalf("bad hex: %v", err)
	}
	return b
}

// TestNTLMv2Vectors: MS-NLMP 4.2.4, user "User", domain "Domain", password
// "Password".
func TestNTLMv2Vectors(t *testing.T) {
	check := func(name string, got []byte, want string) {
		t.Helper()
		if h := hex.EncodeToString(got); h != want {
			t.Errorf("%s = %s, want %s", name, h, want)
		}
	}
	hash := NTHash("Password")
	check("NTOWFv1", hash[:], "a4f49c406510bdcab6824ee7c30fd852")
	key := ntowfv2(hash, encodeUTF16("User"), encodeUTF16("Domain"))
	check("NTOWFv2", key[:], "0c868a403bfd7a93a3001ef22ef02e3f")

	blob := make([]byte, clientBlobSize)
	blob[0], blob[1] = 1, 1
	copy(blob[16:], bytes.Repeat([]byte{0xaa}, 8))
	blob = appendAV(blob, avNbDomain, encodeUTF16("Domain"))
	blob = appendAV(blob, avNbComputer, encodeUTF16("Server"))
	blob = appendAV(blob, avEOL, nil)
	blob = append(blob, 0, 0, 0, 0)
	proof := ntProof(key, [8]byte(unhex(t, "0123456789abcdef")), blob)
	check("NTProofStr", proof[:], "68cd0ab851e51c96aabc927bebef6a1c")
	base := hmacMD5(key[:], proof[:])
	check("SessionBaseKey", base[:], "8de40ccadbc14a82f15cb0ad0de95ca3")
	exported := [16]byte(bytes.Repeat([]byte{0x55}, 16))
	check("EncryptedRandomSessionKey", rc4K(base, exported[:]), "c5dad2544fc9799094ce1ce90bc9d03e")

	// 4.2.4.4: the message is sealed first, with the same RC4 state.
	sign, seal := signKey(exported, fromClient), sealKey(exported, flag128|flag56, fromClient)
	check("SIGNKEY", sign[:], "4788dc861b4782f35d43fd98fe1a2d39")
	check("SEALKEY", seal[:], "59f600973cc4960a25480a7c196e4c58")
	c, err := rc4.NewCipher(seal[:])
	if err != nil {
		t.Fatal(err)
	}
	text := encodeUTF16("Plaintext")
	sum := hmacMD5(sign[:], make([]byte, 4), text)
	c.XORKeyStream(text, text)
	check("sealed message", text, "54e50165bf1936dc996020c1811b0f06fb5f")
	c.XORKeyStream(sum[:8], sum[:8])
	check("checksum", sum[:8], "7fb38ec5c55d4976")
}

// The tokens of a Windows client and a Windows server, from Microsoft's "SMB 2
// and SMB 3 security in Windows 10", with the session key given there.
const (
	winInit = "604806062B0601050502A03E303CA00E300C060A2B06010401823702020AA22A" +
		"04284E544C4D5353500001000000978208E200000000000000000000000000000000060380250000000F"
	winChallenge = "A181B03081ADA0030A0101A10C060A2B06010401823702020AA281970481944E544C4D53535000020000000C000C0038" +
		"00000015828AE20D1D8BA31179D008000000000000000050005000440000000A0092270000000F53" +
		"005500540033003100310002000C0053005500540033003100310001000C00530055005400330031" +
		"00310004000C0053005500540033003100310003000C0053005500540033003100310007000800A1" +
		"A1F5ADCBAED00100000000"
	winAuth = "A18201CB308201C7A0030A0101A28201AA048201A64E544C4D53535000030000" +
		"001800180090000000EE00EE00A80000000C000C00580000001A001A0064000000120012007E0000" +
		"001000100096010000158288E2060380250000000FECAC77A5F385A8BF9C38C706EEEDDCD3530055" +
		"005400330031003100610064006D0069006E006900730074007200610074006F0072004400520049" +
		"0056004500520033003100310000000000000000000000000000000000000000000000000063078E" +
		"B639FE03E20A231C3AE3BF23080101000000000000A1A1F5ADCBAED001BC4AD05F223CC90F000000" +
		"0002000C0053005500540033003100310001000C0053005500540033003100310004000C00530055" +
		"00540033003100310003000C0053005500540033003100310007000800A1A1F5ADCBAED001060004" +
		"00020000000800300030000000000000000000000000300000B61FEFCAA857EA57BF1EDCEBF8974B" +
		"8E0EBA5A6DFD9D07A31D11B548F8C9D0CC0A00100000000000000000000000000000000000090016" +
		"0063006900660073002F005300550054003300310031000000000000000000000000003B9BDFF38F" +
		"5EE8F9663F11A0F4C03A78A31204100100000063775A9A5FD97F0600000000"
	winFinal      = "A11B3019A0030A0100A3120410010000003B453CDC3524164200000000"
	winSessionKey = "270E1BA896585EEB7AF3472D3B4C75A7"
)

// TestWindowsTranscript: with the session key given, the MIC of the client and
// the mechListMIC of both sides are what Windows computed.
func TestWindowsTranscript(t *testing.T) {
	init, err := parseNegTokenInit(unhex(t, winInit))
	if err != nil {
		t.Fatal(err)
	}
	challenge, err := parseNegTokenResp(unhex(t, winChallenge))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := parseNegTokenResp(unhex(t, winAuth))
	if err != nil {
		t.Fatal(err)
	}
	m, err := parseAuthenticate(resp.token)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{decodeUTF16(m.user), decodeUTF16(m.domain), decodeUTF16(m.workstation)}
	if d := cmp.Diff([]string{"administrator", "SUT311", "DRIVER311"}, got); d != "" {
		t.Errorf("names (-want +got):\n%s", d)
	}
	x := &ntlmExchange{
		negotiate: init.mechToken, challenge: challenge.token,
		exported: [16]byte(unhex(t, winSessionKey)), flags: m.flags, keyed: true,
	}
	if err := x.checkMIC(m, resp.token); err != nil {
		t.Errorf("MIC: %v", err)
	}
	if !x.VerifyMIC(init.mechList, resp.mic) {
		t.Error("mechListMIC of the client refused")
	}
	final := &negTokenResp{state: stateAcceptCompleted, mic: x.MIC(init.mechList)}
	if d := cmp.Diff(unhex(t, winFinal), final.append()); d != "" {
		t.Errorf("final token (-want +got):\n%s", d)
	}
	if d := cmp.Diff(unhex(t, winChallenge), (&negTokenResp{
		state: stateAcceptIncomplete, mech: []byte(OIDNTLM), token: challenge.token,
	}).append()); d != "" {
		t.Errorf("challenge token (-want +got):\n%s", d)
	}
	if d := cmp.Diff(unhex(t, winInit), (&negTokenInit{
		mechs: []string{OIDNTLM}, mechToken: init.mechToken,
	}).append("")); d != "" {
		t.Errorf("initial token (-want +got):\n%s", d)
	}
}

// testConfig is a server with the users alice ("sesame"), "Ünal" ("pässword")
// and the disabled bob ("hunter2").
func testConfig(t testing.TB) NTLMConfig {
	t.Helper()
	users, err := NewUsers(
		User{Name: "alice", NTHash: NTHash("sesame"), UID: 1000, HasUID: true},
		User{Name: "Ünal", NTHash: NTHash("pässword")},
		User{Name: "bob", NTHash: NTHash("hunter2"), Disabled: true},
	)
	if err != nil {
		t.Fatal(err)
	}
	return NTLMConfig{Computer: "LESSOR", Domain: "WORKGROUP", DNSDomain: "example.org", Accounts: users}
}

func newNTLM(t testing.TB, change func(*NTLMConfig)) *NTLM {
	t.Helper()
	cfg := testConfig(t)
	if change != nil {
		change(&cfg)
	}
	n, err := NewNTLM(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// step feeds a copy of the token and checks that it was left alone.
func step(t testing.TB, x Exchange, token []byte) ([]byte, *Identity, error) {
	t.Helper()
	in := bytes.Clone(token)
	reply, id, err := x.Step(in)
	if !bytes.Equal(in, token) {
		t.Fatal("Step wrote to the token")
	}
	if id != nil && err != nil {
		t.Fatalf("identity and error %v", err)
	}
	clear(in) // a token that was kept would now be wrong
	return reply, id, err
}

// converse runs an exchange to its end.
func converse(t testing.TB, c *NTLMInitiator, x Exchange) (*Identity, int, error) {
	t.Helper()
	var token []byte
	for legs := 1; ; legs++ {
		out, err := c.Step(token)
		if err != nil {
			t.Fatalf("initiator, leg %d: %v", legs, err)
		}
		var id *Identity
		token, id, err = step(t, x, out)
		if err != nil {
			return nil, legs, err
		}
		if id != nil {
			if out, err := c.Step(token); err != nil || out != nil {
				t.Fatalf("initiator at the end: %x, %v", out, err)
			}
			return id, legs, nil
		}
		if legs > 5 {
			t.Fatal("no end")
		}
	}
}

func TestExchange(t *testing.T) {
	kerberosFirst := []string{OIDMSKerberos, OIDKerberos, OIDNegoEx, OIDNTLM}
	for _, c := range []struct {
		name   string
		client NTLMInitiator
		legs   int
		want   *Identity
	}{
		{"SPNEGO", NTLMInitiator{User: "alice", Domain: "WORKGROUP", Password: "sesame", Workstation: "PC"}, 2,
			&Identity{User: "alice", UID: 1000, HasUID: true, RID: 1000, Domain: "WORKGROUP", Workstation: "PC", Mech: "ntlm"}},
		{"bare", NTLMInitiator{User: "alice", Password: "sesame", Bare: true}, 2,
			&Identity{User: "alice", UID: 1000, HasUID: true, RID: 1000, Mech: "ntlm"}},
		{"no MIC", NTLMInitiator{User: "alice", Password: "sesame", noMIC: true}, 2,
			&Identity{User: "alice", UID: 1000, HasUID: true, RID: 1000, Mech: "ntlm"}},
		{"bare, no MIC", NTLMInitiator{User: "alice", Password: "sesame", Bare: true, noMIC: true}, 2,
			&Identity{User: "alice", UID: 1000, HasUID: true, RID: 1000, Mech: "ntlm"}},
		{"case of the name", NTLMInitiator{User: "ALICE", Domain: "elsewhere", Password: "sesame", TargetName: "cifs/x"}, 2,
			&Identity{User: "alice", UID: 1000, HasUID: true, RID: 1000, Domain: "elsewhere", Mech: "ntlm"}},
		{"umlauts", NTLMInitiator{User: "üNAL", Domain: "Köln", Password: "pässword"}, 2,
			&Identity{User: "Ünal", RID: 1001, Domain: "Köln", Mech: "ntlm"}},
		{"Kerberos first", NTLMInitiator{User: "alice", Password: "sesame", mechs: kerberosFirst}, 3,
			&Identity{User: "alice", UID: 1000, HasUID: true, RID: 1000, Mech: "ntlm"}},
		{"Kerberos first, MIC on request", NTLMInitiator{User: "alice", Password: "sesame", mechs: kerberosFirst, noMIC: true}, 4,
			&Identity{User: "alice", UID: 1000, HasUID: true, RID: 1000, Mech: "ntlm"}},
		{"NTLM first of several", NTLMInitiator{User: "alice", Password: "sesame", mechs: []string{OIDNTLM, OIDKerberos}}, 2,
			&Identity{User: "alice", UID: 1000, HasUID: true, RID: 1000, Mech: "ntlm"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := NewNegotiator(newNTLM(t, nil))
			x := a.NewExchange()
			id, legs, err := converse(t, &c.client, x)
			if err != nil {
				t.Fatal(err)
			}
			if legs != c.legs {
				t.Errorf("%d legs, want %d", legs, c.legs)
			}
			c.want.SessionKey = c.client.SessionKey()
			if d := cmp.Diff(c.want, id, cmpopts.EquateComparable(secdesc.SID{})); d != "" {
				t.Errorf("identity (-want +got):\n%s", d)
			}
			if bytes.Equal(id.SessionKey, make([]byte, 16)) {
				t.Error("session key is zero")
			}
			if _, _, err := x.Step(nil); !errors.Is(err, ErrMalformed) {
				t.Errorf("after the end: %v", err)
			}
			if _, _, err := a.NewExchange().Step(nil); !errors.Is(err, ErrMalformed) {
				t.Errorf("empty first token: %v", err)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		client NTLMInitiator
		want   error
	}{
		{"wrong password", NTLMInitiator{User: "alice", Password: "Sesame"}, ErrLogonFailure},
		{"empty password", NTLMInitiator{User: "alice"}, ErrLogonFailure},
		{"unknown user", NTLMInitiator{User: "mallory", Password: "sesame"}, ErrLogonFailure},
		{"disabled", NTLMInitiator{User: "bob", Password: "hunter2"}, ErrAccountDisabled},
		{"disabled, wrong password", NTLMInitiator{User: "bob", Password: "x"}, ErrLogonFailure},
		{"anonymous", NTLMInitiator{}, ErrAnonymous},
		{"no common mechanism", NTLMInitiator{User: "alice", mechs: []string{OIDKerberos}}, ErrNoMechanism},
	} {
		for _, bare := range []bool{false, true} {
			if bare && c.client.mechs != nil {
				continue
			}
			client := c.client
			client.Bare = bare
			id, _, err := converse(t, &client, NewNegotiator(newNTLM(t, nil)).NewExchange())
			if id != nil || !errors.Is(err, c.want) {
				t.Errorf("%s (bare %v): %v, %v, want %v", c.name, bare, id, err, c.want)
			}
		}
	}
}

func TestAnonymousAndGuest(t *testing.T) {
	a := NewNegotiator(newNTLM(t, func(c *NTLMConfig) {
		c.AllowAnonymous = true
		c.Guest = func(user, _ string) (string, bool) { return "ALICE", user == "visitor" }
	}))
	for _, mechs := range [][]string{nil, {OIDKerberos, OIDNTLM}} {
		c := &NTLMInitiator{mechs: mechs}
		id, _, err := converse(t, c, a.NewExchange())
		if err != nil || !id.Anonymous || id.User != "" || id.HasUID {
			t.Errorf("anonymous: %+v, %v", id, err)
		} else if !bytes.Equal(id.SessionKey, c.SessionKey()) {
			t.Error("anonymous: session keys differ")
		}
		id, _, err = converse(t, &NTLMInitiator{User: "visitor", Password: "any", mechs: mechs}, a.NewExchange())
		want := &Identity{User: "alice", UID: 1000, HasUID: true, Guest: true, Mech: "ntlm"}
		if d := cmp.Diff(want, id, cmpopts.EquateComparable(secdesc.SID{})); d != "" || err != nil {
			t.Errorf("guest: %v (-want +got):\n%s", err, d)
		}
	}
	for _, user := range []string{"alice", "stranger"} { // a wrong password makes no guest
		if _, _, err := converse(t, &NTLMInitiator{User: user, Password: "any"}, a.NewExchange()); !errors.Is(err, ErrLogonFailure) {
			t.Errorf("%s: %v", user, err)
		}
	}
}

// TestAzureInitiator: messages without version, MIC and key exchange.
func TestAzureInitiator(t *testing.T) {
	for password, want := range map[string]error{"sesame": nil, "wrong": ErrLogonFailure} {
		x := NewNegotiator(newNTLM(t, nil)).NewExchange()
		negotiate, err := ntlmssp.NewNegotiateMessage("", "")
		if err != nil {
			t.Fatal(err)
		}
		challenge, _, err := step(t, x, negotiate)
		if err != nil {
			t.Fatal(err)
		}
		auth, err := ntlmssp.NewAuthenticateMessage(challenge, `EXAMPLE\Alice`, password, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, id, err := step(t, x, auth)
		if !errors.Is(err, want) {
			t.Errorf("password %q: %v, want %v", password, err, want)
		}
		if want == nil && (id == nil || id.User != "alice" || len(id.SessionKey) != 16) {
			t.Errorf("identity %v", id)
		}
	}
}

// TestMSRPCInitiator: a second independent client, with MIC and key exchange.
func TestMSRPCInitiator(t *testing.T) {
	ctx := context.Background()
	cfg := ntlm.NewConfig()
	cfg.Integrity, cfg.Confidentiality = true, true
	cfg.Credential = credential.NewFromPassword(`EXAMPLE\alice`, "sesame", credential.Workstation("PC"))
	client := &ntlm.Authentifier{Config: cfg}

	x := NewNegotiator(newNTLM(t, nil)).NewExchange()
	negotiate, err := client.Negotiate(ctx)
	if err != nil {
		t.Fatal(err)
	}
	challenge, _, err := step(t, x, negotiate)
	if err != nil {
		t.Fatal(err)
	}
	auth, err := client.Authenticate(ctx, challenge)
	if err != nil {
		t.Fatal(err)
	}
	_, id, err := step(t, x, auth)
	if err != nil {
		t.Fatal(err)
	}
	if id.User != "alice" || id.Domain != "EXAMPLE" {
		t.Errorf("identity %v of %s", id, id.Domain)
	}
	if d := cmp.Diff(client.SessionKey(), id.SessionKey); d != "" {
		t.Errorf("session key (-client +server):\n%s", d)
	}
}

// handMade returns an exchange that awaits AUTHENTICATE, and a valid one for it.
func handMade(t testing.TB, n *NTLM, c *NTLMInitiator) (Exchange, []byte) {
	t.Helper()
	c.Bare = true
	x := n.NewExchange()
	token, err := c.Step(nil)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err = step(t, x, token)
	if err != nil {
		t.Fatal(err)
	}
	token, err = c.Step(token)
	if err != nil {
		t.Fatal(err)
	}
	return x, token
}

// TestFlippedAuthenticate: with a MIC, no change of any byte passes; without, no
// change passes under another name or key.
func TestFlippedAuthenticate(t *testing.T) {
	n := newNTLM(t, nil)
	_, sample := handMade(t, n, &NTLMInitiator{User: "alice", Domain: "D", Password: "sesame"})
	for i := range sample {
		for _, bit := range []byte{0x01, 0x80, 0xff} {
			x, token := handMade(t, n, &NTLMInitiator{User: "alice", Domain: "D", Password: "sesame"})
			token[i] ^= bit
			if _, id, err := step(t, x, token); id != nil || err == nil {
				t.Fatalf("byte %d changed by %#x: %v authenticated", i, bit, id)
			}
			c := &NTLMInitiator{User: "alice", Domain: "D", Password: "sesame", noMIC: true}
			if x, token = handMade(t, n, c); i < len(token) {
				token[i] ^= bit
				if _, id, err := step(t, x, token); err == nil && id.User != "alice" {
					t.Fatalf("byte %d changed by %#x: %v authenticated", i, bit, id)
				}
			}
		}
	}
}

// TestExtremeFields: every length and offset of AUTHENTICATE at its extremes, and
// every truncation. Only the fields of the workstation and the LM response, which
// nothing depends on without a MIC, may change and still pass.
func TestExtremeFields(t *testing.T) {
	n := newNTLM(t, nil)
	c := NTLMInitiator{User: "alice", Domain: "D", Password: "sesame", Workstation: "PC"}
	_, sample := handMade(t, n, &c)
	extremes := []uint32{0, 1, 15, 16, 23, 24, 25, 43, 44, 47, 48, 63, 64, 87, 88, uint32(len(sample)) - 1,
		uint32(len(sample)), uint32(len(sample)) + 1, 0x7fff, 0x8000, 0xfffe, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff - 43, 0xffffffff}
	for field := range 6 {
		for _, length := range extremes {
			for _, offset := range extremes {
				for _, noMIC := range []bool{false, true} {
					c := NTLMInitiator{User: "alice", Domain: "D", Password: "sesame", Workstation: "PC", noMIC: noMIC}
					x, token := handMade(t, n, &c)
					before := bytes.Clone(token)
					at := token[12+8*field:]
					binary.LittleEndian.PutUint16(at, uint16(length))
					binary.LittleEndian.PutUint32(at[4:], offset)
					_, id, err := step(t, x, token)
					harmless := noMIC && (field == 0 || field == 4) || bytes.Equal(before, token)
					if err == nil && !harmless && !bytes.Equal(id.SessionKey, c.SessionKey()) && field != 5 {
						t.Fatalf("field %d, length %d, offset %d: authenticated", field, length, offset)
					}
					if err == nil && !noMIC && !harmless {
						t.Fatalf("field %d, length %d, offset %d: MIC did not notice", field, length, offset)
					}
				}
			}
		}
	}
	for cut := range sample {
		c := NTLMInitiator{User: "alice", Domain: "D", Password: "sesame", Workstation: "PC"}
		x, token := handMade(t, n, &c)
		if _, id, err := step(t, x, token[:cut]); err == nil {
			t.Fatalf("cut to %d: %v", cut, id)
		}
	}
}

// TestOldResponses: NTLMv1, LM and their relatives are refused as such.
func TestOldResponses(t *testing.T) {
	n := newNTLM(t, nil)
	for _, c := range []struct {
		lm, nt int
		want   error
	}{
		{24, 24, ErrNTLMv1}, {24, 0, ErrNTLMv1}, {0, 24, ErrNTLMv1}, {0, 1, ErrNTLMv1}, {0, 16, ErrNTLMv1},
		{0, 25, ErrMalformed}, {24, 43, ErrMalformed}, {24, 44, ErrLogonFailure}, {24, 48, ErrLogonFailure},
	} {
		x, _ := handMade(t, n, &NTLMInitiator{User: "alice", Password: "sesame"})
		m := &authenticateMsg{
			flags: flagUnicode, user: encodeUTF16("alice"),
			lm: make([]byte, c.lm), nt: make([]byte, c.nt),
		}
		if _, id, err := step(t, x, m.append()); id != nil || !errors.Is(err, c.want) {
			t.Errorf("LM %d, NT %d: %v, want %v", c.lm, c.nt, err, c.want)
		}
	}
	// A response whose AV pairs overrun it is malformed before it is wrong.
	for pair, want := range map[string]error{
		"\x02\x00\x02\x00ab\x00\x00\x00\x00": ErrLogonFailure, "\x02\x00\x02\x00ab": ErrLogonFailure,
		"\xf4\x18\xba\xdcab": ErrMalformed, "\x02\x00\x03\x00ab": ErrMalformed, "\x00\x00\xff\xff": ErrLogonFailure,
	} {
		x, _ := handMade(t, n, &NTLMInitiator{User: "alice", Password: "sesame"})
		m := &authenticateMsg{flags: flagUnicode, user: encodeUTF16("alice"), nt: append(make([]byte, proofSize+clientBlobSize), pair...)}
		if _, id, err := step(t, x, m.append()); id != nil || !errors.Is(err, want) {
			t.Errorf("AV pairs %q: %v, want %v", pair, err, want)
		}
	}
	// One response per challenge.
	x, token := handMade(t, n, &NTLMInitiator{User: "alice", Password: "wrong"})
	if _, _, err := step(t, x, token); !errors.Is(err, ErrLogonFailure) {
		t.Fatal(err)
	}
	if _, _, err := step(t, x, token); !errors.Is(err, ErrMalformed) {
		t.Errorf("second response: %v", err)
	}
}

// TestOEM: a client without Unicode gets ASCII names and may use them.
func TestOEM(t *testing.T) {
	n := newNTLM(t, nil)
	x := n.NewExchange()
	token, _, err := step(t, x, appendNegotiate(flagOEM|flagNTLM|flagTargetInfo))
	if err != nil {
		t.Fatal(err)
	}
	ch, err := parseChallenge(token)
	if err != nil {
		t.Fatal(err)
	}
	if string(ch.targetName) != "LESSOR" || ch.flags&(flagUnicode|flagOEM) != flagOEM {
		t.Errorf("target %q, flags %#x", ch.targetName, ch.flags)
	}
	m := &authenticateMsg{user: encodeUTF16("alice")}
	c := &NTLMInitiator{Password: "sesame", Rand: strings.NewReader(strings.Repeat("r", 100)), noMIC: true}
	if _, err := c.respond(m, ch); err != nil {
		t.Fatal(err)
	}
	m.user = []byte("alice")
	m.flags = flagOEM | flagNTLM
	if _, id, err := step(t, x, m.append()); err != nil || id.User != "alice" {
		t.Errorf("%v, %v", id, err)
	}
	m.user = []byte("\xe4lice")
	if _, err := parseAuthenticate(m.append()); !errors.Is(err, ErrMalformed) {
		t.Errorf("OEM name outside ASCII: %v", err)
	}
}

func TestChallenge(t *testing.T) {
	n := newNTLM(t, func(c *NTLMConfig) { c.Rand = strings.NewReader(strings.Repeat("0123456789abcdef", 4)) })
	// What mount.cifs asks for.
	token, _, err := step(t, n.NewExchange(), appendNegotiate(0xe2088297))
	if err != nil {
		t.Fatal(err)
	}
	ch, err := parseChallenge(token)
	if err != nil {
		t.Fatal(err)
	}
	if ch.flags != 0xe28a8215 {
		t.Errorf("flags %#x", ch.flags)
	}
	if string(ch.challenge[:]) != "01234567" {
		t.Errorf("challenge %q", ch.challenge)
	}
	got := map[uint16]string{}
	if !avPairs(ch.targetInfo, func(id uint16, v []byte) {
		if id != avTimestamp {
			got[id] = decodeUTF16(v)
		} else if len(v) != 8 {
			t.Errorf("time stamp of %d bytes", len(v))
		}
	}) {
		t.Error("target info has no end")
	}
	want := map[uint16]string{
		avNbDomain: "WORKGROUP", avNbComputer: "LESSOR", avDNSDomain: "example.org", avDNSComputer: "lessor",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("target info (-want +got):\n%s", d)
	}
}

func TestNewNTLMErrors(t *testing.T) {
	for name, change := range map[string]func(*NTLMConfig){
		"no name":     func(c *NTLMConfig) { c.Computer = "" },
		"no accounts": func(c *NTLMConfig) { c.Accounts = nil },
		"long name":   func(c *NTLMConfig) { c.DNSDomain = strings.Repeat("x", 256) },
		"no random":   func(c *NTLMConfig) { c.Rand = strings.NewReader("") },
	} {
		cfg := testConfig(t)
		change(&cfg)
		if _, err := NewNTLM(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	n := newNTLM(t, func(c *NTLMConfig) { c.Rand = strings.NewReader("0123456789abcdef") })
	if _, _, err := n.NewExchange().Step(appendNegotiate(1)); err == nil {
		t.Error("challenge without randomness")
	}
}
