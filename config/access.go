package config

import (
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Who may reach the server, as what, and what happens to those who guess.

// GroupMark is what names of groups begin with in lists of users.
const GroupMark = "@"

// Host is an address or a range of addresses, as in "192.0.2.7" or
// "2001:db8::/32".
type Host string

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Host) UnmarshalText(text []byte) error {
	n := Host(strings.TrimSpace(string(text)))
	if _, err := n.prefix(); err != nil {
		return fmt.Errorf("want an address or a range such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32")
	}
	*h = n
	return nil
}

func (h Host) prefix() (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(string(h)); err == nil {
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(string(h))
	if err != nil {
		return netip.Prefix{}, err
	}
	a = a.Unmap().WithZone("")
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// Hosts says which addresses may connect: those of Allow, everybody if it is
// empty, but none of Deny.
type Hosts struct {
	Allow []Host `mapstructure:"allow"`
	Deny  []Host `mapstructure:"deny"`
}

func (h Hosts) clone() Hosts {
	return Hosts{Allow: slices.Clone(h.Allow), Deny: slices.Clone(h.Deny)}
}

// Prefixes returns a list of hosts as ranges of addresses. What is not one is
// left out; Validate has told of it.
func Prefixes(list []Host) []netip.Prefix {
	var out []netip.Prefix
	for _, h := range list {
		if p, err := h.prefix(); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// Privileges are the users, and the groups behind @, that have each privilege, besides
// whom administrators give it over the network.
type Privileges struct {
	Security      []string `mapstructure:"SeSecurityPrivilege"`
	TakeOwnership []string `mapstructure:"SeTakeOwnershipPrivilege"`
	Backup        []string `mapstructure:"SeBackupPrivilege"`
	Restore       []string `mapstructure:"SeRestorePrivilege"`
}

// maxPrivileged is how many names each privilege may have, so that a list of all of them
// fits into one answer.
const maxPrivileged = 256

func (p Privileges) clone() Privileges {
	return Privileges{
		Security: slices.Clone(p.Security), TakeOwnership: slices.Clone(p.TakeOwnership),
		Backup: slices.Clone(p.Backup), Restore: slices.Clone(p.Restore),
	}
}

// unknownKey implements namesKeys.
func (p Privileges) unknownKey() (what, remedy string) {
	var names []string
	for name := range p.All() {
		names = append(names, name)
	}
	return "there is no such privilege", "want one of " + strings.Join(names, ", ")
}

// All are the names of privileges, with those who have them.
func (p Privileges) All() iter.Seq2[string, []string] {
	return func(yield func(string, []string) bool) {
		_ = yield("SeSecurityPrivilege", p.Security) && yield("SeTakeOwnershipPrivilege", p.TakeOwnership) &&
			yield("SeBackupPrivilege", p.Backup) && yield("SeRestorePrivilege", p.Restore)
	}
}

// MapToGuest says who becomes a guest.
type MapToGuest string

// The values of MapToGuest.
const (
	GuestNever   MapToGuest = "never"
	GuestBadUser MapToGuest = "bad_user" // whose name is in no user file
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *MapToGuest) UnmarshalText(text []byte) error {
	return parseWord(m, text, GuestNever, GuestBadUser)
}

// Logon holds the settings of authentication.
type Logon struct {
	// MapToGuest lets unknown users in, to shares with guest: true.
	MapToGuest MapToGuest `mapstructure:"map_to_guest"`
	// Anonymous lets clients without a name in, to IPC$ alone.
	Anonymous bool     `mapstructure:"anonymous"`
	Throttle  Throttle `mapstructure:"throttle"`
}

// Throttle slows down those who guess passwords.
type Throttle struct {
	// Failures is how many failed logons cost nothing; 0 turns it off.
	Failures int `mapstructure:"failures"`
	// Delay is the first wait, which doubles up to MaxDelay.
	Delay    time.Duration `mapstructure:"delay"`
	MaxDelay time.Duration `mapstructure:"max_delay"`
}

// access checks what belongs to this file.
func (v *validation) access() {
	s := &v.c.Server
	v.hosts("server.hosts", &s.Hosts)
	v.names("server.admins", s.Admins)
	for name, list := range s.Privileges.All() {
		key := "server.privileges." + name
		v.names(key, list)
		if len(list) > maxPrivileged {
			v.problem(key, fmt.Sprintf("%d names", len(list)), fmt.Sprintf("give at most %d, such as those of groups", maxPrivileged))
		}
	}
	if s.Logon.MapToGuest == GuestBadUser && s.Encryption == EncryptionRequired {
		v.problem("server.logon.map_to_guest", "guests cannot encrypt, and server.encryption is required", "set it to never, or do not require encryption")
	}
	t := &s.Logon.Throttle
	if t.Failures < 0 || t.Failures > 10_000 {
		v.problem("server.logon.throttle.failures", fmt.Sprintf("bad value %d", t.Failures), "want 0 (off) to 10000")
	}
	if t.Delay > t.MaxDelay {
		v.problem("server.logon.throttle.delay", fmt.Sprintf("%v is above max_delay %v", t.Delay, t.MaxDelay), "lower one or raise the other")
	}
}

func (v *validation) hosts(key string, h *Hosts) {
	for _, list := range []struct {
		name  string
		hosts []Host
	}{{"allow", h.Allow}, {"deny", h.Deny}} {
		for i, host := range list.hosts {
			if _, err := host.prefix(); err != nil {
				v.problem(fmt.Sprintf("%s.%s[%d]", key, list.name, i), fmt.Sprintf("bad value %q", host),
					"want an address or a range such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32")
			}
		}
	}
}

// names checks a list of users and groups.
func (v *validation) names(key string, list []string) {
	for i, name := range list {
		if strings.TrimSpace(strings.TrimPrefix(name, GroupMark)) == "" {
			v.problem(fmt.Sprintf("%s[%d]", key, i), fmt.Sprintf("bad value %q", name), "want the name of a user, or of a group behind @")
		}
		domain, _, ok := strings.Cut(strings.TrimPrefix(name, GroupMark), `\`)
		if d := &v.c.Directory; ok && strings.HasPrefix(name, GroupMark) && (len(d.URLs) == 0 || !strings.EqualFold(domain, d.Domain) && !strings.EqualFold(domain, d.Realm)) {
			v.problem(fmt.Sprintf("%s[%d]", key, i), fmt.Sprintf("nobody knows the groups of %q", domain), "set up the directory, and name its domain as directory.domain does")
		}
	}
}

// shareAccess checks who may use a share.
func (v *validation) shareAccess(key string, s *Share) {
	v.hosts(key+".hosts", &s.Hosts)
	v.names(key+".read", s.Read)
	v.names(key+".write", s.Write)
	v.names(key+".deny", s.Deny)
	if len(s.Users)+len(s.Read)+len(s.Write) == 0 && s.DefaultAccess == AccessNone {
		v.problem(key+".users", "nobody has access to the share", "list users, or set default_access to read or write")
	}
	if !s.Guest {
		return
	}
	if s.DefaultAccess == AccessNone {
		v.problem(key+".guest", "guests have the default_access, which is none", "set default_access to read or write")
	}
	if v.c.Server.Logon.MapToGuest == GuestNever {
		v.problem(key+".guest", "nobody can become a guest", "set server.logon.map_to_guest to bad_user")
	}
	if s.Encryption == EncryptionRequired {
		v.problem(key+".guest", "guests cannot encrypt, and the share requires it", "set one of them otherwise")
	}
}
