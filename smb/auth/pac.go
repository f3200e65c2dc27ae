package auth

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/oiweiwei/gokrb5.fork/v9/crypto"
	"github.com/oiweiwei/gokrb5.fork/v9/iana/keyusage"
	"github.com/oiweiwei/gokrb5.fork/v9/messages"
	"github.com/oiweiwei/gokrb5.fork/v9/types"

	"lessor/smb/secdesc"
)

// The privilege attribute certificate: what a domain controller says about a user,
// inside the ticket and signed with the key of the service (MS-PAC).

// Types of authorization data (RFC 4120 section 5.2.6, MS-KILE 2.2.3).
const (
	adIfRelevant = 1
	adWin2kPAC   = 128
)

// Types of buffers in a PAC (MS-PAC 2.4).
const (
	pacLogonInfo   = 1
	pacServerSum   = 6
	pacKDCSum      = 7
	pacClientInfo  = 10
	maxPACBuffers  = 64
	maxGroupSIDs   = 4096
	pacHeaderSize  = 8
	pacInfoSize    = 16
	fileTimeSecond = 10000000
)

// addPAC adds to an identity what the PAC of the ticket says, if there is one. A
// KDC without a directory sends none, or one without SIDs.
func addPAC(id *Identity, t *messages.EncTicketPart, key serviceKey) error {
	data, err := findPAC(t.AuthorizationData)
	if err != nil || data == nil {
		return err
	}
	p, err := parsePAC(data)
	if err != nil {
		return err
	}
	if err := p.verify(key.key); err != nil {
		return err
	}
	if err := p.checkClient(t); err != nil {
		return err
	}
	if p.logon == nil {
		return nil
	}
	info, err := parseLogonInfo(p.logon)
	if err != nil {
		return err
	}
	id.SID, id.GroupSIDs = info.user, info.groups
	return nil
}

// findPAC returns the first PAC in the authorization data of a ticket, or nil. It
// stands inside of AD-IF-RELEVANT.
func findPAC(list types.AuthorizationData) ([]byte, error) {
	for _, outer := range list {
		if outer.ADType != adIfRelevant {
			continue
		}
		var inner types.AuthorizationData
		if err := inner.Unmarshal(outer.ADData); err != nil {
			return nil, malformed("authorization data: %v", err)
		}
		for _, ad := range inner {
			if ad.ADType == adWin2kPAC {
				return ad.ADData, nil
			}
		}
	}
	return nil, nil
}

// pac is a PAC taken apart. Slices alias the data.
type pac struct {
	cleared   []byte // a copy with the signatures set to zero
	serverSum []byte // type and signature
	logon     []byte // nil: none
	client    []byte
}

// parsePAC reads PACTYPE (MS-PAC 2.3). Of several buffers of a type, the first
// counts.
func parsePAC(b []byte) (*pac, error) {
	le := binary.LittleEndian
	if len(b) < pacHeaderSize || le.Uint32(b[4:]) != 0 {
		return nil, malformed("PAC header")
	}
	n := le.Uint32(b)
	if n > maxPACBuffers || uint32(len(b)-pacHeaderSize) < n*pacInfoSize {
		return nil, malformed("PAC of %d buffers", n)
	}
	p := &pac{cleared: append([]byte(nil), b...)}
	for i := range int(n) {
		info := b[pacHeaderSize+i*pacInfoSize:]
		size, offset := uint64(le.Uint32(info[4:])), le.Uint64(info[8:])
		if offset > uint64(len(b)) || size > uint64(len(b))-offset {
			return nil, malformed("PAC buffer outside of the PAC")
		}
		buf := b[offset : offset+size : offset+size]
		switch le.Uint32(info) {
		case pacLogonInfo:
			setFirst(&p.logon, buf)
		case pacClientInfo:
			setFirst(&p.client, buf)
		case pacServerSum:
			setFirst(&p.serverSum, buf)
			clearSignature(p.cleared[offset : offset+size])
		case pacKDCSum:
			clearSignature(p.cleared[offset : offset+size])
		}
	}
	return p, nil
}

func setFirst(to *[]byte, buf []byte) {
	if *to == nil {
		*to = buf
	}
}

// clearSignature sets the signature of PAC_SIGNATURE_DATA to zero, but not what a
// read-only controller writes behind it (MS-PAC 2.8).
func clearSignature(b []byte) {
	if len(b) < 4 {
		return
	}
	n := signatureSize(int32(binary.LittleEndian.Uint32(b)))
	clear(b[4:min(4+n, len(b))])
}

// signatureSize is the length of a signature by its type.
func signatureSize(kind int32) int {
	switch kind {
	case 15, 16:
		return 12
	case 20:
		return 24
	}
	return 16
}

