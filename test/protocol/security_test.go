package protocol

import (
	"errors"
	"net"
	"testing"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/test/harness"
)

// FSCTL_VALIDATE_NEGOTIATE_INFO finds out whether NEGOTIATE was tampered with
// (MS-SMB2 3.3.5.15.12).
func TestValidateNegotiate(t *testing.T) {
	s := start(t, "")
	for _, d := range []wire.Dialect{wire.Dialect210, wire.Dialect300, wire.Dialect302} {
		s.run(t, d.String(), func(t *testing.T) {
			check(t, s.connect(t, speaks(d)).ValidateNegotiate(t.Context()))
		})
		s.run(t, d.String()+" chosen from a list", func(t *testing.T) {
			tree := s.connect(t, speaks(wire.Dialect202, wire.Dialect210, d))
			check(t, tree.ValidateNegotiate(t.Context()))
		})
	}
	// What the client has not said in NEGOTIATE.
	tampered := map[string]func(*wire.ValidateNegotiateInfoRequest){
		"capabilities": func(q *wire.ValidateNegotiateInfoRequest) { q.Capabilities ^= wire.GlobalCapEncryption },
		"guid":         func(q *wire.ValidateNegotiateInfoRequest) { q.Guid[3] ^= 1 },
		"mode":         func(q *wire.ValidateNegotiateInfoRequest) { q.SecurityMode ^= wire.NegotiateSigningRequired },
		"dialects":     func(q *wire.ValidateNegotiateInfoRequest) { q.Dialects = append(q.Dialects, wire.Dialect311) },
	}
	for name, tamper := range tampered {
		s.run(t, name+" tampered with", func(t *testing.T) {
			tree := s.connect(t, speaks(wire.Dialect302))
			n := tree.Session.Conn.Negotiated()
			q := wire.ValidateNegotiateInfoRequest{
				Capabilities: n.Request.Capabilities, Guid: n.Request.ClientGuid,
				SecurityMode: n.Request.SecurityMode, Dialects: append([]wire.Dialect(nil), n.Request.Dialects...),
			}
			tamper(&q)
			if out, err := tree.Ioctl(t.Context(), wire.FsctlValidateNegotiateInfo, q.Append(nil), 24); err == nil {
				t.Errorf("answered %x", out)
			}
			wantEOF(t, tree.Session.Conn)
		})
	}
	s.run(t, "3.1.1", func(t *testing.T) {
		tree := s.connect(t, speaks(wire.Dialect311))
		if err := tree.ValidateNegotiate(t.Context()); err == nil {
			t.Error("answered")
		}
		wantEOF(t, tree.Session.Conn)
	})
}

// In 3.1.1 whatever was changed on the way before the session is found out: the keys
// differ (MS-SMB2 3.3.5.4, 3.3.5.5).
func TestPreauthIntegrity(t *testing.T) {
	s := start(t, "")
	// flip changes a message behind the back of the client's hash.
	flip := func(at int) func([]byte) []byte {
		return func(frame []byte) []byte {
			frame[at] ^= 1
			return frame
		}
	}
	// The client finds out by the signature of the last SESSION_SETUP response.
	wantFoundOut := func(t *testing.T, err error) {
		t.Helper()
		if !errors.Is(err, client.ErrProtocol) {
			t.Errorf("session set up: %v", err)
		}
	}
	negotiate := func(t *testing.T, noVerify bool) *client.Conn {
		nc := must(net.Dial("tcp", s.Addr))(t)
		c := client.NewRaw(nc, s.options(speaks(wire.Dialect311), func(o *client.Options) { o.NoVerify = noVerify; trace(t, o) }))
		t.Cleanup(func() { c.Close() })
		r := &client.Request{Body: c.NegotiateRequest()}
		r.Tamper = func(frame []byte) []byte { return flip(len(frame) - 1)(frame) } // in the NETNAME context
		check(t, c.NegotiateWith(t.Context(), r))
		return c
	}
	s.run(t, "negotiate", func(t *testing.T) {
		_, err := negotiate(t, false).SessionSetup(t.Context())
		wantFoundOut(t, err)
	})
	s.run(t, "negotiate, and the client does not look", func(t *testing.T) {
		session := must(negotiate(t, true).SessionSetup(t.Context()))(t)
		// The server does: TREE_CONNECT is signed with another key.
		_, err := session.TreeConnect(t.Context(), "share")
		wantStatus(t, err, ntstatus.AccessDenied)
	})
	s.run(t, "session setup", func(t *testing.T) {
		c := s.dial(t, speaks(wire.Dialect311))
		login := client.Login{User: s.User, Password: s.Password}
		// Capabilities, which nothing else depends on.
		login.Tweak = func(r *client.Request) { r.Tamper = flip(wire.HeaderSize + 4 + 3) }
		_, err := c.SessionSetupAs(t.Context(), login)
		wantFoundOut(t, err)
	})
	s.run(t, "tree connect without a signature", func(t *testing.T) {
		session := must(s.dial(t, speaks(wire.Dialect311)).SessionSetup(t.Context()))(t)
		unsigned := session.With(func(r *client.Request) { r.Sign = client.Off })
		if _, err := unsigned.TreeConnect(t.Context(), "share"); err == nil {
			t.Error("connected")
		}
	})
}

