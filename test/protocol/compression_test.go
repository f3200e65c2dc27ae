package protocol

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor/smb"
	"lessor/smb/compress"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/vfs/memfs"
)

// compresses is a tweak of the server.
func compresses(c *smb.Config) { c.Compression = smb.DefaultCompression() }

// offers is a tweak: the client offers compression, and signs and seals no more than
// the server wants.
func offers(chained bool, algs ...wire.CompressionAlgorithm) func(*client.Options) {
	return func(o *client.Options) {
		o.Dialects = []wire.Dialect{wire.Dialect311}
		o.Compression, o.Unchained = algs, !chained
	}
}

// compressed and uncompressed are for File.With.
func compressed(r *client.Request)   { r.Compress = client.On }
func uncompressed(r *client.Request) { r.Compress = client.Off }

// prose is text, and mixture a bit of everything.
func prose(r *rand.Rand, n int) []byte {
	vocabulary := make([]string, 500)
	for i := range vocabulary {
		vocabulary[i] = fmt.Sprintf("%x", r.Uint32()>>r.IntN(28))
	}
	var b bytes.Buffer
	for b.Len() < n {
		b.WriteString(vocabulary[r.IntN(len(vocabulary))] + " ")
	}
	return b.Bytes()[:n]
}

func mixture(r *rand.Rand, n int) []byte {
	var b []byte
	for len(b) < n {
		b = append(b, prose(r, r.IntN(9000))...)
		b = append(b, fill(r, make([]byte, r.IntN(4000)))...)
		b = append(b, make([]byte, r.IntN(9000))...)
	}
	copy(b[n-100:n], prose(r, 100)) // no run at its end
	return b[:n]
}

// send sends a request and returns its reply and whether it went out compressed.
func send(t *testing.T, f *client.File, body wire.Appender) (*client.Response, bool) {
	t.Helper()
	p := f.Tree.Session.Conn.Start(f.Request(body))
	resp := must(p.Wait(t.Context()))(t)
	check(t, resp.Err())
	return resp, p.Compressed()
}

// Every protection, algorithm and form, with what becomes shorter and what does not.
func TestCompression(t *testing.T) {
	protections := []struct {
		name   string
		server func(*smb.Config)
		client func(*client.Options)
	}{
		{"plain", func(c *smb.Config) { c.SigningOptional = true }, func(*client.Options) {}},
		{"GMAC", func(*smb.Config) {}, func(o *client.Options) { o.SigningAlgs = []wire.SigningAlgorithm{wire.SigningAESGMAC} }},
		{"CMAC", func(*smb.Config) {}, func(o *client.Options) { o.SigningAlgs = []wire.SigningAlgorithm{wire.SigningAESCMAC} }},
		{"GCM", func(c *smb.Config) { c.Encryption = smb.EncryptionEnabled }, func(o *client.Options) {
			o.Encrypt, o.Ciphers = true, []wire.Cipher{wire.CipherAES128GCM}
		}},
		{"CCM", func(c *smb.Config) { c.Encryption = smb.EncryptionEnabled }, func(o *client.Options) {
			o.Encrypt, o.Ciphers = true, []wire.Cipher{wire.CipherAES256CCM}
		}},
	}
	for _, p := range protections {
		for _, alg := range smb.DefaultCompression() {
			for _, chained := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/chained=%v", p.name, smb.CompressionNames[alg], chained), func(t *testing.T) {
					inBubble(t, func(t *testing.T, b *bubble) {
						tree := b.connect(t, offers(chained, alg), p.client)
						compressionCase(t, b, tree, alg, chained)
					}, compresses, p.server)
				})
			}
		}
	}
}

