package directory_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lessor/smb/directory"
	"lessor/smb/rpc"
	"lessor/smb/secdesc"
	"lessor/test/slapd"
)

func newAD(t *testing.T, s *slapd.Server, change func(*directory.Config)) *directory.Directory {
	t.Helper()
	c := directory.Config{
		URLs: []string{s.Secure}, Schema: directory.AD, Domain: "AD", Realm: "AD.TEST", Base: slapd.ADBase,
		BindDN: slapd.BindDN, PasswordFile: s.PasswordFile, CAFile: s.CAFile, Timeout: 5 * time.Second,
	}
	if change != nil {
		change(&c)
	}
	d, err := directory.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func text(sids []secdesc.SID) []string {
	var out []string
	for _, s := range sids {
		out = append(out, s.String())
	}
	slices.Sort(out)
	return out
}

// wantGroups demands a SID and groups by their RIDs in the same domain.
func wantGroups(t *testing.T, d *directory.Directory, name string, user secdesc.SID, rids ...uint32) {
	t.Helper()
	sid, groups, err := d.Groups(t.Context(), name)
	if err != nil || sid != user {
		t.Errorf("%s is %v, %v, want %v", name, sid, err, user)
	}
	var want []secdesc.SID
	for _, rid := range rids {
		want = append(want, user.Domain().WithRID(rid))
	}
	if d := cmp.Diff(text(want), text(groups)); d != "" {
		t.Errorf("groups of %s (-want +got):\n%s", name, d)
	}
}

func TestActiveDirectory(t *testing.T) {
	s := slapd.Start(t)
	for name, change := range map[string]func(*directory.Config){
		"ldaps":      nil,
		"StartTLS":   func(c *directory.Config) { c.URLs = []string{s.Plain} },
		"plain":      func(c *directory.Config) { c.URLs, c.Plain = []string{s.Plain}, true },
		"second URL": func(c *directory.Config) { c.URLs = []string{"ldaps://127.0.0.1:1", s.Secure} },
	} {
		t.Run(name, func(t *testing.T) {
			d := newAD(t, s, change)
			for _, want := range []rpc.Account{
				{SID: slapd.SID(1, 1104), Domain: "AD", Name: "alice", Type: rpc.AccountUser},
				{SID: slapd.SID(1, 1106), Domain: "AD", Name: "*", Type: rpc.AccountUser},
				{SID: slapd.SID(1, 1107), Domain: "AD", Name: "PC1$", Type: rpc.AccountComputer},
				{SID: slapd.SID(1, 1200), Domain: "AD", Name: "Staff", Type: rpc.AccountGroup},
				{SID: slapd.SID(1, 1201), Domain: "AD", Name: "Local", Type: rpc.AccountAlias},
			} {
				if got, ok := d.LookupSID(t.Context(), want.SID); !ok || got != want {
					t.Errorf("%v: %+v, %v", want.SID, got, ok)
				}
				for _, domain := range []string{"", "ad", "ad.test"} {
					if got, ok := d.LookupName(t.Context(), domain, want.Name); !ok || got != want {
						t.Errorf(`%s\%s: %+v, %v`, domain, want.Name, got, ok)
					}
				}
			}
			for _, n := range [][2]string{{"OTHER", "alice"}, {"", "nobody"}, {"", "twin"}, {"", "a*"}, {"", "alice)(cn=*"}, {"", "reader"}, {"", "a\x00"}} {
				if got, ok := d.LookupName(t.Context(), n[0], n[1]); ok {
					t.Errorf("%q: %+v", n, got)
				}
			}
			for _, sid := range []secdesc.SID{slapd.SID(1, 9999), slapd.SID(2, 1104), secdesc.World} {
				if got, ok := d.LookupSID(t.Context(), sid); ok {
					t.Errorf("%v: %+v", sid, got)
				}
			}
			wantGroups(t, d, "alice", slapd.SID(1, 1104), 513, 1200, 1201)
			wantGroups(t, d, "bob", slapd.SID(1, 1105), 513, 1200)
			for _, name := range []string{"nobody", "Staff", "*b*", "twin"} {
				if sid, groups, err := d.Groups(t.Context(), name); !sid.IsZero() || groups != nil || err != nil {
					t.Errorf("%s: %v, %v, %v", name, sid, groups, err)
				}
			}
		})
	}
}

func TestSambaSchema(t *testing.T) {
	s := slapd.Start(t)
	d := newAD(t, s, func(c *directory.Config) {
		c.Schema, c.Base, c.BindDN, c.PasswordFile, c.Domain = directory.Samba, slapd.SambaBase, "", "", "OLD"
	})
	for _, want := range []rpc.Account{
		{SID: slapd.SID(2, 11000), Domain: "OLD", Name: "carol", Type: rpc.AccountUser},
		{SID: slapd.SID(2, 13001), Domain: "OLD", Name: "heads", Type: rpc.AccountGroup},
	} {
		if got, ok := d.LookupSID(t.Context(), want.SID); !ok || got != want {
			t.Errorf("%v: %+v, %v", want.SID, got, ok)
		}
		if got, ok := d.LookupName(t.Context(), "old", want.Name); !ok || got != want {
			t.Errorf("%s: %+v, %v", want.Name, got, ok)
		}
	}
	if got, ok := d.LookupName(t.Context(), "", "dave"); ok {
		t.Errorf("who has no SID is %+v", got)
	}
	wantGroups(t, d, "carol", slapd.SID(2, 11000), 13000, 13001)
}

// A directory of uids and gids alone, as nslcd and sssd use it.
func TestRFC2307(t *testing.T) {
	s := slapd.Start(t)
	d := newAD(t, s, func(c *directory.Config) {
		c.Schema, c.Base, c.BindDN, c.PasswordFile, c.Domain = directory.RFC2307, slapd.SambaBase, "", "", "NIS"
	})
	for _, want := range []rpc.Account{
		{SID: secdesc.UnixUser(5001), Domain: "NIS", Name: "dave", Type: rpc.AccountUser},
		{SID: secdesc.UnixGroup(6001), Domain: "NIS", Name: "heads", Type: rpc.AccountGroup},
	} {
		if got, ok := d.LookupSID(t.Context(), want.SID); !ok || got != want {
			t.Errorf("%v: %+v, %v", want.SID, got, ok)
		}
		if got, ok := d.LookupName(t.Context(), "nis", want.Name); !ok || got != want {
			t.Errorf("%s: %+v, %v", want.Name, got, ok)
		}
	}
	for _, sid := range []secdesc.SID{slapd.SID(2, 11000), secdesc.UnixUser(9), secdesc.UnixGroup(5000)} {
		if got, ok := d.LookupSID(t.Context(), sid); ok {
			t.Errorf("%v is %+v", sid, got)
		}
	}
	for name, want := range map[string][]secdesc.SID{
		"carol": {secdesc.UnixUser(5000), secdesc.UnixGroup(6000), secdesc.UnixGroup(6001)},
		"dave":  {secdesc.UnixUser(5001), secdesc.UnixGroup(6000)},
	} {
		sid, groups, err := d.Groups(t.Context(), name)
		if diff := cmp.Diff(text(want), text(append(groups, sid))); err != nil || sid != want[0] || diff != "" {
			t.Errorf("%s is %v, %v, with groups (-want +got):\n%s", name, sid, err, diff)
		}
	}
}

// TestAway: without the directory names are those from before, groups are an error,
// and nobody waits for long; when it is back, everything is.
func TestAway(t *testing.T) {
	s := slapd.Start(t)
	d := newAD(t, s, func(c *directory.Config) {
		c.Keep, c.KeepMissing, c.Retry, c.Timeout = time.Nanosecond, time.Nanosecond, 100*time.Millisecond, 2*time.Second
	})
	alice := slapd.SID(1, 1104)
	if _, ok := d.LookupSID(t.Context(), alice); !ok {
		t.Fatal("alice is not there")
	}
	for name, c := range map[string]struct{ away, back func() }{"ended": {s.Stop, s.Run}, "silent": {s.Pause, s.Resume}} {
		c.away()
		if got, ok := d.LookupSID(t.Context(), alice); !ok || got.Name != "alice" {
			t.Errorf("%s: alice is forgotten: %+v", name, got)
		}
		if got, ok := d.LookupName(t.Context(), "", "bob"); ok {
			t.Errorf("%s: bob was never asked for: %+v", name, got)
		}
		if sid, _, err := d.Groups(t.Context(), "alice"); !errors.Is(err, directory.ErrUnavailable) {
			t.Errorf("%s: groups of %v: %v", name, sid, err)
		}
		start := time.Now()
		for range 200 { // most of them find the breaker open
			_, _ = d.LookupSID(t.Context(), alice)
		}
		if took := time.Since(start); took > time.Minute { // of 400 s
			t.Errorf("%s: 200 questions took %v", name, took)
		}
		c.back()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		tick := time.NewTicker(10 * time.Millisecond)
		for err := errors.New("not asked"); err != nil; {
			select {
			case <-tick.C:
				_, _, err = d.Groups(ctx, "alice")
			case <-ctx.Done():
				t.Fatalf("%s: the directory is not found again: %v", name, err)
			}
		}
		tick.Stop()
		cancel()
		wantGroups(t, d, "alice", alice, 513, 1200, 1201)
	}
	d.Close()
	if _, _, err := d.Groups(t.Context(), "alice"); !errors.Is(err, directory.ErrUnavailable) {
		t.Errorf("after Close: %v", err)
	}
}

// TestNoTime: who has no time hears what is remembered, and the directory is not
// taken for one that is away.
func TestNoTime(t *testing.T) {
	s := slapd.Start(t)
	d := newAD(t, s, nil)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for range 3 {
		if got, ok := d.LookupSID(over, slapd.SID(1, 1104)); ok {
			t.Errorf("asked after the time: %+v", got)
		}
	}
	if _, ok := d.LookupSID(t.Context(), slapd.SID(1, 1104)); !ok {
		t.Error("the breaker is open")
	}
	if got, ok := d.LookupSID(over, slapd.SID(1, 1104)); !ok || got.Name != "alice" {
		t.Errorf("forgotten: %+v", got)
	}
}

// TestRefused: a directory that is not who it should be, or does not let us in, is none.
func TestRefused(t *testing.T) {
	s := slapd.Start(t)
	empty := filepath.Join(t.TempDir(), "empty")
	wrong := filepath.Join(t.TempDir(), "wrong")
	for path, content := range map[string]string{empty: "\n", wrong: "wrong\n"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, change := range map[string]func(*directory.Config){
		"unknown authority":           func(c *directory.Config) { c.CAFile = "" },
		"unknown authority, StartTLS": func(c *directory.Config) { c.CAFile, c.URLs = "", []string{s.Plain} },
		"wrong password":              func(c *directory.Config) { c.PasswordFile = wrong },
		"empty password":              func(c *directory.Config) { c.PasswordFile = empty },
		"no password file":            func(c *directory.Config) { c.PasswordFile += ".gone" },
		"nobody listens":              func(c *directory.Config) { c.URLs = []string{"ldaps://127.0.0.1:1"} },
	} {
		d := newAD(t, s, change)
		if _, _, err := d.Groups(t.Context(), "alice"); !errors.Is(err, directory.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	d := newAD(t, s, func(c *directory.Config) { c.BindDN, c.PasswordFile = "", "" })
	if got, ok := d.LookupName(t.Context(), "", "alice"); ok {
		t.Errorf("anonymously: %+v", got)
	}
}

func TestSettings(t *testing.T) {
	for _, c := range []directory.Config{
		{}, {URLs: []string{"http://x"}, Schema: directory.AD, Domain: "D", Base: "dc=x"},
		{URLs: []string{"ldap://"}, Schema: directory.AD, Domain: "D", Base: "dc=x"},
		{URLs: []string{"ldap://x"}, Schema: "nis", Domain: "D", Base: "dc=x"},
		{URLs: []string{"ldap://x"}, Schema: directory.AD, Domain: "D", Base: "x"},
		{URLs: []string{"ldap://x"}, Schema: directory.AD, Domain: "D", Base: "dc=x", CAFile: "/dev/null"},
	} {
		if d, err := directory.New(c); err == nil {
			d.Close()
			t.Errorf("accepted %+v", c)
		}
	}
	for in, want := range map[string]string{"ldap://h": "h:389", "ldaps://h/": "h:636", "ldaps://[::1]:7": "[::1]:7"} {
		if got, err := directory.Address(in); got != want || err != nil {
			t.Errorf("%s: %s, %v", in, got, err)
		}
	}
}
