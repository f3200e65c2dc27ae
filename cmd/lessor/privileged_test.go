package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor/config"
	"lessor/smb/auth"
	"lessor/smb/privileges"
	"lessor/smb/secdesc"
)

// TestPrivilegedNames: each privilege of the configuration is one of the server, and what a
// name has in several lists is put together.
func TestPrivilegedNames(t *testing.T) {
	got := privileged(&config.Privileges{
		Security: []string{"s"}, TakeOwnership: []string{"t"}, Backup: []string{"b", "Both", "@G"}, Restore: []string{"r", "both"}})
	want := map[string]secdesc.Privilege{
		"s": secdesc.PrivSecurity, "t": secdesc.PrivTakeOwnership, "b": secdesc.PrivBackup, "r": secdesc.PrivRestore,
		"both": secdesc.PrivBackup | secdesc.PrivRestore, "@g": secdesc.PrivBackup,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	n := 0
	for name := range (config.Privileges{}).All() {
		n++
		if _, ok := privileges.Named(name); !ok {
			t.Errorf("there is no %s", name)
		}
	}
	if all := privileges.List(privileges.All); len(all) != n {
		t.Errorf("%d privileges in the configuration of %d", n, len(all))
	}
}

// TestPrivilegedUsersExist: a name that is misspelt is told at the start.
func TestPrivilegedUsersExist(t *testing.T) {
	users, err := auth.NewUsers(auth.User{Name: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	c := config.Default()
	c.Server.Privileges.Backup = []string{"alice", "@nobody yet", "u@EXAMPLE.COM"}
	if err := checkUsers(c, users); err != nil {
		t.Error(err)
	}
	c.Server.Privileges.Restore = []string{"alice", "alcie"}
	if err := checkUsers(c, users); err == nil || !strings.Contains(err.Error(), `server.privileges.SeRestorePrivilege[1]: there is no user "alcie"`) {
		t.Errorf("%v", err)
	}
}
