package auth

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"time"
)

// NTLMConfig says what an NTLM server calls itself and whom it lets in.
type NTLMConfig struct {
	// Computer is the NetBIOS name of the server, at most 15 characters; required.
	Computer string
	// Domain is the NetBIOS name of its domain or workgroup; Computer if empty, as
	// a Windows machine without a domain has it.
	Domain string
	// DNSComputer and DNSDomain are the full names; DNSComputer is Computer in
	// small letters if empty.
	DNSComputer, DNSDomain string
	// Accounts are the users; required.
	Accounts Accounts
	// AllowAnonymous admits clients that give no name.
	AllowAnonymous bool
	// Guest, if set, is asked about unknown users (not about wrong passwords) and
	// may name the account that they become a guest under.
	Guest func(user, domain string) (account string, ok bool)
	// Rand is where challenges come from; crypto/rand if nil.
	Rand io.Reader
}

// NTLM is the NTLM mechanism (MS-NLMP). It accepts version 2 responses only.
type NTLM struct {
	cfg        NTLMConfig
	targetName []byte // UTF-16LE
	targetInfo []byte // AV pairs before the time stamp
	dummy      [16]byte
}

// NewNTLM returns the mechanism. It fails if a required field is missing, a name
// is too long, or the random source fails.
func NewNTLM(cfg NTLMConfig) (*NTLM, error) {
	if cfg.Computer == "" || cfg.Accounts == nil {
		return nil, fmt.Errorf("auth: NTLM needs a computer name and accounts")
	}
	if cfg.Domain == "" {
		cfg.Domain = cfg.Computer
	}
	if cfg.DNSComputer == "" {
		cfg.DNSComputer = strings.ToLower(cfg.Computer)
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	n := &NTLM{cfg: cfg, targetName: encodeUTF16(cfg.Computer)}
	for _, av := range []struct {
		id   uint16
		name string
	}{{avNbDomain, cfg.Domain}, {avNbComputer, cfg.Computer}, {avDNSDomain, cfg.DNSDomain}, {avDNSComputer, cfg.DNSComputer}} {
		if len(av.name) > 255 {
			return nil, fmt.Errorf("auth: NTLM: name of %d bytes", len(av.name))
		}
		n.targetInfo = appendAV(n.targetInfo, av.id, encodeUTF16(av.name))
	}
	if _, err := io.ReadFull(cfg.Rand, n.dummy[:]); err != nil {
		return nil, fmt.Errorf("auth: NTLM: random source: %w", err)
	}
	return n, nil
}

// OIDs implements Mechanism.
func (n *NTLM) OIDs() []string { return []string{OIDNTLM} }

// NewExchange implements Mechanism.
func (n *NTLM) NewExchange() MechExchange { return &ntlmExchange{n: n} }

// ntlmExchange is one NTLM authentication, seen from the server.
type ntlmExchange struct {
	n         *NTLM
	taken     int    // messages of the client so far; 2 after any failure
	negotiate []byte // copies of what was said, for the MIC
	challenge []byte
	nonce     [8]byte
	flags     uint32   // of the AUTHENTICATE message
	exported  [16]byte // ExportedSessionKey
	keyed     bool     // exported is secret, known to both
	gate      func(user string) error
}

// SetGate implements Gated.
func (x *ntlmExchange) SetGate(gate func(user string) error) { x.gate = gate }

// Step implements Exchange.
func (x *ntlmExchange) Step(token []byte) ([]byte, *Identity, error) {
	if len(token) > MaxToken {
		return nil, nil, malformed("%d bytes", len(token))
	}
	switch x.taken {
	case 0:
		reply, err := x.sendChallenge(token)
		x.taken = 1
		if err != nil {
			x.taken = 2
		}
		return reply, nil, err
	case 1:
		x.taken = 2 // one challenge is good for one response
		id, err := x.authenticate(token)
		return nil, id, err
	}
	return nil, nil, malformed("token after the end")
}

// sendChallenge answers a NEGOTIATE (MS-NLMP 3.2.5.1.1).
func (x *ntlmExchange) sendChallenge(token []byte) ([]byte, error) {
	asked, err := parseNegotiate(token)
	if err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(x.n.cfg.Rand, x.nonce[:]); err != nil {
		return nil, fmt.Errorf("auth: NTLM: random source: %w", err)
	}
	const always = flagRequestTarget | flagNTLM | flagAlwaysSign | flagTargetServer | flagTargetInfo
	const onRequest = flagUnicode | flagSign | flagSeal | flagESS | flagVersion | flag128 | flagKeyExchange | flag56
	m := &challengeMsg{
		flags:      always | asked&onRequest,
		challenge:  x.nonce,
		targetName: x.n.targetName,
		targetInfo: bytes.Clone(x.n.targetInfo),
	}
	if asked&flagUnicode == 0 {
		m.flags |= flagOEM
		m.targetName = []byte(x.n.cfg.Computer)
	}
	m.targetInfo = appendAV(m.targetInfo, avTimestamp, binary.LittleEndian.AppendUint64(nil, fileTime(time.Now())))
	m.targetInfo = appendAV(m.targetInfo, avEOL, nil)
	x.negotiate, x.challenge = bytes.Clone(token), m.append()
	return bytes.Clone(x.challenge), nil
}

// fileTime returns t in units of 100 ns since 1601.
func fileTime(t time.Time) uint64 {
	const epoch = 116444736000000000
	return uint64(t.UnixNano()/100) + epoch
}

// authenticate checks an AUTHENTICATE (MS-NLMP 3.2.5.1.2).
func (x *ntlmExchange) authenticate(token []byte) (*Identity, error) {
	m, err := parseAuthenticate(token)
	if err != nil {
		return nil, err
	}
	x.flags = m.flags
	id := &Identity{
		User:        decodeUTF16(m.user),
		Domain:      decodeUTF16(m.domain),
		Workstation: decodeUTF16(m.workstation),
		Mech:        "ntlm",
	}
	if m.anonymous() {
		return x.admitAnonymous(m, id)
	}
	if len(m.nt) <= ntlmv1Size {
		return nil, ErrNTLMv1
	}
	if len(m.nt) < proofSize+clientBlobSize {
		return nil, malformed("NTLMv2 response of %d bytes", len(m.nt))
	}
	// As Windows and Samba do, whether or not the proof is right.
	if avOverrun(m.nt[proofSize+clientBlobSize:]) {
		return nil, malformed("NTLMv2 response with an AV pair that ends behind it")
	}

	if x.gate != nil {
		if err := x.gate(id.User); err != nil {
			return nil, err
		}
	}
	user, known := x.n.cfg.Accounts.Lookup(id.User)
	if !known {
		user.NTHash = x.n.dummy // the work below is the same for an unknown user
	}
	key := ntowfv2(user.NTHash, m.user, m.domain)
	proof := ntProof(key, x.nonce, m.nt[proofSize:])
	if right := equal(proof[:], m.nt[:proofSize]); !right || !known {
		return x.reject(id, known)
	}
	if err := x.exportKey(m, hmacMD5(key[:], proof[:])); err != nil {
		return nil, err
	}
	if err := x.checkMIC(m, token); err != nil {
		return nil, err
	}
	if user.Disabled {
		return nil, ErrAccountDisabled
	}
	id.User, id.UID, id.HasUID, id.RID, id.Groups = user.Name, user.UID, user.HasUID, user.RID, user.Groups
	id.SessionKey = bytes.Clone(x.exported[:])
	x.keyed = true
	return id, nil
}

// reject makes an unknown user a guest, where that is wanted.
func (x *ntlmExchange) reject(id *Identity, known bool) (*Identity, error) {
	if known || x.n.cfg.Guest == nil {
		return nil, ErrLogonFailure
	}
	account, ok := x.n.cfg.Guest(id.User, id.Domain)
	if !ok {
		return nil, ErrLogonFailure
	}
	id.User, id.Guest = account, true
	if user, ok := x.n.cfg.Accounts.Lookup(account); ok {
		id.User, id.UID, id.HasUID = user.Name, user.UID, user.HasUID
	}
	return id, nil
}

// admitAnonymous ends the exchange of a client without a name. Its session key
// is made from zeros (MS-NLMP 3.3.2).
func (x *ntlmExchange) admitAnonymous(m *authenticateMsg, id *Identity) (*Identity, error) {
	if !x.n.cfg.AllowAnonymous {
		return nil, ErrAnonymous
	}
	if err := x.exportKey(m, [16]byte{}); err != nil {
		return nil, err
	}
	id.Anonymous = true
	id.SessionKey = bytes.Clone(x.exported[:])
	return id, nil
}

// exportKey finds the ExportedSessionKey: with NTLMv2 the key exchange key is the
// session base key (MS-NLMP 3.4.5.1), which may wrap a key of the client's choice.
func (x *ntlmExchange) exportKey(m *authenticateMsg, base [16]byte) error {
	x.exported = base
	if m.flags&flagKeyExchange == 0 {
		return nil
	}
	if len(m.sessionKey) != len(base) {
		return malformed("encrypted session key of %d bytes", len(m.sessionKey))
	}
	x.exported = [16]byte(rc4K(base, m.sessionKey))
	return nil
}

// checkMIC verifies the code over all three messages when the client says, under
// the protection of the proof, that there is one (MsvAvFlags, MS-NLMP 2.2.2.1).
// The proof is right by now, so AV pairs without an end mark are the client's own
// sloppiness and let pass.
func (x *ntlmExchange) checkMIC(m *authenticateMsg, token []byte) error {
	var flags uint32
	avPairs(m.nt[proofSize+clientBlobSize:], func(id uint16, value []byte) {
		if id == avFlags && len(value) == 4 {
			flags = binary.LittleEndian.Uint32(value)
		}
	})
	if flags&avFlagMIC == 0 {
		return nil
	}
	if len(token) < authHeader {
		return malformed("AUTHENTICATE without the MIC that it claims")
	}
	var zero [micSize]byte
	want := hmacMD5(x.exported[:], x.negotiate, x.challenge,
		token[:authMICOffset], zero[:], token[authHeader:])
	if !equal(want[:], token[authMICOffset:authHeader]) {
		return fmt.Errorf("%w: NTLM MIC", ErrIntegrity)
	}
	return nil
}

// canMAC reports whether signatures have a key and the one form that we know.
func (x *ntlmExchange) canMAC() bool { return x.keyed && x.flags&flagESS != 0 }

// MIC implements MechExchange.
func (x *ntlmExchange) MIC(data []byte) []byte {
	if !x.canMAC() {
		return nil
	}
	mac := ntlmMAC(x.exported, x.flags, fromServer, data)
	return mac[:]
}

// VerifyMIC implements MechExchange.
func (x *ntlmExchange) VerifyMIC(data, mic []byte) bool {
	if !x.canMAC() {
		return false
	}
	want := ntlmMAC(x.exported, x.flags, fromClient, data)
	return equal(want[:], mic)
}