func compressionCase(t *testing.T, b *bubble, tree *client.Tree, alg wire.CompressionAlgorithm, chained bool) {
	const n = 70_000
	r := rand.New(rand.NewPCG(1, uint64(alg)))
	codec := tree.Session.Conn.Negotiated().Compression()
	if codec == nil || !slices.Equal(codec.Algorithms(), []wire.CompressionAlgorithm{alg}) || codec.Chained() != chained {
		t.Fatalf("negotiated %+v", codec)
	}
	for kind, data := range map[string][]byte{
		"random": fill(r, make([]byte, n)), "text": prose(r, n), "zeros": make([]byte, n), "mixed": mixture(r, n),
		"zeros around": append(append(make([]byte, n), fill(r, make([]byte, 3000))...), make([]byte, n)...),
	} {
		shorter := kind != "random"
		if alg == wire.CompressionPatternV1 {
			shorter = chained && strings.HasPrefix(kind, "zeros")
		}
		f := must(tree.Create(t.Context(), client.CreateArgs{Name: kind, Access: client.ReadWrite, Disposition: client.OverwriteIf}))(t)
		with, without := f.With(compressed), f.With(uncompressed)
		write := func(f *client.File, off uint64, want bool) {
			resp, was := send(t, f, &wire.WriteRequest{FileID: f.ID, Offset: off, Data: data})
			if was != want || resp.Compressed {
				t.Errorf("WRITE of %s: compressed %v, its reply %v", kind, was, resp.Compressed)
			}
		}
		read := func(f *client.File, off uint64, want bool) {
			resp, _ := send(t, f, &wire.ReadRequest{FileID: f.ID, Offset: off, Length: uint32(len(data))})
			var m wire.ReadResponse
			check(t, resp.Decode(&m))
			if !bytes.Equal(m.Data, data) {
				t.Errorf("%s is not what was written", kind)
			}
			if resp.Compressed != want {
				t.Errorf("READ of %s: compressed %v", kind, resp.Compressed)
			}
		}
		write(with, 0, shorter)
		write(without, n*4, false)
		for _, off := range []uint64{0, n * 4} {
			read(with, off, shorter)
			read(without, off, false)
		}
		check(t, f.Close(t.Context()))
	}
	for _, direction := range []string{"in", "out"} {
		labels := map[string]string{"direction": direction, "algorithm": smb.CompressionNames[alg]}
		before, after := b.counter(t, "lessor_smb_compression_original_bytes_total", labels), b.counter(t, "lessor_smb_compression_compressed_bytes_total", labels)
		if works := alg != wire.CompressionPatternV1 || chained; works != (before > 0) || works && before <= after {
			t.Errorf("%s: %v bytes, compressed %v", direction, before, after)
		}
	}
}

