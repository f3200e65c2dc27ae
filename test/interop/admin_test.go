package interop

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lessor/smb/auth"
	own "lessor/test/client"
	"lessor/test/harness"
)

// rpcclient runs commands of Samba's rpcclient as a user and returns what it says.
func rpcclient(t *testing.T, srv *harness.Server, user, password, commands string) string {
	t.Helper()
	host, port, err := net.SplitHostPort(srv.Addr)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, harness.Tool(t, "rpcclient", "smbclient"), "-s", os.DevNull, "-p", port,
		"-U", user+"%"+password, host, "-c", commands)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	_ = cmd.Run() // refusals are in the output
	return out.String()
}

// wantMetric waits until the metrics of the server have a line.
func wantMetric(t *testing.T, srv *harness.Server, line string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.MetricsURL+"/metrics", nil)
		wantNone(t, "metrics", err)
		reply, err := http.DefaultClient.Do(r)
		wantNone(t, "metrics", err)
		text, err := io.ReadAll(reply.Body)
		_ = reply.Body.Close()
		wantNone(t, "metrics", err)
		if strings.Contains(string(text), "\n"+line+"\n") {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("no %q in the metrics", line)
		}
	}
}

// Administrators see what others do and end it, with the tools for Windows servers;
// others do not.
func TestAdministrators(t *testing.T) {
	srv := harness.Run(t, harness.Options{
		Config: "server:\n  admins: [alice, '@heads']\n",
		Shares: []harness.Share{{Name: "share", Settings: []string{"default_access: write"}}},
	})
	users, err := auth.OpenUsers(filepath.Join(srv.StateDir, "users"))
	wantNone(t, "user file", err)
	hash := auth.NTHash("Battery-Staple-9")
	wantNone(t, "user", users.Set(auth.User{Name: "bob", NTHash: hash}))
	wantNone(t, "user", users.Set(auth.User{Name: "carol", NTHash: hash, Groups: []string{"Heads"}}))
	connect := func(user string) *own.Tree {
		tree, err := own.Connect(t.Context(), srv.Addr, "share", own.Options{User: user, Password: "Battery-Staple-9", Timeout: 20 * time.Second})
		wantNone(t, "connect", err)
		t.Cleanup(func() { _ = tree.Session.Conn.Close() })
		return tree
	}
	tree := connect("bob")
	f, err := tree.Create(t.Context(), own.CreateArgs{Name: "open by bob"})
	wantNone(t, "open", err)

	const bobs = "Battery-Staple-9"
	// Each sees bob's session and the one that asks.
	for _, admin := range [][2]string{{srv.User, srv.Password}, {"carol", bobs}} {
		wantMetric(t, srv, "lessor_smb_sessions 1") // who asked before is gone
		if out := rpcclient(t, srv, admin[0], admin[1], "netsessenum"); !strings.Contains(out, "Received 2 entries") {
			t.Errorf("sessions as %s: %s", admin[0], out)
		}
	}
	for _, command := range []string{"netsessenum", "netfileenum", `netsessdel "\\127.0.0.1" alice`} {
		if out := rpcclient(t, srv, "bob", bobs, command); !strings.Contains(out, "ACCESS_DENIED") {
			t.Errorf("%s as bob: %s", command, out)
		}
	}
	_, err = f.Write(t.Context(), 0, []byte("still open"))
	wantNone(t, "write", err)
	out := rpcclient(t, srv, srv.User, srv.Password, `netsessdel "\\127.0.0.1" bob`)
	if _, err := f.Write(t.Context(), 0, []byte("x")); err == nil {
		t.Errorf("the session goes on: %s", out)
	}
}

// Guests and nobodies, as smbclient is one: they get where they are let in, and
// nowhere else.
func TestGuests(t *testing.T) {
	srv := harness.Run(t, harness.Options{
		Config: "server:\n  signing: enabled\n  logon:\n    map_to_guest: bad_user\n    anonymous: true\n",
		Shares: []harness.Share{
			{Name: "share"},
			{Name: "open", Settings: []string{"default_access: write", "guest: true"}},
			{Name: "attic$", Settings: []string{"default_access: write", "guest: true"}},
		},
	})
	guest := func(share string) login {
		l := loginTo(srv, share, newest)
		l.user, l.password = "mallory", "anything"
		return l
	}
	c, err := openSmbclient(t, guest("open"))
	wantNone(t, "connect", err)
	wantNone(t, "write", c.put("f", strings.NewReader("by a guest")))
	var b bytes.Buffer
	wantNone(t, "read", c.get("f", &b))
	if b.String() != "by a guest" {
		t.Errorf("read %q", b.String())
	}
	_, err = openSmbclient(t, guest("share"))
	wantError(t, "a share that is not for guests", err, fs.ErrPermission)
	shares, err := newSmbclient(t, guest("")).shares()
	wantNone(t, "list", err)
	if len(shares) != 2 || shares["open"][0] != "Disk" || shares["IPC$"][0] != "IPC" {
		t.Errorf("a guest sees %v", shares)
	}
	shares, err = newSmbclient(t, loginTo(srv, "", newest)).shares()
	wantNone(t, "list", err)
	if len(shares) != 3 || shares["share"][0] != "Disk" {
		t.Errorf("alice sees %v", shares)
	}
	l := loginTo(srv, "open", newest)
	l.user, l.password = "", ""
	_, err = openSmbclient(t, l)
	wantError(t, "nobody", err, fs.ErrPermission)
}
