package interop

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"lessor/test/harness"
)

// smbclient runs Samba's smbclient, one process for each command.
type smbclient struct {
	program string
	args    []string // all but the share and the command
	service string   // //HOST/SHARE
}

// newSmbclient prepares the command line. The server decides whether to sign and
// seal.
func newSmbclient(t testing.TB, l login) *smbclient {
	t.Helper()
	host, port, err := net.SplitHostPort(l.addr)
	if err != nil {
		t.Fatal(err)
	}
	return &smbclient{
		program: harness.Tool(t, "smbclient", "smbclient"),
		args: []string{
			"-s", os.DevNull, "-p", port, "-U", l.user + "%" + l.password,
			"--option=client min protocol=" + l.dialect.smbclient,
			"--option=client max protocol=" + l.dialect.smbclient,
		},
		service: "//" + host + "/" + l.share,
	}
}

func openSmbclient(t testing.TB, l login) (client, error) {
	c := newSmbclient(t, l)
	// The other client is refused when it connects, so this one connects too.
	_, err := c.command("cd /", nil)
	return c, err
}

// command runs a command of smbclient and returns its output. The exit status
// of smbclient tells little, so errors are found by their names.
func (c *smbclient) command(cmd string, stdin io.Reader, args ...string) (string, error) {
	var out bytes.Buffer
	err := c.run(append(args, c.service, "-c", cmd), stdin, &out, &out)
	return out.String(), err
}

var statusName = regexp.MustCompile(`NT_STATUS_[A-Z0-9_]+`)

// run runs smbclient and returns the first status in messages, or how the process
// ended.
func (c *smbclient) run(args []string, stdin io.Reader, stdout io.Writer, messages *bytes.Buffer) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	p := exec.CommandContext(ctx, c.program, append(append([]string{}, c.args...), args...)...)
	p.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	p.Stdin, p.Stdout, p.Stderr = stdin, stdout, messages
	err := p.Run()
	if name := statusName.FindString(messages.String()); name != "" {
		return statusError(name)
	}
	if err != nil {
		return fmt.Errorf("smbclient: %w: %s", err, messages)
	}
	return nil
}

func (c *smbclient) close() error { return nil }

// put and get use standard input and output; -E sends messages elsewhere.
func (c *smbclient) put(name string, r io.Reader) error {
	_, err := c.command(fmt.Sprintf("put - %s", quote(name)), r, "-E")
	return err
}

func (c *smbclient) get(name string, w io.Writer) error {
	var messages bytes.Buffer
	return c.run([]string{"-E", c.service, "-c", "get " + quote(name) + " -"}, nil, w, &messages)
}

// listLine is a line of "ls": name, attributes, size, time of last change.
var listLine = regexp.MustCompile(`^  (.+?) +([A-Za-z]*) +(\d+)  [A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}$`)

func (c *smbclient) list(dir string) (map[string]entry, error) {
	out, err := c.command("ls "+quote(dir+"/*"), nil)
	if err != nil {
		return nil, err
	}
	all := map[string]entry{}
	for line := range strings.Lines(out) {
		m := listLine.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil || m[1] == "." || m[1] == ".." {
			continue
		}
		if _, twice := all[m[1]]; twice {
			return nil, fmt.Errorf("%s is listed twice", m[1])
		}
		size, err := strconv.ParseInt(m[3], 10, 64)
		if err != nil {
			return nil, err
		}
		all[m[1]] = entry{size, strings.Contains(m[2], "D")}
	}
	return all, nil
}

func (c *smbclient) rename(from, to string) error {
	_, err := c.command("rename "+quote(from)+" "+quote(to), nil)
	return err
}

func (c *smbclient) remove(name string) error {
	_, err := c.command("del "+quote(name), nil)
	return err
}

func (c *smbclient) mkdir(name string) error {
	_, err := c.command("mkdir "+quote(name), nil)
	return err
}

func (c *smbclient) rmdir(name string) error {
	_, err := c.command("rmdir "+quote(name), nil)
	return err
}

// shares lists the shares of the server by name, with type and comment.
func (c *smbclient) shares() (map[string][2]string, error) {
	var out bytes.Buffer
	host := strings.Split(c.service, "/")[2]
	if err := c.run([]string{"-g", "-L", host}, nil, &out, &out); err != nil {
		return nil, err
	}
	all := map[string][2]string{}
	for line := range strings.Lines(out.String()) {
		if f := strings.SplitN(strings.TrimRight(line, "\n"), "|", 3); len(f) == 3 {
			all[f[1]] = [2]string{f[0], f[2]}
		}
	}
	return all, nil
}

// quote makes one argument of a name.
func quote(name string) string { return `"` + back(name) + `"` }
