package smb_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lessor/smb"
	"lessor/smb/auth"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/vfs/errfs"
)

// fused is an Authenticator whose proofs are good for no time once it is burnt.
type fused struct {
	auth.Authenticator
	burnt *atomic.Bool
}

func (f fused) NewExchange() auth.Exchange {
	return fusedExchange{f.Authenticator.NewExchange(), f.burnt}
}

type fusedExchange struct {
	auth.Exchange
	burnt *atomic.Bool
}

func (x fusedExchange) Step(token []byte) ([]byte, *auth.Identity, error) {
	reply, id, err := x.Exchange.Step(token)
	if id != nil && x.burnt.Load() {
		id.Expires = time.Now()
	}
	return reply, id, err
}

// halfway is a client whose WRITE of halfSize bytes to f is half there, and another channel of its
// session.
type halfway struct {
	*slider
	s     *sliding
	f     *client.File
	data  []byte
	call  *client.Call[int]
	log   *writeLog
	other *client.Session
	burnt atomic.Bool // sessions that authenticate from now on expire at once
}

const (
	halfSize = 1 << 20
	// onePart is as much of it as brings its first part, and no other one.
	onePart = 100 << 10
)

// newHalfway starts a server and sends the first half.
func newHalfway(t *testing.T) *halfway {
	t.Helper()
	h := &halfway{data: pattern(halfSize)}
	h.s = newSliding(t, func(c *smb.Config, _ *smb.Share) {
		c.Auth, c.Timeouts.Frame = fused{c.Auth, &h.burnt}, time.Hour
	})
	h.log = logWrites(h.s.fs, "f")
	h.slider = h.s.slide(t)
	h.f = create(t, h.Tree, client.CreateArgs{Name: "f"})
	var err error
	if h.other, err = h.dial(t).Bind(t.Context(), h.Session); err != nil {
		t.Fatal(err)
	}
	h.call = h.start(h.f, 0, h.data, onePart)
	h.firstPart(t)
	return h
}

// firstPart waits for it.
func (h *halfway) firstPart(t *testing.T) {
	t.Helper()
	eventually(t, "the first part", func() bool { return h.log.total.Load() > 0 })
}

