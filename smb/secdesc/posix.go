package secdesc

import "io/fs"

// PosixACL is what the permission bits and the POSIX ACL of a file say. Each Perm has
// 4 to read, 2 to write, 1 to execute or search; those of named users and of groups are
// what the mask of the ACL has left of them.
type PosixACL struct {
	Owner, Group SID
	IsDir        bool
	// OwnerPerm, GroupPerm and OtherPerm are those of Owner, Group and everybody else.
	OwnerPerm, GroupPerm, OtherPerm uint8
	// Users and Groups are those named by the ACL.
	Users, Groups []PosixEntry
}

// PosixEntry is the entry of one named user or group.
type PosixEntry struct {
	SID  SID
	Perm uint8
}

// FromMode is FromPosix for a file with permission bits alone.
func FromMode(owner, group SID, mode fs.FileMode) *Descriptor {
	return FromPosix(&PosixACL{Owner: owner, Group: group, IsDir: mode.IsDir(),
		OwnerPerm: uint8(mode >> 6 & 7), GroupPerm: uint8(mode >> 3 & 7), OtherPerm: uint8(mode & 7)})
}

// FromPosix is the descriptor of a file for which nobody has stored one: full control
// for the system, and for all others what they have on Unix. The owner may do
// everything if he may read and write, and otherwise may change at least what others
// may. Permission to write a directory includes deleting what is in it, as it does on
// Unix. Nothing in it is inheritable: new files get their own mode.
//
// On Unix the first class that a user belongs to decides: the owner, a named user, any
// of the groups, everybody. So who has less than a later class would give him is denied
// the difference. Groups are together one class, in which any may grant.
func FromPosix(p *PosixACL) *Descriptor {
	perm := func(n uint8) uint32 { return permRights(n, p.IsDir) }
	// What later classes may grant to somebody.
	other := perm(p.OtherPerm)
	inGroups := other | perm(p.GroupPerm)
	for _, g := range p.Groups {
		inGroups |= perm(g.Perm)
	}
	inUsers := inGroups
	for _, u := range p.Users {
		inUsers |= perm(u.Perm)
	}

	aces := make([]ACE, 0, 4+2*len(p.Users)+2*len(p.Groups))
	allow := func(sid SID, mask uint32) {
		if mask != 0 && !sid.IsZero() {
			aces = append(aces, Allow(sid, mask, 0))
		}
	}
	deny := func(sid SID, mask uint32) {
		if mask != 0 && !sid.IsZero() {
			aces = append(aces, Deny(sid, mask, 0))
		}
	}
	allow(p.Owner, ownerRights(p.OwnerPerm, p.IsDir))
	deny(p.Owner, inUsers&^ownerRights(p.OwnerPerm, p.IsDir))
	for _, u := range p.Users {
		allow(u.SID, perm(u.Perm))
		deny(u.SID, inGroups&^perm(u.Perm))
	}
	allow(p.Group, perm(p.GroupPerm))
	for _, g := range p.Groups {
		allow(g.SID, perm(g.Perm))
	}
	deny(p.Group, other&^perm(p.GroupPerm))
	for _, g := range p.Groups {
		deny(g.SID, other&^perm(g.Perm))
	}
	allow(World, other)
	allow(System, FileAllAccess)
	return &Descriptor{
		Control: SelfRelative | DACLPresent,
		Owner:   p.Owner, Group: p.Group, DACL: NewACL(aces...),
	}
}

// ownerRights is what the owner of a file may do.
func ownerRights(perm uint8, isDir bool) uint32 {
	if perm&6 == 6 {
		return FileAllAccess
	}
	const always = ReadControl | WriteDAC | WriteOwner | Synchronize | Delete |
		FileReadAttributes | FileWriteAttributes | FileReadEA
	return always | permRights(perm, isDir)
}

// permRights is what three permission bits are worth.
func permRights(perm uint8, isDir bool) uint32 {
	var m uint32
	if perm&4 != 0 {
		m |= FileGenericRead
	}
	if perm&2 != 0 {
		m |= FileGenericWrite
		if isDir {
			m |= FileDeleteChild
		}
	}
	if perm&1 != 0 {
		m |= FileGenericExecute
	}
	return m
}
