package service

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lessor/test/client"
	"lessor/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// connect gets to a share of a server as its user.
func connect(t *testing.T, s *harness.Server, share string) *client.Tree {
	t.Helper()
	tree, err := client.Connect(t.Context(), s.Addr, share, client.Options{User: s.User, Password: s.Password})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tree.Session.Conn.Close() })
	return tree
}

// eventually polls until a condition holds that nobody announces.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

// edit replaces a text in the configuration of a server, by a new file in place of
// the old one, as editors do.
func edit(t *testing.T, s *harness.Server, old, replacement string) {
	t.Helper()
	file := filepath.Join(s.Dir, "lessor.yaml")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(data), old, replacement, 1)
	if changed == string(data) {
		t.Fatalf("no %q in\n%s", old, data)
	}
	if err := os.WriteFile(file+".new", []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// hangUp sends SIGHUP and waits for a text in what the log, a file, holds from then
// on.
func hangUp(t *testing.T, s *harness.Server, log, want string) {
	t.Helper()
	before, _ := os.ReadFile(log) // none: it is made now
	if err := s.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, want, func() bool {
		now, err := os.ReadFile(log)
		return err == nil && len(now) >= len(before) && strings.Contains(string(now[len(before):]), want)
	})
}
