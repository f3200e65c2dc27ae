package transport

import (
	"bytes"
	"testing"
	"time"
)

// later reads a frame in another goroutine, which has to wait for it.
func later(t *testing.T, c *Conn) func() Frame {
	t.Helper()
	type result struct {
		f   Frame
		err error
	}
	done := make(chan result, 1)
	go func() {
		f, err := c.ReadFrame()
		done <- result{f, err}
	}()
	eventually(t, "the reader to wait", func() bool { return isParked(c) })
	return func() Frame {
		t.Helper()
		r := <-done
		if r.err != nil {
			t.Fatal(r.err)
		}
		return r.f
	}
}

// TestPartsWaitForTheServer: the time that passes while nobody reads is not the client's.
func TestPartsWaitForTheServer(t *testing.T) {
	for _, whole := range []bool{false, true} {
		c, client := partsConn(t, Options{FrameTimeout: time.Minute})
		msg := pattern(3, 1<<20)
		sent := framed(msg)
		sendBytes(t, client, sent[:150<<10])
		var got []byte
		for len(got) < 120<<10 {
			f, err := c.ReadFrame()
			if err != nil || f.Rest == 0 {
				t.Fatal(err, f.Rest)
			}
			got = append(got, f.Data...)
			f.Release()
		}
		next := later(t, c)
		sendBytes(t, client, sent[150<<10:220<<10])
		f := next()
		got = append(got, f.Data...)
		f.Release()
		if c.rd.begun.IsZero() || c.rd.handed.IsZero() {
			t.Fatal("no time runs, though the reader has waited")
		}
		// The storage takes an hour.
		c.rd.begun, c.rd.handed = c.rd.begun.Add(-time.Hour), c.rd.handed.Add(-time.Hour)
		if whole {
			c.Whole()
		}
		next = later(t, c)
		go client.Write(sent[220<<10:])
		for f = next(); ; {
			got = append(got, f.Data...)
			f.Release()
			if f.Rest == 0 {
				break
			}
			var err error
			if f, err = c.ReadFrame(); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, msg) || !c.rd.begun.IsZero() || !c.rd.handed.IsZero() {
			t.Errorf("whole %v: the message differs, or its time runs on", whole)
		}
	}
}

// TestShiftTakesNoMoreMemory: no message lies in a buffer of twice the size for its place there.
func TestShiftTakesNoMoreMemory(t *testing.T) {
	noLeak(t)
	server, client := tcpPair(t)
	defer client.Close()
	c := NewConn(server, Options{})
	defer c.Close()
	for _, n := range []int{1<<20 - plainShift, 1<<20 - plainShift + 1, 1 << 20} {
		msg := pattern(1, n)
		go client.Write(framed(msg))
		f, err := c.ReadFrame()
		if err != nil || !bytes.Equal(f.Data, msg) {
			t.Fatal(n, err)
		}
		if got := cap(f.buf.mem); got != 1<<20 {
			t.Errorf("%d bytes lie in a buffer of %d", n, got)
		}
		f.Release()
	}
}
