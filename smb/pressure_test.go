package smb_test

import (
	"fmt"
	"testing"

	"lessor/smb"
	"lessor/smb/wire"
	"lessor/test/client"
)

// TestHandlePressure is a client that walks a tree and keeps every directory open
// because it has leases on them: long before its session is full it is asked to
// close some, and told so by ordinary breaks.
func TestHandlePressure(t *testing.T) {
	const limit = 256
	srv := newTestServer(t, func(c *smb.Config, _ *smb.Share) { c.Limits.OpensPerSession = limit })
	tree := srv.connect(t)
	opens := make(map[wire.GUID]*client.File)
	asked := 0
	for i := range 2 * limit {
		key := wire.GUID{1, byte(i), byte(i >> 8)}
		f, err := tree.Create(t.Context(), client.CreateArgs{
			Name: fmt.Sprintf("dir%04d", i), Directory: true, Oplock: wire.OplockLease,
			Lease: &client.Lease{Key: key, State: wire.LeaseRead | wire.LeaseHandle},
		})
		if err != nil {
			t.Fatalf("directory %d with %d open: %v", i, len(opens), err)
		}
		opens[key] = f
		// Do what a client does that is asked for a handle it only keeps: close it.
		asked += arrivedBreaks(t, tree.Session.Conn)
		if asked > 0 && len(opens) > limit*7/8 {
			for k, f := range opens {
				if k != key {
					if err := f.Close(t.Context()); err != nil {
						t.Fatal(err)
					}
					delete(opens, k)
				}
			}
		}
	}
	if asked == 0 {
		t.Error("nobody asked the client to close directories")
	}
}

// arrivedBreaks takes the breaks that the server has sent until now, which an ECHO
// follows, and returns how many there are.
func arrivedBreaks(t *testing.T, c *client.Conn) (n int) {
	t.Helper()
	if err := c.Echo(t.Context()); err != nil {
		t.Fatal(err)
	}
	for {
		select {
		case b, ok := <-c.Breaks():
			if !ok {
				t.Fatal(c.Err())
			}
			if b.Lease == nil {
				t.Fatalf("not a break of a lease: %v", b)
			}
			n++
		default:
			return n
		}
	}
}