// counter is the value of a counter with these labels.
func (b *bubble) counter(t *testing.T, name string, labels map[string]string) float64 {
	t.Helper()
	families, err := b.metrics.Gather()
	check(t, err)
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.Metric {
			same := 0
			for _, l := range m.GetLabel() {
				if labels[l.GetName()] == l.GetValue() {
					same++
				}
			}
			if same == len(labels) {
				return m.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("no %s%v", name, labels)
	return 0
}

// What NEGOTIATE answers (MS-SMB2 3.3.5.4).
func TestCompressionNegotiation(t *testing.T) {
	const (
		nt1, lz77, huff, pattern, lz4 = wire.CompressionLZNT1, wire.CompressionLZ77, wire.CompressionLZ77Huffman, wire.CompressionPatternV1, wire.CompressionLZ4
		chain                         = wire.CompressionCapabilityChained
	)
	type algs = []wire.CompressionAlgorithm
	for _, c := range []struct {
		name   string
		server algs
		flags  uint32
		offer  algs
		answer *wire.CompressionCapabilities // nil: no context
	}{
		{"all, in the order of the client", algs{lz4, lz77, huff, nt1, pattern}, chain, algs{pattern, lz77, huff, nt1, lz4},
			&wire.CompressionCapabilities{Flags: chain, CompressionAlgorithms: algs{pattern, lz77, huff, nt1, lz4}}},
		{"unchained", algs{lz77, pattern}, 0, algs{lz77, pattern}, &wire.CompressionCapabilities{CompressionAlgorithms: algs{lz77, pattern}}},
		{"some", algs{huff, nt1}, chain, algs{lz4, nt1, huff}, &wire.CompressionCapabilities{Flags: chain, CompressionAlgorithms: algs{nt1, huff}}},
		{"none in common", algs{huff}, chain, algs{lz4, 77}, &wire.CompressionCapabilities{Flags: chain, CompressionAlgorithms: algs{wire.CompressionNone}}},
		{"twice and none", algs{huff}, 0, algs{0, huff, huff}, &wire.CompressionCapabilities{CompressionAlgorithms: algs{huff}}},
		{"unknown flags", algs{huff}, 0xfffffffe, algs{huff}, &wire.CompressionCapabilities{CompressionAlgorithms: algs{huff}}},
		{"off", nil, chain, algs{lz4, lz77}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bubble) {
				conn := client.NewRaw(b.pipe(), client.Options{Dialects: []wire.Dialect{wire.Dialect311}, Contexts: func(list []wire.NegotiateContext) []wire.NegotiateContext {
					return append(list, wire.NewNegotiateContext(wire.ContextCompression, &wire.CompressionCapabilities{Flags: c.flags, CompressionAlgorithms: c.offer}))
				}})
				defer conn.Close()
				check(t, conn.Negotiate(t.Context()))
				data, ok := wire.FindNegotiateContext(conn.Negotiated().Response.Contexts, wire.ContextCompression)
				if !ok {
					if c.answer != nil {
						t.Fatal("no context")
					}
					return
				}
				var got wire.CompressionCapabilities
				check(t, got.Decode(data))
				if d := cmp.Diff(c.answer, &got); d != "" {
					t.Error(d)
				}
			}, func(s *smb.Config) { s.Compression = c.server })
		})
	}
	for _, c := range []struct {
		name     string
		contexts [][]byte
	}{
		{"no algorithms", [][]byte{{0, 0, 0, 0, 0, 0, 0, 0}}},
		{"short", [][]byte{{1, 0, 0, 0}}},
		{"fewer than it says", [][]byte{{2, 0, 0, 0, 0, 0, 0, 0, 2, 0}}},
		{"twice", [][]byte{{1, 0, 0, 0, 0, 0, 0, 0, 2, 0}, {1, 0, 0, 0, 0, 0, 0, 0, 2, 0}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bubble) {
				conn := client.NewRaw(b.pipe(), client.Options{Dialects: []wire.Dialect{wire.Dialect311}, Contexts: func(list []wire.NegotiateContext) []wire.NegotiateContext {
					for _, data := range c.contexts {
						list = append(list, wire.NegotiateContext{Type: wire.ContextCompression, Data: data})
					}
					return list
				}})
				defer conn.Close()
				wantStatus(t, conn.Negotiate(t.Context()), ntstatus.InvalidParameter)
			}, compresses)
		})
	}
	t.Run("3.0.2", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bubble) {
			tree := b.connect(t, offers(true, smb.DefaultCompression()...), speaks(wire.Dialect302))
			if tree.Session.Conn.Negotiated().Compression() != nil || tree.Compressing() {
				t.Error("compression in 3.0.2")
			}
		}, compresses)
	})
}

