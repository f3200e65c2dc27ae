package secdesc

import (
	"errors"
	"io/fs"
	"testing"

	"pgregory.net/rapid"
)

var (
	alice = MachineSID(1, 2, 3).WithRID(1001)
	bob   = MachineSID(1, 2, 3).WithRID(1002)
	staff = MachineSID(1, 2, 3).WithRID(2001)
)

// owned is a descriptor of alice's with the given entries.
func owned(aces ...ACE) *Descriptor {
	return &Descriptor{Control: SelfRelative | DACLPresent, Owner: alice, Group: staff, DACL: NewACL(aces...)}
}

func TestMapGeneric(t *testing.T) {
	for in, want := range map[uint32]uint32{
		0:                            0,
		GenericRead:                  FileGenericRead,
		GenericWrite:                 FileGenericWrite,
		GenericExecute:               FileGenericExecute,
		GenericAll:                   FileAllAccess,
		FileReadData | MaximumAccess: FileReadData | MaximumAccess,
		GenericRead | Delete:         FileGenericRead | Delete,
	} {
		if got := MapGeneric(in); got != want {
			t.Errorf("MapGeneric(%#x) = %#x, want %#x", in, got, want)
		}
	}
}

func TestCheck(t *testing.T) {
	byAlice := NewToken(alice, 0, staff)
	byBob := NewToken(bob, 0, staff)
	for _, tc := range []struct {
		name    string
		sd      *Descriptor
		token   *Token
		desired uint32
		granted uint32
		err     error
	}{
		{"no descriptor", nil, byAlice, FileReadData, 0, ErrDenied},
		{"no descriptor, maximum", nil, byAlice, MaximumAccess, 0, ErrDenied},
		{"null list", &Descriptor{Owner: alice}, byBob, GenericWrite, FileGenericWrite, nil},
		{"null list, maximum", &Descriptor{Owner: alice}, byBob, MaximumAccess, FileAllAccess, nil},
		{"null list, SACL", &Descriptor{Owner: alice}, byBob, AccessSystemSecurity, 0, ErrPrivilege},
		{"empty list", owned(), byBob, FileReadData, 0, ErrDenied},
		{"empty list, maximum", owned(), byBob, MaximumAccess, 0, ErrDenied},
		{"empty list, owner reads the descriptor", owned(), byAlice, ReadControl | WriteDAC, ReadControl | WriteDAC, nil},
		{"empty list, owner reads data", owned(), byAlice, FileReadData, 0, ErrDenied},
		{"empty list, owner, maximum", owned(), byAlice, MaximumAccess, ReadControl | WriteDAC, nil},
		{"nothing desired", owned(), byBob, 0, 0, nil},

		{"group", owned(Allow(staff, FileGenericRead, 0)), byBob, FileReadData, FileReadData, nil},
		{"other", owned(Allow(alice, FileAllAccess, 0)), byBob, FileReadData, 0, ErrDenied},
		{"world", owned(Allow(World, FileReadData, 0)), byBob, FileReadData, FileReadData, nil},
		{"two entries together", owned(Allow(bob, FileReadData, 0), Allow(staff, FileWriteData, 0)), byBob,
			FileReadData | FileWriteData, FileReadData | FileWriteData, nil},
		{"generic in the entry", owned(Allow(bob, GenericRead, 0)), byBob, FileReadEA, FileReadEA, nil},
		{"generic in the request", owned(Allow(bob, FileGenericRead, 0)), byBob, GenericRead, FileGenericRead, nil},
		{"generic in the request, not all there", owned(Allow(bob, FileReadData, 0)), byBob, GenericRead, 0, ErrDenied},

		{"deny first", owned(Deny(bob, FileReadData, 0), Allow(World, FileAllAccess, 0)), byBob, FileReadData, 0, ErrDenied},
		{"deny of another bit", owned(Deny(bob, FileWriteData, 0), Allow(World, FileAllAccess, 0)), byBob,
			FileReadData, FileReadData, nil},
		{"deny last", owned(Allow(World, FileAllAccess, 0), Deny(bob, FileReadData, 0)), byBob, FileReadData, FileReadData, nil},
		{"deny between", owned(Allow(bob, FileReadData, 0), Deny(staff, FileWriteData, 0), Allow(World, FileAllAccess, 0)),
			byBob, FileReadData | FileWriteData, 0, ErrDenied},
		{"deny of another", owned(Deny(alice, FileAllAccess, 0), Allow(World, FileReadData, 0)), byBob, FileReadData, FileReadData, nil},
		{"deny cannot take the owner's own", owned(Deny(alice, FileAllAccess, 0)), byAlice, WriteDAC, WriteDAC, nil},

		{"inherit only", owned(Allow(bob, FileAllAccess, InheritOnly|ObjectInherit)), byBob, FileReadData, 0, ErrDenied},
		{"creator owner is nobody", owned(Allow(CreatorOwner, FileAllAccess, 0)), byAlice, FileReadData, 0, ErrDenied},
		{"audit grants nothing", owned(ACE{Type: SystemAudit, Mask: FileAllAccess, SID: World}), byBob, FileReadData, 0, ErrDenied},
		{"condition never allows", owned(ACE{Type: AccessAllowedCallback, Mask: FileAllAccess, SID: World}), byBob,
			FileReadData, 0, ErrDenied},
		{"condition always denies", owned(ACE{Type: AccessDeniedCallback, Mask: FileReadData, SID: World},
			Allow(World, FileAllAccess, 0)), byBob, FileReadData, 0, ErrDenied},
		{"unknown type", owned(ACE{Type: 0x60, Data: make([]byte, 20)}), byBob, FileReadData, 0, ErrDenied},

		{"owner rights replace", owned(Allow(alice, FileGenericRead, 0), Allow(OwnerRights, FileWriteData, 0)), byAlice,
			MaximumAccess, FileGenericRead | FileWriteData, nil},
		{"owner rights refuse WriteDAC", owned(Allow(OwnerRights, FileReadData, 0)), byAlice, WriteDAC, 0, ErrDenied},
		{"owner rights denied", owned(Deny(OwnerRights, FileReadData, 0), Allow(alice, FileGenericRead, 0)), byAlice,
			MaximumAccess, FileGenericRead &^ FileReadData, nil},
		{"owner rights denied last", owned(Allow(alice, FileGenericRead, 0), Allow(OwnerRights, FileWriteData, 0),
			Deny(OwnerRights, FileWriteData|FileReadData, 0)), byAlice, MaximumAccess, FileGenericRead | FileWriteData, nil},
		{"owner rights inherit only", owned(Allow(OwnerRights, FileReadData, InheritOnly)), byAlice, WriteDAC, WriteDAC, nil},
		{"owner rights of another", owned(Allow(OwnerRights, FileAllAccess, 0)), byBob, FileReadData, 0, ErrDenied},

		{"maximum", owned(Deny(bob, FileWriteData, 0), Allow(World, FileGenericRead|FileGenericWrite, 0)), byBob,
			MaximumAccess, (FileGenericRead | FileGenericWrite) &^ FileWriteData, nil},
		{"maximum, deny last", owned(Allow(alice, FileGenericRead|FileWriteData, 0), Deny(alice, FileWriteData, 0)), byAlice,
			MaximumAccess, FileGenericRead | FileWriteData | WriteDAC, nil},
		{"maximum and a bit that is there", owned(Allow(bob, FileReadData|FileReadEA, 0)), byBob,
			MaximumAccess | FileReadData, FileReadData | FileReadEA, nil},
		{"maximum and a bit that is not", owned(Allow(alice, FileReadData, 0)), byAlice,
			MaximumAccess | FileWriteData, 0, ErrDenied},
		{"the list cannot grant the SACL", owned(Allow(bob, AccessSystemSecurity|FileReadData, 0)), byBob,
			MaximumAccess, FileReadData, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			granted, err := Check(tc.sd, tc.token, tc.desired)
			if granted != tc.granted || !errors.Is(err, tc.err) || (err == nil) != (tc.err == nil) {
				t.Errorf("Check = %#x, %v; want %#x, %v", granted, err, tc.granted, tc.err)
			}
			if err != nil && !errors.Is(err, fs.ErrPermission) {
				t.Errorf("%v is no fs.ErrPermission", err)
			}
		})
	}
}

