package auth

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func rids(u *Users) map[string]uint32 {
	m := make(map[string]uint32)
	for _, user := range u.List() {
		m[user.Name] = user.RID
	}
	for _, g := range u.Groups() {
		m["@"+g.Name] = g.RID
	}
	return m
}

// wantRIDs demands numbers of a store, and that a store opened anew says the same.
func wantRIDs(t *testing.T, u *Users, want map[string]uint32) {
	t.Helper()
	if d := cmp.Diff(want, rids(u)); d != "" {
		t.Errorf("rids (-want +got):\n%s", d)
	}
	again, err := OpenUsers(u.path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, rids(again)); d != "" {
		t.Errorf("rids after opening again (-want +got):\n%s", d)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestRIDsMigrate: the numbers that earlier versions made stay, as they stand in
// access lists, but for those that two accounts had in common.
func TestRIDsMigrate(t *testing.T) {
	const one, two = "user449599", "user612382"
	if nameHash(one) != nameHash(two) {
		t.Fatal("they never had the same number")
	}
	hash := strings.Repeat("1", 32)
	path := userFile(t, fmt.Sprintf("alice:1000:%[1]s:@Staff\nbob::%[1]s:@staff,@heads\n%[2]s::%[1]s\n%[3]s::%[1]s\n", hash, one, two), 0o600)
	u, err := OpenUsers(path)
	must(t, err)
	want := map[string]uint32{
		"alice": 3000, "bob": legacyRIDs | nameHash("bob"), one: legacyRIDs | nameHash(one), two: 3001,
		"@Staff": legacyGroupRIDs | nameHash("staff"), "@heads": legacyGroupRIDs | nameHash("heads"),
	}
	wantRIDs(t, u, want) // before anything is written
	must(t, u.Complete())
	wantRIDs(t, u, want)
	data, err := os.ReadFile(path)
	must(t, err)
	if !strings.Contains(string(data), fmt.Sprintf("%s::%s::3001\n", two, hash)) || !strings.HasSuffix(string(data), "!next-rid:3002\n") {
		t.Errorf("file:\n%s", data)
	}
	// Who comes later is counted, even with a name that once made a number.
	must(t, u.Remove("bob"))
	must(t, u.Set(User{Name: "bob"}))
	if got := rids(u)["bob"]; got != 3002 {
		t.Errorf("bob came back as %d", got)
	}
}

// TestRIDsByEditor: a line without a number gets one that nobody had, at once.
func TestRIDsByEditor(t *testing.T) {
	u, err := CreateUsers(filepath.Join(t.TempDir(), "users"))
	must(t, err)
	must(t, u.Set(User{Name: "alice"}))
	must(t, u.Set(User{Name: "bob"}))
	must(t, u.Remove("bob"))
	f, err := os.OpenFile(u.path, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteString("carol::" + strings.Repeat("1", 32) + ":@new\n@empty:\n")
	must(t, errors.Join(err, f.Close()))
	wantRIDs(t, u, map[string]uint32{"alice": 1000, "carol": 1002, "@empty": 1003, "@new": 1004})
	data, err := os.ReadFile(u.path)
	must(t, err)
	if !strings.Contains(string(data), "@new:1004\n!next-rid:1005\n") {
		t.Errorf("file:\n%s", data)
	}
}

func TestGroups(t *testing.T) {
	u, err := CreateUsers(filepath.Join(t.TempDir(), "users"))
	must(t, err)
	must(t, u.Set(User{Name: "alice", Groups: []string{"staff"}}))
	must(t, u.Set(User{Name: "bob"}))
	must(t, u.AddGroup("Heads"))
	wantRIDs(t, u, map[string]uint32{"alice": 1000, "@staff": 1001, "bob": 1002, "@Heads": 1003})
	for what, err := range map[string]error{
		"group twice": u.AddGroup("HEADS"), "user twice": u.Rename("alice", "BOB"), "rename twice": u.RenameGroup("heads", "STAFF"),
	} {
		if !errors.Is(err, ErrNameTaken) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, err := range map[string]error{
		"remove": u.RemoveGroup("none"), "rename": u.RenameGroup("none", "x"), "members": u.SetMembers("none", nil),
	} {
		if !errors.Is(err, ErrNoGroup) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := u.SetMembers("heads", []string{"alice", "none"}); !errors.Is(err, ErrNoUser) || len(u.Members("heads")) != 0 {
		t.Errorf("members: %v, %v", err, u.Members("heads"))
	}
	for _, name := range []string{"", "@x", "a,b", "a:b"} {
		if err := u.AddGroup(name); !errors.Is(err, ErrUserName) {
			t.Errorf("%q: %v", name, err)
		}
	}

	// Names change, numbers stay.
	must(t, u.SetMembers("heads", []string{"BOB", "alice", "bob"}))
	must(t, u.RenameGroup("HEADS", "heads"))
	must(t, u.RenameGroup("staff", "crew"))
	must(t, u.Rename("alice", "Alicia"))
	wantRIDs(t, u, map[string]uint32{"Alicia": 1000, "@crew": 1001, "bob": 1002, "@heads": 1003})
	if got, ok := u.Lookup("alicia"); !ok || cmp.Diff([]string{"crew", "heads"}, got.Groups) != "" {
		t.Errorf("Alicia is %+v, %v", got.Groups, ok)
	}
	if m := u.Members("Heads"); len(m) != 2 {
		t.Errorf("members: %v", m)
	}
	must(t, u.RemoveGroup("heads"))
	if got, _ := u.Lookup("bob"); len(got.Groups) != 0 {
		t.Errorf("bob is in %v", got.Groups)
	}
	must(t, u.AddGroup("heads"))
	if g, ok := u.Group("HEADS"); !ok || g.RID != 1004 {
		t.Errorf("a new group is the old one: %+v, %v", g, ok)
	}
	if user, group := u.ByRID(1000); user == nil || user.Name != "Alicia" || group != nil {
		t.Errorf("1000 is %v, %v", user, group)
	}
	if user, group := u.ByRID(1003); user != nil || group != nil {
		t.Errorf("1003 is %v, %v", user, group)
	}
}

// TestRIDsNeverReused: whatever is done, no two accounts ever have one number.
func TestRIDsNeverReused(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		u, err := NewUsers()
		if err != nil {
			r.Fatal(err)
		}
		owner := make(map[uint32]int) // number -> which account, counted
		current := make(map[string]int)
		made := 0
		name := func(label string) string {
			return rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(r, label)
		}
		check := func() {
			for _, user := range u.List() {
				id, ok := current[user.Name]
				if !ok {
					r.Fatalf("unexpected %s", user.Name)
				}
				if was, ok := owner[user.RID]; ok && was != id {
					r.Fatalf("rid %d was that of account %d, now of %d", user.RID, was, id)
				}
				owner[user.RID] = id
			}
			if len(u.List()) != len(current) {
				r.Fatalf("%v, want %v", u.List(), current)
			}
		}
		r.Repeat(map[string]func(*rapid.T){
			"set": func(*rapid.T) {
				n := name("set")
				if err := u.Set(User{Name: n, RID: 5555}); err != nil {
					r.Fatal(err)
				}
				if _, ok := current[n]; !ok {
					made++
					current[n] = made
				}
			},
			"remove": func(*rapid.T) {
				n := name("remove")
				_, there := current[n]
				if err := u.Remove(n); there != (err == nil) {
					r.Fatal(err)
				}
				delete(current, n)
			},
			"rename": func(*rapid.T) {
				from, to := name("from"), name("to")
				_, there := current[from]
				_, taken := current[to]
				if err := u.Rename(from, to); (err == nil) != (there && (!taken || from == to)) {
					r.Fatal(err)
				}
				if there && !taken {
					current[to] = current[from]
					delete(current, from)
				}
			},
			"": func(*rapid.T) { check() },
		})
	})
}
