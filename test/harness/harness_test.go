package harness

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMain(m *testing.M) { Main(m) }

// fake makes a program that stands in for the server, to see that the harness
// notices what it is there to notice.
func fake(t *testing.T, script string) *Server {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "fake")
	if err := os.WriteFile(bin, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LESSOR_BIN", bin)
	s, err := New(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStartTellsWhyTheServerEnded(t *testing.T) {
	err := fake(t, "echo no such colour >&2; exit 3\n").Start()
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "no such colour") {
		t.Errorf("Start: %v; want the status and the log", err)
	}
}

func TestComplaint(t *testing.T) {
	for line, want := range map[string]bool{
		`panic: runtime error: index out of range`:                       true,
		`{"level":"error","stack":"...","message":"panic in a handler"}`: true,
		`WARNING: DATA RACE`: true,
		`fatal error: all goroutines are asleep - deadlock!`: true,
		`{"level":"info","message":"listening"}`:             false,
	} {
		s, err := New(t.TempDir(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.logFile(), []byte("first\n"+line+"\nlast\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := s.Complaint(0) == line; got != want {
			t.Errorf("%s: found = %v, want %v", line, got, want)
		}
		if got := s.Complaint(s.LogSize()); got != "" {
			t.Errorf("%s: found behind the end", line)
		}
	}
}

func TestCommandLine(t *testing.T) {
	s, err := New(t.TempDir(), Options{
		Shares: []Share{{Name: "a"}, {Name: "b", Settings: []string{"hidden: true"}}},
		Config: "server:\n  signing: enabled\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Addr = "127.0.0.1:1"
	want := []string{"serve", "-c", s.file("lessor.yaml"), "--listen", "127.0.0.1:1", "--metrics", "127.0.0.1:2",
		"--state", s.StateDir, "--user", s.User, "--password-file", s.file("password"), "--share", "a=" + s.Path("a")}
	if d := cmp.Diff(want, s.args("127.0.0.1:2")); d != "" {
		t.Errorf("arguments (-want +got):\n%s", d)
	}
	wantYAML := "server:\n  signing: enabled\n\nshares:\n  - name: \"b\"\n    path: \"" + s.Path("b") +
		"\"\n    users:\n      - name: \"alice\"\n        access: write\n    hidden: true\n"
	if d := cmp.Diff(wantYAML, s.yaml()); d != "" {
		t.Errorf("configuration (-want +got):\n%s", d)
	}
}

func TestLives(t *testing.T) {
	s := Run(t, Options{})
	addr := s.Addr
	reply, err := http.Get(s.MetricsURL + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	_ = reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		t.Errorf("/readyz: %s", reply.Status)
	}
	if err := s.Stop(); err != nil {
		t.Errorf("Stop: %v", err)
	}
	if s.Alive() {
		t.Fatal("alive after Stop")
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	if err := s.Kill(); err != nil {
		t.Errorf("Kill: %v", err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	if s.Addr != addr {
		t.Errorf("the address went from %s to %s", addr, s.Addr)
	}
}

func TestADeathIsNoticed(t *testing.T) {
	s, err := New(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	if err := s.Signal(os.Kill); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	for name, err := range map[string]error{"Stop": s.Stop(), "Kill": s.Kill()} {
		if err == nil || !strings.Contains(err.Error(), "by itself") {
			t.Errorf("%s: %v; want to hear of the death", name, err)
		}
	}
}

func TestFramesAreToldApart(t *testing.T) {
	msg := func(command, flags byte, status uint32) []byte {
		m := make([]byte, 64)
		copy(m, "\xfeSMB")
		m[8], m[9], m[12], m[16] = byte(status), byte(status>>8), command, flags
		return m
	}
	var f Frames
	for _, m := range [][]byte{
		msg(0, 0, 0),        // NEGOTIATE
		msg(1, 0, 0),        // SESSION_SETUP
		msg(5, 8, 0),        // signed CREATE
		msg(5, 0, 0),        // bare CREATE
		msg(15, 3, 0x103),   // interim reply
		[]byte("\xfdSMB.."), // sealed
		{},                  // keep-alive
	} {
		f.add(m)
	}
	if d := cmp.Diff(Frames{Total: 7, Sealed: 1, Signed: 1, Bare: 1}, f); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
