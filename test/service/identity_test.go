package service

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"lessor/smb/auth"
	"lessor/smb/ntstatus"
	"lessor/smb/secdesc"
	"lessor/test/client"
	"lessor/test/harness"
	"lessor/vfs/asuser"
)

// unixShare starts the real program, in its sandbox if there can be one, with a share that
// is served as the Unix users of clients: anna, bert, and dora, who has no Unix user.
func unixShare(t *testing.T, settings ...string) *harness.Server {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to act as other users")
	}
	if err := asuser.Probe(); err != nil {
		t.Skip(err)
	}
	s, err := harness.New(t.TempDir(), harness.Options{
		Config: "server: {admins: [admin]}\nlog: {level: info, format: json}\n",
		Shares: []harness.Share{{Name: "share", Settings: append([]string{"identity: unix", "default_access: write"}, settings...)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	users, err := auth.CreateUsers(filepath.Join(s.StateDir, "users"))
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range []auth.User{
		{Name: "anna", UID: 620001, HasUID: true, Flags: []string{"gid=620011"}},
		{Name: "bert", UID: 620002, HasUID: true, Flags: []string{"gid=620012"}},
		{Name: "admin", UID: 620003, HasUID: true, Flags: []string{"gid=620013"}},
		{Name: "dora"},
		{Name: "root"},
	} {
		u.NTHash = auth.NTHash(harness.Password)
		if err := users.Set(u); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(s.Path("share"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// as connects a user to the share.
func as(t *testing.T, s *harness.Server, user string) *client.Tree {
	t.Helper()
	tree, err := client.Connect(t.Context(), s.Addr, "share", client.Options{User: user, Password: harness.Password})
	if err != nil {
		t.Fatalf("%s: %v", user, err)
	}
	t.Cleanup(func() { _ = tree.Session.Conn.Close() })
	return tree
}

func wantOwner(t *testing.T, path string, uid, gid uint32) {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if st := info.Sys().(*syscall.Stat_t); st.Uid != uid || st.Gid != gid {
		t.Errorf("%s belongs to %d:%d, want %d:%d", path, st.Uid, st.Gid, uid, gid)
	}
}

func wantDenied(t *testing.T, what string, err error) {
	t.Helper()
	if err != ntstatus.AccessDenied {
		t.Errorf("%s: %v, want STATUS_ACCESS_DENIED", what, err)
	}
}

func TestIdentityUnix(t *testing.T) {
	s := unixShare(t, `create_mask: "0600"`)
	ctx := t.Context()
	if !strings.Contains(s.Log(), `"kept_for_users":["CAP_SETUID","CAP_SETGID"]`) {
		t.Error("the log does not say which capabilities are kept")
	}
	anna, bert := as(t, s, "anna"), as(t, s, "bert")
	if err := anna.WriteFile(ctx, "f", []byte("hers")); err != nil {
		t.Fatal(err)
	}
	if err := anna.Mkdir(ctx, "d"); err != nil {
		t.Fatal(err)
	}
	wantOwner(t, s.Path("share", "f"), 620001, 620011)
	wantOwner(t, s.Path("share", "d"), 620001, 620011)

	// Lessor's own descriptor lets everybody in; the kernel does not.
	_, err := bert.ReadFile(ctx, "f")
	wantDenied(t, "bert reads", err)
	wantDenied(t, "bert makes a file in a directory of hers", bert.WriteFile(ctx, `d\g`, nil))
	f, err := bert.Create(ctx, client.CreateArgs{Name: "f", Access: 0x02000000}) // MAXIMUM_ALLOWED
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read(ctx, 0, 1); err == nil {
		t.Error("with all that he may, bert reads")
	}
	_ = f.Close(ctx)
	if data, err := anna.ReadFile(ctx, "F"); err != nil || string(data) != "hers" {
		t.Errorf("anna reads %q, %v", data, err)
	}
	if err := anna.WriteFile(ctx, `d\h`, nil); err != nil {
		t.Fatal(err)
	}
	wantDenied(t, "bert deletes in a directory of hers", bert.Remove(ctx, `d\h`))
	wantDenied(t, "bert renames in it", bert.RenameFile(ctx, `d\h`, `d\i`, false))
	if err := anna.RenameFile(ctx, `d\h`, `d\i`, false); err != nil {
		t.Error(err)
	}
	if err := anna.Remove(ctx, `d\i`); err != nil {
		t.Error(err)
	}
	// In a directory with the sticky bit everybody has but his own names.
	if err := os.Chmod(s.Path("share"), 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	wantDenied(t, "bert deletes beside a sticky bit", bert.Remove(ctx, "f"))
	// A directory may pass its group on.
	if err := os.Chmod(s.Path("share", "d"), 0o777|os.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	if err := bert.WriteFile(ctx, `d\s`, nil); err != nil {
		t.Fatal(err)
	}
	wantOwner(t, s.Path("share", "d", "s"), 620002, 620011)
	if err := anna.WriteFile(ctx, `f:stream`, []byte("x")); err != nil {
		t.Error(err)
	}
	_, err = bert.ReadFile(ctx, `f:stream`)
	wantDenied(t, "bert reads a stream", err)

	// What the server keeps with a file is in its reach, whatever the user may do.
	if list, err := bert.ReadDir(ctx, ""); err != nil || len(list) < 2 {
		t.Errorf("bert lists %d entries, %v", len(list), err)
	}
	_, err = client.Connect(ctx, s.Addr, "share", client.Options{User: "dora", Password: harness.Password})
	wantDenied(t, "dora", err)
	if !strings.Contains(s.Log(), "the user has no Unix identity: the user file gives neither uid nor unix_user=") {
		t.Error("the log does not say why")
	}
	_, err = client.Connect(ctx, s.Addr, "share", client.Options{User: "root", Password: harness.Password})
	wantDenied(t, "root", err)
}

// The Security tab shows and sets owners.
func TestIdentityOwners(t *testing.T) {
	s := unixShare(t)
	ctx := t.Context()
	anna := as(t, s, "anna")
	if err := anna.WriteFile(ctx, "f", nil); err != nil {
		t.Fatal(err)
	}
	ownerOf := func(tree *client.Tree) secdesc.SID {
		t.Helper()
		f, err := tree.Create(ctx, client.CreateArgs{Name: "f", Access: 0x20000})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close(ctx) }()
		b, err := f.Security(ctx, secdesc.OwnerInformation|secdesc.GroupInformation)
		if err != nil {
			t.Fatal(err)
		}
		d, err := secdesc.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		return d.Owner
	}
	give := func(tree *client.Tree, owner secdesc.SID) error {
		t.Helper()
		f, err := tree.Create(ctx, client.CreateArgs{Name: "f", Access: 0x80000})
		if err != nil {
			return err
		}
		defer func() { _ = f.Close(ctx) }()
		d := secdesc.Descriptor{Control: secdesc.SelfRelative, Owner: owner}
		b, err := d.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		return f.SetSecurity(ctx, secdesc.OwnerInformation, b)
	}
	hers := ownerOf(anna)
	if hers.Authority() != 5 {
		t.Errorf("her file belongs to %v", hers)
	}
	if err := os.Chown(s.Path("share", "f"), 62999, 62998); err != nil {
		t.Fatal(err)
	}
	if got := ownerOf(anna); got != secdesc.UnixUser(62999) {
		t.Errorf("a file of user 62999 belongs to %v", got)
	}
	wantDenied(t, "anna takes a file of somebody else", give(anna, hers))
	wantOwner(t, s.Path("share", "f"), 62999, 62998)
	admin := as(t, s, "admin")
	if err := give(admin, hers); err != nil {
		t.Errorf("an administrator gives it to anna: %v", err)
	}
	wantOwner(t, s.Path("share", "f"), 620001, 62998)
	if got := ownerOf(admin); got != hers {
		t.Errorf("it belongs to %v then", got)
	}
	if err := give(admin, secdesc.World); err != ntstatus.InvalidOwner {
		t.Errorf("given to a group of all: %v", err)
	}
	if _, err := exec.LookPath("smbclient"); err == nil {
		out, err := exec.CommandContext(ctx, "smbclient", "-s", os.DevNull, "-p", s.Port, "-U", "anna%"+harness.Password,
			"//"+s.Host+"/share", "-c", "showacls; ls f").CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte(hers.String())) {
			t.Errorf("smbclient: %v\n%s", err, out)
		}
	}
}

func TestForcedIdentity(t *testing.T) {
	s := unixShare(t, "force_user: nobody", `force_group: "620020"`, `create_mask: "0640"`, `force_create_mode: "0002"`)
	dora := as(t, s, "dora")
	if err := dora.WriteFile(t.Context(), "f", nil); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(s.Path("share", "f"))
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	if st.Uid == 0 || st.Gid != 620020 || info.Mode().Perm() != 0o642 {
		t.Errorf("%d:%d mode %v", st.Uid, st.Gid, info.Mode())
	}
}

// With identity: service, the group and the mode can be said as well.
func TestForcedGroupOfTheService(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to give files to another group")
	}
	s := harness.Run(t, harness.Options{Shares: []harness.Share{{Name: "share", Settings: []string{`force_group: "620020"`, `force_directory_mode: "0070"`}}}})
	tree := connect(t, s, "share")
	if err := tree.Mkdir(t.Context(), "d"); err != nil {
		t.Fatal(err)
	}
	wantOwner(t, s.Path("share", "d"), 0, 620020)
	if info, err := os.Stat(s.Path("share", "d")); err != nil || info.Mode().Perm() != 0o775 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// Many clients at once, in the program itself: a file belongs to whom it was made by.
func TestIdentitiesDoNotMix(t *testing.T) {
	s := unixShare(t)
	ctx := t.Context()
	var wg sync.WaitGroup
	for g := range 8 {
		user, uid := "anna", uint32(620001)
		if g%2 == 1 {
			user, uid = "bert", 620002
		}
		tree := as(t, s, user)
		wg.Go(func() {
			for i := range 40 {
				name := fmt.Sprintf("%s-%d-%d", user, g, i)
				if err := tree.WriteFile(ctx, name, []byte("x")); err != nil {
					t.Error(err)
					return
				}
				info, err := os.Stat(s.Path("share", name))
				if err != nil || info.Sys().(*syscall.Stat_t).Uid != uid {
					t.Errorf("%s belongs to somebody else: %v", name, err)
				}
			}
		})
	}
	wg.Wait()
	for _, task := range must(filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", s.PID()))) {
		data, err := os.ReadFile(task)
		if err == nil && !bytes.Contains(data, []byte("Uid:\t0\t0\t0\t0\n")) {
			t.Errorf("%s:\n%s", task, data)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// explained is what the test reads of the output.
type explained struct {
	Allowed bool `json:"allowed"`
	Steps   []struct {
		Rule, Verdict, Detail string
	} `json:"steps"`
}

func TestExplain(t *testing.T) {
	s := unixShare(t, `create_mask: "0600"`)
	anna := as(t, s, "anna")
	if err := anna.WriteFile(t.Context(), "f", nil); err != nil {
		t.Fatal(err)
	}
	explain := func(args ...string) (explained, string) {
		t.Helper()
		bin, err := harness.Binary()
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), bin, append([]string{"explain", "--state", s.StateDir, "--json"}, args...)...).Output()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		var e explained
		if err := json.Unmarshal(out, &e); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return e, string(out)
	}
	for _, c := range []struct {
		access, user string
		allowed      bool
		rule         string // that has decided
	}{
		{"read", "anna", true, ""},
		{"write", "anna", true, ""},
		{"read", "bert", false, "kernel"},
		{"delete", "bert", true, ""}, // the directory is everybody's
		{"read", "dora", false, "identity"},
		{"read", "nobody-such", false, "user"},
	} {
		e, out := explain(c.access, "share", "f", c.user)
		decided := ""
		for _, step := range e.Steps {
			if step.Verdict == "refused" {
				decided = step.Rule
			}
		}
		if e.Allowed != c.allowed || decided != c.rule {
			t.Errorf("%s by %s: allowed %v by %q\n%s", c.access, c.user, e.Allowed, decided, out)
		}
	}
}

// Where permission bits are what a descriptor is made of, the groups of the Unix user
// count in it.
func TestIdentityWithDefaultACLPosix(t *testing.T) {
	s := unixShare(t, "default_acl: posix", `create_mask: "0640"`)
	ctx := t.Context()
	anna, bert, admin := as(t, s, "anna"), as(t, s, "bert"), as(t, s, "admin")
	if err := anna.WriteFile(ctx, "f", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(s.Path("share", "f"), 620001, 620012); err != nil {
		t.Fatal(err)
	}
	if data, err := bert.ReadFile(ctx, "f"); err != nil || string(data) != "x" {
		t.Errorf("by his group: %q, %v", data, err)
	}
	_, err := admin.ReadFile(ctx, "f")
	wantDenied(t, "somebody else", err)
	_, err = bert.Create(ctx, client.CreateArgs{Name: "f", Access: 2})
	wantDenied(t, "writing by the group", err)
	if err := os.Mkdir(s.Path("share", "closed"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err = bert.ReadDir(ctx, "closed")
	wantDenied(t, "listing what belongs to root", err)
}
