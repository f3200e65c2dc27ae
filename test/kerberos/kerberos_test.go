package kerberos

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/oiweiwei/gokrb5.fork/v9/credentials"
	"github.com/oiweiwei/gokrb5.fork/v9/messages"
	"github.com/oiweiwei/gokrb5.fork/v9/types"

	"lessor/smb/auth"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/test/harness"
	"lessor/test/kdc"
)

func TestMain(m *testing.M) { harness.Main(m) }

const (
	// Samba's clients refuse Kerberos with "localhost".
	host     = "server.example.test"
	service  = "cifs/" + host
	password = "Correct-Horse-7"
)

// realm is a KDC with the users alice and bob, and the service with a keytab.
type realm struct {
	*kdc.KDC
	dir, keytab string
}

// newRealm runs a KDC until the end of the test. The service has keys of some
// encryption types, or of all.
func newRealm(t *testing.T, encTypes ...string) *realm {
	t.Helper()
	for name, pkg := range kdc.Commands {
		if _, err := os.Stat(filepath.Join("/usr/sbin", name)); err != nil {
			harness.Tool(t, name, pkg)
		}
	}
	dir := t.TempDir()
	k, err := kdc.Start(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("log of the KDC:\n%s", k.Log())
		}
	})
	r := &realm{KDC: k, dir: dir, keytab: filepath.Join(dir, "keytab")}
	for _, user := range []string{"alice", "bob"} {
		check(t, k.AddUser(user, password))
	}
	check(t, k.AddService(service, encTypes...))
	check(t, k.Keytab(r.keytab, service))
	return r
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// serve runs a server with the keytab. The shares are "share", where alice may write
// and bob may read, and those of more. settings are lines below auth.kerberos, and
// rest more of the configuration.
func (r *realm) serve(t *testing.T, settings, rest string) *harness.Server {
	t.Helper()
	config := fmt.Sprintf("log:\n  format: json\n%s\nauth:\n  kerberos:\n    keytab: %q\n%s", rest, r.keytab, settings)
	return harness.Run(t, harness.Options{Config: config, Shares: []harness.Share{{Name: "share", Settings: []string{
		"write: ['alice@" + kdc.Realm + "']", "read: ['BOB@example.test']",
	}}}})
}

// login returns a fresh cache with a ticket for a user.
func (r *realm) login(t *testing.T, user string, args ...string) string {
	t.Helper()
	cache := filepath.Join(t.TempDir(), "cc")
	check(t, r.Login(cache, user, password, args...))
	return cache
}

var statusName = regexp.MustCompile(`NT_STATUS_[A-Z0-9_]+`)

// smbclient runs commands on the share with the tickets in cache and returns the first
// status that it names, or how it ended.
func (r *realm) smbclient(t *testing.T, srv *harness.Server, cache, commands string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, harness.Tool(t, "smbclient", "smbclient"), append([]string{
		"//" + host + "/share", "-I", srv.Host, "-s", os.DevNull, "-p", srv.Port, "--use-kerberos=required",
		"--use-krb5-ccache=FILE:" + cache, "--option=client min protocol=SMB2_10", "-c", commands,
	}, args...)...)
	cmd.Env = append(os.Environ(), r.Env(cache)...)
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	if name := statusName.FindString(string(out)); name != "" {
		return name
	}
	if err != nil {
		return fmt.Sprintf("%v: %s", err, out)
	}
	return ""
}

// wantLog fails the test unless the server's log has a line with all of these texts
// since from.
func wantLog(t *testing.T, srv *harness.Server, from int64, texts ...string) {
	t.Helper()
	for line := range strings.Lines(srv.LogFrom(from)) {
		has := true
		for _, text := range texts {
			has = has && strings.Contains(line, text)
		}
		if has {
			return
		}
	}
	t.Errorf("no line with %q in the log:\n%s", texts, srv.LogFrom(from))
}

// Files go there and back in every dialect, signed or sealed; who may write is told
// by the name with the realm.
func TestSmbclient(t *testing.T) {
	r := newRealm(t)
	srv := r.serve(t, "", "server:\n  signing: required\n")
	alice, bob := r.login(t, "alice"), r.login(t, "bob")
	data := make([]byte, 3<<20+7)
	for i := range data {
		data[i] = byte(rand.Uint32())
	}
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	check(t, os.WriteFile(in, data, 0o600))
	for _, dialect := range []string{"SMB2_10", "SMB3_00", "SMB3_11"} {
		for _, protection := range []string{"sign", "encrypt"} {
			if dialect == "SMB2_10" && protection == "encrypt" {
				continue
			}
			t.Run(dialect+" "+protection, func(t *testing.T) {
				name := dialect + protection
				from := srv.LogSize()
				if got := r.smbclient(t, srv, alice, fmt.Sprintf("put %s %s; get %s %s; ls", in, name, name, out),
					"--client-protection="+protection, "--option=client max protocol="+dialect); got != "" {
					t.Fatal(got)
				}
				for _, path := range []string{srv.Path("share", name), out} {
					if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, data) {
						t.Errorf("%s: %d bytes, %v", path, len(got), err)
					}
				}
				wantLog(t, srv, from, "session established", `"user":"alice@EXAMPLE.TEST"`, `"mechanism":"kerberos"`, `"signing":true`)
			})
		}
	}
	if got := r.smbclient(t, srv, bob, "get SMB3_11sign "+out); got != "" {
		t.Errorf("bob reads: %s", got)
	}
	if got := r.smbclient(t, srv, bob, "put "+in+" x"); got != "NT_STATUS_ACCESS_DENIED" {
		t.Errorf("bob writes: %s", got)
	}
}

