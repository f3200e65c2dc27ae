package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"lessor/config"
	"lessor/smb/auth"
	"lessor/smb/transport"
)

// A server without a configuration file is for trying out: everything is in the
// working directory, and only this machine can reach it.
const (
	quickListen   = "127.0.0.1:4450"
	quickShare    = "public"
	quickData     = "data"
	quickStateDir = ".lessor"
	quickUser     = "lessor"
)

func quickDefaults() *config.Config {
	c := config.Default()
	c.Server.Listen = []string{quickListen}
	c.StateDir = quickStateDir
	c.Log.Format = config.FormatConsole
	c.SetOrigin("server.listen", "--listen")
	c.SetOrigin("state_dir", "--state")
	c.SetOrigin("metrics.listen", "--metrics")
	return c
}

// quickShare adds the share of a server that was told none.
func (f *serveFlags) quickShare(c *config.Config) error {
	if err := os.Mkdir(quickData, 0o755); err != nil && !os.IsExist(err) {
		return fmt.Errorf("cannot make the directory to share: %w; name another with --share NAME=PATH", err)
	}
	return f.addShare(c, quickShare, quickData)
}

// userName is the user of the flags.
func (f *serveFlags) userName() string {
	if f.user == "" && f.quick() {
		return quickUser
	}
	return f.user
}

// prepareUser sees to it that the user of the flags exists, with the password of
// the file if there is one. It returns the password if it has made one up, which
// it does only for a server without a configuration file.
func (f *serveFlags) prepareUser(c *config.Config, in io.Reader) (string, error) {
	if f.userName() == "" {
		if f.passwordFile != "" {
			return "", usageError{fmt.Errorf("--password-file needs --user")}
		}
		return "", nil
	}
	users, err := createUsers(c)
	if err != nil {
		return "", err
	}
	u, known := users.Lookup(f.userName())
	var password, made string
	switch {
	case f.passwordFile != "":
		if password, err = readPasswordFile(f.passwordFile, in); err != nil {
			return "", &config.Problem{Origin: "--password-file", What: err.Error(), Remedy: "give a file with the password in its first line"}
		}
	case known:
		return "", nil
	case f.quick():
		made = randomPassword()
		password = made
	default:
		return "", &config.Problem{Origin: "--user", What: fmt.Sprintf("there is no user %q in %s", f.user, c.UsersPath()),
			Remedy: "add it with \"lessor user add\" or give --password-file"}
	}
	hash := auth.NTHash(password)
	if known && u.NTHash == hash {
		return "", nil
	}
	if !known {
		u = auth.User{Name: f.userName()}
	}
	u.NTHash = hash
	if err := users.Set(u); err != nil {
		return "", &config.Problem{Origin: "--user", What: err.Error(), Remedy: "choose another name"}
	}
	return made, nil
}

// passwordNote is what the user is told about the password; made is the one that
// was made up in this run.
func (f *serveFlags) passwordNote(c *config.Config, made string) string {
	if made != "" {
		return made + "   (shown only now)"
	}
	if f.passwordFile != "" {
		return "that of --password-file"
	}
	state := ""
	if wd, err := os.Getwd(); err != nil || c.StateDir != filepath.Join(wd, quickStateDir) {
		state = " --state " + c.StateDir
	}
	return fmt.Sprintf("as set before; to change it: lessor user passwd%s %s", state, f.userName())
}

// forgetUser removes the user again whose password was made up and never shown.
func (f *serveFlags) forgetUser(c *config.Config, made string) error {
	if made == "" {
		return nil
	}
	users, err := auth.OpenUsers(c.UsersPath())
	if err != nil {
		return err
	}
	return users.Remove(f.userName())
}

// place is where clients find a server.
type place struct {
	host        string // in UNC names
	urlHost     string // with the port, unless it is 445
	windowsHost string
	port        string // empty for 445
	loopback    bool
}

// placeOf works out how an address to listen on looks from outside.
func placeOf(addr string) (place, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return place{}, err
	}
	if _, err := net.InterfaceByName(host); err == nil {
		if ends, err := transport.Endpoints(context.Background(), addr); err == nil {
			return placeOf(ends[0].Address)
		}
	}
	ip := net.ParseIP(host)
	p := place{loopback: host == "localhost" || ip != nil && ip.IsLoopback()}
	if host == "" || ip != nil && ip.IsUnspecified() {
		ip = nil
		if host, err = os.Hostname(); err != nil {
			host = "127.0.0.1"
		}
	}
	p.host, p.urlHost, p.windowsHost = host, host, host
	if ip != nil && ip.To4() == nil {
		p.urlHost = "[" + host + "]"
		// Windows takes IPv6 addresses in a UNC path only in this form.
		p.windowsHost = strings.NewReplacer(":", "-", "%", "s").Replace(host) + ".ipv6-literal.net"
	}
	if port != "445" {
		p.port = port
		p.urlHost += ":" + port
	}
	return p, nil
}

// withPort returns text and the port, or nothing for port 445.
func (p *place) withPort(text, after string) string {
	if p.port == "" {
		return ""
	}
	return text + p.port + after
}

// printWelcome tells how to connect. (Formatted by hand: the linker keeps every
// exported method of a program that uses text/template.)
func (f *serveFlags) printWelcome(w io.Writer, c *config.Config, password string) error {
	p, err := placeOf(c.Server.Listen[0])
	if err != nil {
		return err
	}
	user, share := f.userName(), c.Shares[0].Name
	var b strings.Builder
	b.WriteString("\nLessor serves\n")
	for _, s := range c.Shares {
		fmt.Fprintf(&b, "  %s  as  \\\\%s\\%s\n", s.Path, p.host, s.Name)
	}
	fmt.Fprintf(&b, "\n  user      %s\n  password  %s\n", user, f.passwordNote(c, password))
	b.WriteString("\nConnect (each asks for the password):\n\n")
	fmt.Fprintf(&b, "  smbclient   smbclient //%s/%s%s -U %s\n", p.host, share, p.withPort(" -p ", ""), user)
	fmt.Fprintf(&b, "  Linux       sudo mount -t cifs //%s/%s /mnt -o %susername=%s,uid=$(id -u),gid=$(id -g)\n",
		p.host, share, p.withPort("port=", ","), user)
	fmt.Fprintf(&b, "  macOS       open 'smb://%s@%s/%s'\n", user, p.urlHost, share)
	fmt.Fprintf(&b, "  Windows     net use * \\\\%s\\%s /user:%s%s\n", p.windowsHost, share, user, p.withPort(" /tcpport:", ""))
	if p.port != "" {
		b.WriteString("              (a port other than 445 needs Windows 11 24H2 or later)\n")
	}
	if p.loopback {
		b.WriteString("\nOnly this machine can connect. For others: --listen :445 (or another port)\n")
	}
	if addr := c.MetricsAddr(); addr != "" {
		fmt.Fprintf(&b, "\nMetrics: http://%s/metrics\n", addr)
	}
	b.WriteString("Stop with Ctrl-C.\n\n")
	_, err = io.WriteString(w, b.String())
	return err
}
