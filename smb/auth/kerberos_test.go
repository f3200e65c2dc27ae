package auth

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oiweiwei/gokrb5.fork/v9/messages"
	"github.com/oiweiwei/gokrb5.fork/v9/types"
)

// TestKerberos: every encryption type that is accepted, in ticket and session, with
// mutual authentication and without, with a subkey and without: both sides have
// the same key, of its full length.
func TestKerberos(t *testing.T) {
	k := newKDC(t)
	rc4 := k.service(t, func(c *KerberosConfig) { c.AllowRC4 = true })
	for _, c := range []struct {
		ticket, session int32
		size            int
	}{
		{aes256, aes256, 32},
		{aes128, aes128, 16},
		{aes256sha2, aes256sha2, 32},
		{aes128sha2, aes128sha2, 16},
		{aes256, aes128, 16},
		{rc4hmac, aes256, 32},
		{rc4hmac, rc4hmac, 16},
	} {
		for _, mode := range []string{"", "no mutual", "no subkey", "no mutual, no subkey"} {
			name := fmt.Sprintf("%s, %s, %s", encTypeName(c.ticket), encTypeName(c.session), mode)
			t.Run(name, func(t *testing.T) {
				client := k.initiator(t, c.ticket, c.session, nil)
				client.NoMutual = strings.Contains(mode, "no mutual")
				client.NoSubkey = strings.Contains(mode, "no subkey")
				id, err := talk(t, client, NewNegotiator(rc4).NewExchange())
				if err != nil {
					t.Fatal(err)
				}
				if id.User != "alice@EXAMPLE.COM" || id.Domain != "EXAMPLE.COM" || id.Mech != "kerberos" || id.Guest || id.Anonymous {
					t.Errorf("identity %+v", *id)
				}
				if len(id.SessionKey) != c.size || !bytes.Equal(id.SessionKey, client.SessionKey()) {
					t.Errorf("session keys: %d and %d bytes, equal: %v", len(id.SessionKey), len(client.SessionKey()),
						bytes.Equal(id.SessionKey, client.SessionKey()))
				}
				if plain := bytes.Equal(id.SessionKey, client.Key.KeyValue); plain != (mode == "no mutual, no subkey" || c.session == rc4hmac && client.NoSubkey) {
					t.Errorf("the session key is that of the ticket: %v", plain)
				}
				if d := time.Until(id.Expires); d < 59*time.Minute || d > time.Hour {
					t.Errorf("expires in %v", d)
				}
			})
		}
	}
}

