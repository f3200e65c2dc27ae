package auth

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/oiweiwei/gokrb5.fork/v9/iana/etypeID"
	"github.com/oiweiwei/gokrb5.fork/v9/messages"
	"github.com/oiweiwei/gokrb5.fork/v9/types"

	"lessor/smb/secdesc"
)

// DefaultClockSkew is how far clocks may differ if nobody says otherwise, as in
// every implementation of Kerberos.
const DefaultClockSkew = 5 * time.Minute

// KerberosConfig says by which keys tickets are accepted, and whose.
type KerberosConfig struct {
	// Keytab is the path of the file with the keys of the service; required. It is
	// read again when it has changed.
	Keytab string
	// Realms are those whose users are let in; if empty, those of the keys in the
	// keytab. Case does not count.
	Realms []string
	// Principals are the entries of the keytab that count, as "cifs/host" or
	// "cifs/host@REALM"; all of them if empty. Case does not count.
	Principals []string
	// AllowRC4 accepts tickets and keys of type rc4-hmac, which are as weak as the
	// password's NT hash. AES is always accepted.
	AllowRC4 bool
	// MaxClockSkew is how far the clock of a client may differ from ours, 1 s at
	// least; DefaultClockSkew if 0.
	MaxClockSkew time.Duration
	// Accounts, if set, is asked about each mapped name, as "alice@EXAMPLE.COM": an
	// account of that name lends its Unix user id, or is disabled. None is needed.
	Accounts Accounts
	// Directory, if set, is asked for the SIDs of users whose tickets have none, by the
	// principal without its realm, and the realm. The zero SID is none; an error
	// refuses the user, whose groups may be what denies him something.
	Directory func(name, realm string) (user secdesc.SID, groups []secdesc.SID, err error)
}

// Kerberos is the Kerberos mechanism (RFC 4121, MS-KILE) with a keytab. A user is
// known by the principal with its realm: "alice@EXAMPLE.COM".
type Kerberos struct {
	cfg    KerberosConfig
	keys   *keytabFile
	replay replayCache
}

// NewKerberos reads the keytab and returns the mechanism. Errors: those of the
// file system; ErrKeytabMode if others may read the keytab; ErrKeytab if it cannot
// be parsed or holds no key that the configuration accepts.
func NewKerberos(cfg KerberosConfig) (*Kerberos, error) {
	if cfg.MaxClockSkew == 0 {
		cfg.MaxClockSkew = DefaultClockSkew
	}
	if cfg.MaxClockSkew < time.Second {
		return nil, fmt.Errorf("auth: Kerberos: clock skew of %v is less than a second", cfg.MaxClockSkew)
	}
	keys, err := openKeytab(cfg.Keytab, cfg.Principals, cfg.AllowRC4)
	if err != nil {
		return nil, err
	}
	return &Kerberos{cfg: cfg, keys: keys, replay: replayCache{window: 2 * cfg.MaxClockSkew}}, nil
}

// Keys describes the keys in use, one on a line, without the keys themselves.
func (k *Kerberos) Keys() []string {
	var list []string
	for _, key := range k.keys.current() {
		list = append(list, key.String())
	}
	return list
}

// OIDs implements Mechanism, in the order of Windows.
func (k *Kerberos) OIDs() []string { return []string{OIDMSKerberos, OIDKerberos} }

// NewExchange implements Mechanism.
func (k *Kerberos) NewExchange() MechExchange { return &kerberosExchange{k: k} }

// allowsRealm reports whether users of a realm are let in.
func (k *Kerberos) allowsRealm(realm string) bool {
	if len(k.cfg.Realms) > 0 {
		return slices.ContainsFunc(k.cfg.Realms, func(r string) bool { return strings.EqualFold(r, realm) })
	}
	return slices.ContainsFunc(k.keys.current(), func(s serviceKey) bool { return strings.EqualFold(s.realm, realm) })
}

