package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"lessor/config"
	"lessor/smb/auth"
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

// welcome is what a server without a configuration file prints.
var welcome = template.Must(template.New("").Parse(`
Lessor serves{{range .Shares}}
  {{.Path}}  as  \\{{$.Host}}\{{.Name}}{{end}}

  user      {{.User}}
  password  {{.Password}}

Connect (each asks for the password):

  smbclient   smbclient //{{.Host}}/{{.Share}}{{with .Port}} -p {{.}}{{end}} -U {{.User}}
  Linux       sudo mount -t cifs //{{.Host}}/{{.Share}} /mnt -o {{with .Port}}port={{.}},{{end}}username={{.User}},uid=$(id -u),gid=$(id -g)
  macOS       open 'smb://{{.User}}@{{.URLHost}}/{{.Share}}'
  Windows     net use * \\{{.WindowsHost}}\{{.Share}} /user:{{.User}}{{with .Port}} /tcpport:{{.}}{{end}}
{{- if .Port}}
              (a port other than 445 needs Windows 11 24H2 or later)
{{- end}}
{{- if .Loopback}}

Only this machine can connect. For others: --listen :445 (or another port)
{{- end}}
{{- with .Metrics}}

Metrics: http://{{.}}/metrics
{{- end}}
Stop with Ctrl-C.

`))

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

// printWelcome tells how to connect.
func (f *serveFlags) printWelcome(w io.Writer, c *config.Config, password string) error {
	host, port, err := net.SplitHostPort(c.Server.Listen[0])
	if err != nil {
		return err
	}
	ip := net.ParseIP(host)
	loopback := host == "localhost" || ip != nil && ip.IsLoopback()
	if host == "" || ip != nil && ip.IsUnspecified() {
		if host, err = os.Hostname(); err != nil {
			host = "127.0.0.1"
		}
		ip = nil
	}
	urlHost, windowsHost := host, host
	if ip != nil && ip.To4() == nil {
		urlHost = "[" + host + "]"
		// Windows takes IPv6 addresses in a UNC path only in this form.
		windowsHost = strings.NewReplacer(":", "-", "%", "s").Replace(host) + ".ipv6-literal.net"
	}
	if port == "445" {
		port = ""
	} else {
		urlHost += ":" + port
	}
	var text bytes.Buffer
	err = welcome.Execute(&text, map[string]any{
		"Shares": c.Shares, "Share": c.Shares[0].Name, "User": f.userName(), "Password": f.passwordNote(c, password),
		"Host": host, "URLHost": urlHost, "WindowsHost": windowsHost, "Port": port,
		"Loopback": loopback, "Metrics": c.MetricsAddr(),
	})
	if err != nil {
		return err
	}
	_, err = w.Write(text.Bytes())
	return err
}
