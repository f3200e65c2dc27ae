package smb_test

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"lessor/smb"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// rawConn lets a client set a connection up, and then gives it to the test.
type rawConn struct {
	net.Conn
	taken  atomic.Bool
	closed chan struct{}
}

func (c *rawConn) Read(b []byte) (int, error) {
	if c.taken.Load() {
		<-c.closed
		return 0, net.ErrClosed
	}
	return c.Conn.Read(b)
}

func (c *rawConn) Close() error {
	select {
	case <-c.closed:
	default:
		close(c.closed)
	}
	return c.Conn.Close()
}

// lane sends one message again and again without memory of its own.
type lane struct {
	t      testing.TB
	conn   net.Conn
	frame  []byte
	reply  []byte
	id     uint64
	charge uint16
}

// roundTrip sends the message and reads the reply, which must be a success.
func (l *lane) roundTrip() {
	binary.LittleEndian.PutUint64(l.frame[4+24:], l.id)
	l.id += uint64(l.charge)
	if _, err := l.conn.Write(l.frame); err != nil {
		l.t.Fatal(err)
	}
	if _, err := io.ReadFull(l.conn, l.reply[:4]); err != nil {
		l.t.Fatal(err)
	}
	n := int(binary.BigEndian.Uint32(l.reply))
	if _, err := io.ReadFull(l.conn, l.reply[4:4+n]); err != nil {
		l.t.Fatal(err)
	}
	if st := ntstatus.Status(binary.LittleEndian.Uint32(l.reply[4+8:])); st != ntstatus.Success {
		l.t.Fatal(st)
	}
}

// newLane opens a file through a connection without signatures, and takes the
// connection over.
func newLane(t *testing.T, s *testServer, a client.CreateArgs, body func(wire.FileID) wire.Appender) *lane {
	t.Helper()
	nc, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	raw := &rawConn{Conn: nc, closed: make(chan struct{})}
	conn, err := client.NewConn(t.Context(), raw, client.Options{User: "alice", Password: "secret", Dialects: []wire.Dialect{wire.Dialect302}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	sess, err := conn.SessionSetup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tree, err := sess.TreeConnect(t.Context(), "data")
	if err != nil {
		t.Fatal(err)
	}
	f := create(t, tree, a)
	raw.taken.Store(true)
	if err := conn.Echo(t.Context()); err != nil {
		t.Fatal(err)
	}
	frame, _, err := conn.Prepare(false, f.Request(body(f.ID)))
	if err != nil {
		t.Fatal(err)
	}
	l := &lane{t: t, conn: nc, frame: frame, reply: make([]byte, 1<<21)}
	l.id = binary.LittleEndian.Uint64(frame[4+24:])
	l.charge = max(1, binary.LittleEndian.Uint16(frame[4+6:]))
	binary.LittleEndian.PutUint16(frame[4+14:], l.charge) // it asks for as much as it costs
	return l
}

// What runs for every block of a file allocates nothing, at either end.
func TestHotPathAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	serve := func(delayed bool) *testServer {
		dir, disk := onDisk(t)
		if err := os.WriteFile(filepath.Join(dir, "f"), pattern(1<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		return newTestServer(t, disk, func(cfg *smb.Config, sh *smb.Share) { cfg.SigningOptional, sh.DelayWriteTime = true, delayed })
	}
	s, late := serve(false), serve(true)
	block := pattern(4096)
	for _, c := range []struct {
		name string
		body func(wire.FileID) wire.Appender
		most float64
		on   *testServer // nil: s
	}{
		{"READ of 4 KiB", func(id wire.FileID) wire.Appender { return &wire.ReadRequest{FileID: id, Length: 4096} }, 0, nil},
		{"READ of 64 KiB", func(id wire.FileID) wire.Appender { return &wire.ReadRequest{FileID: id, Length: 64 << 10} }, 0, nil},
		{"WRITE of 4 KiB", func(id wire.FileID) wire.Appender { return &wire.WriteRequest{FileID: id, Data: block} }, 0, nil},
		{"WRITE of 64 KiB", func(id wire.FileID) wire.Appender { return &wire.WriteRequest{FileID: id, Data: pattern(64 << 10)} }, 0, nil},
		// It is carried out while it comes in.
		{"WRITE of 256 KiB", func(id wire.FileID) wire.Appender { return &wire.WriteRequest{FileID: id, Data: pattern(longWrite)} }, 0, nil},
		{"WRITE of 4 KiB with DelayWriteTime", func(id wire.FileID) wire.Appender { return &wire.WriteRequest{FileID: id, Data: block} }, 0, late},
		// The turn is given away, to a goroutine.
		{"FLUSH", func(id wire.FileID) wire.Appender { return &wire.FlushRequest{FileID: id} }, 1, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			on := c.on
			if on == nil {
				on = s
			}
			l := newLane(t, on, client.CreateArgs{Name: "f", Disposition: client.Open}, c.body)
			for range 50 {
				l.roundTrip() // fill pools
			}
			// The count is that of the process: what the runtime or a neighbor allocates
			// meanwhile is not every request's. What is, is there every time.
			least := testing.AllocsPerRun(500, l.roundTrip)
			for range 4 {
				if least <= c.most {
					break
				}
				least = min(least, testing.AllocsPerRun(500, l.roundTrip))
			}
			if least > c.most {
				t.Errorf("%v allocations", least)
			}
		})
	}
}
