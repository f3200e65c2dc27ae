package smb_test

import (
	"testing"

	"lessor/smb"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/vfs/memfs"
)

// TestCloseReleasesDisconnectedOpens: a server that ends gives back what it holds
// for durable opens whose clients are gone.
func TestCloseReleasesDisconnectedOpens(t *testing.T) {
	fs := memfs.New(memfs.Options{})
	srv := newTestServer(t, func(_ *smb.Config, s *smb.Share) { s.FS = fs })
	tree := srv.connect(t)
	create(t, tree, client.CreateArgs{Name: "kept", Oplock: wire.OplockBatch, Durable: &client.Durable{}})
	if err := tree.Session.Conn.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the open waits for its client", func() bool { return srv.Status().Locks.DurableHeld == 1 })
	for range 2 { // a second Close must not give back again
		if err := srv.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if n := fs.Held(); n != 0 {
		t.Errorf("%d nodes and handles are still held", n)
	}
}
