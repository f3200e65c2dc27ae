package protocol

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// crowd is how many idle clients there are: LESSOR_TEST_CROWD, or 1,000, as far as there
// are descriptors: the server needs two for each, the connection and the file.
func crowd(t *testing.T) int {
	n := 1000
	if v := os.Getenv("LESSOR_TEST_CROWD"); v != "" {
		var err error
		n, err = strconv.Atoi(v)
		check(t, err)
	}
	return min(n, (maxFiles(t)-500)/2)
}

// heap is what the server's heap holds after a collection, in MiB.
func (s *server) heap(t *testing.T) float64 {
	t.Helper()
	resp := must(metricsClient.Get(s.MetricsURL + "/debug/pprof/heap?gc=1"))(t)
	must(io.Copy(io.Discard, resp.Body))(t)
	check(t, resp.Body.Close())
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
	return s.metrics(t)["go_memstats_alloc_bytes"] / (1 << 20)
}

// from returns the i-th of the addresses of the loopback network, as one address may
// have a limited number of connections only.
func from(i int) func(context.Context, string) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i/3000))}}
	return func(ctx context.Context, addr string) (net.Conn, error) { return d.DialContext(ctx, "tcp", addr) }
}

// Thousands of idle clients, each with a session, an open file and a lease: each costs
// some kilobytes, and when they have gone nothing is left.
func TestSiegeCrowd(t *testing.T) {
	n := crowd(t)
	const perClient = 64 // KiB, by which a client may make the process grow
	limit := bounds{memory: 64 + n*perClient/1024, lines: 10}
	besiege(t, "", limit, func(t *testing.T, s *siege) {
		ctx, base := t.Context(), s.heap(t)
		begin := time.Now()
		trees := make([]*client.Tree, n)
		var wg sync.WaitGroup
		const dialers = 8
		for d := range dialers {
			wg.Go(func() {
				for i := d; i < n && !t.Failed(); i += dialers {
					tree, err := client.Connect(ctx, s.Addr, "share", s.options(func(o *client.Options) { o.Dial = from(i) }))
					if err != nil {
						t.Error(err)
						return
					}
					trees[i] = tree
					f, err := tree.Create(ctx, client.CreateArgs{Name: fmt.Sprint("of ", i), Lease: lease(client.RWH)})
					if err != nil || f.LeaseState() != client.RWH {
						t.Errorf("client %d: %v", i, err)
						return
					}
				}
			})
		}
		wg.Wait()
		defer func() {
			for _, tree := range trees {
				if tree != nil {
					tree.Session.Conn.Close()
				}
			}
			begin := time.Now()
			s.wantMetric(t, "lessor_smb_connections", 1)
			gone := time.Since(begin)
			eventually(t, "the memory given back", func() bool { return s.heap(t) <= base+16 })
			t.Logf("gone after %v, memory given back after %v", gone, time.Since(begin))
		}()
		if t.Failed() {
			return
		}
		took, heap := time.Since(begin), s.heap(t)
		t.Logf("%d clients in %v: %.1f KiB of heap and %.1f KiB of the process for each", n, took.Round(time.Millisecond),
			(heap-base)*1024/float64(n), float64(s.kibibytes(t, "VmRSS")-s.memory)/float64(n))
		s.wantMetric(t, "lessor_smb_connections", float64(n+1))
		// Some of them wake up.
		for i := 0; i < n; i += max(1, n/100) {
			check(t, trees[i].Session.Echo(ctx))
		}
	})
}

// A session that opens files without end meets its limit, and so does one that connects
// to shares; nobody else does.
func TestSiegeOpens(t *testing.T) {
	const config = "server:\n  limits:\n    opens_per_session: 3000\n"
	besiege(t, config, bounds{says: []string{`"limit":"opens_per_session"`, `"limit":"trees_per_session"`}}, func(t *testing.T, s *siege) {
		ctx, tree := t.Context(), s.connect(t, greedy)
		conn := tree.Session.Conn
		opened := 0
		var ps []*client.Call[*client.File]
		for i := range 4000 {
			// Of the same files again and again, and of many.
			ps = append(ps, tree.StartCreate(client.CreateArgs{Name: fmt.Sprint("file ", i%200)}))
			if len(ps) == 100 {
				for _, p := range ps {
					switch _, err := p.Wait(ctx); err {
					case nil:
						opened++
					case ntstatus.TooManyOpenedFiles:
					default:
						t.Fatal(err)
					}
				}
				ps = nil
			}
		}
		if opened != 3000 {
			t.Errorf("%d files were opened", opened)
		}
		for i := range 1100 {
			_, err := tree.Session.TreeConnect(ctx, "share")
			if want := i >= 1023; (err == ntstatus.InsufficientResources) != want || err != nil && !want {
				t.Fatalf("tree connect %d: %v", i, err)
			}
		}
		check(t, s.connect(t).WriteFile(ctx, "another", nil))
		conn.Close()
	})
}

