package client_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

var allDialects = []wire.Dialect{
	wire.Dialect202, wire.Dialect210, wire.Dialect300, wire.Dialect302, wire.Dialect311,
}

// Every dialect from the first message to a file, with every kind of protection, and
// what the peer sees of it.
func TestDialogue(t *testing.T) {
	for _, d := range allDialects {
		for _, prot := range []string{"plain", "signed", "sealed", "required"} {
			if prot == "sealed" && d < wire.Dialect300 {
				continue
			}
			t.Run(d.String()+" "+prot, func(t *testing.T) {
				nc := pipe(t, d, func(p *peer) {
					p.required = prot == "required"
					p.welcome()
					q := p.expect(wire.CmdCreate)
					if q.sealed != (prot == "sealed") || p.verified(q) != (prot == "signed" || prot == "required") {
						p.fail("CREATE sealed %v flags %#x", q.sealed, q.Flags)
					}
					if q.SessionID != peerSession || q.TreeID != peerTree {
						p.fail("CREATE %+v", q.Header)
					}
					p.send(reply{to: q, body: &wire.CreateResponse{FileID: wire.FileID{Persistent: 1, Volatile: 2}}})
				})
				tree := join(t, nc, client.Options{
					Dialects:     []wire.Dialect{d},
					SignRequired: prot == "signed",
					Encrypt:      prot == "sealed",
				})
				f := must(tree.Create(t.Context(), client.CreateArgs{Name: "f"}))(t)
				if f.ID != (wire.FileID{Persistent: 1, Volatile: 2}) {
					t.Fatalf("file id %v", f.ID)
				}
			})
		}
	}
}

// In 3.1.1 the TREE_CONNECT is signed even if nothing else is.
func TestTreeConnectIsSigned(t *testing.T) {
	for _, d := range []wire.Dialect{wire.Dialect302, wire.Dialect311} {
		t.Run(d.String(), func(t *testing.T) {
			nc := pipe(t, d, func(p *peer) {
				p.greet()
				p.logon()
				q := p.expect(wire.CmdTreeConnect)
				if p.verified(q) != (d == wire.Dialect311) {
					p.fail("TREE_CONNECT flags %#x", q.Flags)
				}
				p.send(reply{to: q, body: &wire.TreeConnectResponse{}})
			})
			join(t, nc, client.Options{})
		})
	}
}