// kerberosExchange is one Kerberos authentication, seen from the service: one
// message from the client, and one back.
type kerberosExchange struct {
	k    *Kerberos
	over bool
	mic  micKeys // once the client is authenticated
}

// Identifiers of the tokens inside the GSS frame (RFC 4121 section 4.1).
const (
	tokAPReq = "\x01\x00"
	tokAPRep = "\x02\x00"
)

// Options of AP-REQ (RFC 4120 section 5.5.1), as numbers of bits, and flags of the
// GSS checksum (RFC 4121 section 4.1.1.1).
const (
	apUseSessionKey  = 1
	apMutualRequired = 2

	gssMutual   = 0x2
	gssDCEStyle = 0x1000
)

// ticketInvalid is the number of the bit of a ticket that a KDC has yet to
// validate (RFC 4120 section 5.3).
const ticketInvalid = 7

// Step implements Exchange.
func (x *kerberosExchange) Step(token []byte) (reply []byte, id *Identity, err error) {
	if len(token) > MaxToken {
		return nil, nil, malformed("%d bytes", len(token))
	}
	if x.over {
		return nil, nil, malformed("token after the end")
	}
	x.over = true
	// The library decodes what strangers send. What is known to make it panic is
	// kept from it; should there be more, it costs the stranger.
	defer func() {
		if p := recover(); p != nil {
			reply, id, err = nil, nil, malformed("Kerberos: %v", p)
		}
	}()
	return x.accept(token)
}

// accept carries out the receipt of an AP-REQ (RFC 4120 section 3.2.3).
func (x *kerberosExchange) accept(token []byte) ([]byte, *Identity, error) {
	body, err := unframe(token, tokAPReq)
	if err != nil {
		return nil, nil, err
	}
	var req messages.APReq
	if err := req.Unmarshal(body); err != nil {
		return nil, nil, malformed("AP-REQ: %v", err)
	}
	if req.APOptions.At(apUseSessionKey) != 0 {
		return nil, nil, malformed("user-to-user authentication")
	}
	key, err := x.k.openTicket(&req)
	if err != nil {
		return nil, nil, err
	}
	ticket := &req.Ticket.DecryptedEncPart
	now := time.Now()
	if err := x.k.checkTimes(ticket, now); err != nil {
		return nil, nil, err
	}
	if err := x.k.openAuthenticator(&req, now); err != nil {
		return nil, nil, err
	}
	id, err := x.k.identify(ticket, key)
	if err != nil {
		return nil, nil, err
	}
	id.Expires = x.k.expiry(ticket, now)
	return x.establish(&req, id)
}

// unframe takes the GSS frame off a token of the wanted kind (RFC 2743 section
// 3.1). Windows and others always name the standard mechanism here, whichever of
// the two SPNEGO has chosen.
func unframe(token []byte, kind string) ([]byte, error) {
	body, _, ok := readTag(token, tagApplication0)
	if !ok {
		return nil, malformed("not a GSS token")
	}
	oid, body, ok := readTag(body, tagOID)
	if !ok || string(oid) != OIDKerberos && string(oid) != OIDMSKerberos {
		return nil, malformed("not a Kerberos token")
	}
	body, ok = bytes.CutPrefix(body, []byte(kind))
	if !ok {
		return nil, malformed("Kerberos: unexpected kind of token")
	}
	return body, nil
}

// frame is the reverse of unframe.
func frame(kind string, body []byte) []byte {
	return tlv(tagApplication0, tlv(tagOID, []byte(OIDKerberos)), []byte(kind), body)
}

