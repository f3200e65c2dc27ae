package smb

import (
	"errors"
	"io/fs"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"lessor/smb/auth"
	"lessor/smb/privileges"
	"lessor/smb/rpc"
	"lessor/smb/secdesc"
)

// privilegedServer has users and groups, some of which have privileges by name.
func privilegedServer(t *testing.T) (*Server, rpcBackend, map[string]secdesc.SID) {
	users := made(auth.NewUsers(
		auth.User{Name: "Alice"}, auth.User{Name: "bob", Groups: []string{"Backup"}}, auth.User{Name: "carol"}, auth.User{Name: "root"}))(t)
	s := &Server{cfg: Config{Name: "SRV", Privileges: privileges.New(), Accounts: users}, machine: machineSID{1, 2, 3}}
	s.shares.Store(&shareTable{})
	s.SetAdmins([]string{"root"})
	s.SetPrivileged(map[string]secdesc.Privilege{
		"ALICE": secdesc.PrivRestore | secdesc.PrivBackup, "@backup": secdesc.PrivBackup, "nobody here": privileges.All, "@no group": privileges.All,
		"guest": privileges.All,
	})
	sids := make(map[string]secdesc.SID)
	for _, name := range []string{"Alice", "bob", "carol"} {
		u, _ := users.Lookup(name)
		sids[name] = s.machine.account(u.RID)
	}
	g, ok := users.Group("backup")
	if !ok {
		t.Fatal("no group")
	}
	sids["@backup"] = s.machine.account(g.RID)
	return s, rpcBackend{s: s, who: s.logsOn(t, "root")}, sids
}

// logsOn is a user as a logon makes him.
func (s *Server) logsOn(t *testing.T, name string) *principal {
	t.Helper()
	u, ok := s.cfg.Accounts.Lookup(name)
	if !ok {
		t.Fatalf("no user %s", name)
	}
	return s.principalOf(&auth.Identity{User: u.Name, RID: u.RID, Groups: u.Groups})
}

