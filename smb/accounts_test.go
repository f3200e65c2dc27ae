package smb

import (
	"context"
	"os"
	"os/user"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor/smb/auth"
	"lessor/smb/privileges"
	"lessor/smb/rpc"
	"lessor/smb/secdesc"
)

func TestAccounts(t *testing.T) {
	s := &Server{cfg: Config{Name: "SRV", Privileges: privileges.New()}, machine: machineSID{1, 2, 3}}
	b := rpcBackend{s: s}
	alice := s.principalOf(&auth.Identity{User: "Alice"}).token.User
	uid := uint32(os.Getuid())
	me, err := user.Current()
	if err != nil {
		t.Skip(err)
	}
	withUID := s.principalOf(&auth.Identity{User: "bob", UID: 4711, HasUID: true}).token.User
	guest := s.principalOf(&auth.Identity{User: "whoever", Guest: true}).token.User

	for _, c := range []struct {
		sid          secdesc.SID
		domain, name string
		kind         rpc.AccountType
	}{
		{alice, "SRV", "Alice", rpc.AccountUser},
		{withUID, "SRV", "bob", rpc.AccountUser},
		{guest, "SRV", "Guest", rpc.AccountUser},
		{s.machine.SID(), "SRV", "", rpc.AccountDomain},
		{s.machine.account(secdesc.RIDUsers), "SRV", "None", rpc.AccountGroup},
		{s.machine.account(firstRID + 2*uid), "SRV", me.Username, rpc.AccountUser}, // has not logged on
		{secdesc.UnixUser(uid), unixUserDomain, me.Username, rpc.AccountUser},
	} {
		got, ok := b.LookupSID(c.sid)
		want := rpc.Account{SID: c.sid, Domain: c.domain, Name: c.name, Type: c.kind}
		if !ok || got != want {
			t.Errorf("%v: %+v, %v, want %+v", c.sid, got, ok, want)
		}
		if c.kind == rpc.AccountDomain || c.name == me.Username && c.domain == "SRV" {
			continue
		}
		got, ok = b.LookupName(c.domain, c.name)
		if !ok || got != want {
			t.Errorf(`%s\%s: %+v, %v, want %+v`, c.domain, c.name, got, ok, want)
		}
	}
	for _, sid := range []secdesc.SID{
		secdesc.UnixUser(4_000_000_000), secdesc.UnixGroup(4_000_000_000), s.machine.account(firstRID + 1), s.machine.account(nameRIDs + 5),
		machineSID{9, 9, 9}.account(secdesc.RIDGuest), {},
	} {
		if got, ok := b.LookupSID(sid); ok {
			t.Errorf("%v: %+v", sid, got)
		}
	}
	if got, ok := b.LookupName("", "ALICE"); !ok || got.SID != alice {
		t.Errorf("without domain: %+v, %v", got, ok)
	}
	for _, n := range [][2]string{{"OTHER", "alice"}, {"", "nobody here"}, {unixUserDomain, "nobody here"}, {unixGroupDomain, "nobody here"}} {
		if got, ok := b.LookupName(n[0], n[1]); ok {
			t.Errorf(`%s\%s: %+v`, n[0], n[1], got)
		}
	}
	if got, ok := b.LookupName("", "whoever"); ok {
		t.Errorf("a guest became an account: %+v", got)
	}
}

