package auth

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// NTLMInitiator is the client side of SPNEGO with NTLM version 2, for our own
// client and for tests. Fill in the exported fields, then call Step: first with
// nil, then with every token that the server sends. It is for one exchange and
// one goroutine.
type NTLMInitiator struct {
	// User, Domain and Password are the credentials. With an empty User the logon
	// is anonymous.
	User, Domain, Password string
	// Workstation is the name that the client gives itself.
	Workstation string
	// TargetName is the service name, such as "cifs/server"; it may be empty.
	TargetName string
	// Bare leaves SPNEGO out.
	Bare bool
	// Rand is where nonces and keys come from; crypto/rand if nil.
	Rand io.Reader

	// mechs is the list to offer; NTLM alone if nil.
	mechs []string
	// noMIC leaves out both kinds of MIC, as older clients do.
	noMIC bool

	sent      int // messages of NTLM sent so far
	init      negTokenInit
	negotiate []byte
	flags     uint32
	exported  [16]byte
}

// SessionKey returns the 16 bytes that both sides share, once Step has answered
// the server's challenge.
func (c *NTLMInitiator) SessionKey() []byte { return bytes.Clone(c.exported[:]) }

// Step takes the server's token and returns the next one to send; nothing is
// left to send when it is nil. It fails on tokens that it cannot parse, if the
// server rejects, or if its MIC is wrong.
func (c *NTLMInitiator) Step(token []byte) ([]byte, error) {
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Bare {
		return c.next(token)
	}
	if c.sent == 0 && token == nil {
		return c.start()
	}
	resp, err := parseNegTokenResp(token)
	if err != nil {
		return nil, err
	}
	if resp.state == stateReject {
		return nil, ErrLogonFailure
	}
	if c.sent == 2 {
		return c.finish(resp)
	}
	out := &negTokenResp{state: stateAbsent}
	if out.token, err = c.next(resp.token); err != nil {
		return nil, err
	}
	if c.sent == 2 && c.User != "" && !c.noMIC {
		mac := ntlmMAC(c.exported, c.flags, fromClient, c.init.mechList)
		out.mic = mac[:]
	}
	return out.append(), nil
}

// start sends the list of mechanisms, with a NEGOTIATE message if NTLM is the
// first of them.
func (c *NTLMInitiator) start() ([]byte, error) {
	c.init.mechs = c.mechs
	if c.mechs == nil {
		c.init.mechs = []string{OIDNTLM}
	}
	if c.init.mechs[0] == OIDNTLM {
		var err error
		if c.init.mechToken, err = c.next(nil); err != nil {
			return nil, err
		}
	} else {
		c.init.mechToken = []byte("a token of another mechanism")
	}
	return c.init.append(""), nil
}

// finish handles what comes after AUTHENTICATE: an acceptance, or a request for
// the MIC of the list.
func (c *NTLMInitiator) finish(resp *negTokenResp) ([]byte, error) {
	if resp.mic != nil {
		want := ntlmMAC(c.exported, c.flags, fromServer, c.init.mechList)
		if !equal(want[:], resp.mic) {
			return nil, fmt.Errorf("%w: mechListMIC", ErrIntegrity)
		}
	}
	if resp.state != stateAcceptIncomplete {
		return nil, nil
	}
	mac := ntlmMAC(c.exported, c.flags, fromClient, c.init.mechList)
	out := &negTokenResp{state: stateAcceptCompleted, mic: mac[:]}
	return out.append(), nil
}

// next is NTLM without SPNEGO.
func (c *NTLMInitiator) next(token []byte) ([]byte, error) {
	switch c.sent {
	case 0:
		c.sent++
		c.negotiate = appendNegotiate(flagUnicode | flagRequestTarget | flagSign | flagNTLM | flagAlwaysSign |
			flagESS | flagTargetInfo | flagVersion | flag128 | flagKeyExchange | flag56)
		return bytes.Clone(c.negotiate), nil
	case 1:
		c.sent++
		return c.authenticate(token)
	}
	if len(token) != 0 {
		return nil, malformed("token after the end")
	}
	return nil, nil
}

// authenticate answers a CHALLENGE (MS-NLMP 3.1.5.1.2).
func (c *NTLMInitiator) authenticate(token []byte) ([]byte, error) {
	ch, err := parseChallenge(token)
	if err != nil {
		return nil, err
	}
	if ch.flags&(flagUnicode|flagESS) != flagUnicode|flagESS {
		return nil, errors.New("auth: server lacks Unicode or extended session security")
	}
	c.flags = ch.flags
	m := &authenticateMsg{
		flags:       ch.flags,
		domain:      encodeUTF16(c.Domain),
		user:        encodeUTF16(c.User),
		workstation: encodeUTF16(c.Workstation),
	}
	var base [16]byte
	if c.User == "" {
		m.flags |= flagAnonymous
		m.lm = []byte{0}
	} else if base, err = c.respond(m, ch); err != nil {
		return nil, err
	}
	c.exported = base
	if ch.flags&flagKeyExchange != 0 {
		if _, err := io.ReadFull(c.Rand, c.exported[:]); err != nil {
			return nil, fmt.Errorf("auth: random source: %w", err)
		}
		m.sessionKey = rc4K(base, c.exported[:])
	}
	b := m.append()
	if c.User != "" && !c.noMIC {
		mic := hmacMD5(c.exported[:], c.negotiate, token, b)
		copy(b[authMICOffset:], mic[:])
	}
	return b, nil
}

// respond computes the NTLMv2 response and returns the session base key. The LM
// response is zero, as the time stamp asks for.
func (c *NTLMInitiator) respond(m *authenticateMsg, ch *challengeMsg) ([16]byte, error) {
	stamp := binary.LittleEndian.AppendUint64(nil, fileTime(time.Now()))
	var pairs []byte
	ok := avPairs(ch.targetInfo, func(id uint16, value []byte) {
		if id == avTimestamp && len(value) == len(stamp) {
			stamp = value
		}
		if id != avFlags {
			pairs = appendAV(pairs, id, value)
		}
	})
	if !ok {
		return [16]byte{}, malformed("NTLM CHALLENGE: target info")
	}
	if !c.noMIC {
		pairs = appendAV(pairs, avFlags, binary.LittleEndian.AppendUint32(nil, avFlagMIC))
	}
	if c.TargetName != "" {
		pairs = appendAV(pairs, avTargetName, encodeUTF16(c.TargetName))
	}
	pairs = appendAV(pairs, avEOL, nil)

	blob := make([]byte, clientBlobSize, clientBlobSize+len(pairs)+4)
	blob[0], blob[1] = 1, 1
	copy(blob[8:], stamp)
	if _, err := io.ReadFull(c.Rand, blob[16:24]); err != nil {
		return [16]byte{}, fmt.Errorf("auth: random source: %w", err)
	}
	blob = append(blob, pairs...)
	blob = append(blob, 0, 0, 0, 0)

	key := ntowfv2(NTHash(c.Password), m.user, m.domain)
	proof := ntProof(key, ch.challenge, blob)
	m.nt = append(proof[:], blob...)
	m.lm = make([]byte, ntlmv1Size)
	return hmacMD5(key[:], proof[:]), nil
}
