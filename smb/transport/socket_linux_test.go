package transport

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// withPlaces gives the test that many places to attend to sockets, and checks that all are free at
// its end.
func withPlaces(t *testing.T, n int) {
	t.Helper()
	old := runtime.GOMAXPROCS(n + 1)
	t.Cleanup(func() {
		eventually(t, "all places to be free", func() bool { return attending.taken.Load() == 0 })
		runtime.GOMAXPROCS(old)
		attending.free()
	})
}

// descriptors counts those of this process.
func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// pingPong has frames answered until the socket is attended.
func pingPong(t *testing.T, c *Conn, client net.Conn) {
	t.Helper()
	frame := frameOf(60)
	buf := make([]byte, len(frame))
	for range 100_000 {
		if c.raw.attended() {
			return
		}
		sendBytes(t, client, frame)
		if _, err := io.ReadFull(client, buf); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("the socket is still watched")
}

// eager makes a socket be attended after its first wait.
func eager(c *Conn) *Conn {
	c.raw.need, c.raw.tuning = 1, tuning{time.Hour, 1}
	return c
}

// echoing is a connection whose frames are answered, which has become attended.
func echoing(t *testing.T, o Options) (c *Conn, client *net.TCPConn, ended chan struct{}) {
	t.Helper()
	server, client := tcpPair(t)
	c = eager(NewConn(server, o))
	ended = make(chan struct{})
	go func() {
		defer close(ended)
		echo(c)
	}()
	t.Cleanup(func() {
		c.Close()
		client.Close()
		<-ended
	})
	pingPong(t, c, client)
	return c, client, ended
}

func isWatched(c *Conn) func() bool { return func() bool { return !c.raw.attended() } }

// TestSocketChangesItsWay: a client with one request at a time is attended to, one
// that pauses is watched, and goes on in either way.
func TestSocketChangesItsWay(t *testing.T) {
	noLeak(t)
	withPlaces(t, 2)
	before := descriptors(t)
	c, client, ended := echoing(t, Options{FrameTimeout: time.Minute, WriteTimeout: time.Minute})
	for range 3 {
		eventually(t, "the pause to be noticed", isWatched(c))
		pingPong(t, c, client)
	}
	if c.NetConn().RemoteAddr().String() != client.LocalAddr().String() {
		t.Errorf("the address of the peer is %v now", c.NetConn().RemoteAddr())
	}
	if _, _, ok := c.Acked(); !ok || c.HungUp() {
		t.Error("the kernel does not tell of the connection any more")
	}
	client.Close()
	<-ended
	eventually(t, "the descriptors to be closed", func() bool { return descriptors(t) == before })
}

// TestNoPlaceToAttend: where every place is needed all sockets are watched.
func TestNoPlaceToAttend(t *testing.T) {
	noLeak(t)
	withPlaces(t, 0)
	server, client := tcpPair(t)
	defer client.Close()
	c := eager(NewConn(server, Options{}))
	go echo(c)
	frame := frameOf(60)
	for range 500 {
		sendBytes(t, client, frame)
		if _, err := io.ReadFull(client, frame); err != nil {
			t.Fatal(err)
		}
		if c.raw.attended() {
			t.Fatal("the socket is attended")
		}
	}
}

// TestPlaceTakenAway: a socket whose place another has got goes on as a watched one.
func TestPlaceTakenAway(t *testing.T) {
	noLeak(t)
	withPlaces(t, 1)
	c, client, _ := echoing(t, Options{})
	eventually(t, "the place", attending.take)
	defer attending.give()
	eventually(t, "the socket to be watched", isWatched(c))
	frame := frameOf(60)
	sendBytes(t, client, frame)
	if _, err := io.ReadFull(client, frame); err != nil {
		t.Fatal(err)
	}
}

// attendedSocket returns a socket that the poller does not know, and its peer.
func attendedSocket(t *testing.T) (s *socket, client *net.TCPConn) {
	t.Helper()
	server, client := tcpPair(t)
	s, err := newSocket(server, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.close()
		client.Close()
	})
	if !s.attend(s.watch.Load()) {
		t.Fatal("the socket cannot be attended")
	}
	return s, client
}

// TestCrowdsAreWatched: who sends several short requests at once gains nothing.
func TestCrowdsAreWatched(t *testing.T) {
	noLeak(t)
	withPlaces(t, 2)
	s, client := attendedSocket(t)
	sendBytes(t, client, []byte{0}) // so that poll returns at once
	for i := range fewCrowds + 1 {
		calls := 0
		done, err := s.wait(func(uintptr) bool { calls++; return calls > 1 }, unix.POLLIN)
		if err != nil || done != (i < fewCrowds) {
			t.Errorf("after %d crowds: waited %v, %v", i, done, err)
		}
		s.beginWait(true, false)
	}
	s.beginWait(false, false)
	if done, err := s.wait(func(uintptr) bool { return true }, unix.POLLIN); !done || err != nil || s.crowds != 0 {
		t.Errorf("after a single request: %v, %v, %d crowds", done, err, s.crowds)
	}
}

