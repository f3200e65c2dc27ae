package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
)

// Auth says by what proofs clients are let in.
type Auth struct {
	NTLM     Switch   `mapstructure:"ntlm"`
	Kerberos Kerberos `mapstructure:"kerberos"`
}

// Switch turns something on or off.
type Switch string

// The values of Switch.
const (
	On  Switch = "on"
	Off Switch = "off"
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Switch) UnmarshalText(text []byte) error {
	return parseWord(s, text, On, Off)
}

// Kerberos says by which keys tickets are accepted, and whose.
type Kerberos struct {
	// Keytab is the file with the keys of the service; empty: no Kerberos.
	Keytab string `mapstructure:"keytab"`
	// Realms are those whose users are let in; empty: those of the keytab.
	Realms []string `mapstructure:"realms"`
	// Principals are the entries of the keytab that count; empty: all.
	Principals []string `mapstructure:"principals"`
	// AllowRC4 accepts rc4-hmac beside AES.
	AllowRC4 bool `mapstructure:"allow_rc4"`
	// MaxClockSkew is how far clocks may differ.
	MaxClockSkew time.Duration `mapstructure:"max_clock_skew"`
}

func defaultAuth() Auth {
	return Auth{NTLM: On, Kerberos: Kerberos{MaxClockSkew: 5 * time.Minute}}
}

func (a Auth) clone() Auth {
	a.Kerberos.Realms = slices.Clone(a.Kerberos.Realms)
	a.Kerberos.Principals = slices.Clone(a.Kerberos.Principals)
	return a
}

// auth checks what belongs to this file. What is in the keytab is for those who can
// read one.
func (v *validation) auth() {
	a := &v.c.Auth
	k := &a.Kerberos
	if k.MaxClockSkew < time.Second || k.MaxClockSkew > time.Hour {
		v.problem("auth.kerberos.max_clock_skew", fmt.Sprintf("bad value %v", k.MaxClockSkew), "want 1s to 1h")
	}
	for i, realm := range k.Realms {
		if realm == "" || strings.ContainsAny(realm, "@/ ") {
			v.problem(fmt.Sprintf("auth.kerberos.realms[%d]", i), fmt.Sprintf("bad value %q", realm), "want a realm such as EXAMPLE.COM")
		}
	}
	for i, p := range k.Principals {
		if p == "" || strings.ContainsAny(p, " ") || strings.HasPrefix(p, "@") {
			v.problem(fmt.Sprintf("auth.kerberos.principals[%d]", i), fmt.Sprintf("bad value %q", p), "want a principal such as cifs/server.example.com")
		}
	}
	if k.Keytab == "" {
		if a.NTLM == Off {
			v.problem("auth.ntlm", "there is no other way to log on", "give auth.kerberos.keytab, or set it to on")
		}
		return
	}
	const key = "auth.kerberos.keytab"
	info, err := os.Stat(k.Keytab)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		v.problem(key, k.Keytab+" does not exist", "export the keys of the service to it; see docs/kerberos.md")
	case err != nil:
		v.problem(key, err.Error(), "give the path of a file that the server may read")
	case !info.Mode().IsRegular():
		v.problem(key, k.Keytab+" is not a file", "give the path of a keytab")
	}
	for i := range v.c.Shares {
		if s := &v.c.Shares[i]; s.Type == ShareLocal && s.Path != "" && inside(k.Keytab, s.Path) {
			v.problem(key, fmt.Sprintf("%s lies inside the share %q, whose users could read it", k.Keytab, s.Name), "move it out of "+s.Path)
			return
		}
	}
}