// encTypes are the encryption types that are accepted, the strongest first, with
// the length of their keys in bytes and the checksum type that belongs to them
// (RFC 3962, RFC 8009, RFC 4757).
var encTypes = []struct {
	id       int32
	keySize  int
	checksum int32
	name     string
}{
	{etypeID.AES256_CTS_HMAC_SHA384_192, 32, 20, "aes256-cts-hmac-sha384-192"},
	{etypeID.AES128_CTS_HMAC_SHA256_128, 16, 19, "aes128-cts-hmac-sha256-128"},
	{etypeID.AES256_CTS_HMAC_SHA1_96, 32, 16, "aes256-cts-hmac-sha1-96"},
	{etypeID.AES128_CTS_HMAC_SHA1_96, 16, 15, "aes128-cts-hmac-sha1-96"},
	{etypeID.RC4_HMAC, 16, -138, "rc4-hmac"},
}

// keySize is the length of the keys of a type in bytes; 0 if it is not known. The
// library is wrong about one of them.
func keySize(encType int32) int {
	for _, e := range encTypes {
		if e.id == encType {
			return e.keySize
		}
	}
	return 0
}

// encTypeName names an encryption type, known or not.
func encTypeName(id int32) string {
	for _, e := range encTypes {
		if e.id == id {
			return e.name
		}
	}
	return fmt.Sprintf("encryption type %d", id)
}

// knownEncType reports whether keys of a type may be used at all.
func knownEncType(id int32, allowRC4 bool) bool {
	for _, e := range encTypes {
		if e.id == id {
			return id != etypeID.RC4_HMAC || allowRC4
		}
	}
	return false
}

// checkKey refuses keys of types that are not accepted, and malformed ones.
func (k *Kerberos) checkKey(what string, key types.EncryptionKey) error {
	if !knownEncType(key.KeyType, k.cfg.AllowRC4) {
		return fmt.Errorf("%w: the %s is of %s", ErrWeakKey, what, encTypeName(key.KeyType))
	}
	if len(key.KeyValue) != keySize(key.KeyType) {
		return malformed("%s of %d bytes", what, len(key.KeyValue))
	}
	return nil
}

// minCipher is the length of the shortest message that can be something
// encrypted, for any of encTypes: a confounder and a checksum. The library cuts
// them off without looking.
const minCipher = 16 + 24

// decryptable keeps from the library what it cannot cope with.
func decryptable(what string, d types.EncryptedData) error {
	if len(d.Cipher) < minCipher {
		return malformed("%s of %d bytes", what, len(d.Cipher))
	}
	return nil
}

// openTicket decrypts the ticket and returns the key that fits. Which principal
// the ticket names does not count: the name is not protected, the key is.
func (k *Kerberos) openTicket(req *messages.APReq) (serviceKey, error) {
	enc := req.Ticket.EncPart
	name := req.Ticket.SName.PrincipalNameString() + "@" + req.Ticket.Realm
	if !knownEncType(enc.EType, k.cfg.AllowRC4) {
		return serviceKey{}, fmt.Errorf("%w: the ticket for %q is of %s", ErrWeakKey, name, encTypeName(enc.EType))
	}
	if err := decryptable("ticket", enc); err != nil {
		return serviceKey{}, err
	}
	if len(req.Ticket.SName.NameString) == 0 {
		return serviceKey{}, malformed("ticket for nobody")
	}
	keys := k.keys.current()
	for _, key := range candidates(keys, enc.EType, uint32(enc.KVNO)) {
		if req.Ticket.Decrypt(key.key) == nil {
			return key, k.checkKey("session key", req.Ticket.DecryptedEncPart.Key)
		}
	}
	return serviceKey{}, k.keys.explain(keys, name, enc.EType, uint32(enc.KVNO))
}

// clock shows times so that a person can compare them.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