// TestPrivilegesByName: the configuration gives privileges besides those of the state file.
func TestPrivilegesByName(t *testing.T) {
	s, b, sids := privilegedServer(t)
	has := func(what, name string, want secdesc.Privilege) {
		t.Helper()
		if got := s.logsOn(t, name).token.Privileges &^ secdesc.PrivChangeNotify; got != want {
			t.Errorf("%s: %s has %q, want %q", what, name, privileges.Names(got), privileges.Names(want))
		}
	}
	has("a user", "alice", secdesc.PrivRestore|secdesc.PrivBackup)
	has("by a group", "bob", secdesc.PrivBackup)
	has("not named", "carol", 0)
	has("an administrator", "root", privileges.All)
	if got := s.principalOf(&auth.Identity{User: "guest", Guest: true}).token.Privileges; got != 0 {
		t.Errorf("a guest has %q", privileges.Names(got))
	}

	lists := func(what string, want map[secdesc.SID]secdesc.Privilege) {
		t.Helper()
		want[secdesc.BuiltinAdministrators] = privileges.All
		got := make(map[secdesc.SID]secdesc.Privilege)
		all := b.Privileges()
		for _, a := range all {
			got[a.SID] = a.Privileges
			if set, ok := b.PrivilegesOf(a.SID); !ok || set != a.Privileges {
				t.Errorf("%s: of %v: %v, %v", what, a.SID, set, ok)
			}
		}
		if d := cmp.Diff(want, got, cmp.AllowUnexported(secdesc.SID{})); d != "" || len(all) != len(got) {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
		if again := b.Privileges(); !slices.Equal(all, again) {
			t.Errorf("%s: in another order: %v, %v", what, all, again)
		}
	}
	both := secdesc.PrivRestore | secdesc.PrivBackup
	lists("as configured", map[secdesc.SID]secdesc.Privilege{sids["Alice"]: both, sids["@backup"]: secdesc.PrivBackup})

	// Over the network more is given, and taken.
	wantErr := func(what string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	wantErr("grant", b.GrantPrivileges(sids["Alice"], secdesc.PrivSecurity|secdesc.PrivBackup), nil)
	wantErr("grant", b.GrantPrivileges(sids["carol"], secdesc.PrivRestore), nil)
	has("granted as well", "alice", both|secdesc.PrivSecurity)
	lists("granted as well", map[secdesc.SID]secdesc.Privilege{
		sids["Alice"]: both | secdesc.PrivSecurity, sids["@backup"]: secdesc.PrivBackup, sids["carol"]: secdesc.PrivRestore})
	wantErr("revoke what is configured", b.RevokePrivileges(sids["Alice"], secdesc.PrivRestore|secdesc.PrivSecurity, true), fs.ErrPermission)
	wantErr("revoke all", b.RevokePrivileges(sids["@backup"], privileges.All, true), fs.ErrPermission)
	wantErr("delete", b.DeletePrivilegeAccount(sids["Alice"]), fs.ErrPermission)
	wantErr("create", b.AddPrivilegeAccount(sids["@backup"]), fs.ErrExist)
	has("what is refused", "alice", both|secdesc.PrivSecurity)
	wantErr("revoke what it has not", b.RevokePrivileges(sids["@backup"], secdesc.PrivRestore, true), nil)
	wantErr("revoke of nobody", b.RevokePrivileges(sids["bob"], secdesc.PrivRestore, true), fs.ErrNotExist)
	wantErr("revoke what was granted", b.RevokePrivileges(sids["Alice"], secdesc.PrivSecurity, true), nil)
	has("revoked", "alice", both)

	// What the configuration gives no more goes, and what was granted stays.
	s.SetPrivileged(nil)
	has("not configured any more", "alice", secdesc.PrivBackup)
	has("not configured any more", "bob", 0)
	lists("not configured any more", map[secdesc.SID]secdesc.Privilege{sids["Alice"]: secdesc.PrivBackup, sids["carol"]: secdesc.PrivRestore})
	wantErr("revoke", b.RevokePrivileges(sids["Alice"], secdesc.PrivBackup, true), nil)
	wantErr("delete", b.DeletePrivilegeAccount(sids["carol"]), nil)
	lists("nobody", map[secdesc.SID]secdesc.Privilege{})
}

// TestPrivilegesOfGroupsOfADirectory: such a group is looked up, as in other lists, and may
// be named by its SID.
func TestPrivilegesOfGroupsOfADirectory(t *testing.T) {
	inDirectory(t, func(t *testing.T, s *Server, d *groupDirectory, _ *Share) {
		staff := d.set("staff", 1200, rpc.AccountGroup)
		other := secdesc.MachineSID(7, 8, 9).WithRID(1300)
		b := rpcBackend{s: s}
		s.SetPrivileged(map[string]secdesc.Privilege{`@EXAMPLE\Staff`: secdesc.PrivBackup, "@" + other.String(): secdesc.PrivRestore})
		if got := s.member(staff).token.Privileges; got&secdesc.PrivBackup != 0 {
			t.Error("nobody knows yet who that is")
		}
		synctest.Wait()
		for _, c := range []struct {
			sid  secdesc.SID
			want secdesc.Privilege
		}{{staff, secdesc.PrivBackup}, {other, secdesc.PrivRestore}} {
			sid, want := c.sid, c.want
			if got := s.member(sid).token.Privileges; got != want|secdesc.PrivChangeNotify {
				t.Errorf("a member of %v has %q", sid, privileges.Names(got))
			}
			if got, ok := b.PrivilegesOf(sid); !ok || got != want {
				t.Errorf("%v has %q, %v", sid, privileges.Names(got), ok)
			}
		}
		s.SetPrivileged(nil)
		if s.groups.table.Load() != nil {
			t.Error("names are looked up that nobody wants")
		}
	})
}
