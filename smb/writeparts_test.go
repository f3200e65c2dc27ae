package smb_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lessor/smb"
	"lessor/smb/ntstatus"
	"lessor/smb/transport"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/vfs"
	"lessor/vfs/errfs"
	"lessor/vfs/memfs"
)

const (
	// longWrite is from what length on a WRITE is carried out while it comes in.
	longWrite = 256 << 10
	// early is as much of it as brings its first part.
	early = 130 << 10
	page  = 4096
)

// valve is a client's end of a connection that can hold back the end of a long message, and
// what is sent after it.
type valve struct {
	net.Conn
	mu      sync.Mutex // leaf, held while it writes; guards what follows
	most    int        // of the next long message, so much passes; 0: all
	holding bool
	held    []byte
}

// arm lets n bytes of the next long message pass.
func (v *valve) arm(n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.most = n
}

// Write is that of the connection, unless something is held back.
func (v *valve) Write(b []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case v.holding:
		v.held = append(v.held, b...)
		return len(b), nil
	case v.most > 0 && len(b) >= longWrite:
		n := min(v.most, len(b))
		v.most, v.holding = 0, true
		v.held = append(v.held, b[n:]...)
		_, err := v.Conn.Write(b[:n])
		return len(b), err
	}
	return v.Conn.Write(b)
}

// pass lets n bytes more through.
func (v *valve) pass(n int) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	n = min(n, len(v.held))
	_, err := v.Conn.Write(v.held[:n])
	v.held = v.held[n:]
	return err
}

// open lets everything through.
func (v *valve) open() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	_, err := v.Conn.Write(v.held)
	v.held, v.holding = nil, false
	return err
}

// writeLog is what the storage was asked to write.
type writeLog struct {
	mu    sync.Mutex // leaf; guards list
	list  []errfs.Call
	total atomic.Int64 // bytes
}

// logWrites begins a log of the writes to a file.
func logWrites(fs *errfs.FS, name string) *writeLog {
	l := &writeLog{}
	fs.Add(errfs.Rule{Op: errfs.OpWriteAt, Path: name, Hook: func(_ context.Context, c errfs.Call) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.list = append(l.list, c)
		l.total.Add(c.Len)
		return nil
	}})
	return l
}

// take returns what was logged since it was last called.
func (l *writeLog) take() []errfs.Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.list
	l.list = nil
	l.total.Store(0)
	return list
}

// sliding is a server whose storage can fail, and whose clients need not sign.
type sliding struct {
	*testServer
	fs *errfs.FS
}

func newSliding(t *testing.T, tweaks ...func(*smb.Config, *smb.Share)) *sliding {
	t.Helper()
	fs := errfs.New(memfs.New(memfs.Options{}))
	tweaks = append(tweaks, func(c *smb.Config, sh *smb.Share) { c.SigningOptional, sh.FS = true, fs })
	return &sliding{newTestServer(t, tweaks...), fs}
}

// slider is a client whose messages can be held back.
type slider struct {
	*client.Tree
	*valve
	answers atomic.Int64 // to WRITEs, interim ones not counted
}

// slide connects one.
func (s *sliding) slide(t *testing.T) *slider {
	t.Helper()
	c := &slider{}
	c.Tree = s.connect(t, func(o *client.Options) {
		o.Timeout = time.Minute
		o.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
			nc, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
			c.valve = &valve{Conn: nc}
			return c.valve, err
		}
		o.OnMessage = func(h *wire.Header, _ []byte) {
			if h.Command == wire.CmdWrite && h.Status != uint32(ntstatus.Pending) {
				c.answers.Add(1)
			}
		}
	})
	if c.Session.Signing() {
		t.Fatal("the session signs")
	}
	return c
}

// start sends a WRITE of which n bytes pass.
func (c *slider) start(f *client.File, off uint64, data []byte, n int) *client.Call[int] {
	c.arm(n)
	return f.StartWrite(off, data)
}

// mustOpen lets everything through.
func (c *slider) mustOpen(t *testing.T) {
	t.Helper()
	if err := c.open(); err != nil {
		t.Fatal(err)
	}
}

// lives sees that the connection goes on, long messages included.
func (c *slider) lives(t *testing.T) {
	t.Helper()
	mustBe(t, "echo", c.Session.Conn.Echo(t.Context()), ntstatus.Success)
	f := create(t, c.Tree, client.CreateArgs{Name: "lives"})
	data := pattern(longWrite)
	if n, err := f.Write(t.Context(), 0, data); n != len(data) || err != nil {
		t.Fatalf("another WRITE: %d, %v", n, err)
	}
	mustBe(t, "close", f.Close(t.Context()), ntstatus.Success)
}

