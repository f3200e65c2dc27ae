package directory

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"lessor/smb/rpc"
	"lessor/smb/secdesc"
)

// Schema names which attributes hold what.
type Schema string

// The schemas.
const (
	// AD is that of Active Directory, and of Samba as one.
	AD Schema = "ad"
	// Samba is that of Samba's file servers (sambaSID) beside RFC 2307.
	Samba Schema = "samba"
	// RFC2307 has uids and gids and no SIDs: they are S-1-22-1-uid and S-1-22-2-gid.
	RFC2307 Schema = "rfc2307"
)

// schema is one way to keep accounts.
type schema struct {
	attributes []string
	sidFilter  func(secdesc.SID) (string, error)
	nameFilter func(string) string
	account    func(*ldap.Entry) rpc.Account // without a domain
	groups     func(context.Context, *Directory, *ldap.Entry, string) ([]secdesc.SID, error)
}

var schemas = map[Schema]*schema{
	AD: {
		attributes: []string{"objectSid", "sAMAccountName", "objectClass", "groupType", "primaryGroupID", "memberOf"},
		sidFilter: func(sid secdesc.SID) (string, error) {
			var b strings.Builder
			for _, c := range sid.Append(nil) {
				fmt.Fprintf(&b, `\%02x`, c)
			}
			return "(objectSid=" + b.String() + ")", nil
		},
		nameFilter: func(name string) string { return "(sAMAccountName=" + ldap.EscapeFilter(name) + ")" },
		account:    adAccount,
		groups:     adGroups,
	},
	Samba: {
		attributes: []string{"sambaSID", "uid", "cn", "objectClass", "sambaPrimaryGroupSID", "gidNumber"},
		sidFilter:  func(sid secdesc.SID) (string, error) { return "(sambaSID=" + sid.String() + ")", nil },
		nameFilter: func(name string) string {
			n := ldap.EscapeFilter(name)
			return "(|(&(objectClass=sambaSamAccount)(uid=" + n + "))(&(objectClass=sambaGroupMapping)(cn=" + n + ")))"
		},
		account: sambaAccount,
		groups:  sambaGroups,
	},
	RFC2307: {
		attributes: []string{"uid", "cn", "objectClass", "uidNumber", "gidNumber"},
		sidFilter: func(sid secdesc.SID) (string, error) {
			if uid, ok := sid.UnixUID(); ok {
				return fmt.Sprintf("(&(objectClass=posixAccount)(uidNumber=%d))", uid), nil
			}
			if gid, ok := sid.UnixGID(); ok {
				return fmt.Sprintf("(&(objectClass=posixGroup)(gidNumber=%d))", gid), nil
			}
			return "(!(objectClass=*))", nil // nobody
		},
		nameFilter: func(name string) string {
			n := ldap.EscapeFilter(name)
			return "(|(&(objectClass=posixAccount)(uid=" + n + "))(&(objectClass=posixGroup)(cn=" + n + ")))"
		},
		account: posixAccount,
		groups:  posixGroups,
	},
}

// is reports whether an entry is of a class.
func is(e *ldap.Entry, class string) bool {
	return slices.ContainsFunc(e.GetEqualFoldAttributeValues("objectClass"), func(c string) bool { return strings.EqualFold(c, class) })
}

// binarySID reads a SID in packet form; the zero SID if it is none.
func binarySID(b []byte) secdesc.SID {
	sid, n, err := secdesc.DecodeSID(b)
	if err != nil || n != len(b) {
		return secdesc.SID{}
	}
	return sid
}

// groupTypeLocal marks a group that counts in its own domain alone (MS-ADTS 2.2.12).
const groupTypeLocal = 0x4

func adAccount(e *ldap.Entry) rpc.Account {
	acc := rpc.Account{SID: binarySID(e.GetEqualFoldRawAttributeValue("objectSid")), Name: e.GetEqualFoldAttributeValue("sAMAccountName"), Type: rpc.AccountUnknown}
	switch {
	case is(e, "computer"):
		acc.Type = rpc.AccountComputer
	case is(e, "group"):
		acc.Type = rpc.AccountGroup
		if t, err := strconv.ParseInt(e.GetEqualFoldAttributeValue("groupType"), 10, 64); err == nil && t&groupTypeLocal != 0 {
			acc.Type = rpc.AccountAlias
		}
	case is(e, "user"), is(e, "inetOrgPerson"):
		acc.Type = rpc.AccountUser
	}
	return acc
}