// TestKerberosMIC: when Kerberos is not the client's first choice, the list of
// mechanisms is protected in both directions, with the keys of either kind.
func TestKerberosMIC(t *testing.T) {
	k := newKDC(t)
	a := NewNegotiator(k.service(t, func(c *KerberosConfig) { c.AllowRC4 = true }), newNTLM(t, nil))
	for _, keyType := range []int32{aes256, aes128, aes256sha2, rc4hmac} {
		for _, mutual := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, mutual %v", encTypeName(keyType), mutual), func(t *testing.T) {
				client := k.initiator(t, aes256, keyType, nil)
				client.NoMutual = !mutual
				client.Mechs = []string{OIDNegoEx, OIDKerberos, OIDNTLM}
				x := a.NewExchange()
				id, err := talk(t, client, x)
				if err != nil || id.User != "alice@EXAMPLE.COM" {
					t.Fatalf("%v, %v", id, err)
				}
				if client.legs != 4 {
					t.Errorf("%d legs", client.legs)
				}
			})
		}
	}

	// A list that somebody has changed does not go through.
	for _, keyType := range []int32{aes256, rc4hmac} {
		client := k.initiator(t, aes256, keyType, nil)
		client.Mechs = []string{OIDNegoEx, OIDKerberos}
		x := a.NewExchange()
		token, err := client.Step(nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			if i == 2 { // the last one, which holds the client's MIC
				resp, err := parseNegTokenResp(token)
				if err != nil || resp.mic == nil {
					t.Fatalf("MIC %x, %v", resp.mic, err)
				}
				resp.mic[len(resp.mic)-1] ^= 1
				if _, id, err := step(t, x, resp.append()); !errors.Is(err, ErrIntegrity) {
					t.Errorf("changed MIC: %v, %v", id, err)
				}
				break
			}
			reply, id, err := step(t, x, token)
			if err != nil || id != nil {
				t.Fatalf("leg %d: %v, %v", i, id, err)
			}
			if token, err = client.Step(reply); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestMICOfOurOwn: a signature does not count in the other direction, nor with
// another key.
func TestMICOfOurOwn(t *testing.T) {
	for _, keyType := range []int32{aes256, rc4hmac} {
		one, err := newKey(keyType)
		if err != nil {
			t.Fatal(err)
		}
		two, err := newKey(keyType)
		if err != nil {
			t.Fatal(err)
		}
		m, data := micKeys{initiator: one, sequence: 7}, []byte("data")
		mic := m.sign(data, false)
		if !m.verify(data, mic, true) {
			t.Error("not verified")
		}
		if m.verify(data, mic, false) {
			t.Error("verified as our own")
		}
		if m.verify([]byte("date"), mic, true) {
			t.Error("other data verified")
		}
		other := micKeys{initiator: two}
		if other.verify(data, mic, true) {
			t.Error("verified with another key")
		}
		for n := range mic {
			if m.verify(data, mic[:n], true) {
				t.Errorf("%d bytes of it verified", n)
			}
		}
		if bytes.Equal(mic, m.sign(data, false)) {
			t.Error("the sequence number does not count")
		}
	}
	var none micKeys
	if none.sign([]byte("x"), true) != nil || none.verify([]byte("x"), nil, true) {
		t.Error("signed without a key")
	}
}

// TestNTLMBeside: NTLM goes on beside Kerberos, and is refused where it is not
// offered, with words that say why.
func TestNTLMBeside(t *testing.T) {
	k := newKDC(t)
	both := NewNegotiator(k.service(t, nil), newNTLM(t, nil))
	for _, mechs := range [][]string{{OIDNTLM}, {OIDNTLM, OIDKerberos}} {
		client := &NTLMInitiator{User: "alice", Password: "sesame", mechs: mechs}
		if id, _, err := converse(t, client, both.NewExchange()); err != nil || id.Mech != "ntlm" {
			t.Errorf("%v, %v", id, err)
		}
	}
	init, err := parseNegTokenInit(both.InitialToken())
	if err != nil || strings.Join(init.mechs, "") != OIDMSKerberos+OIDKerberos+OIDNTLM {
		t.Errorf("offered: %x, %v", init.mechs, err)
	}

	only := NewNegotiator(k.service(t, nil))
	if init, err := parseNegTokenInit(only.InitialToken()); err != nil || strings.Join(init.mechs, "") != OIDMSKerberos+OIDKerberos {
		t.Errorf("offered: %x, %v", init.mechs, err)
	}
	for _, bare := range []bool{false, true} {
		client := &NTLMInitiator{User: "alice", Password: "sesame", Bare: bare}
		_, _, err := converse(t, client, only.NewExchange())
		if !errors.Is(err, ErrNoMechanism) || !strings.Contains(err.Error(), "the client offers NTLM, the server accepts Kerberos") {
			t.Errorf("bare %v: %v", bare, err)
		}
	}
}

// TestKerberosRefused: what is refused, and that the log can say why.
func TestKerberosRefused(t *testing.T) {
	k := newKDC(t)
	now := time.Now()
	for _, c := range []struct {
		name    string
		client  func(*testing.T) *KerberosInitiator
		config  func(*KerberosConfig)
		want    error
		message string
	}{
		{"rc4 ticket", func(t *testing.T) *KerberosInitiator { return k.initiator(t, rc4hmac, aes256, nil) }, nil,
			ErrWeakKey, `the ticket for "cifs/server@EXAMPLE.COM" is of rc4-hmac`},
		{"rc4 session", func(t *testing.T) *KerberosInitiator { return k.initiator(t, aes256, rc4hmac, nil) }, nil,
			ErrWeakKey, "the session key is of rc4-hmac"},
		{"other key", func(t *testing.T) *KerberosInitiator { return newKDC(t).initiator(t, aes256, aes256, nil) }, nil,
			ErrNoKey, `no key of the keytab opens the ticket for "cifs/server@EXAMPLE.COM" (version 2, aes256-cts-hmac-sha1-96)`},
		{"other session key", func(t *testing.T) *KerberosInitiator {
			client := k.initiator(t, aes256, aes256, nil)
			client.Key = k.keys[aes256]
			return client
		}, nil, ErrLogonFailure, "does not fit"},
		{"ended", func(t *testing.T) *KerberosInitiator {
			return k.initiator(t, aes256, aes256, func(p *messages.EncTicketPart) { p.EndTime = now.Add(-6 * time.Minute) })
		}, nil, ErrTicketExpired, "at " + clock(now.Add(-6*time.Minute)) + ", the server's clock says"},
		{"not yet", func(t *testing.T) *KerberosInitiator {
			return k.initiator(t, aes256, aes256, func(p *messages.EncTicketPart) { p.StartTime = now.Add(6 * time.Minute) })
		}, nil, ErrClockSkew, "the ticket is valid from " + clock(now.Add(6*time.Minute))},
		{"not validated", func(t *testing.T) *KerberosInitiator {
			return k.initiator(t, aes256, aes256, func(p *messages.EncTicketPart) { types.SetFlag(&p.Flags, ticketInvalid) })
		}, nil, ErrLogonFailure, "postdated"},
		{"slow clock", func(t *testing.T) *KerberosInitiator {
			client := k.initiator(t, aes256, aes256, nil)
			client.Time = now.Add(-7 * time.Minute)
			return client
		}, nil, ErrClockSkew, "the client's clock says " + clock(now.Add(-7*time.Minute))},
		{"fast clock", func(t *testing.T) *KerberosInitiator {
			client := k.initiator(t, aes256, aes256, nil)
			client.Time = now.Add(90 * time.Second)
			return client
		}, func(c *KerberosConfig) { c.MaxClockSkew = time.Minute }, ErrClockSkew, "1m0s are allowed"},
		{"other realm", func(t *testing.T) *KerberosInitiator {
			client := k.initiator(t, aes256, aes256, func(p *messages.EncTicketPart) { p.CRealm = "OTHER.ORG" })
			client.Realm = "OTHER.ORG"
			return client
		}, nil, ErrLogonFailure, `user "alice@OTHER.ORG" is of a realm that is not let in`},
		{"own realm not listed", func(t *testing.T) *KerberosInitiator { return k.initiator(t, aes256, aes256, nil) },
			func(c *KerberosConfig) { c.Realms = []string{"OTHER.ORG"} }, ErrLogonFailure, "realm that is not let in"},
		{"somebody else's ticket", func(t *testing.T) *KerberosInitiator {
			client := k.initiator(t, aes256, aes256, nil)
			client.Client = "mallory"
			return client
		}, nil, ErrLogonFailure, "different clients"},
		{"odd name", func(t *testing.T) *KerberosInitiator {
			client := k.initiator(t, aes256, aes256, func(p *messages.EncTicketPart) { p.CName.NameString = []string{"alice@OTHER"} })
			client.Client = "alice@OTHER"
			return client
		}, nil, ErrLogonFailure, "cannot be a user"},
		{"disabled", func(t *testing.T) *KerberosInitiator { return k.initiator(t, aes256, aes256, nil) },
			func(c *KerberosConfig) {
				users, err := NewUsers(User{Name: "Alice@example.com", Disabled: true})
				if err != nil {
					t.Fatal(err)
				}
				c.Accounts = users
			}, ErrAccountDisabled, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			id, err := talk(t, c.client(t), NewNegotiator(k.service(t, c.config)).NewExchange())
			if id != nil || !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.message) {
				t.Errorf("%v, %v", id, err)
			}
		})
	}
}

