package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Sandbox says whether the program gives up what it does not need.
type Sandbox string

// The values of Sandbox.
const (
	SandboxAuto     Sandbox = "auto" // as far as the system has the means
	SandboxOff      Sandbox = "off"
	SandboxRequired Sandbox = "required" // without all of it the server does not start
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Sandbox) UnmarshalText(text []byte) error {
	return parseWord(s, text, SandboxAuto, SandboxOff, SandboxRequired)
}

// TCP says when the other end of a silent connection is given up, where zero leaves the
// matter to the system, and how fast the server sends.
type TCP struct {
	// KeepaliveIdle is how long nothing may come before the client is asked for a
	// sign of life, KeepaliveInterval the time between such questions, and
	// KeepaliveProbes how many may stay unanswered.
	KeepaliveIdle     time.Duration `mapstructure:"keepalive_idle"`
	KeepaliveInterval time.Duration `mapstructure:"keepalive_interval"`
	KeepaliveProbes   int           `mapstructure:"keepalive_probes"`
	// UserTimeout is how long what was sent may stay unacknowledged.
	UserTimeout time.Duration `mapstructure:"user_timeout"`
	// Congestion is the congestion control of the server's side.
	Congestion Congestion `mapstructure:"congestion"`
}

// Congestion is CongestionAuto, CongestionSystem, or the name of a congestion control of the
// kernel. Whether there is one of that name is not known here.
type Congestion string

// The values of Congestion that are no names.
const (
	CongestionAuto   Congestion = "auto"   // what the system has, but never BBR within the machine
	CongestionSystem Congestion = "system" // what the system has
)

const wantCongestion = "want auto, system, or the name of a congestion control such as cubic: up to 15 of a to z, 0 to 9, _ and -"

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *Congestion) UnmarshalText(text []byte) error {
	name := Congestion(text)
	if !name.valid() {
		return errors.New(wantCongestion)
	}
	*n = name
	return nil
}

// Named reports whether the value is the name of a congestion control.
func (n Congestion) Named() bool { return n != CongestionAuto && n != CongestionSystem }

// valid allows what names of the kernel have room for (TCP_CA_NAME_MAX), in the letters that they
// are made of.
func (n Congestion) valid() bool {
	bad := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' && r != '-'
	}
	return n != "" && len(n) <= 15 && !strings.ContainsFunc(string(n), bad)
}

// QUIC holds the settings of SMB over QUIC.
type QUIC struct {
	// Listen are addresses as in Server.Listen, of UDP; empty: no QUIC.
	Listen []string `mapstructure:"listen"`
	// Certificate and Key are PEM files, which are read again when they change.
	Certificate string `mapstructure:"certificate"`
	Key         string `mapstructure:"key"`
	// ClientCA is a PEM file of authorities that must vouch for clients; empty: the
	// certificates of clients are not asked for, unless ClientAllow has some.
	ClientCA string `mapstructure:"client_ca"`
	// ClientAllow are the certificates that may connect, as
	// lessor/smb/transport/smbquic reads them; empty: all of ClientCA.
	ClientAllow []string `mapstructure:"client_allow"`
	// IdleTimeout is when a client is given up of which nothing comes.
	IdleTimeout time.Duration `mapstructure:"idle_timeout"`
}

func defaultTCP() TCP {
	return TCP{KeepaliveIdle: 30 * time.Second, KeepaliveInterval: 10 * time.Second, KeepaliveProbes: 6, UserTimeout: 90 * time.Second, Congestion: CongestionAuto}
}

func defaultQUIC() QUIC { return QUIC{IdleTimeout: 90 * time.Second} }

// network checks the addresses, and the settings of connections.
func (v *validation) network() {
	s := &v.c.Server
	if len(s.Listen) == 0 && len(s.QUIC.Listen) == 0 {
		v.problem("server.listen", "there is no address", "give one such as \":445\"")
	}
	v.addresses("server.listen", s.Listen)
	v.addresses("server.quic.listen", s.QUIC.Listen)
	v.quic()
	t := &s.TCP
	for _, b := range []struct {
		key  string
		d    time.Duration
		high time.Duration
	}{{"keepalive_idle", t.KeepaliveIdle, 9 * time.Hour}, {"keepalive_interval", t.KeepaliveInterval, 9 * time.Hour}, {"user_timeout", t.UserTimeout, 9 * time.Hour}} {
		if b.d != 0 && (b.d < time.Second || b.d > b.high) {
			v.problem("server.tcp."+b.key, fmt.Sprintf("bad value %v", b.d), fmt.Sprintf("want 1s to %v, or 0s for what the system does", b.high))
		}
	}
	if t.KeepaliveProbes < 0 || t.KeepaliveProbes > 127 {
		v.problem("server.tcp.keepalive_probes", fmt.Sprintf("bad value %d", t.KeepaliveProbes), "want 1 to 127, or 0 for what the system does")
	}
	if !t.Congestion.valid() {
		v.problem("server.tcp.congestion", fmt.Sprintf("bad value %q", t.Congestion), wantCongestion)
	}
	v.user()
}

