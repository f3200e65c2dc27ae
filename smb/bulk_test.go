package smb

import (
	"context"
	"net"
	"testing"
	"testing/synctest"

	"github.com/rs/zerolog"

	"lessor/smb/transport"
)

// notMine is the turn of a request that has given it away.
const notMine = 1 << 20

// memoryServer is as much of a server as its memory needs.
func memoryServer(limit int64) *Server {
	s := &Server{log: zerolog.Nop(), metrics: newMetrics(nil), conns: make(map[*conn]struct{})}
	s.memory.limit, s.memory.srv = limit, s
	return s
}

// memoryConn is a connection of it whose client reads nothing, until drain is closed.
func (s *Server) memoryConn(t *testing.T) *conn {
	mine, theirs := net.Pipe()
	c := &conn{srv: s, log: s.log}
	c.ctx, c.cancel = context.WithCancel(t.Context())
	c.tr = transport.NewConn(mine, transport.Options{Meter: &s.memory.queued, OnLess: func() { s.memory.fell(c) }})
	s.conns[c] = struct{}{}
	s.memory.conns.Add(1)
	t.Cleanup(func() {
		c.close()
		_ = theirs.Close()
		c.tr.Wait()
	})
	return c
}

// wantMemory starts a request that takes n bytes, and returns what tells that it has
// them: nil, or the error.
func (c *conn) wantMemory(n int) <-chan error {
	done := make(chan error, 1)
	go func() {
		r := &request{conn: c, turn: notMine}
		done <- r.takeMemory(n)
	}()
	return done
}

// got reports whether a request has come to its end.
func got(t *testing.T, done <-chan error) bool {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
		return true
	default:
		return false
	}
}

// One READ is let through, however large; together they stay within the limit of the
// connection.
func TestBulk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memoryServer(1 << 30)
		c := s.memoryConn(t)
		if !got(t, c.wantMemory(bulkLimit+1)) {
			t.Fatal("a large one was not let through")
		}
		const waiting = 10
		done := make(chan error, waiting)
		for range waiting {
			go func() {
				r := &request{conn: c, turn: notMine}
				done <- r.takeMemory(bulkLimit / 4)
			}()
		}
		synctest.Wait()
		if len(done) != 0 {
			t.Fatalf("%d were let through beside too large a one", len(done))
		}
		c.giveMemory(bulkLimit + 1)
		synctest.Wait()
		if len(done) != 4 || c.bulk.held != bulkLimit {
			t.Fatalf("%d hold %d bytes", len(done), c.bulk.held)
		}
		for range waiting {
			c.giveMemory(bulkLimit / 4)
			synctest.Wait()
		}
		if len(done) != waiting || c.bulk.held != 0 || s.memory.used() != 0 {
			t.Fatalf("%d were let through, %d and %d bytes are held", len(done), c.bulk.held, s.memory.used())
		}
	})
}

// The greedy get five eighths; who comes with one request finds room.
func TestMemoryIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const mib, eight = 1 << 20, 8<<20 - replySlack
		s := memoryServer(64 * mib)
		greedy := []*conn{s.memoryConn(t), s.memoryConn(t), s.memoryConn(t)}
		modest, little := s.memoryConn(t), s.memoryConn(t)
		// The share is 12.8 MiB.
		for _, c := range []*conn{greedy[0], greedy[0], greedy[0], greedy[1], greedy[1]} {
			if !got(t, c.wantMemory(eight)) {
				t.Fatalf("%d MiB, and a connection that has the memory alone waits", s.memory.used()/mib)
			}
		}
		more := greedy[0].wantMemory(8 * mib)
		if got(t, more) || s.memory.used() != 40*mib {
			t.Fatal("more than five eighths of the memory have gone to the greedy")
		}
		if !got(t, modest.wantMemory(eight)) || !got(t, greedy[2].wantMemory(eight)) {
			t.Fatal("who holds nothing waits beside the greedy")
		}
		late := s.memoryConn(t)
		first := late.wantMemory(eight)
		if got(t, first) || s.memory.used() != 56*mib {
			t.Fatal("what is kept for those who want little has gone to others")
		}
		for range 4 {
			if !got(t, little.wantMemory(mib/8)) {
				t.Fatal("who wants little waits")
			}
		}
		greedy[1].giveMemory(eight)
		if got(t, first) || got(t, more) {
			t.Fatal("the budget is exceeded")
		}
		for range 4 {
			little.giveMemory(mib / 8)
		}
		if !got(t, first) || got(t, more) {
			t.Fatal("the modest does not go first")
		}
		// What has become poor by giving back is treated so.
		for range 3 {
			greedy[0].giveMemory(eight)
		}
		if !got(t, more) {
			t.Fatal("it waits though it holds nothing")
		}
		if n := s.memory.waiting.Load(); n != 0 {
			t.Errorf("%d still wait", n)
		}
	})
}

// A wait ends with its connection, and what was granted meanwhile is not lost.
func TestMemoryOfClosedConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memoryServer(minBufferMemory)
		a, b := s.memoryConn(t), s.memoryConn(t)
		if !got(t, a.wantMemory(minBufferMemory-replySlack)) {
			t.Fatal("not let through")
		}
		w := b.wantMemory(1000)
		synctest.Wait()
		b.close()
		if err := <-w; err != errConnClosed {
			t.Fatal(err)
		}
		a.giveMemory(minBufferMemory - replySlack)
		if n := s.memory.used(); n != 0 || b.mem.held != 0 || s.memory.waiting.Load() != 0 {
			t.Errorf("%d bytes are held, %d by a connection that is gone", n, b.mem.held)
		}
	})
}

// Memory that waits for a client who does not read comes back when somebody needs it.
func TestMemoryOfTheDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memoryServer(minBufferMemory)
		deaf, reader := s.memoryConn(t), s.memoryConn(t)
		for range minBufferMemory >> 23 {
			b := transport.Get(8 << 20)
			deaf.tr.Queue(transport.Packet{Buf: b, Head: b.B})
		}
		deaf.tr.Kick()
		w := reader.wantMemory(1 << 20)
		if got(t, w) {
			t.Fatal("there is more memory than there is")
		}
		if err := <-w; err != nil { // the bubble's clock goes on
			t.Fatal(err)
		}
		if !deaf.closing.Load() || reader.closing.Load() {
			t.Error("not the deaf one was cut off")
		}
	})
}

// Long requests that are at work keep the next one from being read; those that wait
// for another client do not.
func TestFramesAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memoryServer(minBufferMemory)
		c := s.memoryConn(t)
		var rs []*request
		for range 5 {
			r := &request{conn: c, frame: transport.NewFrame(transport.Get(8<<20), make([]byte, 8<<20))}
			r.chargeFrame()
			rs = append(rs, r)
		}
		if n := s.memory.used(); n != 40<<20 {
			t.Errorf("%d bytes are counted", n)
		}
		next := make(chan error, 1)
		go func() {
			c.awaitFrames()
			next <- nil
		}()
		if got(t, next) {
			t.Fatal("the next one is read")
		}
		rs[0].unchargeFrame()
		if !got(t, next) {
			t.Fatal("the next one is not read")
		}
		for _, r := range rs {
			r.unchargeFrame()
			r.frame.Release()
		}
		if n := s.memory.used(); n != 0 {
			t.Errorf("%d bytes are left", n)
		}
	})
}
