package directory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// search asks one question. No entry is no error.
func (d *Directory) search(parent context.Context, base string, scope int, filter string, attributes []string, limit int) ([]*ldap.Entry, error) {
	if err := parent.Err(); err != nil {
		return nil, err // who asks has no time, and wants to hear what is remembered
	}
	ctx, cancel := context.WithTimeout(parent, d.cfg.Timeout)
	defer cancel()
	select {
	case d.questions <- struct{}{}:
		defer func() { <-d.questions }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: too many questions", ErrUnavailable)
	}
	conn, err := d.connection(ctx)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	seconds := max(1, int(time.Until(deadline)/time.Second))
	res, err := ask(ctx, conn, ldap.NewSearchRequest(base, scope, ldap.NeverDerefAliases, limit, seconds, false, filter, attributes, nil))
	switch {
	case err == nil:
		return res.Entries, nil
	case ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject):
		return nil, nil
	case ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded):
		return res.Entries, nil
	case parent.Err() != nil:
		return nil, parent.Err() // which is not the fault of the directory
	case ldap.IsErrorAnyOf(err, ldap.ErrorNetwork, ldap.LDAPResultBusy, ldap.LDAPResultUnavailable, ldap.LDAPResultTimeLimitExceeded) || ctx.Err() != nil || conn.IsClosing():
		d.lost(conn, err)
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil, fmt.Errorf("directory: %w", err)
}

// ask sends a question and collects the answer until the time is over.
func ask(ctx context.Context, conn *ldap.Conn, q *ldap.SearchRequest) (*ldap.SearchResult, error) {
	res := &ldap.SearchResult{}
	r := conn.SearchAsync(ctx, q, 16)
	for r.Next() {
		if e := r.Entry(); e != nil {
			res.Entries = append(res.Entries, e)
		}
	}
	err := r.Err()
	if err == nil {
		err = ctx.Err() // which is how the library ends, too
	}
	return res, err
}

// connection returns the connection that all share, and makes it if there is none.
func (d *Directory) connection(ctx context.Context) (*ldap.Conn, error) {
	select {
	case d.dialing <- struct{}{}:
		defer func() { <-d.dialing }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: no connection in time", ErrUnavailable)
	}
	if d.session != nil && !d.session.IsClosing() {
		return d.session, nil
	}
	d.mu.Lock()
	refused := d.closed || time.Now().Before(d.retryAt)
	d.mu.Unlock()
	if refused {
		return nil, ErrUnavailable
	}
	var errs []error
	for _, u := range d.cfg.URLs {
		conn, err := d.dial(ctx, u)
		if err == nil {
			d.session = conn
			d.found(u)
			return conn, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", u, err))
	}
	err := errors.Join(errs...)
	d.lost(nil, err)
	return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// dial makes a connection, secures it and binds.
func (d *Directory) dial(ctx context.Context, u string) (_ *ldap.Conn, err error) {
	deadline, _ := ctx.Deadline()
	config := d.tls.Clone()
	if addr, err := Address(u); err == nil {
		config.ServerName, _, _ = net.SplitHostPort(addr)
	}
	conn, err := ldap.DialURL(u, ldap.DialWithDialer(&net.Dialer{Deadline: deadline}), ldap.DialWithTLSConfig(config))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = conn.Close()
		}
	}()
	// The library gives each step this time; the last thing to do is to set it for
	// questions, which have their own.
	conn.SetTimeout(time.Until(deadline))
	if strings.HasPrefix(u, "ldap:") && !d.cfg.Plain {
		if err := conn.StartTLS(config); err != nil {
			return nil, fmt.Errorf("StartTLS: %w", err)
		}
	}
	if d.cfg.BindDN == "" {
		return conn, nil
	}
	password, err := os.ReadFile(d.cfg.PasswordFile)
	if err != nil {
		return nil, err
	}
	// A bind without a password would be an anonymous one (RFC 4513 5.1.2).
	line, _, _ := bytes.Cut(password, []byte("\n"))
	if line = bytes.TrimSuffix(line, []byte("\r")); len(line) == 0 {
		return nil, fmt.Errorf("%s: the password is empty", d.cfg.PasswordFile)
	}
	if err := conn.Bind(d.cfg.BindDN, string(line)); err != nil {
		return nil, fmt.Errorf("bind: %w", err)
	}
	return conn, nil
}

// maxDoublings bounds how long the breaker stays open.
const maxDoublings = 32

// lost opens the breaker, and drops the connection if it is not another one already.
func (d *Directory) lost(conn *ldap.Conn, err error) {
	if conn != nil {
		_ = conn.Close() // which makes connection look for a new one
	}
	d.mu.Lock()
	first := d.wait == 0
	if now := time.Now(); !now.Before(d.retryAt) { // and not of a question from before
		d.wait = min(max(2*d.wait, d.cfg.Retry), maxDoublings*d.cfg.Retry)
		d.retryAt = now.Add(d.wait)
	}
	d.mu.Unlock()
	if first {
		d.cfg.Log.Warn().Err(err).Msg("the directory is away; names of its users and groups are not known, and those without SIDs in their tickets cannot log on")
	}
}

// found closes the breaker.
func (d *Directory) found(u string) {
	d.mu.Lock()
	again := d.wait != 0
	d.wait, d.retryAt = 0, time.Time{}
	d.mu.Unlock()
	if again {
		d.cfg.Log.Info().Str("url", u).Msg("the directory is back")
	}
}