// The ciphers of 256 bits need the whole key of the ticket.
func TestCiphers(t *testing.T) {
	r := newRealm(t)
	srv := r.serve(t, "", "server:\n  encryption: required\n")
	cache := r.login(t, "alice")
	for _, cipher := range []string{"aes-128-gcm", "aes-128-ccm", "aes-256-gcm", "aes-256-ccm"} {
		if got := r.smbclient(t, srv, cache, "mkdir "+cipher, "--client-protection=encrypt",
			"--option=client smb3 encryption algorithms="+cipher); got != "" {
			t.Errorf("%s: %s", cipher, got)
		}
	}
}

// Every encryption type of the service's keys; rc4-hmac only where it is wanted.
func TestEncryptionTypes(t *testing.T) {
	r := newRealm(t)
	strict := r.serve(t, "    allow_rc4: false\n", "")
	lax := r.serve(t, "    allow_rc4: true\n", "")
	for _, encType := range []string{"aes256-cts", "aes128-cts", "aes256-sha2", "aes128-sha2", "arcfour-hmac"} {
		t.Run(encType, func(t *testing.T) {
			check(t, r.NewKeys(service, encType))
			check(t, r.Keytab(r.keytab, service))
			cache := r.login(t, "alice")
			// Without -e, the KDC may choose a session key of another type.
			check(t, r.Ticket(cache, service))
			name := strings.ReplaceAll(encType, "-", "")
			if got := r.smbclient(t, lax, cache, "mkdir "+name); got != "" {
				t.Errorf("rc4 allowed: %s", got)
			}
			from := strict.LogSize()
			got := r.smbclient(t, strict, cache, "mkdir "+name)
			if encType != "arcfour-hmac" {
				if got != "" {
					t.Errorf("rc4 refused: %s", got)
				}
				return
			}
			if got != "NT_STATUS_LOGON_FAILURE" {
				t.Errorf("rc4 refused: %s", got)
			}
			wantLog(t, strict, from, "authentication failed", `encryption type refused: the ticket for \"cifs/server.example.test@EXAMPLE.TEST\" is of rc4-hmac`)
		})
	}
}

// A server with old keys refuses, says why, and needs no restart for new ones.
func TestKeytab(t *testing.T) {
	r := newRealm(t)
	srv := r.serve(t, "", "")
	check(t, r.NewKeys(service))
	cache := r.login(t, "alice")
	from := srv.LogSize()
	if got := r.smbclient(t, srv, cache, "ls"); got != "NT_STATUS_LOGON_FAILURE" {
		t.Errorf("old keytab: %s", got)
	}
	wantLog(t, srv, from, "authentication failed", "no key for the ticket", "key version 2, which is not in the keytab")
	check(t, r.Keytab(r.keytab, service))
	if got := r.smbclient(t, srv, cache, "ls"); got != "" {
		t.Errorf("new keytab: %s", got)
	}
}

func TestRealms(t *testing.T) {
	r := newRealm(t)
	srv := r.serve(t, "    realms: [OTHER.TEST]\n", "")
	from := srv.LogSize()
	if got := r.smbclient(t, srv, r.login(t, "alice"), "ls"); got != "NT_STATUS_LOGON_FAILURE" {
		t.Errorf("other realm: %s", got)
	}
	wantLog(t, srv, from, "authentication failed", `user \"alice@EXAMPLE.TEST\" is of a realm that is not let in`)
}

// Passwords are good beside tickets, unless they are turned off.
func TestNTLM(t *testing.T) {
	r := newRealm(t)
	for _, on := range []bool{true, false} {
		config, want := "", ""
		if !on {
			config, want = "    max_clock_skew: 5m\n  ntlm: off\n", "NT_STATUS_LOGON_FAILURE"
		}
		srv := r.serve(t, config, "")
		from := srv.LogSize()
		cmd := exec.Command(harness.Tool(t, "smbclient", "smbclient"), "//"+host+"/share", "-I", srv.Host, "-s", os.DevNull, "-p", srv.Port,
			"--use-kerberos=off", "-U", srv.User+"%"+srv.Password, "-c", "ls")
		out, err := cmd.CombinedOutput()
		if got := statusName.FindString(string(out)); got != want || (err == nil) != on {
			t.Errorf("NTLM %v: %s, %v", on, out, err)
		}
		if !on {
			wantLog(t, srv, from, "authentication failed", "the client offers NTLM, the server accepts Kerberos")
			wantLog(t, srv, 0, "NTLM is refused (auth.ntlm is off)")
		}
		if got := r.smbclient(t, srv, r.login(t, "alice"), "ls"); got != "" {
			t.Errorf("Kerberos, NTLM %v: %s", on, got)
		}
	}
}

