package harness

import (
	"encoding/binary"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
)

// Frames counts the messages that passed a Tap in one direction. Compounds count
// by their first message.
type Frames struct {
	Total int
	// Sealed messages begin with a TRANSFORM_HEADER (MS-SMB2 2.2.41).
	Sealed int
	// Signed are those in plain text with SMB2_FLAGS_SIGNED.
	Signed int
	// Bare are those in plain text without a signature which should have one or
	// be sealed, once a session asks for it: everything but NEGOTIATE,
	// SESSION_SETUP and interim replies (MS-SMB2 3.3.4.1.1).
	Bare int
}

// Tap relays connections to a server and counts what passes.
type Tap struct {
	// Addr is where clients connect. Immutable.
	Addr string

	listener net.Listener
	server   string
	running  sync.WaitGroup

	// mu guards what follows. A leaf.
	mu       sync.Mutex
	up, down Frames
	conns    []net.Conn
}

// NewTap starts a relay to the server at addr. It ends with the test.
func NewTap(t testing.TB, addr string) *Tap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Tap{Addr: l.Addr().String(), listener: l, server: addr}
	p.running.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		for _, c := range p.conns {
			_ = c.Close()
		}
		p.mu.Unlock()
		p.running.Wait()
	})
	return p
}

// Counts returns what went to the server and what came from it so far.
func (p *Tap) Counts() (up, down Frames) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.up, p.down
}

func (p *Tap) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, client, server)
		p.mu.Unlock()
		p.running.Go(func() { p.relay(server, client, &p.up) })
		p.running.Go(func() { p.relay(client, server, &p.down) })
	}
}

// relay copies whole frames until either side ends, and then ends both.
func (p *Tap) relay(dst, src net.Conn, count *Frames) {
	defer func() {
		_ = dst.Close()
		_ = src.Close()
	}()
	var frame []byte
	for {
		var prefix [4]byte
		if _, err := io.ReadFull(src, prefix[:]); err != nil {
			return
		}
		n := int(binary.BigEndian.Uint32(prefix[:]) & 0xffffff)
		frame = slices.Grow(frame[:0], len(prefix)+n)[:len(prefix)+n]
		copy(frame, prefix[:])
		if _, err := io.ReadFull(src, frame[4:]); err != nil {
			return
		}
		p.mu.Lock()
		count.add(frame[4:])
		p.mu.Unlock()
		if _, err := dst.Write(frame); err != nil {
			return
		}
	}
}

// add counts one message by its header (MS-SMB2 2.2.1, 2.2.41).
func (f *Frames) add(msg []byte) {
	const (
		headerSize    = 64
		signed        = 0x08
		statusPending = 0x103
		sessionSetup  = 1
	)
	f.Total++
	switch {
	case len(msg) >= 4 && msg[0] == 0xfd:
		f.Sealed++
	case len(msg) < headerSize || msg[0] != 0xfe:
	case binary.LittleEndian.Uint32(msg[16:])&signed != 0:
		f.Signed++
	case binary.LittleEndian.Uint16(msg[12:]) > sessionSetup &&
		binary.LittleEndian.Uint32(msg[8:]) != statusPending:
		f.Bare++
	}
}