// A chain of ten thousand is answered link by link; each one uses the id that the one
// before it has made free.
func TestSiegeLongChains(t *testing.T) {
	besiege(t, "", bounds{memory: 200}, func(t *testing.T, s *siege) {
		const links = 10_000
		var wg sync.WaitGroup
		for range 4 {
			conn := s.connect(t, greedy).Session.Conn
			check(t, conn.WaitCredits(t.Context(), 4000))
			var msg []byte
			var ps []*client.Pending
			for i := range uint64(links) {
				h := wire.Header{Command: wire.CmdEcho, CreditCharge: 1, MessageID: conn.NextID() + i, NextCommand: 72}
				if i == links-1 {
					h.NextCommand = 0
				}
				msg = append((&wire.EchoRequest{}).Append(h.Append(msg)), 0, 0, 0, 0)
				ps = append(ps, conn.Expect(h.MessageID, &client.Request{Body: &wire.EchoRequest{}}))
			}
			check(t, conn.SendFrame(msg))
			wg.Go(func() {
				for i, p := range ps {
					if resp, err := p.Wait(t.Context()); err != nil || resp.Status != ntstatus.Success {
						t.Errorf("link %d: %v", i, err)
						return
					}
				}
			})
		}
		wg.Wait()
	})
}

// Clients that ask for all credits there are get what the limit says and no more; those
// that use what they were not granted are cut.
func TestSiegeCredits(t *testing.T) {
	const most = 8192
	besiege(t, "", bounds{lines: 10, says: []string{"out of window"}}, func(t *testing.T, s *siege) {
		ctx := t.Context()
		var wg sync.WaitGroup
		for range 10 {
			conn := s.connect(t, func(o *client.Options) { o.Credits = 65535 }).Session.Conn
			wg.Go(func() {
				for range 500 {
					if err := conn.Echo(ctx); err != nil {
						t.Error(err)
						return
					}
					if n := conn.Credits(); n > most {
						t.Errorf("%d credits", n)
						return
					}
				}
			})
		}
		wg.Wait()
		for name, cheat := range map[string]func(*client.Conn) *client.Request{
			"an id far ahead": func(c *client.Conn) *client.Request {
				id := c.NextID() + 2*most
				return &client.Request{Body: &wire.EchoRequest{}, MessageID: &id}
			},
			"an id again": func(c *client.Conn) *client.Request {
				id := c.NextID() - 1
				return &client.Request{Body: &wire.EchoRequest{}, MessageID: &id}
			},
			"a charge beyond what was granted": func(*client.Conn) *client.Request {
				return &client.Request{Body: &wire.EchoRequest{}, Charge: 65535, NoWait: true}
			},
			"the last id of all": func(*client.Conn) *client.Request {
				id := ^uint64(0)
				return &client.Request{Body: &wire.EchoRequest{}, MessageID: &id}
			},
		} {
			conn := s.connect(t, greedy).Session.Conn
			check(t, conn.WaitCredits(ctx, 4000))
			conn.Start(cheat(conn))
			select {
			case <-conn.Done():
			case <-time.After(patience):
				t.Errorf("%s: the connection lives", name)
			}
		}
	})
}

