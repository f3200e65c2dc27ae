package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Validate checks the settings against their bounds and against each other, and
// that the directories of the shares exist. The error joins one *Problem for
// each mistake. Load calls it; programs that fill in a Config call it
// themselves.
func (c *Config) Validate() error { return c.validate(false) }

// ValidateToServe is Validate, but that a directory of a share may be away: it may come
// later, as a disk that is mounted. It must be there if the share comes from a flag.
func (c *Config) ValidateToServe() error { return c.validate(true) }

func (c *Config) validate(lenient bool) error {
	v := &validation{c: c, lenient: lenient}
	v.server()
	v.compression()
	v.multichannel()
	v.discovery()
	v.bounds()
	v.access()
	v.auth()
	v.directory()
	v.state()
	seen := make(map[string]int)
	for i := range c.Shares {
		v.share(i, seen)
	}
	return v.problems.err()
}

// UsersPath is where the user file is.
func (c *Config) UsersPath() string {
	if c.UsersFile != "" {
		return c.UsersFile
	}
	return filepath.Join(c.StateDir, "users")
}

// MetricsAddr is the address to serve metrics on, with its host made explicit;
// empty if there is none.
func (c *Config) MetricsAddr() string {
	if strings.HasPrefix(c.Metrics.Listen, ":") {
		return "127.0.0.1" + c.Metrics.Listen
	}
	return c.Metrics.Listen
}

// validation collects what Validate finds.
type validation struct {
	c        *Config
	problems problems
	lenient  bool // directories of shares may be away
}

func (v *validation) problem(key, what, remedy string) {
	v.problems.add(v.c.Problem(key, what, remedy))
}

func (v *validation) server() {
	s := &v.c.Server
	if !validComputerName(s.Name) {
		v.problem("server.name", fmt.Sprintf("bad value %q", s.Name), "want 1 to 15 letters, digits, '-' or '_'")
	}
	v.network()
	if v.c.Metrics.Listen != "" {
		v.address("metrics.listen", v.c.Metrics.Listen)
	}
	if s.Dialects.Min > s.Dialects.Max {
		v.problem("server.dialects.min", fmt.Sprintf("%v is above dialects.max %v", s.Dialects.Min, s.Dialects.Max), "lower one or raise the other")
	}
	if s.Encryption == EncryptionRequired && s.Dialects.Max < Dialect300 {
		v.problem("server.encryption", fmt.Sprintf("dialect %v has no encryption", s.Dialects.Max), "raise server.dialects.max to 3.0 or more, or do not require encryption")
	}
}

func (v *validation) compression() {
	all, list := CompressionAlgorithms(), v.c.Server.Compression.Algorithms
	for i, name := range list {
		key := fmt.Sprintf("server.compression.algorithms[%d]", i)
		switch {
		case !slices.Contains(all, name):
			v.problem(key, fmt.Sprintf("bad value %q", name), "want one of "+strings.Join(all, ", "))
		case slices.Contains(list[:i], name):
			v.problem(key, fmt.Sprintf("%q is there twice", name), "remove one of them")
		}
	}
	if v.c.Server.Compression.Enabled && len(list) == 0 {
		v.problem("server.compression.algorithms", "there is no algorithm", "give one such as lz4, or set server.compression.enabled to false")
	}
}

// validComputerName allows what every client can resolve.
func validComputerName(name string) bool {
	bad := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}
	return name != "" && len(name) <= 15 && !strings.ContainsFunc(name, bad)
}

func (v *validation) address(key, addr string) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		v.problem(key, fmt.Sprintf("bad address %q", addr), "want HOST:PORT or :PORT, with an IPv6 address in brackets")
		return
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		v.problem(key, fmt.Sprintf("bad port %q", port), "want a number up to 65535; 445 is what clients expect")
	}
}

func (v *validation) bounds() {
	l, t := &v.c.Server.Limits, &v.c.Server.Timeouts
	for _, b := range []struct {
		key       string
		n         int
		low, high int
	}{
		{"connections", l.Connections, 1, 1 << 20},
		{"connections_per_address", l.ConnectionsPerAddress, 1, 1 << 20},
		{"unauthenticated", l.Unauthenticated, 1, 1 << 20},
		{"sessions", l.Sessions, 1, 1 << 24},
		{"sessions_per_connection", l.SessionsPerConnection, 1, 1 << 16},
		{"trees_per_session", l.TreesPerSession, 1, 1 << 16},
		{"opens", l.Opens, 1, 1 << 30},
		{"opens_per_session", l.OpensPerSession, 1, 1 << 20},
		{"requests_per_connection", l.RequestsPerConnection, 64, 1 << 15},
		{"waiting", l.Waiting, 1, 1 << 24},
		{"waiting_per_connection", l.WaitingPerConnection, 1, 1 << 15},
	} {
		if b.n < b.low || b.n > b.high {
			v.problem("server.limits."+b.key, fmt.Sprintf("bad value %d", b.n), fmt.Sprintf("want %d to %d", b.low, b.high))
		}
	}
	for _, b := range []struct {
		key string
		n   Size
	}{{"read_size", l.ReadSize}, {"write_size", l.WriteSize}, {"transact_size", l.TransactSize}} {
		if b.n < 64<<10 || b.n > 8<<20 {
			v.problem("server.limits."+b.key, fmt.Sprintf("bad value %v", b.n), "want 64KiB to 8MiB")
		}
	}
	if l.BufferMemory < 64<<20 || l.BufferMemory > 1<<40 {
		v.problem("server.limits.buffer_memory", fmt.Sprintf("bad value %v", l.BufferMemory), "want 64MiB to 1024GiB")
	}
	for _, b := range []struct {
		key  string
		d    time.Duration
		high time.Duration
	}{
		{"server.timeouts.authentication", t.Authentication, time.Hour},
		{"server.timeouts.frame", t.Frame, time.Hour},
		{"server.timeouts.write", t.Write, time.Hour},
		{"server.timeouts.shutdown", t.Shutdown, time.Hour},
		{"server.logon.throttle.delay", v.c.Server.Logon.Throttle.Delay, time.Hour},
		{"server.logon.throttle.max_delay", v.c.Server.Logon.Throttle.MaxDelay, time.Hour},
		{"locking.break_timeout", v.c.Locking.BreakTimeout, 5 * time.Minute},
		{"locking.durable_timeout", v.c.Locking.DurableTimeout, 5 * time.Minute},
	} {
		if b.d < time.Millisecond || b.d > b.high {
			v.problem(b.key, fmt.Sprintf("bad value %v", b.d), fmt.Sprintf("want more than 0s, up to %v", b.high))
		}
	}
}

