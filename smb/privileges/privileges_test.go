package privileges_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"lessor/smb/privileges"
	"lessor/smb/secdesc"
)

var (
	alice = secdesc.NewSID(5, 21, 1, 2, 3, 1000)
	heads = secdesc.NewSID(5, 21, 1, 2, 3, 1001)
)

func wantNone(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// both runs a test with a Store in memory and one over a file. again is the Store as it
// is after a restart.
func both(t *testing.T, test func(t *testing.T, s *privileges.Store, again func() *privileges.Store)) {
	t.Run("memory", func(t *testing.T) {
		s := privileges.New()
		test(t, s, func() *privileges.Store { return s })
	})
	t.Run("file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "privileges")
		open := func() *privileges.Store {
			s, err := privileges.Open(path)
			wantNone(t, "open", err)
			return s
		}
		test(t, open(), open)
	})
}

func TestStore(t *testing.T) {
	both(t, func(t *testing.T, s *privileges.Store, again func() *privileges.Store) {
		admins := privileges.Account{SID: secdesc.BuiltinAdministrators, Privileges: privileges.All}
		want := func(accounts ...privileges.Account) {
			t.Helper()
			for _, s := range []*privileges.Store{s, again()} {
				if diff := cmp.Diff(accounts, s.List(), cmp.AllowUnexported(secdesc.SID{}), cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			}
		}
		want(admins)
		wantNone(t, "create", s.Create(alice))
		want(privileges.Account{SID: alice}, admins)
		if err := s.Create(alice); !errors.Is(err, fs.ErrExist) {
			t.Errorf("create twice: %v", err)
		}
		wantNone(t, "grant", s.Grant(alice, secdesc.PrivBackup|secdesc.PrivRestore|secdesc.PrivChangeNotify))
		wantNone(t, "grant", s.Grant(heads, secdesc.PrivSecurity))
		want(privileges.Account{SID: alice, Privileges: secdesc.PrivBackup | secdesc.PrivRestore},
			privileges.Account{SID: heads, Privileges: secdesc.PrivSecurity}, admins)
		wantNone(t, "revoke", s.Revoke(alice, secdesc.PrivBackup|secdesc.PrivTakeOwnership, true))
		wantNone(t, "revoke the last", s.Revoke(heads, privileges.All, false))
		want(privileges.Account{SID: alice, Privileges: secdesc.PrivRestore}, privileges.Account{SID: heads}, admins)
		wantNone(t, "revoke the last and prune", s.Revoke(alice, secdesc.PrivRestore, true))
		wantNone(t, "delete", s.Delete(heads))
		// What administrators have by default can be taken from them, for good.
		wantNone(t, "delete", s.Delete(secdesc.BuiltinAdministrators))
		want()
		for what, err := range map[string]error{
			"revoke": s.Revoke(alice, privileges.All, false), "delete": s.Delete(secdesc.BuiltinAdministrators),
		} {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

func TestOf(t *testing.T) {
	s := privileges.New()
	wantNone(t, "grant", s.Grant(alice, secdesc.PrivBackup))
	wantNone(t, "grant", s.Grant(heads, secdesc.PrivSecurity))
	wantNone(t, "grant", s.Grant(secdesc.AuthenticatedUsers, secdesc.PrivTakeOwnership))
	for _, c := range []struct {
		token *secdesc.Token
		want  secdesc.Privilege
	}{
		{secdesc.NewToken(alice, 0), secdesc.PrivBackup | secdesc.PrivTakeOwnership},
		{secdesc.NewToken(alice, 0, heads), secdesc.PrivBackup | secdesc.PrivSecurity | secdesc.PrivTakeOwnership},
		{secdesc.NewToken(secdesc.NewSID(5, 21, 1, 2, 3, 1002), 0, secdesc.BuiltinAdministrators), privileges.All},
		{secdesc.NewToken(secdesc.Anonymous, 0), 0},
	} {
		if got := s.Of(c.token); got != c.want {
			t.Errorf("%v has %q, want %q", c.token.User, privileges.Names(got), privileges.Names(c.want))
		}
	}
}

// A person may edit the file while the server runs; what cannot be read changes nothing,
// and is not written over.
func TestEdited(t *testing.T) {
	path := filepath.Join(t.TempDir(), "privileges")
	s, err := privileges.Open(path)
	wantNone(t, "open", err)
	changed := time.Now()
	edit := func(text string) {
		t.Helper()
		wantNone(t, "write", os.WriteFile(path, []byte(text), 0o600))
		changed = changed.Add(time.Minute) // a clock may stand still between two edits
		wantNone(t, "times", os.Chtimes(path, changed, changed))
	}
	has := func(want secdesc.Privilege) {
		t.Helper()
		if got, _ := s.Lookup(alice); got != want {
			t.Errorf("has %q, want %q", privileges.Names(got), privileges.Names(want))
		}
	}
	edit("# a comment\n\n" + alice.String() + ": sebackupprivilege , SeRestorePrivilege\r\n")
	has(secdesc.PrivBackup | secdesc.PrivRestore)
	if _, ok := s.Lookup(secdesc.BuiltinAdministrators); ok {
		t.Error("an account that is not in the file")
	}
	for _, bad := range []string{
		"S-1-5-21-1-2-3-1000\n", "alice:SeBackupPrivilege\n", alice.String() + ":SeFlyPrivilege\n",
		alice.String() + ":\n" + alice.String() + ":\n",
	} {
		edit(bad)
		has(secdesc.PrivBackup | secdesc.PrivRestore)
		if err := s.Grant(alice, secdesc.PrivSecurity); !errors.Is(err, privileges.ErrFile) {
			t.Errorf("%q: grant: %v", bad, err)
		}
		if data, err := os.ReadFile(path); err != nil || string(data) != bad {
			t.Errorf("the file was written over: %q, %v", data, err)
		}
		if _, err := privileges.Open(path); !errors.Is(err, privileges.ErrFile) {
			t.Errorf("%q: open: %v", bad, err)
		}
	}
	edit(alice.String() + ":SeSecurityPrivilege\n")
	wantNone(t, "grant", s.Grant(alice, secdesc.PrivBackup))
	has(secdesc.PrivBackup | secdesc.PrivSecurity)
	wantNone(t, "remove", os.Remove(path))
	has(0)
	if got, _ := s.Lookup(secdesc.BuiltinAdministrators); got != privileges.All {
		t.Error("the defaults do not hold without the file")
	}
}

// A change that does not reach the disk does not count, and leaves nothing behind.
func TestNotWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	wantNone(t, "mkdir", os.Mkdir(dir, 0o700))
	s, err := privileges.Open(filepath.Join(dir, "privileges"))
	wantNone(t, "open", err)
	wantNone(t, "remove", os.Remove(dir))
	if err := s.Grant(alice, secdesc.PrivBackup); err == nil {
		t.Error("granted, and stored nowhere")
	}
	if _, ok := s.Lookup(alice); ok {
		t.Error("the change counts")
	}
	wantNone(t, "mkdir", os.Mkdir(dir, 0o700))
	wantNone(t, "grant", s.Grant(alice, secdesc.PrivBackup))
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 1 {
		t.Errorf("%v, %v", names, err)
	}
}

func TestFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "privileges")
	var b strings.Builder
	for i := range 4096 {
		fmt.Fprintf(&b, "S-1-5-21-1-2-3-%d:SeBackupPrivilege\n", 1000+i)
	}
	wantNone(t, "write", os.WriteFile(path, []byte(b.String()), 0o600))
	s, err := privileges.Open(path)
	wantNone(t, "open", err)
	if err := s.Create(secdesc.World); !errors.Is(err, privileges.ErrFull) {
		t.Errorf("one more: %v", err)
	}
	wantNone(t, "a change", s.Grant(alice, privileges.All))
	wantNone(t, "delete", s.Delete(heads))
	wantNone(t, "create", s.Create(secdesc.World))
}

func TestConcurrent(t *testing.T) {
	both(t, func(t *testing.T, s *privileges.Store, again func() *privileges.Store) {
		var wg sync.WaitGroup
		const n = 8
		for i := range uint32(n) {
			sid := secdesc.NewSID(5, 21, 1, 2, 3, 2000+i)
			wg.Go(func() {
				for range 3 {
					if err := s.Grant(sid, secdesc.PrivBackup); err != nil {
						t.Error(err)
					}
					if got := s.Of(secdesc.NewToken(sid, 0)); got != secdesc.PrivBackup {
						t.Errorf("%v has %q", sid, privileges.Names(got))
					}
				}
			})
		}
		wg.Wait()
		if got := len(again().List()); got != n+1 {
			t.Errorf("%d accounts", got)
		}
	})
}

func TestNames(t *testing.T) {
	if got, want := privileges.Names(privileges.All), "SeSecurityPrivilege,SeTakeOwnershipPrivilege,SeBackupPrivilege,SeRestorePrivilege"; got != want {
		t.Errorf("%s", got)
	}
	for _, p := range privileges.List(privileges.All) {
		if got, ok := privileges.Named(strings.ToUpper(p.Name)); !ok || got != p {
			t.Errorf("%s: %v, %v", p.Name, got, ok)
		}
		if got, ok := privileges.Numbered(uint64(p.LUID)); !ok || got != p {
			t.Errorf("%d: %v, %v", p.LUID, got, ok)
		}
	}
	if _, ok := privileges.Named("SeChangeNotifyPrivilege"); ok {
		t.Error("a privilege that means nothing here")
	}
	if _, ok := privileges.Numbered(8 | 1<<32); ok {
		t.Error("a number of 64 bits is cut off")
	}
}

func FuzzFile(f *testing.F) {
	f.Add("# comment\nS-1-5-32-544:SeBackupPrivilege,SeRestorePrivilege\n")
	f.Add("S-1-5-32-544:\n\nS-1-1-0: SeSecurityPrivilege , \r\n")
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "privileges")
		wantNone(t, "write", os.WriteFile(path, []byte(text), 0o600))
		s, err := privileges.Open(path)
		if err != nil {
			return
		}
		before := s.List()
		// What was read is written so that it reads the same.
		sid := secdesc.NewSID(5, 21, 9, 9, 9, 9)
		if err := s.Create(sid); err != nil {
			return
		}
		again, err := privileges.Open(path)
		wantNone(t, "open again", err)
		wantNone(t, "delete", again.Delete(sid))
		if diff := cmp.Diff(before, again.List(), cmp.AllowUnexported(secdesc.SID{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}
