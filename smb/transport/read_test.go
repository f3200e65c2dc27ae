package transport

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// wantFrame reads a frame and compares it.
func wantFrame(tb testing.TB, c *Conn, want []byte) {
	tb.Helper()
	f, err := c.ReadFrame()
	if err != nil {
		tb.Fatalf("ReadFrame: %v", err)
	}
	if !bytes.Equal(f.Data, want) {
		tb.Fatalf("got a frame of %d bytes, want one of %d", len(f.Data), len(want))
	}
	if reachesOut(&f) {
		tb.Fatalf("capacity %d of a frame of %d bytes reaches into the next", cap(f.Data), len(f.Data))
	}
	f.Release()
}

// wantError expects an error, twice, because every error is final.
func wantError(tb testing.TB, c *Conn, want error) {
	tb.Helper()
	for range 2 {
		if f, err := c.ReadFrame(); !errors.Is(err, want) {
			tb.Fatalf("ReadFrame: %d bytes, error %v; want %v", len(f.Data), err, want)
		}
	}
}

// send writes from a goroutine, and closes; done waits for it.
func sendAndClose(c net.Conn, chunks ...[]byte) (done func()) {
	ch := make(chan struct{})
	go func() {
		defer close(ch)
		defer c.Close()
		for _, p := range chunks {
			if _, err := c.Write(p); err != nil {
				return
			}
		}
	}()
	return func() { <-ch }
}

func overPairs(t *testing.T, test func(t *testing.T, server, client net.Conn)) {
	for _, p := range pairs {
		t.Run(p.name, func(t *testing.T) {
			noLeak(t)
			s, c := p.open(t)
			defer s.Close()
			defer c.Close()
			test(t, s, c)
		})
	}
}

func TestReadByteByByte(t *testing.T) {
	overPairs(t, func(t *testing.T, server, client net.Conn) {
		msgs := [][]byte{pattern(1, 1), {}, pattern(2, 300), pattern(3, 5000)}
		done := sendAndClose(client, slices.Collect(slices.Chunk(framed(msgs...), 1))...)
		c := NewConn(server, Options{})
		for _, m := range msgs {
			wantFrame(t, c, m)
		}
		wantError(t, c, io.EOF)
		done()
		c.Close()
	})
}

// TestReadPipelined cuts random messages into random pieces, keeps some frames
// while reading on, and overwrites each: no frame may feel another's change.
func TestReadPipelined(t *testing.T) {
	for _, p := range pairs {
		t.Run(p.name, func(t *testing.T) {
			noLeak(t)
			rapid.Check(t, func(rt *rapid.T) {
				size := rapid.OneOf(rapid.IntRange(0, 300), rapid.IntRange(0, 9000),
					rapid.IntRange(60<<10, 70<<10), rapid.IntRange(1, 1<<20))
				var msgs [][]byte
				for i, n := range rapid.SliceOfN(size, 1, 25).Draw(rt, "sizes") {
					msgs = append(msgs, pattern(i, n))
				}
				chunk := rapid.OneOf(rapid.IntRange(1, 40), rapid.IntRange(1, 5000),
					rapid.Just(64<<10), rapid.IntRange(1, 2<<20))
				chunks := inPieces(framed(msgs...), rapid.SliceOfN(chunk, 1, 30).Draw(rt, "chunks"))
				keep := rapid.IntRange(0, 8).Draw(rt, "keep")

				server, client := p.open(t)
				done := sendAndClose(client, chunks...)
				c := NewConn(server, Options{FrameTimeout: time.Minute})
				readAndScribble(rt, c, msgs, keep)
				done()
				c.Close()
			})
		})
	}
}

// inPieces cuts a stream into pieces of these lengths; what is left is the last one.
func inPieces(stream []byte, lengths []int) (pieces [][]byte) {
	for _, n := range lengths {
		if n >= len(stream) {
			break
		}
		pieces = append(pieces, stream[:n])
		stream = stream[n:]
	}
	return append(pieces, stream)
}

