// Package kerberos tests the real server with Kerberos: tickets of a real KDC, that of
// MIT (lessor/test/kdc), in the hands of smbclient, which speaks Kerberos by the library
// of Heimdal, and of our own client. It knows what a user sees, and the log; it must not
// know the inside of the server.
//
// The tests of smbtorture that need a KDC are in lessor/test/smbtorture.
package kerberos
