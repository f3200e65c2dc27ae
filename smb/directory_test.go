package smb

import (
	"testing"

	"lessor/smb/auth"
	"lessor/smb/privileges"
	"lessor/smb/secdesc"
)

// A user of a directory is known by the SID that it has there, and belongs to the
// groups of the directory, but to none of this machine that the directory names.
func TestDirectoryToken(t *testing.T) {
	s := &Server{cfg: Config{Privileges: privileges.New()}, machine: machineSID{1, 2, 3}}
	none := map[string]bool{}
	s.admins.list.Store(&none)
	sid := func(text string) secdesc.SID {
		t.Helper()
		sid, err := secdesc.ParseSID(text)
		if err != nil {
			t.Fatal(err)
		}
		return sid
	}
	user, staff := sid("S-1-5-21-7-8-9-1104"), sid("S-1-5-21-7-8-9-1200")
	foreign := []secdesc.SID{sid("S-1-5-32-544"), sid("S-1-5-18"), sid("S-1-5-21-1-2-3-500"), sid("S-1-5-21-7"), sid("S-1-16-16384")}
	id := &auth.Identity{
		User: "alice@EXAMPLE.COM", Mech: "kerberos", SID: user,
		GroupSIDs: append([]secdesc.SID{sid("S-1-5-21-7-8-9-513"), staff, sid("S-1-18-1")}, foreign...),
	}
	p := s.principalOf(id)
	if p.token.User != user {
		t.Errorf("user %v", p.token.User)
	}
	for _, g := range []secdesc.SID{staff, sid("S-1-18-1"), secdesc.BuiltinUsers, secdesc.AuthenticatedUsers} {
		if !p.token.Has(g) {
			t.Errorf("does not belong to %v", g)
		}
	}
	for _, g := range append(foreign, s.machine.account(secdesc.RIDUsers)) {
		if p.token.Has(g) {
			t.Errorf("belongs to %v", g)
		}
	}
	if p.token.Groups[0] != sid("S-1-5-21-7-8-9-513") {
		t.Errorf("first group %v", p.token.Groups[0])
	}
	if got, ok := s.accounts.sid("example.com", "alice"); !ok || got != user {
		t.Errorf("known as %v", got)
	}

	// Who claims to be an account of this machine, and who has no SID, has one that
	// is made of the name.
	for _, claimed := range []secdesc.SID{{}, sid("S-1-5-21-1-2-3-1000"), sid("S-1-5-18")} {
		p := s.principalOf(&auth.Identity{User: "alice@EXAMPLE.COM", SID: claimed, GroupSIDs: []secdesc.SID{staff}})
		if p.token.User != s.machine.account(userRID(id)) || p.token.Has(staff) || !p.token.Has(s.machine.account(secdesc.RIDUsers)) {
			t.Errorf("SID %v: %+v", claimed, p.token)
		}
	}
	// A directory of uids and gids speaks for these, where that is wanted, but not for root.
	unix := &auth.Identity{
		User: "alice@EXAMPLE.COM", SID: secdesc.UnixUser(5000), GroupSIDs: []secdesc.SID{secdesc.UnixGroup(6000), secdesc.UnixGroup(0), secdesc.UnixUser(0)},
	}
	if p := s.principalOf(unix); p.token.User == secdesc.UnixUser(5000) || p.token.Has(secdesc.UnixGroup(6000)) {
		t.Errorf("uids and gids that are not asked for: %+v", p.token)
	}
	s.cfg.DirectoryUnix = true
	p = s.principalOf(unix)
	if p.token.User != secdesc.UnixUser(5000) || !p.token.Has(secdesc.UnixGroup(6000)) || p.token.Has(secdesc.UnixGroup(0)) || p.token.Has(secdesc.UnixUser(0)) {
		t.Errorf("uids and gids: %+v", p.token)
	}
	unix.SID = secdesc.UnixUser(0)
	if p := s.principalOf(unix); p.token.User == unix.SID || p.token.Has(secdesc.UnixGroup(6000)) {
		t.Errorf("root: %+v", p.token)
	}

	if len(id.GroupSIDs) != 8 {
		t.Error("the identity was changed")
	}
}
