package smb

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"lessor/smb/ntstatus"
	"lessor/smb/privileges"
	"lessor/smb/rpc"
	"lessor/smb/secdesc"
)

// Who has which privilege, as far as clients ask for it and change it over RPC (MS-LSAD
// 3.1.4.5). What somebody has is in the token of his session, made at the logon. Each
// change is a line of the log, and of the audit logs that want to know who sets security.
//
// The configuration gives privileges by name (Config.Privileged), besides the accounts of
// Config.Privileges: somebody has what either says. Clients see both as one, and cannot
// take away what the configuration gives.

// SetPrivileged replaces Config.Privileged. It counts from the next session of a user on.
func (s *Server) SetPrivileged(list map[string]secdesc.Privilege) {
	m := make(map[string]secdesc.Privilege, len(list))
	for name, set := range list {
		m[strings.ToLower(name)] |= set & privileges.All
	}
	s.groups.wantForPrivileged(m)
	s.privileged.Store(&m)
}

// privilegesOf are those of a user. Guests and nobodies never have any, so that what is
// given to everybody is given to whom the server knows.
func (s *Server) privilegesOf(p *principal) secdesc.Privilege {
	set := secdesc.PrivChangeNotify | s.cfg.Privileges.Of(p.token)
	if list := s.privileged.Load(); list != nil && len(*list) > 0 {
		for _, key := range s.groups.keysOf(p) {
			set |= (*list)[key]
		}
	}
	return set
}

// configured are the accounts that the configuration names, as far as it is known whose
// names these are.
func (b rpcBackend) configured() map[secdesc.SID]secdesc.Privilege {
	list := b.s.privileged.Load()
	if list == nil || len(*list) == 0 {
		return nil
	}
	accounts := make(map[secdesc.SID]secdesc.Privilege, len(*list))
	for key, set := range *list {
		if sid, ok := b.sidOfKey(key); ok && set != 0 {
			accounts[sid] |= set
		}
	}
	return accounts
}

// sidOfKey finds the account of a key of Share.Access.
func (b rpcBackend) sidOfKey(key string) (secdesc.SID, bool) {
	name, group := strings.CutPrefix(key, groupMark)
	store, machine := b.s.cfg.Accounts, b.s.machine
	switch {
	case group && ofDirectory(key):
		return b.s.groups.sid(key)
	case group:
		if sid, err := secdesc.ParseSID(strings.ToUpper(name)); err == nil {
			return sid, true
		}
		if store == nil {
			return machine.account(b.s.groupRID(name)), true
		}
		g, ok := store.Group(name)
		return machine.account(g.RID), ok
	case store != nil:
		if u, ok := store.Lookup(name); ok {
			return machine.account(u.RID), true
		}
	}
	if b.s.cfg.Foreign != nil {
		if rid, ok := b.s.cfg.Foreign.Find(name); ok {
			return machine.account(rid), true
		}
	}
	user, realm, found := cutRealm(name)
	if !found {
		return b.s.accounts.sid("", name) // who has logged on, where there is no list of accounts
	}
	acc, ok := b.LookupName(realm, user)
	return acc.SID, ok && acc.Type == rpc.AccountUser
}

// Privileges implements rpc.Backend.
func (b rpcBackend) Privileges() []privileges.Account {
	all := b.s.cfg.Privileges.List()
	given := b.configured()
	if len(given) == 0 {
		return all
	}
	for i := range all {
		all[i].Privileges |= given[all[i].SID]
		delete(given, all[i].SID)
	}
	for sid, set := range given {
		all = append(all, privileges.Account{SID: sid, Privileges: set})
	}
	slices.SortFunc(all, func(a, b privileges.Account) int { return strings.Compare(a.SID.String(), b.SID.String()) })
	return all
}

// PrivilegesOf implements rpc.Backend.
func (b rpcBackend) PrivilegesOf(sid secdesc.SID) (secdesc.Privilege, bool) {
	set, ok := b.s.cfg.Privileges.Lookup(sid)
	given, named := b.configured()[sid]
	return set | given, ok || named
}

