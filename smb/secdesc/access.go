package secdesc

import (
	"fmt"
	"io/fs"
)

// Errors of an access check. Both match fs.ErrPermission.
var (
	// ErrDenied: the descriptor does not grant what was asked for
	// (STATUS_ACCESS_DENIED).
	ErrDenied = fmt.Errorf("secdesc: access denied: %w", fs.ErrPermission)
	// ErrPrivilege: AccessSystemSecurity was asked for without PrivSecurity
	// (STATUS_PRIVILEGE_NOT_HELD).
	ErrPrivilege = fmt.Errorf("secdesc: privilege not held: %w", fs.ErrPermission)
)

// Privilege is a set of user rights (MS-LSAD 3.1.1.2.1) that matter to files.
type Privilege uint32

// The privileges.
const (
	PrivSecurity      Privilege = 1 << iota // SeSecurityPrivilege: read and write SACLs
	PrivTakeOwnership                       // SeTakeOwnershipPrivilege: WriteOwner always
	PrivBackup                              // SeBackupPrivilege: read all, with backup intent
	PrivRestore                             // SeRestorePrivilege: write all, with backup intent; any owner
	PrivChangeNotify                        // SeChangeNotifyPrivilege: traverse without asking
)

// Rights that backup intent is worth (MS-FSA 2.1.5.1.2.1).
const (
	backupRights = ReadControl | AccessSystemSecurity | FileGenericRead | FileTraverse
	// Adding files and directories is part of FileGenericWrite.
	restoreRights = WriteDAC | WriteOwner | AccessSystemSecurity | FileGenericWrite | Delete
)

// Token is who asks. Groups contains the well-known ones too (World and so
// on): nothing is implied. A token is not changed once it is in use.
type Token struct {
	User       SID
	Groups     []SID
	Privileges Privilege
}

// NewToken is a token with the groups that everybody has who comes over the
// network: World, Network, and AuthenticatedUsers unless user is Anonymous.
func NewToken(user SID, privileges Privilege, groups ...SID) *Token {
	t := &Token{User: user, Privileges: privileges}
	t.Groups = make([]SID, 0, len(groups)+3)
	t.Groups = append(append(t.Groups, groups...), World, Network)
	if user != Anonymous {
		t.Groups = append(t.Groups, AuthenticatedUsers)
	}
	return t
}

// Has reports whether t is sid or belongs to it. The zero SID is nobody's.
func (t *Token) Has(sid SID) bool {
	if sid.IsZero() {
		return false
	}
	if t.User == sid {
		return true
	}
	for i := range t.Groups {
		if t.Groups[i] == sid {
			return true
		}
	}
	return false
}

// Holds reports whether t has all privileges of p.
func (t *Token) Holds(p Privilege) bool { return t.Privileges&p == p }

// MayOwn reports whether t may make sid the owner of a file: itself, a group that
// can own (SE_GROUP_OWNER, which Windows gives to administrators alone), or with
// PrivRestore anybody (MS-FSA 2.1.5.17). Refusal is STATUS_INVALID_OWNER.
//
// Anybody may write down a number of the client's own Unix users (S-1-5-88-1-uid), as
// the client of Linux does for each file with idsfromsid: no token holds such a SID, so
// it gives no rights to anyone.
func (t *Token) MayOwn(sid SID) bool {
	switch {
	case sid.IsZero():
		return false
	case sid == t.User, t.Holds(PrivRestore), sid.isClientUser():
		return true
	}
	return sid == BuiltinAdministrators && t.Has(sid)
}

// Check decides by MS-DTYP 2.5.3.2 whether t may have the desired access.
// Generic bits are mapped first. Without MaximumAccess the granted mask equals
// the desired one; with it, it is all that the descriptor gives, and the other
// desired bits must be among that. The error is ErrDenied or ErrPrivilege, and
// then nothing is granted.
//
// A nil descriptor grants nothing: it means that somebody failed to load one.
func Check(d *Descriptor, t *Token, desired uint32) (granted uint32, err error) {
	return decide(d, t, desired, 0)
}

// MaximumAllowed is all that d gives t, without AccessSystemSecurity; 0 for
// nothing.
func MaximumAllowed(d *Descriptor, t *Token) uint32 {
	granted, err := Check(d, t, MaximumAccess)
	if err != nil {
		return 0
	}
	return granted
}

// ParentRights is what a token may do with a file because of the file's
// directory, whatever the file's own descriptor says: delete it with
// FileDeleteChild, see its attributes with FileListDirectory (MS-FSA
// 2.1.5.1.2.1).
func ParentRights(parent *Descriptor, t *Token) uint32 {
	on := MaximumAllowed(parent, t)
	var rights uint32
	if on&FileDeleteChild != 0 {
		rights |= Delete
	}
	if on&FileListDirectory != 0 {
		rights |= FileReadAttributes
	}
	return rights
}

