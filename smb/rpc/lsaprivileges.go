package rpc

import (
	"lessor/smb/ntstatus"
	"lessor/smb/privileges"
	"lessor/smb/rpc/ndr"
	"lessor/smb/secdesc"
)

// Privileges by name and number (MS-LSAD 3.1.4.8), and those of an open account (MS-LSAD
// 3.1.4.5.4 to 3.1.4.5.6).

// enumPrivileges is LsarEnumeratePrivileges (MS-LSAD 3.1.4.8.1).
func (k *call) enumPrivileges(p policy, q lsaEnum) ntstatus.Status {
	e := &k.out
	list := privileges.List(privileges.All)
	first, status := q.from(len(list))
	if !k.holds(p, policyViewLocal) {
		first, status = len(list), ntstatus.AccessDenied
	}
	e.U32(uint32(len(list)))
	// LSAPR_PRIVILEGE_ENUM_BUFFER (MS-LSAD 2.2.8.3)
	putArray(e, list[first:], func(p *privileges.Privilege) {
		e.UnicodeString(p.Name)
		putLUID(e, p.LUID)
	})
	return status
}

func putLUID(e *ndr.Encoder, low uint32) {
	e.U32(low)
	e.U32(0)
}

// luid is a LUID of a request.
type luid uint64

func decodeLUID(d *ndr.Decoder) luid {
	low, high := d.U32(), d.U32()
	return luid(high)<<32 | luid(low)
}

func decodeLsaName(d *ndr.Decoder) string { return d.UnicodeChars(d.UnicodeString()) }

// lookupPrivilegeValue is LsarLookupPrivilegeValue (MS-LSAD 3.1.4.8.2).
func (k *call) lookupPrivilegeValue(p policy, name string) ntstatus.Status {
	right, ok := privileges.Named(name)
	switch {
	case !k.holds(p, policyLookupNames):
		putLUID(&k.out, 0)
		return ntstatus.AccessDenied
	case !ok:
		putLUID(&k.out, 0)
		return ntstatus.NoSuchPrivilege
	}
	putLUID(&k.out, right.LUID)
	return ntstatus.Success
}

// lookupPrivilegeName is LsarLookupPrivilegeName (MS-LSAD 3.1.4.8.3).
func (k *call) lookupPrivilegeName(p policy, number luid) ntstatus.Status {
	right, ok := privileges.Numbered(uint64(number))
	switch {
	case !k.holds(p, policyLookupNames):
		k.out.Nil()
		return ntstatus.AccessDenied
	case !ok:
		k.out.Nil()
		return ntstatus.NoSuchPrivilege
	}
	k.out.Pointer(func() { k.out.UnicodeString(right.Name) })
	return ntstatus.Success
}

// english is the LANGID of what there is.
const english = 0x0409

func decodePrivilegeDisplay(d *ndr.Decoder) string {
	name := decodeLsaName(d)
	d.U16() // ClientLanguage
	d.U16() // ClientSystemDefaultLanguage
	return name
}

// lookupPrivilegeDisplay is LsarLookupPrivilegeDisplayName (MS-LSAD 3.1.4.8.4).
func (k *call) lookupPrivilegeDisplay(p policy, name string) ntstatus.Status {
	e := &k.out
	right, ok := privileges.Named(name)
	status := ntstatus.Success
	switch {
	case !k.holds(p, policyLookupNames):
		status = ntstatus.AccessDenied
	case !ok:
		status = ntstatus.NoSuchPrivilege
	}
	if status != ntstatus.Success {
		e.Nil()
		e.U16(0)
		return status
	}
	e.Pointer(func() { e.UnicodeString(right.Description) })
	e.Flush()
	e.U16(english)
	return status
}

// enumAccountPrivileges is LsarEnumeratePrivilegesAccount (MS-LSAD 3.1.4.5.4).
func (k *call) enumAccountPrivileges(a lsaAccount, _ nothing) ntstatus.Status {
	e := &k.out
	if status := k.view(a); status != ntstatus.Success {
		e.Nil()
		return status
	}
	set, _ := k.b.PrivilegesOf(a.sid)
	list := privileges.List(set)
	n := uint32(len(list))
	// LSAPR_PRIVILEGE_SET (MS-LSAD 2.2.5.5)
	e.Pointer(func() {
		e.U32(n)
		e.U32(n)
		e.U32(0) // Control
		for i := range list {
			putLUID(e, list[i].LUID)
			e.U32(0) // Attributes
		}
	})
	return ntstatus.Success
}

// privilegeSet is the LSAPR_PRIVILEGE_SET of a request. Attributes do not count: whoever
// has a privilege uses it.
type privilegeSet struct {
	set     secdesc.Privilege
	unknown bool
	absent  bool
	all     bool
}

func decodePrivilegeSet(d *ndr.Decoder) privilegeSet {
	const element = 12
	n := d.Conformance(element)
	if d.U32() != uint32(n) {
		d.Fail()
		return privilegeSet{}
	}
	d.U32() // Control
	var s privilegeSet
	for range n {
		p, ok := privileges.Numbered(uint64(decodeLUID(d)))
		d.U32() // Attributes
		s.set |= p.Bit
		s.unknown = s.unknown || !ok
	}
	return s
}

func decodeRemovePrivileges(d *ndr.Decoder) privilegeSet {
	all := d.U8() != 0
	if !d.Pointer() {
		return privilegeSet{all: all, absent: true}
	}
	s := decodePrivilegeSet(d)
	s.all = all
	return s
}

// addPrivileges is LsarAddPrivilegesToAccount (MS-LSAD 3.1.4.5.5).
func (k *call) addPrivileges(a lsaAccount, q privilegeSet) ntstatus.Status {
	switch {
	case !k.mayUse(a, accountAdjustPrivileges):
		return ntstatus.AccessDenied
	case q.unknown:
		return ntstatus.InvalidParameter
	}
	if _, ok := k.b.PrivilegesOf(a.sid); !ok {
		return ntstatus.ObjectNameNotFound // deleted meanwhile
	}
	return lsaStatus(k.b.GrantPrivileges(a.sid, q.set))
}

// removePrivileges is LsarRemovePrivilegesFromAccount (MS-LSAD 3.1.4.5.6).
func (k *call) removePrivileges(a lsaAccount, q privilegeSet) ntstatus.Status {
	switch {
	case !k.mayUse(a, accountAdjustPrivileges):
		return ntstatus.AccessDenied
	case !q.all && q.absent, q.all && !q.absent, q.unknown:
		return ntstatus.InvalidParameter
	}
	set := q.set
	if q.all {
		set = privileges.All
	}
	return lsaStatus(k.b.RevokePrivileges(a.sid, set, false))
}
