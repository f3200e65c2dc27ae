package rpc

import (
	"strings"

	"lessor/smb/ntstatus"
	"lessor/smb/rpc/ndr"
	"lessor/smb/secdesc"
)

// lsarpc is the Local Security Authority, 12345778-1234-abcd-ef00-0123456789ab
// version 0.0, as far as a file server needs it: names of SIDs for the security
// dialogue of clients, SIDs of names, who the machine is (MS-LSAT 3.1.4,
// MS-LSAD 3.1.4.4), and who has which privilege (lsaaccounts.go, lsaprivileges.go).
var lsarpc = &iface{
	name: "lsarpc",
	syntax: syntaxID{
		uuid: [16]byte{0x78, 0x57, 0x34, 0x12, 0x34, 0x12, 0xcd, 0xab, 0xef, 0x00, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab},
	},
	methods: map[uint16]method{
		0:  {"LsarClose", (*call).lsaClose},
		1:  withObject("LsarDelete", decodeNothing, (*call).lsaDelete),
		2:  withObject("LsarEnumeratePrivileges", decodeLsaEnum, (*call).enumPrivileges),
		3:  withObject("LsarQuerySecurityObject", decodeSecurityInfo, (*call).querySecurity),
		4:  withObject("LsarSetSecurityObject", decodeSetSecurity, (*call).setSecurity),
		6:  on("LsarOpenPolicy", decodeOpenPolicy, (*call).openPolicy),
		7:  withPolicy("LsarQueryInformationPolicy", decodeQueryPolicy, (*call).queryPolicy),
		10: withObject("LsarCreateAccount", decodeOpenAccount, (*call).createAccount),
		11: withObject("LsarEnumerateAccounts", decodeLsaEnum, (*call).enumAccounts),
		13: withObject("LsarEnumerateTrustedDomains", decodeLsaEnum, (*call).enumTrusts),
		14: withPolicy("LsarLookupNames", decodeLookupNames, (*call).lookupNames),
		15: withPolicy("LsarLookupSids", decodeLookupSids, (*call).lookupSids),
		17: withObject("LsarOpenAccount", decodeOpenAccount, (*call).openAccount),
		18: withObject("LsarEnumeratePrivilegesAccount", decodeNothing, (*call).enumAccountPrivileges),
		19: withObject("LsarAddPrivilegesToAccount", decodePrivilegeSet, (*call).addPrivileges),
		20: withObject("LsarRemovePrivilegesFromAccount", decodeRemovePrivileges, (*call).removePrivileges),
		23: withObject("LsarGetSystemAccessAccount", decodeNothing, (*call).getSystemAccess),
		24: withObject("LsarSetSystemAccessAccount", decodeSystemAccess, (*call).setSystemAccess),
		31: withObject("LsarLookupPrivilegeValue", decodeLsaName, (*call).lookupPrivilegeValue),
		32: withObject("LsarLookupPrivilegeName", decodeLUID, (*call).lookupPrivilegeName),
		33: withObject("LsarLookupPrivilegeDisplayName", decodePrivilegeDisplay, (*call).lookupPrivilegeDisplay),
		34: {"LsarDeleteObject", (*call).lsaDeleteObject},
		35: withObject("LsarEnumerateAccountsWithUserRight", decodeUserRight, (*call).enumAccountsWith),
		36: withObject("LsarEnumerateAccountRights", decodeAccountSID, (*call).enumAccountRights),
		37: withObject("LsarAddAccountRights", decodeAddRights, (*call).addAccountRights),
		38: withObject("LsarRemoveAccountRights", decodeRemoveRights, (*call).removeAccountRights),
		44: on("LsarOpenPolicy2", decodeOpenPolicy2, (*call).openPolicy),
		45: on("LsarGetUserName", decodeGetUserName, (*call).getUserName),
		46: withPolicy("LsarQueryInformationPolicy2", decodeQueryPolicy, (*call).queryPolicy),
		50: withObject("LsarEnumerateTrustedDomainsEx", decodeLsaEnum, (*call).enumTrusts),
		57: withPolicy("LsarLookupSids2", decodeLookupSids2, (*call).lookupSids2),
		58: withPolicy("LsarLookupNames2", decodeLookupNames2, (*call).lookupNames2),
		68: withPolicy("LsarLookupNames3", decodeLookupNames2, (*call).lookupNames3),
		76: {"LsarLookupSids3", secureChannelOnly},
		77: {"LsarLookupNames4", secureChannelOnly},
	},
}

