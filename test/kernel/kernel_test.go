package kernel

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestArchiveIsReadByCpio(t *testing.T) {
	cpio, err := exec.LookPath("cpio")
	if err != nil {
		t.Skip("cpio is not installed")
	}
	var a archive
	a.add("dir", modeDir, nil)
	a.add("dir/odd", modeProgram, []byte("12345"))
	a.add("dir/empty", modeFile, nil)
	a.add("link", modeLink, []byte("dir/odd"))
	a.device("console", 5, 1)
	cmd := exec.Command(cpio, "-itv", "--quiet")
	cmd.Env = append(cmd.Environ(), "TZ=UTC", "LC_ALL=C")
	cmd.Stdin = bytes.NewReader(a.bytes())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("cpio: %v\n%s", err, out)
	}
	var got []string
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		got = append(got, f[0]+" "+strings.Join(f[4:len(f)-1], " ")+" "+f[len(f)-1])
	}
	want := []string{
		"drwxr-xr-x 0 Jan 1 1970 dir",
		"-rwxr-xr-x 5 Jan 1 1970 dir/odd",
		"-rw-r--r-- 0 Jan 1 1970 dir/empty",
		"lrwxrwxrwx 7 Jan 1 1970 link -> dir/odd",
		"crw------- 5, 1 Jan 1 1970 console",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("cpio -tv (-want +got):\n%s", d)
	}
}

func TestModuleNames(t *testing.T) {
	for file, want := range map[string]string{
		"lib/modules/6.1/kernel/crypto/cmac.ko":                       "cmac",
		"usr/lib/modules/6.12/kernel/crypto/ghash-generic.ko.xz":      "ghash_generic",
		"usr/lib/modules/6.12/modules.order":                          "",
		"usr/share/doc/linux-image-6.1.0-56-cloud-amd64/changelog.xz": "",
	} {
		if got := moduleName(file); got != want {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
	info := []byte("license=GPL\x00depends=libarc4,cifs-md4\x00depends=\x00name=x\x00")
	if d := cmp.Diff([]string{"libarc4", "cifs_md4"}, dependsOf(info)); d != "" {
		t.Errorf("depends (-want +got):\n%s", d)
	}
}

func TestFollow(t *testing.T) {
	for _, c := range []struct {
		name    string
		lines   []string
		want    []Result
		problem string
	}{
		{
			"to the end",
			[]string{"START\ta", "RESULT\ta\tpass\t0.5\t", "START\tb", "RESULT\tb\tfail\t1.5\tgot 'x' ", "DONE", "later"},
			[]Result{{"a", true, 0.5, ""}, {"b", false, 1.5, "got 'x'"}}, "",
		},
		{"died before", nil, nil, "the guest died outside of a case"},
		{"died within", []string{"START\ta"}, []Result{{"a", false, 0, "the guest died"}}, "in case a"},
		{"nonsense", []string{"START\ta", "hello"}, nil, `unexpected "hello"`},
		{"another case", []string{"START\ta", "RESULT\tb\tpass\t1\t"}, nil, "unexpected"},
	} {
		lines := make(chan string, len(c.lines))
		for _, l := range c.lines {
			lines <- l
		}
		close(lines)
		var got []Result
		err := follow(lines, func(r Result) { got = append(got, r) })
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: results (-want +got):\n%s", c.name, d)
		}
		if c.problem == "" && err != nil || c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem)) {
			t.Errorf("%s: %v; want %q", c.name, err, c.problem)
		}
	}
}

// TestScripts has the shell look for errors in the guest's scripts, and sees that
// what is quoted arrives.
func TestScripts(t *testing.T) {
	for name, script := range map[string][]byte{"init": initScript, "cases": casesScript} {
		cmd := exec.Command("sh", "-n")
		cmd.Stdin = bytes.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	const odd = `it's "$HOME" \ and`
	out, err := exec.Command("sh", "-c", "printf %s "+shellQuote(odd)).Output()
	if err != nil || string(out) != odd {
		t.Errorf("quoted: %q, %v; want %q", out, err, odd)
	}
}