// AddPrivilegeAccount implements rpc.Backend.
func (b rpcBackend) AddPrivilegeAccount(sid secdesc.SID) error {
	if _, named := b.configured()[sid]; named {
		return b.changed(sid, 0, 0, fs.ErrExist)
	}
	return b.changed(sid, 0, 0, b.s.cfg.Privileges.Create(sid))
}

// DeletePrivilegeAccount implements rpc.Backend.
func (b rpcBackend) DeletePrivilegeAccount(sid secdesc.SID) error {
	had, _ := b.PrivilegesOf(sid)
	if given, named := b.configured()[sid]; named {
		return b.changed(sid, 0, had, givenError(given))
	}
	return b.changed(sid, 0, had, b.s.cfg.Privileges.Delete(sid))
}

// GrantPrivileges implements rpc.Backend. What the configuration gives already is kept as
// well, and stays should it no longer do so.
func (b rpcBackend) GrantPrivileges(sid secdesc.SID, set secdesc.Privilege) error {
	return b.changed(sid, set, 0, b.s.cfg.Privileges.Grant(sid, set))
}

// RevokePrivileges implements rpc.Backend. Nothing is revoked where a part of it is given
// by the configuration.
func (b rpcBackend) RevokePrivileges(sid secdesc.SID, set secdesc.Privilege, prune bool) error {
	given, named := b.configured()[sid]
	if given&set != 0 {
		return b.changed(sid, 0, set, givenError(given&set))
	}
	err := b.s.cfg.Privileges.Revoke(sid, set, prune)
	if named && errors.Is(err, fs.ErrNotExist) {
		err = nil // the account is there, and has nothing of it
	}
	return b.changed(sid, 0, set, err)
}

// givenError says why privileges cannot be taken away.
func givenError(set secdesc.Privilege) error {
	return fmt.Errorf("the configuration gives %s: %w", privileges.Names(set), fs.ErrPermission)
}

// privilegeEvent is a line of an audit log.
type privilegeEvent struct {
	auditEvent
	AccountSID string `json:"account_sid"`
	Account    string `json:"account,omitempty"`
	Granted    string `json:"granted,omitempty"` // names, joined by commas
	Revoked    string `json:"revoked,omitempty"`
}

// changed tells the logs of a change that has been made, or has failed with err.
func (b rpcBackend) changed(sid secdesc.SID, granted, revoked secdesc.Privilege, err error) error {
	st := ntstatus.Success
	if err != nil {
		st = statusOf(err)
	}
	e := privilegeEvent{
		auditEvent: auditEvent{
			Time: auditTime(time.Now()), User: b.who.User, SID: b.who.token.User.String(), Address: b.from,
			Share: ipcName, Operation: "privileges", Status: st.String(),
		},
		AccountSID: sid.String(), Granted: privileges.Names(granted), Revoked: privileges.Names(revoked),
	}
	if b.sess != nil {
		e.Session = strconv.FormatUint(b.sess.id, 10)
	}
	if a, ok := b.LookupSID(sid); ok {
		e.Account = strings.TrimPrefix(a.Domain+`\`+a.Name, `\`)
	}
	line, what := b.s.log.Info(), "privileges changed over the network"
	if err != nil {
		line, what = b.s.log.Warn().Err(err), "privileges not changed"
	}
	line.Str("user", e.User).Str("address", e.Address).Str("account_sid", e.AccountSID).Str("account", e.Account).
		Str("granted", e.Granted).Str("revoked", e.Revoked).Msg(what)
	b.auditPrivileges(&e, st)
	return err
}

// auditPrivileges writes an event to each audit log once.
func (b rpcBackend) auditPrivileges(e *privilegeEvent, st ntstatus.Status) {
	var line []byte
	var told []*AuditLog
	for _, sh := range b.s.shares.Load().list {
		a := sh.Audit
		if !a.wants(AuditSecurity, st) || slices.Contains(told, a.Log) {
			continue
		}
		if line == nil {
			text, err := json.Marshal(e)
			if err != nil {
				a.Log.lost.Add(1)
				return
			}
			line = append(text, '\n')
		}
		told = append(told, a.Log)
		a.Log.put(line)
	}
}