// TestKerberosAccount: a realm may be listed in any case; an account of the mapped
// name lends its user id.
func TestKerberosAccount(t *testing.T) {
	k := newKDC(t)
	users, err := NewUsers(User{Name: "alice", UID: 1, HasUID: true}, User{Name: "alice@example.com", UID: 1234, HasUID: true})
	if err != nil {
		t.Fatal(err)
	}
	m := k.service(t, func(c *KerberosConfig) {
		c.Accounts, c.Realms = users, []string{"other.org", "example.com"}
	})
	id, err := talk(t, k.initiator(t, aes256, aes256, nil), NewNegotiator(m).NewExchange())
	if err != nil || id.User != "alice@EXAMPLE.COM" || !id.HasUID || id.UID != 1234 {
		t.Errorf("%+v, %v", id, err)
	}
}

// TestKerberosExpiry: a session ends with its ticket. A ticket that has just ended
// by our clock is good for as long as the clocks may differ.
func TestKerberosExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKDC(t)
		m := k.service(t, nil)
		end := time.Now().UTC().Truncate(time.Second).Add(10 * time.Minute)
		try := func() (*Identity, error) {
			client := k.initiator(t, aes256, aes256, func(p *messages.EncTicketPart) { p.EndTime = end })
			return talk(t, client, NewNegotiator(m).NewExchange())
		}
		if id, err := try(); err != nil || !id.Expires.Equal(end) {
			t.Errorf("%+v, %v", id, err)
		}
		time.Sleep(12 * time.Minute)
		if id, err := try(); err != nil || !id.Expires.Equal(end.Add(5*time.Minute)) {
			t.Errorf("just ended: %+v, %v", id, err)
		}
		time.Sleep(4 * time.Minute)
		if id, err := try(); !errors.Is(err, ErrTicketExpired) {
			t.Errorf("ended: %+v, %v", id, err)
		}
	})
}

