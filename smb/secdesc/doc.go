// Package secdesc knows Windows security descriptors (MS-DTYP 2.4): SIDs,
// access control entries and lists, their self-relative form on the wire and
// on disk, the access check, and inheritance at creation.
//
// # Theory
//
// A descriptor says who owns a file, what its owner, its groups and everybody
// else may do (the DACL), and what is to be audited (the SACL). Three
// questions are asked of it, and each has one answer here:
//
//   - May this token do that? Check, by the order of the entries: for each bit
//     of access the first entry that names it decides (MS-DTYP 2.5.3.2).
//     CheckFile adds what a file borrows from its directory and what backup
//     intent is worth (MS-FSA 2.1.5.1.2.1).
//   - What does a new file get? Inherit (MS-DTYP 2.5.3.4), or FromMode when
//     there is only a mode.
//   - What does a client see, and what changes when it sets a part? Select and
//     Merge, by the SECURITY_INFORMATION bits (MS-DTYP 2.4.7).
//
// An absent DACL and an empty one are opposites: the first lets everybody do
// everything, the second nobody anything. Descriptor.DACL is nil for the first
// and a list without entries for the second, and no function turns one into
// the other.
//
// The package knows no users, no files and no messages. It imports the
// standard library only. Its values are plain data without locks: a *Descriptor
// that is shared between goroutines must not be changed any more, and no
// function here changes its arguments.
//
// # Limits
//
// An ACL is at most 64 KiB, as its size field has 16 bits; what is decoded
// never aliases its source, and allocation is bounded by a small multiple of
// the bytes that are really there.
package secdesc
