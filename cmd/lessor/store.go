package main

import (
	"errors"
	"path/filepath"

	"lessor/config"
	"lessor/locking"
	"lessor/locking/boltstore"
)

// openStore opens what keeps durable opens and the identity of the server.
func openStore(c *config.Config) (locking.LockStore, error) {
	const remedy = "give each server a directory of its own that it may write to"
	s, err := boltstore.Open(filepath.Join(c.StateDir, "locks.db"), boltstore.Options{})
	var p *boltstore.Error
	switch {
	case err == nil:
		return s, nil
	case errors.Is(err, boltstore.ErrInUse):
		return nil, c.Problem("state_dir", c.StateDir+": another server uses this directory", remedy)
	case errors.As(err, &p):
		return nil, c.Problem("state_dir", p.What(), p.Remedy)
	}
	return nil, c.Problem("state_dir", err.Error(), remedy)
}
