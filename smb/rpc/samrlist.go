package rpc

import (
	"slices"
	"strings"

	"lessor/smb/ntstatus"
	"lessor/smb/rpc/ndr"
	"lessor/smb/secdesc"
)

// Lists of samr and what it translates.

// samEnum is the parameters of an enumeration behind the handle.
type samEnum struct {
	resume, limit uint32
	flags         uint32 // of users: their account control
}

func decodeSamEnum(d *ndr.Decoder) samEnum { return samEnum{resume: d.U32(), limit: d.U32()} }

func decodeSamEnumUsers(d *ndr.Decoder) samEnum {
	return samEnum{resume: d.U32(), flags: d.U32(), limit: d.U32()}
}

// samEntry is a SAMPR_RID_ENUMERATION (MS-SAMR 2.2.3.9).
type samEntry struct {
	rid  uint32
	name string
}

// putEntries answers an enumeration with what fits. The resume handle is the
// number of entries that the client has.
func (k *call) putEntries(q samEnum, list []samEntry, status ntstatus.Status) ntstatus.Status {
	e := &k.out
	list = list[min(uint64(q.resume), uint64(len(list))):]
	n := fitting(list, putSamEntry, min(q.limit, maxPage))
	if n < len(list) {
		status = ntstatus.MoreEntries
	}
	e.U32(q.resume + uint32(n))
	if status != ntstatus.Success && status != ntstatus.MoreEntries {
		e.Nil()
		e.U32(0)
		return status
	}
	e.Pointer(func() {
		e.U32(uint32(n))
		e.Pointer(func() {
			e.U32(uint32(n))
			for i := range list[:n] {
				putSamEntry(e, &list[i])
			}
		})
	})
	e.Flush()
	e.U32(uint32(n))
	return status
}

func putSamEntry(e *ndr.Encoder, a *samEntry) {
	e.U32(a.rid)
	e.UnicodeString(a.name)
}

// samEnumDomains is SamrEnumerateDomainsInSamServer (MS-SAMR 3.1.5.2.1).
func (k *call) samEnumDomains(c samCall[samEnum]) ntstatus.Status {
	if c.object != (samServer{}) {
		return k.putEntries(samEnum{}, nil, ntstatus.InvalidHandle)
	}
	return k.putEntries(c.q, []samEntry{{0, k.b.ServerName()}, {0, builtinDomain}}, ntstatus.Success)
}

// enumLocal answers an enumeration of a domain: of the machine's by list, of the
// built-in one by builtin. Only administrators may know who there is.
func (k *call) enumLocal(c samCall[samEnum], list, builtin []samEntry) ntstatus.Status {
	d, ok := c.object.(samDomain)
	switch {
	case !ok:
		return k.putEntries(samEnum{}, nil, ntstatus.InvalidHandle)
	case !k.admin():
		return k.putEntries(samEnum{}, nil, ntstatus.AccessDenied)
	case d.sid == builtinSID:
		list = builtin
	}
	return k.putEntries(c.q, list, ntstatus.Success)
}

// samEnumUsers is SamrEnumerateUsersInDomain (MS-SAMR 3.1.5.2.5).
func (k *call) samEnumUsers(c samCall[samEnum]) ntstatus.Status {
	var list []samEntry
	for _, u := range k.b.LocalUsers() {
		if c.q.flags == 0 || c.q.flags&u.control() != 0 {
			list = append(list, samEntry{u.RID, u.Name})
		}
	}
	return k.enumLocal(c, list, nil)
}

// samEnumAliases is SamrEnumerateAliasesInDomain (MS-SAMR 3.1.5.2.4).
func (k *call) samEnumAliases(c samCall[samEnum]) ntstatus.Status {
	var list, builtin []samEntry
	for _, g := range k.b.LocalGroups() {
		list = append(list, samEntry{g.RID, g.Name})
	}
	for _, a := range wellKnown {
		if a.SID.Domain() == builtinSID && a.Type == AccountAlias {
			builtin = append(builtin, samEntry{a.SID.RID(), a.Name})
		}
	}
	return k.enumLocal(c, list, builtin)
}

// samEnumGroups is SamrEnumerateGroupsInDomain (MS-SAMR 3.1.5.2.3): a machine has
// one, to which all its users belong.
func (k *call) samEnumGroups(c samCall[samEnum]) ntstatus.Status {
	return k.enumLocal(c, []samEntry{{secdesc.RIDUsers, "None"}}, nil)
}

