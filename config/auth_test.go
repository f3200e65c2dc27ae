package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAuth(t *testing.T) {
	file := write(t, `auth:
  ntlm: off
  kerberos:
    keytab: plain
    realms: [EXAMPLE.COM, OTHER.ORG]
    principals: [cifs/server.example.com]
    allow_rc4: true
    max_clock_skew: 30s
`)
	c, err := Load(file, Default())
	if err != nil {
		t.Fatal(err)
	}
	want := Auth{NTLM: Off, Kerberos: Kerberos{
		Keytab: filepath.Join(filepath.Dir(file), "plain"), Realms: []string{"EXAMPLE.COM", "OTHER.ORG"},
		Principals: []string{"cifs/server.example.com"}, AllowRC4: true, MaxClockSkew: 30 * time.Second,
	}}
	if d := cmp.Diff(want, c.Auth); d != "" {
		t.Errorf("auth (-want +got):\n%s", d)
	}
	// A copy is a copy.
	n := c.clone()
	n.Auth.Kerberos.Realms[0] = "X"
	if c.Auth.Kerberos.Realms[0] != "EXAMPLE.COM" {
		t.Error("clone shares a list")
	}
	t.Setenv("LESSOR_AUTH_KERBEROS_REALMS", "A, B")
	t.Setenv("LESSOR_AUTH_NTLM", "on")
	if c, err = Load(file, Default()); err != nil || strings.Join(c.Auth.Kerberos.Realms, " ") != "A B" || c.Auth.NTLM != On {
		t.Errorf("%+v, %v", c.Auth, err)
	}
}

func TestAuthMistakes(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nothing left", "auth: {ntlm: off}", "F:1: auth.ntlm: there is no other way to log on; give auth.kerberos.keytab, or set it to on"},
		{"word", "auth: {ntlm: maybe}", `F:1: auth.ntlm: bad value "maybe"; want one of on, off`},
		{"no keytab", "auth:\n  kerberos:\n    keytab: gone", "F:3: auth.kerberos.keytab: D/gone does not exist; export the keys of the service to it; see docs/kerberos.md"},
		{"directory", "auth: {kerberos: {keytab: data}}", "F:1: auth.kerberos.keytab: D/data is not a file; give the path of a keytab"},
		{"skew", "auth: {kerberos: {max_clock_skew: 10ms}}", "F:1: auth.kerberos.max_clock_skew: bad value 10ms; want 1s to 1h"},
		{"realm", "auth:\n  kerberos:\n    realms:\n    - A\n    - '@B'", `F:5: auth.kerberos.realms[1]: bad value "@B"; want a realm such as EXAMPLE.COM`},
		{"principal", "auth: {kerberos: {principals: ['']}}", `F:1: auth.kerberos.principals[0]: bad value ""; want a principal such as cifs/server.example.com`},
		{"in a share", "auth:\n  kerberos: {keytab: data/keytab}\nshares:\n  - {name: a, path: data, default_access: read}",
			`F:2: auth.kerberos.keytab: D/data/keytab lies inside the share "a", whose users could read it; move it out of D/data`},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := write(t, c.text)
			dir := filepath.Dir(file)
			if c.name == "in a share" {
				if err := os.WriteFile(filepath.Join(dir, "data", "keytab"), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := Load(file, Default())
			if err == nil {
				t.Fatal("accepted")
			}
			got := strings.ReplaceAll(strings.ReplaceAll(err.Error(), file, "F"), dir, "D")
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}