func TestNegotiateRefusesBadChoices(t *testing.T) {
	context := func(m *wire.NegotiateResponse, typ wire.NegotiateContextType, data wire.Appender) {
		for i := range m.Contexts {
			if m.Contexts[i].Type == typ {
				m.Contexts[i] = wire.NewNegotiateContext(typ, data)
				return
			}
		}
		m.Contexts = append(m.Contexts, wire.NewNegotiateContext(typ, data))
	}
	for name, spoil := range map[string]func(m *wire.NegotiateResponse){
		"dialect not offered": func(m *wire.NegotiateResponse) { m.DialectRevision = wire.Dialect202 },
		"small reads":         func(m *wire.NegotiateResponse) { m.MaxReadSize = 65535 },
		"no preauthentication": func(m *wire.NegotiateResponse) {
			m.Contexts = m.Contexts[1:]
		},
		"two hashes": func(m *wire.NegotiateResponse) {
			context(m, wire.ContextPreauthIntegrity, &wire.PreauthCapabilities{HashAlgorithms: []wire.HashAlgorithm{1, 1}})
		},
		"unknown hash": func(m *wire.NegotiateResponse) {
			context(m, wire.ContextPreauthIntegrity, &wire.PreauthCapabilities{HashAlgorithms: []wire.HashAlgorithm{2}})
		},
		"two ciphers": func(m *wire.NegotiateResponse) {
			context(m, wire.ContextEncryption, &wire.EncryptionCapabilities{Ciphers: []wire.Cipher{2, 1}})
		},
		"cipher not offered": func(m *wire.NegotiateResponse) {
			context(m, wire.ContextEncryption, &wire.EncryptionCapabilities{Ciphers: []wire.Cipher{wire.CipherAES256CCM}})
		},
		"signing not offered": func(m *wire.NegotiateResponse) {
			context(m, wire.ContextSigning, &wire.SigningCapabilities{SigningAlgorithms: []wire.SigningAlgorithm{wire.SigningHMACSHA256}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			nc := pipe(t, wire.Dialect311, func(p *peer) {
				q, m := p.negotiation()
				spoil(&m)
				p.answerNegotiate(q, &m)
				p.receive() // nothing comes: the client hangs up
			})
			_, err := client.NewConn(t.Context(), nc, client.Options{
				Ciphers:     []wire.Cipher{wire.CipherAES128GCM, wire.CipherAES128CCM},
				SigningAlgs: []wire.SigningAlgorithm{wire.SigningAESGMAC},
			})
			wantViolation(t, nil, err)
		})
	}
}

func TestRefusedLogonIsAStatus(t *testing.T) {
	nc := pipe(t, wire.Dialect311, func(p *peer) {
		p.greet()
		p.logon()
		p.receive()
	})
	c := must(client.NewConn(t.Context(), nc, client.Options{User: peerUser, Password: "wrong"}))(t)
	defer c.Close()
	_, err := c.SessionSetup(t.Context())
	wantStatus(t, err, ntstatus.LogonFailure)
	if c.Err() != nil {
		t.Fatalf("connection ended: %v", c.Err())
	}
}

// A man in the middle of NEGOTIATE shows in the signature of the last SESSION_SETUP.
func TestPreauthenticationHash(t *testing.T) {
	nc := pipe(t, wire.Dialect311, func(p *peer) {
		p.greet()
		p.hash[0] ^= 1
		p.logon()
		p.receive()
	})
	c := must(client.NewConn(t.Context(), nc, client.Options{User: peerUser, Password: peerPassword}))(t)
	defer c.Close()
	_, err := c.SessionSetup(t.Context())
	wantViolation(t, c, err)
}

// Each of these replies ends the connection, and with NoVerify is taken as it is.
func TestRepliesAreChecked(t *testing.T) {
	flip := func(msg []byte) { msg[wire.HeaderSignatureOffset] ^= 1 }
	tests := map[string]struct {
		options client.Options
		bad     reply
		// gone is set where without verification no reply is there to be taken.
		gone bool
	}{
		"unsigned":      {client.Options{SignRequired: true}, reply{plain: true}, false},
		"badly signed":  {client.Options{SignRequired: true}, reply{after: flip}, false},
		"unsealed":      {client.Options{Encrypt: true}, reply{plain: true}, false},
		"other command": {client.Options{}, reply{tweak: func(h *wire.Header) { h.Command = wire.CmdFlush }}, false},
		"other session": {client.Options{Encrypt: true}, reply{tweak: func(h *wire.Header) { h.SessionID++ }}, false},
		"no response":   {client.Options{}, reply{tweak: func(h *wire.Header) { h.Flags &^= wire.FlagServerToRedir }}, false},
		"stray":         {client.Options{}, reply{tweak: func(h *wire.Header) { h.MessageID += 1000 }}, true},
		"pending without async": {client.Options{}, reply{tweak: func(h *wire.Header) {
			h.Status = uint32(ntstatus.Pending)
		}}, true},
	}
	for name, tt := range tests {
		for _, lax := range []bool{false, true} {
			t.Run(map[bool]string{false: "", true: "lax "}[lax]+name, func(t *testing.T) {
				nc := pipe(t, wire.Dialect311, func(p *peer) {
					p.welcome()
					bad := tt.bad
					bad.to, bad.body = p.expect(wire.CmdEcho), &wire.EchoResponse{}
					p.send(bad)
					if tt.gone && lax {
						p.send(reply{to: bad.to, body: bad.body})
					}
				})
				o := tt.options
				o.NoVerify = lax
				tree := join(t, nc, o)
				err := tree.Session.Echo(t.Context())
				if lax {
					check(t, err)
					return
				}
				wantViolation(t, tree.Session.Conn, err)
			})
		}
	}
}

// A server without the session cannot sign that it has none.
func TestDeletedSessionNeedsNoSignature(t *testing.T) {
	nc := pipe(t, wire.Dialect311, func(p *peer) {
		p.welcome()
		p.send(reply{to: p.expect(wire.CmdEcho), status: ntstatus.UserSessionDeleted, plain: true})
	})
	tree := join(t, nc, client.Options{SignRequired: true})
	wantStatus(t, tree.Session.Echo(t.Context()), ntstatus.UserSessionDeleted)
}

func TestMalformedFrames(t *testing.T) {
	header := func(tweak func(*wire.Header)) []byte {
		h := wire.Header{Command: wire.CmdEcho, Flags: wire.FlagServerToRedir, MessageID: 1}
		tweak(&h)
		return (&wire.EchoResponse{}).Append(h.Append(nil))
	}
	for name, frame := range map[string][]byte{
		"empty":             {},
		"other protocol":    []byte("\xffSMB and more"),
		"half a header":     header(func(*wire.Header) {})[:40],
		"NextCommand short": header(func(h *wire.Header) { h.NextCommand = 8 }),
		"NextCommand odd":   header(func(h *wire.Header) { h.NextCommand = 65 }),
		"NextCommand far":   header(func(h *wire.Header) { h.NextCommand = 72 }),
		"NextCommand huge":  header(func(h *wire.Header) { h.NextCommand = 0xfffffff8 }),
		"half a body":       header(func(*wire.Header) {})[:66],
		"half a transform":  []byte("\xfdSMB and not enough"),
		"unknown session":   append([]byte("\xfdSMB"), make([]byte, 100)...),
	} {
		t.Run(name, func(t *testing.T) {
			nc := pipe(t, wire.Dialect302, func(p *peer) {
				p.greet()
				p.expect(wire.CmdEcho)
				p.raw(frame)
				p.receive()
			})
			c := must(client.NewConn(t.Context(), nc, client.Options{}))(t)
			defer c.Close()
			wantViolation(t, nil, c.Echo(t.Context()))
		})
	}
}

func TestInterimAndCancel(t *testing.T) {
	nc := pipe(t, wire.Dialect311, func(p *peer) {
		p.welcome()
		p.open()
		q := p.expect(wire.CmdLock)
		p.send(reply{to: q, status: ntstatus.Pending, plain: true, tweak: func(h *wire.Header) {
			h.Flags |= wire.FlagAsync
			h.AsyncID = 77
		}})
		c := p.expect(wire.CmdCancel)
		if c.AsyncID != 77 || !c.IsAsync() || c.MessageID != q.MessageID || c.Credits != 0 || !p.verified(c) {
			p.fail("CANCEL %+v", c.Header)
		}
		p.send(reply{to: q, status: ntstatus.Cancelled, tweak: func(h *wire.Header) {
			h.Flags |= wire.FlagAsync
			h.AsyncID = 77
		}})
		// Without an interim reply the message id names the victim.
		q = p.expect(wire.CmdLock)
		if c = p.expect(wire.CmdCancel); c.IsAsync() || c.MessageID != q.MessageID || c.SessionID != q.SessionID {
			p.fail("CANCEL %+v", c.Header)
		}
		p.send(reply{to: q, body: &wire.LockResponse{}})
	})
	ctx, tree := t.Context(), join(t, nc, client.Options{SignRequired: true})
	f := must(tree.Create(ctx, client.CreateArgs{Name: "f"}))(t)
	next := tree.Session.Conn.NextID()
	p := f.StartLock(client.Waiting(client.Exclusive(0, 1)))
	if id := must(p.Interim(ctx))(t); id != 77 {
		t.Fatalf("AsyncId %d", id)
	}
	check(t, p.Cancel())
	_, err := p.Wait(ctx)
	wantStatus(t, err, ntstatus.Cancelled)
	if resp := must(p.Pending.Wait(ctx))(t); resp.Interim == nil || resp.Interim.AsyncID != 77 {
		t.Fatalf("interim header %+v", resp.Interim)
	}
	p = f.StartLock(client.Waiting(client.Exclusive(0, 1)))
	check(t, p.Cancel())
	must(p.Wait(ctx))(t)
	if _, err := p.Interim(ctx); !errors.Is(err, client.ErrNoInterim) {
		t.Fatalf("interim reply: %v", err)
	}
	if got := tree.Session.Conn.NextID(); got != next+2 {
		t.Fatalf("two locks and two cancels took %d message ids", got-next)
	}
}

// A request waits for credits, and pays by its size.
func TestCredits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		granted := make(chan struct{})
		nc := pipe(t, wire.Dialect210, func(p *peer) {
			p.welcome()
			p.open()
			first := p.expect(wire.CmdRead)
			<-granted
			p.credits = 16
			p.send(reply{to: first, body: &wire.ReadResponse{Data: []byte("x")}})
			big := p.expect(wire.CmdRead)
			if big.CreditCharge != 16 || big.MessageID != first.MessageID+1 {
				p.fail("big READ %+v", big.Header)
			}
			p.send(reply{to: big, body: &wire.ReadResponse{Data: []byte("y")}})
			if last := p.expect(wire.CmdRead); last.CreditCharge != 1 || last.MessageID != big.MessageID+16 {
				p.fail("last READ %+v", last.Header)
			} else {
				p.send(reply{to: last, body: &wire.ReadResponse{Data: []byte("z")}})
			}
		})
		ctx, tree := t.Context(), join(t, nc, client.Options{})
		f := must(tree.Create(ctx, client.CreateArgs{Name: "f"}))(t)
		first := f.StartRead(0, 1)
		sent := make(chan *client.Call[[]byte])
		go func() { sent <- f.StartRead(0, 1<<20) }()
		synctest.Wait()
		select {
		case <-sent:
			t.Error("sent without credits")
		default:
		}
		close(granted)
		must(first.Wait(ctx))(t)
		must((<-sent).Wait(ctx))(t)
		must(f.Read(ctx, 0, 65536))(t)
		tree.Session.Conn.Close()
	})
}

