// Package boltstore is the LockStore of a single server: one file, a bbolt
// database, which survives the end of the process at any moment.
//
// # What it knows and what it must not know
//
// It knows keys, values and transactions. What a lock means, and in which order
// changes must reach the disk, is the business of package locking, whose
// committer is the only one who writes often. A query is answered by
// LockQuery.MatchesLock and by nothing else.
//
// # Layout
//
// Numbers are 8 bytes, big-endian, so that the order of keys is that of the
// numbers in them. Each value begins with 4 bytes of checksum: CRC-32C, big-endian,
// over the name of the bucket, the key, and the content that follows.
//
//	bucket  key              content
//	meta    "version"        number: formatVersion
//	meta    "guid"           16 bytes: the identity of the server
//	meta    "epoch"          number: how often the server was started
//	opens   open id          locking.EncodeOpen: JSON, version first
//	locks   lock id          number: id of the owning open; then
//	                         locking.EncodeLock: JSON, version first
//	owned   open id, lock id nothing
//
// The bucket owned finds the locks of an open that is deleted: it has exactly one
// entry for each lock. The owner stands in front of the JSON of a lock so that
// owned can be kept true without decoding what is replaced.
//
// formatVersion counts the changes of all this, those of locking.PersistedVersion
// included. A file with a higher version is refused and left as it is.
//
// # What holds
//
// A file that exists is complete: it is made under another name and then linked.
// It belongs to one process at a time, by a lock of the operating system that
// ends with the process. Commit is one transaction: bbolt writes new pages
// beside the old ones, synchronises them, and then switches over by one page
// with a checksum, which it synchronises too. So whenever the process or the
// machine dies, the file holds what it held before the transaction or after it.
//
// A file that is damaged nevertheless, by a disk or a hand, is found at Open,
// which walks over all of it before bbolt may trust it, and refused with an error
// that says what to do. Only a damage of the very page that bbolt switches over by
// looks like a crash, and costs the last transaction. A transaction that fails
// while it runs leaves its memory behind in an unknown state; the file is then
// opened and checked anew before the next one.
//
// # Locks and goroutines
//
// Store.mu guards the handle of the database: for reading while it is used, for
// writing while it is closed or opened anew. It stands below all locks of
// package locking, which calls the store under none of its own. There are no
// goroutines.
package boltstore
