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
	const wanted = 70_000 // of 20,000 clients, each with a file
	if limit.Cur < wanted {
		more := syscall.Rlimit{Cur: wanted, Max: max(wanted, limit.Max)}
		if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &more) != nil { // root alone may raise the hard limit
			more = syscall.Rlimit{Cur: min(wanted, limit.Max), Max: limit.Max}
			check(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &more))
		}
		limit = more
	}
	return int(min(limit.Cur, 1<<20))
}
