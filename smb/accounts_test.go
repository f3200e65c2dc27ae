package smb

import (
	"os"
	"os/user"
	"testing"

	"lessor/smb/auth"
	"lessor/smb/rpc"
	"lessor/smb/secdesc"
)

func TestAccounts(t *testing.T) {
	s := &Server{cfg: Config{Name: "SRV"}, machine: machineSID{1, 2, 3}}
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