func readAndScribble(rt *rapid.T, c *Conn, msgs [][]byte, keep int) {
	type held struct {
		f    Frame
		want []byte
	}
	var kept []held
	check := func(n int) {
		for len(kept) > n {
			h := kept[0]
			kept = kept[1:]
			for i := range h.f.Data {
				h.f.Data[i] ^= 0xff
			}
			if !bytes.Equal(h.f.Data, h.want) {
				rt.Fatalf("a frame of %d bytes was changed by another", len(h.want))
			}
			h.f.Release()
		}
	}
	for i, m := range msgs {
		f, err := c.ReadFrame()
		if err != nil {
			rt.Fatalf("frame %d of %d: %v", i, len(msgs), err)
		}
		if !bytes.Equal(f.Data, m) {
			rt.Fatalf("frame %d: %d bytes differ from the %d sent", i, len(f.Data), len(m))
		}
		for i := range f.Data {
			f.Data[i] ^= 0xff
		}
		kept = append(kept, held{f, m})
		check(keep)
	}
	check(0)
	if _, err := c.ReadFrame(); err != io.EOF {
		rt.Fatalf("at the end: %v", err)
	}
}

func TestReadWhileFramesAreOverwrittenElsewhere(t *testing.T) {
	noLeak(t)
	server, client := tcpPair(t)
	var msgs [][]byte
	for i := range 2000 {
		msgs = append(msgs, pattern(i, 1+i%700))
	}
	done := sendAndClose(client, framed(msgs...))
	c := NewConn(server, Options{})
	var wg sync.WaitGroup
	for i, m := range msgs {
		f, err := c.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			defer f.Release()
			if !bytes.Equal(f.Data, m) {
				t.Errorf("frame %d differs", i)
			}
			clear(f.Data)
		})
	}
	wg.Wait()
	wantError(t, c, io.EOF)
	done()
	c.Close()
}

func TestReadErrors(t *testing.T) {
	hello := []byte("hello")
	tests := []struct {
		name   string
		stream []byte
		frames int
		want   error
	}{
		{"empty stream", nil, 0, io.EOF},
		{"end within prefix", append(framed(hello), 0, 0), 1, io.ErrUnexpectedEOF},
		{"end after prefix", append(framed(hello), 0, 0, 0, 9), 1, io.ErrUnexpectedEOF},
		{"end within large frame", append([]byte{0, 0x0f, 0, 0}, make([]byte, 200000)...), 0, io.ErrUnexpectedEOF},
		{"largest frame", framed(make([]byte, 1<<20)), 1, io.EOF},
		{"too large", append(framed(hello), 0, 0x10, 0, 1, 7), 1, ErrFrameTooLarge},
		{"largest of all", []byte{0, 0xff, 0xff, 0xff}, 0, ErrFrameTooLarge},
		{"not a prefix", append(framed(hello), "GET / HTTP/1.1\r\n"...), 1, ErrBadPrefix},
		{"keepalives", append(append([]byte{0x85, 0, 0, 0}, framed(hello)...), 0x85, 0, 0, 0, 0x85, 0, 0, 0), 1, io.EOF},
		{"end within keepalive", []byte{0x85, 0}, 0, io.ErrUnexpectedEOF},
		{"keepalive with a body", []byte{0x85, 0, 0, 1, 0}, 0, ErrBadPrefix},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			overPairs(t, func(t *testing.T, server, client net.Conn) {
				done := sendAndClose(client, tt.stream)
				c := NewConn(server, Options{MaxFrame: 1 << 20})
				for range tt.frames {
					f, err := c.ReadFrame()
					if err != nil {
						t.Fatal(err)
					}
					f.Release()
				}
				wantError(t, c, tt.want)
				if n := c.rd.slab; n != nil {
					t.Error("a slab is held after an error")
				}
				server.Close()
				done()
				c.Close()
			})
		})
	}
}

func TestSetMaxFrame(t *testing.T) {
	overPairs(t, func(t *testing.T, server, client net.Conn) {
		done := sendAndClose(client, framed(make([]byte, 100), make([]byte, 5000), make([]byte, 101)))
		c := NewConn(server, Options{MaxFrame: 100})
		wantFrame(t, c, make([]byte, 100))
		c.SetMaxFrame(5000)
		wantFrame(t, c, make([]byte, 5000))
		c.SetMaxFrame(100)
		wantError(t, c, ErrFrameTooLarge)
		server.Close()
		done()
		c.Close()
	})
}