// TestCloseWakesTheAttended: Close ends a wait on a thread at once, and the peer hears of it.
func TestCloseWakesTheAttended(t *testing.T) {
	noLeak(t)
	withPlaces(t, 2)
	for range 20 {
		c, client, ended := echoing(t, Options{})
		c.Close()
		<-ended
		if _, err := c.ReadFrame(); !errors.Is(err, net.ErrClosed) {
			t.Fatalf("ReadFrame after Close: %v", err)
		}
		if n, err := client.Read(make([]byte, 1)); err == nil {
			t.Fatalf("%d bytes after Close", n)
		}
	}
}

// TestAbortOfTheAttended: the peer hears of a reset.
func TestAbortOfTheAttended(t *testing.T) {
	noLeak(t)
	withPlaces(t, 2)
	c, client, _ := echoing(t, Options{})
	c.Abort()
	c.Close()
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("the peer hears of %v", err)
	}
}

// TestSlowFrameOfTheAttended: bytes that trickle in without a pause do not put the limit off.
func TestSlowFrameOfTheAttended(t *testing.T) {
	noLeak(t)
	withPlaces(t, 2)
	server, client := tcpPair(t)
	defer client.Close()
	c := eager(NewConn(server, Options{FrameTimeout: 100 * time.Millisecond}))
	defer c.Close()
	got := make(chan error, 1)
	go func() {
		for {
			f, err := c.ReadFrame()
			if err != nil {
				got <- err
				return
			}
			b := Get(prefixSize + len(f.Data))
			f.Release()
			c.Queue(Packet{Buf: b, Head: b.B})
			_ = c.Flush()
		}
	}()
	pingPong(t, c, client)
	sendBytes(t, client, frameOf(1 << 20)[:10])
	for sent := 10; ; sent++ {
		select {
		case err := <-got:
			if !errors.Is(err, ErrTimeout) {
				t.Errorf("ReadFrame: %v", err)
			}
			return
		default:
		}
		if sent == 1<<20 {
			t.Fatal("the frame was waited for to its end")
		}
		sendBytes(t, client, []byte{0})
	}
}

// TestSlowTakerOfTheAttended: a peer that takes nothing has no more time than one whose
// socket is watched.
func TestSlowTakerOfTheAttended(t *testing.T) {
	noLeak(t)
	withPlaces(t, 2)
	c, _, ended := echoing(t, Options{WriteTimeout: 50 * time.Millisecond})
	for range 16 { // more than the kernel buffers
		c.Queue(packet(make([]byte, 4<<20)))
	}
	if err := c.Flush(); !errors.Is(err, ErrWriteTimeout) {
		t.Errorf("Flush: %v", err)
	}
	<-ended
}

// TestNoDescriptorToWatch: that none is to be had does not end a connection.
func TestNoDescriptorToWatch(t *testing.T) {
	noLeak(t)
	withPlaces(t, 2)
	c, client, _ := echoing(t, Options{})
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	none := old
	none.Cur = 3
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Skip("the limit of descriptors cannot be set: ", err)
	}
	frame := frameOf(60)
	for range 3 {
		<-time.After(5 * attendTime) // the socket would be watched by then
		sendBytes(t, client, frame)
		if _, err := io.ReadFull(client, frame); err != nil {
			t.Error(err)
		}
	}
	if !c.raw.attended() {
		t.Error("the socket is watched")
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the socket to be watched", isWatched(c))
}

