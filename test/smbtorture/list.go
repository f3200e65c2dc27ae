package smbtorture

import (
	_ "embed"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// defaultTimeout is for tests that list.txt gives no limit.
const defaultTimeout = 60 * time.Second

// Test is one test of smbtorture.
type Test struct {
	// Name is that of list.txt: the test's, and behind an '@' that of a variant, if the
	// test is run more than once, under different settings.
	Name string
	// Timeout ends the test.
	Timeout time.Duration
	// Args are more arguments for smbtorture. localDir in them stands for the
	// share's directory.
	Args []string
	// File is a name to create in the share's directory first, empty, if set.
	File string
	// Snapshot is the name of a snapshot to make of the share first, if set.
	Snapshot string
	// Signing is the server's setting server.signing; empty: enabled.
	Signing string
	// Share are settings of the share, as they stand in a configuration file.
	Share []string
	// ShareName is what the share is called; empty: share.
	ShareName string
	// Second is the name of a second share of the same directory, with the settings
	// SecondSet; empty: there is none.
	Second    string
	SecondSet []string
	// Logon are settings of the server's group logon, as they stand in a file.
	Logon []string
	// Admin makes the user an administrator of the server.
	Admin bool
	// Kerberos logs on with a ticket of a KDC, and with nothing else.
	Kerberos bool
	// Block lets the test block connections: "requests" of a blocked one are lost, and
	// what else the client sends, or "replies", and what else the server sends.
	Block string
	// FS is the file system of the share, in a loop device; empty: that of the machine.
	FS string
	// Port445 runs the test with the server at port 445, which needs root.
	Port445 bool
	// Replay is the server's setting locking.replay_profile; empty: samba.
	Replay string
	// Seconds is how long it took when it was last seen to pass; 0: not known.
	Seconds float64
}

// program is the name that smbtorture knows the test by.
func (t *Test) program() string {
	name, _, _ := strings.Cut(t.Name, "@")
	return name
}

// localDir stands for the share's directory in list.txt.
const localDir = "LOCALDIR"

//go:embed list.txt
var listText string

// List returns all tests in the order of list.txt.
func List() ([]Test, error) {
	var all []Test
	for i, line := range strings.Split(listText, "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		t, err := parseTest(line)
		if err != nil {
			return nil, fmt.Errorf("list.txt:%d: %w", i+1, err)
		}
		all = append(all, t)
	}
	return all, nil
}

// parseTest reads a line: the name and further columns, separated by tabs.
func parseTest(line string) (Test, error) {
	cols := strings.Split(line, "\t")
	t := Test{Name: cols[0], Timeout: defaultTimeout}
	for _, c := range cols[1:] {
		switch key, value, _ := strings.Cut(c, "="); key {
		case "timeout":
			seconds, err := strconv.Atoi(value)
			if err != nil || seconds <= 0 {
				return Test{}, fmt.Errorf("bad timeout %q", value)
			}
			t.Timeout = time.Duration(seconds) * time.Second
		case "signing":
			t.Signing = value
		case "replay":
			t.Replay = value
		case "file":
			t.File = value
		case "snapshot":
			t.Snapshot = value
		case "admin":
			if value != "true" {
				return Test{}, fmt.Errorf("bad admin %q", value)
			}
			t.Admin = true
		case "kerberos":
			if value != "required" {
				return Test{}, fmt.Errorf("bad kerberos %q", value)
			}
			t.Kerberos = true
		case "block":
			if value != "requests" && value != "replies" {
				return Test{}, fmt.Errorf("bad block %q", value)
			}
			t.Block = value
		case "fs":
			if !fileSystems[value] {
				return Test{}, fmt.Errorf("bad fs %q", value)
			}
			t.FS = value
		case "port":
			if value != "445" {
				return Test{}, fmt.Errorf("bad port %q", value)
			}
			t.Port445 = true
		case "set":
			setting, value, _ := strings.Cut(value, "=")
			t.Share = append(t.Share, setting+": "+value)
		case "second":
			t.Second = value
		case "second_set":
			setting, value, _ := strings.Cut(value, "=")
			t.SecondSet = append(t.SecondSet, setting+": "+value)
		case "logon":
			setting, value, _ := strings.Cut(value, "=")
			t.Logon = append(t.Logon, setting+": "+value)
		case "share":
			t.ShareName = value
		case "option", "target":
			t.Args = append(t.Args, "--"+c)
		default:
			return Test{}, fmt.Errorf("unknown column %q", c)
		}
	}
	return t, nil
}

// Select returns the tests with one of the names, or below it: smb2.lock selects
// smb2.lock.cancel, and smb2.lock.cancel all variants of this test. Without names it
// returns all. A name that selects nothing is an error.
func Select(all []Test, names []string) ([]Test, error) {
	if len(names) == 0 {
		return all, nil
	}
	used := make([]bool, len(names))
	var chosen []Test
	for _, t := range all {
		for i, n := range names {
			if t.Name == n || t.program() == n || strings.HasPrefix(t.Name, strings.TrimSuffix(n, ".")+".") {
				used[i] = true
				chosen = append(chosen, t)
				break
			}
		}
	}
	if i := slices.Index(used, false); i >= 0 {
		return nil, fmt.Errorf("list.txt has no test %q", names[i])
	}
	return chosen, nil
}

const expectedHeader = "test\tseconds\n"

// Expected reads the names of the tests that pass, with the seconds they took.
func Expected(file string) (map[string]float64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	rest, ok := strings.CutPrefix(string(text), expectedHeader)
	if !ok {
		return nil, fmt.Errorf("%s does not begin with %q", file, expectedHeader)
	}
	all := map[string]float64{}
	for line := range strings.Lines(rest) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		seconds, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: bad line %q", file, line)
		}
		if _, twice := all[name]; twice {
			return nil, fmt.Errorf("%s: %s is there twice", file, name)
		}
		all[name] = seconds
	}
	return all, nil
}

// AddExpected adds the tests that passed to the file and returns how many are
// new. Nothing is ever taken out: whoever breaks a test shall see it.
func AddExpected(file string, results []Result) (int, error) {
	known, err := Expected(file)
	if err != nil {
		return 0, err
	}
	before := len(known)
	for _, r := range results {
		if _, there := known[r.Test.Name]; r.Verdict == Pass && !there {
			known[r.Test.Name] = r.Seconds
		}
	}
	// In the order of list.txt, so that a diff is easy to read.
	all, err := List()
	if err != nil {
		return 0, err
	}
	var b strings.Builder
	b.WriteString(expectedHeader)
	for _, t := range all {
		if seconds, there := known[t.Name]; there {
			fmt.Fprintf(&b, "%s\t%.1f\n", t.Name, seconds)
			delete(known, t.Name)
		}
	}
	if len(known) > 0 {
		return 0, fmt.Errorf("%s holds tests that list.txt does not: %v", file, known)
	}
	added := strings.Count(b.String(), "\n") - 1 - before
	return added, os.WriteFile(file, []byte(b.String()), 0o644)
}