func TestSigningRequired(t *testing.T) {
	s := start(t, "server:\n  signing: required\n")
	for _, d := range []wire.Dialect{wire.Dialect210, wire.Dialect302, wire.Dialect311} {
		s.run(t, d.String(), func(t *testing.T) {
			ctx := t.Context()
			tree := s.connect(t, speaks(d))
			if !tree.Session.Conn.Negotiated().SigningRequired() {
				t.Error("NEGOTIATE does not say that signing is required")
			}
			f := open(t, tree, client.CreateArgs{Name: "f"})
			before := s.metrics(t)["lessor_smb_bad_signatures_total"]
			for name, how := range map[string]client.Protection{"unsigned": client.Off, "wrongly signed": client.Broken} {
				bad := tree.With(func(r *client.Request) { r.Sign = how })
				_, err := bad.Create(ctx, client.CreateArgs{Name: name})
				wantStatus(t, err, ntstatus.AccessDenied)
				_, err = f.With(func(r *client.Request) { r.Sign = how }).Write(ctx, 0, []byte(name))
				wantStatus(t, err, ntstatus.AccessDenied)
				if st, _ := client.StatusOf(bad.Disconnect(ctx)); st != ntstatus.AccessDenied {
					t.Errorf("%s tree disconnect: %v", name, st)
				}
				// Nothing has happened.
				_, err = tree.Create(ctx, client.CreateArgs{Name: name, Disposition: client.Open})
				wantStatus(t, err, ntstatus.ObjectNameNotFound)
			}
			if _, err := f.Read(ctx, 0, 10); err != ntstatus.EndOfFile {
				t.Errorf("read: %v; the file should be empty", err)
			}
			if n := s.metrics(t)["lessor_smb_bad_signatures_total"] - before; n != 3 {
				t.Errorf("%v bad signatures counted, want 3", n)
			}
		})
	}
	// The bytes of a request that was signed in good faith are changed on the way.
	s.run(t, "changed on the way", func(t *testing.T) {
		ctx := t.Context()
		tree := s.connect(t)
		f := open(t, tree, client.CreateArgs{Name: "changed"})
		changed := f.With(func(r *client.Request) {
			r.Tamper = func(frame []byte) []byte { frame[len(frame)-1] ^= 1; return frame }
		})
		_, err := changed.Write(ctx, 0, []byte("important"))
		wantStatus(t, err, ntstatus.AccessDenied)
		must(f.Write(ctx, 0, []byte("important")))(t)
	})
	s.run(t, "anonymous", func(t *testing.T) {
		_, err := s.dial(t).SessionSetupAs(t.Context(), client.Login{})
		wantStatus(t, err, ntstatus.AccessDenied)
	})
}

// With signing left to the client, what comes signed is answered signed, and only that.
func TestSigningEnabled(t *testing.T) {
	s := start(t, "server:\n  signing: enabled\n")
	for _, d := range []wire.Dialect{wire.Dialect210, wire.Dialect302, wire.Dialect311} {
		s.run(t, d.String(), func(t *testing.T) {
			ctx := t.Context()
			tree := s.connect(t, speaks(d))
			if tree.Session.Conn.Negotiated().SigningRequired() || tree.Session.Signing() {
				t.Fatal("signing is required")
			}
			for _, how := range []client.Protection{client.Off, client.On} {
				r := create(tree, client.CreateArgs{Name: "f"})
				r.Sign = how
				if resp := must(tree.Session.Conn.Do(ctx, r))(t); resp.Err() != nil || resp.Signed != (how == client.On) {
					t.Errorf("%v, signed %v", resp.Status, resp.Signed)
				}
			}
			bad := create(tree, client.CreateArgs{Name: "f"})
			bad.Sign = client.Broken
			if resp := must(tree.Session.Conn.Do(ctx, bad))(t); resp.Status != ntstatus.AccessDenied {
				t.Errorf("wrong signature: %v", resp.Status)
			}
		})
	}
	s.run(t, "the client requires it", func(t *testing.T) {
		tree := s.connect(t, func(o *client.Options) { o.SignRequired = true })
		unsigned := tree.With(func(r *client.Request) { r.Sign = client.Off })
		_, err := unsigned.Create(t.Context(), client.CreateArgs{Name: "f"})
		wantStatus(t, err, ntstatus.AccessDenied)
	})
}

