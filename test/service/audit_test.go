package service

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"lessor/test/harness"
)

// TestAuditLogIsRotated moves the audit log of a share away while the server runs, in its
// sandbox, and deletes a file into the recycle bin.
func TestAuditLogIsRotated(t *testing.T) {
	log := filepath.Join(t.TempDir(), "audit.log")
	s := harness.Run(t, harness.Options{Shares: []harness.Share{{Name: "share", Settings: []string{
		"recycle: {directory: .recycle/%U}",
		"audit: {operations: [create, delete], file: " + log + "}",
	}}}})
	tree := connect(t, s, "share")
	if err := tree.WriteFile(t.Context(), "a", []byte("x")); err != nil {
		t.Fatal(err)
	}
	has := func(file, text string) func() bool {
		return func() bool {
			b, err := os.ReadFile(file)
			return err == nil && strings.Contains(string(b), text)
		}
	}
	eventually(t, "a line of the log", has(log, `"operation":"create","path":"a"`))
	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	from := s.LogSize()
	if err := s.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a reload", func() bool { return strings.Contains(s.LogFrom(from), "configuration reloaded") })
	if err := tree.Remove(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a line of the new log", has(log, `"operation":"delete","path":"a","new_path":".recycle/alice/a"`))
	if b, err := os.ReadFile(s.Path("share", ".recycle", "alice", "a")); err != nil || string(b) != "x" {
		t.Errorf("in the bin: %q, %v", b, err)
	}
}
