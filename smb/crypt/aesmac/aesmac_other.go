//go:build !amd64 || purego

package aesmac

// Key is an AES key. There is none here.
type Key struct{}

// New returns nil: there is no assembly for this processor.
func New([]byte) *Key { return nil }

const nobody = "aesmac: no assembly for this processor"

// Run panics: there is no Key to call it with.
func (*Key) Run(Mode, *[BlockSize]byte, *[BlockSize]byte, []byte) { panic(nobody) }

// Together panics: there is no Key to call it with.
func (*Key) Together(Mode, []*Stream) { panic(nobody) }

func (*Key) step(Mode, []*Stream) { panic(nobody) }
