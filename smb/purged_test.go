package smb

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/rs/zerolog"

	"lessor/locking"
	"lessor/smb/auth"
	"lessor/vfs"
	"lessor/vfs/memfs"
)

// An open from before a restart ends without its client. What is to be deleted is
// deleted then, and nothing else: the open may have been closed before the crash,
// after which the name may have come to stand for another file.
func TestEndOfOpenFromBeforeRestart(t *testing.T) {
	users, err := auth.NewUsers()
	if err != nil {
		t.Fatal(err)
	}
	ntlm, err := auth.NewNTLM(auth.NTLMConfig{Computer: "LESSOR", Accounts: users})
	if err != nil {
		t.Fatal(err)
	}
	log := zerolog.New(zerolog.NewTestWriter(t))
	s, err := New(Config{Auth: auth.NewNegotiator(ntlm), Log: &log})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	files := memfs.New(memfs.Options{})
	if err := s.SetShares([]Share{{Name: "data", FS: files}}); err != nil {
		t.Fatal(err)
	}
	root := files.Root()
	defer root.Release()
	make := func(name string) locking.Key {
		n, err := root.Create(t.Context(), nil, name, vfs.CreateOptions{Type: vfs.TypeRegular})
		if err != nil {
			t.Fatal(err)
		}
		defer n.Release()
		for _, stream := range []string{"Keep", "Drop"} {
			m, err := n.Stream(t.Context(), nil, stream, true)
			if err != nil {
				t.Fatal(err)
			}
			m.Release()
		}
		return locking.Key(n.ID().Key())
	}
	look := func(name string) (streams int, there bool) {
		n, _, err := root.Lookup(t.Context(), nil, name, vfs.LookupOptions{})
		if errors.Is(err, fs.ErrNotExist) {
			return 0, false
		}
		if err != nil {
			t.Fatal(err)
		}
		defer n.Release()
		list, err := n.Streams(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return len(list), true
	}
	a, b := make("a"), make("b")
	end := func(path, stream string, key locking.Key) {
		s.purged(1, nil, locking.Closed{
			Delete: true, Key: key, Volume: s.shares.Load().list[0].space, DeletePath: path, DeleteStream: stream,
			Deleted: func() {},
		})
	}
	end("a", "", b)
	end("a", "DROP", b)
	end("missing", "", b)
	if n, there := look("a"); !there || n != 2 {
		t.Errorf("another file lost something: %d streams, there %v", n, there)
	}
	end("a", "DROP", a)
	if n, there := look("a"); !there || n != 1 {
		t.Errorf("after the end of a stream: %d streams, there %v", n, there)
	}
	end("a", "", a)
	if _, there := look("a"); there {
		t.Error("not deleted")
	}
}
