package secdesc

// Well-known SIDs (MS-DTYP 2.4.2.4).
var (
	Nobody                = NewSID(0, 0)       // S-1-0-0
	World                 = NewSID(1, 0)       // S-1-1-0, Everyone
	CreatorOwner          = NewSID(3, 0)       // S-1-3-0, replaced by the owner at inheritance
	CreatorGroup          = NewSID(3, 1)       // S-1-3-1, replaced by the group at inheritance
	OwnerRights           = NewSID(3, 4)       // S-1-3-4, limits what the owner gets implicitly
	Network               = NewSID(5, 2)       // S-1-5-2
	Interactive           = NewSID(5, 4)       // S-1-5-4
	Anonymous             = NewSID(5, 7)       // S-1-5-7
	AuthenticatedUsers    = NewSID(5, 11)      // S-1-5-11
	System                = NewSID(5, 18)      // S-1-5-18
	BuiltinAdministrators = NewSID(5, 32, 544) // S-1-5-32-544
	BuiltinUsers          = NewSID(5, 32, 545) // S-1-5-32-545
	BuiltinGuests         = NewSID(5, 32, 546) // S-1-5-32-546
	BuiltinBackup         = NewSID(5, 32, 551) // S-1-5-32-551, Backup Operators
)

// Relative identifiers below a machine or domain SID (MS-DTYP 2.4.2.4).
const (
	RIDAdministrator = 500
	RIDGuest         = 501
	RIDUsers         = 513 // the group None on a standalone machine
	RIDGuests        = 514
)

// Authority 22 is the one under which Samba maps Unix ids, so that a share
// can move between servers with its descriptors.
const (
	unixAuthority = 22
	unixUsers     = 1
	unixGroups    = 2
)

// UnixUser is the SID of a Unix user without an account of its own:
// S-1-22-1-uid.
func UnixUser(uid uint32) SID { return NewSID(unixAuthority, unixUsers, uid) }

// UnixGroup is the SID of a Unix group without an account of its own:
// S-1-22-2-gid.
func UnixGroup(gid uint32) SID { return NewSID(unixAuthority, unixGroups, gid) }

// isClientUser reports whether s is a number of a Unix user of some client:
// S-1-5-88-1-uid.
func (s SID) isClientUser() bool {
	return s.Authority() == 5 && s.Count() == 3 && s.Sub(0) == 88 && s.Sub(1) == 1
}

// UnixUID is the uid that s stands for, if it is a UnixUser.
func (s SID) UnixUID() (uint32, bool) { return s.unixID(unixUsers) }

// UnixGID is the gid that s stands for, if it is a UnixGroup.
func (s SID) UnixGID() (uint32, bool) { return s.unixID(unixGroups) }

func (s SID) unixID(kind uint32) (uint32, bool) {
	if s.n != 2 || s.sub[0] != kind || s.Authority() != unixAuthority {
		return 0, false
	}
	return s.sub[1], true
}

// MachineSID is the SID of a machine or domain with three random
// sub-authorities: S-1-5-21-a-b-c. Its accounts are WithRID of it.
func MachineSID(a, b, c uint32) SID { return NewSID(5, 21, a, b, c) }
