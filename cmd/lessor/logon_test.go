package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/oiweiwei/gokrb5.fork/v9/keytab"

	"lessor/config"
	"lessor/smb/auth"
)

// writeKeytab writes a keytab for cifs/server with keys of some encryption types.
func writeKeytab(t *testing.T, path string, mode os.FileMode, encTypes ...int32) {
	t.Helper()
	kt := keytab.New()
	for _, e := range encTypes {
		if err := kt.AddEntry("cifs/server", "EXAMPLE.COM", "Correct-Horse-7", time.Now(), 3, e); err != nil {
			t.Fatal(err)
		}
	}
	data, err := kt.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// "lessor config check" reads the keytab: it lists what is in it, and one line says
// what is wrong with it and what to do.
func TestCheckKeytab(t *testing.T) {
	const aes256, rc4 = 18, 23
	dir := t.TempDir()
	file, path := filepath.Join(dir, "lessor.yaml"), filepath.Join(dir, "keytab")
	check := func(settings string) ([]string, string) {
		t.Helper()
		text := "state_dir: state\nauth:\n  kerberos:\n    keytab: keytab\n" + settings
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		keys, err := checkConfig(file)
		if err == nil {
			return keys, ""
		}
		return keys, strings.ReplaceAll(err.Error(), dir+"/", "")
	}
	want := func(settings, mistake string, list ...string) {
		t.Helper()
		keys, got := check(settings)
		if d := cmp.Diff(mistake, got); d != "" {
			t.Errorf("mistake (-want +got):\n%s", d)
		}
		if d := cmp.Diff(list, keys); d != "" {
			t.Errorf("keys (-want +got):\n%s", d)
		}
	}
	writeKeytab(t, path, 0o600, rc4, aes256)
	want("", "", "cifs/server@EXAMPLE.COM kvno 3 aes256-cts-hmac-sha1-96")
	want("    allow_rc4: true\n", "", "cifs/server@EXAMPLE.COM kvno 3 rc4-hmac", "cifs/server@EXAMPLE.COM kvno 3 aes256-cts-hmac-sha1-96")
	want("    principals: [cifs/other]\n", "lessor.yaml:4: auth.kerberos.keytab: keytab: auth: bad keytab: no key of use among 2: "+
		"1 of types that are not accepted, 1 of other principals; export the keys anew with an AES type; see \"klist -ke keytab\" and docs/kerberos.md")
	writeKeytab(t, path, 0o644, aes256)
	want("", "lessor.yaml:4: auth.kerberos.keytab: keytab can be read by others, or written by its group; run \"chmod 640 keytab\"")
	writeKeytab(t, path, 0o640, rc4)
	want("", "lessor.yaml:4: auth.kerberos.keytab: keytab: auth: bad keytab: no key of use among 1: "+
		"1 of types that are not accepted, 0 of other principals; export the keys anew with an AES type; see \"klist -ke keytab\" and docs/kerberos.md")
	if err := os.WriteFile(path, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	want("", "lessor.yaml:4: auth.kerberos.keytab: keytab: auth: bad keytab: not a keytab; "+
		"export the keys anew with an AES type; see \"klist -ke keytab\" and docs/kerberos.md")
}

// What is offered follows the settings.
func TestMechanisms(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keytab")
	writeKeytab(t, path, 0o600, 18)
	users, err := auth.NewUsers()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		keytab string
		ntlm   config.Switch
		want   []string
	}{
		{"", config.On, []string{auth.OIDNTLM}},
		{path, config.On, []string{auth.OIDMSKerberos, auth.OIDKerberos, auth.OIDNTLM}},
		{path, config.Off, []string{auth.OIDMSKerberos, auth.OIDKerberos}},
	} {
		c := config.Default()
		c.Auth.Kerberos.Keytab, c.Auth.NTLM = tc.keytab, tc.ntlm
		list, kerberos, err := mechanisms(c, users, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range list {
			got = append(got, m.OIDs()...)
		}
		if d := cmp.Diff(tc.want, got); d != "" || (kerberos != nil) != (tc.keytab != "") {
			t.Errorf("%+v: mechanisms (-want +got):\n%s", tc, d)
		}
	}
}
