// Package compress compresses and expands messages of SMB 3.1.1.
//
// It knows the algorithms of MS-XCA (LZNT1, Plain LZ77, LZ77+Huffman), the block
// format of LZ4, the runs of Pattern_V1, and the two forms in which a compressed
// message travels (MS-SMB2 2.2.42, 3.1.4.4, 3.1.5.3). It must not know what a
// message means, who sent it, or whether it is signed or sealed: the signature
// covers the message as it is before, the seal what comes out of it. Of this
// module it imports package wire.
//
// # Objects
//
//	Codec   what a connection has negotiated: the algorithms that may come in, the
//	        one that goes out, whether payloads may be chained, and how long a
//	        message may become. Immutable, used by any number of goroutines.
//
// Compress and Expand are the algorithms by themselves; a Codec puts the headers
// around them.
//
// # Memory
//
// Every function writes into memory of the caller and never beyond it: what an
// encoder may write is its budget, behind which it gives up; what a decoder may
// write is the size that the caller has allowed, and a stream that holds less or
// more is an error. So a length from the wire costs nothing until the caller has
// compared it with its limit, which Codec.Size does. The state of the algorithms
// (hash tables, the tokens of a block) comes from pools; nothing is allocated per
// message.
//
// # Whether it pays
//
// A Codec looks at a few samples first. If those hold nothing that repeats, the
// message goes as it is, for the price of reading some kilobytes. What is
// compressed must become shorter by a sixteenth, or it goes as it is, too.
//
// There are no locks and no goroutines in this package.
package compress
