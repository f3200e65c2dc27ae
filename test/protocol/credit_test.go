package protocol

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// asks returns a request that asks for n credits.
func asks(r *client.Request, n uint16) *client.Request {
	r.Header = func(h *wire.Header) { h.Credits = n }
	return r
}

func TestCredits(t *testing.T) {
	const limit = 100
	s := start(t, fmt.Sprintf("server:\n  limits:\n    requests_per_connection: %d\n", limit))
	s.run(t, "no more than the limit", func(t *testing.T) {
		tree := s.connect(t)
		conn := tree.Session.Conn
		for range 10 {
			resp := must(conn.Do(t.Context(), asks(tree.Session.Request(&wire.EchoRequest{}), 0xffff)))(t)
			if resp.Header.Credits == 0 || conn.Credits() > limit {
				t.Fatalf("granted %d, which makes %d", resp.Header.Credits, conn.Credits())
			}
		}
		if conn.Credits() != limit {
			t.Errorf("%d credits, want all %d", conn.Credits(), limit)
		}
		// All of them can be used at once.
		var ps []*client.Pending
		for range limit {
			ps = append(ps, conn.Start(asks(tree.Session.Request(&wire.EchoRequest{}), 1)))
		}
		for _, p := range ps {
			check(t, must(p.Wait(t.Context()))(t).Err())
		}
	})
	// Who asks for none uses up what it has, but can always go on with one.
	s.run(t, "exhausted", func(t *testing.T) {
		tree := s.connect(t)
		conn := tree.Session.Conn
		for i := range 3 * limit {
			had := conn.Credits()
			resp := must(conn.Do(t.Context(), asks(tree.Session.Request(&wire.EchoRequest{}), 0)))(t)
			want := 0
			if had == 1 {
				want = 1
			}
			if int(resp.Header.Credits) != want {
				t.Fatalf("request %d: %d credits granted with %d left", i, resp.Header.Credits, had-1)
			}
		}
	})
	s.run(t, "interim replies grant, final ones do not", func(t *testing.T) {
		tree := s.connect(t)
		conn := tree.Session.Conn
		_, other := locked(t, tree, "interim")
		before := conn.Credits()
		p := waitingLock(other)
		must(p.Interim(t.Context()))(t)
		check(t, p.Cancel())
		resp := must(p.Pending.Wait(t.Context()))(t)
		if resp.Interim.Credits == 0 || resp.Header.Credits != 0 || conn.Credits() > limit {
			t.Errorf("interim %d, final %d, from %d to %d", resp.Interim.Credits, resp.Header.Credits, before, conn.Credits())
		}
	})
}

// wantEOF fails the test unless the server hangs up.
func wantEOF(t *testing.T, c *client.Conn) {
	t.Helper()
	wantCut(t, c)
	if !errors.Is(c.Err(), io.EOF) && !isReset(c.Err()) {
		t.Errorf("the connection has ended with %v", c.Err())
	}
}

func TestMessageIDs(t *testing.T) {
	s := start(t, "")
	send := func(t *testing.T, tree *client.Tree, id uint64) *client.Pending {
		r := tree.Session.Request(&wire.EchoRequest{})
		r.MessageID = &id
		return tree.Session.Conn.Start(r)
	}
	bad := map[string]func(*client.Conn) uint64{
		"used before":    func(c *client.Conn) uint64 { return c.NextID() - 1 },
		"not granted":    func(c *client.Conn) uint64 { return c.NextID() + uint64(c.Credits()) },
		"far away":       func(*client.Conn) uint64 { return 1 << 63 },
		"that of breaks": func(*client.Conn) uint64 { return ^uint64(0) },
		"the first one":  func(*client.Conn) uint64 { return 0 },
	}
	for name, id := range bad {
		s.run(t, name, func(t *testing.T) {
			tree := s.connect(t)
			send(t, tree, id(tree.Session.Conn))
			wantEOF(t, tree.Session.Conn)
		})
	}
	s.run(t, "in any order", func(t *testing.T) {
		tree := s.connect(t)
		conn := tree.Session.Conn
		first, n := conn.NextID(), min(conn.Credits(), 50)
		check(t, conn.SkipIDs(t.Context(), n))
		for i := range n {
			resp := must(send(t, tree, first+uint64(n-1-i)).Wait(t.Context()))(t)
			check(t, resp.Err())
		}
		check(t, conn.Echo(t.Context()))
	})
	// An id that is never used keeps the window from moving on without end.
	s.run(t, "with a hole", func(t *testing.T) {
		tree := s.connect(t, func(o *client.Options) { o.Credits = 512 })
		conn := tree.Session.Conn
		check(t, conn.SkipIDs(t.Context(), 1))
		n := 0
		for ; conn.Credits() > 0 && n < 100_000; n++ {
			var ps []*client.Pending
			for range conn.Credits() {
				ps = append(ps, conn.Start(tree.Session.Request(&wire.EchoRequest{})))
			}
			for _, p := range ps {
				must(p.Wait(t.Context()))(t)
			}
		}
		if conn.Credits() > 0 {
			t.Errorf("the window is still open after %d rounds", n)
		}
	})
}