// A silent server fails a call after the time-out, in fake time here.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc := pipe(t, wire.Dialect311, func(p *peer) {
			p.greet()
			p.expect(wire.CmdEcho)
			p.receive()
		})
		c := must(client.NewConn(t.Context(), nc, client.Options{Timeout: 10 * time.Second}))(t)
		start := time.Now()
		if err := c.Echo(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("error %v", err)
		}
		if d := time.Since(start); d != 10*time.Second {
			t.Fatalf("after %v", d)
		}
		c.Close()
	})
}

func TestEndOfConnection(t *testing.T) {
	for _, who := range []string{"server", "client"} {
		t.Run(who, func(t *testing.T) {
			hangUp := make(chan struct{})
			nc := pipe(t, wire.Dialect311, func(p *peer) {
				p.greet()
				p.expect(wire.CmdEcho)
				if who == "server" {
					<-hangUp
					return
				}
				p.receive()
			})
			c := must(client.NewConn(t.Context(), nc, client.Options{}))(t)
			p := c.Start(&client.Request{Body: &wire.EchoRequest{}})
			want := io.EOF
			if who == "server" {
				close(hangUp)
			} else {
				want = client.ErrClosed
				c.Close()
			}
			if _, err := p.Wait(t.Context()); !errors.Is(err, want) {
				t.Fatalf("error %v, want %v", err, want)
			}
			<-c.Done()
			if _, err := c.NextBreak(t.Context()); !errors.Is(err, want) {
				t.Fatalf("NextBreak: %v, want %v", err, want)
			}
			if _, err := c.Start(&client.Request{Body: &wire.EchoRequest{}}).Wait(t.Context()); !errors.Is(err, want) {
				t.Fatalf("later request: %v, want %v", err, want)
			}
			c.Close()
		})
	}
}