// verify checks the signature that was made with the key of the service. The other
// one, which only the KDC can check, protects the KDC from services.
func (p *pac) verify(key types.EncryptionKey) error {
	bad := fmt.Errorf("%w: signature of the PAC", ErrIntegrity)
	if len(p.serverSum) < 4 {
		return bad
	}
	kind := int32(binary.LittleEndian.Uint32(p.serverSum))
	n := signatureSize(kind)
	if len(p.serverSum) < 4+n {
		return bad
	}
	for _, e := range encTypes {
		if e.id != key.KeyType || e.checksum != kind {
			continue
		}
		et, err := crypto.GetEtype(e.id)
		if err == nil && et.VerifyChecksum(key.KeyValue, p.cleared, p.serverSum[4:4+n], keyusage.KERB_NON_KERB_CKSUM_SALT) {
			return nil
		}
	}
	return bad
}

// checkClient makes sure that the PAC is about the client of the ticket (MS-PAC
// 2.7): the same name, authenticated at the same time.
func (p *pac) checkClient(t *messages.EncTicketPart) error {
	le := binary.LittleEndian
	if len(p.client) < 10 {
		return malformed("PAC without client")
	}
	n := int(le.Uint16(p.client[8:]))
	if len(p.client)-10 < n {
		return malformed("PAC_CLIENT_INFO")
	}
	name := decodeUTF16(p.client[10 : 10+n])
	want := strings.Join(t.CName.NameString, "/")
	if !strings.EqualFold(name, want) && !strings.EqualFold(name, want+"@"+t.CRealm) {
		return fmt.Errorf("%w: the PAC is about %q, the ticket about %q", ErrIntegrity, name, want)
	}
	if le.Uint64(p.client)/fileTimeSecond != fileTime(t.AuthTime)/fileTimeSecond {
		return fmt.Errorf("%w: the PAC is of another time than the ticket", ErrIntegrity)
	}
	return nil
}

// logonInfo is what counts of KERB_VALIDATION_INFO.
type logonInfo struct {
	user   secdesc.SID
	groups []secdesc.SID // the primary group first
}

// Attributes of groups (MS-PAC 2.2.1).
const groupEnabled = 0x4

// parseLogonInfo reads KERB_VALIDATION_INFO (MS-PAC 2.5), which is NDR (C706
// chapter 14) behind the headers of MS-RPCE 2.2.6. First comes the structure with
// its fixed fields, then what its pointers point to, in order.
func parseLogonInfo(b []byte) (*logonInfo, error) {
	r := &ndr{b: b}
	r.skip(16) // headers
	r.pointer()
	r.skip(6 * 8) // times
	names := [8]bool{}
	for i := range 6 {
		names[i] = r.unicode()
	}
	r.skip(4) // counts of logons
	userID, primary := r.u32(), r.u32()
	r.u32() // number of groups, which comes again
	groups := r.pointer()
	r.skip(4 + 16) // flags, session key
	names[6], names[7] = r.unicode(), r.unicode()
	domain := r.pointer()
	r.skip(2*4 + 4 + 4 + 2*8 + 4 + 4 + 4) // to the number of further SIDs
	extra := r.pointer()
	resourceDomain := r.pointer()
	r.u32()
	resources := r.pointer()

	for _, there := range names[:6] {
		r.text(there)
	}
	groupList := r.groups(groups)
	r.text(names[6])
	r.text(names[7])
	domainSID := r.sid(domain)
	extraList := r.sids(extra)
	resourceSID := r.sid(resourceDomain)
	resourceList := r.groups(resources)
	if r.bad || domainSID.IsZero() {
		return nil, malformed("KERB_VALIDATION_INFO")
	}
	return gather(userID, primary, domainSID, resourceSID, groupList, resourceList, extraList)
}

// gather puts the SIDs of a user together.
func gather(userID, primary uint32, domain, resource secdesc.SID, groups, resources []uint32, extra []secdesc.SID) (*logonInfo, error) {
	info := &logonInfo{user: domain.WithRID(userID)}
	if userID == 0 { // MS-PAC 2.5, ExtraSids
		if len(extra) == 0 {
			return nil, malformed("PAC without user")
		}
		info.user, extra = extra[0], extra[1:]
	}
	seen := map[secdesc.SID]bool{info.user: true}
	add := func(sid secdesc.SID) {
		if !sid.IsZero() && !seen[sid] {
			seen[sid] = true
			info.groups = append(info.groups, sid)
		}
	}
	if primary != 0 {
		add(domain.WithRID(primary))
	}
	for _, rid := range groups {
		add(domain.WithRID(rid))
	}
	for _, sid := range extra {
		add(sid)
	}
	for _, rid := range resources {
		if !resource.IsZero() {
			add(resource.WithRID(rid))
		}
	}
	if info.user.IsZero() || len(info.groups) > maxGroupSIDs {
		return nil, malformed("PAC of %d groups", len(info.groups))
	}
	return info, nil
}
