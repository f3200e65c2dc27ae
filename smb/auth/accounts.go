package auth

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"slices"
	"strings"
)

// What users and groups of the user file are called in SIDs, and the groups
// themselves.

// Group is a group of the user file.
type Group struct {
	// Name is unique among groups without regard to case.
	Name string
	// RID is the last part of its SID.
	RID uint32
}

var (
	// ErrNoGroup reports that there is no such group.
	ErrNoGroup = errors.New("auth: no such group")
	// ErrNameTaken reports that somebody else has the name.
	ErrNameTaken = errors.New("auth: the name is taken")
	// ErrNoRID reports that all numbers for accounts are used up.
	ErrNoRID = errors.New("auth: there are no RIDs left")
)

const (
	// firstRID is the first relative id that is not reserved (MS-DTYP 2.4.2.4).
	firstRID = 1000
	// legacyRIDs begins the numbers that are not counted: earlier versions made them
	// of the names of users (this range) and of groups (from legacyGroupRIDs on).
	legacyRIDs      = 1 << 30
	legacyGroupRIDs = 1 << 31
)

// userTable is the users and groups of a file. A clone of it is changed, and then
// never again.
type userTable struct {
	lines []userLine
	// next is the least RID that no account has had. 0: the file is of an earlier
	// version, which had no such numbers.
	next uint32
	// byName and groups find lines by folded names, byRID by the number.
	byName, groups map[string]int
	byRID          map[uint32]int
}

func (u *User) clone() User {
	c := *u
	c.Flags, c.Groups = slices.Clone(u.Flags), slices.Clone(u.Groups)
	return c
}

// clone returns a table whose lines can be replaced.
func (t *userTable) clone() *userTable {
	c := *t
	c.lines = slices.Clone(t.lines)
	c.byName, c.groups, c.byRID = maps.Clone(t.byName), maps.Clone(t.groups), maps.Clone(t.byRID)
	return &c
}

func (t *userTable) index() {
	t.byName, t.groups, t.byRID = make(map[string]int), make(map[string]int), make(map[uint32]int)
	for i, l := range t.lines {
		switch {
		case l.user != nil:
			t.byName[foldName(l.user.Name)] = i
			t.byRID[l.user.RID] = i
		case l.group != nil:
			t.groups[foldName(l.group.Name)] = i
			t.byRID[l.group.RID] = i
		}
	}
}

// edit applies a change and makes the table complete again.
func (t *userTable) edit(change func(*userTable) error) error {
	if err := change(t); err != nil {
		return err
	}
	_, err := t.assign()
	return err
}

// assign gives numbers to those without, and lines to groups that have members and
// none. It reports whether anything was missing.
func (t *userTable) assign() (changed bool, err error) {
	changed = t.addGroups()
	legacy := t.next == 0
	taken := make(map[uint32]bool)
	t.next = max(t.next, firstRID)
	// An account whose number is above the counter, of an earlier version or of an
	// editor, moves the counter, so that nobody gets the number after him.
	t.eachRID(func(_ *userLine, rid uint32) uint32 {
		if taken[rid] = true; rid >= t.next && rid < legacyRIDs {
			t.next = rid + 1
		}
		return rid
	})
	// give finds a number for an account that has none.
	give := func(old uint32) uint32 {
		rid := old
		if !legacy || taken[rid] {
			rid = t.next
			t.next++
		} else if rid >= t.next && rid < legacyRIDs {
			t.next = rid + 1
		}
		taken[rid] = true
		return rid
	}
	if legacy {
		changed = true
		// Numbers that earlier versions made come first: they stand in access lists.
		t.eachRID(func(l *userLine, rid uint32) uint32 {
			if old := l.legacyRID(); rid == 0 && !taken[old] {
				return give(old)
			}
			return rid
		})
	}
	t.eachRID(func(l *userLine, rid uint32) uint32 {
		if rid == 0 {
			changed = true
			return give(l.legacyRID())
		}
		return rid
	})
	if t.next > legacyRIDs {
		return changed, ErrNoRID
	}
	t.index()
	return changed, nil
}

// eachRID replaces the numbers of all accounts by what fn makes of them.
func (t *userTable) eachRID(fn func(l *userLine, rid uint32) uint32) {
	for i := range t.lines {
		l := &t.lines[i]
		switch {
		case l.user != nil:
			if rid := fn(l, l.user.RID); rid != l.user.RID {
				u := l.user.clone()
				u.RID = rid
				l.user = &u
			}
		case l.group != nil:
			if rid := fn(l, l.group.RID); rid != l.group.RID {
				l.group = &Group{Name: l.group.Name, RID: rid}
			}
		}
	}
}

// addGroups makes lines for groups that are named by their members alone.
func (t *userTable) addGroups() (changed bool) {
	known := make(map[string]bool)
	for _, l := range t.lines {
		if l.group != nil {
			known[foldName(l.group.Name)] = true
		}
	}
	for _, l := range t.lines {
		if l.user == nil {
			continue
		}
		for _, g := range l.user.Groups {
			if folded := foldName(g); !known[folded] {
				known[folded], changed = true, true
				t.lines = append(t.lines, userLine{group: &Group{Name: g}})
			}
		}
	}
	return changed
}

// legacyRID is the number that earlier versions made of a Unix user id or a name.
func (l *userLine) legacyRID() uint32 {
	switch {
	case l.group != nil:
		return legacyGroupRIDs | nameHash(l.group.Name)
	case l.user.HasUID && l.user.UID < (legacyRIDs-firstRID)/2:
		return firstRID + 2*l.user.UID
	}
	return legacyRIDs | nameHash(l.user.Name)
}