func TestCompoundOnTheWire(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		t.Run(map[bool]string{false: "signed", true: "sealed"}[sealed], func(t *testing.T) {
			nc := pipe(t, wire.Dialect311, func(p *peer) {
				p.credits = 10
				p.welcome()
				all := p.receive()
				if len(all) != 3 {
					p.fail("%d messages", len(all))
					return
				}
				for i, q := range all {
					if q.IsRelated() != (i > 0) || q.MessageID != all[0].MessageID+uint64(i) || q.sealed != sealed || p.verified(q) == sealed {
						p.fail("message %d: %+v", i, q.Header)
					}
					if (i < 2) != (q.NextCommand > 0) || q.NextCommand%8 != 0 {
						p.fail("message %d: NextCommand %d", i, q.NextCommand)
					}
				}
				p.send(
					reply{to: all[0], body: &wire.CreateResponse{FileID: wire.FileID{Volatile: 9}}},
					reply{to: all[1], body: &wire.ReadResponse{Data: []byte("odd")}},
					reply{to: all[2], status: ntstatus.FileClosed})
			})
			tree := join(t, nc, client.Options{SignRequired: true, Encrypt: sealed})
			args := client.CreateArgs{Name: "odd"}
			resps := must(tree.Session.Conn.DoCompound(t.Context(), true,
				tree.Request(args.Body(wire.Dialect311)),
				tree.Request(&wire.ReadRequest{FileID: wire.RelatedFileID, Length: 5}),
				tree.Request(&wire.CloseRequest{FileID: wire.RelatedFileID})))(t)
			if f := must(tree.Opened(args, resps[0]))(t); f.ID.Volatile != 9 {
				t.Fatalf("file id %v", f.ID)
			}
			var read wire.ReadResponse
			check(t, resps[1].Decode(&read))
			if string(read.Data) != "odd" {
				t.Fatalf("read %q", read.Data)
			}
			wantStatus(t, resps[2].Err(), ntstatus.FileClosed)
			if resps[1].Sealed != sealed || resps[1].Signed == sealed {
				t.Fatalf("sealed %v signed %v", resps[1].Sealed, resps[1].Signed)
			}
		})
	}
}

