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
//	user.NAME                    extended attribute NAME
//
// # Case
//
// The kernel answers for names in their exact case. For the rest there is an
// index of folded names per directory (index.go), bounded by an LRU list, valid
// as long as the directory's times say that only we have changed it.
//
// # Locks, from the outside in
//
//	dirIndex.mu   one directory's folded names; held across the system calls
//	              that change or list that directory, which the kernel
//	              serialises anyway; two are taken in the order of their seq
//	stripe        read-modify-write of attributes and streams of one file; held
//	              across xattr calls
//	index.mu      the LRU list, leaf, no I/O
//	node.mu       a node's cached attribute bits, leaf, no I/O
//	file.lockMu   the locks of ranges of a Handle, leaf, held across fcntl
//	changes.mu    change times that were set, leaf, no I/O
//
// There are no goroutines.
package localfs