func decodeSamSids(d *ndr.Decoder) []secdesc.SID {
	n, present := d.U32(), d.Pointer()
	if n > maxLookupSIDs || !present && n != 0 {
		d.Fail()
	}
	if !present {
		return nil
	}
	return decodeSIDs(d, n)
}

// putRids writes a SAMPR_ULONG_ARRAY (MS-SAMR 2.2.7.1), a parameter of its own.
func putRids[T ~uint32 | ~uint16](e *ndr.Encoder, list []T) {
	putArray(e, list, func(v *T) { e.U32(uint32(*v)) })
	e.Flush()
}

// putArray writes the length of a list and a pointer to its items, none if there are none.
func putArray[T any](e *ndr.Encoder, list []T, put func(*T)) {
	n := uint32(len(list))
	e.U32(n)
	if n == 0 {
		e.Nil()
		return
	}
	e.Pointer(func() {
		e.U32(n)
		for i := range list {
			put(&list[i])
		}
	})
}

// samAliasMembership is SamrGetAliasMembership (MS-SAMR 3.1.5.9.2): the local groups
// that any of the SIDs belongs to.
func (k *call) samAliasMembership(c samCall[[]secdesc.SID]) ntstatus.Status {
	d, ok := c.object.(samDomain)
	if !ok {
		putRids[uint32](&k.out, nil)
		return ntstatus.InvalidHandle
	}
	var rids []uint32
	add := func(rid uint32) {
		if !slices.Contains(rids, rid) {
			rids = append(rids, rid)
		}
	}
	for _, u := range k.b.LocalUsers() {
		if !slices.Contains(c.q, k.b.MachineSID().WithRID(u.RID)) {
			continue
		}
		if !k.may(u.Name) {
			putRids[uint32](&k.out, nil)
			return ntstatus.AccessDenied
		}
		for _, sid := range u.aliases(k.b.MachineSID()) {
			if sid.Domain() == d.sid {
				add(sid.RID())
			}
		}
	}
	putRids(&k.out, rids)
	return ntstatus.Success
}

// aliases are the local groups that a user belongs to.
func (u *LocalUser) aliases(machine secdesc.SID) []secdesc.SID {
	list := []secdesc.SID{secdesc.BuiltinUsers}
	if u.Admin {
		list = append(list, secdesc.BuiltinAdministrators)
	}
	for _, rid := range u.Groups {
		list = append(list, machine.WithRID(rid))
	}
	return list
}

// decodeSamCount reads the counts of an array of up to 1,000 entries of size bytes at
// least, and that of the array in it.
func decodeSamCount(d *ndr.Decoder, size int) int {
	n := d.U32()
	most, offset := d.U32(), d.U32()
	if m := d.Conformance(size); n > maxLookupNames || most != maxLookupNames || offset != 0 || m != int(n) {
		d.Fail()
		return 0
	}
	return int(n)
}

func decodeSamNames(d *ndr.Decoder) []string {
	headers := make([]ndr.UnicodeString, decodeSamCount(d, 8))
	for i := range headers {
		headers[i] = d.UnicodeString()
	}
	names := make([]string, len(headers))
	for i, h := range headers {
		names[i] = d.UnicodeChars(h)
	}
	return names
}

func decodeSamRids(d *ndr.Decoder) []uint32 {
	rids := make([]uint32, decodeSamCount(d, 4))
	for i := range rids {
		rids[i] = d.U32()
	}
	return rids
}

// mappedStatus is the status of a translation in which n of all were found.
func mappedStatus(n, all int) ntstatus.Status {
	switch n {
	case all:
		return ntstatus.Success
	case 0:
		return ntstatus.NoneMapped
	}
	return ntstatus.SomeNotMapped
}