func nameHash(name string) uint32 {
	h := fnv.New32a()
	_, _ = io.WriteString(h, strings.ToLower(name))
	return h.Sum32() & (legacyRIDs - 1)
}

// Groups returns all groups in the order of the file.
func (u *Users) Groups() []Group {
	var out []Group
	for _, l := range u.current().lines {
		if l.group != nil {
			out = append(out, *l.group)
		}
	}
	return out
}

// Group finds a group by name, without regard to case.
func (u *Users) Group(name string) (Group, bool) {
	st := u.current()
	i, ok := st.groups[foldName(name)]
	if !ok {
		return Group{}, false
	}
	return *st.lines[i].group, true
}

// ByRID finds the user or the group with a number; the other one is nil.
func (u *Users) ByRID(rid uint32) (*User, *Group) {
	st := u.current()
	i, ok := st.byRID[rid]
	if !ok {
		return nil, nil
	}
	if l := st.lines[i]; l.user != nil {
		user := l.user.clone()
		return &user, nil
	}
	g := *st.lines[i].group
	return nil, &g
}

// Members returns the users in a group in the order of the file.
func (u *Users) Members(group string) []User {
	folded := foldName(group)
	return slices.DeleteFunc(u.List(), func(user User) bool { return !user.in(folded) })
}

func (u *User) in(folded string) bool {
	return slices.ContainsFunc(u.Groups, func(g string) bool { return foldName(g) == folded })
}

// Complete writes the RIDs that the file does not have yet: those of users that
// were added with an editor, and of all in a file of an earlier version. The error
// is that of writing; the store works without, but the numbers are not safe then.
func (u *Users) Complete() error {
	if !u.current().fresh {
		return nil
	}
	return u.edit(func(*userTable) error { return nil })
}

// Rename gives a user another name. His SID, and so his rights to files, stay.
// Errors: ErrNoUser, ErrNameTaken, ErrUserName, those of the file.
func (u *Users) Rename(from, to string) error {
	if err := checkUserName(to); err != nil {
		return err
	}
	return u.edit(func(t *userTable) error {
		i, ok := t.byName[foldName(from)]
		if !ok {
			return fmt.Errorf("%w: %q", ErrNoUser, from)
		}
		if j, ok := t.byName[foldName(to)]; ok && i != j {
			return fmt.Errorf("%w: %q", ErrNameTaken, to)
		}
		user := t.lines[i].user.clone()
		user.Name = to
		t.lines[i] = userLine{user: &user}
		return nil
	})
}

// AddGroup makes a group without members. Errors: ErrNameTaken, ErrUserName, those of
// the file.
func (u *Users) AddGroup(name string) error {
	if err := checkGroupName(name); err != nil {
		return err
	}
	return u.edit(func(t *userTable) error {
		if _, ok := t.groups[foldName(name)]; ok {
			return fmt.Errorf("%w: %q", ErrNameTaken, name)
		}
		t.lines = append(t.lines, userLine{group: &Group{Name: name}})
		return nil
	})
}

// RemoveGroup takes everybody out of a group and deletes it. No other account gets
// its RID. Errors: ErrNoGroup, those of the file.
func (u *Users) RemoveGroup(name string) error {
	return u.edit(func(t *userTable) error {
		folded := foldName(name)
		i, ok := t.groups[folded]
		if !ok {
			return fmt.Errorf("%w: %q", ErrNoGroup, name)
		}
		t.eachMember(folded, func(string) string { return "" })
		t.lines = slices.Delete(t.lines, i, i+1)
		return nil
	})
}

// RenameGroup gives a group another name. Its SID and members stay. Errors:
// ErrNoGroup, ErrNameTaken, ErrUserName, those of the file.
func (u *Users) RenameGroup(from, to string) error {
	if err := checkGroupName(to); err != nil {
		return err
	}
	return u.edit(func(t *userTable) error {
		folded := foldName(from)
		i, ok := t.groups[folded]
		if !ok {
			return fmt.Errorf("%w: %q", ErrNoGroup, from)
		}
		if j, ok := t.groups[foldName(to)]; ok && i != j {
			return fmt.Errorf("%w: %q", ErrNameTaken, to)
		}
		t.eachMember(folded, func(string) string { return to })
		t.lines[i] = userLine{group: &Group{Name: to, RID: t.lines[i].group.RID}}
		return nil
	})
}

// eachMember replaces the name of a group in the lines of its members; an empty one
// takes them out.
func (t *userTable) eachMember(folded string, name func(string) string) {
	for i, l := range t.lines {
		if l.user == nil || !l.user.in(folded) {
			continue
		}
		user := l.user.clone()
		user.Groups = slices.DeleteFunc(user.Groups, func(g string) bool { return foldName(g) == folded && name(g) == "" })
		for j, g := range user.Groups {
			if foldName(g) == folded {
				user.Groups[j] = name(g)
			}
		}
		t.lines[i] = userLine{user: &user}
	}
}

// SetMembers makes these users, and no others, the members of a group. Errors:
// ErrNoGroup, ErrNoUser, those of the file.
func (u *Users) SetMembers(group string, users []string) error {
	return u.edit(func(t *userTable) error {
		folded := foldName(group)
		i, ok := t.groups[folded]
		if !ok {
			return fmt.Errorf("%w: %q", ErrNoGroup, group)
		}
		t.eachMember(folded, func(string) string { return "" })
		for _, name := range users {
			j, ok := t.byName[foldName(name)]
			if !ok {
				return fmt.Errorf("%w: %q", ErrNoUser, name)
			}
			if user := t.lines[j].user.clone(); !user.in(folded) {
				user.Groups = append(user.Groups, t.lines[i].group.Name)
				t.lines[j] = userLine{user: &user}
			}
		}
		return nil
	})
}
