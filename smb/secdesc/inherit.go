package secdesc

// HasInheritable reports whether parent passes anything on to a new file, or
// to a new directory if isDir. If not, Inherit answers with the default of
// DefaultDACL, and a caller that keeps mode bits may prefer FromMode.
func HasInheritable(parent *Descriptor, isDir bool) bool {
	return parent != nil && parent.DACL.hasInheritable(isDir)
}

// HasInheritableAudit reports whether parent passes entries of its SACL on.
func HasInheritableAudit(parent *Descriptor, isDir bool) bool {
	return parent != nil && parent.SACL.hasInheritable(isDir)
}

func (a *ACL) hasInheritable(isDir bool) bool {
	if a == nil {
		return false
	}
	for i := range a.ACEs {
		if a.ACEs[i].reaches(isDir) {
			return true
		}
	}
	return false
}

// DefaultDACL is what a new file gets if nobody says anything: full control
// for its owner and for the system.
func DefaultDACL(owner SID) *ACL {
	return NewACL(Allow(owner, FileAllAccess, 0), Allow(System, FileAllAccess, 0))
}

// Inherit makes the descriptor of a new file or directory (MS-DTYP 2.5.3.4).
// A part that explicit carries is taken from there, with generic rights
// mapped; a DACL or SACL that it lacks comes from the inheritable entries of
// parent, and a DACL to which parent passes nothing on is DefaultDACL. Owner
// and group are the creator's, for the parts that explicit lacks and for
// CreatorOwner and CreatorGroup. Both descriptors may be nil.
//
// The new DACL is marked as inherited, entry by entry and as a whole, only if
// that of parent is marked so itself: a parent whose list was set without
// that mark passes entries on as if they had been set by hand.
func Inherit(parent, explicit *Descriptor, owner, group SID, isDir bool) *Descriptor {
	d := &Descriptor{Control: SelfRelative | DACLPresent, Owner: owner, Group: group}
	if explicit != nil {
		d = Merge(d, explicit, explicitParts(explicit))
	}
	in := heir{owner: d.Owner, group: d.Group, isDir: isDir}
	if explicit == nil || explicit.Control&DACLPresent == 0 {
		d.DACL = nil
		if parent != nil && parent.DACL != nil {
			in.auto = parent.Control&DACLAutoInherited != 0
			d.DACL = in.list(parent.DACL)
			if in.auto && d.DACL != nil {
				d.Control |= DACLAutoInherited
			}
		}
		if d.DACL == nil {
			d.DACL = DefaultDACL(d.Owner)
		}
	}
	if (explicit == nil || explicit.Control&SACLPresent == 0) && parent != nil && parent.SACL != nil {
		in.auto = parent.Control&SACLAutoInherited != 0
		if d.SACL = in.list(parent.SACL); d.SACL != nil {
			d.Control |= SACLPresent
			if in.auto {
				d.Control |= SACLAutoInherited
			}
		}
	}
	return d
}

// explicitParts names the parts that a creator's descriptor carries.
func explicitParts(d *Descriptor) uint32 {
	var info uint32
	if !d.Owner.IsZero() {
		info |= OwnerInformation
	}
	if !d.Group.IsZero() {
		info |= GroupInformation
	}
	if d.Control&DACLPresent != 0 {
		info |= DACLInformation
	}
	if d.Control&SACLPresent != 0 {
		info |= SACLInformation
	}
	return info
}

// heir is what the inheritance of one list depends on.
type heir struct {
	owner, group SID
	isDir        bool
	auto         bool
}

// reaches reports whether e is passed on to a new child of that kind.
func (e *ACE) reaches(isDir bool) bool {
	if !isDir {
		return e.Flags&ObjectInherit != 0
	}
	if e.Flags&ContainerInherit != 0 {
		return true
	}
	// A directory keeps an entry for files only to pass it on.
	return e.Flags&ObjectInherit != 0 && e.Flags&NoPropagateInherit == 0
}

// list is what a child gets of a parent's list, nil if nothing.
func (h *heir) list(parent *ACL) *ACL {
	var out []ACE
	for i := range parent.ACEs {
		if e := &parent.ACEs[i]; e.reaches(h.isDir) {
			out = h.inherit(out, e)
		}
	}
	if out == nil {
		return nil
	}
	return (&ACL{Revision: parent.Revision, ACEs: out}).Clone()
}

// inherit appends what becomes of one entry: one that counts on the child, one
// that is only passed on, or both in one.
func (h *heir) inherit(out []ACE, e *ACE) []ACE {
	base := e.Flags &^ (inheritanceFlags | InheritedACE)
	if h.auto {
		base |= InheritedACE
	}
	here, changed := h.expand(e)
	here.Flags = base
	if !h.isDir || e.Flags&NoPropagateInherit != 0 {
		return appendEffective(out, &here)
	}
	onward := *e
	onward.Flags = base | e.Flags&(ObjectInherit|ContainerInherit)
	switch {
	case e.Flags&ContainerInherit == 0:
		onward.Flags |= InheritOnly
		return append(out, onward)
	case changed:
		// The child needs its real owner and rights, its children the
		// placeholders: two entries.
		onward.Flags |= InheritOnly
		return append(appendEffective(out, &here), onward)
	default:
		return append(out, onward)
	}
}

// appendEffective leaves out an entry for a creator that there is none of.
func appendEffective(out []ACE, e *ACE) []ACE {
	if e.Type.plain() && e.SID.IsZero() {
		return out
	}
	return append(out, *e)
}

// expand resolves placeholders and generic rights, and says whether there
// were any.
func (h *heir) expand(e *ACE) (ACE, bool) {
	c := *e
	if !e.Type.plain() || e.Type == SystemMandatoryLabel {
		return c, false
	}
	c.Mask = e.mapped()
	switch e.SID {
	case CreatorOwner:
		c.SID = h.owner
	case CreatorGroup:
		c.SID = h.group
	}
	return c, c.Mask != e.Mask || c.SID != e.SID
}
