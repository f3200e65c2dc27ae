// Package rpc is what answers behind the named pipes of the share IPC$: remote
// procedure calls by DCE/RPC (C706, MS-RPCE), and on top of it the interfaces
// by which clients list shares, sessions and open files (srvsvc, MS-SRVS), ask
// who the server is (wkssvc, MS-WKST; dssetup, MS-DSSP), and translate SIDs and
// names and say who has which privilege (lsarpc, MS-LSAT and MS-LSAD), and ask for
// the accounts of the machine (samr, MS-SAMR).
//
// # Theory
//
// Three layers, none of which knows the one above:
//
//	Pipe      one open of a pipe: a queue of messages for the client to read
//	conn      the protocol: data units, fragments, presentation contexts, faults
//	iface     a table of methods: a decoder of the parameters, a function, a status
//
// SMB hands over what a client writes to a pipe and takes away what it reads
// (MS-RPCE 2.1.1.2). A pipe is in message mode and each data unit that the
// server sends is one message, so a reply that takes three fragments is read
// with three reads. What the client writes is taken as a stream: fragments may
// come in parts or several at a time.
//
// conn is a function of bytes to data units with a little state:
//
//	unbound --Bind--> bound         BindNak leaves it unbound
//	bound --AlterContext--> bound   more presentation contexts
//	bound --Request--> bound        Response or Fault; fragments are collected
//	any --breach of protocol--> dead
//
// A Fault ends a call; a breach of the protocol ends the pipe, since the stream
// has lost its meaning. The client is who the SMB session says: security inside
// of the pipe (MS-RPCE 3.3.1.5.2) is not offered, and a Bind that asks for it is
// refused with a reason, after which clients bind without.
//
// The package knows nothing of SMB, of files or of storage. What it tells comes
// from the Backend, an interface that the server implements; what only
// administrators may see is decided here, by Backend.IsAdmin. The encoding of
// parameters is package ndr.
//
// # Goroutines and locks
//
// There are no goroutines. A request runs on the goroutine that writes its last
// fragment, while it holds Pipe.in; the Backend is called then. Pipe.mu guards
// the queue, is a leaf, and is never held across a call. The order:
//
//	Pipe.in > whatever the Backend takes
//	Pipe.in > Pipe.mu
//
// Read, Peek, Pending, Wait and Close take Pipe.mu only, so they never wait for
// a request that runs.
//
// # Limits
//
// No length from the wire is trusted. A pipe holds at most a fragment (5,840
// bytes) in parts, a request under assembly of 1 MiB, 128 presentation contexts
// and 128 context handles. Replies are at most 2 MiB, enumerations come in pages
// of 512 KiB, and who does not read gets no more answers: Write refuses beyond
// 64 KiB of unread messages. A panic in an interface becomes a Fault, and is
// reported to the Backend.
package rpc
