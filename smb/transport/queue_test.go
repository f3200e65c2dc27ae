package transport

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// received reads all frames until the end of the stream.
func received(c net.Conn) <-chan [][]byte {
	ch := make(chan [][]byte, 1)
	go func() {
		r := NewConn(c, Options{})
		defer r.Close()
		var msgs [][]byte
		for {
			f, err := r.ReadFrame()
			if err != nil {
				break
			}
			msgs = append(msgs, bytes.Clone(f.Data))
			f.Release()
		}
		ch <- msgs
	}()
	return ch
}

func TestQueueAndFlush(t *testing.T) {
	overPairs(t, func(t *testing.T, server, client net.Conn) {
		got := received(client)
		c := NewConn(server, Options{WriteTimeout: time.Minute})
		var want [][]byte
		done := 0
		for _, n := range []int{0, 1, 128, 5000, 1 << 20, 3} {
			want = append(want, pattern(n, n))
			p := packet(pattern(n, n))
			p.Done = func() { done++ }
			c.Queue(p)
		}
		if n, all := c.QueuedBytes(), len(framed(want...)); n != all {
			t.Errorf("QueuedBytes %d before Flush, want %d", n, all)
		}
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		if n := c.QueuedBytes(); n != 0 || done != len(want) {
			t.Errorf("after Flush %d bytes queued, Done called %d times", n, done)
		}
		if err := c.Flush(); err != nil {
			t.Errorf("Flush of an empty queue: %v", err)
		}
		c.Close()
		if got := <-got; !slices.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("%d messages came, not the %d sent", len(got), len(want))
		}
	})
}

func TestManyPacketsInOneBatch(t *testing.T) {
	noLeak(t)
	server, client := tcpPair(t)
	got := received(client)
	c := NewConn(server, Options{})
	const n = 5000 // more than one system call takes
	for i := range n {
		c.Queue(packet(pattern(i, i%50)))
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	c.Close()
	msgs := <-got
	if len(msgs) != n {
		t.Fatalf("%d of %d messages came", len(msgs), n)
	}
	for i, m := range msgs {
		if !bytes.Equal(m, pattern(i, i%50)) {
			t.Fatalf("message %d differs", i)
		}
	}
}

func TestQueuePanicsOnImpossiblePackets(t *testing.T) {
	server, client := net.Pipe()
	defer client.Close()
	c := NewConn(server, Options{})
	defer c.Close()
	for name, p := range map[string]Packet{
		"no room for the prefix": {Head: make([]byte, 3)},
		"too long":               {Head: make([]byte, prefixSize+1<<24)},
		"too long with file":     {Head: make([]byte, 64), File: &memFile{}, N: 1 << 24},
		"negative":               {Head: make([]byte, 64), File: &memFile{}, N: -1},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			c.Queue(p)
		}()
	}
}

// TestConcurrentSenders checks order per sender and whole messages, whoever
// happens to write.
func TestConcurrentSenders(t *testing.T) {
	overPairs(t, func(t *testing.T, server, client net.Conn) {
		const senders, each = 16, 200
		file := &memFile{data: pattern(77, 3000)}
		got := received(client)
		c := NewConn(server, Options{WriteTimeout: time.Minute})
		var dones atomic.Int64
		var wg sync.WaitGroup
		for s := range senders {
			wg.Go(func() {
				for i := range each {
					msg := binary.BigEndian.AppendUint32(nil, uint32(s))
					msg = binary.BigEndian.AppendUint32(msg, uint32(i))
					p := packet(append(msg, pattern(s*each+i, (s*i)%3000)...))
					p.Done = func() { dones.Add(1) }
					if i%7 == 3 {
						p.File, p.Off, p.N = file, int64(i), 2000
					}
					c.Queue(p)
					switch i % 3 {
					case 0:
						if err := c.Flush(); err != nil {
							t.Error(err)
						}
					case 1:
						c.Kick()
					}
				}
				c.Kick()
			})
		}
		wg.Wait()
		c.Wait()
		eventually(t, "an empty queue", func() bool { return c.QueuedBytes() == 0 })
		c.CloseAfterFlush()
		var next [senders]int
		for _, m := range <-got {
			s, i := int(binary.BigEndian.Uint32(m)), int(binary.BigEndian.Uint32(m[4:]))
			if s >= senders || i != next[s] {
				t.Fatalf("message %d of sender %d, want %d", i, s, next[s])
			}
			next[s]++
			want := pattern(s*each+i, (s*i)%3000)
			if i%7 == 3 {
				want = append(want, file.data[i:i+2000]...)
			}
			if !bytes.Equal(m[8:], want) {
				t.Fatalf("message %d of sender %d is mixed up", i, s)
			}
		}
		for s, n := range next {
			if n != each {
				t.Errorf("%d of %d messages of sender %d", n, each, s)
			}
		}
		if n := dones.Load(); n != senders*each {
			t.Errorf("Done called %d times for %d packets", n, senders*each)
		}
	})
}