func TestEncryptionRequired(t *testing.T) {
	s := start(t, "server:\n  encryption: required\n")
	s.run(t, "2.1 cannot", func(t *testing.T) {
		_, err := s.dial(t, speaks(wire.Dialect210)).SessionSetup(t.Context())
		wantStatus(t, err, ntstatus.AccessDenied)
	})
	s.run(t, "3.1.1 without ciphers", func(t *testing.T) {
		_, err := s.dial(t, func(o *client.Options) { o.Ciphers = []wire.Cipher{} }).SessionSetup(t.Context())
		wantStatus(t, err, ntstatus.AccessDenied)
	})
	s.run(t, "3.0 without the capability", func(t *testing.T) {
		_, err := s.dial(t, speaks(wire.Dialect300), func(o *client.Options) { o.Without = wire.GlobalCapEncryption }).SessionSetup(t.Context())
		wantStatus(t, err, ntstatus.AccessDenied)
	})
	for _, d := range []wire.Dialect{wire.Dialect300, wire.Dialect302, wire.Dialect311} {
		s.run(t, d.String(), func(t *testing.T) {
			ctx := t.Context()
			tree := s.connect(t, speaks(d))
			if tree.Session.Flags&wire.SessionFlagEncryptData == 0 {
				t.Error("the session does not say that it must be sealed")
			}
			check(t, tree.WriteFile(ctx, "f", []byte("secret")))
			// Signed is not enough.
			plain := tree.With(func(r *client.Request) { r.Seal, r.Sign = client.Off, client.On })
			_, err := plain.Create(ctx, client.CreateArgs{Name: "f"})
			wantStatus(t, err, ntstatus.AccessDenied)
			// Breaks are sealed as well.
			f := open(t, tree, client.CreateArgs{Name: "f", Lease: lease(client.RWH)})
			p := s.connect(t, speaks(d)).StartCreate(client.CreateArgs{Name: "f"})
			if b := wantBreak(t, tree.Session.Conn, f.Lease.LeaseKey, client.RWH, client.RH, true); !b.Sealed {
				t.Error("the break came in plain text")
			}
			check(t, f.AckLease(ctx, client.RH))
			must(p.Wait(ctx))(t)
			if resp := must(p.Pending.Wait(ctx))(t); !resp.Sealed {
				t.Error("the asynchronous reply came in plain text")
			}
		})
	}
}

// A share that must be sealed, beside one that need not.
func TestEncryptedShare(t *testing.T) {
	s := startWith(t, "", harness.Share{Name: "share"}, harness.Share{Name: "vault", Settings: []string{"encryption: required"}})
	s.run(t, "sealed by the share", func(t *testing.T) {
		ctx := t.Context()
		tree := s.connect(t)
		vault := must(tree.Session.TreeConnect(ctx, "vault"))(t)
		if !vault.Sealing() || tree.Sealing() {
			t.Fatalf("vault sealed %v, share sealed %v", vault.Sealing(), tree.Sealing())
		}
		check(t, vault.WriteFile(ctx, "f", []byte("secret")))
		plain := vault.With(func(r *client.Request) { r.Seal, r.Sign = client.Off, client.On })
		_, err := plain.Create(ctx, client.CreateArgs{Name: "f"})
		wantStatus(t, err, ntstatus.AccessDenied)
		check(t, tree.WriteFile(ctx, "f", []byte("public")))
	})
	s.run(t, "who cannot seal", func(t *testing.T) {
		tree := s.connect(t, speaks(wire.Dialect210))
		_, err := tree.Session.TreeConnect(t.Context(), "vault")
		wantStatus(t, err, ntstatus.AccessDenied)
		check(t, tree.WriteFile(t.Context(), "f", nil))
	})
}

