//go:build linux

package localfs_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"lessor/vfs"
	"lessor/vfs/localfs"
)

// program is what a program outside of the server does: it locks a file by a
// descriptor of its own.
type program struct {
	t    *testing.T
	file *os.File
}

func newProgram(t *testing.T, path string) *program {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return &program{t, f}
}

// fcntl does a thing with a range.
func (p *program) fcntl(cmd int, typ int16, off, n int64) (unix.Flock_t, error) {
	lk := unix.Flock_t{Type: typ, Start: off, Len: n}
	err := unix.FcntlFlock(p.file.Fd(), cmd, &lk)
	return lk, err
}

// sees fails the test unless an exclusive lock of [off, off+n) would meet this one.
func (p *program) sees(what string, off, n int64, want unix.Flock_t) {
	p.t.Helper()
	// The classic question and that of open file descriptions, of which the former
	// is asked by nearly everybody.
	for _, cmd := range []int{unix.F_GETLK, unix.F_OFD_GETLK} {
		got, err := p.fcntl(cmd, unix.F_WRLCK, off, n)
		if err != nil {
			p.t.Fatal(err)
		}
		if want.Type == unix.F_UNLCK {
			got.Start, got.Len = 0, 0
		} else {
			want.Pid = -1
		}
		if got.Type != want.Type || got.Start != want.Start || got.Len != want.Len || got.Pid != want.Pid {
			p.t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
}

// lockedFile is a file with a handle.
func lockedFile(t *testing.T, hint, mode vfs.OpenMode) (vfs.Handle, string) {
	t.Helper()
	f, dir := export(t, localfs.Options{})
	path := filepath.Join(dir, "f")
	if err := os.WriteFile(path, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	root := f.Root()
	n, _, err := root.Lookup(t.Context(), nil, "f", vfs.LookupOptions{Hint: hint})
	if err != nil {
		t.Fatal(err)
	}
	h, err := n.Open(t.Context(), nil, mode)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = h.Close()
		n.Release()
		root.Release()
		_ = f.Close()
	})
	return h, path
}

var (
	ctx       = context.Background()
	readWrite = vfs.OpenMode{Read: true, Write: true}
)

// must ends the test on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Whatever descriptors there are, a program sees the locks as the kernel has them.
func TestLocksAreSeenOutside(t *testing.T) {
	modes := []vfs.OpenMode{{}, {Read: true}, {Write: true}, readWrite}
	for _, hint := range modes {
		for _, mode := range modes {
			t.Run(fmt.Sprintf("%v %v", hint, mode), func(t *testing.T) {
				h, path := lockedFile(t, hint, mode)
				p := newProgram(t, path)
				must(t, h.LockRange(ctx, 10, 10, vfs.LockShared))
				p.sees("shared", 0, 0, unix.Flock_t{Type: unix.F_RDLCK, Start: 10, Len: 10})
				must(t, h.LockRange(ctx, 10, 10, vfs.LockExclusive))
				p.sees("exclusive", 0, 0, unix.Flock_t{Type: unix.F_WRLCK, Start: 10, Len: 10})
				must(t, h.LockRange(ctx, 20, math.MaxInt64-20, vfs.LockExclusive))
				p.sees("no end", 0, 0, unix.Flock_t{Type: unix.F_WRLCK, Start: 10, Len: 0})
				must(t, h.LockRange(ctx, 0, math.MaxInt64, vfs.LockNone))
				p.sees("none", 0, 0, unix.Flock_t{Type: unix.F_UNLCK})
			})
		}
	}
}

// What programs have locked, in either way, is refused.
func TestLocksOutsideAreRespected(t *testing.T) {
	for _, cmd := range []int{unix.F_SETLK, unix.F_OFD_SETLK} {
		h, path := lockedFile(t, readWrite, readWrite)
		p := newProgram(t, path)
		set := func(typ int16, off, n int64) {
			t.Helper()
			_, err := p.fcntl(cmd, typ, off, n)
			must(t, err)
		}
		want := func(what string, off, n int64, mode vfs.LockMode, want error) {
			t.Helper()
			if err := h.LockRange(ctx, off, n, mode); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
		}
		set(unix.F_WRLCK, 0, 10)
		set(unix.F_RDLCK, 10, 10)
		want("on an exclusive one", 9, 1, vfs.LockShared, vfs.ErrRangeBusy)
		want("shared with a shared one", 10, 1, vfs.LockShared, nil)
		want("upgrade", 10, 1, vfs.LockExclusive, vfs.ErrRangeBusy)
		want("partly", 19, 2, vfs.LockExclusive, vfs.ErrRangeBusy)
		want("beside", 20, math.MaxInt64, vfs.LockExclusive, nil)
		if _, err := p.fcntl(cmd, unix.F_WRLCK, 15, 10); !errors.Is(err, unix.EAGAIN) {
			t.Errorf("the program: %v", err)
		}
		set(unix.F_UNLCK, 0, 0)
		want("afterwards", 0, 100, vfs.LockExclusive, nil)
		// The end of the handle lets the program in.
		must(t, h.LockRange(ctx, 0, 0, vfs.LockNone))
		p.sees("until the end", 0, 1, unix.Flock_t{Type: unix.F_WRLCK, Start: 0, Len: 0})
	}
}

// The locks of another process, taken and lost by it, count.
func TestLocksOfAnotherProcess(t *testing.T) {
	if path := os.Getenv("LESSOR_TEST_LOCK"); path != "" {
		p := newProgram(t, path)
		if _, err := p.fcntl(unix.F_SETLK, unix.F_WRLCK, 0, 10); err != nil {
			t.Fatal(err)
		}
		fmt.Println("locked")
		_, _ = io.Copy(io.Discard, os.Stdin)
		return
	}
	h, path := lockedFile(t, readWrite, readWrite)
	exe, err := os.Executable()
	must(t, err)
	c := exec.CommandContext(t.Context(), exe, "-test.run=^TestLocksOfAnotherProcess$")
	c.Env = append(os.Environ(), "LESSOR_TEST_LOCK="+path)
	in, err := c.StdinPipe()
	must(t, err)
	out, err := c.StdoutPipe()
	must(t, err)
	must(t, c.Start())
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "locked\n" {
		t.Errorf("%q, %v", line, err)
	}
	if err := h.LockRange(ctx, 5, 10, vfs.LockShared); !errors.Is(err, vfs.ErrRangeBusy) {
		t.Errorf("while it runs: %v", err)
	}
	must(t, in.Close())
	must(t, c.Wait())
	must(t, h.LockRange(ctx, 5, 10, vfs.LockShared))
}

// A Handle that reads a file which may not be opened for writing, here because a
// program has a lease on it, can lock shared and not exclusively.
func TestLocksWithoutWriteAccess(t *testing.T) {
	h, path := lockedFile(t, vfs.OpenMode{Read: true}, vfs.OpenMode{Read: true})
	f, err := os.Open(path)
	must(t, err)
	defer func() { _ = f.Close() }()
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_RDLCK); err != nil {
		t.Skipf("no leases here: %v", err)
	}
	if err := h.LockRange(ctx, 0, 1, vfs.LockExclusive); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("exclusive: %v", err)
	}
	must(t, h.LockRange(ctx, 0, 1, vfs.LockShared))
	_, err = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
	must(t, err)
	newProgram(t, path).sees("shared", 0, 0, unix.Flock_t{Type: unix.F_RDLCK, Start: 0, Len: 1})
}

// Locking takes at most one descriptor, and none where the Handle has one that
// can do it.
func TestLocksAndDescriptors(t *testing.T) {
	for mode, want := range map[vfs.OpenMode]int{readWrite: 0, {Read: true}: 1} {
		h, _ := lockedFile(t, mode, mode)
		before := openFDs(t)
		for i := range int64(20) {
			must(t, h.LockRange(ctx, 2*i, 1, vfs.LockShared))
		}
		if n := openFDs(t) - before; n != want {
			t.Errorf("%+v: %d more descriptors, want %d", mode, n, want)
		}
	}
}
