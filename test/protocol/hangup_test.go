//go:build linux

package protocol

import (
	"fmt"
	"net"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// half is a connection that its client can close on its own side only.
type half struct {
	deaf
	tcp *net.TCPConn
}

// dialHalf is connect for a client that takes little at a time.
func (s *server) dialHalf(t *testing.T, guid wire.GUID) (*half, *client.Tree) {
	t.Helper()
	tcp := must(net.Dial("tcp", s.Addr))(t).(*net.TCPConn)
	check(t, tcp.SetReadBuffer(4096))
	h := &half{deaf: deaf{Conn: tcp, quiet: make(chan struct{}), gone: make(chan struct{})}, tcp: tcp}
	c := must(client.NewConn(t.Context(), h, s.options(isClient(guid), greedy)))(t)
	t.Cleanup(func() { c.Close() })
	tree := must(must(c.SessionSetup(t.Context()))(t).TreeConnect(t.Context(), "share"))(t)
	check(t, c.WaitCredits(t.Context(), 500))
	return h, tree
}

// hangUp ends the connection of a file of 1 MiB in such a way that the server, for lack
// of room for its replies, does not read as far as to its end.
func (h *half) hangUp(t *testing.T, f *client.File) {
	t.Helper()
	close(h.quiet)
	for range 24 {
		f.StartRead(0, 1<<20)
	}
	h.closeWrite(t)
}

// closeWrite ends what the client sends, and returns when the end has arrived.
func (h *half) closeWrite(t *testing.T) {
	t.Helper()
	check(t, h.tcp.CloseWrite())
	raw := must(h.tcp.SyscallConn())(t)
	const finWait2 = 5 // of the kernel's TCP states: acknowledged
	for arrived := false; !arrived; runtime.Gosched() {
		check(t, t.Context().Err())
		// An error says that the client has closed the rest, having heard of the server.
		arrived = raw.Control(func(fd uintptr) {
			info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
			arrived = err != nil || info.State == finWait2
		}) != nil || arrived
	}
}

// A client that hangs up is gone for everybody from the moment on at which the end of
// its connection has arrived, though the server has not read as far as that.
func TestHungUpBeforeTheServerHasRead(t *testing.T) {
	s := start(t, "")
	reused := client.NewGUID()
	durable := client.CreateArgs{Lease: lease(client.RWH), Durable: &client.Durable{}}
	cases := []struct {
		name string
		args client.CreateArgs
		then func(t *testing.T, f *client.File, tree *client.Tree)
	}{
		{"its client gets a durable open back", durable, func(t *testing.T, f *client.File, tree *client.Tree) {
			again := must(tree.Create(t.Context(), f.ReconnectArgs()))(t)
			check(t, again.Close(t.Context()))
		}},
		{"its GUID is free", client.CreateArgs{Durable: &client.Durable{CreateGuid: reused}}, func(t *testing.T, f *client.File, tree *client.Tree) {
			check(t, open(t, tree, client.CreateArgs{Name: f.Name, Durable: &client.Durable{CreateGuid: reused}}).Close(t.Context()))
		}},
		{"it does not keep others out", client.CreateArgs{Share: client.ShareNone}, func(t *testing.T, f *client.File, tree *client.Tree) {
			check(t, open(t, tree, client.CreateArgs{Name: f.Name}).Close(t.Context()))
		}},
		{"it is not waited for", client.CreateArgs{Lease: lease(client.RWH)}, func(t *testing.T, f *client.File, tree *client.Tree) {
			check(t, open(t, tree, client.CreateArgs{Name: f.Name}).Close(t.Context()))
		}},
	}
	for _, c := range cases {
		s.run(t, c.name, func(t *testing.T) {
			guid := client.NewGUID()
			h, tree := s.dialHalf(t, guid)
			c.args.Name = c.name
			f := open(t, tree, c.args)
			check(t, f.WriteAll(t.Context(), 0, make([]byte, 1<<20)))
			h.hangUp(t, f)
			c.then(t, f, s.connect(t, isClient(guid)))
		})
	}
	s.run(t, "what it has open can be replaced and moved", func(t *testing.T) {
		h, tree := s.dialHalf(t, client.NewGUID())
		open(t, tree, client.CreateArgs{Name: "dir", Directory: true})
		f := open(t, tree, client.CreateArgs{Name: `dir\file`, Share: client.ShareRead | client.ShareDelete})
		check(t, f.WriteAll(t.Context(), 0, make([]byte, 1<<20)))
		other := s.connect(t)
		dir := open(t, other, client.CreateArgs{Name: "dir", Directory: true})
		wantStatus(t, dir.Rename(t.Context(), "elsewhere", false), ntstatus.AccessDenied)
		h.hangUp(t, f)
		check(t, dir.Rename(t.Context(), "elsewhere", false))
		check(t, dir.Close(t.Context()))

		h, tree = s.dialHalf(t, client.NewGUID())
		f = open(t, tree, client.CreateArgs{Name: `elsewhere\file`})
		source := open(t, other, client.CreateArgs{Name: "source"})
		wantStatus(t, source.Rename(t.Context(), `elsewhere\file`, true), ntstatus.AccessDenied)
		h.hangUp(t, f)
		check(t, source.Rename(t.Context(), `elsewhere\file`, true))
		check(t, source.Close(t.Context()))
	})
	s.run(t, "its locks are free", func(t *testing.T) {
		h, tree := s.dialHalf(t, client.NewGUID())
		f := open(t, tree, client.CreateArgs{Name: "locked"})
		check(t, f.WriteAll(t.Context(), 0, make([]byte, 1<<20)))
		other := open(t, s.connect(t), client.CreateArgs{Name: "locked"})
		check(t, f.Lock(t.Context(), client.Exclusive(0, 10)))
		wantStatus(t, other.Lock(t.Context(), client.Exclusive(5, 10)), ntstatus.LockNotGranted)
		h.hangUp(t, f)
		check(t, other.Lock(t.Context(), client.Exclusive(5, 10)))
		check(t, other.Close(t.Context()))
	})
}

// What a client has sent before it hung up is carried out before another one gets in.
func TestHungUpBehindRequests(t *testing.T) {
	s := start(t, "")
	s.run(t, "writes", func(t *testing.T) {
		guid := client.NewGUID()
		for round := range 20 {
			h, tree := s.dialHalf(t, guid)
			f := open(t, tree, client.CreateArgs{Name: "written", Share: client.ShareNone})
			last := fmt.Sprintf("round %02d", round)
			for range 30 {
				f.StartWrite(0, make([]byte, 60<<10))
			}
			f.StartWrite(0, []byte(last))
			h.closeWrite(t)
			again := open(t, s.connect(t, isClient(guid)), client.CreateArgs{Name: "written", Share: client.ShareNone})
			if got := must(again.Read(t.Context(), 0, len(last)))(t); string(got) != last {
				t.Fatalf("read %q, want %q", got, last)
			}
			check(t, again.Close(t.Context()))
			again.Tree.Session.Conn.Close()
		}
	})
}
