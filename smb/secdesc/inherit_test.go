package secdesc

import (
	"io/fs"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestInheritanceFlags walks through all combinations of inheritance flags on
// an entry for the creator.
func TestInheritanceFlags(t *testing.T) {
	const oi, ci, np, io = ObjectInherit, ContainerInherit, NoPropagateInherit, InheritOnly
	own := func() ACE { return Allow(alice, FileWriteData, 0) }
	creator := func(f ACEFlags) ACE { return Allow(CreatorOwner, FileWriteData, f) }
	for _, tc := range []struct {
		flags ACEFlags
		file  []ACE // nil: nothing, so the default
		dir   []ACE
	}{
		{0, nil, nil},
		{oi, []ACE{own()}, []ACE{creator(oi | io)}},
		{ci, nil, []ACE{own(), creator(ci | io)}},
		{oi | ci, []ACE{own()}, []ACE{own(), creator(oi | ci | io)}},
		{np, nil, nil},
		{np | oi, []ACE{own()}, nil},
		{np | ci, nil, []ACE{own()}},
		{np | ci | oi, []ACE{own()}, []ACE{own()}},
		{io, nil, nil},
		{io | oi, []ACE{own()}, []ACE{creator(oi | io)}},
		{io | ci, nil, []ACE{own(), creator(ci | io)}},
		{io | ci | oi, []ACE{own()}, []ACE{own(), creator(ci | oi | io)}},
		{io | np, nil, nil},
		{io | np | oi, []ACE{own()}, nil},
		{io | np | ci, nil, []ACE{own()}},
		{io | np | ci | oi, []ACE{own()}, []ACE{own()}},
	} {
		parent := owned(Allow(CreatorOwner, FileWriteData, tc.flags), Allow(World, FileAllAccess, 0))
		for _, isDir := range []bool{false, true} {
			want := tc.file
			if isDir {
				want = tc.dir
			}
			if HasInheritable(parent, isDir) != (want != nil) {
				t.Errorf("flags %#x, dir %v: HasInheritable", tc.flags, isDir)
			}
			if want == nil {
				want = DefaultDACL(alice).ACEs
			}
			got := Inherit(parent, nil, alice, staff, isDir)
			if diff := cmp.Diff(want, got.DACL.ACEs, equalSIDs); diff != "" {
				t.Errorf("flags %#x, dir %v: -want +got\n%s", tc.flags, isDir, diff)
			}
			if got.Control != SelfRelative|DACLPresent || got.Owner != alice || got.Group != staff {
				t.Errorf("flags %#x: %+v", tc.flags, got)
			}
		}
	}
}

func TestInheritDetails(t *testing.T) {
	parent := owned(
		Allow(bob, GenericRead, ContainerInherit|ObjectInherit|InheritedACE),
		Allow(bob, FileReadData, ContainerInherit|ObjectInherit|InheritOnly),
		Deny(CreatorGroup, FileWriteData, ObjectInherit),
	)
	parent.Control |= DACLAutoInherited | DACLProtected
	parent.SACL = NewACL(ACE{Type: SystemAudit, Flags: ObjectInherit | FailedAccess, Mask: GenericAll, SID: World})
	parent.Control |= SACLPresent

	file := Inherit(parent, nil, alice, staff, false)
	want := &Descriptor{
		Control: SelfRelative | DACLPresent | DACLAutoInherited | SACLPresent, Owner: alice, Group: staff,
		DACL: NewACL(Allow(bob, FileGenericRead, InheritedACE), Allow(bob, FileReadData, InheritedACE),
			Deny(staff, FileWriteData, InheritedACE)),
		SACL: NewACL(ACE{Type: SystemAudit, Flags: FailedAccess, Mask: FileAllAccess, SID: World}),
	}
	if diff := cmp.Diff(want, file, equalSIDs); diff != "" {
		t.Errorf("file: -want +got\n%s", diff)
	}

	dir := Inherit(parent, nil, alice, SID{}, true)
	wantDir := NewACL(
		Allow(bob, FileGenericRead, InheritedACE),
		Allow(bob, GenericRead, InheritedACE|ContainerInherit|ObjectInherit|InheritOnly),
		Allow(bob, FileReadData, InheritedACE|ContainerInherit|ObjectInherit),
		Deny(CreatorGroup, FileWriteData, InheritedACE|ObjectInherit|InheritOnly),
	)
	if diff := cmp.Diff(wantDir, dir.DACL, equalSIDs); diff != "" {
		t.Errorf("directory: -want +got\n%s", diff)
	}
	// Without a primary group the entry for the creator's group means nobody.
	if got := Inherit(parent, nil, alice, SID{}, false); len(got.DACL.ACEs) != 2 {
		t.Errorf("entries for no group: %v", got.DACL.ACEs)
	}
}

func TestInheritExplicit(t *testing.T) {
	parent := owned(Allow(bob, FileAllAccess, ObjectInherit))
	explicit := &Descriptor{Control: DACLPresent | DACLAutoInherited | DACLProtected, Owner: World, Group: BuiltinUsers,
		DACL: NewACL(Allow(World, GenericRead, 0))}
	got := Inherit(parent, explicit, alice, staff, false)
	want := &Descriptor{Control: SelfRelative | DACLPresent | DACLProtected, Owner: World, Group: BuiltinUsers,
		DACL: NewACL(Allow(World, FileGenericRead, 0))}
	if diff := cmp.Diff(want, got, equalSIDs); diff != "" {
		t.Errorf("explicit: -want +got\n%s", diff)
	}
	if explicit.DACL.ACEs[0].Mask != GenericRead {
		t.Error("the argument was changed")
	}
	// An empty descriptor says nothing; an explicit NULL DACL opens the file.
	got = Inherit(parent, &Descriptor{}, alice, staff, false)
	if diff := cmp.Diff(NewACL(Allow(bob, FileAllAccess, 0)), got.DACL, equalSIDs); diff != "" || got.Owner != alice {
		t.Errorf("empty: %v\n%s", got.Owner, diff)
	}
	if got = Inherit(parent, &Descriptor{Control: DACLPresent}, alice, staff, false); got.DACL != nil {
		t.Errorf("NULL DACL became %v", got.DACL)
	}
	if got = Inherit(nil, nil, alice, staff, true); len(got.DACL.ACEs) != 2 {
		t.Errorf("no parent: %v", got.DACL)
	}
}

func TestFromMode(t *testing.T) {
	for _, tc := range []struct {
		mode         fs.FileMode
		group, world uint32
	}{
		{0o600, 0, 0},
		{0o644, FileGenericRead, FileGenericRead},
		{0o751, FileGenericRead | FileGenericExecute, FileGenericExecute},
		{0o664, FileGenericRead | FileGenericWrite, FileGenericRead},
		{fs.ModeDir | 0o775, FileGenericRead | FileGenericWrite | FileGenericExecute | FileDeleteChild,
			FileGenericRead | FileGenericExecute},
	} {
		d := FromMode(alice, staff, tc.mode)
		if got := MaximumAllowed(d, &Token{User: alice}); got != FileAllAccess {
			t.Errorf("%v: owner %#x", tc.mode, got)
		}
		if got := MaximumAllowed(d, &Token{User: System}); got != FileAllAccess {
			t.Errorf("%v: system %#x", tc.mode, got)
		}
		if got := MaximumAllowed(d, &Token{User: bob, Groups: []SID{staff}}); got != tc.group {
			t.Errorf("%v: group %#x, want %#x", tc.mode, got, tc.group)
		}
		if got := MaximumAllowed(d, &Token{User: bob, Groups: []SID{World}}); got != tc.world {
			t.Errorf("%v: world %#x, want %#x", tc.mode, got, tc.world)
		}
		if HasInheritable(d, tc.mode.IsDir()) {
			t.Errorf("%v passes something on", tc.mode)
		}
	}
}

// TestMergeControl: of the bits that a client sends only those are kept that
// MS-FSA keeps, and none of them travels with a change of owner.
func TestMergeControl(t *testing.T) {
	for i := range 8 {
		var send, keep uint16
		if i&1 != 0 {
			send |= DACLAutoInherited
		}
		if i&2 != 0 {
			send |= DACLAutoInheritReq
		}
		if i&3 == 3 {
			keep |= DACLAutoInherited
		}
		if i&4 != 0 {
			send |= DACLProtected
			keep |= DACLProtected
		}
		set := owned(Allow(alice, FileWriteData, InheritedACE|ObjectInherit))
		set.Control |= send
		got := Merge(owned(), set, DACLInformation)
		if got.Control != SelfRelative|DACLPresent|keep {
			t.Errorf("sent %#x: control %#x, want %#x", send, got.Control, keep)
		}
		if got.DACL.ACEs[0].Flags != InheritedACE|ObjectInherit {
			t.Errorf("flags of the entry changed: %#x", got.DACL.ACEs[0].Flags)
		}
		after := Merge(got, &Descriptor{Owner: World}, OwnerInformation)
		after = Merge(after, &Descriptor{Owner: alice}, OwnerInformation)
		if diff := cmp.Diff(got, after, equalSIDs); diff != "" {
			t.Errorf("changing the owner changed more\n%s", diff)
		}
	}
}

func TestMerge(t *testing.T) {
	old := owned(Allow(alice, FileAllAccess, 0))
	got := Merge(old, &Descriptor{}, OwnerInformation|GroupInformation)
	if got.Owner != alice || got.Group != staff {
		t.Error("absent owner and group must stay")
	}
	got = Merge(old, &Descriptor{Owner: bob, Group: World}, OwnerInformation)
	if got.Owner != bob || got.Group != staff {
		t.Error("only the owner was to be set")
	}
	for _, control := range []uint16{0, DACLPresent} {
		if got = Merge(old, &Descriptor{Control: control}, DACLInformation); got.DACL != nil || got.Control&DACLPresent == 0 {
			t.Errorf("control %#x: no NULL DACL: %+v", control, got)
		}
	}
	got = Merge(old, owned(Allow(bob, GenericRead, 0), Allow(bob, GenericRead, InheritOnly|ObjectInherit)), DACLInformation)
	if got.DACL.ACEs[0].Mask != FileGenericRead || got.DACL.ACEs[1].Mask != GenericRead {
		t.Errorf("generic rights: %#x, %#x", got.DACL.ACEs[0].Mask, got.DACL.ACEs[1].Mask)
	}
	if got = Merge(old, old, ProtectedDACLInformation); got.Control&DACLProtected == 0 {
		t.Error("not protected")
	}
	if got = Merge(got, got, UnprotectedDACLInformation); got.Control&DACLProtected != 0 {
		t.Error("still protected")
	}
	label := ACE{Type: SystemMandatoryLabel, Mask: 1, SID: NewSID(16, 4096)}
	audit := ACE{Type: SystemAudit, Mask: FileAllAccess, SID: World, Flags: FailedAccess}
	both := Merge(old, &Descriptor{Control: SACLPresent, SACL: NewACL(audit)}, SACLInformation)
	both = Merge(both, &Descriptor{Control: SACLPresent, SACL: NewACL(label)}, LabelInformation)
	if diff := cmp.Diff(NewACL(label, audit), both.SACL, equalSIDs); diff != "" || both.Control&SACLPresent == 0 {
		t.Errorf("label and audit\n%s", diff)
	}
	if got = Merge(both, &Descriptor{}, SACLInformation); got.SACL != nil || got.Control&SACLPresent != 0 {
		t.Error("SACL stays")
	}
	if got = Merge(nil, old, BackupInformation); got.Owner != alice || got.DACL == nil {
		t.Error("merge into nothing")
	}
	if diff := cmp.Diff(owned(Allow(alice, FileAllAccess, 0)), old, equalSIDs); diff != "" {
		t.Errorf("the old descriptor was changed\n%s", diff)
	}
	if sel := Select(both, LabelInformation); len(sel.SACL.ACEs) != 1 || sel.SACL.ACEs[0].Type != SystemMandatoryLabel {
		t.Errorf("Select label: %v", sel.SACL)
	}
}

func TestSelect(t *testing.T) {
	d := owned(Allow(alice, FileAllAccess, 0))
	d.Control |= DACLProtected | SACLPresent
	d.SACL = NewACL()
	for _, tc := range []struct {
		info uint32
		want *Descriptor
	}{
		{0, &Descriptor{Control: SelfRelative}},
		{OwnerInformation, &Descriptor{Control: SelfRelative, Owner: alice}},
		{GroupInformation, &Descriptor{Control: SelfRelative, Group: staff}},
		{DACLInformation, &Descriptor{Control: SelfRelative | DACLPresent | DACLProtected, DACL: d.DACL}},
		{SACLInformation, &Descriptor{Control: SelfRelative | SACLPresent, SACL: d.SACL}},
		{LabelInformation, &Descriptor{Control: SelfRelative}},
		{BackupInformation, d},
	} {
		if diff := cmp.Diff(tc.want, Select(d, tc.info), equalSIDs); diff != "" {
			t.Errorf("info %#x: -want +got\n%s", tc.info, diff)
		}
	}
	null := Select(&Descriptor{}, DACLInformation)
	if null.Control != SelfRelative|DACLPresent || null.DACL != nil {
		t.Errorf("no list: %+v", null)
	}
}

func TestNeededAccess(t *testing.T) {
	for _, tc := range []struct{ info, query, set uint32 }{
		{OwnerInformation, ReadControl, WriteOwner},
		{GroupInformation, ReadControl, WriteOwner},
		{DACLInformation, ReadControl, WriteDAC},
		{SACLInformation, AccessSystemSecurity, AccessSystemSecurity},
		{LabelInformation, ReadControl, WriteOwner},
		{AttributeInformation, ReadControl, WriteDAC},
		{ScopeInformation, ReadControl, AccessSystemSecurity},
		{OwnerInformation | DACLInformation, ReadControl, WriteOwner | WriteDAC},
		{BackupInformation, ReadControl | AccessSystemSecurity, WriteOwner | WriteDAC | AccessSystemSecurity},
		{ProtectedDACLInformation, 0, WriteDAC},
		{UnprotectedDACLInformation, 0, WriteDAC},
		{ProtectedSACLInformation, 0, AccessSystemSecurity},
		{UnprotectedSACLInformation, 0, AccessSystemSecurity},
		{0x08000000, 0, 0},
	} {
		if got := QueryAccess(tc.info); got != tc.query {
			t.Errorf("QueryAccess(%#x) = %#x, want %#x", tc.info, got, tc.query)
		}
		if got := SetAccess(tc.info); got != tc.set {
			t.Errorf("SetAccess(%#x) = %#x, want %#x", tc.info, got, tc.set)
		}
	}
}
