// Package mcast holds the sockets by which the protocols of discovery talk to everybody on
// a link: one socket for a group and a port, which is a member on every interface.
//
// # What it knows
//
// Interfaces, their addresses and the groups; who is on a link (OnLink); and how to do no more
// than so much in a second (Budget). It knows no protocol.
//
// # Objects
//
//	Link    what a protocol needs: packets with the interface that they came by, and the
//	        interfaces as they are now. Tests put something of their own in its place
//	Socket  the Link of this machine, for one family of addresses. Others may have the
//	        port as well
//
// # Who is heard
//
// What goes to the group, and to the machine itself with 255 hops left, which no router has
// passed on: an address of the link can be written on anything. And of that, what the
// protocol lets in by OnLink.
//
// # Interfaces
//
// They come and go: the list is looked up again when it is older than 10 seconds, and the
// group is joined on those that are new. A Group may leave out those on which nobody could
// reach the server.
//
// # Goroutines
//
// It has none, and no mutexes: the list of interfaces is replaced as a whole.
package mcast
