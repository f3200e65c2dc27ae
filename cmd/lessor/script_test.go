package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"lessor": main})
}

// TestScripts runs testdata/*.txtar with the real program. Beside the commands
// of testscript there are:
//
//	notified STATE      wait until the server has told the service manager so
//	signal HUP|TERM|KILL
//	                    send a signal to the program in the background
//	smb NAME COMMAND    be a client; see smbCommand
//	until REGEXP PROGRAM ARGS
//	                    run a program until its output matches
//	http STATUS URL     get a page into the file "page"
//
// $ADDR and $METRICS are free addresses.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"notified": notified,
			"signal":   sendSignal,
			"http":     httpGet,
			"smb":      smbCommand,
			"until":    until,
		},
	})
}

type notifyKey struct{}

func setup(env *testscript.Env) error {
	sock := filepath.Join(env.WorkDir, "notify.sock")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: sock, Net: "unixgram"})
	if err != nil {
		return err
	}
	env.Defer(func() { _ = conn.Close() })
	env.Values[notifyKey{}] = conn
	env.Setenv("NOTIFY_SOCKET", sock)
	env.Values[clientsKey{}] = make(map[string]*scriptClient)
	env.Setenv("GORACE", "atexit_sleep_ms=0") // else every program takes a second to end
	// Each is held until both are chosen, so that they differ.
	addr, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer func() { _ = addr.Close() }()
	metrics, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer func() { _ = metrics.Close() }()
	env.Setenv("ADDR", addr.Addr().String())
	env.Setenv("METRICS", metrics.Addr().String())
	return nil
}

func notified(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: notified STATE")
	}
	conn := ts.Value(notifyKey{}).(*net.UnixConn)
	ts.Check(conn.SetReadDeadline(time.Now().Add(time.Minute)))
	buf := make([]byte, 1024)
	var seen []string
	for {
		n, err := conn.Read(buf)
		if err != nil {
			ts.Fatalf("the server did not report %s, but %q: %v", args[0], seen, err)
		}
		if string(buf[:n]) == args[0] {
			return
		}
		seen = append(seen, string(buf[:n]))
	}
}

func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	cmds := ts.BackgroundCmds()
	if neg || len(args) != 1 || len(cmds) != 1 {
		ts.Fatalf("usage: signal HUP|TERM|KILL, with one program in the background")
	}
	sig, ok := map[string]os.Signal{"HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}[args[0]]
	if !ok {
		ts.Fatalf("unknown signal %s", args[0])
	}
	ts.Check(cmds[0].Process.Signal(sig))
}

func httpGet(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: http STATUS URL")
	}
	client := http.Client{Timeout: time.Minute}
	defer client.CloseIdleConnections()
	reply, err := client.Get(args[1])
	ts.Check(err)
	defer func() { _ = reply.Body.Close() }()
	text, err := io.ReadAll(reply.Body)
	ts.Check(err)
	if got := fmt.Sprint(reply.StatusCode); got != args[0] {
		ts.Fatalf("%s: status %s: %s", args[1], got, strings.TrimSpace(string(text)))
	}
	ts.Check(os.WriteFile(ts.MkAbs("page"), text, 0o600))
}