// samLookupNames is SamrLookupNamesInDomain (MS-SAMR 3.1.5.11.2).
func (k *call) samLookupNames(c samCall[[]string]) ntstatus.Status {
	d, ok := c.object.(samDomain)
	if !ok {
		putRids[uint32](&k.out, nil)
		putRids[uint32](&k.out, nil)
		return ntstatus.InvalidHandle
	}
	domain := k.b.ServerName()
	if d.sid == builtinSID {
		domain = builtinDomain
	}
	rids, types, found := make([]uint32, len(c.q)), make([]AccountType, len(c.q)), 0
	for i, name := range c.q {
		types[i] = AccountUnknown
		// A separator in the name would make it one of another domain.
		if strings.ContainsAny(name, `\`) || name == "" {
			continue
		}
		if a, ok := lookupName(k.b, domain+`\`+name); ok && a.SID.Domain() == d.sid && a.Type != AccountDomain {
			rids[i], types[i] = a.SID.RID(), a.Type
			found++
		}
	}
	putRids(&k.out, rids)
	putRids(&k.out, types)
	return mappedStatus(found, len(c.q))
}

// samLookupRids is SamrLookupIdsInDomain (MS-SAMR 3.1.5.11.3).
func (k *call) samLookupRids(c samCall[[]uint32]) ntstatus.Status {
	e := &k.out
	d, ok := c.object.(samDomain)
	if !ok {
		e.U32(0)
		e.Nil()
		putRids[uint32](e, nil)
		return ntstatus.InvalidHandle
	}
	names, types, found := make([]string, len(c.q)), make([]AccountType, len(c.q)), 0
	for i, rid := range c.q {
		types[i] = AccountUnknown
		if a, ok := lookupSID(k.b, d.sid.WithRID(rid)); ok {
			names[i], types[i] = a.Name, a.Type
			found++
		}
	}
	e.U32(uint32(len(names)))
	e.Pointer(func() {
		e.U32(uint32(len(names)))
		for _, name := range names {
			e.UnicodeString(name)
		}
	})
	e.Flush()
	putRids(e, types)
	return mappedStatus(found, len(c.q))
}

// samDisplay is the parameters of SamrQueryDisplayInformation and its successors.
type samDisplay struct {
	level               uint16
	start, count, limit uint32
}

func decodeSamDisplay(d *ndr.Decoder) samDisplay {
	q := samDisplay{level: d.U16(), start: d.U32(), count: d.U32(), limit: d.U32()}
	if q.level < 1 || q.level > 5 {
		d.Fail() // the answer is a union that has no other arm
	}
	return q
}

// samDisplayEntry is a SAMPR_DOMAIN_DISPLAY_USER or, with the attributes of a group in
// place of control, a SAMPR_DOMAIN_DISPLAY_GROUP (MS-SAMR 2.2.8.1, 2.2.8.4).
type samDisplayEntry struct {
	index, rid, control uint32
	name                string
	user                bool
}

func putSamDisplay(e *ndr.Encoder, a *samDisplayEntry) {
	e.U32(a.index)
	e.U32(a.rid)
	e.U32(a.control)
	e.UnicodeString(a.name)
	e.UnicodeString("")
	if a.user {
		e.UnicodeString("")
	}
}

// samDisplay is SamrQueryDisplayInformation (MS-SAMR 3.1.5.3): users (level 1) and
// groups (level 3). There are no computers (2), and the forms for old programs (4, 5)
// are not offered.
func (k *call) samDisplay(c samCall[samDisplay]) ntstatus.Status {
	d, ok := c.object.(samDomain)
	status := ntstatus.Success
	var list []samDisplayEntry
	switch {
	case !ok:
		status = ntstatus.InvalidHandle
	case !k.admin():
		status = ntstatus.AccessDenied
	case d.sid == builtinSID || c.q.level == 2:
	case c.q.level == 1:
		for i, u := range k.b.LocalUsers() {
			list = append(list, samDisplayEntry{uint32(i + 1), u.RID, u.control(), u.Name, true})
		}
	case c.q.level == 3:
		list = []samDisplayEntry{{1, secdesc.RIDUsers, 7, "None", false}}
	default:
		status = ntstatus.InvalidInfoClass
	}
	all := uint32(len(list))
	list = list[min(c.q.start, all):]
	n := min(fitting(list, putSamDisplay, min(c.q.limit, maxPage)), int(min(c.q.count, all)))
	if n < len(list) {
		status = ntstatus.MoreEntries
	}
	e := &k.out
	e.U32(all)
	e.U32(uint32(n))
	e.U16(c.q.level)
	e.U32(uint32(n))
	if n == 0 {
		e.Nil()
		return status
	}
	e.Pointer(func() {
		e.U32(uint32(n))
		for i := range list[:n] {
			putSamDisplay(e, &list[i])
		}
	})
	return status
}
