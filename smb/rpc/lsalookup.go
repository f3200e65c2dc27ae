package rpc

import (
	"fmt"
	"slices"

	"lessor/smb/ntstatus"
	"lessor/smb/rpc/ndr"
	"lessor/smb/secdesc"
)

// Most entries of one request (MS-LSAT 2.2.18, 3.1.4.8).
const (
	maxLookupSIDs  = 20480
	maxLookupNames = 1000
)

// noDomain is the DomainIndex of what has no domain.
const noDomain = 0xFFFFFFFF

// domainList is an LSAPR_REFERENCED_DOMAIN_LIST (MS-LSAT 2.2.12) in the making.
type domainList struct {
	domains []Account
	index   map[secdesc.SID]uint32
}

// of returns the index of the domain that a belongs to, which enters the list
// when it is needed first.
func (l *domainList) of(a Account) uint32 {
	sid := a.SID
	if a.Type != AccountDomain {
		sid = sid.Domain()
	}
	if i, ok := l.index[sid]; ok {
		return i
	}
	if l.index == nil {
		l.index = map[secdesc.SID]uint32{}
	}
	i := uint32(len(l.domains))
	l.index[sid] = i
	l.domains = append(l.domains, Account{SID: sid, Domain: a.Domain})
	return i
}

// put writes the list as the parameter of its own that it is.
func (l *domainList) put(e *ndr.Encoder) {
	n := uint32(len(l.domains))
	e.Pointer(func() {
		e.U32(n)
		if n == 0 {
			e.Nil()
		} else {
			e.Pointer(func() {
				e.U32(n)
				for _, d := range l.domains {
					putDomain(e, d.Domain, d.SID)
				}
			})
		}
		e.U32(max(n, 32)) // MaxEntries, which nobody reads
	})
	e.Flush()
}

// translated is one answer, in either direction.
type translated struct {
	kind   AccountType
	sid    secdesc.SID
	name   string
	domain uint32 // index in the domain list
}

// putTranslated writes the list of answers and the count of those that have
// one, and returns the status that belongs to it.
func (k *call) putTranslated(domains *domainList, answers []translated, put func(*ndr.Encoder, *translated)) ntstatus.Status {
	e := &k.out
	domains.put(e)
	n, mapped := uint32(len(answers)), uint32(0)
	e.U32(n)
	if n == 0 {
		e.Nil()
	} else {
		e.Pointer(func() {
			e.U32(n)
			for i := range answers {
				put(e, &answers[i])
			}
		})
	}
	e.Flush()
	for _, a := range answers {
		if a.kind != AccountUnknown {
			mapped++
		}
	}
	e.U32(mapped)
	switch mapped {
	case 0:
		return ntstatus.NoneMapped
	case n:
		return ntstatus.Success
	}
	return ntstatus.SomeNotMapped
}

// lookupRefused answers a look-up whose parameters make no sense.
func (k *call) lookupRefused(put func(*ndr.Encoder, *translated)) ntstatus.Status {
	_ = k.putTranslated(&domainList{}, nil, put)
	return ntstatus.InvalidParameter
}

type lookupSids struct {
	sids  []secdesc.SID // zero where the client sent none
	level lookupLevel
}

// decodeLookupSids reads the parameters of LsarLookupSids behind the handle:
// the SIDs, an empty list to be filled in, level and count.
func decodeLookupSids(d *ndr.Decoder) lookupSids {
	var q lookupSids
	n, present := d.U32(), d.Pointer()
	if n > maxLookupSIDs || !present && n != 0 {
		d.Fail()
	}
	if present {
		q.sids = decodeSIDs(d, n)
	}
	decodeEmptyList(d)
	q.level = lookupLevel(d.U16())
	d.U32() // MappedCount, which counts in the reply only
	return q
}

// decodeSIDs reads an array of n pointers to SIDs and what they point to.
func decodeSIDs(d *ndr.Decoder, n uint32) []secdesc.SID {
	if d.Conformance(4) != int(n) {
		d.Fail()
		return nil
	}
	present := make([]bool, n)
	for i := range present {
		present[i] = d.Pointer()
	}
	sids := make([]secdesc.SID, n)
	for i := range sids {
		if present[i] {
			sids[i] = decodeSID(d)
		}
	}
	return sids
}

// decodeEmptyList reads the list that a look-up fills in: a client has nothing
// to put there.
func decodeEmptyList(d *ndr.Decoder) {
	if d.U32(); d.Pointer() && d.Conformance(1) != 0 {
		d.Fail()
	}
}

// lookupLevel is an LSAP_LOOKUP_LEVEL (MS-LSAT 2.2.16). All of them mean the
// same where there are no other domains.
type lookupLevel uint16

func (l lookupLevel) valid() bool { return l >= 1 && l <= 7 }

// decodeLookupSids2 reads the parameters of LsarLookupSids2, the same and two
// more.
func decodeLookupSids2(d *ndr.Decoder) lookupSids {
	q := decodeLookupSids(d)
	d.U32() // LookupOptions
	d.U32() // ClientRevision
	return q
}

// lookupSids is LsarLookupSids (MS-LSAT 3.1.4.11).
func (k *call) lookupSids(q lookupSids) ntstatus.Status {
	// LSAPR_TRANSLATED_NAME (MS-LSAT 2.2.19)
	return k.translateSIDs(q, func(e *ndr.Encoder, t *translated) {
		e.U16(uint16(t.kind))
		e.UnicodeString(t.name)
		e.U32(t.domain)
	})
}

