package rpc

import (
	"strings"

	"lessor/smb/ntstatus"
	"lessor/smb/rpc/ndr"
	"lessor/smb/secdesc"
)

// samr is the Security Account Manager, 12345778-1234-abcd-ef00-0123456789ac
// version 1.0, as far as it tells who the accounts of this machine are (MS-SAMR
// 3.1.5). Nothing in it changes anything. Names and numbers are for every user, as
// in lsarpc; lists, and what is known of others, for administrators, as on Windows
// since 10.
var samr = &iface{
	name: "samr",
	syntax: syntaxID{
		uuid:    [16]byte{0x78, 0x57, 0x34, 0x12, 0x34, 0x12, 0xcd, 0xab, 0xef, 0x00, 0x01, 0x23, 0x45, 0x67, 0x89, 0xac},
		version: 1,
	},
	methods: map[uint16]method{
		0:  on("SamrConnect", decodeSamConnect, (*call).samConnect),
		1:  {"SamrCloseHandle", (*call).samClose},
		5:  withSam("SamrLookupDomainInSamServer", decodeSamName, (*call).samLookupDomain),
		6:  withSam("SamrEnumerateDomainsInSamServer", decodeSamEnum, (*call).samEnumDomains),
		7:  withSam("SamrOpenDomain", decodeSamOpenDomain, (*call).samOpenDomain),
		8:  withSam("SamrQueryInformationDomain", decodeSamLevel, (*call).samQueryDomain),
		11: withSam("SamrEnumerateGroupsInDomain", decodeSamEnum, (*call).samEnumGroups),
		13: withSam("SamrEnumerateUsersInDomain", decodeSamEnumUsers, (*call).samEnumUsers),
		15: withSam("SamrEnumerateAliasesInDomain", decodeSamEnum, (*call).samEnumAliases),
		16: withSam("SamrGetAliasMembership", decodeSamSids, (*call).samAliasMembership),
		17: withSam("SamrLookupNamesInDomain", decodeSamNames, (*call).samLookupNames),
		18: withSam("SamrLookupIdsInDomain", decodeSamRids, (*call).samLookupRids),
		27: withSam("SamrOpenAlias", decodeSamOpen, (*call).samOpenAlias),
		28: withSam("SamrQueryInformationAlias", decodeSamLevel, (*call).samQueryAlias),
		33: withSam("SamrGetMembersInAlias", decodeNothing, (*call).samAliasMembers),
		34: withSam("SamrOpenUser", decodeSamOpen, (*call).samOpenUser),
		36: withSam("SamrQueryInformationUser", decodeSamLevel, (*call).samQueryUser),
		39: withSam("SamrGetGroupsForUser", decodeNothing, (*call).samUserGroups),
		40: withSam("SamrQueryDisplayInformation", decodeSamDisplay, (*call).samDisplay),
		46: withSam("SamrQueryInformationDomain2", decodeSamLevel, (*call).samQueryDomain),
		47: withSam("SamrQueryInformationUser2", decodeSamLevel, (*call).samQueryUser),
		48: withSam("SamrQueryDisplayInformation2", decodeSamDisplay, (*call).samDisplay),
		51: withSam("SamrQueryDisplayInformation3", decodeSamDisplay, (*call).samDisplay),
		57: on("SamrConnect2", decodeSamConnect2, (*call).samConnect),
		62: on("SamrConnect4", decodeSamConnect4, (*call).samConnect),
		64: on("SamrConnect5", decodeSamConnect5, (*call).samConnect),
		65: withSam("SamrRidToSid", decodeSamRid, (*call).samRidToSid),
	},
}

// The objects behind handles of samr.
type (
	samServer struct{}
	samDomain struct{ sid secdesc.SID }
	samUser   struct{ LocalUser }
	samAlias  struct{ sid secdesc.SID }
)

// samCall is the parameters of a method with the object of its handle.
type samCall[T any] struct {
	object any
	q      T
}

// withSam is on for a method whose first parameter is a handle of samr.
func withSam[T any](name string, decode func(*ndr.Decoder) T, run func(*call, samCall[T]) ntstatus.Status) method {
	return method{name, func(k *call, in *ndr.Decoder) error {
		h := decodeHandle(in)
		object, ok := k.conn.handles.open[h]
		if in.Err() == nil && !ok {
			return faultContextMismatch
		}
		return on(name, decode, func(k *call, q T) ntstatus.Status { return run(k, samCall[T]{object, q}) }).run(k, in)
	}}
}

// samClose is SamrCloseHandle (MS-SAMR 3.1.5.13.1).
func (k *call) samClose(in *ndr.Decoder) error {
	h := decodeHandle(in)
	if err := in.Err(); err != nil {
		return err
	}
	if _, ok := k.conn.handles.open[h]; !ok {
		return faultContextMismatch
	}
	delete(k.conn.handles.open, h)
	putHandle(&k.out, handle{})
	k.out.U32(uint32(ntstatus.Success))
	return nil
}

// newHandle makes a handle and answers with it.
func (k *call) newHandle(object any) ntstatus.Status {
	h, ok := k.conn.handles.add(object, k.conn.assocGroup)
	putHandle(&k.out, h)
	if !ok {
		return ntstatus.InsufficientResources
	}
	return ntstatus.Success
}

