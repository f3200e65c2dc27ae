package auth

import (
	"errors"
	"fmt"
	"time"

	"lessor/smb/secdesc"
)

// Errors that an Exchange ends with; they come wrapped with detail for the log.
// None of the details tells a client more than the status that smb makes of it.
var (
	// ErrLogonFailure is an unknown user or a wrong password.
	ErrLogonFailure = errors.New("auth: logon failure")
	// ErrAccountDisabled is a disabled account, reported only to who knows its
	// password.
	ErrAccountDisabled = errors.New("auth: account disabled")
	// ErrNTLMv1 is a response of NTLM version 1 or LM, which is never accepted.
	ErrNTLMv1 = errors.New("auth: NTLMv1 and LM responses are refused")
	// ErrAnonymous is an anonymous logon where none is allowed.
	ErrAnonymous = errors.New("auth: anonymous logon refused")
	// ErrIntegrity is a message integrity code that is wrong or missing: somebody
	// changed the exchange on its way.
	ErrIntegrity = errors.New("auth: exchange was tampered with")
	// ErrMalformed is a token that cannot be parsed, or is out of turn.
	ErrMalformed = errors.New("auth: malformed token")
	// ErrNoMechanism means that client and server have no mechanism in common.
	ErrNoMechanism = errors.New("auth: no common mechanism")

	// ErrNoKey is a ticket that no key of the keytab opens.
	ErrNoKey = errors.New("auth: no key for the ticket")
	// ErrWeakKey is a ticket or key of an encryption type that is not accepted.
	ErrWeakKey = errors.New("auth: encryption type refused")
	// ErrClockSkew means that the clocks of client, KDC and server differ too much.
	ErrClockSkew = errors.New("auth: clocks differ too much")
	// ErrTicketExpired is a ticket after its end.
	ErrTicketExpired = errors.New("auth: ticket has ended")
	// ErrReplay is an authenticator that was seen before.
	ErrReplay = errors.New("auth: replayed authenticator")
)

// malformed returns ErrMalformed with a reason.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// MaxToken is the longest token in bytes that an Exchange looks at. Kerberos
// tickets with large authorisation data come close to it; the SECURITY_BUFFER
// of SESSION_SETUP cannot carry more.
const MaxToken = 65535

// Identity is who was authenticated.
type Identity struct {
	// User is the account name as the server knows it, not as the client wrote
	// it; with Kerberos it is the principal with its realm, "alice@EXAMPLE.COM".
	// It is empty if Anonymous.
	User string
	// Domain and Workstation are what the client said about itself; they are for
	// logs and status, not for decisions.
	Domain, Workstation string
	// SessionKey is the key that SMB derives its keys from: 16 bytes with NTLM,
	// 16 or 32 with Kerberos. It is nil for a guest, whose messages therefore can
	// be neither signed nor sealed, and made of public values for an anonymous
	// session, which is no better.
	SessionKey []byte
	// Guest is set when an unknown user was let in as a guest.
	Guest bool
	// Anonymous is set when the client gave no name at all.
	Anonymous bool
	// UID is the Unix user id of the account; it counts only if HasUID is set.
	UID    uint32
	HasUID bool
	// SID is the user's and GroupSIDs are those of its groups, the primary one
	// first, if a directory says so; else they are zero and nil.
	SID       secdesc.SID
	GroupSIDs []secdesc.SID
	// RID is that of the account in the user file, 0 if there is none.
	RID uint32
	// Groups are names of groups of the user file that the user belongs to.
	Groups []string
	// Expires is when the proof loses its force: the session must be authenticated
	// anew. Zero: never.
	Expires time.Time
	// Mech is the name of the mechanism: "ntlm" or "kerberos".
	Mech string
}

// String returns the name and kind of the identity, without keys.
func (i *Identity) String() string {
	switch {
	case i.Anonymous:
		return "anonymous"
	case i.Guest:
		return i.User + " (guest)"
	}
	return i.User
}

// GoString is String, so that %#v shows no key either.
func (i *Identity) GoString() string { return i.String() }

// Authenticator authenticates clients. Its methods may be called from many
// goroutines at once.
type Authenticator interface {
	// InitialToken returns the security blob of the NEGOTIATE response, which
	// tells the client what is on offer (MS-SMB2 3.3.5.4).
	InitialToken() []byte
	// NewExchange starts the authentication of one session.
	NewExchange() Exchange
}

// Exchange is one authentication in progress. It is used by one goroutine at a
// time, and needs no closing.
type Exchange interface {
	// Step takes the client's next token and returns what to send back, which may
	// be empty. While identity and error are both nil, the client is expected to
	// send another token. With an identity the exchange is over and the client is
	// authenticated; the reply must still be sent. With an error it is over and
	// has failed. A call after the end returns ErrMalformed. The token is neither
	// changed nor kept.
	Step(token []byte) (reply []byte, id *Identity, err error)
}

// Gated is an Exchange that names the user before it looks at his proof of a
// password. The gate may wait; an error of it ends the exchange. It is set before a
// Step and holds for it.
type Gated interface {
	SetGate(gate func(user string) error)
}

// Mechanism is one authentication protocol below SPNEGO.
type Mechanism interface {
	// OIDs returns the object identifiers that the mechanism answers to, DER
	// content bytes each, the preferred one first.
	OIDs() []string
	// NewExchange starts one authentication.
	NewExchange() MechExchange
}

// MechExchange is an exchange that can also protect SPNEGO's list of mechanisms
// once it is over.
type MechExchange interface {
	Exchange
	// MIC returns the code over data for the client to verify (GSS_GetMIC), or
	// nil if the exchange established no key. It is called at most once.
	MIC(data []byte) []byte
	// VerifyMIC reports whether mic is the client's code over data. It is called
	// at most once.
	VerifyMIC(data, mic []byte) bool
}

// Object identifiers of mechanisms, as DER content bytes.
const (
	OIDNTLM        = "\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a" // 1.3.6.1.4.1.311.2.2.10
	OIDKerberos    = "\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"     // 1.2.840.113554.1.2.2
	OIDMSKerberos  = "\x2a\x86\x48\x82\xf7\x12\x01\x02\x02"     // 1.2.840.48018.1.2.2
	OIDNegoEx      = "\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x1e" // 1.3.6.1.4.1.311.2.2.30
	oidSPNEGO      = "\x2b\x06\x01\x05\x05\x02"                 // 1.3.6.1.5.5.2
	ntlmSignature  = "NTLMSSP\x00"
	hintIgnoreThis = "not_defined_in_RFC4178@please_ignore"
)