// A share that wants compression tells its clients, and compresses long listings;
// what a client asks for without compression it gets so.
func TestCompressionShare(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		check(t, b.SetShares([]smb.Share{{Name: "share", DefaultAccess: smb.AccessWrite, Compress: true, FS: memfs.New(memfs.Options{})}}))
		tree := b.connect(t, offers(true, smb.DefaultCompression()...))
		if !tree.Compressing() {
			t.Error("the share does not say so")
		}
		text := prose(rand.New(rand.NewPCG(3, 4)), 100_000)
		f := must(tree.Create(t.Context(), client.CreateArgs{Name: "f", Access: client.ReadWrite}))(t)
		if _, was := send(t, f, &wire.WriteRequest{FileID: f.ID, Data: text}); !was {
			t.Error("WRITE was not compressed")
		}
		read := &wire.ReadRequest{FileID: f.ID, Length: 100_000}
		if resp, _ := send(t, f, read); !resp.Compressed {
			t.Error("READ was not compressed")
		}
		if resp, _ := send(t, f.With(uncompressed), read); resp.Compressed {
			t.Error("READ was compressed, unasked for")
		}
		for i := range 200 {
			check(t, tree.WriteFile(t.Context(), fmt.Sprintf("file %d", i), nil))
		}
		dir := must(tree.Create(t.Context(), client.CreateArgs{Directory: true, Access: client.ListDirectory}))(t)
		list := &wire.QueryDirectoryRequest{FileID: dir.ID, FileInformationClass: wire.FileInfoIDBothDirectory, FileName: "*", OutputBufferLength: 1 << 20}
		if resp, _ := send(t, dir, list); !resp.Compressed {
			t.Error("the listing was not compressed")
		}
		if tree := b.connect(t, speaks(wire.Dialect311)); tree.Compressing() {
			t.Error("the share wants what was not negotiated")
		}
	}, compresses)
	inBubble(t, func(t *testing.T, b *bubble) {
		tree := b.connect(t, offers(true, smb.DefaultCompression()...))
		if tree.Compressing() {
			t.Error("a share without compression wants it")
		}
	}, compresses)
}

// A chain travels in one compressed frame, and so do its replies; a reply to a
// compressed request is compressed whatever it asks for.
func TestCompressedChain(t *testing.T) {
	for _, seal := range []bool{false, true} {
		inBubble(t, func(t *testing.T, b *bubble) {
			tree := b.connect(t, offers(true, smb.DefaultCompression()...), func(o *client.Options) { o.Encrypt = seal })
			text := prose(rand.New(rand.NewPCG(3, 4)), 60_000)
			file := wire.RelatedFileID
			write := tree.Request(&wire.WriteRequest{FileID: file, Data: text})
			write.Compress = client.On
			resps := must(tree.Session.Conn.DoCompound(t.Context(), true,
				create(tree, client.CreateArgs{Name: "f", Access: client.ReadWrite}), write,
				tree.Request(&wire.ReadRequest{FileID: file, Length: 60_000}), tree.Request(&wire.CloseRequest{FileID: file})))(t)
			for i, r := range resps {
				check(t, r.Err())
				if !r.Compressed || r.Sealed != seal || r.Signed == seal {
					t.Errorf("reply %d: compressed %v, sealed %v, signed %v", i, r.Compressed, r.Sealed, r.Signed)
				}
			}
			var m wire.ReadResponse
			check(t, resps[2].Decode(&m))
			if !bytes.Equal(m.Data, text) {
				t.Error("not what was written")
			}
		}, compresses, func(c *smb.Config) { c.Encryption = smb.EncryptionEnabled })
	}
}

// pattern is a chained frame that stands for n bytes.
func pattern(n uint32, head []byte) []byte {
	h := wire.CompressionChainedHeader{OriginalCompressedSegmentSize: n}
	p := wire.CompressionPayload{CompressionAlgorithm: wire.CompressionNone, Data: head}
	run := wire.CompressionPattern{Repetitions: n - uint32(len(head))}
	rest := wire.CompressionPayload{CompressionAlgorithm: wire.CompressionPatternV1, Data: run.Append(nil)}
	return rest.AppendChained(p.AppendChained(h.Append(nil), true), false)
}

