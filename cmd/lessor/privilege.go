package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"lessor/cmd/lessor/sandbox"
	"lessor/config"
)

// becomeUser makes the process that of the account in the settings. The directory
// for the state is made before, as the account may not be able to.
func becomeUser(c *config.Config) error {
	if c.User == "" {
		return nil
	}
	a, err := config.LookupAccount(c.User)
	if err != nil {
		return c.Problem("user", err.Error(), "name an account of this machine, or its number")
	}
	if a.UID == os.Geteuid() {
		return nil
	}
	if os.Geteuid() != 0 {
		return c.Problem("user", fmt.Sprintf("only root can become %s", c.User), "start the server as root, or remove the setting")
	}
	if err := makeStateDir(c.StateDir, a); err != nil {
		return c.Problem("state_dir", err.Error(), "make the directory, or give another one")
	}
	// Package syscall does this for all threads.
	for _, step := range []error{syscall.Setgroups(a.Groups), syscall.Setgid(a.GID), syscall.Setuid(a.UID)} {
		if step != nil {
			return c.Problem("user", fmt.Sprintf("cannot become %s: %v", c.User, step), "start the server as root")
		}
	}
	if a.UID != 0 && syscall.Setuid(0) == nil {
		return c.Problem("user", "the system lets the process become root again", "remove the capability CAP_SETUID")
	}
	return nil
}

// makeStateDir makes the directory if there is none; then it belongs to the account.
func makeStateDir(dir string, a config.Account) error {
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	return os.Chown(dir, a.UID, a.GID)
}

// neededByRoot are the capabilities that a server keeps which runs as root:
// access to all files of the shares, their owners, and the marks of fanotify
// and attributes of Samba, which need the last.
var neededByRoot = []uintptr{
	unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_DAC_READ_SEARCH, unix.CAP_FOWNER, unix.CAP_FSETID,
	unix.CAP_LEASE, unix.CAP_SYS_ADMIN,
}

// neededForUsers are the capabilities that it takes besides to act as the users of clients.
var neededForUsers = []uintptr{unix.CAP_SETUID, unix.CAP_SETGID}

// confine enters the sandbox. What it could not have is an error if the settings
// demand all of it.
func (d *daemon) confine() error {
	if d.cfg.Sandbox == config.SandboxOff {
		d.log.Info().Msg("sandbox is off")
		return nil
	}
	d.jail = sandbox.Enter(d.plan())
	if len(d.jail.Missing) > 0 && d.cfg.Sandbox == config.SandboxRequired {
		return d.cfg.Problem("sandbox", strings.Join(d.jail.Missing, "; "), "set it to auto to do without")
	}
	ev := d.log.Info().Int("landlock", d.jail.Landlock).Bool("seccomp", d.jail.Seccomp).Bool("capabilities", d.jail.Capabilities)
	if d.cfg.ActsAsUsers() {
		ev = ev.Strs("kept_for_users", []string{"CAP_SETUID", "CAP_SETGID"})
	}
	if len(d.jail.Missing) > 0 {
		ev = ev.Strs("missing", d.jail.Missing)
	}
	ev.Msg("sandbox")
	return nil
}

// plan lists what the server has to do with.
func (d *daemon) plan() sandbox.Plan {
	c := d.cfg
	p := sandbox.Plan{
		ReadWrite: []string{c.StateDir},
		// Itself, the speed of network interfaces, time zones, and names of hosts.
		Read: append([]string{"/proc/self", "/proc/stat", "/sys/class/net", "/etc/localtime", "/usr/share/zoneinfo",
			"/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/passwd", "/etc/group"}, devices()...),
		Capabilities: neededByRoot,
		Connect:      c.Directory.Ports(),
	}
	switch {
	case c.ActsAsUsers():
		p.Capabilities = slices.Concat(neededByRoot, neededForUsers)
	case os.Geteuid() != 0:
		p.Capabilities = nil
	}
	for i := range c.Shares {
		if s := &c.Shares[i]; s.Type == config.ShareLocal {
			p.ReadWrite = append(p.ReadWrite, s.Path)
			if above := aboveMissing(s); above != "" && above != "/" {
				p.ReadWrite = append(p.ReadWrite, above)
			}
		}
		if dir := snapshotsOutside(&c.Shares[i]); dir != "" {
			p.Read = append(p.Read, dir)
		}
		if file := c.Shares[i].Audit.File; file != "" {
			p.Append = append(p.Append, filepath.Dir(file))
		}
	}
	for _, file := range append(c.Files(), d.file) {
		p.Read = append(p.Read, around(file)...)
	}
	if c.Log.File != "" {
		p.Append = append(p.Append, filepath.Dir(c.Log.File))
	}
	return p
}

