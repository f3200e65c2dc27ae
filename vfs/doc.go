// Package vfs is the contract between the file server and whatever stores the
// files. It knows files, directories, symbolic links and named streams; it
// knows nothing of SMB, of leases or of share modes, and it imports nothing of
// this module.
//
// # Objects
//
//	FS      one volume or exported directory; made by an implementation
//	Node    a reference to one file, directory, symlink or stream: not a path
//	Handle  an open Node that can be read, written or listed
//	Hub     a change hub: who wants to know about changes below a path
//	Watch   what is listened for of changes that others make (optional, Watcher)
//
// A Node is a file, so it survives a rename and, for as long as somebody holds
// it, an unlink. Several Nodes may denote the same file; NodeID says so. Every
// Node is owned by the caller who got it and is given back once with Release,
// every Handle once with Close; neither order matters, and a Handle stays good
// after the Release of the Node from which it was opened.
//
// # Names
//
// Names are byte strings as the storage has them, normally UTF-8, with '/' as
// the only separator. Translation from UTF-16, wildcards and characters that
// Windows forbids are the caller's affair. Matching without regard to case is
// done below this interface, because only the implementation can keep an index
// that makes it cheap.
//
// # Credentials
//
// Every call which can be refused takes a *Cred; nil means the server itself.
// A context carries cancellation and nothing else.
//
// # Errors
//
// Implementations return, possibly wrapped, the errors of package io/fs and
// those of errors.go, so that callers decide by errors.Is alone. What an
// implementation cannot do answers errors.ErrUnsupported; the Unimplemented
// types do so for every method, and Caps tells it in advance.
//
// # Concurrency
//
// All methods of FS, Node and Handle may be called from many goroutines, except
// that ReadDir, Rewind and EntryAttr of one Handle share a cursor and must be
// serialised by the caller, and that Release and Close must be the last call.
//
// # Locks
//
// Hub has one read-write mutex, a leaf: watcher functions are called under its
// read side and must not block nor call the Hub.
package vfs