// TestCloseAtAnyMoment closes while several goroutines read, queue and write.
func TestCloseAtAnyMoment(t *testing.T) {
	file := &memFile{data: pattern(5, 100000)}
	for _, p := range pairs {
		t.Run(p.name, func(t *testing.T) {
			noLeak(t)
			for round := range 100 {
				server, client := p.open(t)
				c := NewConn(server, Options{FrameTimeout: time.Minute, WriteTimeout: time.Minute})
				peer := NewConn(client, Options{})
				var queued, done atomic.Int64
				var wg sync.WaitGroup
				for s := range 4 {
					wg.Go(func() {
						for c.Flush() == nil {
							p := packet(pattern(s, 10+s*3000))
							p.Done = func() { done.Add(1) }
							if s == 2 {
								p.File, p.N = file, 90000
							}
							queued.Add(1)
							c.Queue(p)
							c.Kick()
							for c.QueuedBytes() > 1<<20 {
								runtime.Gosched()
							}
						}
					})
				}
				wg.Go(func() { // echo, so that the server reads, too
					defer peer.Close()
					for {
						f, err := peer.ReadFrame()
						if err != nil {
							return
						}
						peer.Queue(packet(f.Data))
						f.Release()
						peer.Kick()
						for peer.QueuedBytes() > 1<<20 {
							runtime.Gosched()
						}
					}
				})
				frames := 0
				for ; frames < round*3; frames++ {
					f, err := c.ReadFrame()
					if err != nil {
						t.Fatal(err)
					}
					f.Release()
				}
				// Half of the rounds close while nobody reads, half while somebody does.
				if round%2 == 0 {
					wg.Go(func() {
						for {
							f, err := c.ReadFrame()
							if err != nil {
								return
							}
							f.Release()
						}
					})
				}
				c.Close()
				wg.Wait()
				c.Wait()
				peer.Wait()
				if q, d := queued.Load(), done.Load(); q != d {
					t.Fatalf("round %d: %d packets queued, Done called %d times", round, q, d)
				}
				if n := c.QueuedBytes(); n != 0 {
					t.Fatalf("round %d: %d bytes queued after Close", round, n)
				}
			}
		})
	}
}

func TestClosedConnRefusesPackets(t *testing.T) {
	noLeak(t)
	server, client := net.Pipe()
	defer client.Close()
	c := NewConn(server, Options{})
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	var mu sync.Mutex
	done := false
	mu.Lock() // a lock of the caller, which its Done takes, too
	p := packet([]byte("late"))
	p.Done = func() {
		mu.Lock()
		defer mu.Unlock()
		done = true
	}
	c.Queue(p)
	c.Kick()
	mu.Unlock()
	c.Wait()
	if !done {
		t.Error("Wait returned before Done")
	}
	if err := c.Flush(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Flush after Close: %v", err)
	}
	wantError(t, c, net.ErrClosed)
	if n := c.QueuedBytes(); n != 0 {
		t.Errorf("QueuedBytes %d", n)
	}
}

