package smbtorture

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// Target is a server to run tests against.
type Target struct {
	Host, Port, Share string
	User, Password    string
	// User2 is somebody else, whom a few tests need; empty: nobody.
	User2, Password2 string
	// Dir is the share's directory; empty if it is not on this machine.
	Dir string
	// Realm makes the user log on by Kerberos, with the KDC that Env tells of.
	Realm string
	Env   []string
}

// Result is one run of a test.
type Result struct {
	Test    Test
	Verdict Verdict
	Seconds float64
	// Reason is one line; empty for a plain pass.
	Reason string
	// Output is all that smbtorture wrote.
	Output string
}

// RunTest runs one test in a process of its own. program is smbtorture.
func RunTest(ctx context.Context, program string, to Target, t Test) Result {
	r := Result{Test: t}
	began := time.Now()
	out, err := execute(ctx, program, to, t)
	r.Seconds = time.Since(began).Seconds()
	r.Output = string(out)
	if errors.Is(err, context.DeadlineExceeded) {
		r.Verdict, r.Reason = Timeout, last(r.Output)
		if _, reason := judge(r.Output, nil); reason != "" && resultLine.MatchString(r.Output) {
			r.Reason = reason
		}
	} else {
		r.Verdict, r.Reason = judge(r.Output, err)
	}
	r.Reason = oneLine(r.Reason)
	return r
}

var space = regexp.MustCompile(`\s+`)

// oneLine makes text fit for a column.
func oneLine(text string) string {
	text = strings.TrimSpace(space.ReplaceAllString(text, " "))
	if len(text) > 400 {
		text = text[:400]
	}
	return strings.ToValidUTF8(text, "?")
}

// execute runs smbtorture until it ends or its time is up, which is
// context.DeadlineExceeded.
func execute(ctx context.Context, program string, to Target, t Test) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	// smbtorture leaves a directory where it runs.
	dir, err := os.MkdirTemp("", "smbtorture-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	user := to.User
	if to.Realm != "" {
		user += "@" + to.Realm
	}
	target := "//" + to.Host + "/" + to.Share
	if strings.HasPrefix(t.Name, "rpc.") {
		target = "ncacn_np:" + to.Host + "[smb2]"
	}
	args := []string{
		target, "-p", to.Port, "-U", user + "%" + to.Password,
		"--option=client min protocol=SMB2_02", "--option=client max protocol=SMB3",
		"--option=netbios name=localhost", "--option=torture:progress=no",
	}
	if to.Realm != "" {
		args = append(args, "--use-kerberos=required", "--option=realm="+to.Realm)
	}
	if to.User2 != "" {
		args = append(args, "--option=torture:user2name="+to.User2, "--option=torture:user2password="+to.Password2)
	}
	for _, a := range t.Args {
		args = append(args, strings.ReplaceAll(a, localDir, to.Dir))
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, program, append(args, t.program())...)
	cmd.Dir = dir
	if len(to.Env) > 0 {
		cmd.Env = append(os.Environ(), to.Env...)
	}
	cmd.Stdout, cmd.Stderr = &out, &out
	// Some tests fork: end the whole group, and whoever outlives its parent.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	err = cmd.Run()
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return out.Bytes(), err
}
