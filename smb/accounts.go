package smb

import (
	"context"
	"os/user"
	"strconv"
	"strings"
	"sync"

	"lessor/smb/auth"
	"lessor/smb/rpc"
	"lessor/smb/secdesc"
)

// Domains of the Unix users and groups that have no account, as Samba names
// them.
const (
	unixUserDomain  = "Unix User"
	unixGroupDomain = "Unix Group"
)

// AccountStore is the local users and groups; *auth.Users is one. It is asked while
// users log on and over RPC, by many goroutines at once.
type AccountStore interface {
	Lookup(name string) (auth.User, bool)
	List() []auth.User
	Group(name string) (auth.Group, bool)
	Groups() []auth.Group
	// ByRID finds the user or the group with a number; what it is not, is nil.
	ByRID(rid uint32) (*auth.User, *auth.Group)
}

// Directory knows the users and groups of a domain. It is asked over RPC alone, where
// nothing but the caller waits for it, and answers in the time of ctx.
type Directory interface {
	LookupSID(ctx context.Context, sid secdesc.SID) (rpc.Account, bool)
	// LookupName finds an account by name, in any of the domains that the directory
	// knows if domain is empty.
	LookupName(ctx context.Context, domain, name string) (rpc.Account, bool)
}

// accounts remembers who has logged on since the start, and is in no list of
// accounts, so that SIDs in descriptors get names. There are no more entries than
// accounts, because only who has proved to be one gets in.
type accounts struct {
	mu     sync.RWMutex // leaf; guards both maps
	bySID  map[secdesc.SID]account
	byName map[string]secdesc.SID // domain\name in lower case
}

// account is a user or a group; without a domain it is one of this machine.
type account struct {
	domain, name string
	kind         rpc.AccountType
}