func TestObjectACEs(t *testing.T) {
	entry := func(typ ACEType, flags byte) ACE {
		data := []byte{byte(FileReadData), 0, 0, 0, flags, 0, 0, 0}
		for bit := byte(1); bit <= 2; bit++ {
			if flags&bit != 0 {
				data = append(data, make([]byte, 16)...)
			}
		}
		return ACE{Type: typ, Data: World.Append(data)}
	}
	token := NewToken(bob, 0)
	for _, tc := range []struct {
		name string
		ace  ACE
		want bool
	}{
		{"whole object", entry(AccessAllowedObject, 0), true},
		{"inherited type", entry(AccessAllowedObject, 2), true},
		{"a property", entry(AccessAllowedObject, 1), false},
		{"cut", ACE{Type: AccessAllowedObject, Data: []byte{1, 0, 0, 0, 2, 0, 0, 0}}, false},
		{"denied", entry(AccessDeniedObject, 3), false},
	} {
		_, err := Check(owned(tc.ace), token, FileReadData)
		if (err == nil) != tc.want {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	if _, err := Check(owned(entry(AccessDeniedObject, 1), Allow(World, FileAllAccess, 0)), token, FileReadData); err == nil {
		t.Error("an object entry must deny")
	}
}

func TestPrivileges(t *testing.T) {
	closed := owned()
	token := func(p Privilege) *Token { return NewToken(bob, p) }
	if _, err := Check(closed, token(0), WriteOwner); !errors.Is(err, ErrDenied) {
		t.Errorf("WriteOwner without privilege: %v", err)
	}
	if g, err := Check(closed, token(PrivTakeOwnership), WriteOwner); err != nil || g != WriteOwner {
		t.Errorf("WriteOwner: %#x, %v", g, err)
	}
	if _, err := Check(closed, token(0), AccessSystemSecurity|FileReadData); !errors.Is(err, ErrPrivilege) {
		t.Errorf("SACL without privilege: %v", err)
	}
	if g, err := Check(closed, token(PrivSecurity), AccessSystemSecurity); err != nil || g != AccessSystemSecurity {
		t.Errorf("SACL: %#x, %v", g, err)
	}
	if _, err := Check(closed, token(PrivSecurity), AccessSystemSecurity|FileReadData); !errors.Is(err, ErrDenied) {
		t.Errorf("SACL and data: %v", err)
	}
	if g, err := Check(closed, token(PrivSecurity), AccessSystemSecurity|MaximumAccess); err != nil || g != AccessSystemSecurity {
		t.Errorf("SACL and maximum: %#x, %v", g, err)
	}
	backup := token(PrivBackup | PrivRestore)
	if _, err := Check(closed, backup, FileReadData); err == nil {
		t.Error("backup privilege without backup intent")
	}
	if g, err := CheckFile(closed, backup, FileReadData|Delete, BackupRights(backup)); err != nil || g != FileReadData|Delete {
		t.Errorf("backup intent: %#x, %v", g, err)
	}
	if g, err := CheckFile(closed, backup, MaximumAccess, BackupRights(backup)); err != nil ||
		g != (backupRights|restoreRights)&^AccessSystemSecurity {
		t.Errorf("backup intent, maximum: %#x, %v", g, err)
	}
	if !backup.MayOwn(alice) || token(0).MayOwn(alice) || !token(0).MayOwn(bob) || token(0).MayOwn(World) || backup.MayOwn(SID{}) {
		t.Error("MayOwn")
	}
	if token(0).MayOwn(BuiltinAdministrators) || !NewToken(bob, 0, BuiltinAdministrators).MayOwn(BuiltinAdministrators) {
		t.Error("MayOwn: administrators")
	}
	if client := NewSID(5, 88, 1, 1000); !token(0).MayOwn(client) || token(0).MayOwn(NewSID(5, 88, 2, 1000)) || token(0).MayOwn(UnixUser(1000)) {
		t.Error("MayOwn: users of clients")
	}
	if NewToken(Anonymous, 0).Has(AuthenticatedUsers) || !NewToken(bob, 0).Has(AuthenticatedUsers) || token(0).Has(SID{}) {
		t.Error("Has")
	}
}

// TestOwnerMaximum is what clients see on a file of theirs within a directory
// of theirs: the directory adds Delete and FileReadAttributes.
func TestOwnerMaximum(t *testing.T) {
	token := NewToken(alice, 0)
	parent := owned(Allow(alice, FileAllAccess, 0))
	extra := ParentRights(parent, token)
	if extra != Delete|FileReadAttributes {
		t.Fatalf("ParentRights = %#x", extra)
	}
	for _, mask := range []uint32{0, GenericRead, GenericWrite, GenericExecute, GenericAll, FileReadData} {
		got, err := CheckFile(owned(Allow(alice, mask, 0)), token, MaximumAccess, extra)
		want := ReadControl | WriteDAC | FileReadAttributes | Delete | MapGeneric(mask)
		if err != nil || got != want {
			t.Errorf("mask %#x: %#x, %v; want %#x", mask, got, err, want)
		}
	}
	if got := ParentRights(owned(), NewToken(bob, 0)); got != 0 {
		t.Errorf("a closed directory gives %#x", got)
	}
}

// TestCheckAgainstMaximum: asking for a mask succeeds exactly if all of it is
// in the maximum.
func TestCheckAgainstMaximum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawDescriptor(t)
		token := NewToken(rapid.SampledFrom([]SID{d.Owner, UnixUser(1), bob}).Draw(t, "user"), 0, UnixGroup(2))
		desired := rapid.Uint32().Draw(t, "desired") & FileAllAccess
		maximum := MaximumAllowed(d, token)
		granted, err := Check(d, token, desired)
		if want := desired&^maximum == 0; (err == nil) != want {
			t.Fatalf("desired %#x, maximum %#x: %v", desired, maximum, err)
		}
		if err == nil && granted != desired {
			t.Fatalf("granted %#x of %#x", granted, desired)
		}
	})
}

