// Package wsd lets Windows find the server: a target service of WS-Discovery in the version
// of April 2005, which Windows speaks, with the description of a device (Devices Profile
// for Web Services, February 2006) from which Explorer takes the entry under "Network".
//
// # What it knows
//
// The messages of WS-Discovery over UDP (SOAP-over-UDP of September 2004), WS-Transfer's Get
// over HTTP, and what a computer says of itself in them (MS-PBSD). It knows nothing of SMB
// and of the server's configuration, and is imported by nobody but the program.
//
// # Objects
//
//	Device  what is told of the server: its UUID, name, and workgroup or domain
//	Host    what answers for it: the multicast sockets (package mcast), one for each
//	        family of addresses, and the listener for HTTP
//
// # A conversation
//
//	Hello                       to the group, when the server comes to an interface
//	Probe     -> ProbeMatches   "which computers are there?"
//	Resolve   -> ResolveMatches "where is the one with this UUID?"
//	Get       -> GetResponse    over HTTP: its name, and workgroup or domain
//	Bye                         to the group, when the server ends
//
// # States of a host on an interface
//
// Unknown, greeted: an interface is greeted when it is seen first and whenever its addresses
// have changed, which also makes the version of the metadata greater. At the end Bye goes to
// those that were greeted, twice, within a quarter of a second.
//
// # Bounds
//
// A message is at most 8 KiB, 200 elements, 12 levels deep; entities but the five of XML,
// document types and processing instructions are refused, and so are more than 16 types in a
// Probe. Only who is on the link of an interface that is used is answered, and only at the
// address that the question came from, which is not that of a whole network. Of an interface
// 500 messages a second are looked at, and 50 of them answered; 8 answers may wait for one
// address, and 128 for all. The identifiers of the last 256 messages that were answered are
// remembered, and such a one is not answered again. HTTP has 32 connections, 4 for an address,
// of one request each and 10 seconds at most.
//
// # Goroutines and locks
//
// Host.Run has one for each socket, which reads and decodes, one for HTTP with those of
// package net/http, and everything else happens in that of the caller, which owns all
// state. What HTTP answers from is immutable. The only mutex, of the connections that are
// counted, is a leaf.
package wsd