// What breaks a rule ends the connection (MS-SMB2 3.3.5.2.1.2).
func TestCompressionViolations(t *testing.T) {
	const limit = 8<<20 + 256 + wire.CompressionHeaderSize
	lz77 := func(size uint32, msg []byte) []byte {
		dst := make([]byte, len(msg)+1000)
		n, ok := compress.Compress(wire.CompressionLZ77, dst, msg)
		if !ok {
			panic("does not fit")
		}
		h := wire.CompressionHeader{OriginalCompressedSegmentSize: size, CompressionAlgorithm: wire.CompressionLZ77}
		return append(h.Append(nil), dst[:n]...)
	}
	echo := func(m [2]uint64) []byte {
		h := wire.Header{Command: wire.CmdEcho, MessageID: m[0], SessionID: m[1], Credits: 1, CreditCharge: 1}
		return (&wire.EchoRequest{}).Append(h.Append(nil))
	}
	offered := []wire.CompressionAlgorithm{wire.CompressionLZ77, wire.CompressionPatternV1}
	for _, c := range []struct {
		name   string
		offer  []wire.CompressionAlgorithm
		frame  func(idAndSession [2]uint64) []byte
		alive  bool
		reason string
	}{
		{"a good one", offered, func(id [2]uint64) []byte { return lz77(68, echo(id)) }, true, ""},
		{"a long one that pays", offered, func(id [2]uint64) []byte {
			m := echo(id)
			binary.LittleEndian.PutUint16(m[6:], 2)
			return pattern(100_000, m)
		}, true, ""},
		{"not negotiated", nil, func(id [2]uint64) []byte { return lz77(68, echo(id)) }, false, "compressed without negotiation"},
		{"another algorithm", offered, func(id [2]uint64) []byte {
			b := lz77(68, echo(id))
			b[8] = byte(wire.CompressionLZ4)
			return b
		}, false, "compression not negotiated"},
		{"too large", offered, func(id [2]uint64) []byte { return pattern(limit+1, echo(id)) }, false, "compressed message too large"},
		{"four gigabytes", offered, func(id [2]uint64) []byte { return pattern(1<<32-1, echo(id)) }, false, "compressed message too large"},
		{"longer than its credits", offered, func(id [2]uint64) []byte { return pattern(limit, echo(id)) }, false, "compressed message longer than its credits"},
		{"says less", offered, func(id [2]uint64) []byte { return lz77(67, echo(id)) }, false, "bad compression"},
		{"says more", offered, func(id [2]uint64) []byte { return lz77(69, echo(id)) }, false, "bad compression"},
		{"cut off", offered, func(id [2]uint64) []byte { return lz77(68, echo(id))[:40] }, false, "bad compression"},
		{"header alone", offered, func(id [2]uint64) []byte { return lz77(68, echo(id))[:16] }, false, "bad compression"},
		{"less than a header", offered, func(id [2]uint64) []byte { return lz77(68, echo(id))[:15] }, false, "bad compression"},
		{"compressed twice", offered, func(id [2]uint64) []byte {
			once := lz77(68, echo(id))
			return lz77(uint32(len(once)), once)
		}, false, "bad compression"},
		{"half a message", offered, func(id [2]uint64) []byte { return lz77(40, echo(id)[:40]) }, false, "bad header"},
	} {
		for _, seal := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/sealed=%v", c.name, seal), func(t *testing.T) {
				inBubble(t, func(t *testing.T, b *bubble) {
					tree := b.connect(t, offers(true, c.offer...), func(o *client.Options) {
						o.Encrypt, o.CompressAll = seal, false
					})
					conn := tree.Session.Conn
					check(t, conn.WaitCredits(t.Context(), 4))
					id := conn.NextID()
					// As neither signature nor seal look at what they are for, the frame
					// takes the place of a message.
					r := tree.Session.Request(&wire.EchoRequest{})
					r.MessageID, r.Sign = &id, client.Off
					r.Mutate = func([]byte) []byte { return c.frame([2]uint64{id, tree.Session.ID}) }
					p := conn.Start(r)
					if c.alive {
						resp := must(p.Wait(t.Context()))(t)
						check(t, resp.Err())
						check(t, conn.SkipIDs(t.Context(), 2))
						check(t, tree.Session.Echo(t.Context()))
						return
					}
					wantEOF(t, conn)
					if n := b.counter(t, "lessor_smb_protocol_errors_total", map[string]string{"reason": c.reason}); n != 1 {
						t.Errorf("%v times %q", n, c.reason)
					}
				}, compresses, func(c *smb.Config) { c.Encryption = smb.EncryptionEnabled })
			})
		}
	}
}