// aboveMissing is the directory that must be within the sandbox so that the directory of a
// share can come into being, or be mounted, below it; empty if there is none.
func aboveMissing(s *config.Share) string {
	dir := s.Path
	if s.Removable {
		dir = filepath.Dir(dir)
	}
	for {
		_, err := os.Stat(dir)
		switch {
		case err == nil && dir == s.Path:
			return ""
		case err == nil || dir == "/" || dir == ".":
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

// devices are the places in /sys that tell about network interfaces.
func devices() []string {
	links, _ := filepath.Glob("/sys/class/net/*") // the pattern is good
	var out []string
	for _, l := range links {
		if real, err := filepath.EvalSymlinks(l); err == nil {
			out = append(out, real)
		}
	}
	return out
}

// around returns what must be readable for a file, and for its successor, which
// most programs put in its place by renaming: its directory, and that of the file
// behind a symbolic link. Directories that everybody has files in are left out: a
// file there can be read, a successor of it with the next start.
func around(file string) []string {
	if file == "" {
		return nil
	}
	paths := []string{file}
	if real, err := filepath.EvalSymlinks(file); err == nil && real != file {
		paths = append(paths, real)
	}
	out := slices.Clone(paths)
	for _, p := range paths {
		if dir := filepath.Dir(p); !common(dir) {
			out = append(out, dir)
		}
	}
	return out
}

// common reports whether a directory is for everybody.
func common(dir string) bool {
	switch dir {
	case "/", "/etc", "/etc/ssl", "/home", "/opt", "/root", "/run", "/srv", "/tmp", "/usr", "/usr/local", "/usr/local/etc",
		"/var", "/var/lib", "/var/log", "/var/run", "/var/tmp", "/mnt", "/media", "/boot", "/dev", "/proc", "/sys":
		return true
	}
	home, err := os.UserHomeDir()
	return err == nil && dir == filepath.Clean(home)
}

// inJail reports what a new configuration needs that the sandbox of this process
// does not have.
func (d *daemon) inJail(c *config.Config) error {
	const remedy = "restart the server: its sandbox has only what the configuration named at the start"
	if err := actAsUsers(c); err != nil {
		return err
	}
	for i := range c.Shares {
		if s := &c.Shares[i]; s.Type == config.ShareLocal && !d.jail.Allows(s.Path, true) {
			return c.Problem(fmt.Sprintf("shares[%d].path", i), s.Path+" is outside of the sandbox", remedy)
		}
	}
	for i := range c.Shares {
		if dir := snapshotsOutside(&c.Shares[i]); dir != "" && !d.jail.Allows(dir, false) {
			return c.Problem(fmt.Sprintf("shares[%d].snapshots.directory", i), dir+" is outside of the sandbox", remedy)
		}
		if file := c.Shares[i].Audit.File; file != "" && !d.jail.AllowsAppend(file) {
			return c.Problem(fmt.Sprintf("shares[%d].audit.file", i), file+" is outside of the sandbox", remedy)
		}
	}
	if c.Log.File != "" && !d.jail.AllowsAppend(c.Log.File) {
		return c.Problem("log.file", c.Log.File+" is outside of the sandbox", remedy)
	}
	return nil
}
