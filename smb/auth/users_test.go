package auth

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
)

func userFile(t *testing.T, content string, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestUsersFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	if _, err := OpenUsers(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	u, err := CreateUsers(path)
	if err != nil {
		t.Fatal(err)
	}
	alice := User{Name: "Alice", UID: 0, HasUID: true, NTHash: NTHash("a")}
	bob := User{Name: "bob", NTHash: NTHash("b"), Disabled: true, Flags: []string{"admin", "x=y"}}
	for _, user := range []User{alice, {Name: "BOB"}, bob} { // the third replaces the second
		if err := u.Set(user); err != nil {
			t.Fatal(err)
		}
	}
	alice.RID, bob.RID = 1000, 1001
	again, err := CreateUsers(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Users{u, again} {
		if d := cmp.Diff([]User{alice, bob}, s.List()); d != "" {
			t.Errorf("users (-want +got):\n%s", d)
		}
		if got, ok := s.Lookup("aLICE"); !ok || !cmp.Equal(alice, got) {
			t.Errorf("look-up: %v %v", got, ok)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := userFileHeader + fmt.Sprintf("Alice:0:%x::1000\nbob::%x:disabled,admin,x=y:1001\n!next-rid:1002\n", alice.NTHash, bob.NTHash)
	if d := cmp.Diff(want, string(data)); d != "" {
		t.Errorf("file (-want +got):\n%s", d)
	}

	// The other handle sees a removal at once.
	if err := again.Remove("BoB"); err != nil {
		t.Fatal(err)
	}
	if _, ok := u.Lookup("bob"); ok {
		t.Error("removed user found")
	}
	if err := u.Remove("bob"); !errors.Is(err, ErrNoUser) {
		t.Errorf("second removal: %v", err)
	}
	if names, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); err != nil || len(names) != 1 {
		t.Errorf("left behind: %v, %v", names, err)
	}
}

func TestUsersMode(t *testing.T) {
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o620, 0o602, 0o610, 0o666} {
		if _, err := OpenUsers(userFile(t, "", mode)); !errors.Is(err, ErrUserFileMode) {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	for _, mode := range []fs.FileMode{0o600, 0o400} {
		if _, err := OpenUsers(userFile(t, "", mode)); err != nil {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	if _, err := OpenUsers(t.TempDir()); !errors.Is(err, ErrUserFile) {
		t.Errorf("directory: %v", err)
	}
}

func TestUsersParse(t *testing.T) {
	const hash = "0123456789abcdef0123456789ABCDEF"
	for _, line := range []string{
		"alice", "alice:1", "alice:1:xyz", ":1:" + hash, "a/b:1:" + hash, "a:-1:" + hash, "a:4294967295:" + hash,
		"a:1:" + hash + "00:", "a:1:" + hash + ":::", "a:1:" + hash + "::999", "a:1:" + hash + "::x", "a:1:" + hash + "::1000\n@g:1000",
		"@g:1000\n@G:1001", "@:1000", "@g:4294967296", "@g:3221225472", "!next-rid:5000\n!next-rid:5001", "!next-rid:", "!other:1000",
		"a:1:" + hash + "\nA:2:" + hash, "a\x01::" + hash,
	} {
		_, err := OpenUsers(userFile(t, "# head\n\n"+line+"\n", 0o600))
		if !errors.Is(err, ErrUserFile) {
			t.Errorf("%q: %v", line, err)
			continue
		}
		if strings.Contains(err.Error(), hash) {
			t.Errorf("%q: hash in the error", line)
		}
	}
	u, err := OpenUsers(userFile(t, "#c\r\n  alice:7:"+hash+" \r\n\n# d\nbob::"+hash+": disabled , ,admin", 0o600))
	if err != nil {
		t.Fatal(err)
	}
	h := [16]byte(unhex(t, hash))
	want := []User{
		{Name: "alice", UID: 7, HasUID: true, NTHash: h, RID: 1014},
		{Name: "bob", NTHash: h, Disabled: true, Flags: []string{"admin"}, RID: legacyRIDs | nameHash("bob")},
	}
	if d := cmp.Diff(want, u.List()); d != "" {
		t.Errorf("users (-want +got):\n%s", d)
	}
	// An edit keeps comments.
	if err := u.Set(User{Name: "carol"}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(u.path)
	if err != nil {
		t.Fatal(err)
	}
	lower := strings.ToLower(hash)
	if d := cmp.Diff(fmt.Sprintf("#c\nalice:7:%s::1014\n\n# d\nbob::%s:disabled,admin:%d\ncarol::%s::1015\n!next-rid:1016\n",
		lower, lower, want[1].RID, strings.Repeat("0", 32)), string(data)); d != "" {
		t.Errorf("file (-want +got):\n%s", d)
	}
}

func TestUsersNames(t *testing.T) {
	u, err := NewUsers()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", " a", "a ", "#a", "a:b", "a/b", `a\b`, "a\nb", "a\x00", strings.Repeat("x", 257)} {
		if err := u.Set(User{Name: name}); !errors.Is(err, ErrUserName) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, flag := range []string{"", "a,b", "a:b", "a b", "a\n"} {
		if err := u.Set(User{Name: "a", Flags: []string{flag}}); !errors.Is(err, ErrUserName) {
			t.Errorf("flag %q: %v", flag, err)
		}
	}
	for _, name := range []string{"ünal", "J. Doe", "user@example.org", "ﬁsh"} {
		if err := u.Set(User{Name: name}); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if _, ok := u.Lookup(strings.ToUpper(name)); !ok && name != "ﬁsh" { // one character stays one
			t.Errorf("%q not found", name)
		}
	}
	if _, ok := u.Lookup("ſ"); ok {
		t.Error("long s is an s")
	}
	if err := u.Remove("J. DOE"); err != nil {
		t.Error(err)
	}
}

// TestUsersReload: a change by an editor is noticed; a broken file leaves the
// users as they were, until it is mended.
func TestUsersReload(t *testing.T) {
	path := userFile(t, "alice::"+strings.Repeat("1", 32)+"\n", 0o600)
	u, err := OpenUsers(path)
	if err != nil {
		t.Fatal(err)
	}
	stamp := time.Now()
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		stamp = stamp.Add(time.Second) // not to depend on the file system's clock
		if err := os.Chtimes(path, stamp, stamp); err != nil {
			t.Fatal(err)
		}
	}
	write("carol::" + strings.Repeat("1", 32) + "\n")
	if _, ok := u.Lookup("carol"); !ok {
		t.Error("new user not found")
	}
	write("nonsense\n")
	if _, ok := u.Lookup("carol"); !ok || !errors.Is(u.Err(), ErrUserFile) {
		t.Errorf("broken file: found %v, %v", ok, u.Err())
	}
	if err := u.Set(User{Name: "dave"}); !errors.Is(err, ErrUserFile) {
		t.Errorf("Set would overwrite a broken file: %v", err)
	}
	write("dave::" + strings.Repeat("1", 32) + "\n")
	if _, ok := u.Lookup("carol"); ok || u.Err() != nil {
		t.Errorf("mended file: found %v, %v", ok, u.Err())
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, ok := u.Lookup("dave"); !ok || !errors.Is(u.Err(), ErrUserFileMode) {
		t.Errorf("mode: found %v, %v", ok, u.Err())
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok := u.Lookup("dave"); !ok || u.Err() != nil {
		t.Errorf("mode mended: found %v, %v", ok, u.Err())
	}
}

// TestUsersConcurrent: two stores over one file lose no change.
func TestUsersConcurrent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	if _, err := CreateUsers(path); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for g := range 4 {
		u, err := OpenUsers(path)
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			for i := range 5 {
				name := fmt.Sprintf("user%d-%d", g, i)
				if err := u.Set(User{Name: name}); err != nil {
					t.Error(err)
				}
				if _, ok := u.Lookup(name); !ok {
					t.Errorf("%s not found", name)
				}
			}
		})
	}
	wg.Wait()
	u, err := OpenUsers(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(u.List()); n != 20 {
		t.Errorf("%d users, want 20", n)
	}
}

func TestUsersSymlink(t *testing.T) {
	path := userFile(t, "", 0o600)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	u, err := OpenUsers(link)
	if err != nil {
		t.Fatal(err)
	}
	if err := u.Set(User{Name: "alice"}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode().Type() != fs.ModeSymlink {
		t.Errorf("the link was replaced: %v, %v", info.Mode(), err)
	}
}

// TestNoSecrets: nothing printed shows a hash or a key.
func TestNoSecrets(t *testing.T) {
	user := User{Name: "alice", UID: 5, HasUID: true, NTHash: NTHash("sesame")}
	id := &Identity{User: "alice", SessionKey: []byte{0xde, 0xad, 0xbe, 0xef}}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		s := fmt.Sprintf(format+" "+format+" "+format, user, &user, id)
		for _, secret := range []string{"222", "0xde", "de ad", "dead", fmt.Sprint(user.NTHash[0])} {
			if strings.Contains(s, secret) {
				t.Errorf("%s: %s", format, s)
			}
		}
	}
}

func FuzzParseUsers(f *testing.F) {
	f.Add("# c\nalice:1:0123456789abcdef0123456789abcdef:disabled,x\n")
	f.Add("alice::0123456789abcdef0123456789abcdef:@a,@b:1000\n@A:1001\nbob::0123456789abcdef0123456789abcdef\n!next-rid:1007\n")
	f.Fuzz(func(t *testing.T, data string) {
		table, err := parseUsers(data)
		if err != nil {
			return
		}
		if _, err := table.assign(); err != nil {
			return
		}
		again, err := parseUsers(string(formatUsers(table)))
		if err != nil {
			t.Fatalf("own output refused: %v", err)
		}
		if changed, err := again.assign(); err != nil || changed {
			t.Fatalf("own output is not complete: %v, %v", changed, err)
		}
		for _, d := range []string{
			cmp.Diff(table.byName, again.byName), cmp.Diff(table.groups, again.groups), cmp.Diff(table.byRID, again.byRID),
		} {
			if d != "" {
				t.Fatal(d)
			}
		}
		if len(table.byRID) != len(table.byName)+len(table.groups) {
			t.Fatalf("two accounts have one RID: %v", table.byRID)
		}
	})
}
