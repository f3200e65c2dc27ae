package smb

import (
	"os/user"
	"strconv"
	"strings"
	"sync"

	"lessor/smb/rpc"
	"lessor/smb/secdesc"
)

// Domains of the Unix users and groups that have no account, as Samba names
// them.
const (
	unixUserDomain  = "Unix User"
	unixGroupDomain = "Unix Group"
)

// accounts remembers who has logged on since the start, and their groups, so that
// SIDs in descriptors get names. There are no more entries than accounts, because only
// who has proved to be one gets in.
type accounts struct {
	mu     sync.RWMutex // leaf; guards both maps
	bySID  map[secdesc.SID]account
	byName map[string]secdesc.SID // in lower case
}

// account is a user or a group.
type account struct {
	name string
	kind rpc.AccountType
}

// learn remembers an account. A group does not take the name of a user away.
func (a *accounts) learn(sid secdesc.SID, name string, kind rpc.AccountType) {
	a.mu.RLock()
	known := a.bySID[sid] == account{name, kind}
	a.mu.RUnlock()
	if known {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.bySID == nil {
		a.bySID, a.byName = make(map[secdesc.SID]account), make(map[string]secdesc.SID)
	}
	a.bySID[sid] = account{name, kind}
	folded := strings.ToLower(name)
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

func (a *accounts) sid(name string) (secdesc.SID, bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	sid, ok := a.byName[strings.ToLower(name)]
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
	machine := b.s.machine.SID()
	if sid == machine {
		return rpc.Account{SID: sid, Domain: b.ServerName(), Type: rpc.AccountDomain}, true
	}
	if acc, ok := b.s.accounts.account(sid); ok {
		return rpc.Account{SID: sid, Domain: b.ServerName(), Name: acc.name, Type: acc.kind}, true
	}
	if sid.Domain() != machine {
		return rpc.Account{}, false
	}
	rid := sid.RID()
	for _, m := range machineAccounts {
		if m.rid == rid {
			return rpc.Account{SID: sid, Domain: b.ServerName(), Name: m.name, Type: m.kind}, true
		}
	}
	if uid, ok := uidOfRID(rid); ok {
		// The account has not logged on yet; it goes by the name of its Unix user.
		name := unixUserName(uid)
		return rpc.Account{SID: sid, Domain: b.ServerName(), Name: name, Type: rpc.AccountUser}, name != ""
	}
	return rpc.Account{}, false
}

// LookupName implements rpc.Backend.
func (b rpcBackend) LookupName(domain, name string) (rpc.Account, bool) {
	machine := b.s.machine.SID()
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
	case domain != "" && !strings.EqualFold(domain, b.ServerName()):
		return rpc.Account{}, false
	}
	if sid, ok := b.s.accounts.sid(name); ok {
		return b.LookupSID(sid)
	}
	for _, m := range machineAccounts {
		if strings.EqualFold(m.name, name) {
			return b.LookupSID(machine.WithRID(m.rid))
		}
	}
	if strings.EqualFold(name, b.ServerName()) {
		return b.LookupSID(machine)
	}
	return rpc.Account{}, false
}

// unixUserName is the name of a Unix user, or empty.
func unixUserName(uid uint32) string {
	u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return ""
	}
	return u.Username
}