// breakReply is a notification as the server sends it.
func (p *peer) sendBreak(m wire.Appender) {
	h := wire.Header{Command: wire.CmdOplockBreak, Flags: wire.FlagServerToRedir, MessageID: 1<<64 - 1}
	p.raw(m.Append(h.Append(nil)))
}

func TestBreaks(t *testing.T) {
	key := client.NewGUID()
	nc := pipe(t, wire.Dialect311, func(p *peer) {
		p.welcome()
		p.open()
		p.sendBreak(&wire.LeaseBreakNotification{
			LeaseKey: key, CurrentLeaseState: client.RWH, NewLeaseState: client.RH, Flags: wire.LeaseBreakAckRequired, NewEpoch: 3,
		})
		p.sendBreak(&wire.OplockBreakNotification{OplockLevel: wire.OplockII, FileID: wire.FileID{Volatile: 5}})
		var ack wire.LeaseBreakAck
		q := p.expect(wire.CmdOplockBreak)
		if err := ack.Decode(q.msg); err != nil || ack.LeaseKey != key || ack.LeaseState != client.RH {
			p.fail("acknowledgement %+v %v", ack, err)
		}
		p.send(reply{to: q, body: &wire.LeaseBreakResponse{LeaseKey: key, LeaseState: client.RH}})
		var oplock wire.OplockBreakAck
		q = p.expect(wire.CmdOplockBreak)
		if err := oplock.Decode(q.msg); err != nil || oplock.OplockLevel != wire.OplockII || oplock.FileID.Volatile != 2 {
			p.fail("acknowledgement %+v %v", oplock, err)
		}
		p.send(reply{to: q, status: ntstatus.InvalidOplockProtocol})
		p.send(reply{to: p.expect(wire.CmdEcho), body: &wire.EchoResponse{}})
		q = p.expect(wire.CmdEcho)
		p.sendBreak(&wire.OplockBreakNotification{})
		p.send(reply{to: q, body: &wire.EchoResponse{}})
	})
	ctx, tree := t.Context(), join(t, nc, client.Options{})
	c := tree.Session.Conn
	f := must(tree.Create(ctx, client.CreateArgs{Name: "f"}))(t)
	lease, oplock := must(c.NextBreak(ctx))(t), must(c.NextBreak(ctx))(t)
	if lease.Lease == nil || lease.Lease.NewEpoch != 3 || !lease.AckRequired() || lease.Arrival+1 != oplock.Arrival {
		t.Fatalf("first %v, then %v", lease, oplock)
	}
	if oplock.Oplock == nil || oplock.Oplock.FileID.Volatile != 5 {
		t.Fatal(oplock)
	}
	check(t, tree.Session.AckLease(ctx, key, client.RH))
	wantStatus(t, f.AckOplock(ctx, wire.OplockII), ntstatus.InvalidOplockProtocol)
	check(t, c.NoBreak(ctx))
	if err := c.NoBreak(ctx); err == nil {
		t.Fatal("a break went unnoticed")
	}
}

func TestOnBreak(t *testing.T) {
	got := make(chan *client.Break, 1)
	nc := pipe(t, wire.Dialect311, func(p *peer) {
		p.greet()
		p.sendBreak(&wire.OplockBreakNotification{OplockLevel: wire.OplockNone})
		p.receive()
	})
	c := must(client.NewConn(t.Context(), nc, client.Options{OnBreak: func(b *client.Break) { got <- b }}))(t)
	defer c.Close()
	if b := <-got; b.Oplock == nil {
		t.Fatal(b)
	}
}

// Breaks that nobody reads end the connection and do not pile up.
func TestUnreadBreaks(t *testing.T) {
	nc := pipe(t, wire.Dialect311, func(p *peer) {
		p.greet()
		for range 1025 {
			p.sendBreak(&wire.OplockBreakNotification{})
		}
	})
	c := must(client.NewConn(t.Context(), nc, client.Options{}))(t)
	<-c.Done()
	if err := c.Err(); err == nil || errors.Is(err, io.EOF) {
		t.Fatalf("connection ended with %v", err)
	}
	c.Close()
}