// Who has not logged on cannot make the server expand more than it reads.
func TestCompressionBeforeLogon(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		for size, alive := range map[uint32]bool{60_000: true, 90_000: false, 8 << 20: false} {
			o := client.Options{}
			offers(true, wire.CompressionPatternV1)(&o)
			conn := must(client.NewConn(t.Context(), b.pipe(), o))(t)
			h := wire.Header{Command: wire.CmdEcho, MessageID: 1, Credits: 10, CreditCharge: 1}
			p := conn.Expect(1, &client.Request{Command: wire.CmdEcho})
			check(t, conn.SendFrame(pattern(size, (&wire.EchoRequest{}).Append(h.Append(nil)))))
			if alive {
				must(p.Wait(t.Context()))(t)
			} else {
				wantEOF(t, conn)
			}
			conn.Close()
		}
	}, compresses)
}

// Frames of a hundred bytes that stand for eight megabytes, from many clients at once,
// some of which would have the server keep them for as long as they like.
func TestSiegeBombs(t *testing.T) {
	const clients, each, size = 16, 50, 8 << 20
	limit := bounds{memory: 200, lines: 20, says: []string{"compressed message longer than its credits", "compressed message too large"}}
	besiege(t, "", limit, func(t *testing.T, s *siege) {
		bomber := func(o *client.Options) {
			offers(true, wire.CompressionPatternV1, wire.CompressionLZ77)(o)
			o.NoVerify = true // refusals are signed, and nobody has a key for them
		}
		var conns []*client.Conn
		var attacks sync.WaitGroup
		for range clients {
			tree := s.connect(t, bomber, greedy)
			conn := tree.Session.Conn
			check(t, conn.WaitCredits(t.Context(), 8000))
			f := must(tree.Create(t.Context(), client.CreateArgs{Name: "f", Access: client.ReadWrite, Share: client.ShareAll}))(t)
			dir := must(tree.Create(t.Context(), client.CreateArgs{Directory: true, Access: client.ListDirectory}))(t)
			bomb := func(body wire.Appender, command wire.Command, charge int) error {
				id := conn.NextID()
				if err := conn.SkipIDs(t.Context(), charge); err != nil {
					return err
				}
				h := wire.Header{Command: command, MessageID: id, Credits: 8192, CreditCharge: uint16(charge), SessionID: tree.Session.ID, TreeID: tree.ID}
				conn.Expect(id, &client.Request{Command: command})
				return conn.SendFrame(pattern(size, body.Append(h.Append(nil))))
			}
			conns = append(conns, conn)
			attacks.Go(func() {
				// These have paid, but are not signed.
				for range each {
					if err := bomb(&wire.WriteRequest{FileID: f.ID, Data: make([]byte, 100)}, wire.CmdWrite, 129); err != nil {
						t.Error(err)
						return
					}
				}
				// This one has not paid for what it would have the server keep.
				if err := bomb(&wire.ChangeNotifyRequest{FileID: dir.ID, OutputBufferLength: 1000}, wire.CmdChangeNotify, 1); err != nil {
					t.Error(err)
				}
			})
		}
		attacks.Wait()
		for _, conn := range conns {
			wantCut(t, conn)
		}
		conn := s.connect(t, bomber).Session.Conn
		check(t, conn.SendFrame(pattern(1<<31, make([]byte, 64))))
		wantCut(t, conn)
	})
}
