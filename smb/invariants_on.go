//go:build invariants

package smb

// crashIfInvariants passes a panic on, so that tests see it.
func crashIfInvariants(p any) { panic(p) }
