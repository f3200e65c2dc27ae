package interop

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lessor/test/harness"
)

// smbcaclsHost is an address of this machine that hardly anybody uses: smbcacls asks for
// the well-known port and for no other.
const smbcaclsHost = "127.77.4.47"

// wellKnown leads from the well-known port to a server until the test ends, which is
// skipped if that port cannot be had.
func wellKnown(t *testing.T, addr string) {
	t.Helper()
	l, err := net.Listen("tcp", smbcaclsHost+":445")
	if err != nil {
		t.Skip("smbcacls needs the server at port 445:", err)
	}
	var running sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); running.Wait() })
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer func() { _ = c.Close() }()
				server, err := net.Dial("tcp", addr)
				if err != nil {
					return
				}
				running.Go(func() { _, _ = io.Copy(c, server); _ = c.Close() })
				_, _ = io.Copy(server, c)
				_ = server.Close()
			})
		}
	})
}

// smbcacls runs Samba's smbcacls.
type smbcacls struct {
	t       *testing.T
	program string
	login   string
}

// run returns the lines of the output, without those that say the same of every file.
func (c *smbcacls) run(path string, args ...string) []string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.program, append([]string{"-s", os.DevNull, "//" + smbcaclsHost + "/share", "-U", c.login, path}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) || err != nil || statusName.Match(out) {
		c.t.Fatalf("smbcacls %s %q: %v\n%s", path, args, err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return slices.DeleteFunc(lines, func(l string) bool { return l == "REVISION:1" || strings.HasPrefix(l, "GROUP:") || l == "" })
}

// want compares what smbcacls shows of a file.
func (c *smbcacls) want(path string, want ...string) {
	c.t.Helper()
	if got := c.run(path); !slices.Equal(got, want) {
		c.t.Errorf("%s:\n got %q\nwant %q", path, got, want)
	}
}

func TestSmbcacls(t *testing.T) {
	program := harness.Tool(t, "smbcacls", "smbclient")
	s := harness.Run(t, harness.Options{})
	wellKnown(t, s.Addr)
	if err := os.MkdirAll(s.Path("share", "dir", "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"file", "sub/deep"} {
		if err := os.WriteFile(s.Path("share", "dir", name), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c := &smbcacls{t: t, program: program, login: s.User + "%" + s.Password}
	const (
		owner = `OWNER:LESSOR\alice`
		plain = "CONTROL:SR|DP"
		full  = "ACL:Everyone:ALLOWED/OI|CI/FULL"
	)
	// What nobody has set.
	c.want("dir", plain, owner, `ACL:LESSOR\alice:ALLOWED/0x0/FULL`, `ACL:NT AUTHORITY\SYSTEM:ALLOWED/0x0/FULL`, "ACL:Everyone:ALLOWED/0x0/FULL")

	// Set, add, modify, delete.
	c.run("dir", "-S", full)
	c.want("dir", plain, owner, full)
	c.run("dir", "-a", "ACL:S-1-5-32-545:ALLOWED/OI|CI/READ")
	c.want("dir", plain, owner, full, `ACL:BUILTIN\Users:ALLOWED/OI|CI/READ`)
	c.run("dir", "-M", `ACL:BUILTIN\Users:ALLOWED/OI|CI/CHANGE`)
	c.want("dir", plain, owner, full, `ACL:BUILTIN\Users:ALLOWED/OI|CI/CHANGE`)
	c.run("dir", "-D", `ACL:BUILTIN\Users:ALLOWED/OI|CI/CHANGE`)
	c.want("dir", plain, owner, full)
	// By number, with the rights one at a time, and for somebody whom nobody knows.
	c.run("dir/sub/deep", "-S", "ACL:S-1-5-21-1-2-3-4:1/0x0/0x00120116,ACL:alice:0/0x0/0x001f01ff")
	c.want("dir/sub/deep", plain, owner, "ACL:S-1-5-21-1-2-3-4:DENIED/0x0/W", `ACL:LESSOR\alice:ALLOWED/0x0/FULL`)
	c.run("dir/sub/deep", "-C", "alice")
	if got := c.run("dir/sub/deep", "-x"); got[len(got)-1] != "Maximum access: 0x1f01ff" {
		t.Errorf("maximum access: %q", got)
	}

	// Inheritance, down the tree and on and off.
	for _, name := range []string{"dir/file", "dir/sub", "dir/sub/deep"} {
		c.run(name, "-S", "ACL:alice:ALLOWED/0x0/FULL")
	}
	const mine = `ACL:LESSOR\alice:ALLOWED/0x0/FULL`
	c.run("dir", "--propagate-inheritance", "-a", "ACL:S-1-5-32-546:DENIED/OI|CI/W")
	c.want("dir", plain, owner, `ACL:BUILTIN\Guests:DENIED/OI|CI/W`, full)
	c.want("dir/file", plain, owner, mine, `ACL:BUILTIN\Guests:DENIED/I/W`, "ACL:Everyone:ALLOWED/I/FULL")
	c.want("dir/sub", plain, owner, mine, `ACL:BUILTIN\Guests:DENIED/OI|CI|I/W`, "ACL:Everyone:ALLOWED/OI|CI|I/FULL")
	c.want("dir/sub/deep", plain, owner, mine, `ACL:BUILTIN\Guests:DENIED/I/W`, "ACL:Everyone:ALLOWED/I/FULL")
	c.run("dir/file", "-I", "remove")
	c.want("dir/file", "CONTROL:SR|PD|DP", owner, mine)
	// It does not mark what a file inherits, and puts the entries in order.
	listed := []string{owner, `ACL:BUILTIN\Guests:DENIED/0x0/W`, "ACL:Everyone:ALLOWED/0x0/FULL", mine}
	c.run("dir/file", "-I", "allow")
	c.want("dir/file", append([]string{plain}, listed...)...)
	c.run("dir/file", "-I", "copy")
	c.want("dir/file", append([]string{"CONTROL:SR|PD|DP"}, listed...)...)
}