// TestLocalAccounts: the SIDs of local users and groups are those of the user file,
// whatever their names are, before anybody has logged on.
func TestLocalAccounts(t *testing.T) {
	users, err := auth.NewUsers(auth.User{Name: "Alice", UID: 4711, HasUID: true, Groups: []string{"Staff"}}, auth.User{Name: "bob", Disabled: true})
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{cfg: Config{Name: "SRV", Privileges: privileges.New(), Accounts: users, Foreign: auth.NewForeign()}, machine: machineSID{1, 2, 3}}
	s.SetAdmins([]string{"@staff"})
	b := rpcBackend{s: s}
	want := func(domain, name string, rid uint32, kind rpc.AccountType) {
		t.Helper()
		acc := rpc.Account{SID: s.machine.account(rid), Domain: "SRV", Name: name, Type: kind}
		if got, ok := b.LookupSID(acc.SID); !ok || got != acc {
			t.Errorf("%d: %+v, %v", rid, got, ok)
		}
		if got, ok := b.LookupName(domain, name); !ok || got != acc {
			t.Errorf("%s: %+v, %v", name, got, ok)
		}
	}
	want("", "Alice", 1000, rpc.AccountUser)
	want("srv", "Staff", 1001, rpc.AccountAlias)
	want("", "bob", 1002, rpc.AccountUser)
	want("", "Guest", secdesc.RIDGuest, rpc.AccountUser)

	p := s.principalOf(&auth.Identity{User: "Alice", UID: 4711, HasUID: true, RID: 1000, Groups: []string{"Staff"}})
	if p.token.User != s.machine.account(1000) || !p.token.Has(s.machine.account(1001)) {
		t.Errorf("token %+v", p.token)
	}
	if err := users.Rename("alice", "Alicia"); err != nil {
		t.Fatal(err)
	}
	want("", "Alicia", 1000, rpc.AccountUser)
	if got, ok := b.LookupName("", "alice"); ok {
		t.Errorf("the old name is %+v", got)
	}
	list := []rpc.LocalUser{{RID: 1000, Name: "Alicia", Admin: true, Groups: []uint32{1001}}, {RID: 1002, Name: "bob", Disabled: true}}
	if d := cmp.Diff(list, b.LocalUsers()); d != "" {
		t.Errorf("users (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]rpc.LocalGroup{{RID: 1001, Name: "Staff"}}, b.LocalGroups()); d != "" {
		t.Errorf("groups (-want +got):\n%s", d)
	}
}

// TestForeignUsers: who comes with a ticket and without a SID gets one for good.
func TestForeignUsers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "foreign")
	var first secdesc.SID
	for run := range 2 {
		foreign, err := auth.OpenForeign(path)
		if err != nil {
			t.Fatal(err)
		}
		s := &Server{cfg: Config{Name: "SRV", Privileges: privileges.New(), Foreign: foreign}, machine: machineSID{1, 2, 3}}
		for _, name := range []string{"alice@A.ORG", "alice@B.ORG"}[run:] {
			id, err := s.numbered(&auth.Identity{User: name, Mech: "kerberos"})
			if err != nil {
				t.Fatal(err)
			}
			sid := s.principalOf(id).token.User
			got, ok := rpcBackend{s: s}.LookupSID(sid)
			if want := (rpc.Account{SID: sid, Domain: "SRV", Name: name, Type: rpc.AccountUser}); !ok || got != want {
				t.Errorf("%v: %+v, %v", sid, got, ok)
			}
			if got, ok := (rpcBackend{s: s}).LookupName("", name); !ok || got.SID != sid {
				t.Errorf("%s: %+v, %v", name, got, ok)
			}
			if name == "alice@B.ORG" && run == 1 && sid == first {
				t.Error("two users have one SID")
			}
			if run == 0 && first.IsZero() {
				first = sid
			}
		}
		if got, ok := (rpcBackend{s: s}).LookupSID(first); !ok || got.Name != "alice@A.ORG" {
			t.Errorf("run %d: the first user is %+v, %v", run, got, ok)
		}
		if err := foreign.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// otherDirectory answers with what it holds, whatever is asked.
type otherDirectory struct{ acc rpc.Account }

func (d otherDirectory) LookupSID(context.Context, secdesc.SID) (rpc.Account, bool) {
	return d.acc, true
}

func (d otherDirectory) LookupName(context.Context, string, string) (rpc.Account, bool) {
	return d.acc, true
}

// TestDirectoryNames: a directory speaks for its own domains alone.
func TestDirectoryNames(t *testing.T) {
	far := machineSID{7, 8, 9}
	s := &Server{cfg: Config{Name: "SRV", Privileges: privileges.New()}, machine: machineSID{1, 2, 3}}
	for _, c := range []struct {
		sid secdesc.SID
		ok  bool
	}{
		{far.account(1104), true}, {far.SID(), true},
		{s.machine.account(1104), false}, {s.machine.SID(), false}, {secdesc.BuiltinAdministrators, false}, {secdesc.System, false}, {secdesc.World, false},
		{secdesc.SID{}, false},
	} {
		s.cfg.Directory = otherDirectory{rpc.Account{SID: c.sid, Domain: "FAR", Name: "eve", Type: rpc.AccountUser}}
		if got, ok := (rpcBackend{s: s}).LookupName("FAR", "eve"); ok != c.ok {
			t.Errorf("name of %v: %+v, %v", c.sid, got, ok)
		}
		if got, ok := (rpcBackend{s: s}).LookupSID(c.sid); ok && got.Domain == "FAR" != c.ok {
			t.Errorf("%v: %+v, %v", c.sid, got, ok)
		}
	}
	if got, ok := (rpcBackend{s: s}).LookupSID(far.account(1105)); ok {
		t.Errorf("the answer to another question was taken: %+v", got)
	}
}
