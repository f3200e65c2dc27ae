package main

import (
	"path/filepath"

	"lessor/config"
	"lessor/locking"
	"lessor/locking/boltstore"
)

// storePath is where the lock store is.
func storePath(c *config.Config) string { return filepath.Join(c.StateDir, "locks.db") }

// openStore opens what keeps durable opens and the identity of the server.
func openStore(c *config.Config) (locking.LockStore, error) {
	s, err := boltstore.Open(storePath(c), boltstore.Options{})
	if err != nil {
		return nil, c.Problem("state_dir", err.Error(), "") // it says itself what to do
	}
	return s, nil
}
