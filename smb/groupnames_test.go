package smb

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lessor/smb/auth"
	"lessor/smb/privileges"
	"lessor/smb/rpc"
	"lessor/smb/secdesc"
)

// groupDirectory knows groups by name.
type groupDirectory struct {
	mu     sync.Mutex // guards what follows
	groups map[string]rpc.Account
	asked  int
	hang   bool
}

func (*groupDirectory) LookupSID(context.Context, secdesc.SID) (rpc.Account, bool) {
	return rpc.Account{}, false
}

func (d *groupDirectory) LookupName(ctx context.Context, domain, name string) (rpc.Account, bool) {
	d.mu.Lock()
	hang := d.hang
	d.asked++
	acc, ok := d.groups[name]
	d.mu.Unlock()
	if hang {
		<-ctx.Done()
		return rpc.Account{}, false
	}
	return acc, ok && domain == "example"
}

func (d *groupDirectory) set(name string, rid uint32, t rpc.AccountType) secdesc.SID {
	d.mu.Lock()
	defer d.mu.Unlock()
	sid := secdesc.MachineSID(7, 8, 9).WithRID(rid)
	d.groups[name] = rpc.Account{SID: sid, Domain: "EXAMPLE", Name: name, Type: t}
	return sid
}

func (d *groupDirectory) stop(hang bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hang = hang
}

// inDirectory runs a test with a server that asks a directory.
func inDirectory(t *testing.T, test func(*testing.T, *Server, *groupDirectory, *Share)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := &groupDirectory{groups: map[string]rpc.Account{}}
		s := &Server{cfg: Config{Privileges: privileges.New()}, machine: machineSID{1, 2, 3}}
		s.groups.dir, s.groups.trusts, s.groups.notFound = d, s.machine.trusts, func(string) {}
		defer s.groups.close()
		test(t, s, d, &Share{Access: map[string]Access{}})
	})
}

// member is a user of the directory who belongs to these groups.
func (s *Server) member(groups ...secdesc.SID) *principal {
	return s.principalOf(&auth.Identity{User: "u@EXAMPLE.COM", SID: secdesc.MachineSID(7, 8, 9).WithRID(1104), GroupSIDs: groups})
}

func TestGroupsOfADirectoryInLists(t *testing.T) {
	inDirectory(t, func(t *testing.T, s *Server, d *groupDirectory, sh *Share) {
		staff := d.set("staff", 1200, rpc.AccountGroup)
		d.set("person", 1300, rpc.AccountUser)
		banned := secdesc.MachineSID(7, 8, 9).WithRID(1400)
		sh.Access = map[string]Access{`@example\staff`: AccessWrite, `@example\banned`: AccessNone, `@example\person`: AccessRead, "local": AccessRead}
		want := func(what string, p *principal, a Access) {
			t.Helper()
			if got := sh.access(p, &s.groups); got != a {
				t.Errorf("%s: access %v, want %v", what, got, a)
			}
		}
		s.groups.wantForShares([]Share{*sh})
		want("nobody knows yet", s.member(staff), AccessNone)
		synctest.Wait()
		want("who is banned is not known", s.member(staff), AccessNone)
		want("a local user", s.principalOf(&auth.Identity{User: "local"}), AccessRead)

		d.set("banned", 1400, rpc.AccountGroup)
		time.Sleep(groupNamesSoon)
		synctest.Wait()
		want("staff", s.member(staff), AccessWrite)
		want("banned", s.member(staff, banned), AccessNone)
		want("somebody else", s.member(secdesc.MachineSID(7, 8, 9).WithRID(1201)), AccessNone)
		want("a user is no group", s.member(secdesc.MachineSID(7, 8, 9).WithRID(1300)), AccessNone)

		// While the directory is away, what was found holds.
		d.stop(true)
		time.Sleep(2 * groupNamesAgain)
		want("the directory is away", s.member(staff), AccessWrite)
		want("the directory is away", s.member(staff, banned), AccessNone)
		d.stop(false)

		// A group is made anew under its name.
		again := d.set("staff", 1500, rpc.AccountGroup)
		time.Sleep(2 * groupNamesAgain)
		synctest.Wait()
		want("the old group", s.member(staff), AccessNone)
		want("the new group", s.member(again), AccessWrite)

		// New lists, new names.
		heads := d.set("heads", 1600, rpc.AccountAlias)
		sh.Access = map[string]Access{`@example\heads`: AccessRead}
		s.groups.wantForShares([]Share{*sh})
		synctest.Wait()
		want("heads", s.member(heads), AccessRead)
		want("staff is not in the list", s.member(again), AccessNone)
		remembered := func(known, told int) {
			t.Helper()
			s.groups.mu.Lock()
			defer s.groups.mu.Unlock()
			if len(s.groups.known) != known || len(s.groups.told) != told {
				t.Errorf("%v and %v are remembered", s.groups.known, s.groups.told)
			}
		}
		remembered(1, 0)
		s.groups.wantForShares(nil)
		if s.groups.table.Load() != nil {
			t.Error("a table without names")
		}
		remembered(0, 0)
	})
}

func TestGroupsOfADirectoryAreAdmins(t *testing.T) {
	inDirectory(t, func(t *testing.T, s *Server, d *groupDirectory, _ *Share) {
		heads := d.set("heads", 1600, rpc.AccountGroup)
		own := s.machine.account(1601)
		d.groups["mine"] = rpc.Account{SID: own, Type: rpc.AccountGroup}
		s.SetAdmins([]string{`@EXAMPLE\Heads`, `@EXAMPLE\mine`})
		synctest.Wait()
		p := s.member(heads)
		if !s.isAdmin(p) || !p.token.Has(secdesc.BuiltinAdministrators) {
			t.Error("heads are no administrators")
		}
		if s.isAdmin(s.member(own)) {
			t.Error("the directory speaks for a group of this machine")
		}
		s.SetAdmins(nil)
		if s.isAdmin(p) {
			t.Error("still an administrator")
		}
	})
}

// The end does not wait for a directory that does not answer, and afterwards nobody asks.
func TestGroupNamesEnd(t *testing.T) {
	inDirectory(t, func(t *testing.T, s *Server, d *groupDirectory, sh *Share) {
		d.stop(true)
		sh.Access[`@example\`+strings.Repeat("x", 300)] = AccessRead
		s.groups.wantForShares([]Share{*sh})
		synctest.Wait()
		began := time.Now()
		s.groups.close()
		if took := time.Since(began); took != 0 {
			t.Errorf("took %v", took)
		}
		d.mu.Lock()
		before := d.asked
		d.mu.Unlock()
		s.groups.wantForShares([]Share{*sh})
		time.Sleep(time.Hour)
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.asked != before {
			t.Error("asked after the end")
		}
	})
}