func TestChargesOfLargeRequests(t *testing.T) {
	s := start(t, "")
	const size = 8 << 20
	data := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	check(t, os.WriteFile(s.Path("share", "big"), data, 0o600))
	for _, m := range modes {
		s.run(t, "8 MiB at once, "+m.name, func(t *testing.T) {
			ctx := t.Context()
			tree := s.connect(t, m.tweak, func(o *client.Options) { o.Credits = 512 })
			if n := tree.Session.Conn.Negotiated().Response; n.MaxReadSize != size || n.MaxWriteSize != size || n.MaxTransactSize != size {
				t.Fatalf("sizes %d, %d, %d", n.MaxReadSize, n.MaxWriteSize, n.MaxTransactSize)
			}
			f := open(t, tree, client.CreateArgs{Name: "big"})
			check(t, tree.Session.Conn.WaitCredits(ctx, 256))
			write := f.StartWrite(0, data)
			read := f.StartRead(0, size)
			if n := must(write.Wait(ctx))(t); n != size {
				t.Errorf("wrote %d", n)
			}
			if got := must(read.Wait(ctx))(t); !bytes.Equal(got, data) {
				t.Errorf("read %d other bytes", len(got))
			}
			_, err := f.Read(ctx, 0, size+1)
			wantStatus(t, err, ntstatus.InvalidParameter)
		})
	}
	// Who moves more than 64 KiB pays for it (MS-SMB2 3.3.5.2.5).
	s.run(t, "too little paid", func(t *testing.T) {
		tree := s.connect(t, func(o *client.Options) { o.Credits = 512 })
		conn := tree.Session.Conn
		f := open(t, tree, client.CreateArgs{Name: "big"})
		dir := open(t, tree, client.CreateArgs{Name: "", Directory: true, Access: client.ListDirectory})
		check(t, conn.WaitCredits(t.Context(), 100))
		for _, c := range []struct {
			name string
			body wire.Appender
			need uint16
		}{
			{"READ", &wire.ReadRequest{FileID: f.ID, Length: 65536*2 + 1}, 3},
			{"WRITE", &wire.WriteRequest{FileID: f.ID, Data: data[:65536*2+1]}, 3},
			{"QUERY_DIRECTORY", &wire.QueryDirectoryRequest{FileID: dir.ID, FileInformationClass: wire.FileInfoDirectory, FileName: "*", OutputBufferLength: 65537}, 2},
			{"QUERY_INFO", &wire.QueryInfoRequest{FileID: f.ID, InfoType: wire.InfoTypeFile, FileInfoClass: wire.FileInfoStandard, OutputBufferLength: 65537}, 2},
			{"SET_INFO", &wire.SetInfoRequest{FileID: f.ID, InfoType: wire.InfoTypeFile, FileInfoClass: wire.FileInfoBasic, Buffer: make([]byte, 65537)}, 2},
			{"IOCTL", &wire.IoctlRequest{CtlCode: wire.FsctlQueryAllocatedRanges, FileID: f.ID, Flags: wire.IoctlIsFsctl, Input: make([]byte, 16), MaxOutputResponse: 65537}, 2},
			{"CHANGE_NOTIFY", &wire.ChangeNotifyRequest{FileID: dir.ID, OutputBufferLength: 65537, CompletionFilter: wire.NotifyChangeEA}, 2},
		} {
			r := f.Request(c.body)
			r.Charge = c.need - 1
			resp := must(conn.Do(t.Context(), r))(t)
			if resp.Status != ntstatus.InvalidParameter {
				t.Errorf("%s, paid %d: %v", c.name, c.need-1, resp.Status)
			}
			r = f.Request(c.body)
			r.Charge = c.need
			p := conn.Start(r)
			if c.name == "CHANGE_NOTIFY" {
				must(p.Interim(t.Context()))(t)
				check(t, p.Cancel())
			}
			if resp := must(p.Wait(t.Context()))(t); c.name != "SET_INFO" && resp.Status == ntstatus.InvalidParameter {
				t.Errorf("%s, paid %d: %v", c.name, c.need, resp.Status)
			}
		}
	})
	// A charge takes that many ids.
	s.run(t, "a charge beyond the window", func(t *testing.T) {
		tree := s.connect(t)
		r := tree.Session.Request(&wire.EchoRequest{})
		r.Charge, r.NoWait = uint16(tree.Session.Conn.Credits()+1), true
		tree.Session.Conn.Start(r)
		wantEOF(t, tree.Session.Conn)
	})
	s.run(t, "2.0.2 knows no charges", func(t *testing.T) {
		s := start(t, "server:\n  dialects:\n    min: \"2.0.2\"\n")
		tree := s.connect(t, speaks(wire.Dialect202))
		check(t, tree.WriteFile(t.Context(), "f", data[:100_000]))
		f := open(t, tree, client.CreateArgs{Name: "f"})
		got := must(f.ReadAll(t.Context()))(t)
		if !bytes.Equal(got, data[:100_000]) {
			t.Error("read other bytes")
		}
		_, err := f.Read(t.Context(), 0, 65537)
		wantStatus(t, err, ntstatus.InvalidParameter)
	})
}
