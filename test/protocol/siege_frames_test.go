package protocol

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"lessor/smb/wire"
	"lessor/test/client"
)

// seed makes a source of randomness and logs what it takes to have it again.
func seed(t *testing.T) *rand.Rand {
	n := rand.Uint64()
	if v := os.Getenv("LESSOR_TEST_SEED"); v != "" {
		var err error
		n, err = strconv.ParseUint(v, 10, 64)
		check(t, err)
	}
	t.Logf("LESSOR_TEST_SEED=%d", n)
	return rand.New(rand.NewPCG(n, 1))
}

// fill fills b with random bytes.
func fill(r *rand.Rand, b []byte) []byte {
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// throw sends bytes over a new connection, says that nothing more will come, and reads
// until the server hangs up, too.
func throw(t *testing.T, addr string, b []byte) {
	t.Helper()
	nc := must(net.Dial("tcp", addr))(t)
	defer nc.Close()
	check(t, nc.SetDeadline(time.Now().Add(patience)))
	if _, err := nc.Write(b); err != nil && !isReset(err) {
		t.Fatal(err)
	}
	check(t, nc.(*net.TCPConn).CloseWrite())
	_, err := io.Copy(io.Discard, nc)
	if err != nil && !isReset(err) {
		t.Fatal(err)
	}
}

// frame is a message behind its prefix.
func frame(msg []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(msg))), msg...)
}

func TestSiegeRandomBytes(t *testing.T) {
	// A line for each thing that can be wrong with them.
	besiege(t, "", bounds{lines: 12}, func(t *testing.T, s *siege) {
		r := seed(t)
		protocols := [][]byte{{0xfe, 'S', 'M', 'B'}, {0xfd, 'S', 'M', 'B'}, {0xff, 'S', 'M', 'B'}, {0xfc, 'S', 'M', 'B'}}
		for range 500 {
			b := fill(r, make([]byte, r.IntN(2000)))
			throw(t, s.Addr, b)
			throw(t, s.Addr, frame(b))
			b = slices.Concat(protocols[r.IntN(len(protocols))], b)
			throw(t, s.Addr, frame(b))
			// A header that says NEGOTIATE, and nonsense behind it.
			h := wire.Header{Command: wire.Command(r.IntN(20)), CreditCharge: uint16(r.IntN(3)), Credits: uint16(r.Uint32())}
			throw(t, s.Addr, frame(append(h.Append(nil), b...)))
		}
	})
}

func TestSiegeFrames(t *testing.T) {
	besiege(t, "", bounds{lines: 10, says: []string{"frame too large", "bad prefix", "unknown protocol", "bad header"}}, func(t *testing.T, s *siege) {
		prefix := func(n uint32, kind byte) []byte {
			b := binary.BigEndian.AppendUint32(nil, n)
			b[0] = kind
			return b
		}
		negotiate := frame((&wire.NegotiateRequest{Dialects: []wire.Dialect{wire.Dialect302}}).Append((&wire.Header{}).Append(nil)))
		for range 20 {
			throw(t, s.Addr, nil)
			throw(t, s.Addr, prefix(0xffffff, 0)) // more than anybody may send
			throw(t, s.Addr, prefix(80<<10+1, 0)) // more than who has no session may send
			throw(t, s.Addr, prefix(100, 0x85))   // a keep-alive of NetBIOS
			throw(t, s.Addr, prefix(100, 1))      // not direct TCP
			throw(t, s.Addr, append(prefix(100, 0), 0xfe, 'S', 'M'))
			throw(t, s.Addr, append(prefix(3, 0), 0xfe, 'S', 'M'))
			throw(t, s.Addr, prefix(0, 0))
			throw(t, s.Addr, make([]byte, 4000)) // a thousand empty frames
			throw(t, s.Addr, frame([]byte{0xfe, 'S', 'M', 'B'}))
			throw(t, s.Addr, frame((&wire.Header{}).Append(nil)[:63]))
			throw(t, s.Addr, frame((&wire.Header{}).Append(nil)))
			for n := range len(negotiate) {
				throw(t, s.Addr, negotiate[:n])
			}
			// The second NEGOTIATE of a connection.
			throw(t, s.Addr, slices.Concat(negotiate, negotiate))
		}
		// Who has a session may send more, but not everything.
		for _, msg := range [][]byte{prefix(0xffffff, 0), prefix(8<<20+64<<10+1, 0), prefix(100, 7)} {
			tree := s.connect(t)
			check(t, tree.Session.Conn.WriteRaw(msg))
			wantEOF(t, tree.Session.Conn)
		}
		// Half a frame, and then nothing: 50 clients that announce 8 MiB each.
		for range 50 {
			tree := s.connect(t)
			check(t, tree.Session.Conn.WriteRaw(append(prefix(8<<20, 0), make([]byte, 1000)...)))
		}
	})
}

