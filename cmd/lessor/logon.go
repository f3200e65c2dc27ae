package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/rs/zerolog"

	"lessor/config"
	"lessor/smb/auth"
	"lessor/smb/directory"
	"lessor/smb/secdesc"
)

// mechanisms are the ways in which clients may log on, the preferred one first.
// kerberos is nil if it is not among them.
func mechanisms(c *config.Config, users *auth.Users, dir *directory.Directory) (list []auth.Mechanism, kerberos *auth.Kerberos, err error) {
	if kerberos, err = openKerberos(c, users, dir); err != nil {
		return nil, nil, err
	}
	if kerberos != nil {
		list = append(list, kerberos)
	}
	if c.Auth.NTLM == config.Off {
		return list, kerberos, nil
	}
	ntlm, err := auth.NewNTLM(ntlmConfig(&c.Server, users))
	if err != nil {
		return nil, nil, c.Problem("server.name", err.Error(), "choose another name")
	}
	return append(list, ntlm), kerberos, nil
}

// openKerberos reads the keytab; nil without one.
func openKerberos(c *config.Config, users *auth.Users, dir *directory.Directory) (*auth.Kerberos, error) {
	k := &c.Auth.Kerberos
	if k.Keytab == "" {
		return nil, nil
	}
	// Whose tickets have no SIDs has those of the directory, if it is that of the realm.
	var lookup func(string, string) (secdesc.SID, []secdesc.SID, error)
	if realm := c.Directory.Realm; dir != nil && realm != "" {
		lookup = func(name, of string) (secdesc.SID, []secdesc.SID, error) {
			if !strings.EqualFold(of, realm) {
				return secdesc.SID{}, nil, nil
			}
			return dir.Groups(context.Background(), name)
		}
	}
	m, err := auth.NewKerberos(auth.KerberosConfig{
		Directory:    lookup,
		Keytab:       k.Keytab,
		Realms:       k.Realms,
		Principals:   k.Principals,
		AllowRC4:     k.AllowRC4,
		MaxClockSkew: k.MaxClockSkew,
		Accounts:     users,
	})
	if err != nil {
		return nil, keytabProblem(c, err)
	}
	return m, nil
}

// openDirectory prepares to ask the directory; nil if there is none. It need not be
// there yet.
func openDirectory(c *config.Config, log *zerolog.Logger) (*directory.Directory, error) {
	d := &c.Directory
	if len(d.URLs) == 0 {
		return nil, nil
	}
	dir, err := directory.New(directory.Config{
		URLs: d.URLs, Schema: directory.Schema(d.Schema), Domain: d.Domain, Realm: d.Realm, Base: d.Base,
		BindDN: d.BindDN, PasswordFile: d.PasswordFile, Plain: !d.StartTLS, CAFile: d.CAFile,
		Timeout: d.Timeout, Keep: d.Cache, KeepMissing: d.NegativeCache, Log: log,
	})
	if err != nil {
		return nil, c.Problem("directory", err.Error(), "correct the settings; see docs/users.md")
	}
	return dir, nil
}

// keytabProblem explains why the keytab cannot be used.
func keytabProblem(c *config.Config, err error) error {
	const key = "auth.kerberos.keytab"
	path := c.Auth.Kerberos.Keytab
	switch {
	case errors.Is(err, auth.ErrKeytabMode):
		return c.Problem(key, path+" can be read by others, or written by its group", "run \"chmod 640 "+path+"\"")
	case errors.Is(err, auth.ErrKeytab):
		return c.Problem(key, fmt.Sprintf("%s: %v", path, err), "export the keys anew with an AES type; see \"klist -ke "+path+"\" and docs/kerberos.md")
	case errors.Is(err, fs.ErrPermission):
		return c.Problem(key, path+": permission denied", "make it readable for the user that runs the server")
	}
	return c.Problem(key, err.Error(), "correct the path")
}

// logMechanisms tells what is accepted, once.
func (d *daemon) logMechanisms(kerberos *auth.Kerberos) {
	if kerberos != nil {
		d.log.Info().Str("keytab", d.cfg.Auth.Kerberos.Keytab).Strs("keys", kerberos.Keys()).Msg("Kerberos is accepted")
	}
	if d.cfg.Auth.NTLM == config.Off {
		d.log.Info().Msg("NTLM is refused (auth.ntlm is off): clients need a Kerberos ticket")
	}
}
