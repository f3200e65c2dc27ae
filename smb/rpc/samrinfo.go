package rpc

import (
	"slices"

	"lessor/smb/ntstatus"
	"lessor/smb/rpc/ndr"
	"lessor/smb/secdesc"
)

// What samr tells of a user, a local group and a domain.

// Account control (MS-SAMR 2.2.1.12).
const (
	userDisabled = 0x00000001
	userNormal   = 0x00000010
	userNoExpiry = 0x00000200 // of the password
)

func (u *LocalUser) control() uint32 {
	if u.Disabled {
		return userNormal | userNoExpiry | userDisabled
	}
	return userNormal | userNoExpiry
}

// putInfo answers a query with a union by level, or without.
func putInfo(k *call, level uint16, arm func(*ndr.Encoder)) ntstatus.Status {
	e := &k.out
	if arm == nil {
		e.Nil()
		return ntstatus.InvalidInfoClass
	}
	e.Pointer(func() {
		e.U16(level)
		e.Align(4)
		arm(e)
	})
	return ntstatus.Success
}

// samQueryUser is SamrQueryInformationUser and its successor (MS-SAMR 3.1.5.5.5).
func (k *call) samQueryUser(c samCall[uint16]) ntstatus.Status {
	u, ok := c.object.(samUser)
	if !ok {
		k.out.Nil()
		return ntstatus.InvalidHandle
	}
	return putInfo(k, c.q, map[uint16]func(*ndr.Encoder){
		1: func(e *ndr.Encoder) { // general: name, full name, group, comments
			e.UnicodeString(u.Name)
			e.UnicodeString("")
			e.U32(secdesc.RIDUsers)
			e.UnicodeString("")
			e.UnicodeString("")
		},
		6: func(e *ndr.Encoder) { // name and full name
			e.UnicodeString(u.Name)
			e.UnicodeString("")
		},
		7:  func(e *ndr.Encoder) { e.UnicodeString(u.Name) },
		8:  func(e *ndr.Encoder) { e.UnicodeString("") },
		9:  func(e *ndr.Encoder) { e.U32(secdesc.RIDUsers) },
		16: func(e *ndr.Encoder) { e.U32(u.control()) },
		21: u.putAll,
	}[c.q])
}

// Fields of SAMPR_USER_ALL_INFORMATION that are told (MS-SAMR 2.2.1.8): the names,
// comments, numbers and control, of which many are empty.
const userFieldsTold = 0x00000001 | 0x00000002 | 0x00000004 | 0x00000008 | 0x00000010 | 0x00000020 | 0x00100000

// putAll writes a SAMPR_USER_ALL_INFORMATION (MS-SAMR 2.2.6.6).
func (u samUser) putAll(e *ndr.Encoder) {
	never := func() {
		e.U32(0xFFFFFFFF)
		e.U32(0x7FFFFFFF)
	}
	for range 3 { // logon, logoff, password set: not known
		e.U32(0)
		e.U32(0)
	}
	never() // the account expires
	e.U32(0)
	e.U32(0) // the password can change
	never()  // the password must change
	e.UnicodeString(u.Name)
	for range 9 { // full name, home, drive, script, profile, comment, stations, comment, parameters
		e.UnicodeString("")
	}
	for range 3 { // hashes and private data, which nobody is told
		e.U32(0)
		e.Nil()
	}
	e.U32(0) // security descriptor
	e.Nil()
	e.U32(u.RID)
	e.U32(secdesc.RIDUsers)
	e.U32(u.control())
	e.U32(userFieldsTold)
	e.U16(168) // hours of the week, all of them
	e.Align(4)
	e.Pointer(func() {
		e.U32(1260)
		e.U32(0)
		e.U32(168 / 8)
		e.Bytes(slices.Repeat([]byte{0xFF}, 168/8))
	})
	for range 4 { // bad passwords, logons, country, code page
		e.U16(0)
	}
	e.Bytes([]byte{0, 0, 0, 0}) // nothing is told of passwords
}