// adGroups asks for the constructed attribute tokenGroups, which has all groups of a
// user, nested ones too (MS-ADTS 3.1.1.4.5.19). A directory that does not construct it
// has at least the primary group and memberOf.
func adGroups(ctx context.Context, d *Directory, e *ldap.Entry, _ string) ([]secdesc.SID, error) {
	entries, err := d.search(ctx, e.DN, ldap.ScopeBaseObject, "(objectClass=*)", []string{"tokenGroups"}, 1)
	if err != nil {
		return nil, err
	}
	var list []secdesc.SID
	if rid, err := strconv.ParseUint(e.GetEqualFoldAttributeValue("primaryGroupID"), 10, 32); err == nil {
		list = append(list, binarySID(e.GetEqualFoldRawAttributeValue("objectSid")).Domain().WithRID(uint32(rid)))
	}
	add := func(sid secdesc.SID) {
		if !sid.IsZero() && !slices.Contains(list, sid) {
			list = append(list, sid)
		}
	}
	for _, e := range entries {
		if raw := e.GetEqualFoldRawAttributeValues("tokenGroups"); len(raw) > 0 {
			for _, b := range raw {
				add(binarySID(b))
			}
			return list, nil
		}
	}
	for _, dn := range e.GetEqualFoldAttributeValues("memberOf") {
		entries, err := d.search(ctx, dn, ldap.ScopeBaseObject, "(objectClass=*)", []string{"objectSid"}, 1)
		if err != nil {
			return nil, err
		}
		for _, g := range entries {
			add(binarySID(g.GetEqualFoldRawAttributeValue("objectSid")))
		}
	}
	return list, nil
}

func sambaAccount(e *ldap.Entry) rpc.Account {
	sid, err := secdesc.ParseSID(e.GetEqualFoldAttributeValue("sambaSID"))
	acc := rpc.Account{SID: sid, Type: rpc.AccountUnknown}
	switch {
	case err != nil:
		return rpc.Account{}
	case is(e, "sambaSamAccount"):
		acc.Name, acc.Type = e.GetEqualFoldAttributeValue("uid"), rpc.AccountUser
		if strings.HasSuffix(acc.Name, "$") {
			acc.Type = rpc.AccountComputer
		}
	case is(e, "sambaGroupMapping"):
		acc.Name, acc.Type = e.GetEqualFoldAttributeValue("cn"), rpc.AccountGroup
	}
	return acc
}

// sambaGroups asks for the groups that name the user as a member (RFC 2307), and
// that of his gidNumber.
func sambaGroups(ctx context.Context, d *Directory, e *ldap.Entry, name string) ([]secdesc.SID, error) {
	var list []secdesc.SID
	if sid, err := secdesc.ParseSID(e.GetEqualFoldAttributeValue("sambaPrimaryGroupSID")); err == nil {
		list = append(list, sid)
	}
	member := "(memberUid=" + ldap.EscapeFilter(e.GetEqualFoldAttributeValue("uid")) + ")(member=" + ldap.EscapeFilter(e.DN) + ")"
	if gid := e.GetEqualFoldAttributeValue("gidNumber"); gid != "" {
		member += "(gidNumber=" + ldap.EscapeFilter(gid) + ")"
	}
	entries, err := d.search(ctx, d.cfg.Base, ldap.ScopeWholeSubtree, "(&(objectClass=sambaGroupMapping)(|"+member+"))", []string{"sambaSID"}, maxGroups+1)
	if err != nil {
		return nil, err
	}
	for _, g := range entries {
		if sid, err := secdesc.ParseSID(g.GetEqualFoldAttributeValue("sambaSID")); err == nil && !slices.Contains(list, sid) {
			list = append(list, sid)
		}
	}
	return list, nil
}

// number reads a uid or gid.
func number(e *ldap.Entry, attribute string) (uint32, bool) {
	n, err := strconv.ParseUint(e.GetEqualFoldAttributeValue(attribute), 10, 32)
	return uint32(n), err == nil
}

func posixAccount(e *ldap.Entry) rpc.Account {
	if uid, ok := number(e, "uidNumber"); ok && is(e, "posixAccount") {
		return rpc.Account{SID: secdesc.UnixUser(uid), Name: e.GetEqualFoldAttributeValue("uid"), Type: rpc.AccountUser}
	}
	if gid, ok := number(e, "gidNumber"); ok && is(e, "posixGroup") {
		return rpc.Account{SID: secdesc.UnixGroup(gid), Name: e.GetEqualFoldAttributeValue("cn"), Type: rpc.AccountGroup}
	}
	return rpc.Account{}
}

// posixGroups are that of the gidNumber, and those that name the user as a member, by
// name (RFC 2307) or as an entry (RFC 2307bis).
func posixGroups(ctx context.Context, d *Directory, e *ldap.Entry, _ string) ([]secdesc.SID, error) {
	var list []secdesc.SID
	if gid, ok := number(e, "gidNumber"); ok {
		list = append(list, secdesc.UnixGroup(gid))
	}
	member := "(memberUid=" + ldap.EscapeFilter(e.GetEqualFoldAttributeValue("uid")) + ")(member=" + ldap.EscapeFilter(e.DN) + ")"
	entries, err := d.search(ctx, d.cfg.Base, ldap.ScopeWholeSubtree, "(&(objectClass=posixGroup)(|"+member+"))", []string{"gidNumber"}, maxGroups+1)
	if err != nil {
		return nil, err
	}
	for _, g := range entries {
		if gid, ok := number(g, "gidNumber"); ok && !slices.Contains(list, secdesc.UnixGroup(gid)) {
			list = append(list, secdesc.UnixGroup(gid))
		}
	}
	return list, nil
}
