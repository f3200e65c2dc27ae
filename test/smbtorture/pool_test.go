package smbtorture

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lessor/test/harness"
)

// standIn makes this test binary play the server and smbtorture, so that what the
// pool does about crashes can be tested without one.
const standIn = "LESSOR_TEST_STAND_IN"

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(standIn) == "":
		harness.Main(m)
	case os.Args[1] == "serve":
		playServer()
	case os.Args[1] == "user": // is added
	default:
		playTorture()
	}
}

// after is the argument that follows name.
func after(name string) string { return os.Args[slices.Index(os.Args, name)+1] }

// playServer is ready at once; it panics when somebody connects.
func playServer() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	smb, err := net.Listen("tcp", after("--listen"))
	if err != nil {
		panic(err)
	}
	go func() {
		if _, err := smb.Accept(); err == nil {
			panic("somebody connected")
		}
	}()
	go func() {
		panic(http.ListenAndServe(after("--metrics"), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	}()
	<-ctx.Done()
}

// playTorture does what the last argument, the name of the test, says.
func playTorture() {
	dir := strings.TrimPrefix(os.Args[len(os.Args)-2], "--option=dir=")
	switch name := os.Args[len(os.Args)-1]; name {
	case "crash":
		conn, err := net.Dial("tcp", "127.0.0.1:"+after("-p"))
		if err == nil {
			_, err = io.ReadAll(conn) // until the server is gone
		}
		fmt.Println("success: crash", err)
	default:
		left, err := os.ReadDir(dir)
		if err != nil || len(left) != 1 || left[0].Name() != "made for "+name {
			fmt.Printf("failure: x [\n%v %v\n]\n", left, err)
			return
		}
		if err := os.MkdirAll(filepath.Join(dir, "what "+name, "left"), 0o700); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("success: x")
	}
}

func TestPool(t *testing.T) {
	t.Setenv(standIn, "1")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("LESSOR_BIN", self)
	var tests []Test
	for i, name := range []string{"first", "crash", "after the crash", "last"} {
		tests = append(tests, Test{
			Name: name, Timeout: time.Minute, File: "made for " + name,
			Args: []string{"--option=dir=LOCALDIR"}, Seconds: float64(10 - i),
		})
	}
	for _, pool := range []*Pool{
		{Jobs: 1}, {Jobs: 3}, {Jobs: 9, Fresh: true},
	} {
		t.Run(fmt.Sprintf("jobs %d, fresh %v", pool.Jobs, pool.Fresh), func(t *testing.T) {
			pool.Program, pool.Dir = self, t.TempDir()
			got := map[string]Verdict{}
			err := pool.Run(t.Context(), tests, func(r Result) {
				if r.Verdict == Fail || r.Verdict == Error {
					t.Errorf("%s: %s", r.Test.Name, r.Reason)
				}
				if r.Verdict == Crash && !strings.Contains(r.Reason, "somebody connected") {
					t.Errorf("reason of the crash: %s", r.Reason)
				}
				got[r.Test.Name] = r.Verdict
			})
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]Verdict{"first": Pass, "crash": Crash, "after the crash": Pass, "last": Pass}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("verdicts (-want +got):\n%s", d)
			}
			if left, err := os.ReadDir(pool.Dir); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v %v", left, err)
			}
		})
	}
}

func TestPoolTellsWhenTheServerDoesNotStart(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "lessor")
	if err := os.WriteFile(bin, []byte("#!/bin/sh\n[ $1 = user ]\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LESSOR_BIN", bin)
	pool := &Pool{Program: "/bin/false", Dir: t.TempDir(), Jobs: 2}
	err := pool.Run(t.Context(), []Test{{Name: "a"}, {Name: "b"}}, func(r Result) { t.Errorf("a result: %v", r) })
	if err == nil || !strings.Contains(err.Error(), "before it was ready") {
		t.Errorf("Run: %v; want to hear of the server", err)
	}
}
