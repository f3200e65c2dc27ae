package config

import (
	"errors"
	"fmt"
	"os/user"
	"strconv"
)

// Identity says as whom files of a share are opened and made.
type Identity string

// The values of Identity.
const (
	IdentityService Identity = "service" // as the account of the server
	IdentityUnix    Identity = "unix"    // as the Unix user that the client is
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (i *Identity) UnmarshalText(text []byte) error {
	return parseWord(i, text, IdentityService, IdentityUnix)
}

// UnixUser is a Unix user with all groups. GID is the first one, which new files get.
type UnixUser struct {
	Name     string // empty: it has none
	UID, GID uint32
	Groups   []uint32
}

// ErrNoUnixUser means that nobody of the machine is called so.
var ErrNoUnixUser = errors.New("there is no such user")

// FindUnixUser finds a user of /etc/passwd by name, with the groups of /etc/group.
func FindUnixUser(name string) (UnixUser, error) {
	return unixUser(user.Lookup(name))
}

// FindUnixID finds a user of /etc/passwd by number.
func FindUnixID(uid uint32) (UnixUser, error) {
	return unixUser(user.LookupId(strconv.FormatUint(uint64(uid), 10)))
}

func unixUser(u *user.User, err error) (UnixUser, error) {
	var byName user.UnknownUserError
	var byID user.UnknownUserIdError
	if errors.As(err, &byName) || errors.As(err, &byID) {
		return UnixUser{}, ErrNoUnixUser
	}
	if err != nil {
		return UnixUser{}, err
	}
	out := UnixUser{Name: u.Username}
	if out.UID, err = unixID(u.Uid); err != nil {
		return UnixUser{}, err
	}
	if out.GID, err = unixID(u.Gid); err != nil {
		return UnixUser{}, err
	}
	ids, err := u.GroupIds()
	if err != nil {
		return UnixUser{}, fmt.Errorf("the groups of %q cannot be found: %w", u.Username, err)
	}
	for _, id := range ids {
		gid, err := unixID(id)
		if err != nil {
			return UnixUser{}, err
		}
		out.Groups = append(out.Groups, gid)
	}
	return out, nil
}

func unixID(text string) (uint32, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == 1<<32-1 {
		return 0, fmt.Errorf("%q is no user or group id", text)
	}
	return uint32(n), nil
}

// ForcedUser is the user of ForceUser: a name, or a number of a user that has one.
func (s *Share) ForcedUser() (UnixUser, error) {
	u, err := FindUnixUser(s.ForceUser)
	if errors.Is(err, ErrNoUnixUser) {
		if n, e := unixID(s.ForceUser); e == nil {
			return FindUnixID(n)
		}
	}
	return u, err
}

// ForcedGroup is the number of ForceGroup: a name, or a number.
func (s *Share) ForcedGroup() (uint32, error) {
	g, err := user.LookupGroup(s.ForceGroup)
	if err == nil {
		return unixID(g.Gid)
	}
	if n, e := unixID(s.ForceGroup); e == nil {
		return n, nil
	}
	return 0, err
}

// identity checks as whom files are opened and made.
func (v *validation) identity(key string, s *Share) {
	if s.Identity == IdentityUnix && s.Type == ShareMemory {
		v.problem(key+".identity", "a share of type memory knows no Unix users", "set it to service")
	}
	if s.ForceUser != "" {
		u, err := s.ForcedUser()
		switch {
		case s.Identity != IdentityUnix:
			v.problem(key+".force_user", "all files belong to the account of the server", "set identity to unix, or remove the line")
		case err != nil:
			v.problem(key+".force_user", fmt.Sprintf("%q: %v", s.ForceUser, err), "name a user of /etc/passwd")
		case u.UID == 0:
			v.problem(key+".force_user", "nobody is served as root", "name another user, or set identity to service")
		}
	}
	if s.ForceGroup != "" {
		if _, err := s.ForcedGroup(); err != nil {
			v.problem(key+".force_group", fmt.Sprintf("%q: %v", s.ForceGroup, err), "name a group of /etc/group, or its number")
		}
	}
}

// ActsAsUsers reports whether a share is served as the Unix users of clients.
func (c *Config) ActsAsUsers() bool {
	for i := range c.Shares {
		if c.Shares[i].Identity == IdentityUnix {
			return true
		}
	}
	return false
}