func decodeHandle(d *ndr.Decoder) handle {
	d.Align(4)
	var h handle
	copy(h[:], d.Bytes(len(h)))
	return h
}

func putHandle(e *ndr.Encoder, h handle) {
	e.Align(4)
	e.Bytes(h[:])
}

// withPolicy is on for a method whose first parameter is a policy handle.
func withPolicy[T any](name string, decode func(*ndr.Decoder) T, run func(*call, T) ntstatus.Status) method {
	inner := on(name, decode, run)
	return method{name, func(k *call, in *ndr.Decoder) error {
		h := decodeHandle(in)
		if in.Err() == nil {
			if _, ok := k.conn.handles.open[h].(policy); !ok {
				return faultContextMismatch
			}
		}
		return inner.run(k, in)
	}}
}

// secureChannelOnly refuses methods that are for members of a domain, over the
// secure channel to its controller (MS-LSAT 3.1.4.5, 3.1.4.9).
func secureChannelOnly(*call, *ndr.Decoder) error { return faultAccessDenied }

// lsaClose is LsarClose (MS-LSAD 3.1.4.9.4).
func (k *call) lsaClose(in *ndr.Decoder) error {
	h := decodeHandle(in)
	if err := in.Err(); err != nil {
		return err
	}
	if !k.isLSA(h) {
		return faultContextMismatch
	}
	delete(k.conn.handles.open, h)
	putHandle(&k.out, handle{})
	k.out.U32(uint32(ntstatus.Success))
	return nil
}

type openPolicy struct {
	// rooted: a root directory was given.
	rooted bool
	access uint32
}

func decodeOpenPolicy(d *ndr.Decoder) openPolicy {
	// The system name is a pointer to a single character in this method.
	if d.Pointer() {
		d.U16()
	}
	return openPolicy{rooted: decodeObjectAttributes(d), access: d.U32()}
}

func decodeOpenPolicy2(d *ndr.Decoder) openPolicy {
	d.UniqueString()
	return openPolicy{rooted: decodeObjectAttributes(d), access: d.U32()}
}

// decodeObjectAttributes reads an LSAPR_OBJECT_ATTRIBUTES (MS-LSAD 2.2.9),
// which is ignored but for the root directory.
func decodeObjectAttributes(d *ndr.Decoder) (rooted bool) {
	d.U32() // length, any value
	rooted = d.Pointer()
	named := d.Pointer()
	d.U32() // attributes
	if d.Pointer() {
		d.Fail() // no client sends a security descriptor
	}
	qos := d.Pointer()
	if rooted {
		d.U8()
	}
	if named {
		d.U16()
		if d.U16(); d.Pointer() {
			d.U32()
			d.U32()
			d.Bytes(d.Conformance(1))
		}
	}
	if qos {
		d.U32() // length
		d.U16() // impersonation level
		d.U8()  // context tracking mode
		d.U8()  // effective only
	}
	return rooted
}

// openPolicy is LsarOpenPolicy and LsarOpenPolicy2 (MS-LSAD 3.1.4.4.1). Names
// of accounts are for those who have one.
func (k *call) openPolicy(q openPolicy) ntstatus.Status {
	granted, ok := policyRights.grant(q.access, k.admin())
	switch {
	case k.anonymous(), !ok:
		return k.refuseHandle(ntstatus.AccessDenied)
	case q.rooted:
		return k.refuseHandle(ntstatus.InvalidParameter)
	}
	return k.newHandle(policy{granted})
}

type queryPolicy struct{ class uint16 }

func decodeQueryPolicy(d *ndr.Decoder) queryPolicy { return queryPolicy{d.U16()} }

