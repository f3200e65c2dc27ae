package auth

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Negotiator is the SPNEGO acceptor (RFC 4178, MS-SPNG). It is immutable.
type Negotiator struct {
	mechs   []Mechanism
	initial []byte
}

// NewNegotiator returns an Authenticator that offers the given mechanisms, the
// preferred one first. The choice is the client's: the first in its own list
// that is here.
func NewNegotiator(mechs ...Mechanism) *Negotiator {
	n := &Negotiator{mechs: mechs}
	hint := &negTokenInit{}
	for _, m := range mechs {
		hint.mechs = append(hint.mechs, m.OIDs()...)
	}
	n.initial = hint.append(hintIgnoreThis)
	return n
}

// InitialToken implements Authenticator with a NegTokenInit2 (MS-SPNG 2.2.1).
func (n *Negotiator) InitialToken() []byte { return slices.Clone(n.initial) }

// NewExchange implements Authenticator.
func (n *Negotiator) NewExchange() Exchange { return &negotiation{n: n} }

// find returns the mechanism that answers to oid, or nil.
func (n *Negotiator) find(oid string) Mechanism {
	for _, m := range n.mechs {
		if slices.Contains(m.OIDs(), oid) {
			return m
		}
	}
	return nil
}

// negotiationState is where a negotiation stands.
type negotiationState int

const (
	awaitInit  negotiationState = iota // nothing has arrived
	awaitBare                          // NTLM without SPNEGO is under way
	awaitToken                         // a mechanism is chosen and under way
	awaitMIC                           // the mechanism is done, the client's MIC is missing
	ended
)

// negotiation is one SPNEGO exchange.
type negotiation struct {
	n        *Negotiator
	state    negotiationState
	mech     MechExchange
	mechList []byte // copy of what the client sent, for the MIC
	needMIC  bool   // the mechanism was not the client's first choice
	id       *Identity
	gate     func(user string) error
}

// SetGate implements Gated.
func (x *negotiation) SetGate(gate func(user string) error) {
	x.gate = gate
	if g, ok := x.mech.(Gated); ok {
		g.SetGate(gate)
	}
}

// begin starts an exchange of a mechanism.
func (x *negotiation) begin(m Mechanism) MechExchange {
	mech := m.NewExchange()
	if g, ok := mech.(Gated); ok {
		g.SetGate(x.gate)
	}
	return mech
}

// Step implements Exchange.
func (x *negotiation) Step(token []byte) ([]byte, *Identity, error) {
	reply, id, err := x.step(token)
	if err != nil || id != nil {
		x.state = ended
	}
	if err != nil {
		return nil, nil, err
	}
	return reply, id, nil
}

func (x *negotiation) step(token []byte) ([]byte, *Identity, error) {
	if len(token) > MaxToken {
		return nil, nil, malformed("%d bytes", len(token))
	}
	switch x.state {
	case awaitInit:
		if bytes.HasPrefix(token, []byte(ntlmSignature)) {
			return x.startBare(token)
		}
		return x.start(token)
	case awaitBare:
		return x.mech.Step(token)
	case awaitToken, awaitMIC:
		resp, err := parseNegTokenResp(token)
		if err != nil {
			return nil, nil, err
		}
		if resp.state == stateReject {
			return nil, nil, fmt.Errorf("%w: given up by the client", ErrLogonFailure)
		}
		if x.state == awaitMIC {
			return x.finish(resp.mic)
		}
		return x.advance(resp.token, resp.mic, nil)
	}
	return nil, nil, malformed("token after the end")
}

// startBare begins an NTLM exchange without SPNEGO.
func (x *negotiation) startBare(token []byte) ([]byte, *Identity, error) {
	m := x.n.find(OIDNTLM)
	if m == nil {
		return nil, nil, x.n.noMechanism([]string{OIDNTLM})
	}
	x.mech, x.state = x.begin(m), awaitBare
	return x.mech.Step(token)
}

// start chooses the mechanism. The client's token, if any, belongs to the first
// mechanism in its list (RFC 4178 section 3.2): when that is not the chosen one,
// the token is dropped, the client told to begin anew with the chosen one, and
// the list must be protected by a MIC at the end (section 5).
func (x *negotiation) start(token []byte) ([]byte, *Identity, error) {
	init, err := parseNegTokenInit(token)
	if err != nil {
		return nil, nil, err
	}
	for i, oid := range init.mechs {
		m := x.n.find(oid)
		if m == nil {
			continue
		}
		x.mech, x.state = x.begin(m), awaitToken
		x.mechList = bytes.Clone(init.mechList)
		x.needMIC = i > 0
		if i == 0 && len(init.mechToken) > 0 {
			return x.advance(init.mechToken, init.mic, []byte(oid))
		}
		resp := &negTokenResp{state: stateAcceptIncomplete, mech: []byte(oid)}
		if x.needMIC {
			resp.state = stateRequestMIC
		}
		return resp.append(), nil, nil
	}
	return nil, nil, x.n.noMechanism(init.mechs)
}

// noMechanism tells what the client offers and what would be accepted.
func (n *Negotiator) noMechanism(offered []string) error {
	var accepted []string
	for _, m := range n.mechs {
		accepted = append(accepted, m.OIDs()...)
	}
	return fmt.Errorf("%w: the client offers %s, the server accepts %s", ErrNoMechanism, mechNames(offered), mechNames(accepted))
}

// mechNames names mechanisms for people, each once.
func mechNames(oids []string) string {
	var names []string
	for _, oid := range oids {
		name := "others"
		switch oid {
		case OIDNTLM:
			name = "NTLM"
		case OIDKerberos, OIDMSKerberos:
			name = "Kerberos"
		case OIDNegoEx:
			name = "NegoEx"
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// advance feeds the mechanism. The chosen OID is named in the first reply only.
func (x *negotiation) advance(token, mic, oid []byte) ([]byte, *Identity, error) {
	reply, id, err := x.mech.Step(token)
	if err != nil {
		return nil, nil, err
	}
	resp := &negTokenResp{state: stateAcceptIncomplete, mech: oid, token: reply}
	if id == nil {
		return resp.append(), nil, nil
	}

	// A session without a secret key has nothing to protect the list with, and a
	// mechanism without integrity is excused (RFC 4178 section 5).
	keyed := !id.Guest && !id.Anonymous
	if keyed && mic != nil && !x.mech.VerifyMIC(x.mechList, mic) {
		return nil, nil, fmt.Errorf("%w: mechListMIC", ErrIntegrity)
	}
	if keyed && (mic != nil || x.needMIC) {
		resp.mic = x.mech.MIC(x.mechList)
	}
	if mic == nil && resp.mic != nil {
		x.id, x.state = id, awaitMIC
		return resp.append(), nil, nil
	}
	resp.state = stateAcceptCompleted
	return resp.append(), id, nil
}

// finish takes the MIC that the client still owed.
func (x *negotiation) finish(mic []byte) ([]byte, *Identity, error) {
	if mic == nil || !x.mech.VerifyMIC(x.mechList, mic) {
		return nil, nil, fmt.Errorf("%w: mechListMIC", ErrIntegrity)
	}
	resp := &negTokenResp{state: stateAcceptCompleted}
	return resp.append(), x.id, nil
}