// Every waiting request is cancelled many times, by its AsyncId, by its message id and
// by those of others: it ends once, and nothing else does.
func TestSiegeCancels(t *testing.T) {
	besiege(t, "", bounds{}, func(t *testing.T, s *siege) {
		ctx := t.Context()
		holder := open(t, s.connect(t), client.CreateArgs{Name: "locked"})
		check(t, holder.Lock(ctx, client.Exclusive(0, 1<<40)))
		var wg sync.WaitGroup
		for range 10 {
			tree := s.connect(t, greedy)
			f := open(t, tree, client.CreateArgs{Name: "locked"})
			check(t, tree.Session.Conn.WaitCredits(ctx, 2000))
			wg.Go(func() {
				var ps []*client.Call[struct{}]
				for i := range 500 {
					ps = append(ps, f.StartLock(client.Waiting(client.Exclusive(uint64(i), 1))))
				}
				for _, p := range ps {
					if _, err := p.Interim(ctx); err != nil {
						t.Error(err)
						return
					}
				}
				for range 10 {
					for _, p := range ps {
						if err := p.Cancel(); err != nil {
							t.Error(err)
							return
						}
					}
				}
				for _, p := range ps {
					if _, err := p.Wait(ctx); err != ntstatus.Cancelled {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		s.wantMetric(t, "lessor_smb_waiting_requests", 0)
		check(t, holder.Lock(ctx, client.Unlock(0, 1<<40)))
	})
}

// Two hundred watch the whole share, ask again as soon as they hear, and half of them
// have no room for what they hear, while a client changes everything all the time.
func TestSiegeNotifies(t *testing.T) {
	besiege(t, "", bounds{}, func(t *testing.T, s *siege) {
		ctx, halt := context.WithCancel(t.Context())
		var heard, full [20]int
		var watching, asking sync.WaitGroup
		watching.Add(len(heard) * 10)
		for i := range heard {
			tree := s.connect(t, greedy)
			var mu sync.Mutex
			for j := range 10 {
				dir := open(t, tree, client.CreateArgs{Name: "", Directory: true, Access: client.ListDirectory})
				room := uint32(65536 - j%2*65530)
				asking.Go(func() {
					first := true
					for {
						p := dir.StartChangeNotifyWith(&wire.ChangeNotifyRequest{
							Flags: wire.ChangeNotifyWatchTree, OutputBufferLength: room, FileID: dir.ID, CompletionFilter: wire.NotifyChangeAll,
						})
						if first {
							if _, err := p.Interim(ctx); err != nil {
								t.Error(err)
							}
							watching.Done()
							first = false
						}
						_, err := p.Wait(ctx)
						if ctx.Err() != nil {
							return
						}
						mu.Lock()
						switch err {
						case nil:
							heard[i]++
						case ntstatus.NotifyEnumDir:
							full[i]++
						default:
							t.Error(err)
						}
						mu.Unlock()
						if err != nil && err != ntstatus.NotifyEnumDir {
							return
						}
					}
				})
			}
		}
		watching.Wait()
		tree := s.connect(t)
		for i := range 80 {
			name := fmt.Sprint("changing ", i)
			check(t, tree.WriteFile(t.Context(), name, []byte("x")))
			check(t, tree.RenameFile(t.Context(), name, name+" again", false))
			check(t, tree.Remove(t.Context(), name+" again"))
		}
		halt()
		asking.Wait()
		for i := range heard {
			if heard[i] == 0 || full[i] == 0 {
				t.Errorf("client %d has heard of %d changes and missed them %d times", i, heard[i], full[i])
			}
		}
	})
}

// slow is a connection that is read a little at a time.
type slow struct {
	net.Conn
	tick *time.Ticker
}

func (s *slow) Read(b []byte) (int, error) {
	<-s.tick.C
	return s.Conn.Read(b[:min(len(b), 32<<10)])
}

// Clients that ask for much and take it slowly get it all, or are cut when they take too
// long over it; what waits for them is bounded.
func TestSiegeSlowReaders(t *testing.T) {
	const config = "server:\n  limits:\n    buffer_memory: 64MiB\n"
	besiege(t, config, bounds{memory: 250, lines: 12}, func(t *testing.T, s *siege) {
		ctx := t.Context()
		check(t, os.WriteFile(s.Path("share", "big"), make([]byte, 8<<20), 0o600))
		var wg sync.WaitGroup
		for range 16 {
			nc := must(net.Dial("tcp", s.Addr))(t)
			check(t, nc.(*net.TCPConn).SetReadBuffer(32<<10))
			conn := must(client.NewConn(ctx, &slow{nc, time.NewTicker(5 * time.Millisecond)}, s.options(greedy)))(t)
			t.Cleanup(func() { conn.Close() })
			tree := must(must(conn.SessionSetup(ctx))(t).TreeConnect(ctx, "share"))(t)
			f := open(t, tree, client.CreateArgs{Name: "big"})
			wg.Go(func() {
				var ps []*client.Call[[]byte]
				for i := range 8 {
					ps = append(ps, f.StartRead(uint64(i)<<20, 1<<20))
				}
				for i, p := range ps {
					if b, err := p.Wait(ctx); err != nil || len(b) != 1<<20 {
						t.Errorf("read %d: %d bytes, %v", i, len(b), err)
						return
					}
				}
			})
		}
		wg.Wait()
		s.wantMetric(t, "lessor_smb_buffer_memory_bytes", 0)
	})
}
