package smbtorture

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lessor/test/harness"
)

func TestParseTest(t *testing.T) {
	got, err := parseTest("smb2.x.a b\ttimeout=5\tsigning=required\tset=posix_locks=true\tfile=f\toption=torture:localdir=LOCALDIR")
	if err != nil {
		t.Fatal(err)
	}
	want := Test{
		Name: "smb2.x.a b", Timeout: 5 * time.Second, Signing: "required", Share: []string{"posix_locks: true"}, File: "f",
		Args: []string{"--option=torture:localdir=LOCALDIR"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for _, bad := range []string{"smb2.x\ttimeout=0", "smb2.x\ttimeout=soon", "smb2.x\tcolour=red"} {
		if _, err := parseTest(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestSelect(t *testing.T) {
	all := []Test{
		{Name: "smb2.lock"}, {Name: "smb2.lock.a"}, {Name: "smb2.lockout"}, {Name: "smb2.read.b"}, {Name: "smb2.read.b@sealed"},
	}
	names := func(tests []Test) (n []string) {
		for _, t := range tests {
			n = append(n, t.Name)
		}
		return n
	}
	for _, c := range []struct{ ask, want []string }{
		{nil, names(all)},
		{[]string{"smb2.lock"}, []string{"smb2.lock", "smb2.lock.a"}},
		{[]string{"smb2.read.", "smb2.lock.a"}, []string{"smb2.lock.a", "smb2.read.b", "smb2.read.b@sealed"}},
		{[]string{"smb2.read.b"}, []string{"smb2.read.b", "smb2.read.b@sealed"}},
		{[]string{"smb2.read.b@sealed"}, []string{"smb2.read.b@sealed"}},
	} {
		got, err := Select(all, c.ask)
		if d := cmp.Diff(c.want, names(got)); d != "" || err != nil {
			t.Errorf("Select(%q): %v (-want +got):\n%s", c.ask, err, d)
		}
	}
	if _, err := Select(all, []string{"smb2.read", "smb2.nothing"}); err == nil || !strings.Contains(err.Error(), "smb2.nothing") {
		t.Errorf("an unknown name: %v; want to hear of it", err)
	}
}

// TestList compares list.txt with what smbtorture itself offers.
func TestList(t *testing.T) {
	all, err := List()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{} // what smbtorture calls it
	for _, test := range all {
		if seen[test.Name] != "" {
			t.Errorf("%s is there twice", test.Name)
		}
		seen[test.Name] = test.program()
	}
	cmd := exec.Command(harness.Tool(t, "smbtorture", "samba-testsuite"), "--list")
	cmd.Dir = t.TempDir()
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	// Other versions of smbtorture have other tests; what we list must exist.
	offered := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		offered[plainName(strings.TrimSpace(line))] = true
	}
	for _, name := range seen {
		if !offered[name] {
			t.Errorf("smbtorture does not know %s", name)
		}
	}
}

// plainName undoes what --list does: it names a test twice at the end.
func plainName(name string) string {
	for i := range name {
		if name[i] == '.' && strings.HasSuffix(name[:i], "."+name[i+1:]) {
			return name[:i]
		}
	}
	return name
}

func TestAddExpectedNeverTakesOut(t *testing.T) {
	all, err := List()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "expected.tsv")
	before := expectedHeader + all[1].Name + "\t1.5\n" + all[5].Name + "\t2.0\n"
	if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	added, err := AddExpected(file, []Result{
		{Test: all[5], Verdict: Fail, Seconds: 9},
		{Test: all[1], Verdict: Pass, Seconds: 9},
		{Test: all[0], Verdict: Pass, Seconds: 0.25},
		{Test: all[2], Verdict: Skip},
		{Test: all[3], Verdict: Crash},
	})
	if err != nil || added != 1 {
		t.Errorf("AddExpected = %d, %v; want 1", added, err)
	}
	after, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := expectedHeader + all[0].Name + "\t0.2\n" + all[1].Name + "\t1.5\n" + all[5].Name + "\t2.0\n"
	if d := cmp.Diff(want, string(after)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestExpectedRefusesWhatIsNotAList(t *testing.T) {
	for _, text := range []string{
		"", "smb2.lock\t1\n", expectedHeader + "smb2.lock\n", expectedHeader + "a\t1\na\t1\n",
	} {
		file := filepath.Join(t.TempDir(), "expected.tsv")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := Expected(file); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}