// addresses checks a list of addresses to listen on.
func (v *validation) addresses(key string, list []string) {
	for i, addr := range list {
		at := fmt.Sprintf("%s[%d]", key, i)
		v.address(at, addr)
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			continue
		}
		for j, other := range list[:i] {
			h, p, err := net.SplitHostPort(other)
			switch {
			case addr == other:
				v.problem(at, fmt.Sprintf("%q is there twice", addr), "remove one of them")
			case err == nil && p == port && port != "0" && (h == "" || host == ""):
				v.problem(at, fmt.Sprintf("%q and %s[%d] %q overlap", addr, key, j, other), `":PORT" is every address already; "0.0.0.0:PORT" and "[::]:PORT" are those of one family`)
			}
		}
	}
}

func (v *validation) quic() {
	q := &v.c.Server.QUIC
	const key = "server.quic."
	if d := q.IdleTimeout; d < time.Second || d > time.Hour {
		v.problem(key+"idle_timeout", fmt.Sprintf("bad value %v", d), "want 1s to 1h0m0s")
	}
	if len(q.Listen) == 0 {
		return
	}
	if v.c.Server.Dialects.Max < Dialect311 {
		v.problem(key+"listen", "SMB over QUIC needs dialect 3.1.1", "raise server.dialects.max, or do not listen")
	}
	for _, f := range []struct{ name, path string }{{"certificate", q.Certificate}, {"key", q.Key}} {
		if f.path == "" {
			v.problem(key+f.name, "there is none", "give a PEM file; clients look at it to know that this is the right server")
		}
	}
	for i := range v.c.Shares {
		s := &v.c.Shares[i]
		if s.Type == ShareLocal && s.Path != "" && q.Key != "" && inside(q.Key, s.Path) {
			v.problem(key+"key", fmt.Sprintf("%s lies inside the share %q, whose users could read it", q.Key, s.Name), "move it out of "+s.Path)
		}
	}
}

// user checks that the account exists.
func (v *validation) user() {
	if v.c.User == "" {
		return
	}
	// A server in its sandbox may not be able to look any more; it does not need to.
	if _, err := LookupAccount(v.c.User); err != nil && !errors.Is(err, fs.ErrPermission) {
		v.problem("user", err.Error(), "name an account of this machine, or its number")
	}
}

// Account is a user of the machine, with the groups that the user is in.
type Account struct {
	UID, GID int
	Groups   []int
}

// LookupAccount finds "NAME" or "UID", or "NAME:GROUP" with another first group.
func LookupAccount(name string) (Account, error) {
	name, group, _ := strings.Cut(name, ":")
	u, err := user.Lookup(name)
	if errors.Is(err, fs.ErrPermission) {
		return Account{}, err
	}
	if err != nil {
		n, e := strconv.ParseUint(name, 10, 31)
		if e != nil {
			return Account{}, fmt.Errorf("there is no user %q", name)
		}
		if u, err = user.LookupId(name); err != nil {
			u = &user.User{Uid: name, Gid: strconv.FormatUint(n, 10)} // in containers nobody has a name
		}
	}
	var a Account
	if a.UID, err = strconv.Atoi(u.Uid); err != nil {
		return Account{}, err
	}
	if a.GID, err = strconv.Atoi(u.Gid); err != nil {
		return Account{}, err
	}
	if u.Username != "" {
		ids, err := u.GroupIds()
		if err != nil {
			return Account{}, fmt.Errorf("the groups of %q cannot be found: %w", name, err)
		}
		for _, id := range ids {
			if n, err := strconv.Atoi(id); err == nil {
				a.Groups = append(a.Groups, n)
			}
		}
	}
	if group != "" {
		if a.GID, err = lookupGroup(group); err != nil {
			return Account{}, err
		}
	}
	if !slices.Contains(a.Groups, a.GID) {
		a.Groups = append(a.Groups, a.GID)
	}
	return a, nil
}

func lookupGroup(name string) (int, error) {
	if g, err := user.LookupGroup(name); err == nil {
		return strconv.Atoi(g.Gid)
	}
	n, err := strconv.ParseUint(name, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("there is no group %q", name)
	}
	return int(n), nil
}
