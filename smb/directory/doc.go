// Package directory asks an LDAP directory (Active Directory, or one with Samba's
// schema) what the names of SIDs are and the SIDs of names, and to which groups a
// user belongs.
//
// # Theory
//
//	Directory   the questions; a cache of answers; the breaker
//	  session   a bound LDAP connection that all questions share, or none
//	  schema    which attributes hold what: a table
//
// It knows LDAP and SIDs. It must not know SMB, the accounts of this machine, or for
// what the answers are used. What the directory says is checked by form alone; which
// SIDs it may speak for is decided by who asks.
//
// Names of the directory are for showing, so an old answer is better than none: what
// has expired is told again while the directory is away. Groups give rights, so
// they are never told from memory, and without the directory there is an error.
//
// # When the directory is away
//
//	closed --a question fails for want of the server--> open for Retry, doubling
//	open --the time is over--> one question tries (half open)
//	half open --success--> closed;  --failure--> open, twice as long
//
// While the breaker is open questions fail at once, so that nobody waits longer than
// one time-out for a directory that does not answer.
//
// # Goroutines and locks
//
// A connection has a goroutine of the LDAP library until it is closed. Questions run
// on the goroutine of who asks, at most maxQuestions at a time. Directory.mu guards the
// cache and is a leaf; the semaphore dialing is taken before it, and is held across
// the making of a connection. Nothing is held while a question is under way.
package directory
