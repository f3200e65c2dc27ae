package protocol

import (
	"syscall"
	"testing"
)

// maxFiles is how many descriptors a process may have; the server of a test inherits
// the limit.
func maxFiles(t *testing.T) int {
	t.Helper()
	var limit syscall.Rlimit
	check(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	return int(min(limit.Cur, 1<<20))
}
