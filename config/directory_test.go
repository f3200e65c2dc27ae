package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const someDirectory = "directory:\n  urls: [ldaps://dc1.example.com, 'ldap://dc2.example.com:3890']\n  base: dc=example,dc=com\n  domain: EXAMPLE\n"

func TestDirectory(t *testing.T) {
	file := write(t, someDirectory+"  schema: samba\n  realm: EXAMPLE.COM\n  bind_dn: cn=x\n  password_file: pw\n  timeout: 1s\n")
	pw := filepath.Join(filepath.Dir(file), "pw")
	if err := os.WriteFile(pw, []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file, Default())
	if err != nil {
		t.Fatal(err)
	}
	want := Directory{
		URLs: []string{"ldaps://dc1.example.com", "ldap://dc2.example.com:3890"}, Schema: SchemaSamba, Domain: "EXAMPLE", Realm: "EXAMPLE.COM",
		Base: "dc=example,dc=com", BindDN: "cn=x", PasswordFile: pw, StartTLS: true, Timeout: time.Second, Cache: 10 * time.Minute, NegativeCache: time.Minute,
	}
	if d := cmp.Diff(want, c.Directory); d != "" {
		t.Errorf("directory (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]uint16{636, 3890}, c.Directory.Ports()); d != "" {
		t.Errorf("ports (-want +got):\n%s", d)
	}
	n := c.clone()
	n.Directory.URLs[0] = "x"
	if c.Directory.URLs[0] == "x" {
		t.Error("clone shares a list")
	}
}

func TestDirectoryMistakes(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"no URL", "directory: {base: dc=x}", "directory.urls: there is none, so nobody is asked"},
		{"scheme", strings.Replace(someDirectory, "ldaps:", "http:", 1), `directory.urls[0]: bad value "http://dc1.example.com"; want ldaps://HOST`},
		{"port", strings.Replace(someDirectory, "3890", "70000", 1), "directory.urls[1]: bad value"},
		{"base", strings.Replace(someDirectory, "dc=example,dc=com", "example.com", 1), "directory.base: bad value"},
		{"domain", strings.Replace(someDirectory, "EXAMPLE", "example.com/x", 1), "directory.domain: bad value"},
		{"own name", strings.Replace(someDirectory, "EXAMPLE", "lessor", 1), "directory.domain: \"lessor\" is the name of this server, too"},
		{"schema", someDirectory + "  schema: nis\n", `directory.schema: bad value "nis"; want one of ad, samba, rfc2307`},
		{"half a bind", someDirectory + "  bind_dn: cn=x\n", "directory.password_file: bind_dn and password_file belong together"},
		{"no file", someDirectory + "  bind_dn: cn=x\n  password_file: gone\n", "gone does not exist"},
		{"open file", someDirectory + "  bind_dn: cn=x\n  password_file: open\n", "can be read by others; run \"chmod 600"},
		{"in the clear", someDirectory + "  bind_dn: cn=x\n  password_file: open\n  start_tls: false\n", "directory.urls[1]: the password of bind_dn would be sent in the clear"},
		{"CA", someDirectory + "  ca_file: gone\n", "directory.ca_file: "},
		{"time-out", someDirectory + "  timeout: 1m\n", "directory.timeout: bad value 1m0s; want 100ms to 10s"},
		{"realm", someDirectory + "  realm: '@X'\n", "directory.realm: bad value"},
	} {
		file := write(t, c.text)
		if err := os.WriteFile(filepath.Join(filepath.Dir(file), "open"), []byte("x\n"), 0o644); err != nil { //nolint:gosec // this is the mistake
			t.Fatal(err)
		}
		if _, err := Load(file, Default()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}
