package kerberos

import (
	"fmt"
	"testing"

	"lessor/smb/auth"
	"lessor/smb/ntstatus"
	"lessor/test/client"
	"lessor/test/harness"
	"lessor/test/kdc"
	"lessor/test/slapd"
)

// A user whose ticket tells no groups has those of the directory: they decide about
// shares and administrators, which name them.
func TestGroupsComeFromTheDirectory(t *testing.T) {
	dir := slapd.Start(t)
	r := newRealm(t)
	for _, user := range []string{"carol", "dave"} {
		check(t, r.AddUser(user, password))
	}
	for _, schema := range []string{"samba", "rfc2307"} {
		t.Run(schema, func(t *testing.T) { groupsOfSchema(t, r, dir, schema) })
	}
}

// groupsOfSchema is the test with one of the ways to keep users. In the directory dave has
// a uid and no SID.
func groupsOfSchema(t *testing.T, r *realm, dir *slapd.Server, schema string) {
	t.Helper()
	config := fmt.Sprintf(`
auth:
  kerberos:
    keytab: %q
directory:
  urls: [%q]
  schema: %s
  base: %q
  domain: SAMBA
  realm: %s
  ca_file: %q
server:
  admins: ['@SAMBA\Heads']
`, r.keytab, dir.Secure, schema, slapd.SambaBase, kdc.Realm, dir.CAFile)
	const member, denied, other = "crew", "notheads", "others"
	srv := harness.Run(t, harness.Options{Config: config, Shares: []harness.Share{
		{Name: member, Settings: []string{`write: ['@samba\CREW']`}},
		{Name: denied, Settings: []string{"default_access: write", `deny: ['@SAMBA\heads']`}},
		{Name: other, Settings: []string{`write: ['@SAMBA\nobody-here']`}},
	}})
	session := func(user string) *client.Session {
		t.Helper()
		cache := r.login(t, user)
		check(t, r.Ticket(cache, service))
		tkt, key := ticket(t, cache)
		s, err := connect(t, srv, func() client.Initiator {
			return &auth.KerberosInitiator{Client: user, Realm: kdc.Realm, Ticket: tkt, Key: key}
		})
		check(t, err)
		return s
	}
	may := func(s *client.Session, share string, want bool) {
		t.Helper()
		tree, err := s.TreeConnect(t.Context(), share)
		if !want {
			if err != ntstatus.AccessDenied {
				t.Errorf("share %s: %v, want access denied", share, err)
			}
			return
		}
		check(t, err)
		check(t, tree.WriteFile(t.Context(), "f", []byte("x")))
	}
	carol := session("carol")
	// The names of groups are looked up beside the work.
	until(t, "the groups are known", func() bool {
		_, err := carol.TreeConnect(t.Context(), member)
		return err == nil
	})
	may(carol, member, true)
	may(carol, denied, false)
	may(carol, other, false)

	// Without a SID there are no groups, without groups no access.
	dave := session("dave")
	may(dave, member, schema == "rfc2307")
	may(dave, denied, true)
}