// One byte at a time: a frame must be complete in a while, and so must a logon.
func TestSiegeSlowly(t *testing.T) {
	const config = "server:\n  timeouts:\n    frame: 3s\n    authentication: 6s\n"
	besiege(t, config, bounds{says: []string{"slow frame", "authentication time-out"}}, func(t *testing.T, s *siege) {
		begin := time.Now()
		var wg sync.WaitGroup
		slowly := func(c io.Writer, b []byte, cut <-chan struct{}) {
			tick := time.NewTicker(50 * time.Millisecond)
			defer tick.Stop()
			for _, x := range b {
				if _, err := c.Write([]byte{x}); err != nil {
					return
				}
				select {
				case <-tick.C:
				case <-cut:
					return
				}
			}
		}
		for range 20 {
			// With a session: a large WRITE that takes for ever.
			tree := s.connect(t)
			conn := tree.Session.Conn
			body := (&wire.WriteRequest{Data: make([]byte, 1000)}).Append((&wire.Header{Command: wire.CmdWrite, MessageID: conn.NextID()}).Append(nil))
			wg.Go(func() { slowly(rawWriter{conn}, frame(body), conn.Done()) })
			// Without one.
			raw := client.NewRaw(must(net.Dial("tcp", s.Addr))(t), client.Options{})
			t.Cleanup(func() { raw.Close() })
			wg.Go(func() { slowly(rawWriter{raw}, frame(make([]byte, 1000)), raw.Done()) })
			// Nothing at all.
			silent := client.NewRaw(must(net.Dial("tcp", s.Addr))(t), client.Options{})
			t.Cleanup(func() { silent.Close() })
			// NEGOTIATE, ECHO, and again ECHO, but never a session.
			busy := s.dial(t)
			wg.Go(func() {
				for busy.Echo(t.Context()) == nil {
					select {
					case <-time.After(10 * time.Millisecond):
					case <-busy.Done():
					}
				}
			})
			for _, c := range []*client.Conn{conn, raw, silent, busy} {
				wg.Go(func() { <-c.Done() })
			}
		}
		wg.Wait()
		if took := time.Since(begin); took < 3*time.Second || took > 2*patience {
			t.Errorf("the last one was cut after %v", took)
		}
	})
}

// rawWriter writes bytes to a connection as they are.
type rawWriter struct{ c *client.Conn }

func (w rawWriter) Write(b []byte) (int, error) { return len(b), w.c.WriteRaw(b) }

// Thousands of connections that never log on take none of the places of those who do.
func TestSiegeStrangers(t *testing.T) {
	n := strangers(t)
	const config = "server:\n  timeouts:\n    authentication: 6s\n"
	besiege(t, config, bounds{memory: 200, lines: 8, says: []string{"too many connections without a session", "authentication time-out"}}, func(t *testing.T, s *siege) {
		old := s.connect(t)
		conns := make([]net.Conn, 0, n)
		for range n {
			conns = append(conns, must(from(len(conns))(t.Context(), s.Addr))(t))
		}
		defer func() {
			for _, c := range conns {
				c.Close()
			}
		}()
		check(t, old.WriteFile(t.Context(), "in the middle", []byte("of it")))
		// Who wants to log on gets in between them.
		for range 20 {
			s.connect(t).Session.Conn.Close()
		}
		// The last ones are held until their time is up, the others make room.
		eventually(t, "no more than 1,024 strangers", func() bool { return s.metrics(t)["lessor_smb_connections"] <= 1024+2 })
		s.wantMetric(t, "lessor_smb_connections", 2)
		// Those who came when others had run out of time were let in.
		m := s.metrics(t)
		refused, late := m["lessor_smb_connections_refused_total"], m[`lessor_smb_protocol_errors_total{reason="authentication time-out"}`]
		if int(refused+late) != n || refused == 0 {
			t.Errorf("%v connections refused and %v out of time, of %d", refused, late, n)
		}
	})
}

// strangers is how many clients there are that do not log on: 5,000, or twice
// LESSOR_TEST_CROWD, as far as there are descriptors.
func strangers(t *testing.T) int {
	n := 5000
	if os.Getenv("LESSOR_TEST_CROWD") != "" {
		n = max(n, 2*crowd(t))
	}
	return min(n, maxFiles(t)-500)
}

func TestSiegeWrongPasswords(t *testing.T) {
	// How guesses are slowed down has tests of its own (throttle_test.go); here all of
	// them shall come as fast as they can.
	const config = "server:\n  logon:\n    throttle:\n      failures: 0\n"
	besiege(t, config, bounds{lines: 6, says: []string{"authentication failed"}}, func(t *testing.T, s *siege) {
		const clients, each = 10, 100
		var wg sync.WaitGroup
		for i := range clients {
			c := s.dial(t)
			wg.Go(func() {
				for j := range each {
					login := client.Login{User: s.User, Password: fmt.Sprintf("guess %d", j)}
					if i%2 == 1 {
						login.User = fmt.Sprintf("user %d", j)
					}
					if _, err := c.SessionSetupAs(t.Context(), login); err == nil {
						t.Errorf("guessed: %+v", login)
					} else if _, ok := client.StatusOf(err); !ok {
						t.Errorf("attempt %d: %v", j, err)
						return
					}
				}
			})
		}
		wg.Wait()
		if n := s.metrics(t)[`lessor_smb_authentication_failures_total{reason="logon"}`]; n != clients*each {
			t.Errorf("%v failures counted", n)
		}
	})
}
