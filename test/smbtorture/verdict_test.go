package smbtorture

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	const head = "smbtorture 4.17.12-Debian\nUsing seed 1795630845\ntime: 2026-11-25 18:20:45.283950\ntest: overlap\n"
	died := errors.New("signal: segmentation fault")
	for _, c := range []struct {
		name, output string
		exit         error
		want         Verdict
		reason       string
	}{
		{"success", head + "success: overlap\n", nil, Pass, ""},
		{"failure with its reason", head + "Testing\ntime: 2026\nfailure: overlap [\n../lock.c:2732: subtest failed\nsecond line\n]\n", errors.New("exit status 1"),
			Fail, "../lock.c:2732: subtest failed | second line"},
		{"failure without a reason", head + "status was not OK\nfailure: overlap\n", nil, Fail, "status was not OK"},
		{"failure after a success", head + "success: a\ntest: b\nfailure: b [\nno\n]\nsuccess: c\n", nil, Fail, "no"},
		{"error", head + "error: scan [\nUnknown error\n]\n", nil, Error, "Unknown error"},
		{"no connection", head + "failure: x [\n../smb2/util.c:1: Establishing SMB2 connection failed\n]\n", nil,
			Error, "../smb2/util.c:1: Establishing SMB2 connection failed"},
		{"skip", head + "skip: write [\n../create.c:2087: missing 'twrp_file' option\n]\n", nil, Skip, "../create.c:2087: missing 'twrp_file' option"},
		{"skip of a part", head + "success: a\nskip: b [\nnot here\n]\n", nil, Pass, "1 of 2 parts skipped"},
		{"expected failure", head + "xfail: a [\nknown\n]\n", nil, Pass, ""},
		{"unexpected success", head + "uxsuccess: a\n", nil, Error, ""},
		{"success, then a signal", head + "success: a\nlast words\n", died, Fail, "signal: segmentation fault without a failure: last words"},
		{"signal", head + "INTERNAL ERROR: Signal 11\n", died, Error, "no result, signal: segmentation fault: INTERNAL ERROR: Signal 11"},
		{"unknown name", "smbtorture 4.17.12\nUnknown torture operation 'smb2.nothing'\n", errors.New("exit status 1"), Error, "smbtorture does not know this test"},
		{"nothing", "", nil, Error, "no result, <nil>: "},
		{"line ends of a terminal", strings.ReplaceAll(head+"skip: a [\nwhy\n]\n", "\n", "\r\n"), nil, Skip, "why"},
	} {
		got, reason := judge(c.output, c.exit)
		if got != c.want || reason != c.reason && c.name != "unexpected success" {
			t.Errorf("%s: %s, %q; want %s, %q", c.name, got, reason, c.want, c.reason)
		}
	}
}

// program makes a stand-in for smbtorture.
func program(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "smbtorture")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRunTestPassesTheArguments(t *testing.T) {
	got := RunTest(t.Context(), program(t, `printf '%s\n' "$@"; echo "success: x"`),
		Target{Host: "h", Port: "1", Share: "s", User: "u", Password: "p", User2: "v", Password2: "q", Dir: "/share"},
		Test{Name: "smb2.a b", Timeout: time.Minute, Args: []string{"--option=torture:localdir=LOCALDIR"}})
	want := strings.Join([]string{
		"//h/s", "-p", "1", "-U", "u%p", "--option=client min protocol=SMB2_02", "--option=client max protocol=SMB3",
		"--option=netbios name=localhost", "--option=torture:progress=no",
		"--option=torture:user2name=v", "--option=torture:user2password=q",
		"--option=torture:localdir=/share", "smb2.a b", "success: x", "",
	}, "\n")
	if got.Output != want || got.Verdict != Pass {
		t.Errorf("%s:\n%s\nwant:\n%s", got.Verdict, got.Output, want)
	}
}

// TestRunTestEndsAtTheTimeout has a test hang together with a process that it
// started; both hold the output open.
func TestRunTestEndsAtTheTimeout(t *testing.T) {
	got := RunTest(t.Context(), program(t, "echo 'Waiting for a break'; sleep 600 & sleep 600"),
		Target{}, Test{Name: "x", Timeout: 3 * time.Second})
	if got.Verdict != Timeout || got.Reason != "Waiting for a break" {
		t.Errorf("%s: %q; want a timeout and the last line", got.Verdict, got.Reason)
	}
	if got.Seconds > 7.5 { // with the second one left alone it would be 8
		t.Errorf("it took %.1f s to end the processes", got.Seconds)
	}
}