// checkTimes checks when the ticket is valid (RFC 4120 section 3.2.3).
func (k *Kerberos) checkTimes(t *messages.EncTicketPart, now time.Time) error {
	start := t.StartTime
	if start.IsZero() {
		start = t.AuthTime
	}
	switch {
	case start.Sub(now) > k.cfg.MaxClockSkew:
		return fmt.Errorf("%w: the ticket is valid from %s, the server's clock says %s", ErrClockSkew, clock(start), clock(now))
	case t.Flags.At(ticketInvalid) != 0:
		return fmt.Errorf("%w: a postdated ticket that no KDC has validated", ErrLogonFailure)
	case now.Sub(t.EndTime) > k.cfg.MaxClockSkew:
		return fmt.Errorf("%w: at %s, the server's clock says %s", ErrTicketExpired, clock(t.EndTime), clock(now))
	}
	return nil
}

// expiry is when a session with the ticket ends: with the ticket. A client whose
// clock is slow may come with a ticket that has just ended by our clock; it is
// good for as long as it would be accepted.
func (k *Kerberos) expiry(t *messages.EncTicketPart, now time.Time) time.Time {
	if now.Before(t.EndTime) {
		return t.EndTime
	}
	return t.EndTime.Add(k.cfg.MaxClockSkew)
}

// openAuthenticator checks that the client knows the session key, now, and that
// this was not said before (RFC 4120 section 3.2.3).
func (k *Kerberos) openAuthenticator(req *messages.APReq, now time.Time) error {
	ticket := &req.Ticket.DecryptedEncPart
	if err := decryptable("authenticator", req.EncryptedAuthenticator); err != nil {
		return err
	}
	if err := req.DecryptAuthenticator(ticket.Key); err != nil {
		return fmt.Errorf("%w: the authenticator does not fit the ticket", ErrLogonFailure)
	}
	a := &req.Authenticator
	if a.CRealm != ticket.CRealm || !slices.Equal(a.CName.NameString, ticket.CName.NameString) {
		return fmt.Errorf("%w: authenticator and ticket name different clients", ErrLogonFailure)
	}
	said := a.CTime.Add(time.Duration(a.Cusec) * time.Microsecond)
	if d := now.Sub(said).Abs(); d > k.cfg.MaxClockSkew {
		return fmt.Errorf("%w: the client's clock says %s, the server's %s: %v apart, %v are allowed",
			ErrClockSkew, clock(said), clock(now), d.Round(time.Second), k.cfg.MaxClockSkew)
	}
	// The addresses in a ticket are not looked at: as Windows says, they prove
	// nothing, and behind address translation they are wrong.
	if !k.replay.add(req.EncryptedAuthenticator.Cipher, now) {
		return ErrReplay
	}
	return nil
}

// identify finds out who the client is.
func (k *Kerberos) identify(t *messages.EncTicketPart, key serviceKey) (*Identity, error) {
	name, err := mappedName(t.CName.NameString, t.CRealm)
	if err != nil {
		return nil, err
	}
	if !k.allowsRealm(t.CRealm) {
		return nil, fmt.Errorf("%w: user %q is of a realm that is not let in", ErrLogonFailure, name)
	}
	id := &Identity{User: name, Domain: t.CRealm, Mech: "kerberos"}
	if err := addPAC(id, t, key); err != nil {
		return nil, err
	}
	if k.cfg.Directory != nil && id.SID.IsZero() {
		id.SID, id.GroupSIDs, err = k.cfg.Directory(strings.Join(t.CName.NameString, "/"), t.CRealm)
		if err != nil {
			return nil, fmt.Errorf("%w: the SIDs of %q: %w", ErrLogonFailure, name, err)
		}
	}
	if k.cfg.Accounts == nil {
		return id, nil
	}
	if user, ok := k.cfg.Accounts.Lookup(name); ok {
		if user.Disabled {
			return nil, ErrAccountDisabled
		}
		id.UID, id.HasUID, id.RID = user.UID, user.HasUID, user.RID
	}
	return id, nil
}

