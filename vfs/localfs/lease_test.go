//go:build linux

package localfs

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"lessor/vfs"
)

// leased opens a new file and takes a lease on it. A call of broken is sent on the
// channel.
func leased(t *testing.T, f *FS, dir string, mode vfs.OpenMode) (path string, h vfs.Handle, end func(), broken chan struct{}) {
	t.Helper()
	path = filepath.Join(dir, "file")
	if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	root := f.Root()
	defer root.Release()
	n, _, err := root.Lookup(t.Context(), nil, "file", vfs.LookupOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Release()
	if h, err = n.Open(t.Context(), nil, mode); err != nil {
		t.Fatal(err)
	}
	broken = make(chan struct{}, 2)
	if end, err = h.Lease(func() { broken <- struct{}{} }); err != nil {
		t.Fatal(err)
	}
	return path, h, end, broken
}

func TestLeaseHoldsOthersUp(t *testing.T) {
	for name, mode := range map[string]vfs.OpenMode{"read": {Read: true}, "read and write": {Read: true, Write: true}} {
		for _, how := range []string{"end", "close"} {
			t.Run(name+", "+how, func(t *testing.T) {
				dir := t.TempDir()
				f, err := New(dir, Options{})
				if err != nil {
					t.Fatal(err)
				}
				path, h, end, broken := leased(t, f, dir, mode)
				program := exec.Command("cat", path)
				out := make(chan string, 1)
				go func() {
					text, _ := program.Output()
					out <- string(text)
				}()
				<-broken
				select {
				case text := <-out:
					t.Errorf("it did not wait: %q", text)
				default:
				}
				if mode.Write {
					if _, err := h.WriteAt([]byte("CONTENT"), 0); err != nil {
						t.Error(err)
					}
				}
				if how == "end" {
					end()
				} else if err := h.Close(); err != nil {
					t.Error(err)
				}
				want := "content"
				if mode.Write {
					want = "CONTENT"
				}
				if text := <-out; text != want {
					t.Errorf("the program read %q, want %q", text, want)
				}
				end() // once more
				if how == "end" {
					if err := h.Close(); err != nil {
						t.Error(err)
					}
				}
				if len(broken) > 0 {
					t.Error("broken was called again")
				}
				end()
				if err := f.Close(); err != nil {
					t.Error(err)
				}
				if f.leases.signals != nil || len(f.leases.held) > 0 {
					t.Error("something is left of the lease")
				}
			})
		}
	}
}

func TestLeaseBesideOthers(t *testing.T) {
	dir := t.TempDir()
	f, err := New(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	path, h, end, broken := leased(t, f, dir, vfs.OpenMode{Read: true})
	if _, err := h.Lease(func() {}); !errors.Is(err, vfs.ErrBusy) {
		t.Errorf("a second lease: %v", err)
	}
	root := f.Root()
	defer root.Release()
	n, _, err := root.Lookup(t.Context(), nil, "file", vfs.LookupOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Release()
	if _, err := n.Open(t.Context(), nil, vfs.OpenMode{Read: true}); !errors.Is(err, vfs.ErrLeased) {
		t.Errorf("another Handle: %v", err)
	}
	<-broken
	end()
	again, err := n.Open(t.Context(), nil, vfs.OpenMode{Read: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Lease(func() {}); !errors.Is(err, vfs.ErrBusy) {
		t.Errorf("a lease of a file that is open twice: %v", err)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Lease(func() {}); !errors.Is(err, vfs.ErrBusy) {
		t.Errorf("a lease of a file that a program has open: %v", err)
	}
	if err := unix.Close(fd); err != nil {
		t.Fatal(err)
	}
	if _, err := again.Lease(func() {}); err != nil {
		t.Error(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	if f.leases.signals != nil || len(f.leases.held) > 0 {
		t.Error("something is left of the lease")
	}
}