func (v *validation) state() {
	c := v.c
	if c.StateDir == "" {
		v.problem("state_dir", "there is no directory", "give one such as /var/lib/lessor")
		return
	}
	for _, p := range []struct{ key, path string }{{"state_dir", c.StateDir}, {"users_file", c.UsersPath()}} {
		for i := range c.Shares {
			if s := &c.Shares[i]; s.Type == ShareLocal && s.Path != "" && inside(p.path, s.Path) {
				v.problem(p.key, fmt.Sprintf("%s lies inside the share %q, whose users could read it", p.path, s.Name), "move it out of "+s.Path)
				return
			}
		}
	}
}

// inside reports whether path is dir or lies below it, symbolic links followed.
func inside(path, dir string) bool {
	rel, err := filepath.Rel(realPath(dir), realPath(path))
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// realPath resolves the symbolic links of as much of a path as exists.
func realPath(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	if parent := filepath.Dir(path); parent != path {
		return filepath.Join(realPath(parent), filepath.Base(path))
	}
	return path
}

func (v *validation) share(i int, seen map[string]int) {
	s := &v.c.Shares[i]
	key := fmt.Sprintf("shares[%d]", i)
	folded := strings.ToUpper(s.Name)
	switch first, twice := seen[folded]; {
	case s.Name == "":
		v.problem(key+".name", "the share has no name", "give it one")
	case !validShareName(s.Name):
		v.problem(key+".name", fmt.Sprintf("bad value %q", s.Name), `want 1 to 80 characters, none of "/\[]:|<>+=;,*?`)
	case folded == "IPC$":
		v.problem(key+".name", "IPC$ is the server's own", "choose another name")
	case twice:
		v.problem(key+".name", fmt.Sprintf("%q is also the name of shares[%d]", s.Name, first), "choose another name; case does not count")
	default:
		seen[folded] = i
	}
	if s.Type == ShareMemory {
		if s.Path != "" {
			v.problem(key+".path", "a share of type memory has no path", "remove the path or the type")
		}
		if s.ContinuousAvailability {
			v.problem(key+".continuous_availability", "a share of type memory does not survive a restart", "set it to false")
		}
		if s.Watch == WatchFanotify || s.Watch == WatchInotify {
			v.problem(key+".watch", "no program can change a share of type memory", "remove the line")
		}
		if s.KernelOplocks {
			v.problem(key+".kernel_oplocks", "no program can open a share of type memory", "set it to false")
		}
		if s.PosixLocks {
			v.problem(key+".posix_locks", "no program can see a share of type memory", "set it to false")
		}
	} else {
		v.sharePath(key+".path", s.Path)
	}
	if s.Compression && !v.c.Server.Compression.Enabled {
		v.problem(key+".compression", "the server has compression off", "set server.compression.enabled to true")
	}
	if s.Encryption == EncryptionRequired && v.c.Server.Encryption == EncryptionOff {
		v.problem(key+".encryption", "the server has encryption off", "set server.encryption to enabled")
	}
	v.identity(key, s)
	v.services(key, s)
	v.shareUsers(key, s)
}

// validShareName agrees with what package smb accepts.
func validShareName(name string) bool {
	return len(name) <= 80 && !strings.ContainsAny(name, "\"/\\[]:|<>+=;,*?") &&
		!strings.ContainsFunc(name, func(r rune) bool { return r < ' ' }) && strings.TrimSpace(name) == name
}

func (v *validation) sharePath(key, path string) {
	if path == "" {
		v.problem(key, "the share has no path", "give the directory to share")
		return
	}
	info, err := os.Stat(path)
	may := v.lenient && v.c.Problem(key, "", "").Origin != "--share"
	switch {
	case may && err != nil && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.ENOTDIR):
	case errors.Is(err, fs.ErrNotExist):
		v.problem(key, path+" does not exist", "create it or correct the path")
	case errors.Is(err, fs.ErrPermission):
		v.problem(key, path+" is not accessible", "give the user that runs the server access to it")
	case errors.Is(err, syscall.ENOTDIR), err == nil && !info.IsDir():
		v.problem(key, path+" is not a directory", "give a directory")
	case err != nil:
		v.problem(key, err.Error(), "correct the path")
	}
}

func (v *validation) shareUsers(key string, s *Share) {
	v.shareAccess(key, s)
	seen := make(map[string]bool)
	for i, u := range s.Users {
		at := fmt.Sprintf("%s.users[%d]", key, i)
		folded := strings.ToLower(u.Name)
		switch {
		case u.Name == "":
			v.problem(at+".name", "the user has no name", "give the name of a user in the user file")
		case seen[folded]:
			v.problem(at+".name", fmt.Sprintf("%q is listed twice", u.Name), "remove one of the entries")
		}
		seen[folded] = true
		if u.Access == "" {
			v.problem(at+".access", "the user has no access", "give none, read or write")
		}
	}
}
