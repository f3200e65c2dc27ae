package secdesc

import "testing"

func TestAudited(t *testing.T) {
	audit := func(typ ACEType, flags ACEFlags, mask uint32, sid SID) ACE {
		return ACE{Type: typ, Flags: flags, Mask: mask, SID: sid}
	}
	object := func(flags byte) ACE {
		data := []byte{byte(FileReadData), 0, 0, 0, flags, 0, 0, 0}
		if flags != 0 {
			data = append(data, make([]byte, 16)...)
		}
		return ACE{Type: SystemAuditObject, Flags: SuccessfulAccess, Data: World.Append(data)}
	}
	const all = SuccessfulAccess | FailedAccess
	token := NewToken(alice, 0, staff)
	for _, tc := range []struct {
		name            string
		ace             ACE
		mask            uint32
		success, failed uint32
	}{
		{"success", audit(SystemAudit, SuccessfulAccess, FileReadData, World), FileReadData | FileWriteData, FileReadData, 0},
		{"failure", audit(SystemAudit, FailedAccess, FileReadData, World), FileReadData | FileWriteData, 0, FileReadData},
		{"both", audit(SystemAudit, all, FileReadData|Delete, staff), FileReadData, FileReadData, FileReadData},
		{"neither", audit(SystemAudit, 0, FileAllAccess, World), FileReadData, 0, 0},
		{"other right", audit(SystemAudit, all, Delete, World), FileReadData, 0, 0},
		{"somebody else", audit(SystemAudit, all, FileReadData, bob), FileReadData, 0, 0},
		{"generic", audit(SystemAudit, all, GenericAll, alice), GenericRead, FileGenericRead, FileGenericRead},
		{"inherit only", audit(SystemAudit, all|InheritOnly, FileReadData, World), FileReadData, 0, 0},
		{"the owner", audit(SystemAudit, all, FileReadData, OwnerRights), FileReadData, FileReadData, FileReadData},
		{"condition", audit(SystemAuditCallback, all, FileReadData, World), FileReadData, FileReadData, FileReadData},
		{"alarm", audit(SystemAlarm, all, FileReadData, World), FileReadData, 0, 0},
		{"label", audit(SystemMandatoryLabel, all, FileReadData, World), FileReadData, 0, 0},
		{"object", object(0), FileReadData, FileReadData, 0},
		{"a property", object(1), FileReadData, 0, 0},
	} {
		d := &Descriptor{Owner: alice, SACL: NewACL(tc.ace)}
		if got := Audited(d, token, tc.mask, true); got != tc.success {
			t.Errorf("%s: success %#x, want %#x", tc.name, got, tc.success)
		}
		if got := Audited(d, token, tc.mask, false); got != tc.failed {
			t.Errorf("%s: failure %#x, want %#x", tc.name, got, tc.failed)
		}
	}
	if Audited(nil, token, FileReadData, true) != 0 || Audited(&Descriptor{}, token, FileReadData, true) != 0 {
		t.Error("without a SACL")
	}
}

func TestAudits(t *testing.T) {
	for _, tc := range []struct {
		acl  *ACL
		want bool
	}{
		{nil, false},
		{NewACL(), false},
		{NewACL(ACE{Type: SystemMandatoryLabel}, ACE{Type: SystemResourceAttribute}), false},
		{NewACL(ACE{Type: SystemMandatoryLabel}, ACE{Type: SystemAudit}), true},
		{NewACL(ACE{Type: SystemScopedPolicy}), true},
	} {
		if got := tc.acl.Audits(); got != tc.want {
			t.Errorf("%+v: %v", tc.acl, got)
		}
	}
}
