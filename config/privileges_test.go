package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPrivileges(t *testing.T) {
	for name, list := range Default().Server.Privileges.All() {
		if len(list) != 0 {
			t.Errorf("%s is given to %v without being asked", name, list)
		}
	}
	c, err := Load(write(t, "server:\n  privileges: {SeBackupPrivilege: [alice, '@backup'], SeSecurityPrivilege: [bob]}\n"), Default())
	if err != nil {
		t.Fatal(err)
	}
	want := Privileges{Backup: []string{"alice", "@backup"}, Security: []string{"bob"}}
	if d := cmp.Diff(want, c.Server.Privileges); d != "" {
		t.Error(d)
	}
	// Lists that are changed later are not those of a copy.
	n := c.clone()
	c.Server.Privileges.Backup[0] = "carol"
	if n.Server.Privileges.Backup[0] != "alice" {
		t.Error("a copy shares its lists")
	}
	if ch := Diff(c, n); len(ch.Restart) != 0 || !slices.Equal(ch.Live, []string{"server.privileges.SeBackupPrivilege"}) {
		t.Errorf("%+v", ch)
	}
	t.Setenv(EnvName("server.privileges.SeRestorePrivilege"), "dave, @restore")
	if c, err = Load("", Default()); err != nil || !slices.Equal(c.Server.Privileges.Restore, []string{"dave", "@restore"}) {
		t.Errorf("%+v, %v", c.Server.Privileges, err)
	}
}

func TestPrivilegesOfNoKind(t *testing.T) {
	for text, want := range map[string]string{
		"{SeDiskOperatorPrivilege: [alice]}": "server.privileges.SeDiskOperatorPrivilege: there is no such privilege; " +
			"want one of SeSecurityPrivilege, SeTakeOwnershipPrivilege, SeBackupPrivilege, SeRestorePrivilege",
		"{SeBackupPrivilege: ['@']}":          `server.privileges.SeBackupPrivilege[0]: bad value "@"; want the name of a user, or of a group behind @`,
		"{SeBackupPrivilege: ['@AD\\staff']}": `server.privileges.SeBackupPrivilege[0]: nobody knows the groups of "AD"; set up the directory, and name its domain as directory.domain does`,
		"{SeBackupPrivilege: alice}":          `server.privileges.SeBackupPrivilege: has the value "alice" where a list is wanted`,
		"[alice]":                             "server.privileges: has a list where a group of settings is wanted",
		"{SeRestorePrivilege: [" + strings.Repeat("a,", maxPrivileged) + "b]}": fmt.Sprintf(
			"server.privileges.SeRestorePrivilege: %d names; give at most %d, such as those of groups", maxPrivileged+1, maxPrivileged),
	} {
		if _, err := Load(write(t, "server:\n  privileges: "+text+"\n"), Default()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