// TestPollerDoesNotTakeIt: a socket stays attended if the poller cannot watch it, for which
// a regular file stands.
func TestPollerDoesNotTakeIt(t *testing.T) {
	fd, err := unix.Open(t.TempDir()+"/file", unix.O_CREAT|unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	s := &socket{fd: fd}
	s.refs.Store(1)
	defer s.unuse()
	if err := s.rewatch(unix.POLLIN); err != nil {
		t.Errorf("the connection would end: %v", err)
	}
	if !s.attended() {
		t.Error("it is watched by nobody")
		_ = s.watch.Load().conn.Close()
	}
}

// TestSocketsInAllWays: many clients with pauses of all lengths, frames of all sizes and ends
// at any time; each gets back what it sent.
func TestSocketsInAllWays(t *testing.T) {
	noLeak(t)
	withPlaces(t, 2)
	before := descriptors(t)
	const clients = 6
	done := make(chan error, clients)
	for i := range clients {
		server, client := tcpPair(t)
		c := NewConn(server, Options{FrameTimeout: time.Minute, WriteTimeout: time.Minute})
		if i%2 == 0 {
			eager(c)
		}
		go echo(c)
		go func() { done <- converse(client, rand.New(rand.NewPCG(1, uint64(i)))) }() //nolint:gosec // reproducible
	}
	for range clients {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	eventually(t, "the descriptors to be closed", func() bool { return descriptors(t) == before })
}

// converse sends frames and compares what comes back, then ends the connection.
func converse(client *net.TCPConn, r *rand.Rand) error {
	defer client.Close()
	for round := range 60 {
		for range 1 + r.IntN(40) {
			var msgs [][]byte
			for range 1 + r.IntN(3)/2*r.IntN(8) {
				n := 1 + r.IntN(200)
				if r.IntN(30) == 0 {
					n = r.IntN(300 << 10)
				}
				msgs = append(msgs, pattern(round, n))
			}
			sent := framed(msgs...)
			errs := make(chan error, 1)
			go func() {
				_, err := client.Write(sent)
				errs <- err
			}()
			got := make([]byte, len(sent))
			if _, err := io.ReadFull(client, got); err != nil {
				return err
			}
			if err := <-errs; err != nil {
				return err
			}
			if !bytes.Equal(got, sent) {
				return errors.New("something else came back")
			}
		}
		<-time.After(time.Duration(r.IntN(3)) * attendTime)
	}
	if r.IntN(2) == 0 {
		_, err := client.Write(frameOf(1000)[:500])
		return err
	}
	return nil
}

// TestLook: what is there is seen without sleeping, and looks in vain become rare.
func TestLook(t *testing.T) {
	noLeak(t)
	server, client := tcpPair(t)
	defer server.Close()
	defer client.Close()
	s, err := newSocket(server, true)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	var d looks
	look := func() (seen bool) {
		err := s.Control(func(fd uintptr) { seen = d.look(int(fd)) })
		if err != nil {
			t.Fatal(err)
		}
		return seen
	}
	var skipped []int
	for range 5 {
		if look() {
			t.Fatal("it has seen what is not there")
		}
		skipped = append(skipped, d.skip)
		for d.skip > 0 {
			if look() {
				t.Fatal("it has seen what is not there")
			}
		}
	}
	if want := []int{1, 3, lookSeldom, lookSeldom, lookSeldom}; !slices.Equal(skipped, want) {
		t.Errorf("waits without a look: %v, want %v", skipped, want)
	}
	sendBytes(t, client, []byte{0})
	eventually(t, "the byte", look)
	if d.vain != 0 || d.skip != 0 {
		t.Errorf("after a look that was not in vain: %d, %d", d.vain, d.skip)
	}
}

// TestLooksWithinAMessage: who waits for the rest of a message is told apart from who waits for the next one.
func TestLooksWithinAMessage(t *testing.T) {
	noLeak(t)
	withPlaces(t, 2)
	server, client := tcpPair(t)
	defer client.Close()
	c := NewConn(server, Options{})
	defer c.Close()
	frame := frameOf(1 << 20)
	got := make(chan error, 1)
	for range 2 {
		go func() {
			f, err := c.ReadFrame()
			f.Release()
			got <- err
		}()
		waiting := func(within bool) func() bool {
			return func() bool {
				c.low.mu.Lock()
				defer c.low.mu.Unlock()
				return c.low.parked && (c.low.bytes > 1) == within
			}
		}
		eventually(t, "it to wait for a message", waiting(false))
		sendBytes(t, client, frame[:500<<10])
		eventually(t, "it to wait for the rest", waiting(true))
		if _, err := client.Write(frame[500<<10:]); err != nil {
			t.Fatal(err)
		}
		if err := <-got; err != nil {
			t.Fatal(err)
		}
		if !c.raw.within {
			t.Error("the wait for the rest of a message was taken for one between messages")
		}
	}
}

// TestWaitLooks: only who waits on its thread in the middle of a message looks before it sleeps.
func TestWaitLooks(t *testing.T) {
	noLeak(t)
	withPlaces(t, 2)
	s, _ := attendedSocket(t)
	for _, within := range []bool{false, true} {
		s.looks = looks{}
		s.beginWait(false, within)
		for _, events := range []int16{unix.POLLOUT, unix.POLLIN} { // there is room, and nothing to read
			calls := 0
			done, err := s.wait(func(uintptr) bool { calls++; return calls > 1 }, events)
			if err != nil || done != (events == unix.POLLOUT) {
				t.Fatalf("waited %v, %v", done, err)
			}
			if looked := s.vain != 0; looked != (within && events == unix.POLLIN) {
				t.Errorf("within a message %v, events %d: looked %v", within, events, looked)
			}
		}
	}
}