// What comes sealed is answered sealed, whether it had to or not.
func TestSealedAnswers(t *testing.T) {
	s := start(t, "")
	ciphers := map[string]wire.Cipher{
		"AES-128-CCM": wire.CipherAES128CCM, "AES-128-GCM": wire.CipherAES128GCM,
		"AES-256-CCM": wire.CipherAES256CCM, "AES-256-GCM": wire.CipherAES256GCM,
	}
	for name, c := range ciphers {
		s.run(t, name, func(t *testing.T) {
			ctx := t.Context()
			tree := s.connect(t, func(o *client.Options) { o.Ciphers = []wire.Cipher{c} })
			if tree.Session.Conn.Negotiated().Cipher != c {
				t.Fatalf("negotiated %v", tree.Session.Conn.Negotiated().Cipher)
			}
			for _, how := range []client.Protection{client.On, client.Off, client.On} {
				for _, r := range []*client.Request{
					create(tree, client.CreateArgs{Name: "f"}),
					create(tree, client.CreateArgs{Name: "missing", Disposition: client.Open}), // an error as well
					tree.Session.Request(&wire.EchoRequest{}),
				} {
					r.Seal = how
					if resp := must(tree.Session.Conn.Do(ctx, r))(t); resp.Sealed != (how == client.On) {
						t.Errorf("%v asked sealed %v, answered sealed %v", resp.Header.Command, how == client.On, resp.Sealed)
					}
				}
			}
			// Waiting changes nothing.
			_, other := locked(t, tree, "g")
			r := other.Request(&wire.LockRequest{FileID: other.ID, Locks: []wire.LockElement{client.Waiting(client.Exclusive(0, 10))}})
			r.Seal = client.On
			p := tree.Session.Conn.Start(r)
			must(p.Interim(ctx))(t)
			check(t, p.Cancel())
			if resp := must(p.Wait(ctx))(t); !resp.Sealed || resp.Status != ntstatus.Cancelled {
				t.Errorf("%v, sealed %v", resp.Status, resp.Sealed)
			}
		})
	}
	// Nobody learns anything by trying: what does not unseal ends the connection.
	broken := map[string]func([]byte) []byte{
		"tag":               func(b []byte) []byte { b[4] ^= 1; return b },
		"nonce":             func(b []byte) []byte { b[20] ^= 1; return b },
		"text":              func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"length":            func(b []byte) []byte { b[36]++; return b },
		"flags":             func(b []byte) []byte { b[42] ^= 2; return b },
		"session":           func(b []byte) []byte { b[44] ^= 1; return b },
		"truncated":         func(b []byte) []byte { return b[:len(b)-1] },
		"header alone":      func(b []byte) []byte { return b[:wire.TransformHeaderSize] },
		"half of a header":  func(b []byte) []byte { return b[:wire.TransformHeaderSize/2] },
		"something behind":  func(b []byte) []byte { return append(b, make([]byte, 100)...) },
		"protocol in plain": func(b []byte) []byte { return append([]byte{0xfd, 'S', 'M', 'B'}, make([]byte, 200)...) },
	}
	for name, spoil := range broken {
		s.run(t, "broken "+name, func(t *testing.T) {
			tree := s.connect(t, func(o *client.Options) { o.Encrypt = true })
			r := create(tree, client.CreateArgs{Name: "f"})
			r.Tamper = spoil
			if resp, err := tree.Session.Conn.Do(t.Context(), r); err == nil {
				t.Errorf("answered: %v", resp.Status)
			}
			wantEOF(t, tree.Session.Conn)
		})
	}
	// A message that was sealed for one session names another one inside.
	s.run(t, "sealed for another session", func(t *testing.T) {
		tree := s.connect(t, func(o *client.Options) { o.Encrypt = true })
		other := must(must(tree.Session.Conn.SessionSetup(t.Context()))(t).TreeConnect(t.Context(), "share"))(t)
		r := create(tree, client.CreateArgs{Name: "f"})
		r.Header = func(h *wire.Header) { h.SessionID, h.TreeID = other.Session.ID, other.ID }
		if resp, err := tree.Session.Conn.Do(t.Context(), r); err == nil {
			t.Errorf("answered: %v", resp.Status)
		}
		wantEOF(t, tree.Session.Conn)
	})
}
