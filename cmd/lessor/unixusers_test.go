package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lessor/config"
	"lessor/smb/auth"
)

func TestUnixUsers(t *testing.T) {
	nobody, err := config.FindUnixUser("nobody")
	if err != nil {
		t.Skip("the machine has no user nobody: ", err)
	}
	users, err := auth.CreateUsers(filepath.Join(t.TempDir(), "users"))
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range []auth.User{
		{Name: "numbered", UID: 620001, HasUID: true, Flags: []string{"gid=620002"}},
		{Name: "half", UID: 620003, HasUID: true},
		{Name: "named", Flags: []string{"unix_user=nobody"}},
		{Name: "regrouped", Flags: []string{"unix_user=nobody", "gid=620004"}},
		{Name: "misnamed", Flags: []string{"unix_user=no-such-user"}},
		{Name: "odd", UID: 620005, HasUID: true, Flags: []string{"gid=x"}},
		{Name: "NOBODY"},
		{Name: "no-such-user"},
		{Name: "4711"},
	} {
		if err := users.Set(u); err != nil {
			t.Fatal(err)
		}
	}
	u := newUnixUsers(config.Default(), users, nil)
	for _, c := range []struct {
		name     string
		uid, gid uint32
		why      string
	}{
		{"numbered", 620001, 620002, ""},
		{"half", 0, 0, "gives uid 620003 and no gid="},
		{"named", nobody.UID, nobody.GID, ""},
		{"regrouped", nobody.UID, 620004, ""},
		{"misnamed", 0, 0, "unix_user=no-such-user"},
		{"odd", 0, 0, `"gid=x", which is no number`},
		{"nobody", nobody.UID, nobody.GID, ""}, // whatever the case
		{"no-such-user", 0, 0, "neither uid nor unix_user="},
		{"4711", 0, 0, "neither uid nor unix_user="}, // a name, no number
		{"missing", 0, 0, "not in the user file"},
		{"nobody@EXAMPLE.COM", 0, 0, "no directory is asked"}, // somebody else
	} {
		got, err := u.Cred(context.Background(), &auth.Identity{User: c.name})
		switch {
		case c.why != "":
			if err == nil || !strings.Contains(err.Error(), c.why) {
				t.Errorf("%s: %+v, %v, want an error with %q", c.name, got, err, c.why)
			}
		case err != nil || got.UID != c.uid || got.GID != c.gid:
			t.Errorf("%s: %+v, %v, want %d:%d", c.name, got, err, c.uid, c.gid)
		}
	}
	if a, ok := u.User(620001); !ok || a.Name != "numbered" {
		t.Errorf("620001 is %q, %v", a.Name, ok)
	}
	if a, ok := u.User(620009); ok {
		t.Errorf("620009 is %q", a.Name)
	}
}

func TestIdentitySettings(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ settings, why string }{
		{"identity: unix, force_user: root", "nobody is served as root"},
		{"identity: unix, force_user: no-such-user", "name a user of /etc/passwd"},
		{"force_user: nobody", "set identity to unix"},
		{"force_group: no-such-group", "name a group of /etc/group"},
		{"identity: windows", "want one of service, unix"},
		{"force_create_mode: \"0999\"", "want permission bits"},
		{"identity: unix, force_group: \"620001\", force_create_mode: \"0060\"", ""},
	} {
		file := filepath.Join(dir, "c.yaml")
		text := "state_dir: " + t.TempDir() + "\nshares:\n  - {name: data, path: " + dir + ", default_access: read, " + c.settings + "}\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		text = ""
		if _, err := config.Load(file, config.Default()); err != nil {
			text = err.Error()
		}
		if c.why == "" && text != "" || !strings.Contains(text, c.why) {
			t.Errorf("%s: %q, want %q", c.settings, text, c.why)
		}
	}
}
