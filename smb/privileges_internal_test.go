package smb

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"lessor/smb/auth"
	"lessor/smb/secdesc"
	"lessor/vfs/memfs"
)

// lines is where an AuditLog writes, from its own goroutine.
type lines struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// Each change of privileges is a line of the log, and one of each audit log that wants
// to know who sets security, with who has made it.
func TestPrivilegeChangesAreAudited(t *testing.T) {
	ntlm, err := auth.NewNTLM(auth.NTLMConfig{Computer: "SRV", Accounts: made(auth.NewUsers())(t)})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	logger := zerolog.New(&log)
	s := made(New(Config{Auth: auth.NewNegotiator(ntlm), Log: &logger, Admins: []string{"root"}}))(t)
	defer func() { _ = s.Close() }()
	var wanted, other lines
	one := made(NewAuditLog(AuditLogOptions{Writer: &wanted}))(t)
	two := made(NewAuditLog(AuditLogOptions{Writer: &other}))(t)
	share := func(name string, log *AuditLog, ops AuditOperations) Share {
		return Share{Name: name, FS: memfs.New(memfs.Options{}), Audit: &Audit{Log: log, Operations: ops, Success: true}}
	}
	if err := s.SetShares([]Share{share("a", one, AuditSecurity), share("b", one, AuditAll), share("c", two, AuditOpen)}); err != nil {
		t.Fatal(err)
	}
	b := rpcBackend{s: s, who: s.principalOf(&auth.Identity{User: "root"}), sess: &session{id: 7}, from: "192.0.2.1:5"}
	for _, err := range []error{
		b.GrantPrivileges(secdesc.World, secdesc.PrivBackup|secdesc.PrivRestore),
		b.RevokePrivileges(secdesc.World, secdesc.PrivBackup, false),
		b.DeletePrivilegeAccount(secdesc.World),
		b.AddPrivilegeAccount(secdesc.World),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := b.AddPrivilegeAccount(secdesc.World); !errors.Is(err, fs.ErrExist) {
		t.Errorf("create twice: %v", err)
	}
	for _, l := range []*AuditLog{one, two} {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if other.b.Len() != 0 {
		t.Errorf("a log that does not want it: %s", other.b.String())
	}
	var got []string
	for line := range bytes.Lines(wanted.b.Bytes()) {
		var e struct {
			User, SID, Address, Session, Share, Operation, Status string
			AccountSID                                            string `json:"account_sid"`
			Granted, Revoked                                      string
		}
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		if e.User != "root" || e.SID != b.who.token.User.String() || e.Address != b.from || e.Session != "7" || e.Share != "IPC$" ||
			e.Operation != "privileges" || e.AccountSID != "S-1-1-0" || e.Status != "STATUS_SUCCESS" {
			t.Errorf("%s", line)
		}
		got = append(got, "+"+e.Granted+" -"+e.Revoked)
	}
	want := "+SeBackupPrivilege,SeRestorePrivilege - / + -SeBackupPrivilege / + -SeRestorePrivilege / + -"
	if strings.Join(got, " / ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, " / "), want)
	}
	text := log.String()
	if n := strings.Count(text, "privileges changed over the network"); n != 4 {
		t.Errorf("%d lines of success: %s", n, text)
	}
	if n := strings.Count(text, "privileges not changed"); n != 1 {
		t.Errorf("%d lines of failure: %s", n, text)
	}
}

// Guests and nobodies have no privileges, whatever was given to everybody.
func TestNoPrivilegesForGuests(t *testing.T) {
	s := made(New(Config{Auth: auth.NewNegotiator()}))(t)
	defer func() { _ = s.Close() }()
	for _, sid := range []secdesc.SID{secdesc.World, secdesc.Network, secdesc.Anonymous, secdesc.BuiltinGuests} {
		if err := s.cfg.Privileges.Grant(sid, secdesc.PrivBackup); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		id   auth.Identity
		want bool
	}{
		{auth.Identity{User: "alice"}, true}, {auth.Identity{User: "Guest", Guest: true}, false}, {auth.Identity{Anonymous: true}, false},
	} {
		if got := s.principalOf(&c.id).token.Holds(secdesc.PrivBackup); got != c.want {
			t.Errorf("%+v: %v", c.id, got)
		}
	}
}

func made[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
