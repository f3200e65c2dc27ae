package transport

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// gatherFiles is what parts may come from; all have the same contents up to where they end.
func gatherFiles(tb testing.TB, data []byte) map[string]FileSender {
	tb.Helper()
	return map[string]FileSender{
		"disk":          diskFile(tb, data),
		"short":         diskFile(tb, data[:len(data)/2+77]),
		"empty":         diskFile(tb, nil),
		"no descriptor": &memFile{data: data},
	}
}

// expected is what a part of a file must look like on the wire.
func expected(head, data []byte, p *Packet) []byte {
	part := make([]byte, p.N)
	if p.Off < int64(len(data)) {
		copy(part, data[p.Off:])
	}
	return append(bytes.Clone(head), part...)
}

// TestGatheredPacketsAreWhole: whatever is in a queue, with parts of files that have ended or have no
// descriptor among it, arrives as promised, and all is given back.
func TestGatheredPacketsAreWhole(t *testing.T) {
	noLeak(t)
	withPipes(t, 2)
	data := pattern(5, 300<<10)
	files := gatherFiles(t, data)
	ends := map[string]int{"disk": len(data), "short": len(data)/2 + 77, "no descriptor": len(data)}
	names := []string{"disk", "disk", "disk", "disk", "short", "empty", "no descriptor", ""}
	rapid.Check(t, func(t *rapid.T) {
		server, client := rapidPair(t)
		got := received(client)
		c := NewConn(server, Options{})
		count := rapid.IntRange(1, 40).Draw(t, "packets")
		var want [][]byte
		done := 0
		for i := range count {
			head := pattern(i, rapid.SampledFrom([]int{1, 64, 84, smallHead - prefixSize, smallHead, 5000}).Draw(t, "head"))
			p := packet(head)
			p.Done = func() { done++ }
			if name := rapid.SampledFrom(names).Draw(t, "file"); name != "" {
				p.File = files[name]
				p.Off = rapid.Int64Range(0, int64(len(data))).Draw(t, "offset")
				p.N = rapid.SampledFrom([]int{1, 4095, 4096, 32 << 10, 64 << 10, 100_000}).Draw(t, "size")
				want = append(want, expected(head, data[:ends[name]], &p))
			} else {
				want = append(want, head)
			}
			c.Queue(p)
		}
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		if done != count || c.QueuedBytes() != 0 {
			t.Errorf("Done called %d times for %d packets, %d bytes queued", done, count, c.QueuedBytes())
		}
		c.Close()
		msgs := <-got
		if len(msgs) != count {
			t.Fatalf("%d of %d messages came", len(msgs), count)
		}
		for i := range want {
			if !bytes.Equal(msgs[i], want[i]) {
				t.Fatalf("message %d differs", i)
			}
		}
	})
}

// rapidPair is tcpPair for a property, which has no clean-up of its own.
func rapidPair(t *rapid.T) (server, client net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return server, client
}

func TestWhatIsGathered(t *testing.T) {
	file := diskFile(t, pattern(1, 1000))
	half := (pipePages/2 - 1) * pageBytes // beside a head
	of := func(head, n int, off int64) Packet {
		p := Packet{Head: make([]byte, head), N: n, Off: off}
		if n > 0 {
			p.File = file
		}
		return p
	}
	for name, tt := range map[string]struct {
		pkts []Packet
		want bool
	}{
		"two parts":              {[]Packet{of(84, 64<<10, 0), of(84, 64<<10, 64<<10)}, true},
		"one part alone":         {[]Packet{of(84, 64<<10, 0)}, false},
		"one part and a head":    {[]Packet{of(84, 64<<10, 0), of(84, 0, 0)}, false},
		"a head and a part":      {[]Packet{of(84, 0, 0), of(84, 64<<10, 0)}, false},
		"a long head":            {[]Packet{of(84, 64<<10, 0), of(smallHead+1, 64<<10, 0)}, false},
		"as much as fits":        {[]Packet{of(84, half, 0), of(84, half, 0)}, true},
		"a page more":            {[]Packet{of(84, half, 0), of(84, half, 1)}, false},
		"more than the pipe has": {[]Packet{of(84, 1<<20, 0), of(84, 1<<20, 0)}, false},
	} {
		b := &batch{pkts: tt.pkts}
		if got := b.canGather(); got != tt.want {
			t.Errorf("%s: gathered: %v", name, got)
		}
	}
	cold := []Packet{of(84, 64<<10, 0), of(84, 64<<10, 64<<10)}
	for i := range cold {
		cold[i].Cold = true
		if (&batch{pkts: cold}).canGather() {
			t.Error("others wait for what is on a disk")
		}
		cold[i].Cold = false
	}
	begun := &batch{pkts: []Packet{of(84, 1000, 0), of(84, 1000, 0)}, head: 10}
	if begun.canGather() {
		t.Error("what is begun is gathered again")
	}
}

