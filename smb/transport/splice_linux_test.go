package transport

import (
	"bytes"
	"net"
	"testing"
	"time"
)

// withPipes runs a test with an empty pool of its own.
func withPipes(t *testing.T, limit int) {
	t.Helper()
	set := func(free []*pipe, count, limit int) (f []*pipe, c, l int) {
		pipes.mu.Lock()
		defer pipes.mu.Unlock()
		f, c, l = pipes.free, pipes.count, pipes.limit
		pipes.free, pipes.count, pipes.limit = free, count, limit
		return f, c, l
	}
	free, count, old := set(nil, 0, limit)
	t.Cleanup(func() {
		ours, n, _ := set(free, count, old)
		if len(ours) != n {
			t.Errorf("%d of %d pipes are back", len(ours), n)
		}
		for _, p := range ours {
			p.close()
		}
	})
}

func sendParts(t *testing.T, file FileSender, data []byte, sizes ...int) {
	t.Helper()
	server, client := tcpPair(t)
	got := received(client)
	c := NewConn(server, Options{})
	for _, n := range sizes {
		p := packet([]byte("head"))
		p.File, p.Off, p.N = file, 100, n
		c.Queue(p)
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	c.Close()
	msgs := <-got
	if len(msgs) != len(sizes) {
		t.Fatalf("%d of %d messages came", len(msgs), len(sizes))
	}
	for i, n := range sizes {
		want := make([]byte, 4+n)
		copy(want, "head")
		copy(want[4:], data[100:])
		if !bytes.Equal(msgs[i], want) {
			t.Errorf("message %d with %d bytes of the file differs", i, n)
		}
	}
}

func TestLargePartsGoThroughOnePipe(t *testing.T) {
	noLeak(t)
	withPipes(t, 3)
	data := pattern(4, 5<<20)
	sendParts(t, diskFile(t, data), data, spliceBytes-1, spliceBytes, pipeBytes, pipeBytes+1, 3*pipeBytes, 6<<20)
	if pipes.count != 1 {
		t.Errorf("%d pipes were made", pipes.count)
	}
}

func TestWithoutPipesSendfileServes(t *testing.T) {
	noLeak(t)
	withPipes(t, 0)
	data := pattern(4, 5<<20)
	sendParts(t, diskFile(t, data), data, spliceBytes, 3*pipeBytes, 6<<20)
	if pipes.count != 0 {
		t.Errorf("%d pipes were made", pipes.count)
	}
}

// TestSlowPeerKeepsItsPipe: the pipe of a transfer that was cut off is not used
// again, and others do not wait for it.
func TestSlowPeerKeepsItsPipe(t *testing.T) {
	noLeak(t)
	withPipes(t, 1)
	data := pattern(4, 5<<20)
	file := diskFile(t, data)
	server, client := tcpPair(t)
	defer client.Close()
	c := NewConn(server, Options{WriteTimeout: time.Minute})
	for range 8 { // more than the kernel buffers
		p := packet([]byte("head"))
		p.File, p.N = file, 4<<20
		c.Queue(p)
	}
	c.Kick()
	// The kernel has taken what it can when the number stands still in a write
	// that waits; the peer takes nothing, so it never moves again.
	eventually(t, "bytes in a pipe", func() bool { return c.QueuedBytes() < 8*4<<20-1<<20 })
	sendParts(t, file, data, 2<<20)
	c.Close()
	c.Wait()
	eventually(t, "the pipe to be free or gone", func() bool {
		pipes.mu.Lock()
		defer pipes.mu.Unlock()
		return len(pipes.free) == pipes.count
	})
	sendParts(t, file, data, 2<<20)
	if pipes.count != 1 {
		t.Errorf("%d pipes after one was given up", pipes.count)
	}
}

// TestPipeNotTakenByFile: what cannot be spliced into a pipe is copied.
func TestPipeNotTakenByFile(t *testing.T) {
	noLeak(t)
	withPipes(t, 1)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	data := pattern(6, 2<<20)
	err = raw.Control(func(fd uintptr) {
		sendParts(t, &pipeFile{memFile{data: data}, fd}, data, 1<<20)
	})
	if err != nil {
		t.Fatal(err)
	}
}
