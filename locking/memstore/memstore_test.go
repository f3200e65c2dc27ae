package memstore_test

import (
	"testing"

	"lessor/locking"
	"lessor/locking/memstore"
	"lessor/locking/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(testing.TB) storetest.Reopen {
		state := memstore.NewState()
		return func() (locking.LockStore, error) { return memstore.Open(state), nil }
	})
}