func (k *call) refuseHandle(status ntstatus.Status) ntstatus.Status {
	putHandle(&k.out, handle{})
	return status
}

// samConnect is the parameters of SamrConnect and its successors. The access that
// is asked for does not matter: it is looked at with each call who calls.
type samConnect struct{ revision uint32 } // 0: the answer has none

func decodeSamConnect(d *ndr.Decoder) samConnect {
	if d.Pointer() {
		d.U16()
	}
	d.U32()
	return samConnect{}
}

func decodeSamConnect2(d *ndr.Decoder) samConnect {
	d.UniqueString()
	d.U32()
	return samConnect{}
}

func decodeSamConnect4(d *ndr.Decoder) samConnect {
	d.UniqueString()
	d.U32()
	d.U32()
	return samConnect{}
}

func decodeSamConnect5(d *ndr.Decoder) samConnect {
	d.UniqueString()
	d.U32()
	if d.U32() != 1 || d.U32() != 1 {
		d.Fail() // there is one version of the structure that follows
	}
	d.U32()
	d.U32()
	return samConnect{revision: 3}
}

// samConnect is SamrConnect to SamrConnect5 (MS-SAMR 3.1.5.1).
func (k *call) samConnect(q samConnect) ntstatus.Status {
	if q.revision != 0 {
		for _, v := range []uint32{1, 1, q.revision, 0} { // version twice, revision, features
			k.out.U32(v)
		}
	}
	if k.anonymous() {
		return k.refuseHandle(ntstatus.AccessDenied)
	}
	return k.newHandle(samServer{})
}

func decodeSamName(d *ndr.Decoder) string { return d.UnicodeChars(d.UnicodeString()) }

// samLookupDomain is SamrLookupDomainInSamServer (MS-SAMR 3.1.5.11.1).
func (k *call) samLookupDomain(c samCall[string]) ntstatus.Status {
	switch {
	case c.object != samServer{}:
		k.out.Nil()
		return ntstatus.InvalidHandle
	case strings.EqualFold(c.q, k.b.ServerName()):
		putSIDPointer(&k.out, k.b.MachineSID())
	case strings.EqualFold(c.q, builtinDomain):
		putSIDPointer(&k.out, builtinSID)
	default:
		k.out.Nil()
		return ntstatus.NoSuchDomain
	}
	return ntstatus.Success
}

type samOpenDomain struct{ sid secdesc.SID }

func decodeSamOpenDomain(d *ndr.Decoder) samOpenDomain {
	d.U32()
	return samOpenDomain{decodeSID(d)}
}

// samOpenDomain is SamrOpenDomain (MS-SAMR 3.1.5.1.5).
func (k *call) samOpenDomain(c samCall[samOpenDomain]) ntstatus.Status {
	switch {
	case c.object != samServer{}:
		return k.refuseHandle(ntstatus.InvalidHandle)
	case c.q.sid != k.b.MachineSID() && c.q.sid != builtinSID:
		return k.refuseHandle(ntstatus.NoSuchDomain)
	}
	return k.newHandle(samDomain{c.q.sid})
}

func decodeSamLevel(d *ndr.Decoder) uint16 { return d.U16() }
func decodeSamRid(d *ndr.Decoder) uint32   { return d.U32() }

type samOpen struct{ rid uint32 }

func decodeSamOpen(d *ndr.Decoder) samOpen {
	d.U32()
	return samOpen{d.U32()}
}

// may reports whether the caller may know more of a user than his name.
func (k *call) may(name string) bool { return k.admin() || strings.EqualFold(name, k.user) }

// samOpenUser is SamrOpenUser (MS-SAMR 3.1.5.1.9).
func (k *call) samOpenUser(c samCall[samOpen]) ntstatus.Status {
	d, ok := c.object.(samDomain)
	if !ok {
		return k.refuseHandle(ntstatus.InvalidHandle)
	}
	if d.sid == k.b.MachineSID() {
		for _, u := range k.b.LocalUsers() {
			if u.RID != c.q.rid {
				continue
			}
			if !k.may(u.Name) {
				return k.refuseHandle(ntstatus.AccessDenied)
			}
			return k.newHandle(samUser{u})
		}
	}
	return k.refuseHandle(ntstatus.NoSuchUser)
}

// samOpenAlias is SamrOpenAlias (MS-SAMR 3.1.5.1.8).
func (k *call) samOpenAlias(c samCall[samOpen]) ntstatus.Status {
	d, ok := c.object.(samDomain)
	if !ok {
		return k.refuseHandle(ntstatus.InvalidHandle)
	}
	sid := d.sid.WithRID(c.q.rid)
	if a, ok := lookupSID(k.b, sid); !ok || a.Type != AccountAlias {
		return k.refuseHandle(ntstatus.NoSuchAlias)
	}
	return k.newHandle(samAlias{sid})
}

// samRidToSid is SamrRidToSid (MS-SAMR 3.1.5.13.2).
func (k *call) samRidToSid(c samCall[uint32]) ntstatus.Status {
	d, ok := c.object.(samDomain)
	if _, user := c.object.(samUser); user {
		d, ok = samDomain{k.b.MachineSID()}, true
	}
	if !ok {
		k.out.Nil()
		return ntstatus.InvalidHandle
	}
	putSIDPointer(&k.out, d.sid.WithRID(c.q))
	return ntstatus.Success
}