// unanswered fails the test if a WRITE that is not complete has a reply.
func unanswered(t *testing.T, p *client.Call[int]) {
	t.Helper()
	select {
	case <-p.Done():
		_, err := p.Wait(t.Context())
		t.Fatalf("a WRITE is answered before it is complete: %v", err)
	default:
	}
}

// holds fails the test unless a file is this, for another client.
func (s *sliding) holds(t *testing.T, name string, want []byte) {
	t.Helper()
	got, err := s.connect(t).ReadFile(t.Context(), name)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%s: %d bytes that differ from the %d wanted, %v", name, len(got), len(want), err)
	}
}

// TestWritePartsComeEarly: what has come is in the file before the rest is sent, and each
// page of the file is written once.
func TestWritePartsComeEarly(t *testing.T) {
	s := newSliding(t)
	log := logWrites(s.fs, "f*")
	c, other := s.slide(t), s.connect(t)
	for _, size := range []int{longWrite, longWrite + 1, 1 << 20, 3<<20 + 7} {
		for _, off := range []int{0, 1, 4095, 4096, 12345} {
			name, data := fmt.Sprintf("f%d+%d", off, size), pattern(size)
			f := create(t, c.Tree, client.CreateArgs{Name: name})
			before := c.answers.Load()
			call := c.start(f, uint64(off), data, early)
			first := 0
			eventually(t, "a part is in the file", func() bool {
				got, err := other.ReadFile(t.Context(), name)
				if err != nil {
					t.Fatal(err)
				}
				if first = len(got) - off; first <= 0 {
					return false
				}
				if first >= early || !bytes.Equal(got[off:], data[:first]) {
					t.Fatalf("%s begins with other bytes, %d of them", name, first)
				}
				return true
			})
			unanswered(t, call)
			c.mustOpen(t)
			if n, err := call.Wait(t.Context()); n != size || err != nil {
				t.Fatalf("%s: %d, %v", name, n, err)
			}
			got, err := other.ReadFile(t.Context(), name)
			if err != nil || !bytes.Equal(got, append(make([]byte, off), data...)) {
				t.Fatalf("%s differs: %d bytes, %v", name, len(got), err)
			}
			mustBe(t, "close", f.Close(t.Context()), ntstatus.Success)
			if n := c.answers.Load() - before; n != 1 {
				t.Errorf("%s: %d answers", name, n)
			}
			inPages(t, name, log.take(), off, size)
		}
	}
}

// inPages looks at how a WRITE of size bytes was cut.
func inPages(t *testing.T, what string, list []errfs.Call, off, size int) {
	t.Helper()
	at := int64(off)
	for i, w := range list {
		if w.Off != at {
			t.Fatalf("%s: part %d begins at %d, want %d", what, i, w.Off, at)
		}
		at += w.Len
		if i < len(list)-1 && at%page != 0 {
			t.Errorf("%s: part %d ends at %d", what, i, at)
		}
	}
	if at != int64(off+size) || len(list) < 2 {
		t.Errorf("%s: %d parts to %d", what, len(list), at)
	}
}

// TestWritePartsSeeLocksAhead: who has locked what is still to come keeps all of it from being
// written.
func TestWritePartsSeeLocksAhead(t *testing.T) {
	s := newSliding(t)
	log := logWrites(s.fs, "f")
	c := s.slide(t)
	f := create(t, c.Tree, client.CreateArgs{Name: "f"})
	locker := create(t, s.connect(t), client.CreateArgs{Name: "f"})
	const size = 1 << 20
	mustBe(t, "lock", locker.Lock(t.Context(), client.Exclusive(size-10, 1)), ntstatus.Success)
	call := c.start(f, 0, pattern(size), size-100)
	unanswered(t, call)
	c.mustOpen(t)
	_, err := call.Wait(t.Context())
	mustBe(t, "write", err, ntstatus.FileLockConflict)
	if list := log.take(); len(list) > 0 {
		t.Errorf("%+v was written", list)
	}
	c.lives(t)
	if n := c.answers.Load(); n != 2 {
		t.Errorf("%d answers", n)
	}
}

