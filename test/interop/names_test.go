package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"lessor/smb/auth"
	"lessor/test/harness"
	"lessor/test/slapd"
)

// acls is Samba's tool for access lists. It knows no port but 445, so it needs a
// relay there.
type acls struct {
	t    *testing.T
	srv  *harness.Server
	host string
}

// newACLs opens the relay, on an address of loopback that is this process's alone.
func newACLs(t *testing.T, srv *harness.Server) *acls {
	t.Helper()
	harness.Tool(t, "smbcacls", "smbclient")
	host := fmt.Sprintf("127.77.%d.%d", os.Getpid()>>8&0xff, os.Getpid()&0xff)
	l, err := net.Listen("tcp", host+":445")
	if errors.Is(err, fs.ErrPermission) {
		t.Skip("port 445 is for root")
	}
	wantNone(t, "relay", err)
	var relays sync.WaitGroup
	relays.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			relays.Go(func() { relay(c, srv.Addr) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		relays.Wait()
	})
	return &acls{t, srv, host}
}

// relay passes on what comes, both ways, until either end closes.
func relay(c net.Conn, addr string) {
	defer func() { _ = c.Close() }()
	s, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer func() { _ = s.Close() }()
	done := make(chan struct{}, 2)
	for _, ends := range [][2]net.Conn{{c, s}, {s, c}} {
		go func() {
			_, _ = io.Copy(ends[0], ends[1])
			_, _ = ends[0].Close(), ends[1].Close()
			done <- struct{}{}
		}()
	}
	<-done
	<-done
}

// run runs the tool on a file of the share.
func (a *acls) run(file string, args ...string) string {
	t, srv := a.t, a.srv
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	args = append([]string{"-s", os.DevNull, "-U", srv.User + "%" + srv.Password, "//" + a.host + "/share", file}, args...)
	cmd := exec.CommandContext(ctx, harness.Tool(t, "smbcacls", "smbclient"), args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	_ = cmd.Run() // refusals are in the output
	return out.String()
}

func wantText(t *testing.T, what, got string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !regexp.MustCompile(w).MatchString(got) {
			t.Errorf("%s: no %q in\n%s", what, w, got)
		}
	}
}

// machineSID is what a server calls itself.
func machineSID(t *testing.T, srv *harness.Server) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(srv.StateDir, "sid"))
	wantNone(t, "SID of the machine", err)
	return strings.TrimSpace(string(data))
}