// ExecuteRights is FileExecute if t may read the file of d and no entry denies t to
// execute it, and 0 otherwise: what a server adds that lets programs be started which
// may be read. No specification knows it.
func ExecuteRights(d *Descriptor, t *Token) uint32 {
	switch {
	case d == nil:
		return 0
	case d.DACL == nil:
		return FileExecute
	}
	const want = FileReadData | FileExecute
	granted, denied := walk(d, t, 0, want)
	if granted&FileReadData == 0 || denied&FileExecute != 0 {
		return 0
	}
	return FileExecute
}

// BackupRights is what backup intent gives t.
func BackupRights(t *Token) uint32 {
	var rights uint32
	if t.Holds(PrivBackup) {
		rights |= backupRights
	}
	if t.Holds(PrivRestore) {
		rights |= restoreRights
	}
	return rights
}

// CheckFile is Check for opening an existing file (MS-FSA 2.1.5.1.2.1). The
// rights in extra are granted whatever d says: the caller puts ParentRights
// there, ExecuteRights if they are to count, and BackupRights if the file is opened
// with backup intent.
func CheckFile(d *Descriptor, t *Token, desired, extra uint32) (granted uint32, err error) {
	return decide(d, t, desired, extra)
}

// decide is the common part: extra bits count as granted from the start.
func decide(d *Descriptor, t *Token, desired, extra uint32) (uint32, error) {
	desired = MapGeneric(desired)
	maximum := desired&MaximumAccess != 0
	desired &^= MaximumAccess
	granted := extra
	if t.Holds(PrivSecurity) {
		granted |= desired & AccessSystemSecurity
	}
	if desired&AccessSystemSecurity&^granted != 0 {
		return 0, ErrPrivilege
	}
	if t.Holds(PrivTakeOwnership) {
		granted |= desired & WriteOwner
	}
	switch {
	case !maximum && desired&^granted == 0:
		return desired, nil
	case d == nil:
		return 0, ErrDenied
	case d.DACL == nil:
		if !maximum {
			return desired, nil
		}
		return granted&^(AccessSystemSecurity&^desired) | desired | FileAllAccess, nil
	}
	want := desired
	if maximum {
		want = ^uint32(0)
	}
	granted, _ = walk(d, t, granted, want)
	switch {
	case desired&^granted != 0:
		return 0, ErrDenied
	case !maximum:
		return desired, nil
	}
	// Only who named AccessSystemSecurity gets it.
	granted &^= AccessSystemSecurity &^ desired
	if granted == 0 {
		return 0, ErrDenied
	}
	return granted, nil
}

// walk adds to granted what the DACL gives, looking no further than the bits
// of want need, and returns what entries deny as well. The first entry that names a
// bit decides on it.
func walk(d *Descriptor, t *Token, granted, want uint32) (all, denied uint32) {
	owner := t.Has(d.Owner)
	if owner && !d.DACL.limitsOwner() {
		granted |= ReadControl | WriteDAC
	}
	aces := d.DACL.ACEs
	for i := range aces {
		if want&^granted == 0 || want&denied&^granted != 0 && want != ^uint32(0) {
			break
		}
		e := &aces[i]
		if e.Flags&InheritOnly != 0 {
			continue
		}
		allow, deny := e.effect()
		if !allow && !deny {
			continue
		}
		sid, mask, ok := e.trustee()
		if !ok || !t.Has(sid) && !(owner && sid == OwnerRights) {
			continue
		}
		// No entry of a DACL gives access to the SACL.
		mask &^= AccessSystemSecurity
		if allow {
			granted |= mask &^ denied
		} else {
			denied |= mask &^ granted
		}
	}
	return granted, denied
}

// limitsOwner reports whether an effective entry for OwnerRights stands in the
// list: the owner then gets no more than the entries say.
func (a *ACL) limitsOwner() bool {
	for i := range a.ACEs {
		e := &a.ACEs[i]
		if e.Flags&InheritOnly == 0 && e.SID == OwnerRights {
			return true
		}
	}
	return false
}

// effect tells what an entry does in an access check. The conditions of
// callback entries are not evaluated: an unknown condition never allows and
// always denies (MS-DTYP 2.5.3.2). An object entry that is restricted to a
// part of an object allows nothing on a whole file.
func (e *ACE) effect() (allow, deny bool) {
	switch e.Type {
	case AccessAllowed:
		return true, false
	case AccessAllowedObject:
		return len(e.Data) >= 8 && e.Data[4]&1 == 0, false
	case AccessDenied, AccessDeniedObject, AccessDeniedCallback, AccessDeniedCallbackObject:
		return false, true
	default:
		return false, false
	}
}
