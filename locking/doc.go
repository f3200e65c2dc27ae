// Package locking decides, per file, who may open, cache, lock, rename or
// delete it, and remembers what must survive a lost connection or a restart.
//
// # What it knows and what it must not know
//
// It knows files as opaque [Key] values, streams as folded names, clients as
// something a break can be handed to. It knows neither protocol messages nor
// storage of files: the server translates, and a local process that changes
// an exported file comes through the same doors ([Open.Break] and
// [OplockManager.Changed]). It imports nothing else of this module.
//
// # Objects
//
//	OplockManager  one per server
//	  file         one per Key with at least one open, found through 64 shards
//	    stream     opens, leases, byte-range locks of one stream; the unnamed
//	               stream lies inside the file object
//	      Open     one per handle: access, share mode, oplock or lease
//	      lease    one per client and lease key, shared by opens of one stream
//	      ranges   interval tree of byte-range locks and the queue of waiters
//
// A file lives from its first open to its last close. Nothing that is true of
// the file is kept in an Open.
//
// # States of an oplock or a lease
//
// Both are the same machine over the bits Read, Handle and Write. It is
// either settled, or breaking: then "requested" is what the holder was told
// to go down to and "required" is what the waiting operations need. An
// acknowledgement within "requested" settles it; when it is still more than
// "required", the next break of the chain starts at once from the settled
// state (RWH to RH to R to nothing). The end of the last open, the time-out
// and an undeliverable notification settle it at nothing.
//
// # Waiting
//
// No call ever waits for a client. A caller that must wait gets a [*Blocked]
// whose channel closes when it makes sense to come back.
//
// Some calls wait for the store, for the time of one transaction and under no lock
// but a name gate: [Open.Durable], [Open.SetDelete] and [Closed].Deleted for a
// persistent open, [Open.Lock] and [Open.Unlock] for an open that is stored, and whatever goes on after something
// that a stored open has lost. stored.go has the rules, commit.go says why the
// queue in front of the store is bounded.
//
// # Bounds
//
// What clients can make the manager keep is bounded by their opens, which are the
// server's business, but for byte-range locks, of which one open can have very many:
// Options.MaxLocksPerOpen, Options.MaxLocks, and a fair share of these for each client
// (fair.go), so that nobody locks out the others.
//
// # Lock order
//
// The levels continue those of the whole server:
//
//	0     name gate (Enter): held by the caller across the other calls
//	5     shard.mu: map from Key to file, and the reference count of a file
//	6     file.mu: everything about the file, streams included
//	leaf  leaseShard.mu, openShard.mu, clientShard.mu, gateShard.mu, committer.mu,
//	      purgeMu: maps and queues; nothing is called while they are held
//
// Two of one level are never held together. [Client.Break] and the methods of
// [Observer] are called under level 6 and may only enqueue or count. There is
// no input or output under any of these locks.
//
// # Goroutines
//
// One for good: the committer that groups changes into transactions of the
// [LockStore]; it ends with [OplockManager.Close]. Time-outs are
// time.AfterFunc timers, which Close stops. When disconnected opens are pushed
// out or expire, a short-lived goroutine calls Options.OnPurge and waits for the
// store; Close waits for those.
//
// The decisions follow MS-FSA 2.1.4.12, 2.1.5.1.2, 2.1.5.7, 2.1.5.8, 2.1.5.17
// and 2.1.5.18, and MS-SMB2 3.3.1.4, 3.3.4.6, 3.3.4.7, 3.3.5.9 and 3.3.5.22.
package locking