// lookupSids2 is LsarLookupSids2 (MS-LSAT 3.1.4.10).
func (k *call) lookupSids2(q lookupSids) ntstatus.Status {
	// LSAPR_TRANSLATED_NAME_EX (MS-LSAT 2.2.21)
	return k.translateSIDs(q, func(e *ndr.Encoder, t *translated) {
		e.U16(uint16(t.kind))
		e.UnicodeString(t.name)
		e.U32(t.domain)
		e.U32(0) // flags
	})
}

func (k *call) translateSIDs(q lookupSids, put func(*ndr.Encoder, *translated)) ntstatus.Status {
	if !q.level.valid() || slices.ContainsFunc(q.sids, secdesc.SID.IsZero) {
		return k.lookupRefused(put)
	}
	var domains domainList
	answers := make([]translated, 0, len(q.sids))
	for _, sid := range q.sids {
		answers = append(answers, k.translateSID(&domains, sid))
	}
	return k.putTranslated(&domains, answers, put)
}

// translateSID finds the name of one SID. One without a name is answered with
// its text, or with its relative identifier if the domain is known (MS-LSAT
// 3.1.4.9).
func (k *call) translateSID(domains *domainList, sid secdesc.SID) translated {
	if a, ok := lookupSID(k.b, sid); ok {
		name := a.Name
		if a.Type == AccountDomain {
			name = a.Domain
		}
		return translated{a.Type, sid, name, domains.of(a)}
	}
	if sid.Domain() == k.b.MachineSID() || sid.Domain() == builtinSID {
		domain, _ := lookupSID(k.b, sid.Domain())
		return translated{AccountUnknown, sid, fmt.Sprintf("%08X", sid.RID()), domains.of(domain)}
	}
	return translated{AccountUnknown, sid, sid.String(), noDomain}
}

type lookupNames struct {
	names []string
	level lookupLevel
}

// decodeLookupNames reads the parameters of LsarLookupNames behind the handle.
func decodeLookupNames(d *ndr.Decoder) lookupNames {
	n := d.U32()
	if n > maxLookupNames || d.Conformance(8) != int(n) {
		d.Fail()
		return lookupNames{}
	}
	headers := make([]ndr.UnicodeString, n)
	for i := range headers {
		headers[i] = d.UnicodeString()
	}
	q := lookupNames{names: make([]string, n)}
	for i, h := range headers {
		q.names[i] = d.UnicodeChars(h)
	}
	decodeEmptyList(d)
	q.level = lookupLevel(d.U16())
	d.U32() // MappedCount
	return q
}

// decodeLookupNames2 reads the parameters of LsarLookupNames2 and 3, the same
// and two more.
func decodeLookupNames2(d *ndr.Decoder) lookupNames {
	q := decodeLookupNames(d)
	d.U32() // LookupOptions
	d.U32() // ClientRevision
	return q
}

// rid is the relative identifier that the older structures have instead of a
// SID: none for a domain.
func (t *translated) rid() uint32 {
	switch t.kind {
	case AccountDomain:
		return 0xFFFFFFFF
	case AccountUnknown:
		return 0
	}
	return t.sid.RID()
}

// lookupNames is LsarLookupNames (MS-LSAT 3.1.4.8).
func (k *call) lookupNames(q lookupNames) ntstatus.Status {
	// LSA_TRANSLATED_SID (MS-LSAT 2.2.14)
	return k.translateNames(q, func(e *ndr.Encoder, t *translated) {
		e.U16(uint16(t.kind))
		e.U32(t.rid())
		e.U32(t.domain)
	})
}

// lookupNames2 is LsarLookupNames2 (MS-LSAT 3.1.4.7).
func (k *call) lookupNames2(q lookupNames) ntstatus.Status {
	// LSAPR_TRANSLATED_SID_EX (MS-LSAT 2.2.23)
	return k.translateNames(q, func(e *ndr.Encoder, t *translated) {
		e.U16(uint16(t.kind))
		e.U32(t.rid())
		e.U32(t.domain)
		e.U32(0) // flags
	})
}

// lookupNames3 is LsarLookupNames3 (MS-LSAT 3.1.4.6).
func (k *call) lookupNames3(q lookupNames) ntstatus.Status {
	// LSAPR_TRANSLATED_SID_EX2 (MS-LSAT 2.2.25)
	return k.translateNames(q, func(e *ndr.Encoder, t *translated) {
		e.U16(uint16(t.kind))
		putSIDPointer(e, t.sid)
		e.U32(t.domain)
		e.U32(0) // flags
	})
}

func (k *call) translateNames(q lookupNames, put func(*ndr.Encoder, *translated)) ntstatus.Status {
	if !q.level.valid() {
		return k.lookupRefused(put)
	}
	var domains domainList
	answers := make([]translated, 0, len(q.names))
	for _, name := range q.names {
		t := translated{kind: AccountUnknown, domain: noDomain}
		if name == "" {
			name = builtinDomain // as Windows does, since 2003
		}
		if a, ok := lookupName(k.b, name); ok {
			t = translated{kind: a.Type, sid: a.SID, domain: domains.of(a)}
		}
		answers = append(answers, t)
	}
	return k.putTranslated(&domains, answers, put)
}
