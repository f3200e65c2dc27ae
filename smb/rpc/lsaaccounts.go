package rpc

import (
	"lessor/smb/ntstatus"
	"lessor/smb/privileges"
	"lessor/smb/rpc/ndr"
	"lessor/smb/secdesc"
)

// Accounts of the Local Security Authority and their rights (MS-LSAD 3.1.4.5): who has
// which privilege. All of it is for administrators, to see and to change. Rights to log
// on (SeNetworkLogonRight and so on) are not kept: the user file and the configuration
// say who may.

type openAccount struct {
	sid    secdesc.SID
	access uint32
}

func decodeOpenAccount(d *ndr.Decoder) openAccount { return openAccount{decodeSID(d), d.U32()} }

func decodeAccountSID(d *ndr.Decoder) secdesc.SID { return decodeSID(d) }

// createAccount is LsarCreateAccount (MS-LSAD 3.1.4.5.1).
func (k *call) createAccount(p policy, q openAccount) ntstatus.Status {
	granted, ok := accountRights.grant(q.access, k.admin())
	if !ok || !k.holds(p, policyCreateAccount) {
		return k.refuseHandle(ntstatus.AccessDenied)
	}
	if k.conn.handles.full() {
		return k.refuseHandle(ntstatus.InsufficientResources)
	}
	if err := k.b.AddPrivilegeAccount(q.sid); err != nil {
		return k.refuseHandle(lsaStatus(err))
	}
	return k.newHandle(lsaAccount{q.sid, granted})
}

// openAccount is LsarOpenAccount (MS-LSAD 3.1.4.5.3).
func (k *call) openAccount(_ policy, q openAccount) ntstatus.Status {
	granted, ok := accountRights.grant(q.access, k.admin())
	if !ok {
		return k.refuseHandle(ntstatus.AccessDenied)
	}
	if _, ok := k.b.PrivilegesOf(q.sid); !ok {
		return k.refuseHandle(ntstatus.ObjectNameNotFound)
	}
	return k.newHandle(lsaAccount{q.sid, granted})
}

// lsaEnum is where an enumeration goes on. How much the client would like to have at a
// time does not matter: lists are short, and some clients take no list in parts.
type lsaEnum struct{ resume uint32 }

func decodeLsaEnum(d *ndr.Decoder) lsaEnum {
	q := lsaEnum{d.U32()}
	d.U32() // PreferedMaximumLength
	return q
}

// from is the part of an enumeration of n items that is to come. There is no more where
// it is empty.
func (q lsaEnum) from(n int) (first int, status ntstatus.Status) {
	if uint64(q.resume) >= uint64(n) {
		return n, ntstatus.NoMoreEntries
	}
	return int(q.resume), ntstatus.Success
}

// putAccounts writes an LSAPR_ACCOUNT_ENUM_BUFFER (MS-LSAD 2.2.5.2).
func putAccounts(e *ndr.Encoder, accounts []privileges.Account) {
	putArray(e, accounts, func(a *privileges.Account) { putSIDPointer(e, a.SID) })
}

// enumAccounts is LsarEnumerateAccounts (MS-LSAD 3.1.4.5.2).
func (k *call) enumAccounts(p policy, q lsaEnum) ntstatus.Status {
	if !k.holds(p, policyViewLocal) || !k.admin() {
		k.out.U32(q.resume)
		putAccounts(&k.out, nil)
		return ntstatus.AccessDenied
	}
	all := k.b.Privileges()
	first, status := q.from(len(all))
	k.out.U32(uint32(len(all)))
	putAccounts(&k.out, all[first:])
	return status
}

// enumTrusts is LsarEnumerateTrustedDomains (MS-LSAD 3.1.4.7.8) and its successor: there
// are none.
func (k *call) enumTrusts(p policy, q lsaEnum) ntstatus.Status {
	k.out.U32(q.resume)
	k.out.U32(0)
	k.out.Nil()
	if !k.holds(p, policyViewLocal) {
		return ntstatus.AccessDenied
	}
	return ntstatus.NoMoreEntries
}

// userRight is the name of a right; present is whether there is one.
type userRight struct {
	name    string
	present bool
}

func decodeUserRight(d *ndr.Decoder) userRight {
	if !d.Pointer() {
		return userRight{}
	}
	return userRight{d.UnicodeChars(d.UnicodeString()), true}
}

// enumAccountsWith is LsarEnumerateAccountsWithUserRight (MS-LSAD 3.1.4.5.9).
func (k *call) enumAccountsWith(p policy, q userRight) ntstatus.Status {
	e := &k.out
	if !k.holds(p, policyViewLocal|policyLookupNames) || !k.admin() {
		putAccounts(e, nil)
		return ntstatus.AccessDenied
	}
	found := k.b.Privileges()
	if q.present {
		right, ok := privileges.Named(q.name)
		if !ok {
			putAccounts(e, nil)
			return ntstatus.NoSuchPrivilege
		}
		all := found
		found = nil
		for _, a := range all {
			if a.Privileges&right.Bit != 0 {
				found = append(found, a)
			}
		}
	}
	putAccounts(e, found)
	if len(found) == 0 {
		return ntstatus.NoMoreEntries
	}
	return ntstatus.Success
}

