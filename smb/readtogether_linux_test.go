package smb_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"lessor/smb"
	"lessor/test/client"
)

// TestReadsTogether: READs that are there at the same time, of parts that the kernel sends, come back in
// order and whole, from memory and from a disk, up to the end of the file.
func TestReadsTogether(t *testing.T) {
	data := pattern(5<<20 + 777)
	dir, disk := onDisk(t)
	name := filepath.Join(dir, "f")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s := newTestServer(t, disk, func(cfg *smb.Config, _ *smb.Share) { cfg.SigningOptional = true })
	tree := s.connect(t, func(o *client.Options) { o.Credits = 512 })
	f := create(t, tree, client.CreateArgs{Name: "f", Access: client.ReadAccess, Disposition: client.Open})
	r := rand.New(rand.NewPCG(7, 8)) //nolint:gosec // reproducible on purpose
	for range 4 {
		forget(t, name)
		var calls []*client.Call[[]byte]
		var offs, sizes []int
		for range 100 {
			offs = append(offs, r.IntN(len(data)))
			sizes = append(sizes, []int{100, 32 << 10, 64 << 10, 65<<10 + 1, 128 << 10}[r.IntN(5)])
			calls = append(calls, f.StartRead(uint64(offs[len(offs)-1]), sizes[len(sizes)-1]))
		}
		for i, call := range calls {
			got, err := call.Wait(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if want := data[offs[i]:min(offs[i]+sizes[i], len(data))]; !bytes.Equal(got, want) {
				t.Fatalf("read %d: %d bytes from %d, want %d, or they differ", i, len(got), offs[i], len(want))
			}
		}
	}
}

// forget makes the system forget what it has of a file in memory, as far as it wants.
func forget(t *testing.T, name string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		t.Fatal(err)
	}
}
