package smb_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"lessor/smb"
	"lessor/smb/ntstatus"
	"lessor/smb/transport"
	"lessor/test/client"
	"lessor/vfs/errfs"
)

// gated lets the next write to a file wait until pass is called, which the end of the test does at the
// latest; began is closed when it has begun.
func (s *sliding) gated(t *testing.T, name string) (pass func(), began chan struct{}) {
	gate, began := make(chan struct{}), make(chan struct{})
	pass = sync.OnceFunc(func() { close(gate) })
	t.Cleanup(pass)
	s.fs.Add(errfs.Rule{Op: errfs.OpWriteAt, Path: name, Nth: 1, Gate: gate, Hook: func(context.Context, errfs.Call) error {
		close(began)
		return nil
	}})
	return pass, began
}

// unfinished fails the test unless the connection has ended without an answer.
func unfinished(t *testing.T, p *client.Call[int]) {
	t.Helper()
	_, err := p.Wait(t.Context())
	if _, answered := client.StatusOf(err); err == nil || answered {
		t.Errorf("it is answered: %v", err)
	}
}

// shutDown begins to shut the server down. It returns when all connections know.
func (s *sliding) shutDown(t *testing.T) (done chan error) {
	t.Helper()
	done = make(chan error, 1)
	go func() { done <- s.Shutdown(t.Context()) }()
	eventually(t, "shutdown to begin", s.Draining)
	return done
}

// mustEnd waits for the end of the server, which is not to wait for a client.
func mustEnd(t *testing.T, done chan error) {
	t.Helper()
	select {
	case err := <-done:
		mustBe(t, "the end of the server", err, ntstatus.Success)
	case <-time.After(30 * time.Second):
		t.Fatal("the server does not end")
	}
}

// TestWritePartsAndClose: the server is closed while a WRITE is half there.
func TestWritePartsAndClose(t *testing.T) {
	base := transport.LiveBuffers()
	h := newHalfway(t)
	mustClose(t, h.s)
	unfinished(t, h.call)
	eventually(t, "all buffers are back", func() bool { return transport.LiveBuffers() == base })
}

// TestWritePartsAndShutdown: a server that shuts down does not wait for the rest of a WRITE, but for
// the part at work, for a WRITE of which all has come, and for other requests of the connection.
func TestWritePartsAndShutdown(t *testing.T) {
	t.Run("half there", func(t *testing.T) {
		base := transport.LiveBuffers()
		h := newHalfway(t)
		mustEnd(t, h.s.shutDown(t))
		unfinished(t, h.call)
		eventually(t, "all buffers are back", func() bool { return transport.LiveBuffers() == base })
	})
	t.Run("behind another request", func(t *testing.T) {
		for _, rest := range []bool{false, true} {
			s := newPatient(t)
			c := s.slide(t)
			log := logWrites(s.fs, "f")
			pass, began := s.gated(t, "slow")
			slow := create(t, c.Tree, client.CreateArgs{Name: "slow"}).StartWrite(0, pattern(page))
			<-began
			call := c.start(create(t, c.Tree, client.CreateArgs{Name: "f"}), 0, pattern(halfSize), onePart)
			eventually(t, "the first part", func() bool { return log.total.Load() > 0 })
			done := s.shutDown(t)
			unanswered(t, slow)
			if rest {
				c.mustOpen(t)
				if n, err := call.Wait(t.Context()); n != halfSize || err != nil {
					t.Errorf("%d, %v", n, err)
				}
			}
			pass()
			if n, err := slow.Wait(t.Context()); n != page || err != nil {
				t.Errorf("the other request: %d, %v", n, err)
			}
			mustEnd(t, done)
			if !rest {
				unfinished(t, call)
			}
		}
	})
	t.Run("a part at work", func(t *testing.T) {
		for _, rest := range []bool{false, true} {
			s := newPatient(t)
			c := s.slide(t)
			pass, began := s.gated(t, "f")
			call := c.start(create(t, c.Tree, client.CreateArgs{Name: "f"}), 0, pattern(halfSize), onePart)
			<-began
			if rest {
				c.mustOpen(t)
				mustBe(t, "echo", c.Session.Conn.Echo(t.Context()), ntstatus.Success)
			}
			done := s.shutDown(t)
			if rest {
				mustBe(t, "echo", c.Session.Conn.Echo(t.Context()), ntstatus.Success)
			}
			unanswered(t, call)
			pass()
			if rest {
				if n, err := call.Wait(t.Context()); n != halfSize || err != nil {
					t.Errorf("%d, %v", n, err)
				}
			} else {
				unfinished(t, call)
			}
			mustEnd(t, done)
		}
	})
	t.Run("in a hurry", func(t *testing.T) {
		s := newPatient(t)
		c := s.slide(t)
		pass, began := s.gated(t, "f")
		call := c.start(create(t, c.Tree, client.CreateArgs{Name: "f"}), 0, pattern(halfSize), onePart)
		<-began
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Shutdown(ctx) }()
		eventually(t, "shutdown to begin", s.Draining)
		unanswered(t, call)
		cancel()
		unfinished(t, call)
		pass()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// newPatient is a server that waits long for what clients send.
func newPatient(t *testing.T) *sliding {
	t.Helper()
	return newSliding(t, func(c *smb.Config, _ *smb.Share) { c.Timeouts.Frame = time.Hour })
}
