// Package memfs keeps a whole vfs.FS in memory: every ability of the contract,
// nothing on a disk, gone with the process. It is the reference against which
// the server is tested, and a scratch share. It knows no operating system and
// nothing of SMB; it imports vfs and vfs/names alone.
//
// # Objects
//
//	FS         the tree, the table of files by number, the account of storage
//	inode      a file, directory or symbolic link; lives while it has a name or
//	           somebody holds a reference to it
//	directory  the names in an inode that is one: by exact name, by folded
//	           name, and in the order in which they were made
//	stream     the unnamed data of a file, or a named data stream
//	data       size and pages of one stream
//	pages      the pages of 4 KiB in use, as a radix tree: a hole is nothing
//	node       a reference to an inode or to a named stream of one: a vfs.Node
//	file, dir  open ones: a vfs.Handle
//
// Nodes and Handles hold their inode by one count each. The storage of an inode
// without names goes with the last of them.
//
// # Storage
//
// Everything that a client can make is paid for out of Options.Size before it
// is made: pages, the branches of their tree, names, attributes, streams,
// descriptors. A call that cannot pay fails with vfs.ErrNoSpace and has changed
// nothing. Pages are shared between files by cloning and copying, and copied
// when one of the sharers writes; a shared page is paid once. Reserved storage
// is paid, but takes memory only once it is written.
//
// # Ordinary files on an extraordinary volume
//
// Reading does not move the time of access. Credentials name the owner of what
// is created and are otherwise not looked at: who may do what is decided above.
// A file is found by its ID only as long as it has a name.
//
// # Locks, from the outside in
//
//	FS.tree    the names: entries and parents of all directories, the table
//	inode.mu   all else about one file: attributes, streams, data; two of them,
//	           which only copying between files takes, by ascending number
//
// The account of storage and the counts of references are atomic. There are no
// goroutines and nothing waits for anything but these locks.
package memfs
