package protocol

import (
	"fmt"
	"net"
	"testing"
	"time"

	"lessor/smb/ntstatus"
	"lessor/test/client"
)

// at is the server's end of a connection from an address.
type at struct {
	net.Conn
	addr net.Addr
}

func (a *at) RemoteAddr() net.Addr { return a.addr }

// logon logs on from an address, on a connection of its own that it closes again, and
// says how long that took.
func (b *bubble) logon(t *testing.T, addr, user, password string) (time.Duration, error) {
	t.Helper()
	mine, theirs := net.Pipe()
	b.conns.Go(func() { b.ServeConn(&at{theirs, &net.TCPAddr{IP: net.ParseIP(addr), Port: 1}}) })
	began := time.Now()
	c := must(client.NewConn(t.Context(), mine, client.Options{User: user, Password: password, Timeout: time.Hour}))(t)
	defer c.Close()
	_, err := c.SessionSetup(t.Context())
	return time.Since(began), err
}

// counted is the sum of a metric over its labels.
func (b *bubble) counted(t *testing.T, name string) (sum float64) {
	t.Helper()
	for _, f := range must(b.metrics.Gather())(t) {
		if f.GetName() == name {
			for _, m := range f.Metric {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

const (
	badHost  = "192.0.2.66"
	goodHost = "192.0.2.1"
)

// A thousand wrong passwords for one user take hours, and the user, who is elsewhere,
// does not notice.
func TestGuessingIsSlow(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		began := time.Now()
		for i := range 1000 {
			took, err := b.logon(t, badHost, "alice", fmt.Sprint("guess", i))
			wantStatus(t, err, ntstatus.LogonFailure)
			if i < 10 && took > 0 || i >= 20 && took < 10*time.Second {
				t.Fatalf("guess %d took %v", i, took)
			}
			if i%100 == 0 {
				took, err := b.logon(t, goodHost, "alice", "secret")
				wantStatus(t, err, ntstatus.Success)
				if took > time.Second {
					t.Fatalf("beside guess %d the right password took %v", i, took)
				}
			}
		}
		took := time.Since(began)
		if took < 4*time.Hour {
			t.Errorf("1000 guesses took %v", took)
		}
		if n := b.counted(t, "lessor_smb_logons_delayed_total"); n < 900 {
			t.Errorf("%v delays are counted", n)
		}
		// The right password ends it there, too.
		_, err := b.logon(t, badHost, "alice", "secret")
		wantStatus(t, err, ntstatus.Success)
		if took, err := b.logon(t, badHost, "alice", "secret"); err != nil || took > time.Second {
			t.Errorf("behind the right password the next logon took %v: %v", took, err)
		}
	})
}

// All at once is no faster: those that would have to wait for too long are refused.
func TestGuessingInParallel(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		const guesses = 1000
		answers := make(chan error, guesses)
		began := time.Now()
		for i := range guesses {
			go func() {
				_, err := b.logon(t, badHost, "alice", fmt.Sprint("guess", i))
				answers <- err
			}()
		}
		_, err := b.logon(t, goodHost, "alice", "secret")
		wantStatus(t, err, ntstatus.Success)
		if took := time.Since(began); took > time.Second {
			t.Errorf("the right password took %v", took)
		}
		count := make(map[ntstatus.Status]int)
		for range guesses {
			st, ok := client.StatusOf(<-answers)
			if !ok {
				st = ntstatus.Pending // cut off while it waited: it was not authenticated in time
			}
			count[st]++
		}
		if n := count[ntstatus.LogonFailure]; n > 25 || count[ntstatus.Pending] > 5 || len(count) > 3 {
			t.Errorf("within %v: %v", time.Since(began), count)
		}
		if n := b.counted(t, "lessor_smb_logons_refused_total"); n != float64(count[ntstatus.RequestNotAccepted]) {
			t.Errorf("%v refusals are counted: %v", n, count)
		}
	})
}

// One password for many users is guessing as well; who is known at the address is let
// through.
func TestSprayingIsSlow(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		_, err := b.logon(t, badHost, "bob", "secret")
		wantStatus(t, err, ntstatus.Success)
		began := time.Now()
		for i := range 200 {
			_, err := b.logon(t, badHost, fmt.Sprint("user", i), "Summer2026")
			wantStatus(t, err, ntstatus.LogonFailure)
		}
		if took := time.Since(began); took < 15*time.Minute {
			t.Errorf("200 users took %v", took)
		}
		took, err := b.logon(t, badHost, "bob", "secret")
		wantStatus(t, err, ntstatus.Success)
		if took > time.Second {
			t.Errorf("who is known there has waited %v", took)
		}
	})
}

// Somebody who hangs up while he waits leaves nothing behind.
func TestGuesserHangsUp(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		for range 14 {
			_, _ = b.logon(t, badHost, "alice", "wrong")
		}
		mine, theirs := net.Pipe()
		b.conns.Go(func() { b.ServeConn(&at{theirs, &net.TCPAddr{IP: net.ParseIP(badHost), Port: 1}}) })
		c := must(client.NewConn(t.Context(), mine, client.Options{User: "alice", Password: "wrong", Timeout: time.Hour}))(t)
		done := make(chan error, 1)
		go func() {
			_, err := c.SessionSetup(t.Context())
			done <- err
		}()
		b.pass(100 * time.Millisecond)
		c.Close()
		if err := <-done; err == nil {
			t.Error("logged on")
		}
		b.pass(time.Second)
		if n := len(b.Status().Connections); n != 0 {
			t.Errorf("%d connections are left", n)
		}
	})
}
