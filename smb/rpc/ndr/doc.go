// Package ndr knows NDR, the transfer syntax 8a885d04-1ceb-11c9-9fe8-08002b104860
// version 2.0 in which the parameters of a remote call travel (C706 chapter 14
// with MS-RPCE 2.2.4): alignment, pointers, conformant and varying arrays,
// strings.
//
// # Theory
//
// A stub is a sequence of parameters. Every primitive is aligned to its own
// size, counted from the start of the stub. A pointer is a referent id of four
// bytes, 0 for nil; what it points to is written behind the structure or array
// that holds the pointer, in the order of the pointers, each together with
// everything below it (C706 14.3.12.3). An array whose length is known only at
// run time has its element count in front, also in front of a structure that
// it ends.
//
// Encoder keeps what is owed behind the current structure as a queue of
// functions, so an encoding reads like the interface definition. Decoder is a
// cursor with a sticky error, as that of the message codecs: a decoder reads
// everything and asks Err once. Decoders follow the deferral by hand, because
// only few requests contain structures at all.
//
// Only little-endian integers and UTF-16 exist here; the layer of the protocol
// data units refuses other data representations. Strings convert to and from
// UTF-8; what is no valid UTF-16 or UTF-8 becomes U+FFFD.
//
// # Limits
//
// No length from the wire is trusted: a count is compared with the bytes that
// are left before anything is allocated for it. Memory is bounded by a small
// multiple of the stub.
//
// The package imports the standard library only, has no state, no locks and no
// goroutines. An Encoder or Decoder belongs to one goroutine.
package ndr