// dial makes another connection of the client.
func (h *halfway) dial(t *testing.T) *client.Conn {
	t.Helper()
	o := h.Session.Conn.Options()
	o.Dial, o.OnMessage = nil, nil
	conn, err := client.Dial(t.Context(), h.s.addr, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// cancelOn sends a CANCEL by way of a channel.
func cancelOn(t *testing.T, ch *client.Session, messageID uint64) {
	t.Helper()
	frame := make([]byte, 4+wire.HeaderSize)
	h := wire.Header{Command: wire.CmdCancel, SessionID: ch.ID, MessageID: messageID}
	h.Put(frame[4:])
	frame = (&wire.CancelRequest{}).Append(frame)
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	mustBe(t, "cancel", ch.Conn.WriteRaw(frame), ntstatus.Success)
}

// wantPrefix fails the test unless the file is what has come at first, for another client, and returns
// how much that is.
func (h *halfway) wantPrefix(t *testing.T) int {
	t.Helper()
	got, err := h.s.connect(t).ReadFile(t.Context(), "f")
	n := len(got)
	if err != nil || n == 0 || n > onePart || n%page != 0 || !bytes.Equal(got, h.data[:n]) {
		t.Errorf("%d bytes are in the file, %v", n, err)
	}
	return n
}

// TestWritePartsAndWhatComesBetween: what ends the right to write while the rest is on its way ends the
// WRITE, with the status of one that has come whole after it.
func TestWritePartsAndWhatComesBetween(t *testing.T) {
	lock := func(e wire.LockElement) func(*testing.T, *halfway) {
		return func(t *testing.T, h *halfway) {
			mustBe(t, "lock", create(t, h.s.connect(t), client.CreateArgs{Name: "f"}).Lock(t.Context(), e), ntstatus.Success)
		}
	}
	for _, k := range []struct {
		what    string
		want    ntstatus.Status
		between func(*testing.T, *halfway)
	}{
		{"logoff", ntstatus.UserSessionDeleted, func(t *testing.T, h *halfway) {
			mustBe(t, "logoff", h.other.Logoff(t.Context()), ntstatus.Success)
		}},
		{"an administrator ends the session", ntstatus.UserSessionDeleted, func(t *testing.T, h *halfway) {
			if !h.s.CloseSession(h.Session.ID) {
				t.Error("there is no such session")
			}
		}},
		{"a session in place of this one", ntstatus.UserSessionDeleted, func(t *testing.T, h *halfway) {
			login := h.Session.Login()
			login.PreviousSession = h.Session.ID
			_, err := h.dial(t).SessionSetupAs(t.Context(), login)
			mustBe(t, "session setup", err, ntstatus.Success)
		}},
		{"the ticket ends", ntstatus.NetworkSessionExpired, func(t *testing.T, h *halfway) {
			h.burnt.Store(true)
			mustBe(t, "session setup", h.other.Reauthenticate(t.Context(), h.other.Login()), ntstatus.Success)
			eventually(t, "the end of the ticket", func() bool {
				st, _ := client.StatusOf(h.f.On(h.other).Flush(t.Context()))
				return st == ntstatus.NetworkSessionExpired
			})
			h.burnt.Store(false)
		}},
		{"tree disconnect", ntstatus.NetworkNameDeleted, func(t *testing.T, h *halfway) {
			mustBe(t, "tree disconnect", h.Tree.On(h.other).Disconnect(t.Context()), ntstatus.Success)
		}},
		{"close", ntstatus.FileClosed, func(t *testing.T, h *halfway) {
			mustBe(t, "close", h.f.On(h.other).Close(t.Context()), ntstatus.Success)
		}},
		{"a newer channel sequence", ntstatus.FileNotAvailable, func(t *testing.T, h *halfway) {
			_, err := h.f.On(h.other).With(client.ChannelSequence(1)).Read(t.Context(), 0, 1)
			mustBe(t, "read", err, ntstatus.Success)
		}},
		{"a lock on what is to come", ntstatus.FileLockConflict, lock(client.Shared(halfSize-1, 1))},
		{"a lock on what has come", ntstatus.Success, lock(client.Shared(0, page))},
		{"a CANCEL on another channel", ntstatus.Success, func(t *testing.T, h *halfway) {
			cancelOn(t, h.other, h.call.MessageID()) // MS-SMB2 2.2.30: one is for its own connection
			mustBe(t, "echo", h.other.Conn.Echo(t.Context()), ntstatus.Success)
		}},
	} {
		t.Run(k.what, func(t *testing.T) {
			h := newHalfway(t)
			k.between(t, h)
			unanswered(t, h.call)
			h.mustOpen(t)
			_, err := h.call.Wait(t.Context())
			mustBe(t, "write", err, k.want)
			_, err = h.f.Write(t.Context(), halfSize-10, h.data[halfSize-10:])
			mustBe(t, "write after it", err, k.want)
			mustBe(t, "echo", h.Session.Conn.Echo(t.Context()), ntstatus.Success)
			if n := h.answers.Load(); n != 2 {
				t.Errorf("%d answers", n)
			}
			if k.want == ntstatus.Success {
				h.s.holds(t, "f", h.data)
			} else {
				h.wantPrefix(t)
			}
		})
	}
}

// TestWritePartsMeetNewLeases: what others begin to cache between two parts is broken before the next
// one is written. A WRITE does not wait for the acknowledgement.
func TestWritePartsMeetNewLeases(t *testing.T) {
	for _, state := range []wire.LeaseState{client.R, client.RH} {
		t.Run(client.LeaseString(state), func(t *testing.T) {
			h := newHalfway(t)
			holder := leased(t, h.s.connect(t), "f", state, false)
			pass, _ := h.s.gated(t, "f")
			h.mustOpen(t)
			b, err := holder.Tree.Session.Conn.NextBreak(t.Context())
			if err != nil || b.Lease == nil || b.Lease.NewLeaseState != 0 {
				t.Fatalf("%v, %v", b, err)
			}
			unanswered(t, h.call)
			pass()
			if n, err := h.call.Wait(t.Context()); n != halfSize || err != nil {
				t.Fatalf("%d, %v", n, err)
			}
			if b.AckRequired() {
				mustBe(t, "acknowledgement", holder.AckLease(t.Context(), 0), ntstatus.Success)
			}
			h.s.holds(t, "f", h.data)
			h.lives(t)
		})
	}
}

// TestWritePartsAndCancel: a CANCEL before the WRITE, or behind it while a part waits for the storage,
// changes nothing: what does not wait for another client is not cancelled.
func TestWritePartsAndCancel(t *testing.T) {
	t.Run("before", func(t *testing.T) {
		s := newSliding(t)
		c := s.slide(t)
		log := logWrites(s.fs, "f")
		f := create(t, c.Tree, client.CreateArgs{Name: "f"})
		data := pattern(halfSize)
		frame, ps, err := c.Session.Conn.Prepare(false, f.Request(&wire.WriteRequest{FileID: f.ID, Data: data}))
		if err != nil {
			t.Fatal(err)
		}
		cancelOn(t, c.Session, ps[0].MessageID())
		mustBe(t, "echo", c.Session.Conn.Echo(t.Context()), ntstatus.Success) // it was read
		c.arm(onePart)
		mustBe(t, "send", c.Session.Conn.WriteRaw(frame), ntstatus.Success)
		eventually(t, "the first part", func() bool { return log.total.Load() > 0 })
		c.mustOpen(t)
		resp, err := ps[0].Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		mustBe(t, "write", resp.Err(), ntstatus.Success)
		s.holds(t, "f", data)
		c.lives(t)
	})
	for nth := range 2 {
		t.Run(fmt.Sprint("behind part ", nth+1), func(t *testing.T) {
			s := newSliding(t)
			c := s.slide(t)
			gate := make(chan struct{})
			pass := sync.OnceFunc(func() { close(gate) })
			t.Cleanup(pass)
			var began atomic.Bool
			s.fs.Add(errfs.Rule{Op: errfs.OpWriteAt, Path: "f", Nth: nth + 1, Gate: gate, Hook: func(context.Context, errfs.Call) error {
				began.Store(true)
				return nil
			}})
			f := create(t, c.Tree, client.CreateArgs{Name: "f"})
			data := pattern(3 << 20)
			call := c.start(f, 0, data, sentFor(nth+1, data))
			eventually(t, "the part", began.Load)
			c.mustOpen(t)
			cancelOn(t, c.Session, call.MessageID())
			mustBe(t, "echo", c.Session.Conn.Echo(t.Context()), ntstatus.Success)
			unanswered(t, call)
			pass()
			if n, err := call.Wait(t.Context()); n != len(data) || err != nil {
				t.Fatalf("%d, %v", n, err)
			}
			s.holds(t, "f", data)
			c.lives(t)
			if n := c.answers.Load(); n != 2 {
				t.Errorf("%d answers", n)
			}
		})
	}
}
