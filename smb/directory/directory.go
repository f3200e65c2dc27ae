package directory

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/rs/zerolog"

	"lessor/smb/rpc"
	"lessor/smb/secdesc"
)

// Config says where the directory is. URLs, Domain, Base and Schema are required.
type Config struct {
	// URLs are of the form ldaps://HOST[:PORT] or ldap://HOST[:PORT], tried in turn.
	URLs []string
	// Schema is AD, Samba or RFC2307.
	Schema Schema
	// Domain is the short name of the domain, which clients show before that of a user.
	Domain string
	// Realm is the Kerberos realm of the users, by which they are known as well.
	Realm string
	// Base is the distinguished name below which everybody is.
	Base string
	// BindDN and PasswordFile are whom to ask as; without them anonymously. The file
	// is read at each connection.
	BindDN, PasswordFile string
	// Plain does without StartTLS for ldap: URLs.
	Plain bool
	// CAFile holds the authorities of the certificates in PEM; empty: those of the system.
	CAFile string
	// Timeout is for a question, a connection included; default 5 s.
	Timeout time.Duration
	// Keep and KeepMissing are how long answers are remembered, that there is nobody
	// being one; default 10 and 1 minutes.
	Keep, KeepMissing time.Duration
	// Retry is how long the directory is left alone after it did not answer, doubling
	// up to 32 times; default 2 s.
	Retry time.Duration
	// Log hears when the directory is lost and found; nil: nobody does.
	Log *zerolog.Logger
}

// ErrUnavailable reports that the directory cannot be reached, or was not a moment ago.
var ErrUnavailable = errors.New("directory: not available")

// maxQuestions is how many questions are asked at a time.
const maxQuestions = 16

// Directory answers questions by LDAP. It is made by New.
type Directory struct {
	// Immutable after construction.
	cfg    Config
	tls    *tls.Config
	schema *schema

	questions chan struct{} // a place for each question that is asked
	dialing   chan struct{} // one place, for who makes a connection; guards session
	session   *ldap.Conn

	// mu is a leaf and guards what follows.
	mu      sync.Mutex
	cache   cache
	retryAt time.Time     // the breaker is open until then
	wait    time.Duration // how long it was opened for last; 0: it is closed
	closed  bool
}

// New checks the settings and reads the authorities; it connects to nobody. The error
// says what is wrong.
func New(cfg Config) (*Directory, error) {
	s, ok := schemas[cfg.Schema]
	switch {
	case !ok:
		return nil, fmt.Errorf("directory: unknown schema %q", cfg.Schema)
	case len(cfg.URLs) == 0 || cfg.Base == "" || cfg.Domain == "":
		return nil, errors.New("directory: URLs, base and domain are required")
	}
	if _, err := ldap.ParseDN(cfg.Base); err != nil {
		return nil, fmt.Errorf("directory: base: %w", err)
	}
	for _, u := range cfg.URLs {
		if _, err := Address(u); err != nil {
			return nil, err
		}
	}
	defaults := func(p *time.Duration, v time.Duration) {
		if *p <= 0 {
			*p = v
		}
	}
	defaults(&cfg.Timeout, 5*time.Second)
	defaults(&cfg.Keep, 10*time.Minute)
	defaults(&cfg.KeepMissing, time.Minute)
	defaults(&cfg.Retry, 2*time.Second)
	if cfg.Log == nil {
		nop := zerolog.Nop()
		cfg.Log = &nop
	}
	// The system's list is read now, as a sandbox may keep it from us later.
	pool, err := x509.SystemCertPool()
	if cfg.CAFile != "" {
		pool = x509.NewCertPool()
		var pem []byte
		if pem, err = os.ReadFile(cfg.CAFile); err == nil && !pool.AppendCertsFromPEM(pem) {
			err = fmt.Errorf("%s: no certificate in PEM", cfg.CAFile)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("directory: authorities: %w", err)
	}
	return &Directory{
		cfg: cfg, schema: s, tls: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		questions: make(chan struct{}, maxQuestions), dialing: make(chan struct{}, 1), cache: newCache(),
	}, nil
}

// Address is HOST:PORT of a URL, with the port that belongs to the scheme if there is
// none.
func Address(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return "", fmt.Errorf("directory: %q is not of the form ldaps://HOST or ldap://HOST:PORT", text)
	}
	port := u.Port()
	switch {
	case u.Scheme != "ldap" && u.Scheme != "ldaps":
		return "", fmt.Errorf("directory: %q begins neither with ldaps:// nor with ldap://", text)
	case port == "" && u.Scheme == "ldaps":
		port = ldap.DefaultLdapsPort
	case port == "":
		port = ldap.DefaultLdapPort
	}
	return net.JoinHostPort(u.Hostname(), port), nil
}