// samUserGroups is SamrGetGroupsForUser (MS-SAMR 3.1.5.9.1).
func (k *call) samUserGroups(c samCall[nothing]) ntstatus.Status {
	e := &k.out
	if _, ok := c.object.(samUser); !ok {
		e.Nil()
		return ntstatus.InvalidHandle
	}
	e.Pointer(func() {
		e.U32(1)
		e.Pointer(func() {
			e.U32(1)
			e.U32(secdesc.RIDUsers)
			e.U32(7) // mandatory, enabled by default, enabled
		})
	})
	return ntstatus.Success
}

// members are the users in a local group.
func (k *call) members(alias secdesc.SID) []secdesc.SID {
	var list []secdesc.SID
	for _, u := range k.b.LocalUsers() {
		if slices.Contains(u.aliases(k.b.MachineSID()), alias) {
			list = append(list, k.b.MachineSID().WithRID(u.RID))
		}
	}
	return list
}

// samQueryAlias is SamrQueryInformationAlias (MS-SAMR 3.1.5.5.6).
func (k *call) samQueryAlias(c samCall[uint16]) ntstatus.Status {
	g, ok := c.object.(samAlias)
	a, known := lookupSID(k.b, g.sid)
	if !ok || !known {
		k.out.Nil()
		return ntstatus.InvalidHandle
	}
	return putInfo(k, c.q, map[uint16]func(*ndr.Encoder){
		1: func(e *ndr.Encoder) {
			n := 0
			if k.admin() {
				n = len(k.members(g.sid))
			}
			e.UnicodeString(a.Name)
			e.U32(uint32(n))
			e.UnicodeString("")
		},
		2: func(e *ndr.Encoder) { e.UnicodeString(a.Name) },
		3: func(e *ndr.Encoder) { e.UnicodeString("") },
	}[c.q])
}

// samAliasMembers is SamrGetMembersInAlias (MS-SAMR 3.1.5.8.3).
func (k *call) samAliasMembers(c samCall[nothing]) ntstatus.Status {
	e := &k.out
	g, ok := c.object.(samAlias)
	var list []secdesc.SID
	status := ntstatus.Success
	switch {
	case !ok:
		status = ntstatus.InvalidHandle
	case !k.admin():
		status = ntstatus.AccessDenied
	default:
		list = k.members(g.sid)
	}
	putArray(e, list, func(sid *secdesc.SID) { putSIDPointer(e, *sid) })
	return status
}

// samQueryDomain is SamrQueryInformationDomain and its successor (MS-SAMR 3.1.5.5.1).
func (k *call) samQueryDomain(c samCall[uint16]) ntstatus.Status {
	d, ok := c.object.(samDomain)
	if !ok {
		k.out.Nil()
		return ntstatus.InvalidHandle
	}
	name := k.b.ServerName()
	if d.sid == builtinSID {
		name = builtinDomain
	}
	return putInfo(k, c.q, map[uint16]func(*ndr.Encoder){
		1: func(e *ndr.Encoder) { // passwords: no rules
			e.U16(0)
			e.U16(0)
			for range 5 {
				e.U32(0)
			}
		},
		2: func(e *ndr.Encoder) {
			var users, aliases int
			if k.admin() && d.sid != builtinSID {
				users, aliases = len(k.b.LocalUsers()), len(k.b.LocalGroups())
			}
			e.U32(0)
			e.U32(0x80000000) // nobody is logged off by force
			e.UnicodeString(k.b.Comment())
			e.UnicodeString(name)
			e.UnicodeString("")
			e.U32(1) // changes
			e.U32(0)
			e.U32(1) // enabled
			e.U32(3) // primary
			e.U32(0)
			e.U32(uint32(users))
			e.U32(1)
			e.U32(uint32(aliases))
		},
		5: func(e *ndr.Encoder) { e.UnicodeString(name) },
		7: func(e *ndr.Encoder) { e.U32(3) }, // primary
	}[c.q])
}
