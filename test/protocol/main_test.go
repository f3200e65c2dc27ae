package protocol

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"lessor/smb/ntstatus"
	"lessor/test/client"
	"lessor/test/harness"
	"lessor/test/leaks"
)

func TestMain(m *testing.M) {
	leaks.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		harness.Cleanup()
		os.Exit(code)
	}))
}

// patience is how long anything may take that should come at once. Other packages
// are tested at the same time.
const patience = 30 * time.Second

// must returns the value, or ends the test on an error.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		check(t, err)
		return v
	}
}

// check ends the test on an error.
func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantStatus ends the test unless the error is a status, Success for nil.
func wantStatus(t *testing.T, err error, want ntstatus.Status) {
	t.Helper()
	if got, ok := client.StatusOf(err); !ok || got != want {
		t.Fatalf("got %v, want %v", err, want)
	}
}

// wantCut ends the test unless the server ends the connection.
func wantCut(t *testing.T, c *client.Conn) {
	t.Helper()
	select {
	case <-c.Done():
	case <-time.After(patience):
		t.Fatal("the server keeps the connection")
	}
}

// eventually polls until a condition holds that nobody announces.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// pendingNow says that a request has not been answered; an ECHO on its connection
// lets everything come that the server has sent before.
func pendingNow(t *testing.T, p unanswered) {
	t.Helper()
	check(t, p.Conn().Echo(t.Context()))
	select {
	case <-p.Done():
		t.Fatal("answered too early")
	default:
	}
}

// unanswered is a *client.Pending or a *client.Call.
type unanswered interface {
	Conn() *client.Conn
	Done() <-chan struct{}
}

// trace makes a client tell everything, with LESSOR_TRACE=1.
func trace(t *testing.T, o *client.Options) {
	if os.Getenv("LESSOR_TRACE") != "" {
		o.Trace = t.Output()
	}
}

// isReset says that the peer has closed with bytes of ours unread.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
