package transport

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"testing"
)

// chunkedConn delivers a stream in pieces.
type chunkedConn struct {
	net.Conn
	stream []byte
	chunk  int
}

func (c *chunkedConn) Read(p []byte) (int, error) {
	if len(c.stream) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.stream[:min(c.chunk, len(c.stream))])
	c.stream = c.stream[n:]
	return n, nil
}

func (c *chunkedConn) Close() error { return nil }

// parse is the framing as a specification: the messages of a stream, and how it
// ends.
func parse(stream []byte, maxFrame int) (msgs [][]byte, end error) {
	for len(stream) > 0 {
		if len(stream) < prefixSize {
			return msgs, io.ErrUnexpectedEOF
		}
		word := binary.BigEndian.Uint32(stream)
		rest := stream[prefixSize:]
		n := int(word & 0xffffff)
		switch {
		case word == sessionKeepalive<<24:
			n = 0
		case word>>24 != 0:
			return msgs, ErrBadPrefix
		case n > maxFrame:
			return msgs, ErrFrameTooLarge
		case n > len(rest):
			return msgs, io.ErrUnexpectedEOF
		default:
			msgs = append(msgs, rest[:n])
		}
		stream = rest[n:]
	}
	return msgs, io.EOF
}

func FuzzReadFrame(f *testing.F) {
	f.Add(framed([]byte("a"), nil, []byte("bc")), uint16(1), uint32(100))
	f.Add(append([]byte{sessionKeepalive, 0, 0, 0}, framed(make([]byte, 9000))...), uint16(4096), uint32(9000))
	f.Add([]byte{0, 0xff, 0xff, 0xff, 1}, uint16(3), uint32(maxLength))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), uint16(7), uint32(1000))
	f.Fuzz(func(t *testing.T, stream []byte, chunk uint16, maxFrame uint32) {
		base := LiveBuffers()
		limit := 1 + int(maxFrame%maxLength)
		c := NewConn(&chunkedConn{stream: stream, chunk: 1 + int(chunk)}, Options{MaxFrame: limit})
		want, end := parse(stream, limit)
		var frames []Frame
		for {
			fr, err := c.ReadFrame()
			if err != nil {
				if err != end {
					t.Fatalf("the stream ends with %v, want %v", err, end)
				}
				break
			}
			frames = append(frames, fr)
			if len(frames) > len(want) {
				t.Fatalf("more than %d frames", len(want))
			}
		}
		for i, fr := range frames {
			if !bytes.Equal(fr.Data, want[i]) {
				t.Fatalf("frame %d differs", i)
			}
			fr.Release()
		}
		if len(frames) != len(want) {
			t.Fatalf("%d frames, want %d", len(frames), len(want))
		}
		c.Close()
		if n := LiveBuffers() - base; n != 0 {
			t.Fatalf("%d buffers were not given back", n)
		}
	})
}
