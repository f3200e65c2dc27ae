package protocol

import (
	"context"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lessor/smb/wire"
	"lessor/test/client"
)

// ears remembers the sockets of connections, in the order in which they were made.
type ears struct{ list []net.Conn }

// tweak makes a client remember its sockets here.
func (e *ears) tweak(o *client.Options) {
	o.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err == nil {
			e.list = append(e.list, nc)
		}
		return nc, err
	}
}

// shut makes the kernel drop all that arrives for a connection. The server is not told.
func (e *ears) shut(t *testing.T, i int) {
	t.Helper()
	tcp, ok := e.list[i].(*net.TCPConn)
	if !ok {
		t.Fatalf("%T", e.list[i])
	}
	raw := must(tcp.SyscallConn())(t)
	check(t, raw.Control(func(fd uintptr) {
		nothing := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K}}
		check(t, unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &nothing[0]}))
	}))
}

// A break that is sent over a connection which is dead, though nobody has been told,
// comes over another one, long before it times out.
func TestBreakOverADeadConnection(t *testing.T) {
	s := start(t, "")
	for _, m := range modes {
		s.run(t, "lease "+m.name, func(t *testing.T) {
			ctx := t.Context()
			var e ears
			one, other := s.connect(t, m.tweak, e.tweak), s.connect(t)
			two := s.second(t, one)
			f := open(t, one, client.CreateArgs{Name: m.name, Lease: lease(client.RWH)})
			check(t, one.Session.Conn.Echo(ctx)) // what came before has arrived
			e.shut(t, 0)
			began := time.Now()
			p := other.StartCreate(client.CreateArgs{Name: m.name})
			wantBreak(t, two.Session.Conn, f.Lease.LeaseKey, client.RWH, client.RH, true)
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
			check(t, f.On(two.Session).AckLease(ctx, client.RH))
			must(p.Wait(ctx))(t)
			s.wantMetric(t, "lessor_smb_connections", 2)
		})
	}
	s.run(t, "oplock, and two of three are dead", func(t *testing.T) {
		ctx := t.Context()
		var e ears
		one, other := s.connect(t, e.tweak), s.connect(t)
		two := s.second(t, one)
		three := s.second(t, one)
		f := open(t, one, client.CreateArgs{Name: "oplock", Oplock: wire.OplockBatch})
		for i, tree := range []*client.Tree{one, two} {
			check(t, tree.Session.Conn.Echo(ctx))
			e.shut(t, i)
		}
		p := other.StartCreate(client.CreateArgs{Name: "oplock"})
		f = f.On(three.Session)
		wantOplockBreak(t, f, wire.OplockII)
		check(t, f.AckOplock(ctx, wire.OplockII))
		must(p.Wait(ctx))(t)
		s.wantMetric(t, "lessor_smb_connections", 2)
	})
	// The break has arrived, and then the connection is lost before the client could do
	// anything: it hears of it again.
	s.run(t, "lost behind the break", func(t *testing.T) {
		ctx := t.Context()
		one, other := s.connect(t), s.connect(t)
		two := s.second(t, one)
		f := open(t, one, client.CreateArgs{Name: "lost", Lease: lease(client.RWH)})
		p := other.StartCreate(client.CreateArgs{Name: "lost"})
		wantBreak(t, one.Session.Conn, f.Lease.LeaseKey, client.RWH, client.RH, true)
		one.Session.Conn.Close()
		wantBreak(t, two.Session.Conn, f.Lease.LeaseKey, client.RWH, client.RH, true)
		check(t, f.On(two.Session).AckLease(ctx, client.RH))
		must(p.Wait(ctx))(t)
	})
	// What was acknowledged is not repeated.
	s.run(t, "lost behind the acknowledgement", func(t *testing.T) {
		ctx := t.Context()
		one, other := s.connect(t), s.connect(t)
		two := s.second(t, one)
		f := open(t, one, client.CreateArgs{Name: "acked", Lease: lease(client.RWH)})
		p := other.StartCreate(client.CreateArgs{Name: "acked"})
		wantBreak(t, one.Session.Conn, f.Lease.LeaseKey, client.RWH, client.RH, true)
		check(t, f.AckLease(ctx, client.RH))
		must(p.Wait(ctx))(t)
		one.Session.Conn.Close()
		s.wantMetric(t, "lessor_smb_connections", 2)
		check(t, two.Session.Conn.Echo(ctx))
		select {
		case b := <-two.Session.Conn.Breaks():
			t.Errorf("break %+v", b)
		default:
		}
	})
}
