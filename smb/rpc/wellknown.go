package rpc

import (
	"strings"

	"lessor/smb/secdesc"
)

// Domains of well-known principals.
const (
	authorityDomain = "NT AUTHORITY"
	builtinDomain   = "BUILTIN"
)

var builtinSID = secdesc.NewSID(5, 32)

// wellKnown are the principals that mean the same on every machine (MS-DTYP
// 2.4.2.4), as far as access control entries of files name them.
var wellKnown = []Account{
	{secdesc.Nobody, "", "NULL SID", AccountWellKnown},
	{secdesc.World, "", "Everyone", AccountWellKnown},
	{secdesc.NewSID(2, 0), "", "LOCAL", AccountWellKnown},
	{secdesc.NewSID(2, 1), "", "CONSOLE LOGON", AccountWellKnown},
	{secdesc.CreatorOwner, "", "CREATOR OWNER", AccountWellKnown},
	{secdesc.CreatorGroup, "", "CREATOR GROUP", AccountWellKnown},
	{secdesc.OwnerRights, "", "OWNER RIGHTS", AccountWellKnown},

	{secdesc.NewSID(5), authorityDomain, "", AccountDomain},
	{secdesc.NewSID(5, 1), authorityDomain, "DIALUP", AccountWellKnown},
	{secdesc.Network, authorityDomain, "NETWORK", AccountWellKnown},
	{secdesc.NewSID(5, 3), authorityDomain, "BATCH", AccountWellKnown},
	{secdesc.Interactive, authorityDomain, "INTERACTIVE", AccountWellKnown},
	{secdesc.NewSID(5, 6), authorityDomain, "SERVICE", AccountWellKnown},
	{secdesc.Anonymous, authorityDomain, "ANONYMOUS LOGON", AccountWellKnown},
	{secdesc.NewSID(5, 9), authorityDomain, "ENTERPRISE DOMAIN CONTROLLERS", AccountWellKnown},
	{secdesc.NewSID(5, 10), authorityDomain, "SELF", AccountWellKnown},
	{secdesc.AuthenticatedUsers, authorityDomain, "Authenticated Users", AccountWellKnown},
	{secdesc.NewSID(5, 12), authorityDomain, "RESTRICTED", AccountWellKnown},
	{secdesc.NewSID(5, 13), authorityDomain, "TERMINAL SERVER USER", AccountWellKnown},
	{secdesc.NewSID(5, 14), authorityDomain, "REMOTE INTERACTIVE LOGON", AccountWellKnown},
	{secdesc.NewSID(5, 15), authorityDomain, "This Organization", AccountWellKnown},
	{secdesc.System, authorityDomain, "SYSTEM", AccountWellKnown},
	{secdesc.NewSID(5, 19), authorityDomain, "LOCAL SERVICE", AccountWellKnown},
	{secdesc.NewSID(5, 20), authorityDomain, "NETWORK SERVICE", AccountWellKnown},

	{builtinSID, builtinDomain, "", AccountDomain},
	{secdesc.BuiltinAdministrators, builtinDomain, "Administrators", AccountAlias},
	{secdesc.BuiltinUsers, builtinDomain, "Users", AccountAlias},
	{secdesc.BuiltinGuests, builtinDomain, "Guests", AccountAlias},
	{secdesc.NewSID(5, 32, 547), builtinDomain, "Power Users", AccountAlias},
	{secdesc.NewSID(5, 32, 548), builtinDomain, "Account Operators", AccountAlias},
	{secdesc.NewSID(5, 32, 549), builtinDomain, "Server Operators", AccountAlias},
	{secdesc.NewSID(5, 32, 550), builtinDomain, "Print Operators", AccountAlias},
	{secdesc.BuiltinBackup, builtinDomain, "Backup Operators", AccountAlias},
	{secdesc.NewSID(5, 32, 552), builtinDomain, "Replicators", AccountAlias},
	{secdesc.NewSID(5, 32, 555), builtinDomain, "Remote Desktop Users", AccountAlias},
}

var wellKnownBySID = func() map[secdesc.SID]Account {
	m := make(map[secdesc.SID]Account, len(wellKnown))
	for _, a := range wellKnown {
		m[a.SID] = a
	}
	return m
}()

// nameKey folds a name for look-ups.
type nameKey struct{ domain, name string }

func keyOf(domain, name string) nameKey {
	return nameKey{strings.ToUpper(domain), strings.ToUpper(name)}
}

// wellKnownByName finds principals by domain and name, and by the name alone.
var wellKnownByName = func() map[nameKey]Account {
	m := make(map[nameKey]Account, 2*len(wellKnown))
	for _, a := range wellKnown {
		if a.Type == AccountDomain {
			m[keyOf("", a.Domain)] = a
			continue
		}
		m[keyOf("", a.Name)] = a
		m[keyOf(a.Domain, a.Name)] = a
	}
	return m
}()

// lookupSID finds the principal of a SID.
func lookupSID(b Backend, sid secdesc.SID) (Account, bool) {
	if a, ok := wellKnownBySID[sid]; ok {
		return a, true
	}
	if sid == b.MachineSID() {
		return Account{sid, b.ServerName(), "", AccountDomain}, true
	}
	return b.LookupSID(sid)
}

// lookupName finds the principal of a name: NAME, DOMAIN\NAME or NAME@DOMAIN;
// DOMAIN and DOMAIN\ are the domain itself (MS-LSAT 3.1.4.5).
func lookupName(b Backend, full string) (Account, bool) {
	domain, name, qualified := strings.Cut(full, `\`)
	if !qualified {
		domain, name = "", full
	} else if name == "" {
		domain, name = "", domain
	}
	if name == "" {
		return Account{}, false
	}
	if a, ok := wellKnownByName[keyOf(domain, name)]; ok {
		return a, true
	}
	if domain == "" && strings.EqualFold(name, b.ServerName()) {
		return Account{b.MachineSID(), b.ServerName(), "", AccountDomain}, true
	}
	if a, ok := b.LookupName(domain, name); ok {
		return a, true
	}
	if i := strings.LastIndexByte(name, '@'); i > 0 && !qualified {
		return b.LookupName(name[i+1:], name[:i])
	}
	return Account{}, false
}
