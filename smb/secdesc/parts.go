package secdesc

// SECURITY_INFORMATION bits (MS-DTYP 2.4.7): the parts of a descriptor that a
// QUERY_INFO or SET_INFO is about.
const (
	OwnerInformation           uint32 = 0x00000001
	GroupInformation           uint32 = 0x00000002
	DACLInformation            uint32 = 0x00000004
	SACLInformation            uint32 = 0x00000008
	LabelInformation           uint32 = 0x00000010
	AttributeInformation       uint32 = 0x00000020
	ScopeInformation           uint32 = 0x00000040
	BackupInformation          uint32 = 0x00010000
	UnprotectedSACLInformation uint32 = 0x10000000
	UnprotectedDACLInformation uint32 = 0x20000000
	ProtectedSACLInformation   uint32 = 0x40000000
	ProtectedDACLInformation   uint32 = 0x80000000
)

// saclParts are the entries of a SACL that can be asked for one kind at a time.
var saclParts = [...]struct {
	info uint32
	kind ACEType
}{
	{LabelInformation, SystemMandatoryLabel},
	{AttributeInformation, SystemResourceAttribute},
	{ScopeInformation, SystemScopedPolicy},
}

const saclPartInformation = LabelInformation | AttributeInformation | ScopeInformation

// QueryAccess is the access that an open needs to query those parts (MS-FSA
// 2.1.5.14). The rights are needed all.
func QueryAccess(info uint32) uint32 {
	var need uint32
	if info&(OwnerInformation|GroupInformation|DACLInformation|saclPartInformation|BackupInformation) != 0 {
		need |= ReadControl
	}
	if info&(SACLInformation|BackupInformation) != 0 {
		need |= AccessSystemSecurity
	}
	return need
}

// SetAccess is the access that an open needs to set those parts (MS-FSA
// 2.1.5.17). The rights are needed all; 0 means that info names nothing to set.
func SetAccess(info uint32) uint32 {
	var need uint32
	if info&(OwnerInformation|GroupInformation|LabelInformation|BackupInformation) != 0 {
		need |= WriteOwner
	}
	// The bits that protect a list change what it inherits, also by themselves.
	if info&(DACLInformation|AttributeInformation|BackupInformation|ProtectedDACLInformation|UnprotectedDACLInformation) != 0 {
		need |= WriteDAC
	}
	if info&(SACLInformation|ScopeInformation|BackupInformation|ProtectedSACLInformation|UnprotectedSACLInformation) != 0 {
		need |= AccessSystemSecurity
	}
	return need
}

// Select is the descriptor that a client sees which asks for those parts. It
// shares its lists with d.
func Select(d *Descriptor, info uint32) *Descriptor {
	info = expandBackup(info)
	out := &Descriptor{Control: SelfRelative | d.Control&RMControlValid, RMControl: d.RMControl}
	if info&OwnerInformation != 0 {
		out.Owner = d.Owner
		out.Control |= d.Control & OwnerDefaulted
	}
	if info&GroupInformation != 0 {
		out.Group = d.Group
		out.Control |= d.Control & GroupDefaulted
	}
	if info&DACLInformation != 0 {
		// Without a list this says NULL DACL, which is what its lack means.
		out.DACL = d.DACL
		out.Control |= d.Control&daclBits | DACLPresent
	}
	switch {
	case info&SACLInformation != 0:
		out.SACL = d.SACL
		out.Control |= d.Control & saclBits
	case info&saclPartInformation != 0 && d.SACL != nil:
		if aces := d.SACL.kinds(info, true); len(aces) > 0 {
			out.SACL = &ACL{Revision: d.SACL.Revision, ACEs: aces}
			out.Control |= SACLPresent
		}
	}
	return out
}

// Merge is what becomes of old when a client sets those parts of set (MS-FSA
// 2.1.5.17); neither is changed, and a nil old is one without any part. An owner or group that set lacks stays.
// Generic rights are mapped, except in entries that are only passed on. A list
// counts as inherited only if the client asks for that as well
// (DACLAutoInheritReq), and that request is not stored. Setting the DACL from
// a descriptor without one sets a NULL DACL.
func Merge(old, set *Descriptor, info uint32) *Descriptor {
	info = expandBackup(info)
	d := old.Clone()
	if d == nil {
		d = &Descriptor{}
	}
	d.Control |= SelfRelative
	if info&OwnerInformation != 0 && !set.Owner.IsZero() {
		d.Owner = set.Owner
		d.Control &^= OwnerDefaulted
	}
	if info&GroupInformation != 0 && !set.Group.IsZero() {
		d.Group = set.Group
		d.Control &^= GroupDefaulted
	}
	if info&DACLInformation != 0 {
		d.DACL = set.DACL.canonical()
		d.Control = d.Control&^daclBits | DACLPresent | set.Control&DACLProtected
		if set.Control&DACLAutoInherited != 0 && set.Control&DACLAutoInheritReq != 0 {
			d.Control |= DACLAutoInherited
		}
	}
	mergeSACL(d, set, info)
	// The bits of the request override those of the descriptor.
	for _, p := range [...]struct {
		info uint32
		bit  uint16
	}{{ProtectedDACLInformation, DACLProtected}, {ProtectedSACLInformation, SACLProtected}} {
		if info&p.info != 0 {
			d.Control |= p.bit
		}
	}
	if info&UnprotectedDACLInformation != 0 {
		d.Control &^= DACLProtected
	}
	if info&UnprotectedSACLInformation != 0 {
		d.Control &^= SACLProtected
	}
	return d
}

func mergeSACL(d, set *Descriptor, info uint32) {
	switch {
	case info&SACLInformation != 0:
		d.SACL = set.SACL.canonical()
		d.Control = d.Control&^saclBits | set.Control&SACLProtected
		if set.Control&SACLAutoInherited != 0 && set.Control&SACLAutoInheritReq != 0 {
			d.Control |= SACLAutoInherited
		}
	case info&saclPartInformation != 0:
		aces := set.SACL.Clone().kinds(info, true)
		aces = append(aces, d.SACL.kinds(info, false)...)
		d.SACL = nil
		if len(aces) > 0 {
			d.SACL = NewACL(aces...)
		}
	}
	d.Control &^= SACLPresent
	if d.SACL != nil {
		d.Control |= SACLPresent
	}
}

// expandBackup replaces BackupInformation by the parts that it stands for.
func expandBackup(info uint32) uint32 {
	if info&BackupInformation != 0 {
		info |= OwnerInformation | GroupInformation | DACLInformation | SACLInformation
	}
	return info
}

// kinds are the entries whose kind info names, or those whose kind it does
// not name.
func (a *ACL) kinds(info uint32, named bool) []ACE {
	if a == nil {
		return nil
	}
	var out []ACE
	for i := range a.ACEs {
		is := false
		for _, p := range saclParts {
			is = is || info&p.info != 0 && a.ACEs[i].Type == p.kind
		}
		if is == named {
			out = append(out, a.ACEs[i])
		}
	}
	return out
}

// canonical is a copy of a as it is stored: generic rights mapped where they
// count.
func (a *ACL) canonical() *ACL {
	c := a.Clone()
	if c == nil {
		return nil
	}
	for i := range c.ACEs {
		e := &c.ACEs[i]
		if e.Type.plain() && e.Type != SystemMandatoryLabel && e.Flags&InheritOnly == 0 {
			e.Mask = e.mapped()
		}
	}
	return c
}