func TestCheckDoesNotAllocate(t *testing.T) {
	d := FromMode(alice, staff, 0o664)
	token := NewToken(bob, 0, staff)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := Check(d, token, GenericRead); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Who may read may execute as well, unless an entry denies it, whatever stands first.
func TestExecuteRights(t *testing.T) {
	null := owned()
	null.DACL = nil
	for name, c := range map[string]struct {
		d    *Descriptor
		want uint32
	}{
		"none loaded":    {nil, 0},
		"no list":        {null, FileExecute},
		"empty list":     {owned(), 0},
		"read":           {owned(Allow(bob, FileGenericRead, 0)), FileExecute},
		"read data":      {owned(Allow(bob, FileReadData, 0)), FileExecute},
		"attributes":     {owned(Allow(bob, FileReadAttributes|FileReadEA, 0)), 0},
		"another reads":  {owned(Allow(staff, FileGenericRead, 0)), 0},
		"granted":        {owned(Allow(bob, FileReadData|FileExecute, 0)), FileExecute},
		"denied":         {owned(Deny(bob, FileExecute, 0), Allow(bob, FileGenericRead, 0)), 0},
		"denied behind":  {owned(Allow(bob, FileGenericRead, 0), Deny(World, FileExecute, 0)), 0},
		"denied another": {owned(Deny(staff, FileExecute, 0), Allow(bob, FileGenericRead, 0)), FileExecute},
		"denied to read": {owned(Deny(bob, FileReadData, 0), Allow(World, FileGenericRead, 0)), 0},
		"mode 0644":      {FromMode(alice, staff, 0o644), FileExecute},
		"mode 0640":      {FromMode(alice, staff, 0o640), 0},
	} {
		if got := ExecuteRights(c.d, NewToken(bob, 0)); got != c.want {
			t.Errorf("%s: %#x, want %#x", name, got, c.want)
		}
	}
}
