// Package privileges knows who has which privilege (MS-LSAD 3.1.1.2.1, 3.1.1.3): the
// accounts that were given some, and the names and numbers by which clients know them.
//
// # Theory
//
// An account here is a SID that may have privileges: that of a user, of a group of this
// machine or of a directory, or a well-known one. It need not belong to anybody. A user
// has what his own SID has, and each group that his token names.
//
// A server that nobody has told anything gives to the administrators what Windows gives
// them, as far as it matters to files. Everything may be taken back, from them as well:
// who may change it is decided by who is an administrator, and not by a privilege. So
// there is nobody whom a mistake locks out.
//
// The text file of a Store, one line for each account, says everything as soon as it is
// there; without it the defaults hold. It is replaced as a whole and flushed to the disk
// before a change counts. It may be edited while the server runs: a look-up notices.
//
// The package knows tokens and SIDs. It knows no users, no messages, and not who may
// change what.
//
// # Concurrency
//
// A Store is safe for many goroutines. A look-up costs a look at the file's times and
// takes no lock as long as the file stays as it was. Store.mu is a leaf; it is held while
// the file is read or written.
package privileges