// ticket returns a ticket for the service out of a cache, with its session key.
func ticket(t *testing.T, cache string) (messages.Ticket, types.EncryptionKey) {
	t.Helper()
	cc, err := credentials.LoadCCache(cache)
	check(t, err)
	for _, c := range cc.GetEntries() {
		if c.Server.PrincipalName.PrincipalNameString() == service {
			var tkt messages.Ticket
			check(t, tkt.Unmarshal(c.Ticket))
			return tkt, c.Key
		}
	}
	t.Fatal("no ticket in the cache")
	return messages.Ticket{}, types.EncryptionKey{}
}

// connect logs on with our own client.
func connect(t *testing.T, srv *harness.Server, start func() client.Initiator) (*client.Session, error) {
	t.Helper()
	c, err := client.Dial(t.Context(), srv.Addr, client.Options{})
	check(t, err)
	t.Cleanup(func() { c.Close() })
	return c.SessionSetupAs(t.Context(), client.Login{User: "alice", Initiator: start})
}

// until calls f until it is true.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatal("waited in vain: " + what)
		}
	}
}

// A session ends with its ticket and lives on with a new one. The old one is not
// accepted any more.
func TestTicketEnds(t *testing.T) {
	r := newRealm(t)
	srv := r.serve(t, "    max_clock_skew: 1s\n", "")
	cache := r.login(t, "alice", "-l", "8s")
	check(t, r.Ticket(cache, service))
	old, key := ticket(t, cache)
	with := func(tkt messages.Ticket, key types.EncryptionKey) func() client.Initiator {
		return func() client.Initiator {
			return &auth.KerberosInitiator{Client: "alice", Realm: kdc.Realm, Ticket: tkt, Key: key}
		}
	}
	s, err := connect(t, srv, with(old, key))
	check(t, err)
	tree, err := s.TreeConnect(t.Context(), "share")
	check(t, err)
	f, err := tree.Create(t.Context(), client.CreateArgs{Name: "f"})
	check(t, err)
	until(t, "the session expires", func() bool {
		_, err := f.Write(t.Context(), 0, []byte("x"))
		if err != nil && err != ntstatus.NetworkSessionExpired {
			t.Fatal(err)
		}
		return err != nil
	})
	until(t, "the ticket is refused", func() bool {
		_, err := connect(t, srv, with(old, key))
		if err != nil && err != ntstatus.LogonFailure {
			t.Fatal(err)
		}
		return err != nil
	})
	wantLog(t, srv, 0, "authentication failed", "ticket has ended", "the server's clock says")

	fresh := r.login(t, "alice")
	check(t, r.Ticket(fresh, service))
	check(t, s.Reauthenticate(t.Context(), client.Login{User: "alice", Initiator: with(ticket(t, fresh))}))
	_, err = f.Write(t.Context(), 0, []byte("still open"))
	check(t, err)
}

// Clocks that differ too much, and an authenticator that comes twice: the log says
// which.
func TestClockAndReplay(t *testing.T) {
	r := newRealm(t)
	srv := r.serve(t, "", "")
	cache := r.login(t, "alice")
	check(t, r.Ticket(cache, service))
	tkt, key := ticket(t, cache)
	from := srv.LogSize()
	_, err := connect(t, srv, func() client.Initiator {
		return &auth.KerberosInitiator{Client: "alice", Realm: kdc.Realm, Ticket: tkt, Key: key, Time: time.Now().Add(-time.Hour)}
	})
	if err != ntstatus.TimeDifferenceAtDc {
		t.Errorf("slow clock: %v", err)
	}
	wantLog(t, srv, from, "clocks differ too much: the client's clock says", "1h0m0s apart, 5m0s are allowed")

	said := &recorder{Initiator: &auth.KerberosInitiator{Client: "alice", Realm: kdc.Realm, Ticket: tkt, Key: key}}
	s, err := connect(t, srv, func() client.Initiator { return said })
	check(t, err)
	if s.Conn.Dialect() != wire.Dialect311 {
		t.Errorf("dialect %v", s.Conn.Dialect())
	}
	_, err = connect(t, srv, func() client.Initiator { return &recorder{first: said.first} })
	if err != ntstatus.LogonFailure {
		t.Errorf("replayed: %v", err)
	}
	wantLog(t, srv, from, "authentication failed", "replayed authenticator")
}

// recorder keeps the first token of an initiator, or says one that was kept.
type recorder struct {
	client.Initiator
	first []byte
}

func (r *recorder) Step(token []byte) ([]byte, error) {
	if r.Initiator == nil {
		return r.first, nil
	}
	out, err := r.Initiator.Step(token)
	if token == nil {
		r.first = out
	}
	return out, err
}