// TestWritePartsMeetFaults: what goes wrong with a part ends the WRITE there, and is told when
// all of it has come.
func TestWritePartsMeetFaults(t *testing.T) {
	const size = 3 << 20
	for what, isIt := range map[string]func(i int, c errfs.Call) bool{
		"first":  func(i int, _ errfs.Call) bool { return i == 0 },
		"middle": func(i int, _ errfs.Call) bool { return i == 1 },
		"last":   func(_ int, c errfs.Call) bool { return c.Off+c.Len == size },
	} {
		for err, want := range map[error]ntstatus.Status{vfs.ErrIO: ntstatus.UnexpectedIoError, vfs.ErrNoSpace: ntstatus.DiskFull} {
			t.Run(what+" "+want.String(), func(t *testing.T) {
				s := newSliding(t)
				c := s.slide(t)
				f := create(t, c.Tree, client.CreateArgs{Name: "f"})
				credits := c.Session.Conn.Credits()
				var calls, failed atomic.Int64
				s.fs.Add(errfs.Rule{Op: errfs.OpWriteAt, Path: "f", Hook: func(_ context.Context, w errfs.Call) error {
					if failed.Load() > 0 {
						t.Errorf("a write at %d after the error", w.Off)
					}
					if isIt(int(calls.Add(1))-1, w) {
						failed.Add(1)
						return err
					}
					return nil
				}})
				call := c.start(f, 0, pattern(size), size-100)
				if what == "first" {
					eventually(t, "the error", func() bool { return failed.Load() > 0 })
				}
				unanswered(t, call)
				c.mustOpen(t)
				n, got := call.Wait(t.Context())
				mustBe(t, "write", got, want)
				if n != 0 || calls.Load() < 2 && what != "first" {
					t.Errorf("%d bytes in %d parts", n, calls.Load())
				}
				credits += int(c.Session.Conn.Options().Credits) - size/65536
				if n := c.Session.Conn.Credits(); n != credits {
					t.Errorf("%d credits, want %d", n, credits)
				}
				c.lives(t)
				if n := c.answers.Load(); n != 2 {
					t.Errorf("%d answers", n)
				}
			})
		}
	}
}

// TestWritePartsAreRefusedAlike: a WRITE that may not be is answered as one is that is not
// divided because it is signed.
func TestWritePartsAreRefusedAlike(t *testing.T) {
	s := newSliding(t)
	if err := s.connect(t).WriteFile(t.Context(), "f", nil); err != nil {
		t.Fatal(err)
	}
	c := s.slide(t)
	signs := s.connect(t, func(o *client.Options) { o.SignRequired = true })
	pipes := s.connectTo(t, "IPC$")
	signedPipes := s.connectTo(t, "IPC$", func(o *client.Options) { o.SignRequired = true })
	data := pattern(longWrite + 5)
	closed := func(t *testing.T, tree *client.Tree) *client.File {
		f := create(t, tree, client.CreateArgs{Name: "f"})
		mustBe(t, "close", f.Close(t.Context()), ntstatus.Success)
		return f
	}
	args := func(a client.CreateArgs) func(*testing.T, *client.Tree) *client.File {
		return func(t *testing.T, tree *client.Tree) *client.File { return create(t, tree, a) }
	}
	for _, k := range []struct {
		what string
		open func(*testing.T, *client.Tree) *client.File
		off  uint64
		want ntstatus.Status
		pipe bool
	}{
		{"read-only", args(client.CreateArgs{Name: "f", Access: client.ReadAccess}), 0, ntstatus.AccessDenied, false},
		{"directory", args(client.CreateArgs{Name: "d", Directory: true, Access: client.ListDirectory}), 0, ntstatus.InvalidDeviceRequest, false},
		{"append at the end", args(client.CreateArgs{Name: "a", Access: wire.AccessAppendData, Disposition: client.OverwriteIf}), 0, ntstatus.Success, false},
		{"append before it", args(client.CreateArgs{Name: "a", Access: wire.AccessAppendData}), 0, ntstatus.AccessDenied, false},
		{"append wherever it is", args(client.CreateArgs{Name: "a", Access: wire.AccessAppendData}), 1<<64 - 1, ntstatus.Success, false},
		{"too far", args(client.CreateArgs{Name: "f"}), 0xfffffff0000 - 1000, ntstatus.InvalidParameter, false},
		{"closed", closed, 0, ntstatus.FileClosed, false},
		{"unknown", func(_ *testing.T, tree *client.Tree) *client.File {
			return &client.File{Tree: tree, ID: wire.FileID{Persistent: 77777, Volatile: 77777}}
		}, 0, ntstatus.FileClosed, false},
		{"halves that differ", func(t *testing.T, tree *client.Tree) *client.File {
			f := create(t, tree, client.CreateArgs{Name: "f"})
			f.ID.Persistent++
			return f
		}, 0, ntstatus.FileClosed, false},
		{"pipe", args(client.CreateArgs{Name: "srvsvc"}), 0, 0, true},
	} {
		whole, parts := signs, c.Tree
		if k.pipe {
			whole, parts = signedPipes, pipes
		}
		n, err := k.open(t, whole).Write(t.Context(), k.off, data)
		if !k.pipe {
			mustBe(t, k.what+", whole", err, k.want)
		}
		m, got := k.open(t, parts).Write(t.Context(), k.off, data)
		if m != n || !errors.Is(got, err) {
			t.Errorf("%s: %d, %v, want %d, %v", k.what, m, got, n, err)
		}
		c.lives(t)
	}
	s.holds(t, "a", bytes.Repeat(data, 3))
	s.holds(t, "f", nil)
	mustBe(t, "echo", pipes.Session.Conn.Echo(t.Context()), ntstatus.Success)
}

