package smbtorture

import (
	"maps"
	"slices"
	"testing"

	"lessor/test/harness"
)

const (
	// jobs run side by side. The tests wait more than they compute.
	jobs = 4
	// Many tests look at times, and this one runs beside other packages' tests.
	// So few of them may need a second try, alone; more than that is no accident.
	secondTries = 5
)

// TestExpected runs the tests of expected.tsv: what has passed once must pass.
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

	var again []Test
	for _, r := range failed {
		if r.Verdict != Crash {
			again = append(again, r.Test)
		}
	}
	if len(again) > 0 && len(again) <= secondTries {
		pool.Jobs = 1
		second := runAll(t, pool, again)
		for _, r := range failed {
			same := func(s Result) bool { return s.Test.Name == r.Test.Name }
			if r.Verdict != Crash && !slices.ContainsFunc(second, same) {
				t.Logf("%s passed only when run alone; at first: %s: %s", r.Test.Name, r.Verdict, r.Reason)
			}
		}
		failed = append(slices.DeleteFunc(failed, func(r Result) bool { return r.Verdict != Crash }), second...)
	}
	for _, r := range failed {
		t.Errorf("%s: %s: %s\nrun it with: go run ./test/smbtorture/run -logs /tmp/logs '%s'",
			r.Test.Name, r.Verdict, r.Reason, r.Test.Name)
	}
	t.Logf("%d of %d tests passed", len(tests)-len(failed), len(tests))
}

// runAll returns the results that are not a pass.
func runAll(t *testing.T, pool *Pool, tests []Test) []Result {
	t.Helper()
	var failed []Result
	seen := 0
	err := pool.Run(t.Context(), tests, func(r Result) {
		if seen++; r.Verdict != Pass {
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
