// Package smb is the SMB server: it holds the conversation with clients and asks
// the packages around it for everything else. Package wire turns bytes into
// structs, package locking decides who may open, cache, lock and delete, package
// vfs stores files, and auth, crypt, compress, secdesc and rpc do what their names say.
//
// # Objects
//
//	Server   one; shares, sessions, clients
//	client   a ClientGuid: its connections; where breaks go
//	conn     a transport connection: turns of reading, message ids, requests
//	session  a user of a client, on one or more connections (channels)
//	tree     a session on a share
//	open     a handle: rights, cursor, notifications; what is true of the file is
//	         in package locking, the hold on the stored object in a grip
//	request  one frame at work: a message or a chain of them
//
// A session is in progress, valid, expired or gone; an open is open, closed, or,
// if it is durable, disconnected: then package locking keeps it, with the open
// as payload, until its client comes back with another session (durable.go) or
// it is given up (Server.purged). Of a session that is gone, connections that go on keep
// the keys for a while, to tell the client so (departed.go).
//
// # Life of a request
//
// A goroutine that has the turn (turn.go) reads a frame and carries it out
// itself. run unseals and expands; step takes the messages of the chain apart one
// by one: header, message id, then enter finds session and tree and checks signature
// and sealing. The row of the table of commands (dispatch.go) decodes the message and
// calls the handler, a method of request in the file that has the name of the
// command. The reply grows in place in one pooled buffer (reply.go). finish puts
// its header and counts it; conclude signs, compresses, seals and queues it. A long WRITE may come in
// parts, each of which is carried out as it comes (writeparts.go).
//
// A handler returns nil, an ntstatus.Status, or any error of the packages below,
// which statusOf alone maps. A *protocolError ends the connection. A handler that
// has to wait for another client or a clock calls await, and nothing else: it
// sends the interim reply, gives the turn away, and hears CANCEL.
//
// A refusal on account of another client's open, and a wait for it, first look
// whether that client has hung up (hangup.go): then its session is ended before the
// message is carried out again.
//
// # POSIX extensions
//
// An open with them (open.posix; posix.go) is another kind of open, not another kind of
// connection: wherever names are folded or mapped, links followed or others in the way,
// the open is asked what holds for it. What is a special file to a client is a regular
// file with a reparse point in the storage (special.go, reparse.go).
//
// # Lock order
//
//	0     name gate of package locking; held across calls of vfs, never across await; the one
//	      of a file's extended attributes (eas.go) is the innermost
//	0     parts.mu: one part at a time of a WRITE that comes in; held across calls of vfs and across await
//	0     dirScan.mu: one QUERY_DIRECTORY at a time of an open; held across calls of vfs
//	0     outsideLocks.mu: what a grip shows of its byte-range locks; as the gate
//	0     localTable.starting: a new list of shares; held across calls of vfs
//	0     sessionSetup.mu: one SESSION_SETUP at a time of a session on a connection
//	1     Server.mu
//	2     session.mu
//	3     conn.mu
//	4     open.mu
//	5, 6  inside package locking
//	leaf  lateTimes.mu, under which lateFile.mu is taken
//	leaf  faults.mu; AuditLog.mu, held across a write by the goroutine of the log
//	leaf  parts.behind, under which bulk.mu and memory.mu are taken
//	leaf  bulk.mu, under which memory.mu may be taken
//	leaf  sentBreaks.mu, memory.mu, throttle.mu, groupNames.mu, grip.mu, tunnel.mu, the transport queue, logLimit.mu, accounts.mu,
//	      those of Config.Accounts, Foreign and Directory (see there),
//	      watchTable.mu, localTable.mu, backups.mu, and watch.mu, which is taken under the lock of the Hub
//
// Downwards only, never two of one level, no I/O under 1 to 6 (grip.mu is held
// while its handle is opened). client.Break is called under level 6: it looks at
// nothing but what is atomic or immutable, asks the kernel whether a socket was hung
// up, which waits for nothing, and enqueues.
//
// # Looking on
//
// Server.StatusOf (snapshot.go, look.go) tells what there is. It asks package locking for
// opens and locks page by page, and looks each of them up in its session, so that no
// lock is held for long. What a request waits for stands in a note of its own, which
// conn.mu guards (waiting.go); the rest of a request belongs to its goroutine.
//
// # Goroutines
//
// Per connection: the one that has the turn, and one for each request that gave
// its turn away, all counted by conn.wg; ServeConn returns when they have ended.
// The transport has at most one more that writes. There is none per session,
// tree or open. On a share with KernelOplocks there is one for each file that another
// program waits for, until its oplock has ended (kerneloplocks.go). One purges the
// recycle bins of all shares, if a share has one (recyclepurge.go), and one adds up the
// files of each share with a limit (sizelimit.go); both have ended when the server is closed.
// An AuditLog has one that ends with it. A file system that tells of changes by others (localchanges.go)
// does so on a goroutine of its own, which holds no lock of this package. One looks
// groups of a directory up that lists name, when there is something to look up
// (groupnames.go); Close waits for it.
package smb