// TestWritePartsOfClosedOpen: an open that is closed while its WRITE comes in.
func TestWritePartsOfClosedOpen(t *testing.T) {
	s := newSliding(t)
	for what, end := range map[string]func(f *client.File) ntstatus.Status{
		"open": func(f *client.File) ntstatus.Status {
			if !s.CloseOpen(f.ID.Volatile) {
				t.Error("there is no such open")
			}
			return ntstatus.FileClosed
		},
		"file": func(f *client.File) ntstatus.Status {
			if list, ok := s.CloseFile("data", f.Name); len(list) != 1 || !ok {
				t.Error("there is no such file")
			}
			return ntstatus.FileClosed
		},
	} {
		t.Run(what, func(t *testing.T) {
			c := s.slide(t)
			f := create(t, c.Tree, client.CreateArgs{Name: what})
			log := logWrites(s.fs, what)
			data := pattern(1 << 20)
			call := c.start(f, 0, data, early)
			eventually(t, "the first part", func() bool { return log.total.Load() > 0 })
			want := end(f)
			unanswered(t, call)
			c.mustOpen(t)
			_, err := call.Wait(t.Context())
			mustBe(t, "write", err, want)
			c.lives(t)
			got, err := s.connect(t).ReadFile(t.Context(), what)
			if err != nil || len(got) >= early || !bytes.Equal(got, data[:len(got)]) {
				t.Errorf("%d bytes are in the file, %v", len(got), err)
			}
		})
	}
}

// TestWritePartsOfCutConnection: the client is gone in the middle. What has come is in the
// file; nothing else stays.
func TestWritePartsOfCutConnection(t *testing.T) {
	base := transport.LiveBuffers()
	s := newSliding(t)
	for _, sent := range []int{early, 300 << 10, 1<<20 - 1} {
		c := s.slide(t)
		name, data := fmt.Sprint("f", sent), pattern(1<<20)
		log := logWrites(s.fs, name)
		f := create(t, c.Tree, client.CreateArgs{Name: name})
		call := c.start(f, 0, data, sent)
		eventually(t, "the first part", func() bool { return log.total.Load() > 0 })
		_ = c.Session.Conn.Close()
		if _, err := call.Wait(t.Context()); !errors.Is(err, client.ErrClosed) {
			t.Errorf("the WRITE: %v", err)
		}
		eventually(t, "the open is gone", func() bool { _, ok := s.FindOpen(f.ID.Volatile); return !ok })
		eventually(t, "the connection is gone", func() bool { return len(s.Status().Connections) == 0 })
		other := s.connect(t)
		got, err := other.ReadFile(t.Context(), name)
		if err != nil || len(got) == 0 || len(got)%page != 0 || !bytes.Equal(got, data[:len(got)]) {
			t.Errorf("%d bytes are in the file, %v", len(got), err)
		}
		_ = other.Session.Conn.Close()
		eventually(t, "the other connection is gone", func() bool { return len(s.Status().Connections) == 0 })
	}
	mustClose(t, s)
	eventually(t, "all buffers are back", func() bool { return transport.LiveBuffers() == base })
}

// mustClose closes a server, in time.
func mustClose(t *testing.T, s *sliding) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- s.Close() }()
	select {
	case err := <-done:
		mustBe(t, "close", err, ntstatus.Success)
	case <-time.After(30 * time.Second):
		t.Fatal("the server does not end")
	}
}
