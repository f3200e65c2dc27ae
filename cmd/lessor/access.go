package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"lessor/config"
	"lessor/smb"
	"lessor/smb/auth"
	"lessor/smb/privileges"
	"lessor/smb/secdesc"
)

// guestAccount is what guests are called.
const guestAccount = "Guest"

// ntlmConfig says whom NTLM lets in.
func ntlmConfig(s *config.Server, users *auth.Users) auth.NTLMConfig {
	c := auth.NTLMConfig{Computer: s.Name, Accounts: users, AllowAnonymous: s.Logon.Anonymous}
	if s.Logon.MapToGuest == config.GuestBadUser {
		c.Guest = func(string, string) (string, bool) { return guestAccount, true }
	}
	return c
}

func throttle(t *config.Throttle) smb.Throttle {
	out := smb.Throttle{Failures: t.Failures, Delay: t.Delay, MaxDelay: t.MaxDelay}
	if t.Failures == 0 {
		out.Failures = -1 // 0 is the default of package smb
	}
	return out
}

func hostRules(h *config.Hosts) smb.HostRules {
	return smb.HostRules{Allow: config.Prefixes(h.Allow), Deny: config.Prefixes(h.Deny)}
}

func interfaceRules(m *config.Multichannel) smb.InterfaceRules {
	match := func(list []config.Interface) (out []smb.InterfaceMatch) {
		for _, i := range list {
			if p, ok := i.Range(); ok {
				out = append(out, smb.InterfaceMatch{Range: p})
			} else {
				out = append(out, smb.InterfaceMatch{Name: string(i)})
			}
		}
		return out
	}
	rules := smb.InterfaceRules{Include: match(m.Include), Exclude: match(m.Exclude)}
	for _, l := range m.Links {
		link := smb.Link{Name: l.Name, Speed: uint64(l.Speed)}
		if l.RSS == config.AnswerYes || l.RSS == config.AnswerNo {
			link.RSS = new(l.RSS == config.AnswerYes)
		}
		rules.Links = append(rules.Links, link)
	}
	return rules
}

// shareAccess joins the lists of users of a share: whom one of them denies is
// denied, and else the highest access counts.
func shareAccess(s *config.Share) map[string]smb.Access {
	m := make(map[string]smb.Access)
	add := func(name string, a smb.Access) {
		key := strings.ToLower(name)
		if was, ok := m[key]; ok && (was == smb.AccessNone || a != smb.AccessNone && was > a) {
			return
		}
		m[key] = a
	}
	for _, u := range s.Users {
		add(u.Name, access(u.Access))
	}
	for _, list := range []struct {
		names []string
		a     smb.Access
	}{{s.Read, smb.AccessRead}, {s.Write, smb.AccessWrite}, {s.Deny, smb.AccessNone}} {
		for _, name := range list.names {
			add(name, list.a)
		}
	}
	return m
}

// privileged are the privileges that the configuration gives, by name.
func privileged(p *config.Privileges) map[string]secdesc.Privilege {
	m := make(map[string]secdesc.Privilege)
	for name, list := range p.All() {
		privilege, _ := privileges.Named(name) // a test knows that there is one
		for _, who := range list {
			m[strings.ToLower(who)] |= privilege.Bit
		}
	}
	return m
}

// checkUsers makes sure that the users of the configuration are in the user file:
// most of those that are not are misspelt. Names of a directory have an '@' in the
// middle, and groups may have no members yet.
func checkUsers(c *config.Config, users *auth.Users) error {
	var bad []error
	check := func(key, name string) {
		if strings.Contains(name, config.GroupMark) {
			return
		}
		if _, ok := users.Lookup(name); !ok {
			bad = append(bad, c.Problem(key, fmt.Sprintf("there is no user %q in %s", name, c.UsersPath()),
				"add it with \"lessor user add\" or correct the name"))
		}
	}
	for i := range c.Shares {
		s := &c.Shares[i]
		for j, u := range s.Users {
			check(fmt.Sprintf("shares[%d].users[%d].name", i, j), u.Name)
		}
		for _, list := range []struct {
			name  string
			names []string
		}{{"read", s.Read}, {"write", s.Write}, {"deny", s.Deny}} {
			for j, name := range list.names {
				check(fmt.Sprintf("shares[%d].%s[%d]", i, list.name, j), name)
			}
		}
	}
	for i, name := range c.Server.Admins {
		check(fmt.Sprintf("server.admins[%d]", i), name)
	}
	for privilege, list := range c.Server.Privileges.All() {
		for i, name := range list {
			check(fmt.Sprintf("server.privileges.%s[%d]", privilege, i), name)
		}
	}
	return errors.Join(bad...)
}

// groupList is the groups of a user as the command line gives them: without the
// mark, each once.
func groupList(args []string) []string {
	var groups []string
	for _, arg := range args {
		name := strings.TrimPrefix(arg, config.GroupMark)
		same := func(g string) bool { return strings.EqualFold(g, name) }
		if !slices.ContainsFunc(groups, same) {
			groups = append(groups, name)
		}
	}
	return groups
}
