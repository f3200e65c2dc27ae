package secdesc

import (
	"testing"

	"pgregory.net/rapid"
)

// posixPerm is what POSIX.1e (draft 17, 23.1.5) gives a user, with the one difference
// that is meant: what several groups of a user grant counts together.
func posixPerm(p *PosixACL, t *Token) uint8 {
	if t.Has(p.Owner) {
		return p.OwnerPerm
	}
	for _, u := range p.Users {
		if t.Has(u.SID) {
			return u.Perm
		}
	}
	var perm uint8
	found := false
	for _, g := range append([]PosixEntry{{p.Group, p.GroupPerm}}, p.Groups...) {
		if t.Has(g.SID) {
			found, perm = true, perm|g.Perm
		}
	}
	if found {
		return perm
	}
	return p.OtherPerm
}

func TestFromPosixIsPosix(t *testing.T) {
	users := []SID{UnixUser(1), UnixUser(2), UnixUser(3), UnixUser(4)}
	groups := []SID{UnixGroup(1), UnixGroup(2), UnixGroup(3)}
	perm := rapid.Uint8Range(0, 7)
	rapid.Check(t, func(t *rapid.T) {
		p := &PosixACL{
			Owner: users[0], Group: groups[0], IsDir: rapid.Bool().Draw(t, "dir"),
			OwnerPerm: perm.Draw(t, "owner"), GroupPerm: perm.Draw(t, "group"), OtherPerm: perm.Draw(t, "other"),
		}
		for _, u := range users[1:3] {
			if rapid.Bool().Draw(t, "has user") {
				p.Users = append(p.Users, PosixEntry{u, perm.Draw(t, "user")})
			}
		}
		for _, g := range groups[1:] {
			if rapid.Bool().Draw(t, "has group") {
				p.Groups = append(p.Groups, PosixEntry{g, perm.Draw(t, "group")})
			}
		}
		var of []SID
		for _, g := range groups {
			if rapid.Bool().Draw(t, "member") {
				of = append(of, g)
			}
		}
		token := NewToken(rapid.SampledFrom(users).Draw(t, "who"), 0, of...)
		d := FromPosix(p)
		got, want := MaximumAllowed(d, token), posixPerm(p, token)
		for _, c := range []struct {
			bit  uint8
			mask uint32
		}{{4, FileReadData}, {2, FileWriteData | FileAppendData}} {
			if (want&c.bit != 0) != (got&c.mask == c.mask) || want&c.bit == 0 && got&c.mask != 0 {
				t.Fatalf("%v: bits %o, granted %#x by %+v", token.User, want, got, d.DACL.ACEs)
			}
		}
		// An owner who may read and write may do everything.
		if full := token.User == p.Owner && want&6 == 6; (want&1 != 0 || full) != (got&FileExecute != 0) {
			t.Fatalf("%v: bits %o, granted %#x", token.User, want, got)
		}
		if token.User == p.Owner && got&(ReadControl|WriteDAC) != ReadControl|WriteDAC {
			t.Fatalf("the owner is granted %#x", got)
		}
		if del := p.IsDir && want&2 != 0; del && got&FileDeleteChild == 0 {
			t.Fatalf("who may write a directory may not delete in it: %#x", got)
		}
	})
}

func TestFromPosixShape(t *testing.T) {
	d := FromPosix(&PosixACL{Owner: alice, Group: staff, OwnerPerm: 7, GroupPerm: 7, OtherPerm: 7})
	want := []ACE{
		Allow(alice, FileAllAccess, 0),
		Allow(staff, FileGenericRead|FileGenericWrite|FileGenericExecute, 0),
		Allow(World, FileGenericRead|FileGenericWrite|FileGenericExecute, 0),
		Allow(System, FileAllAccess, 0),
	}
	if len(d.DACL.ACEs) != len(want) {
		t.Fatalf("%+v", d.DACL.ACEs)
	}
	for i := range want {
		if got := d.DACL.ACEs[i]; got.SID != want[i].SID || got.Mask != want[i].Mask || got.Type != want[i].Type {
			t.Errorf("entry %d: %+v, want %+v", i, got, want[i])
		}
	}
}
