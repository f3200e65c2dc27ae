package rpc

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lessor/smb/privileges"
	"lessor/smb/secdesc"
)

// admin and alice are the users of fakeBackend.
const (
	admin = "admin"
	alice = "alice"
)

var machineSID = secdesc.MachineSID(1, 2, 3)

// shareSecurity is a descriptor that lets nobody in.
func shareSecurity() []byte {
	d := secdesc.Descriptor{Owner: secdesc.BuiltinAdministrators, DACL: &secdesc.ACL{}}
	b, err := d.Append(nil)
	if err != nil {
		panic(err)
	}
	return b
}

// fakeBackend is a server with a few shares, sessions and accounts.
type fakeBackend struct {
	t testing.TB
	// extra shares; crash makes Share panic, keepSessions makes CloseSession
	// fail.
	extra               []ShareInfo
	crash, keepSessions bool

	privs *privileges.Store

	mu       sync.Mutex // guards what follows
	sessions []SessionInfo
	files    []FileInfo
	panics   []string
}

func newBackend(t testing.TB) *fakeBackend {
	return &fakeBackend{
		t:     t,
		privs: privileges.New(),
		sessions: []SessionInfo{
			{ID: 7, Client: "10.0.0.7", User: `FILES\alice`, Opens: 2, Age: 90 * time.Second, Idle: 5 * time.Second, ClientType: "SMB 3.1.1", Transport: "TCP"},
			{ID: 8, Client: "10.0.0.8", User: "bob", Flags: SessionGuest, Age: time.Hour},
		},
		files: []FileInfo{
			{ID: 11, Permissions: FileRead | FileWrite, Locks: 3, Path: `C:\data\a.txt`, User: `FILES\alice`, Client: "10.0.0.7"},
			{ID: 12, Permissions: FileRead, Path: `C:\other\b.txt`, User: "bob", Client: "10.0.0.8"},
		},
	}
}

func (b *fakeBackend) ServerName() string             { return "FILES" }
func (b *fakeBackend) Domain() string                 { return "WORKGROUP" }
func (b *fakeBackend) Comment() string                { return "a server" }
func (b *fakeBackend) Version() (major, minor uint32) { return 10, 0 }
func (b *fakeBackend) MachineSID() secdesc.SID        { return machineSID }
func (b *fakeBackend) IsAdmin(user string) bool       { return user == admin }

func (b *fakeBackend) Now() time.Time {
	return time.Date(2026, 11, 25, 18, 30, 15, 420_000_000, time.FixedZone("CET", 3600))
}

func (b *fakeBackend) Shares(user string) []ShareInfo {
	shares := []ShareInfo{
		{Name: "data", Comment: "Daten für alle", Path: `C:\data`, CurrentUses: 2, Flags: 0x800, Security: shareSecurity()},
		{Name: "secret", Path: `C:\secret`, Hidden: true},
		{Name: "IPC$", Comment: "pipes", Type: ShareIPC | ShareSpecial, MaxUses: 5},
	}
	return append(shares, b.extra...)
}

func (b *fakeBackend) Share(name string) (ShareInfo, bool) {
	if b.crash {
		panic("share table on fire")
	}
	for _, s := range b.Shares("") {
		if strings.EqualFold(s.Name, name) {
			return s, true
		}
	}
	return ShareInfo{}, false
}

func (b *fakeBackend) Sessions() []SessionInfo {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.sessions)
}

func (b *fakeBackend) Connections() []ConnectionInfo {
	return []ConnectionInfo{
		{ID: 1, Share: "data", Client: "10.0.0.7", User: "alice", Opens: 2, Users: 1, Age: 80 * time.Second},
		{ID: 2, Share: "IPC$", Type: ShareIPC, Client: "10.0.0.8", User: "bob", Users: 1},
	}
}

func (b *fakeBackend) Files() []FileInfo {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.files)
}

func (b *fakeBackend) CloseSession(id uint64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.keepSessions {
		return fs.ErrPermission
	}
	n := len(b.sessions)
	b.sessions = slices.DeleteFunc(b.sessions, func(s SessionInfo) bool { return s.ID == id })
	if len(b.sessions) == n {
		return fs.ErrNotExist
	}
	return nil
}

func (b *fakeBackend) CloseFile(id uint32) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if id == 12 {
		return errors.ErrUnsupported
	}
	n := len(b.files)
	b.files = slices.DeleteFunc(b.files, func(f FileInfo) bool { return f.ID == id })
	if len(b.files) == n {
		return fs.ErrNotExist
	}
	return nil
}

var accounts = []Account{
	{machineSID.WithRID(1000), "FILES", "alice", AccountUser},
	{machineSID.WithRID(1001), "FILES", "Büro", AccountAlias},
	{secdesc.UnixUser(1000), "Unix User", "1000", AccountUser},
}

func (b *fakeBackend) LookupSID(sid secdesc.SID) (Account, bool) {
	for _, a := range accounts {
		if a.SID == sid {
			return a, true
		}
	}
	return Account{}, false
}

func (b *fakeBackend) LookupName(domain, name string) (Account, bool) {
	for _, a := range accounts {
		if strings.EqualFold(a.Name, name) && (domain == "" || strings.EqualFold(a.Domain, domain)) {
			return a, true
		}
	}
	return Account{}, false
}

func (b *fakeBackend) LocalUsers() []LocalUser {
	return []LocalUser{
		{RID: 1000, Name: "alice", Groups: []uint32{1001}},
		{RID: 1002, Name: admin, Admin: true},
		{RID: 1003, Name: "Émile", Disabled: true},
	}
}

func (b *fakeBackend) LocalGroups() []LocalGroup { return []LocalGroup{{RID: 1001, Name: "Büro"}} }

func (b *fakeBackend) Privileges() []privileges.Account { return b.privs.List() }

func (b *fakeBackend) PrivilegesOf(sid secdesc.SID) (secdesc.Privilege, bool) {
	return b.privs.Lookup(sid)
}

func (b *fakeBackend) AddPrivilegeAccount(sid secdesc.SID) error    { return b.privs.Create(sid) }
func (b *fakeBackend) DeletePrivilegeAccount(sid secdesc.SID) error { return b.privs.Delete(sid) }

func (b *fakeBackend) GrantPrivileges(sid secdesc.SID, set secdesc.Privilege) error {
	return b.privs.Grant(sid, set)
}

func (b *fakeBackend) RevokePrivileges(sid secdesc.SID, set secdesc.Privilege, prune bool) error {
	if sid == kept {
		return fs.ErrPermission
	}
	return b.privs.Revoke(sid, set, prune)
}

// kept is the SID of an account whose privileges cannot be revoked.
var kept = secdesc.BuiltinBackup

func (b *fakeBackend) Until(time.Time) Backend { return b }

func (b *fakeBackend) Panicked(where string, value any, stack []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.crash {
		b.t.Errorf("panic in %s: %v\n%s", where, value, stack)
	}
	b.panics = append(b.panics, where)
}