// Close ends the connection. Questions fail from then on.
func (d *Directory) Close() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.dialing <- struct{}{}
	defer func() { <-d.dialing }()
	if d.session != nil {
		_ = d.session.Close()
		d.session = nil
	}
}

// LookupSID returns the account of a SID. Nobody, and a directory that is away, are the
// same to those who only show names.
func (d *Directory) LookupSID(ctx context.Context, sid secdesc.SID) (rpc.Account, bool) {
	return d.remembered("sid "+sid.String(), func() (rpc.Account, error) {
		filter, err := d.schema.sidFilter(sid)
		if err != nil {
			return rpc.Account{}, err
		}
		acc, _, err := d.find(ctx, filter)
		if acc.SID != sid {
			acc = rpc.Account{}
		}
		return acc, err
	})
}

// LookupName returns the account of a name, of the domain or without one; see LookupSID.
func (d *Directory) LookupName(ctx context.Context, domain, name string) (rpc.Account, bool) {
	if domain != "" && !strings.EqualFold(domain, d.cfg.Domain) && !strings.EqualFold(domain, d.cfg.Realm) || len(name) > 256 {
		return rpc.Account{}, false
	}
	return d.remembered("name "+strings.ToLower(name), func() (rpc.Account, error) {
		acc, _, err := d.find(ctx, d.schema.nameFilter(name))
		return acc, err
	})
}

// remembered answers from the cache, or by ask.
func (d *Directory) remembered(key string, ask func() (rpc.Account, error)) (rpc.Account, bool) {
	d.mu.Lock()
	acc, found, fresh := d.cache.get(key, time.Now())
	d.mu.Unlock()
	if !fresh {
		now, err := ask()
		if err != nil {
			// An old name is better than none.
			return acc, found && !acc.SID.IsZero()
		}
		acc = now
		keep := d.cfg.Keep
		if acc.SID.IsZero() {
			keep = d.cfg.KeepMissing
		}
		d.mu.Lock()
		d.cache.put(key, acc, time.Now().Add(keep))
		d.mu.Unlock()
	}
	return acc, !acc.SID.IsZero()
}

// maxGroups is how many groups of a user count.
const maxGroups = 4096

// Groups returns the SID of a user and those of his groups, the nested ones too where
// the directory tells them. The SID is zero if there is no such user, or one without.
// Errors: ErrUnavailable, and those of the directory: then nobody knows.
func (d *Directory) Groups(ctx context.Context, name string) (user secdesc.SID, groups []secdesc.SID, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*d.cfg.Timeout) // for all questions together
	defer cancel()
	acc, entry, err := d.find(ctx, d.schema.nameFilter(name))
	if err != nil || acc.SID.IsZero() || acc.Type != rpc.AccountUser {
		return secdesc.SID{}, nil, err
	}
	groups, err = d.schema.groups(ctx, d, entry, name)
	if err == nil && len(groups) > maxGroups {
		err = fmt.Errorf("directory: user %q is in %d groups", name, len(groups))
	}
	return acc.SID, groups, err
}

// find asks for one account. Two that fit are none, since nobody could tell which is
// meant.
func (d *Directory) find(ctx context.Context, filter string) (rpc.Account, *ldap.Entry, error) {
	entries, err := d.search(ctx, d.cfg.Base, ldap.ScopeWholeSubtree, filter, d.schema.attributes, 2)
	if err != nil || len(entries) != 1 {
		return rpc.Account{}, nil, err
	}
	acc := d.schema.account(entries[0])
	acc.Domain = d.cfg.Domain
	if acc.Name == "" || acc.SID.IsZero() {
		return rpc.Account{}, nil, nil
	}
	return acc, entries[0], nil
}
