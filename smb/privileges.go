package smb

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"lessor/smb/ntstatus"
	"lessor/smb/privileges"
	"lessor/smb/secdesc"
)

// Who has which privilege, as far as clients ask for it and change it over RPC (MS-LSAD
// 3.1.4.5). What somebody has is in the token of his session, made at the logon. Each
// change is a line of the log, and of the audit logs that want to know who sets security.

// privilegesOf are those of a token. Guests and nobodies never have any, so that what is
// given to everybody is given to whom the server knows.
func (s *Server) privilegesOf(t *secdesc.Token) secdesc.Privilege {
	return secdesc.PrivChangeNotify | s.cfg.Privileges.Of(t)
}

// Privileges implements rpc.Backend.
func (b rpcBackend) Privileges() []privileges.Account { return b.s.cfg.Privileges.List() }

// PrivilegesOf implements rpc.Backend.
func (b rpcBackend) PrivilegesOf(sid secdesc.SID) (secdesc.Privilege, bool) {
	return b.s.cfg.Privileges.Lookup(sid)
}

// AddPrivilegeAccount implements rpc.Backend.
func (b rpcBackend) AddPrivilegeAccount(sid secdesc.SID) error {
	return b.changed(sid, 0, 0, b.s.cfg.Privileges.Create(sid))
}

// DeletePrivilegeAccount implements rpc.Backend.
func (b rpcBackend) DeletePrivilegeAccount(sid secdesc.SID) error {
	had, _ := b.PrivilegesOf(sid)
	return b.changed(sid, 0, had, b.s.cfg.Privileges.Delete(sid))
}

// GrantPrivileges implements rpc.Backend.
func (b rpcBackend) GrantPrivileges(sid secdesc.SID, set secdesc.Privilege) error {
	return b.changed(sid, set, 0, b.s.cfg.Privileges.Grant(sid, set))
}

// RevokePrivileges implements rpc.Backend.
func (b rpcBackend) RevokePrivileges(sid secdesc.SID, set secdesc.Privilege, prune bool) error {
	return b.changed(sid, 0, set, b.s.cfg.Privileges.Revoke(sid, set, prune))
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