// TestGatheredPartsFillThePipe: as many packets as there is room for leave in one go, and what
// the pipe holds is what they say.
func TestGatheredPartsFillThePipe(t *testing.T) {
	withPipes(t, 1)
	old := gatherTime
	gatherTime = time.Hour // however slow the machine is
	t.Cleanup(func() { gatherTime = old })
	data := pattern(2, 2<<20)
	file := diskFile(t, data)
	b := &batch{}
	var want []byte
	fit := pipePages / (1 + max(1, 64<<10/pageBytes)) // 15 with pages of 4 KiB
	for i := range 20 {
		p := packet(pattern(i, 80))
		p.File, p.Off, p.N = file, int64(i)*64<<10, 64<<10
		b.pkts = append(b.pkts, p)
		if i < fit {
			want = append(append(want, p.Head...), data[p.Off:p.Off+64<<10]...)
		}
	}
	b.gather()
	if b.pipe == nil || b.pipe.in != len(want) {
		t.Fatalf("gathered %+v, want %d bytes", b.pipe, len(want))
	}
	got := make([]byte, len(want))
	for n := 0; n < len(got); {
		k, err := unix.Read(b.pipe.r, got[n:])
		if err != nil {
			t.Fatal(err)
		}
		n += k
	}
	if !bytes.Equal(got, want) {
		t.Error("the pipe holds something else")
	}
	b.pipe.in = 0
	b.pipe.release()
}

// TestGatheredPartsOfSlowPeer: a connection that ends while its pipe is full leaves nothing
// behind, and every packet is done with.
func TestGatheredPartsOfSlowPeer(t *testing.T) {
	noLeak(t)
	withPipes(t, 1)
	file := diskFile(t, pattern(2, 2<<20))
	server, client := tcpPair(t)
	defer client.Close()
	c := NewConn(server, Options{WriteTimeout: time.Minute})
	const count = 400 // more than the kernel buffers
	done := make(chan struct{}, count)
	for i := range count {
		p := packet([]byte("head"))
		p.File, p.Off, p.N = file, int64(i%16)*64<<10, 64<<10
		p.Done = func() { done <- struct{}{} }
		c.Queue(p)
	}
	c.Kick()
	eventually(t, "the pipe to be in use", func() bool {
		pipes.mu.Lock()
		defer pipes.mu.Unlock()
		return pipes.count == 1 && len(pipes.free) == 0
	})
	// What comes is whole, so far.
	head := make([]byte, prefixSize+4)
	if _, err := io.ReadFull(client, head); err != nil || string(head[prefixSize:]) != "head" {
		t.Fatalf("%q, %v", head, err)
	}
	c.Close()
	c.Wait()
	for range count {
		<-done
	}
	pipes.mu.Lock()
	defer pipes.mu.Unlock()
	if pipes.count != len(pipes.free) {
		t.Errorf("%d pipes, %d of them free", pipes.count, len(pipes.free))
	}
}