// Access lists are written and read by names: those of users and groups of the
// server, before they have ever logged on, after they were renamed and after a
// restart, and those of a directory, which the server asks from inside its sandbox.
func TestNamesInAccessLists(t *testing.T) {
	dir := slapd.Start(t)
	srv := harness.Run(t, harness.Options{
		Config: fmt.Sprintf("server:\n  admins: [alice]\ndirectory:\n  urls: ['%s']\n  base: '%s'\n  domain: AD\n  bind_dn: '%s'\n  password_file: '%s'\n  ca_file: '%s'\n",
			dir.Secure, slapd.ADBase, slapd.BindDN, dir.PasswordFile, dir.CAFile),
	})
	users, err := auth.OpenUsers(filepath.Join(srv.StateDir, "users"))
	wantNone(t, "user file", err)
	wantNone(t, "user", users.Set(auth.User{Name: "bob", Groups: []string{"Staff"}}))
	wantNone(t, "file", os.WriteFile(srv.Path("share", "file"), nil, 0o600))
	tool := newACLs(t, srv)
	me := rpcclient(t, srv, srv.User, srv.Password, "lsaquery;lookupdomain "+rpcName(t, srv))
	sid := machineSID(t, srv)
	wantText(t, "rpcclient", me, regexp.QuoteMeta(sid))
	host := rpcName(t, srv)

	for _, name := range []string{host + `\bob`, host + `\Staff`, `AD\bob`, `AD\Staff`, `AD\Local`, `BUILTIN\Users`, "Everyone"} {
		if out := tool.run("file", "--add", "ACL:"+name+":ALLOWED/0/READ"); strings.Contains(out, "NT_STATUS") || strings.Contains(out, "ailed") {
			t.Errorf("add %s: %s", name, out)
		}
		wantText(t, "access list", tool.run("file"), "(?m)^ACL:"+regexp.QuoteMeta(name)+":ALLOWED/")
	}
	numbers := tool.run("file", "--numeric")
	wantText(t, "numbers", numbers, regexp.QuoteMeta(sid)+"-1001:", regexp.QuoteMeta(sid)+"-1002:", slapd.SID(1, 1105).String()+":", slapd.SID(1, 1200).String()+":")

	wantNone(t, "rename", users.Rename("bob", "Robert"))
	wantNone(t, "rename", users.RenameGroup("Staff", "Crew"))
	wantNone(t, "stop", srv.Stop())
	wantNone(t, "start", srv.Start())
	wantText(t, "access list", tool.run("file"), "ACL:"+host+`\\Robert:`, "ACL:"+host+`\\Crew:`, `ACL:AD\\bob:`)

	// rpcclient, as an administrator and as somebody else.
	ask := func(command string) string { return rpcclient(t, srv, srv.User, srv.Password, command) }
	wantText(t, "enumdomusers", ask("enumdomusers"), `user:\[alice\] rid:\[0x3e8\]`, `user:\[Robert\] rid:\[0x3e9\]`)
	wantText(t, "querydispinfo", ask("querydispinfo"), `RID: 0x3e9 acb: 0x00000210 Account: Robert`)
	wantText(t, "enumalsgroups", ask("enumalsgroups domain"), `group:\[Crew\] rid:\[0x3ea\]`)
	wantText(t, "queryuser", ask("queryuser robert"), `User Name\s*:\s*Robert`, `user_rid :\s*0x3e9`, `group_rid:\s*0x201`)
	wantText(t, "queryaliasmem", ask("queryaliasmem domain 1002"), regexp.QuoteMeta(sid)+"-1001")
	wantText(t, "lookupsids", ask("lookupsids "+sid+"-1001 "+slapd.SID(1, 1104).String()+" S-1-5-32-544"),
		host+`\\Robert \(1\)`, `AD\\alice \(1\)`, `BUILTIN\\Administrators \(4\)`)
	wantText(t, "lookupnames", ask("lookupnames Crew PC1$ nobody-here"), sid+`-1002 \(Local Group: 4\)`, slapd.SID(1, 1107).String(), "nobody-here .*UNKNOWN")
	wantNone(t, "password", users.Set(auth.User{Name: "Robert", NTHash: auth.NTHash("Battery-Staple-9")}))
	robert := func(command string) string { return rpcclient(t, srv, "robert", "Battery-Staple-9", command) }
	if out := robert("enumdomusers"); strings.Contains(out, "alice") {
		t.Errorf("a user lists users: %s", out)
	}
	wantText(t, "another user", robert("queryuser alice"), "ACCESS_DENIED")
	wantText(t, "oneself", robert("queryuser robert"), `User Name\s*:\s*Robert`)

	// Without the directory its names are numbers, and all else goes on.
	dir.Stop()
	wantNone(t, "stop", srv.Stop())
	wantNone(t, "start", srv.Start())
	wantText(t, "access list", tool.run("file"), "ACL:"+slapd.SID(1, 1105).String()+":", "ACL:"+host+`\\Robert:`)
}

// rpcName is the name of the server, the domain of its accounts.
func rpcName(t *testing.T, srv *harness.Server) string {
	t.Helper()
	m := regexp.MustCompile(`name:\[([^\]]+)\]`).FindStringSubmatch(rpcclient(t, srv, srv.User, srv.Password, "enumdomains"))
	if m == nil {
		t.Fatal("the server has no name")
	}
	return m[1]
}

// Two servers have different SIDs, and each keeps its own.
func TestMachineSIDs(t *testing.T) {
	seen := make(map[string]bool)
	for range 2 {
		srv := harness.Run(t, harness.Options{})
		sid := machineSID(t, srv)
		if seen[sid] {
			t.Errorf("%s is the SID of two servers", sid)
		}
		seen[sid] = true
		wantNone(t, "stop", srv.Stop())
		wantNone(t, "remove", os.Remove(filepath.Join(srv.StateDir, "locks.db")))
		wantNone(t, "start", srv.Start())
		if again := machineSID(t, srv); again != sid {
			t.Errorf("%s became %s", sid, again)
		}
		wantText(t, "rpcclient", rpcclient(t, srv, srv.User, srv.Password, "lookupnames "+srv.User), regexp.QuoteMeta(sid)+"-1000")
	}
}
