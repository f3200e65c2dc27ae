package transport

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// cutAt is a Divide for messages of pattern: the first place depends on the first byte.
func cutAt(head []byte, _ int) (int, bool) { return 112 + int(head[0])*16, true }

// readMessage reads a message in as many frames as it comes in, keeps them until it is
// complete, and tells how many these were. whole says before which of them the rest is asked for in one.
func readMessage(c *Conn, divided bool, whole int) (msg []byte, n int, err error) {
	var kept []Frame
	defer func() {
		for i := range kept {
			kept[i].Release()
		}
	}()
	at, left := 0, 0
	for {
		if n == whole {
			c.Whole()
		}
		f, err := c.ReadFrame()
		if err != nil {
			return nil, n, err
		}
		n++
		kept = append(kept, f)
		switch {
		case f.Continues != (n > 1):
			return nil, n, errors.New("Continues is wrong")
		case n > 1 && len(f.Data)+f.Rest != left:
			return nil, n, errors.New("Rest does not add up")
		case n > whole && f.Rest > 0 && whole > 0:
			return nil, n, errors.New("not the whole rest after Whole")
		case reachesOut(&f):
			return nil, n, errors.New("the capacity reaches into the next frame")
		case n == 1:
			at, _ = cutAt(f.Data, 0)
		}
		left = f.Rest
		pos := len(msg) + len(f.Data)
		msg = append(msg, f.Data...)
		if f.Rest == 0 {
			break
		}
		if !divided || pos < at || (pos-at)%PartAlign != 0 {
			return nil, n, errors.New("cut at the wrong place")
		}
		clear(f.Data) // the owner may do what it likes
	}
	return msg, n, nil
}

// TestParts: messages arrive whole, however they were cut on their way, by whoever.
func TestParts(t *testing.T) {
	noLeak(t)
	parts := 0
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.OneOf(rapid.IntRange(1, 300), rapid.IntRange(60<<10, 70<<10), rapid.IntRange(divideFrom-5, 2<<20))
		var msgs [][]byte
		for i, n := range rapid.SliceOfN(size, 1, 12).Draw(rt, "sizes") {
			msgs = append(msgs, pattern(i, n))
		}
		chunk := rapid.OneOf(rapid.IntRange(1, 9000), rapid.IntRange(1, 2<<20))
		chunks := inPieces(framed(msgs...), rapid.SliceOfN(chunk, 1, 60).Draw(rt, "chunks"))
		server, client := tcpPair(t)
		done := sendAndClose(client, chunks...)
		c := NewConn(server, Options{FrameTimeout: time.Minute, Divide: cutAt})
		if rapid.Bool().Draw(rt, "bulk") {
			c.rd.bulk = true
		}
		always := rapid.Bool().Draw(rt, "divide always")
		for i, m := range msgs {
			if always {
				c.rd.deep, c.rd.fresh = 0, c.rd.r
			}
			got, n, err := readMessage(c, len(m) >= divideFrom, rapid.IntRange(0, 4).Draw(rt, "whole"))
			if err != nil || !bytes.Equal(got, m) {
				rt.Fatalf("message %d of %d bytes: %d, %v", i, len(m), len(got), err)
			}
			if n > 1 {
				parts++
			}
		}
		if _, err := c.ReadFrame(); err != io.EOF {
			rt.Fatalf("at the end: %v", err)
		}
		done()
		c.Close()
	})
	if parts == 0 {
		t.Error("nothing was ever divided")
	}
}

// partsConn is a connection that divides what it may.
func partsConn(t *testing.T, o Options) (*Conn, net.Conn) {
	t.Helper()
	noLeak(t)
	server, client := tcpPair(t)
	o.Divide = cutAt
	c := NewConn(server, o)
	t.Cleanup(func() {
		c.Close()
		client.Close()
	})
	return c, client
}

// TestPartsComeEarly: what has come is handed out though the rest is not sent.
func TestPartsComeEarly(t *testing.T) {
	c, client := partsConn(t, Options{})
	msg := pattern(5, 1<<20)
	sent := framed(msg)
	sendBytes(t, client, sent[:200<<10])
	var got []byte
	for len(got) < 128<<10 {
		f, err := c.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if len(f.Data)+f.Rest+len(got) != len(msg) {
			t.Fatalf("%d bytes and %d to come behind %d", len(f.Data), f.Rest, len(got))
		}
		got = append(got, f.Data...)
		f.Release()
	}
	go client.Write(sent[200<<10:])
	for len(got) < len(msg) {
		f, err := c.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, f.Data...)
		f.Release()
	}
	if !bytes.Equal(got, msg) {
		t.Error("the message differs")
	}
}

