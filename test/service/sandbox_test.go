package service

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/test/harness"
)

// needLandlock skips a test where the kernel has no Landlock.
func needLandlock(t *testing.T) {
	t.Helper()
	n, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 || n < 2 {
		t.Skip("the kernel has no Landlock")
	}
	if strings.Contains(os.Getenv("LESSOR_BUILD_FLAGS"), "-race") {
		t.Skip("a program with the race detector has cgo, and no way to reach all threads")
	}
}

func TestSandbox(t *testing.T) {
	needLandlock(t)
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	logDir := t.TempDir()
	s := harness.Run(t, harness.Options{
		Config: "sandbox: required\nlog: {file: " + logDir + "/log, level: info}\n",
		Shares: []harness.Share{{Name: "share", Settings: []string{"watch: auto"}}},
	})
	logged := func() string {
		data, err := os.ReadFile(logDir + "/log")
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	if !strings.Contains(logged(), `"seccomp":true,"capabilities":true,`) || strings.Contains(logged(), `"missing"`) {
		t.Errorf("the log does not tell of the sandbox:\n%s", logged())
	}
	t.Run("status of the process", func(t *testing.T) {
		data, err := os.ReadFile("/proc/" + strconv.Itoa(s.PID()) + "/status")
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"NoNewPrivs:\t1", "Seccomp:\t2"} {
			if !strings.Contains(string(data), want) {
				t.Errorf("no %q in the status", want)
			}
		}
		if strings.Contains(string(data), "CapEff:\t000001ffffffffff") {
			t.Error("all capabilities are there")
		}
	})
	tree := connect(t, s, "share")
	ctx := t.Context()
	t.Run("inside", func(t *testing.T) {
		for _, name := range []string{"d", `d\e`} {
			if err := tree.Mkdir(ctx, name); err != nil {
				t.Fatal(err)
			}
		}
		if err := tree.WriteFile(ctx, `d\f`, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		f, err := tree.Create(ctx, client.CreateArgs{Name: `d\f`, Access: 0x10000})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Rename(ctx, `d\e\g`, true); err != nil {
			t.Errorf("a move to another directory: %v", err)
		}
		_ = f.Close(ctx)
		if data, err := tree.ReadFile(ctx, `d\e\g`); err != nil || string(data) != "hello" {
			t.Errorf("%q, %v", data, err)
		}
	})
	t.Run("local changes", func(t *testing.T) {
		dir, err := tree.Create(ctx, client.CreateArgs{Name: "d", Access: client.ListDirectory})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = dir.Close(ctx) }()
		p := dir.StartChangeNotify(wire.NotifyChangeFileName, false)
		if _, err := p.Interim(ctx); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.Path("share", "d", "local"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if list, err := p.Wait(ctx); err != nil || len(list) != 1 || list[0].FileName != "local" {
			t.Errorf("%+v, %v", list, err)
		}
	})
	t.Run("outside", func(t *testing.T) {
		// Behind the back of the server, so that it has no other reason to refuse: what
		// is mounted into the share is fine, what lies beside is not.
		if err := os.Symlink(outside+"/secret", s.Path("share", "link")); err != nil {
			t.Fatal(err)
		}
		if data, err := tree.ReadFile(ctx, "link"); err == nil {
			t.Errorf("read %q", data)
		}
	})
	t.Run("reload", func(t *testing.T) {
		edit(t, s, "level: info", "level: debug")
		hangUp(t, s, logDir+"/log", `"changed":["log.level"]`)
		edit(t, s, "watch: auto", "comment: hello")
		hangUp(t, s, logDir+"/log", `"changed":["share share (comment)"]`)
		// The log file was moved away: there is a new one.
		if err := os.Rename(logDir+"/log", logDir+"/log.1"); err != nil {
			t.Fatal(err)
		}
		hangUp(t, s, logDir+"/log", "configuration reloaded")
		edit(t, s, "shares:\n", "shares:\n  - {name: more, path: "+outside+", default_access: read}\n")
		hangUp(t, s, logDir+"/log", "shares[0].path: "+outside+" is outside of the sandbox; restart the server")
		if _, err := client.Connect(ctx, s.Addr, "more", client.Options{User: s.User, Password: s.Password}); err != ntstatus.BadNetworkName {
			t.Errorf("a share outside: %v", err)
		}
	})
	// A new user, made by the command line in the state directory.
	if err := s.AddUser("bob", "Another-Horse-8"); err != nil {
		t.Fatal(err)
	}
	c, err := client.Dial(ctx, s.Addr, client.Options{User: "bob", Password: "Another-Horse-8"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.SessionSetup(ctx); err != nil {
		t.Errorf("a user made later: %v", err)
	}
}

func TestSandboxOff(t *testing.T) {
	s := harness.Run(t, harness.Options{Config: "sandbox: off\n"})
	data, err := os.ReadFile("/proc/" + strconv.Itoa(s.PID()) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	mine, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	line := func(text []byte) string {
		for l := range strings.Lines(string(text)) {
			if strings.HasPrefix(l, "Seccomp:") {
				return l
			}
		}
		return ""
	}
	if line(data) != line(mine) || !strings.Contains(s.Log(), "sandbox is off") {
		t.Errorf("%q, mine is %q", line(data), line(mine))
	}
}
