// Package discovery lets clients on the same link find the server: a responder of
// multicast DNS (RFC 6762) that announces services by DNS-SD (RFC 6763), as the Finder of
// macOS and file managers of Linux look for them.
//
// # What it knows
//
// Names, services and the messages of multicast DNS. It knows nothing of SMB and of the
// server's configuration, and is imported by nobody but the program.
//
// # Objects
//
//	Responder  what is announced, under which names, and the state of the protocol
//	Link       the socket of a family of addresses, which tests replace (package mcast): one
//	           that is bound to port 5353 with others, such as Avahi, and has joined the group
//	           on every interface
//
// # States
//
// Probing (three questions whether the names are taken; who finds them taken takes others),
// announcing (twice), answering. At the end what was announced is taken back. A conflict that
// is seen later leads back to probing, and so do an interface that comes and addresses that
// change.
//
// # What is not there
//
// Who asks for a type of record that a name of ours does not have gets an NSEC record, which
// says what there is, instead of waiting in vain; and so, unasked, does who gets addresses of
// one family alone.
//
// # Bounds
//
// A message of more than 9,000 bytes or 256 records is not looked at, and neither is one from an
// address that is not on the link, or is that of a whole network, or by an interface that is not
// used; nor are more than 500 messages a second by one interface. Each record is an answer to
// everybody once a second on an interface at most, and there are 50 such answers a second, and
// as many more to those who speak plain DNS. Probes, announcements and the goodbye are bounded by
// what is there: five messages when an interface, an address or a conflict comes, and one at the
// end. After 15 conflicts there are five seconds between them.
//
// # Goroutines
//
// Responder.Run reads in one of its own for each link, and everything else happens in that of
// the caller, which owns all state. There are no mutexes.
package discovery