// TestReplay: what was said once does not count a second time, for as long as it
// would be accepted at all.
func TestReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKDC(t)
		m := k.service(t, nil)
		client := k.initiator(t, aes256, aes256, nil)
		client.Time = time.Now().Add(4 * time.Minute) // a fast clock is accepted for longer
		token, err := client.Step(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, id, err := NewNegotiator(m).NewExchange().Step(token); err != nil || id == nil {
			t.Fatalf("%v, %v", id, err)
		}
		for range 8 {
			if _, _, err := NewNegotiator(m).NewExchange().Step(token); !errors.Is(err, ErrReplay) {
				t.Errorf("replayed: %v", err)
			}
			time.Sleep(time.Minute)
		}
		time.Sleep(time.Minute + time.Second)
		if _, _, err := NewNegotiator(m).NewExchange().Step(token); !errors.Is(err, ErrClockSkew) {
			t.Errorf("replayed later: %v", err)
		}
	})
}

// TestReplayCache: it is bounded, and forgets no sooner than it must.
func TestReplayCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := replayCache{window: 10 * time.Minute}
		time.Sleep(9 * time.Minute)
		if !c.add([]byte("a"), time.Now()) {
			t.Error("known from the beginning")
		}
		for i := range 20 {
			time.Sleep(29 * time.Second)
			if c.add([]byte("a"), time.Now()) {
				t.Errorf("forgotten after %d times 29 s", i+1)
			}
		}
		time.Sleep(20 * time.Minute)
		if !c.add([]byte("a"), time.Now()) {
			t.Error("known for ever")
		}
		for i := range 3 * maxReplay {
			c.add(fmt.Append(nil, i), time.Now())
		}
		if n := len(c.young) + len(c.old); n > 2*maxReplay || n < maxReplay {
			t.Errorf("%d entries", n)
		}
		if c.add(fmt.Append(nil, 3*maxReplay-1), time.Now()) {
			t.Error("the last one is forgotten")
		}
	})
}

// TestKerberosTokens: truncated and changed tokens are refused, and nothing else
// happens. A changed ticket or authenticator does not decrypt.
func TestKerberosTokens(t *testing.T) {
	k := newKDC(t)
	m := k.service(t, nil)
	client := k.initiator(t, aes256, aes256, nil)
	token, err := client.apReq()
	if err != nil {
		t.Fatal(err)
	}
	for n := range token {
		if _, id, err := step(t, m.NewExchange(), token[:n]); id != nil || err == nil {
			t.Fatalf("%d bytes: %v, %v", n, id, err)
		}
	}
	accepted := 0
	for i := range token {
		changed := bytes.Clone(token)
		changed[i] ^= 0x40
		if _, id, err := step(t, m.NewExchange(), changed); err == nil {
			accepted++ // names and versions outside of what is encrypted
			if id.User != "alice@EXAMPLE.COM" {
				t.Errorf("byte %d: %v", i, id)
			}
			m.replay = replayCache{window: m.replay.window}
		}
	}
	if accepted > 60 {
		t.Errorf("%d changed tokens of %d accepted", accepted, len(token))
	}
	x := m.NewExchange()
	if _, _, err := step(t, x, token); err != nil {
		t.Fatal(err)
	}
	if _, _, err := step(t, x, token); !errors.Is(err, ErrMalformed) {
		t.Errorf("second token: %v", err)
	}
}
