package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Directory says where the names of a domain's users and groups come from.
type Directory struct {
	// URLs are ldaps://HOST[:PORT] and ldap://HOST[:PORT], tried in turn; empty: there
	// is no directory.
	URLs   []string        `mapstructure:"urls"`
	Schema DirectorySchema `mapstructure:"schema"`
	// Domain is the short name that clients show before that of a user.
	Domain string `mapstructure:"domain"`
	// Realm is the Kerberos realm whose users without SIDs in their tickets get those
	// of the directory; empty: none.
	Realm string `mapstructure:"realm"`
	// Base is the distinguished name below which users and groups are.
	Base string `mapstructure:"base"`
	// BindDN and PasswordFile are whom to ask as; empty: anonymously.
	BindDN       string `mapstructure:"bind_dn"`
	PasswordFile string `mapstructure:"password_file"`
	// StartTLS secures ldap: URLs.
	StartTLS bool `mapstructure:"start_tls"`
	// CAFile is a PEM file of authorities; empty: those of the system.
	CAFile string `mapstructure:"ca_file"`
	// Timeout is for one question.
	Timeout time.Duration `mapstructure:"timeout"`
	// Cache and NegativeCache are how long an answer, and that there is nobody, holds.
	Cache         time.Duration `mapstructure:"cache"`
	NegativeCache time.Duration `mapstructure:"negative_cache"`
}

// DirectorySchema names which attributes hold what.
type DirectorySchema string

// The values of DirectorySchema.
const (
	SchemaAD    DirectorySchema = "ad"
	SchemaSamba DirectorySchema = "samba"
	// SchemaRFC2307 has users with uids and without SIDs.
	SchemaRFC2307 DirectorySchema = "rfc2307"
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *DirectorySchema) UnmarshalText(text []byte) error {
	return parseWord(s, text, SchemaAD, SchemaSamba, SchemaRFC2307)
}

func defaultDirectory() Directory {
	return Directory{Schema: SchemaAD, StartTLS: true, Timeout: 5 * time.Second, Cache: 10 * time.Minute, NegativeCache: time.Minute}
}

func (d Directory) clone() Directory {
	d.URLs = slices.Clone(d.URLs)
	return d
}

// Ports are those that the directory is asked at. URLs that are wrong have none;
// Validate has told of them.
func (d *Directory) Ports() []uint16 {
	var ports []uint16
	for _, text := range d.URLs {
		if _, port, err := directoryURL(text); err == nil && !slices.Contains(ports, port) {
			ports = append(ports, port)
		}
	}
	return ports
}

// directoryURL takes a URL apart.
func directoryURL(text string) (u *url.URL, port uint16, err error) {
	u, err = url.Parse(text)
	if err != nil || u.Scheme != "ldap" && u.Scheme != "ldaps" || u.Hostname() == "" || u.User != nil ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, 0, errors.New("want ldaps://HOST, or ldap://HOST:PORT")
	}
	switch {
	case u.Port() != "":
		n, err := strconv.ParseUint(u.Port(), 10, 16)
		if err != nil || n == 0 {
			return nil, 0, errors.New("want a port up to 65535")
		}
		return u, uint16(n), nil
	case u.Scheme == "ldaps":
		return u, 636, nil
	}
	return u, 389, nil
}

// directory checks what belongs to this file.
func (v *validation) directory() {
	d := &v.c.Directory
	if len(d.URLs) == 0 {
		if d.Base != "" || d.BindDN != "" || d.Domain != "" {
			v.problem("directory.urls", "there is none, so nobody is asked", "give one such as ldaps://dc1.example.com, or remove the rest")
		}
		return
	}
	for i, text := range d.URLs {
		key := fmt.Sprintf("directory.urls[%d]", i)
		u, _, err := directoryURL(text)
		switch {
		case err != nil:
			v.problem(key, fmt.Sprintf("bad value %q", text), err.Error())
		case u.Scheme == "ldap" && !d.StartTLS && d.BindDN != "" && !onThisMachine(u.Hostname()):
			v.problem(key, "the password of bind_dn would be sent in the clear", "use ldaps://, or set start_tls to true")
		}
	}
	if d.Base == "" || !strings.Contains(d.Base, "=") {
		v.problem("directory.base", fmt.Sprintf("bad value %q", d.Base), "want a distinguished name such as dc=example,dc=com")
	}
	if d.Domain == "" || len(d.Domain) > 15 || strings.ContainsAny(d.Domain, `\/@: `) {
		v.problem("directory.domain", fmt.Sprintf("bad value %q", d.Domain), "want the short name of the domain such as EXAMPLE, at most 15 characters")
	} else if strings.EqualFold(d.Domain, v.c.Server.Name) {
		v.problem("directory.domain", fmt.Sprintf("%q is the name of this server, too", d.Domain), "change server.name, or nobody can tell local users from others")
	}
	if strings.ContainsAny(d.Realm, "@/ ") {
		v.problem("directory.realm", fmt.Sprintf("bad value %q", d.Realm), "want a realm such as EXAMPLE.COM")
	}
	v.directoryFiles(d)
	for _, t := range []struct {
		key       string
		value     time.Duration
		low, high time.Duration
	}{
		{"timeout", d.Timeout, 100 * time.Millisecond, 10 * time.Second},
		{"cache", d.Cache, time.Second, 24 * time.Hour},
		{"negative_cache", d.NegativeCache, time.Second, 24 * time.Hour},
	} {
		if t.value < t.low || t.value > t.high {
			v.problem("directory."+t.key, fmt.Sprintf("bad value %v", t.value), fmt.Sprintf("want %v to %v", t.low, t.high))
		}
	}
}

func (v *validation) directoryFiles(d *Directory) {
	if (d.BindDN == "") != (d.PasswordFile == "") {
		v.problem("directory.password_file", "bind_dn and password_file belong together", "give both, or none to ask anonymously")
	}
	for _, f := range []struct {
		key, path string
		secret    bool
	}{{"directory.password_file", d.PasswordFile, true}, {"directory.ca_file", d.CAFile, false}} {
		if f.path == "" {
			continue
		}
		info, err := os.Stat(f.path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			v.problem(f.key, f.path+" does not exist", "correct the path")
		case err != nil:
			v.problem(f.key, err.Error(), "give the path of a file that the server may read")
		case !info.Mode().IsRegular():
			v.problem(f.key, f.path+" is not a file", "give the path of a file")
		case f.secret && info.Mode().Perm()&0o007 != 0:
			v.problem(f.key, f.path+" can be read by others", "run \"chmod 600 "+f.path+"\"")
		}
		for i := range v.c.Shares {
			if s := &v.c.Shares[i]; f.secret && s.Type == ShareLocal && s.Path != "" && inside(f.path, s.Path) {
				v.problem(f.key, fmt.Sprintf("%s lies inside the share %q, whose users could read it", f.path, s.Name), "move it out of "+s.Path)
			}
		}
	}
}

// onThisMachine reports whether what is sent to a host leaves the machine.
func onThisMachine(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.IsLoopback()
	}
	return host == "localhost"
}
