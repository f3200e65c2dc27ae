// Package errfs wraps any vfs.FS and lets tests decide what goes wrong: which
// call fails, waits, or transfers less than it was asked to. It knows the
// contract of package vfs and nothing of what it wraps.
//
// # Objects
//
//	FS            wraps an FS; keeps the rules and counts the calls
//	Rule          which calls, and what happens to them
//	Call          one call, as a hook sees it
//	node, handle  wrap what comes out of an FS; they embed the inner value, so
//	              that what has no rule is as if there were no wrapper
//
// # Paths
//
// A Node is not a path, but rules want one. A node is called by the path under
// which it was found or made, and keeps it when the file is renamed; one from
// ByID is "#" and its number. A path is relative to the root, which is "", and a
// named stream comes behind a colon: "dir/file:stream".
//
// # What a wrapper cannot see
//
// A caller who takes the descriptor of a Handle (Fd) reads past the rules for
// ReadAt. A rule for OpFd with an error withholds it.
//
// # Concurrency
//
// Everything may be called at any time from anywhere, from hooks as well. FS.mu
// guards the making of a new list of rules, nothing else, and is a leaf; hooks
// and waiting happen without any lock. There are no goroutines.
package errfs
