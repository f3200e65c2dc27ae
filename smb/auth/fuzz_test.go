package auth

import "testing"

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
