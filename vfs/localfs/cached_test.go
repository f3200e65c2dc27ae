//go:build linux

package localfs

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"testing"

	"lessor/vfs"
)

// Whichever way a file is read, it reads the same, and a file system that does not
// know the way falls back to the ordinary one.
func TestReadWays(t *testing.T) {
	f, _ := newLocal(t, Options{})
	n := newFile(t, f, "a")
	h, err := n.Open(t.Context(), nil, vfs.OpenMode{Read: true, Write: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = h.Close() }()
	want := make([]byte, 3*readAtOnce+777)
	rnd := rand.NewChaCha8([32]byte{1})
	_, _ = rnd.Read(want)
	if _, err := h.WriteAt(want, 0); err != nil {
		t.Fatal(err)
	}
	opened, ok := h.(*file)
	if !ok {
		t.Fatalf("a %T was opened", h)
	}
	before, _ := readWays.Load(n.id.Volume)
	t.Cleanup(func() {
		if before == nil {
			readWays.Delete(n.id.Volume)
		} else {
			readWays.Store(n.id.Volume, before)
		}
	})
	for name, w := range map[string]readWay{"unknown": readUnknown, "ordinary": readOrdinary, "no wait": readNoWait, "doubt": readDoubt, "memory": readMemory} {
		t.Run(name, func(t *testing.T) {
			for _, span := range [][2]int{{0, 1}, {0, len(want)}, {5, 4096}, {1, 2*readAtOnce + 3}, {len(want) - 1, 1}, {100, 0}} {
				opened.reading.Store(uint32(w))
				got := bytes.Repeat([]byte{0xaa}, span[1])
				if k, err := h.ReadAt(got, int64(span[0])); err != nil || k != span[1] || !bytes.Equal(got, want[span[0]:span[0]+span[1]]) {
					t.Errorf("%v: %d, %v, or other bytes", span, k, err)
				}
			}
			for off, left := range map[int]int{len(want) - 3: 3, len(want): 0, len(want) + 1: 0, len(want) - readAtOnce - 9: readAtOnce + 9} {
				opened.reading.Store(uint32(w))
				got := make([]byte, left+readAtOnce)
				if k, err := h.ReadAt(got, int64(off)); !errors.Is(err, io.EOF) || k != left || !bytes.Equal(got[:left], want[len(want)-left:]) {
					t.Errorf("from %d on: %d, %v, or other bytes", off, k, err)
				}
			}
		})
	}
}

// Linux 5.9 and 5.10 may say with RWF_NOWAIT that a file ends where it does not: it would be cut
// short for who copies it.
func TestReadEnds(t *testing.T) {
	for release, want := range map[string]bool{
		"5.10.0-28-amd64": false, "5.9.1": false, "5.4.0-150-generic": false, "4.18.0-553.el8": false, "": false, "linux": false,
		"5.11.0": true, "5.15.0-91-generic": true, "6.1.0-13-amd64": true, "6.12.95+deb13-amd64": true, "10.0": true,
	} {
		if got := endsAreTrue(release); got != want {
			t.Errorf("%q: %v", release, got)
		}
	}
	f, _ := newLocal(t, Options{})
	h := &file{node: newFile(t, f, "a")}
	h.fd = h.node.fd
	for way, want := range map[readWay]error{readDoubt: nil, readNoWait: io.EOF} {
		h.reading.Store(uint32(way))
		n, err := h.readCached(make([]byte, 10), 0)
		if h.way() == readOrdinary {
			t.Skip("the file system does not know RWF_NOWAIT")
		}
		if n != 0 || !errors.Is(err, want) {
			t.Errorf("way %d: at the end of the file %d bytes, %v", way, n, err)
		}
	}
}

// A descriptor that cannot be read fails as pread says, and not without end.
func TestReadWaysFail(t *testing.T) {
	f, dir := newLocal(t, Options{})
	n := newFile(t, f, "a")
	w, err := os.OpenFile(dir+"/a", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	h := &file{node: n, fd: int(w.Fd()), mode: vfs.OpenMode{Read: true}}
	for _, way := range []readWay{readOrdinary, readNoWait, readDoubt, readMemory} {
		h.reading.Store(uint32(way))
		if k, err := h.ReadAt(make([]byte, 10), 0); k != 0 || err == nil || errors.Is(err, io.EOF) {
			t.Errorf("way %d: %d, %v", way, k, err)
		}
	}
}