// mappedName makes the name of a user of a principal. Two principals never have
// the same: what tells the parts apart is not allowed inside of them.
func mappedName(parts []string, realm string) (string, error) {
	bad := func(s string) bool {
		return s == "" || !utf8.ValidString(s) || strings.ContainsAny(s, `@/\:`) || strings.ContainsFunc(s, unicode.IsControl)
	}
	name := strings.Join(parts, "/") + "@" + realm
	if len(parts) == 0 || slices.ContainsFunc(parts, bad) || bad(realm) || len(name) > 256 {
		return "", fmt.Errorf("%w: principal %q cannot be a user", ErrLogonFailure, name)
	}
	return name, nil
}

// establish chooses the keys of the session and makes the answer.
//
// The session key of SMB is what GSS_Inquire gives (MS-SMB2 3.3.5.5.3): the subkey
// of the acceptor if the client hears of one, else its own, else that of the
// ticket (RFC 4121 section 2).
func (x *kerberosExchange) establish(req *messages.APReq, id *Identity) ([]byte, *Identity, error) {
	flags, err := gssFlags(req.Authenticator.Cksum)
	if err != nil {
		return nil, nil, err
	}
	ticketKey := req.Ticket.DecryptedEncPart.Key
	x.mic.initiator = ticketKey
	if sub := req.Authenticator.SubKey; len(sub.KeyValue) > 0 {
		if err := x.k.checkKey("subkey", sub); err != nil {
			return nil, nil, err
		}
		x.mic.initiator = sub
	}
	if flags&gssMutual == 0 && req.APOptions.At(apMutualRequired) == 0 {
		id.SessionKey = bytes.Clone(x.mic.initiator.KeyValue)
		return nil, id, nil
	}
	part := messages.EncAPRepPart{CTime: req.Authenticator.CTime.UTC(), Cusec: req.Authenticator.Cusec}
	if part.SequenceNumber, err = sequenceNumber(); err != nil {
		return nil, nil, err
	}
	x.mic.sequence = uint64(part.SequenceNumber)
	// Keys of rc4-hmac use the older tokens, which know no subkey of the acceptor
	// (RFC 4757 section 7).
	if x.mic.initiator.KeyType != etypeID.RC4_HMAC {
		if part.Subkey, err = newKey(x.mic.initiator.KeyType); err != nil {
			return nil, nil, err
		}
		x.mic.acceptor = part.Subkey
	}
	rep, err := messages.NewAPRep(ticketKey, part)
	if err != nil {
		return nil, nil, fmt.Errorf("auth: AP-REP: %w", err)
	}
	body, err := rep.Marshal()
	if err != nil {
		return nil, nil, fmt.Errorf("auth: AP-REP: %w", err)
	}
	id.SessionKey = bytes.Clone(x.mic.best().KeyValue)
	// A bare AP-REP is for DCE style alone: Windows calls it defective here.
	return frame(tokAPRep, body), id, nil
}

// gssChecksum is the type of the checksum in an authenticator that holds the flags
// of GSS (RFC 4121 section 4.1.1).
const gssChecksum = 0x8003

// gssFlags reads the flags out of the checksum. Channel bindings are not looked
// at, as SMB has none, nor are credentials that the client delegates. A client
// without GSS, which leaves the checksum out, has no flags.
func gssFlags(c types.Checksum) (uint32, error) {
	if c.CksumType == 0 && len(c.Checksum) == 0 {
		return 0, nil
	}
	if c.CksumType != gssChecksum || len(c.Checksum) < 24 {
		return 0, malformed("authenticator with a checksum of type %#x and %d bytes", c.CksumType, len(c.Checksum))
	}
	flags := binary.LittleEndian.Uint32(c.Checksum[20:])
	if flags&gssDCEStyle != 0 {
		return 0, malformed("Kerberos in DCE style")
	}
	return flags, nil
}

// MIC implements MechExchange.
func (x *kerberosExchange) MIC(data []byte) []byte { return x.mic.sign(data, true) }

// VerifyMIC implements MechExchange.
func (x *kerberosExchange) VerifyMIC(data, mic []byte) (ok bool) {
	return x.mic.verify(data, mic, true)
}