// Two requests with one message id are answered in the order of sending.
func TestRepeatedMessageID(t *testing.T) {
	nc := pipe(t, wire.Dialect311, func(p *peer) {
		p.greet()
		a, b := p.expect(wire.CmdEcho), p.expect(wire.CmdEcho)
		if a.MessageID != 1 || b.MessageID != 1 {
			p.fail("message ids %d and %d", a.MessageID, b.MessageID)
		}
		p.send(reply{to: a, status: ntstatus.InvalidParameter})
		p.send(reply{to: b, body: &wire.EchoResponse{}})
	})
	c := must(client.NewConn(t.Context(), nc, client.Options{}))(t)
	defer c.Close()
	first := c.Start(&client.Request{Body: &wire.EchoRequest{}})
	second := c.Start(&client.Request{Body: &wire.EchoRequest{}, MessageID: new(first.MessageID())})
	wantStatus(t, must(first.Wait(t.Context()))(t).Err(), ntstatus.InvalidParameter)
	check(t, must(second.Wait(t.Context()))(t).Err())
}

// What a test may do to a message arrives at the peer.
func TestBadManners(t *testing.T) {
	ready := make(chan struct{})
	nc := pipe(t, wire.Dialect311, func(p *peer) {
		p.credits = 10
		p.greet()
		p.logon()
		close(ready)
		if q := p.expect(wire.CmdEcho); q.Flags&wire.FlagDFS == 0 || q.CreditCharge != 9 {
			p.fail("header %+v", q.Header)
		} else {
			p.send(reply{to: q, body: &wire.EchoResponse{}})
		}
		if q := p.expect(wire.CmdEcho); !bytes.HasSuffix(q.msg, []byte("tail")) || !p.verified(q) {
			p.fail("message %q", q.msg)
		} else {
			p.send(reply{to: q, body: &wire.EchoResponse{}})
		}
		if q := p.expect(wire.CmdEcho); p.verified(q) || !q.IsSigned() {
			p.fail("broken signature verifies")
		} else {
			p.send(reply{to: q, status: ntstatus.AccessDenied, plain: true})
		}
		if q := p.expect(wire.Command(0x99)); string(q.msg[wire.HeaderSize:]) != "body" {
			p.fail("body %q", q.msg)
		} else {
			p.send(reply{to: q, status: ntstatus.NotImplemented, plain: true})
		}
		if q := p.expect(wire.CmdEcho); q.MessageID != 500 {
			p.fail("message id %d", q.MessageID)
		} else {
			p.send(reply{to: q, body: &wire.EchoResponse{}})
		}
		b := make([]byte, 3)
		if _, err := io.ReadFull(p.nc, b); err != nil || string(b) != "raw" {
			p.fail("raw bytes %q", b)
		}
	})
	c := must(client.NewConn(t.Context(), nc, client.Options{User: peerUser, Password: peerPassword, SignRequired: true}))(t)
	defer c.Close()
	s := must(c.SessionSetup(t.Context()))(t)
	<-ready
	do := func(s *client.Session, tweak func(*client.Request), want error) {
		t.Helper()
		r := s.With(tweak).Request(&wire.EchoRequest{})
		if err := must(c.Do(t.Context(), r))(t).Err(); err != want {
			t.Fatalf("status %v, want %v", err, want)
		}
	}
	do(s, func(r *client.Request) {
		r.Charge = 9
		r.Header = func(h *wire.Header) { h.Flags |= wire.FlagDFS }
	}, nil)
	do(s, func(r *client.Request) { r.Mutate = func(msg []byte) []byte { return append(msg, "tail"...) } }, nil)
	do(s, func(r *client.Request) { r.Sign = client.Broken }, ntstatus.AccessDenied)
	do(s, func(r *client.Request) {
		r.Body, r.Bytes, r.Command, r.Sign = nil, []byte("body"), 0x99, client.Off
	}, ntstatus.NotImplemented)

	h := wire.Header{Command: wire.CmdEcho, MessageID: 500, CreditCharge: 1}
	p := c.Expect(500, &client.Request{Body: &wire.EchoRequest{}})
	check(t, c.SendFrame((&wire.EchoRequest{}).Append(h.Append(nil))))
	check(t, must(p.Wait(t.Context()))(t).Err())
	check(t, c.WriteRaw([]byte("raw")))
}
