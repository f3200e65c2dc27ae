package transport

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// memFile is a file without a descriptor.
type memFile struct {
	data []byte
	err  error // at the end of data, instead of io.EOF
}

func (f *memFile) Fd() (uintptr, bool) { return 0, false }

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	if off < int64(len(f.data)) {
		if n := copy(p, f.data[off:]); n == len(p) {
			return n, nil
		} else if f.err == nil {
			return n, io.EOF
		} else {
			return n, f.err
		}
	}
	if f.err != nil {
		return 0, f.err
	}
	return 0, io.EOF
}

// osFile is a file of the operating system.
type osFile struct{ *os.File }

func (f osFile) Fd() (uintptr, bool) { return f.File.Fd(), true }

// diskFile is a FileSender with the given contents.
func diskFile(tb testing.TB, data []byte) osFile {
	tb.Helper()
	name := filepath.Join(tb.TempDir(), "file")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		tb.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { f.Close() })
	return osFile{f}
}

func TestSendFile(t *testing.T) {
	const size = 3<<20 + 17
	data := pattern(9, size)
	files := map[string]FileSender{"disk": diskFile(t, data), "memory": &memFile{data: data}}
	tests := []struct {
		name string
		off  int64
		n    int
	}{
		{"start", 0, 1000}, {"middle", 12345, 1 << 20}, {"all", 0, size},
		{"one byte", size - 1, 1}, {"short by one", 7, size - 6},
		{"short in the middle", size - 5000, 500000}, {"wholly behind the end", size + 10, 70000},
		{"nothing", 100, 0},
	}
	for name, file := range files {
		t.Run(name, func(t *testing.T) {
			overPairs(t, func(t *testing.T, server, client net.Conn) {
				got := received(client)
				c := NewConn(server, Options{})
				var want [][]byte
				done := 0
				for i, tt := range tests {
					p := packet(pattern(i, 80))
					p.File, p.Off, p.N = file, tt.off, tt.n
					p.Done = func() { done++ }
					c.Queue(p)
					c.Queue(packet(pattern(i, i)))
					part := make([]byte, tt.n)
					if tt.off < size {
						copy(part, data[tt.off:])
					}
					want = append(want, append(pattern(i, 80), part...), pattern(i, i))
				}
				if err := c.Flush(); err != nil {
					t.Fatal(err)
				}
				if done != len(tests) || c.QueuedBytes() != 0 {
					t.Errorf("Done called %d times, %d bytes queued", done, c.QueuedBytes())
				}
				c.Close()
				msgs := <-got
				if len(msgs) != len(want) {
					t.Fatalf("%d of %d messages came", len(msgs), len(want))
				}
				for i := range want {
					if !bytes.Equal(msgs[i], want[i]) {
						t.Errorf("%s: message %d differs", tests[i/2].name, i)
					}
				}
			})
		})
	}
}

func TestFileThatCannotBeReadClosesTheConnection(t *testing.T) {
	broken := errors.New("medium error")
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	for name, file := range map[string]FileSender{
		"memory":    &memFile{data: make([]byte, 100), err: broken},
		"directory": osFile{dir}, // sendfile refuses, and so does pread
	} {
		t.Run(name, func(t *testing.T) {
			overPairs(t, func(t *testing.T, server, client net.Conn) {
				got := received(client)
				c := NewConn(server, Options{})
				done := 0
				p := packet([]byte("promise"))
				p.File, p.N = file, 1000
				p.Done = func() { done++ }
				c.Queue(p)
				c.Queue(packet([]byte("next")))
				err := c.Flush()
				if err == nil || errors.Is(err, net.ErrClosed) {
					t.Errorf("Flush: %v, want the error of the file", err)
				}
				if name == "memory" && !errors.Is(err, broken) {
					t.Errorf("Flush: %v, want %v", err, broken)
				}
				if msgs := <-got; len(msgs) != 0 {
					t.Errorf("%d messages came through", len(msgs))
				}
				if done != 1 {
					t.Errorf("Done called %d times", done)
				}
			})
		})
	}
}

// pipeFile has a descriptor that sendfile cannot use.
type pipeFile struct {
	memFile
	fd uintptr
}

func (f *pipeFile) Fd() (uintptr, bool) { return f.fd, true }

func TestFileThatSendfileRefusesIsCopied(t *testing.T) {
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	overPairs(t, func(t *testing.T, server, client net.Conn) {
		got := received(client)
		c := NewConn(server, Options{})
		data := pattern(3, 600000)
		p := packet([]byte("head"))
		p.File, p.N = &pipeFile{memFile{data: data}, dir.Fd()}, len(data)
		c.Queue(p)
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		c.Close()
		if msgs := <-got; len(msgs) != 1 || !bytes.Equal(msgs[0], append([]byte("head"), data...)) {
			t.Errorf("%d messages came, or with other contents", len(msgs))
		}
	})
}