func TestBufferedKnowsCompleteFrames(t *testing.T) {
	noLeak(t)
	server, client := net.Pipe()
	c := NewConn(server, Options{MaxFrame: 1000})
	if c.Buffered() {
		t.Error("Buffered before anything was read")
	}
	stream := framed([]byte("one"))
	stream = append(stream, sessionKeepalive, 0, 0, 0)
	stream = append(stream, framed([]byte("two"), []byte("three"))...)
	cut := len(stream) - 1
	first := make(chan struct{})
	go func() {
		defer close(first)
		client.Write(stream[:cut])
	}()
	wantFrame(t, c, []byte("one"))
	<-first
	if !c.Buffered() {
		t.Error("not Buffered with a frame behind a keepalive in memory")
	}
	wantFrame(t, c, []byte("two"))
	if c.Buffered() {
		t.Error("Buffered with a frame that lacks a byte")
	}
	done := sendAndClose(client, append(stream[cut:cut+1:cut+1], 1, 2, 3, 4))
	wantFrame(t, c, []byte("three"))
	if !c.Buffered() {
		t.Error("not Buffered though the next prefix is bad")
	}
	wantError(t, c, ErrBadPrefix)
	server.Close()
	done()
	c.Close()
}

func TestOwned(t *testing.T) {
	noLeak(t)
	server, client := tcpPair(t)
	done := sendAndClose(client, framed(pattern(1, 10), pattern(2, 300000)))
	c := NewConn(server, Options{})
	small, err := c.ReadFrame()
	if err != nil {
		t.Fatal(err)
	}
	large, err := c.ReadFrame()
	if err != nil {
		t.Fatal(err)
	}
	if small.Owned() || !large.Owned() {
		t.Errorf("Owned: small %v, large %v", small.Owned(), large.Owned())
	}
	small.Release()
	large.Release()
	done()
	c.Close()
}

// feed plays the network for a reader without a connection.
func feed(rd *reader, p []byte) {
	for len(p) > 0 {
		n := copy(rd.room(socketSlab), p)
		rd.w += n
		p = p[n:]
		if rd.w == len(rd.slab.B) {
			return
		}
	}
}

func TestLargeFrameGetsMemoryOnlyForBytesSent(t *testing.T) {
	noLeak(t)
	var rd reader
	defer rd.drop()
	feed(&rd, append([]byte{0, 0x80, 0, 0}, make([]byte, socketSlab-prefixSize-1)...))
	for range 2 {
		if _, ok, err := rd.take(maxLength); ok || err != nil {
			t.Fatal(ok, err)
		}
		if last := len(rd.slab.B) - 1; rd.w == last {
			if rd.big != nil {
				t.Fatal("8 MiB were taken before the sender filled a slab")
			}
			feed(&rd, []byte{0})
		}
	}
	if rd.big == nil || len(rd.big.B) != 8<<20 || rd.have != socketSlab-prefixSize || rd.r != rd.w {
		t.Fatalf("after a full slab: big %v, have %d, unread %d", rd.big != nil, rd.have, rd.w-rd.r)
	}
}

func TestPrefixAcrossSlabs(t *testing.T) {
	noLeak(t)
	for missing := 1; missing < prefixSize; missing++ {
		var rd reader
		first := pattern(1, socketSlab-2*prefixSize+missing)
		second := pattern(2, 20)
		stream := framed(first, second)
		feed(&rd, stream[:socketSlab])
		f, ok, err := rd.take(maxLength)
		if !ok || err != nil || !bytes.Equal(f.Data, first) {
			t.Fatal(ok, err)
		}
		if _, ok, err = rd.take(maxLength); ok || err != nil {
			t.Fatal(ok, err)
		}
		feed(&rd, stream[socketSlab:])
		g, ok, err := rd.take(maxLength)
		if !ok || err != nil || !bytes.Equal(g.Data, second) || !bytes.Equal(f.Data, first) {
			t.Fatalf("missing %d: %v %v", missing, ok, err)
		}
		f.Release()
		g.Release()
		rd.drop()
	}
}

func TestIdleConnectionHoldsNoBuffer(t *testing.T) {
	noLeak(t)
	base := LiveBuffers()
	server, client := tcpPair(t)
	defer client.Close()
	c := NewConn(server, Options{FrameTimeout: time.Minute})
	read := make(chan error)
	go func() {
		for {
			f, err := c.ReadFrame()
			f.Release()
			read <- err
			if err != nil {
				return
			}
		}
	}()
	for _, n := range []int{10, 100000} {
		if _, err := client.Write(framed(pattern(1, n))); err != nil {
			t.Fatal(err)
		}
		if err := <-read; err != nil {
			t.Fatal(err)
		}
		// The reader is on its way back into the wait.
		eventually(t, "an idle connection without a buffer", func() bool { return LiveBuffers() == base })
	}
	c.Close()
	if err := <-read; !errors.Is(err, net.ErrClosed) {
		t.Errorf("ReadFrame after Close: %v", err)
	}
}

func TestFrameTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		noLeak(t)
		server, client := net.Pipe()
		c := NewConn(server, Options{FrameTimeout: 10 * time.Second})
		stream := framed(pattern(1, 20), pattern(2, 10000))
		go func() {
			client.Write(stream[:10])
			time.Sleep(9 * time.Second) // fake time: slow, but fast enough
			client.Write(stream[10:24])
			time.Sleep(time.Hour) // idle between frames is no offence
			client.Write(stream[24:30])
			time.Sleep(6 * time.Second)
			client.Write(stream[30:9000])
		}()
		wantFrame(t, c, pattern(1, 20))
		start := time.Now()
		_, err := c.ReadFrame()
		if err != ErrTimeout || time.Since(start) != time.Hour+10*time.Second {
			t.Errorf("%v after %v, want %v after 1h0m10s", err, time.Since(start), ErrTimeout)
		}
		wantError(t, c, ErrTimeout)
		c.Close()
		client.Close()
	})
}

func TestFrameTimeoutOnSocket(t *testing.T) {
	noLeak(t)
	server, client := tcpPair(t)
	defer client.Close()
	c := NewConn(server, Options{FrameTimeout: 50 * time.Millisecond})
	// A deadline that was set for an earlier frame does not hurt the next.
	if err := server.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Write(framed([]byte("whole"))); err != nil {
		t.Fatal(err)
	}
	wantFrame(t, c, []byte("whole"))
	start := time.Now()
	if _, err := client.Write(framed([]byte("torn"))[:6]); err != nil {
		t.Fatal(err)
	}
	_, err := c.ReadFrame()
	if d := time.Since(start); err != ErrTimeout || d < 50*time.Millisecond {
		t.Errorf("%v after %v, want %v after 50ms", err, d, ErrTimeout)
	}
	c.Close()
}

func TestInitialTimeout(t *testing.T) {
	tests := []struct {
		name  string
		first []byte
		want  time.Duration
	}{
		{"silence", nil, 5 * time.Second},
		{"only a keepalive", []byte{sessionKeepalive, 0, 0, 0}, 5 * time.Second},
		{"a frame that stops", []byte{0, 0, 0, 9, 1}, time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				noLeak(t)
				server, client := net.Pipe()
				c := NewConn(server, Options{InitialTimeout: 5 * time.Second, FrameTimeout: time.Minute})
				start := time.Now()
				go client.Write(tt.first)
				_, err := c.ReadFrame()
				if err != ErrTimeout || time.Since(start) != tt.want {
					t.Errorf("%v after %v, want %v after %v", err, time.Since(start), ErrTimeout, tt.want)
				}
				c.Close()
				client.Close()
			})
		})
	}
}

func TestInitialTimeoutIsForTheFirstFrameOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		noLeak(t)
		server, client := net.Pipe()
		c := NewConn(server, Options{InitialTimeout: 5 * time.Second, FrameTimeout: time.Second})
		go func() {
			time.Sleep(4 * time.Second)
			client.Write(framed([]byte("a")))
			time.Sleep(time.Hour)
			client.Write(framed([]byte("b")))
			client.Close()
		}()
		wantFrame(t, c, []byte("a"))
		wantFrame(t, c, []byte("b"))
		wantError(t, c, io.EOF)
		c.Close()
	})
}

func TestEmptyReadsEnd(t *testing.T) {
	noLeak(t)
	c := NewConn(emptyConn{}, Options{})
	wantError(t, c, io.ErrNoProgress)
	c.Close()
}

// emptyConn reads nothing, successfully.
type emptyConn struct{ net.Conn }

func (emptyConn) Read([]byte) (int, error) { return 0, nil }
func (emptyConn) Close() error             { return nil }

// reachesOut reports whether who appends to the message of f would write to what is not its own.
func reachesOut(f *Frame) bool {
	room := cap(f.Data) - len(f.Data)
	return room > TailRoom || room > 0 && !f.Owned()
}
