package secdesc

// Audited is the part of a use of rights that the SACL of d asks to be told of: the
// rights of mask that an audit entry for one of the SIDs of t names, if the entry is
// for success, or for failure (MS-DTYP 2.4.4.10). With success, mask is what was
// granted, and otherwise what was asked for. 0: nobody wants to know.
func Audited(d *Descriptor, t *Token, mask uint32, success bool) uint32 {
	if d == nil || d.SACL == nil {
		return 0
	}
	when := FailedAccess
	if success {
		when = SuccessfulAccess
	}
	mask = MapGeneric(mask)
	var told uint32
	for i := range d.SACL.ACEs {
		e := &d.SACL.ACEs[i]
		if e.Flags&InheritOnly != 0 || e.Flags&when == 0 || !e.audits() {
			continue
		}
		sid, of, ok := e.trustee()
		if ok && (t.Has(sid) || sid == OwnerRights && t.Has(d.Owner)) {
			told |= of & mask
		}
	}
	return told
}

// audits reports whether e is an audit entry that counts on a whole file. The condition
// of a callback entry is not evaluated: what is not known to be false is told
// (MS-DTYP 2.4.4.17.9).
func (e *ACE) audits() bool {
	switch e.Type {
	case SystemAudit, SystemAuditCallback:
		return true
	case SystemAuditObject:
		return len(e.Data) >= 8 && e.Data[4]&1 == 0
	default:
		return false
	}
}