func TestDoneMayCloseTheConnection(t *testing.T) {
	overPairs(t, func(t *testing.T, server, client net.Conn) {
		got := received(client)
		c := NewConn(server, Options{})
		p := packet([]byte("last"))
		p.Done = func() { c.Close() }
		c.Queue(p)
		c.Queue(packet(make([]byte, 8<<20)))
		if err := c.Flush(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Flush: %v", err)
		}
		if msgs := <-got; len(msgs) == 0 || string(msgs[0]) != "last" {
			t.Errorf("%d messages came", len(msgs))
		}
	})
}

func TestSlowPeerIsCut(t *testing.T) {
	const timeout = 20 * time.Second
	synctest.Test(t, func(t *testing.T) {
		noLeak(t)
		server, client := net.Pipe()
		c := NewConn(server, Options{WriteTimeout: timeout})
		done := 0
		for range 3 {
			p := packet(make([]byte, 200<<10))
			p.Done = func() { done++ }
			c.Queue(p)
		}
		// The peer takes 64 KiB in every 0.9 s for a while, then nothing.
		start := time.Now()
		go func() {
			for range 5 {
				time.Sleep(900 * time.Millisecond)
				io.CopyN(io.Discard, client, 64<<10)
			}
		}()
		go c.Kick()
		_, err := c.ReadFrame()
		if err != ErrWriteTimeout {
			t.Errorf("ReadFrame: %v, want %v", err, ErrWriteTimeout)
		}
		// It may owe up to a second of pace when it stops.
		if d := time.Since(start) - timeout; d < 3500*time.Millisecond || d > 5500*time.Millisecond {
			t.Errorf("the peer was cut %v after start and WriteTimeout", d)
		}
		if err := c.Flush(); err != ErrWriteTimeout {
			t.Errorf("Flush: %v, want %v", err, ErrWriteTimeout)
		}
		c.Wait()
		if done != 3 || c.QueuedBytes() != 0 {
			t.Errorf("Done called %d times, %d bytes queued", done, c.QueuedBytes())
		}
		client.Close()
	})
}

func TestSlowPeerIsCutOnSocket(t *testing.T) {
	noLeak(t)
	server, client := tcpPair(t)
	defer client.Close()
	c := NewConn(server, Options{WriteTimeout: 50 * time.Millisecond})
	for range 4 { // more than the kernel buffers
		c.Queue(packet(make([]byte, 8<<20)))
	}
	start := time.Now()
	if err := c.Flush(); err != ErrWriteTimeout {
		t.Errorf("Flush: %v, want %v", err, ErrWriteTimeout)
	}
	// What the kernel buffered at first was fast, and does not count: at 64 KiB in a second
	// it would be worth a minute.
	if d := time.Since(start); d < 50*time.Millisecond || d > 30*time.Second {
		t.Errorf("cut after %v", d)
	}
	wantError(t, c, ErrWriteTimeout)
}

// TestStaleWriteDeadline: a deadline that was set for a batch that is gone does
// not hurt the next.
func TestStaleWriteDeadline(t *testing.T) {
	noLeak(t)
	server, client := tcpPair(t)
	c := NewConn(server, Options{WriteTimeout: time.Minute})
	peer := NewConn(client, Options{})
	for _, n := range []int{10, 8 << 20, 10} {
		if err := server.SetWriteDeadline(time.Now().Add(-time.Second)); err != nil {
			t.Fatal(err)
		}
		c.Queue(packet(pattern(n, n)))
		c.Kick()
		wantFrame(t, peer, pattern(n, n))
	}
	c.Close()
	c.Wait()
	peer.Close()
}

func TestPeerGone(t *testing.T) {
	overPairs(t, func(t *testing.T, server, client net.Conn) {
		c := NewConn(server, Options{})
		client.Close()
		var err error
		for err == nil {
			c.Queue(packet(make([]byte, 1000)))
			err = c.Flush()
		}
		if errors.Is(err, net.ErrClosed) {
			t.Errorf("Flush names our own Close: %v", err)
		}
		if _, rerr := c.ReadFrame(); rerr == nil {
			t.Error("ReadFrame succeeds on a broken connection")
		}
		if again := c.Flush(); again != err {
			t.Errorf("second Flush: %v, first: %v", again, err)
		}
	})
}

