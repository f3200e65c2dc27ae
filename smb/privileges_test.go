package smb_test

import (
	"testing"

	"lessor/smb"
	"lessor/smb/auth"
	"lessor/smb/ntstatus"
	"lessor/smb/privileges"
	"lessor/smb/secdesc"
	"lessor/smb/wire"
	"lessor/test/client"
)

// A privilege that is granted or revoked counts from the next session of the user on.
func TestPrivilegesCountInTheNextSession(t *testing.T) {
	store := privileges.New()
	s := newAccessServer(t, func(c *smb.Config, _ *auth.NTLMConfig) {
		c.Admins, c.Privileges = []string{"alice"}, store
	}, smb.Share{Name: "data", DefaultAccess: smb.AccessWrite})
	ctx := t.Context()
	tree := func(user string) *client.Tree {
		t.Helper()
		tree, err := s.as(t, user).TreeConnect(ctx, "data")
		mustBe(t, "connect", err, ntstatus.Success)
		return tree
	}
	alice, bob := tree("alice"), tree("bob")
	aliceSID, bobSID := sidOf(t, alice, "of alice"), sidOf(t, bob, "of bob")
	f := create(t, alice, client.CreateArgs{Name: "file", Access: client.ReadWriteDelete | wire.AccessWriteDAC})
	mustBe(t, "set", f.SetSecurity(ctx, secdesc.DACLInformation, encoded(t, allowing(secdesc.Allow(aliceSID, secdesc.FileAllAccess, 0)))), ntstatus.Success)
	mustBe(t, "close", f.Close(ctx), ntstatus.Success)

	const backup = wire.OptionOpenForBackupIntent
	reads := func(what string, tree *client.Tree, want ntstatus.Status) {
		t.Helper()
		mustBe(t, what, opens(t, tree, "file", wire.AccessReadData, backup), want)
	}
	reads("without a privilege", bob, ntstatus.AccessDenied)
	granted(t, store.Grant(bobSID, secdesc.PrivBackup))
	reads("in the old session", bob, ntstatus.AccessDenied)
	again := tree("bob")
	reads("in a new session", again, ntstatus.Success)
	mustBe(t, "write", opens(t, again, "file", wire.AccessWriteData, backup), ntstatus.AccessDenied)
	mustBe(t, "SACL", opens(t, again, "file", wire.AccessSystemSecurity, 0), ntstatus.PrivilegeNotHeld)
	granted(t, store.Revoke(bobSID, secdesc.PrivBackup, true))
	reads("in the session that has it", again, ntstatus.Success)
	reads("in a newer session", tree("bob"), ntstatus.AccessDenied)

	// By a group.
	granted(t, store.Grant(secdesc.AuthenticatedUsers, secdesc.PrivSecurity))
	mustBe(t, "SACL", opens(t, tree("bob"), "file", wire.AccessSystemSecurity, 0), ntstatus.Success)

	// What administrators have by default can be taken from them.
	f = create(t, bob, client.CreateArgs{Name: "bobs", Access: client.ReadWriteDelete | wire.AccessWriteDAC})
	mustBe(t, "set", f.SetSecurity(ctx, secdesc.DACLInformation, encoded(t, allowing(secdesc.Allow(bobSID, secdesc.FileAllAccess, 0)))), ntstatus.Success)
	mustBe(t, "close", f.Close(ctx), ntstatus.Success)
	mustBe(t, "owner", opens(t, alice, "bobs", wire.AccessWriteOwner, 0), ntstatus.Success)
	granted(t, store.Revoke(secdesc.BuiltinAdministrators, secdesc.PrivTakeOwnership, true))
	mustBe(t, "owner, without the privilege", opens(t, tree("alice"), "bobs", wire.AccessWriteOwner, 0), ntstatus.AccessDenied)
}

func granted(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