// POLICY_INFORMATION_CLASS (MS-LSAD 2.2.4.1).
const (
	policyAuditEvents        = 2
	policyPrimaryDomain      = 3
	policyAccountDomain      = 5
	policyServerRole         = 6
	policyDNSDomain          = 12
	policyDNSDomainInt       = 13
	policyLocalAccountDomain = 14
)

// queryPolicy is LsarQueryInformationPolicy and its successor (MS-LSAD
// 3.1.4.4.3, 3.1.4.4.4).
func (k *call) queryPolicy(q queryPolicy) ntstatus.Status {
	e := &k.out
	var arm func()
	switch q.class {
	case policyAuditEvents:
		// POLICY_AUDIT_EVENTS_INFO (MS-LSAD 2.2.4.4): what Windows could log, and nothing
		// of that is logged here.
		arm = func() {
			e.U8(0)
			e.Nil()
			e.U32(0)
		}
	case policyPrimaryDomain:
		// A workgroup has a name and no SID.
		arm = func() { putDomain(e, k.b.Domain(), secdesc.SID{}) }
	case policyAccountDomain, policyLocalAccountDomain:
		arm = func() { putDomain(e, k.b.ServerName(), k.b.MachineSID()) }
	case policyServerRole:
		arm = func() { e.U16(3) } // PolicyServerRolePrimary
	case policyDNSDomain, policyDNSDomainInt:
		arm = func() {
			e.UnicodeString(k.b.Domain())
			e.UnicodeString("")
			e.UnicodeString("")
			e.Align(4)
			e.Bytes(make([]byte, 16))
			e.Nil()
		}
	default:
		e.Nil()
		return ntstatus.InvalidParameter
	}
	e.Pointer(func() {
		e.U16(q.class)
		e.Align(4)
		arm()
	})
	return ntstatus.Success
}

// putDomain writes a name with the SID that belongs to it: an
// LSAPR_TRUST_INFORMATION (MS-LSAT 2.2.11), and several structures alike.
func putDomain(e *ndr.Encoder, name string, sid secdesc.SID) {
	e.UnicodeString(name)
	putSIDPointer(e, sid)
}

// putSIDPointer writes a pointer to a SID, nil for the zero SID.
func putSIDPointer(e *ndr.Encoder, sid secdesc.SID) {
	if sid.IsZero() {
		e.Nil()
		return
	}
	e.Pointer(func() {
		e.U32(uint32(sid.Count()))
		e.Bytes(sid.Append(nil))
	})
}

// decodeSID reads an RPC_SID (MS-DTYP 2.4.2.3).
func decodeSID(d *ndr.Decoder) secdesc.SID {
	n := d.Conformance(4)
	if n > secdesc.MaxSubAuthorities {
		d.Fail()
		return secdesc.SID{}
	}
	sid, _, err := secdesc.DecodeSID(d.Bytes(8 + 4*n))
	if err != nil || sid.Count() != n {
		d.Fail()
	}
	return sid
}

type getUserName struct{ wantDomain bool }

func decodeGetUserName(d *ndr.Decoder) getUserName {
	d.UniqueString()
	// What the strings hold on the way in does not matter.
	if d.Pointer() {
		d.UnicodeChars(d.UnicodeString())
	}
	q := getUserName{wantDomain: d.Pointer()}
	if q.wantDomain && d.Pointer() {
		d.UnicodeChars(d.UnicodeString())
	}
	return q
}

// getUserName is LsarGetUserName (MS-LSAT 3.1.4.4): who the caller is.
func (k *call) getUserName(q getUserName) ntstatus.Status {
	domain, name, ok := strings.Cut(k.user, `\`)
	switch {
	case k.anonymous():
		anonymous := wellKnownBySID[secdesc.Anonymous]
		domain, name = anonymous.Domain, anonymous.Name
	case !ok:
		domain, name = k.b.ServerName(), k.user
	}
	e := &k.out
	e.Pointer(func() { e.UnicodeString(name) })
	e.Flush()
	if !q.wantDomain {
		e.Nil()
		return ntstatus.Success
	}
	e.Pointer(func() { e.Pointer(func() { e.UnicodeString(domain) }) })
	return ntstatus.Success
}