// pour plays the network for a reader: p comes in pieces of at most most bytes, each of which
// it looks at at once. It returns how many frames it has taken.
func pour(t *testing.T, rd *reader, p []byte, most int) (frames int) {
	t.Helper()
	for len(p) > 0 {
		room := rd.room(bulkSlab)
		if rd.big != nil {
			room = rd.big.B[rd.have:]
		} else if rd.r == rd.w {
			rd.fresh = rd.w
		}
		n := copy(room, p[:min(len(p), most)])
		p = p[n:]
		rd.got(n)
		for {
			f, ok, err := rd.take(maxLength)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			frames++
			f.Release()
		}
	}
	return frames
}

// TestNoPartsForThoseWhoDoNotWait: a client that sends the next long message before it
// has the reply to this one gets them read in one.
func TestNoPartsForThoseWhoDoNotWait(t *testing.T) {
	noLeak(t)
	rd := reader{parts: parts{divide: cutAt}}
	defer rd.drop()
	alone := framed(pattern(1, 300<<10))
	if n := pour(t, &rd, alone, 100<<10); n < 2 {
		t.Fatalf("%d frames of a message that is alone", n)
	}
	if n := pour(t, &rd, framed(pattern(1, 100<<10), pattern(1, 100<<10)), 1<<20); n != 2 || rd.deep != 0 {
		t.Fatalf("%d frames of two short ones, %d have to be alone", n, rd.deep)
	}
	cut := len(alone) - 100<<10
	pour(t, &rd, alone[:cut], 100<<10)
	if n := pour(t, &rd, append(alone[cut:len(alone):len(alone)], alone...), 150<<10); n > 3 || rd.deep != aloneBefore-1 {
		t.Fatalf("%d frames of the ends of two, %d have to be alone", n, rd.deep)
	}
	for i := range aloneBefore - 1 {
		if n := pour(t, &rd, alone, 100<<10); n != 1 {
			t.Fatalf("message %d that is alone, in %d frames", i, n)
		}
	}
	if n := pour(t, &rd, alone, 100<<10); n < 2 {
		t.Errorf("%d frames, though the client waits again", n)
	}
}

// TestPartsThatDoNotCome: the end of the connection, and of the time, in the middle.
func TestPartsThatDoNotCome(t *testing.T) {
	for _, whole := range []bool{false, true} {
		for _, late := range []bool{false, true} {
			o, want := Options{}, io.ErrUnexpectedEOF
			if late {
				o, want = Options{FrameTimeout: 100 * time.Millisecond}, ErrTimeout
			}
			c, client := partsConn(t, o)
			sendBytes(t, client, framed(pattern(3, 1<<20))[:150<<10])
			f, err := c.ReadFrame()
			if err != nil || f.Rest == 0 || !c.rd.partial() {
				t.Fatal(err, f.Rest)
			}
			f.Release()
			if !late {
				client.Close()
			}
			for {
				if whole {
					c.Whole()
				}
				f, err = c.ReadFrame()
				if err != nil {
					break
				}
				f.Release()
			}
			if !errors.Is(err, want) {
				t.Errorf("whole %v, late %v: %v", whole, late, err)
			}
			wantError(t, c, want)
		}
	}
}

// TestPartsAndClose: closing in the middle gives all memory back, also when the rest was asked
// for in one.
func TestPartsAndClose(t *testing.T) {
	for _, whole := range []bool{false, true} {
		c, client := partsConn(t, Options{})
		sendBytes(t, client, framed(pattern(3, 1<<20))[:150<<10])
		f, err := c.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if whole {
			c.Whole()
		}
		c.Close()
		c.Whole()
		f.Release()
		wantError(t, c, net.ErrClosed)
	}
}

// TestLongMessageAligned: the data of a WRITE begins where the kernel copies it fastest, and a
// message of a length that has come before gets its buffer at once.
func TestLongMessageAligned(t *testing.T) {
	noLeak(t)
	server, client := tcpPair(t)
	defer client.Close()
	c := NewConn(server, Options{})
	defer c.Close()
	for _, kind := range []struct {
		first byte
		data  int // where the data begins
	}{{0xfe, 112}, {sealedProtocol, 164}} {
		msg := pattern(1, 700<<10)
		msg[0] = kind.first
		go client.Write(framed(msg))
		f, err := c.ReadFrame()
		if err != nil || !bytes.Equal(f.Data, msg) {
			t.Fatal(err)
		}
		if at := cap(f.buf.mem) - cap(f.buf.B) + kind.data; at%64 != 0 {
			t.Errorf("%#x: data at %d", kind.first, at)
		}
		f.Release()
	}
	sendBytes(t, client, framed(pattern(2, 700<<10))[:100])
	done := make(chan error, 1)
	go func() {
		f, err := c.ReadFrame()
		f.Release()
		done <- err
	}()
	eventually(t, "the reader to wait", func() bool { return isParked(c) })
	rest := framed(pattern(2, 700<<10))[100:]
	if _, err := client.Write(rest); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