// putRights writes an LSAPR_USER_RIGHT_SET (MS-LSAD 2.2.5.3).
func putRights(e *ndr.Encoder, set secdesc.Privilege) {
	putArray(e, privileges.List(set), func(p *privileges.Privilege) { e.UnicodeString(p.Name) })
}

// enumAccountRights is LsarEnumerateAccountRights (MS-LSAD 3.1.4.5.10).
func (k *call) enumAccountRights(_ policy, sid secdesc.SID) ntstatus.Status {
	if !k.admin() {
		putRights(&k.out, 0)
		return ntstatus.AccessDenied
	}
	set, ok := k.b.PrivilegesOf(sid)
	putRights(&k.out, set)
	if !ok {
		return ntstatus.ObjectNameNotFound
	}
	return ntstatus.Success
}

// maxUserRights is the most names of a set (MS-LSAD 2.2.5.3).
const maxUserRights = 256

// rightSet is the names of rights; unknown is whether one of them is none of ours.
type rightSet struct {
	set     secdesc.Privilege
	unknown bool
}

func decodeRightSet(d *ndr.Decoder) rightSet {
	n, present := d.U32(), d.Pointer()
	if n > maxUserRights || !present && n != 0 {
		d.Fail()
	}
	if !present {
		return rightSet{}
	}
	if d.Conformance(8) != int(n) {
		d.Fail()
		return rightSet{}
	}
	headers := make([]ndr.UnicodeString, n)
	for i := range headers {
		headers[i] = d.UnicodeString()
	}
	var s rightSet
	for _, h := range headers {
		p, ok := privileges.Named(d.UnicodeChars(h))
		s.set |= p.Bit
		s.unknown = s.unknown || !ok
	}
	return s
}

type changeRights struct {
	sid    secdesc.SID
	all    bool
	rights rightSet
}

func decodeAddRights(d *ndr.Decoder) changeRights {
	return changeRights{sid: decodeSID(d), rights: decodeRightSet(d)}
}

func decodeRemoveRights(d *ndr.Decoder) changeRights {
	q := changeRights{sid: decodeSID(d), all: d.U8() != 0}
	q.rights = decodeRightSet(d)
	return q
}

// addAccountRights is LsarAddAccountRights (MS-LSAD 3.1.4.5.11). It makes the account
// if there is none.
func (k *call) addAccountRights(p policy, q changeRights) ntstatus.Status {
	if !k.holds(p, policyLookupNames) || !k.admin() {
		return ntstatus.AccessDenied
	}
	if q.rights.unknown {
		return ntstatus.NoSuchPrivilege
	}
	if _, ok := k.b.PrivilegesOf(q.sid); !ok && !k.holds(p, policyCreateAccount) {
		return ntstatus.AccessDenied
	}
	return lsaStatus(k.b.GrantPrivileges(q.sid, q.rights.set))
}

// removeAccountRights is LsarRemoveAccountRights (MS-LSAD 3.1.4.5.12). An account that
// has nothing left goes away.
func (k *call) removeAccountRights(p policy, q changeRights) ntstatus.Status {
	if !k.holds(p, policyLookupNames) || !k.admin() {
		return ntstatus.AccessDenied
	}
	set := privileges.All
	if !q.all {
		if q.rights.unknown {
			return ntstatus.NoSuchPrivilege
		}
		set = q.rights.set
	}
	return lsaStatus(k.b.RevokePrivileges(q.sid, set, true))
}

// getSystemAccess is LsarGetSystemAccessAccount (MS-LSAD 3.1.4.5.7).
func (k *call) getSystemAccess(a lsaAccount, _ nothing) ntstatus.Status {
	k.out.U32(0)
	return k.view(a)
}

// view says whether an account may be looked at, and is still there.
func (k *call) view(a lsaAccount) ntstatus.Status {
	if !k.mayUse(a, accountView) {
		return ntstatus.AccessDenied
	}
	if _, ok := k.b.PrivilegesOf(a.sid); !ok {
		return ntstatus.ObjectNameNotFound
	}
	return ntstatus.Success
}

func decodeSystemAccess(d *ndr.Decoder) uint32 { return d.U32() }

// setSystemAccess is LsarSetSystemAccessAccount (MS-LSAD 3.1.4.5.8), of which nothing is
// kept.
func (k *call) setSystemAccess(a lsaAccount, access uint32) ntstatus.Status {
	switch {
	case !k.mayUse(a, accountAdjustAccess):
		return ntstatus.AccessDenied
	case access != 0:
		return ntstatus.NotSupported
	}
	return ntstatus.Success
}
