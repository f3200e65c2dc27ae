package interop

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"lessor/smb/auth"
	"lessor/smb/secdesc"
	"lessor/smb/wire"
	own "lessor/test/client"
	"lessor/test/harness"
)

// netRights runs "net rpc rights" as a user and returns the lines of what it says.
func netRights(t *testing.T, srv *harness.Server, user, password string, args ...string) []string {
	t.Helper()
	host, port, err := net.SplitHostPort(srv.Addr)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	args = append([]string{"-s", os.DevNull, "-S", host, "-p", port, "-U", user + "%" + password, "rpc", "rights"}, args...)
	cmd := exec.CommandContext(ctx, harness.Tool(t, "net", "samba-common-bin"), args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	_ = cmd.Run() // refusals are in the output
	var lines []string
	for line := range strings.Lines(out.String()) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// An administrator gives and takes privileges with Samba's "net rpc rights": they count
// in the next session, and after a restart; others see and change nothing.
func TestNetRights(t *testing.T) {
	srv := harness.Run(t, harness.Options{
		Config: "server:\n  name: FILES\n  admins: [alice]\n",
		Shares: []harness.Share{{Name: "share", Settings: []string{"default_access: write"}}},
	})
	const password = "Battery-Staple-9"
	users, err := auth.OpenUsers(filepath.Join(srv.StateDir, "users"))
	wantNone(t, "user file", err)
	wantNone(t, "user", users.Set(auth.User{Name: "bob", NTHash: auth.NTHash(password)}))
	asAdmin := func(args ...string) []string {
		t.Helper()
		return netRights(t, srv, srv.User, srv.Password, args...)
	}
	want := func(what string, got []string, parts ...string) {
		t.Helper()
		if text := strings.Join(got, "\n"); !strings.HasSuffix(text, strings.Join(parts, "\n")) {
			t.Errorf("%s:\n%s\nwant at its end\n%s", what, text, strings.Join(parts, "\n"))
		}
	}
	all := []string{"SeSecurityPrivilege", "SeTakeOwnershipPrivilege", "SeBackupPrivilege", "SeRestorePrivilege"}

	want("list", asAdmin("list"), "SeSecurityPrivilege  Manage auditing and security log",
		"SeTakeOwnershipPrivilege  Take ownership of files or other objects",
		"SeBackupPrivilege  Back up files and directories", "SeRestorePrivilege  Restore files and directories")
	want("accounts", asAdmin("list", "accounts"), append([]string{`BUILTIN\Administrators`}, all...)...)
	want("grant", asAdmin("grant", `FILES\bob`, "SeBackupPrivilege", "SeSecurityPrivilege"), "Successfully granted rights.")
	want("account", asAdmin("list", "accounts", `FILES\bob`), "SeSecurityPrivilege", "SeBackupPrivilege")
	want("privilege", asAdmin("list", "privileges", "SeBackupPrivilege"), "SeBackupPrivilege:", `FILES\bob`, `BUILTIN\Administrators`)

	// An administrator's file, which bob may back up and not restore.
	connect := func(user, password string) *own.Tree {
		t.Helper()
		tree, err := own.Connect(t.Context(), srv.Addr, "share", own.Options{User: user, Password: password, Timeout: 20 * time.Second})
		wantNone(t, "connect", err)
		t.Cleanup(func() { _ = tree.Session.Conn.Close() })
		return tree
	}
	f, err := connect(srv.User, srv.Password).Create(t.Context(), own.CreateArgs{Name: "file", Access: own.ReadWriteDelete | wire.AccessWriteDAC})
	wantNone(t, "create", err)
	sd, err := (&secdesc.Descriptor{Control: secdesc.SelfRelative | secdesc.DACLPresent, DACL: &secdesc.ACL{Revision: 2}}).Append(nil)
	wantNone(t, "descriptor", err)
	wantNone(t, "set", f.SetSecurity(t.Context(), secdesc.DACLInformation, sd))
	wantNone(t, "close", f.Close(t.Context()))
	opens := func(access uint32) error {
		f, err := connect("bob", password).Create(t.Context(), own.CreateArgs{
			Name: "file", Access: access, Disposition: own.Open, Options: wire.OptionOpenForBackupIntent})
		if err == nil {
			err = f.Close(t.Context())
		}
		return err
	}
	wantNone(t, "back up", opens(wire.AccessReadData))
	if err := opens(wire.AccessWriteData); err == nil {
		t.Error("bob restores")
	}

	want("revoke", asAdmin("revoke", `FILES\bob`, "SeSecurityPrivilege"), "Successfully revoked rights.")
	want("account", asAdmin("list", "accounts", `FILES\bob`), "SeBackupPrivilege")
	if got := asAdmin("list", "accounts", `FILES\bob`); slices.Contains(got, "SeSecurityPrivilege") {
		t.Errorf("revoked: %q", got)
	}
	want("no privilege", asAdmin("grant", `FILES\bob`, "SeFlyPrivilege"), "Failed to grant privileges for FILES\\bob (NT_STATUS_NO_SUCH_PRIVILEGE)")
	// "list" says nothing at all when it is refused.
	for _, args := range [][]string{{"list", "accounts"}, {"list", "accounts", `FILES\bob`}} {
		if got := netRights(t, srv, "bob", password, args...); strings.Contains(strings.Join(got, "\n"), "Privilege") {
			t.Errorf("%q as bob: %q", args, got)
		}
	}
	for _, args := range [][]string{{"grant", `FILES\bob`, "SeRestorePrivilege"}, {"revoke", `BUILTIN\Administrators`, "SeBackupPrivilege"}} {
		if got := netRights(t, srv, "bob", password, args...); !strings.Contains(strings.Join(got, "\n"), "ACCESS_DENIED") {
			t.Errorf("%q as bob: %q", args, got)
		}
	}

	wantNone(t, "stop", srv.Stop())
	wantNone(t, "start", srv.Start())
	want("accounts after a restart", asAdmin("list", "accounts"), append([]string{`FILES\bob`, "SeBackupPrivilege", `BUILTIN\Administrators`}, all...)...)
	wantNone(t, "back up after a restart", opens(wire.AccessReadData))
	want("revoke the last", asAdmin("revoke", `FILES\bob`, "SeBackupPrivilege"), "Successfully revoked rights.")
	if err := opens(wire.AccessReadData); err == nil {
		t.Error("bob backs up without the privilege")
	}
	if log := srv.Log(); strings.Count(log, "privileges changed over the network") < 3 {
		t.Errorf("changes are not in the log:\n%s", log)
	}
}

// The configuration gives privileges by name: Samba's tool sees them, and cannot take them
// away. A reload changes them.
func TestNetRightsOfConfiguration(t *testing.T) {
	srv := harness.Run(t, harness.Options{
		Config: "server:\n  name: FILES\n  admins: [alice]\n  privileges: {SeBackupPrivilege: ['@backup']}\n",
		Shares: []harness.Share{{Name: "share", Settings: []string{"default_access: write"}}},
	})
	const password = "Battery-Staple-9"
	users, err := auth.OpenUsers(filepath.Join(srv.StateDir, "users"))
	wantNone(t, "user file", err)
	wantNone(t, "user", users.Set(auth.User{Name: "bob", NTHash: auth.NTHash(password), Groups: []string{"backup"}}))
	asAdmin := func(args ...string) string {
		t.Helper()
		return strings.Join(netRights(t, srv, srv.User, srv.Password, args...), "\n")
	}
	wantText(t, "accounts", asAdmin("list", "accounts"), `(?m)^FILES\\backup\nSeBackupPrivilege$`)
	wantText(t, "grant", asAdmin("grant", `FILES\backup`, "SeRestorePrivilege"), "Successfully granted rights")
	wantText(t, "revoke", asAdmin("revoke", `FILES\backup`, "SeBackupPrivilege"), "ACCESS_DENIED")
	wantText(t, "account", asAdmin("list", "accounts", `FILES\backup`), `SeBackupPrivilege\nSeRestorePrivilege$`)
	wantText(t, "revoke what was granted", asAdmin("revoke", `FILES\backup`, "SeRestorePrivilege"), "Successfully revoked rights")
	wantText(t, "account", asAdmin("list", "accounts", `FILES\backup`), `SeBackupPrivilege$`)

	file := filepath.Join(srv.Dir, "lessor.yaml")
	text, err := os.ReadFile(file)
	wantNone(t, "configuration", err)
	wantNone(t, "configuration", os.WriteFile(file, bytes.ReplaceAll(text, []byte("SeBackup"), []byte("SeSecurity")), 0o600))
	from := srv.LogSize()
	wantNone(t, "hang up", srv.Signal(syscall.SIGHUP))
	for limit := time.After(time.Minute); !strings.Contains(srv.LogFrom(from), "configuration reloaded"); {
		select {
		case <-limit:
			t.Fatalf("no reload:\n%s", srv.LogFrom(from))
		case <-time.After(10 * time.Millisecond):
		}
	}
	wantText(t, "what took effect", srv.LogFrom(from), `"changed":\["server.privileges.SeSecurityPrivilege","server.privileges.SeBackupPrivilege"\]`)
	wantText(t, "account", asAdmin("list", "accounts", `FILES\backup`), `SeSecurityPrivilege$`)
}
