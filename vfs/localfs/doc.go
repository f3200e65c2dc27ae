// Package localfs exports a directory of a Linux machine as a vfs.FS. It is
// the only place that knows errno, openat2, extended attributes and the layouts
// in which Samba keeps what a POSIX file system has no room for.
//
// # Objects
//
// An FS holds a descriptor of the exported directory. A node holds one
// descriptor of a file: an O_PATH one, or, if Lookup or Create were told how the
// file will be opened, one that can do the I/O as well, which a Handle then
// shares. Nodes are counted by reference; a Handle holds one.
//
// Every name is resolved by openat2 beneath a descriptor, so nothing that a
// client or a local process does to names or links leads out of the export.
// A descriptor that is already held is reopened through /proc/self/fd, never by
// name. FIFOs, sockets and devices can be seen but not opened.
//
// # On the disk
//
//	user.DOSATTRIB               attribute bits and time of birth, NDR, version 5
//	security.NTACL               security descriptor in the version 1 wrapper
//	user.lessor.NTACL            the same where security.* may not be written
//	user.DosStream.NAME:$DATA    named stream: the data and one zero byte
//	user.lessor.Stream.NAME      named stream that has no room there: what its file is
//	                             called in .lessor-streams, at the top of the export
//	user.SmbReparse              reparse point
//	user.lessor.ObjectID         object id, and the file that it is of
//	user.NAME                    extended attribute NAME
//
// # Case and form
//
// The kernel answers for names as they are stored. For those in another case, or in
// another form of Unicode, there is an
// index of names per directory (index.go), bounded by an LRU list, valid
// as long as the directory's times, and the watch if there is one, say that only
// we have changed it.
//
// # Changes by others
//
// A watch (watch.go) hears of them through package localwatch, once somebody has
// asked for it (vfs.Watcher). It marks directories on demand: a file is covered by
// its directory, a tree by the mark of the volume or by a walk (watchtree.go), and
// the directories above are marked to know when a path changes. What this process
// does is told apart by the kernel or, with inotify, by what it remembers to have
// done just now (watchown.go). See docs/local-changes.md for the limits.
//
// # Locks, from the outside in
//
//	FS.watching   the beginning and the end of a watch
//	watch.telling held while changes are told
//	dirIndex.mu   one directory's names; held across the system calls
//	              that change or list that directory, which the kernel
//	              serialises anyway; two are taken in the order of their seq
//	stripe        read-modify-write of attributes and streams of one file; held
//	              across xattr calls
//	node.writing  shared by those who write to a file, alone for who reserves storage for
//	              it; held across the system calls for that
//	stores.mu     the directories of large streams of all FS, held across system calls
//	bigStreams.mu the making of one of them, held across system calls
//	watch.mu      what is marked; held across the system calls that mark
//	ownOps.mu     what this process does, for inotify, leaf, no I/O
//	indexes.mu    the LRU list, of one FS or several, leaf, no I/O
//	knownChunk.mu what is remembered of extended attributes, leaf, no I/O
//	file.lockMu   the locks of ranges of a Handle, leaf, held across fcntl
//	changes.mu    change times that were set, leaf, no I/O
//	leases.mu     who has a file to itself, leaf, held across fcntl
//
// # Goroutines
//
// One for each watch, which reads the events of the kernel, and one for each tree
// while it is walked. Both have ended when Watch.Close returns. One listens for the
// signal of the kernel while there are leases (lease.go). Calls on the directory of large
// streams have one while the caller waits (bigstream.go). Else there are none.
package localfs