func accountKey(domain, name string) string { return strings.ToLower(domain + `\` + name) }

// cutRealm takes the name of a principal apart.
func cutRealm(principal string) (name, realm string, found bool) {
	if i := strings.LastIndexByte(principal, '@'); i > 0 {
		return principal[:i], principal[i+1:], true
	}
	return principal, "", false
}

// learn remembers an account. A group does not take the name of a user away.
func (a *accounts) learn(sid secdesc.SID, domain, name string, kind rpc.AccountType) {
	acc := account{domain, name, kind}
	a.mu.RLock()
	known := a.bySID[sid] == acc
	a.mu.RUnlock()
	if known {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.bySID == nil {
		a.bySID, a.byName = make(map[secdesc.SID]account), make(map[string]secdesc.SID)
	}
	a.bySID[sid] = acc
	folded := accountKey(domain, name)
	if was, ok := a.byName[folded]; !ok || kind == rpc.AccountUser || a.bySID[was].kind == kind {
		a.byName[folded] = sid
	}
}

func (a *accounts) account(sid secdesc.SID) (account, bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	acc, ok := a.bySID[sid]
	return acc, ok
}

func (a *accounts) sid(domain, name string) (secdesc.SID, bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	sid, ok := a.byName[accountKey(domain, name)]
	return sid, ok
}

// machineAccounts are those that every machine has (MS-DTYP 2.4.2.4).
var machineAccounts = []struct {
	rid  uint32
	name string
	kind rpc.AccountType
}{
	{secdesc.RIDAdministrator, "Administrator", rpc.AccountUser},
	{secdesc.RIDGuest, "Guest", rpc.AccountUser},
	{secdesc.RIDUsers, "None", rpc.AccountGroup},
	{secdesc.RIDGuests, "Domain Guests", rpc.AccountGroup},
}

// LookupSID implements rpc.Backend.
func (b rpcBackend) LookupSID(sid secdesc.SID) (rpc.Account, bool) {
	if b.s.cfg.Directory != nil && b.s.unixOfDirectory(sid) {
		if acc, ok := b.directorySID(sid); ok {
			return acc, true
		}
	}
	if uid, ok := sid.UnixUID(); ok {
		name := unixUserName(uid)
		return rpc.Account{SID: sid, Domain: unixUserDomain, Name: name, Type: rpc.AccountUser}, name != ""
	}
	if gid, ok := sid.UnixGID(); ok {
		g, err := user.LookupGroupId(strconv.FormatUint(uint64(gid), 10))
		if err != nil {
			return rpc.Account{}, false
		}
		return rpc.Account{SID: sid, Domain: unixGroupDomain, Name: g.Name, Type: rpc.AccountGroup}, true
	}
	switch machine := b.s.machine.SID(); {
	case sid == machine:
		return rpc.Account{SID: sid, Domain: b.ServerName(), Type: rpc.AccountDomain}, true
	case sid.Domain() == machine:
		return b.localRID(sid)
	}
	if b.s.cfg.Directory != nil && b.s.machine.foreign(sid) {
		if acc, ok := b.directorySID(sid); ok {
			return acc, true
		}
	}
	return b.learned(sid)
}

// learned finds who has logged on.
func (b rpcBackend) learned(sid secdesc.SID) (rpc.Account, bool) {
	acc, ok := b.s.accounts.account(sid)
	if acc.domain == "" {
		acc.domain = b.ServerName()
	}
	return rpc.Account{SID: sid, Domain: acc.domain, Name: acc.name, Type: acc.kind}, ok
}

// context is the time that the directory has.
func (b rpcBackend) context() (context.Context, context.CancelFunc) {
	if b.until.IsZero() {
		return context.WithCancel(context.Background())
	}
	return context.WithDeadline(context.Background(), b.until)
}

// localRID finds an account of this machine.
func (b rpcBackend) localRID(sid secdesc.SID) (rpc.Account, bool) {
	rid := sid.RID()
	local := func(name string, kind rpc.AccountType) (rpc.Account, bool) {
		return rpc.Account{SID: sid, Domain: b.ServerName(), Name: name, Type: kind}, name != ""
	}
	for _, m := range machineAccounts {
		if m.rid == rid {
			return local(m.name, m.kind)
		}
	}
	if b.s.cfg.Accounts != nil {
		switch u, g := b.s.cfg.Accounts.ByRID(rid); {
		case u != nil:
			return local(u.Name, rpc.AccountUser)
		case g != nil:
			return local(g.Name, rpc.AccountAlias)
		}
	}
	if b.s.cfg.Foreign != nil {
		if name, ok := b.s.cfg.Foreign.Name(rid); ok {
			return local(name, rpc.AccountUser)
		}
	}
	if acc, ok := b.learned(sid); ok {
		return acc, true
	}
	if uid, ok := uidOfRID(rid); ok && b.s.cfg.Accounts == nil {
		// The account has not logged on yet; it goes by the name of its Unix user.
		return local(unixUserName(uid), rpc.AccountUser)
	}
	return rpc.Account{}, false
}

// directorySID asks the directory.
func (b rpcBackend) directorySID(sid secdesc.SID) (rpc.Account, bool) {
	ctx, cancel := b.context()
	defer cancel()
	acc, ok := b.s.cfg.Directory.LookupSID(ctx, sid)
	return acc, ok && acc.SID == sid
}

// LookupName implements rpc.Backend.
func (b rpcBackend) LookupName(domain, name string) (rpc.Account, bool) {
	switch {
	case strings.EqualFold(domain, unixUserDomain):
		if u, err := user.Lookup(name); err == nil {
			if uid, err := strconv.ParseUint(u.Uid, 10, 32); err == nil {
				return rpc.Account{SID: secdesc.UnixUser(uint32(uid)), Domain: unixUserDomain, Name: u.Username, Type: rpc.AccountUser}, true
			}
		}
		return rpc.Account{}, false
	case strings.EqualFold(domain, unixGroupDomain):
		if g, err := user.LookupGroup(name); err == nil {
			if gid, err := strconv.ParseUint(g.Gid, 10, 32); err == nil {
				return rpc.Account{SID: secdesc.UnixGroup(uint32(gid)), Domain: unixGroupDomain, Name: g.Name, Type: rpc.AccountGroup}, true
			}
		}
		return rpc.Account{}, false
	}
	if domain == "" || strings.EqualFold(domain, b.ServerName()) {
		if acc, ok := b.localName(name); ok || domain != "" {
			return acc, ok
		}
	}
	if b.s.cfg.Directory != nil {
		ctx, cancel := b.context()
		defer cancel()
		// What it says of accounts of this machine, or built-in ones, does not count.
		if acc, ok := b.s.cfg.Directory.LookupName(ctx, domain, name); ok && (b.s.machine.foreign(acc.SID) || b.s.unixOfDirectory(acc.SID)) {
			return acc, true
		}
	}
	if sid, ok := b.s.accounts.sid(domain, name); ok {
		return b.LookupSID(sid)
	}
	return rpc.Account{}, false
}

// localName finds an account of this machine. Users go before groups.
func (b rpcBackend) localName(name string) (rpc.Account, bool) {
	if rid, ok := b.localNameRID(name); ok {
		return b.localRID(b.s.machine.account(rid))
	}
	if sid, ok := b.s.accounts.sid("", name); ok {
		return b.LookupSID(sid)
	}
	if strings.EqualFold(name, b.ServerName()) {
		return b.LookupSID(b.s.machine.SID())
	}
	return rpc.Account{}, false
}

func (b rpcBackend) localNameRID(name string) (uint32, bool) {
	if b.s.cfg.Accounts != nil {
		if u, ok := b.s.cfg.Accounts.Lookup(name); ok {
			return u.RID, true
		}
		if g, ok := b.s.cfg.Accounts.Group(name); ok {
			return g.RID, true
		}
	}
	for _, m := range machineAccounts {
		if strings.EqualFold(m.name, name) {
			return m.rid, true
		}
	}
	if b.s.cfg.Foreign != nil {
		return b.s.cfg.Foreign.Find(name)
	}
	return 0, false
}

// LocalUsers implements rpc.Backend.
func (b rpcBackend) LocalUsers() []rpc.LocalUser {
	if b.s.cfg.Accounts == nil {
		return nil
	}
	rids := make(map[string]uint32)
	for _, g := range b.s.cfg.Accounts.Groups() {
		rids[strings.ToLower(g.Name)] = g.RID
	}
	var out []rpc.LocalUser
	for _, u := range b.s.cfg.Accounts.List() {
		l := rpc.LocalUser{RID: u.RID, Name: u.Name, Disabled: u.Disabled}
		keys := []string{strings.ToLower(u.Name)}
		for _, g := range u.Groups {
			folded := strings.ToLower(g)
			keys = append(keys, groupMark+folded)
			if rid, ok := rids[folded]; ok {
				l.Groups = append(l.Groups, rid)
			}
		}
		l.Admin = b.s.listsAdmin(keys)
		out = append(out, l)
	}
	return out
}

// LocalGroups implements rpc.Backend.
func (b rpcBackend) LocalGroups() []rpc.LocalGroup {
	if b.s.cfg.Accounts == nil {
		return nil
	}
	var out []rpc.LocalGroup
	for _, g := range b.s.cfg.Accounts.Groups() {
		out = append(out, rpc.LocalGroup{RID: g.RID, Name: g.Name})
	}
	return out
}

// unixUserName is the name of a Unix user, or empty.
func unixUserName(uid uint32) string {
	u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return ""
	}
	return u.Username
}
