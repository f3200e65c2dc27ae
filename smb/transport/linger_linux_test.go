package transport

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// unread waits until n bytes lie in the socket of c.
func unread(t *testing.T, c *Conn, n int) {
	t.Helper()
	eventually(t, "what nobody reads", func() bool {
		have := 0
		err := c.raw.Control(func(fd uintptr) { have, _ = unix.IoctlGetInt(int(fd), unix.SIOCINQ) })
		return err == nil && have >= n
	})
}

// lingerLong makes lingering end with the peer, or not at all.
func lingerLong(t *testing.T) {
	old := lingerTime
	t.Cleanup(func() { lingerTime = old })
	lingerTime = time.Hour
}

// TestUnreadRequestsCostNoReplies: what was queued arrives though the peer has sent more than was read, and goes
// on to.
func TestUnreadRequestsCostNoReplies(t *testing.T) {
	noLeak(t)
	lingerLong(t)
	server, client := tcpPair(t)
	defer client.Close()
	// The kernel is to take the whole reply, and the peer's only a part of it for the time being.
	if err := errors.Join(client.SetReadBuffer(64<<10), server.SetWriteBuffer(1<<20)); err != nil {
		t.Fatal(err)
	}
	c := NewConn(server, Options{})
	sendBytes(t, client, make([]byte, 8<<10))
	unread(t, c, 8<<10)
	reply := pattern(3, 300<<10)
	c.Queue(packet(reply))
	c.CloseAfterFlush()
	if n := c.QueuedBytes(); n != 0 {
		t.Fatalf("the kernel has left %d bytes", n)
	}
	sendBytes(t, client, make([]byte, 8<<10))
	got, err := io.ReadAll(client)
	if err != nil || !bytes.Equal(got, framed(reply)) {
		t.Errorf("%d of %d bytes, %v", len(got), len(reply)+prefixSize, err)
	}
	client.Close()
	c.Wait()
}

// TestLingeringEnds: a peer that does not end, whether it sends on or not, is not waited for for long.
func TestLingeringEnds(t *testing.T) {
	noLeak(t)
	for _, busy := range []bool{false, true} {
		before := descriptors(t)
		server, client := tcpPair(t)
		c := NewConn(server, Options{})
		c.CloseAfterFlush()
		sent := make(chan error, 1)
		go func() {
			var err error
			for busy && err == nil {
				_, err = client.Write(make([]byte, 64<<10))
			}
			sent <- err
		}()
		c.Wait()
		if err := <-sent; busy && err == nil {
			t.Error("the peer can send for ever")
		}
		client.Close()
		eventually(t, "the descriptors to be closed", func() bool { return descriptors(t) == before })
	}
}

// TestLingeringOfTheAttended: whoever reads there ends, and the peer hears of an end, not of a reset.
func TestLingeringOfTheAttended(t *testing.T) {
	noLeak(t)
	withPlaces(t, 2)
	lingerLong(t)
	c, client, ended := echoing(t, Options{})
	c.CloseAfterFlush()
	<-ended
	for _, b := range [][]byte{nil, make([]byte, 10)} {
		sendBytes(t, client, b)
		if b != nil {
			if err := client.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			c.Wait()
		}
		if _, err := client.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the peer, who has sent %d bytes more, hears of %v", len(b), err)
		}
	}
}

// TestAbortDoesNotLinger: a connection that is to end with a reset does so at once.
func TestAbortDoesNotLinger(t *testing.T) {
	noLeak(t)
	server, client := tcpPair(t)
	defer client.Close()
	c := NewConn(server, Options{})
	c.Abort()
	c.CloseAfterFlush()
	c.Wait()
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("the peer hears of %v", err)
	}
	if _, err := c.ReadFrame(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("ReadFrame: %v", err)
	}
}
