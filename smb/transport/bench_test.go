package transport

import (
	"fmt"
	"net"
	"testing"
	"time"
)

// echo answers each frame with one of the same size until the end of the stream.
// Like the server it holds replies back while more requests are in memory.
func echo(c *Conn) {
	defer c.Close()
	for {
		f, err := c.ReadFrame()
		if err != nil {
			return
		}
		b := Get(prefixSize + len(f.Data))
		copy(b.B[prefixSize:], f.Data)
		f.Release()
		c.Queue(Packet{Buf: b, Head: b.B})
		if !c.Buffered() && c.Flush() != nil {
			return
		}
	}
}

// BenchmarkEcho is the round trip of 128 bytes with some of them in flight; a
// run is one message there and back.
func BenchmarkEcho(b *testing.B) {
	for _, depth := range []int{1, 32} {
		b.Run(fmt.Sprintf("depth=%d", depth), func(b *testing.B) {
			server, client := tcpPair(b)
			o := Options{FrameTimeout: time.Minute, WriteTimeout: time.Minute}
			go echo(NewConn(server, o))
			c := NewConn(client, o)
			defer c.Close()
			send := func(n int) {
				for range n {
					buf := Get(prefixSize + 128)
					c.Queue(Packet{Buf: buf, Head: buf.B})
				}
				if err := c.Flush(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			b.ResetTimer()
			send(min(depth, b.N))
			sent := min(depth, b.N)
			for got, owed := 0, 0; got < b.N; got++ {
				f, err := c.ReadFrame()
				if err != nil {
					b.Fatal(err)
				}
				f.Release()
				if owed++; !c.Buffered() {
					n := min(owed, b.N-sent)
					if n > 0 {
						send(n)
					}
					sent += n
					owed = 0
				}
			}
		})
	}
}

// BenchmarkRead is what a READ of 1 MiB costs the transport: a request of 117
// bytes, a reply with the file's part by sendfile, or read into a buffer first.
func BenchmarkRead(b *testing.B) {
	const size = 1 << 20
	file := diskFile(b, pattern(1, 64<<20))
	for _, how := range []string{"sendfile", "pread+write"} {
		for _, depth := range []int{1, 8} {
			b.Run(fmt.Sprintf("%s/depth=%d", how, depth), func(b *testing.B) {
				server, client := tcpPair(b)
				o := Options{FrameTimeout: time.Minute, WriteTimeout: time.Minute}
				go serveReads(NewConn(server, o), file, size, how == "sendfile")
				b.SetBytes(size)
				b.ReportAllocs()
				b.ResetTimer()
				readReplies(b, client, depth, prefixSize+80+size)
			})
		}
	}
}

func serveReads(c *Conn, file osFile, size int, sendfile bool) {
	defer c.Close()
	sender := FileSender(file)
	for off := int64(0); ; off = (off + int64(size)) % (64 << 20) {
		f, err := c.ReadFrame()
		if err != nil {
			return
		}
		f.Release()
		if sendfile {
			buf := Get(prefixSize + 80)
			c.Queue(Packet{Buf: buf, Head: buf.B, File: sender, Off: off, N: size})
		} else {
			buf := Get(prefixSize + 80 + size)
			if _, err := file.ReadAt(buf.B[prefixSize+80:], off); err != nil {
				return
			}
			c.Queue(Packet{Buf: buf, Head: buf.B})
		}
		if c.Flush() != nil {
			return
		}
	}
}

// readReplies plays a client that costs as little as possible.
func readReplies(b *testing.B, client *net.TCPConn, depth, reply int) {
	defer client.Close()
	request := framed(make([]byte, 117))
	buf := make([]byte, 256<<10)
	sent, asked, got := 0, 0, 0
	for sent = 0; sent < min(depth, b.N); sent++ {
		if _, err := client.Write(request); err != nil {
			b.Fatal(err)
		}
	}
	for asked = sent; got < b.N*reply; {
		n, err := client.Read(buf)
		if err != nil {
			b.Fatal(err)
		}
		for before := got / reply; before < (got+n)/reply && asked < b.N; before++ {
			if _, err := client.Write(request); err != nil {
				b.Fatal(err)
			}
			asked++
		}
		got += n
	}
}

// BenchmarkWrite is what a WRITE of 1 MiB costs the transport: read into one
// buffer, answered with 84 bytes.
func BenchmarkWrite(b *testing.B) {
	const size = 1 << 20
	for _, depth := range []int{1, 8} {
		b.Run(fmt.Sprintf("depth=%d", depth), func(b *testing.B) {
			server, client := tcpPair(b)
			defer client.Close()
			c := NewConn(server, Options{FrameTimeout: time.Minute, WriteTimeout: time.Minute})
			go func() {
				defer c.Close()
				for {
					f, err := c.ReadFrame()
					if err != nil {
						return
					}
					f.Release()
					buf := Get(prefixSize + 84)
					c.Queue(Packet{Buf: buf, Head: buf.B})
					if c.Flush() != nil {
						return
					}
				}
			}()
			slots := make(chan struct{}, depth)
			finished := make(chan struct{})
			n := b.N
			b.SetBytes(size)
			b.ReportAllocs()
			b.ResetTimer()
			go func() {
				defer close(finished)
				peer := NewConn(client, Options{})
				for range n {
					f, err := peer.ReadFrame()
					if err != nil {
						b.Error(err)
						return
					}
					f.Release()
					<-slots
				}
				peer.Close()
			}()
			request := framed(make([]byte, 112+size))
			for range n {
				slots <- struct{}{}
				if _, err := client.Write(request); err != nil {
					b.Fatal(err)
				}
			}
			<-finished
		})
	}
}
