package smbtorture

import (
	"maps"
	"slices"
	"testing"

	"lessor/test/harness"
)

// jobs run side by side. The tests wait more than they compute, but some look at
// what happens within a second.
const jobs = 2

// TestExpected runs the tests of expected.tsv: what is in there passes, and not at
// a second try. A test of smbtorture that depends on the speed of the machine does
// not belong in there. Few need root: to listen on port 445, or to block connections.
func TestExpected(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes")
	}
	program := harness.Tool(t, "smbtorture", "samba-testsuite")
	tests := expectedTests(t)
	if len(tests) == 0 {
		t.Skip("expected.tsv holds no test yet")
	}
	pool := &Pool{Program: program, Jobs: jobs, Dir: t.TempDir()}
	failed := runAll(t, pool, tests)

	for _, r := range failed {
		t.Errorf("%s: %s: %s\nrun it with: go run ./test/smbtorture/run -logs /tmp/logs '%s'",
			r.Test.Name, r.Verdict, r.Reason, r.Test.Name)
	}
	t.Logf("of %d tests, %d failed", len(tests), len(failed))
}

// runAll returns the results that are not a pass. What this user or machine cannot run
// is logged.
func runAll(t *testing.T, pool *Pool, tests []Test) []Result {
	t.Helper()
	var failed []Result
	seen := 0
	err := pool.Run(t.Context(), tests, func(r Result) {
		seen++
		switch r.Verdict {
		case Pass:
		case NotHere:
			t.Logf("left out: %s: %s", r.Test.Name, r.Reason)
		default:
			failed = append(failed, r)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen != len(tests) {
		t.Fatalf("%d results for %d tests", seen, len(tests))
	}
	return failed
}

func expectedTests(t *testing.T) []Test {
	t.Helper()
	seconds, err := Expected("expected.tsv")
	if err != nil {
		t.Fatal(err)
	}
	if len(seconds) == 0 {
		return nil
	}
	all, err := List()
	if err != nil {
		t.Fatal(err)
	}
	var tests []Test
	for _, test := range all {
		if s, there := seconds[test.Name]; there {
			test.Seconds = s
			tests = append(tests, test)
			delete(seconds, test.Name)
		}
	}
	if len(seconds) > 0 {
		t.Fatalf("expected.tsv holds tests that list.txt does not: %v", slices.Sorted(maps.Keys(seconds)))
	}
	return tests
}
