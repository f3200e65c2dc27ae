package protocol

import (
	"fmt"
	"net"
	"os"
	"sync"
	"testing"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// greedy is a client that asks for as many credits as there are.
func greedy(o *client.Options) { o.Credits = 8192 }

// Chains whose replies are many times as long as they are themselves.
func TestSiegeChains(t *testing.T) {
	// A reply has 16 MiB at most; it is made by doubling, and the buffers are kept.
	const clients = 8
	besiege(t, "", bounds{memory: clients * 64, says: []string{"bad chain"}}, func(t *testing.T, s *siege) {
		ctx := t.Context()
		big := make([]byte, 8<<20)
		check(t, os.WriteFile(s.Path("share", "big"), big, 0o600))
		check(t, os.Mkdir(s.Path("share", "dir"), 0o700))
		for i := range 2000 {
			check(t, os.WriteFile(s.Path("share", "dir", fmt.Sprintf("%0200d", i)), nil, 0o600))
		}
		list := &wire.QueryDirectoryRequest{
			FileID: wire.RelatedFileID, FileInformationClass: wire.FileInfoIDBothDirectory,
			Flags: wire.QueryDirectoryRestartScans, FileName: "*", OutputBufferLength: 4 << 20,
		}
		read := &wire.ReadRequest{FileID: wire.RelatedFileID, Length: 1 << 20}
		files := map[string]struct {
			first  client.CreateArgs
			then   wire.Appender
			repeat int
		}{
			"READ":            {client.CreateArgs{Name: "big"}, read, 100},
			"READ of little":  {client.CreateArgs{Name: "big"}, &wire.ReadRequest{FileID: wire.RelatedFileID, Length: 60000}, 1000},
			"QUERY_DIRECTORY": {client.CreateArgs{Name: "dir", Directory: true, Access: client.ListDirectory}, list, 40},
			"QUERY_INFO": {client.CreateArgs{Name: "big"}, &wire.QueryInfoRequest{
				FileID: wire.RelatedFileID, InfoType: wire.InfoTypeFile, FileInfoClass: wire.FileInfoAll, OutputBufferLength: 65536,
			}, 3000},
			"ECHO": {client.CreateArgs{Name: "big"}, &wire.EchoRequest{}, 5000},
		}
		for name, f := range files {
			t.Run(name, func(t *testing.T) {
				var wg sync.WaitGroup
				for range clients {
					tree := s.connect(t, greedy)
					check(t, tree.Session.Conn.WaitCredits(ctx, 4000))
					check(t, tree.Session.Conn.Echo(ctx))
					wg.Go(func() {
						rs := []*client.Request{create(tree, f.first)}
						for range f.repeat {
							rs = append(rs, tree.Request(f.then))
						}
						resps, err := tree.Session.Conn.DoCompound(ctx, true, rs...)
						if err != nil {
							t.Error(err)
							return
						}
						count := make(map[ntstatus.Status]int)
						size := 0
						for _, r := range resps {
							count[r.Status]++
							size += len(r.Msg)
						}
						if count[ntstatus.Success] < 2 || size >= 1<<24 {
							t.Errorf("%d bytes: %v", size, count)
						}
						tree.Session.Conn.Close()
					})
				}
				wg.Wait()
			})
		}
		// A hundred thousand messages, the last of which promises one more.
		t.Run("endless", func(t *testing.T) {
			tree := s.connect(t, greedy)
			conn := tree.Session.Conn
			var msg []byte
			for i := range uint64(100_000) {
				h := wire.Header{Command: wire.CmdEcho, MessageID: conn.NextID() + i, NextCommand: 72}
				msg = append((&wire.EchoRequest{}).Append(h.Append(msg)), 0, 0, 0, 0)
			}
			check(t, conn.SendFrame(msg))
			wantEOF(t, conn)
		})
	})
}

// deaf is a connection whose owner may stop to read.
type deaf struct {
	net.Conn
	once  sync.Once
	quiet chan struct{} // closed: nothing is read any more
	gone  chan struct{} // closed by Close
}

func (d *deaf) Read(b []byte) (int, error) {
	select {
	case <-d.quiet:
		<-d.gone
		return 0, net.ErrClosed
	default:
		return d.Conn.Read(b)
	}
}

func (d *deaf) Close() error {
	d.once.Do(func() { close(d.gone) })
	return d.Conn.Close()
}

// Clients that ask and ask and never take an answer.
func TestSiegeDeafClients(t *testing.T) {
	const config = "server:\n  timeouts:\n    write: 2s\n"
	besiege(t, config, bounds{memory: 400, says: []string{"replies not taken"}}, func(t *testing.T, s *siege) {
		ctx := t.Context()
		check(t, os.WriteFile(s.Path("share", "big"), make([]byte, 8<<20), 0o600))
		var wg sync.WaitGroup
		for i := range 16 {
			nc := must(net.Dial("tcp", s.Addr))(t)
			check(t, nc.(*net.TCPConn).SetReadBuffer(4096))
			d := &deaf{Conn: nc, quiet: make(chan struct{}), gone: make(chan struct{})}
			conn := must(client.NewConn(ctx, d, s.options(greedy, func(o *client.Options) { o.Encrypt = i%2 == 0 })))(t)
			t.Cleanup(func() { conn.Close() })
			tree := must(must(conn.SessionSetup(ctx))(t).TreeConnect(ctx, "share"))(t)
			f := open(t, tree, client.CreateArgs{Name: "big"})
			check(t, conn.WaitCredits(ctx, 4000))
			close(d.quiet)
			wg.Go(func() {
				for conn.Credits() > 20 {
					conn.Start(f.Request(&wire.ReadRequest{FileID: f.ID, Length: 1 << 20}))
					conn.Start(f.Request(&wire.QueryInfoRequest{FileID: f.ID, InfoType: wire.InfoTypeFile, FileInfoClass: wire.FileInfoAll, OutputBufferLength: 4096}))
				}
			})
		}
		// The server gives them up.
		s.wantMetric(t, "lessor_smb_connections", 1)
		for _, name := range []string{"lessor_smb_opens"} {
			s.wantMetric(t, name, 1)
		}
		wg.Wait()
	})
}

// As many waiting requests as are allowed, of many clients.
func TestSiegeWaiting(t *testing.T) {
	besiege(t, "", bounds{memory: 300}, func(t *testing.T, s *siege) {
		ctx := t.Context()
		const clients, each = 20, 1024
		var wg sync.WaitGroup
		for range clients {
			tree := s.connect(t, greedy)
			conn := tree.Session.Conn
			check(t, conn.WaitCredits(ctx, 2000))
			dir := open(t, tree, client.CreateArgs{Name: "", Directory: true, Access: client.ListDirectory})
			wg.Go(func() {
				var ps []*client.Call[[]wire.FileNotifyInformation]
				for range each {
					ps = append(ps, dir.StartChangeNotify(wire.NotifyChangeEA, true))
				}
				for _, p := range ps {
					if _, err := p.Interim(ctx); err != nil {
						t.Error(err)
						return
					}
				}
				if _, err := dir.StartChangeNotify(wire.NotifyChangeEA, true).Wait(ctx); err != ntstatus.InsufficientResources {
					t.Errorf("one more: %v", err)
				}
			})
		}
		wg.Wait()
		s.wantMetric(t, "lessor_smb_waiting_requests", clients*each)
	})
}

// Many clients that ask for as much as they may, sealed and signed, some of whom stop
// to read: together they get what the server has set aside, and the bystander does
// not notice.
func TestSiegeBudget(t *testing.T) {
	const config = `server:
  limits:
    buffer_memory: 64MiB
  timeouts:
    write: 1m
`
	// What was given back waits for the collector, so that twice the budget is taken
	// from the system; besides there is what clients have logged on and opened.
	besiege(t, config, bounds{memory: 160, lines: 12, says: []string{`"limit":"buffer_memory"`}}, func(t *testing.T, s *siege) {
		const clients, mine = 24, 12
		ctx := t.Context()
		check(t, os.WriteFile(s.Path("share", "big"), make([]byte, 8<<20), 0o600))
		var wg sync.WaitGroup
		for i := range clients {
			nc := must(net.Dial("tcp", s.Addr))(t)
			d := &deaf{Conn: nc, quiet: make(chan struct{}), gone: make(chan struct{})}
			conn := must(client.NewConn(ctx, d, s.options(greedy, func(o *client.Options) { o.Encrypt = i%2 == 0 })))(t)
			t.Cleanup(func() { conn.Close() })
			tree := must(must(conn.SessionSetup(ctx))(t).TreeConnect(ctx, "share"))(t)
			f := open(t, tree, client.CreateArgs{Name: "big"})
			check(t, conn.WaitCredits(ctx, 4000))
			isDeaf := i%3 == 0
			if isDeaf {
				close(d.quiet) // asks, and does not take the answers
			}
			wg.Go(func() {
				var ps []*client.Pending
				for j := range mine {
					ps = append(ps, conn.Start(f.Request(&wire.ReadRequest{FileID: f.ID, Length: 4 << 20})))
					if j%4 == 0 && !isDeaf {
						ps = append(ps, conn.Start(f.Request(&wire.WriteRequest{FileID: f.ID, Offset: uint64(j) << 10, Data: make([]byte, 1<<20)})))
					}
				}
				if isDeaf {
					return
				}
				for _, p := range ps {
					resp, err := p.Wait(ctx)
					if err != nil || resp.Status != ntstatus.Success {
						t.Errorf("client %d: %v, %v", i, resp, err)
						return
					}
				}
			})
		}
		wg.Wait()
		// Nobody needs what the deaf hold any more, so they may go on.
		m := s.metrics(t)
		t.Logf("%v times somebody has waited, %v connections are left", m[`lessor_smb_limits_reached_total{limit="buffer_memory"}`], m["lessor_smb_connections"])
	})
}