func TestCloseAfterFlush(t *testing.T) {
	overPairs(t, func(t *testing.T, server, client net.Conn) {
		c := NewConn(server, Options{WriteTimeout: time.Minute})
		for i := range 20 {
			c.Queue(packet(pattern(i, 100000)))
		}
		c.Kick()
		got := received(client)
		c.CloseAfterFlush()
		c.CloseAfterFlush()
		c.Queue(packet([]byte("too late")))
		msgs := <-got
		c.Wait()
		if len(msgs) != 20 {
			t.Fatalf("%d of 20 messages came", len(msgs))
		}
		for i, m := range msgs {
			if !bytes.Equal(m, pattern(i, 100000)) {
				t.Errorf("message %d differs", i)
			}
		}
		wantError(t, c, net.ErrClosed)
	})
}

func TestCloseAfterFlushIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		noLeak(t)
		server, client := net.Pipe()
		c := NewConn(server, Options{WriteTimeout: 10 * time.Second})
		c.Queue(packet(make([]byte, 10<<20))) // at 1 s per 64 KiB it might take 170 s
		var peer sync.WaitGroup
		peer.Go(func() {
			for {
				time.Sleep(time.Second)
				if _, err := io.CopyN(io.Discard, client, 64<<10); err != nil {
					return
				}
			}
		})
		start := time.Now()
		c.CloseAfterFlush()
		if d := time.Since(start); d != 10*time.Second {
			t.Errorf("closed after %v, want 10s", d)
		}
		peer.Wait()
		wantError(t, c, ErrWriteTimeout)
	})
}

func TestCloseAfterFlushOfNothing(t *testing.T) {
	noLeak(t)
	server, client := net.Pipe()
	c := NewConn(server, Options{WriteTimeout: time.Minute})
	c.CloseAfterFlush()
	if _, err := client.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the peer sees %v", err)
	}
	client.Close()
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		noLeak(t)
		server, client := net.Pipe()
		c := NewConn(server, Options{WriteTimeout: time.Minute})
		if err := c.Drain(0); err != nil {
			t.Errorf("Drain of an empty queue: %v", err)
		}
		// One goroutine is stuck with the first packet while others queue more.
		c.Queue(packet(make([]byte, 1000)))
		c.Kick()
		synctest.Wait()
		for range 3 {
			c.Queue(packet(make([]byte, 1000)))
		}
		drained := make(chan error, 1)
		go func() { drained <- c.Drain(500) }()
		for taken := range 4 {
			synctest.Wait()
			select {
			case err := <-drained:
				t.Fatalf("Drain returned %v with %d bytes queued", err, c.QueuedBytes())
			default:
			}
			if n := c.QueuedBytes(); n != (4-taken)*1004 {
				t.Fatalf("%d bytes queued after %d packets", n, taken)
			}
			io.CopyN(io.Discard, client, 1004)
		}
		if err := <-drained; err != nil {
			t.Error(err)
		}
		// A close ends the wait.
		c.Queue(packet(make([]byte, 1000)))
		c.Kick()
		synctest.Wait()
		go func() { drained <- c.Drain(0) }()
		synctest.Wait()
		c.Close()
		if err := <-drained; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Drain after Close: %v", err)
		}
		client.Close()
	})
}

// TestDrainWritesItself: what is queued after the writer has stopped has nobody
// else to write it.
func TestDrainWritesItself(t *testing.T) {
	noLeak(t)
	server, client := net.Pipe()
	got := received(client)
	c := NewConn(server, Options{})
	c.Queue(packet([]byte("one")))
	if err := c.Drain(0); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if msgs := <-got; len(msgs) != 1 {
		t.Errorf("%d messages came", len(msgs))
	}
}
