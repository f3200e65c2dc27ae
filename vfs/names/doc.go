// Package names knows how Windows looks at file names: which characters are
// allowed, which names are equal, what a wildcard matches, how a path with a
// stream is taken apart, and how names travel between the wire and a disk that
// stores arbitrary bytes. It does no input or output, holds no state besides
// constant tables, and imports nothing of this module.
//
// # Strings
//
// A name is a Go string in WTF-8: UTF-8 in which a lone UTF-16 surrogate has
// its three-byte form. That is what UTF-16 from the wire becomes without loss.
// Every function accepts any bytes; a byte that is not part of a valid sequence
// counts as one character which equals only itself.
//
// # Case
//
// Fold maps each UTF-16 unit to upper case one to one, as the $UpCase table of
// NTFS does, and leaves everything beyond the basic plane alone. Two names are
// the same to Windows exactly when their folded forms are the same bytes.
//
// # Disk
//
// FromDisk and ToDisk are inverse bijections between all byte strings and all
// WTF-8 strings: what is clean UTF-8 on disk looks the same to clients, a byte
// that is not is shown as one private-use character, and every file that can be
// listed can be opened by the name under which it was listed.
package names
