// Command run runs tests of smbtorture against the server of this module, or
// against another one, and prints a line for each:
//
//	test <TAB> verdict <TAB> seconds <TAB> reason
//
// Without names it runs the tests of expected.tsv, with -all those of list.txt.
// A name selects the test and all tests below it. The exit status is 1 if one of
// the expected tests did not pass, 2 if the tests could not be run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"lessor/test/harness"
	"lessor/test/smbtorture"
)

func main() {
	var o options
	flag.BoolVar(&o.all, "all", false, "run all tests of list.txt")
	flag.IntVar(&o.jobs, "jobs", 4, "run `N` tests side by side, each against a server of its own")
	flag.IntVar(&o.count, "count", 1, "run each test `N` times; the worst verdict counts")
	flag.BoolVar(&o.update, "update", false, "add the tests that pass to expected.tsv; none is ever taken out")
	flag.BoolVar(&o.fresh, "fresh", false, "start a new server for each test")
	flag.Float64Var(&o.slow, "slow", 1, "multiply the time limits by `X`")
	flag.StringVar(&o.out, "out", "", "write the lines to `FILE`, in the order of list.txt, too")
	flag.StringVar(&o.logs, "logs", "", "keep what smbtorture says of each test in `DIR`")
	flag.StringVar(&o.addr, "addr", "", "test the server at `HOST:PORT` instead of starting one")
	flag.StringVar(&o.share, "share", "share", "with -addr: the share")
	flag.StringVar(&o.login, "user", "", "with -addr: `USER%PASSWORD`")
	flag.StringVar(&o.login2, "user2", "", "with -addr: `USER%PASSWORD` of somebody else")
	flag.StringVar(&o.dir, "dir", "", "with -addr: the directory of the share, if it is here")
	flag.Parse()
	os.Exit(status(o, flag.Args()))
}

// status runs the tests and returns the exit status.
func status(o options, names []string) int {
	// An interrupt must end the servers in good order.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	defer harness.Cleanup()
	failed, err := run(ctx, o, names)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "run:", err)
		return 2
	case failed:
		return 1
	}
	return 0
}

type options struct {
	all, update, fresh bool
	jobs, count        int
	slow               float64
	out, logs          string
	addr, share, dir   string
	login, login2      string
}

// run reports whether an expected test did not pass.
func run(ctx context.Context, o options, names []string) (failed bool, err error) {
	file, err := expectedFile()
	if err != nil {
		return false, err
	}
	expected, err := smbtorture.Expected(file)
	if err != nil {
		return false, err
	}
	tests, err := choose(o, names, expected)
	if err != nil {
		return false, err
	}
	pool, err := o.pool()
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(pool.Dir)) }()
	began := time.Now()
	worst := map[string]smbtorture.Result{}
	for range o.count {
		err := pool.Run(ctx, tests, func(r smbtorture.Result) {
			if old, seen := worst[r.Test.Name]; !seen || old.Verdict == smbtorture.Pass {
				worst[r.Test.Name] = r
			}
			writeLine(os.Stdout, r)
			o.keepLog(r)
		})
		if err != nil {
			return false, err
		}
	}
	return report(o, file, tests, worst, expected, time.Since(began))
}

// choose returns the tests to run, with what is known and wanted of their times.
func choose(o options, names []string, expected map[string]float64) ([]smbtorture.Test, error) {
	all, err := smbtorture.List()
	if err != nil {
		return nil, err
	}
	tests, err := smbtorture.Select(all, names)
	if err != nil {
		return nil, err
	}
	var chosen []smbtorture.Test
	for _, t := range tests {
		seconds, there := expected[t.Name]
		if !there && !o.all && len(names) == 0 {
			continue
		}
		t.Seconds = seconds
		t.Timeout = time.Duration(float64(t.Timeout) * o.slow)
		chosen = append(chosen, t)
	}
	if len(chosen) == 0 {
		return nil, errors.New("expected.tsv is empty: give names, or -all")
	}
	return chosen, nil
}

func (o options) pool() (*smbtorture.Pool, error) {
	program, err := exec.LookPath("smbtorture")
	if err != nil {
		return nil, fmt.Errorf("%w (Debian package samba-testsuite)", err)
	}
	dir, err := os.MkdirTemp("", "torture-")
	if err != nil {
		return nil, err
	}
	pool := &smbtorture.Pool{Program: program, Jobs: o.jobs, Dir: dir, Fresh: o.fresh}
	if o.addr == "" {
		return pool, nil
	}
	host, port, err := net.SplitHostPort(o.addr)
	if err != nil {
		return nil, err
	}
	user, password, _ := strings.Cut(o.login, "%")
	user2, password2, _ := strings.Cut(o.login2, "%")
	pool.Target = &smbtorture.Target{
		Host: host, Port: port, Share: o.share, Dir: o.dir,
		User: user, Password: password, User2: user2, Password2: password2,
	}
	pool.Jobs = 1
	return pool, nil
}

func writeLine(w io.Writer, r smbtorture.Result) {
	fmt.Fprintf(w, "%s\t%s\t%.1f\t%s\n", r.Test.Name, r.Verdict, r.Seconds, r.Reason)
}

var odd = regexp.MustCompile(`[^A-Za-z0-9._-]`)

// keepLog writes what smbtorture said. It is there for a person to read, so a
// full disk is a word of warning.
func (o options) keepLog(r smbtorture.Result) {
	if o.logs == "" {
		return
	}
	err := os.MkdirAll(o.logs, 0o755)
	if err == nil {
		err = os.WriteFile(filepath.Join(o.logs, odd.ReplaceAllString(r.Test.Name, "_")+".log"), []byte(r.Output), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
	}
}

// report writes the summary and the files.
func report(o options, file string, tests []smbtorture.Test, worst map[string]smbtorture.Result,
	expected map[string]float64, took time.Duration,
) (failed bool, err error) {
	var results []smbtorture.Result
	count := map[smbtorture.Verdict]int{}
	var lost []string
	var table strings.Builder
	table.WriteString("test\tverdict\tseconds\treason\n")
	for _, t := range tests {
		r := worst[t.Name]
		results = append(results, r)
		count[r.Verdict]++
		writeLine(&table, r)
		if _, there := expected[t.Name]; there && r.Verdict != smbtorture.Pass && r.Verdict != smbtorture.NotHere {
			lost = append(lost, fmt.Sprintf("%s: %s: %s", t.Name, r.Verdict, r.Reason))
		}
	}
	var parts []string
	for _, v := range smbtorture.Verdicts {
		parts = append(parts, fmt.Sprintf("%s %d", v, count[v]))
	}
	fmt.Fprintf(os.Stderr, "%d tests in %.0f s: %s\n", len(tests), took.Seconds(), strings.Join(parts, ", "))
	if len(lost) > 0 {
		fmt.Fprintf(os.Stderr, "expected to pass, but did not:\n  %s\n", strings.Join(lost, "\n  "))
	}
	if o.out != "" {
		if err := os.WriteFile(o.out, []byte(table.String()), 0o644); err != nil {
			return false, err
		}
	}
	if o.update {
		added, err := smbtorture.AddExpected(file, results)
		if err != nil {
			return false, err
		}
		fmt.Fprintf(os.Stderr, "%d tests added to %s\n", added, file)
	}
	return len(lost) > 0, nil
}

// expectedFile is expected.tsv in the source of this module.
func expectedFile() (string, error) {
	out, err := exec.Command("go", "list", "-f", "{{.Dir}}", "lessor/test/smbtorture").Output()
	if err != nil {
		return "", fmt.Errorf("run this inside the module: %w", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "expected.tsv"), nil
}
