package service

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"lessor/test/harness"
)

// TestUser starts the server as root on a port that only root may take, and has it
// become somebody else.
func TestUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become somebody else")
	}
	const uid, gid = 64123, 64124
	// Everything of a test belongs to root, and is for root alone.
	dir, err := os.MkdirTemp("", "lessor-user-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s, err := harness.New(dir, harness.Options{Config: fmt.Sprintf("user: \"%d:%d\"\n", uid, gid), Args: []string{"--listen", "127.0.0.1:97"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(s.StateDir); err != nil { // the server makes it, for the account
		t.Fatal(err)
	}
	for _, p := range []string{dir, s.Path("share"), filepath.Join(dir, "password"), filepath.Join(dir, "lessor.yaml")} {
		if err := os.Chown(p, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.PID()))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		fmt.Sprintf("Uid:\t%d\t%[1]d\t%[1]d\t%[1]d", uid), fmt.Sprintf("Gid:\t%d\t%[1]d\t%[1]d\t%[1]d", gid),
		"Groups:\t" + strconv.Itoa(gid) + " \n", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapAmb:\t0000000000000000",
	} {
		if !strings.Contains(string(status), want) {
			t.Errorf("no %q in\n%s", want, status)
		}
	}
	if !strings.Contains(s.Log(), "127.0.0.1:97") {
		t.Error("the port is not taken")
	}
	tree := connect(t, s, "share")
	if err := tree.WriteFile(t.Context(), "f", []byte("x")); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{s.Path("share", "f"), s.StateDir} {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		if st := info.Sys().(*syscall.Stat_t); st.Uid != uid || st.Gid != gid {
			t.Errorf("%s belongs to %d:%d", p, st.Uid, st.Gid)
		}
	}
	from := s.LogSize()
	edit(t, s, "user: ", "log: {level: debug}\nuser: ")
	if err := os.Chown(filepath.Join(dir, "lessor.yaml"), uid, gid); err != nil {
		t.Fatal(err)
	}
	if err := s.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a reload", func() bool { return strings.Contains(s.LogFrom(from), `"changed":["log.level"]`) })
}

// TestUserProblems is about what cannot be.
func TestUserProblems(t *testing.T) {
	s, err := harness.New(t.TempDir(), harness.Options{Config: "user: nobody-of-this-name\n"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err == nil || !strings.Contains(err.Error(), `user: there is no user "nobody-of-this-name"`) {
		t.Errorf("started: %v", err)
		_ = s.Kill()
	}
}
