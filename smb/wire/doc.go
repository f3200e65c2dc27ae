// Package wire turns the bytes of the SMB2 protocol into structs and back.
//
// It knows the layout of every message of MS-SMB2 2.2, of the structures of
// MS-FSCC that travel inside of them, and of the SMB1 NEGOTIATE by which old
// clients begin. It knows no state: no connection, no session, no file, no
// signature. It decides nothing about what a message means; it only refuses
// what cannot be a message. It imports the standard library alone, holds no
// mutex and starts no goroutine.
//
// # Messages
//
// Every message is a struct in a file of its own, named as in the
// specification, with two methods:
//
//	Decode(msg []byte) error      reads one whole message
//	Append(dst []byte) []byte     appends the body of one message
//
// Decode takes one link of a compound, which begins at its 64-byte header; the
// header is decoded by Header and skipped by the message. All offsets count
// from it. Append writes the body only: the caller reserves HeaderSize bytes
// before it, appends the body, and puts the header when status and credits are
// known. The start of the header need not be the start of dst. Both directions
// exist for requests and responses alike, so that the same package serves
// the server, its tests and its load client.
//
// What stands inside a message and has a layout of its own (negotiate
// contexts, create contexts, information classes, the buffers of control
// codes) has the same two methods; its Decode takes the bytes of the structure
// without any header. The data of a list is kept as bytes, and the caller
// decodes the entries that it knows: what nobody asks for costs nothing.
//
// # Memory
//
// Fields of type []byte alias the message, and live as long as it. Names are
// copied into strings. A decoder allocates nothing else but slices of numbers
// and of list entries, whose size is bounded by the bytes that are really
// there and never by a count alone. Decode overwrites every field, so a struct
// may be used again.
//
// # Errors
//
// A decoder returns ErrTruncated or ErrMalformed and nothing more: the caller
// answers STATUS_INVALID_PARAMETER or drops the connection, whichever the
// specification says. Reserved fields are ignored on the way in and zero on
// the way out. Limits of value (is this an oplock level, is the count within
// what was negotiated) are for the caller. After an error the content of the
// struct is undefined, but safe to look at.
//
// # Names
//
// Strings are UTF-16LE on the wire and WTF-8 in Go: UTF-8 in which an unpaired
// surrogate stands as its three-byte form. Every string that a client can send
// thus survives the way to a file system and back.
package wire
