package smbquic

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// maxFile is the largest file of certificates that is read, in bytes.
const maxFile = 4 << 20

// credentials are the files of a listener, as they are now.
type credentials struct {
	// Immutable after construction.
	cfg   *Config
	log   zerolog.Logger
	rules []Rule

	// mu guards what follows; files are read under it. A leaf.
	mu      sync.Mutex
	tls     *tls.Config
	used    [3]stamp // the files that tls was made of
	refused [3]stamp // files that could not be used, so that it is told once
}

// stamp tells a file from its successor.
type stamp struct {
	info os.FileInfo // nil: there is none
}

func (s stamp) same(o stamp) bool {
	if s.info == nil || o.info == nil {
		return s.info == o.info
	}
	return os.SameFile(s.info, o.info) && s.info.ModTime().Equal(o.info.ModTime()) && s.info.Size() == o.info.Size()
}

func newCredentials(cfg *Config) (*credentials, error) {
	c := &credentials{cfg: cfg, log: *cfg.Log}
	for _, text := range cfg.AllowClients {
		r, err := ParseRule(text)
		if err != nil {
			return nil, err
		}
		if cfg.ClientCA == "" && r.kind != kindSHA256 {
			return nil, fmt.Errorf("%q says nothing without an authority that vouches for the certificate", text)
		}
		c.rules = append(c.rules, r)
	}
	c.used = c.stamps()
	var err error
	c.tls, err = c.load()
	return c, err
}

func (c *credentials) stamps() (s [3]stamp) {
	for i, file := range []string{c.cfg.Certificate, c.cfg.Key, c.cfg.ClientCA} {
		if file != "" {
			s[i].info, _ = os.Stat(file)
		}
	}
	return s
}

func equal(a, b [3]stamp) bool {
	return slices.EqualFunc(a[:], b[:], stamp.same)
}

// current returns the settings for a handshake that begins now. Looking at the
// files costs a thousandth of what the handshake does.
func (c *credentials) current() *tls.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.stamps()
	if equal(now, c.used) || equal(now, c.refused) {
		return c.tls
	}
	t, err := c.load()
	if err != nil {
		// Often one file of a pair is there before the other.
		c.refused = now
		c.log.Warn().Err(err).Msg("changed certificate cannot be used; the last one stays")
		return c.tls
	}
	c.tls, c.used, c.refused = t, now, [3]stamp{}
	c.log.Info().Str("file", c.cfg.Certificate).Msg("certificate read again")
	return c.tls
}

// load reads the files.
func (c *credentials) load() (*tls.Config, error) {
	chain, err := readFile(c.cfg.Certificate)
	if err != nil {
		return nil, err
	}
	key, err := readFile(c.cfg.Key)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, fmt.Errorf("%s and %s: %w", c.cfg.Certificate, c.cfg.Key, err)
	}
	t := &tls.Config{
		MinVersion:             tls.VersionTLS13,
		NextProtos:             []string{ALPN},
		Certificates:           []tls.Certificate{pair},
		SessionTicketsDisabled: true,
	}
	switch {
	case c.cfg.ClientCA != "":
		pem, err := readFile(c.cfg.ClientCA)
		if err != nil {
			return nil, err
		}
		t.ClientCAs = x509.NewCertPool()
		if !t.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", c.cfg.ClientCA)
		}
		t.ClientAuth = tls.RequireAndVerifyClientCert
	case len(c.rules) > 0:
		t.ClientAuth = tls.RequireAnyClientCert
	}
	if t.ClientAuth != tls.NoClientCert {
		t.VerifyConnection = c.admit
	}
	return t, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s is larger than 4 MiB", path)
	}
	return data, err
}

// errClient refuses a client certificate.
var errClient = errors.New("smbquic: the certificate is not on the list of clients")

// admit looks whether the certificate of a client is among those allowed.
func (c *credentials) admit(st tls.ConnectionState) error {
	cert := st.PeerCertificates[0]
	now := time.Now()
	if now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		return fmt.Errorf("smbquic: certificate of %q is valid from %v to %v", cert.Subject, cert.NotBefore, cert.NotAfter)
	}
	if len(c.rules) == 0 || slices.ContainsFunc(c.rules, func(r Rule) bool { return r.Matches(cert) }) {
		return nil
	}
	c.log.Debug().Stringer("subject", cert.Subject).Msg("client certificate is not on the list")
	return errClient
}

// Rule is an entry of a list of clients.
type Rule struct {
	kind  ruleKind
	value string // folded
}

type ruleKind string

const (
	kindSHA256  ruleKind = "sha256"
	kindSubject ruleKind = "subject"
	kindIssuer  ruleKind = "issuer"
	kindName    ruleKind = "name"
)

// ParseRule reads an entry of a list of clients:
//
//	sha256:HEX    the fingerprint of the certificate, colons allowed
//	subject:NAME  its common name
//	issuer:NAME   the common name of who issued it
//	name:NAME     one of its alternative names: DNS, mail, URI or IP address
//
// Case does not count.
func ParseRule(text string) (Rule, error) {
	kind, value, _ := strings.Cut(text, ":")
	r := Rule{kind: ruleKind(strings.ToLower(kind)), value: strings.ToLower(strings.TrimSpace(value))}
	switch r.kind {
	case kindSHA256:
		r.value = strings.ReplaceAll(r.value, ":", "")
		if b, err := hex.DecodeString(r.value); err != nil || len(b) != sha256.Size {
			return Rule{}, fmt.Errorf("%q is not a SHA-256 fingerprint; want 64 hexadecimal digits", text)
		}
	case kindSubject, kindIssuer, kindName:
		if r.value == "" {
			return Rule{}, fmt.Errorf("%q names nobody", text)
		}
	default:
		return Rule{}, fmt.Errorf("bad client %q; want sha256:HEX, subject:NAME, issuer:NAME or name:NAME", text)
	}
	return r, nil
}

// NeedsCA reports whether the rule means something only if an authority vouches
// for the certificate.
func (r Rule) NeedsCA() bool { return r.kind != kindSHA256 }

// Matches reports whether a certificate, which was verified, is meant.
func (r Rule) Matches(cert *x509.Certificate) bool {
	switch r.kind {
	case kindSHA256:
		sum := sha256.Sum256(cert.Raw)
		return hex.EncodeToString(sum[:]) == r.value
	case kindSubject:
		return strings.ToLower(cert.Subject.CommonName) == r.value
	case kindIssuer:
		return strings.ToLower(cert.Issuer.CommonName) == r.value
	}
	names := slices.Concat(cert.DNSNames, cert.EmailAddresses)
	for _, u := range cert.URIs {
		names = append(names, u.String())
	}
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	return slices.ContainsFunc(names, func(n string) bool { return strings.ToLower(n) == r.value })
}
