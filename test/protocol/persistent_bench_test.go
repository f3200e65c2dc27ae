package protocol

import (
	"fmt"
	"sync"
	"testing"

	"lessor/test/client"
	"lessor/test/harness"
)

// BenchmarkOpenClose is what it costs to open and close a file of one's own, by so many
// clients at once, on connections of their own: an open that ends with its connection,
// without and with a lease, a durable one, and a persistent one, which is on the disk before the client hears of it.
// The disk is that of the directory for temporary files.
func BenchmarkOpenClose(b *testing.B) {
	share := harness.Share{Name: "share", Settings: []string{"continuous_availability: true"}}
	s := harness.Run(b, harness.Options{Shares: []harness.Share{share}})
	kinds := []struct {
		name string
		args client.CreateArgs
	}{
		{"plain", client.CreateArgs{}},
		{"leased", client.CreateArgs{Lease: lease(client.RWH)}},
		{"durable", client.CreateArgs{Lease: lease(client.RWH), Durable: &client.Durable{}}},
		{"persistent", client.CreateArgs{Lease: lease(client.RWH), Durable: &client.Durable{Persistent: true}}},
	}
	for _, clients := range []int{1, 64} {
		for _, kind := range kinds {
			b.Run(fmt.Sprintf("%s-%d", kind.name, clients), func(b *testing.B) {
				trees := make([]*client.Tree, clients)
				for i := range trees {
					trees[i] = benchTree(b, s)
				}
				b.ResetTimer()
				var all sync.WaitGroup
				for i, tree := range trees {
					all.Go(func() {
						// The first ones take what is left over.
						openAndClose(b, tree, kind.args, i, b.N/clients+min(1, max(0, b.N%clients-i)))
					})
				}
				all.Wait()
			})
		}
	}
}

// benchTree is a tree of a client of its own.
func benchTree(b *testing.B, s *harness.Server) *client.Tree {
	b.Helper()
	conn, err := client.Dial(b.Context(), s.Addr, client.Options{User: s.User, Password: s.Password, Timeout: patience})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	session, err := conn.SessionSetup(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	tree, err := session.TreeConnect(b.Context(), "share")
	if err != nil {
		b.Fatal(err)
	}
	return tree
}

// openAndClose does it n times with a file of the client i.
func openAndClose(b *testing.B, tree *client.Tree, args client.CreateArgs, i, n int) {
	args.Name = fmt.Sprintf("file %d", i)
	if args.Lease != nil {
		own := *args.Lease
		own.Key = client.NewGUID()
		args.Lease = &own
	}
	for range n {
		f, err := tree.Create(b.Context(), args)
		if err != nil {
			b.Error(err)
			return
		}
		if want := args.Durable != nil && args.Durable.Persistent; f.Persistent() != want {
			b.Errorf("persistent: %v", f.Persistent())
			return
		}
		if err := f.Close(b.Context()); err != nil {
			b.Error(err)
			return
		}
	}
}
