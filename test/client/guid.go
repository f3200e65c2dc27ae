package client

import (
	"crypto/rand"

	"lessor/smb/wire"
)

// NewGUID returns a random GUID, for clients, leases and durable opens.
func NewGUID() wire.GUID {
	var g wire.GUID
	_, _ = rand.Read(g[:]) // crypto/rand.Read does not fail
	return g
}
