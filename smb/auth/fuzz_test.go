package auth

import (
	"os"
	"testing"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/oiweiwei/gokrb5.fork/v9/asn1tools"
	"github.com/oiweiwei/gokrb5.fork/v9/crypto"
	"github.com/oiweiwei/gokrb5.fork/v9/iana/asnAppTag"
	"github.com/oiweiwei/gokrb5.fork/v9/iana/keyusage"
	"github.com/oiweiwei/gokrb5.fork/v9/messages"
	"github.com/oiweiwei/gokrb5.fork/v9/test/testdata"
	"github.com/oiweiwei/gokrb5.fork/v9/types"
)

func FuzzNegotiate(f *testing.F) {
	f.Add(appendNegotiate(0xe2088297))
	f.Add([]byte(ntlmSignature))
	n := newNTLM(f, nil)
	f.Fuzz(func(t *testing.T, token []byte) {
		if _, id, _ := step(t, n.NewExchange(), token); id != nil {
			t.Fatal("authenticated")
		}
	})
}

func FuzzChallenge(f *testing.F) {
	challenge, _, err := newNTLM(f, nil).NewExchange().Step(appendNegotiate(0xe2088297))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(challenge)
	f.Fuzz(func(_ *testing.T, token []byte) {
		c := &NTLMInitiator{User: "alice", Password: "sesame", Bare: true}
		_, _ = c.Step(nil)
		_, _ = c.Step(token)
	})
}

func FuzzAuthenticate(f *testing.F) {
	n := newNTLM(f, nil)
	for _, user := range []string{"alice", ""} {
		_, sample := handMade(f, n, &NTLMInitiator{User: user, Password: "sesame"})
		f.Add(sample)
	}
	f.Fuzz(func(t *testing.T, token []byte) {
		x := n.NewExchange()
		if _, _, err := step(t, x, appendNegotiate(0xe2088297)); err != nil {
			t.Fatal(err)
		}
		if _, id, _ := step(t, x, token); id != nil {
			t.Fatal("authenticated against a fresh challenge")
		}
	})
}

func FuzzSPNEGO(f *testing.F) {
	f.Add(unhex(f, winInit), unhex(f, winAuth), []byte{})
	f.Add(unhex(f, winChallenge), unhex(f, winFinal), unhex(f, winInit))
	f.Add((&negTokenInit{mechs: []string{OIDKerberos, OIDNTLM}, mechToken: []byte("x")}).append(""), unhex(f, winChallenge), unhex(f, winFinal))
	a := NewNegotiator(newNTLM(f, nil))
	f.Fuzz(func(t *testing.T, one, two, three []byte) {
		x := a.NewExchange()
		for _, token := range [][]byte{one, two, three} {
			if _, id, _ := step(t, x, token); id != nil {
				t.Fatal("authenticated")
			}
		}
		c := &NTLMInitiator{User: "alice", Password: "sesame"}
		_, _ = c.Step(nil)
		for _, token := range [][]byte{one, two, three} {
			_, _ = c.Step(token)
		}
	})
}

// FuzzKerberos: no token of a stranger gets in, and none but the client's own lets
// anybody in.
func FuzzKerberos(f *testing.F) {
	k := newKDC(f)
	sample, err := k.initiator(f, aes256, aes256, nil).apReq()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sample)
	f.Add(frame(tokAPReq, nil))
	m := newKDC(f).service(f, func(c *KerberosConfig) { c.AllowRC4 = true }) // with other keys
	a := NewNegotiator(m)
	f.Fuzz(func(t *testing.T, token []byte) {
		if _, id, _ := step(t, m.NewExchange(), token); id != nil {
			t.Fatal("authenticated")
		}
		// Without the net below it.
		x := &kerberosExchange{k: m}
		if _, id, _ := x.accept(token); id != nil {
			t.Fatal("authenticated")
		}
		wrapped := (&negTokenInit{mechs: []string{OIDKerberos}, mechToken: token}).append("")
		if _, id, _ := step(t, a.NewExchange(), wrapped); id != nil {
			t.Fatal("authenticated")
		}
	})
}

// FuzzTicket: nor does anything happen with what a KDC would have to go mad for:
// what is inside of tickets and authenticators.
func FuzzTicket(f *testing.F) {
	k := newKDC(f)
	m := k.service(f, nil)
	session, err := newKey(aes128)
	if err != nil {
		f.Fatal(err)
	}
	part := k.part(f, aes128)
	part.Key = session
	withPAC(f, part, signPAC(f, k.keys[aes256], clientInfo("alice", part.AuthTime)))
	ticket, err := asn1.Marshal(*part)
	if err != nil {
		f.Fatal(err)
	}
	client := &KerberosInitiator{Client: "alice", Realm: k.realm, Ticket: k.seal(f, aes256, part), Key: session}
	if _, err := client.apReq(); err != nil {
		f.Fatal(err)
	}
	authenticator, err := client.req.Authenticator.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(asn1tools.AddASNAppTag(ticket, asnAppTag.EncTicketPart), authenticator)
	f.Fuzz(func(t *testing.T, ticket, authenticator []byte) {
		req := messages.APReq{PVNO: 5, MsgType: 14, APOptions: types.NewKrbFlags(), Ticket: k.sealBytes(t, aes256, ticket)}
		var err error
		if req.EncryptedAuthenticator, err = crypto.GetEncryptedData(authenticator, session, keyusage.AP_REQ_AUTHENTICATOR, 0); err != nil {
			t.Fatal(err)
		}
		body, err := req.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		x := &kerberosExchange{k: m}
		if _, id, err := x.accept(frame(tokAPReq, body)); err == nil && id.User == "" {
			t.Fatal("authenticated without a name")
		}
	})
}

func FuzzPAC(f *testing.F) {
	f.Add(unhex(f, testdata.MarshaledPAC_AD_WIN2K_PAC))
	f.Add(unhex(f, testdata.MarshaledPAC_Kerb_Validation_Info_Trust))
	f.Fuzz(func(_ *testing.T, data []byte) {
		if p, err := parsePAC(data); err == nil {
			_ = p.verify(types.EncryptionKey{KeyType: aes256, KeyValue: make([]byte, 32)})
			_ = p.checkClient(&messages.EncTicketPart{})
			_, _ = parseLogonInfo(p.logon)
		}
		_, _ = parseLogonInfo(data)
	})
}

func FuzzKeytab(f *testing.F) {
	data, err := os.ReadFile(newKDC(f).keytab(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(_ *testing.T, data []byte) {
		k := &keytabFile{}
		_, _ = k.parse(data)
	})
}

func FuzzKerberosMIC(f *testing.F) {
	for _, keyType := range []int32{aes256, rc4hmac} {
		m := micKeys{initiator: types.EncryptionKey{KeyType: keyType, KeyValue: make([]byte, keySize(keyType))}}
		f.Add(keyType, m.sign([]byte("x"), false))
	}
	f.Fuzz(func(_ *testing.T, keyType int32, mic []byte) {
		m := micKeys{initiator: types.EncryptionKey{KeyType: keyType, KeyValue: make([]byte, keySize(keyType))}}
		m.verify([]byte("x"), mic, true)
	})
}
