package privileges

import (
	"strings"

	"lessor/smb/secdesc"
)

// Privilege is a privilege as clients know it.
type Privilege struct {
	Bit secdesc.Privilege
	// Name is that of Windows (MS-LSAD 3.1.1.2.1). Letter case does not matter.
	Name string
	// LUID is the lower half of its number, the same on each Windows; the upper is 0.
	LUID uint32
	// Description is for people, in English.
	Description string
}

// known are the privileges that mean something here, by LUID. To traverse directories
// needs none, so that SeChangeNotifyPrivilege is not among them.
var known = []Privilege{
	{secdesc.PrivSecurity, "SeSecurityPrivilege", 8, "Manage auditing and security log"},
	{secdesc.PrivTakeOwnership, "SeTakeOwnershipPrivilege", 9, "Take ownership of files or other objects"},
	{secdesc.PrivBackup, "SeBackupPrivilege", 17, "Back up files and directories"},
	{secdesc.PrivRestore, "SeRestorePrivilege", 18, "Restore files and directories"},
}

// All is the set of those that can be given.
const All = secdesc.PrivSecurity | secdesc.PrivTakeOwnership | secdesc.PrivBackup | secdesc.PrivRestore

// List returns the privileges of a set, by LUID.
func List(set secdesc.Privilege) []Privilege {
	out := make([]Privilege, 0, len(known))
	for _, p := range known {
		if set&p.Bit != 0 {
			out = append(out, p)
		}
	}
	return out
}

// Named finds a privilege by name.
func Named(name string) (Privilege, bool) {
	for _, p := range known {
		if strings.EqualFold(p.Name, name) {
			return p, true
		}
	}
	return Privilege{}, false
}

// Numbered finds a privilege by LUID.
func Numbered(luid uint64) (Privilege, bool) {
	for _, p := range known {
		if uint64(p.LUID) == luid {
			return p, true
		}
	}
	return Privilege{}, false
}

// Names are the names of a set, joined by commas.
func Names(set secdesc.Privilege) string {
	var b strings.Builder
	for _, p := range List(set) {
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(p.Name)
	}
	return b.String()
}

// defaults is what holds before anybody has changed anything.
func defaults() map[secdesc.SID]secdesc.Privilege {
	return map[secdesc.SID]secdesc.Privilege{secdesc.BuiltinAdministrators: All}
}
